"""The store: one SQLite file of runs, finished cells and certificates. Only a driver writes."""

from __future__ import annotations

import json
import shlex
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from entbench._records import Cell, Outcome, RunInfo, Spec, Step, T
from entbench.runner import _schema as schema
from entbench.runner._certificate_rows import (
    Certificate,
    certificate_id,
    certificate_row,
    contradicting,
    contradiction_text,
    stored_certificates,
)
from entbench.runner._plan_rows import planned_params, planned_tasks, planned_text, typed

_LOCK_SECONDS = 5.0  # to wait for others on opening
_WRITE_SECONDS = 300.0  # and in a run, which another program's clean or merge is not to end
_NO_PLACE = (
    *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL),
)
_BATCH = 500
_OURS = (schema.APPLICATION_ID, schema.FORMAT)
_ORPHAN = "SELECT 1 FROM tasks WHERE run NOT IN (SELECT number FROM runs) LIMIT 1"
# Reading a larger file through, each time it is opened, takes seconds; every row has a checksum.
# Comparing its indices with its rows, three times that: a row that is lost to its index is not
# found, and an earlier one of the same cell would stand for it.
_CHECKED_BYTES = 200_000_000
_COMPARED_BYTES = 30_000_000


class StoreError(OSError):
    """A store that cannot be used; it is left as it was found."""


@dataclass(frozen=True)
class StoredRun:
    """A run as the store keeps it.

    Attributes
    ----------
    number : int
        Counts the runs of the store as they began.
    info : RunInfo
        What made it.
    plan : dict
        Suite, parameters and tasks, see `plan_row`; empty where it was damaged and removed.
    """

    number: int
    info: RunInfo
    plan: dict[str, Any]

    @property
    def suite(self) -> str:
        """Name of the suite."""
        return planned_text(self.plan, "suite") if self.plan else "unknown"

    @property
    def params(self) -> dict[str, Any]:
        """Parameters of the suite as run."""
        return planned_params(self.plan)

    @property
    def tasks(self) -> Sequence[Cell | Step]:
        """The cells or steps of the plan, in their order."""
        return planned_tasks(self.plan, self.info.seed)


