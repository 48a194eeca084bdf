"""Bounds on a channel's information: valid for the samples' law, and exact where they must be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp

from entbench.estimators.kolchinsky_tracey import KolchinskyTraceyLower, KolchinskyTraceyUpper
from entbench.estimators.kolchinsky_tracey_mi import (
    KolchinskyTraceyMILower,
    KolchinskyTraceyMIUpper,
)
from entbench.mixture import GaussianMixture

Pairs = tuple[NDArray[np.float64], NDArray[np.float64]]
BOUNDS = [KolchinskyTraceyMIUpper, KolchinskyTraceyMILower]
# information of uniform +-1 in Gaussian noise, in nats (an independent evaluation to 12 digits)
BINARY = {0.1: 0.693147180560, 0.5: 0.632720193737, 1.0: 0.336830820347, 2.0: 0.111421482185}


def noise_entropy(dim: int, sigma: float) -> float:
    return dim * math.log(sigma * math.sqrt(2 * math.pi * math.e))


def by_trapezoids(signal: NDArray[Any], sigma: float) -> float:
    """Entropy of the mixture in one dimension; the rule converges faster than any power."""
    grid = np.arange(signal.min() - 12 * sigma, signal.max() + 12 * sigma, sigma / 20)
    logs = logsumexp(-((grid[:, None] - signal[:, 0]) ** 2) / (2 * sigma**2), axis=1)
    logs -= math.log(len(signal) * sigma * math.sqrt(2 * math.pi))
    return -float(np.exp(logs) @ logs) * sigma / 20


def groups(X: NDArray[Any]) -> list[NDArray[np.intp]]:
    return [np.flatnonzero(np.all(X - x == 0, axis=1)) for x in np.unique(X, axis=0)]


def information(pairs: Pairs, sigma: float) -> float:
    """I(X; S+Z) under the law of the samples, in one dimension."""
    X, S = pairs
    conditional = sum(len(rows) * by_trapezoids(S[rows], sigma) for rows in groups(X)) / len(X)
    return by_trapezoids(S, sigma) - conditional


def channel(rng: np.random.Generator, dim: int = 1) -> Pairs:
    """Draw from a random channel with a discrete input: one to six values, two to twelve times."""
    inputs = int(rng.integers(1, 7))
    X = np.repeat(rng.standard_normal((inputs, 2)), rng.integers(2, 13, inputs), axis=0)
    spread, inner = 10 ** rng.uniform(-1, 1), 10 ** rng.uniform(-2, 1)
    S = spread * np.tanh(X[:, :1] + 2 * X[:, 1:]) + inner * rng.standard_normal((len(X), dim))
    if rng.random() < 0.3:
        S = np.round(S)  # signals that repeat; a function of X, now and then
    order = rng.permutation(len(X))
    return X[order], S[order]


def bounds(pairs: Pairs, sigma: float) -> tuple[float, float]:
    low, high = (
        bound(sigma).fit(*pairs).mutual_information_
        for bound in (KolchinskyTraceyMILower, KolchinskyTraceyMIUpper)
    )
    return low, high


def test_they_enclose_the_information_of_random_channels() -> None:
    rng = np.random.default_rng(0)
    known, width = [], []
    for _ in range(300):
        pairs, sigma = channel(rng), 10 ** rng.uniform(-1, 0.5)
        low, high = bounds(pairs, sigma)
        truth = information(pairs, sigma)
        # what rounding leaves of a quadrature and a bound that are equal
        assert low - 1e-11 <= truth <= high + 1e-11
        known.append(truth)
        width.append(high - low)
    # channels from no information to almost log 6 = 1.79, and bounds closer than nothing known
    assert min(known) == pytest.approx(0.0, abs=1e-9)
    assert max(known) > 1.4
    assert np.median(width) < 0.5


def test_they_enclose_it_in_two_dimensions() -> None:
    rng = np.random.default_rng(1)
    for _ in range(15):
        X, S = channel(rng, dim=2)
        terms = [(1.0, S), *((-len(rows) / len(X), S[rows]) for rows in groups(X))]
        truth, error = 0.0, 0.0
        for share, rows in terms:
            found = GaussianMixture(rows, 0.5).entropy(1e-6, 10**7, np.random.default_rng(0))
            assert found.method in ("quadrature", "closed form")
            truth += share * found.value
            error += abs(share) * (found.numerical_error + found.kernel_error)
        low, high = bounds((X, S), 0.5)
        assert low - error <= truth <= high + error


@pytest.mark.parametrize("dim", [1, 20])
def test_value_is_the_difference_of_the_entropy_bounds(dim: int) -> None:
    rng = np.random.default_rng(dim)
    X = rng.integers(0, 5, (300, 1)).astype(float)
    S = X + rng.standard_normal((300, dim))
    for bound, outer, inner in (
        (KolchinskyTraceyMIUpper, KolchinskyTraceyUpper, KolchinskyTraceyLower),
        (KolchinskyTraceyMILower, KolchinskyTraceyLower, KolchinskyTraceyUpper),
    ):
        found = bound(0.4).fit(X, S)
        noisy = outer(0.4).fit(S).entropy_
        conditional = sum(len(r) / 300 * inner(0.4).fit(S[r]).entropy_ for r in groups(X))
        assert found.mutual_information_ == pytest.approx(noisy - conditional, rel=1e-11)
        assert found.diagnostics_ == {
            "h_noisy": pytest.approx(noisy, rel=1e-13),
            "h_conditional": pytest.approx(conditional, rel=1e-13),
            "conditional": "bounds",
            "n_inputs": 5,
        }
        assert found.n_features_in_ == 1


@pytest.mark.parametrize(
    ("bound", "entropy_bound"),
    [
        (KolchinskyTraceyMIUpper, KolchinskyTraceyUpper),
        (KolchinskyTraceyMILower, KolchinskyTraceyLower),
    ],
)
def test_of_a_function_the_conditional_entropy_is_the_noises(
    bound: Any, entropy_bound: Any
) -> None:
    X = np.random.default_rng(0).standard_normal((200, 3))
    S = np.tanh(X @ np.ones((3, 2)))
    expected = entropy_bound(0.2).fit(S).entropy_ - noise_entropy(2, 0.2)
    once = bound(0.2).fit(X, S)
    assert once.mutual_information_ == pytest.approx(expected, rel=1e-12)
    assert once.diagnostics_["conditional"] == "closed form"
    assert once.diagnostics_["h_conditional"] == pytest.approx(noise_entropy(2, 0.2), rel=1e-15)
    twice = bound(0.2).fit(np.tile(X, (2, 1)), np.tile(S, (2, 1)))
    assert twice.mutual_information_ == pytest.approx(expected, rel=1e-12)
    assert (twice.diagnostics_["n_inputs"], once.diagnostics_["n_inputs"]) == (200, 200)


@pytest.mark.parametrize("sigma", BINARY)
def test_binary_input(sigma: float) -> None:
    """Uniform +-1: every bound is ``log 2 - log(1 + exp(-4 / (2 width^2)))`` in closed form."""
    X = np.array([[-1.0], [1.0]])
    low, high = bounds((X, X), sigma)
    for value, width in ((high, sigma), (low, 2 * sigma)):
        expected = math.log(2) - math.log1p(math.exp(-2 / width**2))
        assert value == pytest.approx(expected, rel=1e-10)
    assert low <= BINARY[sigma] + 1e-12
    assert high >= BINARY[sigma] - 1e-12


@pytest.mark.parametrize("bound", BOUNDS)
def test_nothing_to_learn(bound: Any) -> None:
    """One signal for all inputs carries nothing, and neither does a single input."""
    X = np.random.default_rng(0).standard_normal((20, 2))
    assert bound(0.3).fit(X, np.ones((20, 3))).mutual_information_ == pytest.approx(0, abs=1e-14)
    value = bound(0.3).fit(np.ones((20, 1)), X).mutual_information_
    # the bound on h less the opposite bound on the same h: their distance
    gap = KolchinskyTraceyUpper(0.3).fit(X).entropy_ - KolchinskyTraceyLower(0.3).fit(X).entropy_
    sign = 1 if bound is KolchinskyTraceyMIUpper else -1
    assert value == pytest.approx(sign * gap, rel=1e-10)


@pytest.mark.parametrize("bound", BOUNDS)
def test_order_threads_scale_and_place_do_not_matter(bound: Any) -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, (1500, 1)).astype(float)
    S = np.round((X + rng.standard_normal((1500, 2))) * 2**20) / 2**20
    expected = bound(0.4, n_jobs=1).fit(X, S).mutual_information_
    assert {bound(0.4, n_jobs=n).fit(X, S).mutual_information_ for n in (2, 3)} == {expected}
    order = rng.permutation(1500)
    assert bound(0.4).fit(X[order], S[order]).mutual_information_ == pytest.approx(expected)
    assert bound(0.4).fit(X * 1e-300, S).mutual_information_ == expected
    shifted = bound(0.4).fit(X, S + 2.0**20).mutual_information_
    assert shifted == pytest.approx(expected, abs=1e-8)
    tiny = bound(0.4 * 2.0**-500).fit(X, S * 2.0**-500).mutual_information_
    assert tiny == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("bound", BOUNDS)
def test_one_sample_of_a_random_channel_is_refused(bound: Any) -> None:
    X, S = np.array([[0.0], [0.0], [1.0]]), np.array([[0.0], [0.1], [5.0]])
    with pytest.raises(ValueError, match="`X` must have every input at least twice"):
        bound(0.3).fit(X, S)


@pytest.mark.parametrize("bound", BOUNDS)
def test_input_is_left_alone(bound: Any) -> None:
    X, S = channel(np.random.default_rng(3))
    before = X.copy(), S.copy()
    X.flags.writeable = S.flags.writeable = False
    estimator = bound(0.3)
    assert estimator.fit(X, S) is estimator
    assert np.array_equal(X, before[0])
    assert np.array_equal(S, before[1])


@pytest.mark.parametrize(
    ("params", "y", "kind", "message"),
    [
        ({"sigma": 0.0}, np.ones((4, 1)), ValueError, "`sigma` must be a finite number > 0"),
        ({"sigma": None}, np.ones((4, 1)), TypeError, "`sigma` must be a finite number > 0"),
        ({"sigma": 1.0, "n_jobs": 0}, np.ones((4, 1)), ValueError, "`n_jobs` must be"),
        ({"sigma": 1.0}, np.ones((3, 1)), ValueError, "as many rows as each other; got 4 and 3"),
        ({"sigma": 1.0}, np.full((4, 1), np.nan), ValueError, "`y` must be finite"),
        ({"sigma": 1.0}, np.ones(4), ValueError, "`y` must have shape"),
    ],
)
def test_bad_input(params: Any, y: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        KolchinskyTraceyMIUpper(**params).fit(np.arange(4.0)[:, None], y)


def test_roles() -> None:
    assert [bound.role for bound in BOUNDS] == ["upper bound", "lower bound"]
