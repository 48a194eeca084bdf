"""Tables of the store, and the checksums of their rows."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from typing import Any

APPLICATION_ID = 0x656E7462  # "entb"
FORMAT = 4

# Runs are numbered as they begin: no clock decides which came later.
# Columns with JSON: info, plan, spec, place, result, checks, versions.
_SCHEMA = """
CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    started TEXT NOT NULL,
    info TEXT NOT NULL,
    plan TEXT NOT NULL,
    seal BLOB NOT NULL,
    finished TEXT
);
CREATE TABLE specs (id INTEGER PRIMARY KEY, spec TEXT NOT NULL UNIQUE);
CREATE TABLE tasks (
    key BLOB NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (number),
    spec INTEGER NOT NULL REFERENCES specs (id),
    place TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('ok', 'failed', 'timeout', 'memory')),
    message TEXT NOT NULL,
    seconds REAL NOT NULL,
    result TEXT NOT NULL,
    seal BLOB NOT NULL
);
CREATE UNIQUE INDEX tasks_by_key ON tasks (key, run);
CREATE TABLE certificates (
    key BLOB NOT NULL,
    spec INTEGER NOT NULL REFERENCES specs (id),
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
    SELECT lower(hex(key)) AS key, runs.id AS run, json_extract(plan, '$.suite') AS suite,
        json_extract(specs.spec, '$.source.name') AS source,
        json_extract(specs.spec, '$.source.version') AS source_version,
        json_extract(specs.spec, '$.source.params') AS source_params,
        json_extract(specs.spec, '$.estimator.name') AS estimator,
        json_extract(specs.spec, '$.estimator.version') AS estimator_version,
        json_extract(specs.spec, '$.estimator.params') AS estimator_params,
        json_extract(specs.spec, '$.experiment.name') AS experiment,
        json_extract(specs.spec, '$.experiment.version') AS experiment_version,
        json_extract(specs.spec, '$.experiment.params') AS experiment_params,
        json_extract(place, '$.n') AS n, json_extract(place, '$.trial') AS trial,
        json_extract(place, '$.seed') AS seed, json_extract(place, '$.step') AS step,
        status, message, seconds,
        json_extract(result, '$.value') AS value,
        json_extract(result, '$.numerical_error') AS numerical_error,
        json_extract(result, '$.standard_error') AS standard_error,
        json_extract(result, '$.interval.low') AS interval_low,
        json_extract(result, '$.interval.high') AS interval_high,
        json_extract(result, '$.interval.confidence') AS interval_confidence,
        json_extract(result, '$.diagnostics') AS diagnostics, result
    FROM tasks JOIN runs ON runs.number = tasks.run JOIN specs ON specs.id = tasks.spec
"""

# All that a checksum covers besides the key. The key determines spec and place; a run is sealed
# with its id, as its number changes where stores are merged.
RUN_COLUMNS = ("id", "started", "info", "plan")
TASK_COLUMNS = ("status", "message", "seconds", "result")
CERTIFICATE_COLUMNS = (
    *("value", "error", "confidence", "method", "quantity", "checks", "versions"),
)

# The columns after the id of a run that was damaged, and whose tasks are kept.
LOST_RUN = ("", '{"version": "", "seed": 0, "python": "", "platform": ""}', "{}")


def seal(*values: Any) -> bytes:
    """Return the checksum of a row's values; a flipped bit changes it."""
    plain = [value.hex() if isinstance(value, bytes) else value for value in values]
    text = json.dumps(plain, separators=(",", ":"))
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


def spec_id(connection: sqlite3.Connection, spec: str) -> int:
    """Return the number of a spec, which gets one if it has none."""
    connection.execute("INSERT OR IGNORE INTO specs (spec) VALUES (?)", (spec,))
    (found,) = connection.execute("SELECT id FROM specs WHERE spec = ?", (spec,)).fetchone()
    return int(found)
