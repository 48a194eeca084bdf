"""Nearest-neighbour mutual information: the formulas, the ties, and known laws."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import digamma, gammaln
from sklearn.feature_selection._mutual_info import _compute_mi_cc

from entbench.estimators.bi_ksg import BIKSG
from entbench.estimators.kraskov import KSG1, KSG2
from entbench.estimators.mixed_ksg import MixedKSG

Array = NDArray[Any]
Pairs = tuple[Array, Array]
ALL = [KSG1, KSG2, BIKSG, MixedKSG]


def value(estimator: Any, pairs: Pairs) -> float:
    return float(estimator.fit(*pairs).mutual_information_)


def normal_pairs(n: int, rho: float, seed: int, dims: tuple[int, int] = (1, 1)) -> Pairs:
    """Standard normal columns; the first of X and of Y have correlation rho."""
    rng = np.random.default_rng(seed)
    x, y = (rng.standard_normal((n, dim)) for dim in dims)
    y[:, 0] = rho * x[:, 0] + math.sqrt(1 - rho**2) * y[:, 0]
    return x, y


def distances(points: Array, norm: str = "linf") -> Array:
    """All distances; that of a sample to itself is infinite."""
    apart = np.abs(points[:, None] - points)
    found = apart.max(axis=2) if norm == "linf" else np.sqrt((apart**2).sum(axis=2))
    np.fill_diagonal(found, np.inf)
    return found


def kth(found: Array, k: int) -> Array:
    return np.sort(found, axis=1)[:, k - 1]


def direct_ksg1(x: Array, y: Array, k: int) -> float:
    to_x, to_y = distances(x), distances(y)
    joint = np.maximum(to_x, to_y)
    radii = kth(joint, k)
    radii = np.where(radii > 0, radii, np.where(joint > 0, joint, np.inf).min(axis=1))[:, None]
    counts = (to_x < radii).sum(axis=1), (to_y < radii).sum(axis=1)
    # k where no distances are tied
    ranks = 1 + (joint < radii).sum(axis=1)
    terms = digamma(ranks) + digamma(len(x)) - digamma(counts[0] + 1) - digamma(counts[1] + 1)
    return float(terms.mean())


def direct_ksg2(x: Array, y: Array, k: int) -> float:
    to_x, to_y = distances(x), distances(y)
    nearest = np.argsort(np.maximum(to_x, to_y), axis=1)[:, :k]
    total = 0.0
    for i, others in enumerate(nearest):
        n_x = (to_x[i] <= to_x[i, others].max()).sum()
        n_y = (to_y[i] <= to_y[i, others].max()).sum()
        total += digamma(k) - 1 / k + digamma(len(x)) - digamma(n_x) - digamma(n_y)
    return total / len(x)


def direct_bi_ksg(x: Array, y: Array, k: int) -> float:
    to_x, to_y = distances(x, "l2"), distances(y, "l2")
    joint = distances(np.hstack([x, y]), "l2")
    radii = kth(joint, k)[:, None]
    counts = (to_x <= radii).sum(axis=1), (to_y <= radii).sum(axis=1)
    dims = np.array([x.shape[1], y.shape[1], x.shape[1] + y.shape[1]])
    volume = dims / 2 * math.log(math.pi) - gammaln(dims / 2 + 1)
    ranks = (joint <= radii).sum(axis=1)  # k where no distances are tied
    constant = digamma(ranks).mean() + math.log(len(x)) + volume[0] + volume[1] - volume[2]
    return float(constant - np.log(counts[0]).mean() - np.log(counts[1]).mean())


def direct_mixed(x: Array, y: Array, k: int) -> float:
    to_x, to_y = distances(x), distances(y)
    joint = np.maximum(to_x, to_y)
    total = 0.0
    for i, radius in enumerate(kth(joint, k)):
        rank = k if radius > 0 else 1 + (joint[i] == 0).sum()
        n_x, n_y = ((to[i] < radius if radius > 0 else to[i] == 0).sum() for to in (to_x, to_y))
        total += digamma(rank) + math.log(len(x)) - digamma(n_x + 1) - digamma(n_y + 1)
    return total / len(x)


def direct_mixed_logs(x: Array, y: Array, k: int) -> float:
    to_x, to_y = distances(x), distances(y)
    joint = np.maximum(to_x, to_y)
    total = 0.0
    for i, radius in enumerate(kth(joint, k)):
        rank = k if radius > 0 else 1 + (joint[i] == 0).sum()
        n_x, n_y = (to_x[i] <= radius).sum(), (to_y[i] <= radius).sum()
        total += digamma(rank) + math.log(len(x) / (n_x + 1) / (n_y + 1))
    return total / len(x)


def with_logs(k: int = 3) -> MixedKSG:
    return MixedKSG(k=k, variant="log")


DIRECT = [
    (KSG1, direct_ksg1),
    (KSG2, direct_ksg2),
    (BIKSG, direct_bi_ksg),
    (MixedKSG, direct_mixed),
    (with_logs, direct_mixed_logs),
]


@pytest.mark.parametrize(("make", "direct"), DIRECT)
@pytest.mark.parametrize("k", [1, 3, 7])
@pytest.mark.parametrize("dims", [(1, 1), (1, 2), (3, 2), (20, 5)])
def test_the_formula_evaluated_directly(
    make: Any, direct: Callable[[Array, Array, int], float], k: int, dims: tuple[int, int]
) -> None:
    pairs = normal_pairs(150, 0.8, 1, dims)
    assert value(make(k=k), pairs) == pytest.approx(direct(*pairs, k), rel=1e-12, abs=1e-13)


@pytest.mark.parametrize(("make", "direct"), DIRECT)
@pytest.mark.parametrize(
    "change",
    [
        lambda x: x + 1e6,
        lambda x: x * 1e-150,
        lambda x: x * 1e150,
        lambda x: x.astype(np.float32),
    ],
)
def test_far_off_tiny_and_huge_numbers(make: Any, direct: Any, change: Any) -> None:
    x, y = normal_pairs(60, 0.5, 2, (2, 1))
    scale = float(np.abs(change(x)).max())
    inverse = (x, y) if scale > 1e10 or scale < 1e-10 else (change(x), change(y))
    expected = direct(*(np.asarray(part, dtype=np.float64) for part in inverse), 2)
    assert value(make(k=2), (change(x), change(y))) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rho", [0.5, 0.9])
@pytest.mark.parametrize("k", [3, 4])
def test_agrees_with_scikit_learn(rho: float, k: int) -> None:
    x, y = normal_pairs(1000, rho, 3)
    expected = _compute_mi_cc(x[:, 0], y[:, 0], k)
    assert expected > 0  # it clips
    assert value(KSG1(k=k), (x, y)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("make", "direct"), DIRECT)
def test_fewest_rows(make: Any, direct: Any) -> None:
    pairs = normal_pairs(4, 0.5, 4, (2, 3))
    assert value(make(k=3), pairs) == pytest.approx(direct(*pairs, 3), rel=1e-12, abs=1e-13)


@pytest.mark.parametrize(("make", "ceiling"), [(KSG1, 0.0), (KSG2, -1 / 3)])
def test_ceiling_of_a_functional_dependence(make: Any, ceiling: float) -> None:
    """With Y = X the k neighbours in the joint space are those in X: the terms are all the most."""
    x = np.random.default_rng(5).random((200, 1))
    expected = digamma(200) - digamma(3) + ceiling
    assert value(make(k=3), (x, x)) == pytest.approx(expected, rel=1e-12)


def test_mixed_is_ksg1_where_all_samples_differ() -> None:
    pairs = normal_pairs(300, 0.6, 11, (2, 1))
    expected = value(KSG1(), pairs) + math.log(300) - digamma(300)
    assert value(MixedKSG(), pairs) == pytest.approx(expected, rel=1e-12)


class TestTies:
    def test_laws_of_atoms_give_the_plug_in(self) -> None:
        """Counts (a, b; c, d): psi(n_xy) + psi(n) - psi(n_x) - psi(n_y), and its variants."""
        table = np.array([[30, 10], [20, 40]])
        x, y = (np.repeat(part.ravel(), table.ravel())[:, None] for part in np.indices((2, 2)))
        n = table.sum()
        n_x, n_y = (np.broadcast_to(table.sum(axis=a, keepdims=True), (2, 2)) for a in (1, 0))

        def mean(terms: Array) -> float:
            return float((terms * table).sum() / n)

        terms = digamma(table) + digamma(n) - digamma(n_x) - digamma(n_y)
        assert value(KSG1(), (x, y)) == pytest.approx(mean(terms), rel=1e-12)
        terms = digamma(table - 1) + digamma(n) - digamma(n_x - 1) - digamma(n_y - 1)
        assert value(KSG2(), (x, y)) == pytest.approx(mean(terms), rel=1e-12)
        terms = digamma(table) + np.log(n) - digamma(n_x) - digamma(n_y)
        mixed = MixedKSG().fit(x, y)
        assert mixed.mutual_information_ == pytest.approx(mean(terms), rel=1e-12)
        assert mixed.diagnostics_["n_tied"] == n
        terms = digamma(table) + np.log(n) - np.log(n_x) - np.log(n_y)
        assert value(with_logs(), (x, y)) == pytest.approx(mean(terms), rel=1e-12)

    def test_fewer_copies_than_neighbours_are_no_ties(self) -> None:
        x, y = normal_pairs(50, 0.7, 6)
        pairs = np.repeat(x, 2, axis=0), np.repeat(y, 2, axis=0)
        for make, direct in DIRECT:
            fitted = make(k=3).fit(*pairs)
            assert fitted.diagnostics_["n_tied"] == 0
            if make is not KSG2:  # whose neighbours are told in another test
                expected = direct(*pairs, 3)
                assert fitted.mutual_information_ == pytest.approx(expected, rel=1e-12)

    def test_ksg1_on_a_grid(self) -> None:
        """Against the stated rule evaluated directly, in any order."""
        rng = np.random.default_rng(7)
        x, y = (rng.integers(0, 9, (120, dim)).astype(float) for dim in (1, 2))
        order = rng.permutation(120)
        fitted = KSG1(k=2).fit(x[order], y[order])
        expected = direct_ksg1(x, y, 2)
        assert fitted.mutual_information_ == pytest.approx(expected, rel=1e-12)
        joint = np.hstack([x, y])
        assert fitted.diagnostics_["n_tied"] == (kth(distances(joint), 2) == 0).sum()

    @pytest.mark.parametrize(("make", "most"), [(KSG1(), 0.03), (KSG2(), 0.08)])
    def test_rounding_costs_little(self, make: Any, most: float) -> None:
        """2 digits, n = 2000: over 5 other seeds -0.006 and -0.052 (0.12 without the rule)."""

        def draw(seed: int) -> Pairs:
            x, y = normal_pairs(2000, math.sqrt(0.8), 100 + seed)
            return np.round(x, 2), np.round(math.sqrt(1.25) * y, 2)

        mean, slack = repeats(make, draw, 5)
        assert mean == pytest.approx(-0.5 * math.log(0.2), abs=most)
        assert slack < 0.1

    def test_ksg2_takes_all_at_the_same_distance(self) -> None:
        """On a grid, against the stated rule evaluated directly."""
        rng = np.random.default_rng(7)
        x, y = (rng.integers(0, 9, (120, dim)).astype(float) for dim in (1, 2))
        to_x, to_y = distances(x), distances(y)
        joint = np.maximum(to_x, to_y)
        total, k = 0.0, 2
        for i, radius in enumerate(kth(joint, k)):
            near = joint[i] <= radius
            n_x, n_y = ((to[i] <= to[i, near].max()).sum() for to in (to_x, to_y))
            sides = 1 / k if radius > 0 and near.sum() == k else 0.0
            total += digamma(near.sum()) - sides - digamma(n_x) - digamma(n_y)
        expected = digamma(120) + total / 120
        assert value(KSG2(k=k), (x, y)) == pytest.approx(expected, rel=1e-12)
        order = rng.permutation(120)
        assert value(KSG2(k=k), (x[order], y[order])) == pytest.approx(expected, rel=1e-12)

    def test_bi_ksg_goes_on_to_the_nearest_positive_distance(self) -> None:
        """0, 0, 0 and 3 on a line, Y = X, k = 2: all have 3 others within sqrt(18)."""
        x = np.array([[0.0], [0.0], [0.0], [3.0]])
        constant = math.log(4) + math.log(4 / math.pi)
        expected = digamma(3) + constant - 2 * math.log(3)
        fitted = BIKSG(k=2).fit(x, x)
        assert fitted.mutual_information_ == pytest.approx(expected, rel=1e-12)
        assert fitted.diagnostics_["n_tied"] == 3

    def test_all_samples_equal(self) -> None:
        same = np.ones((6, 2)), np.zeros((6, 1))
        for make in (KSG1, KSG2, BIKSG):
            with pytest.raises(ValueError, match="all rows of `X` and `y` are equal"):
                make().fit(*same)
        assert value(MixedKSG(), same) == pytest.approx(math.log(6) - digamma(6), rel=1e-12)
        assert value(with_logs(), same) == pytest.approx(digamma(6) - math.log(6), rel=1e-12)

    @pytest.mark.parametrize("make", [KSG1, KSG2, MixedKSG])
    def test_constant_x_tells_nothing(self, make: Any) -> None:
        """n_x = n - 1; n_y = k - 1 nearer, k within."""
        y = np.random.default_rng(8).random((40, 1))
        expected = {
            KSG1: 0.0,
            KSG2: digamma(40) - digamma(39) - 1 / 3,
            MixedKSG: math.log(40) - digamma(40),
        }[make]
        found = value(make(k=3), (np.zeros((40, 1)), y))
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-13)


def repeats(make: Any, draw: Callable[[int], Pairs], trials: int) -> tuple[float, float]:
    """Return the mean over seeds and 4 of its standard errors (false alarm 3e-4, Student's t)."""
    found = np.array([value(make, draw(seed)) for seed in range(trials)])
    return float(found.mean()), 4 * float(found.std(ddof=1)) / math.sqrt(trials)


class TestKnownLaws:
    @pytest.mark.parametrize("make", [KSG1(), KSG2()])
    @pytest.mark.parametrize("law", ["normal", "uniform", "exponential"])
    def test_no_bias_where_independent(self, make: Any, law: str) -> None:
        """The property that the estimators were made for; 4 standard errors over 60 seeds."""

        def draw(seed: int) -> Pairs:
            rng = np.random.default_rng(seed)
            if law == "normal":
                return rng.standard_normal((200, 1)), rng.standard_normal((200, 1))
            return getattr(rng, {"uniform": "random"}.get(law, law))(size=(2, 200, 1))

        mean, slack = repeats(make, draw, 60)
        assert abs(mean) < slack

    @pytest.mark.parametrize(
        # twice the bias at n = 1000 over 120 other seeds: 0.008, 0.008, 0.005, 0.009, -0.062
        ("make", "bias"),
        [
            (KSG1(), 0.016),
            (KSG2(), 0.016),
            (BIKSG(), 0.01),
            (MixedKSG(), 0.018),
            (with_logs(), 0.13),
        ],
    )
    def test_bivariate_normal(self, make: Any, bias: float) -> None:
        mean, slack = repeats(make, lambda seed: normal_pairs(1000, 0.9, seed), 20)
        assert mean == pytest.approx(-0.5 * math.log(1 - 0.9**2), abs=bias + slack)

    def test_discrete_and_continuous(self) -> None:
        """X uniform on 5 numbers, Y uniform on [X, X + 2]: I = log 5 - 4 log(2)/5."""

        def draw(seed: int) -> Pairs:
            rng = np.random.default_rng(seed)
            x = rng.integers(0, 5, (1000, 1)).astype(float)
            return x, x + 2 * rng.random((1000, 1))

        mean, slack = repeats(MixedKSG(), draw, 20)
        truth = math.log(5) - 4 * math.log(2) / 5
        # twice the bias over 120 other seeds
        assert mean == pytest.approx(truth, abs=0.011 + slack)

    def test_mixture_of_an_atom_and_a_density(self) -> None:
        """(0, 0) with probability 1/2, else independent uniform on [1, 2]: I = log 2."""

        def draw(seed: int) -> Pairs:
            rng = np.random.default_rng(seed)
            present = rng.random((1000, 1)) < 0.5
            return tuple(present * (1 + rng.random((1000, 1))) for _ in "xy")  # type: ignore[return-value]

        mean, slack = repeats(MixedKSG(), draw, 20)
        # over 120 other seeds the bias was 0.0003 -+ 0.0016
        assert mean == pytest.approx(math.log(2), abs=0.003 + slack)


@pytest.mark.parametrize("make", ALL)
class TestAll:
    def test_symmetry_order_and_threads(self, make: Any) -> None:
        x, y = normal_pairs(300, 0.6, 9, (2, 3))
        expected = value(make(), (x, y))
        order = np.random.default_rng(0).permutation(300)
        assert value(make(), (y, x)) == pytest.approx(expected, rel=1e-12)
        assert value(make(), (x[order], y[order])) == pytest.approx(expected, rel=1e-12)
        assert value(make(n_jobs=1), (x, y)) == expected == value(make(n_jobs=2), (x, y))

    def test_diagnostics(self, make: Any) -> None:
        fitted = make().fit(*normal_pairs(400, 0.6, 10))
        assert fitted.n_features_in_ == 1
        assert fitted.diagnostics_["n_tied"] == 0

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"k": 0}, "`k` must be an integer >= 1"),
            ({"k": 10}, r"`k` must be an integer in \[1, n_samples - 1\]; got k=10"),
            ({"n_jobs": 0}, "`n_jobs` must be an integer >= 1"),
        ],
    )
    def test_bad_parameters(self, make: Any, params: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            make(**params).fit(*normal_pairs(10, 0.5, 0))

    def test_bad_pairs(self, make: Any) -> None:
        x, y = normal_pairs(10, 0.5, 0)
        with pytest.raises(ValueError, match="`X` and `y` must have as many rows"):
            make().fit(x, y[:-1])
        y[3] = math.nan
        with pytest.raises(ValueError, match="`y` must be finite"):
            make().fit(x, y)
