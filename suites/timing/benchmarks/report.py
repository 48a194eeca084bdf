"""From the records of a run to what people read: tables, files with figures, the HTML report."""

from __future__ import annotations

import tempfile
from pathlib import Path

from entbench import run_suite
from entbench.report import Screen, render, suite_printout, summarise, write_files

N = [100, 200, 500, 1000, 2000]
TRIALS = 10


class Report:
    """Seconds, of a run of six settings, five n, three estimators and ten trials."""

    timeout = 300

    def setup(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.run = run_suite(
            params={"d": [1, 2, 3], "sigma": [0.1, 0.5], "n": N},
            estimators=["gaussian", "binning", "kt-upper"],
            trials=TRIALS,
            jobs=1,
            store=f"{self.folder.name}/store.sqlite",
        )
        self.summary = summarise(self.run)
        self.out = Path(self.folder.name)

    def teardown(self) -> None:
        self.folder.cleanup()

    def time_summary(self) -> None:
        summarise(self.run)

    def time_tables(self) -> None:
        render(suite_printout(self.summary), "table", Screen(140))

    def time_files(self) -> None:
        write_files(self.summary, self.out)

    def time_html(self) -> None:
        from entbench.report.html import write_report  # earlier commits have none

        write_report(self.run, self.out / "report.html")
