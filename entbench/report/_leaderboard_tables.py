"""The leaderboard as tables, lines of CSV, JSON and notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from entbench._records import Spec
from entbench.report._equal_time import QUICKER
from entbench.report._format import finite_or_none, number
from entbench.report._leaderboard import Leaderboard, Place, Standing
from entbench.report._pareto import FrontMember
from entbench.report._ranks import CONFIDENCE
from entbench.report._render import Printout, Table

Counts = dict[str, int | None]

_MAX_NOTES = 5
_ASIDE = ("mean rank", "wins", "worst", "worst at")
_ASIDE_TITLE = "ranks over the sources, and the hardest for each"


def leaderboard_printout(board: Leaderboard, n: int | None = None) -> Printout:
    """Return the printout of a leaderboard.

    Parameters
    ----------
    board : Leaderboard
        What to print.
    n : int, optional
        At which n; by default the table over all sources has every n, and those of each source the
        n at which most estimators stand, the largest of several.

    Raises
    ------
    ValueError
        If the run has no such n.
    """
    chosen = _chosen_n(board, n)
    run = board.run
    return Printout(
        data=leaderboard_data(board),
        records=leaderboard_records(board),
        tables=[*leaderboard_tables(board, n), *_place_tables(board, chosen)],
        notes=leaderboard_notes(board),
        heading=(
            f"{run.suite}, run {run.info.id} of entbench {run.info.version}: "
            f"{board.trials} trial{'s' if board.trials != 1 else ''}, seed {run.info.seed}"
        ),
    )


def _chosen_n(board: Leaderboard, n: int | None) -> int | None:
    known = [place.n for place in board.places if place.n is not None]
    if n is not None and n not in known:
        listed = ", ".join(map(str, sorted(set(known)))) or "none"
        raise ValueError(f"`n` must be one that the run has ({listed}); got {n}.")
    return n if n is not None else max(known, key=lambda m: (known.count(m), m), default=None)


def leaderboard_tables(board: Leaderboard, n: int | None = None) -> list[Table]:
    """Return the tables over all sources; `n` leaves out the others."""
    tables = [_equal_n(board, n)]
    if board.in_time:
        tables.append(_equal_time(board))
    tables.append(_front_table(board))
    if board.bounds:
        tables.append(_bound_table(board, n))
    return [table for table in tables if table.rows]


def _equal_n(board: Leaderboard, n: int | None) -> Table:
    chosen = [each for each in board.by_n if n in (None, each.n)]
    rows = []
    for s in chosen:
        rank, *rest = _cells(s)
        held = _held(board, None, s)
        rows.append((f"{s.n}", s.label, rank, held, *rest, number(s.seconds), *_aside(s)))
    table = Table(
        ("n", "estimator", "rank", "held", "sources", "MAE/best", "seconds", *_ASIDE),
        rows,
        "leaderboard at equal n: mean absolute error over the least of the source, geometric mean",
        left=2,
        aside=len(_ASIDE),
        aside_title=_ASIDE_TITLE,
    )
    return _of_several(board, table)


def _equal_time(board: Leaderboard) -> Table:
    among = sum(s.rank is not None for s in board.in_time)
    rows = [(s.label, *_cells(s, among), *_aside(s)) for s in board.in_time]
    table = Table(
        ("estimator", "rank", "sources", "MAE/best", *_ASIDE),
        rows,
        f"leaderboard at {number(board.seconds)} s a fit, between the n of the run: where two or "
        "more have an error",
        gaps=False,
        aside=len(_ASIDE),
        aside_title=_ASIDE_TITLE,
        key=1,
    )
    return _of_several(board, table)


def _of_several(board: Leaderboard, table: Table) -> Table:
    """Return the table, without the columns on the hardest source where there is but one."""
    return table if len(board.run.cases) > 1 else table.split()[0]


def _cells(s: Standing, among: int = 0) -> tuple[str, ...]:
    return (
        _rank(s.rank, s.rank_ci, among),
        f"{s.sources}/{s.of}",
        number(s.ratio),
    )


def _held(board: Leaderboard, source: Spec | None, each: Standing | Place) -> str:
    """Return in how many trials the interval of an estimator held the truth; "-" without one."""
    if each.n is None or (source, each.label, each.n) not in board.held:
        return "-"
    held, stated = board.held[source, each.label, each.n]
    return f"{held}/{stated}"


def _aside(s: Standing) -> tuple[str, ...]:
    return number(s.mean_rank), f"{s.wins}", number(s.worst), s.worst_source


def _front_table(board: Leaderboard) -> Table:
    """Return who is on the front over all sources, and on how many sources' own."""
    overall = [m for m in board.fronts if m.source is None]
    alone = not overall  # one source, or no estimator that stands on all at any n
    own = [m for m in board.fronts if m.source is not None]
    sources = list(dict.fromkeys(m.source for m in own))
    shown = own if alone and len(sources) == 1 else overall
    rows = []
    for member in sorted(shown, key=lambda m: (not m.n, m.label)):
        on = sum(bool(m.n) for m in own if m.label == member.label)
        rows.append(
            (
                member.label,
                _on_front(member),
                f"{on}/{len(sources)}",
            )
        )
    over = "" if len(sources) == 1 else f", geometric means over {len(sources)} sources"
    return Table(
        ("estimator", "on the front at n", "sources on whose front"),
        rows,
        f"front of error against seconds: none as quick is better{over}",
        left=2,
        gaps=False,
    )


