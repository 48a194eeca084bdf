"""What ``entbench doctor`` asks of the store and of the plugins."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entbench._environment import Finding, failure, findings_of
from entbench._machine import is_writable, nearest

if TYPE_CHECKING:
    from entbench._registry import Registry

_COMMITS = 300


def find_store(path: Path) -> Iterator[Finding]:
    """Look at the store, without writing to it."""
    from entbench.runner._upkeep import health

    section = "store"
    try:
        state = health(path)
    except OSError as error:  # StoreError is one
        advice = "move it away, or choose another with --store or ENTBENCH_STORE"
        yield Finding(section, "store", str(error), "wrong", advice)
        return
    if not state["exists"]:
        yield Finding(section, "store", f"{path}, not there yet: the first run makes it")
        return
    size = state["bytes"] / 2**20
    yield Finding(section, "store", f"{path}, {size:.1f} MiB")
    counts = ", ".join(
        f"{state[key]} {name}"
        for key, name in (
            ("runs", "runs"),
            ("tasks", "cells and steps"),
            ("certificates", "certificates"),
        )
    )
    yield Finding(section, "what it holds", counts)
    yield from _find_damage(path, state)


def _find_damage(path: Path, state: dict[str, Any]) -> Iterator[Finding]:
    section = "store"
    whole = state["integrity"] == "ok"
    advice = "" if whole else f"keep a copy; then entbench clean --damaged --store {path}"
    what = "integrity (SQLite)"
    yield Finding(section, what, state["integrity"], "ok" if whole else "wrong", advice)
    damaged = state["damaged"]
    advice = f"entbench clean --damaged --store {path}" if damaged else ""
    found = f"{damaged} rows do not fit theirs" if damaged else "all rows fit theirs"
    yield Finding(section, "checksums", found, "wrong" if damaged else "ok", advice)
    for text in state["contradictions"]:
        yield Finding(section, "certificates", text, "wrong", "delete the one that is wrong")
    if state["unfinished"]:
        found = f"{state['unfinished']}: killed, or still at work"
        advice = "run the same command again to go on; entbench runs shows them"
        yield Finding(section, "unfinished runs", found, "warning", advice)


def past(path: Path) -> list[tuple[str, float]]:
    """Return what must lie in the past, and when it was."""
    from entbench.runner import Store

    found = [("this copy of entbench", Path(__file__).stat().st_mtime)]
    with suppress(OSError, ValueError):  # a store that is none is told of elsewhere
        with Store(path, create=False) as store, store.reading() as connection:
            (last,) = connection.execute("SELECT max(started) FROM runs").fetchone()
        if last:
            found.append(("the store's last run", datetime.fromisoformat(last).timestamp()))
    return found


def find_plugins() -> Iterator[Finding]:
    """Load everything that has a registered name."""
    from entbench import _registry

    for kind in ("estimators", "sources", "experiments", "suites"):
        registry: Registry = getattr(_registry, kind)
        yield from findings_of("plugins", partial(_find_names, kind, registry))


def _find_names(kind: str, registry: Registry) -> Iterator[Finding]:
    from entbench import _registry

    names = registry.names()
    broken: dict[tuple[str, str], list[str]] = {}
    others = set()
    for name in names:
        try:
            _load(registry, name)
            others |= {registry.entry(name).provider} - {_registry.BUILT_IN}
        except (Exception, SystemExit) as error:
            told = failure("plugins", kind, error)
            broken.setdefault((_cause(told.found, name), told.advice), []).append(name)
    for (found, raised), alike in broken.items():
        what = f"{registry.kind} {', '.join(alike)}"
        yield Finding("plugins", what, found, "wrong", _remedy(registry, alike, raised))
    added = f"; from elsewhere: {', '.join(sorted(others))}" if others else ""
    count = len(names) - sum(map(len, broken.values()))
    yield Finding("plugins", kind, f"{count} of {len(names)} can be loaded{added}")


def _cause(found: str, name: str) -> str:
    """Return what is wrong without the name, so that names with one cause share a line."""
    return found.replace(f" {name!r}", "", 1)


def _remedy(registry: Registry, names: list[str], raised: str) -> str:
    targets = set()
    for name in names:
        with suppress(Exception):  # offered twice
            entry = registry.entry(name)
            targets.add(entry.provider if len(names) > 1 else f"{entry.target} ({entry.provider})")
    return f"mend or uninstall {', '.join(sorted(targets)) or 'one of them'}; {raised}"


def _load(registry: Registry, name: str) -> None:
    from entbench.runner import read_suite

    if registry.kind == "suite":
        read_suite(name)
    else:
        registry.load(name)


def find_speed(store: Path) -> Iterator[Finding]:
    """Measure how fast a store on the same disk takes cells; it is made and deleted again."""
    from entbench.testing._self_test import COMMITS

    folder = nearest(store.parent)
    where = str(folder) if is_writable(folder) else None
    with tempfile.TemporaryDirectory(prefix="entbench-doctor-", dir=where) as made:
        yield COMMITS.find(_commits_a_second(Path(made) / "store.sqlite"))


def _commits_a_second(path: Path) -> float:
    from entbench._records import STATUS_OK, Cell, Record, Spec
    from entbench.runner import Store, run_info

    source, estimator = (Spec(name, "1", "entbench", (), name) for name in ("source", "estimator"))
    cells = [Cell(source, estimator, 100, trial, 0) for trial in range(_COMMITS)]
    info = run_info(0)
    with Store(path) as store:
        store.start_run(info, {})
        began = time.perf_counter()
        for cell in cells:
            store.add(Record(cell, STATUS_OK, "", 0.0, {"value": 0.0}), info.id)
        return _COMMITS / (time.perf_counter() - began)
