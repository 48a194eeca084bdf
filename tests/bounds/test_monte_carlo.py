"""Bounds on Monte Carlo integration, against simulation of the estimator they are about."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from entbench import bounds


def test_formulas_written_out() -> None:
    n, m, d, s = 30, 4, 6, 0.3
    first = 2 * d * (2 + s**2) / s**2 / (n * m)
    assert bounds.monte_carlo_mse_theorem_7(n, m, d, s) == pytest.approx(first, rel=1e-12)
    c = 5.0
    second = 9 * d * s**2 + 8 * (2 + s * math.sqrt(d)) * c
    second += 3 * (11 * s * math.sqrt(d) + 1) * math.sqrt(c)
    value = bounds.monte_carlo_mse_theorem_7_moment(n, m, d, s, c)
    assert value == pytest.approx(second / s**2 / (n * m), rel=1e-12)
    assert bounds.monte_carlo_mse_bound(n, m, d) == pytest.approx(d / (n * m), rel=1e-12)
    assert bounds.monte_carlo_mse_control_variate(n, m, d, s) == d / (n * m)
    small = bounds.monte_carlo_mse_control_variate(n, m, d, s, 0.09)
    assert small == pytest.approx(1 / (n * m), rel=1e-12)
    assert bounds.monte_carlo_mse_control_variate(n, m, d, s, 1e9) == d / (n * m)


def test_sharp_bound_is_below_the_printed_ones() -> None:
    for d in (1, 10, 10_000):
        for s in (1e-6, 0.1, 1.0, 1e6):
            sharp = bounds.monte_carlo_mse_bound(3, 7, d)
            assert 2 * sharp <= bounds.monte_carlo_mse_theorem_7(3, 7, d, s)
            assert 9 * sharp <= bounds.monte_carlo_mse_theorem_7_moment(3, 7, d, s, 0.0) * 1.0001


@pytest.mark.parametrize("sigma", [0.05, 0.3, 1.0])
def test_simulated_error_is_below(sigma: float) -> None:
    """Five centres in one dimension, two draws each, 20,000 repeats."""
    centres = np.array([-0.9, -0.4, -0.35, 0.2, 0.8])
    n, m, repeats = len(centres), 2, 20_000

    def density(y: float) -> float:
        return float(norm.pdf(y, centres, sigma).mean())

    def spread(y: float) -> float:
        weights = norm.pdf(y, centres, sigma)
        mean = weights @ centres / weights.sum()
        return float(weights @ (centres - mean) ** 2) / n

    ends = (-0.9 - 9 * sigma, 0.8 + 9 * sigma)
    truth = quad(lambda y: -density(y) * math.log(density(y)), *ends, limit=400)[0]
    mmse = quad(spread, *ends, limit=400)[0]
    z = np.random.default_rng(0).standard_normal((repeats, n, m))
    y = centres[:, None] + sigma * z
    logs = np.log(norm.pdf(y[..., None], centres, sigma).mean(axis=-1))
    plain = float(((-logs.mean(axis=(1, 2)) - truth) ** 2).mean())
    varied = logs + 0.5 * (z**2 - 1)
    controlled = float(((-varied.mean(axis=(1, 2)) - truth) ** 2).mean())
    bound = bounds.monte_carlo_mse_bound(n, m, 1)
    assert 0.05 * bound < plain <= bound
    # a variance over 20,000 repeats is known to 4 sqrt(2/20,000) = 4 %
    assert controlled <= 1.04 * bounds.monte_carlo_mse_control_variate(n, m, 1, sigma, mmse)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="`n_mc` must be an integer >= 1; got 0"):
        bounds.monte_carlo_mse_bound(3, 0, 1)
    with pytest.raises(ValueError, match="`second_moment` must be a number >= 0"):
        bounds.monte_carlo_mse_theorem_7_moment(3, 1, 1, 1.0, -2.0)
    with pytest.raises(ValueError, match="`mmse` must be a number >= 0"):
        bounds.monte_carlo_mse_control_variate(3, 1, 1, 1.0, -2.0)
