"""What is known of a mixture's terms before any draw: groups that stand apart, and ranges.

A term is ``x = log(q(T)/phi(Z))`` at T = c_i + Z, averaged over Z and -Z. With ``W_G`` the weight
of a group G of components, q_G the mixture of these alone and ``s`` the mean of ``|c_k - c_i|^2 /
(2 sigma^2)`` over them by weight,

- ``x >= log W_G - s`` for every G that holds i, by Jensen's inequality: x is convex in Z, and the
  mean over Z and -Z at least its value at 0;
- ``E exp(x - log W_G) = 1`` where q is q_G times W_G, so that x exceeds ``log W_G + u`` with
  probability at most ``exp(-u)``. The mean over Z and -Z exceeds it with probability at most
  ``exp(-2 s u) M(s^2)^2`` for every s >= 1, M(t) the mean of ``exp(t |c_k - m|^2 / sigma^2)`` over
  the group, m its mean (Chernoff; ``|c_k - c_l|^2 <= 2 |c_k - m|^2 + 2 |c_l - m|^2``);
- ``q = W_L q_L + W_R q_R`` has the entropy of its parts and of their weights but for an overlap
  between 0 and ``2 sqrt(W_L W_R) int sqrt(q_L q_R)``. Where the parts lie on the two sides of a gap
  of D sigma, the integral is at most ``exp(-D^2/8) + sqrt(2) exp(-D^2/4)``;
- the overlap of a single place with all others is at most ``sum_j sqrt(w_j/w_i) exp(-|c_i - c_j|^2
  / (8 sigma^2))``, by ``log(1 + u) <= sqrt(u)`` and the Bhattacharyya coefficient.

All four are ours. None rests on a sample of the components.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from entbench.mixture._tree import (
    HIGH,
    LOG2_MASS,
    LOW,
    MIDDLE,
    OFFSET,
    RADIUS,
    REMAINDER,
    START,
    STOP,
    Tree,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_LN2 = math.log(2.0)
# Leaves wider than a gap are looked into, up to so many places; beyond, each is one item.
_MOST_ITEMS, _MOST_COORDINATES = 2**14, 2**20
# A split may cost so little: per item, in parts of the tolerance.
_LEAST_PART = 0.01
_MOST_ROUNDS = 16
_LARGEST, TINIEST = 1e300, 1e-300
# Nearest neighbours are looked up where a drop without the own sample is above so many nats, for so
# many coordinates at most.
_DEEP, _MOST_SEARCHED = 30.0, 2**21
# Groups of no more variance, in sigma^2, are looked at place by place; the s of Chernoff's bound.
_TIGHT, _POWERS = 9.0, (1.0, 2.0, 4.0, 8.0)
_CHUNK = 2**16


@dataclass(frozen=True)
class Items:
    """Places of a tree, or leaves of it where they are narrow, with what is known of their terms.

    Attributes
    ----------
    starts, counts : int64 arrays of shape (items,)
        Their places in the tree's order; items follow each other there.
    log_group : ndarray of shape (items,)
        Log of the weight of the group.
    drop, left_out_drop : ndarrays of shape (items,)
        How far below ``log_group`` a term lies at most, and below 0 one whose own sample is left
        out of the density: in nats.
    above : ndarray of shape (items,)
        How far above ``log_group`` a term lies but for rare events, in nats.
    alone : bool array of shape (items,)
        Whether the item is one place, and the whole group.
    overlap : float
        Bound of the overlap of all groups, in nats.
    """

    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    log_group: NDArray[np.float64]
    drop: NDArray[np.float64]
    left_out_drop: NDArray[np.float64]
    above: NDArray[np.float64]
    alone: NDArray[np.bool_]
    overlap: float

    def by_place(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return values of the items for each of their places."""
        return np.repeat(values, self.counts)


