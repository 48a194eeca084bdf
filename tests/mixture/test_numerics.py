"""Extremes of scale, dimension and weight, against 50 digits of mpmath."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

from entbench.mixture import GaussianMixture


def by_mpmath(
    centres: NDArray, sigma: float, point: NDArray, weights: NDArray | None = None
) -> mpmath.mpf:
    """Return the log-density of the very doubles given, to 50 digits."""
    n, dim = centres.shape
    shares = [1.0] * n if weights is None else weights.tolist()
    with mpmath.workdps(50):
        scale = 2 * mpmath.mpf(sigma) ** 2
        total = mpmath.fsum(map(mpmath.mpf, shares))
        at = [mpmath.mpf(x) for x in point.tolist()]
        terms = [
            mpmath.mpf(share)
            / total
            * mpmath.exp(-mpmath.fsum((x - c) ** 2 for x, c in zip(at, row, strict=True)) / scale)
            for share, row in zip(shares, centres.tolist(), strict=True)
            if share > 0
        ]
        return mpmath.log(mpmath.fsum(terms)) - mpmath.mpf(dim) / 2 * mpmath.log(mpmath.pi * scale)


def check(
    centres: NDArray,
    sigma: float,
    points: NDArray,
    weights: NDArray | None = None,
    finest: float = 1e-12,
) -> None:
    """Check all tolerances and methods; `finest` is what double precision must reach."""
    mixture = GaussianMixture(centres, sigma, weights)
    expected = [by_mpmath(centres, sigma, point, weights) for point in points]
    for tolerance in (1e-2, 1e-5, 1e-12, 1e-13):
        for method in ("dense", "pruned"):
            found = mixture.evaluate(points, tolerance, method)
            assert np.isfinite(found.values).all()
            assert np.isfinite(found.errors).all()
            for value, error, reference in zip(found.values, found.errors, expected, strict=True):
                # the last difference, of doubles as large as the result and the normaliser
                size = abs(float(reference)) + len(points[0]) * (1 + abs(math.log(sigma)))
                off = float(abs(mpmath.mpf(float(value)) - reference))
                assert off <= error + 2.0**-52 * size
                assert off <= max(tolerance, finest, error) + 2.0**-52 * size
                assert error <= max(tolerance, finest)


@pytest.mark.parametrize("shift", [0.0, 1e6])
@pytest.mark.parametrize("sigma", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("dim", [1, 3, 100])
def test_scales(shift: float, sigma: float, dim: int) -> None:
    """A common shift costs nothing beyond the rounding of the input, which is not at issue."""
    rng = np.random.default_rng([dim])
    centres = shift + sigma * rng.uniform(-3, 3, (40, dim))
    points = centres[:4] + sigma * rng.standard_normal((4, dim))
    check(centres, sigma, points, finest=1e-12 if dim < 100 else 1e-11)


@pytest.mark.parametrize("sigma", [1e-6, 1.0, 1e6])
def test_a_thousand_dimensions(sigma: float) -> None:
    """With D^2 = 1000 sigma^2 the bound is up to 6e-11 nats; what was measured is below 1e-12."""
    rng = np.random.default_rng(0)
    centres = 1e6 + sigma * rng.uniform(-1, 1, (12, 1000))
    points = centres[:2] + sigma * rng.standard_normal((2, 1000))
    check(centres, sigma, points, finest=1e-10)
    for method in ("dense", "pruned"):
        found = GaussianMixture(centres, sigma).evaluate(points, 1e-12, method)
        expected = [by_mpmath(centres, sigma, point) for point in points]
        off = [abs(mpmath.mpf(float(v)) - e) for v, e in zip(found.values, expected, strict=True)]
        # a double of 1.3e4 has steps of 2e-12
        assert max(off) <= (1e-12 if sigma == 1.0 else 1e-11)


@pytest.mark.parametrize("n", [1, 5, 300])
@pytest.mark.parametrize("dim", [1, 3, 100])
@pytest.mark.parametrize("sigma", [1e-6, 1.0, 1e6])
def test_equal_centres_are_one(n: int, dim: int, sigma: float) -> None:
    rng = np.random.default_rng(0)
    centres = np.full((n, dim), 1e6 + 0.1)
    points = centres[:1] + sigma * np.concatenate([np.zeros((1, dim)), rng.normal(size=(2, dim))])
    mixture = GaussianMixture(centres, sigma)
    one = GaussianMixture(centres[:1], sigma)
    weighted = GaussianMixture(centres, sigma, rng.uniform(0.1, 1, n))
    for tolerance in (1e-5, 1e-12):
        expected = [by_mpmath(centres[:1], sigma, point) for point in points]
        for found in (m.evaluate(points, tolerance) for m in (mixture, one, weighted)):
            size = np.abs(found.values) + dim * (1 + abs(math.log(sigma)))
            off = [abs(mpmath.mpf(float(v)) - e) for v, e in zip(found.values, expected)]  # noqa: B905
            assert (np.array(off) <= found.errors + 2.0**-52 * size).all()


@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("n", [4, 700])
def test_weights_down_to_nothing(dim: int, n: int) -> None:
    """A component of weight 1e-300 alone explains what lies at 100 sigma from all others."""
    rng = np.random.default_rng(dim)
    centres = rng.standard_normal((n, dim))
    centres[0] += 100.0
    weights = 10 ** rng.uniform(-250, 0, n)
    weights[0] = 1e-300
    # the log2 of such a weight is 1000, and so rounds a thousandfold
    points = centres[[0, 1, 2]] + 0.5 * rng.standard_normal((3, dim))
    check(centres, 1.0, points, weights, 5e-12)
    # and between: where the two kinds are equally likely
    way = np.linspace(0.55, 0.85, 5)[:, None]
    check(centres, 1.0, centres[1] + way * (centres[0] - centres[1]), weights, 1e-11)


def test_weights_over_the_whole_range_of_doubles() -> None:
    weights = np.array([5e-324, 1e308, 1e-308, 1.7e308])
    centres = np.array([[0.0], [60.0], [30.0], [63.0]])
    check(centres, 1.0, np.array([[0.0], [5.0], [30.0], [61.0]]), weights, 1e-11)


@pytest.mark.parametrize("distance", [1e2, 1e3, 1e4, 1e6])
@pytest.mark.parametrize("dim", [1, 3, 20])
@pytest.mark.parametrize("n", [30, 600])
def test_far_points_are_within_the_stated_error(distance: float, dim: int, n: int) -> None:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((n, dim))
    point = np.zeros((1, dim))
    point[0, 0] = distance
    expected = by_mpmath(centres, 1.0, point[0])
    mixture = GaussianMixture(centres, 1.0)
    for tolerance in (1e-5, 1e-12):
        for method in ("dense", "pruned"):
            found = mixture.evaluate(point, tolerance, method)
            off = float(abs(mpmath.mpf(float(found.values[0])) - expected))
            assert off <= found.errors[0] + 2.0**-52 * abs(float(expected))
            # about dim + 6 roundings of D^2/2, with a margin of 2
            assert found.errors[0] <= tolerance + (dim + 10) * distance**2 * 2.0**-53 + 1e-10


@pytest.mark.parametrize("distance", [1e8, 1e10, 1e12, 1e20, 1e100, 1e150])
@pytest.mark.parametrize("method", ["dense", "pruned"])
def test_nothing_is_infinite_where_the_result_is_not(distance: float, method: str) -> None:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((1000, 3))
    for tolerance in (1e-2, 1e-12):
        found = GaussianMixture(centres, 1.0).evaluate([[distance, 0.0, 0.0]], tolerance, method)
        # nearest and farthest centre
        assert found.values[0] == pytest.approx(-0.5 * distance**2, rel=1e-6)
        assert found.errors[0] >= 2.0**-54 * distance**2


@pytest.mark.parametrize("method", ["dense", "pruned"])
def test_densities_below_all_doubles_are_nothing(method: str) -> None:
    """At 1e155 sigma the log-density itself is below the most negative double."""
    centres = np.random.default_rng(0).standard_normal((1000, 3))
    with np.errstate(over="ignore"):
        found = GaussianMixture(centres, 1.0).evaluate([[1e155, 0.0, 0.0]], 1e-5, method)
    assert found.values[0] == -math.inf


@pytest.mark.parametrize("apart", [1e40, 1e80, 1e100, 1e150, 1e160, 1e200])
@pytest.mark.parametrize("n", [2, 1000])
def test_centres_out_of_all_reach_of_each_other(apart: float, n: int) -> None:
    """Only a point's own centre counts, however far the others are."""
    centres = apart * np.arange(n)[:, None]
    found = GaussianMixture(centres, 1.0).evaluate(centres[:1], 1e-5, "pruned")
    expected = -math.log(n) - 0.5 * math.log(2 * math.pi)
    assert np.isfinite(found.values[0])
    assert abs(found.values[0] - expected) <= found.errors[0] + 1e-14


