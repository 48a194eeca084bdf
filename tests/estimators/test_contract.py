"""What every built-in estimator owes beside the kit's checks: documentation, and one call."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from entbench import _registry as registry
from entbench import estimate_entropy, estimate_mutual_information
from entbench._base import EntropyEstimator
from entbench._functional import with_noise
from entbench.testing import check_estimator

NAMES = registry.estimators.names()
SIGMA = 0.5

# few rows are what is tested
pytestmark = pytest.mark.filterwarnings("ignore:`X` has")


def of_entropy(name: str) -> bool:
    return issubclass(registry.estimators.load(name), EntropyEstimator)


@pytest.mark.parametrize("name", NAMES)
def test_it_passes_the_kit(name: str) -> None:
    """All that is asked of others; and what a class lists as known to fail does fail."""
    cls = registry.estimators.load(name)
    known = {each.name for each in check_estimator(cls) if each.status == "known failure"}
    assert known == set(cls.known_failures)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_tell_units_and_source(name: str) -> None:
    cls = registry.estimators.load(name)
    text = cls.__doc__ or ""
    for word in ("nats", "Parameters", "Notes", "References", "Cost"):
        assert word in text, f"{cls.__name__} says nothing of {word}"
    for parameter in registry.parameters_of(cls):
        listed = f"    {parameter} :" in text or f"    {parameter}, " in text
        assert listed or f", {parameter} :" in text, f"{cls.__name__} says nothing of {parameter}"


@pytest.mark.parametrize("name", NAMES)
def test_functional_call_is_the_class_on_the_same_draw(name: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100, 1))
    s = x + 0.3 * rng.standard_normal((100, 1))
    estimator: Any = registry.make_estimator(name, {}, sigma=SIGMA, random_state=3)
    read = with_noise if estimator.reads == "noisy" else lambda samples, sigma, seed: samples
    if of_entropy(name):
        result: Any = estimate_entropy(x, name, sigma=SIGMA, random_state=3)
        fitted = estimator.fit(read(x, SIGMA, 3))
        assert result.d == 1
    else:
        result = estimate_mutual_information(x, s, name, sigma=SIGMA, random_state=3)
        fitted = estimator.fit(x, read(s, SIGMA, 3))
        assert (result.d_x, result.d_y) == (1, 1)
    assert result.value == getattr(fitted, fitted.value_name)
    assert (result.n, result.estimator) == (100, name)
    assert (result.interval is None) == bool(result.no_interval)
    assert result.numerical_error == fitted.numerical_error_
    assert result.standard_error == fitted.standard_error_
    with pytest.raises(AttributeError, match="cannot assign"):
        result.value = 0.0


def test_noise_is_no_copy_of_samples_drawn_from_the_same_seed() -> None:
    samples = np.random.default_rng(3).standard_normal((10_000, 1))
    noise = with_noise(samples, 2.0, 3) - samples
    assert noise.std() == pytest.approx(2.0, abs=4.5 * 2.0 / math.sqrt(20_000))
    assert abs(np.corrcoef(noise.T, samples.T)[0, 1]) < 4.5 / math.sqrt(10_000)
    assert np.array_equal(with_noise(samples, 2.0, 3) - samples, noise)
