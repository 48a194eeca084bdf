"""Monte-Carlo integration of a mixture's entropy, with an honest standard error."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PILOT_PAIRS = 512
_CHUNK_PAIRS = 16384

# components (m,), standard normal noise (m, dim) -> statistics (m, k); the first is the target
Draw = Callable[["NDArray[np.intp]", "NDArray[np.float64]"], "NDArray[np.float64]"]


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
    converged : bool
        Whether the standard error is within the tolerance asked for.
    """

    means: NDArray[np.float64]
    standard_error: float
    n_draws: int
    converged: bool


def gaussian_entropy(dim: int, sigma: float) -> float:
    """Return the differential entropy of N(0, sigma^2 I), ``dim/2 log(2 pi e sigma^2)`` nats."""
    return dim * (0.5 * math.log(2.0 * math.pi * math.e) + math.log(sigma))


@dataclass
class _Moments:
    """Running sums over pairs: of their means, and for the target of squares and differences."""

    pairs: int = 0
    means: NDArray[np.float64] | float = 0.0
    squared_mean: float = 0.0
    within: float = 0.0

    def add(self, statistics: NDArray[np.float64]) -> None:
        """Add pairs of draws: statistics of shape (pairs, 2, k)."""
        target = statistics[:, :, 0]
        means = target.mean(axis=1)
        self.pairs += len(means)
        self.means = self.means + statistics.mean(axis=1).sum(axis=0)
        self.squared_mean += float((means * means).sum())
        self.within += float(np.square(target[:, 0] - target[:, 1]).sum()) / 2.0

    @property
    def mean(self) -> float:
        """Sum of the target's means over pairs."""
        return float(np.atleast_1d(self.means)[0])

    @property
    def within_variance(self) -> float:
        """Variance of a draw within its component."""
        return self.within / self.pairs

    @property
    def between_variance(self) -> float:
        """Variance of the pairs' means from one random component to the next."""
        spread = self.squared_mean - self.mean**2 / self.pairs
        return max(spread, 0.0) / max(self.pairs - 1, 1)


def integrate_by_pairs(
    draw: Draw, n: int, dim: int, tolerance: float, max_draws: int, rng: np.random.Generator
) -> Integral:
    """Average statistics over draws from random components of a mixture.

    Components are visited in random order, two draws each. Where a part of them is enough, the
    estimate is two-stage sampling from a finite population; else whole passes are made.

    Parameters
    ----------
    draw : callable
        Takes components (m,) and standard normal noise (m, dim); returns statistics (m, k).
    n, dim
        Components and dimension of the mixture.
    tolerance, max_draws, rng
        Standard error of the first statistic to reach; most draws to spend; where they come from.
    """
    order = rng.permutation(n)
    moments = _Moments()
    target = min(n, _PILOT_PAIRS) if n >= _PILOT_PAIRS else n * -(-_PILOT_PAIRS // n)
    budget = max(max_draws // 2, target)
    while True:
        for components in _visits(order, moments.pairs, target):
            noise = rng.standard_normal((2 * len(components), dim))
            statistics = draw(np.repeat(components, 2), noise)
            moments.add(statistics.reshape(len(components), 2, -1))
        error = _standard_error(moments, n)
        if error <= tolerance or moments.pairs >= budget:
            break
        target = _next_target(moments, n, tolerance, budget)
        if target <= moments.pairs:
            break
    return Integral(
        means=np.atleast_1d(moments.means / moments.pairs),
        standard_error=error,
        n_draws=2 * moments.pairs,
        converged=error <= tolerance,
    )


def _visits(order: NDArray[Any], start: int, stop: int) -> Iterator[NDArray[Any]]:
    """Yield the components of visits `start` to `stop` of the endless cycle through `order`."""
    for first in range(start, stop, _CHUNK_PAIRS):
        visits = np.arange(first, min(first + _CHUNK_PAIRS, stop))
        yield order[visits % len(order)]


def _standard_error(moments: _Moments, n: int) -> float:
    pairs = moments.pairs
    within = moments.within_variance / (2.0 * pairs)
    if pairs >= n:
        return math.sqrt(within)
    share = pairs / n
    return math.sqrt((1.0 - share) * moments.between_variance / pairs + share * within)


def _next_target(moments: _Moments, n: int, tolerance: float, budget: int) -> int:
    """Return the number of pairs to go on to: a part of the first pass, or whole passes."""
    within = moments.within_variance / 2.0
    between = max(moments.between_variance, within)
    wanted = 1.02 * between / (tolerance**2 + (between - within) / n)
    if moments.pairs < n and min(wanted, budget) < n:
        return min(max(math.ceil(min(wanted, n)), moments.pairs + 1), budget)
    passes = max(math.ceil(1.02 * within / (n * tolerance**2)), moments.pairs // n + 1)
    return n * min(passes, budget // n)
