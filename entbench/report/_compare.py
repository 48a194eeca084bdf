"""Two runs of a suite, row by row: what got worse, and whether that is more than chance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from entbench._base import Reference
from entbench._records import Record, Spec, SuiteRun
from entbench.report._comparisons import (
    ROUNDING,
    MeanRatios,
    mean_differences,
    mean_ratios,
)
from entbench.report._contrasts import (
    FAMILY,
    Contrasts,
    Floats,
    detectable_factors,
    without_shared,
)
from entbench.report._intervals import Limits
from entbench.report._matching import added_parameters, differences, matched
from entbench.report._statistics import holds_truth

On = Literal["accuracy", "time", "both"]
Verdict = Literal["worse", "better", "same", "unclear"]
Trials = dict[int, Record]


@dataclass(frozen=True)
class Ratio:
    """Theirs over ours, and what could have been found.

    Attributes
    ----------
    value : float
        The ratio; infinite where ours is 0.
    interval : (low, high) or None
        Holds the true ratio; those of all rows do at once with 95 % confidence. None with one
        trial.
    chance : float or None
        The p-value of this row alone; None with one trial.
    detectable : float or None
        The least true ratio above 1 that is found, among all rows, in 80 % of runs; infinite where
        none is with so many trials, None where the trials do not tell.
    """

    value: float
    interval: Limits | None = None
    chance: float | None = None
    detectable: float | None = None

    @property
    def verdict(self) -> Verdict:
        """By whether the interval excludes 1."""
        low, high = self.interval or (0.0, math.inf)
        return "worse" if low > 1.0 else "better" if high < 1.0 else "unclear"


@dataclass(frozen=True)
class Change:
    """One row of two runs: a source, an estimator and an n.

    Attributes
    ----------
    source, estimator : Spec
        As the first run has them.
    n : int
        Samples.
    paired : bool
        Whether the two runs drew the same samples; if not, their means are compared.
    trials : (int, int)
        Trials of each that went into the means.
    mae : (float, float) or None
        Mean absolute errors in nats; None where a run has no value.
    accuracy : Ratio or None
        Of the mean absolute errors.
    largest : float or None
        The largest change of a value from the same samples, in nats.
    stated : float
        What the two standard errors stated come to, root mean square, in nats.
    allowance : float
        A change that is no larger is no change: `stated`, the error of the references, rounding.
    held : ((int, int), (int, int))
        In how many of the trials of each the interval held the truth, and how many state one.
    seconds : Ratio or None
        Of the geometric mean times of a fit, less what the run shares.
    gained, mended : int
        Cells that failed in the second run only, and in the first only.
    message : str
        Why the first of those failed.
    same : bool
        Whether every value is the same to the bit.
    verdict : {"worse", "better", "same", "unclear"}
        On the error.
    time_verdict : {"worse", "better", "same", "unclear"}
        On the time.
    """

    source: Spec
    estimator: Spec
    n: int
    paired: bool
    trials: tuple[int, int]
    mae: tuple[float, float] | None
    accuracy: Ratio | None
    largest: float | None
    stated: float
    allowance: float
    held: tuple[tuple[int, int], tuple[int, int]]
    seconds: Ratio | None
    gained: int
    mended: int
    message: str
    same: bool
    verdict: Verdict = "unclear"
    time_verdict: Verdict = "unclear"


@dataclass(frozen=True)
class Truth:
    """References of a source that differ by more than their errors."""

    source: Spec
    first: Reference
    second: Reference


@dataclass(frozen=True)
class Comparison:
    """Two runs of a suite compared.

    Attributes
    ----------
    first, second : SuiteRun
        Which; called A and B.
    changes : tuple of Change
        One for each row that both have, what got worse first.
    only_first, only_second : int
        Cells that the other run lacks.
    truths : tuple of Truth
        Where the truth is another.
    itself : bool
        Whether it is one run, compared with itself.
    shared_time : float
        The factor that all times of B share, taken as the machine's.
    notes : tuple of str
        What else differs: versions, parameters that one does not know.
    """

    first: SuiteRun
    second: SuiteRun
    changes: tuple[Change, ...]
    only_first: int
    only_second: int
    truths: tuple[Truth, ...]
    itself: bool
    shared_time: float
    notes: tuple[str, ...]

    @property
    def gained(self) -> int:
        """Cells that the first run has and that failed in the second."""
        return sum(change.gained for change in self.changes)

    def lost(self, on: On = "accuracy") -> bool:
        """Whether something was lost: a failure gained, or what `on` asks for."""
        errors = on != "time" and any(c.verdict == "worse" for c in self.changes)
        times = on != "accuracy" and any(c.time_verdict == "worse" for c in self.changes)
        return bool(self.gained) or errors or times


def compare_suites(first: SuiteRun, second: SuiteRun) -> Comparison:
    """Compare two runs by their rows: source, estimator and n, each by name and parameters.

    The ratio of mean absolute errors is of the same trials where both drew the same samples, and
    of separate ones where the seed or the source's version differs (`mean_ratios`). A row is worse,
    or better, where its interval excludes 1. The intervals hold for all rows at once (Bonferroni),
    and a change within the numerical errors stated, the error of the reference, and rounding has no
    verdict. The same for times, less what all times of a run share (`without_shared`).

    `python -m entbench.suites.timing.verdicts_compare` measures how often verdicts are wrong and
    losses found.

    Raises
    ------
    ValueError
        If the runs have no row in common.
    """
    rows, others = _rows(first), _rows(second)
    sources = matched((key[0] for key in rows), (key[0] for key in others))
    estimators = matched((key[1] for key in rows), (key[1] for key in others))
    pairs = {
        key: (sources[key[0]], estimators[key[1]], key[2])
        for key in rows
        if key[0] in sources and key[1] in estimators
    }
    pairs = {key: other for key, other in pairs.items() if other in others}
    if not pairs:
        raise ValueError(_nothing_in_common(first, second))
    ours = {case.source: case.reference for case in first.cases}
    theirs = {case.source: case.reference for case in second.cases}
    measured = [
        _measured(rows[key], others[other], ours[key[0]], theirs[other[0]])
        for key, other in pairs.items()
    ]
    shared_time, changes = _judged(measured)
    shared = [(rows[key].keys() & others[other].keys()) for key, other in pairs.items()]
    both = sum(map(len, shared))
    return Comparison(
        first=first,
        second=second,
        changes=tuple(sorted(changes, key=_badness)),
        only_first=len(first.records) - both,
        only_second=len(second.records) - both,
        truths=tuple(_truths(sources, ours, theirs)),
        itself=first.info.id == second.info.id and first.records == second.records,
        shared_time=shared_time,
        notes=tuple(_notes(first, second, sources, estimators)),
    )


def _rows(run: SuiteRun) -> dict[tuple[Spec, Spec, int], Trials]:
    rows: dict[tuple[Spec, Spec, int], Trials] = {}
    for record in run.records:
        cell = record.cell
        rows.setdefault((cell.source, cell.estimator, cell.n), {})[cell.trial] = record
    return rows


class _Measured(NamedTuple):
    """A row before its verdicts, which take all rows at once."""

    change: Change
    errors: MeanRatios | None
    times: Contrasts | None


def _measured(ours: Trials, theirs: Trials, truth: Reference, other_truth: Reference) -> _Measured:
    one, other = next(iter(ours.values())).cell, next(iter(theirs.values())).cell
    # of one trial both are told by the same: what makes the samples
    paired = {**one.draw, "trial": 0} == {**other.draw, "trial": 0}
    both = [t for t in ours if t in theirs]
    good = [t for t in both if ours[t].ok and theirs[t].ok]
    used = (
        ([ours[t] for t in good], [theirs[t] for t in good])
        if paired
        else ([r for r in ours.values() if r.ok], [r for r in theirs.values() if r.ok])
    )
    values = tuple(np.array([r.value for r in side], np.float64) for side in used)
    errors = values[0] - truth.value, values[1] - other_truth.value
    known = all(map(len, used))
    stated = math.sqrt(sum(_mean_square(side) for side in used)) if known else 0.0
    size = max((1.0, *(float(np.abs(side).max()) for side in values if len(side))))
    failed = [theirs[t] for t in both if ours[t].ok and not theirs[t].ok]
    mended = sum(theirs[t].ok and not ours[t].ok for t in both)
    gained = len(failed)
    if not paired:  # other samples: a trial that fails stands for none of the other run's
        gained, mended = max(0, gained - mended), max(0, mended - gained)
    moved = np.abs(values[1] - values[0]) if paired and good else None
    rounding = ROUNDING * size
    allowance = stated + max(truth.error, other_truth.error) + rounding
    change = Change(
        source=one.source,
        estimator=one.estimator,
        n=one.n,
        paired=paired,
        trials=(len(used[0]), len(used[1])),
        mae=(_mean_size(errors[0]), _mean_size(errors[1])) if known else None,
        accuracy=None,
        largest=None if moved is None else float(moved.max()),
        stated=stated,
        allowance=allowance,
        held=(_held(used[0], truth), _held(used[1], other_truth)),
        seconds=None,
        gained=gained,
        mended=mended,
        message=failed[0].message if gained else "",
        same=moved is not None and not moved.any(),
    )
    if not known:
        return _Measured(change, None, None)
    ratios = mean_ratios(
        *errors, paired=paired, rounding=rounding, near=stated, negligible=allowance
    )
    return _Measured(change, ratios, _seconds(*used, paired))


def _mean_size(errors: Floats) -> float:
    return float(np.abs(errors).mean())


def _held(records: Sequence[Record], truth: Reference) -> tuple[int, int]:
    held = [held for r in records if (held := holds_truth(r, truth)) is not None]
    return sum(held), len(held)


def _mean_square(records: Sequence[Record]) -> float:
    return float(np.mean([(record.numerical_error or 0.0) ** 2 for record in records]))


def _seconds(ours: Sequence[Record], theirs: Sequence[Record], paired: bool) -> Contrasts | None:
    """Return the difference of log seconds; None where a fit took no time that could be read."""
    times = [np.array([record.seconds for record in side]) for side in (ours, theirs)]
    if any((side <= 0.0).any() for side in times):
        return None
    return mean_differences(np.log(times[0]), np.log(times[1]), paired)


def _judged(measured: Sequence[_Measured]) -> tuple[float, list[Change]]:
    """Return the factor that all times share, and the changes with their verdicts."""
    # a value that is the same to the bit was never at risk: it is no comparison
    judged = [
        row.errors is not None and not row.change.same and bool(np.isfinite(row.errors.scatter))
        for row in measured
    ]
    level = FAMILY / max(1, sum(judged))
    timed = [row.times for row in measured if row.times is not None]
    shared, seconds = _times(timed)
    changes = []
    for row in measured:
        change, accuracy = row.change, None
        if row.errors is not None:
            accuracy = _ratio(row.errors.contrasts, row.errors.detectable(level), level)
        verdict: Verdict = accuracy.verdict if accuracy else "unclear"
        time = next(seconds) if row.times is not None else None
        changes.append(
            replace(
                change,
                accuracy=accuracy,
                seconds=time,
                verdict="same" if change.same else verdict,
                time_verdict=time.verdict if time else "unclear",
            )
        )
    return shared, changes


def _times(timed: Sequence[Contrasts]) -> tuple[float, Iterator[Ratio]]:
    """Return the factor that all times share, and the ratios less that."""
    if not timed:
        return 1.0, iter(())
    times = Contrasts(*(np.array(part) for part in zip(*timed, strict=True)))
    level = FAMILY / max(1, int(np.isfinite(times.error).sum()))
    own, shared = without_shared(times, level)
    found = detectable_factors(own, level)
    ratios = [
        _ratio(Contrasts(*parts), detectable, level)
        for *parts, detectable in zip(*own, found, strict=True)
    ]
    return math.exp(shared), iter(ratios)


def _ratio(found: Contrasts, detectable: Floats, level: float) -> Ratio:
    """Return one ratio with what is known of it."""
    value = _exp(float(found.value))
    if np.isnan(found.error):
        return Ratio(value)
    low, high = (_exp(float(end)) for end in found.limits(level))
    could = None if np.isnan(detectable) else float(detectable)
    return Ratio(value, (low, high), float(found.chances()), could)


def _exp(log: float) -> float:
    return math.exp(log) if log < 700.0 else math.inf


def _badness(change: Change) -> tuple[float, ...]:
    """Return what sorts the worst first: failures, losses, then by how much the error grew."""
    first, second = change.mae or (1.0, 1.0)
    growth = (second / first if first else math.inf) if second != first else 1.0
    return -change.gained, change.verdict != "worse", change.time_verdict != "worse", -growth


def _truths(
    sources: Mapping[Spec, Spec], ours: Mapping[Spec, Reference], theirs: Mapping[Spec, Reference]
) -> Iterator[Truth]:
    for source, partner in sources.items():
        first, second = ours[source], theirs[partner]
        rounding = 1e-12 * max(1.0, abs(first.value))
        apart = abs(first.value - second.value) > first.error + second.error + rounding
        if apart or first.quantity != second.quantity:
            yield Truth(source, first, second)


def _notes(
    first: SuiteRun,
    second: SuiteRun,
    sources: Mapping[Spec, Spec],
    estimators: Mapping[Spec, Spec],
) -> Iterator[str]:
    if first.info.seed != second.info.seed:
        yield f"other samples: the seed is {first.info.seed} in A and {second.info.seed} in B"
    for kind, pairs in (("source", sources), ("estimator", estimators)):
        for ours, theirs in pairs.items():
            if ours.version != theirs.version:
                yield f"{kind} {ours.name}: version {ours.version} in A, {theirs.version} in B"
            if ours.origin != theirs.origin:
                yield f"{kind} {ours.name}: its code differs ({ours.origin}; {theirs.origin})"
        yield from added_parameters(pairs.items())
    was, now = first.info.versions, second.info.versions
    for name in sorted(was.keys() & now.keys()):
        if was[name] != now[name]:
            yield f"{name} {was[name]} in A, {now[name]} in B"
    if first.info.platform != second.info.platform:
        yield "! the runs were made on different machines: their times do not compare"


def _nothing_in_common(first: SuiteRun, second: SuiteRun) -> str:
    """Return the message that says what tells the runs apart."""
    cells = [[record.cell for record in run.records] for run in (first, second)]
    listed = {
        "suites": [[run.suite] for run in (first, second)],
        "sources": [[cell.source.label for cell in side] for side in cells],
        "estimators": [[cell.estimator.label for cell in side] for side in cells],
        "n": [[str(cell.n) for cell in side] for side in cells],
    }
    apart = {kind: differences(*names) for kind, names in listed.items()}
    said = "; ".join(f"{kind} {text}" for kind, text in apart.items() if text)
    return (
        f"runs {first.info.id} and {second.info.id} have no row in common, that is source, "
        f"estimator and n: {said or 'one of them has no cell'}."
    )
