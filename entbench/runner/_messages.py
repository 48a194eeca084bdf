"""Tasks and outcomes as JSON rows: what drivers and workers say to each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from entbench._base import Interval
from entbench._records import Cell, Measurement, Record, Spec, Step
from entbench.runner._plan_rows import spec_row

Row = dict[str, Any]
Task = Cell | Step
Outcome = Record | Measurement


def line_of(row: Row) -> bytes:
    """Return a row as one line; numbers survive to the bit."""
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"


def task_row(task: Task) -> Row:
    """Return a cell or a step as plain values."""
    if isinstance(task, Step):
        return {"experiment": spec_row(task.experiment), "at": task.at}
    return {
        "source": spec_row(task.source),
        "estimator": spec_row(task.estimator),
        "n": task.n,
        "trial": task.trial,
        "seed": task.seed,
    }


def task_of(row: Mapping[str, Any]) -> Task:
    """Return the cell or step of a row."""
    if "experiment" in row:
        return Step(_spec_of(row["experiment"]), _pairs(row["at"]))
    source, estimator = _spec_of(row["source"]), _spec_of(row["estimator"])
    return Cell(source, estimator, row["n"], row["trial"], row["seed"])


def outcome_row(outcome: Outcome) -> Row:
    """Return what a task came to, without the task: who asked knows it."""
    row = {
        "status": outcome.status,
        "message": outcome.message,
        "seconds": outcome.seconds,
    }
    if isinstance(outcome, Measurement):
        return {**row, "result": outcome.result}
    return {
        **row,
        "value": outcome.value,
        "numerical_error": outcome.numerical_error,
        "standard_error": outcome.standard_error,
        "interval": interval_row(outcome.interval),
        "diagnostics": outcome.diagnostics,
    }


def outcome_of(task: Task, row: Mapping[str, Any]) -> Outcome:
    """Return what a task came to, from its row."""
    if isinstance(task, Step):
        return Measurement(task, **row)
    return Record(task, **{**row, "interval": interval_of(row["interval"])})


def interval_row(interval: Interval | None) -> Row | None:
    """Return an interval as plain values."""
    return None if interval is None else asdict(interval)


def interval_of(row: Mapping[str, Any] | None) -> Interval | None:
    """Return the interval of a row."""
    return None if row is None else Interval(**row)


def failure_of(task: Task, status: str, message: str, seconds: float = 0.0) -> Outcome:
    """Return the outcome of a task that came to nothing."""
    if isinstance(task, Step):
        return Measurement(task, status, message, seconds)
    return Record(task, status, message, seconds)


def _spec_of(row: Mapping[str, Any]) -> Spec:
    return Spec(**{**row, "params": tuple(row["params"].items())})


def _pairs(pairs: Any) -> Any:
    return tuple((name, value) for name, value in pairs)