@pytest.mark.parametrize("method", ["dense", "pruned"])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-5, 1e-12])
def test_clusters_far_apart_with_an_outlier_in_the_leaf(tolerance: float, method: str) -> None:
    """One leaf, 1e8 sigma wide: single precision must notice that it does not resolve it."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, 2))
    centres[0] = [1e8, -1e8]
    points = np.concatenate([centres[:4] + 0.3, [[5e7, 0.0]]])
    found = GaussianMixture(centres, 1.0).evaluate(points, tolerance, method)
    for value, error, point in zip(found.values, found.errors, points, strict=True):
        expected = by_mpmath(centres, 1.0, point)
        off = float(abs(mpmath.mpf(float(value)) - expected))
        assert off <= error + 2.0**-52 * abs(float(expected))
    assert (found.errors[1:4] <= max(tolerance, 1e-5)).all()


@pytest.mark.parametrize("factor", [2.0**-300, 2.0**-20, 2.0**20, 2.0**300])
@pytest.mark.parametrize("tolerance", [1e-4, 1e-12])
def test_units_of_length_change_no_bit_of_the_kernel_sums(factor: float, tolerance: float) -> None:
    rng = np.random.default_rng(0)
    centres, points = rng.standard_normal((1000, 3)), rng.standard_normal((50, 3))
    plain = GaussianMixture(centres, 0.3).log_kernel_sums(points, tolerance)
    scaled = GaussianMixture(factor * centres, factor * 0.3)
    assert np.array_equal(scaled.log_kernel_sums(factor * points, tolerance), plain)
