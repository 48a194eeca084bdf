"""Bins, counts and entropies of counts, each by a second way."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import digamma, exp1
from scipy.stats import binom, poisson
from scipy.stats import entropy as scipy_entropy

from entbench.estimators._counting import (
    Codes,
    counts_of,
    discrete_entropy,
    distinct_codes,
    grassberger,
    joint_codes,
)
from entbench.estimators.binned_entropy import BinnedEntropy

KINDS: list[dict[str, Any]] = [
    {"bin_width": 0.3},
    {"bins": "number", "n_bins": 7},
    {"bins": "frequency", "n_bins": 7},
]


def samples(n: int, dim: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal((n, dim))


def by_histogram(X: NDArray[np.float64], edges: list[NDArray[np.float64]]) -> tuple[float, float]:
    """Discrete and differential entropy off numpy's dense histogram."""
    counts = np.histogramdd(X, edges)[0]
    volumes = np.array(1.0)
    for along in edges:
        volumes = np.multiply.outer(volumes, np.diff(along))
    shares = counts[counts > 0] / len(X)
    discrete = -(shares * np.log(shares)).sum()
    return discrete, -(shares * np.log(shares / volumes[counts > 0])).sum()


class TestCodes:
    @pytest.mark.parametrize(
        ("dim", "base"), [(1, 5), (3, 4), (10, 9), (6, 2**40), (80, 3), (5, 2**53)]
    )
    def test_they_tell_rows_apart_as_unique_does(self, dim: int, base: int) -> None:
        rng = np.random.default_rng(dim)
        digits = rng.integers(base - 2, base, (3000, dim)) * rng.integers(0, 2, (3000, 1))
        codes = joint_codes([Codes(column, base) for column in digits.T], 3000)
        expected = np.unique(digits, axis=0, return_inverse=True)[1].ravel()
        assert codes.values.min() >= 0
        assert codes.values.max() < codes.span <= 2**63 - 1
        # one code for each row and one row for each code
        pairs = np.unique(np.column_stack([codes.values, expected]), axis=0)
        assert len(pairs) == len(np.unique(codes.values)) == expected.max() + 1
        assert sorted(counts_of(codes)) == sorted(np.bincount(expected))

    def test_a_sum_past_63_bits_is_not_taken_twice(self) -> None:
        """Rows that differ by 2^64 in one number made of their digits are not the same."""
        digits = np.array([[0, 0], [2**32, 0], [0, 0]])
        codes = joint_codes([Codes(column, 2**33) for column in digits.T], 3)
        assert counts_of(codes).tolist() == [2, 1]

    def test_rows_as_they_are(self) -> None:
        X = np.array([[0.0, 1.0], [-0.0, 1.0], [0.1, 1.0], [0.0, 2.0]])
        assert sorted(counts_of(distinct_codes(X))) == [1, 1, 2]
        assert counts_of(distinct_codes(samples(50, 2))).tolist() == [1] * 50


