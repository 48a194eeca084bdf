"""Bounds for subgaussian S and for the cube, against Gaussians by quadrature on a grid."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from entbench import bounds
from entbench.sources import TruncatedMixture


@pytest.mark.parametrize(("n", "d", "s", "k"), [(10, 1, 0.5, 0.1), (1000, 7, 0.3, 2.0)])
def test_formulas_written_out(n: int, d: int, s: float, k: float) -> None:
    u = 1 / math.sqrt(2) + k / s
    common = u ** (d / 2) * math.exp(3 * d / 16) / math.sqrt(n)
    assert bounds.subgaussian_l1_bound(n, d, s, k) == pytest.approx(common, rel=1e-12)
    expected = s * math.sqrt(2 * d) * u * common
    assert bounds.subgaussian_wasserstein_bound(n, d, s, k) == pytest.approx(expected, rel=1e-12)
    factor = 2 * u**2 * math.sqrt(d * (d + 2)) + 5 * d * k**2 / s**2
    assert bounds.subgaussian_risk_bound(n, d, s, k) == pytest.approx(factor * common, rel=1e-12)


def test_chi_square_formulas() -> None:
    assert bounds.gaussian_chi_square_information(3, 0.5, 1.0) == pytest.approx(124.0)
    value = bounds.subgaussian_chi_square_information(4, 1.0, 0.25)
    assert value == pytest.approx(0.75**-2 - 1, rel=1e-12)
    assert bounds.subgaussian_bias_bound(10, 4, 1.0, 0.25) == pytest.approx(
        bounds.smoothed_kl_bound(10, value), rel=1e-12
    )
    assert bounds.subgaussian_bias_bound(10, 4, 1.0, 0.0) == 0.0
    # a Gaussian is K-subgaussian, so the bound is above its exact value
    for k in (0.01, 0.2, 0.4, 0.49):
        exact = bounds.gaussian_chi_square_information(5, 1.0, k)
        assert exact <= bounds.subgaussian_chi_square_information(5, 1.0, k)


@pytest.mark.parametrize("k", [0.3, 0.6])
def test_gaussians_obey_every_bound(k: float) -> None:
    """S ~ N(0, k^2), sigma = 1, n = 20: distances of q and qhat by quadrature, 400 draws."""
    n, draws = 20, 400
    spread = math.sqrt(1 + k**2)
    y = np.linspace(-12, 12, 2401)
    step = y[1] - y[0]
    q = norm.pdf(y, scale=spread)
    rng = np.random.default_rng(0)
    l1, w1, chi2, risk, bias = [], [], [], [], []
    truth = 0.5 * math.log(2 * math.pi * math.e * spread**2)
    for _ in range(draws):
        s = k * rng.standard_normal(n)
        qhat = norm.pdf(y[:, None], s).mean(axis=1)
        l1.append(abs(q - qhat).sum() * step)
        w1.append(abs(np.cumsum(q - qhat)).sum() * step**2)
        chi2.append(((q - qhat) ** 2 / q).sum() * step)
        error = truth + (qhat * np.log(qhat)).sum() * step
        risk.append(abs(error))
        bias.append(error)
    assert np.mean(l1) <= bounds.subgaussian_l1_bound(n, 1, 1.0, k)
    assert np.mean(w1) <= bounds.subgaussian_wasserstein_bound(n, 1, 1.0, k)
    assert np.mean(risk) <= bounds.subgaussian_risk_bound(n, 1, 1.0, k)
    information = bounds.gaussian_chi_square_information(1, 1.0, k)
    # E chi2(qhat || q) = I_chi2/n exactly: 4.5 standard errors over the 400 draws
    slack = 4.5 / math.sqrt(draws)
    assert abs(np.mean(chi2) - information / n) <= slack * np.std(chi2, ddof=1)
    # 0 <= h - E h_SP <= log(1 + I_chi2/n)
    assert np.mean(bias) <= bounds.smoothed_kl_bound(n, information) + slack * np.std(bias, ddof=1)
    assert np.mean(bias) >= -slack * np.std(bias, ddof=1)


@pytest.mark.parametrize("dim", [1, 5])
@pytest.mark.parametrize("sigma", [0.1, 0.5])
def test_cube_bounds_chi_square_of_a_source(dim: int, sigma: float) -> None:
    for tau in (0.02, 0.5):
        exact = TruncatedMixture(d=dim, sigma=sigma, tau=tau).facts().chi_square_information
        bound = bounds.cube_chi_square_information(dim, sigma)
        assert exact is not None
        assert exact <= bound
        assert bound == pytest.approx((1 + math.sqrt(2 / math.pi) / sigma) ** dim - 1, rel=1e-12)
    assert bounds.cube_l1_bound(9, dim, sigma) == pytest.approx(math.sqrt((bound + 1) / 9))


def test_risk_bound_is_made_of_its_parts() -> None:
    for n, dim, sigma in [(7, 1, 0.8), (10**5, 5, 0.1), (1, 2, 10.0)]:
        parts = bounds.cross_entropy_deviation(dim, sigma) / math.sqrt(n)
        parts += bounds.smoothed_kl_bound(n, bounds.cube_chi_square_information(dim, sigma))
        assert bounds.plug_in_risk_bound(n, dim, sigma) == pytest.approx(parts, rel=1e-12)


@pytest.mark.parametrize(("dim", "sigma"), [(1, 0.1), (1, 0.9), (3, 0.05), (8, 0.4), (2, 5.0)])
def test_deviation_is_least_over_all_cells(dim: int, sigma: float) -> None:
    values = [2 * dim / sigma**2]
    for k in range(2, 200):
        cells = math.sqrt(0.6) if k**dim == 2 else dim * math.log(k)
        values.append(cells + 2 * dim / (k * sigma) ** 2)
    value = bounds.cross_entropy_deviation(dim, sigma)
    assert value == pytest.approx(min(values), rel=1e-12)


def test_deviation_of_two_points_is_below() -> None:
    """S = -1 or 1 with probability p: D(N(S, sigma^2) || q) is -log P(S) where they separate."""
    for p in (0.5, 0.1, 0.01):
        variance = p * math.log(p) ** 2 + (1 - p) * math.log1p(-p) ** 2
        variance -= (p * math.log(p) + (1 - p) * math.log1p(-p)) ** 2
        assert math.sqrt(variance) <= bounds.cross_entropy_deviation(1, 0.05)


@pytest.mark.parametrize("dim", [1, 2, 16])
def test_subgaussian_constants_of_the_cube(dim: int) -> None:
    """The largest of log E exp(a.S) * 2/|a|^2 is K^2 for the two points on the diagonal."""
    constant = bounds.cube_subgaussian_constant(dim)
    lengths = np.array([1e-3, 0.1, 1.0, 5.0])
    along = lengths * math.sqrt(dim)  # a.S = +-|a| sqrt(dim)
    needed = np.sqrt(2 * (np.logaddexp(along, -along) - math.log(2)) / lengths**2)
    assert (needed <= constant * (1 + 1e-9)).all()
    assert needed[0] == pytest.approx(constant, rel=1e-4)
    assert bounds.cube_subgaussian_constant(dim, "product") == 1.0
    assert bounds.cube_subgaussian_constant(dim, "moments") == 1.0


def test_wasserstein_2_exponent() -> None:
    value = bounds.smoothed_wasserstein_2_exponent
    assert value(1.0, 0.5) == 0.5
    assert value(1.0, 2.0) == pytest.approx(25 / 68)
    assert value(1.0, 1 + 1e-9) == pytest.approx(0.5)
    assert value(1e-30, 1e30) == pytest.approx(0.25)


def test_impossible_parameters_are_refused() -> None:
    for k in (0.5, 1.0):
        with pytest.raises(ValueError, match=r"`K` must be < sigma/2; got K=.* with sigma=1\.0"):
            bounds.subgaussian_chi_square_information(3, 1.0, k)
        with pytest.raises(ValueError, match=r"`K` must be < sigma/2"):
            bounds.subgaussian_bias_bound(3, 3, 1.0, k)
    with pytest.raises(ValueError, match="`K` must be a number >= 0; got -1"):
        bounds.subgaussian_risk_bound(3, 1, 1.0, -1)
    with pytest.raises(ValueError, match="`sense` must be one of"):
        bounds.cube_subgaussian_constant(3, "other")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`mutual_information` must be a number >= 0; got nan"):
        bounds.plug_in_bias_bounds(3, math.nan, 1.0)
