"""How claims are judged: intervals against margins, and how often verdicts are wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest

from entbench.networks.experiments._in_training import correlation
from entbench.networks.experiments._verdict import (
    Effect,
    Levels,
    above,
    alike,
    all_of,
    below,
    every,
    judged,
    some,
    within,
)
from entbench.suites.timing.verdicts_claims import CASES, verdicts


def test_a_verdict_needs_the_whole_interval_on_one_side() -> None:
    assert [above(span, 0.2) for span in ((0.2, 1.0), (0.1, 0.3), (0.0, 0.1))] == [
        *(True, None, False),
    ]
    assert [below(span, 0.2) for span in ((0.0, 0.1), (0.1, 0.3), (0.2, 1.0))] == [
        *(True, None, False),
    ]
    assert [within(span, 0.2) for span in ((-0.1, 0.1), (-0.3, 0.1), (-0.4, -0.2))] == [
        *(True, None, False),
    ]
    assert above((math.nan, math.nan), 0.2) is None


def test_parts_of_a_claim() -> None:
    assert (every([True, None, False]), every([True, None]), every([True]), every([])) == (
        *(False, None, True, None),
    )
    assert (some([False, True]), some([False, None]), some([False])) == (True, None, False)
    assert (alike([True, True]), alike([True, False]), alike([None])) == (True, None, None)


def test_intervals_are_those_of_the_tables() -> None:
    assert Effect(1.0, 0.1, 0.2).interval() == pytest.approx((0.804, 1.392), abs=1e-3)
    # two of ten: Bonferroni, 2.807 standard errors
    assert Effect(0.0, 1.0, 1.0).interval(10) == pytest.approx((-2.807, 2.807), abs=1e-3)
    # Student's t with two degrees of freedom, 4.303, on 1 / sqrt(3)
    assert Effect.mean([1.0, 2.0, 3.0]).interval() == pytest.approx((-0.484, 4.484), abs=1e-3)
    # three equal terms are as good as counts of variance 3
    assert Effect.mean([1.0] * 3, 3.0).interval() == pytest.approx((-0.960, 2.960), abs=1e-3)
    assert Effect.mean([1.0, 1.0]).interval() == (-math.inf, math.inf)
    one = Effect.within(2.0, 1.0, 4.0)
    assert one.interval() == pytest.approx((1.0, 4.0))


def test_one_part_may_refute_a_claim_and_all_have_to_bear_it() -> None:
    good, bad = Effect(1.0, 0.1, 0.1), Effect(-0.25, 0.1, 0.1)
    assert all_of([good], lambda span: above(span, 0.0)) is True
    assert all_of([good, bad], lambda span: above(span, 0.0)) is False
    # alone it refutes, as one of ten it may be chance
    assert all_of([bad, *[good] * 9], lambda span: above(span, 0.0)) is None


def test_curves_of_exact_numbers() -> None:
    curve = Levels.exact([0.0, 1.0, 0.2, 0.97])
    assert curve.fall() == pytest.approx((0.03, 0.03))
    assert curve.drop() == pytest.approx((0.8, 0.8))
    assert curve.hump() == pytest.approx((0.8, 0.8))
    assert curve.gain() == pytest.approx((0.97, 0.97))
    assert curve.times(1) == pytest.approx((0.97, 0.97))
    assert Levels.exact([2.0, 1.5, 1.0]).hump() == (0.0, 0.0)


def test_how_many_times_counts_the_errors_of_both() -> None:
    """Each end is 2.24 standard errors off: both hold together in 95 %."""
    curve = Levels(np.array([10.0, 20.0]), np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    far = 2.2414
    low, high = (20.0 - 2.0 * far) / (10.0 + far), (20.0 + 2.0 * far) / (10.0 - far)
    assert curve.times(0) == pytest.approx((low, high), rel=1e-4)
    assert Levels.counted([1.0, 2.0]).times(0) == (-math.inf, math.inf)


def test_few_large_steps_tell_of_no_correlation() -> None:
    """Two curves that step at the same three epochs of 30 are alike, maybe by chance."""
    steps = np.zeros(30)
    steps[[5, 12, 20]] = 1.0
    curve = steps.cumsum()
    assert correlation(curve, 2.0 * curve) == (-1.0, 1.0)
    often = np.tile([0.0, 1.0, 1.0], 10).cumsum()
    assert correlation(often, 2.0 * often)[0] > 0.9


def test_a_spike_is_no_height_and_few_counts_tell_nothing() -> None:
    flat = np.full(40, 2.0)
    flat[15] = 9.0
    assert Levels.counted(flat).fall() == (0.0, 0.0)
    assert Levels.counted(flat[:19]).fall() == (0.0, math.inf)


def test_scatter_from_epoch_to_epoch_is_an_error() -> None:
    """Second differences of independent values have six times their variance."""
    curve = Levels.counted(np.random.default_rng(0).normal(2.0, 0.1, 3000))
    assert curve.below[0] == pytest.approx(0.1, rel=0.1)  # 4 standard errors, 1000 terms


def test_a_short_run_keeps_what_lasts() -> None:
    told = [
        judged("", "", "m", holds, short="1 of 2 epochs", lasting=True)
        for holds in (True, False, None)
    ]
    assert [claim.holds for claim in told] == [True, None, None]
    assert [claim.measured for claim in told[:2]] == ["m", "m; too short to tell: 1 of 2 epochs"]


QUICK = (
    "rises and falls",
    "no pruning",
    "more noise, less alike, 8",
    "I depends on the estimator, 5",
    "loss grows",
)


@pytest.mark.parametrize("name", QUICK)
def test_claims_are_seldom_wrong(name: str) -> None:
    """100 tries a row; one fails by chance, if as often wrong as promised, in 1e-3 of seeds."""
    cases = [case for case in CASES if name in case.name][:1]
    rows = list(verdicts(0.05, cases))
    assert len(rows) == 8
    assert [str(row) for row in rows if not row.passes] == []


def test_a_claim_that_passes_on_noise_is_found() -> None:
    """The row of a judge that says yes to every second run fails."""
    (case,) = (case for case in CASES if case.name.startswith("more noise, less alike, 8"))
    rows = list(verdicts(0.05, [case._replace(null=0.15)]))
    assert not rows[0].passes


@pytest.mark.slow
def test_every_claim_is_seldom_wrong() -> None:
    assert [str(row) for row in verdicts() if not row.passes] == []