class TestDiscreteEntropy:
    COUNTS = np.array([1, 1, 1, 2, 3, 3, 8, 40, 100_000], dtype=np.int64)

    def test_plug_in_is_scipys(self) -> None:
        assert discrete_entropy(self.COUNTS) == pytest.approx(scipy_entropy(self.COUNTS), rel=1e-13)

    def test_miller_madow(self) -> None:
        expected = scipy_entropy(self.COUNTS) + 8 / (2 * self.COUNTS.sum())
        assert discrete_entropy(self.COUNTS, "miller-madow") == pytest.approx(expected, rel=1e-13)

    def test_grassberger_from_digammas(self) -> None:
        n, c = self.COUNTS.sum(), self.COUNTS
        sign = np.where(c % 2, -1.0, 1.0)
        G = digamma(c) + sign / 2 * (digamma((c + 1) / 2) - digamma(c / 2))
        expected = math.log(n) - (c * G).sum() / n
        assert discrete_entropy(c, "grassberger") == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("count", [1, 2, 3, 10, 11, 10**6 + 1, 2**52, 2**60 + 1])
    def test_g_of_large_counts(self, count: int) -> None:
        with mpmath.workdps(60):
            c = mpmath.mpf(count)
            G = mpmath.psi(0, c) + mpmath.mpf(-1) ** (count % 2) / 2 * (
                mpmath.psi(0, (c + 1) / 2) - mpmath.psi(0, c / 2)
            )
        found = grassberger(np.array([count], dtype=np.int64))[0]
        assert found == pytest.approx(float(G), rel=1e-14)

    @pytest.mark.parametrize("mean", [0.1, 1.0, 7.5, 60.0])
    def test_g_of_poisson_counts(self, mean: float) -> None:
        """E[c G(c)] = m log m + m E_1(2m): what makes it an estimate of m log m."""
        c = np.arange(1, 400)
        expected = mean * math.log(mean) + mean * exp1(2 * mean)
        found = (poisson.pmf(c, mean) * c * grassberger(c)).sum()
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)

    @pytest.mark.parametrize("correction", ["none", "miller-madow"])
    def test_one_bin_has_no_entropy(self, correction: str) -> None:
        value = discrete_entropy(np.array([7]), correction)
        assert value == 0.0
        assert math.copysign(1.0, value) == 1.0

    def test_bias_on_few_samples(self) -> None:
        """64 equal cells, 2 samples in each on average: exact means from binomial counts."""
        c, n = np.arange(1, 129), 128
        mean = 64 * (binom.pmf(c, n, 1 / 64) * c * grassberger(c)).sum() / n
        exact = {"grassberger": math.log(n) - mean - math.log(64)}
        assert exact["grassberger"] == pytest.approx(-exp1(4.0) + 1 / (2 * n), abs=1e-3)
        exact["none"] = -64 * (binom.pmf(c, n, 1 / 64) * c / n * np.log(c / n)).sum() - math.log(64)
        occupied = 64 * (1 - (1 - 1 / 64) ** n)
        exact["miller-madow"] = exact["none"] + (occupied - 1) / (2 * n)
        rng = np.random.default_rng(0)
        draws = [np.unique(rng.integers(0, 64, n), return_counts=True)[1] for _ in range(400)]
        for correction, bias in exact.items():
            errors = [discrete_entropy(counts, correction) - math.log(64) for counts in draws]
            # 4 standard errors over 400 draws; one deviates by 0.046, 0.055, 0.067 (of 3000)
            assert np.mean(errors) == pytest.approx(bias, abs=4 * 0.067 / math.sqrt(400))
        assert exact["none"] < -0.25 < exact["miller-madow"] < -0.06 < exact["grassberger"] < 1e-3


