"""How long a fit takes here, from fits to few samples."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from entbench._validation import check_positive, check_samples
from entbench.mixture import GaussianMixture

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# defaults of SamplePropagation
_TOLERANCE, _MAX_DRAWS = 1e-3, 10_000_000

_SMALLEST, _LARGEST, _STEP = 1000, 64_000, 8
_BUDGET = 2.0  # seconds; the size with which they are spent is the last
# now and then a fit spends a thousand times the draws of the next: one that is long, and longer
# than the size explains, is made again, and the shorter of the two counts
_LONG, _ODD = 0.5, 3.0 * _STEP
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
    growth : float
        Exponent of n measured between the two largest; NaN where one size alone was timed.
    """

    sizes: tuple[int, ...]
    seconds: tuple[float, ...]
    growth: float

    def predict(self, n: float) -> float:
        """Return the seconds predicted at `n`; inf at inf.

        Between sizes along the line through their logs, below the smallest its time, beyond the
        largest by the growth, taken as at least 1: every sample has to be sorted. A prediction:
        beyond the caches, and where the fit turns to coarse likenesses, growth is another, often
        less. At n from 32,000 to 1e6 of four laws fits took 0.03 to 0.75 of the time predicted,
        least where a slow fit ended the calibration at few samples.
        """
        if math.isinf(n):
            return math.inf
        if n > self.sizes[-1]:
            growth = max(1.0, self.growth) if math.isfinite(self.growth) else 1.0
            return float(self.seconds[-1] * (n / self.sizes[-1]) ** growth)
        logs = np.interp(math.log(n), np.log(self.sizes), np.log(self.seconds))
        return math.exp(float(logs))


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
        Of sizes 1000, 8000 and 64,000, as far as some seconds go.
    """
    sigma = check_positive("sigma", sigma)
    pilot = None if samples is None else check_samples(samples, name="samples")
    rng = np.random.default_rng(random_state)
    _fit(_draw(pilot, 64, dim, sigma, rng), sigma, rng, n_jobs)  # compiled code is loaded here
    sizes, seconds, spent = [_SMALLEST], list[float](), 0.0
    while True:
        times: list[float] = []
        odd = max(_LONG, _ODD * seconds[-1]) if seconds else _LONG
        while not times or (times[0] > odd and len(times) < 2):
            rows = _draw(pilot, sizes[-1], dim, sigma, rng)
            began = time.perf_counter()
            _fit(rows, sigma, rng, n_jobs)
            times.append(max(time.perf_counter() - began, 1e-9))
        seconds.append(min(times))
        spent += sum(times)
        if spent > _BUDGET or sizes[-1] * _STEP > _LARGEST:
            break
        sizes.append(sizes[-1] * _STEP)
    growth = math.log(seconds[-1] / seconds[-2]) / math.log(_STEP) if len(sizes) > 1 else math.nan
    return Timing(tuple(sizes), tuple(seconds), growth)


def _draw(
    pilot: NDArray[np.float64] | None, n: int, dim: int, sigma: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    if pilot is None:
        return rng.uniform(-1.0, 1.0, (n, dim))
    rows = pilot[rng.integers(0, len(pilot), n)]
    return rows + _JITTER * sigma * rng.standard_normal(rows.shape)


def _fit(
    rows: NDArray[np.float64], sigma: float, rng: np.random.Generator, n_jobs: int | None
) -> None:
    GaussianMixture(rows, sigma, n_jobs=n_jobs).entropy(_TOLERANCE, _MAX_DRAWS, rng)
