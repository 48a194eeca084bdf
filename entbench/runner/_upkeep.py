"""What is done to whole stores: their health, what can go, and one put into another."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from entbench.runner import _schema as schema
from entbench.runner._certificate_rows import (
    Certificate,
    contradiction_text,
    contradictions,
    stored_certificates,
)
from entbench.runner._store import Store, StoredRun, StoreError

_BATCH = 500
_MOST_LISTED = 10
_SPECS_IN_USE = "SELECT spec FROM tasks UNION SELECT spec FROM certificates"

# By table: the columns of its checksum after the key, and the key with the run's id.
_SEALED = {
    "tasks": (schema.TASK_COLUMNS, "key, runs.id, "),
    "certificates": (schema.CERTIFICATE_COLUMNS, "key, "),
    "runs": (schema.RUN_COLUMNS, ""),
}


@dataclass(frozen=True)
class Merged:
    """What a store got from another.

    Attributes
    ----------
    runs, tasks, certificates : int
        How many rows are new in it; a task is a cell, or a step of an experiment.
    differ : int
        Cells that both have, with values that are not the same to the bit.
    largest : float
        The largest of these differences, in nats.
    contradictions : tuple of str
        For each source of which both keep certificates, or one of them several, and two contradict
        each other: the values, and the commands that delete one.
    """

    runs: int
    tasks: int
    certificates: int
    differ: int
    largest: float
    contradictions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rubbish:
    """Rows that can go, by table, with what they are.

    Attributes
    ----------
    kind : str
        Of `KINDS`, "runs" or "certificate".
    rows : dict of str to list of int
        Their numbers, by table.
    """

    kind: str
    rows: dict[str, list[int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self.rows.values()))


KINDS = {
    "damaged": "rows that do not fit their checksum",
    "failed": "cells and steps that failed or ran over a limit",
    "superseded": "cells and steps that a later run computed again",
    "unplanned": "cells and steps that no run of the store asks for",
}


def health(path: Path) -> dict[str, Any]:
    """Return what there is to know of the state of a store, reading all of it.

    Raises
    ------
    StoreError
        If it cannot be opened for reading.
    """
    if not path.exists():
        return {"path": str(path), "exists": False}
    with Store(path, create=False) as store, store.reading() as connection:
        (integrity,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        counts = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in _SEALED
        }
        unfinished = connection.execute("SELECT count(*) FROM runs WHERE finished IS NULL")
        last = connection.execute("SELECT max(started) FROM runs").fetchone()[0]
        return {
            "path": str(path),
            "exists": True,
            "bytes": path.stat().st_size,
            "integrity": integrity,
            "damaged": len(_damaged(connection)),
            "contradictions": [
                contradiction_text(found, path) for found in contradictions(connection).values()
            ],
            **counts,
            "unfinished": unfinished.fetchone()[0],
            "last_started": last,
        }


def rubbish(store: Store, kind: str) -> Rubbish:
    """Return the rows of a kind that can go; see `KINDS`."""
    if kind == "unplanned":
        runs = store.runs()
        known = {run.number for run in runs if run.plan}  # of the others, all may be planned
        planned = _planned_keys(runs)
        rows = _rows(store, lambda key, run: run in known and key not in planned)
        return Rubbish(kind, {"tasks": rows})
    with store.reading() as connection:
        if kind == "damaged":
            return _damaged(connection)
        if kind == "failed":
            where = "status <> 'ok'"
        else:
            where = (
                "EXISTS (SELECT 1 FROM tasks AS b WHERE b.key = tasks.key AND b.run > tasks.run)"
            )
        found = connection.execute(f"SELECT rowid FROM tasks WHERE {where}")
        return Rubbish(kind, {"tasks": [row for (row,) in found]})


def rubbish_of_runs(store: Store, chosen: Collection[StoredRun]) -> Rubbish:
    """Return runs, with those rows that they ask for and no other run does."""
    numbers = {run.number for run in chosen}
    others = _planned_keys(run for run in store.runs() if run.number not in numbers)
    alone = _planned_keys(chosen) - others
    rows = _rows(store, lambda key, run: key in alone)
    return Rubbish("runs", {"tasks": rows, "runs": sorted(numbers)})


def rubbish_of_certificate(store: Store, name: str) -> tuple[Certificate, Rubbish]:
    """Return the certificate whose id is, or begins with, `name`, and its row.

    Raises
    ------
    ValueError
        If there is no such certificate, or more than one.
    """
    with store.reading() as connection:
        every = [(row, each) for row, _, each in stored_certificates(connection) if each]
    found = [(row, each) for row, each in every if name and each.id.startswith(name)]
    if len(found) == 1:
        ((row, certificate),) = found
        return certificate, Rubbish("certificate", {"certificates": [row]})
    if found:
        ids = ", ".join(each.id for _, each in found)
        raise ValueError(f"{name!r} is the beginning of {len(found)} certificates: {ids}.")
    listed = "; ".join(f"{each.id} of {each.source}" for _, each in every[:_MOST_LISTED])
    more = f"; and {len(every) - _MOST_LISTED} more" if len(every) > _MOST_LISTED else ""
    raise ValueError(
        f"store {store.path} keeps no certificate {name!r}. Those it keeps: "
        f"{listed or 'none'}{more}."
    )


def remove(store: Store, kinds: Iterable[Rubbish]) -> int:
    """Delete rows, give the space back, and return how many bytes that was.

    A run that computed cells which stay keeps its line, as they say whose they are; one that is
    damaged keeps its id alone.
    """
    before = store.path.stat().st_size
    with store.writing() as connection:
        for each in kinds:
            for table in ("tasks", "certificates"):
                marks = [(row,) for row in each.rows.get(table, ())]
                connection.executemany(f"DELETE FROM {table} WHERE rowid = ?", marks)
            for number in each.rows.get("runs", ()):
                _remove_run(connection, number, each.kind == "damaged")
        connection.execute(f"DELETE FROM specs WHERE id NOT IN ({_SPECS_IN_USE})")
    store.shrink()
    return before - store.path.stat().st_size


def _remove_run(connection: sqlite3.Connection, number: int, damaged: bool) -> None:
    (run, used) = connection.execute(
        "SELECT id, EXISTS (SELECT 1 FROM tasks WHERE run = number) FROM runs WHERE number = ?",
        (number,),
    ).fetchone()
    if not used:
        connection.execute("DELETE FROM runs WHERE number = ?", (number,))
    elif damaged:
        row = (run, *schema.LOST_RUN)
        schema.insert(connection, "runs", (number, *row, schema.seal(*row), None))


def merge(store: Store, other: Path) -> Merged:
    """Put the rows of another store that are new into this one; all of them, or none.

    Raises
    ------
    StoreError
        If the other cannot be read, or a row of it is damaged.
    """
    if not other.exists():
        raise StoreError(f"there is no store {other}.")
    if other.resolve() == store.path.resolve():
        raise StoreError(f"store {other} cannot be merged into itself.")
    with Store(other, create=False) as theirs, theirs.reading() as source:
        source.execute("BEGIN")  # as it is now, though a run goes on in it
        bad = _damaged(source)
        if bad:
            raise StoreError(
                f"store {other} has {len(bad)} damaged rows; nothing of it was taken. "
                f"`entbench clean --damaged --store {other}` takes them out."
            )
        with store.writing() as target:
            differ, largest = _differences(source, target)
            runs = _merge_runs(source, target)
            numbers = _numbers(source, target)
            specs = _merge_specs(source, target)
            tasks, certificates = (
                _merge_rows(source, target, table, columns, {"run": numbers, "spec": specs})
                for table, columns in _COPIED.items()
            )
            told = _contradictions(source, target, store.path)
    return Merged(runs, tasks, certificates, differ, largest, told)


_COPIED = {"tasks": ("key", "run", "spec", "place"), "certificates": ("key", "spec")}


def _merge_runs(source: sqlite3.Connection, target: sqlite3.Connection) -> int:
    columns = ", ".join((*schema.RUN_COLUMNS, "seal", "finished"))
    marks = ",".join("?" * (len(schema.RUN_COLUMNS) + 2))
    new = 0
    for row in source.execute(f"SELECT {columns} FROM runs ORDER BY number"):
        query = f"INSERT OR IGNORE INTO runs ({columns}) VALUES ({marks})"
        new += target.execute(query, row).rowcount
        ended = "UPDATE runs SET finished = ? WHERE id = ? AND finished IS NULL"
        target.execute(ended, (row[-1], row[0]))
    return new


def _merge_specs(source: sqlite3.Connection, target: sqlite3.Connection) -> dict[int, int]:
    rows = source.execute("SELECT id, spec FROM specs").fetchall()
    return {number: schema.spec_id(target, spec) for number, spec in rows}


def _numbers(source: sqlite3.Connection, target: sqlite3.Connection) -> dict[int, int]:
    ours = dict(target.execute("SELECT id, number FROM runs"))
    return {number: ours[run] for number, run in source.execute("SELECT number, id FROM runs")}


def _merge_rows(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    table: str,
    columns: Sequence[str],
    numbers: Mapping[str, Mapping[int, int]],
) -> int:
    """Copy the rows that are new, with the numbers that runs and specs have in the target."""
    every = (*columns, *_SEALED[table][0], "seal")
    query = f"INSERT OR IGNORE INTO {table} ({', '.join(every)}) VALUES ({_marks(every)})"
    rows = (
        tuple(
            numbers[name][value] if name in numbers else value
            for name, value in zip(every, row, strict=True)
        )
        for row in source.execute(f"SELECT {', '.join(every)} FROM {table} ORDER BY rowid")
    )
    return int(target.executemany(query, rows).rowcount)


def _contradictions(
    source: sqlite3.Connection, target: sqlite3.Connection, path: Path
) -> tuple[str, ...]:
    """Return what contradicts itself in the target, of the sources that the other store has."""
    theirs = {key for (key,) in source.execute("SELECT DISTINCT key FROM certificates")}
    return tuple(
        contradiction_text(found, path)
        for key, found in contradictions(target).items()
        if key in theirs
    )


def _differences(source: sqlite3.Connection, target: sqlite3.Connection) -> tuple[int, float]:
    """Return how many cells both have with other values, and the largest difference."""
    count, largest = 0, 0.0
    rows = source.execute("SELECT key, result FROM tasks WHERE status = 'ok' ORDER BY run")
    while batch := dict(rows.fetchmany(_BATCH)):
        query = "SELECT key, result FROM tasks WHERE status = 'ok' AND key IN ({}) ORDER BY run"
        ours = dict(target.execute(query.format(_marks(batch)), list(batch)))
        changed = [(batch[key], result) for key, result in ours.items() if batch[key] != result]
        pairs = [[json.loads(result).get("value", 0.0) for result in pair] for pair in changed]
        apart = [abs(first - second) for first, second in pairs if first != second]
        count, largest = count + len(apart), max([largest, *apart])
    return count, largest


def _damaged(connection: sqlite3.Connection) -> Rubbish:
    rows = {}
    for table, (columns, head) in _SEALED.items():
        names = ", ".join(f"{table}.{column}" for column in columns)
        joined = " LEFT JOIN runs ON runs.number = run" if "runs.id" in head else ""
        rows[table] = [
            row
            for row, mark, *sealed in connection.execute(
                f"SELECT {table}.rowid, {table}.seal, {head}{names} FROM {table}{joined}"
            )
            if mark != schema.seal(*sealed)
        ]
    certificates = stored_certificates(connection)
    rows["certificates"] = [row for row, _, certificate in certificates if certificate is None]
    return Rubbish("damaged", {table: found for table, found in rows.items() if found})


def _rows(store: Store, can_go: Callable[[bytes, int], bool]) -> list[int]:
    """Return the numbers of the rows of tasks that can go, told by key and run."""
    with store.reading() as connection:
        rows = connection.execute("SELECT rowid, key, run FROM tasks").fetchall()
    return [row for row, key, run in rows if can_go(key, run)]


def _planned_keys(runs: Iterable[StoredRun]) -> set[bytes]:
    return {bytes.fromhex(task.key) for run in runs for task in run.tasks}


def _marks(values: Collection[Any]) -> str:
    return ",".join("?" * len(values))
