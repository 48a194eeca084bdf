"""How far statistics of samples scatter from one sample to the next."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from entbench.mixture._integration import opposite

if TYPE_CHECKING:
    from numpy.typing import NDArray

# components (m,), standard normal noise (m, dim) -> terms (m, k)
Terms = Callable[["NDArray[np.intp]", "NDArray[np.float64]"], "NDArray[np.float64]"]

# Components visited, at most: of so many, the standard deviation of a normal law is off by 1.6 %.
# Draws at them, so that the noise's part can be told and taken off; fewer where n terms of each are
# more pairs than this, down to a least number.
_MOST, _DRAWS, _LEAST_DRAWS, _PAIRS = 2048, 16384, 4096, 2**31


class Moments(NamedTuple):
    """Moments of terms.

    Attributes
    ----------
    means : ndarray of shape (k,)
        Over components and noise.
    variances, thirds : ndarray of shape (k,)
        Second and third central moments over components of means over the noise.
    """

    means: NDArray[np.float64]
    variances: NDArray[np.float64]
    thirds: NDArray[np.float64]


class Scatter(NamedTuple):
    """How a statistic scatters over samples.

    Attributes
    ----------
    deviation : float
        Standard deviation, in nats.
    lean : float
        Skewness.
    """

    deviation: float
    lean: float


def moments_of_terms(
    terms: Terms, order: NDArray[np.intp], dim: int, rng: np.random.Generator
) -> Moments:
    """Return the moments of what components add to statistics.

    A component is visited several times, each time with a pair of opposite noise, and what its
    visits differ by is taken off the variance. Where less than nothing is left, it is 0.

    Parameters
    ----------
    terms : callable
        Takes components (m,) and standard normal noise (m, dim); returns draws of the terms (m, k).
    order : ndarray of shape (n,)
        All components, neighbours side by side: of many, some are visited, spread evenly.
    dim : int
        Of the noise.
    rng : numpy.random.Generator
        Where the draws come from.
    """
    n = len(order)
    draws = min(max(_PAIRS // n, _LEAST_DRAWS), _DRAWS)
    chosen, some = order, min(_MOST, draws // 4)
    if n > some:
        places = np.minimum((np.arange(some) + rng.random(some)) * (n / some), n - 1)
        chosen = order[places.astype(np.intp)]
    visits = max(draws // (2 * len(chosen)), 2)
    drawn = terms(*opposite(np.repeat(chosen, visits), dim, rng))
    values = drawn.reshape(len(chosen), visits, 2, -1).mean(axis=2)
    each, means = values.mean(axis=1), values.mean(axis=(0, 1))
    between = each.var(axis=0, ddof=1)
    within = values.var(axis=1, ddof=1).mean(axis=0) / visits
    return Moments(means, np.maximum(between - within, 0.0), np.mean((each - means) ** 3, axis=0))


def scatters(moments: Moments, excess: float, n: int) -> list[Scatter]:
    """Return how the statistics scatter over samples of size n, to second order.

    To first order the statistic moves by the mean of its terms. What is quadratic in the samples
    adds the variance ``q = excess / (2 n^2)``, with `excess` the trace of a kernel whose
    eigenvalues are at most 1: N_eff - 1 of a mixture. The terms, taken from the samples, vary by
    2 q too much for it (Efron and Stein); if by no more, they are all alike, and q remains.
    """
    quadratic = 0.5 * max(excess, 0.0) / n**2
    found = []
    for variance, third in zip(moments.variances, moments.thirds, strict=True):
        deviation = math.sqrt(max(float(variance) / n - quadratic, quadratic))
        lean = float(third) / n**2 / deviation**3 if deviation > 0.0 else 0.0
        found.append(Scatter(deviation, lean))
    return found
