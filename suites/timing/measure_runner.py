"""Measure what runner and store cost beside the cells, and print tables: asked, measured.

    python suites/timing/measure_runner.py [overhead] [size] [dask] [kill]

All four where none is named. `overhead`: 10,000 cells that take 1 ms each, busy; what a cell costs
beside it is wall x jobs / cells - 1 ms, starting the processes, drawing and storing included.
`size`: 100,000 cells of next to nothing, and a plan of a million. `dask`: the default suite here,
on a local cluster, and cell by cell in joblib's processes with no store, side by side. `kill`: a
suite killed with its whole driver at 20 random moments and run again. All with two processes.
"""

from __future__ import annotations

import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

JOBS = 2
CELLS, SIZE_CELLS, PLAN_CELLS = 10_000, 100_000, 1_000_000
REPEATS, KILLS, SEED = 3, 20, 0
DEFAULT = ["suite", "d=5", "sigma=0.1", "--jobs", str(JOBS), "--quiet"]
KILLED = ["suite", "d=2", "sigma=0.3", "n=50,100,200", "--trials", "15", "--quiet"]
KILLED += ["--jobs", str(JOBS), "--format", "json", "--store"]

PLUGIN = """
import time
from entbench import EntropyEstimator, register_estimator


class Busy(EntropyEstimator):
    reads, version, seconds = "noisy", "1", 0.0

    def fit(self, X, y=None):
        end = time.perf_counter() + self.seconds
        while time.perf_counter() < end:
            pass
        self.entropy_ = float(X[0, 0])
        return self


@register_estimator("nothing")
class Nothing(Busy):
    pass


@register_estimator("millisecond")
class Millisecond(Busy):
    seconds = 1e-3
"""

# a run in a process of its own, so that its peak memory is its own
RUN = """
import json, resource, sys, time
from pathlib import Path
from entbench import _registry
from entbench.runner import Store, load_suite, make_plan, override, run_plan
plugin, store, name, trials, jobs, run = sys.argv[1:]
_registry.load_plugin(plugin)
suite = override(
    load_suite("truncated-mixture"), {"d": 1, "n": [10]}, estimators=[name], trials=int(trials)
)
began = time.perf_counter()
with Store(Path(store)) as opened:
    plan = make_plan(suite, opened)
    planned = time.perf_counter() - began
    if run == "run":
        run_plan(plan, opened, jobs=int(jobs))
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
busy = sum(each.ru_utime + each.ru_stime for each in used)
seconds = time.perf_counter() - began - planned
print(json.dumps([planned, seconds, busy, used[0].ru_maxrss * 1024]))
"""

JOBLIB = """
import sys
import joblib
from entbench.runner import load_suite, make_plan, override
from entbench.runner._execute import in_turn
from entbench.runner._worker import run_cell
cells = in_turn(make_plan(override(load_suite("truncated-mixture"), {"d": 5, "sigma": 0.1})).cells)
with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
    records = joblib.Parallel(n_jobs=int(sys.argv[1]))(joblib.delayed(run_cell)(c) for c in cells)
assert all(record.ok for record in records)
"""


def measured_run(folder: Path, name: str, cells: int, jobs: int, what: str = "run") -> list[float]:
    """Return seconds of plan, run and all processors; the driver's memory; the store's size."""
    plugin, store = folder / "busy.py", folder / f"{name}-{cells}-{jobs}.sqlite"
    plugin.write_text(PLUGIN)
    arguments = [str(plugin), str(store), name, str(cells), str(jobs), what]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], check=True, capture_output=True, text=True
    )
    return [*json.loads(done.stdout), store.stat().st_size]


def overhead(folder: Path) -> None:
    """Print what a cell costs beside its millisecond."""
    print(f"\n| {CELLS} cells of 1 ms | asked | beside the cell | of processors |")
    print("| :-- | --: | --: | --: |")
    for jobs in (1, JOBS):
        _, seconds, busy, _, _ = measured_run(folder, "millisecond", CELLS, jobs)
        cost, used = (1e3 * (time / CELLS - 1e-3) for time in (seconds * jobs, busy))
        words = f"{jobs} process{'es' * (jobs > 1)}"
        print(f"| {words} | <= 2 ms | {cost:.2f} ms | {used:.2f} ms |")


