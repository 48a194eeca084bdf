"""What a walk does at a node: leave it out, expand its kernels, put one Gaussian, or go in.

A subtree is left out, or replaced by the expansion of the kernel about its middle, where the error
of doing so is certainly within the subtree's part of the error allowed. Every centre brings in a
part of it in proportion to its weight; what a subtree does not use, the next may.
"""

from __future__ import annotations

import math
from typing import Any

from entbench.mixture._leaf import (
    HEADROOM,
    NODES,
    REFERENCE,
    SPENT,
    UNUSED,
    add_leaf,
    compiled,
    exp2,
    inlined,
    rescale,
)
from entbench.mixture._tree import (
    HIGH,
    LOG2_HEIGHT,
    LOG2_MASS,
    LOW,
    MASS,
    MIDDLE,
    NARROWING,
    RADIUS,
    REMAINDER,
    RESIDUE,
    SKIP,
    START,
    STOP,
)

_NATS = 2.0 * math.log(2.0)


@inlined
def _gap(query: Any, nodes: Any, node: int, per_unit: float) -> float:
    """Return the squared distance from `query` to the node's box."""
    gap = 0.0
    for a in range(len(query)):
        outside = max(
            max(nodes.shape[node, LOW, a] - query[a], query[a] - nodes.shape[node, HIGH, a]), 0.0
        )
        outside *= per_unit
        gap += outside * outside
    return gap


@inlined
def is_likeness(nodes: Any, node: int, plan: Any) -> Any:
    """Tell whether one Gaussian stands for a node."""
    leaf = nodes.links[node, SKIP] == node + 1
    few = leaf or nodes.links[node, STOP] - nodes.links[node, START] <= plan.coarse
    return plan.coarse > 0 and few and nodes.facts[node, RADIUS] <= plan.widest


@compiled
def descend(query: Any, nodes: Any, plan: Any, siblings: Any) -> Any:
    """Return the leaf nearest to `query`, greedily, and how many siblings stand beside the way."""
    node, depth = 0, 0
    while nodes.links[node, SKIP] != node + 1 and not is_likeness(nodes, node, plan):
        left = node + 1
        right = nodes.links[left, SKIP]
        to_left = _gap(query, nodes, left, plan.per_unit)
        nearer = to_left <= _gap(query, nodes, right, plan.per_unit)
        node = left if nearer else right
        siblings[depth] = right if nearer else left
        depth += 1
    return node, depth


@inlined
def _first_order(y: float, kernel: float) -> float:
    """Return the largest ``z exp(-z^2/2)`` for z >= y, over ``kernel = exp(-y^2/2)``."""
    return 0.60654 / kernel if y < 1.0 else y


@inlined
def _second_order(y: float, kernel: float) -> float:
    """Return a bound of ``|He_2(x)| exp(-z^2/2) / kernel`` for all z >= y and |x| <= z."""
    return max(1.0, 0.44627 / kernel) if y < 1.7320508 else y * y - 1.0


@inlined
def _third_order(y: float, kernel: float) -> float:
    """Return a bound of ``|He_3(x)| exp(-z^2/2) / kernel`` for all z >= y and |x| <= z."""
    if y < 1.0:
        return 1.38013 / kernel
    return max(2.0, 0.37498 / kernel) if y < 2.3344143 else (y * y - 3.0) * y


@inlined
def _expansion_error(nodes: Any, node: int, gap: float) -> Any:
    """Return a bound of the error of a node's expansion, per unit of its mass and 2^-gap.

    Taylor's theorem along the line from the middle to a centre at ``middle + delta``: derivatives
    of the kernel along it are Hermite functions, ``|delta|^k |He_k| exp(-z^2/2) / k!``, z the
    distance from the query to a point in the box. The terms of first order vanish but for the
    rounding of the middle; those of second order are kept where there is a covariance.
    """
    kernel = exp2(-gap)
    y = math.sqrt(gap * _NATS)
    error = nodes.facts[node, RESIDUE] * _first_order(y, kernel)
    if nodes.covariance.shape[1] > 0:
        return error + nodes.facts[node, REMAINDER] * _third_order(y, kernel)
    return error + nodes.facts[node, REMAINDER] * _second_order(y, kernel)


