"""Cells on the workers of a Dask scheduler, each in a process that can be killed."""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NoReturn

from entbench._environment import library_versions
from entbench._records import STATUS_FAILED, Cell, Record
from entbench.runner._crews import run_batch, stop_crews
from entbench.runner._execute import Records, check_elsewhere, default_jobs, in_turn
from entbench.runner._lanes import DIED
from entbench.runner._limits import Limits
from entbench.runner._messages import task_row

if TYPE_CHECKING:
    from distributed import Client

_LOCAL = "local"
# A terminal's Ctrl-C reaches workers here too; it is their driver that ends them.
_DEAF = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
_CONNECT_SECONDS = 8.0
_LOOK_SECONDS = 1.0  # between looks at who is there
_PATIENCE = 10.0  # seconds: a worker that died may come back
_GOODBYE_SECONDS = 5.0  # for workers that no longer answer
_BATCH_SECONDS = 0.25  # what a batch should take, so that a round trip is little beside it
_BATCH_MOST = 500
_AHEAD = 2  # batches for each thread: one that runs and one that waits
_LOSSES = 3

# Workers can answer this without any code of ours, which they may not have.
_QUESTION = "__import__('importlib').import_module('entbench._environment').library_versions()"
_SAME = ("python", "entbench", "numpy", "scipy", "numba")


@contextmanager
def dask_executor(
    address: str, jobs: int | None, limits: Limits
) -> Iterator[Callable[[Sequence[Cell]], Records]]:
    """Return what runs cells on a scheduler's workers; connected, and its workers looked at.

    Parameters
    ----------
    address : str
        Of the scheduler; "local" starts one with `jobs` workers of one thread each.
    jobs : int or None
        For "local" only.
    limits : Limits
        What a cell may take.

    Raises
    ------
    ImportError
        If Dask is not installed.
    OSError
        If no scheduler answers, it is lost, or no worker is left that may run cells.
    """
    _check_installed()
    with _client(address, jobs or default_jobs()) as client:
        driver = DaskDriver(client, address, limits)
        driver.look()
        try:
            yield driver.run
        finally:
            driver.end()


@dataclass(eq=False)
class _Batch:
    """Cells that are one task of Dask's, and how often the workers that had them were lost."""

    cells: list[Cell]
    alone: bool = False
    losses: int = 0
    workers: tuple[str, ...] = ()


