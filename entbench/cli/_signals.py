"""Ctrl-C and SIGTERM: one line and an exit code, whatever is under way."""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

import click

_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_SHOW_CURSOR = "\x1b[?25h"


def interruptible(command: Callable[..., Any]) -> Callable[..., Any]:
    """Have a command end in one line by Ctrl-C and by SIGTERM; a second one ends it at once."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        end = _End()
        end.listen()
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt:
            end.say()
            sys.exit(end.code)
        finally:
            end.forget()

    return run


class _End:
    """The signal that has come, if one has."""

    def __init__(self) -> None:
        self._number = signal.SIGINT
        self._came = self._saying = self._said = False
        self._before: dict[signal.Signals, Any] = {}

    @property
    def code(self) -> int:
        return _CODES[self._number]

    def listen(self) -> None:
        """Take the signals over, but for those that whoever started us wants ignored."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _CODES:
            handler = signal.getsignal(number)
            if handler is not signal.SIG_IGN:
                self._before[number] = handler
                signal.signal(number, self._take)

    def forget(self) -> None:
        """Put the signals back, unless one has come: then this process is about to end."""
        if not self._came:
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def say(self) -> None:
        """Say the line, once."""
        if self._said:
            return
        self._saying = True
        click.echo(
            f"entbench: {_WORDS[self._number]}; a suite keeps its finished cells: run it again to "
            "go on.",
            err=True,
        )
        self._said, self._saying = True, False

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._saying:
            return  # the end follows
        if self._came:
            self._leave()
        self._came, self._number = True, signal.Signals(number)
        raise KeyboardInterrupt

    def _leave(self) -> NoReturn:
        """End without waiting for anything; worker processes see it and end themselves."""
        if sys.stderr.isatty():
            click.echo(_SHOW_CURSOR, nl=False, err=True)  # which the live bar hides
        self.say()
        os._exit(self.code)
