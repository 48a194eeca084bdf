"""Standard errors over samples: how near they are to the scatter, and what leaves them alone."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from entbench import _registry as registry
from entbench.estimators._counting import Codes, count_differences, tally
from entbench.estimators._scatter import kernel_role, some_rows
from entbench.neighbours import means_within, neighbour_distances
from entbench.suites.timing.measure_standard_errors import (
    LEAST,
    MOST,
    PAIRS,
    Setting,
    measure,
    settings,
)

SIGMA = 0.5
NAMES = [name for name in registry.estimators.names() if not name.startswith("sp")]


def made(name: str, **params: Any) -> Any:
    return registry.make_estimator(name, params, sigma=SIGMA, random_state=0)


def stated(name: str, *samples: Any, **params: Any) -> float | None:
    """Return the standard error of samples, or of pairs that share their rows; never a warning."""
    estimator = made(name, **params)
    given = samples if estimator.value_name == "mutual_information_" else samples[:1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        error: float | None = estimator.fit(*given).standard_error_
    return error


def pair(n: int, dim: int = 1, seed: int = 0) -> tuple[Any, Any]:
    x, z = np.random.default_rng(seed).standard_normal((2, n, dim))
    return x, x + z


def labels() -> list[str]:
    """Return what is fast: a search for the bandwidth is in the table alone."""
    every = dict.fromkeys(setting.label for setting in settings())
    searched = {"kde", "kde columns"}
    return [label for label in every if label not in searched]


@pytest.mark.parametrize("label", labels())
def test_it_is_about_the_scatter_of_the_values(label: str) -> None:
    law = (
        "correlated 0.6"
        if any(s.label == label and s.law in PAIRS for s in settings())
        else ("laplace")
    )
    found = measure(Setting(label, law, 1, 200), draws=50)
    # 50 values tell their deviation to 1/sqrt(98) = 10 %: 4 of that beside what is asked of all
    assert LEAST / 1.4 < found.ratio < MOST * 1.4


@pytest.mark.parametrize("name", NAMES)
def test_a_power_of_two_as_the_unit_changes_nothing(name: str) -> None:
    x, y = pair(80, 1)
    estimator, scaled = made(name), made(name)
    if estimator.reads == "signal":
        scaled.set_params(sigma=8.0 * SIGMA)
    both = [
        one.fit(*((f * x, f * y) if one.value_name == "mutual_information_" else (f * x,)))
        for f, one in ((1.0, estimator), (8.0, scaled))
    ]
    # what is searched for or summed in single precision moves a little
    assert both[1].standard_error_ == pytest.approx(both[0].standard_error_, rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("factor", [1e-100, 1e100])
def test_no_unit_is_too_small_or_too_large(name: str, factor: float) -> None:
    if registry.estimators.load(name).reads == "signal":
        pytest.skip("its unit is the noise")
    x, y = pair(60, 2) if name != "spacing" else pair(60, 1)
    assert stated(name, factor * x, factor * y) == pytest.approx(stated(name, x, y), rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_few_samples_does_not_matter(name: str) -> None:
    x, y = pair(50, 1)
    assert stated(name, x[::-1], y[::-1]) == pytest.approx(stated(name, x, y), rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [6, 7, 9])
def test_few_samples_have_a_finite_one(name: str, n: int) -> None:
    error = stated(name, *pair(n, 1, seed=n))
    assert error is None or (math.isfinite(error) and error >= 0.0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("copies", [2, 5])
def test_repeated_samples_have_a_finite_one(name: str, copies: int) -> None:
    x, y = (np.repeat(part, copies, axis=0) for part in pair(20, 1))
    params = {"bandwidth": 0.3} if name == "kde" else {}
    if name == "spacing":
        params = {"window_length": 2 * copies}
    error = stated(name, x, y, **params)
    assert error is not None
    assert math.isfinite(error)
    assert error >= 0.0


@pytest.mark.parametrize("name", ["ksg1", "ksg2", "mixed-ksg", "binned-mi", "kt-mi-upper"])
def test_pairs_of_few_values_and_equal_columns_have_a_finite_one(name: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 3, (2, 60, 1)).astype(float)
    for given in ((x, y), (x, np.zeros_like(y))):
        error = stated(name, *given)
        assert error is not None
        assert math.isfinite(error)
        assert error >= 0.0


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("binning", {"bins": "frequency", "n_bins": 5}),
        ("kde", {"variant": "data-split"}),
        ("kde", {"bandwidth": "silverman"}),
        ("kde", {"variant": "resubstitution"}),
        ("kde", {"variant": "resubstitution", "bandwidth": "scott"}),
    ],
)
def test_none_is_stated_where_none_holds(name: str, params: dict[str, Any]) -> None:
    assert stated(name, *pair(60, 1), **params) is None


@pytest.mark.parametrize("name", ["kl", "kl-weighted"])
def test_a_grid_has_a_finite_one(name: str) -> None:
    """All distances are alike, and so are the terms."""
    error = stated(name, np.arange(40.0)[:, None])
    assert error is not None
    assert 0.0 < error < 1.0


def test_gaussian_is_exact_for_given_distances() -> None:
    x = np.random.default_rng(0).standard_normal((60, 3)) ** 3
    centred = x - x.mean(axis=0)
    squared = np.einsum("ia,ab,ib->i", centred, np.linalg.inv(np.cov(x.T)), centred)
    assert stated("gaussian", x) == pytest.approx(0.5 * squared.std(ddof=1) / math.sqrt(60))


def test_kernel_roles_are_the_direct_sums() -> None:
    x = np.random.default_rng(0).standard_normal((40, 2))
    kernels = np.exp(-0.5 * cdist(x, x, "sqeuclidean") / 0.3**2)
    direct = (kernels / kernels.mean(axis=1)).mean(axis=1)
    found = kernel_role(x, np.log(kernels.mean(axis=1)), 0.3, x, 1)
    assert found == pytest.approx(direct, rel=2e-3)
    np.fill_diagonal(kernels, 0.0)
    sums = kernels.sum(axis=1) / 39
    left_out = kernel_role(x, np.log(sums), 0.3, x, 1, np.arange(40))
    assert left_out == pytest.approx((kernels / sums).sum(axis=1) / 39, rel=2e-3)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_means_within_balls_are_the_direct_ones(norm: str) -> None:
    rng = np.random.default_rng(0)
    x, values = 1e200 * rng.standard_normal((50, 3)), rng.standard_normal(50)
    rows = np.array([3, 20, 49])
    radii = neighbour_distances(x, 4, norm)[rows, -1]
    distances = cdist(x[rows] / 1e200, x / 1e200, "euclidean" if norm == "l2" else "chebyshev")
    nearest = np.argsort(distances, axis=1)[:, 1:5]
    found = means_within(x, rows, radii, values, norm)
    assert found == pytest.approx(values[nearest].mean(axis=1), rel=1e-12)
    # none within
    assert means_within(x, rows, np.zeros(3), values) == pytest.approx(values.mean())


def test_counts_are_found_again_and_differences_are_those_of_the_entropy() -> None:
    values = np.array([7, 3, 7, 7, 1])
    found = tally(Codes(values, 8))
    assert found.at(values).tolist() == [3, 1, 3, 3, 1]
    first, second = count_differences(np.array([1, 2, 5]), "none")
    assert first == pytest.approx([0.0, -2 * math.log(2), 4 * math.log(4) - 5 * math.log(5)])
    assert second[:2] == pytest.approx([0.0, -2 * math.log(2)])


def test_some_rows_are_spread_over_all() -> None:
    rows = some_rows(100_000, 1000)
    assert 990 < len(rows) <= 1000
    # no period of labels is met more often than its share, to 4 deviations of a binomial
    for period in (2, 5, 10, 100):
        share = np.bincount(rows % period, minlength=period) / len(rows)
        assert abs(share - 1 / period).max() < 4 * math.sqrt(1 / period / len(rows))
