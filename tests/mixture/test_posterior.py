"""What a point tells about its component, against all pairs."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp

from entbench.mixture import GaussianMixture


class Expected(NamedTuple):
    log_density: NDArray
    mean: NDArray
    variance: NDArray
    collision: NDArray
    reach: NDArray  # distance to the farthest centre


def by_pairs(centres: NDArray, sigma: float, points: NDArray, weights: NDArray) -> Expected:
    dim = centres.shape[1]
    away = np.linalg.norm(points[:, None] - centres, axis=2)
    logs = np.log(weights / weights.sum()) - 0.5 * (away / sigma) ** 2
    total = logsumexp(logs, axis=1)
    shares = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    mean = shares @ centres
    squares = ((centres - mean[:, None]) ** 2).sum(axis=2)
    return Expected(
        total - dim * math.log(sigma * math.sqrt(2 * math.pi)),
        mean,
        (shares * squares).sum(axis=1),
        (shares**2).sum(axis=1),
        away.max(axis=1),
    )


CASES = ["spread", "clusters", "copies", "weights", "weights over 200 decades", "one place"]


def make(case: str, n: int, dim: int, rng: np.random.Generator) -> tuple[NDArray, NDArray | None]:
    centres = rng.standard_normal((n, dim))
    if case == "clusters":
        return rng.choice([-1.0, 1.0], (n, dim)) + 0.01 * centres, None
    if case == "copies":
        return centres[rng.integers(0, n // 3 + 1, n)], None
    if case == "one place":
        return np.repeat(centres[:1], n, axis=0), None
    if case == "weights":
        return centres, rng.uniform(0, 1, n)
    return centres, 10 ** rng.uniform(-200, 0, n) if "200" in case else None


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("n", [1, 2, 256, 1000])
@pytest.mark.parametrize("dim", [1, 3, 20])
def test_posterior_agrees_with_all_pairs(case: str, n: int, dim: int) -> None:
    rng = np.random.default_rng([n, dim])
    centres, weights = make(case, n, dim, rng)
    given = np.ones(n) if weights is None else weights
    for sigma in (0.02, 0.3, 2.0):
        near = centres[rng.integers(0, n, 15)] + sigma * rng.standard_normal((15, dim))
        points = np.concatenate([near, rng.uniform(-1, 1, (5, dim))])
        expected = by_pairs(centres, sigma, points, given)
        for tolerance in (1e-3, 1e-11):
            found = GaussianMixture(centres, sigma, weights).posterior(points, tolerance)
            # shares of `tolerance` and the rounding of D^2/sigma^2, carried over the distance
            off = tolerance + 1e-13 + 1e-15 * (20 + dim) * (expected.reach / sigma) ** 2
            within = off * expected.reach
            assert (np.abs(found.log_density - expected.log_density) <= 2 * off).all()
            assert (np.abs(found.mean - expected.mean).max(axis=1) <= 2 * within).all()
            apart = np.abs(found.variance - expected.variance)
            assert (apart <= 4 * within * expected.reach).all()
            assert (np.abs(found.collision - expected.collision) <= 4 * off).all()
            assert (found.variance >= 0).all()


def test_posterior_and_evaluate_have_one_density() -> None:
    rng = np.random.default_rng(0)
    mixture = GaussianMixture(rng.standard_normal((1000, 3)), 0.3)
    points = rng.standard_normal((50, 3))
    found, density = mixture.posterior(points, 1e-9), mixture.evaluate(points, 1e-9)
    assert (np.abs(found.log_density - density.values) <= density.errors + 1e-9).all()


def test_copies_share_a_centre_but_not_a_posterior() -> None:
    """Three of four components in one place: collisions of 3 (1/3)^2 there."""
    found = GaussianMixture([[0.0], [0.0], [0.0], [50.0]], 1.0).posterior([[0.0], [50.0]], 1e-12)
    assert found.collision == pytest.approx([1 / 3, 1.0], rel=1e-10)
    assert found.mean[:, 0] == pytest.approx([0.0, 50.0], abs=1e-10)


def test_mean_variance_over_draws_is_the_mean_square_error_of_the_posterior_mean() -> None:
    """mmse(C | C + Z) by two routes from 20 000 draws; 4.5 standard errors, false alarm 7e-6."""
    rng = np.random.default_rng(0)
    mixture = GaussianMixture(rng.uniform(-1, 1, (300, 3)), 0.3)
    chosen = mixture.centres[rng.integers(0, 300, 20_000)]
    found = mixture.posterior(chosen + 0.3 * rng.standard_normal(chosen.shape))
    squares = ((chosen - found.mean) ** 2).sum(axis=1)
    apart = squares - found.variance
    assert abs(apart.mean()) <= 4.5 * apart.std() / math.sqrt(len(apart))


@pytest.mark.parametrize("distance", [1e2, 1e3, 1e4, 1e5, 1e6, 1e7])
def test_points_far_away_see_centres_where_they_are(distance: float) -> None:
    """Centres in a plane across the view: the distance is common to all, and tells nothing.

    Shares may be off by the rounding of D^2, which moves the mean by a part of the plane's width
    and never out of it.
    """
    heights = np.array([1.0, -1.0, 0.5, -0.5, 0.0])
    centres = np.column_stack([np.zeros(5), heights])
    shares = np.exp(-0.5 * heights**2) / np.exp(-0.5 * heights**2).sum()
    found = GaussianMixture(centres, 1.0).posterior([[distance, 0.0]], 1e-12)
    off = 1e-11 + 20 * 2.0**-53 * distance**2
    coordinates = 8 * 2.0**-53 * distance
    assert abs(found.mean[0, 0]) <= coordinates
    assert abs(found.mean[0, 1]) <= off + coordinates
    assert abs(found.variance[0] - shares @ heights**2) <= off + coordinates
    assert abs(found.collision[0] - shares @ shares) <= off
