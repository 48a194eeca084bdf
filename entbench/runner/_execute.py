"""Cells in, records out, on one or more processes."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence

from entbench._records import Cell, Record, Spec
from entbench.runner._lanes import Lanes
from entbench.runner._limits import NO_LIMITS, Limits
from entbench.runner._worker import run_cell

# which can be closed before it is at its end
Records = Generator[Record, None, None]

_FEW = 4


def execute(cells: Sequence[Cell], jobs: int, limits: Limits = NO_LIMITS) -> Records:
    """Run cells and yield their records as they finish.

    Parameters
    ----------
    cells : sequence of Cell
        What to run. They start in the order of `in_turn`.
    jobs : int
        Processes. With 1, or only a few cells, and no limits, cells run in this one.
    limits : Limits
        What a cell may take.

    Raises
    ------
    ValueError
        If a class exists in this process only and others are asked for.
    """
    cells = in_turn(cells)
    if not limits and (jobs == 1 or len(cells) < _FEW):
        yield from map(run_cell, cells)
        return
    check_elsewhere(spec for cell in cells for spec in (cell.source, cell.estimator))
    # alone, a process may use what this one would
    count = min(jobs, len(cells))
    with Lanes(count, limits, one_thread=count > 1) as lanes:
        yield from lanes.run((cell,) for cell in cells)


def default_jobs() -> int:
    """Return how many processes to use where nothing is said: the cores this one may use."""
    from joblib import cpu_count  # slow to import, and workers need none of it

    return int(cpu_count())


def in_turn(cells: Iterable[Cell]) -> list[Cell]:
    """Return cells trial by trial, the largest n first.

    Every stretch of the run is then like the rest, so that the time still to go can be told, and a
    run cut short leaves a balanced table.
    """
    return sorted(cells, key=lambda cell: (cell.trial, -cell.n))


def check_elsewhere(specs: Iterable[Spec]) -> None:
    """Refuse what other processes cannot find."""
    for spec in specs:
        if spec.plugin is None:
            raise ValueError(
                f"{spec.name!r} is defined in this session only, where worker processes cannot "
                "find it. Run with jobs=1 and without limits, or put the class into a file and "
                "name it as plugin."
            )
