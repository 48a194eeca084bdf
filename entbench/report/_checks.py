"""Checks that the data obey the theorems, and what each of them could have found."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from entbench._base import Source, SourceFacts
from entbench._records import Case, Spec
from entbench._theorem import ESTIMATE, Theorem
from entbench.bounds import THEOREMS
from entbench.report._capacity import capacities_of
from entbench.report._chance import (
    error_quantile,
    evidence,
    found_beyond,
    found_factor,
    least_mean,
    plug_in_arm,
    plug_in_deviation,
    shortfall,
)
from entbench.report._coverage import FALSE_ALARM, Coverage, cause, coverages_of, found_misses
from entbench.report._integration import IntegrationError, integration_errors
from entbench.report._intervals import Floats
from entbench.report._statistics import Row, matched_trials
from entbench.report._theorems import bounds_for
from entbench.report._worst_case import HardPair, hard_pairs

Status = Literal["holds", "violated", "cannot tell", "vacuous", "not applicable"]

# Beyond chance and the error of the reference, in nats: kernels of sp are in single precision
# where that is fine enough for its tolerance, so its value is off by up to some 1e-7.
NUMERICAL_SLACK = 1e-6
_ROUNDING = 1e-12  # of exact values, relative


@dataclass(frozen=True)
class Check:
    """Whether the data obey a theorem.

    Attributes
    ----------
    name : str
        Of `CHECKS`.
    status : {"holds", "violated", "cannot tell", "vacuous", "not applicable"}
        "cannot tell" where the trials are too few to find any violation; "vacuous" where the bound
        says nothing at all settings; "not applicable" where there was nothing to compare.
    detail : str
        In one line: at how many settings it holds, or where it is violated.
    finds : (low, high) or None
        The smallest violation that 90 % of runs as large would find, at the setting where most can
        be found and at that where least can; the detail has its unit. None where it finds none.
    """

    name: str
    status: Status
    detail: str
    finds: tuple[float, float] | None = None

    @property
    def holds(self) -> bool | None:
        """True or False; None where the check says neither."""
        return {"holds": True, "violated": False}.get(self.status)


class Comparison(NamedTuple):
    """Of data with a theorem; `level` is the probability of a false alarm.

    Attributes
    ----------
    broken : callable
        At a level: what is wrong, or "".
    finds : callable
        At a level: the violation that 90 % of runs find; inf where the trials are too few.
    unpaired : int
        Trials left out because only one of two estimators has a value, or did not converge.
    """

    broken: Callable[[float], str]
    finds: Callable[[float], float]
    unpaired: int = 0


# All comparisons of a setting, as of one row; empty where its bounds are vacuous.
Setting = tuple[Comparison, ...]
Facts = Mapping[Spec, SourceFacts | None]


@dataclass(frozen=True)
class CheckKind:
    """What a check compares.

    Attributes
    ----------
    what : str
        What has to hold, for people.
    needs : str
        What a run must have for it.
    compare : callable
        Yields what can be compared, a setting at a time.
    theorems : tuple of Theorem
        What it compares with: columns beside the table.
    by_default : bool
        Whether a suite that names no checks runs it: not what is printed in a paper, and not
        proved.
    finds : str
        What it could have found, for people; of `Check.finds`.
    """

    what: str
    needs: str
    compare: Callable[[Sequence[Row], Sequence[Case]], Iterator[Setting]]
    theorems: tuple[Theorem, ...] = ()
    by_default: bool = True
    finds: str = "a violation of {} nats"


def run_checks(
    names: Sequence[str] | None,
    rows: Sequence[Row],
    cases: Sequence[Case],
    theorems: Sequence[Theorem] = (),
) -> tuple[Check, ...]:
    """Run the checks of these names; for None, those by default that have something to compare.

    Those of `theorems`, which plugins added, are run beside them.

    A run of which all theorems hold has a violation with a probability of `FALSE_ALARM` at most:
    its checks share it, and the comparisons of each. By default a check whose bound is vacuous is
    left out.
    """
    asked = [name for name, kind in CHECKS.items() if kind.by_default] if names is None else names
    kinds = {name: CHECKS[name] for name in asked}
    for theorem in (theorem for theorem in theorems if theorem.check):
        name = f"{theorem.check} (plugin)" if theorem.check in CHECKS else theorem.check
        kinds[name] = _of_theorems(theorem)
    settings = {name: list(kind.compare(rows, cases)) for name, kind in kinds.items()}
    level = FALSE_ALARM / max(1, sum(any(found) for found in settings.values()))
    checks = [_check(name, kinds[name], settings[name], level) for name in kinds]
    said = {"holds", "violated", "cannot tell"}
    return tuple(check for check in checks if names is not None or check.status in said)


def _check(name: str, kind: CheckKind, settings: Sequence[Setting], level: float) -> Check:
    """Return the check of that name, which is wrong with probability `level` at most."""
    level /= max(1, sum(map(len, settings)))
    broken = [text for setting in settings for each in setting if (text := each.broken(level))]
    found = [_reach(setting, level) for setting in settings if setting]
    vacuous, known = settings.count(()), [each for each in found if each < math.inf]
    finds = (min(known), max(known)) if known else None
    counts = (("vacuous at", vacuous), ("cannot tell at", len(found) - len(known)))
    but = "".join(f", {what} {count}" for what, count in counts if count)
    lost = sum(each.unpaired for setting in settings for each in setting)
    but += f"; trials without a partner or not converged: {lost}" if lost else ""
    if finds:
        ends = dict.fromkeys(f"{end:.2g}" for end in finds)
        but += f"; finds {kind.finds.format(' to '.join(ends))} in 90 % of runs"
    if broken:
        return Check(name, "violated", f"{kind.what}: violated at {'; '.join(broken)}{but}", finds)
    if known:
        return Check(name, "holds", f"{kind.what}: {len(known)} of {len(settings)}{but}", finds)
    if found:
        few = f"too few trials to find a violation at any of {len(found)}"
        return Check(name, "cannot tell", f"{kind.what}: {few}")
    if vacuous:
        return Check(name, "vacuous", f"{kind.what}: says nothing at any of {vacuous}")
    return Check(name, "not applicable", f"{kind.what}: nothing to compare (needs {kind.needs})")


def _reach(setting: Setting, level: float) -> float:
    """Return the violation that is found by each comparison that finds any; inf where none does."""
    found = [reach for each in setting if (reach := each.finds(level)) < math.inf]
    return max(found, default=math.inf)


def _facts(cases: Sequence[Case]) -> Facts:
    return {case.source: case.facts for case in cases}


def _where(row: Row) -> str:
    return f"{row.source.label}, n={row.n}"


def _of_mean(text: str, beyond: float, row: Row, facts: SourceFacts | None) -> Comparison:
    """Return whether a mean over trials of the plug-in's errors is beyond a bound.

    Parameters
    ----------
    text : str
        What is wrong then, up to by how much.
    beyond : float
        By how much the mean that was seen is beyond the bound, in nats, errors of the reference
        taken off.
    row : Row
        Of the plug-in.
    facts : SourceFacts or None
        Of the source.
    """
    missed = shortfall(row.errors, plug_in_deviation(row.n, facts)) + row.reference_limit

    def arm(level: float) -> float:
        return float(plug_in_arm(row.n, row.numerical_errors, row.standard_errors, level, facts))

    def broken(level: float) -> str:
        least = beyond - arm(level)
        return f"{text} by {least:.4g} at least" if least > 0.0 else ""

    return Comparison(broken, lambda level: _within(arm(level) + missed + NUMERICAL_SLACK, row))


def _within(found: float, row: Row) -> float:
    """Return a violation, or inf where it is longer than all that the plug-in can be, log n."""
    return found if found < math.log(row.n) else math.inf


def _of_each(text: str, beyond: Floats, errors: Floats, slack: float, unpaired: int) -> Comparison:
    """Return whether any of several values is beyond a bound by more than its numerical error.

    Parameters
    ----------
    text : str
        What is wrong then, up to in how many trials.
    beyond, errors : ndarrays of shape (trials,)
        By how much each is beyond, and its numerical error, NaN for none; in nats.
    slack : float
        What all may be beyond by.
    unpaired : int
        See `Comparison`.
    """
    stated = np.nan_to_num(errors)
    trials = len(beyond)

    def broken(level: float) -> str:
        excess = beyond - slack - error_quantile(level / trials) * stated
        wrong = int(np.sum(excess > 0.0))
        most = f"in {wrong} of {trials} trials, in one by {excess.max():.4g} at least"
        return f"{text} {most}" if wrong else ""

    def finds(level: float) -> float:
        quantile = error_quantile(level / trials) + found_beyond()
        return 2.0 * slack + quantile * float(stated.max())

    return Comparison(broken, finds, unpaired)


def _of_theorems(*theorems: Theorem) -> CheckKind:
    """Return the check of each row with its own bounds."""

    def compare(rows: Sequence[Row], cases: Sequence[Case]) -> Iterator[Setting]:
        facts = _facts(cases)
        for row in rows:
            known = facts[row.source]
            found = bounds_for(row, known, theorems)
            telling = [t for t in theorems if t.name in found.values.keys() - found.vacuous]
            if known is None or not len(row.errors) or not found.values:
                continue
            compared = [
                c for t in telling for c in _with_bound(row, t, found.values[t.name], known)
            ]
            if compared or not telling:
                yield tuple(compared)

    what = next((t.checked for t in theorems if t.checked), theorems[0].note)
    needs = "a trial of the plug-in and what the bound asks of a source"
    return CheckKind(what, needs, compare, theorems, theorems[0].certainty != "printed")


def _with_bound(
    row: Row, theorem: Theorem, bound: float, facts: SourceFacts
) -> Iterator[Comparison]:
    """Compare a row's statistic with a bound, and each of its trials where the theorem does."""
    slack = row.reference_limit + NUMERICAL_SLACK
    each = theorem.each(row.n, facts) if theorem.each else None
    if each is not None and each >= 0.0 and row.converged.any():
        good = row.converged
        text = f"{_where(row)}: h - {row.estimator.label} is below {each:.4g}"
        excess = (row.errors + each)[good]
        yield _of_each(text, excess, row.numerical_errors[good], slack, int(np.sum(~good)))
    if each is not None and each >= bound:
        return  # the mean then says no more
    of_bias, above = theorem.statistic == "bias", theorem.side == "upper"
    mean = float(-row.errors.mean() if of_bias else np.abs(row.errors).mean())
    called = f"h - E {row.estimator.label}" if of_bias else "MAE"
    beyond = mean - bound if above else bound - mean
    side = "above" if above else "below"
    text = f"{_where(row)}: {called} is {side} {bound:.4g}"
    yield _of_mean(text, beyond - slack, row, facts)


