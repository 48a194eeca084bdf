"""Two runs of an experiment, step by step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from entbench._records import ExperimentRun, Measurement, Spec, Step
from entbench.report._compare_tables import heading_of
from entbench.report._format import finite_or_none, number
from entbench.report._matching import added_parameters, matched
from entbench.report._render import Printout, Table

_MAX_NOTES = 5


@dataclass(frozen=True)
class ResultChange:
    """A result of an experiment that differs at some step.

    Attributes
    ----------
    name : str
        The result's.
    steps, of : int
        At how many steps it differs, of how many that both runs have.
    largest : float or None
        The largest difference of any of its numbers; None where they are texts, or differ in how
        many they are.
    relative : float or None
        That over the larger of the two numbers.
    first, second : float or None
        The two numbers.
    at : Step
        Where that is.
    """

    name: str
    steps: int
    of: int
    largest: float | None
    relative: float | None
    first: float | None
    second: float | None
    at: Step


@dataclass(frozen=True)
class ExperimentComparison:
    """Two runs of an experiment compared.

    Attributes
    ----------
    first, second : ExperimentRun
        Which; called A and B.
    steps, equal : int
        Steps that both have a result of; those whose results are equal in all.
    changes : tuple of ResultChange
        The largest relative differences first.
    gained : tuple of Measurement
        Steps that failed in the second run only.
    mended, only_first, only_second : int
        Steps that failed in the first run only, and that the other run lacks.
    notes : tuple of str
        What else differs.
    """

    first: ExperimentRun
    second: ExperimentRun
    steps: int
    equal: int
    changes: tuple[ResultChange, ...]
    gained: tuple[Measurement, ...]
    mended: int
    only_first: int
    only_second: int
    notes: tuple[str, ...]

    @property
    def itself(self) -> bool:
        """Whether it is one run, compared with itself."""
        same = self.first.records == self.second.records
        return self.first.info.id == self.second.info.id and same

    @property
    def lost(self) -> bool:
        """Whether a step that had a result has none."""
        return bool(self.gained)


def compare_experiments(first: ExperimentRun, second: ExperimentRun) -> ExperimentComparison:
    """Compare two runs of an experiment, each step with that of the same parameters.

    No truth is known of an experiment's results: differences are told, and not judged.

    Raises
    ------
    ValueError
        If the runs have no step in common.
    """
    settings = matched(
        (each.cell.experiment for each in first.records),
        (each.cell.experiment for each in second.records),
    )
    theirs = {each.cell: each for each in second.records}
    both = [
        (each, theirs[partner])
        for each in first.records
        if each.cell.experiment in settings
        and (partner := Step(settings[each.cell.experiment], each.cell.at)) in theirs
    ]
    if not both:
        raise ValueError(
            f"runs {first.info.id} and {second.info.id} have no step in common: experiments "
            f"{first.experiment!r} with {_text(first.params)} and {second.experiment!r} with "
            f"{_text(second.params)}."
        )
    good = [(a, b) for a, b in both if a.ok and b.ok]
    return ExperimentComparison(
        first=first,
        second=second,
        steps=len(good),
        equal=sum(a.result == b.result for a, b in good),
        changes=tuple(sorted(_changes(good), key=_size)),
        gained=tuple(b for a, b in both if a.ok and not b.ok),
        mended=sum(b.ok and not a.ok for a, b in both),
        only_first=len(first.records) - len(both),
        only_second=len(second.records) - len(both),
        notes=tuple(_notes(first, second, settings)),
    )


def _text(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in params.items())


def _changes(both: list[tuple[Measurement, Measurement]]) -> Iterator[ResultChange]:
    for name in dict.fromkeys(name for a, b in both for name in (*a.result, *b.result)):
        moved = [
            (_difference(a.result.get(name), b.result.get(name)), a.cell)
            for a, b in both
            if a.result.get(name) != b.result.get(name)
        ]
        if moved:
            known = [each for each in moved if each[0] is not None] or moved
            # the first of the largest; what has no size is all alike
            largest, step = max(known, key=lambda each: each[0][0] if each[0] else 0.0)
            change, ours, theirs = largest or (None, None, None)
            size = max(abs(ours or 0.0), abs(theirs or 0.0))
            relative = change / size if change is not None and size else None
            yield ResultChange(name, len(moved), len(both), change, relative, ours, theirs, step)


def _difference(ours: Any, theirs: Any) -> tuple[float, float, float] | None:
    """Return the largest difference of two numbers or arrays of them, and the two numbers."""
    try:
        first, second = (np.asarray(each, np.float64).ravel() for each in (ours, theirs))
    except (ValueError, TypeError):  # texts, or lists of several lengths
        return None
    if first.shape != second.shape or not first.size:
        return None
    moved = np.abs(first - second)
    if not np.isfinite(moved).any():
        return None
    worst = int(np.nanargmax(moved))
    return float(moved[worst]), float(first[worst]), float(second[worst])


def _size(change: ResultChange) -> tuple[float, str]:
    return -(math.inf if change.relative is None else change.relative), change.name


def _notes(
    first: ExperimentRun, second: ExperimentRun, settings: Mapping[Spec, Spec]
) -> Iterator[str]:
    said = [
        f"experiment {a.name}: version {a.version} in A, {b.version} in B"
        for a, b in settings.items()
        if a.version != b.version
    ]
    yield from dict.fromkeys(said)
    yield from added_parameters(settings.items())
    was, now = first.info.versions, second.info.versions
    for name in sorted(was.keys() & now.keys()):
        if was[name] != now[name]:
            yield f"{name} {was[name]} in A, {now[name]} in B"


def experiment_comparison_printout(found: ExperimentComparison) -> Printout:
    """Return the printout of a comparison of experiments."""
    runs = (found.first, found.second)
    records = [{**vars(c), "at": c.at.label} for c in found.changes]
    records = [
        {key: finite_or_none(v) if isinstance(v, float) else v for key, v in record.items()}
        for record in records
    ]
    data = {
        "a": {"suite": runs[0].suite, "params": runs[0].params, **asdict(runs[0].info)},
        "b": {"suite": runs[1].suite, "params": runs[1].params, **asdict(runs[1].info)},
        "itself": found.itself,
        "lost": found.lost,
        "steps": found.steps,
        "equal": found.equal,
        "results": records,
        "failures_gained": len(found.gained),
        "failures_mended": found.mended,
        "only_a": found.only_first,
        "only_b": found.only_second,
        "notes": list(found.notes),
    }
    if found.itself:
        text = f"run {runs[0].info.id} compared with itself: there is nothing to differ."
        return Printout(data, records, heading=text)
    return Printout(data, records, _tables(found), list(_summary(found)), heading_of(*runs))


def _tables(found: ExperimentComparison) -> list[Table]:
    rows = [
        (
            change.name,
            f"{change.steps}/{change.of}",
            "differs" if change.largest is None else number(change.largest),
            number(change.relative),
            number(change.first),
            number(change.second),
            ", ".join(f"{k}={v}" for k, v in change.at.at),
        )
        for change in found.changes
    ]
    headers = ("result", "steps", "largest difference", "relative", "A", "B", "first at")
    title = "results that differ, the largest relative differences first"
    return [Table(headers, rows, title, gaps=False)] if rows else []


def _summary(found: ExperimentComparison) -> Iterator[str]:
    for failed in found.gained[:_MAX_NOTES]:
        yield f"✗ failed in B alone: {failed.message} [{failed.cell.label}]"
    if len(found.gained) > _MAX_NOTES:
        yield f"✗ and {len(found.gained) - _MAX_NOTES} more steps"
    if found.mended:
        yield f"{found.mended} steps that failed in A have a result in B"
    yield f"{found.equal} of {found.steps} steps have equal results"
    if found.equal < found.steps:
        yield "no truth is known of these results: differences are told, not judged"
    for name, steps, run in (
        ("A", found.only_first, found.first),
        ("B", found.only_second, found.second),
    ):
        if steps:
            yield f"{steps} steps are in {name} alone"
        if run.missing:
            yield f"! {run.missing} planned steps of {name} are not there: the run was cut short"
    yield from found.notes
