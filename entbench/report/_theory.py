"""Theory beside the data: bounds for the rows they hold for, and checks that the data obey them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from entbench import bounds
from entbench._base import SourceFacts
from entbench._records import Spec
from entbench._validation import unknown_name
from entbench.report._statistics import Interval, Row, mean_interval

# A check compares at this confidence, so that a true bound is reported as broken in at most one of
# 10,000 comparisons (two-sided Student t over the trials).
_CHECK_CONFIDENCE = 1.0 - 1e-4
_PLUG_IN = "sp"
# ... beyond the error of the reference and this, in nats: kernels of sp are in single precision
# where that is fine enough for its tolerance, so its value is off by up to some 1e-7.
_NUMERICAL_SLACK = 1e-6


# a plug-in, a bound on it given the same samples, and the sign of what may not be positive
_PAIRWISE = [
    ("sp", "kt-upper", 1.0),
    ("sp", "kt-lower", -1.0),
    ("sp-mi", "kt-mi-upper", 1.0),
    ("sp-mi", "kt-mi-lower", -1.0),
]

# what is wrong, "" if nothing, None if that cannot be told
Comparison = Callable[[Row, Mapping[str, float]], str | None]
RowsComparison = Callable[[Sequence[Row], Mapping[Spec, SourceFacts | None]], Iterator[str | None]]


@dataclass(frozen=True)
class RowBounds:
    """What theory says of one row, in nats.

    Attributes
    ----------
    values : dict of str to float
        By name, one or more of `bias_lower`, `bias_upper` (on ``h - E estimate``, for this very
        source), `risk_upper` (on the mean absolute error, for every source in the cube) and
        `worst_case_bias_lower` (some source in the cube has at least this bias).
    vacuous : frozenset of str
        The upper bounds that are longer than the range of h(S+Z), and so say nothing.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    vacuous: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Check:
    """Whether the data obey a bound; `holds` is None where there was nothing to compare."""

    name: str
    holds: bool | None
    detail: str


def bounds_for(row: Row, facts: SourceFacts | None) -> RowBounds:
    """Return the bounds that hold for a row: those on the plug-in, for the plug-in's rows."""
    if row.estimator.name != _PLUG_IN or facts is None:
        return RowBounds()
    return _plug_in_bounds(row.n, facts)


@lru_cache(maxsize=1024)
def _plug_in_bounds(n: int, facts: SourceFacts) -> RowBounds:
    values = {}
    if facts.mutual_information is not None and facts.chi_square_information is not None:
        values["bias_lower"], values["bias_upper"] = bounds.plug_in_bias_bounds(
            n, facts.mutual_information, facts.chi_square_information
        )
        if facts.log_values is not None:
            sharper = bounds.uniform_values_bias_bound(
                n, facts.mutual_information, facts.log_values
            )
            values["bias_lower"] = max(values["bias_lower"], sharper)
    if not facts.in_unit_cube:
        return RowBounds(values)
    values["risk_upper"] = min(
        bounds.plug_in_risk_bound(n, facts.dim, facts.sigma),
        bounds.plug_in_risk_theorem_4(n, facts.dim, facts.sigma),
    )
    values["worst_case_bias_lower"] = bounds.worst_case_bias_bound(n, facts.dim, facts.sigma)
    length = bounds.trivial_range(facts.dim, facts.sigma)
    return RowBounds(
        values,
        frozenset(n for n in ("bias_upper", "risk_upper") if values.get(n, 0.0) > length),
    )


def check_names(names: Iterable[str], known: Iterable[str], kind: str) -> None:
    """Raise ValueError at the first name that is not known."""
    listed = list(known)
    for name in names:
        if name not in listed:
            raise ValueError(unknown_name(kind, name, listed))


def run_check(name: str, rows: Sequence[Row], facts: Mapping[Spec, SourceFacts | None]) -> Check:
    """Run the check of that name over the rows it applies to."""
    what, needs, compare = CHECKS[name]
    verdicts = [verdict for verdict in compare(rows, facts) if verdict is not None]
    broken = [verdict for verdict in verdicts if verdict]
    if not verdicts:
        return Check(name, None, f"{what}: nothing to compare (needs {needs})")
    if broken:
        return Check(name, False, f"{what}: violated at {'; '.join(broken)}")
    return Check(name, True, f"{what}: {len(verdicts)} of {len(verdicts)} rows")


def _row_by_row(compare: Comparison) -> RowsComparison:
    """Return the check that compares each row with its own bounds."""

    def verdicts(
        rows: Sequence[Row], facts: Mapping[Spec, SourceFacts | None]
    ) -> Iterator[str | None]:
        for row in rows:
            verdict = compare(row, bounds_for(row, facts[row.source]).values)
            yield f"{row.source.label}, n={row.n}: {verdict}" if verdict else verdict

    return verdicts


def _compare_pairwise(
    rows: Sequence[Row], facts: Mapping[Spec, SourceFacts | None]
) -> Iterator[str | None]:
    """Yield what is wrong with pairwise-distance bounds on the plug-in, each trial's own."""
    for plug_in, bound, sign in _PAIRWISE:
        inner = {(r.source, r.n): r for r in rows if r.estimator.name == plug_in}
        for row in rows:
            within = inner.get((row.source, row.n))
            if row.estimator.name != bound or within is None or row.failed or within.failed:
                continue
            excess = mean_interval(
                sign * (within.errors - row.errors), _NUMERICAL_SLACK, _CHECK_CONFIDENCE
            )
            if excess is None:
                yield None
            elif excess[0] > 0.0:
                beyond = f"{plug_in} is beyond {row.estimator.label} by {excess[0]:.4g} at least"
                yield f"{row.source.label}, n={row.n}: {beyond}"
            else:
                yield ""


def _compare_bias(row: Row, theory: Mapping[str, float]) -> str | None:
    """Return what is wrong with the plug-in's bias; "" if nothing, None if that cannot be told."""
    interval = _interval_to_check(row, -row.errors)
    if interval is None or "bias_lower" not in theory:
        return None
    low, high = interval
    if high < theory["bias_lower"]:
        return f"h - E sp is at most {high:.4g}, the lower bound is {theory['bias_lower']:.4g}"
    if low > theory["bias_upper"]:
        return f"h - E sp is at least {low:.4g}, the upper bound is {theory['bias_upper']:.4g}"
    return ""


def _compare_risk(row: Row, theory: Mapping[str, float]) -> str | None:
    interval = _interval_to_check(row, abs(row.errors))
    if interval is None or "risk_upper" not in theory:
        return None
    if interval[0] > theory["risk_upper"]:
        return f"MAE is at least {interval[0]:.4g}, the bound is {theory['risk_upper']:.4g}"
    return ""


def _interval_to_check(row: Row, values: NDArray[np.float64]) -> Interval | None:
    slack = row.reference_error + _NUMERICAL_SLACK
    return mean_interval(values, extra=slack, confidence=_CHECK_CONFIDENCE)


CHECKS: dict[str, tuple[str, str, RowsComparison]] = {
    "plug-in-bias": (
        "bias of sp within its bounds",
        "2 trials and known bounds",
        _row_by_row(_compare_bias),
    ),
    "plug-in-risk": (
        "mean absolute error of sp below its bound",
        "2 trials and known bounds",
        _row_by_row(_compare_risk),
    ),
    "pairwise-bounds": (
        "sp and sp-mi between the pairwise-distance bounds of their own draws",
        "2 trials of both",
        _compare_pairwise,
    ),
}
