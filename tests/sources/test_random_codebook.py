"""Random codebooks: the choice of words, the truth by other ways, and the bounds on their loss."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import chisquare, norm

from entbench.mixture import gaussian_entropy
from entbench.sources import RandomCodebook, UniformGrid, random_codebook
from entbench.sources._certificate import Asked, certify_mixture
from entbench.sources.random_codebook import _distinct

SMALL = RandomCodebook(d=2, k=4, points=7, sigma=0.25, codebook=3)


@pytest.mark.parametrize(
    "source",
    [
        RandomCodebook(),
        SMALL,
        RandomCodebook(d=2, k=3, points=9, ends=False),
        RandomCodebook(d=21, k=2, points=3000),
        RandomCodebook(d=16, k=2, points=65536, sigma=0.05),
        RandomCodebook(d=3000, k=1000, points=3),  # the grid has 10^9000 points
    ],
    ids=str,
)
def test_words_are_distinct_points_of_the_grid(source: RandomCodebook) -> None:
    assert source.words.shape == (source.points, source.d)
    assert len(np.unique(source.words, axis=0)) == source.points
    grid = UniformGrid(source.d, source.k, source.sigma, source.ends)
    assert np.isin(source.words, grid.points).all()
    drawn = source.sample(200, np.random.default_rng(0))
    assert np.array_equal(drawn, source.sample(200, np.random.default_rng(0)))


@pytest.mark.parametrize("numbered", [True, False])
def test_every_choice_is_as_likely(numbered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The 6 pairs of corners of the square over 1200 seeds; Pearson's chi-square, level 1e-4."""
    if not numbered:
        monkeypatch.setattr(random_codebook, "_MOST_NUMBERED", 1)
    counts = dict.fromkeys(itertools.combinations(range(4), 2), 0)
    for seed in range(1200):
        words = RandomCodebook(d=2, k=2, points=2, codebook=seed).words > 0.0
        counts[tuple(sorted(words @ [1, 2]))] += 1  # type: ignore[index]
    assert chisquare(list(counts.values())).pvalue > 1e-4


def test_rejection_goes_on_until_all_are_found() -> None:
    rows = _distinct(8, 2, 3, np.random.default_rng(0))
    assert sorted(map(tuple, rows)) == list(itertools.product((0, 1), repeat=3))


def test_sampler_takes_every_word_equally_often() -> None:
    """Pearson's chi-square at level 1e-4."""
    drawn = SMALL.sample(20_000, np.random.default_rng(0))
    found, counts = np.unique(drawn, axis=0, return_counts=True)
    assert np.array_equal(found, np.unique(SMALL.words, axis=0))
    assert chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize("sigma", [0.02, 0.125])
def test_separate_words_tell_everything(sigma: float) -> None:
    """The exact truth beside quadrature over the mixture, in one and two dimensions."""
    for d, k, points in ((1, 2, 2), (2, 2, 3)):
        source = RandomCodebook(d, k, points, sigma)
        reference = source.reference()
        expected = math.log(points) + gaussian_entropy(d, sigma)
        assert reference.value == pytest.approx(expected, abs=1e-13)
        assert reference.confidence == 1.0
        assert reference.error < 2e-13
        assert reference.checks[0].difference < 1e-12
        found = certify_mixture(source._mixture, Asked(1e-8))
        assert reference.value == pytest.approx(found.value, abs=1e-9)
        facts = source.facts()
        assert facts.mutual_information == math.log(points)
        assert facts.chi_square_information == points - 1.0


@pytest.mark.parametrize("sigma", [0.14, 0.2, 0.25])
def test_truth_lies_between_fano_and_all(sigma: float) -> None:
    """Where the noise hides little, beside quadrature over the mixture."""
    for source in (
        RandomCodebook(1, 2, 2, sigma),
        RandomCodebook(2, 3, 5, 0.5 * sigma, codebook=2),
        RandomCodebook(2, 5, 9, 0.25 * sigma, ends=False),
    ):
        reference = source.certify(source._hidden)
        assert "noise hides" in reference.method
        assert reference.confidence == 1.0
        found = certify_mixture(source._mixture, Asked(1e-8))
        assert abs(found.value - reference.value) <= reference.error + found.error
        assert 0.5 * source._hidden <= reference.error < 0.01
        assert reference.checks[0].difference <= 10.0 * reference.error
        if source._hidden > 1e-6:
            integrated = source.certify(0.9 * source._hidden)
            assert "mixture" in integrated.method
            assert abs(integrated.value - found.value) <= integrated.error + found.error


