"""Compiled walks over the tree: the samples of one tile against all others.

Points are screened in single precision and judged in double. A bound of what single precision may
be off by is added to the screen's limits, so that nothing is lost by it; where that lets many
points of a tile through, they are judged together in vector loops.

"Distance" here is the squared one for the Euclidean norm.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from entbench.neighbours._tree import DEEPEST, NONE, SECOND, START, STOP, compiled, inlined, kept
from entbench.neighbours._vectors import (
    GROUP,
    LANES,
    count_bits,
    count_largest,
    count_products,
    localise,
    lowest_bit,
    screen_largest,
    screen_products,
)

# Unit roundoff of single precision, rounded up for its powers, and more than what may underflow.
_UNIT = 1.01 * 2.0**-24
_TINY = 1e-36
# From so many points of a tile on, vector loops over all of it are faster.
_MANY = 16


class Scratch(NamedTuple):
    """What a walk writes to.

    Attributes
    ----------
    boxes : float64 array of shape (1 + LANES / GROUP, 2, dim)
        Around the tile's samples, and around those of each group of queries in it.
    within : float64 array of shape (LANES,)
        Distance up to which points matter, by query; -inf where there is no query.
    local : float32 array of shape (dim * GROUP,)
        Negated queries relative to a tile's middle.
    squares : float64 array of shape (GROUP,)
        Squares of their distances from it.
    limits : float32 array of shape (2, GROUP)
        Limits of scores: above those of all points within reach; below those of all others.
    bits : int64 array of shape (2, GROUP)
        Bits of the points that may be within reach, and of those that are.
    apart : float64 array of shape (LANES,)
        Distances of a tile's points from one query.
    stack : int64 array of shape (DEEPEST,)
        Nodes to visit.
    gaps : float64 array of shape (DEEPEST,)
        Their distances.
    """

    boxes: Any
    within: Any
    local: Any
    squares: Any
    limits: Any
    bits: Any
    apart: Any
    stack: Any
    gaps: Any


def make_scratch(dim: int) -> Scratch:
    """Return scratch space."""
    return Scratch(
        np.empty((1 + LANES // GROUP, 2, dim)),
        np.empty(LANES),
        np.empty(dim * GROUP, np.float32),
        np.empty(GROUP),
        np.empty((2, GROUP), np.float32),
        np.empty((2, GROUP), np.int64),
        np.empty(LANES),
        np.empty(DEEPEST, np.int64),
        np.empty(DEEPEST),
    )


@compiled
def _enclose(tree: Any, own: int, start: int, stop: int, box: Any) -> None:
    """Write the box around some samples of a tile."""
    points = tree.points
    for a in range(points.shape[1]):
        low = high = points[own, a, start]
        for j in range(start + 1, stop):
            low = min(low, points[own, a, j])
            high = max(high, points[own, a, j])
        box[0, a], box[1, a] = low, high


@compiled
def _enclose_all(tree: Any, own: int, count: int, boxes: Any) -> None:
    """Write the boxes around a tile's samples and its groups."""
    _enclose(tree, own, 0, count, boxes[0])
    for first in range(0, count, GROUP):
        _enclose(tree, own, first, min(first + GROUP, count), boxes[1 + first // GROUP])


@compiled
def _largest(values: Any) -> Any:
    greatest = values[0]
    for value in values:
        greatest = max(greatest, value)
    return greatest


@compiled
def _smallest(values: Any) -> Any:
    least = values[0]
    for value in values:
        least = min(least, value)
    return least


@inlined
def _add_axis(largest: bool, total: float, apart: float) -> float:
    return max(total, abs(apart)) if largest else total + apart * apart


@compiled
def _gap(tree: Any, node: int, box: Any) -> float:
    """Return the least distance between a node's box and another."""
    boxes, total = tree.boxes, 0.0
    for a in range(boxes.shape[2]):
        apart = max(boxes[node, 0, a] - box[1, a], box[0, a] - boxes[node, 1, a], 0.0)
        total = _add_axis(tree.shape[2] == 1, total, apart)
    return total


@compiled
def _span(tree: Any, node: int, box: Any) -> float:
    """Return the greatest distance between points of a node's box and of another."""
    boxes, total = tree.boxes, 0.0
    for a in range(boxes.shape[2]):
        apart = max(boxes[node, 1, a] - box[0, a], box[1, a] - boxes[node, 0, a])
        total = _add_axis(tree.shape[2] == 1, total, apart)
    return total


@compiled
def _between(tree: Any, i: int, j: int) -> float:
    """Return the distance of two samples, by their places."""
    rows, total = tree.rows, 0.0
    for a in range(rows.shape[1]):
        total = _add_axis(tree.shape[2] == 1, total, rows[j, a] - rows[i, a])
    return total


@compiled
def _all_between(tree: Any, tile: int, own: int, i: int, apart: Any) -> None:
    """Write the distances of a tile's samples from one, as `_between` gives them."""
    points = tree.points
    apart[:] = 0.0
    for a in range(points.shape[1]):
        x = points[own, a, i]
        if tree.shape[2] == 1:
            for j in range(LANES):
                apart[j] = max(apart[j], abs(points[tile, a, j] - x))
        else:
            for j in range(LANES):
                apart[j] += (points[tile, a, j] - x) * (points[tile, a, j] - x)


@inlined
def _localise(tree: Any, tile: int, own: int, first: int, scratch: Any) -> None:
    """Write a group's queries relative to a tile's middle."""
    dim = tree.shape[1]
    start = own * dim * LANES + first
    middle, local = tile * dim, scratch.local
    localise(tree.points, start, tree.middles, middle, dim, local, scratch.squares)  # type: ignore[call-arg]


@inlined
def _slack(tree: Any, reach: float, square: float, within: float) -> Any:
    """Return a bound of the error of a score, and of its limit.

    Let R be the largest distance from the tile's middle to its points, Q that to the query. A score
    that is half a squared distance less Q^2 / 2 is a sum of dim + 1 terms whose absolute values add
    up to at most R^2 / 2 + RQ <= R^2 + Q^2; coordinates, start and limit are rounded once each. One
    that is the largest distance along an axis is off by at most the roundings of both coordinates
    and of their difference.
    """
    if tree.shape[2] == 1:
        return 4.0 * _UNIT * (reach + np.sqrt(square) + within) + _TINY
    return (tree.shape[1] + 8.0) * _UNIT * (reach * reach + square) + _UNIT * within + _TINY


@compiled
def _limit(tree: Any, tile: int, first: int, counting: bool, scratch: Any) -> None:
    """Write a group's limits of scores, the second ones only for `counting`.

    Without a query one is -inf and the other NaN: no score is below.
    """
    reach, largest = tree.reaches[tile], tree.shape[2] == 1
    for q in range(GROUP):
        within, square = scratch.within[first + q], scratch.squares[q]
        score = within if largest else 0.5 * (within - square)
        slack = _slack(tree, reach, square, within)
        scratch.limits[0, q] = score + slack
        if counting:
            scratch.limits[1, q] = score - slack


@inlined
def _screen(tree: Any, tile: int, counting: bool, scratch: Any) -> Any:
    """Write the bits of a tile's points, the second ones only for `counting`."""
    dim, limits, bits = tree.shape[1], scratch.limits, scratch.bits
    start = tile * (dim + 1) * LANES
    if tree.shape[2] == 1:
        if counting:
            return count_largest(tree.screens, start, dim, scratch.local, limits, bits)
        return screen_largest(tree.screens, start, dim, scratch.local, limits, bits)
    if counting:
        return count_products(tree.screens, start, dim, scratch.local, limits, bits)
    return screen_products(tree.screens, start, dim, scratch.local, limits, bits)


@compiled
def _keep(heap: Any, row: int, value: float) -> None:
    """Put a number in the place of a row's largest, which stands first, and sift it down."""
    size, at = heap.shape[1], 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and heap[row, child + 1] > heap[row, child]:
            child += 1
        if heap[row, child] <= value:
            break
        heap[row, at] = heap[row, child]
        at = child
    heap[row, at] = value


@compiled
def _take_all(tree: Any, tile: int, own: int, i: int, heap: Any, scratch: Any) -> None:
    """Keep the nearest of all points of a tile, but for the query itself."""
    _all_between(tree, tile, own, i, scratch.apart)
    row = own * LANES + i
    for j in range(min(LANES, tree.shape[0] - tile * LANES)):
        if scratch.apart[j] < heap[row, 0] and not (tile == own and j == i):
            _keep(heap, row, scratch.apart[j])


@compiled
def _take(tree: Any, tile: int, own: int, i: int, bits: int, heap: Any, scratch: Any) -> None:
    """Keep the nearest of the points of another tile that the screen let through."""
    if count_bits(bits) > _MANY:
        _take_all(tree, tile, own, i, heap, scratch)
        return
    row = own * LANES + i
    while bits != 0:
        apart = _between(tree, row, tile * LANES + lowest_bit(bits))
        if apart < heap[row, 0]:
            _keep(heap, row, apart)
        bits &= bits - 1


@compiled
def _search_leaf(tree: Any, node: int, own: int, count: int, heap: Any, scratch: Any) -> None:
    """Look for nearer points in another tile."""
    tile, maybe = tree.links[node, START] // LANES, scratch.bits[0]
    for first in range(0, count, GROUP):
        farthest = _largest(scratch.within[first : first + GROUP])
        if _gap(tree, node, scratch.boxes[1 + first // GROUP]) >= farthest:
            continue
        _localise(tree, tile, own, first, scratch)
        _limit(tree, tile, first, False, scratch)
        if _screen(tree, tile, False, scratch) != 0:
            for q in range(GROUP):
                if maybe[q] != 0:
                    i = first + q
                    _take(tree, tile, own, i, maybe[q], heap, scratch)
                    scratch.within[i] = heap[own * LANES + i, 0]


@compiled
def _push_children(tree: Any, node: int, top: int, scratch: Any) -> None:
    """Put a node's children on the stack, the nearer one on top, so that it is visited first."""
    stack, gaps, second = scratch.stack, scratch.gaps, tree.links[node, SECOND]
    one, other = _gap(tree, node + 1, scratch.boxes[0]), _gap(tree, second, scratch.boxes[0])
    place = top + 1 if one <= other else top
    stack[place], gaps[place] = node + 1, one
    place = top if one <= other else top + 1
    stack[place], gaps[place] = second, other


@compiled
def _search_tile(tree: Any, own: int, heap: Any, scratch: Any) -> None:
    """Find the nearest others of a tile's samples; its own points first."""
    count = min(LANES, tree.shape[0] - own * LANES)
    _enclose_all(tree, own, count, scratch.boxes)
    scratch.within[:] = -np.inf
    for i in range(count):
        _take_all(tree, own, own, i, heap, scratch)
        scratch.within[i] = heap[own * LANES + i, 0]
    farthest = _largest(scratch.within)
    scratch.stack[0], scratch.gaps[0], top = 0, 0.0, 1
    while top > 0:
        top -= 1
        node = scratch.stack[top]
        if scratch.gaps[top] >= farthest:
            continue
        if tree.links[node, SECOND] != NONE:
            _push_children(tree, node, top, scratch)
            top += 2
        elif tree.links[node, START] != own * LANES:
            _search_leaf(tree, node, own, count, heap, scratch)
            farthest = _largest(scratch.within)


@kept
def search_nearest(tree: Any, start: int, stop: int, heap: Any, scratch: Any) -> None:
    """Write the distances of the nearest others to the rows of `heap`, in no order.

    For the samples of some tiles. `heap` is (n, k), in the tree's order, and holds infinities.
    """
    for tile in range(start, stop):
        _search_tile(tree, tile, heap, scratch)


@compiled
def _add(counts: Any, start: int, stop: int, value: int) -> None:
    for row in range(start, stop):
        counts[row] += value


@compiled
def _count_bits(tree: Any, tile: int, own: int, i: int, bits: int, scratch: Any) -> int:
    """Return how many of some of a tile's points are within a query's reach."""
    found, many = 0, count_bits(bits) > _MANY
    if many:
        _all_between(tree, tile, own, i, scratch.apart)
    while bits != 0:
        j = lowest_bit(bits)
        apart = scratch.apart[j] if many else _between(tree, own * LANES + i, tile * LANES + j)
        if apart <= scratch.within[i]:
            found += 1
        bits &= bits - 1
    return found


@compiled
def _count_group(tree: Any, tile: int, own: int, first: int, counts: Any, scratch: Any) -> None:
    """Count a tile's points within reach of a group of queries."""
    maybe, surely = scratch.bits[0], scratch.bits[1]
    _localise(tree, tile, own, first, scratch)
    _limit(tree, tile, first, True, scratch)
    if _screen(tree, tile, True, scratch) == 0:
        return
    for q in range(GROUP):
        if maybe[q] != 0:
            row = own * LANES + first + q
            counts[row] += count_bits(surely[q])
            left = maybe[q] & ~surely[q]
            counts[row] += _count_bits(tree, tile, own, first + q, left, scratch)


@compiled
def _count_leaf(tree: Any, node: int, own: int, count: int, counts: Any, scratch: Any) -> None:
    """Count the points of a leaf."""
    start, stop = tree.links[node, START], tree.links[node, STOP]
    for first in range(0, count, GROUP):
        last = min(first + GROUP, count)
        within, box = scratch.within[first:last], scratch.boxes[1 + first // GROUP]
        if _gap(tree, node, box) > _largest(within):
            continue
        if _span(tree, node, box) <= _smallest(within):
            _add(counts, own * LANES + first, own * LANES + last, stop - start)
        else:
            _count_group(tree, start // LANES, own, first, counts, scratch)


@compiled
def _count_tile(tree: Any, own: int, within: Any, counts: Any, scratch: Any) -> None:
    """Count the points within reach of a tile's samples, each itself included."""
    count = min(LANES, tree.shape[0] - own * LANES)
    start, stop = own * LANES, own * LANES + count
    _enclose_all(tree, own, count, scratch.boxes)
    scratch.within[:] = -np.inf
    for i in range(count):
        scratch.within[i] = within[start + i]
    farthest, nearest = _largest(within[start:stop]), _smallest(within[start:stop])
    box, stack = scratch.boxes[0], scratch.stack
    stack[0], top = 0, 1
    while top > 0:
        top -= 1
        node = stack[top]
        if _gap(tree, node, box) > farthest:
            continue
        if _span(tree, node, box) <= nearest:
            _add(counts, start, stop, tree.links[node, STOP] - tree.links[node, START])
        elif tree.links[node, SECOND] == NONE:
            _count_leaf(tree, node, own, count, counts, scratch)
        else:
            stack[top], stack[top + 1] = node + 1, tree.links[node, SECOND]
            top += 2


@kept
def count_near(tree: Any, start: int, stop: int, within: Any, counts: Any, scratch: Any) -> None:
    """Add to `counts` (n,) how many points are at a distance of at most `within` (n,).

    For the samples of some tiles, each itself included, in the tree's order.
    """
    for tile in range(start, stop):
        _count_tile(tree, tile, within, counts, scratch)
