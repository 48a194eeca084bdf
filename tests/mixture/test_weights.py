"""Weights, repeated centres and what is left out, against all pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp

from entbench.mixture import GaussianMixture


def kernel_logs(centres: NDArray, sigma: float, points: NDArray) -> NDArray:
    """Return ``-|x_i - c_j|^2 / (2 sigma^2)`` of shape (m, n)."""
    return -0.5 * (((points[:, None] - centres) / sigma) ** 2).sum(axis=2)


def left_out(centres: NDArray, sigma: float, weights: NDArray) -> NDArray:
    """Return the log-density of the others at each centre, the rest of the weights from scratch."""
    n, dim = centres.shape
    logs = kernel_logs(centres, sigma, centres) + np.log(weights)
    np.fill_diagonal(logs, -np.inf)
    rest = np.array([math.fsum(np.delete(weights, j)) for j in range(n)])
    return logsumexp(logs, axis=1) - np.log(rest) - dim * math.log(sigma * math.sqrt(2 * math.pi))


@pytest.mark.parametrize("n", [1, 40, 700])
def test_equal_weights_are_none(n: int) -> None:
    rng = np.random.default_rng(0)
    centres, points = rng.standard_normal((n, 3)), rng.standard_normal((30, 3))
    plain = GaussianMixture(centres, 0.3)
    for weights in (np.ones(n), np.full(n, 7), np.full(n, 1e-300), np.full(n, True)):
        mixture = GaussianMixture(centres, 0.3, weights)
        assert mixture.weights == pytest.approx(np.full(n, 1 / n), rel=1e-13)
        for tolerance in (1e-4, 1e-12):
            found, expected = (m.evaluate(points, tolerance) for m in (mixture, plain))
            assert (np.abs(found.values - expected.values) <= found.errors + expected.errors).all()


@pytest.mark.parametrize("dim", [1, 3, 17])
@pytest.mark.parametrize("distinct", [1, 5, 300])
@pytest.mark.parametrize("tolerance", [1e-4, 1e-12])
def test_multiplicities_are_repeated_rows(dim: int, distinct: int, tolerance: float) -> None:
    rng = np.random.default_rng(dim)
    centres, points = rng.standard_normal((distinct, dim)), rng.standard_normal((30, dim))
    times = rng.integers(1, 50, distinct)
    rows = rng.permutation(np.repeat(centres, times, axis=0))
    found = GaussianMixture(centres, 0.3, times).evaluate(points, tolerance)
    expected = GaussianMixture(rows, 0.3).evaluate(points, tolerance)
    slack = found.errors + expected.errors + 2.0**-50 * np.abs(expected.values)
    assert (np.abs(found.values - expected.values) <= slack).all()
    logs = kernel_logs(centres, 0.3, points) + np.log(times / times.sum())
    by_pairs = logsumexp(logs, axis=1) - dim * math.log(0.3 * math.sqrt(2 * math.pi))
    assert (np.abs(found.values - by_pairs) <= found.errors + 2e-15 * np.abs(by_pairs)).all()


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_multiplicities_have_the_entropy_of_repeated_rows(dim: int) -> None:
    """By quadrature in 1 and 2 dimensions; in 3, at 4.5 joint standard errors (7e-6)."""
    rng = np.random.default_rng(dim)
    centres, times = rng.standard_normal((40, dim)), rng.integers(1, 20, 40)
    rows = np.repeat(centres, times, axis=0)
    found, expected = (
        GaussianMixture(c, 0.4, w).entropy(2e-3, 10**6, np.random.default_rng(seed))
        for seed, (c, w) in enumerate([(centres, times), (rows, None)])
    )
    error = math.hypot(found.numerical_error, expected.numerical_error)
    assert found.converged
    assert found.value == pytest.approx(
        expected.value, abs=4.5 * error + found.kernel_error + expected.kernel_error
    )
    assert math.isnan(found.leave_one_out)
    assert math.isnan(found.effective_components)


def test_zero_weights_drop_components() -> None:
    rng = np.random.default_rng(0)
    centres, points = rng.standard_normal((500, 3)), rng.standard_normal((30, 3))
    weights = rng.uniform(0, 1, 500) * (rng.random(500) < 0.5)
    kept = weights > 0
    mixture = GaussianMixture(centres, 0.3, weights)
    other = GaussianMixture(centres[kept], 0.3, weights[kept])
    assert mixture.n == np.count_nonzero(kept)
    assert np.array_equal(mixture.centres, centres[kept])
    assert math.fsum(mixture.weights) == pytest.approx(1.0, abs=1e-14)
    assert np.array_equal(mixture.log_density(points), other.log_density(points))
    assert mixture.leave_one_out_log_density().shape == (mixture.n,)
    lone = GaussianMixture([[5.0], [0.0]], 1.0, [0, 3])
    assert lone.log_density([[0.0]]) == pytest.approx(-0.5 * math.log(2 * math.pi), abs=1e-5)
    with pytest.raises(ValueError, match="leaving one out needs at least 2 centres; got 1."):
        lone.leave_one_out_log_density()


def test_an_excluded_far_component_cannot_matter() -> None:
    weights = [1.0, 0.0]
    found = GaussianMixture([[0.0], [100.0]], 1.0, weights).log_density([[100.0]], 1e-10)
    expected = GaussianMixture([[0.0]], 1.0).log_density([[100.0]], 1e-10)
    assert found == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1.0, -1.0], ValueError, "`weights` must be finite and not negative"),
        ([1.0, np.nan], ValueError, "`weights` must be finite and not negative"),
        ([1.0, np.inf], ValueError, "`weights` must be finite and not negative"),
        ([0.0, 0.0], ValueError, "`weights` must have a positive sum; got zeros only"),
        ([0.0, -0.0], ValueError, "`weights` must have a positive sum; got zeros only"),
        ([1.0], ValueError, r"`weights` must have shape \(2,\), one a centre; got \(1,\)"),
        ([[1.0, 1.0]], ValueError, r"`weights` must have shape \(2,\), one a centre; got \(1, 2\)"),
        ([[1.0], [1.0]], ValueError, r"`weights` must have shape \(2,\)"),
        (1.0, ValueError, r"`weights` must have shape \(2,\), one a centre; got \(\)"),
        ([], ValueError, r"`weights` must have shape \(2,\), one a centre; got \(0,\)"),
        (["a", "b"], TypeError, "`weights` must hold real numbers; got dtype <U1"),
        ([1j, 1.0], TypeError, "`weights` must hold real numbers; got dtype complex128"),
        ([None, 1.0], TypeError, "`weights` must hold real numbers; got dtype object"),
    ],
)
def test_bad_weights_are_refused(weights: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        GaussianMixture([[0.0], [1.0]], 1.0, weights)


@pytest.mark.parametrize("n", [2, 3, 255, 257, 700])
@pytest.mark.parametrize("dim", [1, 4, 20])
@pytest.mark.parametrize("sigma", [0.01, 0.3, 3.0])
@pytest.mark.parametrize("tolerance", [1e-4, 1e-10])
def test_leaving_one_out_agrees_with_all_pairs(
    n: int, dim: int, sigma: float, tolerance: float
) -> None:
    rng = np.random.default_rng([n, dim])
    centres = rng.standard_normal((n, dim))
    some = centres[rng.integers(0, n // 3 + 1, n)]  # copies of some, one of others
    some[-1] = 3.0
    for at, weights in ((centres, None), (some, None), (centres, 10 ** rng.uniform(-6, 0, n))):
        found = GaussianMixture(at, sigma, weights).leave_one_out_log_density(tolerance)
        expected = left_out(at, sigma, np.ones(n) if weights is None else weights)
        # rounding at D = |log q|: at most 30 roundings of it
        assert (np.abs(found - expected) <= tolerance + 30 * 2.0**-52 * np.abs(expected)).all()


def test_all_but_one_in_one_place() -> None:
    centres = np.zeros((600, 2))
    centres[-1] = [30.0, 0.0]
    found = GaussianMixture(centres, 1.0).leave_one_out_log_density(1e-10)
    assert found == pytest.approx(left_out(centres, 1.0, np.ones(600)), rel=1e-12)
    all_equal = GaussianMixture(np.zeros((600, 2)), 1.0).leave_one_out_log_density(1e-10)
    assert all_equal == pytest.approx(np.full(600, -math.log(2 * math.pi)), rel=1e-12)


@pytest.mark.parametrize("faint", [1e-3, 1e-8, 1e-12, 1e-17, 1e-100, 1e-300])
def test_leaving_out_nearly_all_the_weight(faint: float) -> None:
    """What is left is scaled up by 1/(1 - w), of which 1 - w must not cancel."""
    centres, weights = np.array([[0.0], [1.0], [1.5]]), np.array([1.0, faint, 2 * faint])
    found = GaussianMixture(centres, 1.0, weights).leave_one_out_log_density(1e-12)
    assert found == pytest.approx(left_out(centres, 1.0, weights), abs=1e-11)


@pytest.mark.parametrize("sigma", [0.02, 0.5, 2.0])
@pytest.mark.parametrize("tolerance", [1e-4, 1e-10])
def test_kernel_sums_agree_with_all_pairs(sigma: float, tolerance: float) -> None:
    rng = np.random.default_rng(0)
    distinct = rng.standard_normal((250, 3))
    centres = distinct[rng.integers(0, 250, 600)]
    weights, points = 10 ** rng.uniform(-5, 0, 600), rng.standard_normal((50, 3))
    for w in (None, weights):
        mixture = GaussianMixture(centres, sigma, w)
        logs = np.log(np.full(600, 1 / 600) if w is None else w / w.sum())
        for at, found in (
            (points, mixture.log_kernel_sums(points, tolerance)),
            (centres, mixture.log_kernel_sums(tolerance=tolerance)),
        ):
            expected = logsumexp(kernel_logs(centres, sigma, at) + logs, axis=1)
            assert (np.abs(found - expected) <= tolerance + 1e-14 * np.abs(expected)).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_kolchinsky_tracey_bounds_enclose_the_entropy(weighted: bool) -> None:
    """Their kernel sums at the centres, with twice sigma in the lower one, by all pairs, too."""
    rng = np.random.default_rng(0)
    centres = rng.choice([-1.0, 1.0], (400, 2)) + 0.1 * rng.standard_normal((400, 2))
    weights = rng.uniform(0.1, 1, 400) if weighted else None
    shares = np.full(400, 1 / 400) if weights is None else weights / weights.sum()
    sigma, bounds = 0.2, []
    for scale in (2 * sigma, sigma):
        sums = GaussianMixture(centres, scale, weights).log_kernel_sums(tolerance=1e-8)
        expected = logsumexp(kernel_logs(centres, scale, centres) + np.log(shares), axis=1)
        assert sums == pytest.approx(expected, abs=1.1e-8)
        bounds.append(math.log(2 * math.pi * math.e * sigma**2) - float(shares @ sums))
    rng = np.random.default_rng(1)
    entropy = GaussianMixture(centres, sigma, weights).entropy(1e-3, 10**6, rng)
    assert entropy.method == "quadrature"
    assert bounds[0] < entropy.value < bounds[1]