class TestByWidth:
    @pytest.mark.parametrize("dim", [1, 2, 6, 30])
    def test_scott_by_hand(self, dim: int) -> None:
        X = samples(400, dim) * np.arange(1, dim + 1)
        widths = 3.49 * X.std(axis=0, ddof=1) * 400 ** (-1 / (dim + 2))
        cells = np.floor((X - X.min(axis=0)) / widths)
        shares = np.unique(cells, axis=0, return_counts=True)[1] / 400
        discrete = -(shares * np.log(shares)).sum()
        found = BinnedEntropy().fit(X)
        assert found.entropy_ == pytest.approx(discrete + np.log(widths).sum(), rel=1e-12)
        assert found.discrete_entropy_ == pytest.approx(discrete, rel=1e-12)
        assert found.n_occupied_ == len(shares)
        assert found.diagnostics_ == {
            "discrete_entropy": found.discrete_entropy_,
            "occupied_bins": found.n_occupied_,
        }

    def test_multiples_of_the_width(self) -> None:
        """As papers bin activations: floor(t / width), here on both sides of 0."""
        T = np.tanh(samples(2000, 3))
        shares = np.unique(np.floor(T / 0.07), axis=0, return_counts=True)[1] / 2000
        found = BinnedEntropy(bin_width=0.07, origin=0.0).fit(T)
        assert found.discrete_entropy_ == pytest.approx(scipy_entropy(shares), rel=1e-12)
        shifted = BinnedEntropy(bin_width=0.07, origin=0.035).fit(T + 0.035)
        assert shifted.n_occupied_ == found.n_occupied_

    def test_samples_on_edges_belong_above(self) -> None:
        X = np.array([[0.0], [0.25], [0.5], [0.5], [0.75], [1.0]])
        assert BinnedEntropy(bin_width=0.5).fit(X).discrete_entropy_ == pytest.approx(
            scipy_entropy([2, 3, 1]), rel=1e-13
        )

    def test_wider_than_the_data(self) -> None:
        found = BinnedEntropy(bin_width=100.0).fit(samples(50, 2))
        assert (found.n_occupied_, found.discrete_entropy_) == (1, 0.0)
        assert found.entropy_ == pytest.approx(2 * math.log(100.0), rel=1e-14)

    def test_scale_and_offset(self) -> None:
        X = samples(500, 2)
        value = BinnedEntropy().fit(X).entropy_
        for power in (-560, -498, 600, 1010):  # 1e-169, 1e-150, 1e180, 1e304
            moved = BinnedEntropy().fit(X * 2.0**power).entropy_
            assert moved == pytest.approx(value + 2 * power * math.log(2.0), rel=1e-12)
        rounded = np.round(X, 6)
        assert BinnedEntropy().fit(rounded + 1e6).n_occupied_ == pytest.approx(
            BinnedEntropy().fit(rounded).n_occupied_, abs=2
        )

    @pytest.mark.parametrize("width", [1e-17, 1e-300, 5e-324])
    def test_widths_too_small_to_number_are_refused(self, width: float) -> None:
        with pytest.raises(ValueError, match="`bin_width` must be large enough .* column 0 of `X`"):
            BinnedEntropy(bin_width=width).fit(samples(10, 2))

    def test_a_grid_that_starts_too_far_is_refused(self) -> None:
        with pytest.raises(ValueError, match="bins within 2\\^53"):
            BinnedEntropy(bin_width=1.0, origin=-1e300).fit(samples(10, 2))

    def test_many_axes(self) -> None:
        X = samples(10_000, 1000)
        found = BinnedEntropy(bin_width=0.5, correction="grassberger").fit(X)
        assert found.n_occupied_ == 10_000
        assert found.discrete_entropy_ == pytest.approx(
            math.log(10_000) - (digamma(0.5) + math.log(2.0)), rel=1e-13
        )
        repeated = BinnedEntropy(bin_width=0.5).fit(np.repeat(X[:500], 4, axis=0))
        assert repeated.discrete_entropy_ == pytest.approx(math.log(500), rel=1e-13)


class TestByNumber:
    @pytest.mark.parametrize("dim", [1, 2, 3])
    @pytest.mark.parametrize("own_range", [True, False])
    def test_agrees_with_numpys_histogram(self, dim: int, own_range: bool) -> None:
        T = np.tanh(samples(800, dim))
        T[:5] = 1.0  # the upper end is in the last bin
        low, high = (None, None) if own_range else (-1.0, 1.0)
        ends = [(c.min(), c.max()) if own_range else (-1.0, 1.0) for c in T.T]
        edges = [np.linspace(*end, 12) for end in ends]
        found = BinnedEntropy(bins="number", n_bins=11, low=low, high=high).fit(T)
        discrete, differential = by_histogram(T, edges)
        assert found.discrete_entropy_ == pytest.approx(discrete, rel=1e-12)
        assert found.entropy_ == pytest.approx(differential, rel=1e-12, abs=1e-12)

    @pytest.mark.parametrize("n_bins", [3, 7, 10, 30])
    def test_samples_on_edges(self, n_bins: int) -> None:
        edges = np.linspace(-1.0, 1.0, n_bins + 1)
        found = BinnedEntropy(bins="number", n_bins=n_bins, low=-1, high=1).fit(edges[:, None])
        assert found.discrete_entropy_ == pytest.approx(
            scipy_entropy([1] * (n_bins - 1) + [2]), rel=1e-13
        )

    def test_one_stated_end(self) -> None:
        X = np.abs(samples(300, 1))
        found = BinnedEntropy(bins="number", n_bins=9, low=0).fit(X)
        expected = by_histogram(X, [np.linspace(0.0, X.max(), 10)])
        assert found.entropy_ == pytest.approx(expected[1], rel=1e-12)

    def test_outside_the_range_is_refused(self) -> None:
        X = np.array([[0.0, 0.0], [0.5, 1.5]])
        with pytest.raises(
            ValueError, match="must enclose all samples; got 1.5 in column 1 of `X`"
        ):
            BinnedEntropy(bins="number", n_bins=3, low=-1, high=1).fit(X)

    def test_bins_below_rounding_are_refused(self) -> None:
        X = np.array([[1.0], [1.0 + 1e-15], [1.0 + 2e-15]])
        with pytest.raises(ValueError, match="`n_bins` must leave each bin a width"):
            BinnedEntropy(bins="number", n_bins=50).fit(X)


