"""Bounds against the theory's own numbers, against simulation, and at the ends of their range."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import comb, entr
from scipy.stats import binom, norm

from entbench import bounds
from entbench.bounds._capacity import AXIS_ERROR
from entbench.bounds._plug_in import _expected_count_entropy
from entbench.mixture import GaussianMixture
from entbench.sources import TruncatedMixture

I_BPSK = {
    0.1: 0.693147180560,
    0.25: 0.693053645483,
    0.5: 0.632720193737,
    0.75: 0.472486107417,
    1.0: 0.336830820347,
    1.5: 0.182894770706,
    2.0: 0.111421482185,
    3.0: 0.052671636863,
}


@pytest.mark.parametrize("sigma", I_BPSK)
def test_information_of_binary_signalling(sigma: float) -> None:
    assert bounds.pam_information(2, sigma) == pytest.approx(I_BPSK[sigma], abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3, 6, 9])
@pytest.mark.parametrize("sigma", [0.15, 0.6])
def test_information_of_pam_by_another_integral(k: int, sigma: float) -> None:
    """I = h(S+Z) - h(Z), with h(S+Z) by adaptive quadrature of the mixture."""
    points = np.linspace(-1, 1, k) if k > 1 else np.zeros(1)

    def integrand(y: float) -> float:
        q = float(norm.pdf(y, points, sigma).mean())
        return -q * math.log(q) if q > 0 else 0.0

    entropy = quad(
        integrand, -1 - 12 * sigma, 1 + 12 * sigma, points=points, limit=500, epsabs=1e-12
    )[0]
    expected = entropy - 0.5 * math.log(2 * math.pi * math.e * sigma**2)
    assert bounds.pam_information(k, sigma) == pytest.approx(expected, abs=1e-9)


def test_information_of_pam_at_its_ends() -> None:
    assert bounds.pam_information(50, 1e-4) == pytest.approx(math.log(50), abs=1e-12)
    assert bounds.pam_information(7, 1e4) == pytest.approx(0.0, abs=1e-8)
    assert bounds.pam_information(400, 0.05) <= 0.5 * math.log1p(0.05**-2)


@pytest.mark.parametrize(
    ("n", "dim", "sigma", "expected"),
    [
        (4 * 10**6, 3, 0.005, 9.88),
        (4 * 10**9, 3, 0.005, 0.382),
        (10**3, 5, 0.1, 56.6),
        (10**4, 5, 0.1, 20.9),
        (10**5, 5, 0.1, 7.6),
        (10**6, 5, 0.1, 2.74),
        (10**3, 10, 0.1, 9.3e3),
        (10**6, 10, 0.1, 528),
    ],
)
def test_theorem_4_values(n: int, dim: int, sigma: float, expected: float) -> None:
    assert bounds.plug_in_risk_theorem_4(n, dim, sigma) == pytest.approx(expected, rel=6e-3)


@pytest.mark.parametrize(
    ("dim", "n", "sigma"),
    [(1, 1.4e3, 0.1), (2, 6.4e3, 0.1), (3, 2.3e4, 0.1), (5, 7.1e5, 0.1), (10, 3.2e10, 0.1)]
    + [(1, 387, 0.5), (2, 1.5e3, 0.5), (3, 3.5e3, 0.5), (5, 1.1e4, 0.5), (10, 2.2e5, 0.5)],
)
def test_samples_for_a_risk_of_a_tenth(dim: int, n: float, sigma: float) -> None:
    assert bounds.plug_in_risk_bound(int(n), dim, sigma) == pytest.approx(0.1, rel=0.03)


def test_risk_bound_at_the_papers_setting() -> None:
    assert bounds.plug_in_risk_bound(4 * 10**6, 3, 0.005) == pytest.approx(0.72, abs=5e-3)
    assert bounds.plug_in_risk_bound(8_600_000, 3, 0.005) == pytest.approx(0.4, abs=5e-3)
    assert bounds.plug_in_risk_bound(4 * 10**9, 3, 0.005) == pytest.approx(0.0013, abs=5e-5)


@pytest.mark.parametrize(
    ("n", "dim", "expected"), [(100, 3, 0.79), (100, 5, 4.14), (10_000, 10, 8.28)]
)
def test_worst_case_bias_values(n: int, dim: int, expected: float) -> None:
    assert bounds.worst_case_bias_bound(n, dim, 0.1) == pytest.approx(expected, abs=6e-3)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 9), (5, 2), (24, 49), (60, 4)])
def test_expected_entropy_of_counts_term_by_term(n: int, m: int) -> None:
    expected = -m * sum(
        comb(n, j, exact=True) * m**-j * (1 - 1 / m) ** (n - j) * (j / n) * math.log(j / n)
        for j in range(1, n + 1)
    )
    assert _expected_count_entropy(n, math.log(m)) == pytest.approx(expected, abs=1e-12)


def test_witness_has_at_least_the_bias_that_is_claimed() -> None:
    """S uniform on k = 3 points, n = 2: the plug-in's mean against both sides of the bracket."""
    sigma, n, k = 0.1, 2, 3
    points = np.linspace(-1, 1, k)[:, None]
    information = bounds.pam_information(k, sigma)
    truth = information + 0.5 * math.log(2 * math.pi * math.e * sigma**2)
    rng = np.random.default_rng(0)
    values = [
        GaussianMixture(points[rng.integers(k, size=n)], sigma).entropy(1e-3, 10**6, rng).value
        for _ in range(400)
    ]
    bias = truth - np.mean(values)
    slack = 4.5 * np.std(values, ddof=1) / 20
    lower = information - _expected_count_entropy(n, math.log(k))
    assert bias >= lower - slack
    assert bias <= math.log1p((k - 1) / n) + slack
    assert bounds.worst_case_bias_bound(n, 1, sigma) >= lower - AXIS_ERROR


