"""Kernel-density entropy against direct sums, scikit-learn, scipy and closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import gaussian_kde
from sklearn.neighbors import KernelDensity

from entbench.estimators.kernel_density import KernelDensityEntropy


def gaussian(n: int, dim: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal((n, dim))


def gaussian_truth(dim: int) -> float:
    return 0.5 * dim * math.log(2 * math.pi * math.e)


def own_truth(X: NDArray[Any]) -> float:
    """The mean of the true -log p at the samples, of N(0, I): the scatter they have in common."""
    return gaussian_truth(X.shape[1]) + 0.5 * float((X**2).sum(axis=1).mean() - X.shape[1])


def log_kernels(at: NDArray[Any], of: NDArray[Any], h: float) -> NDArray[np.float64]:
    """The terms of the density of `of` at `at`, all pairs, by differences."""
    squares = ((at[:, None] - of[None]) ** 2).sum(axis=2)
    normaliser = at.shape[1] * math.log(h * math.sqrt(2 * math.pi))
    return np.asarray(-squares / (2 * h**2) - normaliser - math.log(len(of)))


def halves(X: NDArray[Any], seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    order = np.random.default_rng(seed).permutation(len(X))
    middle = (len(X) + 1) // 2
    return X[order[:middle]], X[order[middle:]]


def by_hand(X: NDArray[Any], h: float, variant: str, seed: int) -> float:
    if variant == "data-split":
        one, two = halves(X, seed)
        pairs = ((two, one), (one, two))
        means = [logsumexp(log_kernels(at, of, h), axis=1).mean() for at, of in pairs]
        return -0.5 * float(sum(means))
    logs = log_kernels(X, X, h)
    if variant == "leave-one-out":
        np.fill_diagonal(logs, -np.inf)
        logs += math.log(len(X) / (len(X) - 1))
    return -float(logsumexp(logs, axis=1).mean())


@pytest.mark.parametrize("variant", ["leave-one-out", "data-split", "resubstitution"])
@pytest.mark.parametrize(("n", "dim"), [(4, 1), (301, 1), (300, 5), (301, 25)])
@pytest.mark.parametrize("bandwidth", [0.02, 0.4, 3])
def test_agrees_with_all_pairs(variant: str, n: int, dim: int, bandwidth: float) -> None:
    X = gaussian(n, dim)
    found = KernelDensityEntropy(bandwidth, variant, random_state=7).fit(X)
    assert found.entropy_ == pytest.approx(by_hand(X, bandwidth, variant, 7), rel=1e-10)
    assert found.diagnostics_["bandwidth"] == bandwidth


@pytest.mark.parametrize("dim", [1, 4])
def test_agrees_with_scikit_learns_density(dim: int) -> None:
    X = gaussian(400, dim)

    def mean_log_density(at: NDArray[Any], of: NDArray[Any]) -> float:
        # one leaf: theirs sums directly. Over a tree its differences of bounds cancel, and leave
        # log-densities of isolated points off by up to 6e-5 here (by 40 digits), rtol = atol = 0
        density = KernelDensity(bandwidth=0.3, rtol=0, atol=0, leaf_size=1000).fit(of)
        return float(density.score_samples(at).mean())

    one, two = halves(X, 0)
    split = KernelDensityEntropy(0.3, "data-split", random_state=0).fit(X).entropy_
    expected = -0.5 * (mean_log_density(two, one) + mean_log_density(one, two))
    assert split == pytest.approx(expected, rel=1e-10)
    whole = KernelDensityEntropy(0.3, "resubstitution").fit(X).entropy_
    assert whole == pytest.approx(-mean_log_density(X, X), rel=1e-10)


@pytest.mark.parametrize("rule", ["silverman", "scott"])
def test_rules_agree_with_scipys_in_one_dimension(rule: str) -> None:
    X = 3.0 * gaussian(200, 1) + 10.0
    theirs = gaussian_kde(X[:, 0], bw_method=rule)
    found = KernelDensityEntropy(rule, "resubstitution").fit(X)
    h = math.sqrt(float(theirs.covariance[0, 0]))
    assert found.diagnostics_["bandwidth"] == pytest.approx(h, rel=1e-13)
    expected = -float(theirs.logpdf(X[:, 0]).mean())
    assert found.entropy_ == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("dim", [2, 20])
@pytest.mark.parametrize("rule", ["silverman", "scott"])
def test_rules_in_many_dimensions(rule: str, dim: int) -> None:
    X = gaussian(300, dim) * np.arange(1, dim + 1)
    spread = math.sqrt(np.trace(np.cov(X.T)) / dim)
    factor = 4 / (dim + 2) if rule == "silverman" else 1.0
    h = KernelDensityEntropy(rule).fit(X).diagnostics_["bandwidth"]
    assert h == pytest.approx(spread * (factor / 300) ** (1 / (dim + 4)), rel=1e-12)


@pytest.mark.parametrize("bandwidth", ["likelihood", "silverman"])
def test_bandwidths_of_a_split_are_those_of_its_halves(bandwidth: str) -> None:
    X = gaussian(120, 2)
    found = KernelDensityEntropy(bandwidth, "data-split", random_state=3).fit(X).diagnostics_
    one, two = (KernelDensityEntropy(bandwidth).fit(half).diagnostics_ for half in halves(X, 3))
    assert found["bandwidth"] == one["bandwidth"]
    assert found["bandwidth_second_half"] == two["bandwidth"]
    assert one["bandwidth"] != two["bandwidth"]


@pytest.mark.parametrize("dim", [1, 3])
def test_likelihood_is_at_its_maximum(dim: int) -> None:
    """Its derivative by log h vanishes: dim = mean_i sum_j r_ij |X_i - X_j|^2 / h^2."""
    X = gaussian(300, dim)
    h = KernelDensityEntropy().fit(X).diagnostics_["bandwidth"]
    logs = log_kernels(X, X, h)
    np.fill_diagonal(logs, -np.inf)
    shares = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
    squares = ((X[:, None] - X[None]) ** 2).sum(axis=2)
    slope = dim - float((shares * squares).sum(axis=1).mean()) / h**2
    # the bandwidth is found to 1e-3, and the slope changes by less than 4 dim a unit of log h
    assert abs(slope) < 4e-3 * dim


@pytest.mark.parametrize("scale", ["columns", "covariance"])
@pytest.mark.parametrize("variant", ["leave-one-out", "data-split", "resubstitution"])
def test_scales_are_taken_off_again(scale: str, variant: str) -> None:
    X = gaussian(200, 3) @ np.array([[1.0, 0.9, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 1.0]])
    factors = np.array([1e-6, 3.0, 2e8])
    fit = KernelDensityEntropy(0.4, variant, scale, random_state=0).fit
    expected = fit(X).entropy_ + float(np.log(factors).sum())
    assert fit(factors * X + 5.0 * factors).entropy_ == pytest.approx(expected, rel=1e-9)


def test_columns_are_scaled_to_unit_deviation() -> None:
    X = gaussian(200, 4) * np.array([1e-3, 1.0, 7.0, 500.0])
    deviations = X.std(axis=0, ddof=1)
    found = KernelDensityEntropy(0.5, scale="columns").fit(X).entropy_
    expected = by_hand(X / deviations, 0.5, "leave-one-out", 0) + np.log(deviations).sum()
    assert found == pytest.approx(expected, rel=1e-10)


def test_covariance_scaling_knows_no_axes() -> None:
    """h(AX) = h(X) + log |det A| for any A; whitening by Cholesky's factor is another route."""
    X, A = gaussian(200, 4), gaussian(4, 4, seed=1)
    whitened = np.linalg.solve(np.linalg.cholesky(np.cov(X.T)), X.T).T
    expected = by_hand(whitened, 0.5, "leave-one-out", 0) + 0.5 * np.linalg.slogdet(np.cov(X.T))[1]
    fit = KernelDensityEntropy(0.5, scale="covariance").fit
    assert fit(X).entropy_ == pytest.approx(expected, rel=1e-9)
    shift = np.linalg.slogdet(A)[1]
    assert fit(X @ A.T).entropy_ - shift == pytest.approx(expected, rel=1e-9)


