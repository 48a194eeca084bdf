"""The isotropic Gaussian mixture."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numba
import numpy as np

from entbench._validation import check_choice, check_positive, check_samples
from entbench.mixture._integration import gaussian_entropy, integrate_by_pairs
from entbench.mixture._kernel import log2_kernel_sums, removal_sums
from entbench.mixture._order import Tiles, tile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Precision = Literal["single", "double"]
Statistic = Literal["plug-in", "leave-one-out", "miller-madow", "jackknife"]
STATISTICS: tuple[Statistic, ...] = get_args(Statistic)

_LN2 = math.log(2.0)
_CHUNK = 2048
# A skipped tile's terms are below 2^-reach of the largest; log2(n) is added, so that all skipped
# terms together are below the rounding error of the sum.
_REACH = {"single": 30.0, "double": 56.0}
_DTYPE: dict[str, type[np.floating]] = {"single": np.float32, "double": np.float64}


@dataclass(frozen=True)
class MixtureEntropy:
    """Differential entropy of a mixture, or a correction of it.

    Attributes
    ----------
    value : float
        The statistic asked for, in nats.
    standard_error : float
        Monte-Carlo standard error of `value`, in nats.
    n_draws : int
        Draws spent.
    converged : bool
        Whether `standard_error` is within the tolerance asked for.
    plug_in, leave_one_out : float
        Two statistics that come with any, in nats: over samples their means enclose h(S+Z).
    effective_components : float
        N_eff, the number of components that the noise lets one tell apart: from 1 to n.
    """

    value: float
    standard_error: float
    n_draws: int
    converged: bool
    plug_in: float
    leave_one_out: float
    effective_components: float


class GaussianMixture:
    """Equal-weight mixture of N(centre, sigma^2 I) over the given centres.

    Parameters
    ----------
    centres : array-like of shape (n, dim)
        Centres of the components. Repeated centres count as often as they occur.
    sigma : float
        Standard deviation of every component, along every axis.

    Notes
    -----
    Storage is O(n dim); an evaluation at m points costs at most n m kernels (fewer where tiles of
    centres are out of reach) and O(m) storage. Coordinates are taken relative to the mean of the
    centres, so a common shift of centres and points costs no accuracy beyond that of the input.
    """

    def __init__(self, centres: ArrayLike, sigma: float) -> None:
        self.centres = check_samples(centres, name="centres", minimum=1)
        self.sigma = check_positive("sigma", sigma)
        self.n, self.dim = self.centres.shape
        self._middle = self.centres.mean(axis=0)
        # In these units the kernel exp(-|x - y|^2 / (2 sigma^2)) is 2^(-|u - v|^2).
        self._unit = self.sigma * math.sqrt(2.0 * _LN2)
        self._scaled = (self.centres - self._middle) / self._unit

    def log_density(
        self, points: ArrayLike, precision: Precision = "double"
    ) -> NDArray[np.float64]:
        """Return the log-density in nats at `points` (m, dim), shape (m,).

        Parameters
        ----------
        points : array-like of shape (m, dim)
            Where to evaluate.
        precision : {"double", "single"}
            Precision of the kernels; sums across tiles are always in double.
        """
        queries = check_samples(points, name="points", minimum=1)
        if queries.shape[1] != self.dim:
            raise ValueError(
                f"`points` must have {self.dim} columns, as the centres do; got {queries.shape[1]}."
            )
        sums = self._log2_sums((queries - self._middle) / self._unit, precision)
        return np.asarray(_LN2 * (sums - math.log2(self.n)) - self._log_normaliser)

    def leave_one_out_log_density(self, precision: Precision = "double") -> NDArray[np.float64]:
        """Return, at each centre, the log-density in nats of the mixture of the other centres."""
        if self.n < 2:
            raise ValueError("leaving one out needs at least 2 centres; got 1.")
        sums = self._log2_sums(self._scaled, precision, excluded=self._tiles("double").place)
        return np.asarray(_LN2 * (sums - math.log2(self.n - 1)) - self._log_normaliser)

    def entropy(
        self,
        tolerance: float,
        max_draws: int,
        rng: np.random.Generator,
        statistic: Statistic = "plug-in",
    ) -> MixtureEntropy:
        """Integrate the mixture's differential entropy, or a correction of it, by Monte Carlo.

        Averages log(q(T) / phi(Z)) over T = centre + Z in place of log q(T): the same mean up to
        the known h(Z), and a variance that vanishes where components are far apart. Every
        component gets two independent draws a pass (or, where fewer will do, a random subset of
        the components does), which removes the variance between components and leaves an unbiased
        estimate of the variance that remains.

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
            ``h + (n-1) log(n/(n-1)) + (1/n) sum_j E sum_{i != j} log(1 - r_ji)``.

        Returns
        -------
        MixtureEntropy
            In nats.

        References
        ----------
        Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019,
        supplement, estimator (18) and Theorem 7. The control variate is ours (mean squared error
        at most ``mmse(C | C + Z) / (sigma^2 n n_MC) <= dim / (n n_MC)``, by Poincare's inequality
        within each component), and so are the other statistics.
        """
        check_choice("statistic", statistic, STATISTICS)
        safe = self._single_precision_error <= 0.1 * tolerance
        precision: Precision = "single" if safe else "double"
        place = self._tiles(precision).place

        def draw(components: NDArray[np.intp], noise: NDArray[np.float64]) -> NDArray[np.float64]:
            """Return the statistic, log(q/phi), log(q_{-j}/phi) and r_jj, in columns."""
            offsets = noise / math.sqrt(2.0 * _LN2)
            own = np.einsum("ij,ij->i", offsets, offsets)
            removals = np.empty(len(own)) if statistic == "jackknife" else None
            queries = self._scaled[components] + offsets
            others = self._log2_sums(queries, precision, place[components], own, removals)
            ratio = np.logaddexp2(others + own, 0.0)
            own_share = np.exp2(-ratio)
            plug_in = _LN2 * (ratio - math.log2(self.n))
            left_out = _LN2 * (others + own - math.log2(max(self.n - 1, 1)))
            columns = {
                "plug-in": plug_in,
                "leave-one-out": left_out,
                "miller-madow": plug_in - 0.5 * own_share,
                "jackknife": plug_in if removals is None else plug_in - removals,
            }
            return np.column_stack([columns[statistic], plug_in, left_out, own_share])

        found = integrate_by_pairs(draw, self.n, self.dim, tolerance, max_draws, rng)
        noise_entropy = gaussian_entropy(self.dim, self.sigma)
        target, plug_in, left_out, own_share = (float(mean) for mean in found.means)
        return MixtureEntropy(
            value=noise_entropy - target + _constant_of(statistic, self.n),
            standard_error=found.standard_error,
            n_draws=found.n_draws,
            converged=found.converged,
            plug_in=noise_entropy - plug_in,
            leave_one_out=noise_entropy - left_out,
            effective_components=self.n * own_share,
        )

    @property
    def _log_normaliser(self) -> float:
        return float(self.dim * (0.5 * math.log(2.0 * math.pi) + math.log(self.sigma)))

    @property
    def _single_precision_error(self) -> float:
        """Worst error in nats of a log-density in single precision, a few deviations out.

        Coordinates of size R round to R 2^-24; the squared distance of a point sqrt(dim)
        deviations away is then off by at most 4 R dim 2^-24 (Cauchy-Schwarz), and its sum over
        dim axes by at most dim + 2 roundings.
        """
        coordinates = 4.0 * _LN2 * float(np.abs(self._scaled).max()) * self.dim
        return float((coordinates + 0.5 * self.dim * (self.dim + 2)) * 2.0**-24)

    @cached_property
    def _double_tiles(self) -> Tiles:
        return tile(self._scaled)

    @cached_property
    def _single_tiles(self) -> Tiles:
        return self._double_tiles.astype(np.float32)

    def _tiles(self, precision: Precision) -> Tiles:
        return self._single_tiles if precision == "single" else self._double_tiles

    def _log2_sums(
        self,
        queries: NDArray[np.float64],
        precision: Precision,
        excluded: NDArray[np.int64] | None = None,
        own_distance: NDArray[np.float64] | None = None,
        removals: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Return log2 of the kernel sums at scaled queries; fill `removals` where it is given."""
        tiles = self._tiles(precision)
        queries = np.ascontiguousarray(queries, dtype=_DTYPE[precision])
        if excluded is None:
            excluded = np.full(len(queries), -1, dtype=np.int64)
        reach = _REACH[precision] + math.log2(self.n)
        centres = (tiles.values, tiles.counts, tiles.low, tiles.high)
        out = np.empty(len(queries))

        def work(start: int) -> None:
            part = slice(start, start + _CHUNK)
            asked = (queries[part], *centres, excluded[part])
            if removals is None or own_distance is None:
                log2_kernel_sums(*asked, reach, out[part])
            else:
                removal_sums(*asked, own_distance[part], reach, out[part], removals[part])

        starts = range(0, len(queries), _CHUNK)
        threads = min(len(starts), _threads())
        if threads > 1:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, starts))
        else:
            for start in starts:
                work(start)
        return out


def _constant_of(statistic: Statistic, n: int) -> float:
    """Return the part of a statistic that needs no draws."""
    if statistic == "miller-madow":
        return -0.5 / n
    if statistic == "jackknife" and n > 1:
        return (n - 1) * math.log1p(1.0 / (n - 1))
    return 0.0


def _threads() -> int:
    """Return how many threads to use: numba's setting, which loky sets to 1 in worker processes."""
    return int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