def size(folder: Path) -> None:
    """Print what many cells take, in time, memory and store."""
    _, seconds, busy, peak, stored = measured_run(folder, "nothing", SIZE_CELLS, JOBS)
    planned, _, _, most, _ = measured_run(folder, "nothing", PLAN_CELLS, JOBS, "plan")
    base = measured_run(folder, "nothing", 10, JOBS, "plan")[3]
    print("\n| a cell of many | measured |\n| :-- | --: |")
    print(f"| runner and store, {SIZE_CELLS} cells | {1e6 * seconds * JOBS / SIZE_CELLS:.0f} us |")
    print(f"| of processors | {1e6 * busy / SIZE_CELLS:.0f} us |")
    print(f"| of the store | {stored / SIZE_CELLS:.0f} bytes |")
    print(f"| of the driver's memory, with its record | {(peak - base) / SIZE_CELLS:.0f} bytes |")
    print(f"| of the driver's memory, planned | {(most - base) / PLAN_CELLS:.0f} bytes |")
    print(f"| to plan | {1e6 * planned / PLAN_CELLS:.1f} us |")


def timed(command: list[str]) -> float:
    """Return the seconds that a command takes."""
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
    return time.perf_counter() - start


def dask(folder: Path) -> None:
    """Print the default suite's seconds here, on Dask and in joblib, side by side."""
    entbench = [sys.executable, "-m", "entbench", *DEFAULT]
    times: dict[str, list[float]] = {"here": [], "dask": [], "joblib": []}
    for repeat in range(REPEATS):
        store = ["--store", str(folder / f"{repeat}.sqlite")]
        times["here"].append(timed([*entbench, *store]))
        store = ["--store", str(folder / f"dask-{repeat}.sqlite")]
        times["dask"].append(timed([*entbench, *store, "--dask", "local"]))
        times["joblib"].append(timed([sys.executable, "-c", JOBLIB, str(JOBS)]))
    middle = {name: statistics.median(seconds) for name, seconds in times.items()}
    print(f"\n| default suite, median of {REPEATS} | asked | measured |\n| :-- | --: | --: |")
    print(f"| `entbench suite d=5 sigma=0.1` | | {middle['here']:.1f} s |")
    print(f"| `joblib.Parallel` over the same cells, no store | | {middle['joblib']:.1f} s |")
    ratio = middle["dask"] / middle["here"]
    print(f"| `--dask local` over `--jobs` | <= 1.3 | {ratio:.2f} ({middle['dask']:.1f} s) |")
    print(f"| `--dask local` over joblib | | {middle['dask'] / middle['joblib']:.2f} |")


def table(command: list[str]) -> object:
    """Run to the end; return the table without what may differ from run to run."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    data = json.loads(done.stdout)
    for row in data["rows"]:
        del row["seconds"]
    return data["rows"], data["slopes"], data["checks"]


def kill(folder: Path) -> None:
    """Print how many killed runs end in the table of one that was let be."""
    command = [sys.executable, "-m", "entbench", *KILLED]
    start = time.perf_counter()
    whole = table([*command, str(folder / "whole.sqlite")])
    length = time.perf_counter() - start
    rng, same = random.Random(SEED), 0
    for number in range(KILLS):
        store = str(folder / f"killed-{number}.sqlite")
        process = subprocess.Popen([*command, store], stdout=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.0, length))
        process.send_signal(signal.SIGKILL)
        process.wait()
        same += table([*command, store]) == whole
    print(f"\n| killed with SIGKILL within its {length:.0f} s, run again | asked | measured |")
    print("| :-- | --: | --: |")
    print(f"| the same table, of {KILLS} moments | {KILLS} | {same} |")


def main() -> None:
    """Measure and print."""
    parts = {"overhead": overhead, "size": size, "dask": dask, "kill": kill}
    for name in sys.argv[1:] or parts:
        with tempfile.TemporaryDirectory() as folder:
            parts[name](Path(folder))


if __name__ == "__main__":
    main()
