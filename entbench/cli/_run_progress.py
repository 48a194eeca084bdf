"""Progress of a run on standard error: cell by cell, or step by step."""

from __future__ import annotations

import sys
import time

import click


def run_progress(quiet: bool, unit: str = "cells") -> _Silent:
    """Return what shows progress: nothing, a live bar on a terminal, or plain lines."""
    if quiet:
        return _Silent(unit)
    return _Live(unit) if sys.stderr.isatty() else _Lines(unit)


class _Silent:
    """Progress that says nothing."""

    def __init__(self, unit: str) -> None:
        self._unit = unit

    def __enter__(self) -> _Silent:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def start(self, stored: int, missing: int) -> None:
        pass

    def advance(self, record: object) -> None:
        pass


class _Lines(_Silent):
    """Progress as plain lines: one for each tenth of the work."""

    def start(self, stored: int, missing: int) -> None:
        click.echo(f"{stored} {self._unit} stored, {missing} to compute", err=True)
        self._total, self._done, self._shown = missing, 0, 0
        self._began = time.monotonic()

    def advance(self, record: object) -> None:
        self._done += 1
        tenth = 10 * self._done // self._total
        if tenth > self._shown:
            self._shown = tenth
            elapsed = time.monotonic() - self._began
            to_go = elapsed / self._done * (self._total - self._done)
            click.echo(
                f"{self._done}/{self._total} {self._unit}, {elapsed:.0f} s, "
                f"about {to_go:.0f} s to go",
                err=True,
            )


class _Live(_Silent):
    """Progress as a live bar with the time to go."""

    def __enter__(self) -> _Live:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("to go"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=Console(stderr=True),
            transient=True,
            speed_estimate_period=3600,
        )
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def start(self, stored: int, missing: int) -> None:
        note = f"{self._unit} ({stored} more in store)" if stored else self._unit
        self._task = self._bar.add_task(note, total=missing)

    def advance(self, record: object) -> None:
        self._bar.advance(self._task)
