"""Intervals for the truth from two statistics whose means over samples enclose it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import stdtrit

from entbench._base import Influences, Interval
from entbench.estimators._scatter import some_rows
from entbench.mixture import Scatter, moments_of_terms, scatters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from entbench.mixture import GaussianMixture, Statistic

# What a sample adds to a statistic, to second order, in the columns of `GaussianMixture.terms`: its
# own share counts by half in the plug-in, and as a whole in the jackknife.
_TERMS: dict[Statistic, tuple[float, float, float]] = {
    "plug-in": (-1.0, 0.0, 0.5),
    "miller-madow": (-1.0, 0.0, 0.5),
    "jackknife": (-1.0, 0.0, 1.0),
    "leave-one-out": (0.0, -1.0, 0.0),
}

ASSUMES = "assumes no mass below about 3/n: nothing tells of what no sample shows"
ENDLESS = "the largest samples look as if E|S|^2 were infinite"
# Of fewer samples a mass of 3/n is too much to assume anything of.
FEWEST = 10
FEW = f"fewer than {FEWEST} samples"
_FEWEST_FOR_TAILS = 50
# Rows that tell a centre, at least, and rows at a time of many.
_CENTRE_ROWS, _BLOCK = 4096, 2**14
_DRAWS = 4
# Skewness of a mean, at most: where a single sample decides.
_MOST_LEAN = 1.0


class End(NamedTuple):
    """A statistic, its scatter over samples and its numerical error, in nats."""

    value: float
    scatter: Scatter
    numerical_error: float

    @property
    def standard_error(self) -> float:
        """Standard error over samples, numerical error included."""
        return math.hypot(self.scatter.deviation, self.numerical_error)

    def arm(self, n: int, confidence: float, side: float) -> float:
        """Return how far an interval goes to a side, 1 for up.

        Student's quantile times the standard error, and more where the statistic's law has its
        tail on this side, by Johnson's and Hall's correction: with a rare value few samples have, a
        sample that lacks some of them states too small an error.
        """
        z = float(stdtrit(max(n - 1, 1), 0.5 + 0.5 * confidence))
        lean = min(max(side * self.scatter.lean, 0.0), _MOST_LEAN)
        return z * self.standard_error * (1.0 + lean * (2.0 * z**2 + 1.0) / (6.0 * z))


def over_samples(
    mixture: GaussianMixture, statistics: Sequence[Statistic], rng: np.random.Generator
) -> list[Scatter]:
    """Return how a mixture's statistics scatter over samples; the integrals' errors are no part."""
    own_share = (0.0, 0.0, 1.0)
    mixing = np.array([*(_TERMS[name] for name in statistics), own_share]).T
    moments = moments_of_terms(
        lambda components, noise: mixture.terms(components, noise) @ mixing,
        mixture.neighbours(),
        mixture.dim,
        rng,
    )
    return scatters(moments, mixture.n * float(moments.means[-1]) - 1.0, mixture.n)[:-1]


def influences_over_samples(
    mixture: GaussianMixture, statistic: Statistic, rng: np.random.Generator
) -> Influences:
    """Return what samples add to n times a statistic of their mixture, from a few draws each."""
    rows = some_rows(mixture.n)
    noise = rng.standard_normal((_DRAWS * len(rows), mixture.dim))
    terms = mixture.terms(np.tile(rows, _DRAWS), noise) @ np.array(_TERMS[statistic])
    draws = terms.reshape(_DRAWS, -1)
    within = float(draws.var(axis=0, ddof=1).mean()) / _DRAWS
    return Influences(rows, draws.mean(axis=0), within)


def bracket_interval(
    low: End | None, high: End | None, n: int, confidence: float, missing: str = ENDLESS
) -> Interval | None:
    """Return the interval between two statistics, each moved outward by its arm.

    Each end misses with half the probability that is left, for n large, no bias left out. There is
    no interval without any end, and none from fewer than `FEWEST` samples.

    Parameters
    ----------
    low, high : End or None
        Whose means over samples enclose the truth; None for one whose mean is to be taken for
        infinite.
    n : int
        Number of samples.
    confidence : float
        Of the interval.
    missing : str
        Why an end is None.
    """
    if n < FEWEST:
        return None
    least = math.nan if low is None else low.value - low.arm(n, confidence, -1.0)
    most = math.nan if high is None else high.value + high.arm(n, confidence, 1.0)
    if least > most:  # by rounding
        least, most = most, least
    ends = [end if math.isfinite(end) else None for end in (least, most)]
    if ends == [None, None]:
        return None
    note = ASSUMES
    if None in ends:
        note = f"no {'lower' if ends[0] is None else 'upper'} end: {missing}; {ASSUMES}"
    return Interval(ends[0], ends[1], confidence, "asymptotic", note)


def lacks_second_moment(samples: NDArray[np.float64]) -> bool:
    """Tell whether samples (n, dim) look as if ``E |S|^2`` were infinite.

    That is so where the index of the tail is 2 or less; it is Hill's, of the distances to the
    median that are the ``sqrt(n)`` largest, at least 10. A guess: within some 20 % where the tail
    is a power. Fewer than 50 samples do not tell.
    """
    n = len(samples)
    if n < _FEWEST_FOR_TAILS:
        return False
    middle = np.median(samples[:: max(n // _CENTRE_ROWS, 1)], axis=0)
    scale = max(float(samples.max() - middle.min()), float(middle.max() - samples.min()))
    if scale == 0.0:
        return False
    distances = np.empty(n)
    for part in (slice(start, start + _BLOCK) for start in range(0, n, _BLOCK)):
        block = (samples[part] - middle) / scale
        distances[part] = np.sqrt(np.einsum("ij,ij->i", block, block))
    count = max(10, math.isqrt(n))
    largest = np.partition(distances, n - count)[n - count :]
    least = float(largest.min())
    return least > 0.0 and 2.0 * float(np.log(largest / least).mean()) >= 1.0
