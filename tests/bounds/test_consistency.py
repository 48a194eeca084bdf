"""Lower bounds are below upper ones, and no setting overflows, warns or gives NaN."""

from __future__ import annotations

import contextlib
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entbench import bounds
from entbench.bounds import _capacity, _minimax, _plug_in
from entbench.bounds._arguments import beyond_rounding
from entbench.bounds._capacity import AXIS_ERROR
from entbench.bounds._plug_in import _expected_count_entropy

# few noise levels, since the information of a grid is a quadrature for each
DIMS = (1, 2, 3, 5, 10, 30, 1000)
SIZES = (1, 2, 5, 100, 10**4, 10**7, 10**12)
LEVELS = (0.07, 0.2, 0.6, 3.0, 40.0)

samples = st.integers(0, 60).map(lambda e: 2**e) | st.integers(1, 10**18)
dims = st.integers(1, 10**4)
noise = st.floats(-6, 6).map(lambda e: 10.0**e)
norms = st.floats(-6, 6).map(lambda e: 10.0**e)


@pytest.mark.parametrize("dim", DIMS)
def test_lower_bounds_are_below_upper_ones(dim: int) -> None:
    """Over 245 settings."""
    for n, sigma in itertools.product(SIZES, LEVELS):
        upper = min(
            bounds.plug_in_risk_bound(n, dim, sigma),
            bounds.plug_in_risk_theorem_4(n, dim, sigma),
        )
        length = bounds.trivial_range(dim, sigma)
        bias = bounds.worst_case_bias_bound(n, dim, sigma)
        by_theorem_6 = bounds.theorem_6_bias_bound(n, dim, sigma, grid="end points")
        anyone = bounds.minimax_risk_bound(n, dim, sigma)
        chi_square = bounds.cube_chi_square_information(dim, sigma)
        kl = bounds.smoothed_kl_bound(n, chi_square)
        # 1e-12: some thousand roundings of 2^-53, relative
        assert max(bias, by_theorem_6) <= min(upper, kl, length) * (1 + 1e-12)
        # a guess at the middle of the range errs by half of it at most
        assert anyone <= min(upper, 0.5 * length) * (1 + 1e-12)
        # the witness is a product law of mean 0 in the cube, so it is 1-subgaussian
        assert bias <= bounds.subgaussian_risk_bound(n, dim, sigma, 1.0) * (1 + 1e-12)
        assert by_theorem_6 <= bias + 2 * AXIS_ERROR * dim  # which was taken off, and may be off


@given(samples, dims, noise, norms)
@settings(max_examples=200, deadline=None)
def test_upper_bounds_everywhere(n: int, dim: int, sigma: float, norm: float) -> None:
    values = [
        bounds.trivial_range(dim, sigma),
        bounds.power_limited_capacity(dim, sigma, norm),
        bounds.plug_in_risk_bound(n, dim, sigma),
        bounds.plug_in_risk_theorem_4(n, dim, sigma),
        bounds.cross_entropy_deviation(dim, sigma),
        bounds.cube_chi_square_information(dim, sigma),
        bounds.cube_l1_bound(n, dim, sigma),
        bounds.subgaussian_l1_bound(n, dim, sigma, norm),
        bounds.subgaussian_wasserstein_bound(n, dim, sigma, norm),
        bounds.subgaussian_risk_bound(n, dim, sigma, norm),
        bounds.gaussian_chi_square_information(dim, sigma, norm),
        bounds.information_risk_bound(n, dim, sigma),
        bounds.monte_carlo_mse_theorem_7(n, n, dim, sigma),
        bounds.monte_carlo_mse_theorem_7_moment(n, n, dim, sigma, norm),
        bounds.wasserstein_shift_bound(norm, dim, sigma, norm),
        bounds.smoothed_wasserstein_2_exponent(sigma, norm),
    ]
    assert all(value > 0 for value in values), values  # NaN is not
    if norm < sigma / 2:
        assert bounds.subgaussian_chi_square_information(dim, sigma, norm) >= 0
        assert 0 <= bounds.subgaussian_bias_bound(n, dim, sigma, norm) < math.inf


@given(samples, dims, noise, norms)
@settings(max_examples=100, deadline=None)
def test_printed_bounds_everywhere(n: int, dim: int, sigma: float, norm: float) -> None:
    """A number, or the line that says that n is too small; never NaN, never a warning."""
    calls = [
        lambda: bounds.plug_in_risk_theorem_4_printed(n, dim, sigma),
        lambda: bounds.plug_in_risk_theorem_4_printed(n, dim, sigma, tail="cauchy-schwarz"),
        lambda: bounds.plug_in_risk_theorem_4_printed(n, dim, sigma, 0.5, "none"),
        lambda: bounds.plug_in_risk_theorem_5(n, dim, sigma, norm),
    ]
    for call in calls:
        with contextlib.suppress(ValueError):  # n too small, as its own test has it
            assert call() >= 0  # 0: without a tail, below the floating range


