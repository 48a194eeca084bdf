"""Tables of the store, how earlier formats become this one, and what tells damage."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

APPLICATION_ID = 0x656E7462  # "entb"
FORMAT = 3

# Runs are numbered as they begin: which came later is told by that, and by no clock.
# Columns with JSON: params, versions, plan, step, interval, diagnostics, result, checks.
_SCHEMA = """
CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('suite', 'experiment')),
    suite TEXT NOT NULL,
    params TEXT NOT NULL,
    seed INTEGER NOT NULL,
    version TEXT NOT NULL,
    python TEXT NOT NULL,
    platform TEXT NOT NULL,
    started TEXT NOT NULL,
    command TEXT NOT NULL,
    versions TEXT NOT NULL,
    plan TEXT NOT NULL,
    seal BLOB NOT NULL,
    finished TEXT
);
CREATE TABLE specs (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    origin TEXT NOT NULL,
    params TEXT NOT NULL,
    UNIQUE (name, version, origin, params)
);
CREATE TABLE cells (
    key BLOB NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (number),
    source INTEGER NOT NULL REFERENCES specs (id),
    estimator INTEGER NOT NULL REFERENCES specs (id),
    n INTEGER NOT NULL,
    trial INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('ok', 'failed', 'timeout', 'memory')),
    message TEXT NOT NULL,
    seconds REAL NOT NULL,
    value REAL,
    numerical_error REAL,
    standard_error REAL,
    interval TEXT,
    diagnostics TEXT NOT NULL,
    seal BLOB NOT NULL,
    CHECK ((status = 'ok') = (value IS NOT NULL))
);
CREATE UNIQUE INDEX cells_by_key ON cells (key, run);
CREATE TABLE measurements (
    key BLOB NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (number),
    experiment INTEGER NOT NULL REFERENCES specs (id),
    step TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('ok', 'failed', 'timeout', 'memory')),
    message TEXT NOT NULL,
    seconds REAL NOT NULL,
    result TEXT NOT NULL,
    seal BLOB NOT NULL
);
CREATE UNIQUE INDEX measurements_by_key ON measurements (key, run);
CREATE TABLE certificates (
    key BLOB NOT NULL,
    source INTEGER NOT NULL REFERENCES specs (id),
    value REAL NOT NULL,
    error REAL NOT NULL,
    confidence REAL NOT NULL,
    method TEXT NOT NULL,
    quantity TEXT NOT NULL,
    checks TEXT NOT NULL,
    versions TEXT NOT NULL,
    seal BLOB NOT NULL,
    PRIMARY KEY (key, error, confidence, value)
);
CREATE VIEW results AS
    SELECT lower(hex(key)) AS key, runs.id AS run, runs.suite,
        s.name AS source, s.version AS source_version, s.params AS source_params,
        e.name AS estimator, e.version AS estimator_version, e.params AS estimator_params,
        n, trial, cells.seed, status, message, seconds, value, numerical_error, standard_error,
        json_extract(interval, '$.low') AS interval_low,
        json_extract(interval, '$.high') AS interval_high,
        json_extract(interval, '$.confidence') AS interval_confidence, diagnostics
    FROM cells JOIN runs ON runs.number = cells.run
        JOIN specs AS s ON s.id = cells.source JOIN specs AS e ON e.id = cells.estimator
