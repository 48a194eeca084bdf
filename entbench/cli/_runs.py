"""``entbench runs``, ``show`` and ``export``: what the store keeps, looked at again."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from entbench.cli._common import (
    format_option,
    load_plugins,
    plugin_option,
    run_argument,
    say,
    show,
    store_option,
)

if TYPE_CHECKING:
    from entbench._records import ExperimentRun, SuiteRun
    from entbench.report import Printout
    from entbench.runner import StoredRun

_LETTERS = 48


@click.command()
@click.option("--suite", help="Runs of this suite alone.")
@store_option
@format_option
def runs(suite: str | None, store: Path | None, format_: str) -> None:
    """List the runs that the store keeps, the latest last.

    Other verbs take a RUN by its id or the beginning of it, as "latest", by a suite's name, as
    v0.1.0 (the latest by that version), as the file of a store, or as FILE:RUN.
    """
    from entbench.runner import Store, default_path

    path = store if store is not None else default_path()
    with Store(path, create=False) as opened:
        found, counts = opened.runs(), opened.counts()
    chosen = [run for run in found if suite in (None, run.suite)]
    if suite is not None and not chosen:
        raise ValueError(f"store {path} keeps no run of suite {suite!r}.")
    show(_runs_printout(path, [(run, *counts.get(run.number, (0, 0))) for run in chosen]), format_)


def _runs_printout(path: Path, found: Sequence[tuple[StoredRun, int, int]]) -> Printout:
    from entbench.report import Printout, Table

    records = [
        {
            "run": run.info.id,
            "suite": run.suite,
            "params": run.params,
            "started": run.info.started,
            "finished": run.info.finished,
            "planned": run.plan.get("tasks"),
            "computed": computed,
            "failed": failed,
            "version": run.info.version,
            "command": run.info.command,
        }
        for run, computed, failed in found
    ]
    rows = [
        (
            str(each["run"]),
            str(each["suite"]),
            str(each["started"])[:16].replace("T", " "),
            "done" if each["finished"] else "unfinished",
            "?" if each["planned"] is None else str(each["planned"]),
            str(each["computed"]),
            str(each["failed"]),
            str(each["version"]),
            _short(each["params"]),
        )
        for each in records
    ]
    headers = ("run", "suite", "started (UTC)", "", "cells", "new", "failed", "version")
    table = Table(
        (*headers, "parameters"),
        rows,
        left=4,
        gaps=False,
        aside=1,
        aside_title="what they were run with",
        key=1,
    )
    heading = f"{len(records)} run{'s' if len(records) != 1 else ''} in {path}"
    data = {"store": str(path), "runs": records}
    lines = [{**each, "params": json.dumps(each["params"])} for each in records]
    return Printout(data, lines, [table] if rows else [], (), heading)


def _short(params: Any) -> str:
    skipped = ("source", "sources", "trials")
    text = " ".join(f"{k}={_value(v)}" for k, v in params.items() if k not in skipped)
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"


def _value(value: Any) -> str:
    if not isinstance(value, list) or len(value) < 3:
        return ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{value[0]}..{value[-1]}"


@click.command("show")
@run_argument()
@store_option
@plugin_option
@format_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for results.csv, results.json and figures (PNG and SVG).",
)
def show_run(
    run: str, store: Path | None, plugins: Sequence[str], format_: str, out: Path | None
) -> None:
    """Print a run's table again, from the store alone.

    RUN is as `entbench runs` lists them, the latest by default. Exit code 0, or 1 where a check
    was violated, cells failed, or the run was cut short.
    """
    from entbench import report
    from entbench._records import ExperimentRun
    from entbench.runner import stored_run

    load_plugins(plugins)
    found = stored_run(run, store)
    if out is not None:
        report.check_folder(out)
    complain = partial(say, False)
    if isinstance(found, ExperimentRun):
        written = report.write_experiment_files(found, out, complain) if out is not None else []
        printout = report.experiment_printout(found)
        good = all(measurement.ok for measurement in found.records)
    else:
        summary = report.summarise(found)
        written = report.write_files(summary, out, complain) if out is not None else []
        printout, good = report.suite_printout(summary), summary.holds
    for path in written:
        say(False, f"wrote {path}")
    say(False, about(found))
    show(printout, format_)
    sys.exit(0 if good and not found.missing else 1)


def about(run: SuiteRun | ExperimentRun) -> str:
    """Return whose run it is, in a line."""
    info = run.info
    state = f"finished {info.finished}" if info.finished else "not finished"
    lacks = f"; {run.missing} cells are missing" if run.missing else ""
    command = f"; {info.command}" if info.command else ""
    return f"run {info.id} by entbench {info.version}, {state}{lacks}{command}"


@click.command()
@run_argument()
@click.option(
    "--format",
    "format_",
    type=click.Choice(["csv", "json", "parquet"]),
    help="Default: by the ending of the file, or csv.",
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="File.  [default: standard output]"
)
@store_option
def export(run: str, format_: str | None, out: Path | None, store: Path | None) -> None:
    """Write every cell of a run: draws, estimate, truth, error, time, diagnostics.

    One line a cell (a step, for an experiment), in nats, with exact floats. RUN is as `entbench
    runs` lists them, the latest by default.
    """
    from entbench.report import EXPORT_FORMATS, export_rows, export_text, write_export
    from entbench.runner import stored_run

    chosen = format_ or (out.suffix.lstrip(".") if out is not None else "csv")
    if chosen not in EXPORT_FORMATS:
        raise ValueError(f"the format of {out} is not known: name it with --format.")
    if out is None and chosen == "parquet":
        raise ValueError("Parquet goes to a file: name it with -o FILE.")
    rows = export_rows(stored_run(run, store))
    if out is None:
        click.echo(export_text(rows, chosen), nl=False)
        return
    write_export(rows, chosen, out)
    say(False, f"wrote {out}: {len(rows)} lines")
