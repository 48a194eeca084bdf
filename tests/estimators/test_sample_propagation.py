"""`sp` and its corrections against closed forms and what theory says of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from entbench.estimators import (
    JackknifeSamplePropagation,
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
        assert 0 < estimator.numerical_error_ <= 5e-3
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
