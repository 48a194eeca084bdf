"""Each check against made-up runs that obey its theorem, break it, or say nothing of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gamma, ndtr

from entbench import bounds, run_suite
from entbench._base import SourceFacts
from entbench._records import SuiteRun
from entbench.report import CHECKS, Check, suite_printout, summarise
from entbench.report._capacity import upper_bounds
from entbench.report._chance import plug_in_arm
from entbench.report._intervals import CHECK_CONFIDENCE, mean_interval
from entbench.report._statistics import rows_of
from entbench.report._theorems import bounds_for
from entbench.suites.timing import verdicts_checks
from entbench.suites.timing._verdicts import LAWS

COLUMNS = [theorem for theorem in bounds.THEOREMS.values() if theorem.header]

RunOf = Callable[..., SuiteRun]

WOBBLE = np.linspace(-1e-6, 1e-6, 10)
CUBE = SourceFacts(1, 0.1, True, mutual_information=1.0, chi_square_information=3.0)
EIGHT = SourceFacts(1, 0.1, log_values=math.log(8.0), decoding_error=0.0)  # Theorem 6: log 8/n
NARROW = SourceFacts(1, 1.0, subgaussian_constant=0.25)  # I_chi2 <= (1 - 4/16)^(-1/2) - 1
WIDE_CUBE = SourceFacts(10, 0.1, True)

# check, estimator, error at one n, n, facts -> status
CASES: list[tuple[str, str, float, int, SourceFacts, str]] = [
    ("plug-in-bias", "sp", -0.02, 100, CUBE, "holds"),  # log(1 + 3/100) = 0.0296
    ("plug-in-bias", "sp", -0.4, 100, CUBE, "violated"),
    ("plug-in-bias", "sp", 0.4, 100, CUBE, "violated"),
    # of 5 nats, 2 samples hold log 2 at most
    ("plug-in-bias", "sp", -0.1, 2, replace(CUBE, mutual_information=5.0), "violated"),
    ("plug-in-bias", "sp-mi", -0.4, 100, CUBE, "violated"),
    ("plug-in-bias", "kl", -0.4, 100, CUBE, "not applicable"),
    ("plug-in-risk", "sp", -1e-4, 10**6, CUBE, "holds"),
    ("plug-in-risk", "sp", 1.0, 10**6, CUBE, "violated"),
    ("plug-in-risk", "sp", 1.0, 10, SourceFacts(10, 0.05, True), "vacuous"),
    ("plug-in-risk", "sp", 1.0, 10**6, SourceFacts(1, 0.1), "not applicable"),
    ("theorem-4", "sp", 0.01, 10**6, CUBE, "holds"),
    ("theorem-4", "sp", 1.0, 10**6, CUBE, "violated"),
    ("theorem-4", "sp", 1.0, 1000, WIDE_CUBE, "vacuous"),
    ("theorem-4", "sp", 1.0, 10**6, NARROW, "not applicable"),
    ("theorem-5", "sp", 0.01, 10**10, CUBE, "holds"),
    ("theorem-5", "sp", 1.0, 10**10, CUBE, "violated"),
    ("theorem-5", "sp", 1.0, 1000, WIDE_CUBE, "vacuous"),
    ("theorem-5", "sp", 1.0, 10**6, EIGHT, "not applicable"),
    ("theorem-6", "sp", -1.5, 2, EIGHT, "holds"),
    ("theorem-6", "sp", -0.6, 2, EIGHT, "violated"),  # log 8 - log 2 = 1.386, half width 0.63
    ("theorem-6", "sp", -0.1, 9, EIGHT, "vacuous"),  # log 8 - log 9 < 0
    ("theorem-6", "sp", -0.1, 2, CUBE, "not applicable"),
    ("subgaussian", "sp", -0.001, 100, NARROW, "holds"),
    ("subgaussian", "sp", -0.4, 100, NARROW, "violated"),  # log(1 + 0.1547/100) = 0.00155
    ("subgaussian", "sp", -1.0, 100, replace(NARROW, subgaussian_constant=40.0), "vacuous"),
    ("subgaussian", "sp", -0.001, 100, CUBE, "not applicable"),
    ("bracket", "sp", -0.01, 100, CUBE, "holds"),
    ("bracket", "sp", 0.4, 100, CUBE, "violated"),
    ("bracket", "sp-loo", 0.01, 100, CUBE, "holds"),
    ("bracket", "sp-loo", -0.36, 100, CUBE, "holds"),  # 0.36 by chance, 0.07 hidden in 1000
    ("bracket", "sp-loo", -0.45, 100, CUBE, "violated"),
    ("bracket", "sp-loo", -0.45, 100, SourceFacts(1, 0.1), "holds"),  # or 0.16, far away
    ("bracket", "sp-loo", -0.6, 100, SourceFacts(1, 0.1), "violated"),
    ("bracket", "sp-jackknife", 0.01, 100, CUBE, "not applicable"),
]


def check_of(run: SuiteRun, name: str) -> Check:
    (check,) = summarise(replace(run, checks=(name,))).checks
    return check


@pytest.mark.parametrize(("name", "estimator", "error", "n", "facts", "status"), CASES)
def test_statuses(
    run_of: RunOf, name: str, estimator: str, error: float, n: int, facts: SourceFacts, status: str
) -> None:
    check = check_of(run_of({n: error + WOBBLE}, estimator, facts=facts), name)
    assert check.status == status
    assert check.holds is {"holds": True, "violated": False}.get(status)
    assert check.detail.startswith(f"{CHECKS[name].what}: ")


def test_every_check_is_tried() -> None:
    tried = {case[0] for case in CASES}
    assert tried | {"pairwise-bounds", "theorem-7", "capacity", "minimax", "coverage"} == set(
        CHECKS
    )


@pytest.mark.parametrize(
    ("on_grid", "on_codebooks", "n", "trials", "status"),
    [
        (4.0, (0.1, 0.1), 10, 40, "holds"),
        (0.1, (9.0, 0.1), 10, 40, "holds"),  # their mean is above
        (0.1, (1.0, 0.1), 10, 40, "violated"),
        (0.1, (0.1, 0.1), 10, 10, "cannot tell"),
        (0.1, (0.1, 0.1), 16, 40, "vacuous"),  # 16 * 15 / 2 > 100: repeats tell the two apart
    ],
)
def test_minimax_is_asked_of_its_own_two_laws(
    run_of: RunOf,
    together: RunOf,
    on_grid: float,
    on_codebooks: tuple[float, float],
    n: int,
    trials: int,
    status: str,
) -> None:
    """log(8^10/100) less what noise hides, 12.7 nats, times (1 - 45/100)/2: 3.5 nats at n = 10.

    Exact values in m trials of each have a p-value of 0.725^(2m): 0.0016 for 10, 7e-12 for 40.
    """
    grid = {"d": 10, "k": 8, "sigma": 0.1, "ends": True}

    def run(error: float, source: str, **more: int) -> SuiteRun:
        params = {**grid, **more}
        values = {n: error + np.resize(WOBBLE, trials)}
        return run_of(values, source=source, source_params=params, facts=WIDE_CUBE)

    books = [
        run(error, "random-codebook", points=100, codebook=i)
        for i, error in enumerate(on_codebooks)
    ]
    pair = together(run(on_grid, "grid"), *books)
    assert check_of(pair, "minimax").status == status
    # one law alone may be easy for an estimator
    for alone in (run(0.1, "grid"), together(*books)):
        assert check_of(alone, "minimax").status == "not applicable"
    other_grid = run_of({n: WOBBLE}, source="grid", source_params={**grid, "k": 4})
    assert check_of(together(other_grid, *books), "minimax").status == "not applicable"


def test_details_count_and_name_settings(run_of: RunOf) -> None:
    facts, bias = EIGHT, {n: -math.log(8.0 / n) + WOBBLE for n in (2, 4)}
    nothing = {9: WOBBLE, 10: WOBBLE, 11: WOBBLE}
    what = "bias of the plug-in above that of Theorem 6"

    def detail(values: dict[int, Any], estimator: str = "sp") -> str:
        return check_of(run_of(values, estimator, facts=facts), "theorem-6").detail

    # of each trial, up to rounding: of two lots of 1e-6 nats the one may hide the other
    finds = "finds a violation of 2e-06 nats in 90 % of runs"
    assert detail(bias) == f"{what}: 2 of 2; {finds}"
    assert detail(bias | nothing) == f"{what}: 2 of 5, vacuous at 3; {finds}"
    assert detail(nothing) == f"{what}: says nothing at any of 3"
    assert detail(bias, "kl").startswith(
        f"{what}: nothing to compare (needs a trial of the plug-in"
    )
    broken = detail(bias | nothing | {3: 0.5 + WOBBLE, 5: 0.7 + WOBBLE})
    where = "violated at made-up[d=1], n=3: h - sp is below 0.9808 in 10 of 10 trials, in one by "
    assert broken.startswith(f"{what}: {where}")
    assert "; made-up[d=1], n=5" in broken
    assert "n=2:" not in broken


def test_one_trial_says_something_of_the_plug_in_and_of_nothing_else(run_of: RunOf) -> None:
    """The plug-in's scatter is bounded; of sp-loo, one trial shows none."""
    for name, estimator, error, n, facts, status in CASES:
        if status == "violated":
            far = error if name == "theorem-6" else 100.0 * error
            one = run_of({n: [far]}, estimator, facts=facts)
            expected = "cannot tell" if estimator == "sp-loo" else "violated"
            assert check_of(one, name).status == expected, name


