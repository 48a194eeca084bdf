"""The store: what comes back, whose it is, what is refused, and earlier formats."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from entbench._base import Interval
from entbench._records import Cell, Record, RunInfo
from entbench.runner import (
    Store,
    StoreError,
    default_path,
    load_suite,
    make_plan,
    override,
    stored_run,
)
from entbench.runner._schema import seal


@pytest.fixture
def cells() -> list[Cell]:
    suite = override(
        load_suite("truncated-mixture"), {"n": [10, 20]}, estimators=["kl", "sp"], trials=2
    )
    return list(make_plan(suite).cells)


def records_of(cells: list[Cell]) -> list[Record]:
    made = [Record(cell, "ok", "", 0.5, 0.1 + i) for i, cell in enumerate(cells)]
    made[0] = Record(cells[0], "failed", "ValueError: no", 0.0)
    made[1] = Record(
        *(cells[1], "ok", "", 0.1, 1 / 3, 1e-300, 2e-300, Interval(-0.1, 1 / 7, 0.9, "measured")),
        {"draws": 3, "text": "é"},
    )
    made[2] = Record(cells[2], "ok", "", 0.5, 0.1 + 2, interval=Interval(None, 2.5, note="é"))
    return made


def begin(store: Store, run: str) -> None:
    info = RunInfo(run, "0.1.0", 0, "3.11.7", "here", "2026-11-21T00:00:00+00:00")
    store.start_run(info, "suite", "truncated-mixture", {}, {})


def test_records_come_back_to_the_bit(tmp_path: Path, cells: list[Cell]) -> None:
    records = records_of(cells)
    with Store(tmp_path / "s.sqlite") as store:
        begin(store, "run")
        for record in records:
            store.add(record, "run")
    with Store(tmp_path / "s.sqlite") as store:
        assert {r.cell.key: r for r in store.records(cells)} == {r.cell.key: r for r in records}
        assert list(store.records(cells[:1])) == records[:1]


def test_each_run_has_the_record_that_it_had(tmp_path: Path, cells: list[Cell]) -> None:
    def values(run: int | None = None) -> list[float | None]:
        return [record.value for record in store.records(cells, run)]

    with Store(tmp_path / "s.sqlite") as store:
        for run in ("one", "two", "three"):
            begin(store, run)
        store.add(Record(cells[0], "failed", "no", 0.0), "one")
        store.add(Record(cells[1], "ok", "", 0.0, 1.0), "two")
        assert sorted(values(), key=str) == [1.0, None]
        # a run that goes on beside a later one
        store.add(Record(cells[0], "ok", "", 0.0, 3.0), "three")
        store.add(Record(cells[1], "ok", "", 0.0, 1.5), "one")
        assert sorted(values(1), key=str) == [1.5, None]
        assert sorted(values(2), key=str) == [1.0, None]
        assert sorted(values(3), key=str) == sorted(values(), key=str) == [1.0, 3.0]
        store.add(Record(cells[0], "ok", "", 0.0, 4.0), "three")
        assert sorted(values(), key=str) == [1.0, 4.0]
        assert store.counts() == {1: (2, 1), 2: (1, 0), 3: (1, 0)}


def test_run_that_was_not_begun(tmp_path: Path, cells: list[Cell]) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        with pytest.raises(ValueError, match="run 'run' was not begun"):
            store.add(records_of(cells)[1], "run")
        assert list(store.records(cells)) == []
        begin(store, "run")
        store.add(records_of(cells)[1], "run")  # what was undone above does no harm
        assert len(list(store.records(cells))) == 1


def test_columns_can_be_read_by_others(tmp_path: Path, cells: list[Cell]) -> None:
    import pandas as pd

    with Store(tmp_path / "s.sqlite") as store:
        begin(store, "run")
        for record in records_of(cells):
            store.add(record, "run")
    connection = sqlite3.connect(tmp_path / "s.sqlite")
    frame = pd.read_sql("SELECT * FROM results", connection)
    connection.close()
    assert set(frame["estimator"]) == {"kl", "sp"}
    assert sorted(set(frame["n"])) == [10, 20]
    assert frame.loc[frame["status"] == "failed", "value"].isna().all()


def test_store_that_is_not_there_is_empty_when_reading(tmp_path: Path, cells: list[Cell]) -> None:
    with Store(tmp_path / "none.sqlite", create=False) as store:
        assert list(store.records(cells)) == []
    assert not (tmp_path / "none.sqlite").exists()


def assert_refused_and_untouched(path: Path, message: str) -> None:
    before = path.read_bytes()
    with pytest.raises(StoreError, match=message):
        Store(path)
    assert path.read_bytes() == before


def test_newer_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    Store(path).__exit__(None, None, None)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert_refused_and_untouched(path, "written by a newer entbench .format 99; this one knows 3")


def test_other_peoples_sqlite_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE photos (id)")
    connection.commit()
    connection.close()
    assert_refused_and_untouched(path, "an SQLite file of something else")


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to look at" * 20])
def test_other_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.sqlite"
    path.write_bytes(content)
    assert_refused_and_untouched(path, "no store of entbench or is damaged")


def test_damaged_store_is_refused(tmp_path: Path, cells: list[Cell]) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        begin(store, "run")
        for record in records_of(cells) * 20:
            store.add(record, "run")
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    path.write_bytes(data)
    assert_refused_and_untouched(path, "damaged")


@pytest.mark.parametrize("table", ["cells", "runs"])
def test_one_wrong_bit_is_told(tmp_path: Path, table: str) -> None:
    path = tmp_path / "s.sqlite"
    from entbench import run_suite

    params = {"d": 1, "sigma": 0.5, "n": [20]}
    run_suite(params=params, estimators=["kl", "binning"], trials=3, jobs=1, store=path)
    good = stored_run(store=path)
    data = bytearray(path.read_bytes())
    # the lowest bits of a value's mantissa, or what the run's command was
    needle = _big_endian(good.records[2].value) if table == "cells" else b"'sigma': 0.5"
    place = data.rindex(needle) + len(needle) - 2
    data[place] ^= 4
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"damaged: .* does not fit its checksum.*clean --damaged"):
        stored_run(store=path)
    assert path.read_bytes() == data


def _big_endian(value: float | None) -> bytes:
    import struct

    assert value is not None
    return struct.pack(">d", value)


FORMAT_1 = """
CREATE TABLE cells (key TEXT PRIMARY KEY, source TEXT, source_version TEXT, source_origin TEXT,
    source_params TEXT, estimator TEXT, estimator_version TEXT, estimator_origin TEXT,
    estimator_params TEXT, n INTEGER, trial INTEGER, seed INTEGER, status TEXT, message TEXT,
    value REAL, standard_error REAL, seconds REAL, diagnostics TEXT, run TEXT) WITHOUT ROWID;
