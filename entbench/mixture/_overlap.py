"""A bound on the variance of a draw where components hardly overlap."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from entbench.mixture._integration import Bounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench.mixture._mixture import GaussianMixture

_MOST = 4096
_KERNEL_ERROR = 1e-3
# max of log(1 + u)^2 / sqrt(u), at u = 49.4
_CONSTANT = 2.19


def overlap_bound(mixture: GaussianMixture, rng: np.random.Generator) -> Bounds:
    """Return bounds on the variance of log(w (1 + U)) at a draw from a place of weight w.

    U is the density of the others over that of the own place, components at one place being one.
    Within a place the variance is at most E log(1 + U)^2; between them that of log w is added.
    ``log(1 + U)^2 <= 2.19 sqrt(U) <= 2.19 sum_j sqrt(u_j)``, and the mean of the root of a
    likelihood ratio is a Bhattacharyya coefficient: ``E sqrt(u_j) = sqrt(w_j / w_i) exp(-|c_i -
    c_j|^2 / (8 sigma^2))``. It tells what a rare meeting of two components could contribute, where
    no draw has seen one. Over all components up to 4096 of them, and as many random ones beyond.
    The variance of log w is exact: a few samples that are equal may never be drawn. Ours.
    """
    places, weights = mixture.places()
    roots = np.sqrt(weights)
    wider = type(mixture)(places, 2.0 * mixture.sigma, roots, n_jobs=mixture.n_jobs)
    chosen, shares = _some(weights, rng)
    left_out = wider.left_out(chosen)
    sums = wider.kernels.sums(places[chosen], _KERNEL_ERROR, left_out=left_out)
    # the engine scales weights to sum to 1
    others = np.exp2(sums.log2) * roots.sum() / roots[chosen]
    meetings = _CONSTANT * (1.0 + _KERNEL_ERROR) * float(shares @ others)
    return Bounds(meetings, (_deviation(np.log(weights), weights) + math.sqrt(meetings)) ** 2)


def _deviation(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Return the standard deviation of values with these probabilities; of equal ones 0."""
    centred = values - values[0]
    return math.sqrt(max(float(weights @ (centred - weights @ centred) ** 2), 0.0))


def _some(
    weights: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return components to look at, and what each counts."""
    if len(weights) <= _MOST:
        return np.arange(len(weights)), weights
    ends = np.cumsum(weights)
    chosen = np.searchsorted(ends, rng.random(_MOST) * ends[-1])
    return np.minimum(chosen, len(weights) - 1), np.full(_MOST, 1.0 / _MOST)
