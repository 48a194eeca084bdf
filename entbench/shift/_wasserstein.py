"""Wasserstein distances of two samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from entbench._validation import check_choice, check_integer, check_seed
from entbench.shift._arguments import Distance, check_law, check_two_samples
from entbench.shift._couplings import (
    assignment_cost,
    distances,
    line_cost,
    nearest_floor,
    partition_cost,
    projection_floor,
    transport_bounds,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["wasserstein"]

_METHODS = ("auto", "exact", "bounds")
# pairs of points up to which "auto" is exact
_ASSIGNMENT_LIMIT = 3000**2
_PROGRAM_LIMIT = 500**2


class _Problem(NamedTuple):
    """Two finite laws, in units in which the extent of both together is near 1.

    `repeats` are how often points of each are to be repeated for all masses to be equal; 0 where
    they were given weights.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    a: NDArray[np.float64]
    b: NDArray[np.float64]
    power: int
    repeats: tuple[int, int]


def wasserstein(
    X: ArrayLike,
    Y: ArrayLike,
    order: int = 1,
    *,
    weights: ArrayLike | None = None,
    other_weights: ArrayLike | None = None,
    method: str = "auto",
    random_state: int | np.random.Generator | None = 0,
) -> Distance:
    """Return the Wasserstein distance of the empirical laws of two samples, Euclidean cost.

    Parameters
    ----------
    X, Y : array-like of shape (n, dim), (m, dim)
        Samples, or the points of finite laws.
    order : {1, 2}
        ``(inf E |X - Y|^order)^(1/order)`` over all couplings.
    weights, other_weights : array-like of shape (n,), (m,), optional
        Probabilities of the rows of `X` and of `Y`; equal by default.
    method : {"auto", "exact", "bounds"}
        "exact" whatever the cost; "bounds" for a lower and an upper bound; "auto" for the first up
        to 9,000,000 pairs of rows where an assignment will do, up to 250,000 where it takes a
        linear program, and in one dimension; for the second beyond.
    random_state : int, numpy.random.Generator or None, default=0
        Seed of the directions that the lower bound projects on. Exact values do not depend on it.

    Returns
    -------
    Distance
        In the unit of the samples. What is exact is so but for rounding; for the linear program,
        `low` and `high` are what its prices and its plan prove, mostly within 1e-10 of each other;
        more where the distance is below 1e-8 of the extent. Beyond the limits `value` is
        `high`, the upper bound: safe to put into `entbench.bounds.wasserstein_shift_bound`.

    Notes
    -----
    Of the rows, not of the laws that they were drawn from: samples of one law are ``n^(-1/dim)``
    apart in more than two dimensions, so this is far above the distance of the laws where that is
    small and the dimension is not.

    Exact: along quantiles in one dimension; by assignment where the rows are unweighted and as many
    in both, or repeated make no more than the limit; else by a linear program. Cost:
    O((n + m) log(n + m)), up to O(n^3), and steeper.

    Bounds, proved: the lower one is the larger of what moving each point to its nearest costs and
    of ``sqrt(sum_k W(projections on e_k)^2)`` over orthonormal e_k: the axes, the difference of
    means and others, random ones. The upper one is the better of two couplings: by parts of up to
    512 points, each coupled at the least cost, and row by row where `X` and `Y` are equally long
    and unweighted. Cost: O(n m dim) in blocks, and O((n + m) log(n + m)) a direction.

    References
    ----------
    C. Villani, "Topics in Optimal Transportation", 2003, Theorem 1.3 (prices) and Section 2.2 (the
    line); recalled, not checked.
    """
    order = check_integer("order", order, 1, 2)
    check_choice("method", method, _METHODS)
    check_seed(random_state)
    x, y = check_two_samples(X, Y)
    problem = _prepare(x, y, weights, other_weights)
    how = _choose(problem, method)
    if how == "bounds":
        low, high = _bounds(problem, order, np.random.default_rng(random_state))
        how = "upper end: coupling by parts; lower end: projections and nearest points"
    else:
        low, high = _exact(problem, order, how)
        how = f"exact, {how}"
    with np.errstate(over="ignore"):  # the diagonal of a box may be beyond the largest float
        low, high = np.ldexp([low, high], problem.power).tolist()
    return Distance(high, low, high, how, len(x), len(y))


def _prepare(
    x: NDArray[np.float64], y: NDArray[np.float64], weights: Any, other_weights: Any
) -> _Problem:
    n, m = len(x), len(y)
    common = math.gcd(n, m)
    repeats = (m // common, n // common) if weights is None and other_weights is None else (0, 0)
    if repeats[0]:
        # whole numbers: their sums are exact
        a, b = np.full(n, float(repeats[0])), np.full(m, float(repeats[1]))
    else:
        a = np.full(n, 1.0 / n) if weights is None else check_law("weights", weights, n)
        b = np.full(m, 1.0 / m)
        if other_weights is not None:
            b = check_law("other_weights", other_weights, m)
    x, a, y, b = x[a > 0.0], a[a > 0.0], y[b > 0.0], b[b > 0.0]
    lowest, highest = np.minimum(x.min(0), y.min(0)), np.maximum(x.max(0), y.max(0))
    # halved first: the difference of the largest floats is none
    extent = float(np.max(np.ldexp(highest, -1) - np.ldexp(lowest, -1)))
    power = math.frexp(extent)[1] + 1
    # no more than 2^53 even far from the origin: the extent is at least a unit in the last place
    return _Problem(np.ldexp(x, -power), np.ldexp(y, -power), a, b, power, repeats)


def _choose(problem: _Problem, method: str) -> str:
    n, m = len(problem.x), len(problem.y)
    if method != "bounds":
        if problem.x.shape[1] == 1:
            return "quantiles"
        if problem.repeats[0] and (n * problem.repeats[0]) ** 2 <= _ASSIGNMENT_LIMIT:
            return "assignment"
        if problem.repeats == (1, 1) and method == "exact":
            return "assignment"
        if n * m <= _PROGRAM_LIMIT or method == "exact":
            return "linear program"
    return "bounds"


def _exact(problem: _Problem, order: int, how: str) -> tuple[float, float]:
    x, y, a, b, _, repeats = problem
    if how == "quantiles":
        low = high = line_cost(x[:, 0], y[:, 0], a, b, order)
    elif how == "assignment":
        cost = distances(x, y, order)
        low = high = assignment_cost(cost.repeat(repeats[0], 0).repeat(repeats[1], 1))
    else:
        low, high = transport_bounds(distances(x, y, order), a, b)
    mass = float(a.sum())
    return (max(low, 0.0) / mass) ** (1.0 / order), (high / mass) ** (1.0 / order)


def _bounds(problem: _Problem, order: int, rng: np.random.Generator) -> tuple[float, float]:
    x, y, a, b, _, repeats = problem
    mass = float(a.sum())
    high = partition_cost(x, y, a, b, order)
    if repeats == (1, 1):
        high = min(high, float((np.linalg.norm(x - y, axis=1) ** order).sum()))
    middle = 0.5 * (x.mean(axis=0) + y.mean(axis=0))
    x, y = x - middle, y - middle  # far from the origin, products lose what differences keep
    nearest = max(nearest_floor(x, y, a, order), nearest_floor(y, x, b, order))
    projected = projection_floor(x, y, a, b, order, rng)
    upper = (high / mass) ** (1.0 / order)
    # both may be attained, and then rounding decides
    return min(max((nearest / mass) ** (1.0 / order), projected), upper), upper