CREATE TABLE runs (id TEXT PRIMARY KEY, suite TEXT, params TEXT, seed INTEGER, version TEXT,
    python TEXT, platform TEXT, started TEXT, finished TEXT);
PRAGMA application_id = 1701737570;
PRAGMA user_version = 1;
"""


def _write_format_1(path: Path, records: list[Record]) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(FORMAT_1)
    for run in ("b", "a"):
        row = (run, "truncated-mixture", "{}", 0, "0.1.0", "3.11", "here", "now", None)
        connection.execute(f"INSERT INTO runs VALUES ({','.join('?' * 9)})", row)
    for i, record in enumerate(records):
        cell = record.cell
        specs = [
            text
            for spec in (cell.source, cell.estimator)
            for text in (spec.name, spec.version, spec.origin, json.dumps(dict(spec.params)))
        ]
        said = (record.status, record.message, record.value, record.numerical_error)
        row = (cell.key, *specs, cell.n, cell.trial, cell.seed, *said, record.seconds)
        row = (*row, json.dumps(record.diagnostics), "a" if i else "lost")
        connection.execute(f"INSERT INTO cells VALUES ({','.join('?' * 19)})", row)
    connection.commit()
    connection.close()


def before_intervals(records: list[Record]) -> list[Record]:
    """Return what formats 1 and 2 kept of records."""
    return [replace(record, standard_error=None, interval=None) for record in records]


def test_store_of_format_1_is_read_as_it_is_and_written_as_it_is_now(
    tmp_path: Path, cells: list[Cell]
) -> None:
    path, records = tmp_path / "s.sqlite", before_intervals(records_of(cells))
    _write_format_1(path, records)
    before = path.read_bytes()
    expected = {record.cell.key: record for record in records}
    with Store(path, create=False) as store:
        assert {r.cell.key: r for r in store.records(cells)} == expected
        assert [run.info.id for run in store.runs()] == ["b", "a", "lost"]
    assert path.read_bytes() == before
    for _ in range(2):
        with Store(path) as store:
            assert {r.cell.key: r for r in store.records(cells)} == expected
            assert [run.plan for run in store.runs()] == [None] * 3
    with pytest.raises(ValueError, match="did not keep what a run was to compute"):
        stored_run("a", path)


FORMAT_2_CELLS = """
DROP VIEW results;
DROP INDEX cells_by_key;
ALTER TABLE cells RENAME TO now;
CREATE TABLE cells (key BLOB NOT NULL, run INTEGER NOT NULL REFERENCES runs (number),
    source INTEGER NOT NULL REFERENCES specs (id), estimator INTEGER NOT NULL REFERENCES specs (id),
    n INTEGER NOT NULL, trial INTEGER NOT NULL, seed INTEGER NOT NULL, status TEXT NOT NULL,
    message TEXT NOT NULL, value REAL, standard_error REAL, seconds REAL NOT NULL,
    diagnostics TEXT NOT NULL, seal BLOB NOT NULL,
    CHECK ((status = 'ok') = (value IS NOT NULL)));