def test_error_of_the_reference_excuses(run_of: RunOf) -> None:
    """Where the truth is known to 0.4 only, a bias 0.4 beyond its bound is no violation."""
    for error, status in ((0.0, "violated"), (0.4, "holds")):
        run = run_of({100: 0.4 + WOBBLE}, "sp", facts=CUBE, error=error)
        assert check_of(run, "bracket").status == status
        assert check_of(run, "plug-in-bias").status == status


@pytest.mark.parametrize("kind", ["kt", "kt-mi"])
@pytest.mark.parametrize(
    ("lower", "upper", "holds"),
    [(-0.1, 0.1, True), (0.0, 0.0, True), (0.1, 0.2, False), (-0.2, -0.1, False)],
)
def test_pairwise_bounds(
    run_of: RunOf,
    together: Callable[..., SuiteRun],
    kind: str,
    lower: float,
    upper: float,
    holds: bool,
) -> None:
    """Bounds are compared trial by trial: those of other draws say nothing."""
    values = np.array([1.0, 5.0, 2.0, 3.0])
    wobble = np.array([1e-7, -1e-7, 0.0, 1e-8])
    plug_in = run_of({10: values}, kind.replace("kt", "sp"))
    ends = [
        run_of({10: values + shift + wobble}, f"{kind}-{side}")
        for side, shift in (("lower", lower), ("upper", upper))
    ]
    assert check_of(together(plug_in, *ends), "pairwise-bounds").holds is holds
    assert check_of(plug_in, "pairwise-bounds").status == "not applicable"


