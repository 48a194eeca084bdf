"""What a cell costs beside its estimator: worker, store, and reading it back."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from entbench import run_suite
from entbench._records import STATUS_OK, Cell, Record
from entbench.runner import Store, load_suite, make_plan, override, run_info
from entbench.runner._worker import run_cell

CELLS = 300
ROUNDS = 5


class PerCell:
    """Seconds a cell, the least over some rounds of some hundred cells of a cheap estimator."""

    timeout = 300

    def setup(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        suite = override(
            load_suite("truncated-mixture"),
            {"d": 2, "sigma": 0.5, "n": 50},
            estimators=["gaussian"],
            trials=CELLS,
        )
        with Store(self.path("plan")) as store:
            self.plan = make_plan(suite, store)
        self.cells = self.plan.cells
        run_cell(self.cells[0])
        self.names = itertools.count()

    def teardown(self) -> None:
        self.folder.cleanup()

    def path(self, name: object) -> Path:
        """Return the path of a store."""
        return Path(self.folder.name) / f"{name}.sqlite"

    def track_worker(self) -> float:
        return self.least(lambda: [run_cell(cell) for cell in self.cells])

    def track_store(self) -> float:
        return self.least(lambda: self.fill(self.path(next(self.names))))

    def track_whole_run(self) -> float:
        def run() -> None:
            run_suite(
                params={"d": 2, "sigma": 0.5, "n": 50},
                estimators=["gaussian"],
                trials=CELLS,
                jobs=1,
                store=self.path(next(self.names)),
            )

        return self.least(run)

    def track_read_back(self) -> float:
        path = self.path(next(self.names))
        self.fill(path)

        def read() -> None:
            with Store(path, create=False) as store:
                assert len(list(store.records(self.cells))) == CELLS

        return self.least(read)

    def fill(self, path: Path) -> None:
        """Store a record of each cell, one transaction each."""
        info = run_info(0)
        with Store(path) as store:
            store.start_run(info, {})
            for cell in self.cells:
                store.add(_record(cell), info.id)

    def least(self, call: Callable[[], object]) -> float:
        """Return the least seconds a cell."""
        seconds = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        return min(seconds) / CELLS


def _record(cell: Cell) -> Record:
    return Record(cell, STATUS_OK, "", 0.001, {"value": 1.0, "diagnostics": {"converged": True}})


for _track in ("worker", "store", "whole_run", "read_back"):
    getattr(PerCell, f"track_{_track}").unit = "seconds"
