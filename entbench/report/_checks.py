"""Checks that the data obey the theorems: holds, violated, vacuous, or nothing to compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from entbench._base import SourceFacts
from entbench._records import Case, Spec
from entbench.report._capacity import capacities_of
from entbench.report._integration import integration_errors
from entbench.report._intervals import CHECK_CONFIDENCE, mae_interval, mean_interval
from entbench.report._statistics import Row
from entbench.report._theorems import THEOREMS, bounds_for, scatter_of
from entbench.report._worst_case import hard_pairs

Status = Literal["holds", "violated", "vacuous", "not applicable"]

# Beyond intervals and the error of the reference, in nats: kernels of sp are in single precision
# where that is fine enough for its tolerance, so its value is off by up to some 1e-7.
NUMERICAL_SLACK = 1e-6

# a plug-in, a bound on it given the same samples, and the sign of what may not be positive
_PAIRWISE = [
    ("sp", "kt-upper", 1.0),
    ("sp", "kt-lower", -1.0),
    ("sp-mi", "kt-mi-upper", 1.0),
    ("sp-mi", "kt-mi-lower", -1.0),
]


@dataclass(frozen=True)
class Check:
    """Whether the data obey a theorem.

    Attributes
    ----------
    name : str
        Of `CHECKS`.
    status : {"holds", "violated", "vacuous", "not applicable"}
        "vacuous" where the bound says nothing at all settings; "not applicable" where there was
        nothing to compare.
    detail : str
        In one line: at how many settings it holds, or where it is violated.
    """

    name: str
    status: Status
    detail: str

    @property
    def holds(self) -> bool | None:
        """True or False; None where the check says neither."""
        return {"holds": True, "violated": False}.get(self.status)


class Verdict(NamedTuple):
    """Of one comparison; the text says what is wrong."""

    status: Status
    text: str = ""


HOLDS, VACUOUS = Verdict("holds"), Verdict("vacuous")
Facts = Mapping[Spec, SourceFacts | None]
Comparison = Callable[[Sequence[Row], Sequence[Case]], Iterator[Verdict]]


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
        Yields a verdict for each comparison that can be made.
    theorems : tuple of str
        What it compares with: columns beside the table.
    """

    what: str
    needs: str
    compare: Comparison
    theorems: tuple[str, ...] = ()


def run_check(name: str, rows: Sequence[Row], cases: Sequence[Case]) -> Check:
    """Run the check of that name over the rows it applies to."""
    kind = CHECKS[name]
    verdicts = list(kind.compare(rows, cases))
    broken = [verdict.text for verdict in verdicts if verdict.status == "violated"]
    vacuous = sum(verdict.status == "vacuous" for verdict in verdicts)
    held = len(verdicts) - vacuous - len(broken)
    but = f", vacuous at {vacuous}" if vacuous else ""
    if broken:
        return Check(name, "violated", f"{kind.what}: violated at {'; '.join(broken)}")
    if held:
        return Check(name, "holds", f"{kind.what}: {held} of {len(verdicts)}{but}")
    if vacuous:
        return Check(name, "vacuous", f"{kind.what}: says nothing at any of {vacuous}")
    return Check(name, "not applicable", f"{kind.what}: nothing to compare (needs {kind.needs})")


def _facts(cases: Sequence[Case]) -> Facts:
    return {case.source: case.facts for case in cases}


def _of_theorems(what: str, *theorems: str) -> CheckKind:
    """Return the check of each plug-in's row with its own bounds."""

    def verdicts(rows: Sequence[Row], cases: Sequence[Case]) -> Iterator[Verdict]:
        facts = _facts(cases)
        for row in rows:
            found = bounds_for(row, facts[row.source], theorems)
            parts = [
                VACUOUS if name in found.vacuous else _compare(row, name, value, facts[row.source])
                for name, value in found.values.items()
            ]
            if any(part is None for part in parts):
                continue
            known = [part for part in parts if part is not None]
            wrong = next((part for part in known if part.status == "violated"), None)
            if wrong is not None:
                yield wrong
            elif known:
                yield HOLDS if HOLDS in known else VACUOUS

    return CheckKind(what, "2 trials of sp and what the bound asks of a source", verdicts, theorems)


def _compare(row: Row, name: str, bound: float, facts: SourceFacts | None) -> Verdict | None:
    """Compare a row's statistic with a bound; None where its interval is not known."""
    theorem = THEOREMS[name]
    of = mean_interval if theorem.statistic == "bias" else mae_interval
    slack = row.reference_limit + NUMERICAL_SLACK
    interval = of(-row.errors, slack, CHECK_CONFIDENCE, scatter_of(row.n, facts))
    if interval is None:
        return None
    called = "h - E sp" if theorem.statistic == "bias" else "MAE"
    where = f"{row.source.label}, n={row.n}"
    if theorem.side == "lower" and interval[1] < bound:
        text = f"{where}: {called} is at most {interval[1]:.4g}, the lower bound is {bound:.4g}"
        return Verdict("violated", text)
    if theorem.side == "upper" and interval[0] > bound:
        text = f"{where}: {called} is at least {interval[0]:.4g}, the upper bound is {bound:.4g}"
        return Verdict("violated", text)
    return HOLDS