ORDERED = [
    ("pairwise-bounds", "sp", "kt-upper"),
    ("pairwise-bounds", "kt-lower", "sp"),
    ("pairwise-bounds", "sp-mi", "kt-mi-upper"),
    ("pairwise-bounds", "kt-mi-lower", "sp-mi"),
    ("bracket", "sp", "sp-loo"),
]


@pytest.mark.parametrize(("name", "low", "high"), ORDERED)
def test_one_wrong_trial_is_found_whatever_the_means(
    run_of: RunOf, together: RunOf, name: str, low: str, high: str
) -> None:
    """The mean of the other nine is far on the right side."""
    values = np.linspace(-0.2, -0.1, 10)
    above = values + 5.0
    above[7] = values[7] - 0.01
    run = together(run_of({100: values}, low, facts=CUBE), run_of({100: above}, high, facts=CUBE))
    check = check_of(run, name)
    assert check.status == "violated"
    assert f"{low} is above {high} in 1 of 10 trials, in one by 0.009999 at least" in check.detail
    above[7] = values[7]
    run = together(run_of({100: values}, low, facts=CUBE), run_of({100: above}, high, facts=CUBE))
    assert check_of(run, name).status == "holds"


@pytest.mark.parametrize(("excess", "holds"), [(4.0, True), (6.0, False)])
def test_numerical_errors_of_both_sides_excuse(
    run_of: RunOf, together: RunOf, excess: float, holds: bool
) -> None:
    """4.5 of each, 0.01 and 0.02, and so of 0.03 in all."""
    inner = run_of({10: [0.03 * excess - 4.5 * 0.01]}, "sp", numerical_error=0.01)
    outer = run_of({10: [-4.5 * 0.01]}, "sp-loo", numerical_error=0.02)
    assert ("sp is above" not in check_of(together(inner, outer), "bracket").detail) is holds


