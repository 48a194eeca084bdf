"""Lower bounds for every estimator, and the capacities that they rest on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from entbench import bounds
from entbench.bounds._minimax import _equivocation, _two_point_bound


@pytest.mark.parametrize(
    ("n", "dim", "sigma", "expected"),
    [(10, 10, 0.1, 5.135), (100, 10, 0.1, 3.02), (1000, 10, 0.1, 1.12), (1000, 20, 0.1, 8.96)]
    + [(10, 5, 0.1, 1.34), (100, 5, 0.1, 0.007), (10, 10, 0.5, 0.48), (100, 10, 0.5, 0.0)],
)
def test_minimax_values(n: int, dim: int, sigma: float, expected: float) -> None:
    assert bounds.minimax_risk_bound(n, dim, sigma) == pytest.approx(expected, abs=5e-3)


@pytest.mark.parametrize(("n", "m", "hidden"), [(2, 2, 0.0), (2, 9, 0.3), (5, 243, 0.1), (1, 7, 1)])
def test_best_subset_by_brute_force(n: int, m: int, hidden: float) -> None:
    values = [
        0.5 * max(0, math.log(m / j) - hidden) * max(0, 1 - n * (n - 1) / (2 * j))
        for j in range(1, m + 1)
    ]
    log_pairs = math.log(n * (n - 1) / 2) if n > 1 else -math.inf
    found = _two_point_bound(math.log(m), hidden, log_pairs)
    assert found == pytest.approx(max(values), abs=1e-14)


def test_best_subset_of_a_grid_too_large_to_count() -> None:
    log_m, hidden, log_pairs = 800.0, 3.0, 60.0
    b = np.linspace(hidden, log_m - log_pairs, 400_001)[1:-1]
    values = 0.5 * (b - hidden) * -np.expm1(b + log_pairs - log_m)
    found = _two_point_bound(log_m, hidden, log_pairs)
    assert found == pytest.approx(values.max(), rel=1e-7)  # steps of 0.002, second order


def test_minimax_bound_is_obeyed_by_a_game() -> None:
    """Nobody can tell a grid from a random part of it by less than the bound, in one dimension.

    Without noise and with samples that differ, the best guess is the middle: it errs by half of
    the difference of the entropies, whichever was drawn, times the chance to see no collision.
    """
    k, n, sigma = 40, 3, 1e-3
    bound = bounds.minimax_risk_bound(n, 1, sigma)
    best = 0.0
    for j in range(1, k):
        distinct = math.prod(1 - i / j for i in range(n))
        best = max(best, 0.5 * math.log(k / j) * max(distinct, 0.0))
    exact_at_this_k = _two_point_bound(math.log(k), _equivocation(k, sigma), math.log(3))
    assert 0.0 < exact_at_this_k <= best
    assert bound >= exact_at_this_k


def test_fano_is_above_the_exact_equivocation() -> None:
    for k, sigma in [(201, 0.002), (201, 0.004), (300, 0.001)]:
        exact = math.log(k) - bounds.pam_information(k, sigma)
        assert exact - 1e-12 <= _equivocation(k, sigma) <= math.log(k)


@pytest.mark.parametrize(
    ("sigma", "lower", "upper"),
    [(0.05, 3.403, 3.417), (0.1, 2.524, 2.546), (0.2, 1.740, 1.774)]
    + [(0.5, 0.913, 0.977), (1.0, 0.486, 0.500)],
)
def test_capacity_brackets(sigma: float, lower: float, upper: float) -> None:
    assert bounds.theorem_2_exponent_bounds(sigma) == pytest.approx((lower, upper), abs=5e-4)
    nats = bounds.peak_limited_capacity_bounds(sigma)
    assert nats == pytest.approx((lower * math.log(2), upper * math.log(2)), abs=5e-4)


def test_capacity_bracket_closes_as_noise_vanishes() -> None:
    for sigma in (1e-4, 1e-6):
        lower, upper = bounds.peak_limited_capacity_bounds(sigma)
        assert lower <= upper <= lower + 3 * sigma
        # S uniform on [-1, 1]: log 2 - h(Z)
        uniform = math.log(2) - 0.5 * math.log(2 * math.pi * math.e * sigma**2)
        assert lower == pytest.approx(uniform, abs=1e-6)
    gammas = [bounds.theorem_2_exponent_bounds(sigma) for sigma in (0.05, 0.1, 0.3, 1, 10, 1e3)]
    assert gammas == sorted(gammas, reverse=True)


def test_power_limited_capacity() -> None:
    assert bounds.power_limited_capacity(3, 0.5, 2.0) == pytest.approx(1.5 * math.log(9))
    assert bounds.power_limited_capacity(7, 0.1) == bounds.trivial_range(7, 0.1)
    assert bounds.power_limited_capacity(1, 1e8) == pytest.approx(0.5e-16, rel=1e-12)
    assert bounds.is_vacuous(12.0, 5, 0.1)
    assert not bounds.is_vacuous(11.0, 5, 0.1)  # the range is 11.54
    assert bounds.is_vacuous(math.inf, 5, 0.1)


@pytest.mark.parametrize(
    ("sigma", "expected", "rel"),
    [(0.1, 4e-22, 0.05), (0.2, 4.6e-6, 0.01), (0.3, 3.8e-3, 0.02), (0.5, 0.109, 0.01)],
)
def test_theorem_3_gap(sigma: float, expected: float, rel: float) -> None:
    assert bounds.theorem_3_gap(1, sigma) == pytest.approx(expected, rel=rel)
    p = norm.sf(1 / sigma)
    exact = -p * norm.logsf(1 / sigma) - (1 - p) * math.log1p(-p)
    assert bounds.theorem_3_gap(6, sigma) == pytest.approx(6 * exact, rel=1e-12)
    # sign decisions lose information: the gap is above what the noise really hides
    assert bounds.theorem_3_gap(1, sigma) >= math.log(2) - bounds.pam_information(2, sigma) - 1e-15


def test_theorem_3_rate() -> None:
    value = bounds.theorem_3_log_rate(10, 0.5, 0.1)
    gap = bounds.theorem_3_gap(10, 0.5)
    assert value == pytest.approx(math.log(2**10 / ((0.1 + gap) * 10)), rel=1e-12)
    assert bounds.theorem_3_gap(5, 1e-6) == 0.0
    with pytest.raises(ValueError, match="`eta` must be"):
        bounds.theorem_3_log_rate(10, 0.5, 0.0)


@pytest.mark.parametrize(("n", "dim", "sigma"), [(10, 10, 0.1), (100, 10, 0.1), (10, 8, 0.5)])
def test_the_bound_is_the_best_of_its_pairs(n: int, dim: int, sigma: float) -> None:
    best = max(
        bounds.two_point_risk_bound(n, dim, sigma, k, points)
        for k in range(2, 12)
        for points in np.unique(np.geomspace(1, 1e6, 4000).astype(int))
    )
    assert best == pytest.approx(bounds.minimax_risk_bound(n, dim, sigma), rel=1e-3)
    assert best <= bounds.minimax_risk_bound(n, dim, sigma) + 1e-9


def test_pairs_that_repeats_tell_apart_say_nothing() -> None:
    assert bounds.two_point_risk_bound(16, 10, 0.1, 8, 100) == 0.0
    assert bounds.two_point_risk_bound(2, 1, 0.1, 2, 3) == 0.0  # more points than the grid has
    with pytest.raises(ValueError, match="`k`"):
        bounds.two_point_risk_bound(10, 10, 0.1, 1, 100)