def test_bias_bounds_of_a_source() -> None:
    facts = TruncatedMixture(d=5).facts()
    information, chi_square = facts.mutual_information, facts.chi_square_information
    assert bounds.plug_in_bias_bounds(1, information, chi_square) == (information, information)
    lower, upper = bounds.plug_in_bias_bounds(1000, information, chi_square)
    assert (lower, upper) == (0.0, math.log1p(chi_square / 1000))
    assert bounds.plug_in_bias_bounds(10, information, math.inf)[1] == information


@pytest.mark.parametrize("dim", [1, 10, 10_000])
@pytest.mark.parametrize("sigma", [1e-3, 0.1, 1e3])
@pytest.mark.parametrize("n", [1, 1000, 10**18])
def test_extremes_do_not_overflow(n: int, dim: int, sigma: float) -> None:
    assert math.isfinite(bounds.plug_in_risk_bound(n, dim, sigma))
    assert bounds.plug_in_risk_theorem_4(n, dim, sigma) > 0
    assert math.isfinite(bounds.trivial_range(dim, sigma))


def test_more_samples_never_hurt() -> None:
    for bound in (bounds.plug_in_risk_bound, bounds.plug_in_risk_theorem_4):
        values = [bound(10**k, 5, 0.1) for k in range(1, 12)]
        assert values == sorted(values, reverse=True)
    worst = [bounds.worst_case_bias_bound(10**k, 5, 0.1) for k in range(5)]
    assert worst == sorted(worst, reverse=True)


def test_lower_bound_is_below_the_upper_one() -> None:
    for dim in (1, 3, 10):
        for n in (10, 1000, 100_000):
            lower = bounds.worst_case_bias_bound(n, dim, 0.2)
            assert lower <= bounds.plug_in_risk_bound(n, dim, 0.2)
            assert lower <= bounds.trivial_range(dim, 0.2)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="`n` must be an integer >= 1"):
        bounds.plug_in_risk_bound(0, 1, 0.1)
    with pytest.raises(ValueError, match="`sigma` must be"):
        bounds.trivial_range(1, -1.0)
    with pytest.raises(ValueError, match="`k` must be an integer >= 1"):
        bounds.pam_information(0, 0.1)


