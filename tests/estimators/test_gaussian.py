"""The Gaussian with the samples' covariance: scipy's entropy of it, and the correction's mean."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import digamma, polygamma
from scipy.stats import multivariate_normal, ortho_group
from threadpoolctl import threadpool_limits

from entbench.estimators.gaussian_entropy import MomentMatchedGaussian


def samples(n: int, dim: int, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, dim)) @ rng.standard_normal((dim, dim))


def entropy(X: NDArray[np.float64], correction: str = "wishart") -> float:
    return MomentMatchedGaussian(correction).fit(X).entropy_


@pytest.mark.parametrize(("n", "dim"), [(2, 1), (500, 1), (6, 5), (400, 5), (26, 25), (3000, 40)])
def test_agrees_with_scipy(n: int, dim: int) -> None:
    X = samples(n, dim)
    covariance = np.atleast_2d(np.cov(X, rowvar=False))
    theirs = multivariate_normal(cov=covariance, allow_singular=True).entropy()
    # n = dim + 1: numpy's covariance itself loses digits, by its condition
    assert entropy(X, "none") == pytest.approx(theirs, rel=1e-10 if n > dim + 1 else 1e-6)
    digammas = sum(digamma((n - i) / 2) - math.log((n - 1) / 2) for i in range(1, dim + 1))
    assert entropy(X) == pytest.approx(entropy(X, "none") - digammas / 2, rel=1e-12)


@pytest.mark.parametrize(("n", "dim"), [(2, 1), (5, 3), (12, 10), (60, 30)])
def test_unbiased_for_gaussian_samples(n: int, dim: int) -> None:
    """Mean and scatter over 200 samples: (1/2) sqrt(sum psi'((n-i)/2)) is the exact deviation."""
    rng = np.random.default_rng(0)
    truth = 0.5 * dim * math.log(2 * math.pi * math.e)
    errors = np.array([entropy(rng.standard_normal((n, dim))) - truth for _ in range(200)])
    deviation = 0.5 * math.sqrt(sum(polygamma(1, (n - i) / 2) for i in range(1, dim + 1)))
    # 4 standard errors of a mean of 200; theirs of 200 values has a relative error of 0.04 to 0.09
    assert abs(errors.mean()) < 4 * deviation / math.sqrt(200)
    assert errors.std() == pytest.approx(deviation, rel=0.35)


def test_the_uncorrected_bound_is_too_low() -> None:
    rng = np.random.default_rng(0)
    truth = 15 * math.log(2 * math.pi * math.e)
    errors = [entropy(rng.standard_normal((60, 30)), "none") - truth for _ in range(50)]
    # from digammas -4.88; 4 standard errors over 50 samples of deviation 0.60
    assert np.mean(errors) == pytest.approx(-4.88, abs=4 * 0.60 / math.sqrt(50))


def test_above_the_entropy_of_another_law() -> None:
    """Uniform on [0, 1): h = 0, bound (1/2) log(2 pi e / 12) = 0.176."""
    values = [entropy(np.random.default_rng(s).uniform(size=(2000, 1))) for s in range(20)]
    # 4 standard errors over 20 seeds of deviation 0.011; its kurtosis moves the mean by 3e-4
    bound = 0.5 * math.log(2 * math.pi * math.e / 12)
    assert np.mean(values) == pytest.approx(bound, abs=4 * 0.011 / math.sqrt(20) + 3e-4)
    assert MomentMatchedGaussian.role == "upper bound"


@pytest.mark.parametrize("power", [-1000, -498, 30, 900, 1000])
def test_scales_far_from_one(power: int) -> None:
    X = samples(200, 4) * np.ldexp(1.0, [0, power, 0, 1])
    expected = entropy(samples(200, 4)) + (power + 1) * math.log(2.0)
    assert entropy(X) == pytest.approx(expected, rel=1e-12)


def test_far_offsets() -> None:
    X = np.round(samples(200, 4), 6)
    value = entropy(X)
    # rounding of the samples themselves, 1e6 * 2^-53 beside their scale of 1
    assert entropy(X + 1e6) == pytest.approx(value, abs=1e-8)
    assert entropy(X - 2.0**30) == pytest.approx(value, abs=1e-5)


def test_range_of_floats() -> None:
    X = samples(50, 2)
    X /= np.abs(X).max()
    expected = entropy(X) + 2 * math.log(1.7e308)
    assert entropy(X * 1.7e308) == pytest.approx(expected, rel=1e-12)


def test_rotation_and_correlation() -> None:
    X = samples(300, 6)
    rotation = ortho_group.rvs(6, random_state=np.random.RandomState(0))
    assert entropy(X @ rotation) == pytest.approx(entropy(X), rel=1e-12)
    sheared = X.copy()
    sheared[:, 0] += 1e6 * X[:, 1]  # determinant 1
    assert entropy(sheared) == pytest.approx(entropy(X), abs=1e-7)
    assert MomentMatchedGaussian().fit(sheared).diagnostics_["condition"] > 1e5


def test_threads_change_no_digit() -> None:
    X = samples(20_000, 30)
    with threadpool_limits(1):
        one = entropy(X)
    with threadpool_limits(2):
        assert entropy(X) == one


def test_result() -> None:
    X = samples(30, 3)
    X.flags.writeable = False
    before = X.copy()
    fitted = MomentMatchedGaussian().fit(X)
    assert np.array_equal(X, before)
    assert fitted.n_features_in_ == 3
    assert fitted.diagnostics_["condition"] >= 1.0


class TestRefused:
    @pytest.mark.parametrize("shape", [(3, 3), (6, 20)])
    def test_too_few_rows(self, shape: tuple[int, int]) -> None:
        with pytest.raises(ValueError, match="`X` must have more rows than columns"):
            entropy(np.random.default_rng(0).standard_normal(shape))

    @pytest.mark.parametrize("value", [0.0, 0.1, 1e6 + 0.1])
    def test_constant_column(self, value: float) -> None:
        X = samples(30, 3)
        X[:, 1] = value
        with pytest.raises(ValueError, match="column 1 of `X` is constant"):
            entropy(X)

    @pytest.mark.parametrize("n", [30, 20_000])
    @pytest.mark.parametrize("dim", [2, 30])
    @pytest.mark.parametrize("offset", [0.0, 1e6])
    def test_dependent_columns(self, n: int, dim: int, offset: float) -> None:
        """A column twice; and a sum of two, right to rounding only."""
        n += dim
        X = samples(n, dim) + offset
        with pytest.raises(ValueError, match="`X` must span all axes"):
            entropy(np.column_stack([X, X[:, 0]]))
        with pytest.raises(ValueError, match="`X` must span all axes"):
            entropy(np.column_stack([X, X[:, 0] + X[:, 1]]))

    def test_rows_of_two_kinds_only(self) -> None:
        X = np.repeat(samples(2, 3), 10, axis=0)
        with pytest.raises(ValueError, match="`X` must span all axes"):
            entropy(X)

    def test_bad_correction(self) -> None:
        with pytest.raises(ValueError, match="`correction` must be one of 'wishart', 'none'"):
            entropy(samples(10, 2), "unbiased")
