from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from entbench._records import SuiteRun
from entbench.report import suite_printout, summarise
from entbench.report._intervals import mean_interval
from entbench.report._statistics import lack_of_fit, rows_of, slope_of
from entbench.report._suite import _cells
from entbench.report._theorems import RowBounds

RunOf = Callable[..., SuiteRun]
TRUTH = 2.0


@pytest.fixture
def around(run_of: RunOf) -> RunOf:
    """Runs whose truth is 2 nats."""
    return partial(run_of, truth=TRUTH)


def test_row_by_hand(around: RunOf) -> None:
    (row,) = rows_of(around({10: [2.5, 1.5, 3.0, 2.0]}))
    assert (row.n, row.trials, row.failed) == (10, 4, 0)
    assert row.mean == 2.25
    assert row.bias == 0.25
    assert row.mae == 0.5
    assert row.rmse == pytest.approx(math.sqrt((0.25 + 0.25 + 1.0) / 4))
    assert row.seconds == 0.25
    # t quantile of 97.5 % with 3 degrees of freedom, from a table; the errors are not skewed
    arm = 1.8 * 3.182446 * np.std([0.5, -0.5, 1.0, 0.0], ddof=1) / 2
    assert row.bias_ci == pytest.approx((0.25 - arm, 0.25 + arm))
    # neither are the absolute errors 0.5, 0.5, 1 and 0
    arm = 1.8 * 3.182446 * np.std([0.5, 0.5, 1.0, 0.0], ddof=1) / 2
    assert row.mae_ci == pytest.approx((0.5 * math.exp(-arm / 0.5), 0.5 + arm))
    assert row.rmse_ci is not None
    assert 0.0 < row.rmse_ci[0] < row.rmse < row.rmse_ci[1]
    assert row.few_trials


def test_error_of_the_reference_widens_and_marks(around: RunOf) -> None:
    (plain,) = rows_of(around({10: [2.5, 1.5, 3.0]}))
    (wide,) = rows_of(around({10: [2.5, 1.5, 3.0]}, error=0.1))
    assert wide.bias_ci == pytest.approx((plain.bias_ci[0] - 0.1, plain.bias_ci[1] + 0.1))
    (floor,) = rows_of(around({10: [2.01, 1.99]}, error=0.1))
    assert floor.at_reference_floor
    assert not wide.at_reference_floor


def test_what_is_below_the_floor_is_not_printed(around: RunOf) -> None:
    """Of errors of 4e-16 beside a truth to 4.1e-14 every digit is rounding."""
    (row,) = rows_of(around({10: [2.0 + 4e-16, 2.0, 2.0 - 4e-16]}, error=4.1e-14))
    _, _, bias, mae, rmse, _ = _cells(row, RowBounds(), ())
    assert (bias, mae, rmse) == ("0 ± 4.3e-14?", "at reference floor", "≤ 4.1e-14")


def test_failures_are_counted_and_left_out(around: RunOf) -> None:
    (row,) = rows_of(around({10: [2.5, None, 3.5]}))
    assert (row.trials, row.failed, row.bias) == (3, 1, 1.0)
    (none,) = rows_of(around({10: [None, None]}))
    assert (none.failed, none.bias, none.mae, none.rmse, none.seconds) == (
        2,
        None,
        None,
        None,
        None,
    )
    assert none.bias_ci is None
    assert not summarise(around({10: [2.5, None]})).holds


def test_one_trial_has_no_interval(around: RunOf) -> None:
    (row,) = rows_of(around({10: [2.5]}))
    assert row.bias == 0.5
    assert row.bias_ci is None
    assert mean_interval(np.array([1.0])) is None


def test_exact_power_law_has_its_slope(around: RunOf) -> None:
    values = {n: [TRUTH + s * 3.0 * n**-0.7 for s in (1, -1, 1)] for n in (10, 100, 1000)}
    slope = slope_of(rows_of(around(values)))
    assert slope is not None
    assert slope.slope == pytest.approx(-0.7)
    assert slope.ci == pytest.approx((-0.7, -0.7))


