"""Worker processes: limits, deaths, what they are given, and their end."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from entbench import _registry as registry
from entbench._base import Interval
from entbench._records import Cell, Record, Spec, Step
from entbench.runner import load_suite, make_plan, override
from entbench.runner._execute import execute
from entbench.runner._experiment import _execute as execute_steps
from entbench.runner._lane import Lane
from entbench.runner._lanes import Lanes, LanesClosedError
from entbench.runner._limits import Limits
from entbench.runner._messages import line_of, outcome_row, task_of, task_row

PATIENCE = 300.0  # seconds, with what never comes; no machine is as slow

PLUGIN = """
import os, pathlib, re, signal, sys, time
from collections.abc import Mapping
from dataclasses import dataclass
import numpy as np
from entbench import EntropyEstimator, register_estimator
from entbench._base import Experiment
from entbench._registry import register_experiment

LEFT = []


def wait_to_be_killed():
    # large for as long as it takes to be found out; where nobody looks, it goes on
    time.sleep(300)


class Base(EntropyEstimator):
    reads, version = "noisy", "1"

    def fit(self, X, y=None):
        self.entropy_ = float(self.value(X))
        return self


@register_estimator("sleeps")
class Sleeps(Base):
    def value(self, X):
        while True:
            time.sleep(1)


@register_estimator("spins")
class Spins(Base):
    def value(self, X):
        import numba

        @numba.njit
        def spin(a):
            while a[0] >= 0.0:
                a[0] += 1e-300
            return a[0]

        return spin(np.ones(1))


@register_estimator("matches")
class Matches(Base):
    def value(self, X):
        pathlib.Path(f"spinning-{os.getpid()}").touch()
        return re.match("(a+)+$", 60 * "a" + "b")


@register_estimator("grows")
class Grows(Base):
    def value(self, X):
        kept = []
        while True:
            kept.append(np.ones(10**6))
            time.sleep(0.002)


@register_estimator("fills")
class Fills(Base):
    def value(self, X):
        kept = np.ones(12 * 10**7)
        wait_to_be_killed()
        return kept.sum()


@register_estimator("asks")
class Asks(Base):
    def value(self, X):
        return np.ones(10**11).sum()


@register_estimator("leaves")
class Leaves(Base):
    def value(self, X):
        LEFT.append(np.ones(2 * 10**7))
        if len(LEFT) == 3:
            wait_to_be_killed()
        return len(LEFT)


@register_estimator("talks")
class Talks(Base):
    def value(self, X):
        os.write(1, b'{"done": "not by this"}\\n')
        print("not by this either")
        return float(len(sys.stdin.read()) + len(os.read(0, 10)))


@register_experiment("pids")
@dataclass(frozen=True)
class Pids(Experiment):
    version = "1"
    setting: int = 0

    def steps(self):
        return [{"step": step} for step in range(3)]

    def measure(self, step: Mapping):
        if self.setting == 2 and step["step"] == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)
        return {"pid": os.getpid()}

    @classmethod
    def claims(cls, results):
        return []
