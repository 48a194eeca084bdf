"""Runs: common draws, order, workers, failures, resuming."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from entbench import run_suite
from entbench._records import SuiteRun
from entbench.runner import Store, load_suite, make_plan, override, run_plan
from entbench.runner._worker import draw, run_cell
from entbench.sources import TruncatedMixture

SMALL = {"d": 2, "sigma": 0.3, "n": [20, 50]}
QUICK = ["sp[tolerance=0.01]", "kl", "binning"]

PLUGIN = """
import os, signal
import numpy as np
from entbench import EntropyEstimator, register_estimator


class Base(EntropyEstimator):
    reads, version = "noisy", "1"

    def fit(self, X, y=None):
        self.entropy_ = self.value(X)
        return self


@register_estimator("raises")
class Raises(Base):
    def value(self, X):
        raise RuntimeError("on purpose\\nwith a second line")


@register_estimator("is-nan")
class IsNan(Base):
    def value(self, X):
        return float("nan")


@register_estimator("is-array")
class IsArray(Base):
    def value(self, X):
        return np.zeros(3)


@register_estimator("sets-nothing")
class SetsNothing(Base):
    def fit(self, X, y=None):
        return self


@register_estimator("spoils-input")
class SpoilsInput(Base):
    def value(self, X):
        X[:] = 0.0
        return 0.0


@register_estimator("global-random")
class GlobalRandom(Base):
    def value(self, X):
        return float(np.random.rand())


@register_estimator("warns")
class Warns(Base):
    def value(self, X):
        np.sqrt(-np.ones(1))
        return 1.0


@register_estimator("prints")
class Prints(Base):
    def value(self, X):
        print("something about the data")
        return 1.0


@register_estimator("threads")
class Threads(Base):
    def value(self, X):
        import numba
        return float(numba.config.NUMBA_NUM_THREADS + 10 * int(os.environ["OMP_NUM_THREADS"]))


@register_estimator("dies")
class Dies(Base):
    def value(self, X):
        if len(X) == 50:
            os.kill(os.getpid(), signal.SIGKILL)
        return 1.0
