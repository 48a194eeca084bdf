"""A worker process: rows of tasks in, a line each, and lines of outcomes out.

Its driver may kill it at any moment, and tells by its last line which task it was at.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any, BinaryIO

from entbench._records import STATUS_FAILED, STATUS_MEMORY, Cell, Outcome, Step
from entbench.runner._experiment import load_experiment, measure_step
from entbench.runner._limits import Limits
from entbench.runner._messages import Row, line_of, outcome_row, task_of
from entbench.runner._worker import load_code, run_cell

# What a worker may ask for above its limit before the system refuses it: the driver looks at the
# resident size twenty times a second, and address space that is never touched is no harm.
_ABOVE = 2**30


def serve(lifeline: int, timeout: float | None, memory: int | None) -> None:
    """Answer tasks until the driver closes the line.

    Parameters
    ----------
    lifeline : int
        File descriptor of a pipe that ends when the driver is gone.
    timeout, memory
        See `Limits`.
    """
    requests, messages = _own_streams()
    _end_with_driver(lifeline)
    for number in (signal.SIGINT, signal.SIGTTOU):  # the driver's business
        signal.signal(number, signal.SIG_IGN)
    limits = Limits(timeout, memory)
    _bound_memory(memory)
    clock = _Clock(messages)
    if timeout is not None:
        clock.leave_compiling_out()
    _say(messages, {"ready": True})
    for line in requests:
        task = task_of(json.loads(line))
        clock.begin()
        if timeout is not None:
            _load(task)
            clock.start()
        began = time.monotonic()
        outcome = _within(limits, task, _run(task))
        wall = time.monotonic() - began
        _say(messages, {"done": outcome_row(outcome), "wall": wall})


def _say(messages: BinaryIO, row: Row) -> None:
    try:
        messages.write(line_of(row))
    except BrokenPipeError:  # the driver is gone, and with it whoever wants to know
        os._exit(1)


class _Clock:
    """Tells the driver when a task began, and what of it is not the task's own time."""

    def __init__(self, messages: BinaryIO) -> None:
        self._messages = messages
        self._pauses = 0
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Say that a task has begun; its time is not counted yet."""
        _say(self._messages, {"began": True})

    def start(self) -> None:
        """Count from now."""
        _say(self._messages, {"clock": "on", "at": time.monotonic()})

    def pause(self) -> None:
        """Count no more until every pause is over."""
        with self._lock:
            self._pauses += 1
            if self._pauses == 1:
                _say(self._messages, {"clock": "off", "at": time.monotonic()})

    def go_on(self) -> None:
        """End a pause."""
        with self._lock:
            self._pauses -= 1
            if self._pauses == 0:
                _say(self._messages, {"clock": "on", "at": time.monotonic()})

    def leave_compiling_out(self) -> None:
        """Pause while numba compiles, or loads what it has kept: no method's own time."""
        from numba.core import event

        clock = self

        class Listener(event.Listener):
            def on_start(self, event: object) -> None:
                clock.pause()

            def on_end(self, event: object) -> None:
                clock.go_on()

        register: Any = event.register
        register("numba:compiler_lock", Listener())


def _own_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep both ends of the line to the driver from whatever reads or prints here."""
    requests = os.fdopen(os.dup(0), "rb")
    messages = os.fdopen(os.dup(1), "wb", buffering=0)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return requests, messages


def _end_with_driver(lifeline: int) -> None:
    """End this process and what it started when the driver is gone, however it went.

    The system's signal reaches compiled code that never lets go of Python's lock; the thread is
    for systems that send none for pipes.
    """
    with contextlib.suppress(OSError):
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)

    def watch() -> None:
        os.read(lifeline, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _bound_memory(memory: int | None) -> None:
    """Have the system refuse memory far above the limit, where it can count what is asked for."""
    sizes = Path("/proc/self/statm")
    if memory is None or not sizes.exists():
        return
    import resource

    now = int(sizes.read_text().split()[5]) * resource.getpagesize()
    bound, (_, most) = now + memory + _ABOVE, resource.getrlimit(resource.RLIMIT_DATA)
    if most == resource.RLIM_INFINITY or bound < most:
        resource.setrlimit(resource.RLIMIT_DATA, (bound, most))


def _load(task: Cell | Step) -> None:
    """Import the code that a task needs; what fails here fails again where it is recorded."""
    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if isinstance(task, Step):
            load_experiment(task.experiment)
        else:
            load_code(task)


def _run(task: Cell | Step) -> Outcome[Any]:
    return measure_step(task) if isinstance(task, Step) else run_cell(task)


def _within(limits: Limits, task: Cell | Step, outcome: Outcome[Any]) -> Outcome[Any]:
    """Tell memory that was refused for the limit's sake from other failures."""
    refused = "MemoryError" in outcome.message.partition(":")[0]
    if limits.memory is None or outcome.status != STATUS_FAILED or not refused:
        return outcome
    return Outcome(task, STATUS_MEMORY, limits.out_of_memory, outcome.seconds)
