"""Centres in a binary tree of boxes, with the moments of every node.

Nodes stand in preorder: the children of an inner node i are ``i + 1`` and ``skip[i + 1]``, and a
walk that leaves out a subtree goes on at ``skip[i]``.
"""

from __future__ import annotations

import math
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from entbench._compiled import keep

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAF = 512
# Above this dimension a node keeps no covariance matrix: dim^2 numbers a node would be too many.
MATRIX_DIM = 16
LANES = 16
_SMALLER_SHARE = 1.0 / 16.0
# In sigma: coordinates in a wider leaf would round by more than 1e-12 sigma.
_WIDEST = 1e4
# In sigma: a few centres beyond such a gap get a box of their own, down to so many levels.
_APART = 16.0
_APART_DEPTH = 256
# A middle is the mean of its centres but for a few roundings of coordinates of their size.
_ROUNDING = 2.0**-48

_kept = partial(keep, nogil=True)

# Columns of `Nodes.links`, of `Nodes.facts` and rows of `Nodes.shape`.
START, STOP, SKIP, OFFSET = range(4)
LOG2_MASS, MASS, LOG2_TOP, RADIUS, REMAINDER, RESIDUE, LOG2_HEIGHT = range(7)
LOW, HIGH, MIDDLE, NARROWING = range(4)


class Nodes(NamedTuple):
    """The tree as arrays, one row a node, in preorder: few arrays, so that calls stay cheap.

    Attributes
    ----------
    links : int64 array of shape (nodes, 4)
        START and STOP, the node's centres as places in the tree's order; SKIP, the first node
        behind the subtree, ``i + 1`` for a leaf; OFFSET, where a leaf's block begins in
        `Tree.values`, -1 for inner nodes.
    facts : float64 array of shape (nodes, 7)
        LOG2_MASS and MASS, of the sum of the weights; LOG2_TOP, of the largest weight; RADIUS,
        squared distance from the middle to the farthest corner, in squared units of the kernel;
        REMAINDER, a bound of the mean by mass of ``|centre - middle|^3 / 6`` (of
        ``|centre - middle|^2 / 2`` where there is no covariance), RESIDUE, how far rounding can
        have left the middle from the mean, both in units of sigma; LOG2_HEIGHT, LOG2_MASS plus
        half the sum of the log2 of NARROWING.
    shape : float64 array of shape (nodes, 4, dim)
        LOW and HIGH, corners of the bounding box; MIDDLE, mean of the centres by mass; NARROWING,
        ``sigma^2 / (sigma^2 + variance)`` with the centres' variance along each axis (its mean
        over the axes where there is no covariance).
    covariance : float64 array of shape (nodes, dim, dim)
        Of the centres by mass, in units of sigma^2; of shape (nodes, 0, 0) above `MATRIX_DIM`
        dimensions.
    """

    links: NDArray[np.int64]
    facts: NDArray[np.float64]
    shape: NDArray[np.float64]
    covariance: NDArray[np.float64]


