"""The mixture's entropy: value against quadrature, standard error against repeats."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from entbench.mixture import GaussianMixture, gaussian_entropy

BUDGET = 10_000_000


def entropy_by_quadrature(centres: list[float], sigma: float) -> float:
    def integrand(x: float) -> float:
        q = float(norm.pdf(x, centres, sigma).mean())
        return -q * math.log(q) if q > 0.0 else 0.0

    low, high = min(centres) - 12 * sigma, max(centres) + 12 * sigma
    return quad(integrand, low, high, points=sorted(set(centres)), limit=500, epsabs=1e-12)[0]


@pytest.mark.parametrize(
    ("centres", "sigma"),
    [([0.0], 0.7), ([-1.0, 1.0], 0.1), ([-1.0, 1.0], 0.8), ([0.0, 0.1, 0.15, 2.0], 0.3)],
)
def test_one_dimension_agrees_with_quadrature(centres: list[float], sigma: float) -> None:
    expected = entropy_by_quadrature(centres, sigma)
    result = GaussianMixture(np.array(centres)[:, None], sigma).entropy(
        5e-4, BUDGET, np.random.default_rng(0)
    )
    assert result.converged
    # 4.5 standard errors: false alarm 7e-6 a case
    assert result.value == pytest.approx(expected, abs=4.5 * result.standard_error + 1e-9)


@pytest.mark.parametrize("dim", [1, 2, 50, 1000])
@pytest.mark.parametrize("sigma", [1e-6, 1.0, 1e6])
def test_one_centre_is_exact(dim: int, sigma: float) -> None:
    mixture = GaussianMixture(np.full((1, dim), 3.0), sigma)
    result = mixture.entropy(1e-3, 1000, np.random.default_rng(0))
    assert result.value == pytest.approx(gaussian_entropy(dim, sigma), rel=1e-9, abs=1e-4)
    assert result.standard_error < 1e-4


def test_separated_centres_reach_the_ceiling_with_no_error_to_speak_of() -> None:
    """Far apart: h = log n + h(Z), where plain Monte Carlo would have variance dim/2."""
    centres = 100.0 * np.arange(500.0)[:, None]
    result = GaussianMixture(centres, 1.0).entropy(1e-3, BUDGET, np.random.default_rng(0))
    assert result.value == pytest.approx(math.log(500) + gaussian_entropy(1, 1.0), abs=1e-6)
    assert result.standard_error < 1e-6


@pytest.mark.parametrize(("n", "tolerance"), [(3, 4e-3), (200, 4e-3), (5000, 2e-2)])
def test_standard_error_is_honest(n: int, tolerance: float) -> None:
    """Scatter over 60 seeds against the error stated.

    n = 3 makes many passes, n = 200 a few, n = 5000 a part of one. The ratio of scatter to stated
    error over 60 seeds lies within [0.65, 1.4] but with probability 1e-4 (chi-square, 59 degrees).
    """
    centres = np.random.default_rng(0).standard_normal((n, 2))
    mixture = GaussianMixture(centres, 0.5)
    results = [
        mixture.entropy(tolerance, BUDGET, np.random.default_rng(seed)) for seed in range(60)
    ]
    scatter = np.std([result.value for result in results], ddof=1)
    stated = np.sqrt(np.mean([result.standard_error**2 for result in results]))
    assert 0.65 < scatter / stated < 1.4
    assert all(result.converged and result.standard_error <= tolerance for result in results)


def test_budget_is_kept_and_admitted() -> None:
    centres = np.random.default_rng(0).standard_normal((2000, 5))
    result = GaussianMixture(centres, 0.5).entropy(1e-5, 3000, np.random.default_rng(0))
    assert not result.converged
    assert result.standard_error > 1e-5
    assert result.n_draws <= 3000


def test_mean_square_error_is_below_the_theorem() -> None:
    """Variance per draw <= dim (theory: mmse(C|C+Z)/sigma^2 <= dim), far below without overlap."""
    rng = np.random.default_rng(0)
    for dim in (2, 10):
        centres = rng.uniform(-1, 1, (500, dim))
        for sigma in (0.05, 0.5):
            result = GaussianMixture(centres, sigma).entropy(1e-2, BUDGET, rng)
            assert result.standard_error**2 * result.n_draws <= dim


def test_same_seed_same_bits_whatever_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    centres = np.random.default_rng(0).standard_normal((5000, 3))
    results = []
    for threads in (1, 2):
        monkeypatch.setattr("entbench.mixture._mixture._threads", lambda count=threads: count)
        mixture = GaussianMixture(centres, 0.3)
        results.append(mixture.entropy(1e-2, BUDGET, np.random.default_rng(5)))
    assert results[0] == results[1]