@pytest.mark.parametrize(("name", "low", "high"), ORDERED)
def test_trials_are_matched_by_their_number(
    run_of: RunOf, together: RunOf, name: str, low: str, high: str
) -> None:
    """Each trial is in order; of neighbouring ones, half are not. Trials are lost on both sides."""
    values = np.array([-0.8, -0.1, -0.7, -0.2, -0.6, -0.3])
    lost_below, lost_above = [list(values), list(values + 0.05)]
    lost_below[1], lost_above[3] = None, None
    run = together(run_of({9: lost_below}, low), run_of({9: lost_above}, high))
    for records in (run.records, run.records[::-1], run.records[2:]):
        check = check_of(replace(run, records=records), name)
        assert check.status == "holds", check.detail
        count = 3 if len(records) < len(run.records) else 2  # trial 1 is lost already
        assert f"trials without a partner or not converged: {count}" in check.detail


def test_a_trial_that_did_not_converge_is_left_out(run_of: RunOf, together: RunOf) -> None:
    run = together(run_of({10: [0.0, 5.0]}, "sp"), run_of({10: [1.0, 1.0]}, "kt-upper"))
    assert check_of(run, "pairwise-bounds").status == "violated"
    records = [
        replace(record, result=record.result | {"diagnostics": {"converged": False}})
        if record.value == 5.0
        else record
        for record in run.records
    ]
    check = check_of(replace(run, records=tuple(records)), "pairwise-bounds")
    assert check.status == "holds"
    assert check.detail.count("not converged: 1") == 1


def test_theorem_7_needs_both_integrals(run_of: RunOf, together: Callable[..., SuiteRun]) -> None:
    """n = 10, n_MC = 5, d = 1: squares of 1/50 are allowed, 0.1414^2.

    Six squares of r times the bound speak against it by the mean of (1 - b + b r)^6 over b: by 938
    at r = 4.04 and by 1079 at r = 4.14, where 1000 is asked.
    """
    fine = run_of({10: [0.3] * 6}, "sp", facts=SourceFacts(1, 0.1))

    def coarse(ratio: float, lost: int = 0) -> SuiteRun:
        signs = math.sqrt(ratio / 50.0) * np.array([1.0, -1.0, 1.0, 1.0, -1.0, 1.0])
        values = [None] * lost + list(0.3 + signs)[lost:]
        return run_of({10: values}, "sp-monte-carlo", estimator_params={"draws": 5})

    assert check_of(together(fine, coarse(4.04)), "theorem-7").status == "holds"
    broken = check_of(together(fine, coarse(4.14)), "theorem-7")
    assert broken.status == "violated"
    assert "squared error is 0.0828 in the mean" in broken.detail
    assert "d/(n n_MC) allows 0.02" in broken.detail
    assert check_of(coarse(9.0), "theorem-7").status == "not applicable"
    short = check_of(together(fine, coarse(4.14, lost=1)), "theorem-7")
    assert short.status == "holds"
    assert "trials without a partner or not converged: 1" in short.detail


