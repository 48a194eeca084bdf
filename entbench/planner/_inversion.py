"""Where a decreasing function first falls to a level."""

from __future__ import annotations

import math
from collections.abc import Callable

_LARGEST_N = 10**300
_RELATIVE_N = 10**6


def smallest_n(error_at: Callable[[int], float], error: float, largest: int = _LARGEST_N) -> float:
    """Return the smallest n with ``error_at(n) <= error``; inf where that is above `largest`.

    ``error_at`` must not increase. Exact to 1e6; beyond, an n that does, at most 1e-6 of itself
    above the smallest.
    """
    if error_at(1) <= error:
        return 1
    low, high = 1, 10  # low does not do
    while error_at(high) > error:
        if high >= largest:
            return math.inf
        low, high = high, min(high * high, largest)
    while high - low > max(1, low // _RELATIVE_N):
        middle = min(max(math.isqrt(low * high), low + 1), high - 1)
        if error_at(middle) <= error:
            high = middle
        else:
            low = middle
    return high


def smallest_sigma(
    error_at: Callable[[float], float], error: float, low: float, high: float, steps: int
) -> float:
    """Return the smallest sigma in [low, high] with ``error_at(sigma) <= error``, by bisection.

    ``error_at`` must not increase. What is returned does; inf where `high` does not.
    """
    if error_at(high) > error:
        return math.inf
    if error_at(low) <= error:
        return low
    for _ in range(steps):
        middle = math.sqrt(low * high)
        if error_at(middle) <= error:
            high = middle
        else:
            low = middle
    return high
