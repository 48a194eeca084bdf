"""Distances and counts against direct evaluation of all pairs, bit for bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from entbench.neighbours import (
    NORMS,
    count_within,
    distances_at_ranks,
    log_ball_volume,
    neighbour_distances,
)


def clouds(name: str) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    if name.startswith("gaussian"):
        n, dim = map(int, name.split()[1:])
        return rng.standard_normal((n, dim))
    few = rng.standard_normal((500, 5))
    made = {
        "grid": rng.integers(0, 4, (500, 3)).astype(float),
        "copies": np.repeat(rng.standard_normal((20, 4)), 30, axis=0),
        "equal": np.ones((200, 3)),
        "far offset": 1e6 + few,
        "tiny": 2.0**-500 * few,
        "smallest": 2.0**-1020 * few,
        "huge": 2.0**700 * few,
        # tiles that reach from one cluster to the other, and single precision sees no one's spread
        "two clusters": 1e6 * rng.integers(0, 2, (500, 1)) + few,
        "one far sample in ten": few * np.where(np.arange(500) % 10, 1.0, 1e6)[:, None],
        "close pairs": np.repeat(few, 2, axis=0) + 1e-9 * rng.standard_normal((1000, 5)),
        "all scales": np.exp(10 * rng.standard_normal((500, 1))) * few,
        "heavy tails": rng.standard_cauchy((500, 4)),
    }
    return made[name]


CLOUDS = [
    *(
        f"gaussian {n} {dim}"
        for n, dim in [(2, 1), (64, 2), (65, 3), (300, 1), (700, 8), (600, 20)]
    ),
    "grid",
    "copies",
    "equal",
    "far offset",
    "tiny",
    "smallest",
    "huge",
    "two clusters",
    "one far sample in ten",
    "close pairs",
    "all scales",
    "heavy tails",
]


def all_pairs(points: NDArray[np.float64], norm: str) -> NDArray[np.float64]:
    """Distances of all pairs, axis by axis, infinite from a sample to itself."""
    scale = 2.0 ** np.round(np.log2(np.abs(points).max()))
    total = np.zeros((len(points), len(points)))
    for column in (points / scale).T:
        apart = np.abs(column[:, None] - column)
        total = np.maximum(total, apart) if norm == "linf" else total + apart * apart
    distances = total if norm == "linf" else np.sqrt(total)
    np.fill_diagonal(distances, np.inf)
    return distances * scale


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", CLOUDS)
class TestAgainstAllPairs:
    def test_distances(self, name: str, norm: str) -> None:
        points = clouds(name)
        expected = np.sort(all_pairs(points, norm), axis=1)
        for k in {1, min(4, len(points) - 1), min(70, len(points) - 1)}:
            assert np.array_equal(neighbour_distances(points, k, norm), expected[:, :k])

    @pytest.mark.parametrize("strict", [True, False])
    def test_counts(self, name: str, norm: str, strict: bool) -> None:
        points = clouds(name)
        pairs = all_pairs(points, norm)
        own = np.sort(pairs, axis=1)[:, min(4, len(points) - 1) - 1]
        largest = pairs[np.isfinite(pairs)].max()
        shares = np.random.default_rng(1).uniform(0, 1, len(points))
        everywhere = np.full(len(points), np.inf)
        for radii in (own, np.nextafter(own, 0), shares * largest, 0 * own, -own - 1, everywhere):
            near = pairs < radii[:, None] if strict else pairs <= radii[:, None]
            np.fill_diagonal(near, val=False)
            found = count_within(points, radii, norm, strict)
            assert np.array_equal(found, near.sum(axis=1))


@pytest.mark.parametrize(("n", "dim"), [(20_000, 1), (20_000, 3), (5000, 7), (3000, 20)])
@pytest.mark.parametrize(("norm", "p"), [("l2", 2), ("linf", np.inf)])
def test_many_samples_as_scipys_tree(n: int, dim: int, norm: str, p: float) -> None:
    points = np.random.default_rng(2).standard_normal((n, dim))
    expected = cKDTree(points).query(points, k=5, p=p)[0][:, 1:]
    found = neighbour_distances(points, 4, norm)
    assert np.allclose(found, expected, rtol=1e-13, atol=0)
    for strict, count in ((True, 3), (False, 4)):
        assert np.all(count_within(points, found[:, 3], norm, strict) == count)


def test_threads_change_nothing() -> None:
    points = np.random.default_rng(3).standard_normal((3000, 6))
    one = neighbour_distances(points, 3, n_jobs=1)
    for n_jobs in (2, 3, -1, None):
        assert np.array_equal(neighbour_distances(points, 3, n_jobs=n_jobs), one)
        counts = count_within(points, one[:, 2], n_jobs=n_jobs)
        assert np.array_equal(counts, count_within(points, one[:, 2], n_jobs=1))


def test_everything_within_costs_no_pairs() -> None:
    """10^10 pairs: seconds if they were visited, 80 GB if they were kept."""
    points = np.random.default_rng(4).standard_normal((100_000, 2))
    assert np.all(count_within(points, np.full(100_000, 20.0)) == 99_999)
    copies = np.zeros((100_000, 2))
    assert np.all(count_within(copies, np.zeros(100_000), strict=False) == 99_999)
    assert np.all(neighbour_distances(copies, 2) == 0.0)


def test_input_is_left_alone() -> None:
    points = np.random.default_rng(5).standard_normal((100, 2))
    before = points.copy()
    points.flags.writeable = False
    neighbour_distances(points, 2)
    count_within(points, np.ones(100))
    assert np.array_equal(points, before)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda x: neighbour_distances(x, 10), ValueError, "got k=10 with n_samples=10"),
        (lambda x: neighbour_distances(x, 0), ValueError, "`k` must be an integer >= 1"),
        (lambda x: neighbour_distances(x, 1, "l1"), ValueError, "`norm` must be one of"),
        (lambda x: neighbour_distances(x, 1, n_jobs=0), ValueError, "`n_jobs` must be"),
        (lambda x: count_within(x, np.ones(9)), ValueError, "each of the 10 samples"),
        (lambda x: count_within(x, np.full(10, math.nan)), ValueError, "10 NaN"),
        (lambda x: count_within(x, np.ones(10), "l1"), ValueError, "`norm` must be one of"),
        (lambda x: log_ball_volume(0), ValueError, "`dim` must be an integer >= 1"),
        (lambda x: log_ball_volume("2"), TypeError, "`dim` must be an integer >= 1"),
    ],
)
def test_bad_arguments(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call(np.arange(20.0).reshape(10, 2))


def test_volumes_of_balls() -> None:
    for dim, volume in ((1, 2.0), (2, math.pi), (3, 4 / 3 * math.pi)):
        assert log_ball_volume(dim) == pytest.approx(math.log(volume), rel=1e-14)
    # V_d = V_{d-2} 2 pi / d, also where the volume itself underflows
    for dim in (50, 5000):
        step = log_ball_volume(dim) - log_ball_volume(dim - 2)
        assert step == pytest.approx(math.log(2 * math.pi / dim), abs=1e-10)
    assert log_ball_volume(7, "linf") == 7 * math.log(2)


class TestRanks:
    def test_without_ties(self) -> None:
        points = np.random.default_rng(6).standard_normal((200, 3))
        found = distances_at_ranks(points, [2, 5], "linf")
        expected = neighbour_distances(points, 5, "linf")[:, [1, 4]]
        assert np.array_equal(found.distances, expected)
        assert np.array_equal(found.ranks, np.tile([2, 5], (200, 1)))
        assert found.n_tied == 0

    def test_ties_take_the_nearest_that_is_apart(self) -> None:
        """0 three times, with both signs, 1 twice, and 4: places with 3, 2 and 1 samples."""
        points = np.array([[0.0], [-0.0], [1.0], [4.0], [0.0], [1.0]])
        found = distances_at_ranks(points, [1, 3])
        assert found.distances.tolist() == [[1, 1], [1, 1], [1, 1], [3, 4], [1, 1], [1, 1]]
        assert found.ranks.tolist() == [[3, 3], [3, 3], [2, 3], [1, 3], [3, 3], [2, 3]]
        assert found.n_tied == 5

    def test_too_close_for_double_precision(self) -> None:
        points = np.array([[0.0], [1e-300], [1.0]])
        with pytest.raises(ValueError, match="whose distance comes out as 0"):
            distances_at_ranks(points, [1])
        assert distances_at_ranks(points, [1], "linf").distances[0, 0] == 1e-300

    def test_equal_samples(self) -> None:
        with pytest.raises(ValueError, match="all samples of `X` are equal"):
            distances_at_ranks(np.ones((5, 2)), [1])
