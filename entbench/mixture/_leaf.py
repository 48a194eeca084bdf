"""One leaf's terms: fused distances and kernels, in vector loops.

Distances are in units in which the Gaussian kernel is 2^(-squared distance). A query keeps the
largest term that it met first, and sums relative to it, so that nothing overflows and a far query
does not underflow.

What numba keeps on disk of the compiled walks is made anew where any file that goes into them has
changed, see `entbench._compiled.Compiler.kept`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from entbench._compiled import Compiler
from entbench.mixture._tree import LANES, LEAF, LOG2_TOP, MIDDLE, OFFSET, RADIUS, START, STOP
from entbench.mixture._vectors import DOUBLE, GROUP, SINGLE, sum_for_one

_SINGLE = tuple(np.float32(c) for c in SINGLE)
_FLOOR_SINGLE = np.float32(-126.0)
_FLOOR_DOUBLE = -1022.0
# Terms may exceed the reference by this many bits: their fourth powers still fit single precision.
HEADROOM = 20.0
# Sums from here on, over a leaf, may have overflowed.
SUSPECT = LEAF * 2.0**HEADROOM
# More levels than a tree has.
DEEPEST = 1024

# Places in `Scratch.state` and `Scratch.counts`.
REFERENCE, SPENT, UNUSED, SPREAD = range(4)
PAIRS, NODES, RECORDED = range(3)


class Plan(NamedTuple):
    """What a walk does.

    Attributes
    ----------
    per_unit : float
        Reciprocal of the unit in which the kernel is 2^(-squared distance).
    tolerance : float
        Relative truncation error allowed to nodes by their mass; 0 sums every pair.
    own : float
        Relative error allowed to each expansion of its own value.
    powers : bool
        Sum the terms' powers, and record the leaves visited.
    log2_copies : float
        log2 of how many samples a unit of weight stands for where samples share places; -1 where
        they do not.
    coarse : int
        Put one Gaussian with the moments of its centres in the place of every node that holds at
        most so many, and of every leaf: a likeness of the mixture, without a bound. 0 for none.
    widest : float
        Only where the squared radius is at most so many squared units.
    """

    per_unit: float
    tolerance: float
    own: float
    powers: bool
    log2_copies: float
    coarse: int
    widest: float = np.inf


class Scratch(NamedTuple):
    """What a walk writes to.

    Attributes
    ----------
    local : array of shape (GROUP, dim) in the precision of the blocks
        Queries relative to a leaf's middle.
    offsets, totals : arrays of shape (GROUP,) in that precision
        Arguments and results of `sum_for_one` and `sum_for_group`.
    distances : array in that precision
        Squared distances to a leaf's centres.
    inverse : array in that precision
        Reciprocals of how many copies a place of the leaf stands for.
    siblings : int64 array
        Subtrees beside the way down to the leaf nearest to the query.
    state : float64 array
        Squared distance of the reference term less the log2 of its weight; error spent; mass whose
        part of the error is unused; sum of the terms times the squared radius of their leaf.
    sums : float64 array of shape (4,)
        Sums of the first to fourth powers of the terms, relative to the reference.
    counts : int64 array
        Pairs and nodes visited since the scratch was made; leaves recorded for this query.
    visited, closest
        The leaves recorded, and the least squared distance in each.
    group : float64 array of shape (GROUP, 4)
        First sum, reference, error and spread of the queries summed together.
    """

    local: Any
    offsets: Any
    totals: Any
    distances: Any
    inverse: Any
    siblings: Any
    state: Any
    sums: Any
    counts: Any
    visited: Any
    closest: Any
    group: Any


def make_scratch(dim: int, leaves: int, dtype: type[np.floating]) -> Scratch:
    """Return scratch space; `leaves` is how many leaves a query may record."""
    return Scratch(
        np.empty((GROUP, dim), dtype),
        np.empty(GROUP, dtype),
        np.empty(GROUP, dtype),
        np.empty(LEAF, dtype),
        np.empty(LEAF, dtype),
        np.empty(DEEPEST, np.int64),
        np.empty(4),
        np.empty(4),
        np.zeros(3, np.int64),
        np.empty(leaves, np.int64),
        np.empty(leaves),
        np.empty((GROUP, 4)),
    )


@intrinsic
def _power_of_two(typing_context: Any, whole: Any) -> Any:
    """Return 2^whole by writing the exponent bits: integer work, so that LLVM vectorises it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if signature.args[0] == types.float32:
            integer, real, bias, shift = ir.IntType(32), ir.FloatType(), 127, 23
        else:
            integer, real, bias, shift = ir.IntType(64), ir.DoubleType(), 1023, 52
        bits = builder.fptosi(arguments[0], integer)
        bits = builder.add(bits, ir.Constant(integer, bias))
        bits = builder.shl(bits, ir.Constant(integer, shift))
        return builder.bitcast(bits, real)

    return whole(whole), generate


