"""The store: one SQLite file of finished cells and certificates. Only a driver writes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from entbench._base import Reference, ReferenceCheck
from entbench._records import Cell, Measurement, Record, RunInfo, Spec, Step

_APPLICATION_ID = 0x656E7462  # "entb"
_FORMAT = 1
_LOCK_SECONDS = 5.0
_BATCH = 500

_SCHEMA = """
CREATE TABLE cells (
    key TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    source_version TEXT NOT NULL,
    source_origin TEXT NOT NULL,
    source_params TEXT NOT NULL,
    estimator TEXT NOT NULL,
    estimator_version TEXT NOT NULL,
    estimator_origin TEXT NOT NULL,
    estimator_params TEXT NOT NULL,
    n INTEGER NOT NULL,
    trial INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('ok', 'failed')),
    message TEXT NOT NULL,
    value REAL,
    standard_error REAL,
    seconds REAL NOT NULL,
    diagnostics TEXT NOT NULL,
    run TEXT NOT NULL,
    CHECK ((status = 'ok') = (value IS NOT NULL))
) WITHOUT ROWID;
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    suite TEXT NOT NULL,
    params TEXT NOT NULL,
    seed INTEGER NOT NULL,
    version TEXT NOT NULL,
    python TEXT NOT NULL,
    platform TEXT NOT NULL,
    started TEXT NOT NULL,
    finished TEXT
);
"""

# Came after the first stores, which get it when they are next opened for writing.
_CERTIFICATES = """
CREATE TABLE IF NOT EXISTS certificates (
    key TEXT NOT NULL,
    source TEXT NOT NULL,
    source_version TEXT NOT NULL,
    source_origin TEXT NOT NULL,
    source_params TEXT NOT NULL,
    value REAL NOT NULL,
    error REAL NOT NULL,
    confidence REAL NOT NULL,
    method TEXT NOT NULL,
    quantity TEXT NOT NULL,
    checks TEXT NOT NULL,
    versions TEXT NOT NULL,
    PRIMARY KEY (key, error, confidence)
) WITHOUT ROWID
"""

_MEASUREMENTS = """
CREATE TABLE IF NOT EXISTS measurements (
    key TEXT PRIMARY KEY,
    experiment TEXT NOT NULL,
    experiment_version TEXT NOT NULL,
    experiment_origin TEXT NOT NULL,
    experiment_params TEXT NOT NULL,
    step TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('ok', 'failed')),
    message TEXT NOT NULL,
    seconds REAL NOT NULL,
    result TEXT NOT NULL,
    run TEXT NOT NULL
) WITHOUT ROWID
"""


class StoreError(OSError):
    """A store that cannot be used; it is left as it was found."""


@dataclass(frozen=True)
class Certificate:
    """A reference that sampling made, and the versions of what made it, by name."""

    reference: Reference
    versions: dict[str, str]


class Store:
    """Finished cells and certificates by key, in one SQLite file in WAL mode.

    Every cell is committed as it comes, so that a killed run loses only the cells in flight.

    Parameters
    ----------
    path : Path
        Made, with its folder, if it is not there and `create` is true.
    create : bool, default=True
        Whether to make a store where there is none. If not, a store that is not there is empty,
        and an existing one is opened for reading only.

    Raises
    ------
    StoreError
        If the file is no store, corrupt, locked, of a newer format, or cannot be written.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self.writable = create
        with self._errors():
            self._connection = self._open(create)
            try:
                self._prepare(create)
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def records(self, cells: Iterable[Cell]) -> Iterator[Record]:
        """Yield the records of those cells that are stored."""
        by_key = {cell.key: cell for cell in cells}
        keys = list(by_key)
        for start in range(0, len(keys), _BATCH):
            batch = keys[start : start + _BATCH]
            marks = ",".join("?" * len(batch))
            with self._errors():
                rows = self._connection.execute(
                    "SELECT key, status, message, value, standard_error, seconds, diagnostics "
                    f"FROM cells WHERE key IN ({marks})",
                    batch,
                ).fetchall()
            for key, status, message, value, error, seconds, said in rows:
                diagnostics = json.loads(said)
                yield Record(by_key[key], status, message, value, error, seconds, diagnostics)

    def add(self, record: Record, run: str) -> None:
        """Store a record, in place of an earlier one of the same cell."""
        cell = record.cell
        row = (
            cell.key,
            *_columns(cell),
            record.status,
            record.message,
            record.value,
            record.standard_error,
            record.seconds,
            json.dumps(record.diagnostics, allow_nan=False),
            run,
        )
        with self._errors(), self._connection:
            self._connection.execute(
                f"INSERT OR REPLACE INTO cells VALUES ({','.join('?' * len(row))})", row
            )

    def certificate(self, key: str, error: float, confidence: float) -> Certificate | None:
        """Return the tightest certificate stored that is good enough, or None."""
        with self._errors():
            if not self._has("certificates"):
                return None
            row = self._connection.execute(
                "SELECT value, error, confidence, method, quantity, checks, versions "
                "FROM certificates WHERE key = ? AND error <= ? AND confidence >= ? "
                "ORDER BY error, confidence DESC LIMIT 1",
                (key, error, confidence),
            ).fetchone()
        if row is None:
            return None
        value, found, level, method, quantity, checks, versions = row
        made = tuple(ReferenceCheck(**check) for check in json.loads(checks))
        reference = Reference(value, found, method, made, quantity, level)
        return Certificate(reference, json.loads(versions))

    def add_certificate(self, key: str, source: Spec, certificate: Certificate) -> None:
        """Store a certificate under a key; a store that is open for reading is left as it is."""
        if not self.writable:
            return
        reference = certificate.reference
        row = (
            key,
            *_identity(source),
            reference.value,
            reference.error,
            reference.confidence,
            reference.method,
            reference.quantity,
            json.dumps([asdict(check) for check in reference.checks], allow_nan=False),
            json.dumps(certificate.versions, sort_keys=True),
        )
        with self._errors(), self._connection:
            self._connection.execute(
                f"INSERT OR REPLACE INTO certificates VALUES ({','.join('?' * len(row))})", row
            )

    def measurements(self, steps: Iterable[Step]) -> Iterator[Measurement]:
        """Yield the outcomes of those steps that are stored."""
        with self._errors():
            if not self._has("measurements"):
                return
        for step in steps:
            with self._errors():
                row = self._connection.execute(
                    "SELECT status, message, seconds, result FROM measurements WHERE key = ?",
                    (step.key,),
                ).fetchone()
            if row is not None:
                status, message, seconds, result = row
                yield Measurement(step, status, message, seconds, json.loads(result))

    def add_measurement(self, found: Measurement, run: str) -> None:
        """Store the outcome of a step, in place of an earlier one."""
        row = (
            found.step.key,
            *_identity(found.step.experiment),
            json.dumps(dict(found.step.at), sort_keys=True),
            found.status,
            found.message,
            found.seconds,
            json.dumps(found.result, allow_nan=False),
            run,
        )
        with self._errors(), self._connection:
            self._connection.execute(
                f"INSERT OR REPLACE INTO measurements VALUES ({','.join('?' * len(row))})", row
            )

    def start_run(self, info: RunInfo, suite: str, params: str) -> None:
        """Note that a run has begun."""
        with self._errors(), self._connection:
            self._connection.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                (
                    info.id,
                    suite,
                    params,
                    info.seed,
                    info.version,
                    info.python,
                    info.platform,
                    info.started,
                ),
            )

    def finish_run(self, run: str) -> None:
        """Note that a run has come to its end, now."""
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        with self._errors(), self._connection:
            self._connection.execute("UPDATE runs SET finished = ? WHERE id = ?", (finished, run))

    def _has(self, table: str) -> bool:
        """Tell whether there is such a table: stores from before it lack it until written to."""
        query = "SELECT count(*) FROM sqlite_master WHERE name = ?"
        return bool(self._connection.execute(query, (table,)).fetchone()[0])

    def _open(self, create: bool) -> sqlite3.Connection:
        if self.path.is_dir():
            raise StoreError(f"store {self.path} is a folder; --store takes a file.")
        if create:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return sqlite3.connect(self.path, timeout=_LOCK_SECONDS)
        if self.path.exists():
            return sqlite3.connect(
                f"{self.path.resolve().as_uri()}?mode=ro", timeout=_LOCK_SECONDS, uri=True
            )
        connection = sqlite3.connect(":memory:")
        connection.executescript(_SCHEMA)
        return connection

    def _prepare(self, create: bool) -> None:
        """Check that the file is ours and whole; only then touch it."""
        if self._connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise StoreError(self._corrupt("it fails SQLite's integrity check"))
        (application,) = self._connection.execute("PRAGMA application_id").fetchone()
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application == _APPLICATION_ID and version > _FORMAT:
            raise StoreError(
                f"store {self.path} was written by a newer entbench (format {version}; this one "
                f"knows {_FORMAT}). Upgrade entbench, or choose another file with --store."
            )
        if application != _APPLICATION_ID and tables and create:
            raise StoreError(
                f"{self.path} is an SQLite file of something else. Choose another with --store."
            )
        if not create:
            return
        # Wait for the write lock here, before any work is done, and not at the first record.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("BEGIN IMMEDIATE")
        if not self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            self._connection.execute(f"PRAGMA user_version = {_FORMAT}")
        self._connection.execute(_CERTIFICATES)
        self._connection.execute(_MEASUREMENTS)
        self._connection.commit()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what SQLite and the file system complain of into one line."""
        try:
            yield
        except StoreError:
            raise
        except sqlite3.DatabaseError as error:
            text = str(error)
            if "locked" in text or "busy" in text:
                raise StoreError(
                    f"store {self.path} is locked by another program; wait for it, or choose "
                    "another file with --store."
                ) from error
            if "readonly" in text or "unable to open" in text or "disk" in text:
                raise StoreError(f"store {self.path} cannot be written: {text}.") from error
            raise StoreError(self._corrupt(text)) from error
        except OSError as error:
            raise StoreError(f"store {self.path} cannot be used: {error}.") from error

    def _corrupt(self, why: str) -> str:
        return (
            f"store {self.path} is no store of entbench or is damaged ({why}). It is left as it "
            "is; move it away, or choose another file with --store."
        )


def _columns(cell: Cell) -> tuple[str | int, ...]:
    specs = (*_identity(cell.source), *_identity(cell.estimator))
    return (*specs, cell.n, cell.trial, cell.seed)


def _identity(spec: Spec) -> tuple[str, str, str, str]:
    return spec.name, spec.version, spec.origin, json.dumps(dict(spec.params), sort_keys=True)
