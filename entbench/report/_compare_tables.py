"""A comparison of two runs of a suite as tables, lines of CSV, JSON and notes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from entbench._base import Reference
from entbench._records import ExperimentRun, RunInfo, SuiteRun
from entbench._text import bound_text
from entbench.report._compare import Change, Comparison, On, Ratio, Verdict
from entbench.report._contrasts import (
    FAMILY,
)
from entbench.report._format import finite_or_none, number
from entbench.report._render import Printout, Table

_MAX_ROWS, _MAX_NOTES = 60, 5
# no table speaks of a loss by more than this factor
_MOST_FOUND = 100.0
_HEADERS = ("estimator", "n", "verdict", "B/A (95 %)", "MAE A", "MAE B", "time B/A (95 %)")
_ASIDE = ("largest", "stated", "trials", "held")
_MARKS: dict[Verdict, str] = {"worse": "✗ worse", "better": "✓ better", "same": "", "unclear": ""}
_TIME_MARKS: dict[Verdict, str] = {
    "worse": "slower",
    "better": "quicker",
    "same": "",
    "unclear": "",
}


def comparison_printout(found: Comparison, on: On = "accuracy") -> Printout:
    """Return the printout of a comparison; `on` is what counts as a loss."""
    if found.itself:
        text = f"run {found.first.info.id} compared with itself: there is nothing to differ."
        return Printout(comparison_data(found, on), _records(found), heading=text)
    shown, more = _shown(found.changes)
    return Printout(
        data=comparison_data(found, on),
        records=_records(found),
        tables=list(_tables(shown)),
        notes=[
            *_notes(found, on),
            *([f"and {more} more rows that are not told from chance"] * (more > 0)),
        ],
        heading=heading_of(found.first, found.second),
    )


def heading_of(first: SuiteRun | ExperimentRun, second: SuiteRun | ExperimentRun) -> str:
    """Return a line that says what A and B are."""
    named = [
        f"{name}: run {run.info.id}, entbench {run.info.version}"
        for name, run in (("A", first), ("B", second))
    ]
    if first.suite == second.suite:
        return f"{first.suite}; {'; '.join(named)}"
    return f"{named[0]}, {first.suite}; {named[1]}, {second.suite}"


def _shown(changes: Sequence[Change]) -> tuple[list[Change], int]:
    """Return the rows for people, and how many are left out beside those that are the same."""
    telling = [change for change in changes if _verdict(change)]
    changed = [change for change in changes if not _verdict(change) and not change.same]
    room = max(0, _MAX_ROWS - len(telling))
    chosen = {id(change) for change in (*telling, *changed[:room])}
    return [c for c in changes if id(c) in chosen], len(changed[room:])


def _tables(changes: Sequence[Change]) -> Iterator[Table]:
    """Yield a table for each source, that with the worst row first."""
    for source in dict.fromkeys(change.source for change in changes):
        here = [change for change in changes if change.source == source]
        table = Table(
            (*_HEADERS, *_ASIDE),
            [_cells(change) for change in here],
            f"{source.label}: errors in nats",
            gaps=False,
            aside=len(_ASIDE),
            aside_title=f"{source.label}: changes of values from the same samples beside the "
            "numerical error stated, in nats",
        )
        yield table if any(change.largest for change in here) else table.split()[0]


def _cells(change: Change) -> tuple[str, ...]:
    first, second = change.mae or (None, None)
    ours, theirs = change.trials
    return (
        change.estimator.label,
        f"{change.n}",
        _verdict(change) or _needs(change),
        _ratio(change.accuracy),
        number(first),
        number(second),
        _ratio(change.seconds),
        number(change.largest),
        number(change.stated) if change.stated else "-",
        f"{ours}" if ours == theirs else f"{ours}, {theirs}",
        _held(change),
    )


def _held(change: Change) -> str:
    """Return in how many trials of A and of B intervals held the truth; "-" where there is none."""
    parts = [f"{held}/{stated}" if stated else "-" for held, stated in change.held]
    return parts[0] if parts[0] == parts[1] else ", ".join(parts)


def _verdict(change: Change) -> str:
    failed = f"✗ {change.gained} failed" if change.gained else ""
    mended = f"{change.mended} mended" if change.mended else ""
    parts = (failed, mended, _MARKS[change.verdict], _TIME_MARKS[change.time_verdict])
    return ", ".join(part for part in parts if part)


def _needs(change: Change) -> str:
    """Return the least loss that the row would show, of a row without a verdict."""
    least = change.accuracy.detectable if change.accuracy else None
    if change.same or least is None:
        return ""
    return "needs trials" if least > _MOST_FOUND else f"needs +{_percent(least)} %"


def _percent(ratio: float) -> str:
    """Return what a ratio is above 1 in per cent, rounded up to two digits."""
    above = 100.0 * (ratio - 1.0)
    step = 10.0 ** max(0, math.floor(math.log10(above)) - 1) if above > 0.0 else 1.0
    return f"{max(1.0, step * math.ceil(above / step)):.0f}"


def _ratio(ratio: Ratio | None) -> str:
    if ratio is None:
        return "-"
    text = number(ratio.value)
    if ratio.interval is None:
        return text
    low, high = ratio.interval
    # ends that tell nothing are short, and further out than they are
    ends = number(low if low > 0.01 else 0.0), number(high if high < 100.0 else math.inf)
    return f"{text} [{', '.join(ends)}]"


def _notes(found: Comparison, on: On) -> Iterator[str]:
    yield from _truth_notes(found)
    yield from _loss_notes(found, on)
    rows = len(found.changes)
    same = sum(change.same for change in found.changes)
    unclear = sum(change.verdict == "unclear" for change in found.changes)
    better = sum(change.verdict == "better" for change in found.changes)
    yield (
        f"{rows} rows compared: {same} with every value the same to the bit, {better} better, "
        f"{rows - same - unclear - better} worse, {unclear} not told from chance or from the "
        "numerical error"
    )
    yield from _reading_notes(found)
    yield from _odds_and_ends(found)
    yield from found.notes


def _truth_notes(found: Comparison) -> Iterator[str]:
    for truth in found.truths:
        first, second = truth.first, truth.second
        yield (
            f"✗ THE TRUTH CHANGED: {truth.source.label}: {first.quantity} = {first.value:.10g} "
            f"{_within(first)} in A, {second.quantity} = {second.value:.10g} {_within(second)} in "
            "B; each run's errors are against its own"
        )


def _within(truth: Reference) -> str:
    return f"within {bound_text(truth.error)}{truth.note and f' ({truth.note})'}"


def _loss_notes(found: Comparison, on: On) -> Iterator[str]:
    lost = [change for change in found.changes if _counts(change, on)]
    for change in lost[:_MAX_NOTES]:
        where = f"{change.estimator.label} on {change.source.label}, n={change.n}"
        if change.gained:
            yield f"✗ {where}: {change.gained} cells failed in B alone: {change.message}"
        elif change.verdict == "worse" and change.mae and on != "time":
            yield f"✗ {where}: MAE {number(change.mae[0])} before, {number(change.mae[1])} now"
        else:
            yield f"✗ {where}: {_ratio(change.seconds)} times the seconds"
    if len(lost) > _MAX_NOTES:
        yield f"✗ and {len(lost) - _MAX_NOTES} more losses"
    slower = sum(change.time_verdict == "worse" for change in found.changes)
    if slower and on == "accuracy":
        yield f"! {slower} rows are slower; it counts as a loss with --on time or --on both"


def _counts(change: Change, on: On) -> bool:
    error = on != "time" and change.verdict == "worse"
    return bool(change.gained) or error or (on != "accuracy" and change.time_verdict == "worse")


def _reading_notes(found: Comparison) -> Iterator[str]:
    """Yield how to read intervals, and what is left out of times."""
    if any(change.accuracy and change.accuracy.interval for change in found.changes):
        yield "[low, high] holds the true ratio, in all rows at once: without 1, it is a verdict"
    shown = [_needs(change) for change in found.changes if not _verdict(change)]
    if any("%" in text for text in shown):
        yield (
            "needs +50 %: a true loss of 50 % shows in about 3 of 4 comparisons, a smaller one "
            "less often; more trials show smaller ones"
        )
    if "needs trials" in shown:
        yield "needs trials: with so few trials, or so many rows, hardly any loss shows"
    if any(change.seconds and change.seconds.interval for change in found.changes):
        factor = found.shared_time
        yield (
            f"time B/A leaves out the factor {number(factor)} that the times of all rows share: "
            "a machine's two runs differ by some 10 %"
        )


def _odds_and_ends(found: Comparison) -> Iterator[str]:
    if any(not change.paired for change in found.changes):
        rows = sum(not change.paired for change in found.changes)
        yield f"! {rows} rows are of other samples in B: means are compared, not trials (Welch)"
    if any(change.accuracy and change.accuracy.interval is None for change in found.changes):
        yield "! rows with one trial have no interval and no verdict"
    for name, cells, run in (
        ("A", found.only_first, found.first),
        ("B", found.only_second, found.second),
    ):
        if cells:
            yield f"{cells} cells are in {name} alone"
        if run.missing:
            yield f"! {run.missing} planned cells of {name} are not there: the run was cut short"


def comparison_data(found: Comparison, on: On = "accuracy") -> dict[str, Any]:
    """Return the JSON object of a comparison."""
    return {
        "a": _run_data(found.first),
        "b": _run_data(found.second),
        "on": on,
        "lost": found.lost(on),
        "itself": found.itself,
        "family_wise_error": FAMILY,
        "shared_time": found.shared_time,
        "rows": [_row_data(change) for change in found.changes],
        "only_a": found.only_first,
        "only_b": found.only_second,
        "failures_gained": found.gained,
        "truths_changed": [
            {
                "source": truth.source.label,
                "a": truth.first.value,
                "a_error": truth.first.error,
                "a_note": truth.first.note,
                "b": truth.second.value,
                "b_error": truth.second.error,
                "b_note": truth.second.note,
            }
            for truth in found.truths
        ],
        "notes": list(found.notes),
    }


def _run_data(run: SuiteRun) -> dict[str, Any]:
    info: RunInfo = run.info
    return {"suite": run.suite, "params": run.params, "missing": run.missing, **asdict(info)}


def _row_data(change: Change) -> dict[str, Any]:
    first, second = change.mae or (None, None)
    error, times = change.accuracy, change.seconds
    low, high = (error.interval if error else None) or (None, None)
    slow, slower = (times.interval if times else None) or (None, None)
    could = error.detectable if error else None
    return {
        "source": {"name": change.source.name, **dict(change.source.params)},
        "estimator": change.estimator.label,
        "n": change.n,
        "paired": change.paired,
        "trials_a": change.trials[0],
        "trials_b": change.trials[1],
        "mae_a": first,
        "mae_b": second,
        "ratio": finite_or_none(error.value) if error else None,
        "ratio_low": low,
        "ratio_high": None if high is None else finite_or_none(high),
        "p_value": error.chance if error else None,
        "detectable_ratio": None if could is None else finite_or_none(could),
        "verdict": change.verdict,
        "seconds_ratio": finite_or_none(times.value) if times else None,
        "seconds_ratio_low": slow,
        "seconds_ratio_high": None if slower is None else finite_or_none(slower),
        "time_verdict": change.time_verdict,
        "largest_value_change": change.largest,
        "held_a": change.held[0][0] if change.held[0][1] else None,
        "intervals_a": change.held[0][1],
        "held_b": change.held[1][0] if change.held[1][1] else None,
        "intervals_b": change.held[1][1],
        "stated_error": change.stated,
        "allowance": change.allowance,
        "same_to_the_bit": change.same,
        "failures_gained": change.gained,
        "failures_mended": change.mended,
        "message": change.message,
    }


def _records(found: Comparison) -> list[dict[str, Any]]:
    return [{**_row_data(change), "source": change.source.label} for change in found.changes]
