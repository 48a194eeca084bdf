"""Leave-one-out, Miller-Madow and jackknife of the mixture's entropy, against their definitions."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import norm

from entbench.mixture import GaussianMixture, MixtureEntropy, Statistic, gaussian_entropy

BUDGET = 10_000_000
CENTRES = np.array([-1.0, -0.9, 0.2, 0.2, 1.5, 4.0])
SIGMA = 0.3
# shares below 0.08 are removed by a series to the fourth power: at most 0.08^4/4 nats
SERIES = 0.08**4 / 4


def integral(f: object, centres: NDArray) -> float:
    low, high = centres.min() - 12 * SIGMA, centres.max() + 12 * SIGMA
    return quad(f, low, high, points=sorted(set(centres)), limit=500, epsabs=1e-12)[0]


def entropy(centres: NDArray) -> float:
    def integrand(x: float) -> float:
        q = float(norm.pdf(x, centres, SIGMA).mean())
        return -q * math.log(q) if q > 0 else 0.0

    return integral(integrand, centres)


@cache
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


def embedded(dim: int) -> NDArray:
    """Return the centres on a line through `dim` dimensions: corrections stay as they are.

    The posterior of a point depends on its coordinate along the line only, and the entropy gains
    that of the noise across it.
    """
    direction = np.random.default_rng(dim).standard_normal(dim)
    return CENTRES[:, None] * direction / np.linalg.norm(direction)


def integrate(statistic: Statistic, tolerance: float, dim: int) -> MixtureEntropy:
    mixture = GaussianMixture(embedded(dim), SIGMA)
    return mixture.entropy(tolerance, BUDGET, np.random.default_rng(0), statistic)


@pytest.mark.parametrize("statistic", ["plug-in", "leave-one-out", "miller-madow", "jackknife"])
@pytest.mark.parametrize("dim", [1, 2, 3, 6])
def test_agrees_with_its_definition_by_quadrature(statistic: Statistic, dim: int) -> None:
    """4.5 standard errors: false alarm 7e-6 a case. Repeated and lonely centres are among them."""
    tolerance = 2e-2 if statistic == "leave-one-out" else 1e-3
    found = integrate(statistic, tolerance, dim)
    assert found.converged
    assert found.method == ("quadrature" if dim <= 2 else "monte-carlo")
    slack = 4.5 * found.numerical_error + found.kernel_error + 1e-9
    if statistic == "jackknife":
        slack += SERIES
    expected = definition(statistic) + gaussian_entropy(dim - 1, SIGMA)
    assert found.value == pytest.approx(expected, abs=slack)


@pytest.mark.parametrize("dim", [1, 3])
def test_companions_come_with_every_statistic(dim: int) -> None:
    """Draws for the plug-in's error have companions 10 times as far off, at most."""
    n, across = len(CENTRES), gaussian_entropy(dim - 1, SIGMA)
    effective = 2 * n * (definition("miller-madow") - definition("plug-in")) + 1
    for statistic in ("plug-in", "leave-one-out", "miller-madow", "jackknife"):
        found = integrate(statistic, 5e-3, dim)
        plug_in = definition("plug-in") + across
        slack = 1e-8 if dim == 1 else 4.5 * 5e-3
        assert found.plug_in == pytest.approx(plug_in, abs=slack)
        # a lone centre at 8 sigma from the next: log-ratios of about 50, over 10^4 draws
        slack = 1.0 if statistic != "leave-one-out" else 4.5 * 5e-3
        assert found.leave_one_out == pytest.approx(definition("leave-one-out") + across, abs=slack)
        assert found.effective_components == pytest.approx(effective, abs=0.1)
        assert found.plug_in <= found.leave_one_out


def test_companions_in_one_dimension_are_those_of_the_statistic() -> None:
    results = [integrate(s, 5e-2, 1) for s in ("plug-in", "miller-madow", "jackknife")]
    assert {r.plug_in for r in results} == {results[0].value}


