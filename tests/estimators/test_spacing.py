"""Entropy by spacings beside scipy's, and what scipy answers with infinities or worse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import differential_entropy

from entbench.estimators.spacing_entropy import SpacingEntropy

METHODS = ["auto", "vasicek", "van-es", "ebrahimi", "correa"]


def samples(n: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal((n, 1))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [5, 10, 11, 300, 1000, 1001])
def test_agrees_with_scipy(method: str, n: int) -> None:
    X = np.exp(samples(n))
    theirs = differential_entropy(X[:, 0], method=method.replace("-", " "))
    assert SpacingEntropy(method).fit(X).entropy_ == pytest.approx(theirs, rel=1e-11)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("window", [1, 3, 9])
def test_window(method: str, window: int) -> None:
    X = samples(20)
    theirs = differential_entropy(X[:, 0], method=method.replace("-", " "), window_length=window)
    fitted = SpacingEntropy(method, window_length=window).fit(X)
    assert fitted.entropy_ == pytest.approx(theirs, rel=1e-11)
    assert fitted.diagnostics_ == {"window_length": window}


def test_vasicek_by_hand() -> None:
    X = np.array([[3.0], [0.0], [1.0], [7.0], [15.0]])
    spacings = np.array([1.0, 3.0, 6.0, 12.0, 8.0])
    expected = np.log(5 / 2 * spacings).mean()
    found = SpacingEntropy("vasicek", window_length=1).fit(X).entropy_
    assert found == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("method", METHODS)
def test_normal_law(method: str) -> None:
    """Within the bias stated at n = 1000 and 4 standard errors over 40 seeds."""
    truth = 0.5 * math.log(2 * math.pi * math.e)
    values = [SpacingEntropy(method).fit(samples(1000, s)).entropy_ for s in range(40)]
    bias = {"vasicek": -0.010, "van-es": -0.079, "correa": 0.012}.get(method, 0.010)
    # over 400 other seeds: deviation of one value 0.0245, so the bias stated is right to 0.0012
    slack = 4 * 0.0245 * math.hypot(1 / math.sqrt(40), 1 / math.sqrt(400))
    assert np.mean(values) - truth == pytest.approx(bias, abs=slack)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("power", [-1000, -600, -498, 600, 1020])
def test_scale(method: str, power: int) -> None:
    X = samples(100)
    value = SpacingEntropy(method).fit(X).entropy_
    scaled = SpacingEntropy(method).fit(X * 2.0**power).entropy_
    assert scaled == pytest.approx(value + power * math.log(2.0), rel=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_offset_and_order(method: str) -> None:
    X = np.round(samples(200), 6)
    value = SpacingEntropy(method).fit(X).entropy_
    # the offset rounds the samples to 1e6 * 2^-53, 1e-7 of the smallest of the spacings
    assert SpacingEntropy(method).fit(X + 1e6).entropy_ == pytest.approx(value, abs=1e-6)
    assert SpacingEntropy(method).fit(X[::-1]).entropy_ == value


class TestTies:
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("value", [0.0, 0.1, 1e6 + 0.1])
    def test_a_run_as_long_as_two_windows_is_refused(self, method: str, value: float) -> None:
        """Also where scipy's sums round to a finite number (correa at 0.1)."""
        X = samples(50)
        X[10:30] = value
        with pytest.raises(ValueError, match="must not repeat samples so often .* got 31 distinct"):
            SpacingEntropy(method).fit(X)

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("at", [0, -1])
    def test_a_run_at_an_end_is_refused(self, method: str, at: int) -> None:
        ordered = np.sort(samples(50), axis=0)
        rows = slice(0, 10) if at == 0 else slice(40, 50)
        ordered[rows] = ordered[at]
        with pytest.raises(ValueError, match="must not repeat samples"):
            SpacingEntropy(method).fit(ordered)

    def test_van_es_sees_shorter_runs(self) -> None:
        X = np.sort(samples(50), axis=0)
        X[20:29] = X[20]  # 9 > window 7, < 2 * 7
        with pytest.raises(ValueError, match="must not repeat samples"):
            SpacingEntropy("van-es").fit(X)
        assert math.isfinite(SpacingEntropy("vasicek").fit(X).entropy_)

    def test_all_equal(self) -> None:
        with pytest.raises(ValueError, match="got 1 distinct of 9 samples"):
            SpacingEntropy().fit(np.full((9, 1), 0.1))


class TestRefused:
    @pytest.mark.parametrize("dim", [2, 20])
    def test_more_columns(self, dim: int) -> None:
        with pytest.raises(ValueError, match="`X` must have one column"):
            SpacingEntropy().fit(np.random.default_rng(0).standard_normal((30, dim)))

    @pytest.mark.parametrize("n", [2, 3, 4])
    def test_too_few_rows(self, n: int) -> None:
        with pytest.raises(ValueError, match=f"at least 5 rows .* got {n}"):
            SpacingEntropy().fit(samples(n))

    @pytest.mark.parametrize("window", [5, 10**6])
    def test_window_too_long(self, window: int) -> None:
        with pytest.raises(
            ValueError, match="`window_length` must be an integer in .* n_samples=10"
        ):
            SpacingEntropy(window_length=window).fit(samples(10))

    @pytest.mark.parametrize(
        ("params", "error", "message"),
        [
            (
                {"method": "van es"},
                ValueError,
                "`method` must be one of 'auto', 'vasicek', 'van-es'",
            ),
            ({"window_length": 0}, ValueError, "`window_length` must be an integer >= 1"),
            ({"window_length": "3"}, TypeError, "`window_length` must be an integer >= 1"),
        ],
    )
    def test_bad_parameters(
        self, params: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            SpacingEntropy(**params).check_parameters()


def test_samples_are_left_alone() -> None:
    X = samples(30)
    before = X.copy()
    X.flags.writeable = False
    fitted = SpacingEntropy().fit(X)
    assert np.array_equal(X, before)
    assert fitted.n_features_in_ == 1
