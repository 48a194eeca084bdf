"""Runs found in a store again, and rebuilt without computing anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from entbench._paths import default_path
from entbench._records import ExperimentRun, SuiteRun
from entbench.runner._plan_rows import (
    planned_cases,
    planned_checks,
    planned_names,
    planned_text,
    planned_theorems,
)
from entbench.runner._store import Store, StoredRun, StoreError

LATEST = "latest"


def stored_run(text: str = LATEST, store: Path | None = None) -> SuiteRun | ExperimentRun:
    """Return a run that a store keeps.

    Parameters
    ----------
    text : str
        ``latest``, an id or the beginning of one, a suite's name (its latest run), ``v0.1.0`` (the
        latest run by that version of entbench), the file of a store (its latest), or one of these
        in the store of a file, ``FILE:RUN``.
    store : Path, optional
        The store to look in where `text` names none; the user's own by default.

    Raises
    ------
    ValueError
        If no run, or more than one, goes by this name, or what it was to compute is not known.
    StoreError
        If the store cannot be used.
    """
    path, name = _located(text, store)
    if not path.exists():
        raise ValueError(f"there is no store {path}: run a suite first, or name one with --store.")
    with Store(path, create=False) as opened:
        return load_run(opened, find_run(opened.runs(), name, path))


def find_run(runs: Sequence[StoredRun], name: str, where: Path) -> StoredRun:
    """Return the run that goes by a name; see `stored_run`."""
    if not runs:
        raise ValueError(f"store {where} keeps no run yet.")
    if name == LATEST:
        return runs[-1]
    for found in (
        [run for run in runs if run.info.id == name],
        [run for run in runs if run.suite == name][-1:],
        [run for run in runs if f"v{run.info.version}" == name][-1:],
        [run for run in runs if run.info.id.startswith(name)],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(run.info.id for run in found)
            raise ValueError(f"{name!r} is the beginning of {len(found)} runs: {ids}.")
    suites = ", ".join(dict.fromkeys(run.suite for run in reversed(runs)))
    raise ValueError(
        f"store {where} keeps no run {name!r}; `entbench runs` lists them. Suites run: {suites}."
    )


def load_run(store: Store, found: StoredRun) -> SuiteRun | ExperimentRun:
    """Return a run with the records that it had, though later runs computed some again."""
    if not found.plan:
        raise ValueError(
            f"run {found.info.id} lost its plan when damage was removed from the store. Run the "
            "suite again: its stored cells are used."
        )
    plan, tasks = found.plan, found.tasks
    records = {record.cell.key: record for record in store.records(tasks, found.number)}
    kept: dict[str, Any] = {
        "suite": found.suite,
        "params": found.params,
        "records": tuple(records[task.key] for task in tasks if task.key in records),
        "info": found.info,
        "computed": store.counts().get(found.number, (0, 0))[0],
        "missing": len(tasks) - len(records),
    }
    if "experiment" in plan:
        experiment, preset = (planned_text(plan, name) for name in ("experiment", "preset"))
        return ExperimentRun(experiment=experiment, preset=preset, **kept)
    if not isinstance(found.params.get("trials"), int):
        raise ValueError(f"the parameters of run {found.info.id} in the store cannot be read.")
    kept.update(planned_names(plan), cases=planned_cases(plan), checks=planned_checks(plan))
    return SuiteRun(theorems=planned_theorems(plan), **kept)


def _located(text: str, store: Path | None) -> tuple[Path, str]:
    """Return the store's file, and the run's name in it."""
    own = store if store is not None else default_path()
    if Path(text).is_file():
        return Path(text), LATEST
    file, colon, name = text.rpartition(":")
    if colon and Path(file).is_file():
        return Path(file), name or LATEST
    if colon or "/" in text or text.endswith(".sqlite"):
        raise ValueError(f"there is no store {file if colon else text!r}.")
    return own, text


__all__ = ["LATEST", "StoreError", "find_run", "load_run", "stored_run"]
