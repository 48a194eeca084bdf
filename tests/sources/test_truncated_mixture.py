from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kstest, norm, truncnorm

from entbench.mixture import GaussianMixture
from entbench.sources import TruncatedMixture

# h_1 in nats, an earlier computation by other code
TABLE = {
    0.02: (-2.06162764121, -0.85540362707, -0.18328432980601, 0.50446003884964, 1.35420888475366),
    0.1: (-0.80699056728, -0.45218972878, -0.03707296951412, 0.54605322375706, 1.33784133282971),
    0.5: (0.61946440584, 0.67890409414, 0.75476629198366, 0.90138947707786, 1.22344517198266),
}
SIGMAS = (0.01, 0.05, 0.1, 0.2, 0.5)


def density_by_convolution(y: mpmath.mpf, sigma: float, tau: float) -> mpmath.mpf:
    """The density of S_1 + Z_1 straight from its definition, not from the closed form."""

    def signal(s: mpmath.mpf) -> mpmath.mpf:
        return mpmath.npdf(s, 1, tau) + mpmath.npdf(s, -1, tau)

    mass = 2 * (mpmath.ncdf(2 / mpmath.mpf(tau)) - mpmath.mpf(1) / 2)
    # the inner integrand lives where the corner and the noise both do
    marks = {mpmath.mpf(-1), mpmath.mpf(1)}
    for centre in (1, -1):
        marks |= {mpmath.mpf(centre) - centre * step * tau for step in (1, 3, 8, 16)}
    marks |= {y + step * sigma for step in (-8, -3, 0, 3, 8)}
    inside = sorted(mark for mark in marks if -1 <= mark <= 1)
    return mpmath.quad(lambda s: signal(s) * mpmath.npdf(y, s, sigma), inside) / mass


@pytest.mark.parametrize("tau", TABLE)
def test_table_of_the_axis_entropy(tau: float) -> None:
    for sigma, expected in zip(SIGMAS, TABLE[tau], strict=True):
        reference = TruncatedMixture(d=1, sigma=sigma, tau=tau).reference()
        assert reference.value == pytest.approx(expected, abs=6e-12)
        assert reference.error <= 1e-12


@pytest.mark.parametrize(("sigma", "tau"), [(0.1, 0.02), (0.5, 0.5), (0.05, 0.3)])
def test_density_agrees_with_convolution_in_25_digits(sigma: float, tau: float) -> None:
    axis = TruncatedMixture(d=1, sigma=sigma, tau=tau)._axis
    with mpmath.workdps(25):
        for depth in (-2 * sigma, 0.0, 0.3 * sigma, 3 * sigma, 0.7):
            expected = float(mpmath.log(density_by_convolution(1 - mpmath.mpf(depth), sigma, tau)))
            computed = float(axis.log_density(np.array(depth), sigma))
            assert computed == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("sigma", "tau"), [(0.1, 0.02), (0.3, 0.3)])
def test_entropy_agrees_with_30_digit_quadrature(sigma: float, tau: float) -> None:
    """mpmath's tanh-sinh rule over the closed-form density, written again in mpmath."""
    with mpmath.workdps(30):
        s = mpmath.sqrt(mpmath.mpf(tau) ** 2 + mpmath.mpf(sigma) ** 2)
        v = tau * sigma / s
        mass = 2 * (mpmath.ncdf(2 / mpmath.mpf(tau)) - mpmath.mpf(1) / 2)

        def minus_q_log_q(y: mpmath.mpf) -> mpmath.mpf:
            q = mpmath.mpf(0)
            for m in (-1, 1):
                middle = (mpmath.mpf(sigma) ** 2 * m + mpmath.mpf(tau) ** 2 * y) / s**2
                inside = mpmath.ncdf((1 - middle) / v) - mpmath.ncdf((-1 - middle) / v)
                q += mpmath.npdf(y, m, s) * inside
            q /= mass
            return -q * mpmath.log(q) if q > 0 else mpmath.mpf(0)

        marks = [0, 1 - 6 * s, 1 - 2 * s, 1, 1 + 2 * sigma, 1 + 6 * sigma, 1 + 12 * sigma]
        marks = sorted({max(mpmath.mpf(0), mpmath.mpf(mark)) for mark in marks})
        expected = float(2 * mpmath.quad(minus_q_log_q, marks))
    reference = TruncatedMixture(d=1, sigma=sigma, tau=tau).reference()
    assert abs(reference.value - expected) <= reference.error + 1e-15


@pytest.mark.parametrize("d", [1, 5, 1000])
def test_entropy_is_that_of_equal_axes(d: int) -> None:
    one = TruncatedMixture(d=1).reference()
    many = TruncatedMixture(d=d).reference()
    assert many.value == pytest.approx(d * one.value, rel=1e-15)
    assert many.error <= 1e-12 * d
    assert many.error >= one.error


