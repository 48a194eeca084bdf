"""Wasserstein distances: each exact way against another, bounds around them, closed forms."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.stats import norm, wasserstein_distance

from entbench import shift
from entbench.shift._couplings import (
    assignment_cost,
    distances,
    halves,
    monotone_coupling,
    partition_cost,
    transport_bounds,
)


def _full_program(cost: NDArray, a: NDArray, b: NDArray) -> float:
    """Return the least cost by the program over all pairs."""
    n, m = cost.shape
    rows, columns = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
    found = linprog(cost.ravel(), A_eq=np.vstack([rows, columns]), b_eq=np.r_[a, b])
    return float(found.fun)


def _instance(rng: np.random.Generator) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Draw two small weighted samples, some with repeated rows and next to no mass."""
    n, m, dim = rng.integers(1, 12, size=3)
    x, y = rng.normal(size=(n, dim)), rng.normal(size=(m, dim)) + rng.normal()
    if rng.random() < 0.3:
        x, y = x.round(), y.round()
    a, b = (rng.dirichlet(np.full(size, rng.choice([0.02, 1.0]))) for size in (n, m))
    return x, y, a, b


@pytest.mark.parametrize("order", [1, 2])
def test_bounds_enclose_the_exact_value_and_the_full_program_agrees(order: int) -> None:
    rng = np.random.default_rng(order)
    for _ in range(100):
        x, y, a, b = _instance(rng)
        laws = {"weights": a, "other_weights": b}
        exact = shift.wasserstein(x, y, order, **laws)
        bound = shift.wasserstein(x, y, order, method="bounds", **laws)
        full = _full_program(distances(x, y, order), a, b) ** (1 / order)
        # the full program stops at 1e-7
        assert exact.value == pytest.approx(full, rel=1e-6, abs=1e-7)
        assert exact.low <= exact.high <= exact.low + 1e-9
        assert bound.low <= exact.value + 1e-9
        assert exact.value <= bound.high * (1 + 1e-12) + 1e-12
        assert bound.value == bound.high


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("dim", [2, 20])
def test_program_is_the_assignment_where_weights_are_equal(dim: int, order: int) -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 60, dim))
    found = shift.wasserstein(x, y, order)
    weighted = shift.wasserstein(x, y, order, weights=np.full(60, 1 / 60))
    assert (found.method, weighted.method) == ("exact, assignment", "exact, linear program")
    assert weighted.value == pytest.approx(found.value, rel=1e-10)
    assert found.low == found.value == found.high
    bound = shift.wasserstein(x, y, order, method="bounds")
    # 60 points are one part: the coupling is the best
    assert bound.low < found.value
    assert bound.high == pytest.approx(found.value, rel=1e-12)


def test_assignment_is_the_best_of_all_permutations() -> None:
    x, y = np.random.default_rng(1).normal(size=(2, 6, 3))
    cost = distances(x, y, 2)
    best = min(cost[np.arange(6), list(p)].sum() for p in itertools.permutations(range(6)))
    assert shift.wasserstein(x, y, 2).value == pytest.approx(math.sqrt(best / 6), rel=1e-12)


def test_unequal_sizes_repeated_are_the_program() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(30, 3)), rng.normal(size=(20, 3))
    found = shift.wasserstein(x, y)
    low, high = transport_bounds(distances(x, y, 1), np.full(30, 1 / 30), np.full(20, 1 / 20))
    assert found.method == "exact, assignment"
    assert found.value == pytest.approx(low, rel=1e-10)
    assert found.value == pytest.approx(high, rel=1e-10)


def test_one_dimension_against_scipy_and_the_program() -> None:
    rng = np.random.default_rng(3)
    for _ in range(30):
        n, m = rng.integers(1, 30, size=2)
        x, y = rng.normal(size=n), rng.normal(size=m).round(1)
        a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
        found = shift.wasserstein(x[:, None], y[:, None], weights=a, other_weights=b)
        assert found.method == "exact, quantiles"
        assert found.value == pytest.approx(wasserstein_distance(x, y, a, b), rel=1e-12)
        squared = shift.wasserstein(x[:, None], y[:, None], 2, weights=a, other_weights=b)
        _, high = transport_bounds(distances(x[:, None], y[:, None], 2), a, b)
        assert squared.value == pytest.approx(math.sqrt(high), rel=1e-10)


