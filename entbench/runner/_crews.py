"""What a Dask worker does with a batch of cells: a process of its own runs them."""

from __future__ import annotations

import json
import threading
import time
from collections import deque

from entbench.runner._lanes import Lanes
from entbench.runner._limits import Limits
from entbench.runner._messages import outcome_row, task_of

_lock = threading.Lock()
_idle: dict[str, list[Lanes]] = {}
_busy: dict[str, list[Lanes]] = {}
_over: deque[str] = deque(maxlen=100)  # runs that have ended; what they left in the queue is void


def run_batch(text: str) -> str:
    """Run a batch of cells in a process that is kept for the next batch.

    Parameters
    ----------
    text : str
        JSON: the cells' rows, the limits, and the run's name.

    Returns
    -------
    str
        JSON: rows of outcomes in the order of the cells, and the seconds that all took; or why
        this worker cannot run any.
    """
    order = json.loads(text)
    tasks = [task_of(row) for row in order["cells"]]
    places = {id(task): place for place, task in enumerate(tasks)}
    lanes = _take(order["run"], Limits(**order["limits"]))
    began = time.monotonic()
    try:
        outcomes = list(lanes.run((task,) for task in tasks))
    except (OSError, ValueError) as error:
        lanes.close()
        return json.dumps({"worker": _address(), "unfit": str(error)})
    except BaseException:
        lanes.close()
        raise
    finally:
        with _lock:
            _busy[order["run"]].remove(lanes)
    _keep(order["run"], lanes)
    outcomes.sort(key=lambda outcome: places[id(outcome.cell)])
    rows = [outcome_row(outcome) for outcome in outcomes]
    return json.dumps({"rows": rows, "seconds": time.monotonic() - began})


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


def _address() -> str:
    from distributed import get_worker

    return str(get_worker().address)
