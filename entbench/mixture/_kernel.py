"""The one loop over pairs: log2 sum_j 2^(-|u_i - v_j|^2), fused, tiled and vectorised.

Coordinates come scaled so that the Gaussian kernel is 2^(-squared distance). Each query keeps the
largest exponent seen so far and sums relative to it, so that nothing overflows and a far query
does not underflow. A tile is skipped where its bounding box is so far that all its terms together
stay below ``2^-reach`` of the largest one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

_DEGREE_SINGLE = 6
_DEGREE_DOUBLE = 12


def _exp2_coefficients(degree: int) -> tuple[float, ...]:
    """Return the polynomial for 2^f on [-1/2, 1/2], lowest power first (Chebyshev fit)."""
    nodes = np.cos(np.pi * (np.arange(200) + 0.5) / 200)
    fit = np.polynomial.chebyshev.chebfit(nodes, 2.0 ** (nodes / 2), degree)
    coefficients = np.polynomial.chebyshev.cheb2poly(fit) * 2.0 ** np.arange(degree + 1)
    coefficients[0] = 1.0
    return tuple(float(c) for c in coefficients)


_SINGLE = tuple(np.float32(c) for c in _exp2_coefficients(_DEGREE_SINGLE))
_DOUBLE = tuple(math.log(2.0) ** i / math.factorial(i) for i in range(_DEGREE_DOUBLE + 1))
_FLOOR_SINGLE = np.float32(-126.0)
_FLOOR_DOUBLE = -1022.0
_LARGE_SHARE = 0.08
_LARGE_SHARE_REACH = -math.log2(_LARGE_SHARE)


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


def _exp2(x: Any) -> Any:
    """Return 2^x for x <= 0; below the smallest normal number, that number."""
    raise NotImplementedError("for compiled code only")


@overload(_exp2)
def _exp2_for(x: Any) -> Callable[[Any], Any]:
    if x == types.float32:
        a0, a1, a2, a3, a4, a5, a6 = _SINGLE

        def single(x: Any) -> Any:
            x = max(x, _FLOOR_SINGLE)
            whole = np.rint(x)
            f = x - whole
            p = a0 + f * (a1 + f * (a2 + f * (a3 + f * (a4 + f * (a5 + f * a6)))))
            return p * _power_of_two(whole)  # type: ignore[call-arg]

        return single
    b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12 = _DOUBLE

    def double(x: Any) -> Any:
        x = max(x, _FLOOR_DOUBLE)
        whole = np.rint(x)
        f = x - whole
        p = b7 + f * (b8 + f * (b9 + f * (b10 + f * (b11 + f * b12))))
        p = b0 + f * (b1 + f * (b2 + f * (b3 + f * (b4 + f * (b5 + f * (b6 + f * p))))))
        return p * _power_of_two(whole)  # type: ignore[call-arg]

    return double


# No "ninf": an excluded pair is marked by an infinite distance.
_compiled = numba.njit(fastmath={"nnan", "nsz", "contract", "arcp", "reassoc"}, nogil=True)


@_compiled
def _box_gaps(query: Any, low: Any, high: Any, gaps: Any) -> int:
    """Write the squared distance from `query` to each tile's box; return the nearest tile."""
    nearest = 0
    for t in range(low.shape[0]):
        gap = 0.0
        for a in range(low.shape[1]):
            q = np.float64(query[a])
            outside = max(max(low[t, a] - q, q - high[t, a]), 0.0)
            gap += outside * outside
        gaps[t] = gap
        if gap < gaps[nearest]:
            nearest = t
    return nearest


@_compiled
def _squared_distances(query: Any, tile: Any, distances: Any) -> None:
    """Write the squared distance from `query` to each centre of a tile (dim, TILE)."""
    for k in range(distances.shape[0]):
        distances[k] = 0.0
    for a in range(tile.shape[0]):
        q = query[a]
        row = tile[a]
        for k in range(distances.shape[0]):
            difference = q - row[k]
            distances[k] += difference * difference


@_compiled
def _distances_to_others(query: Any, tiles: Any, t: int, excluded: int, distances: Any) -> None:
    """Write the squared distances to tile t, infinite for the excluded centre."""
    _squared_distances(query, tiles[t], distances)
    width = tiles.shape[2]
    if excluded >= 0 and excluded // width == t:
        distances[excluded % width] = np.inf


@_compiled
def _least(distances: Any, count: int) -> Any:
    least = distances[0]
    for k in range(count):
        least = min(least, distances[k])
    return least


@_compiled
def _sum_exp2(distances: Any, count: int, offset: Any) -> Any:
    """Return sum_k 2^(offset - distances[k]) in the precision of the distances."""
    total = distances.dtype.type(0)
    for k in range(count):
        total += _exp2(offset - distances[k])
    return total


@_compiled
def _power_sums(distances: Any, count: int, offset: Any) -> Any:
    """Return sum_k u, u^2, u^3, u^4 with u = 2^(offset - distances[k])."""
    first = distances.dtype.type(0)
    second = distances.dtype.type(0)
    third = distances.dtype.type(0)
    fourth = distances.dtype.type(0)
    tiny = distances.dtype.type(2.0**-30)
    for k in range(count):
        u = _exp2(offset - distances[k])
        first += u
        u = max(u, tiny)  # powers of less are denormal numbers, which cost a hundredfold
        square = u * u
        second += square
        third += square * u
        fourth += square * square
    return np.float64(first), np.float64(second), np.float64(third), np.float64(fourth)


