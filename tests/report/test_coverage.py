"""How often intervals held the truth: the counts, their intervals, and the check's two errors."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from entbench._base import Interval
from entbench._records import SuiteRun
from entbench.report import render, suite_printout, summarise
from entbench.report._checks import run_checks
from entbench.report._coverage import FALSE_ALARM, coverage_of, found_misses
from entbench.report._leaderboard import leaderboard
from entbench.report._statistics import rows_of

RunOf = Callable[..., SuiteRun]


def with_intervals(
    run: SuiteRun,
    half: Sequence[float | None],
    *,
    standard_error: float | None = None,
    converged: Sequence[bool] | None = None,
    one_sided: bool = False,
) -> SuiteRun:
    """Return the run with an interval around each value, of this half width; None for none."""
    records = []
    for i, record in enumerate(run.records):
        arm, interval = half[i % len(half)], None
        if record.value is not None and arm is not None:
            high = None if one_sided else record.value + arm
            interval = asdict(Interval(record.value - arm, high, 0.95, "measured"))
        said = {} if converged is None else {"converged": converged[i % len(converged)]}
        stated = {"interval": interval, "standard_error": standard_error, "diagnostics": said}
        records.append(replace(record, result=record.result | stated))
    return replace(run, records=tuple(records))


def test_counts_are_of_the_trials_that_state_an_interval(run_of: RunOf) -> None:
    run = run_of({10: [1.0, -3.0, 2.0, None, 0.5]}, "sp", truth=0.0)
    run = with_intervals(run, [1.5, 1.5, None, 1.0, 0.4], standard_error=1.0)
    found = coverage_of(rows_of(run)[0])
    assert found is not None
    assert (found.held, found.stated, found.kinds) == (1, 3, ("measured",))
    exact = binomtest(1, 3).proportion_ci(0.95, "exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), rel=1e-9)
    assert found.median_width == 3.0
    values = np.array([1.0, -3.0, 2.0, 0.5])
    assert found.ratio == pytest.approx(1.0 / values.std(ddof=1), rel=1e-12)


def test_error_of_the_truth_is_on_the_intervals_side(run_of: RunOf) -> None:
    values = {10: [1.0, 1.0]}
    held = []
    for error in (0.0, 0.05, 0.15):
        found = coverage_of(rows_of(with_intervals(run_of(values, error=error), [0.9]))[0])
        assert found is not None
        held.append(found.held)
    assert held == [0, 0, 2]


def test_what_did_not_converge_is_a_miss(run_of: RunOf) -> None:
    run = with_intervals(run_of({10: [0.0] * 4}), [1.0], converged=[True, False, True, True])
    found = coverage_of(rows_of(run)[0])
    assert found is not None
    assert (found.held, found.stated) == (3, 4)


def test_an_interval_with_one_end_has_no_width_to_print(run_of: RunOf) -> None:
    summary = summarise(with_intervals(run_of({10: [0.0, 0.1]}), [1.0], one_sided=True))
    (row,) = json.loads(render(suite_printout(summary), "json"))["rows"]
    assert (row["held"], row["intervals"], row["median_width"]) == (2, 2, None)
    assert "inf" in render(suite_printout(summary), "table")


def test_nothing_stated_is_nothing_printed(run_of: RunOf) -> None:
    run = run_of({10: [0.0, 0.1]}, checks=("coverage",))
    summary = summarise(run)
    assert summary.coverages == (None,)
    printed = render(suite_printout(summary), "table")
    assert "held" not in printed
    assert "- check not applicable coverage" in printed
    assert leaderboard(run).held == {}
    (row,) = json.loads(render(suite_printout(summary), "json"))["rows"]
    assert row["held"] is row["coverage_ci"] is row["standard_error_ratio"] is None


def test_standard_errors_alone_are_measured_too(run_of: RunOf) -> None:
    run = with_intervals(run_of({10: [0.0, 2.0]}), [None], standard_error=math.sqrt(2.0))
    printout = suite_printout(summarise(run))
    (row,) = json.loads(render(printout, "json"))["rows"]
    assert (row["intervals"], row["held"], row["coverage_ci"]) == (0, 0, None)
    assert row["standard_error_ratio"] == pytest.approx(1.0, rel=1e-12)
    assert "held" not in render(printout, "table")


def test_check_says_where_and_why(run_of: RunOf) -> None:
    """Of 40 intervals of 95 % none holds a truth that all values are far from."""
    rng = np.random.default_rng(0)
    near, far = rng.normal(0.0, 1.0, 40), rng.normal(5.0, 1.0, 40)
    narrow, wide = [0.1], [1.96]
    cases = [
        (near, narrow, "numerical error only"),
        (far, wide, "bias left out"),
        (near * 1.0, wide, None),
    ]
    for values, half, why in cases:
        run = run_of({10: list(values)}, checks=("coverage",))
        (check,) = summarise(with_intervals(run, half)).checks
        assert check.status == ("holds" if why is None else "violated")
        assert why is None or why in check.detail
        assert why is None or "kl, n=10: held the truth in" in check.detail
    run = run_of({10: list(near)}, checks=("coverage",))
    (check,) = summarise(with_intervals(run, wide, converged=[False])).checks
    assert "40 trials did not converge" in check.detail


def test_sound_intervals_are_called_too_short_once_in_a_thousand_runs() -> None:
    """The exact rate of a run of 1, 10 and 100 rows, over all counts that it can have."""
    for trials in (5, 10, 50, 200, 1000):
        for rows in (1, 10, 100):
            chance = binom.cdf(np.arange(trials + 1), trials, 0.95)
            short = chance < FALSE_ALARM / rows
            rate = float(binom.pmf(np.arange(trials + 1), trials, 0.95)[short].sum())
            assert 1.0 - (1.0 - rate) ** rows <= FALSE_ALARM


def test_intervals_too_short_by_half_are_found_at_200_trials(run_of: RunOf) -> None:
    """In 0.997 of runs of ten rows by the binomial law; of 40, fewer than 37 are once in 1e5."""
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(40):
        values = {n: list(rng.standard_normal(200)) for n in range(10, 20)}
        run = with_intervals(run_of(values), [1.959964])
        arm = 1.306643
        short = [
            replace(
                r, result=r.result | {"interval": asdict(Interval(r.value - arm, r.value + arm))}
            )
            if r.cell.n == 10 and r.value is not None
            else r
            for r in run.records
        ]
        rows = rows_of(replace(run, records=tuple(short)))
        (check,) = run_checks(["coverage"], rows, run.cases)
        found += "n=10: held" in check.detail
        assert check.detail.count(": held") == (check.status == "violated")
    assert found >= 37


@pytest.mark.parametrize(("stated", "shown"), [(3, False), (4, True), (20, True)])
def test_what_share_of_misses_is_found(run_of: RunOf, stated: int, shown: bool) -> None:
    """0 of 3 have a chance of 1.25e-4, above 1e-4; where something is found, it is in 90 %."""
    found = coverage_of(rows_of(with_intervals(run_of({10: [0.0] * stated}), [1.0]))[0])
    assert found is not None
    missed = found_misses(found, 1e-4)
    assert math.isfinite(missed) is shown
    if shown:
        counts = np.arange(stated + 1)
        short = binom.cdf(counts, stated, 0.95) < 1e-4
        assert binom.pmf(counts, stated, 1.0 - missed)[short].sum() == pytest.approx(0.9)


def test_leaderboard_counts_over_sources_and_on_each(run_of: RunOf, together: RunOf) -> None:
    first = with_intervals(run_of({10: [0.0, 3.0]}, "sp", source="a"), [1.0])
    second = with_intervals(run_of({10: [0.5, 0.2]}, "sp", source="b"), [1.0])
    board = leaderboard(together(first, second))
    sources = {case.source.name: case.source for case in board.run.cases}
    assert board.held[None, "sp", 10] == (3, 4)
    assert board.held[sources["a"], "sp", 10] == (1, 2)
    assert board.held[sources["b"], "sp", 10] == (2, 2)