class Store:
    """Runs, finished cells and certificates by key, in one SQLite file in WAL mode.

    Every cell is committed as it comes, so that a killed run loses only the cells in flight. Every
    row has a checksum, and one that it does not fit is never used.

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
        If the file is no store of this format, damaged, locked, or cannot be written.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self.writable = create
        self._numbers: dict[str, int] = {}
        self._specs: dict[tuple[Spec, ...], int] = {}
        self._changes: int | None = None  # of others, as SQLite counts them
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

    def records(self, tasks: Iterable[T], run: int | None = None) -> Iterator[Outcome[T]]:
        """Yield the outcomes of those cells or steps that are stored.

        The latest of each; or, for the run of that number, the one that it had.
        """
        by_key = {task.key: task for task in tasks}
        for key, (status, message, seconds, result) in self._latest(list(by_key), run):
            yield Outcome(by_key[key], status, message, seconds, json.loads(result))

    def add(self, record: Outcome[Any], run: str) -> None:
        """Store the outcome of a cell or step of a run that was begun."""
        task, result = record.cell, _json(record.result)
        sealed = (record.status, record.message, float(record.seconds), result)
        with self.writing() as connection:
            head = (bytes.fromhex(task.key), self._number(run), self._spec_id(**task.specs))
            mark = schema.seal(task.key, run, *sealed)
            row = (*head, _json(task.place), *sealed, mark)
            schema.insert(connection, "tasks", row)

    def certificate(self, key: str, error: float, confidence: float) -> Certificate | None:
        """Return the tightest certificate of a key that is good enough, or None.

        Raises
        ------
        ValueError
            If two certificates of the key contradict each other, good enough or not.
        StoreError
            If one of them is damaged.
        """
        good = (
            each
            for each in self.certificates(key)
            if each.reference.error <= error and each.reference.confidence >= confidence
        )
        return next(good, None)

    def certificates(self, key: str, *more: Certificate) -> list[Certificate]:
        """Return the certificates of a key, the tightest first; see `certificate`.

        Parameters
        ----------
        key : str
            Of the source.
        more : Certificate
            Which are not stored, and must not contradict these.
        """
        with self._errors():
            rows = list(stored_certificates(self._connection, bytes.fromhex(key)))
        found = [certificate for _, _, certificate in rows if certificate is not None]
        if len(found) < len(rows):
            raise StoreError(self._damaged("a certificate that does not fit its checksum"))
        wrong = contradicting([*found, *more])
        if wrong:
            raise ValueError(contradiction_text(wrong, self.path))
        return found

    def add_certificate(self, key: str, source: Spec, certificate: Certificate) -> Certificate:
        """Store a certificate under a key, and return it with its id.

        One that contradicts another is stored too: it is not known which of the two is wrong. A
        store that is open for reading is left as it is.
        """
        if not self.writable:
            return certificate
        sealed = certificate_row(certificate.reference, certificate.versions)
        mark = schema.seal(key, *sealed)
        with self.writing() as connection:
            row = (bytes.fromhex(key), self._spec_id(source=source), *sealed, mark)
            schema.insert(connection, "certificates", row)
        return replace(certificate, source=source.label, id=certificate_id(mark))

    def start_run(self, info: RunInfo, plan: dict[str, Any]) -> None:
        """Note that a run has begun, and its plan; see `plan_row`."""
        facts = asdict(info)
        run, started, _ = (facts.pop(name) for name in ("id", "started", "finished"))
        sealed = (run, started, json.dumps(facts), json.dumps(plan))
        with self.writing() as connection:
            schema.insert(connection, "runs", (None, *sealed, schema.seal(*sealed), None))

    def finish_run(self, run: str) -> str:
        """Note that a run has come to its end; return when, which is now."""
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        with self.writing() as connection:
            connection.execute("UPDATE runs SET finished = ? WHERE id = ?", (finished, run))
        return finished

    def runs(self) -> list[StoredRun]:
        """Return the runs, in the order in which they began."""
        columns = ", ".join(schema.RUN_COLUMNS)
        with self.reading() as connection:
            rows = connection.execute(
                f"SELECT number, finished, seal, {columns} FROM runs ORDER BY number"
            ).fetchall()
            orphan = connection.execute(_ORPHAN).fetchone()
        if orphan:
            raise StoreError(self._damaged("a record of a run that is not there"))
        for _, _, mark, *sealed in rows:
            self._check(mark, "a run", *sealed)
        try:
            return [_stored_run(number, finished, *sealed) for number, finished, _, *sealed in rows]
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            reason = f"a run cannot be read: {error}"
            raise StoreError(self._refused(reason)) from error

    def counts(self) -> dict[int, tuple[int, int]]:
        """Return by run, told by its number, how much it computed and how much of it failed."""
        query = "SELECT run, count(*), sum(status <> 'ok') FROM tasks GROUP BY run"
        with self.reading() as connection:
            return {run: (done, failed) for run, done, failed in connection.execute(query)}

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection, for queries."""
        with self._errors():
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for one transaction: all of it is written, or nothing."""
        try:
            with self._errors(), self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                changes = self._pragma("data_version")
                if changes != self._changes:  # others may have deleted what is known here
                    self._forget()
                self._changes = changes
                yield self._connection
        except BaseException:
            self._forget()  # numbers given in a transaction that is undone
            raise

    def _forget(self) -> None:
        self._numbers.clear()
        self._specs.clear()

    def shrink(self) -> None:
        """Give the space of deleted rows back to the disk."""
        with self._errors():
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _latest(
        self, keys: Sequence[str], run: int | None
    ) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Yield key and columns of the latest row of each key, up to a run."""
        columns = ", ".join(schema.TASK_COLUMNS)
        until = "" if run is None else f"AND run <= {run:d}"
        for start in range(0, len(keys), _BATCH):
            batch = [bytes.fromhex(key) for key in keys[start : start + _BATCH]]
            marks = ",".join("?" * len(batch))
            with self.reading() as connection:
                rows = connection.execute(
                    f"SELECT key, tasks.seal, runs.id, {columns} FROM tasks "
                    "LEFT JOIN runs ON runs.number = tasks.run "
                    f"WHERE key IN ({marks}) {until} ORDER BY run",
                    batch,
                ).fetchall()
            latest = {key.hex(): rest for key, *rest in rows}
            for key, (mark, made_by, *sealed) in latest.items():
                self._check(mark, "a record", key, made_by, *sealed)
                yield key, tuple(sealed)

    def _check(self, mark: bytes, what: str, *values: Any) -> None:
        if mark != schema.seal(*values):
            raise StoreError(self._damaged(f"{what} that does not fit its checksum"))

    def _number(self, run: str) -> int:
        """Return the number of a run that was begun."""
        if run not in self._numbers:
            row = self._connection.execute("SELECT number FROM runs WHERE id = ?", (run,))
            found = row.fetchone()
            if found is None:
                raise ValueError(f"run {run!r} was not begun in store {self.path}.")
            self._numbers[run] = found[0]
        return self._numbers[run]

    def _spec_id(self, **specs: Spec) -> int:
        found = self._specs.get(tuple(specs.values()))
        if found is None:
            spec = json.dumps({role: spec.identity for role, spec in specs.items()}, sort_keys=True)
            found = schema.spec_id(self._connection, spec)
            self._specs[tuple(specs.values())] = found
        return found

    def _open(self, create: bool) -> sqlite3.Connection:
        if self.path.exists() and not self.path.is_file():
            kind = "a folder" if self.path.is_dir() else "a device or a pipe"
            raise StoreError(f"store {self.path} is {kind}; --store takes a file.")
        if create:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # absolute: SQLite has other plans for a file called :memory:
            return sqlite3.connect(self.path.absolute(), timeout=_LOCK_SECONDS)
        if self.path.exists():
            return self._open_for_reading()
        connection = sqlite3.connect(":memory:")
        schema.create(connection)
        return connection

    def _open_for_reading(self) -> sqlite3.Connection:
        where = self.path.resolve()
        log = where.with_name(f"{where.name}-wal")
        connection = _read_only(f"{where.as_uri()}?mode=ro")
        try:
            _format(connection)
        except sqlite3.DatabaseError as error:
            connection.close()
            if error.sqlite_errorcode & 0xFF not in _NO_PLACE:
                raise
            # SQLite has no place for the index of a log, as on a read-only disk
            if log.exists() and log.stat().st_size:
                return _copy_with_log(where, log)
            return _read_only(f"{where.as_uri()}?mode=ro&immutable=1")
        return connection

    def _prepare(self, create: bool) -> None:
        """Check that the file is ours and whole; only then touch it."""
        with self._connection:  # at one moment: another process may be making the store
            self._connection.execute("BEGIN")
            found = _format(self._connection)
            (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        new = create and not tables and not found[0]
        if found != _OURS and not new:
            ours = found[0] == schema.APPLICATION_ID
            raise StoreError(
                self._refused(f"its format is {found[1]}" if ours else "another program's file")
            )
        size = self.path.stat().st_size if self.path.exists() else 0
        check = "integrity_check" if size < _COMPARED_BYTES else "quick_check"
        if size < _CHECKED_BYTES and self._pragma(f"{check}(1)") != "ok":
            raise StoreError(self._refused("it fails SQLite's integrity check"))
        if create:
            self._prepare_for_writing()

    def _prepare_for_writing(self) -> None:
        # Wait for the write lock here, before any work is done, and not at the first record.
        self._keep_a_log()
        self._connection.execute("PRAGMA synchronous = NORMAL")
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            if _format(self._connection) != _OURS:
                schema.create(self._connection)
        self._connection.execute(f"PRAGMA busy_timeout = {int(1000 * _WRITE_SECONDS)}")

    def _keep_a_log(self) -> None:
        """Switch to WAL mode; SQLite itself does not wait where others are at the same."""
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _pragma(self, name: str) -> Any:
        return self._connection.execute(f"PRAGMA {name}").fetchone()[0]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what SQLite and the file system complain of into one line."""
        try:
            yield
        except StoreError:
            raise
        except sqlite3.DatabaseError as error:
            raise StoreError(self._complaint(str(error))) from error
        except UnicodeEncodeError as error:
            raise StoreError(
                f"store {self.path} can keep no name that is not Unicode text; got "
                f"{error.object!r}."
            ) from error
        except OSError as error:
            raise StoreError(
                f"store {self.path} cannot be used: {error.strerror or error}. Choose another file "
                "with --store."
            ) from error

    def _complaint(self, text: str) -> str:
        if "locked" in text or "busy" in text:
            return (
                f"store {self.path} is locked by another program; wait for it, or choose "
                "another file with --store."
            )
        if "full" in text:
            return (
                f"store {self.path} cannot be written: {text}. What was finished is kept; free "
                "some space, or choose another file with --store, and run it again to go on."
            )
        if "readonly" in text or "unable to open" in text or "disk" in text:
            return f"store {self.path} cannot be written: {text}. Choose another file with --store."
        return self._refused(text)

    def _damaged(self, what: str) -> str:
        store = shlex.quote(str(self.path))
        return (
            f"store {self.path} is damaged: there is {what}. Nothing was changed. "
            f"`entbench clean --damaged --store {store}` takes out what is damaged; it is then "
            "computed again where it is asked for."
        )

    def _refused(self, why: str) -> str:
        return (
            f"{self.path} is no entbench store of format {schema.FORMAT}, or is damaged ({why}). "
            "It is left as it is; choose another file with --store."
        )


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _read_only(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, timeout=_LOCK_SECONDS, uri=True)


def _copy_with_log(store: Path, log: Path) -> sqlite3.Connection:
    """Return what store and log hold together, in memory."""
    copy = sqlite3.connect(":memory:")
    with tempfile.TemporaryDirectory() as folder:
        for file in (store, log):
            shutil.copyfile(file, Path(folder) / file.name)
        connection = sqlite3.connect(Path(folder) / store.name)
        try:
            connection.backup(copy)
        finally:
            connection.close()
    return copy


def _format(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return whose file it is, and of which format."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    return application, number


def _stored_run(
    number: int, finished: str | None, run: str, started: str, info: str, plan: str
) -> StoredRun:
    facts = {**json.loads(info), "id": run, "started": started, "finished": finished}
    made = typed(RunInfo, facts)
    if not all(isinstance(version, str) for version in made.versions.values()):
        raise TypeError(f"versions must be texts; got {made.versions!r}")
    return StoredRun(number, made, dict(json.loads(plan)))