def test_capacity(run_of: RunOf) -> None:
    def status(facts: SourceFacts, error: float = 0.0) -> str:
        return check_of(run_of({10: [0.0, 0.1]}, facts=facts, error=error), "capacity").status

    uniform = SourceFacts(2, 0.5, True, mutual_information=1.0, log_values=1.0, second_moment=2.0)
    assert status(uniform) == "holds"
    assert status(replace(uniform, log_values=0.99)) == "violated"
    assert status(replace(uniform, log_values=0.99), error=0.02) == "holds"
    # (2/2) log(1 + 0.5 m/0.25) = 1 at m = (e - 1)/2
    power = replace(uniform, log_values=None, in_unit_cube=False)
    assert status(replace(power, second_moment=0.501 * (math.e - 1.0))) == "holds"
    assert status(replace(power, second_moment=0.499 * (math.e - 1.0))) == "violated"
    assert status(replace(uniform, mutual_information=None)) == "not applicable"
    # half the log of 1 + 1/sigma^2 per axis is above the peak-limited capacity
    most = math.log(1.0 + 1.0 / 0.25)
    beyond = replace(uniform, log_values=None, second_moment=None, mutual_information=most)
    assert status(beyond) == "violated"


def test_capacity_allows_for_rounding_and_for_the_confidence_of_a_sampled_truth(
    run_of: RunOf,
) -> None:
    """An interval at 95 % is widened to the confidence of the checks, 3.89/1.96 times."""
    facts = SourceFacts(2, 0.5, mutual_information=1.0 + 1e-15, log_values=1.0)
    assert check_of(run_of({10: [0.0, 0.1]}, facts=facts), "capacity").status == "holds"
    for beyond, status in ((0.019, "holds"), (0.021, "violated")):
        known = replace(facts, mutual_information=1.0 + beyond)
        run = run_of({10: [0.0, 0.1]}, facts=known, error=0.01)
        (case,) = run.cases
        sampled = replace(case, reference=replace(case.reference, confidence=0.95))
        assert check_of(replace(run, cases=(sampled,)), "capacity").status == status


@pytest.mark.parametrize("moment", [0.0, math.inf])
def test_moments_that_bound_nothing_are_left_out(moment: float) -> None:
    assert upper_bounds(SourceFacts(1, 0.1, second_moment=moment)) == {}


def rate_of_alarms(run_of: RunOf, name: str, draw: Callable[[], dict[str, Any]], runs: int) -> int:
    return sum(check_of(run_of(**draw()), name).status == "violated" for _ in range(runs))


def test_false_alarms_are_rare_where_the_bias_is_on_its_bound(run_of: RunOf) -> None:
    """The bias sits on its bound, 0, with the largest deviation there is: one alarm in 1000 runs.

    It is 1e-3 at most; of 500 runs, 5 or more come once in 5000.
    """
    rng = np.random.default_rng(0)
    facts = SourceFacts(1, 0.1, False, None, 0.0, 0.0)
    v = bounds.plug_in_concentration(100)

    def draw() -> dict[str, Any]:
        values = {100: v * rng.standard_normal(20)}
        return {"values": values, "estimator": "sp", "facts": facts}

    assert rate_of_alarms(run_of, "plug-in-bias", draw, 500) <= 4
    assert rate_of_alarms(run_of, "bracket", draw, 500) <= 4


@pytest.mark.parametrize(("values", "n"), [(8, 20), (10_000, 10), (100, 3)])
def test_false_alarms_are_rare_where_samples_seldom_agree(
    run_of: RunOf, values: int, n: int
) -> None:
    """Values that noise hardly hides: h - sp is log m less the entropy of the counts.

    Its mean is on the bound, and most trials of few samples show no two that agree, so that they
    scatter less than they should. 300 checks at 5 trials; one alarm is let pass.
    """
    rng = np.random.default_rng(values)
    log_m = math.log(values)
    facts = SourceFacts(1, 0.1, mutual_information=log_m, log_values=log_m, decoding_error=0.0)

    def entropy() -> float:
        shares = np.unique(rng.integers(0, values, n), return_counts=True)[1] / n
        return float(-shares @ np.log(shares))

    def draw() -> dict[str, Any]:
        errors = [entropy() - log_m for _ in range(5)]
        return {"values": {n: errors}, "estimator": "sp", "facts": facts}

    assert rate_of_alarms(run_of, "plug-in-bias", draw, 300) <= 1


