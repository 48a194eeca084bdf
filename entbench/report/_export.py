"""Every cell of a run as a line of plain values, for whoever goes on with the numbers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from entbench._base import Interval
from entbench._records import ExperimentRun, Measurement, Record, SuiteRun
from entbench.report._render import to_csv, to_json

EXPORT_FORMATS = ("csv", "json", "parquet")


def export_rows(run: SuiteRun | ExperimentRun) -> list[dict[str, Any]]:
    """Return a dictionary for each cell, or each step, of a run.

    Values are numbers, texts and None; parameters of estimators, diagnostics, and results that are
    lists, are JSON. All entropies and errors are in nats.
    """
    if isinstance(run, ExperimentRun):
        return [_step_row(run, found) for found in run.records]
    truths = {case.source: case.reference for case in run.cases}
    rows = []
    for record in run.records:
        truth = truths[record.cell.source]
        error = None if record.value is None else record.value - truth.value
        reference = {
            "reference": truth.value,
            "reference_error": truth.error,
            "reference_note": truth.note,
            "error": error,
        }
        rows.append(_cell_row(run, record) | reference)
    return rows


def write_export(rows: Sequence[Mapping[str, Any]], kind: str, path: Path) -> None:
    """Write rows to a file of a kind, see `EXPORT_FORMATS`; it is there whole or not at all."""
    write = _WRITERS[kind]
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(rows, partial)
        partial.replace(path)
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)


def export_text(rows: Sequence[Mapping[str, Any]], kind: str) -> str:
    """Return rows as CSV or JSON."""
    if kind == "csv":
        return to_csv(rows)
    return to_json(rows, indent=1)


def _cell_row(run: SuiteRun, record: Record) -> dict[str, Any]:
    cell = record.cell
    return {
        "run": run.info.id,
        "suite": run.suite,
        "source": cell.source.name,
        "source_version": cell.source.version,
        **{f"source.{name}": value for name, value in cell.source.params},
        "estimator": cell.estimator.label,
        "estimator_version": cell.estimator.version,
        "estimator_params": json.dumps(dict(cell.estimator.params)),
        "n": cell.n,
        "trial": cell.trial,
        "seed": cell.seed,
        "status": record.status,
        "message": record.message,
        "value": record.value,
        "numerical_error": record.numerical_error,
        "standard_error": record.standard_error,
        **interval_columns(record.interval),
        "seconds": record.seconds,
        "diagnostics": json.dumps(record.diagnostics, allow_nan=False),
        "key": cell.key,
    }


def interval_columns(interval: Interval | None) -> dict[str, Any]:
    """Return an interval in columns of plain values."""
    names = ("low", "high", "confidence", "kind")
    return {f"interval_{name}": getattr(interval, name, None) for name in names}


def _step_row(run: ExperimentRun, found: Measurement) -> dict[str, Any]:
    spec = found.cell.experiment
    plain = {
        name: json.dumps(value) if isinstance(value, list | dict) else value
        for name, value in found.result.items()
    }
    return {
        "run": run.info.id,
        "suite": run.suite,
        "experiment": spec.name,
        "experiment_version": spec.version,
        **{f"param.{name}": value for name, value in spec.params},
        **{f"step.{name}": value for name, value in found.cell.at},
        "status": found.status,
        "message": found.message,
        "seconds": found.seconds,
        **plain,
        "key": found.cell.key,
    }


def _write_text(kind: str) -> Callable[[Sequence[Mapping[str, Any]], Path], None]:
    def write(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
        path.write_text(export_text(rows, kind), encoding="utf-8")

    return write


def _write_parquet(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    import pandas as pd

    try:
        pd.DataFrame(list(rows)).to_parquet(path, index=False)
    except ImportError as error:
        raise ImportError(
            "Parquet files need pyarrow, which is not there: pip install 'entbench[parquet]'."
        ) from error


_WRITERS: dict[str, Callable[[Sequence[Mapping[str, Any]], Path], None]] = {
    "csv": _write_text("csv"),
    "json": _write_text("json"),
    "parquet": _write_parquet,
}