def test_certified_truth_of_a_line_by_direct_summation() -> None:
    source = RandomCodebook(d=1, k=6, points=4, sigma=0.25, codebook=1)
    y = np.linspace(-4.0, 4.0, 8001)
    q = norm.pdf(y[:, None], source.words[:, 0], 0.25).mean(axis=1)
    truth = -float((q * np.log(np.maximum(q, 1e-300))).sum()) * (y[1] - y[0])
    reference = source.reference()
    assert reference.value == pytest.approx(truth, abs=1e-9)
    assert source.facts().mutual_information is None
    assert source.facts().chi_square_information is None


@pytest.mark.parametrize(("d", "k", "sigma"), [(2, 3, 0.3), (4, 2, 0.6)])
def test_all_points_are_the_grid(d: int, k: int, sigma: float) -> None:
    grid = UniformGrid(d, k, sigma, ends=True)
    source = RandomCodebook(d, k, k**d, sigma)
    found = source.certify(2e-3, 0.999)
    assert abs(found.value - grid.reference().value) <= found.error <= 2e-3
    second = source.verify(2e-2, 0.999)
    assert second.method != found.method
    assert abs(second.value - grid.reference().value) <= second.error <= 2e-2
    a, b = source.facts(), grid.facts()
    assert a.log_values == pytest.approx(b.log_values)
    assert a.second_moment == pytest.approx(b.second_moment)
    assert a.decoding_error == b.decoding_error  # by pairs it would be more


def test_second_method_agrees_on_the_truth() -> None:
    source = RandomCodebook(d=5, k=3, points=40, sigma=0.4)
    first, second = source.certify(0.01, 0.999), source.verify(0.02, 0.999)
    assert abs(first.value - second.value) <= first.error + second.error
    assert first.error <= 0.01
    assert first.checks[0].difference == abs(first.checks[0].value - first.value)


