"""The isotropic Gaussian mixture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, get_args

import numpy as np

from entbench._compiled import threads_for
from entbench._distinct import distinct_rows
from entbench._validation import check_choice, check_jobs, check_positive, check_samples
from entbench.mixture._accelerator import find_accelerator
from entbench.mixture._entropy import MixtureEntropy, Progress, Statistic, mixture_entropy
from entbench.mixture._strata import draw_range
from entbench.mixture._sums import KernelSums, LeftOut, Method, Rung, TreeSums
from entbench.mixture._tree import Tree

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

METHODS: tuple[Method, ...] = get_args(Method)

_LN2 = math.log(2.0)
# What rounding in double precision leaves possible, near the centres and in few dimensions.
_FINEST = 1e-14


@dataclass(frozen=True)
class LogDensity:
    """Log-densities, and how far off they can be.

    Attributes
    ----------
    values : ndarray of shape (m,)
        In nats.
    errors : ndarray of shape (m,)
        Bounds of their errors in nats, that is, of the relative errors of the densities: of
        leaving out and expanding terms, and of rounding. The rounding of the points and centres
        to double precision before they came here is not contained.
    method : {"dense", "pruned"}
        What was chosen.
    """

    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    method: Method


@dataclass(frozen=True)
class Posterior:
    """What points tell about the component they came from, C the centre and Y the point.

    Attributes
    ----------
    log_density : ndarray of shape (m,)
        Log-density of Y in nats.
    mean : ndarray of shape (m, dim)
        E[C | Y].
    variance : ndarray of shape (m,)
        ``E[|C - E[C|Y]|^2 | Y]``; its mean over draws from the mixture is mmse(C | C + Z).
    collision : ndarray of shape (m,)
        Sum of the components' squared posterior probabilities: between 1/n and 1, and 1 where one
        component alone explains the point.
    """

    log_density: NDArray[np.float64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    collision: NDArray[np.float64]


class GaussianMixture:
    """Mixture of N(centre, sigma^2 I) over the given centres.

    Parameters
    ----------
    centres : array-like of shape (n, dim)
        Centres of the components. Repeated centres count as often as they occur, and cost once.
        Not copied where it is an array of double precision already: do not change it afterwards.
    sigma : float
        Standard deviation of every component, along every axis.
    weights : array-like of shape (n,), optional
        Weights of the components, not negative, with a positive sum; scaled to sum to 1. Equal
        where not given.
    n_jobs : int, optional
        Threads to use; -1 for all cores. What numba is set to where not given.
    device : str, default="cpu"
        "cpu" for the compiled kernels; "cuda", or "cuda:1" and so on, for torch on an accelerator;
        or "auto" for an accelerator where there is one, and the compiled kernels otherwise.

    Notes
    -----
    Centres are sorted into a tree of boxes once, in O(n dim log n). A density at a point is then
    summed exactly over the boxes near to it, by moments over boxes in which the kernel varies
    little, and not at all over boxes out of reach, each with a certified bound of the error. Where
    the tree would not pay, all pairs are summed. Storage is O(n dim) and O(m) for m points.

    Sums are carried in double precision. Kernels are in single precision where the tolerance
    allows, relative to the middle of their box, so a common shift costs no accuracy beyond the
    input's own.
    """

    def __init__(
        self,
        centres: ArrayLike,
        sigma: float,
        weights: ArrayLike | None = None,
        *,
        n_jobs: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.centres = check_samples(centres, name="centres", minimum=1)
        self.sigma = check_positive("sigma", sigma)
        self.n, self.dim = self.centres.shape
        self.weights: NDArray[np.float64] | None = None
        if weights is not None:
            # a component without weight is none
            raw = _check_weights(weights, self.n)
            self.centres = np.ascontiguousarray(self.centres[raw > 0.0])
            log2_weights = np.log2(raw[raw > 0.0]) - math.log2(float(raw.max()))
            self._log2_weights = log2_weights - np.log2(np.exp2(log2_weights).sum())
            self.weights = np.exp2(self._log2_weights)
            self.n = len(self.centres)
        self.n_jobs = check_jobs(n_jobs)
        self.device = device
        self._accelerator = None if device == "cpu" else find_accelerator(device)

    def log_density(
        self, points: ArrayLike, tolerance: float = 1e-5, method: Method = "auto"
    ) -> NDArray[np.float64]:
        """Return the log-density in nats at `points` (m, dim), shape (m,); see `evaluate`."""
        return self.evaluate(points, tolerance, method).values

    def evaluate(
        self, points: ArrayLike, tolerance: float = 1e-5, method: Method = "auto"
    ) -> LogDensity:
        """Return the log-density at `points` with bounds of its error.

        Parameters
        ----------
        points : array-like of shape (m, dim)
            Where to evaluate.
        tolerance : float, default=1e-5
            Error allowed in nats, that is, relative error of the density, from 1e-14 up. Kernels
            are in single precision where that will do: from about 1e-6 up, point by point. Far
            from all centres, and in hundreds of dimensions, the bound reached in double precision
            may be above a tolerance near its rounding: ``errors`` says so.
        method : {"auto", "dense", "pruned"}
            Sum all pairs, or use the tree; "auto" compares their costs on some of the points.
        """
        queries = self._check_points(points)
        check_choice("method", method, METHODS)
        sums = self.kernels.sums(queries, check_tolerance(tolerance), method)
        values = _LN2 * sums.log2 - self._log_normaliser
        with np.errstate(invalid="ignore"):
            rounding = 2.0**-52 * (np.abs(values) + abs(self._log_normaliser))
        return LogDensity(values, sums.errors + rounding, sums.method)

    def leave_one_out_log_density(self, tolerance: float = 1e-5) -> NDArray[np.float64]:
        """Return, at each centre, the log-density in nats of the mixture of the other centres."""
        if self.n < 2:
            raise ValueError("leaving one out needs at least 2 centres; got 1.")
        left_out = self.left_out(np.arange(self.n))
        sums = self.kernels.sums(self.centres, check_tolerance(tolerance), left_out=left_out)
        return np.asarray(_LN2 * sums.log2 - self._log_rest() - self._log_normaliser)

    def log_kernel_sums(
        self, points: ArrayLike | None = None, tolerance: float = 1e-5
    ) -> NDArray[np.float64]:
        """Return ``log sum_j w_j exp(-|x_i - c_j|^2 / (2 sigma^2))`` at points, or at the centres.

        The weights sum to 1. Shape (m,), or (n,); see `evaluate` for `tolerance`.
        """
        queries = self.centres if points is None else self._check_points(points)
        return np.asarray(_LN2 * self.kernels.sums(queries, check_tolerance(tolerance)).log2)

    def posterior(self, points: ArrayLike, tolerance: float = 1e-5) -> Posterior:
        """Return what `points` (m, dim) tell about the component they came from.

        Terms are left out only where their shares are below `tolerance` together. In double
        precision, on the CPU, whatever the device. At a distance of D sigma from all centres the
        shares are off by about ``D^2 2^-53``.
        """
        queries = self._check_points(points)
        found = self._tree_sums.posterior(queries, check_tolerance(tolerance))
        return Posterior(
            _LN2 * found.log2 - self._log_normaliser, found.means, found.variances, found.collisions
        )

    def entropy(
        self,
        tolerance: float,
        max_draws: int,
        rng: np.random.Generator,
        statistic: Statistic = "plug-in",
        progress: Progress | None = None,
        only_asked: bool = False,
    ) -> MixtureEntropy:
        """Integrate the mixture's differential entropy, or a correction of it.

        In one and two dimensions the entropy is integrated by quadrature where `max_draws` points
        are enough. Otherwise, and for what a correction adds to it, by Monte Carlo: averages
        log(q(T)/phi(Z)) over T = centre + Z in place of log q(T), with the same mean up to the
        known h(Z) and a variance that vanishes where components are far apart; subtracts the
        multiple of ``|Z|^2 / (2 sigma^2) - dim/2``, of mean 0, that a pilot finds best; takes
        draws in pairs Z and -Z; and spreads them evenly over strata of neighbouring components.

        Where that would be much work, q is compared to coarse likenesses of itself, in which one
        Gaussian stands for a whole box of centres. Few draws give the mean of the log of their
        ratio, many cheap ones that of the coarsest: multilevel Monte Carlo (Giles 2008), unbiased
        whatever the likenesses.

        Parameters
        ----------
        tolerance : float
            Standard error of the statistic to reach, in nats.
        max_draws : int
            Most draws to spend; the result says whether they were enough.
        rng : numpy.random.Generator
            Where the draws come from.
        statistic : {"plug-in", "leave-one-out", "miller-madow", "jackknife"}
            What to integrate, with ``r_ji`` the share of centre i in the density at S_j + Z and
            ``N_eff = sum_j E r_jj``: the mixture's entropy h; the cross-entropy
            ``-(1/n) sum_j E log q_{-j}(S_j + Z)`` to the mixture of the other centres;
            ``h + (N_eff - 1)/(2n)``; or the closed-form jackknife
            ``h + (n-1) log(n/(n-1)) + (1/n) sum_j E sum_{i != j} log(1 - r_ji)``. All but the first
            are statistics of samples: the components must not have weights.
        progress : callable, optional
            Called with the draws spent and the standard error at the level in work.
        only_asked : bool, default=False
            Spend no draws beyond those that the tolerance asks, cheap ones either: of many
            mixtures no one needs a better value.

        Returns
        -------
        MixtureEntropy
            In nats.

        References
        ----------
        Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019,
        supplement, estimator (18) and Theorem 7. The control variate is ours (mean squared error
        at most ``mmse(C | C + Z) / (sigma^2 n n_MC) <= dim / (n n_MC)``, by Poincare's inequality
        within each component), and so are the other statistics. Giles, "Multilevel Monte Carlo path
        simulation", Operations Research 56 (2008).
        """
        return mixture_entropy(self, tolerance, max_draws, rng, statistic, progress, only_asked)

    def terms(
        self, components: NDArray[np.intp], noise: NDArray[np.float64], tolerance: float = 1e-4
    ) -> NDArray[np.float64]:
        """Return what draws add to the statistics: shape (m, 3).

        In columns, at ``T = centre + sigma Z``: ``log(q(T)/phi(Z))``, the mixture's entropy being
        that of the noise less their mean; the same of the mixture of the others, its leave-one-out
        entropy; and the component's own share in q(T).

        Parameters
        ----------
        components : ndarray of shape (m,)
            Their numbers; they must have equal weights.
        noise : ndarray of shape (m, dim)
            Standard normal Z.
        tolerance : float, default=1e-4
            Error allowed in nats, from the kernels.
        """
        points = self.centres[components] + self.sigma * noise
        own = np.einsum("ij,ij->i", noise, noise) / (2.0 * _LN2)
        sums = self.kernels.sums(points, tolerance, left_out=self.left_out(components))
        log2_n = math.log2(self.n)
        ratio = np.logaddexp2(sums.log2 + own, -log2_n)
        rest = math.log2(self.n - 1) - log2_n
        shares = np.exp2(-log2_n - ratio)
        return np.column_stack([_LN2 * ratio, _LN2 * (sums.log2 + own - rest), shares])

    def draw_range(self, reach: float) -> tuple[float, float]:
        """Return the range of ``log(q(T)/phi(Z))`` at a draw, in nats; see `_strata.draw_range`."""
        return draw_range(self, reach)

    def coarse(self, points: NDArray[np.float64], rung: Rung) -> tuple[NDArray[np.float64], float]:
        """Return log2 kernel sums of a coarser density; see `TreeSums.coarse`."""
        return self._tree_sums.coarse(points, rung)

    def coarse_range(self, rung: Rung, reach: float) -> float:
        """Return how far off they can be, in nats; see `TreeSums.coarse_range`."""
        return self._tree_sums.coarse_range(rung, reach)

    def places(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the distinct centres, or those with weights, and their weights, which sum to 1."""
        if self.weights is not None:
            return self.centres, self.weights
        if self._distinct is None:
            return self.centres, np.full(self.n, 1.0 / self.n)
        return self.centres[self._distinct[0]], self._copies / self.n

    def neighbours(self) -> NDArray[np.intp]:
        """Return the numbers of all components, neighbours side by side."""
        if self._distinct is None:
            return self.tree.order
        return np.argsort(self.tree.place[self._distinct[1]], kind="stable")

    def copies(self) -> NDArray[np.int64]:
        """Return how many components share each place, in the tree's order."""
        if self.weights is not None or self._distinct is None:
            return np.ones(self.n, dtype=np.int64)
        return self._copies[self.tree.order].astype(np.int64)

    @cached_property
    def kernels(self) -> KernelSums:
        """What sums the kernels, on the device asked for."""
        if self._accelerator is None:
            return self._tree_sums
        return self._accelerator(self.tree, self._samples_in_places)

    def left_out(self, components: NDArray[np.intp]) -> LeftOut:
        """Return how to leave out these components, of equal weight or each in a place of its own.

        Parameters
        ----------
        components : ndarray of shape (m,)
            Their numbers.
        """
        if self._distinct is None:
            return LeftOut(self.tree.place[components], np.full(len(components), np.inf))
        places = self._distinct[1][components]
        copies = self._copies[places]
        with np.errstate(divide="ignore"):
            more = -np.log2(1.0 - 1.0 / copies)
        return LeftOut(self.tree.place[places], more)

    @cached_property
    def _distinct(self) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
        """Which centres to keep, and which of those each one equals; None to keep all."""
        return None if self.weights is not None else distinct_rows(self.centres)

    @cached_property
    def _copies(self) -> NDArray[np.float64]:
        kept, index = self._distinct or (np.arange(self.n), np.arange(self.n))
        return np.bincount(index, minlength=len(kept)).astype(np.float64)

    @cached_property
    def tree(self) -> Tree:
        """The places, sorted into boxes."""
        if self.weights is not None:
            return Tree(self.centres, self._log2_weights, self.sigma)
        if self._distinct is None:
            return Tree(self.centres, np.full(self.n, -math.log2(self.n)), self.sigma)
        log2_weights = np.log2(self._copies) - math.log2(self.n)
        return Tree(self.centres[self._distinct[0]], log2_weights, self.sigma)

    @cached_property
    def _tree_sums(self) -> TreeSums:
        return TreeSums(self.tree, self._samples_in_places, threads_for(self.n_jobs))

    @property
    def _samples_in_places(self) -> int:
        """How many samples share centres; 0 where they do not."""
        return self.n if self._distinct is not None else 0

    def _log_rest(self) -> NDArray[np.float64] | float:
        """Return the log of all weights but each component's own."""
        if self.weights is None:
            return math.log1p(-1.0 / self.n)
        rest = 1.0 - self.weights
        heavy = int(np.argmax(self.weights))
        rest[heavy] = np.delete(self.weights, heavy).sum()
        return np.asarray(np.log(rest))

    @property
    def _log_normaliser(self) -> float:
        return float(self.dim * (0.5 * math.log(2.0 * math.pi) + math.log(self.sigma)))

    def _check_points(self, points: ArrayLike) -> NDArray[np.float64]:
        queries = check_samples(points, name="points", minimum=1)
        if queries.shape[1] != self.dim:
            raise ValueError(
                f"`points` must have {self.dim} columns, as the centres do; got {queries.shape[1]}."
            )
        # compiled code would be made anew for an array that is not to be written to
        return queries if queries.flags.writeable else queries.copy()


def check_tolerance(tolerance: float) -> float:
    """Return a tolerance for log-densities that double precision can give."""
    number = check_positive("tolerance", tolerance)
    if number < _FINEST:
        raise ValueError(
            f"`tolerance` must be at least {_FINEST:g}, about what double precision can give; "
            f"got {tolerance!r}."
        )
    return min(number, 0.1)


def _check_weights(weights: ArrayLike, n: int) -> NDArray[np.float64]:
    array = np.asarray(weights)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"`weights` must hold real numbers; got dtype {array.dtype}.")
    if array.shape != (n,):
        raise ValueError(f"`weights` must have shape ({n},), one a centre; got {array.shape}.")
    array = array.astype(np.float64)
    if not np.isfinite(array).all() or array.min() < 0.0:
        raise ValueError("`weights` must be finite and not negative.")
    if not array.any():
        raise ValueError("`weights` must have a positive sum; got zeros only.")
    return array
