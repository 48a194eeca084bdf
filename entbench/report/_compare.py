"""Two runs of a suite, row by row: what got worse, and whether that is more than chance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from entbench._base import Reference
from entbench._records import Record, Spec, SuiteRun
from entbench.report._intervals import Limits
from entbench.report._matching import added_parameters, differences, matched

FAMILY = 0.05
# A time counts as changed beyond this factor only: one machine's two runs differ by as much.
FACTOR = 1.1
# What rounding may move a value by, of max(1, |value|): more than a change of the order of sums
# does, and what the house allows before a version is raised.
_ROUNDING = 1e-9

On = Literal["accuracy", "time", "both"]
Verdict = Literal["worse", "better", "same", "unclear"]
Trials = dict[int, Record]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """A difference of means with its 95 % confidence interval.

    Attributes
    ----------
    value : float
        Second less first.
    error, freedom : float or None
        Its standard error and degrees of freedom; None with one value.
    skewness : float
        Of the mean itself: the third cumulant over the cubed standard error.
    """

    value: float
    error: float | None = None
    freedom: float | None = None
    skewness: float = 0.0

    @property
    def interval(self) -> Limits | None:
        """By Student's t; None with one value."""
        if self.error is None or self.freedom is None:
            return None
        half = float(stdtrit(self.freedom, 0.975)) * self.error if self.error else 0.0
        return self.value - half, self.value + half

    def chance(self, beyond: float = 0.0) -> float | None:
        """Return the two-sided p-value of a true difference within `beyond`; None with one value.

        The larger of Student's and of that with Hall's transformation for skewness (Annals of
        Statistics 20, 1992; recalled, not checked): of absolute errors, one run's may be skew and
        the other's not, and then Student's t alone finds too many differences.
        """
        if self.error is None or self.freedom is None:
            return None
        excess = abs(self.value) - beyond
        if excess <= 0.0:
            return 1.0
        if self.error == 0.0:
            return 0.0
        t = excess / self.error
        g = math.copysign(
            self.skewness, self.skewness * self.value
        )  # as if the value were positive
        straightened = t + g * t**2 / 3.0 + g**2 * t**3 / 27.0 + g / 6.0
        return min(1.0, 2.0 * float(stdtr(self.freedom, -max(0.0, min(t, straightened)))))


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
    accuracy : Difference or None
        Of the mean absolute errors.
    largest : float or None
        The largest change of a value from the same samples, in nats.
    stated : float
        What the two standard errors stated come to, root mean square, in nats.
    allowance : float
        A change that is no larger is no change: `stated`, the error of the references, rounding.
    seconds : Difference or None
        Of the logarithms of the times of a fit.
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
    accuracy: Difference | None
    largest: float | None
    stated: float
    allowance: float
    seconds: Difference | None
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

    The difference of mean absolute errors is paired by trial where both drew the same samples, and
    by Welch's test where the seed or the source's version differs. A row is worse, or better, where
    `Difference.chance` says so at 5 % over all rows compared (Holm), and the change is more than
    the numerical errors stated, the error of the reference, and rounding come to.

    Measured over 400 simulated comparisons of 30 rows at 5 and at 20 trials: without a true change
    0.5 to 2.5 % find a loss. Where the errors of all rows change their shape and not their mean
    (folded normal to constant) it is 8 % at 5 trials, 7 % at 10 and 5 % at 20. One row of 30 is
    worse by half, at 20 trials: found in 100 of 100 where every estimate is off by half as much
    again, in 97 of 100 of an estimator with bias whose runs share 90 % of their variance, in 55 %
    where they share none; without bias in 28 % where they share 90 % and in 4 % where they share
    50 %. There it takes more trials.

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
    changes = [
        _change(rows[key], others[other], ours[key[0]], theirs[other[0]])
        for key, other in pairs.items()
    ]
    shared = [(rows[key].keys() & others[other].keys()) for key, other in pairs.items()]
    both = sum(map(len, shared))
    return Comparison(
        first=first,
        second=second,
        changes=tuple(sorted(_judged(changes), key=_badness)),
        only_first=len(first.records) - both,
        only_second=len(second.records) - both,
        truths=tuple(_truths(sources, ours, theirs)),
        itself=first.info.id == second.info.id and first.records == second.records,
        notes=tuple(_notes(first, second, sources, estimators)),
    )


