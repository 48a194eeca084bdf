"""``entbench doctor``: what is wrong with this installation, if anything."""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from entbench.cli._common import format_option, say, show

if TYPE_CHECKING:
    from entbench._environment import Child, Finding

_SIGNS = {"ok": "✓", "warning": "!", "wrong": "✗"}
_PLAIN_SIGNS = {"ok": "ok", "warning": "!", "wrong": "WRONG"}
# compiling everything takes 30 s on a slow core
_SELF_TEST_SECONDS = 300.0
_WRONG = 1


@click.command()
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    help="Store to look at; nothing is written to it.  [default: in the user's data directory]",
)
@click.option("--quick", is_flag=True, help="Leave out the self-test.")
@format_option
def doctor(store: Path | None, quick: bool, format_: str) -> None:
    """Look for what is wrong with this installation.

    Versions, threads, compiler, torch, memory, disk, the store, plugins; then a self-test of
    accuracy and speed of some five seconds, longer where nothing is compiled yet. A line begins
    with ✓; with ! where something is to be known; with ✗ where something is wrong. Exits with 1 if
    anything is.
    """
    from entbench._paths import default_path

    path = store if store is not None else default_path()
    began = time.perf_counter()
    found = list(_findings(path, quick))
    _print(found, time.perf_counter() - began, format_)
    if any(finding.mark == "wrong" for finding in found):
        sys.exit(_WRONG)


def _findings(store: Path, quick: bool) -> Iterator[Finding]:
    """Yield all findings, section by section."""
    from entbench import _environment, _machine
    from entbench._environment import findings_of
    from entbench.cli import _doctor_store as stores

    torch = _environment.ask_torch()
    parts = {} if quick else {part: _ask_self_test(part) for part in ("kernels", "neighbours")}
    yield from findings_of("versions", _environment.find_versions)
    yield from findings_of("threads", _machine.find_cores)
    yield from findings_of("compiler", _machine.find_compiler)
    yield from findings_of("compiler", _find_cache)
    yield from findings_of("torch", lambda: _environment.find_torch(torch))
    yield from findings_of("room", lambda: _machine.find_room(store))
    yield from findings_of("store", lambda: stores.find_store(store))
    yield from findings_of("terminal", _machine.find_terminal)
    yield from findings_of("clock", lambda: _machine.find_clock(stores.past(store)))
    yield from findings_of("plugins", stores.find_plugins)
    for part, child in parts.items():
        yield from findings_of("self-test", partial(_self_tested, part, child))
    if not quick:
        yield from findings_of("speed", lambda: _self_tested("speed", _ask_self_test("speed")))
        yield from findings_of("speed", lambda: stores.find_speed(store))


def _find_cache() -> Iterator[Finding]:
    from entbench._environment import Finding
    from entbench._machine import find_cache

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is said here says it
        from entbench.mixture._walk import kernel_sums
    kept = kernel_sums.stats.cache_path
    if kept is None:
        found = "no folder can be written: every process compiles for half a minute"
        advice = "set NUMBA_CACHE_DIR to a folder that can be written"
        yield Finding("compiler", "numba cache", found, "warning", advice)
    else:
        folder = Path(kept)
        say(any(folder.glob("*.nbc")), "nothing is compiled yet: once, it takes half a minute")
        yield from find_cache(folder)


def _ask_self_test(part: str) -> Child:
    from entbench._environment import Child

    return Child("-m", "entbench.testing._self_test", part)


def _self_tested(part: str, child: Child) -> Iterator[Finding]:
    from entbench._environment import ChildError, Finding

    try:
        said = child.answer(_SELF_TEST_SECONDS)
    except ChildError as error:
        advice = f"python -m entbench.testing._self_test {part} shows more"
        yield Finding("self-test", part, str(error), "wrong", advice)
        return
    for fields in said:
        yield Finding(**fields)


def _print(found: list[Finding], seconds: float, format_: str) -> None:
    from entbench import _machine

    signs = _SIGNS if _machine.can_show("✓✗") else _PLAIN_SIGNS
    wrong, warned = (sum(f.mark == mark for f in found) for mark in ("wrong", "warning"))
    summary = f"{wrong} wrong, {warned} to be known of, {len(found) - wrong - warned} fine"
    note = f"{signs['wrong' if wrong else 'ok']} {summary}, in {seconds:.1f} s"
    records = [asdict(finding) for finding in found]
    data = {"wrong": wrong, "warnings": warned, "seconds": seconds, "findings": records}
    try:
        _print_tables(found, signs, note, data, records, format_)
    except Exception as error:  # whatever is wrong with the libraries that draw tables
        if format_ == "json":
            click.echo(json.dumps(data, indent=2, ensure_ascii=False))
            return
        for finding in found:
            click.echo(" | ".join(_cells(finding, signs)))
        click.echo(note)
        say(False, f"tables cannot be drawn: {type(error).__name__}: {error}")


def _print_tables(
    found: list[Finding],
    signs: dict[str, str],
    note: str,
    data: dict[str, Any],
    records: list[dict[str, Any]],
    format_: str,
) -> None:
    from entbench.report import Printout, Table

    headers = ("", "where", "what", "found", "what to do")
    table = Table(headers, [_cells(finding, signs) for finding in found], left=5, gaps=False)
    show(Printout(data, records, [table], [note], "entbench doctor"), format_)


def _cells(finding: Finding, signs: dict[str, str]) -> tuple[str, ...]:
    texts: Iterable[str] = (finding.section, finding.what, finding.found, finding.advice)
    return (signs[finding.mark], *(" ".join(text.split()) for text in texts))
