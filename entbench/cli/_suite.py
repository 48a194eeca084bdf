"""``entbench suite``: the main job."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from entbench.cli._common import (
    assignments,
    command_line,
    estimator_option,
    format_option,
    load_plugins,
    plugin_option,
    say,
    show,
    store_option,
)
from entbench.cli._data_files import data_options
from entbench.cli._experiment import Options, run_experiment_suite
from entbench.cli._run_progress import run_progress
from entbench.cli._signals import interruptible

if TYPE_CHECKING:
    from entbench.report import Printout
    from entbench.runner import Plan, Store, Suite

_DEFAULT = "truncated-mixture"


def _complete_tokens(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from entbench import _registry
    from entbench.runner import load_suite

    given = [token for token in context.params.get("tokens") or () if "=" not in token]
    try:
        chosen = load_suite(given[0] if given else _DEFAULT)
        keys = [f"{key}=" for key in chosen.keys]
    except (ValueError, OSError):
        keys = []
    names = [] if given else _registry.suites.names()
    return [CompletionItem(word) for word in (*names, *keys) if word.startswith(incomplete)]


@click.command()
@click.argument(
    "tokens", nargs=-1, metavar="[NAME] [KEY=VALUE]...", shell_complete=_complete_tokens
)
@estimator_option("Estimator to run, in place of the suite's own. Repeatable.")
@click.option("--trials", type=int, help="Independent draws for each n.")
@click.option("--seed", type=int, help="Where the draws start from; the same seed, the same table.")
@click.option("-j", "--jobs", type=int, help="Worker processes.  [default: all cores]")
@store_option
@click.option(
    "--rerun",
    type=click.Choice(["missing", "failed", "all"]),
    default="missing",
    show_default=True,
    help="Which stored cells to compute again.",
)
@click.option(
    "--timeout",
    metavar="SECONDS|5m|1h",
    help="Kill a cell that takes longer; imports and compilation are not counted.",
)
@click.option(
    "--memory",
    metavar="500MB|2GiB",
    help="Kill a cell whose worker process takes more in all, Python's own 0.2 GB included.",
)
@click.option(
    "--dask",
    metavar="ADDRESS|local",
    help="Run on the workers of a Dask scheduler, or of a new one with --jobs workers here.",
)
@plugin_option
@data_options
@click.option("--dry-run", is_flag=True, help="Show what would be computed, and stop.")
@format_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for results.csv, results.json and figures (PNG and SVG).",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress on standard error.")
@interruptible
def suite(
    tokens: Sequence[str],
    estimators: Sequence[str],
    trials: int | None,
    seed: int | None,
    jobs: int | None,
    store: Path | None,
    rerun: str,
    timeout: str | None,
    memory: str | None,
    dask: str | None,
    plugins: Sequence[str],
    dry_run: bool,
    format_: str,
    out: Path | None,
    quiet: bool,
) -> None:
    """Run a suite: source x estimators x n x trials.

    NAME is a registered suite or the path of a TOML file; truncated-mixture by default. KEY is n,
    or a parameter of the suite's source, or error where the suite has one; VALUE a number, a list
    100,1000 or a sweep 1e2:1e5:log7 (or 0:1:lin5).

    Finished cells are stored as they come; running again computes only what is missing. Exit code
    0: done; 1: a check was violated or cells failed; 2: wrong usage; 130 or 143: interrupted.
    """
    from entbench import report
    from entbench.runner import Limits, Store, default_path, make_plan, read_suite, run_plan

    Limits.of(timeout, memory)  # wrong ones are told at once
    added = load_plugins(plugins)
    file = read_suite(_name(tokens))
    if file.is_experiment:
        refused = {"--estimator": estimators, "--trials": trials, "--seed": seed}
        refused["--dask"] = dask
        options = Options(jobs, store, rerun, dry_run, format_, out, quiet, timeout, memory)
        sys.exit(run_experiment_suite(file, _assigned(tokens), refused, options))
    wanted = _wanted(tokens, estimators, trials, seed, added, quiet)
    report.check_requests(wanted.checks or (), wanted.figures, wanted.tables, wanted.error)
    if out is not None and not dry_run:
        report.check_folder(out)
    path = store if store is not None else default_path()
    if dry_run:
        with Store(path, create=False) as opened:
            show(_plan_printout(make_plan(wanted, opened), opened), format_)
        return
    with Store(path) as opened, run_progress(quiet) as progress:
        run = run_plan(
            make_plan(wanted, opened),
            opened,
            jobs=jobs,
            rerun=rerun,  # type: ignore[arg-type]
            on_start=progress.start,
            on_record=progress.advance,
            timeout=timeout,
            memory=memory,
            dask=dask,
            command=command_line(),
        )
    summary = report.summarise(run)
    if out is not None:
        for written in report.write_files(summary, out, partial(say, False)):
            say(quiet, f"wrote {written}")
    say(quiet, f"cells are kept in {path}")
    show(report.suite_printout(summary), format_)
    sys.exit(0 if summary.holds else 1)


def _wanted(
    tokens: Sequence[str],
    estimators: Sequence[str],
    trials: int | None,
    seed: int | None,
    added: Sequence[str],
    quiet: bool,
) -> Suite:
    """Return the suite asked for; those of a plugin that fit join its own unless ``-e`` chooses."""
    from entbench.runner import load_suite, override, unfit

    wanted = override(
        load_suite(_name(tokens)),
        _assigned(tokens),
        estimators=estimators,
        trials=trials,
        seed=seed,
    )
    for name in () if estimators else added:
        why = unfit(wanted, name)
        say(quiet or not why, f"{name} of the plugin is not added: {why}")
        if not why:
            wanted = replace(wanted, estimators=(*wanted.estimators, (name, {})))
    return wanted


def _name(tokens: Sequence[str]) -> str:
    """Return the suite's name among the tokens."""
    names = [token for token in tokens if "=" not in token]
    if len(names) > 1:
        raise ValueError(f"one suite at a time; got {' and '.join(names)}.")
    return names[0] if names else _DEFAULT


def _assigned(tokens: Sequence[str]) -> dict[str, Any]:
    return assignments([token for token in tokens if "=" in token])


def _plan_printout(plan: Plan, store: Store) -> Printout:
    from entbench.report import Printout, Table

    stored = {record.cell.key: record.ok for record in store.records(plan.cells)}
    lines: dict[tuple[str, str, int], list[str]] = {}
    for cell in plan.cells:
        key = (cell.source.label, cell.estimator.label, cell.n)
        lines.setdefault(key, []).append(cell.key)
    records: list[dict[str, Any]] = [
        {
            "source": source,
            "estimator": estimator,
            "n": n,
            "cells": len(keys),
            "stored": sum(key in stored for key in keys),
            "failed": sum(not stored.get(key, True) for key in keys),
        }
        for (source, estimator, n), keys in lines.items()
    ]
    missing = len(plan.cells) - len(stored)
    rows = [tuple(map(str, list(record.values())[1:])) for record in records]
    tables = [
        Table(
            ("estimator", "n", "cells", "stored", "failed"),
            [row for row, record in zip(rows, records, strict=True) if record["source"] == label],
            label,
        )
        for label in dict.fromkeys(record["source"] for record in records)
    ]
    data = {
        "suite": plan.suite.name,
        "params": plan.suite.params,
        "cells": len(plan.cells),
        "stored": len(stored),
        "missing": missing,
        "store": str(store.path),
        "plan": records,
    }
    note = f"{len(plan.cells)} cells: {len(stored)} stored in {store.path}, {missing} to compute"
    return Printout(data, records, tables, [note, *plan.notes], f"{plan.suite.name}: dry run")