@inlined
def _add_expansion(
    query: Any, nodes: Any, node: int, plan: Any, scratch: Any, error: float, allowed: float
) -> bool:
    """Add the expansion of a node's terms about its middle, to second order where it can be.

    Unless its error is above both what is allowed and a part of its own value.
    """
    state = scratch.state
    distance = 0.0
    for a in range(len(query)):
        difference = (query[a] - nodes.shape[node, MIDDLE, a]) * plan.per_unit
        distance += difference * difference
    correction = 0.0
    for a in range(nodes.covariance.shape[1]):
        along = 0.0
        for b in range(a):
            along += nodes.covariance[node, a, b] * (query[b] - nodes.shape[node, MIDDLE, b])
        difference = (query[a] - nodes.shape[node, MIDDLE, a]) * plan.per_unit
        correction += difference * along * plan.per_unit * 2.0
        correction += (difference * difference - 1.0 / _NATS) * nodes.covariance[node, a, a]
    exponent = state[REFERENCE] - distance + nodes.facts[node, LOG2_MASS]
    value = exp2(exponent) * (1.0 + 0.5 * _NATS * correction)
    if not (error <= allowed or error <= plan.own * value):
        return False
    scratch.sums[0] += value
    return True


@inlined
def add_likeness(query: Any, nodes: Any, node: int, plan: Any, scratch: Any) -> None:
    """Add a node's Gaussian with the variances of its centres along the axes."""
    state = scratch.state
    exponent = -nodes.facts[node, LOG2_HEIGHT]
    for a in range(len(query)):
        difference = (query[a] - nodes.shape[node, MIDDLE, a]) * plan.per_unit
        exponent += difference * difference * nodes.shape[node, NARROWING, a]
    if exponent < state[REFERENCE] - HEADROOM:
        rescale(exponent, scratch)
    scratch.sums[0] += exp2(state[REFERENCE] - exponent)


@inlined
def _approximate(
    query: Any, nodes: Any, node: int, gap: float, plan: Any, left_out: Any, scratch: Any
) -> bool:
    """Leave a node out, or add its expansion, if its part of the error allows it."""
    state = scratch.state
    exponent = nodes.facts[node, LOG2_MASS] - gap + state[REFERENCE]
    if exponent > HEADROOM:
        return False
    mass = nodes.facts[node, MASS]
    price = plan.tolerance * scratch.sums[0]  # of a unit of mass
    if not price > 0.0:
        return False
    allowed = price * (mass + state[UNUSED])
    error = exp2(exponent)
    if error > allowed:
        if (
            plan.powers
            or plan.coarse > 0
            or nodes.links[node, START] <= left_out[0] < nodes.links[node, STOP]
        ):
            return False
        relative = _expansion_error(nodes, node, gap)
        error *= relative
        # the expansion's value is about its mass times the kernel at the gap, at most
        if not error <= allowed and relative > 2.0 * plan.own:
            return False
        if not _add_expansion(query, nodes, node, plan, scratch, error, allowed):
            return False
    state[SPENT] += error
    state[UNUSED] += mass - error / price if error <= allowed else mass
    return True


@inlined
def visit(
    query: Any, nodes: Any, values: Any, node: int, plan: Any, left_out: Any, scratch: Any
) -> Any:
    """Deal with a node as cheaply as its part of the error allows; return the next one."""
    scratch.counts[NODES] += 1
    gap = _gap(query, nodes, node, plan.per_unit)
    if _approximate(query, nodes, node, gap, plan, left_out, scratch):
        return nodes.links[node, SKIP]
    if is_likeness(nodes, node, plan):
        add_likeness(query, nodes, node, plan, scratch)
        return nodes.links[node, SKIP]
    if nodes.links[node, SKIP] == node + 1:
        add_leaf(query, nodes, values, node, plan, left_out, scratch)
        scratch.state[UNUSED] += nodes.facts[node, MASS]
    return node + 1
