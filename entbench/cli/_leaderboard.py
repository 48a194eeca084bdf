"""``entbench leaderboard``: who is best, at equal n and in equal time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from entbench.cli._common import (
    format_option,
    load_plugins,
    plugin_option,
    run_argument,
    show,
    store_option,
)


@click.command()
@run_argument()
@store_option
@click.option("--n", type=int, help="Show this n alone.  [default: every n of the run]")
@click.option(
    "--seconds",
    type=float,
    help="Time of a fit for ranks in equal time.  [default: in the middle of what most cover]",
)
@plugin_option
@format_option
def leaderboard(
    run: str,
    store: Path | None,
    n: int | None,
    seconds: float | None,
    plugins: Sequence[str],
    format_: str,
) -> None:
    """Rank the estimators of a suite's run by their error.

    RUN is latest, a run's id or its beginning, a suite's name, a version as in v0.1.0, or the file
    of a store. Ranks are by mean absolute error at equal n and in equal time, over all sources and
    on each, with intervals; beside them, who is on the front of error against seconds. Nothing is
    computed anew.
    """
    from entbench._records import ExperimentRun
    from entbench.report._leaderboard import leaderboard as ranked
    from entbench.report._leaderboard_tables import leaderboard_printout
    from entbench.runner import stored_run

    load_plugins(plugins)
    found = stored_run(run, store)
    if isinstance(found, ExperimentRun):
        raise ValueError(
            f"run {found.info.id} is of the experiment {found.experiment!r}, which has no "
            "estimators to rank; name a run of a suite of estimators."
        )
    show(leaderboard_printout(ranked(found, seconds), n), format_)
