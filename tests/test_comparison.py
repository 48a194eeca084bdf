from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from entbench import (
    EntropyEstimator,
    MutualInformationEstimator,
    check_samples,
    register_estimator,
)
from entbench._comparison import (
    Comparison,
    JudgedEstimate,
    Wanted,
    compare_estimates,
    default_estimators,
    judge,
)
from entbench.estimators import SamplePropagation


def wanted(name: str, **params: Any) -> Wanted:
    return Wanted(name, params, name)


def register_mean(seen: list[NDArray[np.float64]] | None = None) -> None:
    """Register an "entropy" whose jackknife can be done by hand: the mean of the first column."""

    @register_estimator("first-mean")
    class FirstMean(EntropyEstimator):
        """Mean of the first column, with a numerical error of standard deviation `noise`."""

        reads, version = "noisy", "1"

        def __init__(self, noise: float = 0.0, random_state: int | None = None) -> None:
            self.noise = noise
            self.random_state = random_state

        def fit(self, X: Any, y: None = None) -> FirstMean:
            X = check_samples(X)
            if seen is not None:
                seen.append(X)
            error = self.noise * np.random.default_rng(self.random_state).standard_normal()
            self.entropy_ = float(X[:, 0].mean() + error)
            self.numerical_error_ = self.noise
            self.n_features_in_ = X.shape[1]
            self.diagnostics_ = {}
            return self


