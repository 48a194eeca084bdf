from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from entbench import run_suite
from entbench._base import Reference, ReferenceCheck, SourceFacts
from entbench._records import Case, Cell, Record, RunInfo, Spec, SuiteRun
from entbench.report import summarise
from entbench.report._statistics import mean_interval, rows_of, slope_of

SOURCE = Spec("made-up", "1", "entbench", (("d", 1),), "made-up[d=1]")
TRUTH = 2.0


def run_of(
    values: dict[int, list[float | None]],
    estimator: str = "kl",
    *,
    facts: SourceFacts | None = None,
    error: float = 0.0,
    checks: tuple[str, ...] = (),
) -> SuiteRun:
    spec = Spec(estimator, "1", "entbench", (), estimator)
    records = []
    for n, column in values.items():
        for trial, value in enumerate(column):
            status = "ok" if value is not None else "failed"
            cell = Cell(SOURCE, spec, n, trial, 0)
            message = "" if value is not None else "ValueError: no"
            records.append(Record(cell, status, message, value, None, 0.25))
    reference = Reference(TRUTH, error, "made up", (ReferenceCheck("again", TRUTH, 0.0),))
    trials = len(next(iter(values.values())))
    return SuiteRun(
        suite="made-up",
        params={"source": "made-up", "d": 1, "n": list(values), "trials": trials},
        cases=(Case(SOURCE, reference, facts or SourceFacts(1, 0.1)),),
        records=tuple(records),
        checks=checks,
        figures=("error-vs-n",),
        info=RunInfo("id", "0", 0, "3", "here", "now"),
        computed=len(records),
    )


def test_row_by_hand() -> None:
    (row,) = rows_of(run_of({10: [2.5, 1.5, 3.0, 2.0]}))
    assert (row.n, row.trials, row.failed) == (10, 4, 0)
    assert row.mean == 2.25
    assert row.bias == 0.25
    assert row.mae == 0.5
    assert row.rmse == pytest.approx(math.sqrt((0.25 + 0.25 + 1.0) / 4))
    assert row.seconds == 0.25
    # t quantile of 97.5 % with 3 degrees of freedom, from a table
    half = 3.182446 * np.std([0.5, -0.5, 1.0, 0.0], ddof=1) / 2
    assert row.bias_ci == pytest.approx((0.25 - half, 0.25 + half))
    assert row.mae_ci is not None
    assert row.mae_ci[0] == 0.0


def test_error_of_the_reference_widens_and_marks() -> None:
    (plain,) = rows_of(run_of({10: [2.5, 1.5, 3.0]}))
    (wide,) = rows_of(run_of({10: [2.5, 1.5, 3.0]}, error=0.1))
    assert wide.bias_ci == pytest.approx((plain.bias_ci[0] - 0.1, plain.bias_ci[1] + 0.1))
    (floor,) = rows_of(run_of({10: [2.01, 1.99]}, error=0.1))
    assert floor.at_reference_floor
    assert not wide.at_reference_floor


def test_failures_are_counted_and_left_out() -> None:
    (row,) = rows_of(run_of({10: [2.5, None, 3.5]}))
    assert (row.trials, row.failed, row.bias) == (3, 1, 1.0)
    (none,) = rows_of(run_of({10: [None, None]}))
    assert (none.failed, none.bias, none.mae, none.rmse, none.seconds) == (
        2,
        None,
        None,
        None,
        None,
    )
    assert none.bias_ci is None
    assert not summarise(run_of({10: [2.5, None]})).holds


def test_one_trial_has_no_interval() -> None:
    (row,) = rows_of(run_of({10: [2.5]}))
    assert row.bias == 0.5
    assert row.bias_ci is None
    assert mean_interval(np.array([1.0])) is None


def test_intervals_cover() -> None:
    """95 % intervals for the bias: of 4000, the share that covers is within 4.5 sd of 95 %."""
    rng = np.random.default_rng(0)
    covered = 0
    for draws in rng.standard_normal((4000, 8)):
        low, high = mean_interval(0.3 + draws)
        covered += low <= 0.3 <= high
    assert covered / 4000 == pytest.approx(0.95, abs=4.5 * math.sqrt(0.95 * 0.05 / 4000))


def test_exact_power_law_has_its_slope() -> None:
    values = {n: [TRUTH + s * 3.0 * n**-0.7 for s in (1, -1, 1)] for n in (10, 100, 1000)}
    slope = slope_of(rows_of(run_of(values)))
    assert slope is not None
    assert slope.slope == pytest.approx(-0.7)
    assert slope.ci == pytest.approx((-0.7, -0.7))


@pytest.mark.parametrize("trials", [10, 30])
def test_slope_intervals_cover(trials: int) -> None:
    """Errors N(0, 1/n): MAE falls as n^-1/2. Of 1000 intervals 95 % +- 4.5 sd cover, +- 2 %.

    The 2 % are for the delta method and the skewness of a mean absolute error over few trials.
    """
    rng = np.random.default_rng(trials)
    sizes = (100, 300, 1000, 3000)
    covered = 0
    for _ in range(1000):
        values = {n: list(TRUTH + rng.standard_normal(trials) / math.sqrt(n)) for n in sizes}
        slope = slope_of(rows_of(run_of(values)))
        covered += slope.ci[0] <= -0.5 <= slope.ci[1]
    slack = 4.5 * math.sqrt(0.95 * 0.05 / 1000) + 0.02
    assert covered / 1000 == pytest.approx(0.95, abs=slack)


