"""`entbench doctor` finds what is wrong, and nothing that is wrong ends it."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from entbench import _environment, _machine
from entbench._environment import Finding
from entbench._records import STATUS_OK, Cell, Record, Spec
from entbench.cli import _doctor, _doctor_store
from entbench.runner import Store, run_info

Doctor = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    """Run it in a process of its own, in an environment that is spoilt."""

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        script = (
            "from entbench.cli import main; from entbench.cli._doctor import doctor; "
            "main.add_command(doctor); main()"
        )
        return subprocess.run(
            [sys.executable, "-c", script, "doctor", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=900,  # compiling takes half a minute, once
        )

    return run


def findings(text: str) -> dict[tuple[str, str], dict[str, Any]]:
    data = json.loads(text)
    return {(each["section"], each["what"]): each for each in data["findings"]}


def marks(found: Iterator[Finding]) -> dict[str, str]:
    return {each.what: each.mark for each in found}


def package(folder: Path, **modules: str) -> None:
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))


def distribution(folder: Path, points: str) -> None:
    """Write what an installed distribution leaves, with entry points."""
    info = folder / "plug-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(textwrap.dedent(points))


def a_store(path: Path, started: str = "") -> None:
    spec = Spec("one", "1", "entbench", (), "one")
    info = run_info(0)
    with Store(path) as store:
        store.start_run(info, {})
        store.add(Record(Cell(spec, spec, 10, 0, 0), STATUS_OK, "", 0.0, {"value": 1.0}), info.id)
        if started:
            with store.writing() as connection:
                connection.execute("UPDATE runs SET started = ?", (started,))


def test_all_is_well_here(doctor: Doctor, tmp_path: Path) -> None:
    """The whole of it, self-test and all, in a clean environment."""
    done = doctor("--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = findings(done.stdout)
    sections = [section for section, _ in found]
    assert list(dict.fromkeys(sections)) == [
        *("versions", "threads", "compiler", "torch", "room", "store", "terminal", "clock"),
        *("plugins", "self-test", "speed"),
    ]
    assert "not there yet" in found["store", "store"]["found"]
    assert sections.count("self-test") == 12
    assert sections.count("speed") == 3
    assert not (tmp_path / "store.sqlite").exists()
    assert list(tmp_path.iterdir()) == []  # what was made for the measurement is gone


def test_nothing_that_is_broken_ends_it(doctor: Doctor, tmp_path: Path) -> None:
    """One process in which all is broken at once, and each thing is told by its name."""
    spoilt, store = tmp_path / "spoilt", tmp_path / "notes.txt"
    spoilt.mkdir()
    store.write_text("no store of anything")
    package(
        spoilt,
        torch="raise OSError('libtorch_cpu.so: file too short')",
        falls="1 / 0",
        leaves="import sys\nsys.exit('goodbye')",
        twists="def f(:",
        works="class Nothing: pass",
    )
    distribution(
        spoilt,
        """
        [entbench.estimators]
        absent = nowhere:Thing
        falling = falls:Thing
        kl = works:Nothing
        [entbench.sources]
        leaving = leaves:Thing
        twisted = twists:Thing
        empty = works:Nothing
        [entbench.suites]
        lost = works
        """,
    )
    done = doctor(
        *("--quick", "--store", store, "--format", "json"),
        PYTHONPATH=str(spoilt),
        NUMBA_CACHE_LOCATOR_CLASSES="UserProvidedCacheLocator",
        NUMBA_CACHE_DIR="/proc/nowhere",
        OMP_NUM_THREADS="4000",
        MKL_NUM_THREADS="some",
    )
    assert done.returncode == 1, done.stderr
    found = findings(done.stdout)
    wrong = {key: each for key, each in found.items() if each["mark"] == "wrong"}
    for key, said in {
        ("torch", "torch"): "OSError: libtorch_cpu.so: file too short",
        ("store", "store"): "no entbench store of format 4",
        ("threads", "MKL_NUM_THREADS"): "'some'",
        ("plugins", "estimator absent"): "No module named 'nowhere'",
        ("plugins", "estimator falling"): "ZeroDivisionError",
        ("plugins", "estimator kl"): "offered twice",
        ("plugins", "source leaving"): "SystemExit: goodbye",
        ("plugins", "source twisted"): "SyntaxError",
        ("plugins", "source empty"): "breaks the contract",
        ("plugins", "suite lost"): "not a package",
    }.items():
        assert said in wrong[key]["found"], key
        assert wrong[key]["advice"], key
    assert found["threads", "OMP_NUM_THREADS"]["mark"] == "warning"
    assert found["compiler", "numba cache"]["mark"] == "warning"
    assert "no folder can be written" in found["compiler", "numba cache"]["found"]
    assert "nowhere:Thing (plug 1.5)" in wrong["plugins", "estimator absent"]["advice"]
    assert store.read_text() == "no store of anything"


def test_without_numpy_it_still_speaks(doctor: Doctor, tmp_path: Path) -> None:
    """Not even tables can be drawn; what torch would crash with is told as a signal."""
    package(
        tmp_path,
        numpy="raise ImportError('numpy is broken')",
        torch="import os\nos.abort()",
    )
    done = doctor("--quick", PYTHONPATH=str(tmp_path), PYTHONIOENCODING="ascii")
    assert done.returncode == 1
    assert "WRONG | threads | probe | ImportError: numpy is broken" in done.stdout
    assert "WRONG | torch | torch | `import torch` fails: killed by signal 6" in done.stdout
    assert "! | terminal | encoding | ascii" in done.stdout
    assert "tables cannot be drawn: ImportError: numpy is broken" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr.replace("Traceback", "", 0)


def test_a_self_test_that_dies_or_fails_is_wrong(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    children = {
        "kernels": "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
        "neighbours": "print('[]'); print('no answer')",
        "speed": "raise ValueError('not today')",
    }
    for each in children:
        monkeypatch.setattr(
            _doctor, "_ask_self_test", lambda part: _environment.Child("-c", children[part])
        )
        (told,) = _doctor._self_tested(each, _doctor._ask_self_test(each))
        assert told.mark == "wrong"
        assert {"kernels": "signal 4", "neighbours": "no answer", "speed": "not today"}[
            each
        ] in told.found
    (told,) = _doctor._self_tested(
        "speed",
        _environment.Child(
            "-c",
            'print(\'[{"section": "a", "what": "b", "found": "c", "mark": "wrong", '
            '"advice": "d"}]\')',
        ),
    )
    assert told == Finding("a", "b", "c", "wrong", "d")


def test_a_child_that_hangs_is_ended() -> None:
    child = _environment.Child("-c", "import time; time.sleep(900)")
    with pytest.raises(_environment.ChildError, match=r"no answer after 0\.1 s"):
        child.answer(0.1)
    assert child._process.returncode != 0  # it has been waited for


def test_store_is_looked_at_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    a_store(path)
    before = hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns
    found = {each.what: each for each in _doctor_store.find_store(path)}
    assert found["what it holds"].found == "1 runs, 1 cells and steps, 0 certificates"
    assert found["store"].found.startswith(f"{path}, ")
    assert found["unfinished runs"].mark == "warning"
    assert {each.mark for each in found.values()} == {"ok", "warning"}
    assert (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) == before


def test_store_with_a_changed_row(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    a_store(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE tasks SET seconds = 2.0")
    connection.close()
    found = {each.what: each for each in _doctor_store.find_store(path)}
    assert found["checksums"].mark == "wrong"
    assert "entbench clean --damaged" in found["checksums"].advice


@pytest.mark.parametrize("kind", ["folder", "text", "empty of ours", "other", "newer", "cut"])
def test_store_that_is_none(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "store.sqlite"
    if kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("x" * 5000)
    elif kind == "cut":
        a_store(path)
        path.write_bytes(path.read_bytes()[:9000])
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE t (x)")
            if kind == "newer":
                connection.execute(f"PRAGMA application_id = {0x656E7462}")
                connection.execute("PRAGMA user_version = 99")
        connection.close()
    (told,) = _doctor_store.find_store(path)
    assert told.mark == "wrong"
    assert told.advice
    assert [what for what, _ in _doctor_store.past(path)] == ["this copy of entbench"]


def test_a_last_run_in_the_future(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    a_store(path, started="2999-01-01T00:00:00+00:00")
    (told,) = _machine.find_clock(_doctor_store.past(path))
    assert told.mark == "warning"
    assert "the store's last run is of 2999-01-01" in told.found


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    found = marks(_machine.find_room(Path("/proc/nowhere/store.sqlite")))
    assert found["store"] == "wrong"
    assert "store" not in marks(_machine.find_room(tmp_path / "new" / "store.sqlite"))


def test_exit_code_and_table(monkeypatch: pytest.MonkeyPatch) -> None:
    for mark, code, last in (
        ("ok", 0, "✓ 0 wrong, 0 to be known of, 1 fine"),
        ("warning", 0, "✓ 0 wrong, 1 to be known of, 0 fine"),
        ("wrong", 1, "✗ 1 wrong, 0 to be known of, 0 fine"),
    ):
        told = [Finding("store", "disk", "12 | GiB", mark, "buy more")]  # type: ignore[arg-type]
        monkeypatch.setattr(_doctor, "_findings", lambda store, quick, told=told: told)
        done = CliRunner().invoke(_doctor.doctor, ["--format", "markdown"])
        assert done.exit_code == code
        assert last in done.stdout
        assert "12 \\| GiB" in done.stdout
