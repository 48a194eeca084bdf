"""One contract, over every registered source."""

from __future__ import annotations

import math

import numpy as np
import pytest

from entbench import Reference, Source
from entbench import _registry as registry
from entbench.mixture import gaussian_entropy

NAMES = registry.sources.names()


def make(name: str) -> Source:
    return registry.make_source(name, {})


@pytest.mark.parametrize("name", NAMES)
def test_samples_have_the_shape_and_repeat(name: str) -> None:
    source = make(name)
    first = source.sample(37, np.random.default_rng(5))
    assert first.shape == (37, source.dim)
    assert first.dtype == np.float64
    assert np.isfinite(first).all()
    assert np.array_equal(first, source.sample(37, np.random.default_rng(5)))


@pytest.mark.parametrize("name", NAMES)
def test_reference_is_confirmed_by_a_second_evaluation(name: str) -> None:
    reference = make(name).reference()
    assert isinstance(reference, Reference)
    assert 0 < reference.error < 0.01
    assert reference.checks
    for check in reference.checks:
        assert check.method != reference.method
        assert check.difference == abs(check.value - reference.value)
        assert check.difference < 1e-10 + 10 * reference.error


@pytest.mark.parametrize("name", NAMES)
def test_facts_are_consistent(name: str) -> None:
    source = make(name)
    facts, reference = source.facts(), source.reference()
    assert (facts.dim, facts.sigma) == (source.dim, source.sigma)
    if facts.mutual_information is not None:
        noise = gaussian_entropy(source.dim, source.sigma)
        assert reference.value - noise == pytest.approx(facts.mutual_information, abs=1e-9)
        if facts.chi_square_information is not None:
            assert facts.mutual_information <= math.log1p(facts.chi_square_information) + 1e-12
    if facts.in_unit_cube:
        assert np.abs(source.sample(10_000, np.random.default_rng(0))).max() <= 1.0


@pytest.mark.parametrize("name", NAMES)
def test_parameters_make_the_same_source(name: str) -> None:
    source = make(name)
    assert registry.make_source(name, source.get_params()).get_params() == source.get_params()