"""


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    path = tmp_path / "hungry.py"
    path.write_text(textwrap.dedent(PLUGIN))
    registry.load_plugin(str(path))
    return str(path)


def cells_of(*estimators: str, n: int = 20, trials: int = 1) -> list[Cell]:
    suite = load_suite("truncated-mixture")
    params = {"d": 2, "n": [n]}
    return list(make_plan(override(suite, params, estimators=estimators, trials=trials)).cells)


def run(cells: list[Cell], jobs: int, limits: Limits) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in execute(cells, jobs, limits):
        found.setdefault(record.cell.estimator.name, []).append(record)
    return found


@pytest.mark.parametrize(
    ("given", "timeout", "memory"),
    [
        ((90, 2**31), 90.0, 2**31),
        (("90", "500MB"), 90.0, 500_000_000),
        (("90s", "2GiB"), 90.0, 2**31),
        (("1.5m", "0.5 gib"), 90.0, 2**29),
        (("1h", "1e3kB"), 3600.0, 1_000_000),
        (("2min", "3TiB"), 120.0, 3 * 2**40),
        ((None, None), None, None),
    ],
)
def test_limits_are_read(given: tuple[Any, Any], timeout: float, memory: int) -> None:
    limits = Limits.of(*given)
    assert limits == Limits(timeout, memory)
    assert bool(limits) == (timeout is not None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("5 days", None), "`timeout` must be like 90, 90s, 5m or 1h; got '5 days'"),
        (("-1", None), "`timeout` must be like"),
        (("0s", None), "`timeout` must be a finite number > 0; got 0"),
        ((math.inf, None), "`timeout` must be"),
        (("1.2.3s", None), "`timeout` must begin with a number; got '1.2.3s'"),
        ((None, "2G"), "`memory` must be like 500MB or 2GiB; got '2G'"),
        ((None, "GiB"), "`memory` must be like"),
        ((None, 0), "`memory` must be a finite number > 0; got 0"),
    ],
)
def test_wrong_limits_get_a_line(given: tuple[Any, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Limits.of(*given)


def test_rows_survive_the_way_to_a_worker_and_back() -> None:
    params = (("a", 0.1 + 0.2), ("b", True), ("c", None), ("d", 5e-324), ("e", "ä\n"), ("f", 1))
    spec = Spec("name", "1", "entbench", params, "label", None)
    cell, step = Cell(spec, spec, 10, 3, 2**60), Step(spec, (("t", 1.5), ("u", 2)))
    for task in (cell, step):
        line = line_of(task_row(task))
        assert line.count(b"\n") == 1
        back = task_of(json.loads(line))
        assert back == task
        assert back.key == task.key  # which tells 1 from 1.0 and True
    interval = Interval(-0.1, None, note="ä")
    result = {"value": -1 / 3, "standard_error": 0.1, "interval": asdict(interval)}
    record = Record(cell, "ok", "", 1e-9, result | {"diagnostics": {"k": 3, "ok": True, "w": "ö"}})
    back = Record(cell, **json.loads(line_of(outcome_row(record))))
    assert back == record
    assert (back.value, back.numerical_error, back.interval) == (-1 / 3, None, interval)


def test_all_that_takes_too_long_is_killed_and_the_rest_goes_on(plugin: str) -> None:
    """Asleep, and in C with Python's lock held: none would end, and each has its turn."""
    found = run(cells_of("sleeps", "spins", trials=2), 2, Limits.of("1s", "9GiB"))
    assert {name: len(records) for name, records in found.items()} == {"sleeps": 2, "spins": 2}
    for record in (record for records in found.values() for record in records):
        assert record.status == "timeout"
        assert "time limit of 1 s; `--rerun failed` with a larger --tim" in record.message
        assert record.seconds >= 1.0


def test_all_that_grows_too_large_is_killed_and_the_rest_goes_on(plugin: str) -> None:
    """By small steps, in one go, more than there is; the limit on time is one that none meets."""
    limits = Limits.of("1h", "450MB")
    found = run(cells_of("grows", "fills", "asks", "kl"), 2, limits)
    large = ("grows", "fills", "asks")
    statuses = {name: record.status for name, (record,) in found.items()}
    assert statuses == {**dict.fromkeys(large, "memory"), "kl": "ok"}
    assert {found[name][0].message for name in large} == {limits.out_of_memory}
    assert "memory limit of 450 MB; `--rerun failed` with a larger --m" in limits.out_of_memory


COMPILING = """
import os
from numba.core.compiler_lock import global_compiler_lock
from entbench.runner._lane_program import _Clock

clock = _Clock(os.fdopen(1, "wb", buffering=0))
clock.leave_compiling_out()
clock.begin()
clock.start()
with global_compiler_lock:  # held where a function is compiled, or loaded from disk
    with global_compiler_lock:
        os.write(1, b'"compiling"\\n')
"""


def test_compiling_is_told_to_the_driver() -> None:
    done = subprocess.run([sys.executable, "-c", COMPILING], capture_output=True, check=True)
    began, *clock, again = map(json.loads, done.stdout.splitlines())
    assert began == {"began": True}
    assert [row if isinstance(row, str) else row["clock"] for row in clock] == [
        *("on", "off", "compiling")
    ]
    assert again["clock"] == "on"
    assert clock[0]["at"] <= clock[1]["at"] <= again["at"]


def test_time_that_is_not_counted_is_no_excess(monkeypatch: pytest.MonkeyPatch) -> None:
    """On from 1 s to 4 s and from 100 s on: the limit of 5 s is met at 102 s, not before."""
    now = [0.0]
    monkeypatch.setattr("entbench.runner._lane.time.monotonic", lambda: now[0])
    lane = Lane(Limits(timeout=5.0), one_thread=True)
    lane._await()
    found = []
    said = {1: "on", 4: "off", 100: "on"}
    for second in range(110):
        now[0] = float(second)
        if second in said:
            lane._take({"clock": said[second], "at": now[0]})
        found.append(lane.excess())
    assert found[:103] == [None] * 103
    assert {status for status, _ in found[103:]} == {"timeout"}


def test_what_earlier_cells_left_behind_is_not_this_ones(plugin: str) -> None:
    """160 MB stay behind after each fit: the process grows too large, the cells never are."""
    found = run(cells_of("leaves", trials=2), 1, Limits.of(None, "600MB"))
    assert [record.status for record in found["leaves"]] == ["ok", "ok"]
    assert [record.value for record in found["leaves"]] == [2.0, 2.0]  # the first was a warm-up


