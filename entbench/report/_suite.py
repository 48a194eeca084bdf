"""What a run of a suite comes to, as a summary and as a printout."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from entbench._base import SourceFacts
from entbench._records import Case, Spec, SuiteRun
from entbench.report._rates import RECALLED, Rate, rate_of
from entbench.report._render import Printout, Table
from entbench.report._statistics import Interval, Row, Slope, rows_of, slope_of
from entbench.report._theory import Check, RowBounds, bounds_for, run_check

_BOUND_HEADERS = {
    "bias_lower": "|bias| ≥",
    "bias_upper": "|bias| ≤",
    "risk_upper": "MAE ≤",
    "worst_case_bias_lower": "worst |bias| ≥",
}
_MAX_NOTES = 5


@dataclass(frozen=True)
class Summary:
    """A run in numbers: rows, bounds, slopes and the rates beside them, and checks."""

    run: SuiteRun
    rows: tuple[Row, ...]
    bounds: tuple[RowBounds, ...]
    slopes: Mapping[str, Slope]
    rates: Mapping[str, Rate]
    checks: tuple[Check, ...]

    @property
    def swept(self) -> bool:
        """Whether the source was run at more than one setting."""
        return len(self.run.cases) > 1

    @property
    def failed(self) -> int:
        """Cells that failed."""
        return sum(row.failed for row in self.rows)

    @property
    def holds(self) -> bool:
        """Whether no cell failed and no check was violated."""
        return not self.failed and all(check.holds is not False for check in self.checks)


def summarise(run: SuiteRun) -> Summary:
    """Return rows, bounds, slopes and checks of a run."""
    rows = rows_of(run)
    facts = {case.source: case.facts for case in run.cases}
    curves: dict[str, list[Row]] = {}
    for row in rows:
        curves.setdefault(f"{row.estimator.label}{_setting(row.source, run)}", []).append(row)
    slopes = {name: slope for name, curve in curves.items() if (slope := slope_of(curve))}
    return Summary(
        run=run,
        rows=tuple(rows),
        bounds=tuple(bounds_for(row, facts[row.source]) for row in rows),
        slopes=slopes,
        rates=_rates({name: curves[name] for name in slopes}, facts),
        checks=tuple(run_check(name, rows, facts) for name in run.checks),
    )


def _rates(
    curves: Mapping[str, list[Row]], facts: Mapping[Spec, SourceFacts | None]
) -> dict[str, Rate]:
    """Return what theory says of the curves, where it says something."""
    rates = {}
    for name, curve in curves.items():
        known = facts[curve[0].source]
        rate = rate_of(curve[0].estimator.name, known.dim) if known else None
        if rate is not None:
            rates[name] = rate
    return rates


def _setting(source: Spec, run: SuiteRun) -> str:
    """Return `` @ d=5``: those of the source's parameters that the run sweeps; "" if none."""
    if any(case.source.name != source.name for case in run.cases):
        return f" @ {source.label}"
    swept = [
        f"{name}={value}"
        for name, value in source.params
        if any(dict(case.source.params)[name] != value for case in run.cases)
    ]
    return f" @ {','.join(swept)}" if swept else ""


def suite_printout(summary: Summary) -> Printout:
    """Return the printout of a run."""
    run = summary.run
    return Printout(
        data=suite_data(summary),
        records=[_record(summary, i) for i in range(len(summary.rows))],
        tables=_tables(summary),
        notes=[*_failure_notes(run), *run.notes, *_check_notes(summary)],
        heading=_heading(run),
    )


def suite_data(summary: Summary) -> dict[str, Any]:
    """Return the JSON object of a run."""
    run = summary.run
    references = [_reference_data(case, summary.swept) for case in run.cases]
    info = asdict(run.info)
    return {
        "suite": run.suite,
        "params": run.params,
        "reference": references if summary.swept else references[0],
        "rows": [_row_data(summary, i) for i in range(len(summary.rows))],
        "slopes": {
            name: {
                "slope": slope.slope,
                "ci": list(slope.ci),
                "theory": asdict(summary.rates[name]) if name in summary.rates else None,
            }
            for name, slope in summary.slopes.items()
        },
        "checks": [asdict(check) for check in summary.checks],
        "run": {**info, "computed": run.computed, "cells": len(run.records)},
    }


def _reference_data(case: Case, swept: bool) -> dict[str, Any]:
    source = {"source": _source_data(case.source)} if swept else {}
    reference = case.reference
    return {
        **source,
        "quantity": reference.quantity,
        "value": reference.value,
        "error": reference.error,
        "confidence": reference.confidence,
        "method": reference.method,
        "checks": [asdict(check) for check in reference.checks],
    }


def _source_data(source: Spec) -> dict[str, Any]:
    return {"name": source.name, **dict(source.params)}


def _row_data(summary: Summary, i: int) -> dict[str, Any]:
    row, theory = summary.rows[i], summary.bounds[i]
    bounds: dict[str, Any] = {name: _finite_or_none(v) for name, v in theory.values.items()}
    if bounds:
        bounds["vacuous"] = sorted(theory.vacuous)
    return {
        **({"source": _source_data(row.source)} if summary.swept else {}),
        "estimator": row.estimator.label,
        "n": row.n,
        "trials": row.trials,
        "failed": row.failed,
        "mean": row.mean,
        "bias": row.bias,
        "bias_ci": _list(row.bias_ci),
        "mae": row.mae,
        "mae_ci": _list(row.mae_ci),
        "rmse": row.rmse,
        "seconds": row.seconds,
        "at_reference_floor": row.at_reference_floor,
        "bounds": bounds,
    }