def biases(scales: NDArray[Any], n: int, *params: Any) -> NDArray[np.float64]:
    draws = [gaussian(n, len(scales), seed) for seed in range(12)]
    values = [KernelDensityEntropy(*params, random_state=0).fit(X * scales).entropy_ for X in draws]
    return np.array(values) - [own_truth(X) for X in draws] - np.log(scales).sum()


@pytest.mark.parametrize(("variant", "bias"), [("leave-one-out", 0.030), ("data-split", 0.043)])
def test_columns_of_different_scale(variant: str, bias: float) -> None:
    """What `scale` is for: deviations 1 and 100 in two dimensions, n = 500."""
    scales = np.array([1.0, 100.0])
    # biases over 40 seeds; one fit scatters by 0.012 with, 0.04 without: 4 errors of a mean of 12
    found = biases(scales, 500, "silverman", variant, "columns").mean()
    assert found == pytest.approx(bias, abs=4 * 0.012 / math.sqrt(12))
    assert biases(scales, 500, "silverman", variant, "none").mean() > 2.6


@pytest.mark.parametrize(
    ("variant", "bias"),
    [("leave-one-out", 0.020), ("data-split", 0.027), ("resubstitution", -0.035)],
)
def test_gaussian(variant: str, bias: float) -> None:
    """Smoothing raises the value, a sample's own kernel lowers it; n = 1000, dim 2."""
    # biases over 40 seeds; one fit scatters by 0.006 to 0.010: 4 errors of a mean of 12
    found = biases(np.ones(2), 1000, "scott", variant, "none").mean()
    assert found == pytest.approx(bias, abs=4 * 0.010 / math.sqrt(12))