@numba.njit(nogil=True, cache=True)
def log2_kernel_sums(
    queries: Any,
    tiles: Any,
    counts: Any,
    low: Any,
    high: Any,
    excluded: Any,
    reach: float,
    out: Any,
) -> None:
    """Write log2 sum_j 2^(-|queries[i] - centre_j|^2) to ``out[i]``.

    Parameters
    ----------
    queries : array of shape (m, dim)
        Same precision as `tiles`.
    tiles, counts, low, high : arrays
        See `entbench.mixture._order.Tiles`.
    excluded : int64 array of shape (m,)
        Place of the centre that query i leaves out; -1 for none.
    reach : float
        Tiles whose every term is below 2^-reach of the largest term seen are skipped.
    out : float64 array of shape (m,)
        -inf where no centre is left.
    """
    n_tiles, _, width = tiles.shape
    distances = np.empty(width, tiles.dtype)
    gaps = np.empty(n_tiles, np.float64)
    for i in range(queries.shape[0]):
        nearest = _box_gaps(queries[i], low, high, gaps)
        smallest = np.inf
        total = 0.0
        for step in range(n_tiles + 1):
            t = nearest if step == 0 else step - 1
            if (step > 0 and t == nearest) or gaps[t] > smallest + reach:
                continue
            _distances_to_others(queries[i], tiles, t, excluded[i], distances)
            least = np.float64(_least(distances, counts[t]))
            if least == np.inf or least > smallest + reach:
                continue
            if least < smallest:
                if total > 0.0:
                    total *= 2.0 ** (least - smallest)
                smallest = least
            total += _sum_exp2(distances, counts[t], tiles.dtype.type(smallest))
        out[i] = np.log2(total) - smallest if total > 0.0 else -np.inf


@_compiled
def _rest_of_series(distances: Any, count: int, log2_total: float, own_share: float) -> float:
    """Return log(1 - r) less its series to the fourth power, over the large shares of a tile."""
    rest = 0.0
    limit = _LARGE_SHARE_REACH - log2_total
    for k in range(count):
        if distances[k] < limit:
            r = 2.0 ** (-np.float64(distances[k]) - log2_total)
            rest += np.log(max(1.0 - r, own_share)) + r + r**2 / 2.0 + r**3 / 3.0 + r**4 / 4.0
    return rest


@_compiled
def _scan_powers(
    query: Any,
    tiles: Any,
    counts: Any,
    own: int,
    reach: float,
    nearest: int,
    gaps: Any,
    distances: Any,
    closest: Any,
) -> Any:
    """Return the least squared distance, sums of u to u^4 relative to it; fill `closest`."""
    smallest = np.inf
    first, second, third, fourth = 0.0, 0.0, 0.0, 0.0
    closest[:] = np.inf
    for step in range(tiles.shape[0] + 1):
        t = nearest if step == 0 else step - 1
        if (step > 0 and t == nearest) or gaps[t] > smallest + reach:
            continue
        _distances_to_others(query, tiles, t, own, distances)
        closest[t] = np.float64(_least(distances, counts[t]))
        if closest[t] == np.inf or closest[t] > smallest + reach:
            continue
        if closest[t] < smallest:
            shift = 2.0 ** (closest[t] - smallest)
            first, second = first * shift, second * shift**2
            third, fourth = third * shift**3, fourth * shift**4
            smallest = closest[t]
        sums = _power_sums(distances, counts[t], tiles.dtype.type(smallest))
        first, second = first + sums[0], second + sums[1]
        third, fourth = third + sums[2], fourth + sums[3]
    return smallest, first, second, third, fourth


@numba.njit(nogil=True, cache=True)
def removal_sums(
    queries: Any,
    tiles: Any,
    counts: Any,
    low: Any,
    high: Any,
    own: Any,
    own_distance: Any,
    reach: float,
    out: Any,
    removals: Any,
) -> None:
    """Write what becomes of the density when each centre but the query's own is removed in turn.

    With ``r_j`` the share of centre j in the sum over all centres at ``queries[i]``, write
    ``sum_{j != own} log(1 - r_j)`` to ``removals[i]``, and to ``out[i]`` what `log2_kernel_sums`
    writes. The logarithm is summed by its series to r^4/4 over all centres, and made exact for
    shares above `_LARGE_SHARE`: the rest of the series is below ``_LARGE_SHARE^4 / 4`` nats.

    Parameters
    ----------
    queries, tiles, counts, low, high, reach, out
        See `log2_kernel_sums`.
    own : int64 array of shape (m,)
        Place of the query's own centre.
    own_distance : float64 array of shape (m,)
        Squared distance to it.
    removals : float64 array of shape (m,)
        In nats.
    """
    n_tiles, _, width = tiles.shape
    distances = np.empty(width, tiles.dtype)
    gaps = np.empty(n_tiles, np.float64)
    closest = np.empty(n_tiles, np.float64)
    for i in range(queries.shape[0]):
        nearest = _box_gaps(queries[i], low, high, gaps)
        smallest, first, second, third, fourth = _scan_powers(
            queries[i], tiles, counts, own[i], reach, nearest, gaps, distances, closest
        )
        if first == 0.0:
            out[i], removals[i] = -np.inf, 0.0
            continue
        out[i] = np.log2(first) - smallest
        top = max(out[i], -own_distance[i])
        log2_total = top + np.log2(2.0 ** (out[i] - top) + 2.0 ** (-own_distance[i] - top))
        share = 2.0 ** (-smallest - log2_total)
        removal = -(first * share + second * share**2 / 2.0)
        removal -= third * share**3 / 3.0 + fourth * share**4 / 4.0
        own_share = 2.0 ** (-own_distance[i] - log2_total)
        for t in range(n_tiles):
            if closest[t] < _LARGE_SHARE_REACH - log2_total:
                _distances_to_others(queries[i], tiles, t, own[i], distances)
                removal += _rest_of_series(distances, counts[t], log2_total, own_share)
        removals[i] = removal
