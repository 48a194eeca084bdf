"""Several runs on one store at once: each ends right, whatever becomes of the others."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from entbench._records import Record, RunInfo
from entbench.runner import Store, load_suite, make_plan, override
from entbench.runner._plan_rows import plan_row

if TYPE_CHECKING:
    from conftest import Outcome, Sandbox

    Call = Callable[..., Outcome]

# Runs go on in step, a fit each, so that they are at once however slow the machine is: all of them,
# `TOGETHER`, for the `FIRST` steps; then some wait to be killed, the `LASTING` for a file `go`.
IN_STEP = """
import itertools, os, time
from pathlib import Path
import numpy as np
from entbench import EntropyEstimator, register_estimator

STEPS = itertools.count()


def in_step():
    step, role = next(STEPS), os.environ["ROLE"]
    Path(f"step-{step}-{role}-{os.getpid()}").touch()
    while True:
        killed = Path("go").exists()
        parties, others = ("LASTING", "lasting-*") if killed else ("TOGETHER", "*")
        here = list(Path().glob(f"step-{step}-{others}"))
        held = step >= int(os.environ["FIRST"]) and (role == "doomed" or not killed)
        if len(here) >= int(os.environ[parties]) and not held:
            return
        time.sleep(0.01)


@register_estimator("in-step")
class InStep(EntropyEstimator):
    reads, version = "noisy", "1"

    def fit(self, X, y=None):
        if "ROLE" in os.environ:
            in_step()
        self.entropy_ = float(np.log(np.std(X)))
        return self
