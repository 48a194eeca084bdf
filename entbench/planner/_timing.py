"""How long a fit takes here, from fits to few samples."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from entbench._validation import check_positive, check_samples
from entbench.mixture import GaussianMixture

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# defaults of SamplePropagation
_TOLERANCE, _MAX_DRAWS = 1e-3, 10_000_000
# what no fit does without: the pilot and a first round, beside the sorting
_LEAST_DRAWS = 2048

_SMALLEST, _LARGEST, _STEP = 2000, 128_000, 4
# seconds; a fit that would go beyond, taking half as long again as the one before, is not begun
_BUDGET, _LONGER = 3.0, 1.5
_FITTED = 3  # sizes, the largest, whose times the growth is fitted to
# the growth where fewer sizes tell little: over ten laws, from 8000 to 1e6, it was 0 to 0.7
_ASSUMED = 0.3
# now and then a fit spends a thousand times the draws of the next: one that is long, and longer
# than n explains, is made again, and the shorter of the two counts
_LONG, _ODD = 0.5, _STEP
_JITTER = 0.1


@dataclass(frozen=True)
class Timing:
    """Seconds of fits of the plug-in on this machine, at the n where they were measured.

    Attributes
    ----------
    sizes : tuple of int
        Numbers of samples, rising.
    seconds : tuple of float
        Wall-clock time of a fit at each, the shorter of two where it is long.
    least : float
        Seconds of what no fit to the largest does without, which grow as n: sorting, and a few
        thousand densities.
    growth : float
        Exponent of n of the rest, fitted to the three largest, in [0, 1]; 0.3 where fewer were
        timed.
    """

    sizes: tuple[int, ...]
    seconds: tuple[float, ...]
    least: float
    growth: float

    @property
    def measured(self) -> bool:
        """Whether the growth was fitted."""
        return len(self.sizes) >= _FITTED

    def predict(self, n: float) -> float:
        """Return about how many seconds a fit to `n` samples takes; inf at inf.

        Between sizes along the line through their logs, below the smallest its time, beyond the
        largest by the growth. That is of smaller n: the fit turns to coarse likenesses where they
        pay, and sorts beyond the caches; see `between`.
        """
        if n > self.sizes[-1]:
            return self._beyond(n, self.growth)
        logs = np.interp(math.log(n), np.log(self.sizes), np.log(self.seconds))
        return math.exp(float(logs))

    def between(self, n: float) -> tuple[float, float]:
        """Return the seconds at `n` if the rest grew no more beyond the largest, and if as n."""
        if n > self.sizes[-1]:
            return self._beyond(n, 0.0), self._beyond(n, 1.0)
        return self.predict(n), self.predict(n)

    def _beyond(self, n: float, growth: float) -> float:
        if math.isinf(n):
            return math.inf
        ratio = n / self.sizes[-1]
        return float(self.least * ratio + (self.seconds[-1] - self.least) * ratio**growth)


def calibrate(
    samples: ArrayLike | None,
    sigma: float,
    *,
    dim: int = 1,
    random_state: int | np.random.Generator | None = 0,
    n_jobs: int | None = None,
) -> Timing:
    """Time fits of the plug-in, with its default tolerance, to rising numbers of samples.

    Parameters
    ----------
    samples : array-like of shape (n_samples, dim) or None
        A pilot, drawn from with replacement and jittered by sigma/10 so that no two rows are equal.
        None for samples uniform on the cube [-1, 1]^dim.
    sigma : float
        Standard deviation of the noise.
    dim : int, default=1
        Dimension where `samples` is None.
    random_state : int, numpy.random.Generator or None, default=0
        Seed of samples and draws.
    n_jobs : int or None, default=None
        Threads; -1 for all cores.

    Returns
    -------
    Timing
        Of sizes 2000, 8000, 32,000 and 128,000, as far as some three seconds go.
    """
    sigma = check_positive("sigma", sigma)
    pilot = None if samples is None else check_samples(samples, name="samples")
    rng = np.random.default_rng(random_state)
    _fit(
        _draw(pilot, 64, dim, sigma, rng), sigma, rng, n_jobs, _LEAST_DRAWS
    )  # compiled code is loaded here
    sizes, seconds, least, spent = [_SMALLEST], list[float](), list[float](), 0.0
    while True:
        times: list[float] = []
        odd = max(_LONG, _ODD * seconds[-1]) if seconds else _BUDGET
        while not times or (times[0] > odd and len(times) < 2):
            rows = _draw(pilot, sizes[-1], dim, sigma, rng)
            times.append(_seconds(rows, sigma, rng, n_jobs, _MAX_DRAWS))
        seconds.append(min(times))
        least.append(min(_seconds(rows, sigma, rng, n_jobs, _LEAST_DRAWS), seconds[-1]))
        spent += sum(times) + least[-1]
        growth = _growth(sizes, np.subtract(seconds, least))
        if spent + _LONGER * seconds[-1] > _BUDGET or sizes[-1] * _STEP > _LARGEST:
            return Timing(tuple(sizes), tuple(seconds), least[-1], growth)
        sizes.append(sizes[-1] * _STEP)


def _growth(sizes: Sequence[int], seconds: NDArray[np.float64]) -> float:
    """Return the exponent of n by least squares in the logs of the largest sizes, in [0, 1]."""
    if len(sizes) < _FITTED:
        return _ASSUMED
    logs = np.log(sizes[-_FITTED:])
    logs -= logs.mean()
    slope = float(logs @ np.log(np.maximum(seconds[-_FITTED:], 1e-9)) / (logs @ logs))
    return min(max(slope, 0.0), 1.0)


def _seconds(
    rows: NDArray[np.float64],
    sigma: float,
    rng: np.random.Generator,
    n_jobs: int | None,
    max_draws: int,
) -> float:
    began = time.perf_counter()
    _fit(rows, sigma, rng, n_jobs, max_draws)
    return max(time.perf_counter() - began, 1e-9)


def _draw(
    pilot: NDArray[np.float64] | None, n: int, dim: int, sigma: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    if pilot is None:
        return rng.uniform(-1.0, 1.0, (n, dim))
    rows = pilot[rng.integers(0, len(pilot), n)]
    return rows + _JITTER * sigma * rng.standard_normal(rows.shape)


def _fit(
    rows: NDArray[np.float64],
    sigma: float,
    rng: np.random.Generator,
    n_jobs: int | None,
    max_draws: int,
) -> None:
    GaussianMixture(rows, sigma, n_jobs=n_jobs).entropy(_TOLERANCE, max_draws, rng)
