"""How rows lie together, by hand and by other libraries."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import linregress, mannwhitneyu

from entbench.networks._clusters import (
    binned_entropy,
    cosines,
    pair_distances,
    sign_entropy,
    slopes,
    unit_entropies,
)

T = np.array([[0.05, 0.05], [0.06, 0.09], [0.15, 0.05], [-0.05, 0.05]])


def test_entropies_in_bins_by_hand() -> None:
    shares = np.array([0.5, 0.25, 0.25])
    expected = -float((shares * np.log(shares)).sum())
    assert binned_entropy(T, 0.1) == pytest.approx(expected)
    assert unit_entropies(T, 0.1) == pytest.approx([expected, 0.0])
    one_of_four = -0.25 * math.log(0.25) - 0.75 * math.log(0.75)
    assert sign_entropy(T) == pytest.approx(one_of_four)
    assert sign_entropy(T, 0.07) == pytest.approx(1.5 * math.log(2.0))


def test_signs_of_many_units_tell_rows_apart() -> None:
    """More units than a byte has bits: the last one counts."""
    rows = np.zeros((3, 17))
    rows[0, 16] = 1.0
    assert sign_entropy(rows) == pytest.approx(math.log(3.0) - 2.0 / 3.0 * math.log(2.0))


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_distances_of_pairs_by_hand(offset: float) -> None:
    rng = np.random.default_rng(1)
    rows, labels = rng.normal(size=(1500, 3)) + offset, rng.integers(0, 3, 1500)
    rows[labels == 0] *= 1.0 + 1e-7
    found = pair_distances(rows, labels)
    pairs = np.array(list(itertools.combinations(range(len(rows)), 2)))
    far = np.linalg.norm(rows[pairs[:, 0]] - rows[pairs[:, 1]], axis=1)
    same = labels[pairs[:, 0]] == labels[pairs[:, 1]]
    assert found.edges[0] == 0.0
    assert far.max() <= found.edges[-1] <= 2.2 * far.max()
    for counts, mask in ((found.within, same), (found.between, ~same)):
        expected = np.histogram(far[mask], found.edges)[0]
        # distances next to an edge may be rounded across it
        assert np.abs(counts - expected).sum() <= 1e-4 * mask.sum()
        assert counts.sum() == mask.sum()


def test_share_of_nearer_pairs_is_that_of_a_rank_test() -> None:
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1], 60)
    rows = rng.normal(size=(120, 2)) + labels[:, None]
    far = np.linalg.norm(rows[:, None] - rows, axis=2)
    first, second = np.triu_indices(120, 1)
    same = labels[first] == labels[second]
    far = far[first, second]
    statistic = mannwhitneyu(far[~same], far[same]).statistic
    expected = statistic / (same.sum() * (~same).sum())
    # of 4096 bins, within which pairs count by half
    assert pair_distances(rows, labels).nearer == pytest.approx(expected, abs=1e-3)
    assert pair_distances(np.zeros((4, 2)), labels[[0, 1, 60, 61]]).nearer == 0.5
    assert pair_distances(rows, np.zeros(120, dtype=np.int64)).nearer == 0.5


def test_cosines_and_slopes_by_other_means() -> None:
    rng = np.random.default_rng(3)
    one, other = rng.normal(size=(2, 5, 4))
    expected = [1.0 - _cosine_distance(a, b) for a, b in zip(one, other, strict=True)]
    assert cosines(one, other) == pytest.approx(expected)
    assert cosines(np.zeros((1, 3)), np.ones((1, 3))).tolist() == [0.0]
    times, values = [1.0, 2.0, 4.0, 8.0], rng.normal(size=(4, 3))
    expected = [linregress(times, column).slope for column in values.T]
    assert slopes(times, values) == pytest.approx(expected)


def _cosine_distance(a: np.ndarray, b: np.ndarray) -> float:
    from scipy.spatial.distance import cosine

    return float(cosine(a, b))