@pytest.mark.parametrize("trials", [10, 30])
def test_slope_intervals_cover(around: RunOf, trials: int) -> None:
    """Errors N(0, 1/n): MAE falls as n^-1/2. Of 1000 intervals 95 % +- 4.5 sd cover, +- 2 %.

    The 2 % are for the delta method and the skewness of a mean absolute error over few trials.
    """
    rng = np.random.default_rng(trials)
    sizes = (100, 300, 1000, 3000)
    covered = 0
    for _ in range(1000):
        values = {n: list(TRUTH + rng.standard_normal(trials) / math.sqrt(n)) for n in sizes}
        slope = slope_of(rows_of(around(values)))
        covered += slope.ci[0] <= -0.5 <= slope.ci[1]
    slack = 4.5 * math.sqrt(0.95 * 0.05 / 1000) + 0.02
    assert covered / 1000 == pytest.approx(0.95, abs=slack)


def test_no_slope_without_two_points(around: RunOf) -> None:
    assert slope_of(rows_of(around({10: [1.0, 3.0]}))) is None
    assert slope_of(rows_of(around({10: [TRUTH, TRUTH], 20: [1.0, 3.0]}))) is None
    assert slope_of(rows_of(around({10: [1.0], 20: [3.0]}))) is None


@pytest.mark.parametrize("draw", ["normal", "chi-square"])
@pytest.mark.parametrize("trials", [3, 5, 10])
def test_points_on_a_line_are_seldom_called_none(around: RunOf, trials: int, draw: str) -> None:
    """At most 0.4 % are, over 10,000 runs; of 400, more than 10 are in fewer than one in 10,000.

    P(Poisson(1.6) > 10) = 5e-7 each, of 6.
    """
    rng = np.random.default_rng(trials)
    none = 0
    for _ in range(400):
        values = {}
        for n in (100, 300, 1000, 3000, 10000):
            z = rng.standard_normal(trials) / math.sqrt(n)
            values[n] = list(TRUTH + (z if draw == "normal" else z**2))
        slope = slope_of(rows_of(around(values)))
        assert slope is not None
        none += not slope.is_line
    assert none <= 10


def test_error_that_doubles_at_the_last_n_is_no_line(around: RunOf) -> None:
    """As `kl` does: scatter of 10 % about a bias of 5.6, 0.7, 0.1, 0.03 and then 0.065 nats."""
    rng = np.random.default_rng(0)
    biases = dict(zip((100, 300, 1000, 3000, 10000), (5.6, 0.7, 0.1, 0.03, 0.065), strict=True))
    values = {n: list(TRUTH + b * (1 + 0.1 * rng.standard_normal(20))) for n, b in biases.items()}
    summary = summarise(around(values))
    (slope,) = summary.slopes.values()
    assert slope.lack_of_fit < 1e-10
    assert not slope.is_line
    printout = suite_printout(summary)
    table = printout.tables[-1]
    assert table.rows[0][1:3] == ("not a line", "")
    (found,) = printout.data["slopes"].values()
    assert (found["slope"], found["ci"], found["line"]) == (None, None, False)
    # two points are always one, and so are points within 10 % of it, however well they are known
    (slope,) = summarise(around({n: values[n] for n in (100, 300)})).slopes.values()
    assert slope.is_line
    near = {n: [TRUTH + (1.05 if n == 100 else 1.0) / n] * 3 for n in (10, 100, 1000)}
    (slope,) = summarise(around(near)).slopes.values()
    assert slope.lack_of_fit < 1e-10
    assert slope.is_line


def test_lack_of_fit_is_the_chi_square_test_where_errors_are_known() -> None:
    """Second route: numpy's weighted fit, and chi-square of two degrees of freedom by hand."""
    x, y = np.array([0.0, 1.0, 2.0, 4.0]), np.array([0.1, 0.9, 2.4, 3.6])
    errors = np.array([0.1, 0.2, 0.3, 0.2])
    fitted = np.polyval(np.polyfit(x, y, 1, w=1.0 / errors), x)
    squares = float(np.sum(((y - fitted) / errors) ** 2))
    found = lack_of_fit(x, y, errors, np.full(4, np.inf))
    assert found == pytest.approx(math.exp(-0.5 * squares), rel=1e-6)
