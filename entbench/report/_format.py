"""Numbers as text for people, and for JSON."""

from __future__ import annotations

import math

from entbench.report._intervals import FEWEST, Limits

NO_LINE = "not a line"
INTERVALS = "± is the longer arm of a 95 % confidence interval"
FEW = "?"  # stands after an interval of few trials
FEW_LEGEND = f"; {FEW}: fewer than {FEWEST} trials, too few where errors are skewed"


def with_error(value: float | None, interval: Limits | None, few: bool = False) -> str:
    """Return ``value ± longer arm`` of the interval, both to two digits of the arm.

    `few` marks an interval of fewer trials than one for skewed errors takes.
    """
    if value is None:
        return "-"
    if interval is None:
        return number(value)
    return _between(value, *interval) + (FEW if few else "")


def _between(value: float, low: float, high: float) -> str:
    half = max(high - value, value - low)
    if half <= 0.0:
        return number(value)
    decimals = 1 - math.floor(math.log10(half))
    if decimals > 7:
        # digits below those of the half width are rounding, which differs between processors
        return f"{round(value, decimals):.6g} ± {half:.1e}"
    return f"{value:.{max(decimals, 0)}f} ± {half:.{max(decimals, 0)}f}"


def number(value: float | None) -> str:
    """Return a number to three digits; "-" for None."""
    if value is None:
        return "-"
    if math.isinf(value):
        return f"{value:.0f}"
    if value == 0.0:
        return "0"
    if 1e-4 <= abs(value) < 1e5:
        return f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:.0f}"
    return f"{value:.1e}"


def finite_or_none(value: float | None) -> float | None:
    """Return `value`, or None for what JSON cannot say."""
    return value if value is not None and math.isfinite(value) else None
