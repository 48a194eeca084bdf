"""Nearest-neighbour entropies against closed forms, scikit-learn's search and the equations."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import digamma
from sklearn.neighbors import NearestNeighbors

from entbench.estimators.kozachenko_leonenko import KozachenkoLeonenko
from entbench.estimators.weighted_kozachenko_leonenko import (
    WeightedKozachenkoLeonenko,
    neighbour_weights,
)


def gaussian(n: int, dim: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal((n, dim))


def truth(dim: int) -> float:
    return 0.5 * dim * math.log(2 * math.pi * math.e)


def log_volume(dim: int) -> float:
    return math.log(math.pi ** (dim / 2) / math.gamma(dim / 2 + 1))


class TestKozachenkoLeonenko:
    @pytest.mark.parametrize("dim", [1, 3, 20])
    @pytest.mark.parametrize("k", [1, 4])
    @pytest.mark.parametrize(("norm", "p"), [("l2", 2), ("linf", np.inf)])
    def test_agrees_with_scikit_learns_neighbours(
        self, dim: int, k: int, norm: str, p: float
    ) -> None:
        X = gaussian(300, dim)
        search = NearestNeighbors(n_neighbors=k + 1, algorithm="brute", p=p, metric="minkowski")
        terms = dim * np.log(search.fit(X).kneighbors(X)[0][:, k])
        volume = log_volume(dim) if norm == "l2" else dim * math.log(2)
        expected = digamma(300) - digamma(k) + volume + terms.mean()
        fitted = KozachenkoLeonenko(k=k, norm=norm).fit(X)
        # scikit-learn's brute force expands the squares: half of the digits, for close samples
        assert fitted.entropy_ == pytest.approx(expected, rel=1e-9)
        assert fitted.diagnostics_ == {"n_tied": 0}

    @pytest.mark.parametrize(("n", "dim", "k"), [(5, 1, 4), (1000, 2, 3), (2000, 10, 4)])
    def test_agrees_with_scipys_tree(self, n: int, dim: int, k: int) -> None:
        X = gaussian(n, dim)
        radii = cKDTree(X).query(X, k=[k + 1])[0][:, 0]
        expected = digamma(n) - digamma(k) + log_volume(dim) + dim * np.log(radii).mean()
        assert KozachenkoLeonenko(k=k).fit(X).entropy_ == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("norm", ["l2", "linf"])
    @pytest.mark.parametrize("dim", [1, 2, 3])
    def test_gaussian(self, norm: str, dim: int) -> None:
        fits = [KozachenkoLeonenko(norm=norm).fit(gaussian(2000, dim, s)) for s in range(20)]
        found = np.array([fit.entropy_ for fit in fits]) - truth(dim)
        # bias at n = 2000 is below 0.02 for dim <= 3; 4 standard errors over 20 seeds on top
        assert abs(found.mean()) < 0.02 + 4 * found.std(ddof=1) / math.sqrt(20)

    def test_uniform_interval(self) -> None:
        draws = [np.random.default_rng(s).uniform(0, 5, (1000, 1)) for s in range(30)]
        found = np.array([KozachenkoLeonenko().fit(X).entropy_ for X in draws]) - math.log(5)
        assert abs(found.mean()) < 0.005 + 4 * found.std(ddof=1) / math.sqrt(30)

    def test_ties_follow_the_stated_rule(self) -> None:
        """Points at 0 (three times) and 1: k = 1 is tied at 0, so rank 3 at distance 1 is used."""
        estimator = KozachenkoLeonenko(k=1).fit([[0.0], [0.0], [0.0], [1.0]])
        expected = digamma(4) - (3 * digamma(3) + digamma(1)) / 4 + math.log(2)
        assert estimator.entropy_ == pytest.approx(expected, rel=1e-12)
        assert estimator.diagnostics_["n_tied"] == 3

    def test_rounding_to_a_fine_grid_changes_little(self) -> None:
        X = gaussian(2000, 2)
        exact = KozachenkoLeonenko().fit(X).entropy_
        rounded = KozachenkoLeonenko().fit(np.round(X, 2))
        assert rounded.entropy_ == pytest.approx(exact, abs=0.02)

    @pytest.mark.parametrize("power", [-500, 500])
    def test_extreme_scales(self, power: int) -> None:
        X = gaussian(100, 3)
        expected = KozachenkoLeonenko().fit(X).entropy_ + 3 * power * math.log(2)
        found = KozachenkoLeonenko().fit(np.ldexp(X, power)).entropy_
        assert found == pytest.approx(expected, rel=1e-12)

    def test_far_offset(self) -> None:
        X = np.ldexp(np.rint(np.ldexp(gaussian(300, 4), 20)), -20)  # exact with the offset, too
        expected = KozachenkoLeonenko().fit(X).entropy_
        assert KozachenkoLeonenko().fit(X + 2.0**20).entropy_ == pytest.approx(expected, rel=1e-12)

    def test_equal_samples_are_refused(self) -> None:
        with pytest.raises(ValueError, match="all samples of `X` are equal"):
            KozachenkoLeonenko(k=1).fit(np.ones((5, 2)))

    def test_needs_more_rows_than_neighbours(self) -> None:
        with pytest.raises(ValueError, match=r"got k=4 with n_samples=4"):
            KozachenkoLeonenko(k=4).fit(gaussian(4, 1))
        assert math.isfinite(KozachenkoLeonenko(k=4).fit(gaussian(5, 1)).entropy_)

    def test_threads_change_nothing(self) -> None:
        X = gaussian(2000, 4)
        values = {KozachenkoLeonenko(n_jobs=n).fit(X).entropy_ for n in (1, 2, -1, None)}
        assert len(values) == 1

    @pytest.mark.parametrize(
        ("params", "kind", "message"),
        [
            ({"k": 0}, ValueError, "`k` must be an integer >= 1"),
            ({"k": "4"}, TypeError, "`k` must be an integer >= 1"),
            ({"norm": "l1"}, ValueError, "`norm` must be one of 'l2', 'linf'"),
            ({"n_jobs": 0}, ValueError, "`n_jobs` must be an integer >= 1"),
        ],
    )
    def test_bad_parameters(
        self, params: dict[str, Any], kind: type[Exception], message: str
    ) -> None:
        with pytest.raises(kind, match=message):
            KozachenkoLeonenko(**params).fit(gaussian(10, 1))


def factors(k: int, dim: int, power: int) -> list[Any]:
    """Gamma(j + 2 l / d) / Gamma(j) for j = 1, ..., k to 50 digits."""
    shift = mpmath.mpf(2 * power) / dim
    return [mpmath.gamma(j + shift) / mpmath.gamma(j) for j in range(1, k + 1)]


class TestNeighbourWeights:
    @pytest.mark.parametrize(
        ("k", "dim", "conditions"),
        [(5, 4, 1), (15, 5, 1), (300, 5, 1), (24, 8, 2), (36, 12, 3), (60, 20, 5), (300, 24, 6)],
    )
    def test_meet_their_equations(self, k: int, dim: int, conditions: int) -> None:
        with mpmath.workdps(50):
            weights = [mpmath.mpf(float(w)) for w in neighbour_weights(k, dim, conditions)]
            for power in range(conditions + 1):
                terms = [w * g for w, g in zip(weights, factors(k, dim, power), strict=True)]
                asked = 1 if power == 0 else 0
                assert abs(sum(terms) - asked) <= 1e-10 * sum(map(abs, terms))

    @pytest.mark.parametrize(("k", "dim", "conditions"), [(10, 5, 1), (48, 8, 2), (40, 20, 3)])
    def test_no_other_weights_have_a_smaller_norm(self, k: int, dim: int, conditions: int) -> None:
        """Those of least norm are combinations of the conditions' rows: w = G'(G G')^-1 e."""
        ranks = sorted({i * k // dim for i in range(1, dim + 1)} - {0})
        with mpmath.workdps(50):
            rows = [factors(k, dim, power) for power in range(conditions + 1)]
            chosen = mpmath.matrix([[row[j - 1] for j in ranks] for row in rows])
            first = mpmath.matrix([1] + [0] * conditions)
            solution = chosen.T * mpmath.lu_solve(chosen * chosen.T, first)
            expected = np.zeros(k)
            expected[np.array(ranks) - 1] = [float(w) for w in solution]
        found = neighbour_weights(k, dim, conditions)
        assert np.allclose(found, expected, rtol=0, atol=1e-9 * np.abs(expected).max())

    def test_without_conditions_rank_k_has_all(self) -> None:
        assert neighbour_weights(5, 3, 0).tolist() == [0, 0, 0, 0, 1]

    def test_too_few_ranks(self) -> None:
        with pytest.raises(ValueError, match="more ranks than the 2 conditions.*got k=2, 2 ranks"):
            neighbour_weights(2, 8, 2)

    def test_too_many_conditions(self) -> None:
        with pytest.raises(ValueError, match="`n_conditions` must be small enough"):
            neighbour_weights(200, 100, 25)


class TestWeightedKozachenkoLeonenko:
    @pytest.mark.parametrize(
        ("dim", "k", "conditions"), [(1, None, 0), (3, 7, 0), (5, None, 1), (8, 30, 2), (20, 50, 1)]
    )
    def test_agrees_with_direct_evaluation(self, dim: int, k: int | None, conditions: int) -> None:
        X = gaussian(400, dim)
        fitted = WeightedKozachenkoLeonenko(k, conditions).fit(X)
        k = k or 3 * dim
        distances = cKDTree(X).query(X, k=k + 1)[0][:, 1:]
        single = dim * np.log(distances).mean(axis=0) + log_volume(dim) + math.log(399)
        single -= digamma(np.arange(1, k + 1))
        weights = neighbour_weights(k, dim, conditions)
        assert fitted.entropy_ == pytest.approx(float(single @ weights), rel=1e-11)
        assert fitted.diagnostics_["k"] == k
        assert fitted.diagnostics_["n_conditions"] == conditions
        assert fitted.diagnostics_["weights"] == pytest.approx(np.abs(weights).sum())

    def test_without_conditions_it_is_the_plain_estimate(self) -> None:
        X = gaussian(300, 2)
        plain = KozachenkoLeonenko(k=6).fit(X)
        fitted = WeightedKozachenkoLeonenko().fit(X)
        shift = math.log(299) - digamma(300)
        assert fitted.entropy_ == pytest.approx(plain.entropy_ + shift, rel=1e-12)
        assert fitted.standard_error_ == pytest.approx(plain.standard_error_, rel=1e-9)

    def test_lowers_the_bias_in_five_dimensions(self) -> None:
        """n = 4000, 24 seeds: -0.048 where `kl` has -0.067; their paired difference is 0.0186,
        with a standard error of 0.0023 over 24 seeds, so 4 of them leave as many to spare."""
        draws = [gaussian(4000, 5, seed) for seed in range(24)]
        plain = np.array([KozachenkoLeonenko().fit(X).entropy_ for X in draws]) - truth(5)
        ours = np.array([WeightedKozachenkoLeonenko().fit(X).entropy_ for X in draws]) - truth(5)
        gained = ours - plain
        assert plain.mean() < ours.mean() < 0.0
        assert gained.mean() > 4 * gained.std(ddof=1) / math.sqrt(24)

    def test_ties_follow_the_stated_rule(self) -> None:
        """Ranks 1 to 4 have weight; 0 stands twice: its copies' rank 1 is rank 2 at distance 1."""
        X = np.zeros((6, 4))
        X[:, 0] = [0, 0, 1, 3, 7, 15]
        fitted = WeightedKozachenkoLeonenko(k=4, n_conditions=1).fit(X)
        weights = neighbour_weights(4, 4, 1)
        total = 0.0
        for i in range(6):
            apart = sorted(abs(X[j, 0] - X[i, 0]) for j in range(6) if j != i)
            for rank, distance in enumerate(apart, 1):
                if rank <= 4:
                    used, at = (2, 1.0) if distance == 0.0 else (rank, distance)
                    total += weights[rank - 1] * (4 * math.log(at) - digamma(used)) / 6
        expected = total + log_volume(4) + math.log(5)
        assert fitted.entropy_ == pytest.approx(expected, rel=1e-12)
        assert fitted.diagnostics_["n_tied"] == 2

    @pytest.mark.parametrize(("n", "dim"), [(2, 1), (2, 20), (3, 4), (5, 8), (6, 20), (30, 40)])
    def test_few_samples_get_fewer_conditions(self, n: int, dim: int) -> None:
        fitted = WeightedKozachenkoLeonenko().fit(gaussian(n, dim))
        assert math.isfinite(fitted.entropy_)
        assert fitted.diagnostics_["k"] == min(3 * dim, n - 1)
        assert fitted.diagnostics_["n_conditions"] == min(dim // 4, 2, n - 2)

    def test_scale(self) -> None:
        X = gaussian(200, 8)
        expected = WeightedKozachenkoLeonenko().fit(X).entropy_ + 8 * 300 * math.log(2)
        found = WeightedKozachenkoLeonenko().fit(np.ldexp(X, 300)).entropy_
        assert found == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize(
        ("params", "kind", "message"),
        [
            ({"k": 0}, ValueError, "`k` must be an integer >= 1"),
            ({"k": 2.5}, ValueError, "`k` must be an integer >= 1"),
            ({"k": 50}, ValueError, "got k=50 with n_samples=50"),
            ({"k": 2}, ValueError, "more ranks than the 2 conditions"),
            ({"n_conditions": -1}, ValueError, "`n_conditions` must be an integer >= 0"),
            ({"n_conditions": 3}, ValueError, r"`n_conditions` must be an integer in \[0, 2\]"),
            ({"n_jobs": "all"}, TypeError, "`n_jobs` must be an integer >= 1"),
        ],
    )
    def test_bad_parameters(
        self, params: dict[str, Any], kind: type[Exception], message: str
    ) -> None:
        with pytest.raises(kind, match=message):
            WeightedKozachenkoLeonenko(**params).fit(gaussian(50, 8))