def _in_order(rows: Sequence[Row], bounds: bool) -> Iterator[Setting]:
    """Compare the plug-in with values that are on one side of it for the same samples.

    With those of bounds, or those of estimates.
    """
    plug_ins: dict[tuple[Spec, int, str], list[Row]] = {}
    for row in rows:
        if row.estimator.facts.plug_in:
            plug_ins.setdefault(_place(row), []).append(row)
    for row in rows:
        side, role = row.estimator.facts.beside_plug_in, row.estimator.facts.role
        for other in plug_ins.get(_place(row), ()) if side else ():
            if (role != ESTIMATE) == bounds:
                yield from _pair(*((row, other) if side == "below" else (other, row)))


def _place(row: Row) -> tuple[Spec, int, str]:
    return row.source, row.n, row.estimator.facts.quantity


def _pair(row: Row, other: Row) -> Iterator[Setting]:
    first, second, unpaired = matched_trials(row, other)
    good = row.converged[first] & other.converged[second]
    first, second, unpaired = first[good], second[good], unpaired + int(np.sum(~good))
    if not len(first):
        return
    stated = [
        np.nan_to_num(part)
        for part in (row.numerical_errors[first], other.numerical_errors[second])
    ]
    text = f"{_where(row)}: {row.estimator.label} is above {other.estimator.label}"
    excess = row.errors[first] - other.errors[second]
    yield (_of_each(text, excess, stated[0] + stated[1], NUMERICAL_SLACK, unpaired),)


