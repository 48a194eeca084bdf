"""Kernel-density entropy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.spatial import cKDTree

from entbench._base import EntropyEstimator, Influences
from entbench._validation import check_choice, check_jobs, check_positive, check_samples, check_seed
from entbench.estimators._scatter import (
    kernel_influences,
)
from entbench.mixture import GaussianMixture

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_LIKELIHOOD = "likelihood"
_RULES = ("silverman", "scott")
_SPLIT = "data-split"
_VARIANTS = ("leave-one-out", _SPLIT, "resubstitution")
_SCALES = ("none", "columns", "covariance")
# Of log-densities, in nats; on the way to the bandwidth, where most do not matter.
_KERNEL_ERROR, _ROUGH_ERROR = 1e-10, 1e-2
_LOG_STEP = math.log(2.0)
_LOG_BANDWIDTH_TOLERANCE = 1e-3


class KernelDensityEntropy(EntropyEstimator):
    """Differential entropy by a Gaussian kernel density.

    ``-(1/n) sum_i log phat_i(X_i)``, phat_i the kernel density of the other samples
    ("leave-one-out"), of the half of the samples that X_i is not in ("data-split"), or of all
    samples ("resubstitution"). The first two are the first-order von Mises estimators of the
    Shannon entropy.

    Parameters
    ----------
    bandwidth : float, "likelihood", "silverman" or "scott", default="likelihood"
        Standard deviation of the kernel, in the unit of the samples, after scaling; or chosen to
        maximise the leave-one-out likelihood of the samples that the density is made of; or by
        rule: ``s (4 / ((d+2) n))^(1/(d+4))`` ("silverman") or ``s n^(-1/(d+4))`` ("scott") with n
        the number of those samples and s the root mean square of the columns' deviations.
    variant : {"leave-one-out", "data-split", "resubstitution"}, default="leave-one-out"
        Of which samples the density at a sample is made. "data-split" averages over both halves of
        a random split.
    scale : {"none", "columns", "covariance"}, default="none"
        Divide the columns by their deviations, or make the covariance the identity, before the
        density is estimated; what that adds to the entropy is taken off again.
    random_state : int, numpy.random.Generator or None, default=None
        Seed of the split; None splits differently at every fit. The other variants draw nothing.
    n_jobs : int or None, default=None
        Threads; -1 for all cores. None for as many as the environment sets: one in the workers of
        a suite. The result does not depend on it.

    Attributes
    ----------
    entropy_ : float
        Differential entropy in nats. Never clipped.
    standard_error_ : float or None
        Standard deviation of the value from one sample to the next, in nats; see Notes.
    diagnostics_ : dict
        ``bandwidth``: the one used, in the unit of the scaled samples; for "data-split" that of
        the first half's density, with that of the second in ``bandwidth_second_half``.

    Notes
    -----
    Bias: "leave-one-out" and "data-split" are high-biased by the kernel's smoothing, the more so
    the higher the dimension; "data-split" more than the other, having half of the samples.
    "resubstitution" counts each sample in its own density, which pulls the value down without
    limit as the bandwidth shrinks.

    The kernel is isotropic: of a Gaussian in 5 dimensions with deviations from 1 to 100, n = 1000,
    the default is off by 2.1 nats, and by 0.13 with `scale` "columns", as where all deviations are
    equal. With equal deviations, but correlations of 0.95, "covariance" alone mends an error of 0.3
    nats. On the truncated mixture, whose axes are alike, `scale` changes less than 0.01 nats; it is
    off by default. "none" and "covariance" do not depend on the axes, "columns" does.

    The rules are for unimodal samples: on the truncated mixture with well-separated corners they
    smooth over the gaps, and are off by 5 nats at d = 5, sigma = 0.1, n = 1000, where the
    likelihood's bandwidth is off by 0.5. The root mean square of the deviations makes them
    invariant under rotations, as the kernel is; for equal deviations it is the rules' own.

    Repeated samples: the leave-one-out likelihood grows without limit as the bandwidth shrinks if
    every sample has a twin; then ``fit`` raises and a bandwidth must be given.

    The search walks in ratio 2 through all bandwidths that can be the best, then refines to 0.1 %.
    Cost: O(n^2 dim) a bandwidth at most, less where kernels are out of reach of each other, and
    about 20 bandwidths for the search; storage O(n dim).

    Standard error: a sample counts as a point and as a centre of kernels, ``log p_i + sum_j r_ij``
    with r_ij its share in the density at j; the scatter of pairs, which these influences hold
    twice, is taken out once. From 1024 samples at most. The bandwidth is taken as given, which
    costs nothing to first order where it maximises the likelihood that is averaged. Stated over
    actual, laws with finite fourth moments, n = 300 and 2000, one to five dimensions: 0.72 to 1.15
    for the default, least in long tails; 0.83 to 1.16 for resubstitution with a number. None is
    stated where it would be too small in long tails or for a bandwidth that the samples choose: for
    the rules (down to 0.5 of the actual one), for "data-split" (0.4) and for "resubstitution" with
    a searched bandwidth (0.35).

    References
    ----------
    Kandasamy et al., "Nonparametric von Mises estimators for entropies, divergences and mutual
    informations", NIPS 2015 (their leave-one-out and data-split estimators with the influence
    function of the Shannon entropy, ``psi(x; p) = -log p(x) - H(p)``; recalled, not checked).
    Silverman, "Density estimation for statistics and data analysis" (1986), section 4.3.2, and
    Scott, "Multivariate density estimation" (1992), section 6.3, for the rules (recalled, not
    checked).
    """

    reads: ClassVar[Literal["signal", "noisy"]] = "noisy"
    version: ClassVar[str] = "3"
    rate: ClassVar[Literal["", "nearest neighbours", "kernels"]] = "kernels"

    def __init__(
        self,
        bandwidth: float | str = _LIKELIHOOD,
        variant: str = "leave-one-out",
        scale: str = "none",
        random_state: int | np.random.Generator | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.bandwidth = bandwidth
        self.variant = variant
        self.scale = scale
        self.random_state = random_state
        self.n_jobs = n_jobs

    def check_parameters(self) -> None:
        """Raise where a parameter is out of range."""
        _check_bandwidth(self.bandwidth)
        check_choice("variant", self.variant, _VARIANTS)
        check_choice("scale", self.scale, _SCALES)
        check_seed(self.random_state)
        check_jobs(self.n_jobs)

    def fit(self, X: ArrayLike, y: None = None) -> Self:
        """Estimate h(T) from samples of T, shape (n_samples, dim); see `EntropyEstimator`."""
        self.check_parameters()
        # each half of a split needs two: one to be left out of the other's density
        noisy = check_samples(X, minimum=4 if self.variant == _SPLIT else 2)
        points, log_volume = _scaled(noisy, self.scale)
        mixtures, parts = self._log_densities(points)
        self.n_features_in_ = noisy.shape[1]
        self.entropy_ = log_volume - float(np.mean([part.mean() for part in parts]))
        if not math.isfinite(self.entropy_):
            raise ValueError(
                "`bandwidth` must not be so small beside the distances of the samples that their "
                f"squared ratio overflows; got {mixtures[0].sigma!r}."
            )
        self.diagnostics_ = {"bandwidth": mixtures[0].sigma}
        if self.variant == _SPLIT:
            self.diagnostics_["bandwidth_second_half"] = mixtures[1].sigma
        self.standard_error_ = self._standard_error(mixtures, parts)
        return self

    def _log_densities(
        self, points: NDArray[np.float64]
    ) -> tuple[list[GaussianMixture], list[NDArray[np.float64]]]:
        """Return the kernel density and its log at the samples; for a split, of each half.

        The log-densities are then those at the other half.
        """
        if self.variant == _SPLIT:
            order = np.random.default_rng(self.random_state).permutation(len(points))
            first, second = (points[half] for half in np.array_split(order, 2))
            one, two = self._mixture(first), self._mixture(second)
            parts = [one.log_density(second, _KERNEL_ERROR), two.log_density(first, _KERNEL_ERROR)]
            return [one, two], parts
        mixture = self._mixture(points)
        if self.variant == "leave-one-out":
            terms = mixture.leave_one_out_log_density(_KERNEL_ERROR)
        else:
            terms = mixture.log_density(points, _KERNEL_ERROR)
        return [mixture], [terms]

    def _standard_error(
        self, mixtures: list[GaussianMixture], parts: list[NDArray[np.float64]]
    ) -> float | None:
        """Return the standard deviation over samples; None where it was not found to hold."""
        counts_itself = self.variant == "resubstitution"
        self._influences = None
        if self.variant == _SPLIT or self.bandwidth in _RULES:
            return None
        if counts_itself and isinstance(self.bandwidth, str):
            return None
        (own,), (terms,) = mixtures, parts
        log_means = terms + _log_normaliser(own)
        found = kernel_influences(own.centres, log_means, own.sigma, self.n_jobs, counts_itself)
        self._influences = Influences(found.rows, -found.values)
        return found.error(own.n)

    def _mixture(self, points: NDArray[np.float64]) -> GaussianMixture:
        """Return the kernel density of some samples."""
        if self.bandwidth == _LIKELIHOOD:
            bandwidth = _likelihood_bandwidth(points, self.n_jobs)
        elif isinstance(self.bandwidth, str):
            bandwidth = _bandwidth_by_rule(points, self.bandwidth)
        else:
            bandwidth = float(self.bandwidth)
        return GaussianMixture(points, bandwidth, n_jobs=self.n_jobs)


def _log_normaliser(mixture: GaussianMixture) -> float:
    """Return minus the log of the kernel's density at its centre."""
    return float(mixture.dim * (0.5 * math.log(2.0 * math.pi) + math.log(mixture.sigma)))


