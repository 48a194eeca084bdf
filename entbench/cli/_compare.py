"""``entbench compare``: two runs, and what got worse."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from entbench.cli._common import format_option, run_argument, show, store_option

if TYPE_CHECKING:
    from entbench._records import ExperimentRun, SuiteRun
    from entbench.report import Printout
    from entbench.report._compare import On


@click.command()
@run_argument("run_a", required=True)
@run_argument("run_b", required=True)
@store_option
@click.option(
    "--on",
    type=click.Choice(["accuracy", "time", "both"]),
    default="accuracy",
    show_default=True,
    help="What counts as a loss.",
)
@format_option
def compare(run_a: str, run_b: str, store: Path | None, on: On, format_: str) -> None:
    """Compare two runs: what got worse, and whether it is more than chance.

    Each RUN is latest, an id or its beginning, a suite's name, a version as in v0.1.0, the file of
    a store, or FILE:RUN. Rows are paired by source, estimator and n, and by trial where both runs
    drew the same samples; those that got worse come first. Of experiments, steps are paired, and
    their results not judged.

    A row is worse if its interval, B over A, is above 1. The intervals of all rows hold at once
    with 95 % confidence. Times leave out what all rows share, up to a factor of 1.22.

    Exit code 0: nothing lost; 1: an error grew by more than chance and the numerical errors, or a
    cell that had a value failed; 2: wrong usage, or nothing to compare.
    """
    from entbench.runner import stored_run

    printout, lost = _compared(stored_run(run_a, store), stored_run(run_b, store), on)
    show(printout, format_)
    sys.exit(1 if lost else 0)


def _compared(
    first: SuiteRun | ExperimentRun, second: SuiteRun | ExperimentRun, on: On
) -> tuple[Printout, bool]:
    """Return the printout, and whether something was lost."""
    from entbench._records import ExperimentRun
    from entbench.report._compare import compare_suites
    from entbench.report._compare_experiments import (
        compare_experiments,
        experiment_comparison_printout,
    )
    from entbench.report._compare_tables import comparison_printout

    if isinstance(first, ExperimentRun) and isinstance(second, ExperimentRun):
        steps = compare_experiments(first, second)
        return experiment_comparison_printout(steps), steps.lost
    if isinstance(first, ExperimentRun) or isinstance(second, ExperimentRun):
        kinds = [
            "an experiment" if isinstance(r, ExperimentRun) else "a suite of estimators"
            for r in (first, second)
        ]
        raise ValueError(
            f"run {first.info.id} is of {kinds[0]} and run {second.info.id} of {kinds[1]}: "
            "they cannot be compared."
        )
    rows = compare_suites(first, second)
    return comparison_printout(rows, on), rows.lost(on)