def samples(n: int, dim: int = 1, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng([99, seed]).standard_normal((n, dim))


def test_jackknife_with_a_group_for_each_row_is_the_standard_error_of_a_mean() -> None:
    register_mean()
    X = samples(40)
    (estimate,) = compare_estimates(X, [wanted("first-mean")], groups=40).estimates
    assert estimate.value == X.mean()
    assert estimate.standard_error == pytest.approx(X.std(ddof=1) / math.sqrt(40), rel=1e-10)
    assert estimate.half_value == pytest.approx(X.mean(), rel=1e-10)  # halves make the whole


def test_groups_cut_all_rows_once_and_leave_the_others() -> None:
    seen: list[NDArray[np.float64]] = []
    register_mean(seen)
    X = samples(53)
    (estimate,) = compare_estimates(X, [wanted("first-mean")], groups=10).estimates
    whole, first, second, *refits = seen
    assert np.array_equal(whole, X)
    assert len(first) == len(second) == 26
    assert not set(first[:, 0]) & set(second[:, 0])
    left_out = [set(X[:, 0]) - set(refit[:, 0]) for refit in refits]
    assert sorted(len(group) for group in left_out) == [5] * 7 + [6] * 3
    assert set.union(*left_out) == set(X[:, 0])
    means = [refit.mean() for refit in refits]
    assert estimate.standard_error == pytest.approx(
        math.sqrt(0.9 * np.sum((means - np.mean(means)) ** 2)), rel=1e-10
    )


def test_numerical_errors_are_taken_out_of_the_jackknife() -> None:
    """Mean variance over 200 samples by that of a mean; 1.76 if the errors were left in."""
    register_mean()
    noise = 0.01  # a fifth of the error over samples
    judged = [
        compare_estimates(samples(400, seed=r), [wanted("first-mean", noise=noise)], seed=r)
        for r in range(200)
    ]
    ratios = 400 * np.array([run.estimates[0].standard_error ** 2 - noise**2 for run in judged])
    # 4 standard errors over 200 seeds: sqrt(2/19) 1.76 / sqrt(200) each
    assert abs(ratios.mean() - 1) < 4 * 0.040
    assert judged[0].jackknifed == ("first-mean",)


def test_many_rows_are_judged_by_a_part_of_them() -> None:
    """Ratio to the error of a mean; over 40 seeds it was 0.99 with a scatter of 0.22."""
    seen: list[NDArray[np.float64]] = []
    register_mean(seen)
    X = samples(40_000)
    compared = compare_estimates(X, [wanted("first-mean")])
    assert compared.refit_rows == 5_000
    assert [len(rows) for rows in seen] == [40_000, 20_000, 20_000] + [4_750] * 20
    ratio = compared.estimates[0].standard_error / (X.std(ddof=1) / 200)
    assert abs(ratio - 1) < 4 * 0.16  # sqrt(1/38), the jackknife's own scatter at 20 groups


def test_an_error_that_is_stated_is_taken_and_nothing_is_refitted() -> None:
    (estimate,) = compare_estimates(samples(150), [wanted("sp")], sigma=0.5).estimates
    model = SamplePropagation(0.5, random_state=0).fit(samples(150))
    assert estimate.standard_error == model.standard_error_
    assert estimate.interval == model.interval_
    assert compare_estimates(samples(150), [wanted("sp")], sigma=0.5).jackknifed == ()


def test_all_readers_of_t_get_the_same_noise_and_it_is_not_the_users() -> None:
    """S drawn with the seed that is given here must not come back as its own noise."""
    seen: list[NDArray[np.float64]] = []
    register_mean(seen)
    X = np.random.default_rng(7).standard_normal((2_000, 1))
    both = [wanted("first-mean"), Wanted("first-mean", {"noise": 0.0}, "again")]
    compare_estimates(X, both, sigma=0.5, seed=7, groups=0)
    assert np.array_equal(seen[0], seen[1])
    noise = (seen[0] - X) / 0.5
    assert abs(np.corrcoef(noise[:, 0], X[:, 0])[0, 1]) < 4 / math.sqrt(2_000)
    assert abs(noise.std() - 1) < 4 / math.sqrt(4_000)


def test_same_seed_same_comparison() -> None:
    X = samples(200, 2)
    first, second = (
        compare_estimates(X, [wanted("sp", tolerance=0.01), wanted("kl")], sigma=0.3, seed=5)
        for _ in range(2)
    )
    assert first == second
    other = compare_estimates(X, [wanted("kl")], sigma=0.3, seed=6)
    assert other.estimates[0].value != first.estimates[1].value


def test_no_groups_no_refits() -> None:
    seen: list[NDArray[np.float64]] = []
    register_mean(seen)
    compared = compare_estimates(samples(30), [wanted("first-mean", noise=0.1)], groups=0)
    assert len(seen) == 1
    assert math.isnan(compared.estimates[0].standard_error)
    assert math.isnan(compared.estimates[0].movement)
    assert compared.estimates[0].numerical_error == 0.1
    assert compared.findings == ()


def test_too_few_rows_for_refits_are_said_and_the_estimate_stands() -> None:
    register_needy()
    compared = compare_estimates(samples(5, 2), [wanted("needs-five")])
    kinds = [finding.kind for finding in compared.findings]
    assert kinds == ["no-fit-to-half-of-the-rows", "no-standard-error"]
    assert "must have at least 5 rows; got 4" in compared.findings[1].message
    assert compared.estimates[0].value == 5.0
    assert math.isnan(compared.estimates[0].standard_error)


def register_needy() -> None:
    @register_estimator("needs-five")
    class NeedsFive(EntropyEstimator):
        """Number of rows, at least 5."""

        reads, version = "noisy", "1"

        def fit(self, X: Any, y: None = None) -> NeedsFive:
            self.entropy_ = float(len(check_samples(X, minimum=5)))
            return self


def told(value: float, error: float = 0.01, role: str = "estimate", **rest: Any) -> JudgedEstimate:
    return JudgedEstimate(f"{role} {value}", role, value, standard_error=error, **rest)


def test_pairs_disagree_beyond_the_sum_of_errors_where_nothing_is_paired() -> None:
    """Two-sided at 5 %: 1.96 standard errors of the worst correlation."""
    for difference, kinds in ((1.95 * 0.07, []), (1.97 * 0.07, ["disagreement"])):
        for pair in ((told(1, 0.03), told(1 + difference, 0.04)),) * 2:
            assert [finding.kind for finding in judge(pair, 100)] == kinds
    (finding,) = judge((told(1, 0.03), told(2, 0.04)), 100)
    assert finding.amount == 1
    assert finding.standard_errors == pytest.approx(1 / 0.07, rel=1e-12)
    assert "differ by 1 nats (95 % interval 0.863 to 1.14)" in finding.message
    worst = judge((told(1), told(2), told(4)), 100)[0]
    assert worst.labels == ("estimate 1", "estimate 4")


def test_a_difference_within_the_margin_is_no_disagreement() -> None:
    pair = (told(1, 0.001), told(1.05, 0.001))
    assert judge(pair, 100) == ()
    assert len(judge(pair, 100, margin=0.05)) == 1


def test_of_a_bound_only_the_wrong_side_counts() -> None:
    roles = ("estimate", "upper bound", "lower bound")
    # what the first may say, being above the second, and still agree
    fine = {
        (first, second): first == "upper bound" or second == "lower bound"
        for first, second in product(roles, roles)
    }
    for (first, second), agree in fine.items():
        above, below = told(2, role=first), told(1, role=second)
        for pair in ((above, below), (below, above)):
            assert (judge(pair, 100) == ()) is agree, pair


def test_an_error_that_is_not_known_contradicts_nothing() -> None:
    assert judge((told(1, math.nan), told(2)), 100) == ()
    assert judge((told(1, 0.0), told(1 + 1e-12, 0.0)), 100) == ()
    (finding,) = judge((told(1, 0.0), told(2, 0.0)), 100)
    assert finding.standard_errors == math.inf


@pytest.mark.parametrize(
    ("diagnostics", "kinds"),
    [
        ({"n_eff": 50.0}, []),
        ({"n_eff": 50.1}, ["few-effective-samples"]),
        ({"n_eff": "many"}, []),
        ({"bracket_low": 1.0, "bracket_high": 1.09}, []),
        ({"bracket_low": 1.0, "bracket_high": 1.11}, ["wide-bracket"]),
        ({"bracket_low": 1.0, "bracket_high": 0.9}, []),
    ],
)
def test_diagnostics_tell_that_n_is_too_small(
    diagnostics: dict[str, Any], kinds: list[str]
) -> None:
    estimate = told(1.0, 0.01, diagnostics=diagnostics)
    assert [finding.kind for finding in judge([estimate], 100)] == kinds


def test_a_wide_bracket_passes_within_three_standard_errors() -> None:
    diagnostics = {"bracket_low": 1.0, "bracket_high": 1.5}
    assert judge([told(1.0, 0.17, diagnostics=diagnostics)], 100) == ()
    assert len(judge([told(1.0, 0.16, diagnostics=diagnostics)], 100)) == 1


def test_an_estimate_that_moves_with_n_is_told_and_a_bound_is_not() -> None:
    (finding,) = judge([told(1.0, 0.01, half_value=1.2)], 100)
    assert finding.kind == "moves-with-n"
    assert finding.amount == pytest.approx(-0.2)
    assert "moved by -0.2 nats, 20.0 standard errors" in finding.message
    assert judge([told(1.0, 0.07, half_value=1.2)], 100) == ()
    assert judge([told(1.0, 0.01, "upper bound", half_value=1.2)], 100) == ()


@pytest.mark.filterwarnings("ignore:`X` has")
def test_plug_in_near_its_ceiling_says_so_in_every_way() -> None:
    compared = compare_estimates(samples(50, 8), [wanted("sp")], sigma=0.1)
    kinds = [finding.kind for finding in compared.findings]
    assert kinds == ["few-effective-samples", "wide-bracket", "moves-with-n"]
    assert compared.bracket is not None
    assert compared.bracket.width > 10
    # at its ceiling log n + h(Z) it moves by log 2
    assert compared.findings[2].amount == pytest.approx(math.log(2), abs=1e-6)


def test_well_sampled_laws_raise_nothing() -> None:
    S = np.random.default_rng(1).choice([-1.0, 1.0], size=(3_000, 1))
    compared = compare_estimates(S, [wanted("sp"), wanted("kl"), wanted("kde")], sigma=0.5)
    assert compared.findings == ()
    found = compared.agreement
    assert (found.verdict, found.labels, found.left_out) == ("agree", ("sp", "kl", "kde"), ())
    assert 0 < found.most <= found.margin == 0.1
    assert compared.bracket is not None
    assert compared.bracket.low <= compared.bracket.high


def test_mutual_information_needs_pairs() -> None:
    @register_estimator("no-information")
    class NoInformation(MutualInformationEstimator):
        """Zero."""

        reads, version = "noisy", "1"

        def fit(self, X: Any, y: Any) -> NoInformation:
            self.mutual_information_ = 0.0
            return self

    with pytest.raises(ValueError, match="'no-information' estimates a mutual information: it"):
        compare_estimates(samples(10), [wanted("kl"), wanted("no-information")])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": 1}, "`groups` must be 0 or at least 2; got 1"),
        ({"groups": -1}, "`groups` must be an integer >= 0; got -1"),
        ({"seed": -1}, "`seed` must be an integer >= 0; got -1"),
        ({"sigma": 0.0}, "`sigma` must be a finite number > 0; got 0.0"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare_estimates(samples(10), [wanted("kl")], **arguments)


def test_one_noise_level_for_all() -> None:
    with pytest.raises(ValueError, match="`sigma` is given once, as sigma=VALUE"):
        compare_estimates(samples(10), [wanted("sp", sigma=0.2)], sigma=0.1)


def test_names_are_checked_before_anything_is_fitted() -> None:
    seen: list[NDArray[np.float64]] = []
    register_mean(seen)
    with pytest.raises(ValueError, match="unknown estimator 'kll'"):
        compare_estimates(samples(10), [wanted("first-mean"), wanted("kll")])
    assert seen == []


def test_cost_is_told_before_it_is_paid() -> None:
    told_costs: list[tuple[str, int, float]] = []
    register_mean()
    both = [wanted("first-mean"), wanted("kl")]
    compare_estimates(samples(50), both, on_cost=lambda *cost: told_costs.append(cost))
    assert [cost[:2] for cost in told_costs] == [("first-mean", 21), ("kl", 1)]
    assert min(cost[2] for cost in told_costs) > 0


@pytest.mark.parametrize(
    ("n", "sigma", "names"),
    [
        (100, 0.1, ("sp", "kl", "kde")),
        (100, None, ("kl", "kde")),
        (20_001, 0.1, ("sp", "kl")),
        (20_001, None, ("kl",)),
    ],
)
def test_defaults(n: int, sigma: float | None, names: tuple[str, ...]) -> None:
    assert default_estimators(n, sigma) == names


def test_comparison_is_plain_and_frozen() -> None:
    compared = compare_estimates(samples(20), [wanted("kl")])
    assert isinstance(compared, Comparison)
    with pytest.raises(AttributeError, match="cannot assign"):
        compared.n = 3  # type: ignore[misc]
