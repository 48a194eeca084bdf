"""What a run of a suite comes to, as a summary and as a printout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from entbench._base import SourceFacts
from entbench._records import Case, Spec, SuiteRun
from entbench._text import bound_text, value_text
from entbench._theorem import Theorem
from entbench.bounds import THEOREMS
from entbench.report._checks import CHECKS, Check, Status, run_checks
from entbench.report._coverage import Coverage, coverage_data, coverage_of, coverage_table
from entbench.report._format import (
    FEW_LEGEND,
    INTERVALS,
    NO_LINE,
    finite_or_none,
    number,
    with_error,
)
from entbench.report._intervals import FEWEST, Limits
from entbench.report._rates import RECALLED, Rate, rate_of
from entbench.report._render import Printout, Table
from entbench.report._requests import check_requests
from entbench.report._statistics import Row, Slope, rows_of, slope_of
from entbench.report._tables import TABLES, Section
from entbench.report._theorems import RowBounds, bounds_for

_MAX_NOTES = 5
_MARKS: dict[Status, str] = {
    "holds": "✓ check",
    "violated": "✗ check VIOLATED",
    "cannot tell": "? check cannot tell",
    "vacuous": "○ check vacuous",
    "not applicable": "- check not applicable",
}


@dataclass(frozen=True)
class Summary:
    """A run in numbers.

    Attributes
    ----------
    run : SuiteRun
        What it is of.
    rows : tuple of Row
        The table.
    theorems : tuple of Theorem
        Which stand beside it.
    bounds : tuple of RowBounds
        What they say of each row.
    slopes, rates : mappings by curve
        Fitted, and as theory has them.
    sections : tuple of Section
        The tables that the suite asks for beside that of its rows.
    checks : tuple of Check
        What the suite checks; where it names no checks, those by default of which some bound says
        something.
    coverages : tuple of Coverage or None
        Of each row; None where it states neither intervals nor standard errors.
    """

    run: SuiteRun
    rows: tuple[Row, ...]
    theorems: tuple[Theorem, ...]
    bounds: tuple[RowBounds, ...]
    slopes: Mapping[str, Slope]
    rates: Mapping[str, Rate]
    sections: tuple[Section, ...]
    checks: tuple[Check, ...]
    coverages: tuple[Coverage | None, ...]

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
    """Return rows, bounds, slopes and checks of a run.

    Raises
    ------
    ValueError
        If the run asks for a check, a figure or a table that is not known here, as one from the
        store of another version may.
    """
    check_requests(run.checks or (), run.figures, run.tables, run.params.get("error"))
    rows = rows_of(run)
    facts = {case.source: case.facts for case in run.cases}
    settings = {case.source: _setting(case.source, run) for case in run.cases}
    curves: dict[str, list[Row]] = {}
    for row in rows:
        curves.setdefault(f"{row.estimator.label}{settings[row.source]}", []).append(row)
    slopes = {name: slope for name, curve in curves.items() if (slope := slope_of(curve))}
    theorems = _theorems(run)
    return Summary(
        run=run,
        rows=tuple(rows),
        theorems=theorems,
        bounds=tuple(bounds_for(row, facts[row.source], theorems) for row in rows),
        slopes=slopes,
        rates=_rates({name: curves[name] for name in slopes}, facts),
        sections=tuple(TABLES[name](rows, run) for name in run.tables),
        checks=run_checks(run.checks, rows, run.cases, run.theorems),
        coverages=tuple(coverage_of(row) for row in rows),
    )


def _theorems(run: SuiteRun) -> tuple[Theorem, ...]:
    """Return those of every table, and those that the checks which the suite names compare with."""
    checked = {theorem for check in run.checks or () for theorem in CHECKS[check].theorems}
    built_in = (theorem for theorem in THEOREMS.values() if theorem.always or theorem in checked)
    return *built_in, *run.theorems


def _rates(
    curves: Mapping[str, list[Row]], facts: Mapping[Spec, SourceFacts | None]
) -> dict[str, Rate]:
    """Return what theory says of the curves, where it says something."""
    rates = {}
    for name, curve in curves.items():
        known = facts[curve[0].source]
        rate = rate_of(curve[0].estimator.facts, known.dim) if known else None
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
                "slope": slope.slope if slope.is_line else None,
                "ci": list(slope.ci) if slope.is_line else None,
                "line": slope.is_line,
                "lack_of_fit": slope.lack_of_fit,
                "theory": asdict(summary.rates[name]) if name in summary.rates else None,
            }
            for name, slope in summary.slopes.items()
        },
        **({"tables": {s.name: s.records for s in summary.sections}} if summary.sections else {}),
        "checks": [{**asdict(check), "holds": check.holds} for check in summary.checks],
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
        "note": reference.note,
    }


def _source_data(source: Spec) -> dict[str, Any]:
    return {"name": source.name, **dict(source.params)}


def _row_data(summary: Summary, i: int) -> dict[str, Any]:
    row, theory = summary.rows[i], summary.bounds[i]
    bounds: dict[str, Any] = {name: finite_or_none(v) for name, v in theory.values.items()}
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
        "rmse_ci": _list(row.rmse_ci),
        "seconds": row.seconds,
        "at_reference_floor": row.at_reference_floor,
        "bounds": bounds,
        **coverage_data(summary.coverages[i]),
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
    for name in (theorem.name for theorem in summary.theorems):
        bound = theory.values.get(name)
        flat[name] = "vacuous" if name in theory.vacuous else finite_or_none(bound)
    case = next(case for case in summary.run.cases if case.source == row.source)
    truth = case.reference
    told = {"reference": truth.value, "reference_error": truth.error, "reference_note": truth.note}
    return flat | told


def _tables(summary: Summary) -> list[Table]:
    tables = [_case_table(summary, case) for case in summary.run.cases]
    stated = covered(summary, [c for c in summary.coverages if c is not None and c.stated])
    if stated.rows:
        tables.append(stated)
    if summary.slopes:
        tables.append(_slope_table(summary))
    return [*tables, *(table for section in summary.sections for table in section.tables)]


def _case_table(summary: Summary, case: Case) -> Table:
    """Return the rows of a source, with a column for each theorem that says something of it."""
    chosen = [i for i, row in enumerate(summary.rows) if row.source == case.source]
    known = {name for i in chosen for name in summary.bounds[i].values}
    theorems = [theorem for theorem in summary.theorems if theorem.name in known]
    return Table(
        headers=(
            *("estimator", "n", "bias", "MAE", "RMSE", "seconds"),
            *(theorem.header for theorem in theorems),
        ),
        rows=[_cells(summary.rows[i], summary.bounds[i], theorems) for i in chosen],
        title=_case_title(case),
        aside=len(theorems),
        aside_title="theory beside the data",
    )


def covered(summary: Summary, coverages: Sequence[Coverage]) -> Table:
    """Return how often the intervals of rows held the truth, and how their errors turned out."""
    names = [
        f"{one.row.estimator.label}{_setting(one.row.source, summary.run)}" for one in coverages
    ]
    return coverage_table(coverages, names)


def _cells(row: Row, theory: RowBounds, theorems: Sequence[Theorem]) -> tuple[str, ...]:
    few = row.few_trials
    mae = "at reference floor" if row.at_reference_floor else with_error(row.mae, row.mae_ci, few)
    estimator = row.estimator.label
    if row.failed:
        estimator += f" ✗ {row.failed}/{row.trials}"
    return (
        estimator,
        f"{row.n}",
        with_error(row.bias, row.bias_ci, few),
        mae,
        _rmse(row),
        number(row.seconds),
        *(_bound(theory, theorem.name) for theorem in theorems),
    )


def _rmse(row: Row) -> str:
    if row.at_reference_floor and row.rmse is not None and row.rmse <= row.reference_error:
        return f"≤ {bound_text(row.reference_error)}"
    return number(row.rmse)


def _bound(theory: RowBounds, name: str) -> str:
    if name not in theory.values:
        return ""
    return "vacuous" if name in theory.vacuous else number(theory.values[name])


def _case_title(case: Case) -> str:
    reference = case.reference
    value = value_text(reference.value, reference.error, reference.confidence)
    return (
        f"{case.source.label}: {reference.quantity} = {value} nats, "
        f"error <= {bound_text(reference.error)}{reference.note and f', {reference.note}'}"
    )


def _heading(run: SuiteRun) -> str:
    trials = run.params["trials"]
    return (
        f"{run.suite}: {trials} trial{'s' if trials > 1 else ''}, seed {run.info.seed}; "
        f"errors in nats, {INTERVALS}{FEW_LEGEND if trials < FEWEST else ''}"
    )


def _slope_table(summary: Summary) -> Table:
    rows = [
        (
            name,
            *_slope_cells(slope),
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


def _slope_cells(slope: Slope) -> tuple[str, str]:
    if not slope.is_line:
        return NO_LINE, ""
    return f"{slope.slope:+.2f}", f"[{slope.ci[0]:+.2f}, {slope.ci[1]:+.2f}]"


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
    return [f"{_MARKS[check.status]} {check.name}: {check.detail}" for check in summary.checks]


def _list(interval: Limits | None) -> list[float] | None:
    return list(interval) if interval else None
