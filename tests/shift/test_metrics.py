"""Total variation and KL divergence of finite laws, against scipy and direct sums."""

from __future__ import annotations

import math
from collections.abc import Iterator

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import rel_entr

from entbench import bounds, shift


def _laws(seed: int, count: int) -> Iterator[NDArray]:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        size = rng.integers(1, 9)
        yield rng.dirichlet(np.full(size, rng.choice([0.1, 1.0, 30.0])), size=2)


def test_total_variation_is_the_largest_difference_over_events() -> None:
    for p, q in _laws(0, 100):
        events = (np.arange(2 ** len(p))[:, None] >> np.arange(len(p))) & 1
        largest = (events @ (p - q)).max()
        found = shift.total_variation(p, q)
        assert found.value == pytest.approx(largest, rel=1e-12, abs=1e-15)
        assert (found.low, found.high, found.n, found.m) == (
            found.value,
            found.value,
            len(p),
            len(q),
        )


def test_kl_is_that_of_scipy() -> None:
    for p, q in _laws(1, 100):
        expected = rel_entr(p, q).sum()
        assert shift.kl_divergence(p, q).value == pytest.approx(expected, rel=1e-10, abs=1e-14)
        assert shift.kl_divergence(p, q).value >= 0.0


@pytest.mark.parametrize("step", [1e-3, 1e-6, 1e-9])
def test_small_divergences_keep_their_digits(step: float) -> None:
    p, q = np.array([0.25, 0.75]), np.array([0.25 + step, 0.75 - step])
    with mpmath.workdps(50):
        a, b, c, d = (mpmath.mpf(float(v)) for v in (*p, *q))
        # the laws are divided by their sums
        c, d = c / (c + d), d / (c + d)
        exact = float(a * mpmath.log(a / c) + b * mpmath.log(b / d))
    # relative: the divergence is a square of differences that have 1e-16/step themselves
    assert shift.kl_divergence(p, q).value == pytest.approx(exact, rel=1e-14 / step, abs=0)


def test_extremes() -> None:
    assert shift.total_variation([1.0, 0.0], [0.0, 1.0]).value == 1.0
    far = shift.kl_divergence([0.5, 0.5], [1.0, 0.0])
    assert (far.value, far.low, far.method) == (math.inf, math.inf, "supports differ")
    assert shift.kl_divergence([1.0, 0.0], [0.5, 0.5]).value == pytest.approx(
        math.log(2), rel=1e-15
    )
    assert shift.kl_divergence([1.0, 5e-324], [0.5, 0.5]).value == pytest.approx(math.log(2))


def test_disjoint_laws_are_no_farther_than_the_bound_takes() -> None:
    """Half the sum of their differences rounds to more than 1 for some of these."""
    above = 0
    for law in np.random.default_rng(4).dirichlet(np.ones(50), size=1000):
        p, q = np.r_[law, 0 * law], np.r_[0 * law, law[::-1]]
        above += 0.5 * math.fsum(np.abs(p / math.fsum(p) - q / math.fsum(q))) > 1.0
        found = shift.total_variation(p, q).value
        assert found == pytest.approx(1.0, abs=1e-15)
        assert bounds.tv_shift_bound(found, 100) > 0.0
    assert above > 0


def test_samples_against_counts_by_hand() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.integers(3, size=(200, 2)), rng.integers(3, size=(150, 2))
    weights = rng.dirichlet(np.ones(200))
    p, q = np.zeros(9), np.zeros(9)
    np.add.at(p, x @ [3, 1], weights)
    np.add.at(q, y @ [3, 1], 1 / 150)
    tv = shift.total_variation_samples(x, y, weights=weights)
    kl = shift.kl_samples(x, y, weights=weights)
    assert tv.value == pytest.approx(0.5 * np.abs(p - q).sum(), rel=1e-12)
    assert kl.value == pytest.approx(rel_entr(p, q).sum(), rel=1e-12)
    assert (tv.n, tv.m, kl.n, kl.m) == (200, 150, 200, 150)


def test_samples_extremes() -> None:
    x = np.array([[0.0, 1.0], [-0.0, 1.0], [2.0, 2.0]])
    y = np.array([[0.0, 1.0], [2.0, 2.0]])
    assert shift.total_variation_samples(x, y).value == pytest.approx(1 / 6, rel=1e-15)
    assert shift.kl_samples(x, y[:1]).value == math.inf
    assert shift.total_variation_samples(x, x[::-1]).value == 0.0
    assert shift.kl_samples(x + 1e6, x[::-1] + 1e6).value == 0.0
    # continuous: nothing in common, though the law is the same
    draws = np.random.default_rng(0).normal(size=(2, 50, 3))
    assert shift.total_variation_samples(*draws).value == 1.0


def test_samples_of_one_law_are_apart_by_what_the_docstring_says() -> None:
    rng = np.random.default_rng(3)
    found = [
        shift.total_variation_samples(
            rng.integers(16, size=(2000, 1)), rng.integers(16, size=(2000, 1))
        ).value
        for _ in range(40)
    ]
    # what is exact for many draws; standard deviation 0.0095: 4 standard errors over 40 repeats
    expected = math.sqrt(16 / (math.pi * 2000)) * math.sqrt(1 - 1 / 16)
    assert np.mean(found) == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize(
    ("p", "q", "message"),
    [
        ([0.5, 0.6], [0.5, 0.5], r"`p` must sum to 1; got a sum of 1\.1\."),
        ([0.5, 0.5], [-0.5, 1.5], r"`q` must be >= 0; got -0\.5\."),
        ([0.5, math.nan], [0.5, 0.5], r"`p` must be >= 0; got nan\."),
        ([1.0], [0.5, 0.5], r"as many entries as each other; got 1 and 2\."),
        ([], [], r"`p` must have one axis and an entry; got shape \(0,\)\."),
        ([[1.0]], [1.0], r"`p` must have one axis and an entry; got shape \(1, 1\)\."),
        ([math.inf, 0.0], [0.5, 0.5], r"`p` must sum to 1; got a sum of inf\."),
    ],
)
def test_bad_laws(p: list[float], q: list[float], message: str) -> None:
    for distance in (shift.total_variation, shift.kl_divergence):
        with pytest.raises(ValueError, match=message):
            distance(p, q)


def test_bad_samples() -> None:
    with pytest.raises(TypeError, match=r"`p` must hold real numbers; got dtype <U1\."):
        shift.total_variation(["a"], [1.0])
    x = np.zeros((3, 2))
    with pytest.raises(ValueError, match=r"as many columns as each other; got 2 and 1\."):
        shift.kl_samples(x, x[:, :1])
    with pytest.raises(ValueError, match=r"`weights` must have 3 entries.*got 2\."):
        shift.total_variation_samples(x, x, weights=[0.5, 0.5])
    with pytest.raises(ValueError, match=r"`Y` must be finite; got nan"):
        shift.total_variation_samples(x, x * math.nan)
    with pytest.raises(ValueError, match=r"`X` must have at least 1 rows; got 0\."):
        shift.kl_samples(x[:0], x)
