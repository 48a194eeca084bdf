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
            _squared_distances(queries[i], tiles[t], distances)
            if excluded[i] >= 0 and excluded[i] // width == t:
                distances[excluded[i] % width] = np.inf
            least = np.float64(_least(distances, counts[t]))
            if least == np.inf or least > smallest + reach:
                continue
            if least < smallest:
                if total > 0.0:
                    total *= 2.0 ** (least - smallest)
                smallest = least
            total += _sum_exp2(distances, counts[t], tiles.dtype.type(smallest))
        out[i] = np.log2(total) - smallest if total > 0.0 else -np.inf