def brute_force(
    centres: NDArray, sigma: float, components: NDArray, noise: NDArray
) -> tuple[NDArray, NDArray]:
    """Return the log2 kernel sum over the others, and ``sum_{i != j} log(1 - r_i)``."""
    n = len(centres)
    points = centres[components] + sigma * noise
    logs = -0.5 * (((points[:, None] - centres) / sigma) ** 2).sum(axis=2)
    removals, others = np.empty(len(points)), np.empty(len(points))
    for i, own in enumerate(components):
        top, second = np.sort(logs[i])[[-1, -2]]
        kernels = np.exp(logs[i] - top)
        # the rest summed anew where 1 - r would cancel, and by its largest where that underflows
        rest = np.array(
            [np.delete(kernels, j).sum() if kernels[j] > 0.01 else 1.0 for j in range(n)]
        )
        total = kernels.sum()
        lost = np.where(kernels > 0.01, np.log(np.maximum(rest, 1e-300) / total), 0.0)
        lost = np.where(kernels <= 0.01, np.log1p(-np.minimum(kernels, 0.01) / total), lost)
        lost[rest < 1e-290] = second - top
        removals[i] = np.delete(lost, own).sum()
        left = np.delete(logs[i], own)
        others[i] = (np.logaddexp.reduce(left) - math.log(n)) / math.log(2)
    return others, removals


@pytest.mark.parametrize("n", [2, 3, 100, 700])
@pytest.mark.parametrize("sigma", [0.01, 0.3, 3.0])
@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize("tolerance", [1e-4, 1e-10])
def test_removal_sum_agrees_with_all_pairs(
    n: int, sigma: float, copies: bool, tolerance: float
) -> None:
    """The series with its exact large shares, draw by draw, against log(1 - r) over all pairs."""
    rng = np.random.default_rng(n)
    centres = rng.choice([-1.0, 1.0], (n, 2)) + 0.05 * rng.standard_normal((n, 2))
    if copies:
        centres = centres[rng.integers(0, n // 4 + 1, n)]
        centres[-1] = [0.0, 0.1]  # one of its own
    mixture = GaussianMixture(centres, sigma)
    components = rng.integers(0, n, 60)
    components[0] = n - 1
    noise = rng.standard_normal((60, 2))
    points = centres[components] + sigma * noise
    own = (noise**2).sum(axis=1) / (2 * math.log(2)) + math.log2(n)
    left_out = mixture.left_out(components)
    found, removals = mixture.kernels.removals(points, tolerance, left_out, own)
    others, expected = brute_force(centres, sigma, components, noise)
    # their logs are taken in single precision, and far neighbours of a lone centre say so
    off = np.abs(found.log2 - others) * math.log(2)
    assert (off <= found.errors + 1e-11 + 1e-13 * np.abs(others)).all()
    plain = mixture.kernels.sums(points, tolerance, left_out=left_out)
    off = np.abs(found.log2 - plain.log2) * math.log(2)
    assert (off <= found.errors + plain.errors + 1e-14 * np.abs(others)).all()
    assert removals == pytest.approx(expected, abs=SERIES + 2 * tolerance + 1e-8)


@pytest.mark.parametrize("dim", [1, 3])
def test_one_centre_needs_no_correction(dim: int) -> None:
    mixture = GaussianMixture(np.zeros((1, dim)), 1.0)
    for statistic in ("plug-in", "miller-madow", "jackknife"):
        found = mixture.entropy(1e-3, 10_000, np.random.default_rng(0), statistic)  # type: ignore[arg-type]
        assert found.value == pytest.approx(gaussian_entropy(dim, 1.0), abs=1e-6)
        assert found.effective_components == pytest.approx(1.0)


@pytest.mark.parametrize("dim", [1, 3])
def test_equal_centres_are_one_but_for_the_constants(dim: int) -> None:
    """All in one place: N_eff = 1, and no removal changes the density."""
    mixture = GaussianMixture(np.zeros((50, dim)), 1.0)
    for statistic in ("plug-in", "leave-one-out", "miller-madow", "jackknife"):
        found = mixture.entropy(1e-3, 10_000, np.random.default_rng(0), statistic)  # type: ignore[arg-type]
        slack = 1e-5 + (SERIES if statistic == "jackknife" else 0.0)
        assert found.value == pytest.approx(gaussian_entropy(dim, 1.0), abs=slack)
        assert found.effective_components == pytest.approx(1.0, abs=1e-4)
        assert found.leave_one_out == pytest.approx(gaussian_entropy(dim, 1.0), abs=1e-5)


def test_unknown_statistic_is_refused() -> None:
    with pytest.raises(ValueError, match="`statistic` must be one of 'plug-in', 'leave-one-out'"):
        GaussianMixture([[0.0]], 1.0).entropy(1.0, 10, np.random.default_rng(0), "bootstrap")  # type: ignore[arg-type]
