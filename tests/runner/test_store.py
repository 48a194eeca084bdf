from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from entbench._records import Cell, Record
from entbench.runner import Store, StoreError, default_path, load_suite, make_plan, override


@pytest.fixture
def cells() -> list[Cell]:
    suite = override(
        load_suite("truncated-mixture"), {"n": [10, 20]}, estimators=["kl", "sp"], trials=2
    )
    return list(make_plan(suite).cells)


def records_of(cells: list[Cell]) -> list[Record]:
    made = [Record(cell, "ok", "", 0.1 + i, None, 0.5) for i, cell in enumerate(cells)]
    made[0] = Record(cells[0], "failed", "ValueError: no", None, None, 0.0)
    made[1] = Record(cells[1], "ok", "", 1 / 3, 1e-300, 0.1, {"draws": 3, "text": "é"})
    return made


def test_records_come_back_to_the_bit(tmp_path: Path, cells: list[Cell]) -> None:
    records = records_of(cells)
    with Store(tmp_path / "s.sqlite") as store:
        for record in records:
            store.add(record, "run")
    with Store(tmp_path / "s.sqlite") as store:
        assert {r.cell.key: r for r in store.records(cells)} == {r.cell.key: r for r in records}
        assert list(store.records(cells[:1])) == records[:1]


def test_later_record_replaces_the_earlier(tmp_path: Path, cells: list[Cell]) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        store.add(Record(cells[0], "failed", "no", None, None, 0.0), "one")
        store.add(Record(cells[0], "ok", "", 2.0, None, 0.0), "two")
        (record,) = store.records(cells)
    assert record.value == 2.0


def test_columns_can_be_read_by_others(tmp_path: Path, cells: list[Cell]) -> None:
    import pandas as pd

    with Store(tmp_path / "s.sqlite") as store:
        for record in records_of(cells):
            store.add(record, "run")
    connection = sqlite3.connect(tmp_path / "s.sqlite")
    frame = pd.read_sql("SELECT * FROM cells", connection)
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
    assert_refused_and_untouched(path, "written by a newer entbench .format 99; this one knows 1")


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
        for record in records_of(cells) * 20:
            store.add(record, "run")
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    path.write_bytes(data)
    assert_refused_and_untouched(path, "damaged")


def test_locked_store_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.sqlite"
    Store(path).__exit__(None, None, None)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sqlite3, sys, time\n"
            f"c = sqlite3.connect({str(path)!r}, isolation_level=None)\n"
            "c.execute('BEGIN EXCLUSIVE')\n"
            "print('held', flush=True)\n"
            "time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        monkeypatch.setattr("entbench.runner._store._LOCK_SECONDS", 0.2)
        start = time.monotonic()
        with pytest.raises(StoreError, match="is locked by another program"):
            Store(path)
        assert time.monotonic() - start < 5
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
