"""Ratios of means: by hand, by scipy, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from entbench.report._comparisons import mean_differences, mean_ratios
from entbench.report._contrasts import (
    FAMILY,
    OWN,
    SHARED,
    Contrasts,
    average,
    equalities_left,
    holm,
    without_shared,
)
from entbench.suites.timing import verdicts_compare
from entbench.suites.timing._verdicts import Verdict

SYMMETRIC = np.array([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0])


def chance_of(ours: list[float], theirs: list[float], *, paired: bool, near: float = 0.0) -> float:
    found = mean_ratios(np.array(ours), np.array(theirs), paired=paired, near=near)
    return float(found.contrasts.chances())


# --- Student's t


def test_differences_are_scipys_where_nothing_is_skew() -> None:
    paired = mean_differences(np.zeros(6), SYMMETRIC + 0.9, True)
    theirs = scipy.stats.ttest_1samp(SYMMETRIC + 0.9, 0.0)
    assert paired.chances() == pytest.approx(theirs.pvalue, rel=1e-10)
    assert paired.limits(0.05) == pytest.approx(tuple(theirs.confidence_interval()), rel=1e-10)
    ours = np.concatenate([SYMMETRIC, 2.0 * SYMMETRIC]) - 1.3
    separate = mean_differences(ours, SYMMETRIC, False)
    welch = scipy.stats.ttest_ind(SYMMETRIC, ours, equal_var=False)
    assert separate.freedom == pytest.approx(welch.df, rel=1e-10)
    assert separate.chances() == pytest.approx(welch.pvalue, rel=1e-10)


def test_chances_are_never_less_than_students_and_have_no_side() -> None:
    shifts = np.random.default_rng(2).standard_normal((200, 8)) ** 2 - 0.3
    zeros = np.zeros_like(shifts)
    up = mean_differences(zeros, shifts, True).chances()
    assert up == pytest.approx(mean_differences(zeros, -shifts, True).chances(), rel=1e-9)
    students = scipy.stats.ttest_1samp(shifts, 0.0, axis=1).pvalue
    assert np.all(up >= students * (1.0 - 1e-9))
    assert np.any(up > 1.1 * students)  # skewness counts


def test_swapped_sides_turn_the_ratio_over() -> None:
    errors = np.random.default_rng(3).standard_normal((2, 50, 6))
    for paired in (True, False):
        there = mean_ratios(errors[0], errors[1], paired=paired).contrasts
        back = mean_ratios(errors[1], errors[0], paired=paired).contrasts
        assert there.value == pytest.approx(-back.value, rel=1e-12)
        assert there.error == pytest.approx(back.error, rel=1e-9)
        assert there.value == pytest.approx(
            np.log(np.abs(errors[1]).mean(axis=-1) / np.abs(errors[0]).mean(axis=-1)), rel=1e-12
        )


@pytest.mark.parametrize("paired", [True, False])
def test_intervals_exclude_1_where_the_chance_is_below_the_level(paired: bool) -> None:
    rng = np.random.default_rng(4)
    for law in verdicts_compare.LAWS.values():
        ours, theirs = law((300, 6), rng), 3.0 * law((300, 6), rng)
        found = mean_ratios(ours, theirs, paired=paired).contrasts
        for level in (0.05, 0.05 / 30):
            low, high = found.limits(level)
            assert np.array_equal((low > 0.0) | (high < 0.0), found.chances() <= level)


# --- few trials, and few values


def test_repeated_values_are_permuted() -> None:
    """Three zeros and three ones: 2 of the 20 ways to deal them out are as extreme."""
    assert chance_of([0.0] * 3, [1.0] * 3, paired=False) == pytest.approx(0.1, rel=1e-9)
    assert chance_of([0.0] * 3, [1.0] * 3, paired=True) == pytest.approx(0.1, rel=1e-9)
    assert chance_of([0.0] * 6, [1.0] * 6, paired=True) == pytest.approx(2 / 924, rel=1e-9)
    # values that lie apart by no more than their numerical errors
    ours, theirs = [1.0, 1.001, 1.002], [2.0, 2.002, 2.004]
    assert chance_of(ours, theirs, paired=False) < 0.001
    assert chance_of(ours, theirs, paired=False, near=0.01) == pytest.approx(0.1, rel=1e-9)


def test_a_constant_added_is_judged_by_signs() -> None:
    """Errors of either sign, all positive by chance: each trial might have the other sign."""
    errors = [0.3, 0.9, 1.7, 0.1, 0.6]
    added = [error + 0.01 for error in errors]
    students = mean_differences(np.array(errors), np.array(added), True).chances()
    assert students < 1e-10
    assert chance_of(errors, added, paired=True) >= 2.0**-4
    nearly = [a + tiny for a, tiny in zip(added, (1e-4, 0.0, -1e-4, 2e-4, -2e-4), strict=True)]
    biased = [20.0 + error for error in errors]
    moved = [20.0 + error for error in nearly]
    assert chance_of(errors, nearly, paired=True) > 0.02
    assert chance_of(biased, moved, paired=True) < 1e-4  # of one sign by more than chance


def test_what_is_negligible_has_no_verdict() -> None:
    ours, theirs = np.linspace(1.0, 1.1, 12), np.linspace(1.0, 1.1, 12) ** 1.1
    told = mean_ratios(ours, theirs, paired=True).contrasts.chances()
    slight = mean_ratios(ours, theirs, paired=True, negligible=0.1).contrasts.chances()
    assert told < 0.01
    assert slight > 0.4


def test_one_trial_has_no_error() -> None:
    found = mean_ratios(np.ones(1), 2.0 * np.ones(1), paired=True)
    assert found.contrasts.value == pytest.approx(math.log(2.0))
    assert np.isnan(found.contrasts.error)
    assert found.contrasts.chances() == 1.0
    assert np.isnan(mean_differences(np.ones(1), np.ones(1), True).error)


def test_errors_of_0_leave_no_warning() -> None:
    found = mean_ratios(np.zeros(5), np.zeros(5), paired=True).contrasts
    assert (found.value, found.error, found.chances()) == (0.0, 0.0, 1.0)
    exact = mean_ratios(np.zeros(5), np.array([0.1, 0.2, 0.15, 0.3, 0.12]), paired=False)
    assert 2 / 252 <= exact.contrasts.chances() < 0.05


# --- several at once


def test_holm_by_hand() -> None:
    """0.005 <= 0.05/4, 0.01 <= 0.05/3, but 0.03 > 0.05/2; 1 is not rejected."""
    found = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert list(found) == [True, False, False, True]
    assert list(holm(np.array([0.04]))) == [True]
    assert list(holm(np.array([]))) == []


def test_equalities_left_by_hand() -> None:
    """Of three items 3, 1 or 0 pairs are equal; of four 6, 3, 2, 1 or 0."""
    assert list(equalities_left(3)) == [3, 1, 1]
    assert list(equalities_left(4)) == [6, 3, 3, 3, 2, 1]
    assert list(equalities_left(1)) == []


def test_averages_have_welchs_freedom() -> None:
    """Two of equal error and freedom: both add up."""
    one = Contrasts(np.array(0.2), np.array(0.1), np.array(4.0))
    other = Contrasts(np.array(0.6), np.array(0.1), np.array(4.0))
    both = average([one, other])
    assert both.value == pytest.approx(0.4)
    assert both.error == pytest.approx(0.1 / math.sqrt(2.0))
    assert both.freedom == pytest.approx(8.0)


# --- the run effect


def times(value: list[float], error: float = 0.01) -> Contrasts:
    count = len(value)
    return Contrasts(np.array(value), np.full(count, error), np.full(count, 9.0))


def test_what_all_times_share_is_the_runs() -> None:
    slow = math.log(1.1)
    found, shared = without_shared(times([slow] * 29 + [math.log(2.2)]), FAMILY / 30)
    assert shared == pytest.approx(slow, rel=0.02)
    low, _ = found.limits(FAMILY / 30)
    assert list(np.flatnonzero(low > 0.0)) == [29]
    # twice is more than a busy machine makes it
    found, shared = without_shared(times([math.log(2.0)] * 30), FAMILY / 30)
    assert shared == pytest.approx(2.0 * SHARED)
    assert np.all(found.limits(FAMILY / 30)[0] > 0.0)


def test_one_row_alone_has_the_scatter_of_runs() -> None:
    found, shared = without_shared(times([0.3], error=0.0), 0.05)
    assert shared == 0.0
    low, high = found.limits(0.05)
    half = 1.959964 * math.hypot(SHARED, OWN)
    assert (low[0], high[0]) == pytest.approx((0.3 - half, 0.3 + half), rel=1e-6)


# --- what could have been found


def test_detectable_is_found() -> None:
    """A ratio of 2.04 is said to be found in 80 %, at 20 trials: 400 runs, 4 binomial errors."""
    kind = verdicts_compare.KINDS[0]
    least = verdicts_compare.stated(kind, "normal", 20, 1, 400)
    assert 1.9 < least < 2.2
    share = verdicts_compare.found(kind, "normal", least, 20, 1, 400)
    assert share == pytest.approx(0.8, abs=0.08)


def test_too_few_trials_detect_nothing() -> None:
    rng = np.random.default_rng(6)
    two = mean_ratios(*np.sign(rng.standard_normal((2, 3))) + 3.0, paired=True)
    assert two.detectable(0.05) == math.inf
    alike = mean_ratios(np.ones(20), 2.0 * np.ones(20), paired=True)
    assert np.isnan(alike.detectable(0.05))
    few = mean_ratios(*rng.standard_normal((2, 4)), paired=True).detectable(0.05 / 30)
    many = mean_ratios(*rng.standard_normal((2, 400)), paired=True).detectable(0.05 / 30)
    assert few > 3.0 > many > 1.0


# --- by simulation


def test_verdicts_are_rarely_wrong() -> None:
    """A fiftieth of the whole: each row fails by chance once in 1,000, and there are 366."""
    found = list(verdicts_compare.verdicts(0.02))
    assert {verdict.judge for verdict in found} == {
        "compare",
        "compare, time",
        "ranks",
        "leaderboard",
    }
    assert [str(verdict) for verdict in found if not verdict.passes] == []


def test_a_verdict_can_fail() -> None:
    """Student's t alone, of three two-valued errors in 30 rows: wrong in a third of the runs."""
    kind = verdicts_compare.KINDS[1]
    ours, theirs = kind.errors("two-valued, 1 in 2", (400, 30, 3), np.random.default_rng(0))
    low, _ = mean_differences(np.abs(ours), np.abs(theirs), False).limits(FAMILY / 30)
    wrong = int(np.sum(np.any(low > 0.0, axis=1)))
    assert not Verdict("compare", "Student's t", wrong, 400, FAMILY).passes


@pytest.mark.slow
def test_verdicts_are_rarely_wrong_in_many_runs() -> None:
    assert [str(verdict) for verdict in verdicts_compare.verdicts() if not verdict.passes] == []
