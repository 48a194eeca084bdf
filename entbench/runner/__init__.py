"""Plan, execute, store: from a suite to the records of a run."""

from __future__ import annotations

import platform
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import entbench
from entbench import _registry
from entbench._environment import library_versions
from entbench._paths import default_path
from entbench._records import Cell, Record, RunInfo, SuiteRun
from entbench._validation import check_choice, check_integer
from entbench.runner._execute import Records, default_jobs, execute
from entbench.runner._experiment import ExperimentSuite, experiment_suite, run_experiment, steps_of
from entbench.runner._grammar import (
    parse_assignment,
    parse_named,
    parse_scalar,
    parse_sizes,
    parse_values,
)
from entbench.runner._limits import Limits
from entbench.runner._plan import Plan, make_plan, unfit
from entbench.runner._plan_rows import plan_row
from entbench.runner._store import Store, StoredRun, StoreError
from entbench.runner._stored_runs import find_run, stored_run
from entbench.runner._suite import Suite, SuiteFile, load_suite, override, read_suite
from entbench.runner._upkeep import (
    KINDS,
    Rubbish,
    health,
    merge,
    remove,
    rubbish,
    rubbish_of_certificate,
    rubbish_of_runs,
)

__all__ = [
    "KINDS",
    "ExperimentSuite",
    "Limits",
    "Plan",
    "Rubbish",
    "Store",
    "StoreError",
    "StoredRun",
    "Suite",
    "SuiteFile",
    "default_path",
    "experiment_suite",
    "find_run",
    "health",
    "load_suite",
    "make_plan",
    "merge",
    "override",
    "parse_assignment",
    "parse_named",
    "parse_scalar",
    "parse_sizes",
    "parse_values",
    "read_suite",
    "remove",
    "rubbish",
    "rubbish_of_certificate",
    "rubbish_of_runs",
    "run_experiment",
    "run_info",
    "run_plan",
    "run_suite",
    "steps_of",
    "stored_run",
    "unfit",
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
    timeout: float | str | None = None,
    memory: float | str | None = None,
    dask: str | None = None,
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
    timeout : float or str, optional
        Seconds that a cell may take, or a text such as ``"5m"``. A cell that takes longer is killed
        and recorded so; the rest goes on. Imports and compilation are not counted.
    memory : float or str, optional
        Bytes that a worker process may hold in all, or a text such as ``"2GiB"``; a cell that
        takes it further is killed likewise.
    dask : str, optional
        Address of a Dask scheduler, whose workers then run the cells; or ``"local"``, for one with
        `jobs` workers on this machine.

    Returns
    -------
    SuiteRun
        `entbench.report.summarise` makes a table of it.

    Raises
    ------
    ValueError, TypeError
        If a name or a parameter is no good, or stored certificates of a source contradict each
        other; before anything is run.
    StoreError
        If the store cannot be used.
    """
    for plugin in plugins:
        _registry.load_plugin(plugin)
    wanted = override(
        load_suite(suite), params or {}, estimators=estimators, trials=trials, seed=seed
    )
    said = {"estimators": estimators, "trials": trials, "seed": seed, "plugins": plugins}
    given = "".join(f", {k}={v!r}" for k, v in said.items() if v not in (None, (), []))
    command = f"run_suite({suite!r}, {dict(params or {})!r}{given})"
    with Store(Path(store) if store is not None else default_path()) as opened:
        return run_plan(
            make_plan(wanted, opened),
            opened,
            jobs=jobs,
            rerun=rerun,
            timeout=timeout,
            memory=memory,
            dask=dask,
            command=command,
        )


def run_plan(
    plan: Plan,
    store: Store,
    *,
    jobs: int | None = None,
    rerun: Rerun = "missing",
    on_start: Callable[[int, int], None] = lambda stored, missing: None,
    on_record: OnRecord = lambda record: None,
    timeout: float | str | None = None,
    memory: float | str | None = None,
    dask: str | None = None,
    command: str = "",
) -> SuiteRun:
    """Compute what the store lacks of a plan, storing each cell as it finishes.

    Parameters
    ----------
    plan : Plan
        What to run.
    store : Store
        Where finished cells are kept.
    jobs, rerun, timeout, memory, dask
        See `run_suite`.
    on_start : callable
        Called once with the numbers of stored and of missing cells.
    on_record : callable
        Called with each record as it is stored.
    command : str
        What repeats the run, for whoever reads of it later.

    Returns
    -------
    SuiteRun
        Records in the plan's order, whatever the order of execution was.
    """
    check_choice("rerun", rerun, ("missing", "failed", "all"))
    limits = Limits.of(timeout, memory)
    if jobs is not None and dask not in (None, "local"):
        raise ValueError("`jobs` counts workers of this machine; those of --dask count themselves.")
    jobs = None if jobs is None else check_integer("jobs", jobs, minimum=1)
    info = run_info(plan.suite.seed, command)
    records = {} if rerun == "all" else {r.cell.key: r for r in store.records(plan.cells)}
    if rerun == "failed":
        records = {key: record for key, record in records.items() if record.ok}
    missing = [cell for cell in plan.cells if cell.key not in records]
    on_start(len(records), len(missing))
    with (
        _executor(jobs, limits, dask if missing else None) as run_cells,
        closing(run_cells(missing)) as fresh,
    ):
        store.start_run(info, plan_row(plan))
        for record in fresh:
            store.add(record, info.id)
            records[record.cell.key] = record
            on_record(record)
    info = replace(info, finished=store.finish_run(info.id))
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
        theorems=plan.theorems,
    )


@contextmanager
def _executor(
    jobs: int | None, limits: Limits, dask: str | None
) -> Iterator[Callable[[Sequence[Cell]], Records]]:
    """Return what runs cells: here, or on Dask's workers once they are there."""
    if dask is None:
        jobs = default_jobs() if jobs is None else jobs
        yield lambda cells: execute(cells, jobs, limits)
        return
    from entbench.runner._dask import dask_executor  # an extra

    with dask_executor(dask, jobs, limits) as run:
        yield run


def run_info(seed: int, command: str = "") -> RunInfo:
    """Return what makes a run that begins now; `command` is what repeats it."""
    return RunInfo(
        id=uuid.uuid4().hex[:12],
        version=entbench.__version__,
        seed=seed,
        python=sys.version.split()[0],
        platform=platform.platform(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        versions=library_versions(),
    )