def _check_bandwidth(bandwidth: Any) -> None:
    """Raise unless `bandwidth` is one of the words or a finite number > 0."""
    words = (_LIKELIHOOD, *_RULES)
    if isinstance(bandwidth, str) and bandwidth in words:
        return
    try:
        check_positive("bandwidth", bandwidth)
    except (ValueError, TypeError) as error:
        listed = ", ".join(f'"{word}"' for word in words)
        message = f"`bandwidth` must be {listed} or a finite number > 0; got {bandwidth!r}."
        raise ValueError(message) from error


def _scaled(noisy: NDArray[np.float64], scale: str) -> tuple[NDArray[np.float64], float]:
    """Return the samples in the coordinates of the kernel, and the log of the unit of volume."""
    if scale == "none":
        return noisy, 0.0
    deviations = _deviations(noisy)
    constant = np.flatnonzero(deviations == 0.0)
    if len(constant):
        raise ValueError(
            f"column {constant[0]} of `X` is constant, so its deviation is no scale; "
            'leave it out or set `scale` to "none".'
        )
    points = (noisy - noisy.mean(axis=0)) / deviations
    log_volume = float(np.log(deviations).sum())
    if scale == "columns":
        return points, log_volume
    # einsum, not BLAS, whose rounding changes with the number of threads
    correlation = np.einsum("ia,ib->ab", points, points) / (len(points) - 1)
    squares, axes = np.linalg.eigh(correlation)
    if squares[0] <= len(squares) * np.finfo(float).eps * squares[-1]:
        raise ValueError(
            "the columns of `X` are linearly dependent, so their covariance is no scale; "
            'set `scale` to "columns" or "none".'
        )
    whitened = np.einsum("ia,ab->ib", points, axes / np.sqrt(squares))
    return whitened, log_volume + 0.5 * float(np.log(squares).sum())


def _deviations(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the columns' standard deviations, with squares that neither overflow nor underflow."""
    ranges = np.ptp(points, axis=0)
    units = np.where(ranges > 0.0, ranges, 1.0)
    shares = (points - points.mean(axis=0)) / units
    return np.asarray(np.where(ranges > 0.0, shares.std(axis=0, ddof=1) * units, 0.0))


def _bandwidth_by_rule(points: NDArray[np.float64], rule: str) -> float:
    """Return Silverman's or Scott's bandwidth for an isotropic kernel."""
    n, dim = points.shape
    deviations = _deviations(points)
    largest = float(deviations.max())
    if largest == 0.0:
        raise ValueError(
            f'all samples of `X` are the same, so "{rule}" gives no bandwidth; '
            "give `bandwidth` a number."
        )
    spread = largest * math.sqrt(float(np.square(deviations / largest).mean()))
    factor = 4.0 / (dim + 2.0) if rule == "silverman" else 1.0
    return float(spread * (factor / n) ** (1.0 / (dim + 4.0)))


def _likelihood_bandwidth(points: NDArray[np.float64], n_jobs: int | None) -> float:
    """Return the bandwidth that minimises the leave-one-out cross-entropy.

    The cross-entropy need not have one minimum only (clustered data can have one per scale), so
    the whole range that can hold the minimum is walked through, and the lowest value refined.
    """

    def objective(log_bandwidth: float, kernel_error: float = _KERNEL_ERROR) -> float:
        mixture = GaussianMixture(points, math.exp(log_bandwidth), n_jobs=n_jobs)
        return -float(mixture.leave_one_out_log_density(kernel_error).mean())

    low, high = (math.log(bandwidth) for bandwidth in _bandwidth_range(points))
    grid = np.linspace(low, high, 2 + math.ceil((high - low) / _LOG_STEP))
    step = grid[1] - grid[0]
    rough = np.array([objective(log_bandwidth, _ROUGH_ERROR) for log_bandwidth in grid])
    lowest = grid[rough <= rough.min() + 2.0 * _ROUGH_ERROR]
    best = min(lowest, key=objective) if len(lowest) > 1 else lowest[0]
    found = minimize_scalar(
        objective,
        bounds=(best - step, best + step),
        method="bounded",
        options={"xatol": _LOG_BANDWIDTH_TOLERANCE},
    )
    return math.exp(float(found.x))


def _bandwidth_range(points: NDArray[np.float64]) -> tuple[float, float]:
    """Return bandwidths between which the cross-entropy takes its minimum.

    Its derivative by log h is ``dim - r^2/h^2`` averaged over samples, r^2 a mean of squared
    distances between that of the nearest neighbour and the squared diameter. So it rises with h
    beyond ``diameter / sqrt(dim)``; and it falls with h where the samples without a twin, m of n
    and at least r_min from their neighbours, outweigh the others: ``m r_min^2 / h^2 > n dim``.
    """
    n, dim = points.shape
    places, counts = np.unique(points, axis=0, return_counts=True)
    single = int(np.count_nonzero(counts == 1))
    if single == 0:
        raise ValueError(
            "every sample of `X` has a twin, so the leave-one-out likelihood has no maximum; "
            "give `bandwidth` a number."
        )
    nearest = float(np.asarray(cKDTree(places).query(places, k=[2])[0]).min())
    diameter = float(np.linalg.norm(np.ptp(points, axis=0)))
    return nearest * math.sqrt(single / (n * dim)), diameter / math.sqrt(dim)