def _pairwise(rows: Sequence[Row], cases: Sequence[Case]) -> Iterator[Setting]:
    """Compare pairwise-distance bounds with the plug-in, each trial's own."""
    yield from _in_order(rows, bounds=True)


def _bracket(rows: Sequence[Row], cases: Sequence[Case]) -> Iterator[Setting]:
    """Compare sp with sp-loo in each trial, and the means of both with the truth between them."""
    facts = _facts(cases)
    for row in rows:
        said = row.estimator.facts
        if not len(row.errors) or said.quantity != Source.quantity or said.role != ESTIMATE:
            continue
        if said.plug_in:
            yield (_below_truth(row, facts[row.source]),)
        elif said.beside_plug_in == "above" and said.bias_direction == "high":
            yield (_above_truth(row, facts[row.source]),)
    yield from _in_order(rows, bounds=False)


def _below_truth(row: Row, facts: SourceFacts | None) -> Comparison:
    """Compare the mean of sp with the truth, above which it is not."""
    beyond = float(row.errors.mean()) - row.reference_limit - NUMERICAL_SLACK
    text = f"{_where(row)}: E {row.estimator.label} is above the truth"
    return _of_mean(text, beyond, row, facts)


def _above_truth(row: Row, facts: SourceFacts | None) -> Comparison:
    """Compare the mean of sp-loo with the truth, below which it is not."""
    beyond = -float(row.errors.mean())
    slack = row.reference_limit + NUMERICAL_SLACK

    def least_beyond(level: float) -> float:
        return least_mean(-row.errors, row.n, level, facts) - slack

    def broken(level: float) -> str:
        least, where = least_beyond(level), f"{_where(row)}: E {row.estimator.label}"
        return f"{where} is below the truth by {least:.4g} at least" if least > 0.0 else ""

    return Comparison(
        broken,
        lambda level: _within(beyond - least_beyond(level) + shortfall(row.errors), row),
    )