def test_entropy_by_sampling_the_log_density() -> None:
    """A third way: -mean log q(T) over samples of T. 4.5 standard errors: false alarm 7e-6."""
    source = TruncatedMixture(d=3, sigma=0.2, tau=0.1)
    rng = np.random.default_rng(0)
    signal = source.sample(200_000, rng)
    noisy = signal + source.sigma * rng.standard_normal(signal.shape)
    values = -source._axis.log_density(1.0 - noisy, source.sigma).sum(axis=1)
    standard_error = values.std(ddof=1) / math.sqrt(len(values))
    assert values.mean() == pytest.approx(source.reference().value, abs=4.5 * standard_error)


@pytest.mark.parametrize(
    ("sigma", "tau"),
    [(1e-8, 1e-8), (1e-6, 0.02), (0.1, 1e-6), (1e-3, 10.0), (1e3, 1e-3), (1e6, 1.0), (1.0, 1e6)],
)
def test_extreme_scales_keep_both_evaluations_together(sigma: float, tau: float) -> None:
    reference = TruncatedMixture(d=1, sigma=sigma, tau=tau).reference()
    assert reference.error < 1e-12
    assert reference.checks[0].difference < 1e-12


@pytest.mark.parametrize(
    ("sigma", "tau", "expected"),
    [
        (0.1, 0.02, (1.02926, 33.41, 1183.05)),
        (0.5, 0.02, (0.926989, 25.57, 704.98)),
        (0.1, 0.5, (5.31394, 1.0034e4, 1.007e8)),
        (0.5, 0.5, (0.894369, 23.40, 594.18)),
    ],
)
def test_table_of_chi_square_information(
    sigma: float, tau: float, expected: tuple[float, ...]
) -> None:
    for d, value in zip((1, 5, 10), expected, strict=True):
        facts = TruncatedMixture(d=d, sigma=sigma, tau=tau).facts()
        assert facts.chi_square_information == pytest.approx(value, rel=2e-4)


def test_chi_square_information_by_sampling() -> None:
    """1 + I_chi2 = E phi(Y - S)/q(Y) over joint draws of S and Y. 4.5 standard errors."""
    source = TruncatedMixture(d=1, sigma=0.5, tau=0.5)
    rng = np.random.default_rng(0)
    signal = source.sample(400_000, rng)[:, 0]
    noisy = signal + source.sigma * rng.standard_normal(signal.shape)
    log_ratio = norm.logpdf(noisy, signal, source.sigma)
    ratio = np.exp(log_ratio - source._axis.log_density(1.0 - noisy, source.sigma))
    standard_error = ratio.std(ddof=1) / math.sqrt(len(ratio))
    information = source.facts().chi_square_information
    assert ratio.mean() == pytest.approx(1 + information, abs=4.5 * standard_error)


@pytest.mark.parametrize("tau", [0.02, 0.5, 3.0])
def test_sampler_follows_the_truncated_law(tau: float) -> None:
    """Each axis against scipy's truncated normal of the upper corner. False alarm 1e-5 a case."""
    source = TruncatedMixture(d=2, tau=tau)
    signal = source.sample(20_000, np.random.default_rng(1))
    upper = truncnorm(-2.0 / tau, 0.0, loc=1.0, scale=tau)
    lower = truncnorm(0.0, 2.0 / tau, loc=-1.0, scale=tau)

    def law(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return 0.5 * (upper.cdf(x) + lower.cdf(x))

    for axis in range(2):
        assert kstest(signal[:, axis], law).pvalue > 1e-5
    # no pile-up on the faces, as clipping would leave
    assert np.count_nonzero(np.abs(signal) == 1.0) == 0


def test_axes_are_independent() -> None:
    signs = np.sign(TruncatedMixture(d=3).sample(40_000, np.random.default_rng(2)))
    correlations = np.corrcoef(signs, rowvar=False)[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 4.5 / math.sqrt(40_000)


def test_truth_is_what_the_plug_in_goes_to() -> None:
    """The mixture on very many samples, in one dimension: bias I_chi2/2n = 3e-6."""
    source = TruncatedMixture(d=1)
    samples = source.sample(200_000, np.random.default_rng(0))
    found = GaussianMixture(samples, source.sigma).entropy(2e-3, 10**6, np.random.default_rng(1))
    slack = 4.5 * math.hypot(found.numerical_error, 0.5 / math.sqrt(200_000))
    assert found.value == pytest.approx(source.reference().value, abs=slack)


@pytest.mark.parametrize(
    ("params", "kind", "message"),
    [
        ({"d": 0}, ValueError, "`d` must be an integer >= 1; got 0"),
        ({"d": 2.5}, ValueError, "`d` must be an integer >= 1; got 2.5"),
        ({"d": "5"}, TypeError, "`d` must be an integer >= 1; got '5'"),
        ({"sigma": 0.0}, ValueError, "`sigma` must be a finite number > 0"),
        ({"sigma": -0.1}, ValueError, "`sigma` must be a finite number > 0"),
        ({"tau": 0}, ValueError, "`tau` must be a finite number > 0"),
        ({"tau": math.inf}, ValueError, "`tau` must be a finite number > 0"),
        ({"tau": 1e7}, ValueError, "`tau` must be at most 1e"),
    ],
)
def test_bad_parameters(params: dict[str, object], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        TruncatedMixture(**params)  # type: ignore[arg-type]
