"""Intervals for bias, MAE and RMSE: how often they hold, and what they do not depend on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from entbench.report._intervals import (
    CHECK_CONFIDENCE,
    mae_interval,
    mean_interval,
    mean_square_interval,
    rmse_interval,
    skewness,
)
from entbench.suites.timing.measure_table_intervals import LAWS, ours_of, shares, truths

ASKED = {law.name: law for law in LAWS if law.name.endswith("*")}
ERRORS = np.array([0.3, -0.1, 0.25, 2.0, 0.4, -0.05])


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("trials", [5, 8, 20])
def test_intervals_hold_for_skewed_errors(name: str, trials: int) -> None:
    """Of 1000, at least 92 % less 4.5 standard deviations, 3.9 %: each fails once in 300,000."""
    law = ASKED[name]
    rng = np.random.default_rng(trials)
    found = [ours_of(row) for row in law.of(rng.standard_normal((1000, trials)))]
    assert min(shares(found, truths(law))) >= 0.92 - 4.5 * math.sqrt(0.92 * 0.08 / 1000)


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("trials", [3, 10, 50])
def test_checks_seldom_raise_an_alarm_for_skewed_errors(name: str, trials: int) -> None:
    """One in 10,000 is promised: of 20,000, 12 or more come once in 100,000 (Poisson(2))."""
    law = ASKED[name]
    truth = law.mean(lambda error: error)
    draws = law.of(np.random.default_rng(trials).standard_normal((20_000, trials)))
    far = np.abs(draws.mean(axis=1) - truth) > 4.0 * draws.std(axis=1) / math.sqrt(trials)
    missed = 0
    for row in draws[far]:
        low, high = mean_interval(row, 0.0, CHECK_CONFIDENCE) or (0.0, 0.0)
        missed += not low <= truth <= high
    assert missed < 12


def test_bias_moves_and_turns_with_the_errors() -> None:
    low, high = mean_interval(ERRORS) or (0.0, 0.0)
    assert mean_interval(3.0 * ERRORS + 7.0) == pytest.approx((3.0 * low + 7.0, 3.0 * high + 7.0))
    assert mean_interval(-ERRORS) == pytest.approx((-high, -low))
    assert high - ERRORS.mean() > ERRORS.mean() - low  # the tail is above


@pytest.mark.parametrize("scale", [1e-50, -3.0, 1e50])
def test_mae_and_rmse_scale_with_the_errors(scale: float) -> None:
    for interval in (mae_interval, rmse_interval):
        low, high = interval(ERRORS) or (0.0, 0.0)
        scaled = abs(scale) * low, abs(scale) * high
        assert interval(scale * ERRORS) == pytest.approx(scaled, rel=1e-9)


def test_interval_by_hand() -> None:
    """Six values: t of 5 degrees of freedom at 97.5 %, 2.570582, from a table."""
    g = skewness(ERRORS)
    centred = ERRORS - ERRORS.mean()
    assert g == pytest.approx(np.mean(centred**3) / np.mean(centred**2) ** 1.5)
    arm = 2.5705818 * float(ERRORS.std(ddof=1)) / math.sqrt(6.0)
    wide, lean = 1.0 + 20.0 / 36.0, 3.0 * g / math.sqrt(6.0)
    assert mean_interval(ERRORS) == pytest.approx(
        (ERRORS.mean() - 0.8 * arm, ERRORS.mean() + (wide + lean) * arm)
    )
    assert wide - lean < 0.8


def test_error_of_the_truth_is_added_to_every_arm() -> None:
    for interval in (mean_interval, mae_interval, rmse_interval):
        low, high = interval(ERRORS) or (0.0, 0.0)
        wider = interval(ERRORS, 0.01)
        assert wider == pytest.approx((low - 0.01, high + 0.01))
    assert (mae_interval(ERRORS, 10.0) or (1.0,))[0] == 0.0


def test_extremes() -> None:
    zeros = np.zeros(5)
    for interval in (mean_interval, mae_interval, rmse_interval, mean_square_interval):
        assert interval(ERRORS[:1]) is None
        assert interval(zeros) == (0.0, 0.0)
    # what differs by rounding alone is not skewed
    assert skewness(np.array([0.1, 0.1, 0.1 + 1e-17, 0.1])) == 0.0
    assert skewness(np.array([1e8, 1e8, 1e8, np.nextafter(1e8, 2e8)])) == 0.0
