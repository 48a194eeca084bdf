"""Intervals for the truth from two statistics whose means over samples enclose it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import stdtrit

from entbench._base import Interval
from entbench.mixture import moments_of_terms, standard_deviation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from entbench.mixture import GaussianMixture, Statistic

# By how much a statistic moves without one sample, to second order, in the columns of
# `GaussianMixture.terms`: the sample's own share counts by half in the plug-in, and as a whole in
# the jackknife.
_TERMS: dict[Statistic, tuple[float, float, float]] = {
    "plug-in": (1.0, 0.0, -0.5),
    "miller-madow": (1.0, 0.0, -0.5),
    "jackknife": (1.0, 0.0, -1.0),
    "leave-one-out": (0.0, 1.0, 0.0),
}

ASSUMES = "assumes no mass below about 3/n: nothing tells of what no sample shows"
_ENDLESS = "the largest samples look as if E|S|^2 were infinite"
_FEWEST = 50


class End(NamedTuple):
    """A statistic, and its standard error over samples, numerical error included, in nats."""

    value: float
    standard_error: float


def deviations_over_samples(
    mixture: GaussianMixture, statistics: Sequence[Statistic], rng: np.random.Generator
) -> list[float]:
    """Return the standard deviations of a mixture's statistics over samples, in nats.

    See `entbench.mixture.standard_deviation`; the integrals' errors are no part of them.
    """
    own_share = (0.0, 0.0, 1.0)
    mixing = np.array([*(_TERMS[name] for name in statistics), own_share]).T
    means, variances = moments_of_terms(
        lambda components, noise: mixture.terms(components, noise) @ mixing,
        mixture.neighbours(),
        mixture.dim,
        rng,
    )
    excess = mixture.n * float(means[-1]) - 1.0
    return [standard_deviation(float(v), excess, mixture.n) for v in variances[:-1]]


def quantile(n: int, confidence: float) -> float:
    """Return Student's two-sided quantile for a mean over n samples."""
    return float(stdtrit(max(n - 1, 1), 0.5 + 0.5 * confidence))


def bracket_interval(
    low: End | None, high: End | None, n: int, confidence: float
) -> Interval | None:
    """Return the interval between two statistics, each moved outward by its standard error.

    Each end misses with half the probability that is left, for n large, no bias left out. There is
    no interval without any end.

    Parameters
    ----------
    low, high : End or None
        Whose means over samples enclose the truth; None for one whose mean is to be taken for
        infinite.
    n : int
        Number of samples.
    confidence : float
        Of the interval.
    """
    z = quantile(n, confidence)
    least = math.nan if low is None else low.value - z * low.standard_error
    most = math.nan if high is None else high.value + z * high.standard_error
    if least > most:  # by rounding
        least, most = most, least
    ends = [end if math.isfinite(end) else None for end in (least, most)]
    if ends == [None, None]:
        return None
    note = ASSUMES
    if None in ends:
        note = f"no {'lower' if ends[0] is None else 'upper'} end: {_ENDLESS}; {ASSUMES}"
    return Interval(ends[0], ends[1], confidence, "asymptotic", note)


def lacks_second_moment(samples: NDArray[np.float64]) -> bool:
    """Tell whether samples (n, dim) look as if ``E |S|^2`` were infinite.

    That is so where the index of the tail is 2 or less; it is Hill's, of the distances to the
    median that are the ``sqrt(n)`` largest, at least 10. A guess: within some 20 % where the tail
    is a power. Fewer than 50 samples do not tell.
    """
    n = len(samples)
    if n < _FEWEST:
        return False
    centred = samples - np.median(samples, axis=0)
    scale = float(np.abs(centred).max())
    if scale == 0.0:
        return False
    distances = np.linalg.norm(centred / scale, axis=1)
    count = max(10, math.isqrt(n))
    largest = np.partition(distances, n - count)[n - count :]
    least = float(largest.min())
    return least > 0.0 and 2.0 * float(np.log(largest / least).mean()) >= 1.0
