"""The mixture's entropy on a lattice: values by other routes, and errors that are owned up to."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import logsumexp

from entbench.mixture import GaussianMixture, _quadrature
from entbench.mixture._quadrature import Quadrature, entropy_by_quadrature

BUDGET = 1_000_000
# the tail left out is at most 1e-14 (dim 1) or 1e-12 (dim 2); the rest is rounding
EASY = {1: 1e-13, 2: 1.5e-12}


def log_density(
    centres: NDArray, weights: NDArray, sigma: float
) -> Callable[[NDArray], NDArray[np.float64]]:
    """Return log q by scipy's logsumexp over all pairs, from differences of raw coordinates."""
    n, dim = centres.shape
    log_weights = np.log(weights) - dim * (math.log(sigma) + 0.5 * math.log(2 * math.pi))

    def at(points: NDArray) -> NDArray:
        parts = np.array_split(points, max(1, len(points) * n // 10**6))
        return np.concatenate(
            [
                logsumexp(
                    log_weights - 0.5 * (((part[:, None] - centres) / sigma) ** 2).sum(axis=2),
                    axis=1,
                )
                for part in parts
            ]
        )

    return at


def integrate(
    centres: object, sigma: float, weights: object = None, tolerance: float = 1e-9
) -> Quadrature:
    at = np.asarray(centres, dtype=float)
    at = at[:, None] if at.ndim == 1 else at
    w = np.ones(len(at)) if weights is None else np.asarray(weights, dtype=float)
    w = w / w.sum()
    result = entropy_by_quadrature(at, w, sigma, log_density(at, w, sigma), BUDGET, tolerance)
    assert result is not None
    return result


def check(result: Quadrature, expected: float, within: float, of_expected: float = 0.0) -> None:
    """Compare with a value known to `of_expected`; the error must be owned up to, and small."""
    rounding = 4 * 2.0**-53 * abs(expected)  # of the two numbers compared
    assert abs(result.value - expected) <= result.error + of_expected + rounding
    assert result.error <= within


def gaussian(dim: int, sigma: float) -> float:
    return dim * (0.5 * math.log(2 * math.pi * math.e) + math.log(sigma))


def by_mpmath(centres: list[float], sigma: float, weights: list[float] | None = None) -> float:
    """Return the entropy by Gauss-Legendre panels of 1.5 sigma, in 30 digits."""
    w = weights or [1 / len(centres)] * len(centres)
    with mpmath.workdps(30):
        total = mpmath.fsum(map(mpmath.mpf, w))
        shares = [mpmath.mpf(x) / total for x in w]
        at = [mpmath.mpf(c) / mpmath.mpf(sigma) for c in centres]

        def integrand(x: mpmath.mpf) -> mpmath.mpf:
            q = mpmath.fsum(v * mpmath.npdf(x - c) for v, c in zip(shares, at, strict=True))
            return -q * mpmath.log(q)

        low, high = min(at) - 11, max(at) + 11
        panels = mpmath.linspace(low, high, math.ceil((high - low) / 1.5) + 1)
        value = mpmath.quad(integrand, panels, method="gauss-legendre", maxdegree=5)
        return float(value + mpmath.log(sigma))


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("sigma", [1e-6, 0.3, 1.0, 1e6])
@pytest.mark.parametrize("centre", [0.0, math.pi, 1e6, -1e6 + 0.1])
def test_one_centre_is_a_gaussian(dim: int, sigma: float, centre: float) -> None:
    check(integrate(np.full((1, dim), centre), sigma), gaussian(dim, sigma), EASY[dim])


@pytest.mark.parametrize("dim", [1, 2])
def test_repeated_centres_are_one(dim: int) -> None:
    check(integrate(np.full((50, dim), 0.7), 0.3), gaussian(dim, 0.3), EASY[dim])


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize(("apart", "sigma"), [(25.0, 1.0), (1e6, 1.0), (2e6, 1.0 / 3)])
def test_separated_centres_add_the_entropy_of_the_weights(
    dim: int, apart: float, sigma: float
) -> None:
    weights = np.array([0.5, 0.3, 0.15, 0.05])
    centres = np.zeros((4, dim))
    centres[:, 0] = [0.0, apart, -apart, 3 * apart]
    if dim == 2:
        centres[3] = [apart, -apart]
    # a coordinate of 6e6 sigma rounds to 7e-10 sigma; at 12 sigma the components still meet a bit
    coordinates = dim * 2.0**-52 * 3 * apart / sigma
    expected = gaussian(dim, sigma) - float(weights @ np.log(weights))
    check(integrate(centres, sigma, weights), expected, EASY[dim] + coordinates, 1e-15)


@pytest.mark.parametrize("separation", [0.1, 1, 2, 3, 4, 5, 6, 6.5, 7, 7.5, 8, 10, 14, 20])
def test_two_centres_in_one_dimension(separation: float) -> None:
    """Branch points bite most at 6 to 8 sigma; the error claimed was at most 3e-12 there."""
    check(integrate([0.0, separation], 1.0), by_mpmath([0.0, separation], 1.0), 1e-11)


@pytest.mark.parametrize("separation", [0.1, 3, 6, 6.5, 7, 7.5, 8, 20])
@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 4])
def test_two_centres_in_two_dimensions(separation: float, angle: float) -> None:
    """The pair is a product of a mixture in one dimension and a Gaussian, turned."""
    centres = separation * np.array([[0.0, 0.0], [math.cos(angle), math.sin(angle)]])
    line = integrate([0.0, separation], 1.0)
    expected = line.value + gaussian(1, 1.0)
    # the default tolerance of the aliasing; the rest is below 2e-12
    check(integrate(centres, 1.0), expected, 1.01e-9, line.error)
    # and the finer lattice, asked for; at most 1e-11 was claimed there
    check(integrate(centres, 1.0, tolerance=1e-11), expected, 5e-11, line.error)


