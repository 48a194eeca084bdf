"""Full disks, read-only disks, clocks that jump, damage: nothing lost, and no wrong number."""

from __future__ import annotations

import json
import os
import random
import re
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Outcome, Sandbox

    Call = Callable[..., Outcome]


def test_disk_that_fills_up_in_a_run(sandbox: Sandbox) -> None:
    sandbox(
        """
        run = (*SMALL, "n=20,30,40,50", "--trials", "40", "--store")
        whole = entbench(*run, "whole.sqlite").out
        disk("disk", "180k")
        refused = entbench(*run, "disk/s.sqlite", code=2)
        assert "full" in refused.err and "free some space" in refused.err, refused
        # what was finished can be read where nothing can be written
        found = numbers("disk/s.sqlite")
        assert 5 < len(found) < 160
        assert json.loads(entbench("runs", "--store", "disk/s.sqlite", "--format", "json").out)
        entbench("show", "--store", "disk/s.sqlite", code=1)
        remount("disk", "size=4m")
        again = json.loads(entbench(*run, "disk/s.sqlite").out)
        assert again["run"]["computed"] == 160 - len(found)
        assert is_whole("disk/s.sqlite")
        assert found.items() <= numbers("disk/s.sqlite").items()
        assert numbers("disk/s.sqlite") == numbers("whole.sqlite")
        disk("small", "600k")
        entbench(*SMALL, "n=70", "--trials", "2", "--store", "small/t.sqlite")
        fill("small")
        refused = entbench("merge", "whole.sqlite", "--into", "small/t.sqlite", code=2)
        assert "disk" in refused.err, refused
        runs = json.loads(entbench("runs", "--store", "small/t.sqlite", "--format", "json").out)
        assert len(runs["runs"]) == 1  # all is taken, or nothing
        os.unlink("small/filler")
        assert is_whole("small/t.sqlite")
        """,
        disks=True,
    )


def test_disk_that_is_full_where_files_are_written(sandbox: Sandbox) -> None:
    sandbox(
        """
        run = (*SMALL, "n=20,30", "--trials", "30", "--store")
        entbench(*run, "s.sqlite")
        disk("disk", "200k")
        for verb in (
            ("export", "-o", "disk/all.csv"),
            ("export", "-o", "disk/all.json"),
            ("export", "-o", "disk/all.parquet"),
            ("show", "--out", "disk/folder"),
            ("show", "--out", "disk/new/folder"),
            (*run[:-1], "--out", "disk/folder"),
            ("report", "-o", "disk/page.html"),
        ):
            if verb[0] in main.commands:
                remount("disk", "size=200k")
                Path("disk/folder").mkdir(exist_ok=True)
                fill("disk")
                refused = entbench(*verb, "--store", "s.sqlite", code=2)
                assert "No space left" in refused.err, (verb, refused)
                os.unlink("disk/filler")
                # room for a file's beginning, and not for all of it
                Path("disk/filler").write_bytes(bytes(196608))
                entbench(*verb, "--store", "s.sqlite", code=2)
                left = [p for p in Path("disk").rglob("*") if p.is_file() and p.name != "filler"]
                # of a folder's files, those that were done before room ran out
                assert all(p.name in ("results.csv", "results.json") for p in left), (verb, left)
                os.unlink("disk/filler")
                for path in left:
                    if path.suffix == ".json":
                        assert len(json.loads(path.read_text())["rows"]) == 2
                    else:
                        assert path.read_text().count("\\n") == 3
                    path.unlink()
        """,
        disks=True,
    )


def test_disk_that_was_full_before_the_run(sandbox: Sandbox) -> None:
    sandbox(
        """
        run = (*SMALL, "n=20,30", "--trials", "3", "--store")
        disk("disk", "400k")
        entbench(*run, "disk/s.sqlite")
        found = numbers("disk/s.sqlite")
        for name in names("disk"):
            if name != "s.sqlite":
                os.unlink(f"disk/{name}")
        fill("disk")
        for path in ("disk/new.sqlite", "disk/folder/new.sqlite", "disk/s.sqlite"):
            refused = entbench(*run, path, "--trials", "4", code=2)
            assert "disk" in refused.err, refused
        assert numbers("disk/s.sqlite") == found
        entbench("runs", "--store", "disk/s.sqlite")
        os.unlink("disk/filler")
        entbench(*run, "disk/s.sqlite", "--trials", "4")
        assert found.items() <= numbers("disk/s.sqlite").items() and is_whole("disk/s.sqlite")
        """,
        disks=True,
    )