class TestByFrequency:
    def test_by_hand(self) -> None:
        """Edges 0, 2, 6, 10: two samples in each."""
        X = np.array([[10.0], [0.0], [4.0], [1.0], [8.0], [3.0]])
        widths = np.array([2.0, 4.0, 4.0])
        found = BinnedEntropy(bins="frequency", n_bins=3).fit(X)
        assert found.discrete_entropy_ == pytest.approx(math.log(3), rel=1e-13)
        assert found.entropy_ == pytest.approx(math.log(3) + np.log(widths).mean(), rel=1e-13)

    @pytest.mark.parametrize("dim", [1, 2, 3])
    def test_agrees_with_numpys_histogram(self, dim: int) -> None:
        X = np.exp(samples(600, dim))
        edges = []
        for column in np.sort(X, axis=0).T:
            inner = [(column[k - 1] + column[k]) / 2 for k in range(100, 600, 100)]
            edges.append(np.array([column[0], *inner, column[-1]]))
        found = BinnedEntropy(bins="frequency", n_bins=6).fit(X)
        discrete, differential = by_histogram(X, edges)
        assert found.discrete_entropy_ == pytest.approx(discrete, rel=1e-12)
        assert found.entropy_ == pytest.approx(differential, rel=1e-12, abs=1e-12)

    def test_counts_differ_by_one_at_most(self) -> None:
        found = BinnedEntropy(bins="frequency", n_bins=7).fit(samples(1000, 1))
        assert found.discrete_entropy_ == pytest.approx(scipy_entropy([142] + [143] * 6), rel=1e-13)

    def test_ties_merge_bins(self) -> None:
        X = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 3.0, 3.0])[:, None]
        found = BinnedEntropy(bins="frequency", n_bins=5).fit(X)
        # midway between samples 2 and 3, 4 and 5, 6 and 7, 8 and 9: 0, 0, 1.5, 3
        expected = by_histogram(X, [np.array([0.0, 1.5, 3.0])])
        assert found.n_occupied_ == 2
        assert found.entropy_ == pytest.approx(expected[1], rel=1e-13)

    def test_a_bin_for_each_sample(self) -> None:
        found = BinnedEntropy(bins="frequency", n_bins=40).fit(samples(40, 1))
        assert found.discrete_entropy_ == pytest.approx(math.log(40), rel=1e-13)
        with pytest.raises(ValueError, match="n_samples\\] for equally frequent .* got 41"):
            BinnedEntropy(bins="frequency", n_bins=41).fit(samples(40, 1))

    def test_a_skewed_law(self) -> None:
        """Log-normal, h = 1/2 log(2 pi e): within 4 standard errors over 20 seeds, and the bias."""
        values = [
            BinnedEntropy(bins="frequency", n_bins=100).fit(np.exp(samples(10_000, 1, s))).entropy_
            for s in range(20)
        ]
        # bias 0.0065, to within 0.001, and deviation 0.0141 of one value, over 200 other seeds
        error = np.mean(values) - 0.5 * math.log(2 * math.pi * math.e)
        assert error == pytest.approx(0.0065, abs=4 * 0.0141 / math.sqrt(20) + 0.001)


