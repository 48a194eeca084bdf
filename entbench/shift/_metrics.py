"""Total variation and KL divergence of laws on finitely many values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from entbench._distinct import distinct_rows
from entbench.shift._arguments import Distance, check_law, check_two_samples

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "kl_divergence",
    "kl_samples",
    "number_rows",
    "total_variation",
    "total_variation_samples",
]

# above this, p (t - log1p t) would subtract numbers that are far from each other
_NEAR = 0.5


def total_variation(p: ArrayLike, q: ArrayLike) -> Distance:
    """Return the total variation of two laws on one finite support, ``sum |p - q| / 2``.

    Parameters
    ----------
    p, q : array-like of shape (size,)
        Probabilities of the same values in the same order. Each must sum to 1 to within 1e-9, and
        is divided by its sum.

    Returns
    -------
    Distance
        In [0, 1]; exact but for rounding.

    Notes
    -----
    Cost: O(size). What `entbench.bounds.tv_shift_bound` takes.
    """
    first, second = _same_support(p, q)
    # where the supports are disjoint, rounding would give 1 + 1e-16
    value = min(1.0, 0.5 * math.fsum(np.abs(first - second).tolist()))
    return Distance(value, value, value, "exact", len(first), len(second))


def kl_divergence(p: ArrayLike, q: ArrayLike) -> Distance:
    """Return the KL divergence ``D(p || q) = sum p log(p/q)`` of two laws on one finite support.

    Parameters
    ----------
    p, q : array-like of shape (size,)
        As in `total_variation`.

    Returns
    -------
    Distance
        In nats, >= 0; exact but for rounding. inf where some q = 0 < p, and `method` says so.

    Notes
    -----
    Cost: O(size). Summed as ``p log(p/q) - p + q``, of which no term is negative, so that a small
    divergence keeps its digits. Not symmetric: `entbench.bounds.kl_shift_bound` takes
    ``D(P_X' || P_X)``, the shifted law first.
    """
    first, second = _same_support(p, q)
    if ((second == 0.0) & (first > 0.0)).any():
        infinite = math.inf
        return Distance(infinite, infinite, infinite, "supports differ", len(first), len(second))
    value = math.fsum(_kl_terms(first, second).tolist())
    return Distance(value, value, value, "exact", len(first), len(second))


def total_variation_samples(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    other_weights: ArrayLike | None = None,
) -> Distance:
    """Return the total variation of the empirical laws of two samples.

    Parameters
    ----------
    X, Y : array-like of shape (n, dim), (m, dim)
        Samples; equal rows are one value.
    weights, other_weights : array-like of shape (n,), (m,), optional
        Probabilities of the rows of `X` and of `Y`; equal by default.

    Returns
    -------
    Distance
        In [0, 1]; exact, but for rounding, for the laws of the rows as given.

    Notes
    -----
    Of the rows, not of the laws that they were drawn from: samples of two equal laws are apart by
    about ``sqrt(values/(pi n))`` at n = m where each of the values is drawn often, and by 1 where
    the laws are continuous, whatever they are. Without structure the total variation of continuous
    laws cannot be estimated from samples at all: no test tells a density from one that wiggles
    between the samples.

    Cost: O((n + m) (dim + log(n + m))).
    """
    first, second, n, m = _laws_on_union(X, Y, weights, other_weights)
    found = total_variation(first, second)
    return Distance(found.value, found.low, found.high, "exact, of the rows", n, m)


def kl_samples(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    other_weights: ArrayLike | None = None,
) -> Distance:
    """Return the KL divergence of the empirical law of `X` from that of `Y`.

    Parameters
    ----------
    X, Y : array-like of shape (n, dim), (m, dim)
        Samples; equal rows are one value.
    weights, other_weights : array-like of shape (n,), (m,), optional
        Probabilities of the rows of `X` and of `Y`; equal by default.

    Returns
    -------
    Distance
        In nats, >= 0; exact, but for rounding, for the laws of the rows as given. inf where `Y`
        lacks a row of `X`, and `method` says so.

    Notes
    -----
    Of the rows, not of the laws that they were drawn from. For continuous samples it is inf; see
    `kl_nearest_neighbours`. Cost: O((n + m) (dim + log(n + m))).
    """
    first, second, n, m = _laws_on_union(X, Y, weights, other_weights)
    found = kl_divergence(first, second)
    method = "exact, of the rows" if found.method == "exact" else found.method
    return Distance(found.value, found.low, found.high, method, n, m)


def _laws_on_union(
    X: Any, Y: Any, weights: Any = None, other_weights: Any = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], int, int]:
    """Return both empirical laws on the union of the rows, and the numbers of rows."""
    x, y = check_two_samples(X, Y)
    n, m = len(x), len(y)
    value_of, size = number_rows(np.vstack([x, y]))
    first = _total_by_value(value_of[:n], "weights", weights, size)
    return first, _total_by_value(value_of[n:], "other_weights", other_weights, size), n, m


def number_rows(rows: NDArray[np.float64]) -> tuple[NDArray[np.intp], int]:
    """Return a number for each row, the same for equal ones, and how many values there are."""
    found = distinct_rows(rows)
    return (np.arange(len(rows)), len(rows)) if found is None else (found[1], len(found[0]))


def _total_by_value(
    value_of: NDArray[np.intp], name: str, weights: Any, size: int
) -> NDArray[np.float64]:
    if weights is None:
        shares: NDArray[np.float64] = np.bincount(value_of, minlength=size) / float(len(value_of))
        return shares
    law = check_law(name, weights, len(value_of))
    return np.asarray(np.bincount(value_of, weights=law, minlength=size), dtype=np.float64)


def _same_support(p: Any, q: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = check_law("p", p), check_law("q", q)
    if len(first) != len(second):
        raise ValueError(
            f"`p` and `q` must have as many entries as each other; got {len(first)} and "
            f"{len(second)}."
        )
    return first, second


def _kl_terms(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``p log(p/q) - p + q`` entry by entry, where q > 0 or p = 0."""
    terms = q.copy()
    held = p > 0.0
    p, q = p[held], q[held]
    with np.errstate(over="ignore"):  # subnormal p: the second branch is taken
        ratio = (q - p) / p
    near = np.abs(ratio) < _NEAR
    far = p * (np.log(p) - np.log(q)) - p + q
    terms[held] = np.where(near, p * (ratio - np.log1p(np.where(near, ratio, 0.0))), far)
    return terms
