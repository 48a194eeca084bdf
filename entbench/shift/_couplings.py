"""Ways to move one finite law onto another, and what no way can stay below.

Masses are positive; those of both laws add up to the same, but not to 1. Costs are sums of mass
times ``|x - y|^order``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "assignment_cost",
    "distances",
    "halves",
    "line_cost",
    "monotone_coupling",
    "nearest_floor",
    "partition_cost",
    "projection_floor",
    "transport_bounds",
]

_ASSIGNMENT_LEAF = 512
_PROGRAM_LEAF = 48
_MOST_DIRECTIONS = 256
_BLOCK = 2**22
# arcs that a program begins with, and gets at most in a round, per point
_FIRST_ARCS = 10
_MORE_ARCS = 5
_ROUNDS = 100
_GAP = 1e-11
# the least that the solver takes
_TOLERANCE = 1e-10
# a mass that is none, but not 0
_LEAST = 1e-300

Array = np.ndarray


def distances(x: NDArray[np.float64], y: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """Return ``|x_i - y_j|^order`` for all pairs, from differences: no digits cancel."""
    from scipy.spatial.distance import cdist

    apart: NDArray[np.float64] = cdist(x, y, "euclidean" if order == 1 else "sqeuclidean")
    return apart


def monotone_coupling(
    a: NDArray[np.float64], b: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return (i, j, mass) of the coupling that keeps the order: the first mass to the first."""
    first, second = np.cumsum(a), np.cumsum(b)
    inner = np.minimum(np.sort(np.concatenate([first[:-1], second[:-1]])), first[-1])
    edges = np.concatenate([[0.0], inner, first[-1:]])
    i = np.searchsorted(first[:-1], edges[:-1], side="right")
    j = np.searchsorted(second[:-1], edges[:-1], side="right")
    return i, j, np.diff(edges)


def line_cost(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    order: int,
) -> float:
    """Return the least cost on the line: the coupling that keeps the order attains it."""
    at_x, at_y = np.argsort(x, kind="stable"), np.argsort(y, kind="stable")
    i, j, mass = monotone_coupling(a[at_x], b[at_y])
    return float(mass @ np.abs(x[at_x][i] - y[at_y][j]) ** order)


def assignment_cost(cost: NDArray[np.float64]) -> float:
    """Return the least cost of a one-to-one assignment, of unit masses."""
    from scipy.optimize import linear_sum_assignment

    return float(cost[linear_sum_assignment(cost)].sum())


def transport_bounds(
    cost: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]
) -> tuple[float, float]:
    """Return a lower and an upper bound on the least cost, equal but for rounding.

    The linear program over few arcs; those that its prices show to be missing are added until there
    is none. The lower bound is that of the prices, made feasible; the upper one that of the plan,
    made feasible: both hold whatever the tolerances of the solver.
    """
    active = _first_arcs(cost, a, b)
    low, high = 0.0, np.inf
    for _ in range(_ROUNDS):
        rows, columns = np.nonzero(active)
        plan, prices, others = _solve(cost[rows, columns], rows, columns, a, b)
        reduced = cost - prices[:, None] - others
        low = max(low, _prices_value(cost, prices, a, b))
        high = min(high, _plan_cost(cost, rows, columns, plan, a, b))
        missing = ~active & (reduced < -_TOLERANCE * cost.max())
        if high - low <= _GAP * high or not missing.any():
            break
        active |= missing & _cheapest(reduced, _MORE_ARCS)
    return min(low, high), high


def partition_cost(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    order: int,
) -> float:
    """Return the cost of a coupling by parts.

    Both laws are halved along the widest axis, again and again, and small parts are coupled at the
    least cost.
    """
    total = 0.0
    parts = [(x, a, y, b)]
    while parts:
        x, a, y, b = parts.pop()
        if _is_small(a, b):
            total += _small_cost(distances(x, y, order), a, b)
        else:
            parts.extend(halves(x, a, y, b))
    return total


def projection_floor(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    order: int,
    rng: np.random.Generator,
) -> float:
    """Return a lower bound on the distance W from distances W_k along orthonormal directions.

    ``W^2 >= sum_k W_k^2``: for the best coupling, ``W_1 = E |V| >= |(E |V_1|, E |V_2|, ...)|``, the
    norm being convex, and ``W_2^2 = sum_k E V_k^2``. The largest of several bases.
    """
    floors = []
    for basis in _bases(x, y, a, b, rng):
        along, others = (x @ basis).T, (y @ basis).T
        costs = [line_cost(p, q, a, b, order) for p, q in zip(along, others, strict=True)]
        floors.append(np.linalg.norm((np.array(costs) / a.sum()) ** (1.0 / order)))
    return float(max(floors))