class TestAllKinds:
    @pytest.mark.parametrize("params", KINDS)
    def test_samples_are_left_alone(self, params: dict[str, Any]) -> None:
        X = samples(50, 1)
        before = X.copy()
        X.flags.writeable = False
        BinnedEntropy(**params).fit(X)
        assert np.array_equal(X, before)

    @pytest.mark.parametrize("params", KINDS)
    @pytest.mark.parametrize("correction", ["none", "miller-madow", "grassberger"])
    def test_corrections_leave_the_volume_alone(
        self, params: dict[str, Any], correction: str
    ) -> None:
        X = samples(300, 2)
        found = BinnedEntropy(correction=correction, **params).fit(X)
        plain = BinnedEntropy(**params).fit(X)
        change = found.discrete_entropy_ - plain.discrete_entropy_
        assert found.entropy_ - plain.entropy_ == pytest.approx(change, abs=1e-13)
        assert (change == 0.0) == (correction == "none")

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({}, "column 1 of `X` is constant, so Scott's rule has no width"),
            ({"bins": "number", "n_bins": 3}, "column 1 of `X` is constant, so its own range"),
            ({"bins": "frequency", "n_bins": 3}, "column 1 of `X` is constant, so bins from"),
        ],
    )
    def test_constant_column(self, params: dict[str, Any], message: str) -> None:
        """0.1, whose mean of ten is rounded: its standard deviation comes out positive."""
        X = np.column_stack([samples(10, 1)[:, 0], np.full(10, 0.1)])
        with pytest.raises(ValueError, match=message):
            BinnedEntropy(**params).fit(X)

    def test_constant_column_with_a_width(self) -> None:
        X = np.column_stack([samples(10, 1)[:, 0], np.full(10, 0.1)])
        along = BinnedEntropy(bin_width=0.5).fit(X[:, :1]).entropy_
        both = BinnedEntropy(bin_width=0.5).fit(X).entropy_
        assert both == pytest.approx(along + math.log(0.5), rel=1e-13)
        ranged = BinnedEntropy(bins="number", n_bins=4, low=-4, high=4).fit(X)
        assert math.isfinite(ranged.entropy_)

    @pytest.mark.parametrize("params", KINDS[1:])
    def test_a_range_past_the_largest_float_is_refused(self, params: dict[str, Any]) -> None:
        X = (
            np.linspace(-1.7e308, 1.7e308, 9)[:, None]
            if False
            else np.array([[-1.7e308], [1.7e308]])
        )
        with pytest.raises(ValueError, match="must have a finite range|n_bins"):
            BinnedEntropy(**params).fit(X)

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"bins": "equal"}, "`bins` must be one of 'width', 'number', 'frequency'"),
            ({"correction": "jackknife"}, "`correction` must be one of"),
            ({"bin_width": -1.0}, '`bin_width` must be "scott" or a finite number > 0'),
            ({"n_bins": 5}, '`n_bins` belongs to bins="number" or bins="frequency"; got n_bins=5'),
            ({"low": 0.0}, '`low` belongs to bins="number"; got low=0.0 with bins="width"'),
            ({"bins": "number", "n_bins": 3, "bin_width": 0.1}, "`bin_width` belongs to"),
            ({"bins": "number", "n_bins": 3, "origin": 0.0}, '`origin` belongs to bins="width"'),
            ({"bins": "frequency", "n_bins": 3, "high": 1.0}, '`high` belongs to bins="number"'),
            ({"bins": "number", "n_bins": 0}, "`n_bins` must be an integer in \\[1, 1000000\\]"),
            ({"bins": "number", "n_bins": 3, "low": 1, "high": 1}, "`low` must be below `high`"),
            ({"bins": "number", "n_bins": 3, "low": math.nan}, "`low` must be a finite number"),
            ({"bin_width": 0.1, "origin": math.inf}, "`origin` must be a finite number or None"),
        ],
    )
    def test_bad_parameters(self, params: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            BinnedEntropy(**params).check_parameters()

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"bins": "number"}, "`n_bins` must be an integer .* got None"),
            ({"bin_width": 0.1, "origin": "zero"}, "`origin` must be a finite number or None"),
        ],
    )
    def test_bad_types(self, params: dict[str, Any], message: str) -> None:
        with pytest.raises(TypeError, match=message):
            BinnedEntropy(**params).fit(samples(10, 1))