class DaskDriver:
    """Submits cells to the workers whose versions are ours.

    Dask assigns batches to workers and moves them when a worker is lost. Dask cannot exclude a
    worker, so each batch names the workers that may run it, and is submitted anew once those are
    gone. Few batches are in flight at a time: when a worker dies, Dask counts that against every
    batch that it had.

    Parameters
    ----------
    client : Client
        Connected to the scheduler.
    address : str
        Name of the scheduler in messages.
    limits : Limits
        What a cell may take.
    """

    def __init__(self, client: Client, address: str, limits: Limits) -> None:
        self._client: Any = client
        self._address = address
        self._limits = asdict(limits)
        self._run = uuid.uuid4().hex
        self._threads: dict[str, int] = {}  # of the workers that may run cells, by address
        self._refused: dict[str, str] = {}
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._flying: dict[Any, _Batch] = {}
        self._again: deque[_Batch] = deque()
        self._suspects: deque[_Batch] = deque()  # run alone, when all others are done
        self._seconds: dict[Any, float] = {}  # that a cell of a kind took last
        self._looked = self._manned = 0.0

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
            found = self.look() if time.monotonic() - self._looked > _LOOK_SECONDS else []
            self._supply(turn)
            found += self._collect()
            left -= len(found)
            yield from found

    def look(self) -> list[Record]:
        """Check the versions of new workers; return the records of cells that are given up.

        Raises
        ------
        OSError
            If the scheduler is gone, or all workers are refused.
        """
        first, now = not self._looked, time.monotonic()
        self._looked = now
        try:
            present = dict(self._client.nthreads())
        except Exception as error:  # of the scheduler's connection, of several kinds
            self._lost(error)
        known = {*self._threads, *self._refused}
        found = self._differences([address for address in present if address not in known])
        refused = {address: why for address, why in found.items() if why}
        self._refused = {a: why for a, why in {**self._refused, **refused}.items() if a in present}
        fit = {*self._threads, *found} - {*self._refused}
        self._threads = {a: count for a, count in present.items() if a in fit}
        if self._threads:
            self._manned = now
            for address, why in refused.items():
                warnings.warn(f"worker {address} refused: {why}", stacklevel=2)
        elif self._refused and (first or now - self._manned > _PATIENCE):
            (address, why), *more = self._refused.items()
            rest = f" (and {len(more)} more)" if more else ""
            raise OSError(f"no Dask worker is left: worker {address} refused: {why}{rest}.")
        elif first:
            warnings.warn(f"no Dask worker at {self._address}; waiting for one", stacklevel=2)
        stuck = [f for f, b in self._flying.items() if not self._threads.keys() & {*b.workers}]
        for future in stuck:
            future.cancel()
        return [record for future in stuck for record in self._lose(self._flying.pop(future))]

    def end(self) -> None:
        """Kill what the run has on the workers, and forget it."""
        if self._client.status == "running":
            telling = threading.Thread(target=self._tell_the_end, daemon=True)
            telling.start()
            telling.join(_GOODBYE_SECONDS)

    def _tell_the_end(self) -> None:
        with suppress(Exception):  # whatever state the workers are in, the run is over
            self._client.cancel(list(self._flying), force=True)
            self._client.run(stop_crews, self._run, workers=list(self._threads), on_error="ignore")

    def _differences(self, addresses: list[str]) -> dict[str, str]:
        """Return by address in what the versions of workers are not ours; "" if in nothing."""
        if not addresses:
            return {}
        try:
            answers = self._client.run(eval, _QUESTION, workers=addresses, on_error="return")
        except Exception:  # one of them has just gone; whoever is still there is asked again
            return {}
        return {address: difference(versions) for address, versions in answers.items()}

    def _supply(self, turn: Iterator[Cell]) -> None:
        """Submit batches while there is room."""
        room = _AHEAD * sum(self._threads.values())
        while len(self._flying) < room and (batch := self._next(turn)):
            batch.workers = tuple(self._threads)
            rows = [task_row(cell) for cell in batch.cells]
            future = self._client.submit(
                *(run_batch, self._run, self._limits, rows),
                key=f"entbench-{uuid.uuid4().hex}",
                workers=list(batch.workers),
                retries=_LOSSES,
                pure=False,
            )
            self._flying[future] = batch
            future.add_done_callback(self._done.put)

    def _next(self, turn: Iterator[Cell]) -> _Batch | None:
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

    def _collect(self) -> list[Record]:
        """Return the records of the next batch that is done; none if there is none soon."""
        from distributed import KilledWorker

        try:
            future = self._done.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            return []
        batch = self._flying.pop(future, None)
        if batch is None:
            return []  # submitted anew meanwhile
        if future.status == "finished":
            try:
                rows, seconds = future.result()
            except Exception as error:  # of the connection that it comes by: the cells were run
                self._lost(error)
            records = [Record(cell, **row) for cell, row in zip(batch.cells, rows, strict=True)]
            beside = max(seconds - sum(record.seconds for record in records), 0.0) / len(records)
            self._seconds.update({_kind(r.cell): r.seconds + beside for r in records})
            return records
        if future.status != "error":
            self._lost("the connection was closed")
        failure = future.exception()
        if not isinstance(failure, KilledWorker):
            text = " ".join(str(failure).split())
            raise OSError(f"a Dask worker failed: {type(failure).__name__}: {text}.")
        batch.losses = _LOSSES  # by Dask's own count
        return self._lose(batch)

    def _lose(self, batch: _Batch) -> list[Record]:
        """Have a batch run again; lost too often, its cells run alone; after that they fail."""
        batch.losses += 1
        if batch.alone and batch.losses >= _LOSSES:
            return [Record(batch.cells[0], STATUS_FAILED, f"{DIED}, and others after it")]
        if batch.losses < _LOSSES:
            self._again.append(batch)
        else:
            self._suspects += [_Batch([cell], alone=True) for cell in batch.cells]
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
    ours, found = library_versions(), []
    for name in _SAME:
        there, here = versions.get(name, "missing"), ours.get(name, "missing")
        parts = 2 if name == "python" else None
        if there.split(".")[:parts] != here.split(".")[:parts]:
            found.append(f"{name} {there}, here {here}")
    return "; ".join(found)


def _kind(cell: Cell) -> tuple[Any, ...]:
    return cell.source, cell.estimator, cell.n


def _check_installed() -> None:
    if find_spec("distributed") is None:
        raise ImportError("running on Dask needs the extra `dask`: pip install 'entbench[dask]'.")


@contextmanager
def _client(address: str, jobs: int) -> Iterator[Any]:
    with ExitStack() as stack:
        server = address
        if address == _LOCAL:
            server = _local_cluster(jobs)
            stack.callback(_quietly, server.close, timeout=5)
        client = _connected(server, address)
        stack.callback(_quietly, client.close, timeout=2)
        yield client


def _local_cluster(jobs: int) -> Any:
    import distributed

    return _quietly(
        distributed.LocalCluster,
        n_workers=jobs,
        threads_per_worker=1,
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
        preload=[_DEAF],
    )


def _connected(server: Any, address: str) -> Any:
    import distributed

    # what matters of its messages is said in one line
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        return _quietly(distributed.Client, server, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        text = " ".join(str(error).split())
        raise OSError(f"no Dask scheduler answers at {address}: {text}") from error


def _quietly(do: Any, *arguments: Any, **options: Any) -> Any:
    """Call without warnings: versions that differ are found and said by us."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return do(*arguments, **options)
