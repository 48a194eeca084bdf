"""A scheduler's workers as its driver sees them: who may run cells, and who has which."""

from __future__ import annotations

import itertools
import json
import queue
import threading
import time
import uuid
import warnings
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from entbench._environment import library_versions
from entbench._records import STATUS_FAILED, Cell, Record
from entbench.runner._crews import run_batch, stop_crews
from entbench.runner._execute import Records, check_elsewhere, in_turn
from entbench.runner._limits import Limits
from entbench.runner._messages import failure_of, outcome_of, task_row

if TYPE_CHECKING:
    from distributed import Client

_LOOK_SECONDS = 1.0
_PATIENCE = 10.0  # seconds: a worker that died may come back
_GOODBYE_SECONDS = 5.0  # for workers that no longer answer
_BATCH_SECONDS = 0.25  # what a batch should take, so that a round trip is little beside it
_BATCH_MOST = 500
_AHEAD = 2  # batches for each thread of a worker: one that runs and one that waits
_LOSSES = 3

# Workers can answer this without any code of ours, which they may not have.
_QUESTION = "__import__('importlib').import_module('entbench._environment').library_versions()"
_SAME = ("python", "entbench", "numpy", "scipy", "numba")


@dataclass(eq=False)
class _Batch:
    """Cells that go out together, and how often the workers that had them were lost."""

    cells: list[Cell]
    alone: bool = False
    losses: int = 0
    workers: tuple[str, ...] = ()


