"""Estimators ranked over sources, by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from entbench._records import SuiteRun
from entbench.report import render, suite_printout, summarise
from entbench.report._leaderboard import Standing, standings
from entbench.report._statistics import rows_of

RunOf = Callable[..., SuiteRun]
# (estimator, source) -> mean absolute error; None is a failure
Errors = dict[tuple[str, str], float | None]


def run_with(
    run_of: RunOf, together: Callable[..., SuiteRun], errors: Errors, n: int = 10, **options: float
) -> SuiteRun:
    return together(
        *(
            run_of({n: [error, None if error is None else -error]}, name, source=source, **options)
            for (name, source), error in errors.items()
        )
    )


def ranked(run: SuiteRun) -> list[Standing]:
    return list(standings(rows_of(run)))


def test_ratios_by_hand(run_of: RunOf, together: Callable[..., SuiteRun]) -> None:
    """Least errors are 0.1 at a and 0.2 at b: ratios are 1 and 4, 2 and 1, 3 and 3."""
    errors: Errors = {
        ("far", "a"): 0.1,
        ("far", "b"): 0.8,
        ("near", "a"): 0.2,
        ("near", "b"): 0.2,
        ("even", "a"): 0.3,
        ("even", "b"): 0.6,
    }
    first, second, third = ranked(run_with(run_of, together, errors))
    assert [s.label for s in (first, second, third)] == ["near", "far", "even"]
    assert first.ratio == pytest.approx(math.sqrt(2.0), rel=1e-12)
    assert second.ratio == pytest.approx(2.0, rel=1e-12)
    assert third.ratio == pytest.approx(3.0, rel=1e-12)
    assert (first.worst, first.worst_source) == (pytest.approx(2.0), "a[d=1]")
    assert (second.worst, second.worst_source) == (pytest.approx(4.0), "b[d=1]")
    assert [s.wins for s in (first, second, third)] == [1, 1, 0]
    assert [(s.sources, s.of) for s in (first, second, third)] == [(2, 2)] * 3
    assert first.seconds == 0.25


def test_ties_win_together_and_stand_by_name(
    run_of: RunOf, together: Callable[..., SuiteRun]
) -> None:
    errors: Errors = {("b", "x"): 0.25, ("a", "x"): 0.25, ("c", "x"): 0.5}
    found = ranked(run_with(run_of, together, errors))
    assert [(s.label, s.wins, s.ratio) for s in found] == [
        ("a", 1, 1.0),
        ("b", 1, 1.0),
        ("c", 0, pytest.approx(2.0)),
    ]


def test_failing_costs_places(run_of: RunOf, together: Callable[..., SuiteRun]) -> None:
    """Who fails at one trial of a source, or was not run there, stands behind who has them all."""
    errors: Errors = {
        ("whole", "a"): 0.9,
        ("whole", "b"): 0.9,
        ("fails", "a"): 0.1,
        ("fails", "b"): None,
        ("absent", "a"): 0.2,
        ("never", "a"): None,
    }
    run = run_with(run_of, together, errors)
    once = run_of({10: [0.1, None, -0.1]}, "once", source="a")
    found = ranked(together(run, once))
    assert [(s.label, s.sources, s.of) for s in found] == [
        ("whole", 2, 2),
        ("fails", 1, 2),
        ("absent", 1, 2),
    ]
    assert found[0].ratio == pytest.approx(3.0, rel=1e-12)  # 9 at a, 1 at b
    assert found[0].wins == 1


def test_errors_below_that_of_the_reference_are_alike(
    run_of: RunOf, together: Callable[..., SuiteRun]
) -> None:
    errors: Errors = {("a", "x"): 0.001, ("b", "x"): 0.004, ("c", "x"): 0.02}
    found = ranked(run_with(run_of, together, errors, error=0.005))
    assert [(s.label, s.wins) for s in found] == [("a", 1), ("b", 1), ("c", 0)]
    assert [s.ratio for s in found] == [1.0, 1.0, pytest.approx(4.0, rel=1e-12)]


def test_each_n_has_its_own(run_of: RunOf, together: Callable[..., SuiteRun]) -> None:
    late: Errors = {("a", "x"): 0.1, ("b", "x"): 0.2}
    early: Errors = {("a", "x"): 0.4, ("b", "x"): 0.2}
    run = together(run_with(run_of, together, late, 100), run_with(run_of, together, early, 10))
    assert [(s.n, s.label) for s in ranked(run)] == [(10, "b"), (10, "a"), (100, "a"), (100, "b")]


def test_exact_estimates_leave_no_ratio(run_of: RunOf, together: Callable[..., SuiteRun]) -> None:
    """An error of 0 against an exact truth: the others are infinitely worse, null in JSON."""
    errors: Errors = {("exact", "x"): 0.0, ("other", "x"): 0.1}
    run = replace(run_with(run_of, together, errors), tables=("leaderboard",))
    assert [s.ratio for s in ranked(run)] == [1.0, math.inf]
    printout = suite_printout(summarise(run))
    records = json.loads(render(printout, "json"))["tables"]["leaderboard"]
    assert [(r["label"], r["ratio"], r["worst"]) for r in records] == [
        ("exact", 1.0, 1.0),
        ("other", None, None),
    ]
    assert printout.tables[-1].rows[1][3] == "inf"