def test_limit_below_the_worker_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="`memory` must be more than a worker takes before any ce"):
        run(cells_of("kl"), 1, Limits.of(None, "20MB"))


def test_messages_are_kept_from_what_is_printed_and_read(plugin: str) -> None:
    with Lanes(1) as lanes:
        found = list(lanes.run((cell,) for cell in cells_of("talks", trials=2)))
    assert [record.value for record in found] == [0.0, 0.0]


def test_steps_of_a_setting_share_a_process_and_a_dying_one_costs_one(plugin: str) -> None:
    specs = [registry.make_experiment("pids", {"setting": setting}) for setting in range(3)]
    steps = [
        Step(
            Spec("pids", "1", "", (("setting", i),), f"pids[{i}]", plugin),
            tuple(step.items()),
        )
        for i, spec in enumerate(specs)
        for step in spec.steps()
    ]
    found = {m.cell: m for m in execute_steps(steps, 2, Limits())}
    assert set(found) == set(steps)
    failed = [m for m in found.values() if not m.ok]
    assert [dict(m.cell.at) for m in failed] == [{"step": 1}]
    assert "the worker process died" in failed[0].message
    for spec in dict.fromkeys(step.experiment for step in steps[:6]):
        pids = {m.result["pid"] for m in found.values() if m.cell.experiment == spec}
        assert len(pids) == 1
        assert pids != {os.getpid()}


def test_workers_that_cannot_start_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(OSError, match="worker processes end before their first cell, with code 1"):
        run(cells_of("kl", trials=4), 2, Limits())


def test_processes_are_gone_when_a_run_is_left(plugin: str) -> None:
    lanes = Lanes(2)
    with lanes, closing(lanes.run((cell,) for cell in cells_of("talks", trials=9))) as records:
        next(iter(records))
        pids = [lane._process.pid for lane in lanes._lanes if lane._process]
        assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with pytest.raises(LanesClosedError, match="stopped"):
        next(lanes.run([cells_of("talks")]))


SCRIPT = """
import multiprocessing, sys
sys.path.insert(0, sys.argv[1])
from entbench import run_suite

def job():
    run = run_suite(params={"n": [10, 20]}, estimators=["hidden-one"], trials=3, jobs=2,
                    plugins=["hidden_module"], store=sys.argv[2])
    print(sum(record.value for record in run.records))

process = multiprocessing.get_context("fork").Process(target=job, daemon=True)
process.start()
process.join()
"""

HIDDEN = """
from entbench import EntropyEstimator, register_estimator

@register_estimator("hidden-one")
class Hidden(EntropyEstimator):
    reads, version = "noisy", "1"

    def fit(self, X, y=None):
        self.entropy_ = 1.0
        return self
"""


def test_script_needs_no_guard_and_its_search_path_holds(tmp_path: Path) -> None:
    """Nor does it matter to workers that a daemonic process may have no children."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "hidden_module.py").write_text(HIDDEN)
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", folder, tmp_path / "s.sqlite"],
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["6.0"], done.stderr


@pytest.fixture
def started(tmp_path: Path, plugin: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a suite in a process group of its own, in a folder of its own."""
    processes = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "entbench", "suite", "d=2", "n=20", "--quiet"]
        process = subprocess.Popen(
            [*command, "--plugin", plugin, "--store", "s.sqlite", *arguments],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # whoever runs the tests in the background has it ignored
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def spinning(folder: Path, count: int) -> list[int]:
    """Wait until so many processes are in a loop that never ends; return their numbers."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = [int(path.name.partition("-")[2]) for path in folder.glob("spinning-*")]
        if len(found) >= count:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{count} workers have not begun")


def gone(pid: int) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("signals", "code", "word"),
    [
        ([signal.SIGINT], 130, "interrupted"),
        ([signal.SIGTERM], 143, "terminated"),
        ([signal.SIGINT] * 3, 130, "interrupted"),
        ([signal.SIGKILL], -9, ""),
    ],
    ids=["Ctrl-C", "SIGTERM", "Ctrl-C, Ctrl-C, Ctrl-C", "SIGKILL"],
)
def test_signals_end_everything_in_one_line(
    tmp_path: Path,
    started: Callable[..., subprocess.Popen[str]],
    signals: list[int],
    code: int,
    word: str,
) -> None:
    """Workers are in compiled code that never lets go of Python's lock."""
    jobs = 2 if len(signals) > 1 else 1
    process = started("-e", "matches", "--trials", "4", "--jobs", str(jobs), "--memory", "9GiB")
    workers = spinning(tmp_path, jobs)
    for number in signals:
        os.killpg(process.pid, number)
        time.sleep(0.002)
    printed, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert printed == ""
    line = f"entbench: {word}; a suite keeps its finished cells: run it again to go on.\n"
    assert said == (line if word else "")
    assert all(map(gone, workers))
