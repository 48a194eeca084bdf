"""Monte-Carlo integration over the components of a mixture, with an honest standard error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PILOT_STRATA = 256
_CHUNK_STRATA = 8192
_GROWTH = 16
# A variance is known where so many differences make it up; below, a few rare ones do.
ENOUGH = 25.0
# Differences no larger, in nats, are of the arithmetic and tell of no variance.
_ROUNDING = 1e-9
# A bound costs about as much as so many visits, or one for so many components: they come first.
_FEW_VISITS = 2048
_COMPONENTS_A_VISIT = 512
# Where no bound on the variance is at hand: visits after which it is taken as it is.
_PATIENCE = 32_768

# components (m,), standard normal noise (m, dim) -> statistics (m, k); the first is the target
Draw = Callable[["NDArray[np.intp]", "NDArray[np.float64]"], "NDArray[np.float64]"]
# draws spent and standard error so far, in nats
Progress = Callable[[int, float], None]


class Bounds(NamedTuple):
    """Bounds on the variance of a visit: within a component, and within and between."""

    within: float
    whole: float


# made when it is needed
VarianceBound = Callable[[], Bounds]


@dataclass(frozen=True)
class Integral:
    """Means over the mixture's draws.

    Attributes
    ----------
    means : ndarray of shape (k,)
        One for each statistic.
    standard_error : float
        Of the first.
    n_draws : int
        Draws spent.
    """

    means: NDArray[np.float64]
    standard_error: float
    n_draws: int


class Population:
    """The components of a mixture, neighbours side by side.

    Parameters
    ----------
    order : ndarray of shape (n,)
        Their numbers.
    weights : ndarray of shape (n,), optional
        Their weights, by number, with sum 1; equal where not given.
    """

    def __init__(self, order: NDArray[np.intp], weights: NDArray[np.float64] | None = None) -> None:
        self.order = order
        self.shares = np.full(len(order), 1.0 / len(order)) if weights is None else weights[order]
        self._ends = None if weights is None else np.cumsum(self.shares)

    def all_alike(self, strata: int) -> bool:
        """Tell whether so many strata visit every component equally often."""
        return self._ends is None and strata % len(self.order) == 0

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
    tolerance: float,
    max_draws: int,
    rng: np.random.Generator,
    progress: Progress | None = None,
    variance_bound: VarianceBound | None = None,
) -> Integral:
    """Average statistics over draws from the components of a mixture.

    A visit to a component is a pair of draws with opposite noise, Z and -Z. Visits come two to a
    stratum of neighbouring components, whose difference tells the variance; the population is
    divided into ever more strata until the standard error is met. Where there are more strata
    than components, every component is visited equally often, and only the variance within
    components is left.

    Parameters
    ----------
    draw : callable
        Takes components (m,) and standard normal noise (m, dim); returns statistics (m, k).
    population : Population
        What to visit.
    dim : int
        Of the noise.
    tolerance, max_draws, rng
        Standard error of the first statistic to reach; most draws to spend; where they come from.
    progress : callable, optional
        Called with the draws spent and the standard error after every round.
    variance_bound : callable, optional
        Returns bounds on the variance of a visit. Called where rare draws make up the variance
        seen, or none was seen: the standard error of such a round is then by the bound.
    """
    n = len(population.order)
    total = _Total(variance_bound, max(_FEW_VISITS, n // _COMPONENTS_A_VISIT))
    strata = max(min(PILOT_STRATA, max_draws // 4), 1)
    while True:
        total.add(_stratified(draw, population, dim, strata, rng), population.all_alike(strata))
        if progress is not None:
            progress(total.draws, total.standard_error)
        wanted = total.visits * (total.standard_error / tolerance) ** 2 if tolerance else math.inf
        left = (max_draws - total.draws) // 4
        if (total.standard_error <= tolerance and total.known) or left < 1:
            return total.integral
        if total.seen_error <= tolerance:
            # the draws are too few to be believed: twice as many may be, long before a bound is met
            wanted = 2.0 * total.visits
        # finer strata often have less variance: look again before all is spent
        wanted = min(0.51 * (wanted - total.visits), _GROWTH * strata)
        strata = min(max(math.ceil(wanted), PILOT_STRATA), left)
        if strata > n:
            strata = min(-(-strata // n), max(left // n, 1)) * n


class _Total:
    """Rounds of visits put together, each by its number of visits."""

    def __init__(self, variance_bound: VarianceBound | None, patience: int) -> None:
        self.visits = 0
        self._sums: NDArray[np.float64] | float = 0.0
        self._squares, self._believed = 0.0, False
        # of rounds that are not believed, by whether they visited all components alike
        self._doubtful_squares, self._doubtful_visits = [0.0, 0.0], [0, 0]
        self._variance_bound = variance_bound
        self._patience = _PATIENCE if variance_bound is None else patience

    def add(self, round_: _Round, all_alike: bool) -> None:
        """Add a round, which may have visited all components equally often."""
        self.visits += round_.visits
        self._sums = self._sums + round_.visits * round_.means
        # the differences of two visits, over four times the strata squared, are the variance
        self._squares += round_.squares
        # in a round with finer strata they are smaller: each is judged by itself
        self._believed = round_.squares**2 >= ENOUGH * round_.fourths > 0.0
        self._believed &= round_.squares > _ROUNDING**2 * round_.visits
        if not self._believed:
            self._doubtful_squares[all_alike] += round_.squares
            self._doubtful_visits[all_alike] += round_.visits

    @property
    def draws(self) -> int:
        return 2 * self.visits

    @property
    def known(self) -> bool:
        """Whether the standard error can be relied on: by many differences, or by the bound."""
        return self._believed or self.visits >= self._patience

    @property
    def seen_error(self) -> float:
        """The standard error by the draws alone."""
        return math.sqrt(self._squares) / self.visits

    @property
    def standard_error(self) -> float:
        """By the draws; of rounds whose draws are too few to be believed, by what is known else.

        That is what believed rounds vary by, if the last, which has the finest strata, is one; the
        bounds otherwise.
        """
        doubtful = sum(self._doubtful_squares)
        if not any(self._doubtful_visits) or not self.known:
            unseen = 0.0
        elif self._believed:
            believed = self.visits - sum(self._doubtful_visits)
            a_visit = (self._squares - doubtful) / believed
            unseen = max(sum(self._doubtful_visits) * a_visit - doubtful, 0.0)
        else:
            unseen = self._unseen_by_bounds()
        return math.sqrt(self._squares + unseen) / self.visits

    def _unseen_by_bounds(self) -> float:
        if self._bounds is None:
            return 0.0
        by_round = zip(
            (self._bounds.whole, self._bounds.within),
            *(self._doubtful_visits, self._doubtful_squares),
            strict=True,
        )
        return sum(max(visits * bound - squares, 0.0) for bound, visits, squares in by_round)

    @cached_property
    def _bounds(self) -> Bounds | None:
        return self._variance_bound() if self._variance_bound is not None else None

    @property
    def integral(self) -> Integral:
        return Integral(np.atleast_1d(self._sums / self.visits), self.standard_error, self.draws)


def opposite(
    components: NDArray[np.intp], dim: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return each component twice, one by one, and noise for the two: Z and -Z."""
    noise = rng.standard_normal((len(components), dim))
    return np.repeat(components, 2), np.stack([noise, -noise], axis=1).reshape(-1, dim)


class _Round(NamedTuple):
    """Means over two visits a stratum.

    Attributes
    ----------
    means : ndarray of shape (k,)
        Of the statistics.
    visits : int
        How many.
    squares, fourths : float
        Sums of powers of the differences of the first statistic at the two visits to a stratum.
    """

    means: NDArray[np.float64]
    visits: int
    squares: float
    fourths: float


def _stratified(
    draw: Draw, population: Population, dim: int, strata: int, rng: np.random.Generator
) -> _Round:
    """Visit every stratum twice."""
    sums: NDArray[np.float64] | float = 0.0
    squares, fourths = 0.0, 0.0
    for first in range(0, strata, _CHUNK_STRATA):
        stop = min(first + _CHUNK_STRATA, strata)
        components = population.pairs(first, stop, strata, rng)
        statistics = draw(*opposite(components, dim, rng))
        values = statistics.reshape(stop - first, 2, 2, -1).mean(axis=2)
        sums = sums + values.sum(axis=(0, 1))
        differences = np.square(values[:, 0, 0] - values[:, 1, 0])
        squares += float(differences.sum())
        fourths += float(np.square(differences).sum())
    return _Round(np.atleast_1d(sums) / (2 * strata), 2 * strata, squares, fourths)
