"""Inputs are grouped as by hand, and what one sample cannot tell is refused."""

from __future__ import annotations

import numpy as np
import pytest

from entbench.estimators._inputs import group_inputs


def test_inputs_are_numbered_as_they_appear() -> None:
    X = np.array([[3.0], [1.0], [3.0], [2.0], [1.0], [3.0]])
    found = group_inputs(X, X**2)
    assert found.index.tolist() == [0, 1, 0, 2, 1, 0]
    assert found.counts.tolist() == [3, 2, 1]
    assert found.deterministic
    assert [rows.tolist() for rows in found.rows()] == [[0, 2, 5], [1, 4], [3]]


@pytest.mark.parametrize("dim", [1, 3, 30])
def test_groups_agree_with_a_dictionary(dim: int) -> None:
    rng = np.random.default_rng(dim)
    X = rng.choice([-1.0, 0.0, 0.1, 1e300], (400, dim))
    X[200:] = X[:200]
    S = rng.standard_normal((400, 2))
    found = group_inputs(X, S)
    by_hand: dict[tuple[float, ...], list[int]] = {}
    for i, row in enumerate(X.tolist()):
        by_hand.setdefault(tuple(row), []).append(i)
    assert [rows.tolist() for rows in found.rows()] == list(by_hand.values())
    assert not found.deterministic
    assert found.counts.sum() == 400


def test_inputs_that_all_differ_give_a_function() -> None:
    rng = np.random.default_rng(0)
    X, S = rng.standard_normal((50, 2)), rng.standard_normal((50, 3))
    found = group_inputs(X, S)
    assert found.deterministic
    assert found.counts.tolist() == [1] * 50
    assert found.index.tolist() == list(range(50))


def test_negative_zero_is_zero() -> None:
    found = group_inputs(np.array([[0.0], [-0.0]]), np.array([[0.0], [-0.0]]))
    assert found.counts.tolist() == [2]
    assert found.deterministic


def test_neighbouring_numbers_are_not_the_same() -> None:
    X = np.array([[1.0], [np.nextafter(1.0, 2.0)], [1.0], [np.nextafter(1.0, 2.0)]])
    assert group_inputs(X, X).counts.tolist() == [2, 2]


def test_constant_input_is_one() -> None:
    found = group_inputs(np.zeros((5, 2)), np.arange(5.0)[:, None])
    assert found.counts.tolist() == [5]
    assert not found.deterministic


def test_some_inputs_with_one_signal_among_random_ones() -> None:
    """Equal signals of an input are no proof that the channel is a function."""
    X = np.array([[0.0], [0.0], [1.0], [1.0]])
    assert not group_inputs(X, np.array([[5.0], [5.0], [1.0], [2.0]])).deterministic


def test_one_sample_of_a_random_signal_is_refused() -> None:
    X = np.array([[0.0], [1.0], [0.0], [2.0]])
    S = np.array([[0.0], [1.0], [0.5], [2.0]])
    with pytest.raises(ValueError, match="got 2 of 3 inputs once, as in row 1"):
        group_inputs(X, S)