def test_false_alarms_are_rare_where_the_risk_is_on_its_bound(run_of: RunOf) -> None:
    """E|N(0, s^2)| = s sqrt(2/pi) is the bound; a mean of few skewed values is seldom beyond it.

    In 400,000 simulated means of 20 half-normals, 1 was; here 1000 are tried, one is let pass.
    """
    rng = np.random.default_rng(1)
    n = 10**6
    bound = min(bounds.plug_in_risk_bound(n, 1, 0.1), bounds.plug_in_risk_theorem_4(n, 1, 0.1))

    def draw() -> dict[str, Any]:
        errors = bound * math.sqrt(0.5 * math.pi) * rng.standard_normal(20)
        return {"values": {n: errors}, "estimator": "sp", "facts": CUBE}

    assert rate_of_alarms(run_of, "plug-in-risk", draw, 1000) <= 1
    # and the check does see a mean of 30 times the bound
    beyond = 30.0 * bound * math.sqrt(0.5 * math.pi) * rng.standard_normal(20)
    assert check_of(run_of({n: beyond}, "sp", facts=CUBE), "plug-in-risk").status == "violated"


@pytest.mark.parametrize("name", ["plug-in-bias", "bracket"])
def test_what_a_check_says_it_finds_is_found_in_nine_runs_of_ten(run_of: RunOf, name: str) -> None:
    """Of 200 runs, fewer than 164 are 3.8 standard deviations below 180."""
    rng = np.random.default_rng(2)
    facts = SourceFacts(1, 0.1, mutual_information=0.0, chi_square_information=0.0)
    values = 0.05 * rng.standard_normal((200, 10))
    found = 0
    for row, other in zip(values, values[::-1], strict=True):
        finds = check_of(run_of({100: row}, "sp", facts=facts), name).finds
        assert finds is not None
        moved = run_of({100: other + finds[1]}, "sp", facts=facts)
        found += check_of(moved, name).status == "violated"
    assert found >= 164


def test_a_spread_that_few_trials_do_not_show_is_no_violation() -> None:
    """Of errors that are two-valued, 1 in 10, three trials are alike in 0.9^3 of runs.

    Intervals by what the trials show then have no length, and call the bound broken.
    """
    rng = np.random.default_rng(3)
    errors = LAWS["two-valued, 1 in 10"]((200, 3), rng)
    empty = [
        mean_interval(row, 0.0, CHECK_CONFIDENCE) == (row.mean(), row.mean()) for row in errors
    ]
    assert 0.6 < np.mean(empty) < 0.85


def test_simulated_runs_are_seldom_wrong() -> None:
    """100 runs of 30 rows a line: a line fails with 1e-3 at most were it wrong once in 1000."""
    lines = list(verdicts_checks.verdicts(0.005))
    assert len(lines) == 4 * (4 * len(LAWS) + 5 + 4 + 3 + 2)
    assert [str(line) for line in lines if not line.passes] == []


def test_standard_errors_shorten_what_chance_is_given_where_samples_are_many() -> None:
    """By hand: 4.0 quantiles of 0.8 % in 20 trials, and 5e-5 of the mass unseen."""
    level, standard = 2.0 * float(ndtr(-4.0)), np.full(20, 0.008)
    zeros, unknown = np.zeros(20), np.full(20, math.nan)
    proved = bounds.plug_in_concentration(10_000) * math.sqrt(-2.0 * math.log(level / 2.0) / 20.0)
    share = -math.log(level / 2.0) / 200_000.0
    hidden = -share * math.log(share) - (1.0 - share) * math.log1p(-share)
    hidden += 0.5 * share * math.log1p(1.0 / 0.01)  # the power in the cube
    shown = 4.0 * 1.25 * 0.008 / math.sqrt(20.0) + hidden
    arms = [plug_in_arm(10_000, zeros, each, level, CUBE) for each in (standard, unknown)]
    assert shown < proved
    assert arms == pytest.approx([shown, proved])
    assert plug_in_arm(10_000, zeros, 100.0 * standard, level, CUBE) == pytest.approx(proved)
    # no numerical error is left out, and few samples may hide more than all that is proved
    both = math.hypot(bounds.plug_in_concentration(10_000), 0.3)
    known = plug_in_arm(10_000, zeros + 0.3, unknown, level, CUBE)
    assert known == pytest.approx(proved * both / bounds.plug_in_concentration(10_000))
    assert plug_in_arm(10, zeros, zeros, level, CUBE) > 0.1