"""


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    path = tmp_path / "broken.py"
    path.write_text(textwrap.dedent(PLUGIN))
    return str(path)


def outcomes(run: SuiteRun) -> list[tuple[object, ...]]:
    return [
        (r.cell.estimator.label, r.cell.n, r.cell.trial, r.status, r.value, r.numerical_error)
        for r in run.records
    ]


def small_run(tmp_path: Path, name: str, **options: object) -> SuiteRun:
    options = {"estimators": QUICK, "trials": 4, "jobs": 1, **options}
    return run_suite("truncated-mixture", SMALL, store=tmp_path / name, **options)  # type: ignore[arg-type]


def test_one_and_two_workers_agree_to_the_bit(tmp_path: Path) -> None:
    one = small_run(tmp_path, "one", jobs=1)
    two = small_run(tmp_path, "two", jobs=2)
    assert outcomes(one) == outcomes(two)
    assert all(record.ok for record in one.records)
    other = small_run(tmp_path, "one", jobs=1, seed=1)
    assert outcomes(one) != outcomes(other)


def test_every_estimator_gets_the_same_draw() -> None:
    suite = override(load_suite("truncated-mixture"), SMALL, trials=2)
    cells = make_plan(suite).cells
    source = TruncatedMixture(**{key: SMALL[key] for key in ("d", "sigma")})
    draws: dict[tuple[int, int], list[bytes]] = {}
    for cell in cells:
        samples = draw(source, cell)
        content = b"".join(array.tobytes() for reads in samples.values() for array in reads)
        draws.setdefault((cell.n, cell.trial), []).append(content)
    assert len(draws) == 4
    for same in draws.values():
        assert len(same) == 6
        assert len(set(same)) == 1
    assert len({same[0] for same in draws.values()}) == 4


def test_noise_has_the_sources_level() -> None:
    suite = override(load_suite("truncated-mixture"), {"n": 4000, "d": 5}, trials=1)
    cell = make_plan(suite).cells[0]
    samples = draw(TruncatedMixture(d=5, sigma=0.1), cell)
    noise = (samples["noisy"][0] - samples["signal"][0]).ravel()
    # 4.5 standard errors over 20,000 draws
    assert noise.std() == pytest.approx(0.1, abs=4.5 * 0.1 / np.sqrt(2 * 20_000))
    assert noise.mean() == pytest.approx(0.0, abs=4.5 * 0.1 / np.sqrt(20_000))


def test_only_what_is_missing_is_computed(tmp_path: Path) -> None:
    first = small_run(tmp_path, "s", trials=2)
    assert first.computed == 12
    assert small_run(tmp_path, "s", trials=2).computed == 0
    more = small_run(tmp_path, "s", trials=3)
    assert more.computed == 6
    assert outcomes(more)[:2] == outcomes(first)[:2]
    assert small_run(tmp_path, "s", trials=3, rerun="all").computed == 18


def test_failures_are_rows_and_can_be_rerun(tmp_path: Path, plugin: str) -> None:
    options = {"plugins": [plugin], "trials": 1}
    names = ["raises", "is-nan", "is-array", "sets-nothing", "spoils-input", "kl[k=30]", "kl"]
    run = small_run(tmp_path, "s", estimators=names, **options)
    messages = {(r.cell.estimator.name, r.cell.n): (r.status, r.message) for r in run.records}
    assert messages["raises", 20][0] == "failed"
    assert messages["raises", 20][1].startswith("RuntimeError: on purpose (")
    assert "`entropy_` to a finite number of nats; got nan" in messages["is-nan", 20][1]
    assert "got array" in messages["is-array", 20][1]
    assert "got None" in messages["sets-nothing", 20][1]
    assert messages["spoils-input", 20][0] == "ok"
    assert "got k=30 with n_samples=20" in run.records[10].message
    assert [r.status for r in run.records[10:]] == ["failed", "ok", "ok", "ok"]
    assert all(r.value is None for r in run.records if not r.ok)
    again = small_run(tmp_path, "s", estimators=names, rerun="failed", **options)
    assert again.computed == 9
    assert small_run(tmp_path, "s", estimators=names, **options).computed == 0


def test_edited_plugin_is_computed_anew(tmp_path: Path) -> None:
    """By a session that has loaded the old text, and by its workers."""
    path = tmp_path / "mine.py"
    means = []
    for value in (1.0, 2.0):
        path.write_text(textwrap.dedent(PLUGIN).replace("return 1.0", f"return {value}"))
        run = small_run(tmp_path, "s", estimators=["warns"], plugins=[str(path)], jobs=2)
        assert run.computed == 8
        means.append({r.value for r in run.records})
    assert means == [{1.0}, {2.0}]


def test_diagnostics_are_kept_as_plain_values(tmp_path: Path) -> None:
    estimators = ["sp[tolerance=0.01]", "kde"]
    first = small_run(tmp_path, "s", estimators=estimators, trials=1)
    assert {"n_draws", "converged", "n_eff"} <= set(first.records[0].diagnostics)
    assert first.records[2].diagnostics["bandwidth"] > 0
    again = small_run(tmp_path, "s", estimators=estimators, trials=1)
    assert [r.diagnostics for r in again.records] == [r.diagnostics for r in first.records]


def test_global_generator_is_seeded_and_put_back(tmp_path: Path, plugin: str) -> None:
    np.random.seed(3)
    state = np.random.get_state()[1].copy()
    options = {"estimators": ["global-random", "kl"], "plugins": [plugin]}
    one = small_run(tmp_path, "one", jobs=1, **options)
    assert np.array_equal(state, np.random.get_state()[1])
    two = small_run(tmp_path, "two", jobs=2, **options)
    assert outcomes(one) == outcomes(two)


def test_warnings_of_a_fit_are_kept_as_message(tmp_path: Path, plugin: str) -> None:
    run = small_run(tmp_path, "s", estimators=["warns"], plugins=[plugin], trials=1)
    assert [r.status for r in run.records] == ["ok", "ok"]
    assert run.records[0].message == "warning: invalid value encountered in sqrt"


def test_workers_use_one_thread_each(tmp_path: Path, plugin: str) -> None:
    run = small_run(tmp_path, "s", estimators=["threads"], plugins=[plugin], trials=2, jobs=2)
    assert {record.value for record in run.records} == {11.0}


def test_printing_estimator_leaves_standard_output_to_results(tmp_path: Path, plugin: str) -> None:
    for jobs in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "entbench", "suite", "d=1", "n=20", "--trials", "5"]
            + ["-e", "prints", "--plugin", plugin, "--format", "json", "--rerun", "all"]
            + ["--jobs", jobs],
            capture_output=True,
            text=True,
        )
        assert json.loads(done.stdout)["rows"][0]["mean"] == 1.0
        assert "something about the data" in done.stderr


def test_dying_worker_costs_its_own_cell_only(tmp_path: Path, plugin: str) -> None:
    run = small_run(tmp_path, "s", estimators=["dies", "kl"], plugins=[plugin], jobs=2, trials=2)
    by_cell = {(r.cell.estimator.name, r.cell.n): r for r in run.records}
    assert by_cell["dies", 50].status == "failed"
    assert "the worker process died" in by_cell["dies", 50].message
    assert by_cell["dies", 20].ok
    assert by_cell["kl", 20].ok
    assert by_cell["kl", 50].ok


def test_class_of_this_session_needs_one_process(tmp_path: Path) -> None:
    script = tmp_path / "session.py"
    script.write_text(
        "import sys\n"
        "from entbench import EntropyEstimator, register_estimator, run_suite\n"
        "@register_estimator('here')\n"
        "class Here(EntropyEstimator):\n"
        "    reads, version = 'noisy', '1'\n"
        "    def fit(self, X, y=None):\n"
        "        self.entropy_ = 1.0\n"
        "        return self\n"
        "if __name__ == '__main__':\n"
        "    jobs = int(sys.argv[1])\n"
        "    run = run_suite(params={'n': [10, 20]}, estimators=['here'], trials=5, jobs=jobs,\n"
        "                    store=sys.argv[2])\n"
        "    print(sum(r.ok for r in run.records))\n"
    )
    for jobs, expected in ((1, "10"), (2, "Run with jobs=1")):
        done = subprocess.run(
            [sys.executable, script, str(jobs), tmp_path / f"{jobs}.sqlite"],
            capture_output=True,
            text=True,
        )
        assert expected in done.stdout + done.stderr


def test_cell_is_a_plain_row() -> None:
    """What goes to a worker survives pickling with nothing of ours but the row's own classes."""
    import pickle

    suite = override(load_suite("truncated-mixture"), SMALL, estimators=["kl"], trials=1)
    cell = make_plan(suite).cells[0]
    copy = pickle.loads(pickle.dumps(cell))
    assert copy == cell
    assert run_cell(copy).value == run_cell(cell).value


