"""How often the intervals of an estimator hold the truth, and whether its errors are as stated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import bdtr, bdtri, betaincinv

from entbench.report._format import finite_or_none, number
from entbench.report._render import Table
from entbench.report._statistics import Row

# A run in which all theorems hold has a check that is violated with this probability at most.
FALSE_ALARM = 1e-3
_CONFIDENCE = 0.95
_COLUMNS = (
    *("intervals", "held", "coverage_ci", "confidence", "interval_kind", "median_width"),
    "standard_error_ratio",
)


class Coverage(NamedTuple):
    """How often the intervals of a row held the truth.

    Attributes
    ----------
    row : Row
        Whose they are.
    confidence : float
        At which they are stated.
    kinds : tuple of str
        Of the intervals.
    stated, held : int
        Trials that state an interval, and those of them that hold the truth, give or take the
        error of the reference. One that did not converge counts as a miss.
    low, high : float
        95 % interval of the probability to hold it (Clopper and Pearson).
    median_width : float
        In nats; infinite where most intervals lack an end.
    ratio : float
        Mean of the stated standard errors over the standard deviation of the values;
        NaN where there are none, or fewer than two trials.
    """

    row: Row
    confidence: float
    kinds: tuple[str, ...]
    stated: int
    held: int
    low: float
    high: float
    median_width: float
    ratio: float

    @property
    def share(self) -> float:
        """Part of the stated intervals that held the truth."""
        return self.held / self.stated if self.stated else math.nan

    @property
    def chance(self) -> float:
        """Probability that sound intervals hold the truth in no more trials than these."""
        return float(bdtr(self.held, self.stated, self.confidence)) if self.stated else 1.0


def coverage_of(row: Row) -> Coverage | None:
    """Return how the intervals and standard errors of a row turned out; None if it states none."""
    stated = [interval for interval in row.intervals if interval is not None]
    ratio = _ratio(row)
    if not stated and math.isnan(ratio):
        return None
    held = row.held.count(True)
    low, high = _binomial_interval(held, len(stated))
    return Coverage(
        row=row,
        # trials of different confidence are judged by the least
        confidence=min((interval.confidence for interval in stated), default=math.nan),
        kinds=tuple(sorted({interval.kind for interval in stated})),
        stated=len(stated),
        held=held,
        low=low,
        high=high,
        median_width=float(np.median([interval.width for interval in stated]))
        if stated
        else math.nan,
        ratio=ratio,
    )


def coverages_of(rows: Sequence[Row]) -> list[Coverage]:
    """Return the coverage of each row that states intervals or standard errors."""
    return [found for row in rows if (found := coverage_of(row)) is not None]


def coverage_data(coverage: Coverage | None) -> dict[str, Any]:
    """Return the coverage of a row as plain values; None where a row states nothing."""
    if coverage is None:
        return dict.fromkeys(_COLUMNS)
    return {
        "intervals": coverage.stated,
        "held": coverage.held,
        "coverage_ci": [coverage.low, coverage.high] if coverage.stated else None,
        "confidence": finite_or_none(coverage.confidence),
        "interval_kind": ", ".join(coverage.kinds) or None,
        "median_width": finite_or_none(coverage.median_width),
        "standard_error_ratio": finite_or_none(coverage.ratio),
    }


def coverage_table(coverages: Sequence[Coverage], names: Sequence[str]) -> Table:
    """Return the coverage of rows, called by these names, as a table for people."""
    rows = [
        (
            name,
            str(one.row.n),
            f"{one.held}/{one.stated}" if one.stated else "-",
            f"{_percent(one.low)} - {_percent(one.high)} %" if one.stated else "-",
            number(one.median_width) if one.stated else "-",
            "-" if math.isnan(one.ratio) else f"{one.ratio:.2f}",
        )
        for one, name in zip(coverages, names, strict=True)
    ]
    levels = sorted({f"{100.0 * one.confidence:g} %" for one in coverages if one.stated})
    stated = f"{' and '.join(levels)} intervals" if levels else "intervals"
    return Table(
        headers=("estimator", "n", "held", "95 % CI", "median width", "SE / SD"),
        rows=rows,
        title=f"{stated} that held the truth, and stated standard error over actual scatter",
    )


def _percent(share: float) -> str:
    return f"{100.0 * share:.0f}"


def found_misses(coverage: Coverage, level: float) -> float:
    """Return the share of trials that intervals miss which 90 % of runs would find too short.

    Too short is a `Coverage.chance` below `level`. inf where so few trials show nothing.
    """
    counts = np.arange(coverage.stated + 1)
    short = int(np.sum(bdtr(counts, coverage.stated, coverage.confidence) < level)) - 1
    # of Bin(stated, share), so few or fewer with probability 0.9
    return math.inf if short < 0 else 1.0 - float(bdtri(short, coverage.stated, 0.9))


def cause(coverage: Coverage) -> str:
    """Return what is likely to be wrong with intervals that are too short."""
    row = coverage.row
    scatter = float(row.errors.std(ddof=1)) if len(row.errors) > 1 else 0.0
    if not row.converged.all():
        return f"{np.count_nonzero(~row.converged)} trials did not converge"
    half = 0.25 * coverage.median_width  # about one standard error
    if half < 0.5 * scatter:
        return "numerical error only: the scatter over samples is left out"
    if abs(float(row.errors.mean())) > scatter:
        return "bias left out"
    return "too short, as for skewed values or a scatter that is larger than stated"


def _binomial_interval(held: int, stated: int) -> tuple[float, float]:
    tail = 0.5 * (1.0 - _CONFIDENCE)
    low = float(betaincinv(held, stated - held + 1, tail)) if held else 0.0
    high = float(betaincinv(held + 1, stated - held, 1.0 - tail)) if held < stated else 1.0
    return low, high


def _ratio(row: Row) -> float:
    stated = row.standard_errors[~np.isnan(row.standard_errors)]
    scatter = float(row.errors.std(ddof=1)) if len(row.errors) > 1 else 0.0
    if not len(stated) or scatter == 0.0:
        return math.nan
    return float(stated.mean()) / scatter
