"""Pairwise-distance bounds against all pairs, quadrature and closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.base import clone

from entbench.estimators.kolchinsky_tracey import KolchinskyTraceyLower, KolchinskyTraceyUpper

BOUNDS = [KolchinskyTraceyUpper, KolchinskyTraceyLower]


def gaussian(n: int, dim: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal((n, dim))


def noise_entropy(dim: int, sigma: float) -> float:
    return dim * math.log(sigma * math.sqrt(2 * math.pi * math.e))


def by_hand(X: NDArray[Any], rate: float, weights: NDArray[Any] | None = None) -> float:
    """``-sum_i w_i log sum_j w_j exp(-rate d_ij^2)``, by differences."""
    w = np.full(len(X), 1 / len(X)) if weights is None else weights
    squares = ((X[:, None] - X[None]) ** 2).sum(axis=2)
    return -float(w @ logsumexp(-rate * squares, axis=1, b=w[None]))


def mixture_entropy(X: NDArray[Any], sigma: float) -> float:
    """In one dimension, by the trapezoidal rule, which converges faster than any power."""
    grid = np.arange(X.min() - 12 * sigma, X.max() + 12 * sigma, sigma / 20)
    logs = logsumexp(-((grid[:, None] - X[:, 0]) ** 2) / (2 * sigma**2), axis=1)
    logs -= math.log(len(X) * sigma * math.sqrt(2 * math.pi))
    return -float(np.exp(logs) @ logs) * sigma / 20


@pytest.mark.parametrize("alpha", [0.5, 0.1, 0.999])
@pytest.mark.parametrize("dim", [1, 5, 25])
@pytest.mark.parametrize("sigma", [0.02, 0.4, 5])
def test_agree_with_all_pairs(alpha: float, dim: int, sigma: float) -> None:
    X = gaussian(300, dim)
    upper = noise_entropy(dim, sigma) + by_hand(X, 1 / (2 * sigma**2))
    lower = noise_entropy(dim, sigma) + by_hand(X, alpha * (1 - alpha) / (2 * sigma**2))
    assert KolchinskyTraceyUpper(sigma).fit(X).entropy_ == pytest.approx(upper, rel=1e-10)
    assert KolchinskyTraceyLower(sigma, alpha).fit(X).entropy_ == pytest.approx(lower, rel=1e-10)


def test_they_enclose_the_mixtures_entropy_by_quadrature() -> None:
    """Random mixtures in one dimension, clustered or not, from one component to forty."""
    rng = np.random.default_rng(0)
    widths = []
    for _ in range(200):
        n = int(rng.integers(2, 40))
        X = rng.standard_normal((n, 1)) * 10 ** rng.uniform(-1, 1)
        X = np.round(X, int(rng.integers(0, 3)))  # some of them repeat
        truth = mixture_entropy(X, 0.5)
        upper = KolchinskyTraceyUpper(0.5).fit(X).entropy_
        lower = KolchinskyTraceyLower(0.5).fit(X).entropy_
        other = KolchinskyTraceyLower(0.5, alpha=rng.uniform(0.01, 0.99)).fit(X).entropy_
        # what rounding leaves of a quadrature and a bound that are equal
        assert other - 1e-12 <= lower <= truth + 1e-12
        assert truth <= upper + 1e-12
        widths.append(upper - lower)
    # they are no trivial bounds: the largest gap there can be here is about 0.6
    assert 0.1 < max(widths) < 0.7


def test_alpha_one_half_is_bhattacharyya_and_the_best() -> None:
    X = gaussian(200, 3)
    values = [
        KolchinskyTraceyLower(0.3, alpha).fit(X).entropy_ for alpha in (0.1, 0.3, 0.5, 0.7, 0.9)
    ]
    assert values[2] == KolchinskyTraceyLower(0.3).fit(X).entropy_
    assert values[0] < values[1] < values[2]
    assert values[:2] == pytest.approx(values[:2:-1], rel=1e-13)


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("dim", [1, 7])
def test_repeated_rows_are_weights(bound: Any, dim: int) -> None:
    rng = np.random.default_rng(0)
    places, times = rng.standard_normal((60, dim)), rng.integers(1, 30, 60)
    rate = 1 / (2 * 0.5**2) if bound is KolchinskyTraceyUpper else 1 / (8 * 0.5**2)
    expected = noise_entropy(dim, 0.5) + by_hand(places, rate, times / times.sum())
    rows = rng.permutation(np.repeat(places, times, axis=0))
    assert bound(0.5).fit(rows).entropy_ == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("dim", [1, 30])
def test_one_place_and_places_far_apart(bound: Any, dim: int) -> None:
    """All samples in one place leave h(Z); samples far from each other add log n to it."""
    one = bound(0.3).fit(np.full((7, dim), 0.1)).entropy_
    assert one == pytest.approx(noise_entropy(dim, 0.3), rel=1e-15)
    far = bound(0.3).fit(1e3 * np.arange(7.0)[:, None] * np.ones(dim)).entropy_
    assert far == pytest.approx(noise_entropy(dim, 0.3) + math.log(7), rel=1e-14)


@pytest.mark.parametrize("bound", BOUNDS)
def test_far_from_the_origin_and_tiny(bound: Any) -> None:
    X = np.round(gaussian(100, 3) * 2**20) / 2**20  # so that a shift by 2^20 rounds nothing
    expected = bound(0.5).fit(X).entropy_
    assert bound(0.5).fit(X + 2.0**20).entropy_ == pytest.approx(expected, rel=1e-9)
    tiny = bound(0.5 * 2.0**-500).fit(X * 2.0**-500).entropy_ + 3 * 500 * math.log(2.0)
    assert tiny == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("sigma", [0.01, 0.3])
def test_threads_do_not_matter(bound: Any, sigma: float) -> None:
    X = gaussian(4000, 4)
    assert len({bound(sigma, n_jobs=n_jobs).fit(X).entropy_ for n_jobs in (1, 2, 3, None)}) == 1


def test_gaussian_signal_in_the_limit_of_many_samples() -> None:
    """Of N(0, I) and noise s, the kernel's mean at x is c exp(-x^2 / (2 (1 + w^2))), w its width.

    So both bounds tend to ``h(Z) + dim (log(1 + w^2) - log w^2 + 1/(1 + w^2)) / 2``.
    """
    dim, sigma, n, seeds = 2, 1.0, 500, 40
    for bound, width in ((KolchinskyTraceyUpper, sigma), (KolchinskyTraceyLower, 2 * sigma)):
        square = width**2
        gain = math.log((1 + square) / square) + 1 / (1 + square)
        limit = noise_entropy(dim, sigma) + 0.5 * dim * gain
        values = [bound(sigma).fit(gaussian(n, dim, seed)).entropy_ for seed in range(seeds)]
        # 4 standard errors over 40 seeds; besides, a bias of at most 2/n, of the samples' own terms
        slack = 4 * float(np.std(values, ddof=1)) / math.sqrt(seeds) + 2 / n
        assert np.mean(values) == pytest.approx(limit, abs=slack)


def test_roles_and_parameters() -> None:
    assert KolchinskyTraceyUpper.role == "upper bound"
    assert KolchinskyTraceyLower.role == "lower bound"
    copy = clone(KolchinskyTraceyLower(2, alpha=0.25, n_jobs=1))
    assert copy.get_params() == {"sigma": 2, "alpha": 0.25, "n_jobs": 1}


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: KolchinskyTraceyUpper(0.0), ValueError, "`sigma` must be a finite number > 0"),
        (lambda: KolchinskyTraceyUpper("1"), TypeError, "`sigma` must be a finite number > 0"),
        (lambda: KolchinskyTraceyUpper(1.0, n_jobs=0), ValueError, "`n_jobs` must be an integer"),
        (lambda: KolchinskyTraceyLower(math.nan), ValueError, "`sigma` must be a finite number"),
        (lambda: KolchinskyTraceyLower(1.0, 0.0), ValueError, "`alpha` must be .*; got 0.0"),
        (lambda: KolchinskyTraceyLower(1.0, 1.0), ValueError, r"in \(0, 1\); got 1.0"),
        (lambda: KolchinskyTraceyLower(1.0, -0.5), ValueError, "`alpha` must be .*; got -0.5"),
        (lambda: KolchinskyTraceyLower(1.0, None), TypeError, "`alpha` must be .*; got None"),
    ],
)
def test_bad_parameters(make: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        make().fit(gaussian(10, 1))
