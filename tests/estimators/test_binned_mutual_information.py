"""Mutual information by counting: identities, scikit-learn's score, a law with known I."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import entropy as scipy_entropy
from sklearn.metrics import mutual_info_score

from entbench.estimators._counting import CORRECTIONS
from entbench.estimators.binned_entropy import BinnedEntropy
from entbench.estimators.binned_mutual_information import BinnedMutualInformation

KINDS: list[dict[str, Any]] = [
    {},
    {"bin_width": 0.4, "origin": 0.0},
    {"bins": "number", "n_bins": 6},
    {"bins": "frequency", "n_bins": 6},
]


def pair(
    n: int, dim_x: int = 1, dim_y: int = 1, seed: int = 0
) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, dim_x))
    return x, x[:, :1] + rng.standard_normal((n, dim_y))


def labels(values: NDArray[Any]) -> NDArray[np.int64]:
    return np.unique(values, axis=0, return_inverse=True)[1].ravel()


def information(x: NDArray[Any], y: NDArray[Any], **params: Any) -> float:
    return BinnedMutualInformation(**params).fit(x, y).mutual_information_


@pytest.mark.parametrize(("dim_x", "dim_y"), [(1, 1), (2, 3), (20, 1)])
def test_agrees_with_scikit_learn(dim_x: int, dim_y: int) -> None:
    x, y = pair(900, dim_x, dim_y)
    cells_x, cells_y = np.floor(x / 0.8), np.floor(y / 0.8)
    expected = mutual_info_score(labels(cells_x), labels(cells_y))
    assert information(x, y, bin_width=0.8, origin=0.0) == pytest.approx(expected, rel=1e-12)
    as_is = information(cells_x, cells_y, bin_x=False, bin_y=False)
    assert as_is == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("sides", [(True, False), (False, True)])
def test_one_side_in_bins(sides: tuple[bool, bool]) -> None:
    """The information plane: inputs or labels as they are, activations in bins."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 700)
    T = np.tanh(label[:, None] - 1 + 0.3 * rng.standard_normal((700, 2)))
    bins = labels(np.stack([np.digitize(c, np.linspace(-1, 1, 31)[1:-1]) for c in T.T], axis=1))
    params = {"bins": "number", "n_bins": 30, "low": -1, "high": 1}
    x, y = (T, label[:, None]) if sides[0] else (label[:, None], T)
    found = information(x, y, bin_x=sides[0], bin_y=sides[1], **params)
    assert found == pytest.approx(mutual_info_score(label, bins), rel=1e-12)


@pytest.mark.parametrize("correction", CORRECTIONS)
@pytest.mark.parametrize("params", KINDS)
class TestIdentities:
    def test_of_a_variable_with_itself(self, params: dict[str, Any], correction: str) -> None:
        x = pair(300, 2)[0]
        entropy = BinnedEntropy(correction=correction, **params).fit(x).discrete_entropy_
        found = information(x, x, correction=correction, **params)
        assert found == pytest.approx(entropy, rel=1e-12)

    def test_symmetry(self, params: dict[str, Any], correction: str) -> None:
        x, y = pair(300, 2, 3)
        found = information(x, y, correction=correction, **params)
        swapped = information(y, x, correction=correction, **params)
        assert swapped == pytest.approx(found, rel=1e-12, abs=1e-13)

    def test_of_a_deterministic_map(self, params: dict[str, Any], correction: str) -> None:
        """X discrete, T = f(X): I(X; Bin(T)) = H(Bin(T))."""
        X = np.random.default_rng(0).integers(0, 4, (500, 3)).astype(float)
        T = np.tanh(X @ np.array([[1.0, -0.2], [0.3, 0.9], [-0.5, 0.4]]))
        entropy = BinnedEntropy(correction=correction, **params).fit(T).discrete_entropy_
        found = information(X, T, bin_x=False, correction=correction, **params)
        assert found == pytest.approx(entropy, rel=1e-12)

    def test_diagnostics_are_the_three_entropies(
        self, params: dict[str, Any], correction: str
    ) -> None:
        x, y = pair(300, 1, 2)
        fitted = BinnedMutualInformation(correction=correction, **params).fit(x, y)
        parts = fitted.diagnostics_
        along_x = BinnedEntropy(correction=correction, **params).fit(x)
        along_y = BinnedEntropy(correction=correction, **params).fit(y)
        assert parts["entropy_x"] == along_x.discrete_entropy_
        assert parts["entropy_y"] == along_y.discrete_entropy_
        assert parts["occupied_x"] == along_x.n_occupied_
        assert parts["occupied_y"] == along_y.n_occupied_
        assert fitted.mutual_information_ == (
            parts["entropy_x"] + parts["entropy_y"] - parts["entropy_joint"]
        )
        assert fitted.n_features_in_ == 1