"""

# What is sealed: all that a reader relies on. Specs, n, trial and seed are told by the key; a run
# goes in by its id, as its number changes where stores are merged.
RUN_COLUMNS = (
    *("id", "kind", "suite", "params", "seed", "version", "python", "platform", "started"),
    *("command", "versions", "plan"),
)
CELL_COLUMNS = (
    *("status", "message", "seconds", "value", "numerical_error", "standard_error", "interval"),
    "diagnostics",
)
MEASUREMENT_COLUMNS = ("step", "status", "message", "seconds", "result")
CERTIFICATE_COLUMNS = (
    *("value", "error", "confidence", "method", "quantity", "checks", "versions"),
)


# A run of which only the id is known: `RUN_COLUMNS` but for the first.
UNKNOWN_RUN = ("suite", "unknown", "{}", 0, "", "", "", "", "", "{}", "")


def seal(*values: Any) -> bytes:
    """Return a checksum of a row's values, which tells a flipped bit."""
    said = [value.hex() if isinstance(value, bytes) else value for value in values]
    text = json.dumps(said, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def create(connection: sqlite3.Connection) -> None:
    """Make the tables, in the transaction that is open."""
    for statement in filter(str.strip, _SCHEMA.split(";")):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def insert(connection: sqlite3.Connection, table: str, row: Sequence[Any]) -> None:
    """Write a row, in place of one with the same key."""
    marks = ",".join("?" * len(row))
    connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", tuple(row))


def spec_id(connection: sqlite3.Connection, identity: Sequence[str]) -> int:
    """Return the number of a spec, which gets one if it has none."""
    connection.execute(
        "INSERT OR IGNORE INTO specs (name, version, origin, params) VALUES (?, ?, ?, ?)", identity
    )
    query = "SELECT id FROM specs WHERE (name, version, origin, params) = (?, ?, ?, ?)"
    (found,) = connection.execute(query, identity).fetchone()
    return int(found)


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Turn a store of an earlier format into this one, in the transaction that is open.

    In format 1 cells had their specs written out, and no run kept its plan; there were no
    checksums, so that what is there is taken as it is. In 1 and 2 the error of a cell was the
    numerical one by another name, and there were no intervals; of two certificates of one source
    with the same error and confidence, the later one replaced the other.
    """
    if version == 1:
        _migrate_from_1(connection)
    else:
        _migrate_from_2(connection)
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def _migrate_from_2(connection: sqlite3.Connection) -> None:
    connection.execute("DROP VIEW results")
    connection.execute("DROP INDEX cells_by_key")
    for name in ("cells", "certificates"):
        connection.execute(f"ALTER TABLE {name} RENAME TO old_{name}")
    wanted = (
        *("CREATE TABLE cells", "CREATE UNIQUE INDEX cells_by_key", "CREATE VIEW results"),
        "CREATE TABLE certificates",
    )
    for statement in map(str.strip, _SCHEMA.split(";")):
        if statement.startswith(wanted):
            connection.execute(statement)
    rows = connection.execute(
        "SELECT old_cells.*, runs.id FROM old_cells LEFT JOIN runs ON runs.number = run "
        "ORDER BY old_cells.rowid"
    )
    for key, run, source, estimator, n, trial, seed, *said, mark, made_by in rows.fetchall():
        whole = mark == seal(key.hex(), made_by, *said)
        now = _cell_of_before(said)
        mark = seal(key.hex(), made_by, *now) if whole else mark  # what was damaged stays so
        insert(connection, "cells", (key, run, source, estimator, n, trial, seed, *now, mark))
    connection.execute("DROP TABLE old_cells")
    connection.execute("INSERT INTO certificates SELECT * FROM old_certificates")
    connection.execute("DROP TABLE old_certificates")


def _cell_of_before(said: Sequence[Any]) -> tuple[Any, ...]:
    """Return `CELL_COLUMNS` from those of formats 1 and 2."""
    status, message, value, numerical_error, seconds, diagnostics = said
    return status, message, seconds, value, numerical_error, None, None, diagnostics


def _migrate_from_1(connection: sqlite3.Connection) -> None:
    old = [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if name in ("cells", "runs", "certificates", "measurements")
    ]
    for name in old:
        connection.execute(f"ALTER TABLE {name} RENAME TO old_{name}")
    create(connection)
    numbers = _migrate_runs(connection, old)
    if "cells" in old:
        _migrate_cells(connection, numbers)
    if "measurements" in old:
        _migrate_measurements(connection, numbers)
    if "certificates" in old:
        _migrate_certificates(connection)
    for name in old:
        connection.execute(f"DROP TABLE old_{name}")


def _migrate_runs(connection: sqlite3.Connection, old: Iterable[str]) -> dict[str, int]:
    rows = connection.execute(
        "SELECT id, suite, params, seed, version, python, platform, started, finished "
        "FROM old_runs ORDER BY rowid"
    ).fetchall()
    for run, suite, params, *rest, finished in rows:
        _add_old_run(connection, (run, "suite", suite, params, *rest, "", "{}", ""), finished)
    known = {row[0] for row in rows}
    for table in {"cells", "measurements"} & set(old):
        for (run,) in connection.execute(f"SELECT DISTINCT run FROM old_{table}").fetchall():
            if run not in known:  # a run cut short in a way that lost its row
                known.add(run)
                _add_old_run(connection, (run, *UNKNOWN_RUN), None)
    return dict(connection.execute("SELECT id, number FROM runs"))


def _add_old_run(connection: sqlite3.Connection, row: Sequence[Any], finished: str | None) -> None:
    insert(connection, "runs", (None, *row, seal(*row), finished))


def _migrate_cells(connection: sqlite3.Connection, numbers: dict[str, int]) -> None:
    rows = connection.execute("SELECT * FROM old_cells ORDER BY source, estimator, n, trial")
    for key, *columns in rows.fetchall():
        source, estimator = columns[0:4], columns[4:8]
        n, trial, seed, *before, run = columns[8:]
        said = _cell_of_before(before)
        specs = (spec_id(connection, source), spec_id(connection, estimator))
        mark = seal(key, run, *said)
        row = (bytes.fromhex(key), numbers[run], *specs, n, trial, seed, *said, mark)
        insert(connection, "cells", row)


def _migrate_measurements(connection: sqlite3.Connection, numbers: dict[str, int]) -> None:
    rows = connection.execute(
        "SELECT key, experiment, experiment_version, experiment_origin, experiment_params, step, "
        "status, message, seconds, result, run FROM old_measurements"
    )
    for key, *columns in rows.fetchall():
        *said, run = columns[4:]
        spec, mark = spec_id(connection, columns[:4]), seal(key, run, *said)
        insert(connection, "measurements", (bytes.fromhex(key), numbers[run], spec, *said, mark))


def _migrate_certificates(connection: sqlite3.Connection) -> None:
    rows = connection.execute(
        "SELECT key, source, source_version, source_origin, source_params, value, error, "
        "confidence, method, quantity, checks, versions FROM old_certificates"
    )
    for key, *columns in rows.fetchall():
        spec, said = spec_id(connection, columns[:4]), columns[4:]
        insert(connection, "certificates", (bytes.fromhex(key), spec, *said, seal(key, *said)))
