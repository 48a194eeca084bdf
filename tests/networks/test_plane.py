"""Binned layers: codes, coordinates, empty bins and stops, each by another way."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from entbench.networks._plane import (
    bin_codes,
    codes_of_bins,
    label_entropy,
    occupied,
    plane_point,
    row_codes,
    stops_of,
)


def partition(codes: np.ndarray) -> list[int]:
    """The place of each row's first companion: the same for the same partition."""
    first: dict[int, int] = {}
    return [first.setdefault(code, i) for i, code in enumerate(codes.tolist())]


def by_rows(cells: np.ndarray) -> list[int]:
    """The same of rows as tuples."""
    first: dict[Any, int] = {}
    return [first.setdefault(tuple(row), i) for i, row in enumerate((cells + 0.0).tolist())]


LAYERS = {
    "one unit": (lambda rng: rng.standard_normal((500, 1)), 0.3),
    "ten units": (lambda rng: np.tanh(2.0 * rng.standard_normal((900, 10))), 0.3),
    # 200 units of 3 bins each: more than 63 bits many times over
    "200 units, twins": (lambda rng: np.repeat(rng.random((150, 200)), 2, axis=0), 0.4),
    "single precision": (lambda rng: rng.standard_normal((700, 3)).astype(np.float32), 0.07),
    "far away": (lambda rng: 1e6 + rng.standard_normal((400, 4)), 0.5),
    "tiny": (lambda rng: 1e-150 * rng.standard_normal((400, 2)), 3e-151),
    # floors beyond 2^53, and differences of them beyond 2^63
    "bins by floats' spacing": (lambda rng: rng.choice([-1.0, 1.0, 3.0], (300, 4)), 1e-18),
    "bins wider than an integer": (lambda rng: rng.choice([-1e300, 0.0, 1e300], (300, 3)), 1e-5),
    "signs of zero": (lambda rng: rng.choice([-0.0, 0.0, 0.5], (200, 3)), 0.25),
    "all equal": (lambda rng: np.full((50, 3), 0.7), 0.1),
    "one row": (lambda rng: np.array([[0.1, -3.0]]), 0.1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_codes_part_rows_as_floors_do(name: str) -> None:
    make, width = LAYERS[name]
    layer = make(np.random.default_rng(3))
    before = layer.copy()
    codes = bin_codes(layer, width)
    assert codes.dtype == np.int64
    assert partition(codes) == by_rows(np.floor(layer.astype(np.float64) / width))
    assert np.array_equal(layer, before)
    assert partition(row_codes(layer)) == by_rows(layer)


def test_codes_survive_spans_that_fill_63_bits() -> None:
    """Units of 2^52 bins each: no two of them fit one number, ranks must."""
    rng = np.random.default_rng(0)
    layer = rng.choice([0.0, 2.0**52 - 1.0, 2.0**51], (2000, 6))
    assert len(set(bin_codes(layer, 1.0).tolist())) == len(np.unique(layer, axis=0))
    assert partition(bin_codes(layer, 1.0)) == by_rows(layer)


@pytest.mark.parametrize(
    ("n_bins", "low", "high"), [(30, -1.0, 1.0), (1, 0.0, 1.0), (7, -3.0, 0.5)]
)
def test_equal_bins_are_numpys_and_take_in_what_is_outside(
    n_bins: int, low: float, high: float
) -> None:
    layer = np.random.default_rng(1).standard_normal((800, 3))
    inner = np.linspace(low, high, n_bins + 1)[1:-1]
    assert partition(codes_of_bins(layer, n_bins, low, high)) == by_rows(np.digitize(layer, inner))


def test_equal_bins_join_both_sides_of_an_end() -> None:
    layer = np.array([[-9.0], [-1.0], [0.99], [1.0], [50.0]])
    assert partition(codes_of_bins(layer, 4, -1.0, 1.0)) == [0, 0, 2, 2, 2]


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_coordinates_are_those_of_scikit_learn(classes: int) -> None:
    rng = np.random.default_rng(classes)
    layer = np.tanh(rng.standard_normal((3000, 3)))
    labels = (rng.random(3000) * classes).astype(np.int64)
    for width in (0.01, 0.3, 1.0):
        codes = bin_codes(layer, width)
        point = plane_point(codes, labels)
        assert point.input == pytest.approx(mutual_info_score(codes, codes), rel=1e-10)
        assert point.label == pytest.approx(mutual_info_score(codes, labels), rel=1e-10)
        # how the codes are numbered does not matter, negative or beyond a product with the classes
        assert plane_point(codes * (2**62 // (1 + codes.max())) - 2**61, labels) == point


def test_limits_are_met_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 3276)
    share = labels.mean()
    entropy = -(share * np.log(share) + (1.0 - share) * np.log(1.0 - share))
    apart = plane_point(np.arange(3276), labels)
    assert apart == (math.log(3276), label_entropy(labels))
    assert apart.label == pytest.approx(entropy, rel=1e-13)
    together = plane_point(np.zeros(3276, dtype=np.int64), labels)
    assert together.input == 0.0
    assert together.label == pytest.approx(0.0, abs=1e-15)
    assert plane_point(labels, labels) == (label_entropy(labels),) * 2


def test_a_later_layer_may_show_more_of_the_input() -> None:
    """Bin(T_3) is no function of Bin(T_2); with rows as they are, T_3 is one of T_2."""
    x = np.linspace(-1.0, 1.0, 256)
    labels = (x > 0.0).astype(np.int64)
    second = 0.3 * x[:, None]
    third = np.tanh(np.outer(second[:, 0], [4.0, 7.0, 11.0]) + np.array([-1.0, 0.0, 1.0]))
    binned = [plane_point(bin_codes(T, 0.07), labels).input for T in (second, third)]
    rows = [plane_point(row_codes(T), labels).input for T in (second, third)]
    assert binned[0] + 1.0 < binned[1]
    assert rows[0] >= rows[1]


def test_occupied_bins_are_counted_from_the_first_to_the_last() -> None:
    layer = np.array([[-0.2, 0.0], [0.05, 0.31], [0.39, 0.05]])
    found = occupied(layer, 0.1)
    assert (found.first, found.counts.tolist()) == (-2, [1, 0, 3, 0, 0, 2])
    assert found.empty == 0.5
    layer = np.random.default_rng(0).standard_normal((500, 4))
    found = occupied(layer, 0.25)
    edges = 0.25 * np.arange(found.first, found.first + len(found.counts) + 1)
    assert found.counts.tolist() == np.histogram(layer, edges)[0].tolist()
    assert occupied(np.zeros((9, 2)), 0.07)[2] == 0.0


@pytest.mark.parametrize(
    ("losses", "patience", "stops"),
    [
        ([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], 10, (5, 5, 5)),  # never in vain
        ([0.9, 0.5, 0.6, 0.7, 0.4, 0.3], 2, (3, 5, 5)),  # epochs 4 - 1 >= 2 at place 3
        ([0.9, 0.5, 0.6, 0.7, 0.4, 0.3], 4, (5, 5, 5)),
        ([0.5, 0.5, 0.5, 0.5, 0.5, 0.5], 1, (1, 0, 5)),  # as good is no new least
    ],
)
def test_stops(losses: list[float], patience: int, stops: tuple[int, int, int]) -> None:
    assert stops_of([0, 1, 2, 4, 8, 16], losses, patience) == stops


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: bin_codes(np.ones((3, 2)), 0.0), ValueError, "`width` must be"),
        (lambda: bin_codes(np.ones(3), 0.1), ValueError, r"`T` must be of shape \(n, dim\)"),
        (lambda: bin_codes(np.ones((0, 2)), 0.1), ValueError, r"not empty; got shape \(0, 2\)"),
        (lambda: bin_codes(np.full((3, 2), np.nan), 0.1), ValueError, "`T` must be finite"),
        (lambda: bin_codes(np.full((3, 2), 1e300), 1e-300), ValueError, "`T / width` must be"),
        (lambda: codes_of_bins(np.ones((3, 2)), 0, 0.0, 1.0), ValueError, "`n_bins`"),
        (lambda: codes_of_bins(np.ones((3, 2)), 2, 1.0, 1.0), ValueError, "`low` must be below"),
        (lambda: plane_point(np.arange(3), np.arange(2)), ValueError, "got 3 and 2"),
        (lambda: plane_point(np.arange(0), np.arange(0)), ValueError, "at least one"),
        (lambda: occupied(np.array([[0.0, 1.0]]), 1e-7), ValueError, "at most 1000000 bins"),
    ],
)
def test_bad_input_gets_a_line(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