def _pairwise(rows: Sequence[Row], cases: Sequence[Case]) -> Iterator[Verdict]:
    """Compare pairwise-distance bounds with the plug-in, each trial's own."""
    for plug_in, bound, sign in _PAIRWISE:
        inner = {(r.source, r.n): r for r in rows if r.estimator.name == plug_in}
        for row in rows:
            within = inner.get((row.source, row.n))
            if row.estimator.name != bound or within is None or row.failed or within.failed:
                continue
            excess = sign * (within.errors - row.errors)
            interval = mean_interval(excess, NUMERICAL_SLACK, CHECK_CONFIDENCE)
            if interval is None:
                continue
            beyond = f"{plug_in} is beyond {row.estimator.label} by {interval[0]:.4g} at least"
            where = f"{row.source.label}, n={row.n}"
            yield Verdict("violated", f"{where}: {beyond}") if interval[0] > 0.0 else HOLDS


def _bracket(rows: Sequence[Row], cases: Sequence[Case]) -> Iterator[Verdict]:
    """Compare the means of sp and sp-loo with the truth, which they enclose."""
    for row in rows:
        sign = {"sp": 1.0, "sp-loo": -1.0}.get(row.estimator.name)
        if sign is None:
            continue
        slack = row.reference_limit + NUMERICAL_SLACK
        interval = mean_interval(sign * row.errors, slack, CHECK_CONFIDENCE)
        if interval is None:
            continue
        side = "above" if sign > 0.0 else "below"
        where = f"{row.source.label}, n={row.n}"
        text = f"{where}: E {row.estimator.label} is {side} the truth by {interval[0]:.4g} at least"
        yield Verdict("violated", text) if interval[0] > 0.0 else HOLDS


def _integration(rows: Sequence[Row], cases: Sequence[Case]) -> Iterator[Verdict]:
    """Compare the squared error of Monte Carlo integration with its bounds."""
    for found in integration_errors(rows, _facts(cases), CHECK_CONFIDENCE):
        broken = {name: v for name, v in found.bounds.items() if found.low > v}
        name, bound = min(broken.items(), key=lambda item: item[1], default=("", 0.0))
        where = f"{found.row.source.label}, {found.row.estimator.label}, n={found.row.n}"
        text = f"{where}: squared error is at least {found.low:.4g}, {name} allows {bound:.4g}"
        yield Verdict("violated", text) if broken else HOLDS


def _minimax(rows: Sequence[Row], cases: Sequence[Case]) -> Iterator[Verdict]:
    """Compare each estimator's errors on a grid and its random codebooks with what one must be."""
    for pair in hard_pairs(rows, CHECK_CONFIDENCE):
        if pair.bound <= 0.0:
            yield VACUOUS
        elif pair.highest + NUMERICAL_SLACK < pair.bound:
            text = f"the larger MAE is at most {pair.highest:.4g}, the bound is {pair.bound:.4g}"
            yield Verdict("violated", f"{pair.label}: {text}")
        else:
            yield HOLDS


def _capacity(rows: Sequence[Row], cases: Sequence[Case]) -> Iterator[Verdict]:
    """Compare the true information of each source with the capacities of its channel."""
    for found in capacities_of(cases):
        for name, most in found.upper.items():
            beyond = found.information - found.error - most
            text = f"{found.source.label}: I is above {name} by {beyond:.4g}"
            yield Verdict("violated", text) if beyond > 0.0 else HOLDS


CHECKS: dict[str, CheckKind] = {
    "plug-in-bias": _of_theorems("bias of sp within its bounds", "bias_lower", "bias_upper"),
    "plug-in-risk": _of_theorems("mean absolute error of sp below its bound", "risk_upper"),
    "theorem-4": _of_theorems(
        "mean absolute error of sp below Theorem 4 as printed", "theorem_4_printed"
    ),
    "theorem-5": _of_theorems(
        "mean absolute error of sp below Theorem 5 as printed", "theorem_5_printed"
    ),
    "theorem-6": _of_theorems("bias of sp above that of Theorem 6", "theorem_6"),
    "subgaussian": _of_theorems(
        "bias and mean absolute error of sp below the bounds for K-subgaussian S",
        "subgaussian_bias",
        "subgaussian_risk",
    ),
    "pairwise-bounds": CheckKind(
        "sp and sp-mi between the pairwise-distance bounds of their own draws",
        "2 trials of both",
        _pairwise,
    ),
    "bracket": CheckKind(
        "truth between the means of sp and sp-loo", "2 trials of sp or sp-loo", _bracket
    ),
    "theorem-7": CheckKind(
        "squared error of Monte Carlo integration below (20), (21) and d/(n n_MC)",
        "2 trials of sp-monte-carlo and of sp",
        _integration,
    ),
    "minimax": CheckKind(
        "larger mean absolute error on a grid and its random codebooks above the minimax bound",
        "2 trials of a grid and a random codebook, both with end points",
        _minimax,
    ),
    "capacity": CheckKind(
        "information below the capacities of the channel", "sources that tell I(S;S+Z)", _capacity
    ),
}
