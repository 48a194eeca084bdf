"""Samples ordered into tiles that lie close together, with a tree of boxes over the tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from entbench._compiled import Compiler
from entbench.neighbours._vectors import GROUP, LANES

if TYPE_CHECKING:
    from numpy.typing import NDArray

# More levels than a tree of tiles has.
DEEPEST = 64
# Columns of `Tree.links`; no node, and no node because inside a tile.
START, STOP, SECOND = range(3)
NONE, INSIDE = -1, -2

# Sums of squares keep their order, see `Tree`: nothing is assumed of floating-point numbers.
_compiler = Compiler(__file__, ["_tree.py", "_vectors.py", "_walk.py"])
compiled, inlined, kept = _compiler.compiled, _compiler.inlined, _compiler.kept


class Tree(NamedTuple):
    """Samples in tiles of `LANES`, and boxes around the tiles.

    A binary tree over the tiles, in the order in which a walk meets its nodes: the first child of a
    node follows it. A distance between boxes, computed axis by axis in the same order as one
    between points, is never above it, rounding included: every step is monotone.

    Attributes
    ----------
    order : int64 array of shape (n,)
        Which sample stands at each place.
    rows : float64 array of shape (n, dim)
        Samples, as they are but for a power of two.
    points : float64 array of shape (tiles, dim, LANES)
        The same, tile by tile.
    screens : float32 array of shape (tiles * (dim + 1) * LANES,)
        Samples relative to the middle of their tile's box, and where scores start; see `_vectors`.
    middles : float64 array of shape (tiles, dim)
        Middles of the tiles' boxes.
    reaches : float64 array of shape (tiles,)
        Largest distance from the middle to a sample of the tile.
    boxes : float64 array of shape (nodes, 2, dim)
        Smallest and largest coordinates.
    links : int64 array of shape (nodes, 3)
        First sample, the one behind the last, and the second child; `NONE` where there is none.
    shape : int64 array
        n, dim, and 1 for the largest distance along an axis, 0 for the Euclidean.
    """

    order: Any
    rows: Any
    points: Any
    screens: Any
    middles: Any
    reaches: Any
    boxes: Any
    links: Any
    shape: Any


def make_tree(points: NDArray[np.float64], largest: bool) -> tuple[Tree, int]:
    """Return the samples (n, dim) in a tree, and the power of two that they were divided by.

    With it the samples' extent is near 1, so that no square overflows, nor underflows that is not
    1e-154 times the extent.
    """
    points = np.ascontiguousarray(points, dtype=np.float64)
    n, dim = points.shape
    extent = np.max(np.ldexp(points.max(axis=0), -1) - np.ldexp(points.min(axis=0), -1))
    power = int(np.frexp(extent)[1]) + 1 if extent > 0.0 else 0
    points = np.ldexp(points, -power)
    tiles = -(-n // LANES)
    tree = Tree(
        np.arange(n),
        np.empty((n, dim)),
        np.empty((tiles, dim, LANES)),
        np.empty(tiles * (dim + 1) * LANES, dtype=np.float32),
        np.empty((tiles, dim)),
        np.empty(tiles),
        np.empty((2 * tiles - 1, 2, dim)),
        np.empty((2 * tiles - 1, 3), dtype=np.int64),
        np.array([n, dim, largest]),
    )
    stack = np.empty((DEEPEST, 3), dtype=np.int64)
    sort_into_tiles(points, tree, np.empty(n), stack, np.empty((2, dim)))
    return tree, power


@compiled
def _enclose(points: Any, order: Any, start: int, stop: int, box: Any) -> int:
    """Write the box around some samples; return its longest axis."""
    dim = points.shape[1]
    for a in range(dim):
        box[0, a] = np.inf
        box[1, a] = -np.inf
    for i in range(start, stop):
        row = order[i]
        for a in range(dim):
            x = points[row, a]
            box[0, a] = min(box[0, a], x)
            box[1, a] = max(box[1, a], x)
    axis = 0
    for a in range(1, dim):
        if box[1, a] - box[0, a] > box[1, axis] - box[0, axis]:
            axis = a
    return axis


@compiled
def _swap(keys: Any, order: Any, i: int, j: int) -> None:
    keys[i], keys[j] = keys[j], keys[i]
    order[i], order[j] = order[j], order[i]


@compiled
def _order_three(keys: Any, order: Any, low: int, middle: int, high: int) -> None:
    """Order three keys, so that the middle one is their median."""
    if keys[middle] < keys[low]:
        _swap(keys, order, middle, low)
    if keys[high] < keys[middle]:
        _swap(keys, order, high, middle)
        if keys[middle] < keys[low]:
            _swap(keys, order, middle, low)


@compiled
def _split(keys: Any, order: Any, start: int, stop: int, middle: int) -> None:
    """Order so that no key before `middle` is above one behind it (Hoare's selection).

    Scans stop at keys that equal the pivot, so that many equal keys are halved like others.
    """
    low, high = start, stop - 1
    while low < high:
        _order_three(keys, order, low, (low + high) // 2, high)
        pivot, i, j = keys[(low + high) // 2], low, high
        while i <= j:
            while keys[i] < pivot:
                i += 1
            while pivot < keys[j]:
                j -= 1
            if i <= j:
                _swap(keys, order, i, j)
                i += 1
                j -= 1
        # keys between j and i equal the pivot
        if j < middle < i:
            return
        low, high = (low, j) if middle <= j else (i, high)


@compiled
def _fill(tree: Any, points: Any, tile: int, box: Any) -> None:
    """Write one tile."""
    n, dim, largest = tree.shape[0], tree.shape[1], tree.shape[2]
    count = min(LANES, n - tile * LANES)
    first = tile * (dim + 1) * LANES
    behind = first + dim * LANES
    tree.reaches[tile] = 0.0
    for lane in range(LANES):
        row = tree.order[tile * LANES + min(lane, count - 1)]
        total, farthest = 0.0, 0.0
        for a in range(dim):
            middle = 0.5 * (box[0, a] + box[1, a])
            tree.middles[tile, a] = middle
            tree.points[tile, a, lane] = points[row, a]
            if lane < count:
                tree.rows[tile * LANES + lane, a] = points[row, a]
            apart = points[row, a] - middle
            tree.screens[first + a * LANES + lane] = apart
            total += apart * apart
            farthest = max(farthest, abs(apart))
        reach = farthest if largest else np.sqrt(total)
        tree.reaches[tile] = max(tree.reaches[tile], reach)
        score = 0.0 if largest else 0.5 * total
        tree.screens[behind + lane] = score if lane < count else np.inf


@compiled
def _halve(tree: Any, points: Any, keys: Any, axis: int, start: int, stop: int, unit: int) -> int:
    """Order some samples so that whole units come before and behind a middle; return it."""
    units = (stop - start + unit - 1) // unit
    middle = start + (units + 1) // 2 * unit
    for i in range(start, stop):
        keys[i] = points[tree.order[i], axis]
    _split(keys, tree.order, start, stop, middle)
    return middle


@kept
def sort_into_tiles(points: Any, tree: Any, keys: Any, stack: Any, spare: Any) -> None:
    """Fill a tree with samples; `keys` (n,), `stack` and `spare`, a box, are scratch.

    Inside the tiles the order goes on, down to groups of queries, which are then close too.
    """
    node, top = 0, 1
    stack[0, 0], stack[0, 1], stack[0, 2] = 0, len(points), NONE
    while top > 0:
        top -= 1
        start, stop, parent = stack[top, 0], stack[top, 1], stack[top, 2]
        box = spare if parent == INSIDE else tree.boxes[node]
        axis = _enclose(points, tree.order, start, stop, box)
        first, second = INSIDE, INSIDE
        if parent != INSIDE:
            tree.links[node, START], tree.links[node, STOP] = start, stop
            tree.links[node, SECOND] = NONE
            if parent >= 0:
                tree.links[parent, SECOND] = node
            if stop - start > LANES:
                first, second = NONE, node
            node += 1
        unit = GROUP if first == INSIDE else LANES
        if stop - start > unit:
            middle = _halve(tree, points, keys, axis, start, stop, unit)
            stack[top, 0], stack[top, 1], stack[top, 2] = middle, stop, second
            stack[top + 1, 0], stack[top + 1, 1], stack[top + 1, 2] = start, middle, first
            top += 2
    for leaf in range(node):
        if tree.links[leaf, SECOND] == NONE:
            _fill(tree, points, tree.links[leaf, START] // LANES, tree.boxes[leaf])