@pytest.mark.slow
def test_runs_on_their_bounds_are_wrong_once_in_a_thousand() -> None:
    """20,000 runs a line."""
    assert [str(line) for line in verdicts_checks.verdicts() if not line.passes] == []


def numeric_norm(moment: Callable[[float], float]) -> float:
    """Return sup_p p^{-1/2} (E |S|^p)^{1/p} over a grid of p >= 1."""
    return max(moment(p) ** (1.0 / p) / math.sqrt(p) for p in np.geomspace(1.0, 60.0, 400))


def three_points(weight: float) -> tuple[float, Callable[[float], float]]:
    """S = 0 or, with that probability, -1 or 1: its subgaussian constant and moments."""
    a = np.linspace(0.01, 40.0, 4000)
    log_mean = np.log1p(weight * (np.cosh(a) - 1.0))
    return float(np.sqrt(np.max(2.0 * log_mean / a**2))), lambda p: weight


NORMS: dict[str, tuple[float, Callable[[float], float]]] = {
    "gaussian": (0.7, lambda p: (0.7 * 2**0.5) ** p * gamma((p + 1.0) / 2.0) / math.pi**0.5),
    "uniform": (math.sqrt(3.0), lambda p: 3.0**p / (p + 1.0)),  # on [-3, 3]
    "signs": (1.0, lambda p: 1.0),
    "three points": three_points(0.2),
    "three rare points": three_points(0.001),
}


@pytest.mark.parametrize("law", NORMS)
def test_moment_norm_is_at_least_the_true_one(law: str) -> None:
    constant, moment = NORMS[law]
    norm = bounds.moment_norm(SourceFacts(1, 0.1, subgaussian_constant=constant))
    assert norm is not None
    assert norm >= numeric_norm(moment)


def test_moment_norm_is_the_supremum_of_its_bound() -> None:
    """E|S|^p <= int_0^inf p t^{p-1} 2 exp(-t^2/(2 k^2)) dt, integrated here."""

    def moment(p: float) -> float:
        return float(quad(lambda t: 2.0 * p * t ** (p - 1.0) * math.exp(-t * t / 0.72), 0, 30)[0])

    norm = bounds.moment_norm(SourceFacts(3, 0.1, subgaussian_constant=0.6))
    assert norm == pytest.approx(numeric_norm(moment), rel=1e-10)


def test_moment_norm_in_the_cube_is_one() -> None:
    assert bounds.moment_norm(SourceFacts(1, 0.1, True)) == 1.0
    assert bounds.moment_norm(SourceFacts(1, 0.1, True, subgaussian_constant=0.1)) < 0.26
    assert bounds.moment_norm(SourceFacts(1, 0.1, True, subgaussian_constant=1.0)) == 1.0
    assert bounds.moment_norm(SourceFacts(1, 0.1)) is None


def test_columns_are_the_bounds_at_the_row(run_of: RunOf) -> None:
    facts = SourceFacts(
        dim=2,
        sigma=1.5,
        in_unit_cube=True,
        subgaussian_constant=0.2,
        mutual_information=0.7,
        chi_square_information=0.3,
        log_values=math.log(4.0),
        decoding_error=0.01,
    )
    (row,) = rows_of(run_of({50: [0.0, 0.1]}, "sp", facts=facts))
    found = bounds_for(row, facts, COLUMNS).values
    assert set(found) == {theorem.name for theorem in COLUMNS}
    assert found["theorem_5_printed"] == bounds.plug_in_risk_theorem_5(
        50, 2, 1.5, 0.2 * math.sqrt(2.0 * math.pi)
    )
    assert found["subgaussian_bias"] == bounds.subgaussian_bias_bound(50, 2, 1.5, 0.2)
    assert found["subgaussian_risk"] == bounds.subgaussian_risk_bound(50, 2, 1.5, 0.2)
    assert found["bias_upper"] == pytest.approx(math.log1p(0.3 / 50), rel=1e-14)
    assert found["theorem_4_printed"] == bounds.plug_in_risk_theorem_4_printed(50, 2, 1.5)
    binary = -0.01 * math.log(0.01) - 0.99 * math.log(0.99)
    assert found["theorem_6"] == pytest.approx(0.99 * math.log(4.0) - binary - math.log(50))
    (other,) = rows_of(run_of({50: [0.0, 0.1]}, "kl", facts=facts))
    assert bounds_for(other, facts, COLUMNS).values == {}
    assert bounds_for(row, None, COLUMNS).values == {}