def test_store_error_in_the_middle_stops_the_run(tmp_path: Path) -> None:
    suite = override(load_suite("truncated-mixture"), SMALL, estimators=["kl"], trials=2)
    plan = make_plan(suite)
    with Store(tmp_path / "s") as store:
        connection = sqlite3.connect(tmp_path / "s")
        connection.execute("DROP TABLE tasks")
        connection.close()
        with pytest.raises(OSError, match="no such table"):
            run_plan(plan, store, jobs=1)


PATIENCE = 300.0  # seconds, with what never comes; no machine is as slow

SLOW_PLUGIN = """
import os
import pathlib
import time
import sqlite3
import numpy as np
from entbench import EntropyEstimator, register_estimator

def stored():
    connection = sqlite3.connect(f"file:{os.environ['WATCHED']}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT count(*) FROM tasks").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()

class Slow(EntropyEstimator):
    reads, version = "noisy", "1"

    def fit(self, X, y=None):
        pathlib.Path(f"worker-{os.getpid()}").touch()
        # the run is not over before its kill, however late that comes
        while "WATCHED" in os.environ and stored() >= int(os.environ["KILL_AFTER"]):
            time.sleep(0.01)
        self.entropy_ = float(self.value(X))
        return self

@register_estimator("slow-mean")
class Mean(Slow):
    def value(self, X):
        return X.mean()

@register_estimator("slow-spread")
class Spread(Slow):
    def value(self, X):
        return np.log(X.std())
"""