def test_two_unequal_weights_against_30_digits() -> None:
    centres, weights = [0.0, 0.31, 2.4, 3.3, 3.7], [0.5, 1e-3, 0.2, 1e-9, 0.299]
    result = integrate(centres, 0.3, weights)
    check(result, by_mpmath(centres, 0.3, weights), 1e-11)


@pytest.mark.parametrize("seed", range(10))
def test_random_mixtures_in_one_dimension_against_quadpack(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 40))
    centres, sigma = rng.uniform(-1, 1, n), 10 ** rng.uniform(-2, 0.5)
    weights = rng.dirichlet(np.full(n, 0.3)) + 1e-12
    log_q = log_density(centres[:, None], weights / weights.sum(), 1.0 * sigma)

    def integrand(x: float) -> float:
        log = float(log_q(np.array([[x]]))[0])
        return -math.exp(log) * log

    low, high = centres.min() - 10 * sigma, centres.max() + 10 * sigma
    ends = np.linspace(low, high, math.ceil((high - low) / sigma) + 1)
    parts = [quad(integrand, a, b, epsabs=1e-14) for a, b in itertools.pairwise(ends)]
    expected, error = (math.fsum(column) for column in zip(*parts, strict=True))
    check(integrate(centres, sigma, weights), expected, 1e-11, error)


@pytest.mark.parametrize("seed", range(5))
def test_products_in_two_dimensions_are_sums_over_the_axes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sigma = 10 ** rng.uniform(-1, 0)
    axes = [rng.uniform(-1, 1, int(n)) for n in rng.integers(1, 5, 2)]
    weights = [rng.dirichlet(np.ones(len(axis))) for axis in axes]
    lines = [integrate(axis, sigma, w) for axis, w in zip(axes, weights, strict=True)]
    plane = integrate(np.array(list(itertools.product(*axes))), sigma, np.outer(*weights).ravel())
    check(plane, sum(line.value for line in lines), 1.01e-9, sum(line.error for line in lines))


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("spread", [3.0, 30.0, 200.0])
def test_the_cover_holds_every_point_near_a_centre_and_few_others(dim: int, spread: float) -> None:
    rng = np.random.default_rng(dim)
    clusters = np.array([[0.0, 0.0], [1e6, 3.0], [1e6, -1e9], [-4e7, 0.0]])[:, :dim]
    centres = (clusters[:, None] + rng.uniform(-spread, spread, (1, 12, dim))).reshape(-1, dim)
    grid = _quadrature._cover(centres, 1.0, 0.2, 8.0, BUDGET)
    assert grid is not None
    points = np.concatenate(list(grid.chunks()))
    found = {tuple(point) for point in points.tolist()}
    assert len(found) == len(points) == grid.n_points
    assert len(points) * grid.step**dim <= len(centres) * (2 * 9.5) ** dim
    offsets = rng.uniform(-8, 8, (len(centres) * 200, dim)) / math.sqrt(dim)
    near = np.round((np.repeat(centres, 200, axis=0) + offsets) / grid.step).astype(int)
    distance = np.linalg.norm(near * grid.step - np.repeat(centres, 200, axis=0), axis=1)
    assert {tuple(point) for point in near[distance <= 8.0].tolist()} <= found


