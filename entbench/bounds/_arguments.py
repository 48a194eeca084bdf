"""Checks and floating-point steps that several bounds share."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from entbench._validation import check_integer, check_positive

# beyond this a float overflows when exponentiated
_EXP_MAX = 709.0
_LARGEST_SCALE = 1e30
_ROUNDING = 2.0**-50


def check_setting(n: Any, dim: Any, sigma: Any) -> tuple[int, int, float]:
    """Return number of samples, dimension and noise level, checked."""
    return (
        check_integer("n", n, minimum=1),
        check_integer("dim", dim, minimum=1),
        check_scale("sigma", sigma),
    )


def check_scale(name: str, value: Any) -> float:
    """Return `value` as a float > 0 whose fourth power is far inside the floating range."""
    number = check_positive(name, value)
    if not 1.0 / _LARGEST_SCALE <= number <= _LARGEST_SCALE:
        raise ValueError(f"`{name}` must be in [1e-30, 1e+30]; got {value!r}.")
    return number


def check_norm(name: str, value: Any) -> float:
    """Return `value` as 0.0 or as `check_scale` does."""
    number = check_not_negative(name, value)
    return check_scale(name, value) if number else 0.0


def check_not_negative(name: str, value: Any) -> float:
    """Return `value` as a float >= 0; inf is taken."""
    message = f"`{name}` must be a number >= 0; got {value!r}."
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(message)
    number = float(value)
    if not number >= 0.0:
        raise ValueError(message)
    return number


def at_least(value: float, error: float) -> float:
    """Return a lower bound on a number >= 0 that is known to `error`: never above it by rounding.

    Which way the last digits fall differs from processor to processor, and where the number is
    below them a computed one can exceed an upper bound of its own.
    """
    return max(0.0, value - error)


def beyond_rounding(value: float, *terms: float) -> float:
    """Return `value`, a sum of `terms`, but 0 where it is within the rounding of these.

    Each is a few operations away from exact numbers: 8 half units in its last place, 2^-50 of
    itself.
    """
    return value if abs(value) > _ROUNDING * math.fsum(map(abs, terms)) else 0.0


def exp_or_inf(log_value: float) -> float:
    """Return exp(log_value), inf where that is beyond the floating range."""
    return math.exp(log_value) if log_value < _EXP_MAX else math.inf


def expm1_or_inf(log_value: float) -> float:
    """Return exp(log_value) - 1, inf where that is beyond the floating range."""
    return math.expm1(log_value) if log_value < _EXP_MAX else math.inf


def log_one_plus_share(log_volume: float, n: int) -> float:
    """Return ``log(1 + (exp(log_volume) - 1)/n)``, which must not overflow."""
    if log_volume == 0.0:
        return 0.0
    if log_volume == math.inf:
        return math.inf
    log_excess = log_volume + math.log(-math.expm1(-log_volume)) - math.log(n)
    return float(np.logaddexp(0.0, log_excess))
