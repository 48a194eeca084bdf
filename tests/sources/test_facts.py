"""Facts of every source: second moments and decoding errors, by samples and by other formulas."""

from __future__ import annotations

import itertools
import math

import mpmath
import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import norm, t, truncnorm

from entbench import Source
from entbench.sources import (
    BPSK,
    PAM,
    PSK,
    QAM,
    Empirical,
    IsotropicGaussian,
    LaplaceProduct,
    RandomCodebook,
    RandomGaussianMixture,
    RandomNetwork,
    ReedMuller,
    StudentProduct,
    TruncatedMixture,
    UniformCube,
    UniformGrid,
)
from entbench.sources.reed_muller import _all_messages


@pytest.mark.parametrize(
    "source",
    [
        BPSK(3),
        PAM(5, d=2),
        QAM(36),
        PSK(5),
        UniformGrid(4, 3),
        UniformGrid(4, 3, ends=True),
        UniformCube(4),
        IsotropicGaussian(3, scale=1.7),
        LaplaceProduct(2, scale=0.6),
        StudentProduct(2, df=12.0, scale=0.8),
        TruncatedMixture(3, tau=0.3),
        TruncatedMixture(3, tau=4.0),
        RandomGaussianMixture(d=3, k=4, scale=0.5),
        RandomCodebook(d=4, k=3, points=6),
        ReedMuller(1, 3),
        Empirical("breast-cancer"),
    ],
    ids=str,
)
def test_second_moment_is_that_of_samples(source: Source) -> None:
    """4.5 standard errors of the mean of |S|^2, and rounding where all have one length."""
    moment = source.facts().second_moment
    squares = (source.sample(100_000, np.random.default_rng(0)) ** 2).sum(axis=1)
    slack = 4.5 * squares.std() / math.sqrt(len(squares)) + 1e-12
    assert moment == pytest.approx(squares.mean(), abs=slack)


def test_second_moments_in_closed_form() -> None:
    for k in (2, 3, 4, 7, 1000):
        for ends in (True, False):
            points = UniformGrid(1, k, ends=ends).points
            found = UniformGrid(3, k, ends=ends).facts().second_moment
            assert found == pytest.approx(3.0 * (points**2).mean(), rel=1e-13)
    assert UniformCube(6).facts().second_moment == pytest.approx(2.0, rel=1e-15)
    assert StudentProduct(2, df=2.5, scale=3.0).facts().second_moment == pytest.approx(
        2.0 * t(2.5, scale=3.0).var(), rel=1e-12
    )
    for df in (0.5, 1.0, 2.0):
        assert StudentProduct(2, df=df).facts().second_moment is None
    assert RandomNetwork().facts().second_moment is None
    source = RandomGaussianMixture(d=3, k=4, scale=0.5, seed=2)
    centres, weights = source.components
    expected = sum(w * (c @ c + 3 * 0.25) for w, c in zip(weights, centres, strict=True))
    assert source.facts().second_moment == pytest.approx(expected, rel=1e-14)
    rows = Empirical("digits", scaling="none").rows
    moment = Empirical("digits", scaling="none").facts().second_moment
    assert moment == pytest.approx(np.mean([row @ row for row in rows]), rel=1e-13)


@pytest.mark.parametrize("tau", [1e-8, 0.02, 0.3, 1.0, 5.0, 300.0, 1e6])
def test_second_moment_of_truncated_corners(tau: float) -> None:
    """``1 + tau^2 - 2 tau sqrt(2/pi)/erf(sqrt(2)/tau)``, to 60 digits; and scipy's where fine."""
    found = TruncatedMixture(2, tau=tau).facts().second_moment
    with mpmath.workdps(60):
        wide = mpmath.mpf(tau)
        lost = 2 * wide * mpmath.sqrt(2 / mpmath.pi) / mpmath.erf(mpmath.sqrt(2) / wide)
        exact = 2.0 * float(1 + wide**2 - lost)
    assert found == pytest.approx(exact, rel=1e-13)
    if 0.02 <= tau <= 5.0:
        corner = truncnorm(-2.0 / tau, 0.0, loc=1.0, scale=tau)
        assert found == pytest.approx(2.0 * corner.moment(2), rel=1e-9)


def mistaken(source: Source, points: np.ndarray, n: int) -> float:
    """The share of n draws of S+Z whose nearest point is not S, counted over all points."""
    rng = np.random.default_rng(1)
    signal = source.sample(n, rng)
    noisy = signal + source.sigma * rng.standard_normal(signal.shape)
    wrong = 0
    for some in np.array_split(np.arange(n), 20):
        nearest = ((noisy[some, None] - points) ** 2).sum(axis=2).argmin(axis=1)
        wrong += int((np.abs(points[nearest] - signal[some]).max(axis=1) > 1e-9).sum())
    return wrong / n