def test_a_crowd_agrees_with_a_much_finer_lattice(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    centres = rng.uniform(-1, 1, (100, 2))
    result = integrate(centres, 0.05)
    monkeypatch.setattr(_quadrature, "_STEPS", {2: (1 / 9,)})
    finer = integrate(centres, 0.05)
    assert finer.n_points > 3 * result.n_points
    check(result, finer.value, 1.01e-9, finer.error)


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("weight", [0.0, 1e-300, 1e-20])
def test_weights_next_to_nothing_change_nothing(dim: int, weight: float) -> None:
    centres = np.zeros((3, dim))
    centres[1:, 0] = [9.0, 1e5]
    w = np.array([1.0, weight, weight])
    with np.errstate(divide="ignore"):  # log 0, in this file's density
        result = integrate(centres, 1.0, w)
    # the faint ones add w log(1/w) < 1e-18, and 1e5 sigma round to 2e-11
    check(result, gaussian(dim, 1.0), EASY[dim] + dim * 3e-11)
    assert result.n_points <= 10_000  # the faint are not followed


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize(("factor", "shift"), [(1e-6, 1e6), (1e6, -3e5), (7.3, 0.1)])
def test_scaling_and_shifting_are_exact(dim: int, factor: float, shift: float) -> None:
    # multiples of 2^-10 and a factor of 2^k: the moved centres, too, are exact
    centres = np.random.default_rng(dim).integers(-2000, 2000, (6, dim)) / 1024
    factor = 2.0 ** round(math.log2(factor))
    shift = factor * round(shift / factor)
    plain, moved = integrate(centres, 0.25), integrate(factor * centres + shift, 0.25 * factor)
    check(moved, plain.value + dim * math.log(factor), 1.01e-9, plain.error)


def test_errors_of_the_density_are_owned_up_to() -> None:
    rng = np.random.default_rng(0)
    centres, weights = rng.uniform(-1, 1, (5, 2)), np.full(5, 0.2)
    exact = log_density(centres, weights, 0.2)
    expected = integrate(centres, 0.2)

    def single(points: NDArray) -> NDArray:
        return exact(points).astype(np.float32).astype(float)

    def noisy(points: NDArray) -> NDArray:
        return exact(points) + 1e-5 * rng.standard_normal(len(points))

    def off(points: NDArray) -> NDArray:
        return exact(points) + 1e-4

    for density in (single, noisy, off):
        result = entropy_by_quadrature(centres, weights, 0.2, density, BUDGET)
        assert result is not None
        check(result, expected.value, 1e-3, expected.error)
        assert result.error > 1e-8


@pytest.mark.parametrize(("far", "sigma"), [(1e3, 1e-3), (1e6, 1e-3), (1e6, math.pi * 1e-6)])
def test_far_centres_take_a_density_in_local_coordinates(far: float, sigma: float) -> None:
    """With the engine's own density, which rounds no coordinate relative to a distant mean."""
    centres = np.array([[-far], [-far + 2 * sigma], [far], [far + 0.5 * sigma]])
    mixture = GaussianMixture(centres, sigma)
    result = entropy_by_quadrature(
        centres, np.full(4, 0.25), sigma, lambda x: mixture.log_density(x, 1e-12), BUDGET
    )
    assert result is not None
    pairs = [integrate([0.0, (centres[i + 1] - centres[i])[0] / sigma], 1.0) for i in (0, 2)]
    expected = math.log(2) + math.log(sigma) + 0.5 * sum(pair.value for pair in pairs)
    check(result, expected, 1e-11, sum(pair.error for pair in pairs))


def test_points_are_few_finite_and_handed_over_in_chunks() -> None:
    centres = np.random.default_rng(0).uniform(-1, 1, (2000, 2))
    lengths: list[int] = []

    def flat(points: NDArray) -> NDArray:
        lengths.append(len(points))
        assert np.abs(points).max() <= 1 + 9.5 * 0.02
        return np.full(len(points), -math.log(4.0))

    result = entropy_by_quadrature(centres, np.full(2000, 1 / 2000), 0.02, flat, BUDGET)
    assert result is not None
    assert sum(lengths) == result.n_points
    assert max(lengths) <= 2**17


def none_asked(points: NDArray) -> NDArray:
    raise AssertionError(f"asked for {len(points)} points")


@pytest.mark.parametrize("dim", [1, 2])
def test_too_small_a_budget_is_none_before_any_evaluation(dim: int) -> None:
    centres = np.random.default_rng(0).uniform(-1e9, 1e9, (100_000, dim))
    weights = np.full(100_000, 1e-5)
    assert entropy_by_quadrature(centres, weights, 1.0, none_asked, BUDGET) is None
    assert entropy_by_quadrature(centres, weights, 1.0, none_asked, 0) is None


@pytest.mark.parametrize("dim", [1, 2])
def test_the_budget_is_exact(dim: int) -> None:
    centres, weights = np.linspace(0, 20, 8 * dim).reshape(8, dim), np.full(8, 1 / 8)
    density = log_density(centres, weights, 1.0)
    needed = integrate(centres, 1.0).n_points
    result = entropy_by_quadrature(centres, weights, 1.0, density, needed)
    assert result is not None
    assert result.n_points == needed
    assert entropy_by_quadrature(centres, weights, 1.0, none_asked, needed - 1) is None


def test_three_dimensions_are_none() -> None:
    assert entropy_by_quadrature(np.zeros((1, 3)), np.ones(1), 1.0, none_asked, BUDGET) is None


def test_no_lattice_in_double_precision_is_none() -> None:
    far = np.full((1, 1), 1e9)
    assert entropy_by_quadrature(far, np.ones(1), 1e-6, none_asked, BUDGET) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_density_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="`log_density` must be finite"):
        entropy_by_quadrature(
            np.zeros((1, 1)), np.ones(1), 1.0, lambda x: np.full(len(x), bad), BUDGET
        )
