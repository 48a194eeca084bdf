"""The mixture's entropy: values by other routes, standard errors against repeats."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import dblquad, quad
from scipy.stats import norm

from entbench.mixture import (
    GaussianMixture,
    MixtureEntropy,
    _entropy,
    _integration,
    gaussian_entropy,
)
from entbench.mixture._sums import Rung

BUDGET = 10_000_000


def by_quad(centres: NDArray, sigma: float, weights: NDArray | None = None) -> float:
    """Return the entropy in one dimension, panel by panel of one sigma."""
    shares = np.full(len(centres), 1 / len(centres)) if weights is None else weights / weights.sum()

    def integrand(x: float) -> float:
        q = float(shares @ norm.pdf(x, centres, sigma))
        return -q * math.log(q) if q > 0.0 else 0.0

    low, high = centres.min() - 11 * sigma, centres.max() + 11 * sigma
    ends = np.linspace(low, high, math.ceil((high - low) / (2 * sigma)) + 1)
    return math.fsum(quad(integrand, a, b, epsabs=1e-13)[0] for a, b in itertools.pairwise(ends))


def product(axes: list[NDArray]) -> NDArray:
    return np.array(list(itertools.product(*axes)))


@cache
def product_case(dim: int, sigma: float, k: int) -> tuple[NDArray, float]:
    """Return k^dim centres on a grid of unequal steps, and their entropy: a sum over the axes."""
    axes = [np.random.default_rng([1, a]).uniform(-1, 1, k) for a in range(dim)]
    return product(axes), sum(by_quad(axis, sigma) for axis in axes)


def integrate(
    centres: NDArray, sigma: float, tolerance: float, seed: int = 0, budget: int = BUDGET
) -> MixtureEntropy:
    return GaussianMixture(centres, sigma).entropy(tolerance, budget, np.random.default_rng(seed))


def check_scatter(results: list[MixtureEntropy], expected: float, expected_error: float) -> None:
    """Check the mean of repeats, and their scatter against the standard errors stated.

    The mean: 4.5 standard errors (false alarm 7e-6). The scatter of r >= 40 repeats, over what is
    stated: at most 1.5, which chi-square with 39 degrees exceeds with probability 1e-5. What is
    stated contains the kernels' errors and what no draw has met, several times the scatter.
    """
    values = np.array([result.value for result in results])
    stated = math.sqrt(np.mean([result.numerical_error**2 for result in results]))
    kernel = max(result.kernel_error for result in results)
    off = abs(values.mean() - expected)
    assert off <= 4.5 * math.hypot(stated / math.sqrt(len(values)), expected_error) + kernel
    assert 0.1 < values.std(ddof=1) / stated < 1.5


@pytest.mark.parametrize("dim", [1, 2, 3, 50, 1000])
@pytest.mark.parametrize("sigma", [1e-6, 1.0, 1e6])
def test_one_centre_is_exact(dim: int, sigma: float) -> None:
    result = integrate(np.full((1, dim), 3.0), sigma, 1e-3, budget=10_000)
    assert result.value == pytest.approx(gaussian_entropy(dim, sigma), rel=1e-9, abs=1e-4)
    assert result.numerical_error < 1e-4
    assert result.effective_components == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    ("centres", "sigma"),
    [
        ([0.0], 0.7),
        ([-1.0, 1.0], 0.1),
        ([-1.0, 1.0], 0.8),
        ([0.0, 0.1, 0.15, 2.0], 0.3),
        ([0.0, 6.9], 1.0),
    ],
)
def test_one_dimension_agrees_with_quadpack(centres: list[float], sigma: float) -> None:
    at = np.array(centres)
    result = integrate(at[:, None], sigma, 1e-3)
    assert result.method == ("quadrature" if len(at) > 1 else "closed form")
    assert result.converged
    assert result.value == result.plug_in
    assert result.value == pytest.approx(by_quad(at, sigma), abs=1e-8)
    assert abs(result.value - by_quad(at, sigma)) <= result.numerical_error + 1e-10


def test_two_dimensions_agree_with_quadpack() -> None:
    centres, sigma = np.array([[0.0, 0.0], [1.0, 0.5], [0.3, -0.8]]), 0.5

    def integrand(y: float, x: float) -> float:
        q = float(np.prod(norm.pdf([x, y], centres, sigma), axis=1).mean())
        return -q * math.log(q)

    expected, error = dblquad(integrand, -3.2, 4.2, -4.0, 3.7, epsabs=1e-7, epsrel=1e-7)
    result = integrate(centres, sigma, 1e-3)
    assert result.method == "quadrature"
    assert result.value == pytest.approx(expected, abs=1e-7 + error)
    axes, exact = product_case(2, 0.2, 4)
    assert integrate(axes, 0.2, 1e-3).value == pytest.approx(exact, abs=1e-8)


@pytest.mark.parametrize("dim", [1, 2])
def test_quadrature_and_draws_agree(dim: int) -> None:
    """Draws where the budget is too small for the lattice; 4.5 standard errors, 7e-6."""
    centres = np.random.default_rng(0).uniform(-1, 1, (300, dim))
    exact = integrate(centres, 0.05, 1e-3)
    assert exact.method == "quadrature"
    drawn = integrate(centres, 0.05, 1e-6, budget=400)
    assert drawn.method == "monte-carlo"
    assert not drawn.converged
    assert abs(drawn.value - exact.value) <= 4.5 * drawn.numerical_error + drawn.kernel_error


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_weighted_mixtures(dim: int) -> None:
    """A product of weighted mixtures; 4.5 standard errors in 3 dimensions, false alarm 7e-6."""
    rng = np.random.default_rng(dim)
    axes = [rng.uniform(-1, 1, 6) for _ in range(dim)]
    weights = [10 ** rng.uniform(-3, 0, 6) for _ in range(dim)]
    expected = sum(by_quad(a, 0.2, w) for a, w in zip(axes, weights, strict=True))
    joint = np.prod(product(weights), axis=1)
    mixture = GaussianMixture(product(axes), 0.2, joint)
    result = mixture.entropy(1e-3, BUDGET, np.random.default_rng(0))
    assert result.converged
    assert result.method == ("quadrature" if dim <= 2 else "monte-carlo")
    slack = 1e-8 if dim <= 2 else 4.5 * result.numerical_error + result.kernel_error
    assert result.value == pytest.approx(expected, abs=slack)
    assert result.plug_in == result.value
    assert math.isnan(result.leave_one_out)
    assert math.isnan(result.effective_components)


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("budget", [10, 1000, 10**6])
def test_weights_of_any_budget_have_an_entropy(dim: int, budget: int) -> None:
    centres = np.zeros((2, dim))
    centres[1, 0] = 1.0
    result = GaussianMixture(centres, 1.0, [1, 3]).entropy(1e-3, budget, np.random.default_rng(0))
    assert math.isfinite(result.value)
    assert math.isfinite(result.numerical_error)


@pytest.mark.parametrize("statistic", ["leave-one-out", "miller-madow", "jackknife"])
def test_statistics_of_samples_take_no_weights(statistic: str) -> None:
    mixture = GaussianMixture([[0.0], [1.0]], 1.0, [1.0, 1.0])
    with pytest.raises(ValueError, match=f"'{statistic}' is a statistic of samples: `weights` mus"):
        mixture.entropy(1e-3, 1000, np.random.default_rng(0), statistic)  # type: ignore[arg-type]


@pytest.mark.parametrize("dim", [3, 10])
def test_separated_centres_reach_the_ceiling_with_no_error_to_speak_of(dim: int) -> None:
    """Far apart: h = log n + h(Z), where plain Monte Carlo would have variance dim/2."""
    centres = np.zeros((500, dim))
    centres[:, 0] = 100.0 * np.arange(500.0)
    result = integrate(centres, 1.0, 1e-3)
    assert result.value == pytest.approx(math.log(500) + gaussian_entropy(dim, 1.0), abs=1e-6)
    assert result.numerical_error < 1e-6
    assert result.effective_components == pytest.approx(500, abs=1e-3)


def test_separated_centres_with_weights() -> None:
    """h(Z) plus the entropy of the weights, of which draws see a part; false alarm 7e-6."""
    weights = np.array([0.5, 0.25, 0.125, 0.125])
    centres = 100.0 * np.arange(12.0).reshape(4, 3)
    mixture = GaussianMixture(centres, 1.0, weights)
    result = mixture.entropy(2e-3, BUDGET, np.random.default_rng(0))
    expected = gaussian_entropy(3, 1.0) - float(weights @ np.log(weights))
    assert result.converged
    assert abs(result.value - expected) <= 4.5 * result.numerical_error + result.kernel_error


@pytest.mark.parametrize(("dim", "sigma", "k"), [(3, 0.1, 5), (3, 0.5, 9), (4, 0.3, 4)])
def test_products_are_sums_over_the_axes(dim: int, sigma: float, k: int) -> None:
    """4.5 standard errors: false alarm 7e-6 a case."""
    centres, expected = product_case(dim, sigma, k)
    result = integrate(centres, sigma, 1e-3)
    assert result.converged
    assert abs(result.value - expected) <= 4.5 * result.numerical_error + result.kernel_error


@pytest.mark.parametrize("tolerance", [3e-3, 3e-2])
@pytest.mark.parametrize(("k", "sigma"), [(1, 0.5), (2, 0.5), (6, 0.3), (17, 0.05)])
def test_standard_error_is_honest(k: int, sigma: float, tolerance: float) -> None:
    """Over 40 seeds: k^3 = 1 and 8 make many passes, 216 a few, 4913 a part of one."""
    if k == 17 and tolerance < 1e-2:
        tolerance = 1e-2
    centres, expected = product_case(3, sigma, k)
    results = [integrate(centres, sigma, tolerance, seed) for seed in range(40)]
    assert all(r.converged and r.numerical_error <= tolerance for r in results)
    if k == 1:  # the control variate leaves nothing
        assert max(abs(r.value - expected) for r in results) <= 1e-4
        return
    check_scatter(results, expected, 0.0)


def test_standard_error_is_honest_with_weights() -> None:
    rng = np.random.default_rng(0)
    axes = [rng.uniform(-1, 1, 8) for _ in range(3)]
    weights = [10 ** rng.uniform(-2, 0, 8) for _ in range(3)]
    expected = sum(by_quad(a, 0.1, w) for a, w in zip(axes, weights, strict=True))
    mixture = GaussianMixture(product(axes), 0.1, np.prod(product(weights), axis=1))
    results = [mixture.entropy(1e-2, BUDGET, np.random.default_rng(seed)) for seed in range(40)]
    check_scatter(results, expected, 0.0)


@pytest.mark.parametrize("budget", [700, 1000, 2000, 5000])
def test_standard_error_is_honest_where_the_budget_ends_anywhere(budget: int) -> None:
    """Half the components in a cluster, half alone: all the variance is between components.

    Components visited unequally often must be charged for it. The values are log 1/2 and log 1/300
    but for 1e-6, so the entropy is known. Few visits decide, so the ratio over 60 seeds scatters
    by 20 %: beyond 2 with probability below 1e-5.
    """
    rng = np.random.default_rng(0)
    centres = np.zeros((300, 3))
    centres[:150] = 1e-4 * rng.standard_normal((150, 3))
    centres[150:, 0] = 1000.0 * np.arange(1, 151)
    expected = gaussian_entropy(3, 1.0) + 0.5 * math.log(2) + 0.5 * math.log(300)
    results = [integrate(centres, 1.0, 1e-5, seed, budget) for seed in range(60)]
    scatter = math.sqrt(np.mean([(result.value - expected) ** 2 for result in results]))
    stated = math.sqrt(np.mean([result.numerical_error**2 for result in results]))
    assert scatter <= 2 * stated + 2e-5


@pytest.mark.parametrize(
    ("statistic", "gap", "tolerance"),
    [
        ("plug-in", 6.0, 2e-3),
        ("plug-in", 7.0, 1e-3),
        ("plug-in", 8.0, 5e-4),
        ("miller-madow", 7.0, 2e-3),
        ("jackknife", 7.0, 2e-3),
    ],
)
def test_standard_error_is_honest_where_components_rarely_meet(
    statistic: str, gap: float, tolerance: float
) -> None:
    """Two components so far apart that a pilot sees few of the draws between them, or none.

    Of 25 repeats none is off by more than 4.5 of its standard errors: for honest ones a false
    alarm of 2e-4 in all; before the variance was bounded, 6 to 61 % of them were.
    """
    centres = np.zeros((2, 3))
    centres[1, 0] = gap
    mixture = GaussianMixture(centres, 1.0)
    line = centres[:, 0]
    plug_in = gaussian_entropy(2, 1.0) + by_quad(line, 1.0)

    def own_share(z: float) -> float:
        return 1 / (1 + math.exp(gap * (z - gap / 2)))

    # in the direction that matters, T = c_1 + Z with its own share r: N_eff = 2 E r, and the
    # jackknife adds log 2 + E log(1 - r_other) = log 2 + E log r
    def mean(f: Callable[[float], float]) -> float:
        return math.fsum(
            quad(lambda z: f(own_share(z)) * norm.pdf(z), a, a + 1, epsabs=1e-14)[0]
            for a in range(-9, 9)
        )

    added = {
        "plug-in": 0.0,
        "miller-madow": (2 * mean(lambda r: r) - 1) / 4,
        "jackknife": math.log(2) + mean(math.log),
    }[statistic]
    for seed in range(25):
        found = mixture.entropy(tolerance, BUDGET, np.random.default_rng(seed), statistic)
        assert found.converged
        off = abs(found.value - plug_in - added)
        assert off <= 4.5 * found.numerical_error + found.kernel_error


def entropy_of_counts(counts: NDArray[np.int64]) -> float:
    shares = counts[counts > 0] / counts.sum()
    return -float(shares @ np.log(shares))


def jackknife_of_counts(counts: NDArray[np.int64]) -> float:
    n = int(counts.sum())
    left = [entropy_of_counts(counts - np.eye(len(counts), dtype=int)[i]) for i in (0, 1)]
    # value 0 is there twice, the others once
    mean = (2 * left[0] + (n - 2) * left[1]) / n
    return n * entropy_of_counts(counts) - (n - 1) * mean


@pytest.mark.parametrize(
    ("statistic", "tolerance"),
    [("plug-in", 1e-3), ("plug-in", 1e-4), ("miller-madow", 1e-3), ("jackknife", 1e-3)],
)
def test_standard_error_knows_of_equal_samples_that_no_draw_has_met(
    statistic: str, tolerance: float
) -> None:
    """300 samples far apart, two of them equal: the entropy of counts, and that of the noise.

    Of 25 repeats none is off by more than 4.5 of its standard errors, a false alarm of 2e-4 in all
    for honest ones. Where the variance of the weights was left out, it was 0 beside errors of 1e-3.
    """
    rng = np.random.default_rng(0)
    centres = 5.0 * rng.standard_normal((300, 10))
    centres[1] = centres[0]
    mixture = GaussianMixture(centres, 0.01)
    counts = np.array([2] + [1] * 298)
    expected = {
        "plug-in": entropy_of_counts(counts),
        "miller-madow": entropy_of_counts(counts) + (299 - 1) / (2 * 300),
        "jackknife": jackknife_of_counts(counts),
    }[statistic]
    for seed in range(25):
        found = mixture.entropy(tolerance, BUDGET, np.random.default_rng(seed), statistic)
        assert found.converged
        off = abs(found.value - gaussian_entropy(10, 0.01) - expected)
        assert off <= 4.5 * found.numerical_error + found.kernel_error


class Counted:
    """Counts calls for coarser densities, as many by a pilot as there are, and has them used."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        true = GaussianMixture.coarse
        plan = _entropy._Plan

        def coarse(*arguments: object) -> object:
            self.calls += 1
            return true(*arguments)  # type: ignore[arg-type]

        def cost(chosen: _entropy._Plan, max_draws: int) -> tuple[float, float]:
            return len(chosen.levels) == 1, sum(true_cost(chosen, max_draws))

        true_cost = plan.cost
        monkeypatch.setattr(GaussianMixture, "coarse", coarse)
        monkeypatch.setattr(plan, "cost", cost)
        monkeypatch.setattr("entbench.mixture._entropy._LEVELS_PAY", 0)


