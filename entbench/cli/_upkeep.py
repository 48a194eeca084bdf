"""``entbench merge`` and ``entbench clean``: stores as a whole."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from entbench._text import line_of
from entbench.cli._common import format_option, show, store_option

if TYPE_CHECKING:
    from entbench.report import Printout
    from entbench.runner import Rubbish, Store


@click.command()
@click.argument(
    "stores", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="STORE..."
)
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    help="Store that gets them.  [default: in the user's data directory]",
)
@format_option
def merge(stores: Sequence[Path], into: Path | None, format_: str) -> None:
    """Put the runs and cells of other stores into one.

    What is there stays, and nothing is taken twice; the other stores are only read. Where both
    have a cell with other values, that is said: the same cell should give the same value anywhere.

    Certificates of a source that contradict each other are both taken, and neither is used until
    one is deleted with `entbench clean --certificate`. Exit code 0: done; 1: done, and certificates
    contradict each other; 2: wrong usage, or a store that cannot be read.
    """
    from entbench.report import Printout, Table
    from entbench.report._format import number
    from entbench.runner import Store, default_path
    from entbench.runner import merge as merge_into

    target = into if into is not None else default_path()
    with Store(target) as opened:
        found = [(path, merge_into(opened, path)) for path in stores]
    contradictions = list(dict.fromkeys(text for _, each in found for text in each.contradictions))
    records = [
        {"store": str(path), **vars(each), "contradictions": len(each.contradictions)}
        for path, each in found
    ]
    counts = ("runs", "tasks", "certificates")
    rows = [(str(path), *(str(getattr(each, name)) for name in counts)) for path, each in found]
    notes = [
        f"! {path}: {each.differ} cells that both have differ, by {number(each.largest)} nats at "
        "most; `entbench compare` tells where"
        for path, each in found
        if each.differ
    ]
    table = Table(("from", "runs", "cells and steps", "certificates"), rows, gaps=False)
    data = {"into": str(target), "merged": records, "contradictions": contradictions}
    show(Printout(data, records, [table], notes, f"new in {target}"), format_)
    for text in contradictions:
        click.echo(f"entbench: error: {line_of(text)}", err=True)
    sys.exit(1 if contradictions else 0)


@click.command()
@click.option("--damaged", is_flag=True, help="Rows that do not fit their checksum.")
@click.option("--failed", is_flag=True, help="Cells and steps that failed or ran over a limit.")
@click.option("--superseded", is_flag=True, help="Those that a later run computed again.")
@click.option("--unplanned", is_flag=True, help="Those that no run of the store asks for.")
@click.option("--run", "chosen", multiple=True, help="A run, with what it alone asks for.")
@click.option(
    "--certificate",
    "certificates",
    multiple=True,
    metavar="ID",
    help="The certificate of a truth, by its id or the beginning of one.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and stop.")
@store_option
@format_option
def clean(
    damaged: bool,
    failed: bool,
    superseded: bool,
    unplanned: bool,
    chosen: Sequence[str],
    certificates: Sequence[str],
    dry_run: bool,
    store: Path | None,
    format_: str,
) -> None:
    """Take out of the store what is named, and give its space back.

    Without an option, nothing is taken out: what could be is counted.
    """
    from entbench.runner import KINDS, Store, default_path

    path = store if store is not None else default_path()
    if not path.exists():
        raise ValueError(f"there is no store {path}.")
    flags = {
        "damaged": damaged,
        "failed": failed,
        "superseded": superseded,
        "unplanned": unplanned,
    }
    kinds = [kind for kind, asked in flags.items() if asked]
    asked = bool(kinds or chosen or certificates)
    with Store(path, create=asked and not dry_run) as opened:
        found = _found(opened, kinds if asked else list(KINDS), chosen, certificates)
        show(_printout(opened, found, remove=asked and not dry_run), format_)


def _found(
    store: Store, kinds: Sequence[str], chosen: Sequence[str], certificates: Sequence[str]
) -> list[tuple[str, Rubbish]]:
    from entbench.runner import KINDS, find_run, rubbish, rubbish_of_certificate, rubbish_of_runs

    # a damaged run has to go before runs can be asked for anything
    found: list[tuple[str, Rubbish]] = []
    for kind in kinds:
        if kind == "unplanned" and any(len(bad) for _, bad in found if bad.kind == "damaged"):
            continue
        found.append((KINDS[kind], rubbish(store, kind)))
    if chosen:
        runs = store.runs()
        named = [find_run(runs, name, store.path) for name in chosen]
        ids = ", ".join(dict.fromkeys(run.info.id for run in named))
        found.append((f"run {ids}, and what it alone asks for", rubbish_of_runs(store, named)))
    for certificate, row in (rubbish_of_certificate(store, name) for name in certificates):
        found.append((f"certificate {certificate.id} of {certificate.source}", row))
    return found


def _printout(store: Store, found: Sequence[tuple[str, Rubbish]], remove: bool) -> Printout:
    from entbench.report import Printout, Table
    from entbench.runner import remove as remove_rows

    counts = ("tasks", "runs", "certificates")
    records: list[dict[str, Any]] = [
        {"what": what, **{table: len(each.rows.get(table, ())) for table in counts}}
        for what, each in found
    ]
    rows = [tuple(map(str, record.values())) for record in records]
    table = Table(("what", "cells and steps", "runs", "certificates"), rows, gaps=False)
    freed = remove_rows(store, [each for _, each in found]) if remove else 0
    data = {"store": str(store.path), "removed": remove, "freed": freed, "rows": records}
    heading = f"{'taken out of' if remove else 'can go from'} {store.path}"
    note = f"{freed / 1e6:.1f} MB given back" if remove else "nothing was taken out"
    return Printout(data, records, [table], [note, *_left(store, found, remove)], heading)


def _left(store: Store, found: Sequence[tuple[str, Rubbish]], removed: bool) -> list[str]:
    """Return which runs were to go and are still there, and why."""
    asked = {number for _, each in found for number in each.rows.get("runs", ())}
    if not removed or not asked:
        return []
    return [
        f"! run {run.info.id} is still listed, as cells that it computed belong to other runs"
        for run in store.runs()
        if run.number in asked
    ]
