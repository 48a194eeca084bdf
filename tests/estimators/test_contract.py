"""One contract, over every registered estimator."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone

from entbench import EntropyEstimator, estimate_entropy
from entbench import _registry as registry

NAMES = registry.estimators.names()

# few rows are what is tested
pytestmark = pytest.mark.filterwarnings("ignore:`X` has")
SIGMA = 0.5


def make(name: str, **params: Any) -> EntropyEstimator:
    if "tolerance" in registry.parameters_of(registry.estimators.load(name)):
        params = {"tolerance": 0.02, "max_draws": 100_000, **params}
    return registry.make_estimator(name, params, sigma=SIGMA, random_state=0)


def samples(n: int = 60, dim: int = 2, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal((n, dim))


@pytest.mark.parametrize("name", NAMES)
def test_fit_sets_what_it_should(name: str) -> None:
    estimator = make(name)
    assert estimator.fit(samples(dim=3)) is estimator
    assert math.isfinite(estimator.entropy_)
    assert math.isnan(estimator.standard_error_) or estimator.standard_error_ >= 0
    assert estimator.n_features_in_ == 3
    assert isinstance(estimator.diagnostics_, dict)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_scikit_learns(name: str) -> None:
    estimator = make(name)
    copy = clone(estimator)
    assert copy.get_params() == estimator.get_params()
    copy.set_params(**estimator.get_params())
    assert copy.fit(samples()).entropy_ == estimator.fit(samples()).entropy_


@pytest.mark.parametrize("name", NAMES)
def test_init_only_keeps_its_arguments(name: str) -> None:
    estimator = make(name)
    assert set(vars(estimator)) == set(estimator.get_params())


@pytest.mark.parametrize("name", NAMES)
def test_input_and_global_generator_are_left_alone(name: str) -> None:
    X = samples()
    before = X.copy()
    X.flags.writeable = False
    np.random.seed(1)
    state = np.random.get_state()[1].copy()
    make(name).fit(X)
    assert np.array_equal(X, before)
    assert np.array_equal(state, np.random.get_state()[1])


@pytest.mark.parametrize("name", NAMES)
def test_layout_and_type_do_not_matter(name: str) -> None:
    X = np.round(samples(), 3).astype(np.float32)
    expected = make(name).fit(X.astype(np.float64)).entropy_
    for given in (X, np.asfortranarray(X), X.tolist(), np.repeat(X, 2, axis=1)[:, ::2]):
        assert make(name).fit(given).entropy_ == expected


@pytest.mark.parametrize("name", NAMES)
def test_second_fit_forgets_the_first(name: str) -> None:
    once = make(name).fit(samples(seed=1)).entropy_
    estimator = make(name).fit(samples(n=80, dim=4, seed=2))
    assert estimator.fit(samples(seed=1)).entropy_ == once
    assert estimator.n_features_in_ == 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.full((10, 2), np.nan), "must be finite"),
        (np.full((10, 2), np.inf), "must be finite"),
        (np.zeros(10), "shape"),
        (np.zeros((1, 2)), "at least 2 rows"),
        (np.zeros((10, 0)), "at least one column"),
    ],
)
def test_bad_input_is_refused(name: str, bad: NDArray[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(name).fit(bad)


@pytest.mark.parametrize(
    "name", [n for n in NAMES if registry.estimators.load(n).reads == "signal"]
)
@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf])
def test_bad_sigma_is_refused(name: str, sigma: float) -> None:
    with pytest.raises(ValueError, match="`sigma` must be a finite number > 0"):
        registry.estimators.load(name)(sigma=sigma).fit(samples())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("n", "dim"), [(5, 1), (6, 20), (300, 1), (300, 20)])
def test_few_rows_and_extreme_dimensions(name: str, n: int, dim: int) -> None:
    assert math.isfinite(make(name).fit(samples(n, dim)).entropy_)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_tell_units_and_source(name: str) -> None:
    cls = registry.estimators.load(name)
    text = cls.__doc__ or ""
    for word in ("nats", "Parameters", "Notes", "References", "Cost"):
        assert word in text, f"{cls.__name__} says nothing of {word}"
    for parameter in registry.parameters_of(cls):
        assert f"    {parameter} :" in text


@pytest.mark.parametrize("name", NAMES)
def test_functional_call_is_the_class_on_the_same_draw(name: str) -> None:
    X = samples(n=100)
    result = estimate_entropy(X, name, sigma=SIGMA, random_state=3)
    estimator = registry.make_estimator(name, {}, sigma=SIGMA, random_state=3)
    noise = np.random.default_rng(3).standard_normal(X.shape)
    given = X if estimator.reads == "signal" else X + SIGMA * noise
    assert result.value == estimator.fit(given).entropy_
    assert (result.n, result.d, result.estimator) == (100, 2, name)
    low, high = result.confidence_interval
    if math.isnan(result.standard_error):
        assert math.isnan(low)
    else:
        assert high - low == pytest.approx(2 * 1.959964 * result.standard_error)
    with pytest.raises(AttributeError, match="cannot assign"):
        result.value = 0.0  # type: ignore[misc]
