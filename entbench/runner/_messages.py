"""Tasks and outcomes as JSON rows: what drivers and workers say to each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from entbench._records import Cell, Outcome, Spec, Step, Task
from entbench.runner._plan_rows import spec_row

Row = dict[str, Any]


def line_of(row: Row) -> bytes:
    """Return a row as one line; numbers survive to the bit."""
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"


def task_row(task: Task) -> Row:
    """Return a task as plain values."""
    return {**{role: spec_row(spec) for role, spec in task.specs.items()}, **task.place}


def task_of(row: Mapping[str, Any]) -> Cell | Step:
    """Return the task of a row."""
    if "experiment" in row:
        return Step(_spec_of(row["experiment"]), tuple(row["step"].items()))
    source, estimator = _spec_of(row["source"]), _spec_of(row["estimator"])
    return Cell(source, estimator, row["n"], row["trial"], row["seed"])


def outcome_row(outcome: Outcome[Any]) -> Row:
    """Return an outcome as plain values, without its task: the driver knows it."""
    return {name: getattr(outcome, name) for name in ("status", "message", "seconds", "result")}


def _spec_of(row: Mapping[str, Any]) -> Spec:
    return Spec(**{**row, "params": tuple(row["params"].items())})
