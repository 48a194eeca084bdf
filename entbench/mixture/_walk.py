"""Sums over all pairs: log2 sum_j w_j 2^(-|u_i - v_j|^2), by walks over the tree.

A query starts at the leaf nearest to it and walks outwards, see `_node`; or takes all leaves in
turn, several queries at once, see `_leaf`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from entbench.mixture._leaf import (
    PAIRS,
    RECORDED,
    REFERENCE,
    SPENT,
    SPREAD,
    SUSPECT,
    UNUSED,
    add_leaf_with_care,
    compiled,
    exp2,
    holds,
    kept,
    least_of,
    localise,
    measure,
    width_of,
)
from entbench.mixture._node import add_likeness, descend, is_likeness, visit
from entbench.mixture._tree import LOG2_TOP, MIDDLE, OFFSET, RADIUS, SKIP
from entbench.mixture._vectors import GROUP, sum_for_group

LARGE_SHARE = 0.08
_LARGE_SHARE_REACH = -math.log2(LARGE_SHARE)


@compiled
def _walk(query: Any, nodes: Any, values: Any, plan: Any, left_out: Any, scratch: Any) -> None:
    """Sum the terms of all centres: the nearest leaf, then its siblings outwards."""
    state = scratch.state
    state[REFERENCE], state[SPENT], state[UNUSED], state[SPREAD] = np.inf, 0.0, 0.0, 0.0
    scratch.sums[:] = 0.0
    scratch.counts[RECORDED] = 0
    if plan.log2_copies < 0.0:
        scratch.inverse[:] = 1.0
    home, depth = descend(query, nodes, plan, scratch.siblings)
    if is_likeness(nodes, home, plan):
        add_likeness(query, nodes, home, plan, scratch)
    else:
        add_leaf_with_care(query, nodes, values, home, plan, left_out, scratch)
    for level in range(depth - 1, -1, -1):
        node = scratch.siblings[level]
        end = nodes.links[node, SKIP]
        while node < end:
            node = visit(query, nodes, values, node, plan, left_out, scratch)


@compiled
def _keep(scratch: Any, row: int) -> None:
    scratch.group[row, 0] = scratch.sums[0]
    scratch.group[row, 1] = scratch.state[REFERENCE]
    scratch.group[row, 2] = scratch.state[SPENT]
    scratch.group[row, 3] = scratch.state[SPREAD]


@compiled
def _recall(scratch: Any, row: int) -> None:
    scratch.sums[0] = scratch.group[row, 0]
    scratch.state[REFERENCE] = scratch.group[row, 1]
    scratch.state[SPENT] = scratch.group[row, 2]
    scratch.state[SPREAD] = scratch.group[row, 3]


@compiled
def _sum_all(
    queries: Any, nodes: Any, values: Any, plan: Any, places: Any, more: Any, scratch: Any
) -> None:
    """Sum all terms for up to GROUP queries together, into `scratch.group`."""
    many = len(queries)
    scratch.inverse[:] = 1.0
    scratch.group[:] = 0.0
    for row in range(many):
        left_out = (places[row], more[row])
        home = descend(queries[row], nodes, plan, scratch.siblings)[0]
        width = measure(queries[row], nodes, values, home, plan, left_out, scratch)
        top = nodes.facts[home, LOG2_TOP]
        scratch.group[row, 1] = np.float64(least_of(scratch.distances, width)) - top
    group, offsets, totals = scratch.group, scratch.offsets, scratch.totals
    for leaf in range(len(nodes.links)):
        first = nodes.links[leaf, OFFSET]
        if first < 0:
            continue
        width = width_of(nodes, leaf)
        for row in range(GROUP):
            asked = min(row, many - 1)
            localise(queries[asked], nodes, leaf, plan, scratch, row)
            offsets[row] = group[asked, 1] + nodes.facts[leaf, LOG2_TOP]
        sum_for_group(scratch.local, values, first, width, offsets, totals)
        scratch.counts[PAIRS] += width * many
        for row in range(many):
            total = np.float64(totals[row])
            if total < SUSPECT and not holds(nodes, leaf, places[row]):
                group[row, 0] += total
                group[row, 3] += total * nodes.facts[leaf, RADIUS]
                continue
            left_out = (places[row], more[row])
            _recall(scratch, row)
            add_leaf_with_care(queries[row], nodes, values, leaf, plan, left_out, scratch)
            _keep(scratch, row)


@kept
def kernel_sums(
    queries: Any,
    nodes: Any,
    values: Any,
    plan: Any,
    places: Any,
    more: Any,
    scratch: Any,
    out: Any,
    spent: Any,
    spread: Any,
) -> None:
    """Write log2 sum_j w_j 2^(-|queries[i] - centre_j|^2) to ``out[i]``.

    Parameters
    ----------
    queries : float64 array of shape (m, dim)
        In the unit of the centres.
    nodes, values
        See `entbench.mixture._tree`; the blocks' precision is that of the kernels.
    plan : Plan
        What to do.
    places : int64 array of shape (m,)
        Place of the centre of which query i leaves out a copy; -1 for none.
    more : float64 array of shape (m,)
        What that adds to the squared distance: ``log2(c / (c - 1))`` of c copies, infinite of one.
    scratch : Scratch
        Space to write to; not to be shared between threads.
    out, spent, spread : float64 arrays of shape (m,)
        The sums, -inf where no centre is left; bounds of their relative truncation error; mean
        squared radius of the leaves that hold the terms, by their size, in squared units.
    """
    step = 1 if plan.tolerance > 0.0 else GROUP
    for first in range(0, queries.shape[0], step):
        last = min(first + step, queries.shape[0])
        if step == 1:
            _walk(queries[first], nodes, values, plan, (places[first], more[first]), scratch)
            _keep(scratch, 0)
        else:
            part, to = queries[first:last], places[first:last]
            _sum_all(part, nodes, values, plan, to, more[first:last], scratch)
        for i in range(first, last):
            total, reference = scratch.group[i - first, 0], scratch.group[i - first, 1]
            out[i] = np.log2(total) - reference if total > 0.0 else -np.inf
            spent[i] = scratch.group[i - first, 2] / total if total > 0.0 else 0.0
            spread[i] = scratch.group[i - first, 3] / total if total > 0.0 else 0.0


@compiled
def _rest_of_series(
    distances: Any, inverse: Any, width: int, log2_total: float, own_share: float
) -> float:
    """Return log(1 - r) less its series to the fourth power, over the large shares of a leaf."""
    rest = 0.0
    limit = _LARGE_SHARE_REACH - log2_total
    for k in range(width):
        if distances[k] < limit:
            r = 2.0 ** (-np.float64(distances[k]) - log2_total) * inverse[k]
            series = r + r**2 / 2.0 + r**3 / 3.0 + r**4 / 4.0
            rest += (np.log(max(1.0 - r, own_share)) + series) / inverse[k]
    return rest


@kept
def removal_sums(
    queries: Any,
    nodes: Any,
    values: Any,
    plan: Any,
    places: Any,
    more: Any,
    scratch: Any,
    own_distance: Any,
    out: Any,
    removals: Any,
) -> None:
    """Write what becomes of the density when each sample but the query's own is removed in turn.

    With ``r_j`` the share of sample j in the sum over all samples at ``queries[i]``, write
    ``sum_{j != own} log(1 - r_j)`` to ``removals[i]``, and to ``out[i]`` what `kernel_sums`
    writes. The logarithm is summed by its series to r^4/4 over all samples, and made exact for
    shares above `LARGE_SHARE`: the rest of the series is below ``LARGE_SHARE^4 / 4`` nats.

    Parameters
    ----------
    queries, nodes, values, plan, places, more, scratch, out
        See `kernel_sums`; `plan.powers` is set.
    own_distance : float64 array of shape (m,)
        Squared distance to the query's own sample, plus log2 of the number of samples.
    removals : float64 array of shape (m,)
        In nats.
    """
    for i in range(queries.shape[0]):
        left_out = (places[i], more[i])
        _walk(queries[i], nodes, values, plan, left_out, scratch)
        sums, reference = scratch.sums, scratch.state[REFERENCE]
        if sums[0] == 0.0:
            out[i], removals[i] = -np.inf, 0.0
            continue
        out[i] = np.log2(sums[0]) - reference
        top = max(out[i], -own_distance[i])
        log2_total = top + np.log2(2.0 ** (out[i] - top) + 2.0 ** (-own_distance[i] - top))
        share = 2.0 ** (-reference - log2_total)
        removal, power = 0.0, 1.0
        for p in range(4):
            power *= share
            removal -= sums[p] * power / (p + 1.0)
        own_share = 2.0 ** (-own_distance[i] - log2_total)
        for t in range(scratch.counts[RECORDED]):
            if scratch.closest[t] < _LARGE_SHARE_REACH - log2_total:
                leaf = scratch.visited[t]
                width = measure(queries[i], nodes, values, leaf, plan, left_out, scratch)
                removal += _rest_of_series(
                    scratch.distances,
                    scratch.inverse,
                    width,
                    log2_total - nodes.facts[leaf, LOG2_TOP],
                    own_share,
                )
        removals[i] = removal


@kept
def posterior_sums(
    queries: Any,
    nodes: Any,
    values: Any,
    plan: Any,
    scratch: Any,
    out: Any,
    means: Any,
    variances: Any,
    collisions: Any,
) -> None:
    """Write mean and variance of the centre that each query came from.

    Parameters
    ----------
    queries, nodes, values, plan, scratch, out
        See `kernel_sums`; `plan.powers` is set.
    means : float64 array of shape (m, dim)
        Posterior mean of the centre.
    variances : float64 array of shape (m,)
        Posterior mean of the squared distance of the centre to that.
    collisions : float64 array of shape (m,)
        Sum of the squared shares.
    """
    dim = queries.shape[1]
    for i in range(queries.shape[0]):
        left_out = (-1, 0.0)
        _walk(queries[i], nodes, values, plan, left_out, scratch)
        out[i] = np.log2(scratch.sums[0]) - scratch.state[REFERENCE]
        collisions[i] = scratch.sums[1] / scratch.sums[0] ** 2
        means[i] = 0.0
        square, total = 0.0, 0.0
        # moments about a point among the centres: a far query would cancel them
        anchor = nodes.shape[scratch.visited[0], MIDDLE]
        for t in range(scratch.counts[RECORDED]):
            leaf = scratch.visited[t]
            width = measure(queries[i], nodes, values, leaf, plan, left_out, scratch)
            top = nodes.facts[leaf, LOG2_TOP] + scratch.state[REFERENCE]
            shares = scratch.distances
            offset = shares.dtype.type(top)
            for k in range(width):
                shares[k] = exp2(offset - shares[k])
                total += shares[k]
            for a in range(dim):
                at = np.uint64(nodes.links[leaf, OFFSET] + a * width)
                shift = (nodes.shape[leaf, MIDDLE, a] - anchor[a]) * plan.per_unit
                first, second = 0.0, 0.0
                for k in range(width):
                    difference = shift + values[at + np.uint64(k)]
                    first += shares[k] * difference
                    second += shares[k] * difference * difference
                means[i, a] += first
                square += second
        variance = square / total
        for a in range(dim):
            mean = means[i, a] / total
            variance -= mean * mean
            means[i, a] = anchor[a] + mean / plan.per_unit
        variances[i] = max(variance, 0.0) / plan.per_unit**2


@kept
def nearest_leaves(queries: Any, nodes: Any, plan: Any, siblings: Any, out: Any) -> None:
    """Write the leaf near to each query where a walk begins."""
    for i in range(queries.shape[0]):
        out[i] = descend(queries[i], nodes, plan, siblings)[0]
