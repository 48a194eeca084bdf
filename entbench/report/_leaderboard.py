"""Estimators ranked over the sources of a run: at equal n, in equal time, and by both at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from entbench._records import Spec, SuiteRun
from entbench._theorem import ESTIMATE
from entbench._validation import check_positive
from entbench.report._contrasts import average
from entbench.report._equal_time import Curve, curves_of, usual_seconds
from entbench.report._fields import (
    Failure,
    Field,
    failures_of,
    fields_of,
    groups_of,
    roles_of,
)
from entbench.report._pareto import FrontMember, fronts_of
from entbench.report._ranks import (
    Floats,
    LogMeans,
    Pairs,
    log_ratios,
    rank_intervals,
    ranks_of,
    resampled_pairs,
)
from entbench.report._statistics import rows_of

RankInterval = tuple[int, int]

ALONE = "alone"


@dataclass(frozen=True)
class Scores:
    """Errors on one source, at one n or in one time.

    Attributes
    ----------
    source : Spec
        The source.
    labels : tuple of str
        The estimators.
    errors : LogMeans
        Of the absolute error.
    pairs : Pairs
        Of the errors of all pairs.
    seconds : ndarray of shape (estimators,)
        Logarithms of the mean time of a fit.
    trials : int
        The fewest that went into any of them.
    """

    source: Spec
    labels: tuple[str, ...]
    errors: LogMeans
    pairs: Pairs
    seconds: Floats
    trials: int


@dataclass(frozen=True)
class Place:
    """How an estimator does on one source, at one n or in one time.

    Attributes
    ----------
    source : Spec
        The source.
    label : str
        The estimator.
    n : int or None
        Samples; None in equal time.
    rank : int or None
        By mean absolute error, from 1; equals share the better rank. None where nothing is known,
        and in equal time where no other has an error.
    rank_ci : (low, high) or None
        Holds the true rank, for all estimators here at once with 95 % confidence, see
        `entbench.report._ranks.rank_intervals`; None with one trial.
    mae, ratio, seconds : float or None
        Mean absolute error in nats, over the least of any estimate here, and mean time of a fit.
    among : int
        How many are ranked here.
    reason : str
        Why there is no rank.
    """

    source: Spec
    label: str
    n: int | None
    rank: int | None
    rank_ci: RankInterval | None
    mae: float | None
    ratio: float | None
    seconds: float | None
    among: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Standing:
    """How an estimator does over all sources, at one n or in one time.

    Attributes
    ----------
    label : str
        The estimator.
    role : str
        "estimate", or which bound: bounds are not ranked.
    n : int or None
        Samples; None in equal time.
    sources, of : int
        On how many sources it has an error, of how many of the run. In equal time, those count on
        which another has one too.
    rank : int or None
        By `ratio`, among those that stand on every source on which any does; None for the others,
        and where there is one such only in equal time.
    rank_ci : (low, high) or None
        Holds the true rank, for all estimators at once with 95 % confidence; None with one trial.
    ratio : float
        Geometric mean over its sources of its mean absolute error over the least of any estimate
        there; 1 is best everywhere.
    mean_rank : float
        Mean over its sources of its rank there.
    worst : float
        The largest ratio of any source.
    worst_source : str
        Where.
    wins : int
        On how many sources its error is the least.
    seconds : float
        Geometric mean over its sources of the mean time of a fit.
    """

    label: str
    role: str
    n: int | None
    sources: int
    of: int
    rank: int | None
    rank_ci: RankInterval | None
    ratio: float
    mean_rank: float | None
    worst: float
    worst_source: str
    wins: int
    seconds: float


@dataclass(frozen=True)
class Leaderboard:
    """Who is best, and how sure that is.

    Attributes
    ----------
    run : SuiteRun
        Of what.
    seconds : float or None
        The time of a fit at which estimators are compared; None where nothing was timed.
    by_n, in_time : tuple of Standing
        Over all sources, in the order of their ranks; by n first.
    places, places_in_time : tuple of Place
        On each source.
    bounds : tuple of Standing
        Upper and lower bounds, by n. They are not ranked: a bound is to be on one side of the
        truth, and its error is small where the distance happens to be.
    fronts : tuple of FrontMember
        Overall first, then by source.
    failures : tuple of Failure
        Who is not ranked where, having failed at some trial.
    trials : int
        The fewest of any field; with one there are no intervals.
    held : mapping of (source or None, estimator, n) to (held, stated)
        In how many trials the estimator's interval for the truth held it, of how many that state
        one; over all sources for None. Only of those that state any.
    """

    run: SuiteRun
    seconds: float | None
    by_n: tuple[Standing, ...]
    in_time: tuple[Standing, ...]
    places: tuple[Place, ...]
    places_in_time: tuple[Place, ...]
    bounds: tuple[Standing, ...]
    fronts: tuple[FrontMember, ...]
    failures: tuple[Failure, ...]
    trials: int
    held: Mapping[tuple[Spec | None, str, int], tuple[int, int]]


def leaderboard(run: SuiteRun, seconds: float | None = None) -> Leaderboard:
    """Rank the estimators of a run by mean absolute error.

    Parameters
    ----------
    run : SuiteRun
        Whose.
    seconds : float, optional
        Time of a fit for the comparison in equal time; by default the geometric middle of the
        times that most estimators cover.

    Raises
    ------
    ValueError, TypeError
        If `seconds` is no positive number.
    """
    if seconds is not None:
        seconds = check_positive("seconds", seconds)
    groups = groups_of(run)
    failures = tuple(failures_of(groups))
    every = list(fields_of(run, groups))
    roles = roles_of(run)
    estimates = [label for label, role in roles.items() if role == ESTIMATE]
    fields = [field.only(estimates) for field in every if set(field.labels) & set(estimates)]
    gaps: dict[tuple[Spec, str], set[int]] = {}
    for failure in failures:
        gaps.setdefault((failure.source, failure.label), set()).add(failure.n)
    curves = list(curves_of(fields, gaps))
    asked = seconds if seconds is not None else usual_seconds(curves)
    timed = list(_scores_in_time(curves, asked)) if asked is not None else []
    return Leaderboard(
        run=run,
        seconds=asked,
        by_n=tuple(_by_n(fields, len(run.cases))),
        # one alone is not compared with anything: its rank and its ratio would be 1 for nothing
        in_time=tuple(
            _standings([each for each in timed if len(each.labels) > 1], None, len(run.cases))
        ),
        places=tuple(place for field in fields for place in _places(_scores(field), field.n)),
        places_in_time=tuple(_places_in_time(timed, curves, asked)),
        bounds=tuple(_bound_standings(every, fields, roles, len(run.cases))),
        fronts=tuple(fronts_of(fields)),
        failures=failures,
        trials=min((field.trials for field in every), default=0),
        held=_held(run),
    )


def _held(run: SuiteRun) -> dict[tuple[Spec | None, str, int], tuple[int, int]]:
    found: dict[tuple[Spec | None, str, int], tuple[int, int]] = {}
    for row in rows_of(run):
        stated = [held for held in row.held if held is not None]
        for source in (row.source, None) if stated else ():
            key = (source, row.estimator.label, row.n)
            held, of = found.get(key, (0, 0))
            found[key] = held + sum(stated), of + len(stated)
    return found


def best_of(run: SuiteRun) -> Iterator[tuple[Place, list[str]]]:
    """Yield the estimate with the least error on each source at its largest n, and its equals.

    The equals are those whose true rank may be 1, by the intervals of the leaderboard. A source on
    which fewer than two estimates have all of two or more trials is left out.
    """
    roles = roles_of(run)
    estimates = [label for label, role in roles.items() if role == ESTIMATE]
    largest: dict[Spec, int] = {}
    for record in run.records:
        cell = record.cell
        if cell.estimator.label in estimates:
            largest[cell.source] = max(cell.n, largest.get(cell.source, 0))
    chosen = {key: here for key, here in groups_of(run).items() if largest.get(key[0]) == key[1]}
    for field in fields_of(run, chosen):
        places = list(_places(_scores(field.only(estimates)), field.n))
        if len(places) > 1 and field.trials > 1:
            first, *others = places
            yield first, [each.label for each in others if each.rank_ci and each.rank_ci[0] == 1]


def _scores(field: Field) -> Scores:
    seconds = field.seconds.logs
    return Scores(field.source, field.labels, field.errors, field.pairs, seconds, field.trials)


def _scores_in_time(curves: Sequence[Curve], seconds: float) -> Iterator[Scores]:
    """Yield the errors in equal time on each source on which some estimator has one."""
    at = math.log(seconds)
    known: dict[Spec, list[Curve]] = {}
    for curve in curves:
        if not curve.why_not(at):
            known.setdefault(curve.source, []).append(curve)
    for source, here in known.items():
        found = [curve.error_at(at) for curve in here]
        errors = LogMeans(
            np.array([own for own, _ in found]), np.column_stack([moved for _, moved in found])
        )
        labels = tuple(curve.label for curve in here)
        trials = min(curve.trials for curve in here)
        pairs = resampled_pairs(errors, trials)
        yield Scores(source, labels, errors, pairs, np.full(len(here), at), trials)


def _places(scores: Scores, n: int | None) -> Iterator[Place]:
    """Yield the places on a source, best first."""
    means = scores.errors
    intervals = (
        rank_intervals(scores.pairs.ratios) if scores.trials > 1 else [None] * len(scores.labels)
    )
    ratios = np.exp(log_ratios(means.logs, means.logs.min()))
    ranks = ranks_of(means.logs)
    for i in sorted(range(len(ranks)), key=lambda i: (ranks[i], scores.labels[i])):
        yield Place(
            source=scores.source,
            label=scores.labels[i],
            n=n,
            rank=int(ranks[i]),
            rank_ci=intervals[i],
            mae=_error(means.logs[i]),
            ratio=float(ratios[i]),
            seconds=math.exp(scores.seconds[i]),
            among=len(ranks),
        )


def _error(log: float) -> float:
    """Return the error of a logarithm, 0 of that which stands for it."""
    error = math.exp(log)
    return error if error > 1e-300 else 0.0


def _places_in_time(
    scores: Iterable[Scores], curves: Iterable[Curve], seconds: float | None
) -> Iterator[Place]:
    for each in scores:
        for place in _places(each, None):
            alone = replace(place, rank=None, rank_ci=None, ratio=None, among=0, reason=ALONE)
            yield place if place.among > 1 else alone
    if seconds is None:
        return
    for curve in curves:
        reason = curve.why_not(math.log(seconds))
        if reason:
            unknown = (None, None, None, None, None, None)  # from n to seconds
            yield Place(curve.source, curve.label, *unknown, reason=reason)


def _by_n(fields: Sequence[Field], of: int) -> Iterator[Standing]:
    for n in sorted({field.n for field in fields}):
        yield from _standings([_scores(field) for field in fields if field.n == n], n, of)


def _standings(scores: Sequence[Scores], n: int | None, of: int) -> list[Standing]:
    """Return the estimators over all sources, those first that stand on all of them."""
    labels = dict.fromkeys(label for each in scores for label in each.labels)
    whole = [label for label in labels if all(label in each.labels for each in scores)]
    ranks = _overall_ranks(scores, whole) if n is not None or len(whole) > 1 else {}
    found = [_standing(label, scores, n, of, ranks) for label in labels]
    return sorted(found, key=lambda s: (s.rank is None, -s.sources, s.ratio, s.label))


def _overall_ranks(
    scores: Sequence[Scores], labels: Sequence[str]
) -> dict[str, tuple[int, RankInterval | None]]:
    """Return rank and interval by the geometric mean of the error over all sources.

    It ranks as the geometric mean of the ratios does: the least error of a source is the same for
    all.
    """
    if not labels:
        return {}
    places = [[each.labels.index(name) for name in labels] for each in scores]
    logs = np.mean([e.errors.logs[here] for e, here in zip(scores, places, strict=True)], axis=0)
    pairs = [each.pairs.take(here) for each, here in zip(scores, places, strict=True)]
    means = average([each.relative for each in pairs]) if len(pairs) > 1 else pairs[0].ratios
    ranks = [int(rank) for rank in ranks_of(logs)]
    if min(each.trials for each in scores) < 2:
        return {label: (rank, None) for label, rank in zip(labels, ranks, strict=True)}
    # relative differences may order two otherwise than logarithms do
    intervals = [
        (min(low, rank), max(high, rank))
        for rank, (low, high) in zip(ranks, rank_intervals(means), strict=True)
    ]
    return dict(zip(labels, zip(ranks, intervals, strict=True), strict=True))


def _standing(
    label: str,
    scores: Sequence[Scores],
    n: int | None,
    of: int,
    ranks: Mapping[str, tuple[int, RankInterval | None]],
) -> Standing:
    here = [(each, each.labels.index(label)) for each in scores if label in each.labels]
    logs = [each.errors.logs for each, _ in here]
    own = np.array([log_ratios(log[i], log.min()) for log, (_, i) in zip(logs, here, strict=True)])
    rank, rank_ci = ranks.get(label, (None, None))
    with np.errstate(over="ignore"):
        ratio, worst = float(np.exp(own.mean())), float(np.exp(own.max()))
    return Standing(
        label=label,
        role=ESTIMATE,
        n=n,
        sources=len(here),
        of=of,
        rank=rank,
        rank_ci=rank_ci,
        ratio=ratio,
        mean_rank=float(
            np.mean([ranks_of(log)[i] for log, (_, i) in zip(logs, here, strict=True)])
        ),
        worst=worst,
        worst_source=here[int(own.argmax())][0].source.label,
        wins=int(np.sum(own == 0.0)),
        seconds=math.exp(float(np.mean([each.seconds[i] for each, i in here]))),
    )


def _bound_standings(
    every: Sequence[Field], estimates: Sequence[Field], roles: Mapping[str, str], of: int
) -> Iterator[Standing]:
    """Yield the bounds by n, their errors over the least of any estimate, without ranks."""
    least = {(field.source, field.n): field.errors.logs.min() for field in estimates}
    found: dict[tuple[int, str], list[tuple[Field, int]]] = {}
    for field in every:
        for i, label in enumerate(field.labels):
            if roles[label] != ESTIMATE and (field.source, field.n) in least:
                found.setdefault((field.n, label), []).append((field, i))
    for (n, label), here in sorted(found.items()):
        own = np.array([log_ratios(f.errors.logs[i], least[f.source, f.n]) for f, i in here])
        seconds = math.exp(float(np.mean([f.seconds.logs[i] for f, i in here])))
        with np.errstate(over="ignore"):
            ratio, worst = float(np.exp(own.mean())), float(np.exp(own.max()))
        where = here[int(own.argmax())][0].source.label
        yield Standing(
            label=label,
            role=roles[label],
            n=n,
            sources=len(here),
            of=of,
            rank=None,
            rank_ci=None,
            ratio=ratio,
            mean_rank=None,
            worst=worst,
            worst_source=where,
            wins=0,
            seconds=seconds,
        )