def test_rounding_is_no_violation(tmp_path: Path) -> None:
    """In 1000 dimensions sp sits on its ceiling, and its bias on the bound, but for rounding."""
    run = run_suite(
        params={"d": 1000, "sigma": 0.1, "n": [50, 100]},
        estimators=["sp"],
        trials=2,
        jobs=1,
        store=tmp_path / "s",
    )
    summary = summarise(run)
    statuses = [check.status for check in summary.checks]
    # 2 intervals of 95 % that both miss are no rare chance
    assert statuses == ["holds", "vacuous", "not applicable", "cannot tell"]
    for row, theory in zip(summary.rows, summary.bounds, strict=True):
        assert -row.bias == pytest.approx(theory.values["bias_lower"], abs=1e-6)


def test_vacuous_bounds_are_marked(run_of: RunOf) -> None:
    facts = SourceFacts(10, 0.05, True, None, 20.0, math.inf)
    summary = summarise(run_of({10: [1.0, 1.5]}, "sp", facts=facts))
    (theory,) = summary.bounds
    assert theory.vacuous == {"risk_upper"}
    assert theory.values["bias_upper"] == 20.0
    assert theory.values["bias_lower"] == 20.0 - math.log(10)


@pytest.mark.parametrize(("confidence", "status"), [(1.0, "violated"), (0.95, "holds")])
def test_a_sampled_truth_may_be_farther_off(run_of: RunOf, confidence: float, status: str) -> None:
    """Half a nat at 95 % is 0.99 nats at the confidence of the checks, 3.89 / 1.96 times that."""
    run = run_of({100: 0.9 + WOBBLE}, "sp", facts=CUBE, error=0.5)
    (case,) = run.cases
    sampled = replace(case, reference=replace(case.reference, confidence=confidence))
    assert check_of(replace(run, cases=(sampled,)), "bracket").status == status


def test_a_suite_that_names_no_checks_runs_those_that_apply(run_of: RunOf, together: RunOf) -> None:
    """Proved ones with a verdict: nothing vacuous, and no theorem whose print is not proved."""
    said = ("holds", "violated", "cannot tell")

    def names(run: SuiteRun) -> list[str]:
        proved = tuple(name for name in CHECKS if name not in ("theorem-4", "theorem-5"))
        summary = summarise(replace(run, checks=None))
        named = summarise(replace(run, checks=proved))
        assert summary.checks == tuple(each for each in named.checks if each.status in said)
        # neither a line nor a column for what is not asked for
        assert len(suite_printout(summary).notes) == len(summary.checks)
        assert summary.theorems == summarise(replace(run, checks=())).theorems
        return [check.name for check in summary.checks]

    truth = run_of({100: -0.01 + WOBBLE}, "sp", facts=SourceFacts(1, 0.1))
    assert names(truth) == ["bracket"]
    assert names(run_of({100: -0.01 + WOBBLE}, "kl", facts=SourceFacts(1, 0.1))) == []
    assert names(run_of({100: [-0.1]}, "sp-loo")) == ["bracket"]  # which cannot tell
    known = run_of({5000: -0.001 + WOBBLE}, "sp", facts=CUBE)
    assert {"plug-in-risk", "bracket"} <= set(names(known))
    wrong = summarise(replace(run_of({100: 0.5 + WOBBLE}, "sp"), checks=None))
    assert [(check.name, check.status) for check in wrong.checks] == [("bracket", "violated")]
    assert not wrong.holds
    assert summarise(replace(wrong.run, checks=())).holds