@pytest.mark.parametrize("ends", [False, True])
def test_distances_are_those_between_words(ends: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows of the table at a time, against scipy's distances and each formula."""
    monkeypatch.setattr(random_codebook, "_CHUNK", 37)
    source = RandomCodebook(d=6, k=5, points=20, sigma=0.12, ends=ends)
    distances = pdist(source.words)
    facts = source.facts()
    assert facts.subgaussian_constant == pytest.approx(0.5 * distances.max(), rel=1e-14)
    union = 2.0 * norm.sf(0.5 * distances / source.sigma).sum() / 20
    assert union < UniformGrid(6, 5, 0.12, ends).decoding_error
    assert facts.decoding_error == pytest.approx(union, rel=1e-12)
    table = np.exp(-0.125 * (distances / source.sigma) ** 2)
    rows = np.zeros(20)
    for (i, j), overlap in zip(itertools.combinations(range(20), 2), table, strict=True):
        rows[[i, j]] += overlap
    assert source._overlap == pytest.approx(np.log1p(rows).mean(), rel=1e-12)


def test_many_words_fall_back_on_the_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    source = RandomCodebook(d=8, k=3, points=300, sigma=0.06)
    by_pairs, overlap = source.facts(), source._overlap
    monkeypatch.setattr(random_codebook, "_MOST_PAIRED", 299)
    other = RandomCodebook(d=8, k=3, points=300, sigma=0.06)
    by_grid = other.facts()
    assert by_pairs.decoding_error < by_grid.decoding_error
    assert by_grid.decoding_error == UniformGrid(8, 3, 0.06, ends=True).decoding_error
    assert by_pairs.subgaussian_constant <= by_grid.subgaussian_constant <= math.sqrt(8)
    assert overlap < other._overlap < 1e-13
    assert other.reference().value == pytest.approx(source.reference().value, abs=1e-13)
    assert other.reference().checks[0].difference < 1e-12


@pytest.mark.parametrize("sigma", [0.2, 0.25, 0.4, 1.0, 5.0])
def test_fano_is_above_what_the_noise_hides(sigma: float) -> None:
    """Two points of the line are one BPSK axis, whose information is known."""
    source = RandomCodebook(d=1, k=2, points=2, sigma=sigma)
    hidden = math.log(2.0) - UniformGrid(1, 2, sigma, ends=True).facts().mutual_information
    assert hidden <= source._hidden <= math.log(2.0)
    assert not source._is_exact


@pytest.mark.parametrize("sigma", [0.125, 0.15])
def test_exactness_ends_where_the_noise_hides_something(sigma: float) -> None:
    """Two points: H(S|S+Z) is E log(1 + exp(-2 (1 + sigma Z)/sigma^2)), by the trapezoidal rule."""
    z = np.linspace(-12.0, 12.0, 20_001)
    loss = np.logaddexp(0.0, -2.0 * (1.0 + sigma * z) / sigma**2)
    hidden = float((norm.pdf(z) * loss).sum()) * (z[1] - z[0])
    source = RandomCodebook(d=1, k=2, points=2, sigma=sigma)
    assert hidden <= source._hidden < 20.0 * hidden
    assert source._is_exact == (source._hidden < 1e-13) == (sigma == 0.125)


def test_mistaken_words_are_below_the_bound() -> None:
    """Nearest-word decoding of 100 000 draws: 4 standard errors, and not far below."""
    source = RandomCodebook(d=4, k=3, points=20, sigma=0.28)
    rng = np.random.default_rng(0)
    sent = rng.integers(0, 20, 100_000)
    received = source.words[sent] + source.sigma * rng.standard_normal((100_000, 4))
    distances = ((received[:, None] - source.words) ** 2).sum(axis=2)
    rate = float((distances.argmin(axis=1) != sent).mean())
    slack = 4.0 * math.sqrt(rate / 100_000)
    bound = source.facts().decoding_error
    assert bound is not None
    assert rate - slack <= bound <= 1.3 * rate


@pytest.mark.parametrize("seed", range(5))
def test_subgaussian_constant_bounds_the_moments(seed: int) -> None:
    source = RandomCodebook(d=3, k=4, points=5, codebook=seed)
    constant = source.facts().subgaussian_constant
    assert constant is not None
    centred = source.words - source.words.mean(axis=0)
    directions = np.random.default_rng(0).standard_normal((50, 3))
    for size in np.geomspace(0.01, 50.0, 20):
        a = size * directions / np.linalg.norm(directions, axis=1, keepdims=True)
        log_mean = np.logaddexp.reduce(centred @ a.T, axis=0) - math.log(5)
        assert (log_mean <= 0.5 * (constant * size) ** 2 + 1e-13).all()


def test_noise_far_below_one() -> None:
    for points in (8, 5000):
        source = RandomCodebook(d=20, k=3, points=points, sigma=1e-200)
        reference, noise = source.reference(), gaussian_entropy(20, 1e-200)
        assert reference.value - noise == pytest.approx(math.log(points), abs=2 * reference.error)
        assert reference.error < 1e-10
        assert source.facts().decoding_error == 0.0
        assert reference.checks[0].difference == 0.0


def test_parameters_make_the_same_source() -> None:
    source = RandomCodebook(3.0, 4, 5, 1, np.True_, 7)  # type: ignore[arg-type]
    assert source.get_params() == {
        "d": 3,
        "k": 4,
        "points": 5,
        "sigma": 1.0,
        "ends": True,
        "codebook": 7,
    }
    again = RandomCodebook(**source.get_params())
    assert again == source
    assert np.array_equal(again.words, source.words)
    assert not np.array_equal(RandomCodebook(3, 4, 5, codebook=8).words, source.words)


@pytest.mark.parametrize(
    ("params", "kind", "message"),
    [
        ({"d": 0}, ValueError, "`d` must be an integer >= 1; got 0"),
        ({"k": 1}, ValueError, r"`k` must be an integer in \[2, 1000\]; got 1"),
        ({"points": 1}, ValueError, r"`points` must be an integer in \[2, 32\]; got 1"),
        ({"points": 33}, ValueError, r"`points` must be an integer in \[2, 32\]; got 33"),
        ({"d": 17, "points": 2**16 + 1}, ValueError, r"`points` must be .* \[2, 65536\]"),
        ({"d": 10**6, "points": 2**16 + 1}, ValueError, r"`points` must be .* \[2, 65536\]"),
        ({"sigma": -1.0}, ValueError, "`sigma` must be a finite number > 0; got -1.0"),
        ({"codebook": -1}, ValueError, "`codebook` must be an integer >= 0; got -1"),
        ({"points": None}, TypeError, "`points` must be an integer"),
        ({"ends": 1}, TypeError, "`ends` must be True or False; got 1"),
    ],
)
def test_bad_parameters(params: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        RandomCodebook(**params)
