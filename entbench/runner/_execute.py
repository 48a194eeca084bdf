"""Cells in, records out, on one or more processes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import cache

import joblib
from joblib.externals.loky import get_reusable_executor

from entbench._records import STATUS_FAILED, Cell, Record
from entbench.runner._worker import run_cell

_FEW = 4
_WATCH_SECONDS = 1.0


def execute(cells: Sequence[Cell], jobs: int) -> Iterator[Record]:
    """Run cells and yield their records as they finish.

    Cells start trial by trial, the largest n first. Every stretch of the run is then like the
    rest, so that the time still to go can be told, and a run cut short leaves a balanced table.

    Parameters
    ----------
    cells : sequence of Cell
        What to run.
    jobs : int
        Processes; with 1, or only a few cells, they run in this one.

    Raises
    ------
    ValueError
        If a class exists in this process only and `jobs` asks for others.
    """
    cells = sorted(cells, key=lambda cell: (cell.trial, -cell.n))
    if jobs == 1 or len(cells) < _FEW:
        yield from map(run_cell, cells)
        return
    for cell in cells:
        for spec in (cell.source, cell.estimator):
            if spec.plugin is None:
                raise ValueError(
                    f"{spec.name!r} is defined in this session only, where worker processes cannot "
                    "find it. Run with jobs=1, or put the class into a file and name it as plugin."
                )
    pending = {cell.key: cell for cell in cells}
    try:
        while pending:
            try:
                for record in _parallel(list(pending.values()), jobs):
                    del pending[record.cell.key]
                    yield record
            except BrokenProcessPool:
                # A worker died and took the pool along. Which cell it was is found by running the
                # next ones alone, one at a time; the rest then goes on as before.
                yield from _one_by_one(pending, jobs)
    finally:
        # Workers are not kept for the next run: they would hold on to code that may have changed.
        get_reusable_executor().shutdown(wait=False)


def _parallel(cells: list[Cell], jobs: int) -> Iterator[Record]:
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        yield from joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(
            joblib.delayed(_run_for)(os.getpid(), cell) for cell in cells
        )


def _run_for(driver: int, cell: Cell) -> Record:
    """Run a cell in a worker of the process `driver`."""
    _end_with(driver)
    return run_cell(cell)


@cache
def _end_with(driver: int) -> None:
    """End this worker when its driver is gone: killed, it cannot say goodbye."""

    def watch() -> None:
        while os.getppid() == driver:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _one_by_one(pending: dict[str, Cell], jobs: int) -> Iterator[Record]:
    """Run pending cells alone, until one kills its worker or all that were in flight are done."""
    in_flight = 4 * jobs
    for cell in list(pending.values())[:in_flight]:
        del pending[cell.key]
        try:
            (record,) = _parallel([cell], jobs)  # jobs > 1: never in this process
        except BrokenProcessPool:
            message = "the worker process died (out of memory, or a crash in compiled code)"
            yield Record(cell, STATUS_FAILED, message, None, None, 0.0)
            return
        yield record
