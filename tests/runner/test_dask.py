"""Cells on Dask's workers: the same digits, whoever joins, is refused or is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from entbench import run_suite
from entbench._environment import library_versions
from entbench._records import Record
from entbench.runner import Store, load_suite, make_plan, override, run_plan
from entbench.runner import _dask as dask
from entbench.runner._dask import DaskDriver, difference
from entbench.runner._limits import Limits

distributed = pytest.importorskip("distributed")

PATIENCE = 300.0  # seconds, with what never comes; no machine is as slow

PLUGIN = """
import os
import time
from pathlib import Path
from entbench import EntropyEstimator, register_estimator

HOLD = Path(__file__).with_name("hold")


class Base(EntropyEstimator):
    reads, version = "noisy", "1"

    def fit(self, X, y=None):
        self.entropy_ = self.value(X)
        return self


@register_estimator("slow")
class Slow(Base):
    def value(self, X):
        # with this file, the cells that are begun after the first few never end
        if HOLD.exists():
            HOLD.with_name(f"fit-{os.getpid()}-{time.monotonic_ns()}").touch()
            while len(list(HOLD.parent.glob("fit-*"))) > 20:
                time.sleep(0.01)
        time.sleep(0.03)
        return float(X.mean())


@register_estimator("stuck")
class Stuck(Base):
    def value(self, X):
        while True:
            time.sleep(1)
