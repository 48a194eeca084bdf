"""What a long evaluation is at, on standard error."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_PATIENCE, _PAUSE = 2.0, 0.5  # seconds before the first line, and between looks


class _Line:
    """The latest stage: rewritten in place on a terminal, else one line for each stage."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._told = ("", "")
        self._shown = ""
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def tell(self, stage: str, detail: str) -> None:
        """Take note; another thread prints, so that short evaluations say nothing."""
        self._told = (stage, detail)

    def close(self) -> None:
        """Print no more; a line on a terminal is wiped."""
        self._done.set()
        self._thread.join()
        if self._shown and sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _watch(self) -> None:
        if self._done.wait(_PATIENCE):
            return
        while True:
            self._show()
            if self._done.wait(_PAUSE):
                return

    def _show(self) -> None:
        stage, detail = self._told
        if not stage:
            return
        seconds = time.monotonic() - self._began
        if sys.stderr.isatty():
            text = f"\r\x1b[K{seconds:.0f} s: {stage}, {detail}"
            print(text, end="", file=sys.stderr, flush=True)
        elif stage != self._shown:
            print(f"entbench: {seconds:.0f} s: {stage} ...", file=sys.stderr, flush=True)
        self._shown = stage


@contextmanager
def progress() -> Iterator[None]:
    """Show what certificates made here are at, once that takes more than two seconds."""
    from entbench.sources._certificate import watched

    line = _Line()
    try:
        with watched(line.tell):
            yield
    finally:
        line.close()