def test_disk_that_cannot_be_written(sandbox: Sandbox) -> None:
    sandbox(
        """
        run = (*SMALL, "n=20,30", "--trials", "3", "--store")
        disk("disk", "1m")
        entbench(*run, "disk/s.sqlite")
        found = numbers("disk/s.sqlite")
        remount("disk", "ro")
        for path in ("disk/s.sqlite", "disk/new.sqlite", "disk/folder/new.sqlite"):
            refused = entbench(*run, path, "--rerun", "all", code=2)
            assert "--store" in refused.err and "disk/" in refused.err, refused
        assert numbers("disk/s.sqlite") == found
        entbench("show", "--store", "disk/s.sqlite")
        entbench("runs", "--store", "disk/s.sqlite")
        entbench("suite", "--dry-run", "--store", "disk/s.sqlite")
        entbench("clean", "--store", "disk/s.sqlite")
        for verb in (
            ("clean", "--damaged", "--store", "disk/s.sqlite"),
            ("merge", "disk/s.sqlite", "--into", "disk/t.sqlite"),
            ("show", "--store", "disk/s.sqlite", "--out", "disk/x"),
            ("export", "--store", "disk/s.sqlite", "-o", "disk/x.csv"),
            ("new", "estimator", "mine", "--folder", "disk"),
        ):
            entbench(*verb, code=2)
        entbench("merge", "disk/s.sqlite", "--into", "t.sqlite")
        assert numbers("t.sqlite") == found
        """,
        disks=True,
    )


def test_read_only_disk_with_a_log_left_behind(sandbox: Sandbox) -> None:
    sandbox(
        """
        run = (*SMALL, "n=20,30", "--trials", "3", "--store")
        disk("disk", "1m")
        entbench(*run, "s.sqlite")
        found = numbers("s.sqlite")
        # as a run leaves it that is killed: the newest cells are in the log alone
        code = (
            "import os, sqlite3, shutil; c = sqlite3.connect('s.sqlite');"
            "c.execute('PRAGMA wal_autocheckpoint = 0');"
            "c.execute(\\"UPDATE runs SET finished = NULL\\"); c.commit();"
            "[shutil.copy('s.sqlite' + e, 'disk/s.sqlite' + e) for e in ('', '-wal')];"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
        assert os.path.getsize("disk/s.sqlite-wal") > 0
        remount("disk", "ro")
        said = entbench("runs", "--store", "disk/s.sqlite", "--format", "json", code=None)
        # SQLite cannot read a log there: that is said, or the log is read, and never left out
        if said.code:
            assert said.code == 2 and "copy" in said.err, said
        else:
            assert json.loads(said.out)["runs"][0]["finished"] is None
        """,
        disks=True,
    )


def test_store_without_permission(sandbox: Sandbox) -> None:
    sandbox(
        """
        run = (*SMALL, "n=20,30", "--trials", "3", "--store")
        Path("d").mkdir()
        entbench(*run, "d/s.sqlite")
        found = numbers("d/s.sqlite")
        os.chmod("d/s.sqlite", 0o444)
        os.chmod("d", 0o555)
        if os.geteuid() == 0:  # who may do everything gives that up
            import ctypes
            libc = ctypes.CDLL(None)
            header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
            assert libc.capset(header, none) == 0
        assert not os.access("d/s.sqlite", os.W_OK)
        assert numbers("d/s.sqlite") == found
        refused = entbench(*run, "d/s.sqlite", "--rerun", "all", code=2)
        assert "cannot be written" in refused.err, refused
        entbench(*run, "d/new.sqlite", code=2)
        Path("e").mkdir()
        entbench(*run, "e/s.sqlite")
        os.chmod("e/s.sqlite", 0)
        for verb in (run, ("show", "--store"), ("runs", "--store"), ("export", "--store")):
            refused = entbench(*verb, "e/s.sqlite", code=2)
            assert "e/s.sqlite" in refused.err, refused
        os.chmod("e", 0)
        for verb in (run, ("show", "--store"), ("runs", "--store"), ("clean", "--store")):
            refused = entbench(*verb, "e/s.sqlite", code=2)
            assert "e/s.sqlite" in refused.err, refused
        """
    )


STORES = (
    *("with space.sqlite", "it's.sqlite", 'quo"te.sqlite', "100%41.sqlite", "what?mode=ro.sqlite"),
    *("a#b.sqlite", "größe-数据.sqlite", ":memory:", "-x.sqlite", "a\\b.sqlite", "a\nb.sqlite"),
    *("\udcff.sqlite", "$(touch ran).sqlite", "no.ending", ".sqlite"),
)


