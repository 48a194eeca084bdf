"""Theorem 6 against every number that the paper prints, and its optimisation by brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from entbench import bounds


def test_the_papers_numbers() -> None:
    assert bounds.theorem_6_smallest_epsilon(10_000, 0.1) == pytest.approx(0.005717, abs=5e-7)
    assert bounds.binary_entropy(0.01) == pytest.approx(0.05600, abs=5e-6)
    dims = [*range(1, 40), *np.unique(np.geomspace(40, 10_000, 60).astype(int))]
    cells = [bounds.theorem_6_cells(int(d), 0.1, 0.01) for d in dims]
    assert cells == [3 if d <= 11 else 2 for d in dims]
    ends = [bounds.theorem_6_cells(int(d), 0.1, 0.01, "end points") for d in dims]
    assert ends == [4 if d <= 11 else 3 for d in dims]


@pytest.mark.parametrize("dim", [12, 100, 10_000])
def test_samples_needed_in_the_papers_example(dim: int) -> None:
    """n of 2^{0.99 d} at least, but for H_b(0.01)."""
    log_n = bounds.theorem_6_log_samples(0.0, dim, 0.1, 0.01)
    assert log_n == pytest.approx(0.99 * dim * math.log(2) - 0.0560015, abs=1e-6)


@pytest.mark.parametrize(
    ("n", "dim", "expected"), [(100, 3, -1.40), (100, 5, 0.78), (10_000, 10, 1.61)]
)
def test_values_at_a_hundredth(n: int, dim: int, expected: float) -> None:
    value = bounds.theorem_6_bias_bound(n, dim, 0.1, 0.01)
    assert value == pytest.approx(expected, abs=5e-3)
    # bias >= value as long as n is at most n
    assert bounds.theorem_6_log_samples(abs(value), dim, 0.1, 0.01) == pytest.approx(
        math.log(n) + value - abs(value), abs=1e-12
    )


@pytest.mark.parametrize("grid", ["centres", "end points"])
@pytest.mark.parametrize(("dim", "sigma"), [(1, 0.1), (3, 0.02), (10, 0.3), (200, 0.1), (2, 3.0)])
def test_best_epsilon_by_brute_force(dim: int, sigma: float, grid: str) -> None:
    """Every k up to 4/sigma at the least epsilon that allows it, and a grid of epsilons."""
    values = [0.0]
    for k in range(2, 20 + math.ceil(4 / sigma)):
        half = 1 / k if grid == "centres" else 1 / (k - 1)
        success = (1 - 2 * norm.sf(half / sigma)) ** dim
        if 0 < success < 1:
            uncertain = -success * math.log(success) - (1 - success) * math.log1p(-success)
            values.append(dim * success * math.log(k) - uncertain)
    value = bounds.theorem_6_bias_bound(1, dim, sigma, grid=grid)
    assert value == pytest.approx(max(values), rel=1e-9)
    smallest = bounds.theorem_6_smallest_epsilon(dim, sigma, grid)
    for epsilon in smallest + (1 - smallest) * np.linspace(0.001, 0.999, 300):
        assert bounds.theorem_6_bias_bound(1, dim, sigma, float(epsilon), grid) <= value + 1e-9


def test_cells_are_as_many_as_epsilon_allows() -> None:
    for dim, sigma, epsilon in [(1, 0.05, 0.2), (7, 0.1, 0.05), (50, 0.01, 1e-6)]:
        k = bounds.theorem_6_cells(dim, sigma, epsilon)
        chances = [1 - (1 - 2 * norm.sf(1 / (j * sigma))) ** dim for j in (k, k + 1)]
        assert chances[0] <= epsilon < chances[1]


def test_witness_is_decoded_as_often_as_claimed() -> None:
    dim, sigma, epsilon = 4, 0.15, 0.15
    k = bounds.theorem_6_cells(dim, sigma, epsilon)
    points = bounds.theorem_6_witness(k)
    assert points[0] == pytest.approx(-1 + 1 / k)
    assert np.diff(points) == pytest.approx(2 / k)
    ends = bounds.theorem_6_witness(k, "end points")
    assert (ends[0], ends[-1], len(ends)) == (-1.0, 1.0, k)
    rng = np.random.default_rng(0)
    sent = rng.integers(k, size=(20_000, dim))
    noisy = points[sent] + sigma * rng.standard_normal(sent.shape)
    decoded = np.abs(noisy[..., None] - points).argmin(axis=-1)
    wrong = (decoded != sent).any(axis=1).mean()
    # 4 standard errors of a frequency over 20,000 draws
    assert 0.0 < wrong <= epsilon + 4 * math.sqrt(epsilon / 20_000)


def test_sharpened_bound_is_above() -> None:
    for dim in (1, 3, 5, 10):
        for n in (1, 10, 1000):
            sharp = bounds.worst_case_bias_bound(n, dim, 0.1)
            assert sharp >= bounds.theorem_6_bias_bound(n, dim, 0.1, grid="end points")
            assert sharp >= bounds.theorem_6_bias_bound(n, dim, 0.1)


def test_epsilon_outside_its_range_is_refused() -> None:
    for epsilon in (0.005, 1.0, 1.5):
        with pytest.raises(ValueError, match=r"`epsilon` must be in \(0.00571663, 1\)"):
            bounds.theorem_6_cells(10_000, 0.1, epsilon)
    with pytest.raises(ValueError, match="`k` must be an integer >= 2"):
        bounds.theorem_6_witness(1)
    with pytest.raises(ValueError, match="`grid` must be one of"):
        bounds.theorem_6_bias_bound(2, 1, 0.1, grid="edges")


@pytest.mark.parametrize(("n", "dim", "epsilon"), [(2, 1, 0.01), (50, 5, 0.01), (1000, 20, 0.3)])
def test_fano_for_the_witness_is_the_theorem(n: int, dim: int, epsilon: float) -> None:
    k = bounds.theorem_6_cells(dim, 0.1, epsilon)
    value = bounds.fano_bias_bound(n, dim * math.log(k), epsilon)
    assert value == pytest.approx(bounds.theorem_6_bias_bound(n, dim, 0.1, epsilon), abs=1e-12)


@pytest.mark.parametrize("k", [2, 5, 16])
@pytest.mark.parametrize("sigma", [0.05, 0.2, 1.0, 5.0])
def test_fano_is_below_the_sharper_bound(k: int, sigma: float) -> None:
    """Whatever the noise: I(S; S+Z) of k amplitudes by quadrature in place of Fano's inequality."""
    error = 2 * float(norm.sf(1 / ((k - 1) * sigma)))
    information = bounds.pam_information(k, sigma)
    for n in (1, 2, 10):
        fano = bounds.fano_bias_bound(n, math.log(k), error)
        assert fano <= information - math.log(n) + 1e-10
        assert max(fano, 0) <= bounds.uniform_values_bias_bound(n, information, math.log(k)) + 1e-10


def test_a_probability_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match="`decoding_error` must be a probability; got 1.5"):
        bounds.fano_bias_bound(10, 1.0, 1.5)