def exp2(x: Any) -> Any:
    """Return 2^x for x <= 127 (1023 in double); never less than the smallest normal number."""
    raise NotImplementedError("for compiled code only")


@overload(exp2)
def _exp2_for(x: Any) -> Callable[[Any], Any]:
    if x == types.float32:
        a0, a1, a2, a3, a4, a5 = _SINGLE

        def single(x: Any) -> Any:
            x = max(x, _FLOOR_SINGLE)
            whole = np.rint(x)
            f = x - whole
            p = a0 + f * (a1 + f * (a2 + f * (a3 + f * (a4 + f * a5))))
            return p * _power_of_two(whole)  # type: ignore[call-arg]

        return single
    b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12 = DOUBLE

    def double(x: Any) -> Any:
        x = max(x, _FLOOR_DOUBLE)
        whole = np.rint(x)
        f = x - whole
        p = b7 + f * (b8 + f * (b9 + f * (b10 + f * (b11 + f * b12))))
        p = b0 + f * (b1 + f * (b2 + f * (b3 + f * (b4 + f * (b5 + f * (b6 + f * p))))))
        return p * _power_of_two(whole)  # type: ignore[call-arg]

    return double


# No "ninf": an excluded pair is marked by an infinite distance.
_compiler = Compiler(
    __file__,
    ["_leaf.py", "_node.py", "_tree.py", "_vectors.py", "_walk.py"],
    fastmath=("nnan", "nsz", "contract", "arcp", "reassoc"),
)
compiled, inlined, kept = _compiler.compiled, _compiler.inlined, _compiler.kept


@compiled
def _add_axes(query: Any, values: Any, first: int, width: int, distances: Any) -> None:
    """Add squared differences along all axes, several to a pass over the distances.

    Indices are unsigned: a signed one could be negative, and its check stops vectorisation.
    """
    at, step = np.uint64(first), np.uint64(width)
    a = 0
    while len(query) - a >= 5:
        q0, q1, q2, q3, q4 = query[a], query[a + 1], query[a + 2], query[a + 3], query[a + 4]
        r0 = at + np.uint64(a) * step
        r1, r2 = r0 + step, r0 + step + step
        r3, r4 = r2 + step, r2 + step + step
        for k in range(width):
            u = np.uint64(k)
            d0 = q0 - values[r0 + u]
            d1 = q1 - values[r1 + u]
            d2 = q2 - values[r2 + u]
            d3 = q3 - values[r3 + u]
            d4 = q4 - values[r4 + u]
            distances[u] += d0 * d0 + d1 * d1 + d2 * d2 + d3 * d3 + d4 * d4
        a += 5
    while len(query) - a >= 3:
        q0, q1, q2 = query[a], query[a + 1], query[a + 2]
        r0 = at + np.uint64(a) * step
        r1, r2 = r0 + step, r0 + step + step
        for k in range(width):
            u = np.uint64(k)
            d0 = q0 - values[r0 + u]
            d1 = q1 - values[r1 + u]
            d2 = q2 - values[r2 + u]
            distances[u] += d0 * d0 + d1 * d1 + d2 * d2
        a += 3
    while a < len(query):
        q0 = query[a]
        r0 = at + np.uint64(a) * step
        for k in range(width):
            u = np.uint64(k)
            d0 = q0 - values[r0 + u]
            distances[u] += d0 * d0
        a += 1


@compiled
def least_of(distances: Any, width: int) -> Any:
    least = distances[0]
    for k in range(width):
        least = min(least, distances[k])
    return least


@compiled
def _sum_exp2(distances: Any, width: int, offset: Any) -> Any:
    """Return sum_k 2^(offset - distances[k]) in the precision of the distances."""
    total = distances.dtype.type(0)
    for k in range(width):
        total += exp2(offset - distances[k])
    return np.float64(total)


@compiled
def _power_sums(distances: Any, inverse: Any, width: int, offset: Any) -> Any:
    """Return sum_k u, u^2 v, u^3 v^2, u^4 v^3 with u = 2^(offset - distances[k]), v = inverse[k].

    With 1/v copies of a centre in one place, these are the sums of the powers over all copies.
    """
    first = distances.dtype.type(0)
    second = distances.dtype.type(0)
    third = distances.dtype.type(0)
    fourth = distances.dtype.type(0)
    tiny = distances.dtype.type(2.0**-30)
    for k in range(width):
        u = exp2(offset - distances[k])
        v = inverse[k]
        first += u
        u = max(u, tiny)  # powers of less are denormal numbers, which cost a hundredfold
        w = u * max(v, tiny)
        square = u * w
        second += square
        third += square * w
        fourth += square * w * w
    return np.float64(first), np.float64(second), np.float64(third), np.float64(fourth)


