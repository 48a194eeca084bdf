"""Monte-Carlo integration over the components of a mixture, with an honest standard error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PILOT_STRATA = 256
_CHUNK_STRATA = 8192
_GROWTH = 16

# components (m,), standard normal noise (m, dim) -> statistics (m, k); the first is the target
Draw = Callable[["NDArray[np.intp]", "NDArray[np.float64]"], "NDArray[np.float64]"]
# draws spent and standard error so far, in nats
Progress = Callable[[int, float], None]


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
    """
    n = len(population.order)
    total = _Total()
    strata = max(min(PILOT_STRATA, max_draws // 4), 1)
    while True:
        total.add(*_stratified(draw, population, dim, strata, rng))
        if progress is not None:
            progress(total.draws, total.standard_error)
        error = total.standard_error
        wanted = total.visits * (error / tolerance) ** 2 if tolerance > 0.0 else math.inf
        left = (max_draws - total.draws) // 4
        if error <= tolerance or left < 1:
            return total.integral
        # finer strata often have less variance: look again before all is spent
        wanted = min(0.51 * (wanted - total.visits), _GROWTH * strata)
        strata = min(max(math.ceil(wanted), PILOT_STRATA), left)
        if strata > n:
            strata = min(-(-strata // n), max(left // n, 1)) * n


class _Total:
    """Rounds of visits put together, each by its number of visits."""

    def __init__(self) -> None:
        self.visits = 0
        self._sums: NDArray[np.float64] | float = 0.0
        self._squares = 0.0

    def add(self, means: NDArray[np.float64], variance: float, visits: int) -> None:
        """Add a round with the variance of its first mean."""
        self.visits += visits
        self._sums = self._sums + visits * means
        self._squares += visits**2 * variance

    @property
    def draws(self) -> int:
        return 2 * self.visits

    @property
    def standard_error(self) -> float:
        return math.sqrt(self._squares) / self.visits

    @property
    def integral(self) -> Integral:
        return Integral(np.atleast_1d(self._sums / self.visits), self.standard_error, self.draws)


def opposite(
    components: NDArray[np.intp], dim: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return each component twice, one by one, and noise for the two: Z and -Z."""
    noise = rng.standard_normal((len(components), dim))
    return np.repeat(components, 2), np.stack([noise, -noise], axis=1).reshape(-1, dim)


def _stratified(
    draw: Draw, population: Population, dim: int, strata: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], float, int]:
    """Return means over two visits a stratum, the variance of the first mean, and the visits."""
    sums: NDArray[np.float64] | float = 0.0
    squares = 0.0
    for first in range(0, strata, _CHUNK_STRATA):
        stop = min(first + _CHUNK_STRATA, strata)
        components = population.pairs(first, stop, strata, rng)
        statistics = draw(*opposite(components, dim, rng))
        values = statistics.reshape(stop - first, 2, 2, -1).mean(axis=2)
        sums = sums + values.sum(axis=(0, 1))
        squares += float(np.square(values[:, 0, 0] - values[:, 1, 0]).sum())
    means = np.atleast_1d(sums) / (2 * strata)
    return means, squares / (4.0 * strata**2), 2 * strata