def values_of(source: Source) -> np.ndarray:
    if isinstance(source, ReedMuller):
        return source.encode(_all_messages(source.n_bits))
    points = np.asarray(source.points)  # type: ignore[attr-defined]
    if points.ndim == 2:
        return points
    return np.array(list(itertools.product(points, repeat=source.dim)))


@pytest.mark.parametrize(
    "source",
    [
        BPSK(3, 0.5),
        PAM(4, 0.2, 2),
        PAM(7, 2.0),
        QAM(16, 0.25),
        UniformGrid(3, 3, 0.2),
        UniformGrid(2, 3, 0.4, ends=True),
        PSK(2, 0.5),
        ReedMuller(3, 3, 0.6),
        ReedMuller(0, 3, 2.0),
    ],
    ids=str,
)
def test_decoding_error_is_that_of_simulated_decoding(source: Source) -> None:
    """These are no bounds but the probability itself: 4 standard errors over 40 000 draws."""
    n = 40_000
    error = source.facts().decoding_error
    assert error is not None
    assert 0.0 < error < 1.0
    slack = 4.0 * math.sqrt(error * (1.0 - error) / n)
    assert mistaken(source, values_of(source), n) == pytest.approx(error, abs=slack)


@pytest.mark.parametrize(
    ("source", "factor"),
    [
        (PSK(3, 0.3), 1.1),
        (PSK(8, 0.15), 1.1),
        (PSK(16, 0.08), 1.1),
        (PSK(3, 30.0), 1.5),
        (ReedMuller(1, 3, 0.6), 1.25),
        (ReedMuller(1, 3, 3.0), 1.4),
    ],
    ids=str,
)
def test_decoding_error_bounds_simulated_decoding(source: Source, factor: float) -> None:
    """At 4 standard errors over 40 000 draws; and it is no larger than by that factor."""
    n = 40_000
    bound = source.facts().decoding_error
    assert bound is not None
    rate = mistaken(source, values_of(source), n)
    slack = 4.0 * math.sqrt(rate * (1.0 - rate) / n)
    assert rate <= bound + slack
    assert bound <= min(1.0, factor * (rate + slack))


@pytest.mark.parametrize(("r", "m"), [(1, 1), (1, 3), (2, 3), (2, 4), (1, 5)])
def test_union_bound_of_codes_is_over_all_pairs(r: int, m: int) -> None:
    source = ReedMuller(r, m, 0.3)
    words = values_of(source)
    distances = pdist(words[: min(len(words), 2048)])
    assert len(words) <= 2048
    union = 2.0 * norm.sf(0.5 * distances / 0.3).sum() / len(words)
    assert distances.min() == pytest.approx(2.0 * math.sqrt(2.0 ** (m - r)))
    error = source.facts().decoding_error
    if r == m:
        assert error == pytest.approx(1.0 - norm.cdf(1.0 / 0.3) ** 2**m, rel=1e-12)
    else:
        assert error == pytest.approx(union, rel=1e-9)


def test_long_codes_are_bounded_by_their_least_distance() -> None:
    source = ReedMuller(2, 6, 0.5)  # 22 bits, words at least 16 places apart
    expected = (2**22 - 1) * norm.sf(4.0 / 0.5)
    assert source.facts().decoding_error == pytest.approx(expected, rel=1e-12)
    assert ReedMuller(2, 6, 5.0).facts().decoding_error == 1.0
    assert ReedMuller(11, 12, 5.0).facts().decoding_error == 1.0
    # a code with all its weights at hand is below what its least distance says
    short = ReedMuller(1, 4, 0.7)
    assert short.facts().decoding_error < 31 * norm.sf(math.sqrt(8.0) / 0.7)


@pytest.mark.parametrize("sigma", [1e-200, 1e200])
def test_decoding_at_both_ends(sigma: float) -> None:
    """Nothing is mistaken without noise; noise alone leaves a guess among the outermost values."""
    guess = {
        BPSK(2, sigma): 0.75,
        UniformGrid(1, 5, sigma): 0.8,
        PSK(3, sigma): 1.0,
        ReedMuller(1, 3, sigma): 1.0,
        ReedMuller(0, 3, sigma): 0.5,
        RandomCodebook(sigma=sigma): 31.0 / 32.0,
    }
    for source, expected in guess.items():
        error = source.facts().decoding_error
        assert error == pytest.approx(0.0 if sigma < 1.0 else expected, rel=1e-12)


def test_tiny_decoding_errors_keep_their_digits() -> None:
    """1 - (1 - Q)^d with Q = 1e-23 would be 0."""
    assert BPSK(4, 0.1).facts().decoding_error == pytest.approx(4.0 * norm.sf(10.0), rel=1e-12)
    assert ReedMuller(2, 2, 0.1).facts().decoding_error == BPSK(4, 0.1).facts().decoding_error


@pytest.mark.parametrize("source", [UniformCube(), IsotropicGaussian(), TruncatedMixture()])
def test_no_values_no_decoding(source: Source) -> None:
    facts = source.facts()
    assert facts.log_values is None
    assert facts.decoding_error is None
