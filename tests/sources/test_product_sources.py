from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import dblquad, quad
from scipy.special import voigt_profile
from scipy.stats import chisquare, kstest, laplace, norm, t, uniform

from entbench import Source
from entbench.mixture import gaussian_entropy
from entbench.sources import grid, heavy_tails, psk, truncated_mixture, uniform_cube
from entbench.sources._panels import rule_error
from entbench.sources.constellations import BPSK, PAM, QAM
from entbench.sources.gaussian import IsotropicGaussian
from entbench.sources.grid import UniformGrid
from entbench.sources.heavy_tails import LaplaceProduct, StudentProduct, _log_gamma_step
from entbench.sources.psk import PSK
from entbench.sources.truncated_mixture import TruncatedMixture
from entbench.sources.uniform_cube import UniformCube

SIGMAS = (1e-3, 0.03, 0.1, 0.5, 0.999, 1.001, 7.0, 1e3)
MAKERS: dict[str, Callable[[float], Source]] = {
    "uniform": lambda sigma: UniformCube(1, sigma),
    "gaussian": lambda sigma: IsotropicGaussian(1, sigma),
    "grid-2": lambda sigma: UniformGrid(1, 2, sigma),
    "grid-3-ends": lambda sigma: UniformGrid(1, 3, sigma, ends=True),
    "grid-1000": lambda sigma: UniformGrid(1, 1000, sigma),
    "pam-7": lambda sigma: PAM(7, sigma),
    "bpsk": lambda sigma: BPSK(1, sigma),
    "qam-64": lambda sigma: QAM(64, sigma),
    "psk-3": lambda sigma: PSK(3, sigma),
    "psk-16": lambda sigma: PSK(16, sigma),
    "laplace": lambda sigma: LaplaceProduct(1, sigma),
    "student-3": lambda sigma: StudentProduct(1, sigma, 3.0),
    "student-30": lambda sigma: StudentProduct(1, sigma, 30.0),
    "cauchy": lambda sigma: StudentProduct(1, sigma, 1.0),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("sigma", SIGMAS)
def test_both_evaluations_agree_at_every_noise_level(name: str, sigma: float) -> None:
    reference = MAKERS[name](sigma).reference()
    (check,) = reference.checks
    assert 0.0 < reference.error <= 1e-12
    assert check.difference == abs(check.value - reference.value)
    # the check has rounding of its own, which the error does not cover
    assert check.difference <= 2.0 * reference.error


@pytest.mark.parametrize("sigma", [1e-8, 1e6])
@pytest.mark.parametrize("name", ["uniform", "gaussian", "grid-1000", "bpsk", "psk-16"])
def test_extreme_noise_levels(name: str, sigma: float) -> None:
    reference = MAKERS[name](sigma).reference()
    assert reference.error <= 1e-12
    assert reference.checks[0].difference <= 2.0 * reference.error


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("sigma", [0.05, 0.5, 5.0])
def test_information_lies_between_its_bounds(name: str, sigma: float) -> None:
    """0 < I <= log(1 + I_chi2), and I <= d/2 log(1 + Var/sigma^2) where there is a variance."""
    source = MAKERS[name](sigma)
    facts = source.facts()
    information, chi_square = facts.mutual_information, facts.chi_square_information
    assert information is not None
    assert chi_square is not None
    noise = gaussian_entropy(source.dim, sigma)
    assert source.reference().value - noise == pytest.approx(information, abs=1e-13)
    assert 0.0 < information <= math.log1p(chi_square) + 1e-13
    if facts.subgaussian_constant is not None:
        # at least the standard deviation along every axis
        limit = 0.5 * source.dim * math.log1p((facts.subgaussian_constant / sigma) ** 2)
        assert information <= limit + 1e-13
    if name.startswith(("laplace", "student", "cauchy")):
        assert facts.subgaussian_constant is None
        assert chi_square == math.inf
        assert not facts.in_unit_cube


@pytest.mark.parametrize(
    ("one", "many"),
    [
        (UniformCube(1), UniformCube(1000)),
        (IsotropicGaussian(1), IsotropicGaussian(1000)),
        (UniformGrid(1), UniformGrid(1000)),
        (PAM(4), PAM(4, d=1000)),
        (BPSK(1), BPSK(1000)),
        (LaplaceProduct(1), LaplaceProduct(1000)),
        (StudentProduct(1), StudentProduct(1000)),
        (PAM(8, 0.25), QAM(64, 0.25)),
    ],
)
def test_axes_add_up(one: Source, many: Source) -> None:
    d = many.dim
    first, second = one.reference(), many.reference()
    assert second.value == pytest.approx(d * first.value, rel=1e-15)
    assert first.error <= second.error <= 1e-12 * d
    a, b = one.facts(), many.facts()
    assert a.mutual_information is not None
    assert b.mutual_information == pytest.approx(d * a.mutual_information, rel=1e-14)
    assert a.subgaussian_constant == b.subgaussian_constant
    assert a.chi_square_information is not None
    log_power = d * math.log1p(a.chi_square_information)
    expected = math.expm1(log_power) if log_power < 700 else math.inf
    assert b.chi_square_information == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("factor", [1e-3, 7.0, 1e3])
def test_scaling_adds_the_log(factor: float) -> None:
    for source, scaled in (
        (IsotropicGaussian(2, 0.3), IsotropicGaussian(2, 0.3 * factor, factor)),
        (LaplaceProduct(2, 0.3), LaplaceProduct(2, 0.3 * factor, factor)),
        (StudentProduct(2, 0.3, 4.5), StudentProduct(2, 0.3 * factor, 4.5, factor)),
    ):
        moved = scaled.reference().value - 2.0 * math.log(factor)
        assert moved == pytest.approx(source.reference().value, abs=1e-13)


def convolution(pdf: Callable[[float], float], y: float, marks: tuple[float, ...]) -> float:
    ends = sorted({y - 12.0, *(m for m in marks if abs(m - y) < 12.0), y, y + 12.0})
    return math.fsum(
        quad(lambda s: pdf(s) * norm.pdf(y - s), a, b, epsabs=0, epsrel=1e-12, limit=200)[0]
        for a, b in itertools.pairwise(ends)
    )


@pytest.mark.parametrize("half", [0.3, 1.0, 5.0])
def test_uniform_density_is_the_convolution(half: float) -> None:
    law = uniform(-half, 2.0 * half)
    for y in (0.0, 0.5 * half, half, half + 2.0):
        expected = norm.cdf(y + half) - norm.cdf(y - half)
        computed = UniformCube(1, 1.0 / half)._axis.log_density(np.array([half - y]))
        assert math.exp(computed[0]) == pytest.approx(expected / (2.0 * half), rel=1e-12)
        assert convolution(law.pdf, y, (-half, half)) == pytest.approx(
            math.exp(computed[0]), rel=1e-10
        )


@pytest.mark.parametrize("ratio", [0.2, 1.0, 5.0])
def test_laplace_density_is_the_convolution(ratio: float) -> None:
    y = np.array([0.0, 0.7, 3.0, 9.0])
    axis = LaplaceProduct(1, 1.0, ratio)._axis
    expected = [convolution(laplace(scale=ratio).pdf, v, (0.0,)) for v in y]
    assert np.exp(axis.log_density(y)) == pytest.approx(expected, rel=1e-10)
    assert axis.log_density_again(y) == pytest.approx(axis.log_density(y), abs=1e-12)


@pytest.mark.parametrize(("ratio", "df"), [(0.5, 3.0), (1.0, 0.7), (2.0, 40.0)])
def test_student_density_is_the_convolution(ratio: float, df: float) -> None:
    y = np.array([0.0, 0.7, 3.0, 9.0, 40.0])
    axis = StudentProduct(1, 1.0, df, ratio)._axis
    near = [convolution(t(df, scale=ratio).pdf, v, (0.0, -ratio, ratio)) for v in y]
    assert np.exp(axis.log_density(y)) == pytest.approx(near, rel=1e-10)
    assert axis.log_density_again(y) == pytest.approx(axis.log_density(y), abs=1e-11)


@pytest.mark.parametrize("ratio", [1e-2, 1.0, 1e2])
def test_cauchy_density_is_the_voigt_profile(ratio: float) -> None:
    y = np.array([0.0, 1.0, 5.0, 12.0, 1e3, 1e9])
    computed = np.exp(StudentProduct(1, 1.0, 1.0, ratio)._axis.log_density(y))
    assert computed == pytest.approx(voigt_profile(y, 1.0, ratio), rel=1e-12)


def test_cauchy_entropy_from_the_voigt_profile() -> None:
    """In u = log y the tail falls off as exp(-u): QUADPACK to 1e12, where 1e-10 nats are left."""

    def integrand(u: float) -> float:
        q = voigt_profile(math.exp(u), 0.5, 1.0)
        return -2.0 * q * math.log(q) * math.exp(u)

    inner = quad(integrand, -40.0, 2.0, epsabs=1e-13, limit=400)[0]
    outer = quad(integrand, 2.0, 30.0, epsabs=1e-13, limit=400)[0]
    value = StudentProduct(1, 0.5, 1.0).reference().value
    assert inner + outer == pytest.approx(value, abs=1e-10)


@pytest.mark.parametrize("df", [1.0, 3.0, 8.0, 50.0])
def test_student_without_noise(df: float) -> None:
    """At sigma = 1e-6 the noise adds about sigma^2 times half the Fisher information, 1e-12."""
    value = StudentProduct(1, 1e-6, df).reference().value
    assert value == pytest.approx(float(t(df).entropy()), abs=1e-10)


def test_student_of_many_degrees_is_gaussian() -> None:
    """h = h(Gaussian of the same variance) - O(1/df^2): at df = 10^6 below 1e-11."""
    df, sigma = 1e6, 0.5
    spread = math.hypot(sigma, math.sqrt(df / (df - 2.0)))
    expected = 0.5 * math.log(2.0 * math.pi * math.e) + math.log(spread)
    assert StudentProduct(1, sigma, df).reference().value == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("half", [0.25, 5.0, 19.9, 20.0, 31.7, 5e5])
def test_step_of_the_log_gamma_function(half: float) -> None:
    with mpmath.workdps(40):
        h = mpmath.mpf(half)
        expected = float(mpmath.loggamma(h + 0.5) - mpmath.loggamma(h))
    assert _log_gamma_step(half) == pytest.approx(expected, rel=1e-14, abs=3e-14)


def test_laplace_without_noise() -> None:
    """h(S) = 1 + log 2; the noise adds about sigma^2 / 2."""
    value = LaplaceProduct(1, 1e-5).reference().value
    assert value == pytest.approx(1.0 + math.log(2.0) + 0.5e-10, abs=1e-13)


@pytest.mark.parametrize(("sigma", "scale"), [(0.5, 1.0), (0.1, 3.0), (10.0, 0.2)])
def test_gaussian_is_that_of_its_covariance(sigma: float, scale: float) -> None:
    d = 3
    source = IsotropicGaussian(d, sigma, scale)
    covariance = (scale**2 + sigma**2) * np.eye(d)
    log_det = np.linalg.slogdet(2.0 * math.pi * math.e * covariance)[1]
    assert source.reference().value == pytest.approx(0.5 * log_det, abs=1e-13)
    facts = source.facts()
    # Gaussian: 1 + I_chi2 = exp(2 I)
    assert facts.mutual_information is not None
    expected = math.expm1(2.0 * facts.mutual_information)
    assert facts.chi_square_information == pytest.approx(expected, rel=1e-11)


def test_gaussian_of_very_different_scales() -> None:
    tiny, huge = IsotropicGaussian(1, 1e150, 1e-150), IsotropicGaussian(1, 1e-100, 1e100)
    noise = 0.5 * math.log(2.0 * math.pi * math.e)
    assert tiny.reference().value == pytest.approx(noise + math.log(1e150), rel=1e-15)
    assert huge.reference().value == pytest.approx(noise + math.log(1e100), rel=1e-15)
    assert huge.facts().mutual_information == pytest.approx(200.0 * math.log(10.0), rel=1e-14)


@pytest.mark.parametrize("sigma", [0.3, 0.8, 3.0])
def test_uniform_chi_square_information_by_its_definition(sigma: float) -> None:
    """E_S int phi(y - S)^2 / q(y) dy - 1, as a double integral."""

    def integrand(y: float, s: float) -> float:
        q = 0.5 * (norm.cdf((y + 1.0) / sigma) - norm.cdf((y - 1.0) / sigma))
        return 0.5 * math.exp(-(((y - s) / sigma) ** 2)) / (2.0 * math.pi * sigma**2 * q)

    # to 8 sigma: q still is far from underflow, and exp(-32) is left
    low, high = -1.0 - 8.0 * sigma, 1.0 + 8.0 * sigma
    expected = dblquad(integrand, 0.0, 1.0, low, high, epsabs=1e-9, epsrel=1e-9)[0] * 2.0 - 1.0
    facts = UniformCube(1, sigma).facts()
    assert facts.chi_square_information == pytest.approx(expected, abs=1e-8)


def log_laplace_transform(
    points: NDArray[np.float64], a: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.asarray(np.logaddexp.reduce(a @ points.T, axis=1) - math.log(len(points)))


@pytest.mark.parametrize("k", [2, 3, 4, 5, 10, 100, 1000])
@pytest.mark.parametrize("ends", [False, True])
def test_grid_is_subgaussian_with_its_constant(k: int, ends: bool) -> None:
    source = UniformGrid(1, k, ends=ends)
    constant = source.facts().subgaussian_constant
    assert constant == pytest.approx(source.points.std(), rel=1e-12)
    a = np.geomspace(1e-2, 300.0, 200)[:, None]
    assert (
        log_laplace_transform(source.points[:, None], a) <= 0.5 * (constant * a[:, 0]) ** 2 + 1e-13
    ).all()


def test_uniform_is_subgaussian_with_its_constant() -> None:
    a = np.geomspace(1e-3, 300.0, 200)
    log_mean = np.logaddexp(a, -a) + np.log(np.tanh(a)) - np.log(2.0 * a)  # log sinh(a)/a
    assert (log_mean <= a**2 / 6.0 + 1e-13).all()
    assert UniformCube(4).facts().subgaussian_constant == pytest.approx(math.sqrt(1.0 / 3.0))


@pytest.mark.parametrize("k", [2, 3, 4, 5, 6, 7, 8, 9, 16, 101])
def test_psk_is_subgaussian_with_its_constant(k: int) -> None:
    source = PSK(k)
    constant = source.facts().subgaussian_constant
    assert constant is not None
    angles = np.linspace(0.0, 2.0 * math.pi, 61)
    for size in np.geomspace(1e-2, 100.0, 60):
        a = size * np.column_stack([np.cos(angles), np.sin(angles)])
        log_mean = log_laplace_transform(source.points, a)
        assert (log_mean <= 0.5 * (constant * size) ** 2 + 1e-13).all()


@pytest.mark.parametrize(
    ("source", "law"),
    [
        (UniformCube(3), uniform(-1.0, 2.0)),
        (IsotropicGaussian(3, scale=2.5), norm(scale=2.5)),
        (LaplaceProduct(3, scale=0.4), laplace(scale=0.4)),
        (StudentProduct(3, df=1.5, scale=2.0), t(1.5, scale=2.0)),
    ],
)
def test_sampler_has_its_marginals(source: Source, law: object) -> None:
    """Kolmogorov-Smirnov per axis at level 1e-4; a correlation of ranks below 4.5/sqrt(n)."""
    n = 20_000
    samples = source.sample(n, np.random.default_rng(0))
    assert samples.shape == (n, 3)
    for axis in samples.T:
        assert kstest(axis, law.cdf).pvalue > 1e-4  # type: ignore[attr-defined]
    ranks = samples.argsort(axis=0).argsort(axis=0)
    correlations = np.corrcoef(ranks.T)[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 4.5 / math.sqrt(n)


@pytest.mark.parametrize(
    "source", [UniformGrid(2, 3), UniformGrid(2, 4, ends=True), PAM(5, d=2), BPSK(2), QAM(16)]
)
def test_sampler_takes_every_point_equally_often(source: Source) -> None:
    """Pearson's chi-square over the cells of the plane, at level 1e-4."""
    samples = source.sample(50_000, np.random.default_rng(0))
    found, counts = np.unique(samples, axis=0, return_counts=True)
    points = np.unique(found)
    assert len(found) == len(points) ** 2
    assert chisquare(counts).pvalue > 1e-4
    assert np.diff(points) == pytest.approx(points[1] - points[0])
    assert points == pytest.approx(-points[::-1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: UniformCube(d=0), "`d` must be an integer >= 1; got 0."),
        (lambda: UniformCube(sigma=0.0), "`sigma` must be a finite number > 0; got 0.0."),
        (lambda: IsotropicGaussian(scale=-1.0), "`scale` must be a finite number > 0; got -1.0."),
        (lambda: UniformGrid(k=1), "`k` must be an integer in [2, 1000]; got 1."),
        (lambda: UniformGrid(k=1001), "`k` must be an integer in [2, 1000]; got 1001."),
        (lambda: PAM(k=1), "`k` must be an integer in [2, 1000]; got 1."),
        (lambda: PAM(d=0), "`d` must be an integer >= 1; got 0."),
        (lambda: BPSK(d=2.5), "`d` must be an integer >= 1; got 2.5."),
        (lambda: QAM(k=8), "`k` must be the square of an even number (4, 16, 36, 64, ...); got 8."),
        (lambda: QAM(k=9), "`k` must be the square of an even number (4, 16, 36, 64, ...); got 9."),
        (lambda: QAM(k=2), "`k` must be an integer in [4, 1000000]; got 2."),
        (lambda: PSK(k=1), "`k` must be an integer in [2, 1000]; got 1."),
        (lambda: PSK(sigma=math.inf), "`sigma` must be a finite number > 0; got inf."),
        (lambda: LaplaceProduct(scale=0.0), "`scale` must be a finite number > 0; got 0.0."),
        (
            lambda: LaplaceProduct(sigma=1.0, scale=2e17),
            "`scale` must be within a factor 1e+06 of `sigma`; got scale=2e+17 with sigma=1.0.",
        ),
        (lambda: StudentProduct(df=0.0), "`df` must be a finite number > 0; got 0.0."),
        (lambda: StudentProduct(df=0.1), "`df` must lie in [0.5, 1e+06]; got 0.1."),
    ],
)
def test_bad_parameters_are_one_line(make: Callable[[], Source], message: str) -> None:
    with pytest.raises(ValueError, match=".") as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: UniformGrid(ends=1), "`ends` must be True or False; got 1."),
        (lambda: PSK(k="8"), "`k` must be an integer in [2, 1000]; got '8'."),
        (lambda: StudentProduct(df=None), "`df` must be a finite number > 0; got None."),
    ],
)
def test_wrong_types_are_one_line(make: Callable[[], Source], message: str) -> None:
    with pytest.raises(TypeError, match=".") as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize("name", MAKERS)
