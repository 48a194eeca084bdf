"""KL divergence from nearest neighbours, against direct distances and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from entbench import shift


@pytest.mark.parametrize(
    ("n", "m", "dim", "k"), [(200, 300, 3, 5), (2, 1, 1, 1), (50, 40, 25, 4), (30, 90, 2, 1)]
)
def test_value_is_the_formula(n: int, m: int, dim: int, k: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, dim)), rng.normal(size=(m, dim)) + 0.5
    own = np.sort(cdist(x, x), axis=1)[:, k]
    other = np.sort(cdist(x, y), axis=1)[:, k - 1]
    expected = dim * np.mean(np.log(other / own)) + math.log(m / (n - 1))
    found = shift.kl_nearest_neighbours(x, y, k)
    assert found.value == pytest.approx(expected, rel=1e-10)
    assert (found.n, found.m, found.method) == (n, m, "estimate")


@pytest.mark.parametrize("scale", [1e-150, 1e-300, 1e200])
def test_scale_and_offset_do_not_matter(scale: float) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 100, 3))
    plain = shift.kl_nearest_neighbours(x, y)
    scaled = shift.kl_nearest_neighbours(x * scale, y * scale)
    assert scaled.value == pytest.approx(plain.value, rel=1e-10)
    far = shift.kl_nearest_neighbours(x + 1e6, y + 1e6)
    assert far.value == pytest.approx(plain.value, abs=1e-7)


def test_gaussians_against_the_closed_form() -> None:
    """D(N(0, I) || N(1/2, I)) = 1/4 in the plane; the error stated is the one seen."""
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(600, 2)), rng.normal(size=(600, 2)) + 0.5
        found.append(shift.kl_nearest_neighbours(x, y))
    values = np.array([one.value for one in found])
    # standard deviation 0.041: 4 standard errors over 40 seeds are 0.026; the bias is -0.02
    assert values.mean() == pytest.approx(0.25 - 0.02, abs=0.026)
    stated = math.sqrt(np.mean([one.standard_error**2 for one in found]))
    # an estimate of a standard deviation from 40 has 11 % error: 4 of them
    assert stated == pytest.approx(values.std(ddof=1), rel=0.45)
    assert all(one.low < one.value < one.high for one in found)
    reach = [(one.high - one.low) / (2 * one.standard_error) for one in found]
    assert reach == pytest.approx([2.2622] * 40, abs=1e-4)  # Student's t, 9 degrees of freedom


def test_parts_are_every_tenth_row() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 100, 2))
    alone = [shift.kl_nearest_neighbours(x[i::10], y[i::10]).value for i in range(10)]
    expected = np.std(alone, ddof=1) / math.sqrt(10)
    assert shift.kl_nearest_neighbours(x, y).standard_error == pytest.approx(expected, rel=1e-12)


def test_same_for_any_number_of_threads() -> None:
    x, y = np.random.default_rng(3).normal(size=(2, 2000, 4))
    assert shift.kl_nearest_neighbours(x, y, n_jobs=1) == shift.kl_nearest_neighbours(
        x, y, n_jobs=2
    )


def test_too_small_for_an_error() -> None:
    x, y = np.random.default_rng(4).normal(size=(2, 6, 2))
    found = shift.kl_nearest_neighbours(x, y, k=5)
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert math.isnan(found.standard_error)
    assert math.isfinite(found.value)


def test_bad_input() -> None:
    x, y = np.random.default_rng(5).normal(size=(2, 6, 2))
    with pytest.raises(ValueError, match=r"`k` must be at most n - 1 and m; got k=6 with n=6"):
        shift.kl_nearest_neighbours(x, y, k=6)
    with pytest.raises(ValueError, match=r"rows of `X` and `Y` must all differ; .*`kl_samples`"):
        shift.kl_nearest_neighbours(x, x, k=1)
    with pytest.raises(ValueError, match="rows of `X` and `Y` must all differ"):
        shift.kl_nearest_neighbours(np.vstack([x, x]), y, k=1)
    with pytest.raises(ValueError, match=r"`k` must be an integer >= 1; got 0\."):
        shift.kl_nearest_neighbours(x, y, k=0)
    with pytest.raises(ValueError, match=r"`n_jobs` must be an integer >= 1"):
        shift.kl_nearest_neighbours(x, y, n_jobs=0)
