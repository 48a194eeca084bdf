"""What a Dask worker does with a batch of cells: a process of its own runs them."""

from __future__ import annotations

import threading
import time
from collections import deque

from entbench.runner._lanes import Lanes
from entbench.runner._limits import Limits
from entbench.runner._messages import Row, outcome_row, task_of

_lock = threading.Lock()
_idle: dict[str, list[Lanes]] = {}
_busy: dict[str, list[Lanes]] = {}
_over: deque[str] = deque(maxlen=100)  # runs that have ended; what they left in the queue is void


def run_batch(run: str, limits: Row, rows: list[Row]) -> tuple[list[Row], float]:
    """Run a batch of cells in a process that is kept for the next batch.

    Parameters
    ----------
    run : str
        Name of the run.
    limits : dict
        Of each cell; see `Limits`.
    rows : list of dict
        The cells; see `task_row`.

    Returns
    -------
    list of dict
        Their outcomes in the same order; see `outcome_row`.
    float
        Seconds that all took.
    """
    tasks = [task_of(row) for row in rows]
    lanes = _take(run, Limits(**limits))
    began = time.monotonic()
    try:
        outcomes = {id(each.cell): each for each in lanes.run((task,) for task in tasks)}
    except BaseException:
        lanes.close()
        raise
    finally:
        with _lock:
            _busy[run].remove(lanes)
    _keep(run, lanes)
    return [outcome_row(outcomes[id(task)]) for task in tasks], time.monotonic() - began


def stop_crews(run: str) -> None:
    """Kill the processes of a run that is over, whatever they are at."""
    with _lock:
        _over.append(run)
        idle, busy = _idle.pop(run, []), list(_busy.get(run, ()))
    for lanes in busy:
        lanes.stop()
    for lanes in idle:
        lanes.close()


def _take(run: str, limits: Limits) -> Lanes:
    """Return a process for the run; those that another run, now gone, has left are ended."""
    with _lock:
        if run in _over:
            raise RuntimeError("the run is over.")
        left = [_idle.pop(other) for other in list(_idle) if other != run]
        kept = _idle.get(run)
        lanes = kept.pop() if kept else Lanes(1, limits)
        _busy.setdefault(run, []).append(lanes)
    for others in left:
        for each in others:
            each.close()
    return lanes


def _keep(run: str, lanes: Lanes) -> None:
    with _lock:
        if run not in _over:
            _idle.setdefault(run, []).append(lanes)
            return
    lanes.close()