"""
STORE = "s.sqlite"
FIRST = 6
PATIENCE = 600.0  # seconds, with what never comes; no machine is as slow


def command(folder: Path, *arguments: str) -> list[str]:
    plugin = str(folder / "in_step.py")
    own = [sys.executable, "-m", "entbench", "suite", *arguments, "-e", "in-step"]
    return [*own, "--plugin", plugin, "--format", "json", "-q", "-j", "1"]


def start(folder: Path, *arguments: str, role: str) -> subprocess.Popen[str]:
    together = {"FIRST": f"{FIRST}", "TOGETHER": "5", "LASTING": "3"}
    return subprocess.Popen(
        [*command(folder, *arguments), "--store", STORE],
        cwd=folder,
        env={**os.environ, **together, "ROLE": role},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # whoever runs the tests in the background has it ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def table(run: subprocess.Popen[str]) -> Any:
    """Return what a run printed, without times."""
    out, err = run.communicate(timeout=PATIENCE)
    assert run.returncode in (0, 1), err
    rows = json.loads(out)["rows"]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def queried(folder: Path, query: str) -> list[Any]:
    connection = sqlite3.connect(folder / STORE, timeout=20)
    try:
        return connection.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []  # not made yet
    finally:
        connection.close()


def wait_for_cells(folder: Path, runs: int, cells: int = 3) -> None:
    """Wait until so many runs have each computed so many cells."""
    deadline = time.monotonic() + PATIENCE
    query = f"SELECT run FROM tasks GROUP BY run HAVING count(*) >= {cells}"
    while len(queried(folder, query)) < runs:
        assert time.monotonic() < deadline, "no run began"
        time.sleep(0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in_step.py").write_text(IN_STEP)
    return tmp_path


def test_runs_at_once_some_of_them_killed(folder: Path, call: Call) -> None:
    same, other = ("d=1", "n=20,30", "--trials", "20"), ("d=2", "n=20,30", "--trials", "20")
    runs = [start(folder, *each, role="lasting") for each in (same, same, other)]
    ends = (signal.SIGKILL, signal.SIGINT)
    doomed = [start(folder, *other, role="doomed") for _ in ends]
    try:
        wait_for_cells(folder, 5)
        for run, number in zip(doomed, ends, strict=True):
            run.send_signal(number)
        (folder / "go").touch()
        # readers are let in, and the run that goes on is told from those that ended
        listed = json.loads(call("runs", "--store", STORE, "--format", "json").out)["runs"]
        assert len(listed) == 5
        for each in listed:
            assert call("export", each["run"], "--store", STORE).code == 0
        tables = [table(run) for run in runs]
        for run in doomed:
            run.communicate(timeout=PATIENCE)
            assert run.returncode != 0
    finally:
        for run in (*runs, *doomed):
            run.kill()
    assert tables[0] == tables[1]
    assert queried(folder, "PRAGMA integrity_check") == [("ok",)]
    assert queried(folder, "PRAGMA foreign_key_check") == []
    turns = [run for (run,) in queried(folder, "SELECT run FROM tasks ORDER BY rowid")]
    # they were at once: a step of three runs has two turns at least, and most of 40 have three
    assert sum(a != b for a, b in itertools.pairwise(turns)) >= 2 * (40 - FIRST)
    (unfinished,) = queried(folder, "SELECT count(*) FROM runs WHERE finished IS NULL")
    assert unfinished == (2,)
    # alone, in stores of their own, to the bit
    for arguments, found in ((same, tables[0]), (other, tables[2])):
        alone = (*command(folder, *arguments)[3:], "--store", f"{arguments[0]}.sqlite")
        rows = json.loads(call(*alone).out)["rows"]
        assert [{k: v for k, v in row.items() if k != "seconds"} for row in rows] == found
    assert call("clean", "--damaged", "--unplanned", "--store", STORE).code == 0
    again = json.loads(call(*command(folder, *other)[3:], "--store", STORE).out)
    assert again["run"]["computed"] == 0


def test_store_made_by_many_at_once(sandbox: Sandbox) -> None:
    sandbox(
        """
        from entbench.runner import Store

        began, children = time.monotonic() + 0.2, []
        for _ in range(6):
            child = os.fork()
            if child:
                children.append(child)
                continue
            failed = 0
            for number in range(60):
                time.sleep(max(0, began + number / 30 - time.monotonic()))
                try:
                    with Store(Path(f"{number}.sqlite")) as store:
                        store.runs()
                except OSError as error:
                    failed = 1
                    print(error)
            os._exit(failed)
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * 6
        """
    )


def begun(store: Store, run: str) -> list[Record]:
    """Begin a run; return the records that it is to have."""
    suite = override(load_suite("truncated-mixture"), {"d": 1, "n": 20}, estimators=["kl"])
    plan = make_plan(suite)
    info = RunInfo(run, "0.1.0", 0, "3.11", "here", "2026-11-21T00:00:00+00:00")
    store.start_run(info, plan_row(plan))
    return [Record(cell, "failed", "no", 0.0) for cell in plan.cells]


def test_run_outlasts_others_that_hold_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entbench.runner._store._LOCK_SECONDS", 0.05)
    held = sqlite3.connect(tmp_path / STORE, isolation_level=None, check_same_thread=False)
    with Store(tmp_path / STORE) as store:
        records = begun(store, "run")
        held.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.5, held.rollback)
        release.start()
        store.add(records[0], "run")  # waits longer than whoever opens the store
        release.join()
        assert store.counts() == {1: (1, 1)}
    held.close()


def test_cleaning_beside_a_run_does_not_mix_up_whose_cells_are_whose(tmp_path: Path) -> None:
    with Store(tmp_path / STORE) as store:
        first, second, *_ = begun(store, "run")
        store.add(first, "run")
        with sqlite3.connect(tmp_path / STORE) as other:  # as `clean --failed` does
            other.execute("DELETE FROM tasks")
            other.execute("DELETE FROM specs")
            other.execute("INSERT INTO specs VALUES (1, '{}')")
        other.close()
        store.add(second, "run")
        with store.reading() as connection:
            named = connection.execute("SELECT source, estimator FROM results").fetchall()
        assert named == [("truncated-mixture", "kl")]


def test_run_that_is_cleaned_away_while_it_goes_on_says_so(tmp_path: Path, call: Call) -> None:
    with Store(tmp_path / STORE) as store:
        records = begun(store, "run")
        assert call("clean", "--run", "run", "--store", STORE).code == 0
        with pytest.raises(ValueError, match="run 'run' was not begun in store"):
            store.add(records[0], "run")
    assert call("runs", "--store", STORE).code == 0
