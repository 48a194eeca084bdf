"""What must hold for any data: h(aX + b) = h(X) + dim log a, rotations, order of rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import ortho_group

from entbench import EntropyEstimator
from entbench import _registry as registry
from entbench._base import parameters_of

# `spacing` takes one dimension only, where the kit has it
NAMES = [
    name
    for name in registry.estimators.names()
    if issubclass(registry.estimators.load(name), EntropyEstimator) and name != "spacing"
]
# integrates with draws of its own, so rows in another order or rotated are other draws
MONTE_CARLO = {name for name in NAMES if name.startswith("sp")}
# cells are aligned to the axes; the rest see distances only
ALIGNED = {"binning"}

pytestmark = pytest.mark.filterwarnings("ignore:`X` has")

seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(st.integers(8, 80), st.integers(1, 6))


def make(name: str, sigma: float) -> EntropyEstimator:
    # the same draws at any tolerance: a coarse one is quicker
    known = parameters_of(registry.estimators.load(name))
    params = {"tolerance": 0.02} if name in MONTE_CARLO and "tolerance" in known else {}
    return registry.make_estimator(name, params, sigma=sigma, random_state=0)


def samples(seed: int, shape: tuple[int, int]) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(seed=seeds, shape=shapes, shift=st.floats(-1e3, 1e3))
def test_translation(name: str, seed: int, shape: tuple[int, int], shift: float) -> None:
    X = samples(seed, shape)
    # the shift rounds the samples themselves to 1e3 * 2^-53, and bandwidths are refined to 1e-3
    expected = make(name, 0.5).fit(X).entropy_
    assert make(name, 0.5).fit(X + shift).entropy_ == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(seed=seeds, shape=shapes, power=st.integers(-30, 30))
def test_scale(name: str, seed: int, shape: tuple[int, int], power: int) -> None:
    """A power of two scales without rounding; noise and samples are scaled together."""
    X, scale = samples(seed, shape), 2.0**power
    expected = make(name, 0.5).fit(X).entropy_ + shape[1] * math.log(scale)
    assert make(name, 0.5 * scale).fit(scale * X).entropy_ == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in MONTE_CARLO])
@settings(max_examples=15, deadline=None)
@given(seed=seeds, shape=shapes)
def test_order_of_rows(name: str, seed: int, shape: tuple[int, int]) -> None:
    X = samples(seed, shape)
    shuffled = np.random.default_rng(seed + 1).permutation(X)
    expected = make(name, 0.5).fit(X).entropy_
    assert make(name, 0.5).fit(shuffled).entropy_ == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in MONTE_CARLO | ALIGNED])
@settings(max_examples=15, deadline=None)
@given(seed=seeds, shape=shapes.filter(lambda shape: shape[1] > 1))
def test_rotation(name: str, seed: int, shape: tuple[int, int]) -> None:
    X = samples(seed, shape)
    rotation = ortho_group.rvs(shape[1], random_state=np.random.RandomState(seed))
    expected = make(name, 0.5).fit(X).entropy_
    assert make(name, 0.5).fit(X @ rotation).entropy_ == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("change", ["rotation", "order"])
def test_monte_carlo_within_its_error(change: str) -> None:
    """`sp` is invariant too, within 4.5 standard errors of the difference (false alarm 7e-6)."""
    X = samples(0, (300, 4))
    if change == "rotation":
        changed = X @ ortho_group.rvs(4, random_state=np.random.RandomState(0))
    else:
        changed = X[::-1]
    one, two = make("sp", 0.5).fit(X), make("sp", 0.5).fit(changed)
    slack = 4.5 * math.hypot(one.numerical_error_, two.numerical_error_)
    assert one.entropy_ == pytest.approx(two.entropy_, abs=slack)
    assert one.entropy_ != two.entropy_


@pytest.mark.parametrize("name", sorted(set(NAMES) - MONTE_CARLO))
def test_permuted_axes(name: str) -> None:
    X = samples(0, (200, 5))
    expected = make(name, 0.5).fit(X).entropy_
    assert make(name, 0.5).fit(X[:, ::-1]).entropy_ == pytest.approx(expected, abs=1e-6)