@pytest.mark.parametrize("name", STORES)
def test_store_may_have_any_name(call: Call, tmp_path: Path, name: str) -> None:
    folder = tmp_path / f"in {name}"
    store = folder / name
    run = ("suite", "d=1", "n=20", "-e", "gaussian", "--trials", "2", "-j", "1", "-q")
    assert call(*run, f"--store={store}").code == 0
    shown = call("show", f"--store={store}")
    assert shown.code == 0
    assert call("export", f"{store}:latest").out == call("export", f"--store={store}").out
    assert store.is_file()
    assert not {p.name for p in folder.iterdir()} - {name + end for end in ("", "-wal", "-shm")}
    assert {p.name for p in tmp_path.iterdir()} == {folder.name}


def test_store_in_the_working_directory_called_memory_is_a_file(call: Call, tmp_path: Path) -> None:
    run = ("suite", "d=1", "n=20", "-e", "gaussian", "--trials", "2", "-j", "1", "-q")
    assert call(*run, "--store", ":memory:").code == 0
    assert (tmp_path / ":memory:").is_file()
    assert call("show", "--store", ":memory:").code == 0


def test_store_that_is_no_file(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "to-folder").symlink_to(".")
    (tmp_path / "lost").symlink_to("nowhere/at/all")
    places = ("pipe", "/dev/null", "/dev/zero", "loop", "to-folder", "lost", "x" * 300, "a" * 5000)
    for place in places:
        for verb in ("suite", "show", "runs", "export", "clean"):
            if place in ("lost", "loop") and verb in ("suite", "runs"):
                continue  # there is no file, so that no run is kept
            assert call(verb, "--store", place).refused, (verb, place)
            monkeypatch.setenv("ENTBENCH_STORE", place)
            assert call(verb).refused, (verb, place)


