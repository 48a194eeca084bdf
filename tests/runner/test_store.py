"""The store: what comes back, whose it is, and what is refused."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from dataclasses import asdict
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


@pytest.fixture
def cells() -> list[Cell]:
    suite = override(
        load_suite("truncated-mixture"), {"n": [10, 20]}, estimators=["kl", "sp"], trials=2
    )
    return list(make_plan(suite).cells)


def records_of(cells: list[Cell]) -> list[Record]:
    made = [Record(cell, "ok", "", 0.5, {"value": 0.1 + i}) for i, cell in enumerate(cells)]
    made[0] = Record(cells[0], "failed", "ValueError: no")
    result = {"value": 1 / 3, "numerical_error": 1e-300, "standard_error": 2e-300}
    result["interval"] = asdict(Interval(-0.1, 1 / 7, 0.9, "measured"))
    made[1] = Record(cells[1], "ok", "", 0.1, {**result, "diagnostics": {"n": 3, "text": "é"}})
    interval = asdict(Interval(None, 2.5, note="é"))
    made[2] = Record(cells[2], "ok", "", 0.5, {"value": 0.1 + 2, "interval": interval})
    return made


def begin(store: Store, run: str) -> None:
    store.start_run(RunInfo(run, "0.1.0", 0, "3.11.7", "here", "2026-11-21T00:00:00+00:00"), {})


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
        store.add(Record(cells[0], "failed", "no"), "one")
        store.add(Record(cells[1], "ok", "", 0.0, {"value": 1.0}), "two")
        assert sorted(values(), key=str) == [1.0, None]
        # a run that goes on beside a later one
        store.add(Record(cells[0], "ok", "", 0.0, {"value": 3.0}), "three")
        store.add(Record(cells[1], "ok", "", 0.0, {"value": 1.5}), "one")
        assert sorted(values(1), key=str) == [1.5, None]
        assert sorted(values(2), key=str) == [1.0, None]
        assert sorted(values(3), key=str) == sorted(values(), key=str) == [1.0, 3.0]
        store.add(Record(cells[0], "ok", "", 0.0, {"value": 4.0}), "three")
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


@pytest.mark.parametrize("number", [1, 3, 99])
def test_other_format_is_refused_in_one_line(tmp_path: Path, number: int) -> None:
    path = tmp_path / "s.sqlite"
    Store(path).__exit__(None, None, None)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {number}")
    connection.close()
    assert_refused_and_untouched(path, rf"no entbench store of format 4, or .*format is {number}\)")
    with pytest.raises(StoreError, match=rf"format is {number}\)"):
        Store(path, create=False)


def test_other_peoples_sqlite_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE photos (id)")
    connection.commit()
    connection.close()
    assert_refused_and_untouched(path, r"no entbench store .*another program's file\)")


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to look at" * 20])
def test_other_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.sqlite"
    path.write_bytes(content)
    assert_refused_and_untouched(path, "no entbench store of format 4, or is damaged")


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


@pytest.mark.parametrize("table", ["tasks", "runs"])
def test_one_wrong_bit_is_told(tmp_path: Path, table: str) -> None:
    path = tmp_path / "s.sqlite"
    from entbench import run_suite

    params = {"d": 1, "sigma": 0.5, "n": [20]}
    run_suite(params=params, estimators=["kl", "binning"], trials=3, jobs=1, store=path)
    good = stored_run(store=path)
    data = bytearray(path.read_bytes())
    # a digit of a value, or of the run's command
    needle = repr(good.records[2].value) if table == "tasks" else "'sigma': 0.5"
    data[data.rindex(needle.encode()) + len(needle) - 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"damaged: .* does not fit its checksum.*clean --damaged"):
        stored_run(store=path)
    assert path.read_bytes() == data


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
