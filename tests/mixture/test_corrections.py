"""Leave-one-out, Miller-Madow and jackknife of the mixture's entropy, against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import norm

from entbench.mixture import GaussianMixture, MixtureEntropy, Statistic
from entbench.mixture._kernel import _LARGE_SHARE

BUDGET = 10_000_000
CENTRES = np.array([-1.0, -0.9, 0.2, 0.2, 1.5, 4.0])
SIGMA = 0.3


def integral(f: object, centres: NDArray) -> float:
    low, high = centres.min() - 12 * SIGMA, centres.max() + 12 * SIGMA
    return quad(f, low, high, points=sorted(set(centres)), limit=500, epsabs=1e-12)[0]


def entropy(centres: NDArray) -> float:
    def integrand(x: float) -> float:
        q = float(norm.pdf(x, centres, SIGMA).mean())
        return -q * math.log(q) if q > 0 else 0.0

    return integral(integrand, centres)


def definition(statistic: Statistic) -> float:
    n = len(CENTRES)
    if statistic == "plug-in":
        return entropy(CENTRES)
    if statistic == "jackknife":
        left_out = [entropy(np.delete(CENTRES, i)) for i in range(n)]
        return n * entropy(CENTRES) - (n - 1) * float(np.mean(left_out))
    if statistic == "miller-madow":

        def shares(x: float) -> float:
            kernels = norm.pdf(x, CENTRES, SIGMA)
            return float((kernels**2).sum() / kernels.sum()) if kernels.sum() > 0 else 0.0

        return entropy(CENTRES) + (integral(shares, CENTRES) - 1) / (2 * n)

    def cross_entropy(x: float) -> float:
        kernels = norm.logpdf(x, CENTRES, SIGMA)
        total = 0.0
        for j in range(n):
            others = np.delete(kernels, j)
            log_q = np.logaddexp.reduce(others) - math.log(n - 1)
            total -= math.exp(kernels[j]) * log_q
        return total / n

    return integral(cross_entropy, CENTRES)


def integrate(statistic: Statistic, tolerance: float = 1e-3) -> MixtureEntropy:
    mixture = GaussianMixture(CENTRES[:, None], SIGMA)
    return mixture.entropy(tolerance, BUDGET, np.random.default_rng(0), statistic)


@pytest.mark.parametrize("statistic", ["plug-in", "leave-one-out", "miller-madow", "jackknife"])
def test_agrees_with_its_definition_by_quadrature(statistic: Statistic) -> None:
    """4.5 standard errors: false alarm 7e-6 a case. Repeated and lonely centres are among them."""
    tolerance = 2e-2 if statistic == "leave-one-out" else 1e-3
    found = integrate(statistic, tolerance)
    assert found.converged
    slack = 4.5 * found.standard_error + _LARGE_SHARE**4 / 4
    assert found.value == pytest.approx(definition(statistic), abs=slack)


def test_companions_come_with_every_statistic() -> None:
    """Same draws, same companions; N_eff against quadrature."""
    results = [integrate(s, 5e-2) for s in ("plug-in", "miller-madow", "jackknife")]
    assert {r.plug_in for r in results} == {results[0].value}
    n = len(CENTRES)
    effective = 2 * n * (definition("miller-madow") - definition("plug-in")) + 1
    found = integrate("plug-in", 1e-3)
    assert found.effective_components == pytest.approx(effective, abs=0.02)
    assert found.plug_in <= found.leave_one_out


@pytest.mark.parametrize("n", [2, 100, 700])
@pytest.mark.parametrize("sigma", [0.01, 0.3, 3.0])
def test_removal_sum_agrees_with_all_pairs(n: int, sigma: float) -> None:
    """The series with its exact large shares, draw by draw, against log1p over all pairs."""
    rng = np.random.default_rng(n)
    centres = rng.choice([-1.0, 1.0], (n, 2)) + 0.05 * rng.standard_normal((n, 2))
    mixture = GaussianMixture(centres, sigma)
    noise = rng.standard_normal((n, 2)) / math.sqrt(2 * math.log(2))
    own = (noise**2).sum(axis=1)
    removals = np.empty(n)
    place = mixture._tiles("double").place
    queries = mixture._scaled + noise
    others = mixture._log2_sums(queries, "double", place, own, removals)
    plain = mixture._log2_sums(queries, "double", place)
    assert others == pytest.approx(plain, rel=1e-12, abs=1e-12)
    squares = ((queries[:, None] - mixture._scaled[None]) ** 2).sum(axis=2)
    shares = np.exp2(-squares + squares.min(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    np.fill_diagonal(shares, 0.0)
    expected = np.log1p(-shares).sum(axis=1)
    assert removals == pytest.approx(expected, abs=_LARGE_SHARE**4 / 4 + 1e-9)


def test_one_centre_needs_no_correction() -> None:
    mixture = GaussianMixture([[0.0]], 1.0)
    for statistic in ("plug-in", "miller-madow", "jackknife"):
        found = mixture.entropy(1e-3, 1000, np.random.default_rng(0), statistic)
        assert found.value == pytest.approx(0.5 * math.log(2 * math.pi * math.e), abs=1e-6)
        assert found.effective_components == pytest.approx(1.0)


def test_unknown_statistic_is_refused() -> None:
    with pytest.raises(ValueError, match="`statistic` must be one of 'plug-in', 'leave-one-out'"):
        GaussianMixture([[0.0]], 1.0).entropy(1.0, 10, np.random.default_rng(0), "bootstrap")  # type: ignore[arg-type]
