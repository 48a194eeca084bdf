from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from scipy.stats import t, ttest_rel

from entbench import EntropyEstimator, check_samples, register_estimator
from entbench._agreement import (
    Difference,
    Spread,
    contradictions,
    grouped_variance,
    standard_error_of_difference,
    verdict,
)
from entbench._base import Influences
from entbench._comparison import JudgedEstimate, Wanted, agreement, compare_estimates, judge
from entbench._registry import make_estimator
from entbench.suites.timing import verdicts_estimate


def spread(values: np.ndarray, noise: float = 0.0, more: float = 0.0) -> Spread:
    """Return the scatter of a mean, with `more` variance of other causes."""
    n = len(values)
    error = math.sqrt(values.var(ddof=1) / n + more)
    return Spread(error, 0.0, n, Influences(np.arange(n), values, noise))


def paired(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([5, seed])
    common = rng.standard_normal(n)
    return common + 0.3 * rng.standard_normal(n), common + 0.3 * rng.standard_normal(n)


def test_a_difference_of_means_is_the_paired_t_test() -> None:
    a, b = paired(50)
    error, freedom = standard_error_of_difference(spread(a), spread(b))
    difference = Difference(float(a.mean() - b.mean()), error, freedom)
    expected = ttest_rel(a, b)
    assert freedom == 49
    assert difference.chance == pytest.approx(expected.pvalue, rel=1e-10)
    low, high = expected.confidence_interval()
    sign = math.copysign(1.0, difference.value)
    assert difference.interval == pytest.approx(sorted([sign * low, sign * high]), rel=1e-10)
    assert difference.most == pytest.approx(
        abs(difference.value) + t.ppf(0.95, 49) * error, rel=1e-10
    )


def test_errors_of_other_causes_add_up_and_drawing_does_not_count() -> None:
    a, b = paired(400)
    plain, _ = standard_error_of_difference(spread(a), spread(b))
    more, _ = standard_error_of_difference(spread(a, more=0.01), spread(b, more=0.02))
    assert more**2 == pytest.approx(plain**2 + 0.03, rel=1e-10)
    drawn = a + 0.5 * np.random.default_rng(1).standard_normal(400)
    stated = Spread(spread(a).standard_error, 0.0, 400, Influences(np.arange(400), drawn, 0.25))
    noisy, _ = standard_error_of_difference(stated, spread(b))
    assert noisy == pytest.approx(plain, rel=0.25)  # 0.43 of 400 draws: 7 % each, and twice that


def test_refits_without_the_same_groups_are_paired() -> None:
    a, b = paired(60)
    refits = [np.array([np.delete(x, i).mean() for i in range(60)]) for x in (a, b)]
    spreads = [Spread(0.2, 0.0, 60, None, values, 60) for values in refits]
    error, freedom = standard_error_of_difference(*spreads)
    assert freedom == 59
    assert error == pytest.approx((a - b).std(ddof=1) / math.sqrt(60), rel=1e-10)
    part = [one._replace(n=240) for one in spreads]
    assert standard_error_of_difference(*part)[0] == pytest.approx(0.5 * error, rel=1e-10)


def test_unpaired_errors_are_added() -> None:
    a, _ = paired(60)
    one, other = spread(a), Spread(0.2, 0.0, 60, None, np.zeros(20), 60)
    error, freedom = standard_error_of_difference(one, other)
    assert (error, freedom) == (pytest.approx(one.standard_error + 0.2), 19)
    assert math.isnan(standard_error_of_difference(one, other._replace(standard_error=math.nan))[0])


def test_noise_takes_at_most_half_of_a_grouped_variance() -> None:
    values = np.array([0.9, 1.0, 1.1])
    assert grouped_variance(values, 0.0) == pytest.approx(2 / 3 * 0.02, rel=1e-10)
    assert grouped_variance(values, 0.001) == pytest.approx(
        2 / 3 * 0.02 - 4 / 9 * 3 * 0.001, rel=1e-10
    )
    assert grouped_variance(values, 1.0) == pytest.approx(1 / 3 * 0.02, rel=1e-10)


def test_contradictions_are_those_of_holm() -> None:
    """Chances of 0.012, 0.02, 0.04 and 0.9: the first three pass one test, the first all."""
    chances = (0.9, 0.012, 0.04, 0.02)
    quantiles = [t.isf(0.5 * p, 10) for p in chances]
    found = contradictions([Difference(float(q), 1.0, 10) for q in quantiles])
    assert found == [False, True, False, False]
    assert contradictions([Difference(float(quantiles[2]), 1.0, 10)]) == [True]
    assert contradictions([]) == []


@pytest.mark.parametrize(
    ("value", "error", "margin", "expected"),
    [
        (0.02, 0.03, 0.1, "agree"),
        (0.02, 0.06, 0.1, "not known"),
        (0.06, 0.02, 0.1, "agree"),  # not 0, and within the margin
        (0.09, 0.02, 0.1, "differ"),
        (0.2, 0.02, 0.1, "differ"),
        (0.2, 0.15, 0.1, "not known"),
        (0.2, math.nan, 0.1, "not known"),
    ],
)
def test_three_verdicts(value: float, error: float, margin: float, expected: str) -> None:
    assert verdict([Difference(value, error, 1000)], margin) == expected
    assert verdict([Difference(-value, error, 1000)], margin) == expected


def told(label: str, value: float, **rest: Any) -> JudgedEstimate:
    return JudgedEstimate(label, rest.pop("role", "estimate"), value, standard_error=0.001, **rest)


def test_a_finding_or_a_warning_takes_the_tick_away() -> None:
    estimates = (
        told("good", 1.0),
        told("other", 1.01),
        told("moved", 1.0, half_value=2.0),
        told("warned", 1.0, warned=True),
        told("bound", 5.0, role="upper bound"),
    )
    found = agreement(estimates, judge(estimates, 100), 0.1)
    assert (found.verdict, found.labels) == ("agree", ("good", "other"))
    assert found.left_out == ("moved", "warned")
    alone = agreement(estimates[1:], judge(estimates[1:], 100), 0.1)
    assert (alone.verdict, alone.labels) == ("not known", ("other",))
    assert math.isnan(alone.most)


def test_a_warning_is_heard_and_passed_on() -> None:
    @register_estimator("warns")
    class Warns(EntropyEstimator):
        """Mean of the first column."""

        reads, version = "noisy", "1"

        def fit(self, X: Any, y: None = None) -> Warns:
            warnings.warn("does not apply", stacklevel=2)
            self.entropy_ = float(check_samples(X)[:, 0].mean())
            return self

    samples = np.random.default_rng(0).standard_normal((60, 1))
    with pytest.warns(UserWarning, match="does not apply"):
        compared = compare_estimates(samples, [Wanted("warns", {}, "warns")])
    assert compared.agreement.left_out == ("warns",)


@pytest.mark.parametrize(
    "names", [("sp", "kl"), ("kl", "kde"), ("gaussian", "spacing"), ("kt-upper", "binning")]
)
def test_paired_errors_of_real_estimators(names: tuple[str, str]) -> None:
    """Stated over actual, 60 samples of a Laplace law, n = 400: 0.96 to 1.23.

    The scatter of 20 differences is known to 16 %; four times that on top.
    """
    values, stated = [], []
    for seed in range(20):
        rng = np.random.default_rng([6, seed])
        signal = rng.laplace(size=(300, 1))
        noisy = signal + 0.5 * rng.standard_normal((300, 1))
        fits = []
        for name in names:
            model = make_estimator(name, {}, sigma=0.5, random_state=seed)
            model._wants_influences = True
            fits.append(model.fit(signal if model.reads == "signal" else noisy))
        spreads = [
            Spread(one.standard_error_, one.numerical_error_ or 0.0, 300, one._influences)
            for one in fits
        ]
        values.append(fits[0].entropy_ - fits[1].entropy_)
        stated.append(standard_error_of_difference(*spreads)[0])
    ratio = np.mean(stated) / np.std(values, ddof=1)
    assert 0.96 / 1.65 < ratio < 1.23 * 1.65


def test_equal_and_different_means() -> None:
    """A row fails by chance in 1 of 1,000: at 28 of 300 tries where 15 are promised."""
    for found in verdicts_estimate._of_means("normal", 200, False, 300):
        assert found.passes, found


def test_the_simulation_sees_errors_that_are_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors of half the size: two equal means are called different in a third of the tries."""

    def halved(one: Spread, other: Spread) -> tuple[float, int]:
        error, freedom = standard_error_of_difference(one, other)
        return 0.5 * error, freedom

    monkeypatch.setattr(verdicts_estimate, "standard_error_of_difference", halved)
    equal, five, *_ = verdicts_estimate._of_means("normal", 200, False, 100)
    assert not equal.passes
    assert not five.passes


@pytest.mark.slow
def test_verdicts_hold_as_often_as_promised() -> None:
    failed = [str(found) for found in verdicts_estimate.verdicts() if not found.passes]
    assert failed == []