INSERT INTO cells SELECT key, run, source, estimator, n, trial, seed, status, message, value,
    numerical_error, seconds, diagnostics, seal FROM now;
DROP TABLE now;
CREATE UNIQUE INDEX cells_by_key ON cells (key, run);
CREATE VIEW results AS SELECT value, standard_error FROM cells;
PRAGMA user_version = 2;
"""


def _turn_into_format_2(path: Path, damaged: Cell) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(FORMAT_2_CELLS)
    columns = "key, status, message, value, standard_error, seconds, diagnostics"
    for key, *said in connection.execute(f"SELECT {columns} FROM cells").fetchall():
        mark = seal(key.hex(), "run", *said)
        connection.execute("UPDATE cells SET seal = ? WHERE key = ?", (mark, key))
    connection.execute("UPDATE cells SET value = 7 WHERE key = ?", (bytes.fromhex(damaged.key),))
    connection.commit()
    connection.close()


def test_store_of_format_2_has_no_intervals_and_what_was_damaged_stays_so(
    tmp_path: Path, cells: list[Cell]
) -> None:
    path, records = tmp_path / "s.sqlite", records_of(cells)
    with Store(path) as store:
        begin(store, "run")
        for record in records:
            store.add(record, "run")
    _turn_into_format_2(path, cells[3])
    before, others = path.read_bytes(), [*cells[:3], *cells[4:]]
    kept = before_intervals(records)
    expected = {record.cell.key: record for record in (*kept[:3], *kept[4:])}
    for create in (False, True, True):
        with Store(path, create=create) as store:
            assert {r.cell.key: r for r in store.records(others)} == expected
            with pytest.raises(StoreError, match="a record that does not fit its checksum"):
                list(store.records(cells))
            with store.reading() as connection:
                connection.execute("SELECT interval_low FROM results").fetchall()
        assert create or path.read_bytes() == before


def test_locked_store_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.sqlite"
    Store(path).__exit__(None, None, None)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sqlite3, sys\n"
            f"c = sqlite3.connect({str(path)!r}, isolation_level=None)\n"
            "c.execute('BEGIN EXCLUSIVE')\n"
            "print('held', flush=True)\n"
            "sys.stdin.read()",  # until it is killed
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        monkeypatch.setattr("entbench.runner._store._LOCK_SECONDS", 0.2)
        with pytest.raises(StoreError, match="is locked by another program"):
            Store(path)
    finally:
        holder.kill()
        holder.communicate()


def test_folder_and_unwritable_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder; --store takes a file"):
        Store(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be used"):
        Store(tmp_path / "file" / "s.sqlite")


def test_default_place_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_path() == Path(os.environ["ENTBENCH_STORE"])
    monkeypatch.delenv("ENTBENCH_STORE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert default_path() == tmp_path / "entbench" / "store.sqlite"
