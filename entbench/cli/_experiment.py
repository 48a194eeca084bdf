"""``entbench suite`` where the suite asks for an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entbench.cli._common import command_line, say, show
from entbench.cli._run_progress import run_progress

if TYPE_CHECKING:
    from entbench.report import Printout
    from entbench.runner import ExperimentSuite, Store, SuiteFile


@dataclass(frozen=True)
class Options:
    """The options of the verb that an experiment takes too."""

    jobs: int | None
    store: Path | None
    rerun: str
    dry_run: bool
    format_: str
    out: Path | None
    quiet: bool
    timeout: str | None
    memory: str | None


def run_experiment_suite(
    file: SuiteFile, params: Mapping[str, Any], refused: Mapping[str, Any], options: Options
) -> int:
    """Run a suite that asks for an experiment; return the exit code."""
    from entbench import report
    from entbench.runner import Store, default_path, experiment_suite, run_experiment, run_info

    if refused.get("--dask"):
        raise ValueError(
            f"suite {file.name!r} asks for an experiment, which has no --dask: its networks are "
            "trained and kept on this machine."
        )
    for option, value in refused.items():
        if value:
            raise ValueError(f"suite {file.name!r} asks for an experiment, which has no {option}.")
    suite = experiment_suite(file, params)
    path = options.store if options.store is not None else default_path()
    if options.out is not None and not options.dry_run:
        report.check_folder(options.out)
    if options.dry_run:
        with Store(path, create=False) as opened:
            show(_plan_printout(suite, opened), options.format_)
        return 0
    with Store(path) as opened, run_progress(options.quiet, "steps") as progress:
        run = run_experiment(
            suite,
            opened,
            run_info(0, command_line()),
            jobs=options.jobs,
            rerun=options.rerun,
            on_start=progress.start,
            on_record=progress.advance,
            timeout=options.timeout,
            memory=options.memory,
        )
    if options.out is not None:
        for written in report.write_experiment_files(run, options.out, partial(say, False)):
            say(options.quiet, f"wrote {written}")
    say(options.quiet, f"steps are kept in {path}")
    show(report.experiment_printout(run), options.format_)
    return 0 if all(measurement.ok for measurement in run.records) else 1


def _plan_printout(suite: ExperimentSuite, store: Store) -> Printout:
    from entbench.report import Printout, Table
    from entbench.runner import steps_of

    steps = steps_of(suite)
    stored = {found.cell.key for found in store.records(steps)}
    counts: dict[str, list[bool]] = {}
    for step in steps:
        counts.setdefault(step.experiment.label, []).append(step.key in stored)
    records = [
        {"experiment": label, "steps": len(known), "stored": sum(known)}
        for label, known in counts.items()
    ]
    rows = [tuple(map(str, record.values())) for record in records]
    data = {
        "suite": suite.name,
        "preset": suite.preset,
        "params": suite.params,
        "steps": len(steps),
        "stored": len(stored),
        "store": str(store.path),
        "plan": records,
    }
    note = f"{len(steps)} steps: {len(stored)} stored in {store.path}"
    presets = f"presets: {', '.join(suite.presets)}; this is {suite.preset}"
    table = Table(("experiment", "steps", "stored"), rows, gaps=False)
    return Printout(data, records, [table], [note, presets], f"{suite.name}: dry run")