def test_sorted_samples_are_split_at_random() -> None:
    """Halves below and above the median would be far apart: the value would be above by a nat."""
    X = np.sort(gaussian(1000, 1), axis=0)
    value = KernelDensityEntropy("silverman", "data-split", random_state=0).fit(X).entropy_
    # a fit scatters by sqrt(1/2000) = 0.022 about a bias of some 0.02
    assert value == pytest.approx(gaussian_truth(1), abs=0.11)


def test_split_is_drawn_from_the_seed() -> None:
    X = gaussian(60, 2)

    def value(seed: Any) -> float:
        return KernelDensityEntropy(0.3, "data-split", random_state=seed).fit(X).entropy_

    assert value(1) == value(1) == value(np.random.default_rng(1))
    assert value(1) != value(2)
    assert value(None) != value(None)


@pytest.mark.parametrize("variant", ["leave-one-out", "data-split", "resubstitution"])
def test_threads_do_not_matter(variant: str) -> None:
    X = gaussian(3000, 3)
    values = {
        KernelDensityEntropy("scott", variant, "covariance", 0, n_jobs).fit(X).entropy_
        for n_jobs in (1, 2, 3, None)
    }
    assert len(values) == 1


@pytest.mark.parametrize("variant", ["leave-one-out", "data-split", "resubstitution"])
@pytest.mark.parametrize("bandwidth", ["likelihood", "silverman", "scott"])
def test_far_from_the_origin_and_tiny(variant: str, bandwidth: str) -> None:
    X = np.round(gaussian(60, 3) * 2**20) / 2**20  # so that a shift by 2^20 rounds nothing
    fit = KernelDensityEntropy(bandwidth, variant, random_state=0).fit
    expected = fit(X).entropy_
    assert fit(X + 2.0**20).entropy_ == pytest.approx(expected, abs=1e-7)
    tiny = fit(X * 2.0**-500).entropy_ + 3 * 500 * math.log(2.0)
    assert tiny == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("scale", ["columns", "covariance"])
def test_scaled_samples_far_from_the_origin_and_tiny(scale: str) -> None:
    X = np.round(gaussian(60, 3) * 2**20) / 2**20
    fit = KernelDensityEntropy(0.4, scale=scale).fit
    expected = fit(X).entropy_
    assert fit(X + 2.0**20).entropy_ == pytest.approx(expected, abs=1e-7)
    tiny = fit(X * 2.0**-500).entropy_ + 3 * 500 * math.log(2.0)
    assert tiny == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("variant", ["leave-one-out", "data-split", "resubstitution"])