class DaskDriver:
    """Keeps every worker supplied, with few cells in flight.

    Parameters
    ----------
    client : Client
        Connected to the scheduler.
    address : str
        How messages call the scheduler.
    limits : Limits
        What a cell may take.
    """

    def __init__(self, client: Client, address: str, limits: Limits) -> None:
        self._client: Any = client
        self._address = address
        self._limits = asdict(limits)
        self._run = uuid.uuid4().hex
        self._numbers = itertools.count()
        self._threads: dict[str, int] = {}  # of the workers that may run cells, by address
        self._refused: dict[str, str] = {}
        self._untold: list[str] = []
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._flying: dict[Any, _Batch] = {}
        self._again: deque[_Batch] = deque()
        self._suspects: deque[_Batch] = deque()
        self._given_up: list[Record] = []
        self._seconds: dict[Any, float] = {}  # that a cell of a kind took last
        self._looked = self._manned = 0.0
        self._waiting = False

    def run(self, cells: Sequence[Cell]) -> Records:
        """Run cells and yield their records as they come; see `execute`.

        Raises
        ------
        OSError
            If the scheduler is lost, or no worker is left that may run cells.
        """
        check_elsewhere(spec for cell in cells for spec in (cell.source, cell.estimator))
        turn, left = iter(in_turn(cells)), len(cells)
        while left:
            if time.monotonic() - self._looked > _LOOK_SECONDS:
                self.look()
            self._supply(turn)
            for record in self._collect():
                left -= 1
                yield record

    def look(self) -> None:
        """Take note of who is there: newcomers are asked for their versions.

        Raises
        ------
        OSError
            If the scheduler is gone, or those who are there are all refused.
        """
        try:
            present = dict(self._client.nthreads())
        except Exception as error:  # of the scheduler's connection, of several kinds
            self._lost(error)
        known = {*self._threads, *self._refused}
        fit = self._ask([address for address in present if address not in known])
        first, self._looked = not self._looked, time.monotonic()
        self._threads = {a: n for a, n in present.items() if a in self._threads or a in fit}
        self._refused = {a: why for a, why in self._refused.items() if a in present}
        self._recall()
        self._check_manned(patience=0.0 if first else _PATIENCE)

    def end(self) -> None:
        """Kill what the run has on the workers, and forget it."""
        if self._client.status != "running":
            return
        telling = threading.Thread(target=self._tell_the_end, daemon=True)
        telling.start()
        telling.join(_GOODBYE_SECONDS)

    def _tell_the_end(self) -> None:
        with suppress(Exception):  # whatever state the workers are in, the run is over
            self._client.cancel(list(self._flying), force=True)
            self._client.run(stop_crews, self._run, workers=list(self._threads), on_error="ignore")

    def _ask(self, addresses: list[str]) -> set[str]:
        """Return those of the addresses whose versions are ours; say why others are refused."""
        if not addresses:
            return set()
        try:
            answers = self._client.run(eval, _QUESTION, workers=addresses, on_error="return")
        except Exception:  # one of them has just gone; whoever is still there is asked again
            return set()
        fit = set()
        for address, versions in answers.items():
            why = difference(versions)
            if why:
                self._refuse(address, why)
            else:
                fit.add(address)
        return fit

    def _refuse(self, address: str, why: str) -> None:
        self._refused[address] = why
        self._threads.pop(address, None)
        self._untold.append(f"worker {address} refused: {why}")

    def _check_manned(self, patience: float) -> None:
        """Raise where all workers are refused; where there are none yet, wait."""
        now = time.monotonic()
        if self._threads:
            self._manned = now
            while self._untold:
                warnings.warn(self._untold.pop(0), stacklevel=2)
            return
        if self._refused and now - self._manned > patience:
            (address, why), *more = self._refused.items()
            rest = f" (and {len(more)} more)" if more else ""
            raise OSError(f"no Dask worker is left: worker {address} refused: {why}{rest}.")
        if not self._refused and not self._waiting:
            self._waiting = True
            warnings.warn(f"no Dask worker at {self._address}; waiting for one", stacklevel=2)

    def _recall(self) -> None:
        """Take back the batches of which every worker that might run them is gone."""
        for future, batch in list(self._flying.items()):
            if not any(address in self._threads for address in batch.workers):
                del self._flying[future]
                future.cancel()
                batch.losses += 1
                self._lay_by(batch)

    def _lay_by(self, batch: _Batch) -> None:
        """Have a batch run again; lost too often, its cells wait, to be run alone at the end."""
        if batch.losses < _LOSSES:
            self._again.append(batch)
        elif not batch.alone:
            self._suspects += [_Batch([cell], alone=True) for cell in batch.cells]
        else:
            message = "the worker process died (out of memory, or a crash in compiled code)"
            failed: Any = failure_of(
                batch.cells[0], STATUS_FAILED, f"{message}, and others after it"
            )
            self._given_up.append(failed)

    def _supply(self, turn: Iterable[Cell]) -> None:
        room = _AHEAD * sum(self._threads.values())
        while len(self._flying) < room:
            batch = self._next(turn)
            if batch is None:
                return
            self._submit(batch)

    def _next(self, turn: Iterable[Cell]) -> _Batch | None:
        if self._again:
            return self._again.popleft()
        cells, seconds = [], 0.0
        for cell in turn:
            cells.append(cell)
            # of a kind not met before, anything may be true
            seconds += self._seconds.get(_kind(cell), _BATCH_SECONDS)
            if seconds >= _BATCH_SECONDS or len(cells) == _BATCH_MOST:
                break
        if cells:
            return _Batch(cells)
        return self._suspects.popleft() if self._suspects and not self._flying else None

    def _submit(self, batch: _Batch) -> None:
        order = {
            "run": self._run,
            "limits": self._limits,
            "cells": [task_row(cell) for cell in batch.cells],
        }
        batch.workers = tuple(self._threads)
        future = self._client.submit(
            run_batch,
            json.dumps(order),
            key=f"entbench-{self._run}-{next(self._numbers)}",
            workers=list(batch.workers),
            pure=False,
        )
        self._flying[future] = batch
        future.add_done_callback(self._answers.put)

    def _collect(self) -> list[Record]:
        """Return the records of the next batch that is done; none if there is none soon."""
        if self._given_up:
            return [self._given_up.pop()]
        try:
            future = self._answers.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            return []
        batch = self._flying.pop(future, None)
        if batch is None:
            return []  # recalled
        if future.status == "finished":
            try:
                answer = future.result()
            except Exception as error:  # of the connection that it comes by: the cells were run
                self._lost(error)
            return self._read(batch, json.loads(answer))
        if future.status != "error":
            self._lost("the connection was closed")
        return self._fail(batch, future.exception())

    def _read(self, batch: _Batch, answer: dict[str, Any]) -> list[Record]:
        if "unfit" in answer:
            self._refuse(answer["worker"], answer["unfit"])
            self._again.append(batch)
            return []
        pairs = zip(batch.cells, answer["rows"], strict=True)
        records: list[Any] = [outcome_of(cell, row) for cell, row in pairs]
        spent = sum(record.seconds for record in records)
        beside = max(answer["seconds"] - spent, 0.0) / len(records)
        for record in records:
            self._seconds[_kind(record.cell)] = record.seconds + beside
        return records

    def _fail(self, batch: _Batch, error: BaseException | None) -> list[Record]:
        from distributed import KilledWorker

        if not isinstance(error, KilledWorker):
            text = " ".join(str(error).split())
            raise OSError(f"a Dask worker failed: {type(error).__name__}: {text}.")
        batch.losses = _LOSSES  # by Dask's own count
        self._lay_by(batch)
        return []

    def _lost(self, why: object) -> NoReturn:
        text = " ".join(str(why).split())
        raise OSError(
            f"the Dask scheduler at {self._address} is lost ({text}); finished cells are kept: run "
            "it again to go on."
        )


def difference(versions: Any) -> str:
    """Return in what a worker's versions are not ours; empty if in nothing.

    Parameters
    ----------
    versions : dict or Exception
        What `library_versions` returned or raised there.
    """
    if isinstance(versions, ModuleNotFoundError):
        return f"it has no {versions.name or 'entbench'}"
    if not isinstance(versions, dict):
        return f"it could not tell its versions: {' '.join(repr(versions).split())}"
    ours = library_versions()
    found = []
    for name in _SAME:
        there, here = versions.get(name, "missing"), ours.get(name, "missing")
        same = there == here
        if name == "python":
            same = there.split(".")[:2] == here.split(".")[:2]
        if not same:
            found.append(f"{name} {there}, here {here}")
    return "; ".join(found)


def _kind(cell: Cell) -> tuple[Any, ...]:
    return cell.source, cell.estimator, cell.n
