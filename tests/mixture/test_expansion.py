"""Expansions of the kernel over a whole box, and what they are certified to be off by."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp

from entbench.mixture._sums import LeftOut, TreeSums
from entbench.mixture._tree import LEAF, Tree

LONG = np.longdouble
LN2 = math.log(2.0)
# two of these fit into no leaf
HALF = LEAF * 5 // 8


def shape_of(kind: int, n: int, dim: int, rng: np.random.Generator) -> NDArray:
    """Return a cloud of radius about 1."""
    if kind == 0:
        return rng.standard_normal((n, dim)) / math.sqrt(dim)
    if kind == 1:  # two points, unevenly: all of the third moment in one direction
        return np.where(rng.random((n, 1)) < 0.1, 1.0, -0.1) * np.eye(dim)[0]
    if kind == 2:  # a corner of a box with a far opposite one
        return rng.random((n, dim)) ** 6 / math.sqrt(dim)
    return rng.standard_normal((n, 1)) * rng.standard_normal(dim) / math.sqrt(dim)


class Case:
    """A heavy cluster at the query, and a cloud at some distance, with a box of its own."""

    def __init__(self, dim: int, rng: np.random.Generator, farthest: float = 10.0) -> None:
        home = 1e-9 * rng.standard_normal((HALF, dim))
        cloud = shape_of(int(rng.integers(4)), HALF, dim, rng)
        distance = rng.uniform(0, farthest)
        direction = rng.standard_normal(dim)
        direction *= distance / np.linalg.norm(direction)
        self.centres = np.concatenate([home, direction + 10 ** rng.uniform(-3, 0.3) * cloud])
        mass = np.concatenate([np.ones(HALF), np.full(HALF, 10 ** rng.uniform(-6, 3))])
        spread = rng.choice([0.0, 1.0, 8.0])
        self.weights = mass * 10 ** rng.uniform(-spread, 0, 2 * HALF)
        self.weights /= self.weights.sum()
        self.query = 1e-9 * rng.standard_normal((1, dim)) + 0.1 * rng.standard_normal((1, dim))

    def run(self, tolerance: float, left_out: int | None = None) -> tuple[float, float, float]:
        """Return the sum's error and its bound, and what was gained over leaving boxes out."""
        tree = Tree(self.centres, np.log2(self.weights), 1.0)
        out = None
        if left_out is not None:
            out = LeftOut(tree.place[[left_out]], np.array([np.inf]))
        found = TreeSums(tree, 0, 1).sums(self.query, tolerance, "pruned", out)
        squares = ((self.query.astype(LONG) - self.centres) ** 2).sum(axis=1)
        logs = np.log(self.weights.astype(LONG)) - squares / 2
        if left_out is not None:
            logs[left_out] = -np.inf
        expected = logsumexp(logs)
        off = abs(LONG(LN2) * found.log2[0] - expected)
        return float(off), float(found.errors[0]), float(found.work)

    @property
    def cloud_share(self) -> float:
        """Share of the cloud, the second half, in the sum."""
        logs = np.log(self.weights) - ((self.query - self.centres) ** 2).sum(axis=1) / 2
        return float(np.exp(logsumexp(logs[HALF:]) - logsumexp(logs)))


@pytest.mark.parametrize("dim", [*range(1, 17), 17, 20])
def test_errors_are_below_their_bound(dim: int) -> None:
    """Double precision only, where the bound is the expansion's; 1e-14 for this file's logs."""
    rng = np.random.default_rng(dim)
    expanded = 0
    for _ in range(150):
        case = Case(dim, rng)
        tolerance = 10 ** rng.uniform(-12, -6.01)
        off, bound, work = case.run(tolerance)
        assert off <= bound + 1e-14
        # no pair with the cloud was visited, and yet most of it is in the sum
        few = work < 1.5 * HALF and case.cloud_share > 2 * (bound + off)
        expanded += few
    assert expanded >= (10 if dim <= 16 else 1)


@pytest.mark.parametrize("dim", [1, 2, 5, 16, 17])
def test_errors_are_below_their_bound_in_single_precision(dim: int) -> None:
    rng = np.random.default_rng(100 + dim)
    for _ in range(100):
        off, bound, _ = Case(dim, rng).run(10 ** rng.uniform(-6, -1))
        # the bound is of the sum's relative error: of its log to first order
        assert off <= -math.log1p(-bound) + 1e-14


@pytest.mark.parametrize("dim", [1, 3, 16, 20])
def test_bounds_are_spent_and_not_exceeded(dim: int) -> None:
    """What truncation takes is at most the tolerance, of which it is to have half."""
    rng = np.random.default_rng(dim)
    for _ in range(50):
        case = Case(dim, rng, farthest=5.0)
        for tolerance in (1e-3, 1e-7, 1e-10):
            assert case.run(tolerance)[1] <= tolerance


@pytest.mark.parametrize("dim", [1, 3, 16, 20])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-8])
def test_what_is_left_out_is_in_no_expansion(dim: int, tolerance: float) -> None:
    """One centre of the cloud carries half of the cloud's mass."""
    rng = np.random.default_rng(dim)
    for _ in range(50):
        case = Case(dim, rng)
        case.weights[HALF + 3] = case.weights[HALF:].sum()
        case.weights /= case.weights.sum()
        off, bound, _ = case.run(tolerance, left_out=HALF + 3)
        assert off <= bound + 1e-14


@pytest.mark.parametrize("dim", [1, 2, 3, 5, 8, 16, 20])
@pytest.mark.parametrize("sigma", [0.3, 1.0, 3.0])
def test_whole_trees_of_expansions(dim: int, sigma: float) -> None:
    """Every query meets hundreds of boxes: their errors add up to no more than is stated."""
    rng = np.random.default_rng(dim)
    centres = rng.uniform(-1, 1, (9000, dim))
    weights = 10 ** rng.uniform(-2, 0, 9000)
    weights /= weights.sum()
    sums = TreeSums(Tree(centres, np.log2(weights), sigma), 0, 1)
    queries = rng.uniform(-1.5, 1.5, (30, dim))
    expected = [
        logsumexp(np.log(weights) - (((q - centres.astype(LONG)) / sigma) ** 2).sum(axis=1) / 2)
        for q in queries
    ]
    for tolerance in (1e-2, 1e-4, 1e-7, 1e-10):
        found = sums.sums(queries, tolerance, "pruned")
        off = np.abs(LN2 * found.log2 - np.array(expected))
        assert (off <= found.errors + 1e-14).all()
        assert (found.errors <= tolerance).all()
