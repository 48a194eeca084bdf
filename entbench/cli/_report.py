"""``entbench report``: a run as one file for a browser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from entbench.cli._common import load_plugins, plugin_option, run_argument, store_option


@click.command()
@run_argument()
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="File to write, or folder.  [default: report-SUITE-ID.html in the current folder]",
)
@store_option
@plugin_option
def report(run: str, out: Path | None, store: Path | None, plugins: Sequence[str]) -> None:
    """Write a run as one HTML file: tables, figures, checks, truth, and how to repeat it.

    RUN is latest, a run's id or its beginning, a suite's name, v0.1.0, a store's file or FILE:RUN.
    The file needs no network. It takes the place of an older report, and of no other file. Nothing
    is computed.
    """
    from entbench.report.html import report_name, write_report
    from entbench.runner import stored_run

    load_plugins(plugins)
    found = stored_run(run, store)
    path = out if out is not None else Path()
    if path.is_dir():
        path /= report_name(found)
    click.echo(write_report(found, path))