def test_corrections_by_hand() -> None:
    x = np.array([0, 0, 0, 1, 1, 2])[:, None]
    y = np.array([0, 0, 1, 1, 1, 0])[:, None]
    plain = scipy_entropy([3, 2, 1]) + scipy_entropy([3, 3]) - scipy_entropy([2, 1, 2, 1])
    as_is = {"bin_x": False, "bin_y": False}
    assert information(x, y, **as_is) == pytest.approx(plain, rel=1e-12)
    miller = information(x, y, correction="miller-madow", **as_is)
    assert miller == pytest.approx(plain + (3 + 2 - 4 - 1) / 12, rel=1e-12)
    # G is -gamma - log 2 at 1, and 2 more at 2 and 3
    G1, G2 = -np.euler_gamma - math.log(2), 2 - np.euler_gamma - math.log(2)
    sums = (5 * G2 + G1) / 6, 6 * G2 / 6, (4 * G2 + 2 * G1) / 6
    expected = math.log(6) - sums[0] - sums[1] + sums[2]
    grassberger = information(x, y, correction="grassberger", **as_is)
    assert grassberger == pytest.approx(expected, rel=1e-12)


def test_nothing_is_clipped() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 3, (2, 50, 1))
    values = [
        information(rng.permutation(x), y, bin_x=False, bin_y=False, correction="miller-madow")
        for _ in range(20)
    ]
    assert min(values) < 0 < max(values)


def test_bivariate_normal() -> None:
    """I = -1/2 log(1 - rho^2) at rho = 0.8, n = 10,000."""
    truth, rho = -0.5 * math.log(1 - 0.8**2), 0.8
    values: dict[str, list[float]] = {"none": [], "grassberger": []}
    for seed in range(10):
        a, b = np.random.default_rng(seed).standard_normal((2, 10_000, 1))
        for correction, found in values.items():
            found.append(information(a, rho * a + 0.6 * b, correction=correction))
    # over 100 other seeds: bias 0.0037 and 0.0424 to within 0.001, deviation of one value 0.0093
    slack = 4 * 0.0093 / math.sqrt(10) + 0.001
    assert np.mean(values["grassberger"]) == pytest.approx(truth + 0.0037, abs=slack)
    assert np.mean(values["none"]) == pytest.approx(truth + 0.0424, abs=slack)


@pytest.mark.parametrize("params", [KINDS[0], *KINDS[2:]])
def test_a_constant_column_tells_nothing(params: dict[str, Any]) -> None:
    """As a dead unit: one bin, whatever the kind of bins."""
    x, y = pair(200, 1, 2)
    dead = np.column_stack([y, np.full(200, 0.1)])
    if not params:
        params = {"bin_width": 0.7}
        assert BinnedMutualInformation().fit(x, dead[:, 2:]).mutual_information_ == 0.0
    assert information(x, dead, **params) == pytest.approx(information(x, y, **params), rel=1e-12)


def test_extremes() -> None:
    x, y = pair(1000, 60, 60)
    assert information(x, y, bin_width=1e-9) == pytest.approx(math.log(1000), rel=1e-12)
    assert information(x, y, bin_width=1e3, origin=-500.0) == 0.0
    two = np.array([[0.0], [1.0]])
    assert information(two, two, bin_width=0.5) == pytest.approx(math.log(2), rel=1e-15)
    tiny = information(x[:, :1] * 2.0**-498, y[:, :1] * 2.0**-498)
    assert tiny == pytest.approx(information(x[:, :1], y[:, :1]), rel=1e-12)


def test_samples_are_left_alone() -> None:
    x, y = pair(50)
    before = x.copy(), y.copy()
    x.flags.writeable = y.flags.writeable = False
    information(x, y)
    assert np.array_equal(x, before[0])
    assert np.array_equal(y, before[1])


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"correction": "jackknife"}, ValueError, "`correction` must be one of"),
        ({"bin_x": 1}, TypeError, "`bin_x` must be True or False; got 1"),
        ({"bin_y": "no"}, TypeError, "`bin_y` must be True or False; got 'no'"),
        ({"n_bins": 4}, ValueError, "`n_bins` belongs to"),
        (
            {"bin_x": False, "bin_y": False, "bin_width": 0.1},
            ValueError,
            "`bin_width` must be left out .* nothing is binned; got 0.1",
        ),
    ],
)
def test_bad_parameters(params: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        BinnedMutualInformation(**params).check_parameters()


def test_bad_input() -> None:
    x, y = pair(10)
    with pytest.raises(ValueError, match="as many rows as each other; got 10 and 9"):
        information(x, y[:9])
    with pytest.raises(ValueError, match="got 2 in column 0 of `y`"):
        information(x * 0, y * 0 + 2, bins="number", n_bins=3, low=-1, high=1)
