"""Compiled loops: how they are compiled and kept on disk, and how they run in threads."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba

_Result = TypeVar("_Result")
_njit: Any = numba.njit  # its type knows no "_nrt"


class Compiler:
    """Compiles a room's functions.

    They make and keep no arrays, so numba need not count references ("_nrt"): the counting is
    atomic, and took ten times as long as the arithmetic of a walk.

    Parameters
    ----------
    module : str
        ``__file__`` of a module of the room.
    sources : sequence of str
        Names of the files there that go into what is compiled.
    fastmath : iterable of str, optional
        What LLVM may assume of floating-point numbers; nothing where not given.
    """

    def __init__(self, module: str, sources: Sequence[str], fastmath: Iterable[str] = ()) -> None:
        self.sources = tuple(Path(module).parent / name for name in sources)
        self._options = {"nogil": True, "_nrt": False, "fastmath": set(fastmath) or False}

    def compiled(self, function: Callable[..., Any]) -> Any:
        """Compile a function that compiled functions call."""
        return _njit(**self._options)(function)

    def inlined(self, function: Callable[..., Any]) -> Any:
        """Compile a function into its callers: a call would copy every field of its arguments."""
        return _njit(**self._options, inline="always")(function)

    def kept(self, function: Callable[..., None]) -> Any:
        """Compile a function that Python calls, and keep it on disk.

        numba looks only at the file that a function stands in to tell whether what it kept is
        still good. So the name it is kept under tells all the files.
        """
        function.__qualname__ += f"-{_digest(self.sources)}"
        return keep(function, **self._options)


def keep(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a function and keep it on disk; where no folder can be written, warn and go on."""
    try:
        return _njit(**options, cache=True)(function)
    except RuntimeError:
        _warn_of_no_folder()
        return _njit(**options)(function)


@cache
def _warn_of_no_folder() -> None:
    warnings.warn(
        "no folder for compiled code can be written: it is compiled anew in every process, which "
        "takes half a minute. Name one with NUMBA_CACHE_DIR.",
        RuntimeWarning,
        stacklevel=2,
    )


@cache
def _digest(files: tuple[Path, ...]) -> str:
    text = b"".join(file.read_bytes() for file in (*files, Path(__file__)))
    return hashlib.sha256(text).hexdigest()[:12]


def in_threads(do: Callable[[int], _Result], starts: range, threads: int) -> list[_Result]:
    """Map `do` over `starts`; an interrupt drops what has not begun."""
    if min(threads, len(starts)) <= 1:
        return [do(start) for start in starts]
    pool = ThreadPoolExecutor(min(threads, len(starts)))
    try:
        return list(pool.map(do, starts))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def threads_for(n_jobs: int | None) -> int:
    """Return how many threads to use.

    Where `n_jobs` is None: numba's setting, which is 1 in the worker processes of a suite.
    """
    if n_jobs is None:
        return int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    return int(numba.config.NUMBA_DEFAULT_NUM_THREADS) if n_jobs == -1 else n_jobs  # type: ignore[attr-defined]