class Tree:
    """Weighted centres in a tree of boxes.

    Parameters
    ----------
    centres : ndarray of shape (n, dim)
        Distinct for best use; equal ones are allowed.
    log2_weights : ndarray of shape (n,)
        log2 of each centre's weight.
    sigma : float
        Unit of the moments; kernels are ``2^(-|x - y|^2 / unit^2)`` with
        ``unit = sigma sqrt(2 log 2)``.
    """

    def __init__(
        self, centres: NDArray[np.float64], log2_weights: NDArray[np.float64], sigma: float
    ) -> None:
        n, dim = centres.shape
        self.dim = dim
        self.unit = sigma * math.sqrt(2.0 * math.log(2.0))
        self.order = np.arange(n)
        self.centres = centres.copy()
        start, stop, low, high, leaf = _grow(
            self.centres, self.order, sigma, min(max(n * dim // 2**20, 1), 32)
        )
        equal = log2_weights.min() == log2_weights.max()
        self.log2_weights = log2_weights if equal else log2_weights[self.order]
        self.weight_bits = 0.0 if equal else math.log2(n)
        links = (start, stop, _skips(leaf))
        middle, log2_mass, log2_top, moments = _all_moments(
            self.centres, self.log2_weights, links, sigma
        )
        sizes = np.where(leaf, -(-(stop - start) // LANES) * LANES * (dim + 1), 0)
        ends = np.cumsum(sizes)
        self.size = int(ends[-1])
        # E|x|^3 <= sqrt(E|x|^2 E|x|^4)
        remainder = np.sqrt(moments.second * moments.fourth) / 6.0
        variance = np.einsum("iaa->ia", moments.covariance)
        if dim > MATRIX_DIM:
            remainder = moments.second / 2.0
            variance = np.repeat(moments.second[:, None] / dim, dim, axis=1)
        narrowing = 1.0 / (1.0 + np.minimum(variance, 1e300))
        size = np.maximum(np.abs(low), np.abs(high)).max(axis=1)
        with np.errstate(over="ignore"):  # infinite is far enough
            radius = np.square(np.maximum(high - middle, middle - low) / self.unit).sum(axis=1)
        facts = [
            log2_mass,
            np.exp2(log2_mass),
            log2_top,
            radius,
            remainder,
            size * (math.sqrt(dim) * _ROUNDING / sigma),
            log2_mass + 0.5 * np.log2(narrowing).sum(axis=1),
        ]
        self.nodes = Nodes(
            np.column_stack([*links, np.where(leaf, ends - sizes, -1)]),
            np.column_stack(facts),
            np.stack([low, high, middle, narrowing], axis=1),
            moments.covariance,
        )

    @cached_property
    def place(self) -> NDArray[np.int64]:
        """Where centre i stands in the tree's order."""
        place = np.empty(len(self.order), dtype=np.int64)
        place[self.order] = np.arange(len(self.order))
        return place

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Each centre's weight, in the tree's order."""
        if self.weight_bits == 0.0:
            return np.full(len(self.order), 2.0 ** float(self.log2_weights[0]))
        return np.exp2(self.log2_weights)

    @cached_property
    def blocks(self) -> dict[type[np.floating], NDArray[np.floating]]:
        """Blocks made so far, by precision."""
        return {}

    def values(self, dtype: type[np.floating]) -> NDArray[np.floating]:
        """Return the leaves' blocks, one after another, in one flat array.

        A block is (dim + 1, width), width the leaf's count rounded up to whole vectors: first the
        coordinates relative to the leaf's middle, in units of `unit`; then ``log2_top`` less the
        log2 of the weight, infinite in places that hold no centre.
        """
        if dtype not in self.blocks:
            values = np.empty(self.size, dtype=dtype)
            _fill_blocks(self.centres, self.log2_weights, self.nodes, 1.0 / self.unit, values)
            self.blocks[dtype] = values
        return self.blocks[dtype]


@_kept
def _swap(points: Any, order: Any, i: int, j: int) -> None:
    order[i], order[j] = order[j], order[i]
    for a in range(points.shape[1]):
        points[i, a], points[j, a] = points[j, a], points[i, a]


@_kept
def _partition(points: Any, order: Any, start: int, stop: int, axis: int, pivot: float) -> int:
    """Bring the points below `pivot` to the front of [start, stop); return where they end."""
    i, j = start, stop - 1
    while True:
        while i <= j and points[i, axis] < pivot:
            i += 1
        while i <= j and points[j, axis] >= pivot:
            j -= 1
        if i >= j:
            return i
        _swap(points, order, i, j)


@_kept
def _halve(points: Any, order: Any, start: int, stop: int, axis: int) -> int:
    """Order [start, stop) so that its lower half along `axis` comes first (Hoare's selection)."""
    half = (start + stop) // 2
    first, last = start, stop - 1
    while first < last:
        pivot = points[(first + last) // 2, axis]
        i, j = first, last
        while i <= j:
            while points[i, axis] < pivot:
                i += 1
            while points[j, axis] > pivot:
                j -= 1
            if i <= j:
                _swap(points, order, i, j)
                i += 1
                j -= 1
        if half <= j:
            last = j
        elif half >= i:
            first = i
        else:
            break
    return half


@_kept
def _bound(points: Any, start: int, stop: int, low: Any, high: Any) -> int:
    """Write the bounding box of [start, stop); return its widest axis."""
    for a in range(points.shape[1]):
        low[a] = points[start, a]
        high[a] = points[start, a]
    for i in range(start + 1, stop):
        for a in range(points.shape[1]):
            low[a] = min(low[a], points[i, a])
            high[a] = max(high[a], points[i, a])
    widest = 0
    for a in range(points.shape[1]):
        if high[a] - low[a] > high[widest] - low[widest]:
            widest = a
    return widest


@_kept
def _gap(points: Any, start: int, cut: int, stop: int, axis: int) -> float:
    """Return the gap along `axis` between the points before `cut` and those from it on."""
    if not start < cut < stop:
        return 0.0
    highest, lowest = -np.inf, np.inf
    for i in range(start, cut):
        highest = max(highest, points[i, axis])
    for i in range(cut, stop):
        lowest = min(lowest, points[i, axis])
    return lowest - highest


@_kept
def _grow(points: Any, order: Any, sigma: float, few: int) -> Any:
    """Sort `points` (n, dim) and `order` into a tree; return start, stop, low, high, leaf.

    A box is cut in the middle of its widest side, which keeps clusters whole; where that leaves
    too little on one side, its points are halved instead, so the depth stays logarithmic, unless
    the few are far from the rest. It is a leaf where it has at most LEAF points and is not wider
    than `_WIDEST` sigma, or has only a `few`.
    """
    n, dim = points.shape
    most = 2 * n + 1  # pages that are not written to take no memory
    start, stop = np.empty(most, np.int64), np.empty(most, np.int64)
    low, high = np.empty((most, dim)), np.empty((most, dim))
    leaf = np.empty(most, np.bool_)
    pending = [(0, n, 0)]
    node = 0
    while len(pending) > 0:
        first, last, depth = pending.pop()
        start[node], stop[node] = first, last
        axis = _bound(points, first, last, low[node], high[node])
        narrow = high[node, axis] - low[node, axis] <= _WIDEST * sigma
        leaf[node] = last - first <= (LEAF if narrow else few)
        if not leaf[node]:
            pivot = 0.5 * low[node, axis] + 0.5 * high[node, axis]
            cut = _partition(points, order, first, last, axis, pivot)
            if min(cut - first, last - cut) < _SMALLER_SHARE * (last - first) and not (
                depth < _APART_DEPTH and _gap(points, first, cut, last, axis) >= _APART * sigma
            ):
                cut = _halve(points, order, first, last, axis)
            pending.append((cut, last, depth + 1))
            pending.append((first, cut, depth + 1))
        node += 1
    return start[:node], stop[:node], low[:node].copy(), high[:node].copy(), leaf[:node]


@_kept
def _skips(leaf: Any) -> Any:
    skip = np.empty(len(leaf), np.int64)
    for node in range(len(leaf) - 1, -1, -1):
        skip[node] = node + 1 if leaf[node] else skip[skip[node + 1]]
    return skip


class _Moments(NamedTuple):
    """Moments of the nodes about their middles; `third` is the mean of ``|delta|^2 delta``."""

    second: NDArray[np.float64]
    third: NDArray[np.float64]
    fourth: NDArray[np.float64]
    covariance: NDArray[np.float64]


def _all_moments(
    centres: NDArray[np.float64],
    log2_weights: NDArray[np.float64],
    links: tuple[NDArray[np.int64], ...],
    sigma: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], _Moments]:
    """Return middle, log2_mass, log2_top and moments of every node."""
    n_nodes, dim = len(links[0]), centres.shape[1]
    kept = dim if dim <= MATRIX_DIM else 0
    moments = _Moments(
        np.zeros(n_nodes),
        np.zeros((n_nodes, kept)),
        np.zeros(n_nodes),
        np.zeros((n_nodes, kept, kept)),
    )
    middle, log2_mass, log2_top = np.zeros((n_nodes, dim)), np.empty(n_nodes), np.empty(n_nodes)
    _sum_moments(centres, log2_weights, links, sigma, middle, log2_mass, log2_top, moments)
    return middle, log2_mass, log2_top, moments


@_kept
def _add(moments: Any, node: int, share: float, shift: Any, child: int) -> None:
    """Add to a node's moments a share of those of a child (-1: a point) about ``middle - shift``.

    The child's mean is its middle, so that terms linear in its deviations vanish.
    """
    length = 0.0
    for a in range(len(shift)):
        length += shift[a] * shift[a]
    own = moments.second[child] if child >= 0 else 0.0
    moments.second[node] += share * (own + length)
    if moments.third.shape[1] == 0:
        return
    fourth = length * length
    if child >= 0:
        fourth += moments.fourth[child] + 2.0 * own * length
    for a in range(len(shift)):
        along = 0.0
        if child >= 0:
            for b in range(len(shift)):
                along += moments.covariance[child, a, b] * shift[b]
            fourth += 4.0 * shift[a] * (along + moments.third[child, a])
        third = (own + length) * shift[a] + 2.0 * along
        for b in range(len(shift)):
            product = shift[a] * shift[b]
            if child >= 0:
                product += moments.covariance[child, a, b]
            moments.covariance[node, a, b] += share * product
        if child >= 0:
            third += moments.third[child, a]
        moments.third[node, a] += share * third
    moments.fourth[node] += share * fourth


@_kept
def _sum_leaf(
    points: Any,
    log2_weights: Any,
    first: int,
    last: int,
    node: int,
    sigma: float,
    middle: Any,
    log2_mass: Any,
    log2_top: Any,
    moments: Any,
) -> None:
    dim = points.shape[1]
    log2_top[node] = log2_weights[first:last].max()
    mass = 0.0
    for i in range(first, last):
        weight = 2.0 ** (log2_weights[i] - log2_top[node])
        mass += weight
        for a in range(dim):
            middle[node, a] += weight * (points[i, a] - points[first, a])
    for a in range(dim):
        middle[node, a] = points[first, a] + middle[node, a] / mass
    log2_mass[node] = log2_top[node] + np.log2(mass)
    shift = np.empty(dim)
    for i in range(first, last):
        for a in range(dim):
            shift[a] = (points[i, a] - middle[node, a]) / sigma
        _add(moments, node, 2.0 ** (log2_weights[i] - log2_mass[node]), shift, -1)


@_kept
def _sum_moments(
    points: Any,
    log2_weights: Any,
    links: Any,
    sigma: float,
    middle: Any,
    log2_mass: Any,
    log2_top: Any,
    moments: Any,
) -> None:
    """Fill in masses, means and moments: of leaves from their points, then upwards."""
    start, stop, skip = links
    shift = np.empty(points.shape[1])
    for node in range(len(start) - 1, -1, -1):
        left = node + 1
        if skip[node] == left:
            _sum_leaf(
                points,
                log2_weights,
                start[node],
                stop[node],
                node,
                sigma,
                middle,
                log2_mass,
                log2_top,
                moments,
            )
            continue
        right = skip[left]
        top = max(log2_mass[left], log2_mass[right])
        mass = 2.0 ** (log2_mass[left] - top) + 2.0 ** (log2_mass[right] - top)
        log2_mass[node] = top + np.log2(mass)
        log2_top[node] = max(log2_top[left], log2_top[right])
        share = 2.0 ** (log2_mass[right] - log2_mass[node])
        middle[node] = middle[left] + share * (middle[right] - middle[left])
        for child in (left, right):
            shift[:] = (middle[child] - middle[node]) / sigma
            _add(moments, node, 2.0 ** (log2_mass[child] - log2_mass[node]), shift, child)


@_kept
def _fill_blocks(points: Any, log2_weights: Any, nodes: Any, per_unit: float, values: Any) -> None:
    dim = points.shape[1]
    for node in range(len(nodes.links)):
        at = nodes.links[node, OFFSET]
        if at < 0:
            continue
        first = nodes.links[node, START]
        count = nodes.links[node, STOP] - first
        width = -(-count // LANES) * LANES
        for a in range(dim):
            for k in range(width):
                i = first + min(k, count - 1)
                local = points[i, a] - nodes.shape[node, MIDDLE, a]
                values[at + a * width + k] = local * per_unit
        for k in range(width):
            bias = nodes.facts[node, LOG2_TOP] - log2_weights[first + k] if k < count else np.inf
            values[at + dim * width + k] = bias