"""


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    path = tmp_path / "slow.py"
    path.write_text(textwrap.dedent(PLUGIN))
    return str(path)


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        command = ["dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        self.scheduler = self._start(*command, "--scheduler-file", str(self.file))
        self.address = json.loads(self._wait(self.file))["address"]

    def worker(self, **environment: str) -> subprocess.Popen[bytes]:
        arguments = ["--nthreads", "1", "--no-nanny", "--no-dashboard"]
        arguments += ["--host", "127.0.0.1"]
        folder = ["--local-directory", str(self.folder)]
        return self._start("dask_worker", self.address, *arguments, *folder, **environment)

    def close(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()

    def _start(self, command: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{command}", *arguments],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.processes.append(process)
        return process

    def _wait(self, path: Path) -> str:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if path.exists() and path.read_text().endswith("}"):
                return path.read_text()
            time.sleep(0.05)
        raise AssertionError("the scheduler has not started")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    yield made
    made.close()


def run(
    plugin: str,
    store: Path,
    names: list[str],
    on_record: Callable[[Record], None] = lambda record: None,
    trials: int = 20,
    **options: Any,
) -> list[tuple[object, ...]]:
    from entbench import _registry

    _registry.load_plugin(plugin)
    suite = override(
        load_suite("truncated-mixture"), {"d": 2, "n": [20, 50]}, estimators=names, trials=trials
    )
    with Store(store) as opened:
        found = run_plan(make_plan(suite), opened, on_record=on_record, **options)
    return [
        (r.cell.key, r.status, r.message, r.value, r.numerical_error, r.diagnostics)
        for r in found.records
    ]


def waited_for(cluster: Cluster, count: int) -> None:
    with distributed.Client(cluster.address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=PATIENCE)


def test_workers_and_scheduler_that_come_and_go(
    cluster: Cluster, plugin: str, tmp_path: Path
) -> None:
    """One test, as whatever starts is used again."""
    lose_a_worker_and_gain_one(cluster, plugin, tmp_path)
    keep_limits_and_refuse_a_worker(cluster, plugin, tmp_path)
    lose_the_scheduler(cluster, plugin, tmp_path)


def lose_a_worker_and_gain_one(cluster: Cluster, plugin: str, tmp_path: Path) -> None:
    names = ["slow", "kl"]
    here = run(plugin, tmp_path / "here", names, jobs=1)
    first, _ = cluster.worker(), cluster.worker()
    waited_for(cluster, 2)
    done = []

    def on_record(record: Record) -> None:
        done.append(record)
        if len(done) == 20:
            first.send_signal(signal.SIGKILL)
            cluster.worker()

    there = run(plugin, tmp_path / "there", names, on_record, dask=cluster.address)
    assert there == here
    assert len(done) == 80
    assert first.wait() == -signal.SIGKILL


def keep_limits_and_refuse_a_worker(cluster: Cluster, plugin: str, tmp_path: Path) -> None:
    fake = tmp_path / "fake" / "numpy-1.26.4.dist-info"
    fake.mkdir(parents=True)
    (fake / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.26.4\n")
    cluster.worker(PYTHONPATH=str(fake.parent))
    waited_for(cluster, 3)
    ours = library_versions()["numpy"]
    refused = f"worker tcp://.* refused: numpy 1.26.4, here {ours}$"
    options: dict[str, Any] = {"trials": 2, "dask": cluster.address}
    # no cell ends, and each has its turn; those that do end are given a limit that none meets
    for name, timeout, status in (("stuck", "1s", "timeout"), ("kl", "1h", "ok")):
        with pytest.warns(UserWarning, match=refused):
            found = run(plugin, tmp_path / "limits", [name], timeout=timeout, **options)
        assert [row[1] for row in found] == [status] * 4


def lose_the_scheduler(cluster: Cluster, plugin: str, tmp_path: Path) -> None:
    done = []
    (tmp_path / "hold").touch()

    def on_record(record: Record) -> None:
        done.append(record)
        if len(done) == 5:
            cluster.scheduler.kill()

    with (
        pytest.warns(UserWarning, match="refused: numpy"),
        pytest.raises(OSError, match=r"the Dask scheduler at tcp://.* is lost .*finished cells"),
    ):
        run(plugin, tmp_path / "cut", ["slow"], on_record, dask=cluster.address)
    (tmp_path / "hold").unlink()
    again = run_suite(
        params={"d": 2, "n": [20, 50]}, estimators=["slow"], store=tmp_path / "cut", jobs=1
    )
    assert again.computed == 40 - len(done)


def test_cluster_of_ones_own_from_the_command_line(
    entbench: Callable[..., Any], in_process: Callable[..., Any]
) -> None:
    command = ["suite", "d=2", "n=20,50", "--trials", 6, "-e", "kl", "-e", "kde", "--quiet"]
    tables = []
    here = in_process(*command, "--jobs", 1, "--format", "json", "--store", "other")
    there = entbench(*command, "--jobs", 2, "--dask", "local", "--format", "json")
    assert there.returncode == 0, there.stderr
    for done in (here, there):
        assert done.stderr == ""
        tables.append(json.loads(done.stdout)["rows"])
        for row in tables[-1]:
            del row["seconds"]
    assert tables[0] == tables[1]


def test_scheduler_that_does_not_answer(
    in_process: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask, "_CONNECT_SECONDS", 0.5)
    done = in_process("suite", "d=2", "n=20", "--trials", 2, "--dask", "tcp://127.0.0.1:1", "-q")
    assert done.exit_code == 2
    assert done.stderr.startswith("entbench: error: no Dask scheduler answers at tcp://127.0.0.1:1")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["n=20", "--jobs", 2, "--dask", "tcp://a:1"], "`jobs` counts workers of this machine"),
        (["single-neuron", "--dask", "local"], "asks for an experiment, which has no --dask: its"),
        (["n=20", "--timeout", "soon"], "`timeout` must be like 90, 90s, 5m or 1h; got 'soon'"),
    ],
)
def test_what_cannot_be_is_refused(
    in_process: Callable[..., Any], arguments: list[object], message: str
) -> None:
    done = in_process("suite", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_worker_of_the_same_versions_is_wrong_usage(
    in_process: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = FakeClient(deadly=-1, retries=False)
    client.versions = {**library_versions(), "numpy": "1.26.4"}
    client.workers = {"tcp://a:1": 1, "tcp://b:1": 1}
    monkeypatch.setattr(distributed, "Client", lambda *args, **options: client)
    done = in_process("suite", "d=2", "n=20", "--dask", "tcp://s:1", "-q")
    assert done.exit_code == 2
    assert done.stderr == (
        "entbench: error: no Dask worker is left: worker tcp://a:1 refused: numpy 1.26.4, here "
        f"{library_versions()['numpy']} (and 1 more).\n"
    )


def test_missing_extra_is_named(
    in_process: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = in_process("suite", "d=2", "n=20", "--dask", "local")
    assert done.exit_code == 2
    assert "running on Dask needs the extra `dask`: pip install 'entbench[dask]'" in done.stderr


def test_difference_names_what_differs() -> None:
    ours = library_versions()
    assert difference(ours) == ""
    assert difference({**ours, "python": ours["python"] + "9", "torch": "0.1"}) == ""
    assert difference({**ours, "python": "3.2.1"}) == f"python 3.2.1, here {ours['python']}"
    other = {name: version for name, version in ours.items() if name != "scipy"} | {"numba": "1"}
    wanted = f"scipy missing, here {ours['scipy']}; numba 1, here {ours['numba']}"
    assert difference(other) == wanted
    missing = ModuleNotFoundError("No module named 'entbench'", name="entbench")
    assert difference(missing) == "it has no entbench"
    assert difference(OSError("gone\naway")).startswith("it could not tell its versions: OSError")


class FakeFuture:
    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows
        self.status = "pending"
        self.error: BaseException | None = None
        self.callbacks: list[Callable[[Any], None]] = []

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self.callbacks.append(callback)

    def result(self) -> tuple[list[dict[str, Any]], float]:
        row = {"status": "ok", "message": "", "seconds": 0.0, "result": {"value": 1.0}}
        return [row] * len(self.rows), 0.01

    def exception(self) -> BaseException | None:
        return self.error

    def cancel(self) -> None:
        self.status = "cancelled"


class FakeClient:
    """Workers of which one cell, wherever it runs, kills the one it is on."""

    status = "running"

    def __init__(self, deadly: int, *, retries: bool) -> None:
        self.deadly, self.retries = deadly, retries
        self.workers = {"a": 1}
        self.most = self.killed = 0
        self.versions = library_versions()

    def nthreads(self) -> dict[str, int]:
        return self.workers

    def run(self, function: Any, *args: Any, workers: list[str], **options: Any) -> dict[str, Any]:
        return dict.fromkeys(workers, self.versions)

    def submit(self, function: Any, run: str, limits: Any, rows: Any, **options: Any) -> FakeFuture:
        future = FakeFuture(rows)
        self.most = max(self.most, len(rows))
        if any(row["trial"] == self.deadly for row in rows):
            self.killed += 1
            if self.retries:  # as Dask does where others are left
                future.status = "error"
                future.error = distributed.scheduler.KilledWorker("t", None, 3)
            else:  # it comes back under another address
                self.workers = {f"{self.killed}": 1}
                return future
        else:
            future.status = "finished"
        original = future.add_done_callback

        def at_once(callback: Callable[[Any], None]) -> None:
            original(callback)
            callback(future)

        future.add_done_callback = at_once  # type: ignore[method-assign]
        return future

    def cancel(self, futures: list[Any], **options: Any) -> None:
        pass

    def close(self, **options: Any) -> None:
        pass


def test_answer_that_is_lost_on_its_way_says_that_the_scheduler_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It can go between a cell's end and its answer, or while nothing is under way."""
    suite = override(load_suite("truncated-mixture"), {"n": [20]}, estimators=["kl"], trials=2)
    client: Any = FakeClient(deadly=-1, retries=False)

    def reset(future: FakeFuture) -> None:
        raise distributed.comm.CommClosedError("in <TCP (closed)>: connection reset by peer")

    monkeypatch.setattr(FakeFuture, "result", reset)
    driver = DaskDriver(client, "tcp://s:1", Limits())
    driver.look()
    with pytest.raises(OSError, match=r"the Dask scheduler at tcp://s:1 is lost \(in <TCP .* kept"):
        list(driver.run(make_plan(suite).cells))


@pytest.mark.parametrize("retries", [True, False])
def test_cell_that_kills_its_workers_fails_and_no_other(
    retries: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask, "_LOOK_SECONDS", 0.01)
    suite = override(load_suite("truncated-mixture"), {"n": [20]}, estimators=["kl"], trials=60)
    client: Any = FakeClient(deadly=40, retries=retries)
    driver = DaskDriver(client, "here", Limits())
    driver.look()
    records = list(driver.run(make_plan(suite).cells))
    assert len({record.cell.key for record in records}) == len(records) == 60
    (failed,) = [record for record in records if not record.ok]
    assert failed.cell.trial == 40
    assert "the worker process died" in failed.message
    assert client.killed == (2 if retries else 6)
    assert client.most > 1
