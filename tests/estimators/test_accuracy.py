"""Estimators against closed forms, direct evaluations and what theory says of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import digamma
from scipy.stats import differential_entropy
from sklearn.neighbors import KernelDensity, NearestNeighbors

from entbench.estimators import (
    BinnedEntropy,
    JackknifeSamplePropagation,
    KolchinskyTraceyLower,
    KolchinskyTraceyUpper,
    KozachenkoLeonenko,
    LeaveOneOutKDE,
    LeaveOneOutSamplePropagation,
    MillerMadowSamplePropagation,
    SamplePropagation,
)
from entbench.sources import TruncatedMixture


def gaussian(n: int, dim: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal((n, dim))


def gaussian_truth(dim: int, deviation: float = 1.0) -> float:
    return dim * math.log(deviation * math.sqrt(2 * math.pi * math.e))


def errors(make: Any, draw: Any, truth: float, trials: int) -> NDArray[np.float64]:
    return np.array([make().fit(draw(seed)).entropy_ - truth for seed in range(trials)])


class TestSamplePropagation:
    def test_gaussian_signal_with_noise_of_the_same_size(self) -> None:
        """S ~ N(0, 1), Z ~ N(0, 1): h = h(N(0, 2)), and the bias is I_chi2/2n = 1/2n per axis."""
        found = errors(
            lambda: SamplePropagation(1.0, tolerance=5e-3, random_state=0),
            lambda seed: gaussian(2000, 1, seed),
            gaussian_truth(1, math.sqrt(2)),
            trials=40,
        )
        # 4 standard errors of the mean over 40 seeds: false alarm 3e-4 (Student t)
        slack = 4 * found.std(ddof=1) / math.sqrt(40)
        assert found.mean() == pytest.approx(-1 / (2 * 2000), abs=slack)

    def test_bias_is_half_the_chi_square_information_over_n(self) -> None:
        source = TruncatedMixture(d=5, sigma=0.1)
        n, trials = 1000, 60
        found = errors(
            lambda: SamplePropagation(0.1, random_state=0),
            lambda seed: source.sample(n, np.random.default_rng(seed)),
            source.reference().value,
            trials,
        )
        information = source.facts().chi_square_information
        # the next term of the expansion is of order (I_chi2/n)^2 = 1e-3
        slack = 4 * found.std(ddof=1) / math.sqrt(trials) + (information / n) ** 2
        assert found.mean() == pytest.approx(-information / (2 * n), abs=slack)
        assert -math.log1p(information / n) < found.mean() < 0

    def test_too_few_samples_are_told_in_one_line(self) -> None:
        X = TruncatedMixture(d=10).sample(300, np.random.default_rng(0))
        with pytest.warns(UserWarning, match="`X` has 300 rows, too few .* sigma = 0.1") as caught:
            fitted = SamplePropagation(0.1, random_state=0).fit(X)
        assert "\n" not in str(caught[0].message)
        assert 150 < fitted.diagnostics_["n_eff"] < 300

    def test_bracket_encloses_the_truth(self) -> None:
        """E h_SP <= h <= E h_LOO, each side by 4 standard errors of the mean over 40 samples."""
        source = TruncatedMixture(d=3, sigma=0.2)
        truth = source.reference().value
        low, high = [], []
        for seed in range(40):
            X = source.sample(200, np.random.default_rng(seed))
            said = SamplePropagation(0.2, tolerance=5e-3, random_state=0).fit(X).diagnostics_
            low.append(said["bracket_low"] - truth)
            high.append(said["bracket_high"] - truth)
        slack = 4 / math.sqrt(40)
        assert np.mean(low) < -0.005
        assert np.mean(low) - slack * np.std(low, ddof=1) < 0
        assert np.mean(high) + slack * np.std(high, ddof=1) > 0
        # the two leading biases are opposite: the middle is much nearer than either side
        assert abs(np.mean(low) + np.mean(high)) < 0.5 * (np.mean(high) - np.mean(low))

    @pytest.mark.parametrize(
        ("corrected", "factor"),
        [(JackknifeSamplePropagation, 4.0), (MillerMadowSamplePropagation, 4.0)],
    )
    def test_corrections_remove_the_leading_bias(self, corrected: Any, factor: float) -> None:
        source = TruncatedMixture(d=5, sigma=0.1)
        truth = source.reference().value

        def draw(seed: int) -> NDArray[np.float64]:
            return source.sample(1000, np.random.default_rng(seed))

        def fits(cls: Any) -> NDArray[np.float64]:
            return errors(lambda: cls(0.1, tolerance=2e-3, random_state=0), draw, truth, 30)

        plain, better = fits(SamplePropagation), fits(corrected)
        assert abs(plain.mean()) > factor * abs(better.mean())
        # bias left: of order (I_chi2/n)^2 = 1e-3, and 4 standard errors over 30 seeds
        slack = 4 * better.std(ddof=1) / math.sqrt(30)
        assert better.mean() == pytest.approx(0.0, abs=1.2e-3 + slack)

    def test_leave_one_out_is_above(self) -> None:
        source = TruncatedMixture(d=5, sigma=0.1)
        X = source.sample(1000, np.random.default_rng(0))
        above = LeaveOneOutSamplePropagation(0.1, tolerance=5e-3, random_state=0).fit(X)
        below = SamplePropagation(0.1, random_state=0).fit(X)
        assert below.entropy_ < source.reference().value < above.entropy_
        assert below.diagnostics_["bracket_low"] == below.entropy_
        assert above.diagnostics_["bracket_high"] == above.entropy_

    @pytest.mark.filterwarnings("ignore:`X` has")
    def test_two_points_far_apart(self) -> None:
        value = SamplePropagation(1.0, random_state=0).fit([[0.0], [1000.0]]).entropy_
        # kernels in single precision: allowed where their rounding is below a tenth of tolerance
        assert value == pytest.approx(gaussian_truth(1) + math.log(2), abs=1e-5)
        fine = SamplePropagation(1.0, tolerance=1e-6, random_state=0).fit([[0.0], [1000.0]])
        assert fine.entropy_ == pytest.approx(gaussian_truth(1) + math.log(2), abs=1e-10)

    def test_standard_error_meets_the_tolerance(self) -> None:
        estimator = SamplePropagation(0.5, tolerance=5e-3, random_state=0).fit(gaussian(300, 3))
        assert 0 < estimator.standard_error_ <= 5e-3
        assert estimator.diagnostics_["converged"]
        short = SamplePropagation(0.5, tolerance=1e-6, max_draws=5000, random_state=0)
        assert not short.fit(gaussian(300, 3)).diagnostics_["converged"]
        assert short.diagnostics_["n_draws"] <= 5000

    def test_seed_fixes_the_draws(self) -> None:
        X = gaussian(200, 3)
        values = [SamplePropagation(0.3, random_state=s).fit(X).entropy_ for s in (1, 1, 2)]
        assert values[0] == values[1] != values[2]

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"tolerance": 0.0}, "`tolerance` must be a finite number > 0"),
            ({"max_draws": 1}, "`max_draws` must be an integer >= 4"),
            ({"random_state": -1}, "`random_state` must be an integer >= 0"),
        ],
    )
    def test_bad_parameters(self, params: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            SamplePropagation(1.0, **params).fit(gaussian(10, 1))


class TestKozachenkoLeonenko:
    @pytest.mark.parametrize("dim", [1, 3])
    @pytest.mark.parametrize("k", [1, 4])
    @pytest.mark.parametrize(("norm", "p"), [("l2", 2), ("linf", np.inf)])
    def test_agrees_with_scikit_learns_neighbours(
        self, dim: int, k: int, norm: str, p: float
    ) -> None:
        X = gaussian(300, dim)
        n = len(X)
        search = NearestNeighbors(n_neighbors=k + 1, algorithm="brute", p=p, metric="minkowski")
        radii = search.fit(X).kneighbors(X)[0][:, k]
        ball = math.log(math.pi ** (dim / 2) / math.gamma(dim / 2 + 1))
        volume = ball if norm == "l2" else dim * math.log(2)
        expected = digamma(n) - digamma(k) + volume + dim * np.log(radii).mean()
        value = KozachenkoLeonenko(k=k, norm=norm).fit(X).entropy_
        assert value == pytest.approx(expected, rel=1e-10)

    @pytest.mark.parametrize("norm", ["l2", "linf"])
    @pytest.mark.parametrize("dim", [1, 2, 3])
    def test_gaussian(self, norm: str, dim: int) -> None:
        found = errors(
            lambda: KozachenkoLeonenko(norm=norm),
            lambda seed: gaussian(2000, dim, seed),
            gaussian_truth(dim),
            trials=20,
        )
        # bias at n = 2000 is below 0.02 for dim <= 3; 4 standard errors over 20 seeds on top
        assert abs(found.mean()) < 0.02 + 4 * found.std(ddof=1) / math.sqrt(20)

    def test_uniform_interval(self) -> None:
        found = errors(
            KozachenkoLeonenko,
            lambda seed: np.random.default_rng(seed).uniform(0, 5, (1000, 1)),
            math.log(5),
            trials=30,
        )
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

    def test_equal_samples_are_refused(self) -> None:
        with pytest.raises(ValueError, match="all samples of `X` are equal"):
            KozachenkoLeonenko(k=1).fit(np.ones((5, 2)))

    def test_needs_more_rows_than_neighbours(self) -> None:
        with pytest.raises(ValueError, match=r"got k=4 with n_samples=4"):
            KozachenkoLeonenko(k=4).fit(gaussian(4, 1))
        assert math.isfinite(KozachenkoLeonenko(k=4).fit(gaussian(5, 1)).entropy_)

    @pytest.mark.parametrize(
        ("params", "kind", "message"),
        [
            ({"k": 0}, ValueError, "`k` must be an integer >= 1"),
            ({"k": "4"}, TypeError, "`k` must be an integer >= 1"),
            ({"norm": "l1"}, ValueError, "`norm` must be one of 'l2', 'linf'"),
        ],
    )
    def test_bad_parameters(
        self, params: dict[str, Any], kind: type[Exception], message: str
    ) -> None:
        with pytest.raises(kind, match=message):
            KozachenkoLeonenko(**params).fit(gaussian(10, 1))


class TestLeaveOneOutKDE:
    @pytest.mark.parametrize("dim", [1, 4])
    def test_agrees_with_scikit_learns_density(self, dim: int) -> None:
        X = gaussian(200, dim)
        scores = [
            KernelDensity(bandwidth=0.4).fit(np.delete(X, i, axis=0)).score_samples(X[i : i + 1])[0]
            for i in range(len(X))
        ]
        value = LeaveOneOutKDE(bandwidth=0.4).fit(X).entropy_
        assert value == pytest.approx(-np.mean(scores), rel=1e-10)

    @pytest.mark.parametrize("kind", ["gaussian", "clusters", "two-scales"])
    def test_bandwidth_is_the_best_of_a_fine_grid(self, kind: str) -> None:
        rng = np.random.default_rng(0)
        X = rng.standard_normal((150, 2))
        if kind == "clusters":
            X = rng.choice([-1.0, 1.0], (150, 2)) + 0.01 * X
        if kind == "two-scales":
            X = np.concatenate([X[:75], X[:75] + 1e-5 * rng.standard_normal((75, 2))])
        found = LeaveOneOutKDE().fit(X)
        grid = np.geomspace(1e-7, 10, 2000)
        best = min(LeaveOneOutKDE(bandwidth=h).fit(X).entropy_ for h in grid)
        assert found.entropy_ <= best + 1e-5
        assert found.entropy_ == LeaveOneOutKDE(found.diagnostics_["bandwidth"]).fit(X).entropy_

    def test_gaussian(self) -> None:
        found = errors(
            LeaveOneOutKDE, lambda seed: gaussian(1000, 2, seed), gaussian_truth(2), trials=12
        )
        # high-biased by smoothing, by some hundredths at n = 1000 in two dimensions
        assert 0.0 < found.mean() < 0.08

    def test_twins_everywhere_are_refused_without_a_bandwidth(self) -> None:
        X = np.repeat(gaussian(20, 2), 2, axis=0)
        with pytest.raises(ValueError, match="every sample of `X` has a twin"):
            LeaveOneOutKDE().fit(X)
        assert math.isfinite(LeaveOneOutKDE(bandwidth=0.1).fit(X).entropy_)

    def test_a_few_twins_are_fine(self) -> None:
        X = gaussian(100, 1)
        X[:10] = X[10:20]
        assert LeaveOneOutKDE().fit(X).entropy_ == pytest.approx(gaussian_truth(1), abs=0.4)

    @pytest.mark.parametrize("bandwidth", [0.0, -1.0, math.nan, "scott"])
    def test_bad_bandwidth(self, bandwidth: float | str) -> None:
        with pytest.raises(ValueError, match="`bandwidth` must be"):
            LeaveOneOutKDE(bandwidth=bandwidth).fit(gaussian(10, 1))


class TestBinnedEntropy:
    def test_agrees_with_counting_by_hand(self) -> None:
        X = [[0.0], [0.4], [0.6], [1.2], [1.3], [5.0]]
        estimator = BinnedEntropy(bin_width=0.5).fit(X)
        shares = np.array([2, 1, 2, 1]) / 6
        discrete = -(shares * np.log(shares)).sum()
        assert estimator.entropy_ == pytest.approx(discrete + math.log(0.5), rel=1e-12)
        assert estimator.diagnostics_["discrete_entropy"] == pytest.approx(discrete, rel=1e-12)
        assert estimator.diagnostics_["occupied_bins"] == 4
        corrected = BinnedEntropy(bin_width=0.5, correction="miller-madow").fit(X)
        assert corrected.entropy_ - estimator.entropy_ == pytest.approx(3 / 12, rel=1e-12)

    @pytest.mark.parametrize("dim", [1, 2, 6])
    def test_agrees_with_unique_rows(self, dim: int) -> None:
        X = gaussian(500, dim)
        cells = np.floor((X - X.min(axis=0)) / 0.7)
        shares = np.unique(cells, axis=0, return_counts=True)[1] / 500
        expected = -(shares * np.log(shares)).sum() + dim * math.log(0.7)
        assert BinnedEntropy(bin_width=0.7).fit(X).entropy_ == pytest.approx(expected, rel=1e-10)

    def test_uniform_on_a_fine_grid(self) -> None:
        """Uniform on [0, 8)^2 in cells of side 1: log 64, low by (64 - 1)/2n without correction."""
        draws = [np.random.default_rng(s).uniform(0, 8, (4000, 2)) for s in range(20)]
        plain = [BinnedEntropy(bin_width=1.0).fit(X).entropy_ for X in draws]
        corrected = [BinnedEntropy(1.0, "miller-madow").fit(X).entropy_ for X in draws]
        # the grid starts at the smallest sample, 0.002 above 0: some 0.0005 of the mass moves cell
        assert np.mean(plain) == pytest.approx(math.log(64) - 63 / 8000, abs=2e-3)
        assert np.mean(corrected) == pytest.approx(math.log(64), abs=2e-3)

    def test_scotts_width_on_a_gaussian(self) -> None:
        value = BinnedEntropy().fit(gaussian(20_000, 1)).entropy_
        assert value == pytest.approx(gaussian_truth(1), abs=0.02)

    def test_many_axes_need_no_grid(self) -> None:
        X = gaussian(300, 200)
        assert BinnedEntropy(bin_width=1e-3).fit(X).entropy_ == pytest.approx(
            math.log(300) + 200 * math.log(1e-3), rel=1e-12
        )

    def test_constant_column_needs_a_width(self) -> None:
        X = np.column_stack([gaussian(10, 1)[:, 0], np.ones(10)])
        with pytest.raises(ValueError, match="column 1 of `X` is constant"):
            BinnedEntropy().fit(X)

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"bin_width": 0.0}, "`bin_width` must be"),
            ({"bin_width": "silverman"}, '`bin_width` must be "scott" or a finite number > 0'),
            ({"correction": "jackknife"}, "`correction` must be one of 'none', 'miller-madow'"),
        ],
    )
    def test_bad_parameters(self, params: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            BinnedEntropy(**params).fit(gaussian(10, 1))


class TestKolchinskyTracey:
    @pytest.mark.parametrize(
        ("bound", "factor"), [(KolchinskyTraceyUpper, 2), (KolchinskyTraceyLower, 8)]
    )
    @pytest.mark.parametrize("dim", [1, 5])
    def test_agrees_with_all_pairs(self, bound: Any, factor: int, dim: int) -> None:
        X, sigma = gaussian(300, dim), 0.4
        squares = ((X[:, None] - X[None]) ** 2).sum(axis=2)
        log_means = np.log(np.exp(-squares / (factor * sigma**2)).mean(axis=1))
        expected = gaussian_truth(dim, sigma) - log_means.mean()
        assert bound(sigma=sigma).fit(X).entropy_ == pytest.approx(expected, rel=1e-10)

    @pytest.mark.filterwarnings("ignore:`X` has")
    @pytest.mark.parametrize("sigma", [0.05, 0.3, 2.0])
    def test_they_enclose_the_mixtures_entropy(self, sigma: float) -> None:
        X = gaussian(400, 3)
        plug_in = SamplePropagation(sigma, random_state=0).fit(X)
        slack = 4.5 * plug_in.standard_error_
        assert KolchinskyTraceyLower(sigma).fit(X).entropy_ <= plug_in.entropy_ + slack
        assert KolchinskyTraceyUpper(sigma).fit(X).entropy_ >= plug_in.entropy_ - slack


def test_one_dimension_beside_scipys_estimator() -> None:
    """Another method by other people (Vasicek's spacings): same truth within their scatter."""
    X = gaussian(5000, 1)
    theirs = float(differential_entropy(X[:, 0]))
    for estimator in (KozachenkoLeonenko(), LeaveOneOutKDE(), BinnedEntropy()):
        assert estimator.fit(X).entropy_ == pytest.approx(theirs, abs=0.05)
