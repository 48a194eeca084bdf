"""What is done to whole stores: their health, what can go, and one put into another."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
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
from entbench.runner._plan_rows import planned_cells, planned_steps
from entbench.runner._store import Store, StoredRun, StoreError

_BATCH = 500
_MOST_LISTED = 10
_TASKS = ("cells", "measurements")
_SPECS_IN_USE = """
    SELECT source FROM cells UNION SELECT estimator FROM cells
    UNION SELECT experiment FROM measurements UNION SELECT source FROM certificates
"""

# Per table, what its checksum is made of: the key, and the run's id where there is one.
_SEALED = {
    "cells": (schema.CELL_COLUMNS, "key, runs.id"),
    "measurements": (schema.MEASUREMENT_COLUMNS, "key, runs.id"),
    "certificates": (schema.CERTIFICATE_COLUMNS, "key"),
    "runs": (schema.RUN_COLUMNS, ""),
}


@dataclass(frozen=True)
class Merged:
    """What a store got from another.

    Attributes
    ----------
    runs, cells, steps, certificates : int
        How many rows are new in it.
    differ : int
        Cells that both have, with values that are not the same to the bit.
    largest : float
        The largest of these differences, in nats.
    contradictions : tuple of str
        For each source of which both keep certificates, or one of them several, and two contradict
        each other: the values, and the commands that delete one.
    """

    runs: int
    cells: int
    steps: int
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
        return _unplanned(store, _planned_keys(store.runs()))
    with store.reading() as connection:
        if kind == "damaged":
            return _damaged(connection)
        if kind == "failed":
            return _of_both(kind, connection, "status <> 'ok'")
        later = "EXISTS (SELECT 1 FROM {0} AS b WHERE b.key = {0}.key AND b.run > {0}.run)"
        return _of_both(kind, connection, later)


def rubbish_of_runs(store: Store, chosen: Collection[StoredRun]) -> Rubbish:
    """Return runs, with those rows that they ask for and no other run does."""
    numbers = {run.number for run in chosen}
    others = _planned_keys(run for run in store.runs() if run.number not in numbers)
    alone = _planned_keys(chosen) - others
    with store.reading() as connection:
        rows = {
            table: [row for row, key in _keys(connection, table) if key in alone]
            for table in _TASKS
        }
    return Rubbish("runs", {**rows, "runs": sorted(numbers)})


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
            for table in (*_TASKS, "certificates"):
                marks = [(row,) for row in each.rows.get(table, ())]
                connection.executemany(f"DELETE FROM {table} WHERE rowid = ?", marks)
            for number in each.rows.get("runs", ()):
                _remove_run(connection, number, each.kind == "damaged")
        connection.execute(f"DELETE FROM specs WHERE id NOT IN ({_SPECS_IN_USE})")
    store.shrink()
    return before - store.path.stat().st_size


def _remove_run(connection: sqlite3.Connection, number: int, damaged: bool) -> None:
    queries = [f"EXISTS (SELECT 1 FROM {table} WHERE run = runs.number)" for table in _TASKS]
    (run, used) = connection.execute(
        f"SELECT id, {' OR '.join(queries)} FROM runs WHERE number = ?", (number,)
    ).fetchone()
    if not used:
        connection.execute("DELETE FROM runs WHERE number = ?", (number,))
    elif damaged:
        row = (run, *schema.UNKNOWN_RUN)
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
            specs = _merge_specs(source, target)
            numbers = _numbers(source, target)
            cells, steps, certificates = (
                _merge_rows(source, target, table, columns, numbers, specs)
                for table, columns in _COPIED.items()
            )
            told = _contradictions(source, target, store.path)
    return Merged(runs, cells, steps, certificates, differ, largest, told)


# Per table, its columns, those that hold numbers of runs and of specs first.
_COPIED = {
    "cells": (("run",), ("source", "estimator"), ("key", "n", "trial", "seed")),
    "measurements": (("run",), ("experiment",), ("key",)),
    "certificates": ((), ("source",), ("key",)),
}


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
    rows = source.execute("SELECT id, name, version, origin, params FROM specs")
    return {number: schema.spec_id(target, identity) for number, *identity in rows.fetchall()}


def _numbers(source: sqlite3.Connection, target: sqlite3.Connection) -> dict[int, int]:
    ours = dict(target.execute("SELECT id, number FROM runs"))
    return {number: ours[run] for number, run in source.execute("SELECT number, id FROM runs")}


def _merge_rows(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    table: str,
    columns: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]],
    numbers: dict[int, int],
    specs: dict[int, int],
) -> int:
    runs, named, others = columns
    every = (*runs, *named, *others, *_SEALED[table][0], "seal")
    query = f"INSERT OR IGNORE INTO {table} ({', '.join(every)}) VALUES ({_marks(every)})"
    start, end = len(runs), len(runs) + len(named)
    rows = (
        (*(numbers[x] for x in row[:start]), *(specs[x] for x in row[start:end]), *row[end:])
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
    rows = source.execute("SELECT key, value FROM cells WHERE value IS NOT NULL ORDER BY run")
    while batch := dict(rows.fetchmany(_BATCH)):
        query = "SELECT key, value FROM cells WHERE value IS NOT NULL AND key IN ({}) ORDER BY run"
        ours = dict(target.execute(query.format(_marks(batch)), list(batch)))
        apart = [abs(batch[key] - value) for key, value in ours.items() if batch[key] != value]
        count, largest = count + len(apart), max([largest, *apart])
    return count, largest


def _damaged(connection: sqlite3.Connection) -> Rubbish:
    rows = {}
    for table, (columns, head) in _SEALED.items():
        names = ", ".join(f"{table}.{column}" for column in columns)
        joined = " LEFT JOIN runs ON runs.number = run" if "runs.id" in head else ""
        chosen = f"{head}, {names}" if head else names
        rows[table] = [
            row
            for row, mark, *said in connection.execute(
                f"SELECT {table}.rowid, {table}.seal, {chosen} FROM {table}{joined}"
            )
            if mark != schema.seal(*said)
        ]
    certificates = stored_certificates(connection)
    rows["certificates"] = [row for row, _, certificate in certificates if certificate is None]
    return Rubbish("damaged", {table: found for table, found in rows.items() if found})


def _of_both(kind: str, connection: sqlite3.Connection, where: str) -> Rubbish:
    return Rubbish(
        kind,
        {
            table: [
                row
                for (row,) in connection.execute(
                    f"SELECT rowid FROM {table} WHERE {where.format(table)}"
                )
            ]
            for table in _TASKS
        },
    )


def _unplanned(store: Store, planned: set[bytes]) -> Rubbish:
    """Return what no plan asks for, but for what runs computed whose plan is not known."""
    with store.reading() as connection:
        rows = {
            table: [
                row
                for row, key in _keys(connection, table, "WHERE plan <> ''")
                if key not in planned
            ]
            for table in _TASKS
        }
    return Rubbish("unplanned", rows)


def _keys(connection: sqlite3.Connection, table: str, where: str = "") -> list[tuple[int, bytes]]:
    query = f"SELECT {table}.rowid, key FROM {table} JOIN runs ON runs.number = run {where}"
    return connection.execute(query).fetchall()


def _planned_keys(runs: Iterable[StoredRun]) -> set[bytes]:
    """Return the keys that runs ask for; a run whose plan is not known asks for nothing."""
    found: set[bytes] = set()
    for run in runs:
        if run.plan is None:
            continue
        wanted: Sequence[Any] = (
            planned_steps(run.plan)
            if run.kind == "experiment"
            else planned_cells(run.plan, run.info.seed)
        )
        found.update(bytes.fromhex(each.key) for each in wanted)
    return found


def _marks(values: Collection[Any]) -> str:
    return ",".join("?" * len(values))