def find_items(tree: Tree, sigma: float, tolerance: float, samples: int, reach: float) -> Items:
    """Return the items of a tree, groups found by gaps along the axes.

    Parameters
    ----------
    tree : Tree
        Centres with weights.
    sigma : float
        Standard deviation of the noise.
    tolerance : float
        Error in nats that groups may cost a small part of.
    samples : int
        How many samples the weights stand for; 0 where no sample can be left out.
    reach : float
        Log of how rare is rare.
    """
    most = min(_MOST_ITEMS, max(_MOST_COORDINATES // tree.dim, 1))
    boxes = _boxes(tree, sigma, _least_gap(min(len(tree.order), most), tolerance), most)
    labels, overlap = _groups(boxes, _least_gap(len(boxes.mass), tolerance))
    mass, middle, variance = _moments(boxes, labels)
    own = 0.5 * (boxes.radius**2 + boxes.variance)
    with np.errstate(over="ignore", invalid="ignore"):
        off = np.sqrt(np.square(boxes.middle - middle[labels]).sum(axis=1)) + boxes.radius
        farthest, above = _spread(tree, sigma, boxes, labels, middle, variance, off**2, reach)
        whole = 0.5 * (farthest + variance[labels])
        log_group = np.log(mass[labels])
        drop = np.minimum.reduce(
            [
                log_group - _LN2 * boxes.log2_least,
                log_group - np.log(boxes.mass) + own,
                np.nan_to_num(whole, nan=_LARGEST),
            ]
        )
        left_out = np.full(len(drop), np.nan)
        if samples > 1:
            levels = [(boxes.mass, own), (mass[labels], whole), _root(boxes)]
            left_out = _left_out_drop(boxes, levels, samples)
            if left_out.max() > _DEEP and tree.centres.size <= _MOST_SEARCHED:
                left_out = np.minimum(left_out, _nearest_drop(tree, sigma, boxes, samples))
    return Items(
        boxes.starts,
        boxes.counts,
        log_group,
        np.clip(drop, 0.0, _LARGEST),
        np.clip(left_out, 0.0, _LARGEST),
        above,
        (np.bincount(labels)[labels] == 1) & (boxes.counts == 1),
        overlap,
    )


@dataclass(frozen=True)
class _Boxes:
    """Boxes around items: corners, means and variances in sigma, relative to a corner of all."""

    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    middle: NDArray[np.float64]
    mass: NDArray[np.float64]
    radius: NDArray[np.float64]
    variance: NDArray[np.float64]
    log2_least: NDArray[np.float64]


def _least_gap(items: int, tolerance: float) -> float:
    """Return the gap in sigma from which on a split costs next to nothing."""
    return math.sqrt(8.0 * math.log(max(items / (_LEAST_PART * tolerance), 2.0)))


def _boxes(tree: Tree, sigma: float, gap: float, most: int) -> _Boxes:
    """Return narrow leaves as they are, and the places of leaves that a gap may lie in."""
    nodes = tree.nodes
    leaves = np.flatnonzero(nodes.links[:, OFFSET] >= 0)
    origin = _origin(tree)
    with np.errstate(over="ignore", invalid="ignore"):
        low, high, middle = (
            (nodes.shape[leaves, row] - origin) / sigma for row in (LOW, HIGH, MIDDLE)
        )
        starts, stops = nodes.links[leaves, START], nodes.links[leaves, STOP]
        wide = (high - low).max(axis=1) >= gap
        # the smallest leaves first: those of samples that are far from others
        fewest = np.argsort(np.where(wide, stops - starts, 0), kind="stable")
        taken = np.cumsum(np.where(wide, stops - starts, 0)[fewest]) <= most
        wide[fewest[~taken]] = False
        variance = 2.0 * nodes.facts[leaves, REMAINDER]
        if nodes.covariance.shape[1]:
            variance = np.einsum("iaa->i", nodes.covariance[leaves])
        narrow = _Boxes(
            starts,
            stops - starts,
            low,
            high,
            middle,
            np.maximum(np.exp2(nodes.facts[leaves, LOG2_MASS]), TINIEST),
            np.sqrt(2.0 * _LN2 * nodes.facts[leaves, RADIUS]),
            variance,
            np.minimum.reduceat(tree.log2_weights, starts),
        )
        if not wide.any():
            return narrow
        places = np.flatnonzero(np.repeat(wide, stops - starts))
        at = (tree.centres[places] - origin) / sigma
    weights, none = tree.log2_weights[places], np.zeros(len(places))
    mass = np.maximum(np.exp2(weights), TINIEST)
    points = _Boxes(places, np.ones_like(places), at, at, at, mass, none, none, weights)
    kept = {name: values[~wide] for name, values in vars(narrow).items()}
    both = {name: np.concatenate([kept[name], vars(points)[name]]) for name in kept}
    order = np.argsort(both["starts"], kind="stable")
    return _Boxes(**{name: values[order] for name, values in both.items()})


def _groups(boxes: _Boxes, gap: float) -> tuple[NDArray[np.intp], float]:
    """Part the boxes at gaps along the axes, in turn; return labels and the overlap's bound."""
    labels, overlap = np.zeros(len(boxes.mass), dtype=np.intp), 0.0
    long = boxes.high.max(axis=0) - boxes.low.min(axis=0) >= gap
    for _ in range(_MOST_ROUNDS):
        before = labels.max()
        for low, high in zip(boxes.low.T[long], boxes.high.T[long], strict=True):
            labels, cost = _part(labels, low, high, boxes.mass, gap)
            overlap += cost
        if labels.max() == before:
            break
    return labels, overlap


def _part(
    labels: NDArray[np.intp],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    mass: NDArray[np.float64],
    gap: float,
) -> tuple[NDArray[np.intp], float]:
    """Part every group at its gaps along one axis."""
    order = np.lexsort((low, labels))
    group, n = labels[order], len(labels)
    # the highest corner so far, group by group: by ranks, which no offset rounds
    by_height = np.argsort(high, kind="stable")
    rank = np.empty(n, dtype=np.int64)
    rank[by_height] = np.arange(n)
    highest = np.maximum.accumulate(group * n + rank[order]) % n
    with np.errstate(over="ignore", invalid="ignore"):
        gaps = low[order][1:] - high[by_height][highest][:-1]
    same = group[1:] == group[:-1]
    cuts = same & (gaps >= gap)
    parted = np.empty_like(labels)
    parted[order] = np.concatenate([[0], np.cumsum(~same | cuts)])
    if not cuts.any():
        return parted, 0.0
    ordered = mass[order]
    ends = np.cumsum(ordered)
    before = np.concatenate([[0.0], ends])[np.searchsorted(group, group[:-1][cuts])]
    totals = np.bincount(group, ordered)[group[:-1][cuts]]
    left = np.maximum(ends[:-1][cuts] - before, ordered[:-1][cuts])
    right = np.maximum(totals - left, ordered[1:][cuts])
    squares = np.minimum(gaps[cuts], 1e150) ** 2
    shared = np.exp(-squares / 8.0) + math.sqrt(2.0) * np.exp(-squares / 4.0)
    return parted, float((2.0 * np.sqrt(left * right) * shared).sum())


def _moments(
    boxes: _Boxes, labels: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return mass, mean and variance (its trace) of every group."""
    mass = np.bincount(labels, boxes.mass)
    shares = boxes.mass / mass[labels]
    middle = np.stack([np.bincount(labels, shares * axis) for axis in boxes.middle.T], axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        off = np.square(boxes.middle - middle[labels]).sum(axis=1)
        variance = np.bincount(labels, shares * (boxes.variance + off))
    return mass.astype(np.float64), middle.astype(np.float64), variance.astype(np.float64)


def _spread(
    tree: Tree,
    sigma: float,
    boxes: _Boxes,
    labels: NDArray[np.intp],
    middle: NDArray[np.float64],
    variance: NDArray[np.float64],
    farthest: NDArray[np.float64],
    reach: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return squared distances to the group's middle at most, and how far up terms go, by item.

    Place by place for narrow groups: a few places far out make boxes wide, not means.
    """
    above = np.full(len(labels), reach)
    tight = variance[labels] <= _TIGHT
    if not tight.any():
        return farthest, above
    chosen = np.flatnonzero(tight)
    middles = _origin(tree) / sigma + middle
    most, means = np.zeros(len(chosen)), np.zeros((len(_POWERS), len(middle)))
    done = 0
    while done < len(chosen):
        # some items at a time, so that their places fit a cache
        counts = boxes.counts[chosen[done:]]
        some = chosen[done : done + max(int(np.searchsorted(np.cumsum(counts), _CHUNK)), 1)]
        ends = np.cumsum(boxes.counts[some])
        starts = ends - boxes.counts[some]
        places = np.repeat(boxes.starts[some] - starts, boxes.counts[some]) + np.arange(ends[-1])
        group = np.repeat(labels[some], boxes.counts[some])
        off = tree.centres[places] / sigma - middles[group]
        squares = np.einsum("ij,ij->i", off, off)
        most[done : done + len(some)] = np.maximum.reduceat(squares, starts)
        weights = tree.weights[places]
        for total, power in zip(means, _POWERS, strict=True):
            terms = weights * np.exp(np.minimum(power**2 * squares, 600.0))
            total += np.bincount(group, terms, len(middle))
        done += len(some)
    farthest = farthest.copy()
    farthest[chosen] = np.minimum(farthest[chosen], most)
    mass = np.bincount(labels, boxes.mass)
    powers = np.array(_POWERS)[:, None]
    with np.errstate(divide="ignore"):
        bounds = (reach + 2.0 * np.log(means / mass)) / (2.0 * powers)
    above[chosen] = np.minimum(bounds.min(axis=0)[labels[chosen]], reach)
    return farthest, above


def _origin(tree: Tree) -> NDArray[np.float64]:
    """Return the corner that boxes are relative to."""
    return np.asarray(tree.nodes.shape[0, LOW])


def _root(boxes: _Boxes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mass of all, and the mean of half the squared distances to all."""
    labels = np.zeros(len(boxes.mass), dtype=np.intp)
    mass, middle, variance = _moments(boxes, labels)
    with np.errstate(over="ignore", invalid="ignore"):
        off = np.sqrt(np.square(boxes.middle - middle).sum(axis=1)) + boxes.radius
        return mass[labels], 0.5 * (off**2 + variance[0])


def _left_out_drop(
    boxes: _Boxes,
    levels: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    samples: int,
) -> NDArray[np.float64]:
    """Return the drop of terms without their own sample, by the best of several groups."""
    own = 1.0 / samples
    drop = np.full(len(boxes.mass), _LARGEST)
    for mass, squares in levels:
        rest = mass - own
        several = rest > 0.5 * own
        rest = np.where(several, rest, 1.0)
        found = math.log1p(-own) - np.log(rest) + np.nan_to_num(mass / rest * squares, nan=_LARGEST)
        drop = np.where(several, np.minimum(drop, found), drop)
    return drop


def _nearest_drop(tree: Tree, sigma: float, boxes: _Boxes, samples: int) -> NDArray[np.float64]:
    """Return the drop of terms without their own sample, by the nearest other sample.

    Where samples share a place, that is at no distance.
    """
    if len(tree.order) == 1:
        return np.full(len(boxes.mass), math.log(max(samples - 1.0, 1.0)))
    found = cKDTree(tree.centres).query(tree.centres, k=2)
    distances, places = np.asarray(found[0]), np.asarray(found[1])
    copies = np.maximum(np.rint(tree.weights * samples), 1.0)
    nearest = np.where(places[:, 0] == np.arange(len(copies)), places[:, 1], places[:, 0])
    with np.errstate(over="ignore"):
        squares = 0.5 * np.square(distances[:, 1] / sigma) * (1.0 + 2.0**-40)
    drop = math.log(samples - 1.0) - np.log(copies[nearest]) + squares
    several = copies > 1.0
    drop[several] = np.minimum(
        drop[several], math.log(samples - 1.0) - np.log(copies[several] - 1.0)
    )
    return np.asarray(np.maximum.reduceat(drop, boxes.starts))