@compiled
def width_of(nodes: Any, leaf: int) -> Any:
    return (nodes.links[leaf, STOP] - nodes.links[leaf, START] + LANES - 1) // LANES * LANES


@inlined
def localise(query: Any, nodes: Any, leaf: int, plan: Any, scratch: Any, row: int) -> None:
    for a in range(len(query)):
        scratch.local[row, a] = (query[a] - nodes.shape[leaf, MIDDLE, a]) * plan.per_unit


@inlined
def measure(
    query: Any, nodes: Any, values: Any, leaf: int, plan: Any, left_out: Any, scratch: Any
) -> Any:
    """Write the squared distances to a leaf's centres, less log2 weights; return their number."""
    dim = len(query)
    localise(query, nodes, leaf, plan, scratch, 0)
    width = width_of(nodes, leaf)
    last = np.uint64(nodes.links[leaf, OFFSET] + dim * width)
    distances = scratch.distances
    for k in range(width):
        distances[k] = values[last + np.uint64(k)]
    place, more = left_out
    inside = nodes.links[leaf, START] <= place < nodes.links[leaf, STOP]
    if inside:
        distances[place - nodes.links[leaf, START]] += more
    if plan.powers and plan.log2_copies >= 0.0:
        shift = distances.dtype.type(nodes.facts[leaf, LOG2_TOP] + plan.log2_copies)
        for k in range(width):
            rarity = distances[k] - shift
            scratch.inverse[k] = exp2(min(rarity, distances.dtype.type(0)))
    _add_axes(scratch.local[0], values, nodes.links[leaf, OFFSET], width, distances)
    return width


@compiled
def rescale(least: float, scratch: Any) -> None:
    """Make `least` the reference, and the sums relative to it."""
    state, sums = scratch.state, scratch.sums
    factor = 2.0 ** (least - state[REFERENCE]) if sums[0] > 0.0 else 0.0
    power = factor
    for p in range(4):
        sums[p] *= power
        power *= factor
    state[SPENT] *= factor
    state[SPREAD] *= factor
    state[REFERENCE] = least


@inlined
def holds(nodes: Any, leaf: int, place: int) -> Any:
    return nodes.links[leaf, START] <= place < nodes.links[leaf, STOP]


@inlined
def add_leaf(
    query: Any, nodes: Any, values: Any, leaf: int, plan: Any, left_out: Any, scratch: Any
) -> None:
    """Add a leaf's terms to the sums."""
    state = scratch.state
    plain = not plan.powers and state[REFERENCE] < np.inf
    if plain and not holds(nodes, leaf, left_out[0]):
        localise(query, nodes, leaf, plan, scratch, 0)
        scratch.offsets[0] = state[REFERENCE] + nodes.facts[leaf, LOG2_TOP]
        width = width_of(nodes, leaf)
        first = nodes.links[leaf, OFFSET]
        sum_for_one(scratch.local, values, first, width, scratch.offsets, scratch.totals)
        total = np.float64(scratch.totals[0])
        if total < SUSPECT:
            scratch.counts[PAIRS] += width
            scratch.sums[0] += total
            state[SPREAD] += total * nodes.facts[leaf, RADIUS]
            return
    add_leaf_with_care(query, nodes, values, leaf, plan, left_out, scratch)


@compiled
def add_leaf_with_care(
    query: Any, nodes: Any, values: Any, leaf: int, plan: Any, left_out: Any, scratch: Any
) -> None:
    """Add a leaf's terms where one is left out, powers are wanted, or the reference may change."""
    width = measure(query, nodes, values, leaf, plan, left_out, scratch)
    distances, state, counts = scratch.distances, scratch.state, scratch.counts
    counts[PAIRS] += width
    top = nodes.facts[leaf, LOG2_TOP]
    least = np.float64(least_of(distances, width)) - top
    if least == np.inf:
        return
    if least < state[REFERENCE] - HEADROOM:
        rescale(least, scratch)
    offset = distances.dtype.type(state[REFERENCE] + top)
    if plan.powers:
        scratch.visited[counts[RECORDED]] = leaf
        scratch.closest[counts[RECORDED]] = least
        counts[RECORDED] += 1
        first, second, third, fourth = _power_sums(distances, scratch.inverse, width, offset)
        scratch.sums[1] += second
        scratch.sums[2] += third
        scratch.sums[3] += fourth
    else:
        first = _sum_exp2(distances, width, offset)
    scratch.sums[0] += first
    state[SPREAD] += first * nodes.facts[leaf, RADIUS]