LEVELS = [(3, 0.1, 27), (3, 0.3, 27), (5, 0.3, 7)]


@pytest.mark.parametrize(("dim", "sigma", "k"), LEVELS)
def test_levels_are_unbiased_and_honest(
    dim: int, sigma: float, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    centres, expected = product_case(dim, sigma, k)
    mixture = GaussianMixture(centres, sigma)
    results = [mixture.entropy(1e-2, BUDGET, np.random.default_rng(seed)) for seed in range(40)]
    assert counted.calls > 40 * 7  # levels were not only considered
    assert all(result.converged for result in results)
    check_scatter(results, expected, 0.0)


@pytest.mark.parametrize("statistic", ["leave-one-out", "miller-madow", "jackknife"])
def test_levels_agree_with_one_level(statistic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Value and companions; 4.5 joint standard errors of 4 seeds, false alarm 7e-6 each."""
    centres, _ = product_case(3, 0.15, 27)
    mixture = GaussianMixture(centres, 0.15)
    seeds = range(4)
    one = mixture.entropy(3e-3, BUDGET, np.random.default_rng(9), statistic)  # type: ignore[arg-type]
    counted = Counted(monkeypatch)
    results = [
        mixture.entropy(1e-2, BUDGET, np.random.default_rng(seed), statistic)  # type: ignore[arg-type]
        for seed in seeds
    ]
    assert counted.calls > 4 * 7
    error = math.hypot(one.numerical_error, results[0].numerical_error / math.sqrt(len(seeds)))
    slack = 4.5 * error + one.kernel_error + results[0].kernel_error
    assert np.mean([r.value for r in results]) == pytest.approx(one.value, abs=slack)
    # companions vary about as much as the values; twice their errors
    for name in ("plug_in", "leave_one_out"):
        found = np.mean([getattr(r, name) for r in results])
        assert found == pytest.approx(getattr(one, name), abs=2 * slack)


def test_levels_with_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """4.5 standard errors of 8 seeds."""
    counted = Counted(monkeypatch)
    rng = np.random.default_rng(0)
    axes = [rng.uniform(-1, 1, 25) for _ in range(3)]
    weights = [rng.uniform(0.1, 1, 25) for _ in range(3)]
    expected = sum(by_quad(a, 0.3, w) for a, w in zip(axes, weights, strict=True))
    mixture = GaussianMixture(product(axes), 0.3, np.prod(product(weights), axis=1))
    results = [mixture.entropy(1e-2, BUDGET, np.random.default_rng(seed)) for seed in range(8)]
    assert counted.calls > 8 * 7
    error = results[0].numerical_error / math.sqrt(8)
    assert abs(np.mean([r.value for r in results]) - expected) <= 4.5 * error + 1e-4
    assert math.isnan(results[0].leave_one_out)


@pytest.mark.parametrize("budget", [4, 10, 500, 3000, 20_000])
def test_budget_is_kept_and_admitted(budget: int) -> None:
    for n in (1, 7, 300, 2000):
        centres = np.random.default_rng(0).standard_normal((n, 5))
        result = integrate(centres, 0.5, 1e-9, budget=budget)
        assert result.n_draws <= budget
        if n > 1:
            assert not result.converged
            assert result.numerical_error > 1e-9


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("extra", [0, 100])
def test_quadrature_keeps_the_budget(dim: int, extra: int) -> None:
    """Its points count, and so do the draws for the companions."""
    centres = np.random.default_rng(0).uniform(-1, 1, (20, dim))
    needed = integrate(centres, 0.3, 1e-3, budget=10**6).n_draws
    result = integrate(centres, 0.3, 1e-3, budget=needed // 2 + extra)
    assert result.n_draws <= needed // 2 + extra


@pytest.mark.parametrize("k", [11, 15])
@pytest.mark.parametrize("passes", [0.3, 0.7, 1.3, 1.9, 3.5])
def test_levels_keep_the_budget(k: int, passes: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal steps, so that components hardly differ: no variance between them, perhaps."""
    Counted(monkeypatch)
    centres = product([np.linspace(-1, 1, k)] * 3)
    budget = int(2 * passes * len(centres)) + 2048
    mixture = GaussianMixture(centres, 0.3)
    for seed in range(5):
        result = mixture.entropy(1e-5, budget, np.random.default_rng(seed))
        assert not result.converged
        assert result.n_draws <= budget


@pytest.mark.parametrize("budget", [10_000, 40_000])
def test_levels_share_a_budget_that_is_too_small(
    budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tolerance out of reach must not leave the coarser levels next to no draws.

    One level and as many draws are to be no better by more than a factor of 3.
    """
    centres, _ = product_case(3, 0.3, 27)
    monkeypatch.setattr("entbench.mixture._entropy._LEVELS_PAY", math.inf)
    one = integrate(centres, 0.3, 1e-5, budget=budget)
    monkeypatch.setattr("entbench.mixture._entropy._LEVELS_PAY", 0)
    several = integrate(centres, 0.3, 1e-5, budget=budget)
    assert several.numerical_error <= 3 * one.numerical_error


def test_mean_square_error_is_below_the_theorem() -> None:
    """Variance per draw <= dim (theory: mmse(C|C+Z)/sigma^2 <= dim), far below without overlap."""
    rng = np.random.default_rng(0)
    for dim in (3, 10):
        centres = rng.uniform(-1, 1, (500, dim))
        for sigma in (0.05, 0.5):
            result = GaussianMixture(centres, sigma).entropy(1e-2, BUDGET, rng)
            assert result.numerical_error**2 * result.n_draws <= dim


@pytest.mark.parametrize("levels", [False, True])
@pytest.mark.parametrize("statistic", ["plug-in", "jackknife"])
def test_same_seed_same_bits_whatever_the_threads(
    levels: bool, statistic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if levels:
        Counted(monkeypatch)
    centres, _ = product_case(3, 0.15, 27)
    results = [
        GaussianMixture(centres, 0.15, n_jobs=threads).entropy(
            2e-2,
            BUDGET,
            np.random.default_rng(5),
            statistic,  # type: ignore[arg-type]
        )
        for threads in (1, 2, 3)
    ]
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("levels", [False, True])
def test_progress_is_told_draws_and_errors(levels: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if levels:
        Counted(monkeypatch)
    told: list[tuple[int, float]] = []
    mixture = GaussianMixture(product_case(3, 0.3, 27)[0], 0.3)
    plain = mixture.entropy(2e-2, BUDGET, np.random.default_rng(0))
    result = mixture.entropy(
        2e-2, BUDGET, np.random.default_rng(0), progress=lambda *now: told.append(now)
    )
    assert result == plain
    assert told
    assert all(0 < draws <= result.n_draws and error >= 0 for draws, error in told)


@pytest.mark.parametrize("dim", [1, 3])
def test_interrupts_pass_and_leave_the_mixture_usable(dim: int) -> None:
    centres = np.random.default_rng(0).standard_normal((600, dim))
    mixture = GaussianMixture(centres, 0.3, n_jobs=2)
    calls = 0

    def interrupt(draws: int, error: float) -> None:
        nonlocal calls
        calls += 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mixture.entropy(1e-4, BUDGET, np.random.default_rng(0), progress=interrupt)
    assert calls == 1
    again = mixture.entropy(3e-2, BUDGET, np.random.default_rng(0))
    assert again == integrate(centres, 0.3, 3e-2)


def refused(tolerance: float, budget: int) -> Callable[[], MixtureEntropy]:
    return lambda: integrate(np.arange(90.0).reshape(30, 3), 1.0, tolerance, budget=budget)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, math.nan, math.inf])
def test_bad_tolerances_are_refused(tolerance: float) -> None:
    with pytest.raises(ValueError, match="`tolerance` must be a finite number > 0; got "):
        refused(tolerance, 100_000)()


@pytest.mark.parametrize("budget", [-5, 0])
def test_bad_budgets_are_refused(budget: int) -> None:
    with pytest.raises(ValueError, match="`max_draws` must be an integer >= "):
        refused(1e-3, budget)()


def test_level_without_variance_in_its_pilot_does_not_spend_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its true variance is small, not 0: a tolerance in proportion to the pilot's has no end."""
    rung, ranges = Rung(0, 0.1), np.full(7, 0.2)
    flat = _entropy._Level(None, rung, 0.0, 0.0, 1.0, ranges)
    coarse = _entropy._Level(rung, None, 0.0, 1.0, 1.0, ranges + 10.0)
    plan = _entropy._Plan([flat, coarse], [1e3, 1e4], 0.1, 0)
    monkeypatch.setattr(_entropy._Job, "_plan", lambda *_: plan)
    centres = np.random.default_rng(0).standard_normal((5000, 3))
    found = GaussianMixture(centres, 0.5).entropy(1e-2, 1_000_000, np.random.default_rng(0))
    assert found.converged
    assert found.n_draws < 100_000


@pytest.mark.parametrize("statistic", ["plug-in", "miller-madow", "jackknife"])
def test_a_budget_that_is_not_spent_reaches_the_tolerance(statistic: str) -> None:
    """Kernels' errors count up to twice in a correction, and are in the error that is asked for."""
    centres = np.random.default_rng(0).uniform(-1.0, 1.0, (1000, 3))
    found = GaussianMixture(centres, 0.2).entropy(
        1e-3, 10_000_000, np.random.default_rng(0), statistic
    )
    assert found.n_draws < 10_000_000
    assert found.converged
    assert found.numerical_error <= 1e-3


@pytest.mark.parametrize("target", [1.5e-5, 5e-6])
def test_long_rounds_neither_overshoot_nor_chase_what_lacks(target: float) -> None:
    # Weierstrass's function: the finer the strata, the less a visit varies, at every scale
    n = 2**20
    told: list[float] = []

    def draw(components: NDArray, noise: NDArray) -> NDArray:
        x = components / n
        rough = sum(2.0 ** (-j / 8) * np.sin(2**j * math.tau * x) for j in range(14))
        return np.asarray(rough + 0.3 * noise[:, 0])[:, None]

    found = _integration.integrate(
        draw,
        _integration.Population(np.arange(n)),
        1,
        lambda variance: variance / target,
        2**24,
        np.random.default_rng(0),
        lambda draws, variance: told.append(variance),
    )
    assert told[-1] == found.variances[0]
    assert 0.5 * target < found.variances[0] <= target
    assert len(told) <= 5