def holm(chances: Sequence[float | None], family: float = FAMILY) -> list[bool]:
    """Tell which p-values Holm's procedure rejects; None stands for what was not tested."""
    order = sorted((p, i) for i, p in enumerate(chances) if p is not None)
    rejected = [False] * len(chances)
    for position, (p, i) in enumerate(order):
        if p > family / (len(order) - position):
            break
        rejected[i] = True
    return rejected


def _rows(run: SuiteRun) -> dict[tuple[Spec, Spec, int], Trials]:
    rows: dict[tuple[Spec, Spec, int], Trials] = {}
    for record in run.records:
        cell = record.cell
        rows.setdefault((cell.source, cell.estimator, cell.n), {})[cell.trial] = record
    return rows


def _change(ours: Trials, theirs: Trials, truth: Reference, other_truth: Reference) -> Change:
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
    errors = np.abs(values[0] - truth.value), np.abs(values[1] - other_truth.value)
    known = all(map(len, used))
    stated = math.sqrt(sum(_mean_square(side) for side in used)) if known else 0.0
    size = max((1.0, *(float(np.abs(side).max()) for side in values if len(side))))
    failed = [theirs[t] for t in both if ours[t].ok and not theirs[t].ok]
    mended = sum(theirs[t].ok and not ours[t].ok for t in both)
    gained = len(failed)
    if not paired:  # other samples: a trial that fails stands for none of the other run's
        gained, mended = max(0, gained - mended), max(0, mended - gained)
    moved = np.abs(values[1] - values[0]) if paired and good else None
    return Change(
        source=one.source,
        estimator=one.estimator,
        n=one.n,
        paired=paired,
        trials=(len(used[0]), len(used[1])),
        mae=(float(errors[0].mean()), float(errors[1].mean())) if known else None,
        accuracy=_difference(*errors, paired) if known else None,
        largest=None if moved is None else float(moved.max()),
        stated=stated,
        allowance=stated + max(truth.error, other_truth.error) + _ROUNDING * size,
        seconds=_seconds(*used, paired) if known else None,
        gained=gained,
        mended=mended,
        message=failed[0].message if gained else "",
        same=moved is not None and not moved.any(),
    )


def _mean_square(records: Sequence[Record]) -> float:
    return float(np.mean([(record.numerical_error or 0.0) ** 2 for record in records]))


def _difference(ours: Floats, theirs: Floats, paired: bool) -> Difference:
    """Return the difference of the means, with its standard error and degrees of freedom."""
    value = float(theirs.mean() - ours.mean())
    if min(len(ours), len(theirs)) < 2:
        return Difference(value)
    sides = [theirs - ours] if paired else [theirs, -ours]
    parts = [float(side.var(ddof=1)) / len(side) for side in sides]
    weights = [part**2 / (len(side) - 1) for part, side in zip(parts, sides, strict=True)]
    total, squares = sum(parts), sum(weights)
    if not squares:
        return Difference(value, 0.0, sum(len(side) - 1 for side in sides))
    skewness = sum(map(_third_cumulant, sides)) / total**1.5
    return Difference(value, math.sqrt(total), total**2 / squares, skewness)


def _third_cumulant(values: Floats) -> float:
    """Return that of the mean, 0 where there are too few values to tell."""
    count = len(values)
    if count < 3:
        return 0.0
    moment = float(np.mean((values - values.mean()) ** 3))
    return moment / ((count - 1) * (count - 2))


def _seconds(ours: Sequence[Record], theirs: Sequence[Record], paired: bool) -> Difference | None:
    """Return the difference of log seconds; None where a fit took no time that could be read."""
    times = [np.array([record.seconds for record in side]) for side in (ours, theirs)]
    if any((side <= 0.0).any() for side in times):
        return None
    return _difference(np.log(times[0]), np.log(times[1]), paired)


def _judged(changes: Sequence[Change]) -> Iterator[Change]:
    """Yield the changes with their verdicts, which take all of them at once."""
    # a value that is the same to the bit was never at risk: it is no comparison
    errors = [None if c.same or not c.accuracy else c.accuracy.chance() for c in changes]
    times = [c.seconds.chance(math.log(FACTOR)) if c.seconds else None for c in changes]
    for change, worth, slow in zip(changes, holm(errors), holm(times), strict=True):
        beyond = change.accuracy is not None and abs(change.accuracy.value) > change.allowance
        yield replace(
            change,
            verdict="same" if change.same else _verdict(change.accuracy, worth and beyond),
            time_verdict=_verdict(change.seconds, slow),
        )


def _verdict(difference: Difference | None, significant: bool) -> Verdict:
    if difference is None or not significant:
        return "unclear"
    return "worse" if difference.value > 0.0 else "better"


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