def _coverage(rows: Sequence[Row], cases: Sequence[Case]) -> Iterator[Setting]:
    """Compare how often intervals held the truth with how often they are meant to."""
    for found in coverages_of(rows):
        if found.stated:
            row = found.row
            held = (
                f"held the truth in {found.held} of {found.stated} trials at {found.confidence:g}"
            )
            text = f"{row.source.label}, {row.estimator.label}, n={row.n}: {held} ({cause(found)})"
            yield (_covering(found, text),)


def _covering(found: Coverage, text: str) -> Comparison:
    return Comparison(
        lambda level: text if found.chance < level else "",
        lambda level: found_misses(found, level),
    )


def _integration(rows: Sequence[Row], cases: Sequence[Case]) -> Iterator[Setting]:
    """Compare the squared error of Monte Carlo integration with its bounds."""
    for found in integration_errors(rows, _facts(cases)):
        yield (_integral(found),)


def _integral(found: IntegrationError) -> Comparison:
    name, bound = min(found.bounds.items(), key=lambda item: item[1])
    against = float(evidence(found.differences**2, bound + found.own + NUMERICAL_SLACK**2))
    where = f"{found.row.source.label}, {found.row.estimator.label}, n={found.row.n}"
    text = f"{where}: squared error is {found.mse:.4g} in the mean, {name} allows {bound:.4g}"
    return Comparison(
        lambda level: text if against > -math.log(level) else "",
        lambda level: found_factor(len(found.differences), level),
        found.unpaired,
    )


def _minimax(rows: Sequence[Row], cases: Sequence[Case]) -> Iterator[Setting]:
    """Compare each estimator's errors on a grid and its random codebooks with what one must be."""
    for pair in hard_pairs(rows, NUMERICAL_SLACK):
        yield (_hard_pair(pair),) if pair.bound > 0.0 else ()


def _hard_pair(pair: HardPair) -> Comparison:
    says = f"the larger MAE is {pair.largest:.4g}, the bound is {pair.bound:.4g}"
    return Comparison(
        lambda level: f"{pair.label}: {says}" if pair.evidence > -math.log(level) else "",
        lambda level: pair.bound - pair.found_error(level),
    )


def _capacity(rows: Sequence[Row], cases: Sequence[Case]) -> Iterator[Setting]:
    """Compare the true information of each source with the capacities of its channel."""
    limits = {row.source: row.reference_limit for row in rows}
    for found in capacities_of(cases):
        error = limits.get(found.source, found.error)
        for name, most in found.upper.items():
            slack = error + _ROUNDING * (1.0 + most)
            beyond = found.information - most - slack
            text = f"{found.source.label}: I is above {name} by {beyond:.4g}"
            yield (_certain(text if beyond > 0.0 else "", 2.0 * slack),)


def _certain(text: str, finds: float) -> Comparison:
    return Comparison(lambda level: text, lambda level: finds)


def _catalogued() -> dict[str, CheckKind]:
    """Return the checks of the theorems that have one, by name."""
    found: dict[str, list[Theorem]] = {}
    for theorem in THEOREMS.values():
        if theorem.check:
            found.setdefault(theorem.check, []).append(theorem)
    return {name: _of_theorems(*theorems) for name, theorems in found.items()}


CHECKS: dict[str, CheckKind] = {
    **_catalogued(),
    "pairwise-bounds": CheckKind(
        "plug-ins between the pairwise-distance bounds of their own draws",
        "a trial of plug-in and bound",
        _pairwise,
        finds="{} nats in any trial",
    ),
    "bracket": CheckKind(
        "truth between the means of plug-in and leave-one-out, in this order in each trial",
        "a trial of the plug-in or two of leave-one-out",
        _bracket,
    ),
    "theorem-7": CheckKind(
        "squared error of Monte Carlo integration below (20), (21) and d/(n n_MC)",
        "a trial of sp-monte-carlo and of sp",
        _integration,
        finds="{} times the bound",
    ),
    "minimax": CheckKind(
        "larger mean absolute error on a grid and its random codebooks above the minimax bound",
        "a trial of a grid and a random codebook, both with end points",
        _minimax,
    ),
    "coverage": CheckKind(
        "intervals hold the truth as often as they are meant to",
        "an estimator that states intervals",
        _coverage,
        finds="intervals that miss a share of {}",
    ),
    "capacity": CheckKind(
        "information below the capacities of the channel", "sources that tell I(S;S+Z)", _capacity
    ),
}