def stored_cells(path: Path) -> int:
    if not path.exists():
        return 0
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return int(connection.execute("SELECT count(*) FROM tasks").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


KILLED_RUN = [sys.executable, "-m", "entbench", "suite", "d=2", "n=20,50", "--trials", "15"]
KILLED_RUN += ["-e", "slow-mean", "-e", "slow-spread", "--plugin", "slow.py", "--jobs", "2"]
KILLED_RUN += ["--format", "json", "--quiet", "--store"]


def finished(folder: Path, store: str) -> dict[str, Any]:
    """Run to the end; return the JSON without what may differ from run to run."""
    done = subprocess.run(
        [*KILLED_RUN, store], cwd=folder, capture_output=True, text=True, check=True
    )
    data: dict[str, Any] = json.loads(done.stdout)
    for row in data["rows"]:
        del row["seconds"]
    return data


def gone(pid: int) -> bool:
    """Wait for a process of ours, no child of this one, to end."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("whole")
    (folder / "slow.py").write_text(SLOW_PLUGIN)
    return finished(folder, "whole.sqlite")


@pytest.mark.parametrize("kill_after", [1, 13, 40])
def test_run_killed_at_any_moment_is_completed_by_the_next(
    tmp_path: Path, undisturbed: dict[str, Any], kill_after: int
) -> None:
    (tmp_path / "slow.py").write_text(SLOW_PLUGIN)
    store = tmp_path / "killed.sqlite"
    killed = subprocess.Popen(
        [*KILLED_RUN, store.name],
        cwd=tmp_path,
        env={**os.environ, "WATCHED": store.name, "KILL_AFTER": f"{kill_after}"},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + PATIENCE
    while stored_cells(store) < kill_after and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    done = stored_cells(store)
    assert kill_after <= done < 60
    for worker in tmp_path.glob("worker-*"):
        assert gone(int(worker.name.partition("-")[2]))
    resumed = finished(tmp_path, store.name)
    assert 0 < resumed["run"]["computed"] <= 60 - done
    assert resumed["rows"] == undisturbed["rows"]
    assert resumed["slopes"] == undisturbed["slopes"]


SOURCE_PLUGIN = """
import math
from dataclasses import dataclass

from entbench import Reference, Source, register_source


@register_source("wide-gaussian")
@dataclass(frozen=True)
class WideGaussian(Source):
    \"\"\"S ~ N(0, I): h(S+Z) is known, and nothing else is said.\"\"\"

    d: int = 1
    sigma: float = 1.0
    version = "1"

    @property
    def dim(self):
        return self.d

    def sample(self, n, rng):
        return rng.standard_normal((n, self.d))

    def reference(self):
        value = 0.5 * self.d * math.log(2 * math.pi * math.e * (1 + self.sigma**2))
        return Reference(value, 1e-15, "closed form")
"""


def test_own_source_in_an_own_suite(tmp_path: Path) -> None:
    (tmp_path / "source.py").write_text(SOURCE_PLUGIN)
    (tmp_path / "mine.toml").write_text(
        "n = [200, 400]\ntrials = 4\n"
        'estimators = ["sp[tolerance=0.01]", "kl"]\nchecks = ["plug-in-bias"]\n'
        '[source]\nname = "wide-gaussian"\nd = [1, 2]\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "entbench", "suite", "mine.toml", "--plugin", "source.py"]
        + ["sigma=2", "--jobs", "2", "--format", "json", "--out", "results"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert [reference["source"] for reference in data["reference"]] == [
        {"name": "wide-gaussian", "d": 1, "sigma": 2},
        {"name": "wide-gaussian", "d": 2, "sigma": 2},
    ]
    assert data["checks"][0]["holds"] is None
    for row in data["rows"]:
        assert row["failed"] == 0
        assert row["bounds"] == {}
        assert abs(row["bias"]) < 0.4
