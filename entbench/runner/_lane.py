"""One worker process as its driver sees it: what it was sent, its clock, its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from typing import Any

from entbench._records import STATUS_MEMORY, STATUS_TIMEOUT, Outcome, Task
from entbench.runner._limits import Limits, size_text
from entbench.runner._messages import Row, line_of, task_row

# A search path of this process holds there from the first import on.
_PROGRAM = (
    "import json, sys; given = json.loads(sys.argv[1]); sys.path[:] = given.pop('path'); "
    "from entbench.runner._lane_program import serve; serve(**given)"
)
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
_SHORT = 0.05  # seconds: after a shorter task the next one already waits in the process
_LOOK = 0.04  # seconds between looks at its memory
_STARTS = 3
_CHUNK = 2**16


class Lane:
    """A process that runs one task after the other, started when the first one is sent.

    Parameters
    ----------
    limits : Limits
        What a task may take.
    one_thread : bool
        Whether it has one thread only, or as many as the environment says.
    """

    def __init__(self, limits: Limits, one_thread: bool) -> None:
        self.ahead: deque[Task] = deque()  # tasks for this process and no other
        self.sent: deque[Task] = deque()  # those it has; it is at the first
        self._limits = limits
        self._one_thread = one_thread
        self._process: subprocess.Popen[bytes] | None = None
        self._vain_starts = 0
        self._short = False

    @property
    def runs(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    @property
    def output(self) -> int:
        """File descriptor of what the process says."""
        stdout = self._live.stdout
        return -1 if stdout is None else stdout.fileno()

    @property
    def has_room(self) -> bool:
        """Whether to send it a task: one more than it runs, where tasks are as short as waiting."""
        return not self.sent or (len(self.sent) == 1 and self._short and not self._limits)

    @property
    def is_dead(self) -> bool:
        """Whether the process is gone, or says no more."""
        return self._ended or self._live.poll() is not None

    def start(self) -> None:
        """Start the process."""
        watched, self._lifeline = os.pipe()
        given = {
            "path": [entry for entry in sys.path if isinstance(entry, str)],
            "lifeline": watched,
            "timeout": self._limits.timeout,
            "memory": self._limits.memory,
        }
        alone = dict.fromkeys(_THREADS, "1") if self._one_thread else {}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, json.dumps(given)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                env={**os.environ, **alone},
                pass_fds=(watched,),
                process_group=0,  # so that what a task starts ends with it
            )
        finally:
            os.close(watched)
        os.set_blocking(self.output, False)
        self._rest = b""
        self._ended = False
        self._done = 0
        self._look_next = 0.0
        self._await()

    def send(self) -> None:
        """Send the next task ahead; a process that is gone is found out later."""
        task = self.ahead.popleft()
        self.sent.append(task)
        line = memoryview(line_of(task_row(task)))
        stdin = self._live.stdin
        with contextlib.suppress(BrokenPipeError):
            while line and stdin is not None:
                line = line[os.write(stdin.fileno(), line) :]

    def hear(self) -> list[Outcome[Any]]:
        """Return the outcomes that the process has told since the last time."""
        chunks = [self._rest]
        while not self._ended:
            try:
                chunk = os.read(self.output, _CHUNK)
            except BlockingIOError:
                break
            self._ended = not chunk
            chunks.append(chunk)
        *lines, self._rest = b"".join(chunks).split(b"\n")
        found = [self._take(json.loads(line)) for line in lines]
        return [outcome for outcome in found if outcome is not None]

    def excess(self) -> tuple[str, str] | None:
        """Return status and message where the task is over a limit."""
        now = time.monotonic()
        since = now if self._since is None else self._since
        if self._limits.timeout is not None and self._used + now - since > self._limits.timeout:
            return STATUS_TIMEOUT, self._limits.out_of_time
        return (STATUS_MEMORY, self._limits.out_of_memory) if self._is_too_large(now) else None

    def end(self, status: str, message: str) -> list[Outcome[Any]]:
        """Kill the process; return the outcome of the task that it was at.

        Tasks that it had not begun are ahead of the next process.

        Raises
        ------
        OSError
            If one process after the other ends before it begins its task.
        """
        began, fresh = self._begun, self._done == 0
        code = self.kill()
        task = self.sent.popleft() if self.sent and began else None
        self._vain_starts += bool(self.sent) and not began
        self.ahead.extendleft(reversed(self.sent))
        self.sent.clear()
        if self._vain_starts == _STARTS:
            raise OSError(f"worker processes end before their first cell, with code {code}.")
        if task is None:
            return []
        if status == STATUS_MEMORY and not fresh:
            # what earlier tasks have left behind is not this one's: once more, from the start
            self.ahead.appendleft(task)
            return []
        return [Outcome(task, status, message, time.monotonic() - self._began_at)]

    def signal_end(self) -> None:
        """Kill the process and what it started, from any thread; `hear` will find it gone."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def kill(self) -> int | None:
        """Kill the process, if there is one; return its code."""
        self.signal_end()
        if self._process is None:
            return None
        code = self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        os.close(self._lifeline)
        self._process = None
        return code

    @property
    def _live(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the worker process has not been started.")
        return self._process

    def _await(self) -> None:
        """Be ready for a task to begin."""
        self._begun = self._refused = False
        self._used = 0.0
        self._since: float | None = None

    def _take(self, row: Row) -> Outcome[Any] | None:
        """Take note of what the process says; return the outcome, if it is one."""
        if "clock" in row:
            self._turn(row["clock"], row["at"])
        elif "began" in row:
            self._begun, self._began_at, self._vain_starts = True, time.monotonic(), 0
        elif "ready" in row:
            self._check_size()
        else:
            return self._finish(row)
        return None

    def _turn(self, clock: str, at: float) -> None:
        if clock == "on":
            self._since = at
        elif self._since is not None:
            self._used, self._since = self._used + at - self._since, None

    def _finish(self, row: Row) -> Outcome[Any] | None:
        outcome = Outcome(self.sent[0], **row["done"])
        if outcome.status == STATUS_MEMORY and self._done:
            self._refused = True
            return None
        self.sent.popleft()
        self._short = row["wall"] < _SHORT
        self._done += 1
        self._await()
        return outcome

    def _is_too_large(self, now: float) -> bool:
        if self._limits.memory is None or not self._begun or now < self._look_next:
            return self._refused
        self._look_next = now + _LOOK
        return self._refused or self._resident() > self._limits.memory

    def _check_size(self) -> None:
        """Refuse a limit on memory that leaves no room for any task."""
        limit = self._limits.memory
        if limit is not None and self._resident() > limit:
            raise ValueError(
                f"`memory` must be more than a worker takes before any cell, "
                f"{self._resident() / 1e6:.0f} MB; got {size_text(limit)}."
            )

    def _resident(self) -> int:
        """Return the process's resident size in bytes; 0 if it is gone."""
        import psutil

        try:
            return int(psutil.Process(self._live.pid).memory_info().rss)
        except psutil.Error:
            return 0