def _bound_table(board: Leaderboard, n: int | None) -> Table:
    rows = [
        (
            f"{s.n}",
            s.label,
            s.role,
            f"{s.sources}/{s.of}",
            number(s.ratio),
            number(s.seconds),
            number(s.worst),
            s.worst_source,
        )
        for s in board.bounds
        if n in (None, s.n)
    ]
    table = Table(
        ("n", "bound", "role", "sources", "MAE/best", "seconds", "worst", "worst at"),
        rows,
        "bounds, not ranked: their distance to the truth over the least error of an estimate",
        left=3,
        aside=2,
        aside_title="hardest source for each bound",
    )
    return _of_several(board, table)


def _place_tables(board: Leaderboard, n: int | None) -> Iterator[Table]:
    """Yield a table for each source: the ranks at one n and in equal time, and its front."""
    timed = {(p.source, p.label): p for p in board.places_in_time}
    fronts = {(m.source, m.label): m for m in board.fronts}
    for case in board.run.cases:
        rows = [
            (
                place.label,
                _rank(place.rank, place.rank_ci),
                _held(board, case.source, place),
                number(place.mae),
                number(place.ratio),
                number(place.seconds),
                *_in_time(timed.get((case.source, place.label))),
                _on_front(fronts.get((case.source, place.label))),
            )
            for place in board.places
            if place.source == case.source and place.n == n
        ]
        within = number(board.seconds)
        if rows:
            yield Table(
                (
                    *("estimator", "rank", "held", "MAE", "MAE/best", "seconds"),
                    *(f"MAE in {within} s", "rank", "front at n"),
                ),
                rows,
                f"{case.source.label}, n={n}",
                gaps=False,
                aside=3,
                aside_title=f"{case.source.label}, in equal time and by the front",
                key=1,
            )


def _in_time(place: Place | None) -> tuple[str, str]:
    if place is None:
        return "-", "-"
    if place.mae is None:
        return f"- {place.reason.partition(':')[0].partition(' at')[0]}", "-"
    if place.rank is None:
        return number(place.mae), f"- {place.reason}"
    return number(place.mae), _rank(place.rank, place.rank_ci, place.among)


def _on_front(member: FrontMember | None) -> str:
    return ", ".join(map(str, member.n)) if member and member.n else "-"


def _rank(rank: int | None, interval: tuple[int, int] | None, among: int = 0) -> str:
    if rank is None:
        return "-"
    text = f"{rank} of {among}" if among else f"{rank}"
    return text if interval is None else f"{text} [{interval[0]}, {interval[1]}]"


def leaderboard_notes(board: Leaderboard) -> list[str]:
    """Return what has to be known to read the tables, and who is missing from them."""
    notes = []
    if board.trials > 1:
        notes.append(
            f"rank [low, high] holds the true rank, for all estimators of a table at once with "
            f"{100 * CONFIDENCE:.0f} % confidence"
        )
    elif board.trials == 1:
        notes.append("! one trial: ranks have no intervals")
    if board.held:
        notes.append("held: trials in which the estimator's interval held the truth")
    if any(each.rank is None for each in (*board.by_n, *board.in_time)):
        notes.append("- for a rank: not on every source on which others are, or no other is")
    if board.bounds:
        names = ", ".join(dict.fromkeys(each.label for each in board.bounds))
        notes.append(f"{names}: no estimates but bounds, whose error may be small by luck")
    unsure = [case.source.label for case in board.run.cases if case.reference.note]
    if unsure:
        listed = ", ".join(unsure[:_MAX_NOTES])
        more = f" and {len(unsure) - _MAX_NOTES} more" if len(unsure) > _MAX_NOTES else ""
        notes.append(f"! the truth has no second evaluation for {listed}{more}")
    notes += _cut([*_failure_notes(board), *_time_notes(board)])
    if any(place.reason.startswith(QUICKER) for place in board.places_in_time):
        notes.append(
            f"{QUICKER}: with more samples than the run has it may be better than those ranked"
        )
    if board.run.missing:
        notes.append(f"! {board.run.missing} planned cells are not there: the run was cut short")
    return notes