@pytest.mark.parametrize(("n", "k", "d"), [(1, 2, 1), (2, 3, 1), (5, 2, 2), (40, 3, 2)])
def test_uniform_values_bound_is_what_counting_gives(n: int, k: int, d: int) -> None:
    """E H(counts) by drawing; the bound is I less that, and at least I - log n."""
    rng = np.random.default_rng(n)
    entropies = []
    for _ in range(4000):
        shares = np.bincount(rng.integers(0, k**d, n)) / n
        shares = shares[shares > 0]
        entropies.append(-float(shares @ np.log(shares)))
    information = d * bounds.pam_information(k, 0.1)
    bound = bounds.uniform_values_bias_bound(n, information, d * math.log(k))
    expected = max(0.0, information - float(np.mean(entropies)))
    assert bound == pytest.approx(expected, abs=1e-9 + 4.5 * np.std(entropies) / math.sqrt(4000))
    assert bound >= max(0.0, information - math.log(n)) - 1e-12


def test_uniform_values_bound_over_grids_is_the_worst_case() -> None:
    """Maximised over grids with end points it is the worst-case bound, by another function."""
    for n in (10, 1000):
        found = max(
            bounds.uniform_values_bias_bound(n, 3 * bounds.pam_information(k, 0.1), 3 * math.log(k))
            for k in range(2, 60)
        )
        # what the quadrature of three axes may be off by is taken off
        off = 3 * AXIS_ERROR
        assert found - off == pytest.approx(bounds.worst_case_bias_bound(n, 3, 0.1), abs=1e-12)


@pytest.mark.parametrize(
    ("n", "values"),
    [(12, 1024), (12, 2), (300, 1024), (1000, 50), (2, 9), (18, 243), (1000, 2), (3000, 3)],
)
def test_scatter_of_the_entropy_of_counts(n: int, values: int) -> None:
    """Against 20,000 draws: to 4 standard errors of a deviation (2 %), 10 % for small n.

    Few values have sqrt(m/(m - 1)) less.
    """
    rng = np.random.default_rng(n)
    counts = rng.multinomial(n, np.full(values, 1 / values), 20_000)
    shares = counts / n
    logs = np.log(np.where(counts > 0, shares, 1.0))
    seen = float((-(shares * logs).sum(axis=1)).std())
    expected = bounds.count_entropy_deviation(n, math.log(values)) * math.sqrt(1 - 1 / values)
    assert seen == pytest.approx(expected, rel=0.1 + 1 / n)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
@pytest.mark.parametrize("n", [2, 10, 100])
def test_concentration_holds_for_two_far_atoms(n: int, share: float) -> None:
    """The plug-in of two atoms that noise cannot confuse is the entropy of their counts, exactly.

    Its moment generating function is below that of N(mean, v^2) at every argument.
    """
    counts = np.arange(n + 1)
    weights = binom.pmf(counts, n, share)
    entropies = entr(counts / n) + entr(1.0 - counts / n)
    away = entropies - weights @ entropies
    v = bounds.plug_in_concentration(n)
    for t in np.linspace(-30.0, 30.0, 61) / v:
        assert np.log(weights @ np.exp(t * away)) <= 0.5 * (t * v) ** 2 + 1e-12


def test_concentration_at_its_ends() -> None:
    assert bounds.plug_in_concentration(1) == 0.0
    assert bounds.plug_in_concentration(100, 0.0) == 0.0
    assert bounds.plug_in_concentration(100, 0.1) == pytest.approx(0.005 / 20.0)
    for n in (10, 10**4, 10**15):
        most = 0.5 * (1.0 + math.log(n)) / math.sqrt(n) * (1.0 + 1e-12)
        assert 0.9 * most < bounds.plug_in_concentration(n) <= most


def test_scatter_of_counts_at_its_ends() -> None:
    assert bounds.count_entropy_deviation(10, 0.0) == 0.0
    assert 0 <= bounds.count_entropy_deviation(10**6, 500.0) < 1e-90
    # chi-square of m - 1 degrees of freedom over 2n
    for n in (10**7, 10**15):
        value = bounds.count_entropy_deviation(n, math.log(100))
        assert value == pytest.approx(math.sqrt(100 / 2) / n, rel=1e-3)