@given(samples, dims, noise, st.floats(0.001, 0.999))
@settings(max_examples=100, deadline=None)
def test_theorem_6_everywhere(n: int, dim: int, sigma: float, share: float) -> None:
    for grid in ("centres", "end points"):
        best = bounds.theorem_6_bias_bound(n, dim, sigma, grid=grid)
        assert -math.log(n) <= best <= bounds.trivial_range(dim, sigma)
        smallest = bounds.theorem_6_smallest_epsilon(dim, sigma, grid)
        epsilon = smallest + (1 - smallest) * share
        if smallest < epsilon < 1:
            value = bounds.theorem_6_bias_bound(n, dim, sigma, epsilon, grid)
            assert value <= best + 1e-9 * max(1.0, abs(best))
    assert 0 <= bounds.theorem_3_gap(dim, sigma) <= dim * math.log(2) * (1 + 1e-12)


@given(samples, dims, st.sampled_from([1e-6, 0.3, 1e6]))
@settings(max_examples=40, deadline=None)
def test_lower_bounds_everywhere(n: int, dim: int, sigma: float) -> None:
    length = bounds.trivial_range(dim, sigma)
    assert 0 <= bounds.worst_case_bias_bound(n, dim, sigma) <= length
    assert 0 <= bounds.minimax_risk_bound(n, dim, sigma) <= length


def test_more_samples_never_make_a_bound_worse() -> None:
    sizes = [10**e for e in range(1, 19)]
    for bound in (
        lambda n: bounds.information_risk_bound(n, 4, 0.2),
        lambda n: bounds.subgaussian_risk_bound(n, 4, 0.2, 0.5),
        lambda n: bounds.subgaussian_bias_bound(n, 4, 0.2, 0.05),
        lambda n: bounds.theorem_6_bias_bound(n, 4, 0.2),
        lambda n: bounds.minimax_risk_bound(n, 12, 0.2),
        lambda n: bounds.worst_case_bias_bound(n, 12, 0.2),
    ):
        values = [bound(n) for n in sizes]
        assert values == sorted(values, reverse=True)


def test_less_noise_never_makes_estimation_easier() -> None:
    levels = [2.0, 1.0, 0.5, 0.2]
    for bound in (
        lambda sigma: bounds.plug_in_risk_bound(1000, 4, sigma),
        lambda sigma: bounds.theorem_6_bias_bound(10, 4, sigma),
        lambda sigma: bounds.minimax_risk_bound(5, 4, sigma),
        lambda sigma: bounds.trivial_range(4, sigma),
        lambda sigma: bounds.wasserstein_entropy_shift(0.1, 4, sigma),
        lambda sigma: bounds.subgaussian_risk_bound(1000, 4, sigma, 1.0),
    ):
        values = [bound(sigma) for sigma in levels]
        assert values == sorted(values)


@pytest.mark.parametrize(("n", "m"), [(10**6, 50), (3 * 10**7, 25), (10**8, 60), (10**15, 10**10)])
def test_entropy_of_large_counts(n: int, m: int) -> None:
    """The sum, its expansion for large counts, and the same expansion to second order agree."""
    expected = math.log(m) - (m - 1) / (2 * n) - (m * m - 1) / (12 * n * n)
    # the next term of the expansion is (m/n)^3/12 or so
    assert _expected_count_entropy(n, math.log(m)) == pytest.approx(
        expected, abs=(m / n) ** 3 + 1e-12
    )


@pytest.mark.parametrize("n", [10**9, 10**18])
def test_entropy_of_rare_counts(n: int) -> None:
    """With n/m small, B is Poisson: E log(1 + B) by its series."""
    for mean in (0.01, 1.0, 30.0):
        j = np.arange(1, 200)
        log_factorial = np.cumsum(np.log(j))
        poisson = np.exp(j * math.log(mean) - mean - log_factorial)
        expected = math.log(n) - float(poisson @ np.log1p(j))
        found = _expected_count_entropy(n, math.log(n / mean))
        # the Poisson limit is mean^2/n away, and n - 1 draws have a mean of mean/n less
        assert found == pytest.approx(expected, abs=1e-12 + 2 * (mean + mean**2) / n)