def _cut(notes: Sequence[str]) -> list[str]:
    more = len(notes) - _MAX_NOTES
    return [*notes[:_MAX_NOTES], f"! and {more} more like these"] if more > 0 else list(notes)


def _failure_notes(board: Leaderboard) -> Iterator[str]:
    for each in board.failures:
        yield (
            f"✗ {each.label} is not ranked on {each.source.label} at n={each.n}: "
            f"{each.failed} of {each.trials} trials failed"
        )


def _time_notes(board: Leaderboard) -> Iterator[str]:
    """Yield why estimators have no error in the time, each reason once."""
    groups: dict[tuple[str, str], list[Spec]] = {}
    for place in board.places_in_time:
        if place.mae is None:
            groups.setdefault((place.label, place.reason), []).append(place.source)
    for (label, reason), sources in groups.items():
        where = sources[0].label if len(sources) == 1 else f"{len(sources)} sources"
        yield f"- {label} in {number(board.seconds)} s, on {where}: {reason}"


def leaderboard_data(board: Leaderboard) -> dict[str, Any]:
    """Return the JSON object of a leaderboard."""
    return {
        "suite": board.run.suite,
        "run": asdict(board.run.info),
        "trials": board.trials,
        "confidence": CONFIDENCE,
        "seconds": board.seconds,
        "equal_n": [_standing_record(each, board) for each in board.by_n],
        "equal_time": [_standing_record(each) for each in board.in_time],
        "bounds": [_standing_record(each) for each in board.bounds],
        "sources": [_place_record(each, board) for each in board.places],
        "sources_equal_time": [_place_record(each) for each in board.places_in_time],
        "fronts": [{**_front_record(each), "n": list(each.n)} for each in board.fronts],
        "failures": [{**vars(each), "source": each.source.label} for each in board.failures],
        "missing": board.run.missing,
        "notes": leaderboard_notes(board),
    }


def leaderboard_records(board: Leaderboard) -> list[dict[str, Any]]:
    """Return all of a leaderboard as lines of one table."""
    groups: list[tuple[str, list[dict[str, Any]]]] = [
        ("equal n", [_standing_record(each, board) for each in board.by_n]),
        ("equal time", [_standing_record(each) for each in board.in_time]),
        ("bound", [_standing_record(each) for each in board.bounds]),
        ("equal n", [_place_record(each, board) for each in board.places]),
        ("equal time", [_place_record(each) for each in board.places_in_time]),
        ("front", [_front_record(each) for each in board.fronts]),
    ]
    return [{"comparison": name, **record} for name, group in groups for record in group]


def _counts(board: Leaderboard | None, source: Spec | None, label: str, n: int | None) -> Counts:
    none = (None, None)
    held, stated = none if board is None or n is None else board.held.get((source, label, n), none)
    return {"held": held, "intervals": stated}


def _standing_record(each: Standing, board: Leaderboard | None = None) -> dict[str, Any]:
    return {
        "source": None,  # all of them
        "estimator": each.label,
        "role": each.role,
        "n": each.n,
        "sources": each.sources,
        "of": each.of,
        "rank": each.rank,
        **_limits(each.rank_ci),
        **_counts(board, None, each.label, each.n),
        "ratio": finite_or_none(each.ratio),
        "mean_rank": each.mean_rank,
        "wins": each.wins,
        "worst": finite_or_none(each.worst),
        "worst_source": each.worst_source,
        "seconds": each.seconds,
    }


def _place_record(each: Place, board: Leaderboard | None = None) -> dict[str, Any]:
    return {
        "source": each.source.label,
        "estimator": each.label,
        "n": each.n,
        "rank": each.rank,
        **_limits(each.rank_ci),
        **_counts(board, each.source, each.label, each.n),
        "mae": each.mae,
        "ratio": finite_or_none(each.ratio),
        "seconds": each.seconds,
        "among": each.among,
        "reason": each.reason,
    }


def _front_record(each: FrontMember) -> dict[str, Any]:
    return {
        "source": each.source.label if each.source else None,
        "estimator": each.label,
        "on_front": bool(each.n),
        "front_n": " ".join(map(str, each.n)),
    }


def _limits(interval: tuple[int, int] | None) -> dict[str, int | None]:
    low, high = interval or (None, None)
    return {"rank_low": low, "rank_high": high}
