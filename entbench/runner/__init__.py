"""Plan, execute, store: from a suite to the records of a run."""

from __future__ import annotations

import json
import platform
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import joblib

import entbench
from entbench import _registry
from entbench._paths import default_path
from entbench._records import Record, RunInfo, SuiteRun
from entbench._validation import check_choice, check_integer
from entbench.runner._execute import execute
from entbench.runner._experiment import ExperimentSuite, experiment_suite, run_experiment, steps_of
from entbench.runner._grammar import (
    parse_assignment,
    parse_named,
    parse_scalar,
    parse_sizes,
    parse_values,
)
from entbench.runner._plan import Plan, make_plan
from entbench.runner._store import Store, StoreError
from entbench.runner._suite import Suite, SuiteFile, load_suite, override, read_suite

__all__ = [
    "ExperimentSuite",
    "Plan",
    "Store",
    "StoreError",
    "Suite",
    "SuiteFile",
    "default_path",
    "experiment_suite",
    "load_suite",
    "make_plan",
    "override",
    "parse_assignment",
    "parse_named",
    "parse_scalar",
    "parse_sizes",
    "parse_values",
    "read_suite",
    "run_experiment",
    "run_info",
    "run_plan",
    "run_suite",
    "steps_of",
]

Rerun = Literal["missing", "failed", "all"]
OnRecord = Callable[[Record], None]


def run_suite(
    suite: str = "truncated-mixture",
    params: Mapping[str, Any] | None = None,
    *,
    estimators: Sequence[str] = (),
    trials: int | None = None,
    seed: int | None = None,
    plugins: Sequence[str] = (),
    jobs: int | None = None,
    store: str | Path | None = None,
    rerun: Rerun = "missing",
) -> SuiteRun:
    """Run a suite, or what is missing of it, and return its records.

    Parameters
    ----------
    suite : str
        A registered suite's name or the path of a TOML file.
    params : mapping, optional
        ``n`` and source parameters in place of the suite's own; a sequence makes a sweep.
    estimators : sequence of str
        In place of the suite's own, each like ``"kl"`` or ``"kl[k=3]"``.
    trials, seed : int, optional
        In place of the suite's own.
    plugins : sequence of str
        Python files or modules that register estimators or sources.
    jobs : int, optional
        Worker processes; all cores by default.
    store : path, optional
        SQLite file of finished cells; the user's own by default.
    rerun : {"missing", "failed", "all"}
        Which stored cells to compute again.

    Returns
    -------
    SuiteRun
        `entbench.report.summarise` makes a table of it.

    Raises
    ------
    ValueError, TypeError
        If a name or a parameter is no good; before anything is run.
    StoreError
        If the store cannot be used.
    """
    for plugin in plugins:
        _registry.load_plugin(plugin)
    wanted = override(
        load_suite(suite), params or {}, estimators=estimators, trials=trials, seed=seed
    )
    with Store(Path(store) if store is not None else default_path()) as opened:
        return run_plan(make_plan(wanted, opened), opened, jobs=jobs, rerun=rerun)


def run_plan(
    plan: Plan,
    store: Store,
    *,
    jobs: int | None = None,
    rerun: Rerun = "missing",
    on_start: Callable[[int, int], None] = lambda stored, missing: None,
    on_record: OnRecord = lambda record: None,
) -> SuiteRun:
    """Compute what the store lacks of a plan, storing each cell as it finishes.

    Parameters
    ----------
    plan : Plan
        What to run.
    store : Store
        Where finished cells are kept.
    jobs, rerun
        See `run_suite`.
    on_start : callable
        Called once with the numbers of stored and of missing cells.
    on_record : callable
        Called with each record as it is stored.

    Returns
    -------
    SuiteRun
        Records in the plan's order, whatever the order of execution was.
    """
    check_choice("rerun", rerun, ("missing", "failed", "all"))
    jobs = joblib.cpu_count() if jobs is None else check_integer("jobs", jobs, minimum=1)
    info = run_info(plan.suite.seed)
    records = {} if rerun == "all" else {r.cell.key: r for r in store.records(plan.cells)}
    if rerun == "failed":
        records = {key: record for key, record in records.items() if record.ok}
    missing = [cell for cell in plan.cells if cell.key not in records]
    on_start(len(records), len(missing))
    store.start_run(info, plan.suite.name, json.dumps(plan.suite.params))
    for record in execute(missing, jobs):
        store.add(record, info.id)
        records[record.cell.key] = record
        on_record(record)
    store.finish_run(info.id)
    return SuiteRun(
        suite=plan.suite.name,
        params=plan.suite.params,
        cases=plan.cases,
        records=tuple(records[cell.key] for cell in plan.cells),
        checks=plan.suite.checks,
        tables=plan.suite.tables,
        figures=plan.suite.figures,
        info=info,
        computed=len(missing),
        notes=plan.notes,
    )


def run_info(seed: int) -> RunInfo:
    """Return what makes a run that begins now."""
    return RunInfo(
        id=uuid.uuid4().hex[:12],
        version=entbench.__version__,
        seed=seed,
        python=sys.version.split()[0],
        platform=platform.platform(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )
