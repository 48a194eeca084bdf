"""The isotropic Gaussian mixture."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numba
import numpy as np

from entbench._validation import check_positive, check_samples
from entbench.mixture._integration import MixtureEntropy, integrate_by_pairs
from entbench.mixture._kernel import log2_kernel_sums
from entbench.mixture._order import Tiles, tile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Precision = Literal["single", "double"]

_LN2 = math.log(2.0)
_CHUNK = 2048
# A skipped tile's terms are below 2^-reach of the largest; log2(n) is added, so that all skipped
# terms together are below the rounding error of the sum.
_REACH = {"single": 30.0, "double": 56.0}
_DTYPE: dict[str, type[np.floating]] = {"single": np.float32, "double": np.float64}


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

    def entropy(self, tolerance: float, max_draws: int, rng: np.random.Generator) -> MixtureEntropy:
        """Integrate the mixture's differential entropy by Monte Carlo.

        Averages log(q(T) / phi(Z)) over T = centre + Z in place of log q(T): the same mean up to
        the known h(Z), and a variance that vanishes where components are far apart. Every
        component gets two independent draws a pass (or, where fewer will do, a random subset of
        the components does), which removes the variance between components and leaves an unbiased
        estimate of the variance that remains.

        Parameters
        ----------
        tolerance : float
            Standard error to reach, in nats.
        max_draws : int
            Most draws to spend; the result says whether they were enough.
        rng : numpy.random.Generator
            Where the draws come from.

        Returns
        -------
        MixtureEntropy
            In nats.

        References
        ----------
        Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019,
        supplement, estimator (18) and Theorem 7; the control variate is ours (mean squared error
        at most ``mmse(C | C + Z) / (sigma^2 n n_MC) <= dim / (n n_MC)``, by Poincare's inequality
        within each component).
        """
        safe = self._single_precision_error <= 0.1 * tolerance
        precision: Precision = "single" if safe else "double"
        self._tiles(precision)

        def log_ratio(
            components: NDArray[np.intp], noise: NDArray[np.float64]
        ) -> NDArray[np.float64]:
            offsets = noise / math.sqrt(2.0 * _LN2)
            sums = self._log2_sums(self._scaled[components] + offsets, precision)
            own = np.einsum("ij,ij->i", offsets, offsets)
            return np.asarray(_LN2 * (sums - math.log2(self.n) + own))

        return integrate_by_pairs(
            log_ratio, self.n, self.dim, self.sigma, tolerance, max_draws, rng
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
    ) -> NDArray[np.float64]:
        tiles = self._tiles(precision)
        queries = np.ascontiguousarray(queries, dtype=_DTYPE[precision])
        if excluded is None:
            excluded = np.full(len(queries), -1, dtype=np.int64)
        reach = _REACH[precision] + math.log2(self.n)
        out = np.empty(len(queries))

        def work(start: int) -> None:
            part = slice(start, start + _CHUNK)
            log2_kernel_sums(
                queries[part],
                tiles.values,
                tiles.counts,
                tiles.low,
                tiles.high,
                excluded[part],
                reach,
                out[part],
            )

        starts = range(0, len(queries), _CHUNK)
        threads = min(len(starts), _threads())
        if threads > 1:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, starts))
        else:
            for start in starts:
                work(start)
        return out


def _threads() -> int:
    """Return how many threads to use: numba's setting, which loky sets to 1 in worker processes."""
    return int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
