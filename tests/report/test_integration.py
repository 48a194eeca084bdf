"""The error of Monte Carlo integration alone, from squares that are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from entbench._base import SourceFacts
from entbench._records import SuiteRun
from entbench.report import summarise
from entbench.report._integration import IntegrationError, integration_errors
from entbench.report._intervals import mean_square_interval
from entbench.report._statistics import rows_of

RunOf = Callable[..., SuiteRun]

FACTS = SourceFacts(2, 0.5, True, second_moment=1.5)


def pair(
    run_of: RunOf,
    together: Callable[..., SuiteRun],
    away: np.ndarray,
    *,
    n: int = 10,
    draws: int = 5,
    facts: SourceFacts = FACTS,
    numerical_error: float | None = None,
) -> SuiteRun:
    """Return a run of `sp`, and of the coarse integral that is `away` from it."""
    # the plug-in's own error differs from trial to trial, and is not the integral's
    own = np.linspace(-3.0, 1.0, len(away))
    fine = run_of({n: own}, "sp", facts=facts, numerical_error=numerical_error)
    params = {"control_variate": False, "draws": draws}
    coarse = run_of({n: own + away}, "sp-monte-carlo", estimator_params=params, facts=facts)
    return replace(together(fine, coarse), checks=("theorem-7",), tables=("integration",))


def errors_of(run: SuiteRun, confidence: float = 0.95) -> list[IntegrationError]:
    facts = {case.source: case.facts for case in run.cases}
    return list(integration_errors(rows_of(run), facts, confidence))


def test_mean_square_by_hand(run_of: RunOf, together: Callable[..., SuiteRun]) -> None:
    away = np.array([0.1, -0.2, 0.3, 0.0])
    (found,) = errors_of(pair(run_of, together, away))
    assert found.draws == 5
    assert found.mse == pytest.approx((0.01 + 0.04 + 0.09) / 4.0, rel=1e-10)
    assert (found.low, found.high) == pytest.approx(mean_square_interval(away), rel=1e-8)


def test_error_of_the_finer_integral_is_taken_off(
    run_of: RunOf, together: Callable[..., SuiteRun]
) -> None:
    away = np.array([0.1, -0.2, 0.3, 0.0])
    (plain,) = errors_of(pair(run_of, together, away))
    (less,) = errors_of(pair(run_of, together, away, numerical_error=0.05))
    for name in ("mse", "low", "high"):
        assert getattr(plain, name) - getattr(less, name) == pytest.approx(0.0025, rel=1e-10)
    (nan,) = errors_of(pair(run_of, together, away, numerical_error=math.nan))
    assert nan == replace(plain, row=nan.row)


def test_what_is_left_is_the_coarse_integral_s_own(
    run_of: RunOf, together: Callable[..., SuiteRun]
) -> None:
    """Coarse N(0, 0.1^2) less fine N(0, 0.06^2): the mean square left is 0.01, not 0.0136.

    Within 4 standard errors of a mean of 4000 squares, 4 * 0.0136 sqrt(2/4000) = 0.0012.
    """
    rng = np.random.default_rng(0)
    away = 0.1 * rng.standard_normal(4000) - 0.06 * rng.standard_normal(4000)
    (found,) = errors_of(pair(run_of, together, away, numerical_error=0.06))
    assert found.mse == pytest.approx(0.01, abs=0.0012)


def test_bounds_by_hand(run_of: RunOf, together: Callable[..., SuiteRun]) -> None:
    away = np.array([0.1, -0.2])
    (found,) = errors_of(pair(run_of, together, away))
    d, b, moment = 2.0, 0.5, 1.5
    printed = (
        9.0 * d * b * b
        + 8.0 * (2.0 + b * math.sqrt(d)) * moment
        + 3.0 * (11.0 * b * math.sqrt(d) + 1.0) * math.sqrt(moment)
    )
    assert found.bounds == pytest.approx(
        {
            "d/(n n_MC)": d / 50.0,
            "(20)": 2.0 * d * (2.0 + b * b) / (b * b) / 50.0,
            "(21)": printed / (b * b) / 50.0,
        },
        rel=1e-12,
    )
    for facts, names in [
        (replace(FACTS, in_unit_cube=False), {"d/(n n_MC)", "(21)"}),
        (replace(FACTS, second_moment=None), {"d/(n n_MC)", "(20)"}),
        (replace(FACTS, second_moment=math.inf), {"d/(n n_MC)", "(20)"}),
    ]:
        (other,) = errors_of(pair(run_of, together, away, facts=facts))
        assert set(other.bounds) == names


@pytest.mark.parametrize(("factor", "status"), [(6.0, "holds"), (9.0, "violated")])
def test_alarm_when_the_squares_exceed_the_sharp_bound(
    run_of: RunOf, together: Callable[..., SuiteRun], factor: float, status: str
) -> None:
    """Four squares alike, in units of d/(n n_MC) = 0.04: 344 and 1645 speak for more.

    At 1000 there is an alarm.
    """
    away = math.sqrt(factor * 0.04) * np.array([1.0, -1.0, 1.0, -1.0])
    (check,) = summarise(pair(run_of, together, away)).checks
    assert check.status == status
    if status == "violated":
        assert "d/(n n_MC) allows 0.04" in check.detail
        # the error of the finer integral may explain it
        excused = pair(run_of, together, away, numerical_error=0.3)
        assert summarise(excused).checks[0].status == "holds"


def test_false_alarms_are_rare(run_of: RunOf, together: Callable[..., SuiteRun]) -> None:
    """Errors N(0, d/(n n_MC)): the mean square sits on its bound. Of 300 checks none is broken.

    Of 400,000 simulated means of 20 such squares none was.
    """
    rng = np.random.default_rng(0)
    for _ in range(300):
        run = pair(run_of, together, 0.2 * rng.standard_normal(20))
        assert summarise(run).checks[0].status == "holds"


def test_rows_without_their_like_are_left_out(
    run_of: RunOf, together: Callable[..., SuiteRun]
) -> None:
    run = pair(run_of, together, np.array([0.1, -0.2]))
    fine, coarse = run.records[:2], run.records[2:]
    assert errors_of(replace(run, records=coarse)) == []
    assert errors_of(replace(run, records=fine)) == []
    assert errors_of(replace(run, records=(*fine, replace(coarse[0], status="failed")))) == []
    # matched by their numbers, of which one side lacks the first
    longer = pair(run_of, together, np.array([9.0, 0.1, -0.2]))
    kept = tuple(r for r in longer.records if r.cell.trial or r.cell.estimator.name == "sp")
    (found,) = errors_of(replace(longer, records=kept))
    assert found.mse == pytest.approx(0.025, rel=1e-10)
    assert found.unpaired == 1
    assert errors_of(replace(run, records=(fine[0], coarse[0]))) == []  # one trial
    unknown = replace(run, cases=(replace(run.cases[0], facts=None),))
    assert errors_of(unknown) == []
