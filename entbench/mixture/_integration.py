"""Monte-Carlo integration over the components of a mixture, with an error that holds.

Terms of a sum have ranges that are known before any draw. Of a mean of K visits that vary by V,
each in a range R, `error_of` makes an error of V/K and R/K: the first is what the visits show, the
second what visits of a kind that none has met may add.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PILOT_STRATA = 256
_CHUNK_STRATA = 8192
_GROWTH = 16
# Of a long last round, a part first: its finer strata often show that the rest is not needed.
_FIRST_PART = 0.9
# A shorter round has coarser strata, and brings in more variance for its visits; much shorter than
# the longest, it would add to the variance of the mean.
_LEAST_PART = 0.25
# Of K visits, N ~ Poisson(lambda) meet what adds R to each of them and nothing else varies: |N -
# lambda| exceeds 1.96 (sqrt(N + 2) + 1.4) with probability 4.8 % at most, and 4.5 times that with
# 6.1e-6, whatever lambda is. It is the worst case of a term with range R (Bennett's inequality).
_RARE_SQUARE, _RARE = 2.0, 1.4
# The error in parts of R/K where no visit shows anything.
UNSEEN = math.sqrt(_RARE_SQUARE) + _RARE
# Visits at which what is rare makes up half of an error, times the variance over R^2.
BALANCE = 4.0 * _RARE**2
# Multiple of `numerical_error` that holds in 95 of 100 cases.
QUANTILE = 1.96

# components (m,), standard normal noise (m, dim) -> statistics (m, k); the first is the target
Draw = Callable[["NDArray[np.intp]", "NDArray[np.float64]"], "NDArray[np.float64]"]
# variance of a visit -> visits wanted in all
Wanted = Callable[[float], float]
# draws spent and variance of the mean so far
Told = Callable[[int, float], None]


def error_of(variance: Any, rare: Any) -> Any:
    """Return a mean's numerical error, from its variance and one visit's part of the range."""
    return np.sqrt(variance + _RARE_SQUARE * np.square(rare)) + _RARE * rare


@dataclass(frozen=True)
class Integral:
    """Means over visits.

    Attributes
    ----------
    means, variances : ndarray of shape (k,)
        Of each statistic, and the variance of its mean that the visits show.
    visits : int
        Pairs of draws spent.
    """

    means: NDArray[np.float64]
    variances: NDArray[np.float64]
    visits: int


@dataclass
class Estimate:
    """A sum of integrals, in k statistics, with the parts of its error.

    Attributes
    ----------
    values, variances, rare : ndarray of shape (k,)
        Sum so far; variance that the draws show; range of what one visit adds, the largest.
    draws : int
        Spent so far.
    """

    values: NDArray[np.float64]
    variances: NDArray[np.float64] = field(init=False)
    rare: NDArray[np.float64] = field(init=False)
    draws: int = 0

    def __post_init__(self) -> None:
        self.variances, self.rare = np.zeros_like(self.values), np.zeros_like(self.values)

    def add(self, weight: float, found: Integral, ranges: NDArray[np.float64]) -> None:
        """Add an integral that counts `weight`, of terms in these ranges.

        One visit of the widest contribution decides the second term of Bennett's bound.
        """
        self.values = self.values + weight * found.means
        self.variances = self.variances + weight**2 * found.variances
        self.rare = np.maximum(self.rare, weight * ranges / found.visits)
        self.draws += 2 * found.visits

    @property
    def errors(self) -> NDArray[np.float64]:
        """Numerical errors of the values."""
        return np.asarray(error_of(self.variances, self.rare))

    def wanted(self, variance: float, weight: float, reach: float, error: float) -> float:
        """Return the visits that a last integral needs for the whole to have an `error`.

        Its visits vary by `variance` and have the range `reach`.
        """
        known, rare = float(self.variances[0]), float(self.rare[0])

        def error_at(visits: float) -> float:
            square = known + weight**2 * variance / visits
            return float(error_of(square, max(rare, weight * reach / visits)))

        low, high = 0.0, 62.0
        if error_at(2.0**high) > error:
            return math.inf
        while high - low > 1e-3:
            middle = 0.5 * (low + high)
            low, high = (low, middle) if error_at(2.0**middle) <= error else (middle, high)
        return float(math.ceil(2.0**high))


class Population:
    """Components of a mixture, neighbours side by side.

    Parameters
    ----------
    order : ndarray of shape (n,)
        Their numbers.
    weights : ndarray, optional
        Weights of all components, by number; equal where not given.
    """

    def __init__(self, order: NDArray[np.intp], weights: NDArray[np.float64] | None = None) -> None:
        self.order = order
        self._ends = None if weights is None else np.cumsum(weights[order])

    def pairs(
        self, first: int, stop: int, strata: int, rng: np.random.Generator
    ) -> NDArray[np.intp]:
        """Return two random components from each of the strata `first` to `stop`, one by one.

        `strata` of them, of equal weight, make up the population; components lie across their
        borders where they must.
        """
        inside = rng.random((stop - first, 2))
        positions = (np.arange(first, stop)[:, None] + inside).reshape(-1) / strata
        if self._ends is None:
            found = (positions * len(self.order)).astype(np.intp)
        else:
            found = np.searchsorted(self._ends, positions * self._ends[-1])
        return self.order[np.minimum(found, len(self.order) - 1)]


def integrate(
    draw: Draw,
    population: Population,
    dim: int,
    wanted: Wanted,
    max_draws: int,
    rng: np.random.Generator,
    told: Told | None = None,
) -> Integral:
    """Average statistics over draws from the components of a population.

    A visit to a component is a pair of draws with opposite noise, Z and -Z. Visits come two to a
    stratum of neighbouring components, whose difference tells the variance; the population is
    divided into ever more strata until there are visits enough. Where there are more strata than
    components, every component is visited equally often, and only the variance within components
    is left.

    Parameters
    ----------
    draw : callable
        Takes components (m,) and standard normal noise (m, dim); returns statistics (m, k).
    population : Population
        What to visit.
    dim : int
        Of the noise.
    wanted : callable
        Takes the variance of a visit so far, returns how many visits are enough.
    max_draws, rng
        Most draws to spend, at least 4; where they come from.
    told : callable, optional
        Called with the draws spent and the variance of the mean after every round.
    """
    n = len(population.order)
    visits, sums, squares = 0, np.zeros(1), np.zeros(1)
    strata = longest = max(min(PILOT_STRATA, max_draws // 4), 1)
    while True:
        added, varied = _visit(draw, population, dim, strata, rng)
        visits += 2 * strata
        sums, squares = sums + added, squares + varied
        if told is not None:
            told(2 * visits, float(squares[0]) / visits**2)
        # finer strata often have less variance: look again before all is spent
        more = min(0.51 * (wanted(float(squares[0]) / visits) - visits), _GROWTH * strata)
        left = (max_draws - 2 * visits) // 4
        if more <= 0.0 or left < 1:
            return Integral(sums / visits, squares / visits**2, visits)
        longest = max(longest, strata)
        if max(longest, _CHUNK_STRATA) < more < _GROWTH * strata:
            more *= _FIRST_PART
        more = max(more, _LEAST_PART * longest)
        strata = min(max(math.ceil(more), PILOT_STRATA), left)
        if strata > n:
            strata = min(-(-strata // n), max(left // n, 1)) * n


def opposite(
    components: NDArray[np.intp], dim: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return each component twice, one by one, and noise for the two: Z and -Z."""
    noise = rng.standard_normal((len(components), dim))
    return np.repeat(components, 2), np.stack([noise, -noise], axis=1).reshape(-1, dim)


def _visit(
    draw: Draw, population: Population, dim: int, strata: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Visit every stratum twice; return sums over visits, and of squared differences in pairs."""
    sums, squares = np.zeros(1), np.zeros(1)
    for first in range(0, strata, _CHUNK_STRATA):
        stop = min(first + _CHUNK_STRATA, strata)
        components = population.pairs(first, stop, strata, rng)
        statistics = draw(*opposite(components, dim, rng))
        values = statistics.reshape(stop - first, 2, 2, -1).mean(axis=2)
        sums = sums + values.sum(axis=(0, 1))
        squares = squares + np.square(values[:, 0] - values[:, 1]).sum(axis=0)
    return sums, squares
