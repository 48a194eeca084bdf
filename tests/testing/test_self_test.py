"""The self-test passes on numbers that are right, and on no others."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import digamma, logsumexp

from entbench.testing import _self_test


@pytest.mark.parametrize("case", _self_test.CASES, ids=lambda case: case.name)
def test_known_errors_are_those_of_draws(case: _self_test.Case) -> None:
    """Over 40 of the 200 seeds; asked is 4 standard errors of the mean, and a third of the spread.

    The standard deviation of 40 draws is off by 11 %, so a third is 3 standard errors; the seeds
    are fixed.
    """
    errors = np.array([case.error(seed) for seed in _self_test.KNOWN_SEEDS[:40]])
    assert abs(errors.mean() - case.mean) <= 4 * case.deviation / math.sqrt(40)
    assert errors.std(ddof=1) == pytest.approx(case.deviation, rel=1 / 3)


def test_an_error_that_is_not_usual_is_wrong() -> None:
    """By twice what is allowed: an error of 0.02 nats in `sp`, a factor of 2 in `kl`."""
    for case, off in ((_self_test.SP, 0.02), (_self_test.KL, math.log(2.0))):
        assert case.find().mark == "ok"
        shifted = replace(case, error=lambda seed, case=case, off=off: case.error(seed) + off)
        assert shifted.find().mark == "wrong"


def test_known_values_by_their_formulas() -> None:
    points = _self_test.fixed_points()
    n, apart = len(points), cdist(points, points)
    np.fill_diagonal(apart, np.inf)
    radii = np.sort(apart, axis=1)[:, 3]
    kl = digamma(n) - digamma(4) + math.log(math.pi) + 2.0 * np.log(radii).mean()
    assert _self_test.KNOWN["kl"] == pytest.approx(kl, rel=1e-12)
    powers = -(apart**2) / (2.0 * 0.1**2)
    kde = math.log(n - 1) + math.log(2.0 * math.pi * 0.01) - logsumexp(powers, axis=1).mean()
    assert _self_test.KNOWN["kde"] == pytest.approx(kde, rel=1e-10)
    np.fill_diagonal(powers, 0.0)
    upper = math.log(2.0 * math.pi * math.e * 0.01) + math.log(n)
    upper -= logsumexp(powers, axis=1).mean()
    assert _self_test.KNOWN["kt-upper"] == pytest.approx(upper, rel=1e-10)
    covariance = np.cov(points, rowvar=False)
    gaussian = 0.5 * np.linalg.slogdet(2.0 * math.pi * math.e * covariance)[1]
    assert _self_test.KNOWN["gaussian"] == pytest.approx(gaussian, rel=1e-12)


def test_another_value_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    values = _self_test.neighbour_values()
    assert _self_test._find_known(values).mark == "ok"
    monkeypatch.setitem(_self_test.KNOWN, "ksg1", values["ksg1"] + 1e-9)
    assert _self_test._find_known(values).mark == "wrong"


def test_single_precision_is_what_is_compared() -> None:
    """Else the lines that say so would compare double precision twice."""
    off = {found.what: float(found.found.split()[2]) for found in _self_test._find_kernel_sums()}
    assert off["kernel sums, dense, single"] > 1e-9
    assert off["kernel sums, pruned, single"] > 1e-9
    assert off["kernel sums, dense, double"] < 1e-12


def test_rates_below_a_third_are_slow() -> None:
    rate = _self_test.Rate("what", "things", 30.0)
    assert rate.find(10.1).mark == "ok"
    slow = rate.find(9.9)
    assert slow.mark == "warning"
    assert slow.found == "9.9 things a second; 30 is usual, slow"
    assert slow.advice
