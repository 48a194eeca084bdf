"""Worker processes that can be killed one at a time, each with the task it is at."""

from __future__ import annotations

import selectors
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from entbench._records import STATUS_FAILED, Outcome, Task
from entbench.runner._lane import Lane
from entbench.runner._limits import NO_LIMITS, Limits

DIED = "the worker process died (out of memory, or a crash in compiled code)"

_LOOK, _REST = 0.05, 0.5  # seconds between looks at limits, and at whether processes live


class LanesClosedError(RuntimeError):
    """Workers were closed while they had tasks."""


class Lanes:
    """Worker processes, started as tasks come.

    Parameters
    ----------
    count : int
        Processes.
    limits : Limits
        What a task may take.
    one_thread : bool, default=True
        Whether each has one thread only, or as many as the environment says.
    """

    def __init__(self, count: int, limits: Limits = NO_LIMITS, *, one_thread: bool = True) -> None:
        self._pause = _LOOK if limits else _REST
        self._selector = selectors.DefaultSelector()
        self._lanes = [Lane(limits, one_thread) for _ in range(count)]
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def run(self, chains: Iterable[Sequence[Task]]) -> Iterator[Any]:
        """Run tasks and yield their outcomes as they come.

        Chains start in their order. The tasks of one follow each other in one process.

        Raises
        ------
        OSError
            If processes cannot be started here.
        LanesClosedError
            If they were stopped meanwhile.
        """
        waiting = iter(chains)
        while self._supply(waiting):
            yield from self._collect()

    def stop(self) -> None:
        """Kill the processes, from any thread: `run` ends."""
        self._closed = True
        for lane in self._lanes:
            lane.signal_end()

    def close(self) -> None:
        """Kill the processes, whatever they are at."""
        self._closed = True
        for lane in self._lanes:
            lane.kill()
        self._selector.close()

    def _supply(self, waiting: Iterator[Sequence[Task]]) -> bool:
        """Give every process with room its next tasks; tell whether any has one."""
        for lane in self._lanes:
            while lane.has_room:
                if not lane.ahead:
                    lane.ahead.extend(next(waiting, ()))
                if not lane.ahead:
                    break
                self._send(lane)
        return any(lane.sent for lane in self._lanes)

    def _send(self, lane: Lane) -> None:
        if self._closed:
            raise LanesClosedError("the workers were stopped.")
        if not lane.runs:
            lane.start()
            self._selector.register(lane.output, selectors.EVENT_READ, lane)
        lane.send()

    def _collect(self) -> list[Outcome[Any]]:
        """Return what has come to its end; limits are looked at when all is heard."""
        found = []
        for key, _ in self._selector.select(self._pause):
            found += key.data.hear()
        for lane in self._lanes:
            if lane.runs:
                found += self._look_at(lane)
        return found

    def _look_at(self, lane: Lane) -> list[Outcome[Any]]:
        if lane.is_dead:
            found = lane.hear()  # its last words
            end = STATUS_FAILED, DIED
        else:
            found, excess = [], lane.excess()
            if excess is None:
                return []
            end = excess
        if self._closed:
            raise LanesClosedError("the workers were stopped.")
        self._selector.unregister(lane.output)
        return found + lane.end(*end)
