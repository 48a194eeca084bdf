"""The tree of boxes against numpy, and repeated rows against numpy's unique."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from entbench import _distinct
from entbench._distinct import distinct_rows
from entbench.mixture._tree import (
    HIGH,
    LEAF,
    LOG2_MASS,
    LOG2_TOP,
    LOW,
    MASS,
    MATRIX_DIM,
    MIDDLE,
    NARROWING,
    OFFSET,
    RADIUS,
    REMAINDER,
    RESIDUE,
    SKIP,
    START,
    STOP,
    Tree,
)

SIGMA = 0.3


def clouds(name: str) -> NDArray:
    rng = np.random.default_rng(0)
    if name == "ties along an axis":
        return np.column_stack([np.zeros(2000), rng.integers(0, 3, 2000), rng.normal(size=2000)])
    return {
        "one": np.full((1, 3), 7.0),
        "two": np.array([[0.0], [1.0]]),
        "a leaf": rng.standard_normal((LEAF, 2)),
        "a leaf and one": rng.standard_normal((LEAF + 1, 2)),
        "spread": rng.standard_normal((3000, 5)),
        "one axis": rng.standard_normal((3000, 1)),
        "17 axes": rng.standard_normal((1000, MATRIX_DIM + 1)),
        "16 axes": rng.standard_normal((1000, MATRIX_DIM)),
        "all equal": np.full((1000, 3), 0.1),
        "two values": rng.choice([-1.0, 1.0], (1500, 1)),
        "two values, uneven": np.where(np.arange(1500)[:, None] < 7, 0.0, 1.0),
        "heavy tails": rng.standard_t(1.0, (3000, 2)),
        "sorted": np.sort(rng.standard_normal((3000, 1)), axis=0),
        "shifted": 1e6 + 1e-3 * rng.standard_normal((1000, 3)),
        "powers": 2.0 ** -np.arange(1000.0)[:, None],
    }[name]


CLOUDS = ["one", "two", "a leaf", "a leaf and one", "spread", "one axis", "17 axes", "16 axes"]
CLOUDS += ["all equal", "two values", "two values, uneven", "ties along an axis", "heavy tails"]
CLOUDS += ["sorted", "shifted", "powers"]


def log2_weights(n: int, decades: int) -> NDArray:
    raw = 10 ** np.random.default_rng(1).uniform(-decades, 0, n)
    return np.log2(raw / raw.sum())


@pytest.mark.parametrize("name", CLOUDS)
def test_every_centre_is_once_in_a_leaf_and_inside_its_boxes(name: str) -> None:
    centres = clouds(name)
    n = len(centres)
    tree = Tree(centres, np.full(n, -math.log2(n)), SIGMA)
    links, shape = tree.nodes.links, tree.nodes.shape
    assert np.array_equal(np.sort(tree.order), np.arange(n))
    assert np.array_equal(tree.order[tree.place], np.arange(n))
    leaves = np.flatnonzero(links[:, SKIP] == np.arange(len(links)) + 1)
    ends = [(int(links[i, START]), int(links[i, STOP])) for i in leaves]
    assert ends[0][0] == 0
    assert ends[-1][1] == n
    assert all(a[1] == b[0] for a, b in itertools.pairwise(ends))
    assert all(0 < stop - start <= LEAF for start, stop in ends)
    assert np.array_equal(np.flatnonzero(links[:, OFFSET] >= 0), leaves)
    for node, (start, stop) in enumerate(links[:, [START, STOP]]):
        inside = centres[tree.order[start:stop]]
        assert np.array_equal(shape[node, LOW], inside.min(axis=0))
        assert np.array_equal(shape[node, HIGH], inside.max(axis=0))
        corner = np.maximum(inside.max(axis=0) - shape[node, MIDDLE], 0)
        corner = np.maximum(corner, shape[node, MIDDLE] - inside.min(axis=0))
        radius = ((corner / tree.unit) ** 2).sum()
        assert tree.nodes.facts[node, RADIUS] == pytest.approx(radius, rel=1e-12)


@pytest.mark.parametrize("name", CLOUDS)
def test_skip_links_form_the_preorder(name: str) -> None:
    centres = clouds(name)
    tree = Tree(centres, np.zeros(len(centres)), SIGMA)
    links = tree.nodes.links

    def check(node: int) -> int:
        """Check a subtree by recursion; return its depth."""
        left = node + 1
        if links[node, SKIP] == left:
            return 1
        right = links[left, SKIP]
        assert links[right, SKIP] == links[node, SKIP]
        assert links[left, START] == links[node, START]
        assert links[left, STOP] == links[right, START]
        assert links[right, STOP] == links[node, STOP]
        smaller = min(links[i, STOP] - links[i, START] for i in (left, right))
        gaps = tree.nodes.shape[right, LOW] - tree.nodes.shape[left, HIGH]
        few = smaller < (links[node, STOP] - links[node, START]) // 16
        assert not few or gaps.max() >= 16.0 * SIGMA
        return 1 + max(check(left), check(right))

    depth = check(0)
    assert links[0, SKIP] == len(links)
    assert depth <= 2 + math.log(max(len(centres) / LEAF, 1)) / math.log(16 / 15)


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("decades", [0, 3, 300])
def test_moments_agree_with_numpy(name: str, decades: int) -> None:
    centres = clouds(name)
    n, dim = centres.shape
    logs = log2_weights(n, decades)
    tree = Tree(centres, logs, SIGMA)
    nodes = tree.nodes
    assert tree.weight_bits == (math.log2(n) if decades and n > 1 else 0.0)
    for node, (start, stop) in enumerate(nodes.links[:, [START, STOP]]):
        places = tree.order[start:stop]
        inside, top = centres[places], logs[places].max()
        weights = np.exp2(logs[places] - top)
        mass, weights = weights.sum(), weights / weights.sum()
        facts = nodes.facts[node]
        assert facts[LOG2_TOP] == top
        assert facts[LOG2_MASS] == pytest.approx(top + math.log2(mass), rel=1e-13, abs=1e-13)
        assert facts[MASS] == pytest.approx(2.0 ** facts[LOG2_MASS], rel=1e-13)
        middle = inside[0] + weights @ (inside - inside[0])
        off = np.linalg.norm(nodes.shape[node, MIDDLE] - middle) / SIGMA
        assert off <= facts[RESIDUE]
        assert facts[RESIDUE] <= 2.0**-46 * math.sqrt(dim) * np.abs(inside).max() / SIGMA
        delta = (inside - nodes.shape[node, MIDDLE]) / SIGMA
        lengths = np.linalg.norm(delta, axis=1)
        covariance = (delta * weights[:, None]).T @ delta
        # a middle that is not quite the mean, as its residue says
        small = (1e-12 * lengths.max() + 4 * facts[RESIDUE]) * lengths.max() + 1e-30
        if dim <= MATRIX_DIM:
            assert nodes.covariance[node] == pytest.approx(covariance, rel=1e-9, abs=small)
            third = float(weights @ lengths**3) / 6
            assert facts[REMAINDER] >= third * (1 - 1e-9) - small * lengths.max()
            # Cauchy and Schwarz lose at most what the lengths' spread makes them
            second, fourth = (float(weights @ lengths**p) for p in (2, 4))
            bound = math.sqrt(second * fourth) / 6
            assert facts[REMAINDER] == pytest.approx(
                bound, rel=1e-6, abs=small * (1 + lengths.max())
            )
            variances = np.diag(covariance)
        else:
            assert nodes.covariance.shape[1:] == (0, 0)
            second = float(weights @ lengths**2) / 2
            assert facts[REMAINDER] == pytest.approx(second, rel=1e-9, abs=small)
            variances = np.full(dim, 2 * second / dim)
        narrowing = nodes.shape[node, NARROWING]
        assert narrowing == pytest.approx(1 / (1 + variances), rel=1e-9 + small)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_hold_every_centre_and_its_weight(dtype: type) -> None:
    centres = clouds("spread")
    logs = log2_weights(len(centres), 3)
    tree = Tree(centres, logs, SIGMA)
    values, dim = tree.values(dtype), centres.shape[1]
    assert values.dtype == dtype
    eps = float(np.finfo(dtype).eps)
    for node in np.flatnonzero(tree.nodes.links[:, OFFSET] >= 0):
        start, stop, _, offset = tree.nodes.links[node]
        places, width = tree.order[start:stop], -(-(stop - start) // 16) * 16
        block = values[offset : offset + width * (dim + 1)].reshape(dim + 1, width)
        at = (centres[places] - tree.nodes.shape[node, MIDDLE]) / tree.unit
        assert np.allclose(block[:dim, : len(places)].T, at, rtol=2 * eps, atol=1e-15)
        bias = tree.nodes.facts[node, LOG2_TOP] - logs[places]
        assert block[dim, : len(places)] == pytest.approx(bias, rel=2 * eps, abs=1e-15)
        assert np.isinf(block[dim, len(places) :]).all()
        assert np.isfinite(block[:dim]).all()


def test_the_centres_given_are_not_changed() -> None:
    centres = clouds("spread")
    before = centres.copy()
    Tree(centres, np.zeros(len(centres)), SIGMA)
    assert np.array_equal(centres, before)


def check_distinct(rows: NDArray) -> None:
    found = distinct_rows(rows)
    kinds = np.unique(rows + 0.0, axis=0)
    if len(kinds) == len(rows):
        assert found is None
        return
    assert found is not None
    kept, index = found
    assert len(kept) == len(kinds)
    assert np.array_equal(np.unique(rows[kept] + 0.0, axis=0), kinds)
    assert index.shape == (len(rows),)
    assert np.array_equal(rows[kept[index]], rows)


ROWS = {
    "one": np.zeros((1, 2)),
    "all differ": np.random.default_rng(0).standard_normal((500, 3)),
    "all equal": np.full((500, 3), 0.1),
    "some equal": np.random.default_rng(0).integers(0, 5, (500, 3)) / 7,
    "zeros of both signs": np.array([[0.0, 1.0], [-0.0, 1.0], [1.0, -0.0], [1.0, 0.0], [2.0, 0.0]]),
    "signs": np.array([[1.0], [-1.0], [1.0], [-1.0], [0.0], [-0.0]]),
    "swapped": np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0]]),
    "near": np.array([[1.0], [1.0 + 2**-52], [1.0], [5e-324], [0.0]]),
    "wide": np.repeat(np.random.default_rng(0).standard_normal((20, 1000)), 3, axis=0),
    "columns apart": np.asfortranarray(np.random.default_rng(0).integers(0, 3, (200, 4)) * 1.0),
}


@pytest.mark.parametrize("name", ROWS)
def test_distinct_rows_agree_with_numpy(name: str) -> None:
    before = ROWS[name].copy()
    check_distinct(ROWS[name])
    assert np.array_equal(ROWS[name], before)
    assert np.array_equal(np.signbit(ROWS[name]), np.signbit(before))


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("sums", [1, 2, 7])
def test_distinct_rows_survive_collisions(
    name: str, sums: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums of bits that take a few values only, and still agree for equal rows."""
    true = _distinct._bit_sums
    monkeypatch.setattr(_distinct, "_bit_sums", lambda rows: true(rows) % np.uint64(sums))
    check_distinct(ROWS[name])


def test_sums_of_bits_hardly_ever_collide() -> None:
    rng = np.random.default_rng(0)
    for rows in (
        rng.integers(0, 1000, (20_000, 2)) * 1.0,
        rng.choice([-1.0, 1.0], (20_000, 20)),
        2.0 ** rng.integers(-1000, 1000, (20_000, 2)),
    ):
        kinds = np.unique(rows, axis=0)
        assert len(np.unique(_distinct._bit_sums(kinds))) == len(kinds)