def test_repeated_samples(variant: str) -> None:
    X = np.repeat(gaussian(20, 2), 3, axis=0)
    found = KernelDensityEntropy(0.1, variant, random_state=0).fit(X).entropy_
    assert found == pytest.approx(by_hand(X, 0.1, variant, 0), rel=1e-10)
    if variant != "data-split":
        with pytest.raises(ValueError, match="every sample of `X` has a twin"):
            KernelDensityEntropy(variant=variant).fit(X)


def test_samples_that_are_all_the_same() -> None:
    X = np.ones((10, 2))
    assert KernelDensityEntropy(0.5).fit(X).entropy_ == pytest.approx(
        2 * math.log(0.5 * math.sqrt(2 * math.pi)), rel=1e-12
    )
    for rule in ("silverman", "scott"):
        with pytest.raises(ValueError, match=f'all samples of `X` are the same, so "{rule}"'):
            KernelDensityEntropy(rule).fit(X)
    with pytest.raises(ValueError, match="every sample of `X` has a twin"):
        KernelDensityEntropy().fit(X)


def test_fewest_rows() -> None:
    X = np.array([[0.0], [1.0]])
    for bandwidth in (0.7, "likelihood", "scott"):
        assert math.isfinite(KernelDensityEntropy(bandwidth).fit(X).entropy_)
    # of two samples, one unit apart, the likelihood is highest at h = 1
    assert KernelDensityEntropy().fit(X).diagnostics_["bandwidth"] == pytest.approx(1, rel=2e-3)
    with pytest.raises(ValueError, match="`X` must have at least 4 rows; got 3"):
        KernelDensityEntropy(variant="data-split").fit(np.arange(3.0)[:, None])


def test_constant_and_dependent_columns_are_no_scale() -> None:
    X = gaussian(50, 2)
    constant = np.column_stack([X, np.full(50, 0.1)])
    for scale in ("columns", "covariance"):
        with pytest.raises(ValueError, match="column 2 of `X` is constant"):
            KernelDensityEntropy(0.5, scale=scale).fit(constant)
    assert math.isfinite(KernelDensityEntropy("scott").fit(constant).entropy_)
    for dependent in (np.column_stack([X, X.sum(axis=1)]), gaussian(4, 8)):
        with pytest.raises(ValueError, match="columns of `X` are linearly dependent"):
            KernelDensityEntropy(0.5, scale="covariance").fit(dependent)
        assert math.isfinite(KernelDensityEntropy(0.5, scale="columns").fit(dependent).entropy_)


def test_bandwidth_far_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="`bandwidth` must not be so small"):
        KernelDensityEntropy(1e-200).fit(gaussian(10, 2))


@pytest.mark.parametrize(
    ("params", "kind", "message"),
    [
        ({"bandwidth": 0.0}, ValueError, '`bandwidth` must be "likelihood", "silverman", "scott"'),
        ({"bandwidth": -1.0}, ValueError, "finite number > 0; got -1.0"),
        ({"bandwidth": math.nan}, ValueError, "`bandwidth` must be"),
        ({"bandwidth": None}, ValueError, "`bandwidth` must be"),
        ({"bandwidth": True}, ValueError, "`bandwidth` must be"),
        ({"bandwidth": "wide"}, ValueError, "`bandwidth` must be .*got 'wide'"),
        ({"variant": "loo"}, ValueError, "`variant` must be one of 'leave-one-out', 'data-split'"),
        ({"scale": "rows"}, ValueError, "`scale` must be one of 'none', 'columns', 'covariance'"),
        ({"random_state": -1}, ValueError, "`random_state` must be an integer >= 0"),
        ({"random_state": "0"}, TypeError, "`random_state` must be an integer >= 0"),
        ({"n_jobs": 0}, ValueError, "`n_jobs` must be an integer >= 1"),
    ],
)
def test_bad_parameters(params: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        KernelDensityEntropy(**params).fit(gaussian(10, 1))
