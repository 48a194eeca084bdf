"""Cells on the workers of a Dask scheduler, each in a process that can be killed."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any

from entbench._records import Cell
from entbench.runner._dask_driver import DaskDriver
from entbench.runner._execute import Records, default_jobs
from entbench.runner._limits import Limits

_LOCAL = "local"
# A terminal's Ctrl-C reaches workers here too; it is their driver that ends them.
_DEAF = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
_CONNECT_SECONDS = 8.0


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