def nearest_floor(
    x: NDArray[np.float64], y: NDArray[np.float64], a: NDArray[np.float64], order: int
) -> float:
    """Return a lower bound on the cost: every point of `x` goes at least to its nearest of `y`."""
    x_squares, y_squares = (x * x).sum(axis=1), (y * y).sum(axis=1)
    # what rounding may add to a square of a distance that is computed from products
    unit = 4.0 * (x.shape[1] + 4) * np.finfo(np.float64).eps
    step = max(1, _BLOCK // len(y))
    total = 0.0
    for start in range(0, len(x), step):
        part = slice(start, start + step)
        sums = x_squares[part, None] + y_squares
        squares = (sums * (1.0 - unit) - 2.0 * (x[part] @ y.T)).min(axis=1)
        total += float(a[part] @ np.maximum(squares, 0.0) ** (0.5 * order))
    return total


def _first_arcs(cost: Array, a: Array, b: Array) -> NDArray[np.bool_]:
    """Return arcs that hold some plan, and the cheapest from and to every point."""
    active = np.zeros(cost.shape, dtype=bool)
    i, j, _ = monotone_coupling(a, b)
    active[i, j] = True
    return active | _cheapest(cost, _FIRST_ARCS)


def _cheapest(cost: Array, count: int) -> NDArray[np.bool_]:
    """Mark the arcs that cost least, so many from and to every point."""
    marked = np.zeros(cost.shape, dtype=bool)
    for axis in (0, 1):
        few = min(count, cost.shape[axis])
        chosen = np.take(np.argpartition(cost, few - 1, axis=axis), np.arange(few), axis=axis)
        np.put_along_axis(marked, chosen, True, axis=axis)
    return marked


def _solve(
    cost: Array, rows: Array, columns: Array, a: Array, b: Array
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return masses along the arcs, and the prices of both laws' points."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    n, arcs = len(a), np.arange(len(cost))
    where = (np.concatenate([rows, n + columns]), np.concatenate([arcs, arcs]))
    every = csr_array((np.ones(2 * len(cost)), where), shape=(n + len(b), len(cost)))
    # one equation follows from the others; without it rounding makes none of them infeasible
    masses = np.concatenate([a, b])
    kept = np.delete(np.arange(len(masses)), np.argmax(masses))
    constraints: Any = every[kept]
    # the solver's tolerances are absolute
    unit, price = masses.max(), max(cost.max(), np.finfo(np.float64).tiny)
    found = linprog(
        cost / price,
        A_eq=constraints,
        b_eq=masses[kept] / unit,
        method="highs-ds",
        options={
            "primal_feasibility_tolerance": _TOLERANCE,
            "dual_feasibility_tolerance": _TOLERANCE,
        },
    )
    if found.x is None:
        raise RuntimeError(f"the transport program was not solved: {found.message}")
    prices = np.zeros(len(masses))
    prices[kept] = found.eqlin.marginals * price
    return found.x * unit, prices[:n], prices[n:]


def _prices_value(cost: Array, prices: Array, a: Array, b: Array) -> float:
    """Return what the prices prove, those of the second law set to what they allow."""
    return float(a @ prices + b @ (cost - prices[:, None]).min(axis=0))


def _plan_cost(cost: Array, rows: Array, columns: Array, plan: Array, a: Array, b: Array) -> float:
    """Return the cost of the plan, scaled down to the masses, and what lacks coupled apart."""
    plan = np.maximum(plan, 0.0)
    for side, law in ((rows, a), (columns, b)):
        sent = np.bincount(side, weights=plan, minlength=len(law))
        plan = plan * np.minimum(1.0, law / np.maximum(sent, law))[side]
    lack = np.maximum(a - np.bincount(rows, weights=plan, minlength=len(a)), 0.0)
    want = np.maximum(b - np.bincount(columns, weights=plan, minlength=len(b)), 0.0)
    apart = float(lack @ cost @ want) / want.sum() if want.any() else 0.0
    return float(plan @ cost[rows, columns]) + apart


def _is_small(a: Array, b: Array) -> bool:
    if min(len(a), len(b)) == 1:
        return True
    plain = _is_plain(a, b)
    return max(len(a), len(b)) <= (_ASSIGNMENT_LEAF if plain else _PROGRAM_LEAF)


def _is_plain(a: Array, b: Array) -> bool:
    return len(a) == len(b) and bool((a == a[0]).all() and (b == a[0]).all())


def _small_cost(cost: Array, a: Array, b: Array) -> float:
    if len(a) == 1 or len(b) == 1:
        return float((cost @ b).sum() if len(a) == 1 else (a @ cost).sum())
    # where a part holds next to nothing, rounding is all there is between its masses
    b = b * (a.sum() / b.sum())
    return (
        assignment_cost(cost) * float(a[0]) if _is_plain(a, b) else transport_bounds(cost, a, b)[1]
    )


def halves(x: Array, a: Array, y: Array, b: Array) -> list[tuple[Array, Array, Array, Array]]:
    """Return both laws cut in two along the axis where they spread most.

    The first between its points; the second at the same mass, through a point where need be.
    """
    spread = np.average((x - x.mean(axis=0)) ** 2, axis=0, weights=a)
    axis = int(np.argmax(spread + np.average((y - y.mean(axis=0)) ** 2, axis=0, weights=b)))
    at_x, at_y = np.argsort(x[:, axis], kind="stable"), np.argsort(y[:, axis], kind="stable")
    x, a, y, b = x[at_x], a[at_x], y[at_y], b[at_y]
    half = len(x) // 2
    cut = a[:half].sum()
    below = np.clip(cut - np.concatenate([[0.0], np.cumsum(b)[:-1]]), 0.0, b)
    above = b - below
    below[0], above[-1] = max(below[0], _LEAST), max(above[-1], _LEAST)  # none may be empty
    return [
        (x[:half], a[:half], y[below > 0.0], below[below > 0.0]),
        (x[half:], a[half:], y[above > 0.0], above[above > 0.0]),
    ]


def _bases(
    x: Array, y: Array, a: Array, b: Array, rng: np.random.Generator
) -> list[NDArray[np.float64]]:
    """Return orthonormal columns: the axes, one set with the difference of means, random ones."""
    dim = x.shape[1]
    count = min(dim, _MOST_DIRECTIONS)
    difference = (a @ x - b @ y) / a.sum()
    draws = [rng.standard_normal((dim, count)) for _ in range(1 + max(1, 16 // dim))]
    draws[0][:, 0] = difference if difference.any() else 1.0
    return [np.eye(dim, count), *(np.linalg.qr(draw)[0] for draw in draws)]
