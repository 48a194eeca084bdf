"""The I-MMSE route against closed forms, products and quadrature; and its range."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import norm

from entbench.mixture import GaussianMixture, gaussian_entropy
from entbench.sources import _mmse as mmse
from entbench.sources._mmse import Found, entropy_by_mmse

MOST = 1e10


def found_for(
    centres: NDArray[np.float64],
    sigma: float,
    weights: NDArray[np.float64] | None = None,
    error: float = 3e-3,
    seed: int = 0,
) -> Found:
    found = entropy_by_mmse(centres, sigma, weights, error, MOST, np.random.default_rng(seed))
    assert found is not None
    assert found.numerical_error <= error
    assert found.rule_error < 1e-4
    return found


def holds(found: Found, truth: float) -> bool:
    """Within the error at 7e-6."""
    return abs(found.value - truth) <= 4.5 * found.numerical_error + found.rule_error


def on_axis(places: NDArray[np.float64], weights: NDArray[np.float64], sigma: float) -> float:
    def term(y: float) -> float:
        q = float(weights @ norm.pdf(y, places, sigma))
        return -q * math.log(q) if q > 0.0 else 0.0

    ends = places.min() - 10 * sigma, places.max() + 10 * sigma
    return float(quad(term, *ends, epsabs=1e-10, limit=400, points=list(places))[0])


@pytest.mark.parametrize("distance", [0.5, 2.0, 6.0])
def test_two_points(distance: float) -> None:
    """h by QUADPACK along the line, and of the noise across it."""
    centres = np.zeros((2, 3))
    centres[1] = distance / math.sqrt(3.0)
    weights = np.array([0.9, 0.1])
    truth = on_axis(np.array([0.0, distance]), weights, 1.0) + gaussian_entropy(2, 1.0)
    assert holds(found_for(centres, 1.0, weights), truth)


@pytest.mark.parametrize("sigma", [0.25, 0.5, 2.0])
def test_products(sigma: float) -> None:
    places, weights = np.array([-1.0, 0.2, 1.0]), np.array([0.5, 0.2, 0.3])
    grids = np.meshgrid(*[np.arange(3)] * 3, indexing="ij")
    chosen = np.stack([grid.ravel() for grid in grids], axis=1)
    truth = 3.0 * on_axis(places, weights, sigma)
    assert holds(found_for(places[chosen], sigma, weights[chosen].prod(axis=1)), truth)


def test_a_fine_grid_of_a_gaussian() -> None:
    """Steps of sigma/2 cannot be told from the Gaussian: h of N(0, 1 + sigma^2) and no more."""
    axis = np.arange(-4.5, 4.6, 0.25)
    weights = norm.pdf(axis)
    weights /= weights.sum()
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(37), np.arange(37)))
    found = found_for(np.column_stack([axis[x], axis[y]]), 0.5, weights[x] * weights[y])
    assert holds(found, gaussian_entropy(2, math.sqrt(1.25)))


def test_against_quadrature() -> None:
    centres = np.random.default_rng(3).standard_normal((40, 2))
    mixture = GaussianMixture(centres, 0.3)
    truth = mixture.entropy(1e-8, 10**6, np.random.default_rng(0)).value
    assert holds(found_for(centres, 0.3), truth)
    # shifts and copies change nothing
    assert holds(found_for(np.repeat(centres, 2, axis=0) + 1e4, 0.3), truth)


def test_rare_mass_is_not_left_to_chance() -> None:
    """One row of 300 far away: 20 seeds, none of which is off by more than 4.5 errors."""
    centres = np.zeros((300, 3))
    centres[0] = 30.0
    share = 1.0 / 300.0
    truth = -share * math.log(share) - (1 - share) * math.log1p(-share) + gaussian_entropy(3, 1.0)
    assert all(holds(found_for(centres, 1.0, error=6e-3, seed=seed), truth) for seed in range(20))


def test_terms_are_in_their_range() -> None:
    """``g V <= |N|^2 + 2 log(1/w)`` at every draw, and V within the squared radius."""
    rng = np.random.default_rng(0)
    centres, weights = 3.0 * rng.standard_normal((50, 4)), rng.dirichlet(np.full(50, 0.2))
    places = mmse._places_of(centres, 1.0, np.maximum(weights, 1e-9))
    assert places is not None
    chosen = rng.integers(0, 50, 4000)
    for node in (1e-3, 0.1, 1.0):
        noise = 1.5 * rng.standard_normal((4000, 4))
        terms = mmse._posterior_variance(places, node, chosen, noise)
        reach = (noise**2).sum(axis=1) - 2.0 * np.log(places.weights[chosen])
        assert (node * terms <= reach * (1 + 1e-9)).all()
        assert terms.max() <= places.radius2 * (1 + 1e-9)


def test_posterior_variance_of_two_points() -> None:
    """tanh: of places -1 and 1 and noise 1, V = 1 - tanh(g s + sqrt(g) N)^2."""
    places = mmse._places_of(np.array([[-1.0], [1.0]]), 1.0, None)
    assert places is not None
    noise = np.linspace(-3, 3, 7)[:, None]
    values = mmse._posterior_variance(places, 0.7, np.ones(7, dtype=np.intp), noise)
    expected = 1.0 - np.tanh(0.7 + math.sqrt(0.7) * noise[:, 0]) ** 2
    np.testing.assert_allclose(values, expected, atol=1e-13)


def test_one_place_is_noise() -> None:
    found = found_for(np.full((5, 2), 7.0), 0.1)
    assert found.value == pytest.approx(gaussian_entropy(2, 0.1), rel=1e-14)
    assert found.n_draws == 0


def test_what_costs_too_much_is_left() -> None:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((60, 3))
    assert entropy_by_mmse(centres, 0.3, None, 1e-6, MOST, rng) is None
    assert entropy_by_mmse(1e5 * centres, 0.3, None, 1e-2, MOST, rng) is None
    assert entropy_by_mmse(1e300 * centres, 1e-9, None, 1e-2, MOST, rng) is None
    assert entropy_by_mmse(rng.random((5000, 1)), 0.3, None, 1e-2, MOST, rng) is None


def test_nothing_of_the_first_route_is_used() -> None:
    """Of entbench, only the rule that makes an error of a variance and a range."""
    tree = ast.parse(Path(mmse.__file__).read_text())
    ours = [
        (node.module, [alias.name for alias in node.names])
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("entbench")
    ]
    assert ours == [("entbench.mixture", ["error_of"])]