def test_certificate_is_that_of_a_larger_program() -> None:
    """Prices and plan prove the same number, though most pairs never enter the program."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(120, 4)), rng.normal(size=(90, 4)) + 0.5
    laws = {"weights": rng.dirichlet(np.ones(120)), "other_weights": rng.dirichlet(np.ones(90))}
    for order in (1, 2):
        found = shift.wasserstein(x, y, order, **laws)
        assert found.high - found.low <= 1e-10 * found.high


def test_monotone_coupling_has_the_right_masses() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.dirichlet(np.ones(7)), rng.dirichlet(np.ones(5))
    i, j, mass = monotone_coupling(a, b)
    assert np.bincount(i, mass, 7) == pytest.approx(a, abs=1e-15)
    assert np.bincount(j, mass, 5) == pytest.approx(b, abs=1e-15)
    assert (np.diff(i) >= 0).all()
    assert (np.diff(j) >= 0).all()


@pytest.mark.parametrize(("n", "m"), [(1200, 1200), (300, 170)])
def test_parts_cost_no_less_than_the_best_and_not_much_more(n: int, m: int) -> None:
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(n, 2)), rng.normal(size=(m, 2)) + 0.3
    a, b = np.full(n, float(m)), np.full(m, float(n))
    parts = partition_cost(x, y, a, b, 1)
    if n == m:
        best = assignment_cost(distances(x, y, 1)) * n
    else:
        best = transport_bounds(distances(x, y, 1), a, b)[1]
    # 1.3 % and 3.3 % more at this seed
    assert best * (1 - 1e-12) <= parts <= 1.1 * best


def test_parts_hold_the_same_mass_of_both() -> None:
    rng = np.random.default_rng(11)
    x, y = rng.normal(size=(301, 2)), rng.normal(size=(210, 2))
    for a, b in [
        (np.full(301, 210.0), np.full(210, 301.0)),
        (rng.dirichlet(np.full(301, 0.1)), rng.dirichlet(np.full(210, 0.1))),
    ]:
        parts = halves(x, a, y, b)
        total = a.sum()
        assert sum(part[1].sum() for part in parts) == pytest.approx(total, rel=1e-14)
        for _, mass, _, other in parts:
            assert mass.sum() == pytest.approx(other.sum(), abs=1e-13 * total)
        best = transport_bounds(distances(x, y, 2), a, b)[1]
        assert best <= partition_cost(x, y, a, b, 2) * (1 + 1e-12)


def test_lower_bound_far_from_the_origin_and_in_many_dimensions() -> None:
    x, y = np.random.default_rng(12).normal(size=(2, 100, 20)).round(6)
    near = shift.wasserstein(x, y, method="bounds")
    far = shift.wasserstein(x + 2.0**23, y + 2.0**23, method="bounds")
    # every point goes at least to its nearest: no projection gives as much
    nearest = max(distances(x, y, 1).min(axis=axis).mean() for axis in (0, 1))
    assert near.low == pytest.approx(nearest, rel=1e-9)
    assert far.low == pytest.approx(nearest, rel=1e-6)
    # of more dimensions than directions, the difference of means is one
    step = np.zeros(300)
    step[280] = 0.1
    moved = shift.wasserstein(np.zeros((3, 300)), np.zeros((3, 300)) + step, method="bounds")
    assert moved.low == pytest.approx(0.1, rel=1e-6)
    wide = np.random.default_rng(13).normal(size=(40, 300))
    assert shift.wasserstein(wide, wide + step, method="bounds").low == pytest.approx(0.1, rel=1e-9)


def test_above_the_limit_the_value_is_the_upper_end() -> None:
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(3200, 2)), rng.normal(size=(3200, 2)) + 1.0
    found = shift.wasserstein(x, y)
    assert found.method.startswith("upper end")
    assert found.value == found.high > found.low
    # laws a translation by sqrt 2 apart; means are off by 4 standard deviations, 4/40, at most
    assert found.low == pytest.approx(math.sqrt(2), abs=0.1)
    assert found.high == pytest.approx(found.low, rel=0.003)  # 0.0014 at this seed
    again = shift.wasserstein(x, y)
    assert again == found


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("method", ["auto", "bounds"])
def test_translation_by_a_vector_is_its_length(method: str, order: int) -> None:
    x = np.random.default_rng(8).normal(size=(700, 5)) + 1e6
    step = np.array([0.5, -1.0, 0.25, 2.0, 0.0])  # exact at 1e6 but for 1e-10
    found = shift.wasserstein(x, x + step, order, method=method)
    expected = pytest.approx(np.linalg.norm(step), rel=1e-9)
    assert found.low == expected
    assert found.high == expected


@pytest.mark.parametrize("order", [1, 2])
def test_gaussians_against_the_closed_form(order: int) -> None:
    """N(0, 1) to N(1, 4): W_2^2 = 1 + 1; W_1 = E |1 + N|, the map being monotone."""
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(4000, 1)), 1 + 2 * rng.normal(size=(4000, 1))
        found.append(shift.wasserstein(x, y, order).value)
    folded = 2 * norm.pdf(1) + norm.cdf(1) - norm.cdf(-1)
    expected = math.sqrt(2) if order == 2 else folded
    # 4 standard errors over 40 seeds, 0.018 (order 1) and 0.020 (2), and a bias of up to 0.003
    assert np.mean(found) == pytest.approx(expected, abs=4 * np.std(found) / math.sqrt(40) + 3e-3)


def test_gaussians_in_the_plane_against_the_closed_form() -> None:
    """W_2 of N(0, I) and N(0, diag(4, 9)) is sqrt(1 + 4)."""
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(500, 2)), rng.normal(size=(500, 2)) * [2.0, 3.0]
        found.append(shift.wasserstein(x, y, 2).value)
    # 4 standard errors over 20 seeds, 0.10; samples of n = 500 are farther apart than the laws, by
    # 0.05 (standard error 0.025)
    error = 4 * np.std(found) / math.sqrt(20)
    assert np.mean(found) == pytest.approx(math.sqrt(5) + 0.05, abs=error)


@pytest.mark.parametrize("dim", [1, 2, 25])
@pytest.mark.parametrize("scale", [1e-150, 1e-300, 1e150])
def test_scale(scale: float, dim: int) -> None:
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=(2, 20, dim))
    for order in (1, 2):
        for method in ("exact", "bounds"):
            plain = shift.wasserstein(x, y, order, method=method)
            scaled = shift.wasserstein(x * scale, y * scale, order, method=method)
            assert scaled.low == pytest.approx(plain.low * scale, rel=1e-9, abs=0)
            assert scaled.value == pytest.approx(plain.value * scale, rel=1e-9, abs=0)


def test_degenerate() -> None:
    x = np.random.default_rng(10).normal(size=(10, 3))
    for method in ("auto", "bounds"):
        same = shift.wasserstein(x, x[::-1], method=method)
        assert (same.low, same.high) == (0.0, 0.0)
        one = shift.wasserstein(x[:1], x, 2, method=method)
        expected = math.sqrt(((x - x[0]) ** 2).sum() / 10)
        assert one.high == pytest.approx(expected, rel=1e-12)
        point = shift.wasserstein(np.full((4, 2), 7.0), np.full((3, 2), 7.0), method=method)
        assert point.value == 0.0
    # rows of no mass do not count
    dropped = shift.wasserstein(x, x, weights=np.eye(10)[0], other_weights=np.eye(10)[1])
    assert dropped.value == pytest.approx(np.linalg.norm(x[0] - x[1]), rel=1e-12)


def test_lower_bound_is_that_of_orthonormal_directions() -> None:
    """On two points the sum over directions gives all of |x - y|, where one direction does not."""
    found = shift.wasserstein([[0.0, 0.0, 0.0]], [[1.0, 2.0, 2.0]], method="bounds")
    assert found.low == pytest.approx(3.0, rel=1e-12)


def test_bad_arguments() -> None:
    x = np.zeros((3, 2))
    with pytest.raises(ValueError, match=r"`order` must be an integer in \[1, 2\]; got 3\."):
        shift.wasserstein(x, x, 3)
    with pytest.raises(ValueError, match=r"`method` must be one of 'auto', .*; got 'sinkhorn'\."):
        shift.wasserstein(x, x, method="sinkhorn")
    with pytest.raises(ValueError, match=r"`X` and `Y` must have as many columns.*2 and 1\."):
        shift.wasserstein(x, x[:, :1])
    with pytest.raises(ValueError, match=r"`other_weights` must sum to 1; got a sum of 1\.5\."):
        shift.wasserstein(x, x, other_weights=[0.5, 0.5, 0.5])
    with pytest.raises(ValueError, match=r"`weights` must be >= 0; got -1\.0\."):
        shift.wasserstein(x, x, weights=[1.0, 1.0, -1.0])
    with pytest.raises(ValueError, match=r"`random_state` must be an integer >= 0"):
        shift.wasserstein(x, x, random_state=-1)
    with pytest.raises(ValueError, match=r"`X` must be finite; got inf"):
        shift.wasserstein(x + math.inf, x)
    with pytest.raises(ValueError, match=r"`Y` must have at least 1 rows; got 0\."):
        shift.wasserstein(x, x[:0])