def test_no_slope_without_two_points() -> None:
    assert slope_of(rows_of(run_of({10: [1.0, 3.0]}))) is None
    assert slope_of(rows_of(run_of({10: [TRUTH, TRUTH], 20: [1.0, 3.0]}))) is None
    assert slope_of(rows_of(run_of({10: [1.0], 20: [3.0]}))) is None


CUBE = SourceFacts(
    dim=1, sigma=0.1, in_unit_cube=True, mutual_information=1.0, chi_square_information=3.0
)
CHECKS = ("plug-in-bias", "plug-in-risk")


def checks_of(values: dict[int, list[float | None]], **options: object) -> dict[str, bool | None]:
    options = {"estimator": "sp", "facts": CUBE, "checks": CHECKS, **options}
    return {c.name: c.holds for c in summarise(run_of(values, **options)).checks}  # type: ignore[arg-type]


def test_checks_hold_within_the_bounds() -> None:
    assert checks_of({100: [TRUTH - 0.01, TRUTH - 0.02, TRUTH - 0.015]}) == dict.fromkeys(
        CHECKS, True
    )


def test_bias_outside_its_bounds_is_found() -> None:
    wobble = np.linspace(-1e-5, 1e-5, 10)
    positive = {100: list(TRUTH + 0.01 + wobble)}
    assert checks_of(positive)["plug-in-bias"] is False
    too_low = {100: list(TRUTH - 0.5 + wobble)}
    assert checks_of(too_low)["plug-in-bias"] is False
    # at n = 1 the bias is the information itself, 1 nat: half of it is too little
    too_small = {2: list(TRUTH - 0.1 + wobble)}
    facts = SourceFacts(1, 0.1, True, None, 5.0, 200.0)
    assert checks_of(too_small, facts=facts)["plug-in-bias"] is False


def test_risk_above_its_bound_is_found() -> None:
    wobble = np.linspace(-1e-3, 1e-3, 10)
    assert checks_of({10**6: list(TRUTH - 1.0 + wobble)})["plug-in-risk"] is False


def together(*runs: SuiteRun) -> SuiteRun:
    return replace(runs[0], records=tuple(record for run in runs for record in run.records))


@pytest.mark.parametrize("kind", ["kt", "kt-mi"])
@pytest.mark.parametrize(
    ("lower", "upper", "holds"),
    [(-0.1, 0.1, True), (0.0, 0.0, True), (0.1, 0.2, False), (-0.2, -0.1, False)],
)
def test_pairwise_bounds(kind: str, lower: float, upper: float, holds: bool) -> None:
    """Bounds are compared trial by trial: what the draws share is not held against them."""
    values = np.array([1.0, 5.0, 2.0, 3.0])
    wobble = np.array([1e-4, -1e-4, 0.0, 1e-5])
    checks = ("pairwise-bounds",)
    plug_in = run_of({10: list(values)}, kind.replace("kt", "sp"), checks=checks)
    bounds = [
        run_of({10: list(values + shift + wobble)}, f"{kind}-{side}", checks=checks)
        for side, shift in (("lower", lower), ("upper", upper))
    ]
    (check,) = summarise(together(plug_in, *bounds)).checks
    assert check.holds is holds
    (alone,) = summarise(plug_in).checks
    assert alone.holds is None


def test_checks_without_anything_to_compare_say_so() -> None:
    assert checks_of({100: [1.9, 2.0]}, estimator="kl") == dict.fromkeys(CHECKS, None)
    assert checks_of({100: [1.9]}) == dict.fromkeys(CHECKS, None)
    assert checks_of({100: [1.9, 2.0]}, facts=SourceFacts(1, 0.1)) == dict.fromkeys(CHECKS, None)
    assert summarise(run_of({100: [1.9]}, "sp", facts=CUBE, checks=CHECKS)).holds


def test_false_alarms_are_rare() -> None:
    """The bias sits on its bound (0): 2000 checks, each with false alarm 5e-5; 3 or more: 2e-4."""
    rng = np.random.default_rng(0)
    alarms = 0
    facts = SourceFacts(1, 0.1, False, None, 0.0, 0.0)
    for _ in range(2000):
        values = {100: list(TRUTH + rng.standard_normal(20))}
        alarms += checks_of(values, facts=facts)["plug-in-bias"] is False
    assert alarms <= 2


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
    assert [check.holds for check in summary.checks] == [True, True, None]
    for row, theory in zip(summary.rows, summary.bounds, strict=True):
        assert -row.bias == pytest.approx(theory.values["bias_lower"], abs=1e-6)


def test_vacuous_bounds_are_marked() -> None:
    facts = SourceFacts(10, 0.05, True, None, 20.0, math.inf)
    summary = summarise(run_of({10: [1.0, 1.5]}, "sp", facts=facts))
    (theory,) = summary.bounds
    assert theory.vacuous == {"risk_upper"}
    assert theory.values["bias_upper"] == 20.0
    assert theory.values["bias_lower"] == 20.0 - math.log(10)
