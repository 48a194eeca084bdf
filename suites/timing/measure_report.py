"""Measure the HTML report of runs of 10,000 cells; print asked, measured.

    python suites/timing/measure_report.py [CHROMIUM]

Two made-up runs are put into a store: 500 rows of 20 trials, and 10,000 rows of one trial. For each
of them: process time of the whole ``entbench report`` and of the writing alone (medians), size of
the file, and, where playwright and the browser CHROMIUM (/usr/bin/chromium) are there, seconds from
the start of the navigation to the end of the first sort of the table of errors.
"""

from __future__ import annotations

import itertools
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from entbench._base import Reference, ReferenceCheck, SourceFacts
from entbench._environment import library_versions
from entbench._records import Case, Cell, Record, RunInfo, Spec, SuiteRun
from entbench.report.html import write_report
from entbench.runner import Store
from entbench.runner._plan_rows import plan_row

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROUNDS = 3
ASKED = {"whole (s)": 5.0, "writing (s)": 5.0, "size (MB)": 3.0, "first sort (s)": 1.0}
METHODS = (
    *("sp", "sp-loo", "kl", "kl[k=7]", "kde"),
    *("binning", "kt-upper", "kt-lower", "spacing", "gaussian"),
)
SIZES = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
CHROMIUM_ARGS = ["--no-sandbox", "--disable-gpu", "--no-first-run"]
CHROMIUM_ARGS += ["--disable-background-networking", "--disable-component-update"]
# what a browser does between the navigation's start and the end of its first sort
_SORT = """() => {
  document.querySelector("#errors-table th:nth-child(4) button").click();
  document.body.getBoundingClientRect();
  return performance.now();
}"""


def made_up(settings: int, trials: int) -> SuiteRun:
    """Return a run of ten estimators at ten n, whose errors fall as they do."""
    rng = np.random.default_rng(0)
    cases = tuple(_case(i) for i in range(settings))
    methods = [Spec(m.partition("[")[0], "1", "entbench", (("label", m),), m) for m in METHODS]
    records = []
    for case, method, n in itertools.product(cases, methods, SIZES):
        values = case.reference.value + (rng.standard_normal(trials) + 0.3) / np.sqrt(n)
        for trial, value in enumerate(values.tolist()):
            cell = Cell(case.source, method, n, trial, 0)
            records.append(Record(cell, "ok", "", 0.01, {"value": value, "numerical_error": 1e-9}))
    info = RunInfo(
        "0123456789ab", "0.1.0", 0, "3.11", "made up", "2026-01-01T00:00:00+00:00",
        "2026-01-01T00:01:00+00:00", "entbench suite made-up", library_versions(),
    )  # fmt: skip
    return SuiteRun(
        suite="made-up",
        params={"n": list(SIZES), "trials": trials},
        cases=cases,
        records=tuple(records),
        checks=("plug-in-bias", "plug-in-risk", "pairwise-bounds"),
        figures=("error-vs-n",),
        info=info,
        computed=len(records),
    )


def _case(i: int) -> Case:
    dim, sigma = i % 10 + 1, round(0.1 * (i // 10 + 1), 1)
    params = (("d", dim), ("sigma", sigma), ("tau", 0.02))
    label = f"truncated-mixture[{','.join(f'{k}={v}' for k, v in params)}]"
    value = 0.5 * dim * math.log(2.0 * math.pi * math.e * sigma**2)
    again = (ReferenceCheck("a made-up second way", value, 0.0),)
    reference = Reference(value, 1e-12, "made up", again)
    source = Spec("truncated-mixture", "1", "entbench", params, label)
    return Case(source, reference, SourceFacts(dim, sigma, in_unit_cube=True))


def stored(run: SuiteRun, path: Path) -> None:
    """Put a run into a store, as if it had been computed."""
    asked = SimpleNamespace(
        name=run.suite,
        params=run.params,
        checks=run.checks,
        figures=run.figures,
        tables=run.tables,
    )
    cells = tuple(record.cell for record in run.records)
    plan = SimpleNamespace(suite=asked, cases=run.cases, cells=cells, notes=())
    with Store(path) as store:
        store.start_run(run.info, plan_row(cast("Any", plan)))
        for record in run.records:
            store.add(record, run.info.id)
        store.finish_run(run.info.id)


def whole_seconds(store: Path, out: Path) -> float:
    """Return process time of ``entbench report`` in a fresh process."""
    command = [sys.executable, "-c", "from entbench.cli import main; main()"]
    command += ["report", "--store", str(store), "-o", str(out)]
    before = _children()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def writing_seconds(run: SuiteRun, out: Path) -> float:
    """Return process time of writing the page alone."""
    start = time.process_time()
    write_report(run, out)
    return time.process_time() - start


def sort_seconds(browser: Browser, path: Path) -> float:
    """Return seconds from the start of the navigation to the end of the first sort."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri(), wait_until="commit")
    page.wait_for_selector("#errors-table th:nth-child(4) button", state="attached")
    taken = float(page.evaluate(_SORT)) / 1000.0
    page.close()
    return taken


def in_browser(paths: list[Path], chromium: str) -> list[float | None]:
    """Return the median of `sort_seconds` for each page; None without a browser."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return [None] * len(paths)
    if not Path(chromium).exists():
        return [None] * len(paths)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS)
        found: list[float | None] = [
            statistics.median(sort_seconds(browser, path) for _ in range(ROUNDS)) for path in paths
        ]
        browser.close()
    return found


def main() -> None:
    """Measure and print."""
    chromium = sys.argv[1] if len(sys.argv) > 1 else "/usr/bin/chromium"
    runs = {"500 x 20": made_up(5, 20), "10,000 x 1": made_up(100, 1)}
    with tempfile.TemporaryDirectory() as folder:
        paths, measured = [], []
        for number, run in enumerate(runs.values()):
            store, out = Path(folder, f"{number}.sqlite"), Path(folder, f"{number}.html")
            stored(run, store)
            whole = statistics.median(whole_seconds(store, out) for _ in range(ROUNDS))
            alone = statistics.median(writing_seconds(run, out) for _ in range(ROUNDS))
            measured.append([whole, alone, out.stat().st_size / 1e6])
            paths.append(out)
        sorts = in_browser(paths, chromium)
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print("| rows x trials | what | asked | measured |\n| :-- | :-- | --: | --: |")
    for name, numbers, first in zip(runs, measured, sorts, strict=True):
        for (what, asked), value in zip(ASKED.items(), [*numbers, first], strict=True):
            said = "no browser" if value is None else f"{value:.2f}"
            print(f"| {name} | {what} | <= {asked:g} | {said} |")


if __name__ == "__main__":
    main()
