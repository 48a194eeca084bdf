"""KL divergence of continuous laws from nearest neighbours."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from entbench._compiled import threads_for
from entbench._validation import check_integer, check_jobs
from entbench.neighbours import neighbour_distances
from entbench.shift._arguments import Distance, check_two_samples

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["kl_nearest_neighbours"]

_PARTS = 10


def kl_nearest_neighbours(
    X: ArrayLike, Y: ArrayLike, k: int = 5, n_jobs: int | None = None
) -> Distance:
    """Estimate the KL divergence of the law of `X` from that of `Y`, both continuous.

    ``(dim/n) sum_i log(nu_k(i)/rho_k(i)) + log(m/(n - 1))``, where rho_k(i) and nu_k(i) are the
    distances from row i of `X` to the k-th nearest other row of `X` and to the k-th nearest of `Y`.

    Parameters
    ----------
    X, Y : array-like of shape (n, dim), (m, dim)
        Independent samples of two densities, at least k + 1 and k rows.
    k : int, default=5
        Neighbours.
    n_jobs : int or None, default=None
        Threads; -1 for all cores. None for as many as the environment sets: one in the workers of
        a suite. The result does not depend on it.

    Returns
    -------
    Distance
        In nats. May come out negative; never clipped. `standard_error` is from up to ten disjoint
        parts of the samples, every tenth row, each of them estimated alone: their standard
        deviation by the square root of their number. `low` and `high` are the 95 % range of
        Student's t around `value`; they do not contain the bias. NaN, -inf and inf where the
        samples are too small for two parts.

    Raises
    ------
    ValueError
        Where a distance is 0: rows that are equal are of a law with atoms; see `kl_samples`.

    Notes
    -----
    Consistent for densities, with a bias that decays like ``n^(-1/dim)`` at worst and is downward
    where the laws are far apart: where no row of `Y` is near, nu grows only as fast as the gap. The
    parts being ten times smaller, a difference between their mean and `value` tells of bias.

    Cost: O((n + m) log(n + m)) in few dimensions, towards O(n (n + m) dim) from about ten on; twice
    that with the standard error.

    References
    ----------
    Q. Wang, S. R. Kulkarni, S. Verdu, "Divergence Estimation for Multidimensional Densities Via
    k-Nearest-Neighbor Distances", IEEE Trans. Inf. Theory 55(5), 2009, eq. (5); recalled, not
    checked.
    """
    k = check_integer("k", k, minimum=1)
    check_jobs(n_jobs)
    x, y = check_two_samples(X, Y)
    if len(x) < k + 1 or len(y) < k:
        raise ValueError(
            f"`k` must be at most n - 1 and m; got k={k} with n={len(x)} and m={len(y)}."
        )
    value = _estimate(x, y, k, n_jobs)
    parts = min(_PARTS, len(x) // (k + 1), len(y) // k)
    if parts < 2:
        return Distance(value, -math.inf, math.inf, "estimate", len(x), len(y), math.nan)
    from scipy.special import stdtrit

    alone = [_estimate(x[i::parts], y[i::parts], k, n_jobs) for i in range(parts)]
    error = float(np.std(alone, ddof=1)) / math.sqrt(parts)
    reach = float(stdtrit(parts - 1, 0.975)) * error
    return Distance(value, value - reach, value + reach, "estimate", len(x), len(y), error)


def _estimate(x: NDArray[np.float64], y: NDArray[np.float64], k: int, n_jobs: int | None) -> float:
    own = neighbour_distances(np.ascontiguousarray(x), k, "l2", n_jobs)[:, -1]
    other = _distances_to(x, y, k, n_jobs)
    if min(own.min(), other.min()) == 0.0:
        raise ValueError(
            "rows of `X` and `Y` must all differ; got some at distance 0. Of laws with atoms, "
            "`kl_samples` is the divergence."
        )
    terms = np.log(other) - np.log(own)
    return float(x.shape[1] * terms.mean() + math.log(len(y)) - math.log(len(x) - 1))


def _distances_to(
    x: NDArray[np.float64], y: NDArray[np.float64], k: int, n_jobs: int | None
) -> NDArray[np.float64]:
    """Return the distances from rows of `x` to the k-th nearest of `y`."""
    from scipy.spatial import cKDTree

    # by a power of two, so that squares neither overflow nor underflow
    lowest, highest = np.minimum(x.min(0), y.min(0)), np.maximum(x.max(0), y.max(0))
    power = math.frexp(float(np.max(np.ldexp(highest, -1) - np.ldexp(lowest, -1))))[1] + 1
    tree = cKDTree(np.ldexp(y, -power))
    found, _ = tree.query(np.ldexp(x, -power), k=[k], workers=threads_for(n_jobs))
    farthest: NDArray[np.float64] = np.asarray(found)[:, 0]
    return np.ldexp(farthest, power)