def _record(summary: Summary, i: int) -> dict[str, Any]:
    """Return a row with every pair and bound in a column of its own."""
    row, theory = summary.rows[i], summary.bounds[i]
    flat: dict[str, Any] = {"suite": summary.run.suite, "source": row.source.name}
    flat |= dict(row.source.params)
    data = {k: v for k, v in _row_data(summary, i).items() if k not in ("source", "bounds")}
    for name, value in data.items():
        if name.endswith("_ci"):
            flat[f"{name}_low"], flat[f"{name}_high"] = value or (None, None)
        else:
            flat[name] = value
    for name in _BOUND_HEADERS:
        bound = theory.values.get(name)
        flat[name] = "vacuous" if name in theory.vacuous else _finite_or_none(bound)
    case = next(case for case in summary.run.cases if case.source == row.source)
    flat["reference"], flat["reference_error"] = case.reference.value, case.reference.error
    return flat


def _tables(summary: Summary) -> list[Table]:
    tables = [_case_table(summary, case) for case in summary.run.cases]
    return [*tables, _slope_table(summary)] if summary.slopes else tables


def _case_table(summary: Summary, case: Case) -> Table:
    chosen = [i for i, row in enumerate(summary.rows) if row.source == case.source]
    table = Table(
        headers=("estimator", "n", "bias", "MAE", "RMSE", "seconds", *_BOUND_HEADERS.values()),
        rows=[_cells(summary.rows[i], summary.bounds[i]) for i in chosen],
        title=_case_title(case),
        aside=len(_BOUND_HEADERS),
        aside_title="theory beside the data",
    )
    bounded = any(summary.bounds[i].values for i in chosen)
    return table if bounded else table.split()[0]


def _cells(row: Row, theory: RowBounds) -> tuple[str, ...]:
    mae = "at reference floor" if row.at_reference_floor else _with_error(row.mae, row.mae_ci)
    estimator = row.estimator.label
    if row.failed:
        estimator += f" ✗ {row.failed}/{row.trials}"
    return (
        estimator,
        f"{row.n}",
        _with_error(row.bias, row.bias_ci),
        mae,
        _number(row.rmse),
        _number(row.seconds),
        *(_bound(theory, name) for name in _BOUND_HEADERS),
    )


def _bound(theory: RowBounds, name: str) -> str:
    if name not in theory.values:
        return ""
    return "vacuous" if name in theory.vacuous else _number(theory.values[name])


def _case_title(case: Case) -> str:
    reference = case.reference
    digits = max(0, min(14, -math.ceil(math.log10(reference.error)))) if reference.error else 14
    return (
        f"{case.source.label}: {reference.quantity} = {reference.value:.{digits}f} nats, "
        f"error <= {reference.error:.1e}"
    )


def _heading(run: SuiteRun) -> str:
    trials = run.params["trials"]
    return (
        f"{run.suite}: {trials} trial{'s' if trials > 1 else ''}, seed {run.info.seed}; "
        "errors in nats, ± is half a 95 % confidence interval"
    )


def _slope_table(summary: Summary) -> Table:
    rows = [
        (
            name,
            f"{slope.slope:+.2f}",
            f"[{slope.ci[0]:+.2f}, {slope.ci[1]:+.2f}]",
            str(summary.rates.get(name, "")),
        )
        for name, slope in summary.slopes.items()
    ]
    recalled = any(rate.certainty == "recalled" for rate in summary.rates.values())
    legend = f" ({RECALLED} recalled, not checked)" if recalled else ""
    table = Table(
        headers=("estimator", "slope", "95 % CI", "theory"),
        rows=rows,
        title=f"slope of log MAE over log n{legend}",
        gaps=False,
        aside=1,
        aside_title=f"slope in theory, as n grows{legend}",
    )
    return table if summary.rates else table.split()[0]


def _failure_notes(run: SuiteRun) -> list[str]:
    """Return why cells failed, and what they warned of: each message once, with its count."""
    said: dict[str, list[str]] = {}
    for record in run.records:
        if record.message:
            cell = record.cell
            where = f"{cell.estimator.label}, n={cell.n}, trial {cell.trial}"
            said.setdefault(f"{'' if record.ok else 'failed: '}{record.message}", []).append(where)
    notes = [
        f"{'✗' if message.startswith('failed') else '!'} {message} [{len(where)} cells, first "
        f"{where[0]}]"
        for message, where in said.items()
    ]
    more = len(notes) - _MAX_NOTES
    return [*notes[:_MAX_NOTES], f"! and {more} more messages"] if more > 0 else notes


def _check_notes(summary: Summary) -> list[str]:
    marks = {True: "✓ check", False: "✗ check VIOLATED", None: "- check not applicable"}
    return [f"{marks[c.holds]} {c.name}: {c.detail}" for c in summary.checks]


def _with_error(value: float | None, interval: Interval | None) -> str:
    """Return ``value ± half width``, both to two digits of the half width."""
    if value is None:
        return "-"
    if interval is None:
        return _number(value)
    # an interval cut off at 0 keeps its upper half
    half = interval[1] - value
    if half <= 0.0:
        return _number(value)
    decimals = 1 - math.floor(math.log10(half))
    if decimals > 7:
        return f"{value:.6g} ± {half:.1e}"
    return f"{value:.{max(decimals, 0)}f} ± {half:.{max(decimals, 0)}f}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if value == 0.0:
        return "0"
    if 1e-4 <= abs(value) < 1e5:
        return f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:.0f}"
    return f"{value:.1e}"


def _list(interval: Interval | None) -> list[float] | None:
    return list(interval) if interval else None


def _finite_or_none(value: float | None) -> float | None:
    """Return `value`, or None for what JSON cannot say."""
    return value if value is not None and math.isfinite(value) else None