@pytest.mark.parametrize("sigma", [1e-31, 1e31])
def test_scales_beyond_floats_are_refused(sigma: float) -> None:
    for call in (
        lambda: bounds.plug_in_risk_bound(10, 2, sigma),
        lambda: bounds.peak_limited_capacity_bounds(sigma),
        lambda: bounds.theorem_6_bias_bound(10, 2, sigma),
        lambda: bounds.wasserstein_entropy_shift(0.1, 2, sigma),
    ):
        with pytest.raises(ValueError, match=r"`sigma` must be in \[1e-30, 1e\+30\]; got 1e"):
            call()
    with pytest.raises(ValueError, match=r"`K` must be in \[1e-30, 1e\+30\]; got 1e"):
        bounds.subgaussian_risk_bound(10, 2, 1.0, sigma)


@pytest.mark.parametrize("sigma", [1e-30, 1e30])
@pytest.mark.parametrize("dim", [1, 10_000])
def test_scales_at_the_end_of_the_range(sigma: float, dim: int) -> None:
    assert bounds.plug_in_risk_theorem_5(10**18, dim, 1e-30, 1e30) > 0
    assert bounds.plug_in_risk_bound(10, dim, sigma) > 0
    assert bounds.plug_in_risk_theorem_4(10, dim, sigma) > 0
    lower, upper = bounds.peak_limited_capacity_bounds(sigma)
    assert 0 <= lower <= upper * (1 + 1e-12)
    assert bounds.minimax_risk_bound(10, dim, sigma) <= bounds.plug_in_risk_bound(10, dim, sigma)


@pytest.mark.parametrize("off", [0.0, 0.9, -0.9])
def test_lower_bounds_stay_below_upper_ones_however_the_quadrature_rounds(
    off: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the information of a grid wrong by nine tenths of what it may be off by.

    From sigma = 1e5 on that is more than the information itself.
    """
    exact = bounds.pam_information

    def rounded(k: int, sigma: float) -> float:
        return max(0.0, exact(k, sigma) + off * AXIS_ERROR)

    for module in (_capacity, _minimax, _plug_in):
        monkeypatch.setattr(module, "pam_information", rounded)
    for sigma in (0.2, *10.0 ** np.arange(31)):
        lower, upper = bounds.peak_limited_capacity_bounds(sigma)
        assert 0 <= lower <= upper * (1 + 1e-12)
        for n, dim in itertools.product((1, 2, 10**6), (1, 3, 1000)):
            length = bounds.trivial_range(dim, sigma) * (1 + 1e-12)
            assert 0 <= bounds.worst_case_bias_bound(n, dim, sigma) <= length
            assert 0 <= bounds.minimax_risk_bound(n, dim, sigma) <= 0.5 * length


def test_information_is_never_negative() -> None:
    for k, sigma in itertools.product((2, 3, 7), (1e3, 1e7, 1e8, 1e30)):
        assert bounds.pam_information(k, sigma) >= 0


@pytest.mark.parametrize("m", [2, 3, 10, 1000, 7**12])
def test_differences_below_rounding_are_zero(m: int) -> None:
    """Log m is another float for every way to compute it; of m values, m samples tell it all."""
    for up in (-math.inf, math.inf):
        log_m = float(math.log(m))
        for _ in range(3):
            log_m = math.nextafter(log_m, up)
        assert bounds.fano_bias_bound(m, log_m, 0.0) == 0
        assert bounds.plug_in_bias_bounds(m, log_m, math.inf)[0] == 0
        # so many samples know the law: what is left, (m - 1)/2n, is below rounding
        assert bounds.uniform_values_bias_bound(10**18, log_m, math.log(m)) == 0 or m > 10**6
    assert bounds.fano_bias_bound(m, math.log(m) * (1 + 1e-12), 0.0) > 0
    assert beyond_rounding(1e-15, 0.5, -0.5) == 1e-15  # more than 2^-50
    assert beyond_rounding(-4e-16, 0.5, -0.5) == 0
    assert beyond_rounding(-4e-16, 4e-16) == -4e-16


def test_bias_bounds_of_informations_that_are_rounding() -> None:
    lower, upper = bounds.plug_in_bias_bounds(1, 4.4e-16, 2.2e-16)
    assert 0 <= lower <= upper


def test_every_bound_is_documented_with_its_certainty() -> None:
    plain = {"binary_entropy", "is_vacuous", "trivial_range", "pam_information"}
    derived = {"theorem_6_witness", "theorem_6_smallest_epsilon", "theorem_6_cells"}
    catalogue = {"THEOREMS", "moment_norm", "range_of", "says_nothing", "theorems_of"}
    for name in set(bounds.__all__) - plain - derived - catalogue:
        text = " ".join((getattr(bounds, name).__doc__ or "").split())
        assert "Returns" in text, name
        words = ("Proved", "proved", "Recalled", "recalled", "econstructed", "abstract", "derived")
        assert any(word in text for word in words), name
    assert sorted(bounds.__all__) == bounds.__all__
