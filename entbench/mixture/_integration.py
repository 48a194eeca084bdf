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

LogRatio = Callable[["NDArray[np.intp]", "NDArray[np.float64]"], "NDArray[np.float64]"]


@dataclass(frozen=True)
class MixtureEntropy:
    """Differential entropy of a mixture.

    Attributes
    ----------
    value : float
        In nats.
    standard_error : float
        Monte-Carlo standard error of `value`, in nats.
    n_draws : int
        Draws spent.
    converged : bool
        Whether `standard_error` is within the tolerance asked for.
    """

    value: float
    standard_error: float
    n_draws: int
    converged: bool


def gaussian_entropy(dim: int, sigma: float) -> float:
    """Return the differential entropy of N(0, sigma^2 I), ``dim/2 log(2 pi e sigma^2)`` nats."""
    return dim * (0.5 * math.log(2.0 * math.pi * math.e) + math.log(sigma))


@dataclass
class _Moments:
    """Running sums over pairs: of their means, squared means and squared half-differences."""

    pairs: int = 0
    mean: float = 0.0
    squared_mean: float = 0.0
    within: float = 0.0

    def add(self, ratios: NDArray[np.float64]) -> None:
        means = ratios.mean(axis=1)
        self.pairs += len(means)
        self.mean += float(means.sum())
        self.squared_mean += float((means * means).sum())
        self.within += float(np.square(ratios[:, 0] - ratios[:, 1]).sum()) / 2.0

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
    log_ratio: LogRatio,
    n: int,
    dim: int,
    sigma: float,
    tolerance: float,
    max_draws: int,
    rng: np.random.Generator,
) -> MixtureEntropy:
    """Return ``h(Z) - E log(q(T) / phi(Z))``, T = centre of a random component + Z.

    Components are visited in random order, two draws each. Where a part of them is enough, the
    estimate is two-stage sampling from a finite population; else whole passes are made.

    Parameters
    ----------
    log_ratio : callable
        Takes components (m,) and standard normal noise (m, dim); returns log(q(T)/phi(Z)) (m,).
    n, dim, sigma
        Components, dimension and noise level of the mixture.
    tolerance, max_draws, rng
        See `GaussianMixture.entropy`.
    """
    order = rng.permutation(n)
    moments = _Moments()
    target = min(n, _PILOT_PAIRS) if n >= _PILOT_PAIRS else n * -(-_PILOT_PAIRS // n)
    budget = max(max_draws // 2, target)
    while True:
        for components in _visits(order, moments.pairs, target):
            noise = rng.standard_normal((2 * len(components), dim))
            ratios = log_ratio(np.repeat(components, 2), noise)
            moments.add(ratios.reshape(-1, 2))
        error = _standard_error(moments, n)
        if error <= tolerance or moments.pairs >= budget:
            break
        target = _next_target(moments, n, tolerance, budget)
        if target <= moments.pairs:
            break
    return MixtureEntropy(
        value=gaussian_entropy(dim, sigma) - moments.mean / moments.pairs,
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