def test_store_behind_a_link_is_the_file_it_leads_to(call: Call, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.sqlite").symlink_to("real/s.sqlite")
    run = ("suite", "d=1", "n=20", "-e", "gaussian", "-j", "1", "-q", "--store", "link.sqlite")
    assert call(*run, "--trials", "2").code == 0
    assert call(*run, "--trials", "3").code == 0
    assert (tmp_path / "link.sqlite").is_symlink()
    assert call("export", "real/s.sqlite").out == call("export", "link.sqlite").out
    assert {p.name for p in tmp_path.iterdir()} == {"real", "link.sqlite"}


def test_environment_that_names_no_place(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("ENTBENCH_STORE", "")  # as if it were not set
    assert call("suite", "d=1", "n=20", "-e", "gaussian", "--trials", "2", "-j", "1").code == 0
    assert (tmp_path / "data" / "entbench" / "store.sqlite").is_file()
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("ENTBENCH_STORE")

    def unknown_user(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", unknown_user)
    for verb in ("suite", "show", "runs"):
        said = call(verb)
        assert said.refused, said
        assert "there is no home directory" in said.err
        assert "--store" in said.err


# Libraries keep the class of their own that C code has to find.
JUMPING = """
import datetime, random, sys, time, types

_now, _turn = time.time, random.Random(1)

def _jump():
    return _turn.uniform(-20, 20) * 365.25 * 86400

class Jumping(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return _own.datetime.fromtimestamp(_now() + _jump(), tz)

class Module(types.ModuleType):
    def __getattribute__(self, name):
        ours = sys._getframe(1).f_globals.get("__name__", "").startswith("entbench")
        return Jumping if ours and name == "datetime" else getattr(_own, name)

_own = datetime
sys.modules["datetime"] = Module("datetime")
time.time = lambda: _now() + _jump()
time.time_ns = lambda: int(time.time() * 1e9)
"""


def test_clock_that_jumps(sandbox: Sandbox) -> None:
    (sandbox.folder / "path").mkdir()
    (sandbox.folder / "path" / "sitecustomize.py").write_text(JUMPING)
    sandbox.environment["PYTHONPATH"] = str(sandbox.folder / "path")
    sandbox(
        """
        assert len({time.gmtime(time.time()).tm_year for _ in range(9)}) > 2
        run = (*SMALL, "n=20,30", "--store")
        entbench(*run, "a.sqlite", "--trials", "8")
        for trials in range(2, 9):
            again = json.loads(entbench(*run, "b.sqlite", "--trials", trials).out)
            assert again["run"]["computed"] == (2 if trials > 2 else 4)
        assert numbers("a.sqlite") == numbers("b.sqlite")
        runs = json.loads(entbench("runs", "--store", "b.sqlite", "--format", "json").out)["runs"]
        assert [each["params"]["trials"] for each in runs] == list(range(2, 9))
        started = [each["started"] for each in runs]
        assert started != sorted(started)  # else the clock did not jump
        # in worker processes, which have the same clock, and within a limit that no cell reaches
        plain = [each for each in run if each not in ("-j", "1")]
        args = (*plain, "c.sqlite", "--trials", "8", "-j", "2", "--timeout", "400")
        code = "import sys; from entbench.cli import main; main(sys.argv[1:])"
        done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, timeout=500)
        assert done.returncode == 0, done.stderr
        assert numbers("c.sqlite") == numbers("a.sqlite")
        """
    )


# one of its cells fails in the first run, so that an earlier value could stand for a later one
FLAKY = """
from pathlib import Path
import numpy as np
from entbench import EntropyEstimator, register_estimator

@register_estimator("flaky")
class Flaky(EntropyEstimator):
    reads, version = "noisy", "1"

    def fit(self, X, y=None):
        if not Path("works").exists():
            raise RuntimeError("not yet")
        self.entropy_ = float(np.log(np.std(X)))
        return self
"""
STORE = "s.sqlite"
READS = (
    *(("show", "latest", "--format", "json"), ("show", "{first}", "--format", "json")),
    *(("export", "latest"), ("export", "{first}"), ("runs", "--format", "json")),
)


class Victim:
    """A small store of three runs, and what is read from it."""

    def __init__(self, call: Call, folder: Path) -> None:
        (folder / "flaky.py").write_text(FLAKY)
        self._call, self._folder = call, folder
        self.run = ("suite", "d=1", "n=20,30", "-e", "gaussian", "-e", "flaky", "-j", "1", "-q")
        self.run = (*self.run, "--plugin", "flaky.py", "--store", STORE, "--trials")
        assert call(*self.run, "2").code == 1
        (folder / "works").touch()
        assert call(*self.run, "2", "--rerun", "failed").code == 0
        assert call(*self.run, "3").code == 0
        with sqlite3.connect(STORE) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            runs = connection.execute("SELECT id FROM runs ORDER BY number").fetchall()
            self.first = runs[0][0]
        connection.close()
        self.data = (folder / STORE).read_bytes()
        self.good = {verb: self.outcome(verb) for verb in READS}
        self.cells = self.values()
        self.rows = self.table()
        assert len(self.rows) == 4

    def put(self, data: bytes, log: bytes | None = None) -> None:
        """Make this the store, with this log."""
        for end in ("-wal", "-shm"):
            (self._folder / f"{STORE}{end}").unlink(missing_ok=True)
        (self._folder / STORE).write_bytes(data)
        if log is not None:
            (self._folder / f"{STORE}-wal").write_bytes(log)

    def outcome(self, verb: Sequence[str]) -> Outcome:
        said = [word.format(first=self.first) for word in verb]
        return self._call(*said, "--store", STORE)

    def values(self) -> list[Any]:
        """Return status, value and error of each cell, in order of their keys."""
        rows = json.loads(self.outcome(("export", "--format", "json")).out)
        named = ("key", "status", "value", "numerical_error")
        return sorted([row[name] for name in named] for row in rows)

    def is_safe(self, verb: Sequence[str]) -> bool:
        """Tell whether what is read now is what was there, or refused in one line."""
        found, good = self.outcome(verb), self.good[tuple(verb)]
        # the time a run ended is under no checksum; nothing is computed from it
        unsealed = re.compile(r'"finished": "[^"]*"')
        same = unsealed.sub("", found.out) == unsealed.sub("", good.out)
        return found.refused or (same and found.code == good.code)

    def table(self, rerun: str = "missing") -> Any:
        """Return what the suite prints, run again, without times; None if it is refused."""
        found = self._call(*self.run, "3", "--format", "json", "--rerun", rerun)
        if found.refused:
            return None
        assert found.code == 0
        rows = json.loads(found.out)["rows"]
        return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]

    def goes_on(self) -> bool:
        """Tell whether the suite, run again, ends with the same numbers, or is refused."""
        found = self.table()
        return found is None or found == self.rows

    def merges_what_is_right(self) -> bool:
        """Tell whether a merge takes what was there and no more, or is refused."""
        for end in ("", "-wal", "-shm"):
            (self._folder / f"t.sqlite{end}").unlink(missing_ok=True)
        found = self._call("merge", STORE, "--into", "t.sqlite")
        if found.refused:
            return True
        rows = json.loads(self._call("export", "--store", "t.sqlite", "--format", "json").out)
        named = ("key", "status", "value", "numerical_error")
        values = [[row[name] for name in named] for row in rows]
        return found.code == 0 and sorted(values) == self.cells

    def is_mended_or_left(self) -> bool:
        """Tell whether `clean --damaged` leaves a store with which the suite goes on."""
        found = self._call("clean", "--damaged", "--store", STORE)
        # where the later record of a cell goes, the earlier one stands, which had failed
        return found.refused or (found.code == 0 and self.table("failed") == self.rows)


@pytest.fixture
def victim(call: Call, tmp_path: Path) -> Victim:
    return Victim(call, tmp_path)


def assert_flips_do_no_harm(victim: Victim, seed: int, count: int) -> None:
    rng, refused = random.Random(seed), 0
    for _ in range(count):
        bit = rng.randrange(8 * len(victim.data))
        damaged = bytearray(victim.data)
        damaged[bit // 8] ^= 1 << bit % 8
        verb = rng.choice(READS)
        victim.put(bytes(damaged))
        assert victim.is_safe(verb), (bit, verb, victim.outcome(verb))
        refused += victim.outcome(verb).refused
        victim.put(bytes(damaged))
        assert victim.goes_on(), bit
        victim.put(bytes(damaged))
        assert victim.merges_what_is_right(), bit
        assert victim.is_mended_or_left(), bit
    assert 0 < refused < count  # some hit what matters, some nothing


def test_flipped_bits(victim: Victim) -> None:
    assert_flips_do_no_harm(victim, 0, 30)


@pytest.mark.slow
def test_many_flipped_bits(victim: Victim) -> None:
    assert_flips_do_no_harm(victim, 1, 1500)


def test_truncated_store(victim: Victim) -> None:
    rng = random.Random(0)
    sizes = [0, 1, 15, 16, 99, 100, 512, 4096]
    sizes += [rng.randrange(len(victim.data)) for _ in range(20)]
    for size in sizes:
        victim.put(victim.data[:size])
        if size:
            for verb in READS:
                assert victim.outcome(verb).refused, (size, verb)
            assert victim.goes_on(), size
        else:  # an empty file is what a new store is
            assert victim.goes_on()


def test_damaged_log_costs_its_last_cells_only(victim: Victim) -> None:
    connection = sqlite3.connect(STORE)  # which keeps the log as it is
    (run,) = connection.execute("SELECT max(run) FROM tasks").fetchone()
    connection.execute("DELETE FROM tasks WHERE run = ?", (run,))
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    kept = Path(STORE).read_bytes()
    reader = sqlite3.connect(STORE)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM runs").fetchone()  # whom a checkpoint waits for
    assert victim.goes_on()
    log = Path(f"{STORE}-wal").read_bytes()
    assert len(log) > 20_000
    reader.close()
    connection.close()
    rng, lost = random.Random(0), set()
    for turn in range(24):
        damaged = bytearray(log)
        if turn % 2:
            del damaged[rng.randrange(len(log)) :]
        else:
            bit = rng.randrange(8 * len(log))
            damaged[bit // 8] ^= 1 << bit % 8
        victim.put(kept, bytes(damaged))
        found = json.loads(victim.outcome(("export", "--format", "json")).out)
        values = [[row[k] for k in ("key", "status", "value", "numerical_error")] for row in found]
        assert all(row in victim.cells for row in values)
        lost.add(len(victim.cells) - len(values))
        assert victim.goes_on(), turn
    assert len(lost) > 2


def test_row_that_is_lost_to_its_index(victim: Victim) -> None:
    """Else an earlier record of the cell, which had failed, would stand for it."""
    with sqlite3.connect(STORE) as connection:
        query = "SELECT key FROM tasks GROUP BY key HAVING count(DISTINCT status) > 1"
        keys = [key for (key,) in connection.execute(query)]
    connection.close()
    assert len(keys) == 4
    for key in keys:
        places = [found.start() for found in re.finditer(re.escape(key), victim.data)]
        assert len(places) == 4  # two rows, and two lines of the index
        for place in places:
            damaged = bytearray(victim.data)
            damaged[place + 31] ^= 1
            victim.put(bytes(damaged))
            assert all(victim.outcome(verb).refused for verb in READS)


def test_records_of_a_run_that_is_not_there(victim: Victim, call: Call) -> None:
    with sqlite3.connect(STORE) as connection:
        connection.execute("UPDATE runs SET number = 99 WHERE number = 2")
    connection.close()
    for verb in READS:
        assert "a record of a run that is not there" in victim.outcome(verb).err
    assert victim.table() is None
    assert call("clean", "--damaged", "--store", STORE).code == 0
    assert victim.table("failed") == victim.rows
