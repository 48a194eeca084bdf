"""How far statistics of samples scatter from one sample to the next."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from entbench.mixture._integration import opposite

if TYPE_CHECKING:
    from numpy.typing import NDArray

# components (m,), standard normal noise (m, dim) -> terms (m, k)
Terms = Callable[["NDArray[np.intp]", "NDArray[np.float64]"], "NDArray[np.float64]"]

# Components visited, at most: of so many, the standard deviation of a normal law is off by 1.6 %.
# Draws at them, so that the noise's part can be told and taken off.
_MOST, _DRAWS = 2048, 16384


def moments_of_terms(
    terms: Terms, order: NDArray[np.intp], dim: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means of terms, shape (k,), and the variances over components of their means.

    The second are of means over the noise: a component is visited several times, each time with a
    pair of opposite noise, and what its visits differ by is taken off. Such variances may come out
    negative: they are then 0.

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
    places = np.arange(n)
    if n > _MOST:
        places = np.minimum((np.arange(_MOST) + rng.random(_MOST)) * (n / _MOST), n - 1)
    chosen = order[places.astype(np.intp)]
    visits = max(_DRAWS // (2 * len(chosen)), 2)
    drawn = terms(*opposite(np.repeat(chosen, visits), dim, rng))
    values = drawn.reshape(len(chosen), visits, 2, -1).mean(axis=2)
    between = values.mean(axis=1).var(axis=0, ddof=1)
    within = values.var(axis=1, ddof=1).mean(axis=0) / visits
    return values.mean(axis=(0, 1)), np.maximum(between - within, 0.0)


def standard_deviation(variance: float, excess: float, n: int) -> float:
    """Return that of a statistic over samples of size n, to second order.

    To first order the statistic moves by the mean of its terms. What is quadratic in the samples
    adds the variance ``q = excess / (2 n^2)``, with `excess` the trace of a kernel whose
    eigenvalues are at most 1: N_eff - 1 of a mixture. The terms, taken from the samples, vary by
    2 q too much for it (Efron and Stein); if by no more, they are all alike, and q remains.
    """
    quadratic = 0.5 * max(excess, 0.0) / n**2
    return math.sqrt(max(variance / n - quadratic, quadratic))