def test_parameters_make_the_same_source(name: str) -> None:
    source = MAKERS[name](0.5)
    again = type(source)(**source.get_params())
    assert again.get_params() == source.get_params()
    assert again.reference() == source.reference()
    assert np.array_equal(
        again.sample(5, np.random.default_rng(3)), source.sample(5, np.random.default_rng(3))
    )


@pytest.mark.parametrize("name", [*MAKERS, "truncated-mixture"])
@pytest.mark.parametrize("sigma", SIGMAS)
def test_errors_are_not_the_rounding_of_one_processor(
    name: str, sigma: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change from wider panels is below the bound on rounding, which alone is stated."""
    seen = []

    def recorded(change: float, rounding: float) -> float:
        seen.append((change, rounding))
        return rule_error(change, rounding)

    for module in (grid, heavy_tails, psk, truncated_mixture, uniform_cube):
        monkeypatch.setattr(module, "rule_error", recorded)
    make = MAKERS.get(name, lambda sigma: TruncatedMixture(1, sigma))
    reference = make(sigma).reference()
    assert all(change < rounding for change, rounding in seen)
    assert bool(seen) == (name != "gaussian")  # which is a closed form
    stated = sum(rounding for _, rounding in seen) * (2 if name == "qam-64" else 1)
    assert name == "gaussian" or stated <= reference.error < 1.5 * stated


def test_a_change_above_rounding_is_the_error() -> None:
    assert rule_error(3e-10, 1e-14) == 3e-10
    assert rule_error(3e-16, 1e-14) == 1e-14
