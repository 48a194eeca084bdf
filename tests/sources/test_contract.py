"""One contract, over every registered source."""

from __future__ import annotations

import math

import numpy as np
import pytest

from entbench import PairSource, Reference, Source
from entbench import _registry as registry
from entbench.mixture import gaussian_entropy

NAMES = registry.sources.names()
OF_PAIRS = [name for name in NAMES if issubclass(registry.sources.load(name), PairSource)]
OF_SIGNALS = [name for name in NAMES if name not in OF_PAIRS]


def make(name: str) -> Source | PairSource:
    return registry.make_source(name, {})


@pytest.mark.parametrize("name", OF_SIGNALS)
def test_samples_have_the_shape_and_repeat(name: str) -> None:
    source = make(name)
    first = source.sample(37, np.random.default_rng(5))
    assert first.shape == (37, source.dim)
    assert first.dtype == np.float64
    assert np.isfinite(first).all()
    assert np.array_equal(first, source.sample(37, np.random.default_rng(5)))


@pytest.mark.parametrize("name", OF_PAIRS)
def test_pairs_have_the_shape_and_repeat(name: str) -> None:
    source = make(name)
    pairs = source.sample(37, np.random.default_rng(5))
    again = source.sample(37, np.random.default_rng(5))
    shapes = [(37, dim) for dim in (*source.dims, source.dims[1])]
    for array, same, shape in zip(pairs, again, shapes, strict=True):
        assert (
            (array is None)
            == (same is None)
            == (source.sigma is None and array is not pairs.x and array is not pairs.y)
        )
        if array is not None:
            assert array.shape == shape
            assert array.dtype == np.float64
            assert np.isfinite(array).all()
            assert np.array_equal(array, same)


@pytest.mark.parametrize("name", [name for name in OF_PAIRS if make(name).sigma is not None])
def test_noise_is_what_the_source_says(name: str) -> None:
    """Y - S is Gaussian of that deviation, and uncorrelated with S: 4.5 standard errors."""
    source = make(name)
    n = 20_000
    pairs = source.sample(n, np.random.default_rng(1))
    noise = (pairs.y - pairs.signal) / source.sigma
    slack = 4.5 / math.sqrt(noise.size)
    assert noise.mean() == pytest.approx(0.0, abs=slack)
    assert (noise**2).mean() == pytest.approx(1.0, abs=slack * math.sqrt(2.0))
    assert (noise**4).mean() == pytest.approx(3.0, abs=slack * math.sqrt(96.0))
    spread = float(pairs.signal.std())
    assert (noise * pairs.signal).mean() == pytest.approx(0.0, abs=slack * spread)


@pytest.mark.parametrize("name", NAMES)
def test_reference_is_confirmed_by_a_second_evaluation(name: str) -> None:
    reference = make(name).reference()
    assert isinstance(reference, Reference)
    assert reference.quantity == ("I(X;Y)" if name in OF_PAIRS else "h(S+Z)")
    assert 0 < reference.error < 0.01
    assert reference.checks
    for check in reference.checks:
        assert check.method != reference.method
        assert check.difference == abs(check.value - reference.value)
        if check.error is None:
            assert check.difference < 1e-10 + 10 * reference.error
        else:
            assert check.difference <= reference.error + check.error


@pytest.mark.parametrize("name", OF_SIGNALS)
def test_facts_are_consistent(name: str) -> None:
    source = make(name)
    facts, reference = source.facts(), source.reference()
    assert (facts.dim, facts.sigma) == (source.dim, source.sigma)
    if facts.mutual_information is not None:
        noise = gaussian_entropy(source.dim, source.sigma)
        assert reference.value - noise == pytest.approx(facts.mutual_information, abs=1e-9)
        if facts.chi_square_information is not None:
            assert facts.mutual_information <= math.log1p(facts.chi_square_information) + 1e-12
    if facts.second_moment is not None and facts.mutual_information is not None:
        # no law of that power tells more than the Gaussian
        power = facts.second_moment / facts.dim
        capacity = 0.5 * facts.dim * math.log1p(power / facts.sigma**2)
        assert facts.mutual_information <= capacity + 1e-9
    if facts.in_unit_cube:
        assert np.abs(source.sample(10_000, np.random.default_rng(0))).max() <= 1.0


@pytest.mark.parametrize("name", OF_PAIRS)
def test_facts_of_pairs_are_those_of_their_signal(name: str) -> None:
    source = make(name)
    facts = source.facts()
    if facts is not None:
        assert (facts.dim, facts.sigma) == (source.dims[1], source.sigma)
        # Y depends on X through S alone, and S is known from X
        assert source.reference().value == pytest.approx(facts.mutual_information, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_make_the_same_source(name: str) -> None:
    source = make(name)
    assert registry.make_source(name, source.get_params()).get_params() == source.get_params()
