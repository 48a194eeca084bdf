"""The plug-in information of a channel: known channels, its error, and the choice of inputs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from entbench.estimators._inputs import group_inputs
from entbench.estimators.sample_propagation import SamplePropagation
from entbench.estimators.sample_propagation_mi import (
    SamplePropagationMI,
    _choose,
    _Entropy,
    _mean,
)
from entbench.mixture import GaussianMixture

Pairs = tuple[NDArray[Any], NDArray[Any]]
# information of uniform +-1 in Gaussian noise, in nats (an independent evaluation to 12 digits)
BINARY = {0.25: 0.693053645483, 0.5: 0.632720193737, 1.0: 0.336830820347, 2.0: 0.111421482185}

few_rows = pytest.mark.filterwarnings("ignore:`X` has")


def noise_entropy(dim: int, sigma: float) -> float:
    return dim * math.log(sigma * math.sqrt(2 * math.pi * math.e))


def balanced(n: int, copies: int = 1) -> NDArray[np.float64]:
    """+1 and -1, each n/2 times, in `copies` columns that run through all combinations."""
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * copies)).reshape(copies, -1).T
    return np.repeat(signs, n // len(signs), axis=0)


def channel(m: int, rows: int, dim: int, seed: int = 0) -> Pairs:
    """Inputs, each with its own mean of S and its own spread."""
    rng = np.random.default_rng(seed)
    X = np.repeat(rng.standard_normal((m, 2)), rows, axis=0)
    spread = np.repeat(10 ** rng.uniform(-1, 0, m), rows)[:, None]
    S = np.tanh(X @ rng.standard_normal((2, dim))) + spread * rng.standard_normal((m * rows, dim))
    order = rng.permutation(len(X))
    return X[order], S[order]


def one_by_one(pairs: Pairs, sigma: float, tolerance: float) -> tuple[float, float]:
    """Mean conditional entropy, an integral for each input, and its standard error."""
    X, S = pairs
    value, variance = 0.0, 0.0
    for x in np.unique(X, axis=0):
        rows = (x == X).all(axis=1)
        mixture = GaussianMixture(S[rows], sigma)
        entropy = mixture.entropy(tolerance, 10**6, np.random.default_rng(1))
        value += rows.mean() * entropy.value
        variance += (rows.mean() * entropy.standard_error) ** 2
    return value, math.sqrt(variance)


class TestDeterministicSignals:
    @pytest.mark.parametrize("sigma", sorted(BINARY))
    def test_binary_channel(self, sigma: float) -> None:
        X = balanced(1000)
        fitted = SamplePropagationMI(sigma).fit(X, X)
        assert fitted.mutual_information_ == pytest.approx(BINARY[sigma], abs=2e-12)
        assert fitted.diagnostics_["conditional"] == "closed form"
        assert fitted.diagnostics_["h_conditional"] == pytest.approx(noise_entropy(1, sigma))

    @few_rows
    def test_axes_add_up(self) -> None:
        X = balanced(256, copies=8)
        fitted = SamplePropagationMI(0.5, tolerance=3e-3, random_state=0).fit(X, X)
        # 4 standard errors of the integral: false alarm 6e-5
        expected = pytest.approx(8 * BINARY[0.5], abs=4 * fitted.standard_error_)
        assert fitted.mutual_information_ == expected
        assert 0 < fitted.standard_error_ <= 3e-3

    @few_rows
    @pytest.mark.parametrize("dim", [1, 3])
    def test_is_the_entropy_less_that_of_the_noise(self, dim: int) -> None:
        """With a third of each input's rows repeated, and inputs of another dimension."""
        rng = np.random.default_rng(0)
        X = np.repeat(rng.standard_normal((60, 4)), 3, axis=0)
        S = np.tanh(X[:, :dim])
        fitted = SamplePropagationMI(0.2, random_state=5).fit(X, S)
        entropy = SamplePropagation(0.2, random_state=5).fit(S)
        expected = entropy.entropy_ - noise_entropy(dim, 0.2)
        assert fitted.mutual_information_ == pytest.approx(expected, rel=1e-12)
        assert fitted.standard_error_ == entropy.standard_error_
        assert (fitted.n_features_in_, fitted.diagnostics_["n_inputs"]) == (4, 60)
        said = fitted.diagnostics_
        noise = noise_entropy(dim, 0.2)
        for side in ("bracket_low", "bracket_high"):
            assert said[side] == pytest.approx(entropy.diagnostics_[side] - noise, rel=1e-12)

    def test_a_constant_signal_tells_nothing(self) -> None:
        X = np.arange(20.0)[:, None]
        fitted = SamplePropagationMI(1.0).fit(X, np.full((20, 3), 7.0))
        assert abs(fitted.mutual_information_) <= fitted.diagnostics_["kernel_error"] + 1e-12
        assert fitted.diagnostics_["kernel_error"] < 1e-4


class TestRandomSignals:
    def test_two_gaussian_stages(self) -> None:
        """X = +-1, S = X + W, Y = S + Z, W and Z Gaussian: that is X in noise of both.

        Biases: h(Y) is low by I_chi2(S;Y)/(2n), the conditional by (w/s)^2-like 0.56/(2n/2) each.
        """
        truth = BINARY[1.0]
        found = []
        for seed in range(30):
            rng = np.random.default_rng(seed)
            X = balanced(2000)
            S = X + 0.6 * rng.standard_normal(X.shape)
            found.append(SamplePropagationMI(0.8).fit(X, S).mutual_information_ - truth)
        # 1/n bounds the difference of the two biases; 4 standard errors over 30 seeds on top
        slack = 4 * np.std(found, ddof=1) / math.sqrt(30)
        assert np.mean(found) == pytest.approx(0.0, abs=1 / 2000 + slack)
        assert slack < 0.02

    @few_rows
    @pytest.mark.parametrize("dim", [1, 2, 3])
    def test_many_inputs_at_once_are_the_same_as_one_by_one(self, dim: int) -> None:
        pairs = channel(100, 12, dim)
        expected, error = one_by_one(pairs, 0.3, 1e-2)
        fitted = SamplePropagationMI(0.3, tolerance=3e-3, random_state=0).fit(*pairs)
        said = fitted.diagnostics_
        assert (said["n_inputs"], said["n_inputs_used"]) == (100, 100)
        own = fitted.standard_error_
        # 4 standard errors: false alarm 6e-5
        assert said["h_conditional"] == pytest.approx(expected, abs=4 * math.hypot(error, own))
        assert 0 < own <= 3e-3
        assert said["converged"]
        assert said["limited_by"] == ""
        assert math.hypot(error, own) < 0.01

    @few_rows
    def test_unequal_numbers_of_rows(self) -> None:
        """Inputs of 2 to 40 rows in one integral, weighted by their rows; brackets too."""
        rng = np.random.default_rng(3)
        counts = rng.integers(2, 41, 80)
        X = np.repeat(np.arange(80.0), counts)[:, None]
        S = np.sin(X) + 0.02 * (X + 1) * rng.standard_normal(X.shape)
        fitted = SamplePropagationMI(0.3, tolerance=2e-3, random_state=0).fit(X, S)
        expected, low = 0.0, 0.0
        for x, count in enumerate(counts):
            mixture = GaussianMixture(S[X[:, 0] == x], 0.3)
            entropy = mixture.entropy(1e-3, 10**5, np.random.default_rng(2))
            expected += count / len(X) * entropy.value
            low += count / len(X) * entropy.leave_one_out
        said = fitted.diagnostics_
        assert said["h_conditional"] == pytest.approx(expected, abs=4 * fitted.standard_error_)
        # the leave-one-out means have larger errors than the plug-in: at most some 1e-2 here
        assert said["h_noisy"] - said["bracket_low"] == pytest.approx(low, abs=0.03)

    @few_rows
    @pytest.mark.parametrize("m", [3, 70])
    def test_inputs_that_say_nothing(self, m: int) -> None:
        """The same signals for every input: exactly none, from one integral as from many."""
        S = np.tile(np.random.default_rng(0).standard_normal((20, 2)), (m, 1))
        X = np.repeat(np.arange(m), 20)[:, None]
        fitted = SamplePropagationMI(0.5, tolerance=5e-3, random_state=0).fit(X, S)
        assert abs(fitted.mutual_information_) < max(4 * fitted.standard_error_, 1e-9)

    @few_rows
    def test_inputs_far_apart_are_told(self) -> None:
        """Signals of 5 inputs 1000 apart: all of their entropy."""
        X, S = channel(5, 30, 3)
        number = np.unique(X, axis=0, return_inverse=True)[1].reshape(-1, 1)
        fitted = SamplePropagationMI(0.3, tolerance=2e-3, random_state=0).fit(X, S + 1e3 * number)
        assert fitted.mutual_information_ == pytest.approx(
            math.log(5), abs=4 * fitted.standard_error_
        )

    @few_rows
    def test_between_none_and_the_entropy_of_the_inputs(self) -> None:
        """It is the information of the samples' own law; 40 random channels, by quadrature."""
        rng = np.random.default_rng(0)
        found = []
        for _ in range(40):
            counts = rng.integers(2, 9, rng.integers(2, 7))
            X = np.repeat(np.arange(len(counts)), counts)[:, None]
            S = 10 ** rng.uniform(-1, 2) * X + rng.standard_normal(X.shape)
            shares = counts / counts.sum()
            value = SamplePropagationMI(10 ** rng.uniform(-1, 0.5)).fit(X, S).mutual_information_
            found.append(value / -float(shares @ np.log(shares)))
        assert -1e-9 < min(found) < 0.3
        assert 0.999 < max(found) < 1 + 1e-9

    def test_risk_is_within_the_guarantee(self) -> None:
        """X = +-1, S = tanh(X + W), n samples an input: twice the bound on the entropy's risk.

        The bound is of the theory for |S| <= 1 in one dimension, the truth by a sum over a grid.
        """
        sigma, n, inputs = 0.5, 400, np.array([-1.0, 1.0])
        w, y = np.arange(-8, 8, 0.02), np.arange(-5, 5, 0.02)
        weights = np.exp(-(w**2) / 2) / np.exp(-(w**2) / 2).sum()
        kernels = np.exp(-((y[:, None, None] - np.tanh(inputs[:, None] + w)) ** 2) / 2 / sigma**2)
        given = kernels @ weights / (sigma * math.sqrt(2 * math.pi))
        truth = float((given * np.log(given / given.mean(axis=1)[:, None])).sum()) * 0.02 / 2
        errors = []
        for seed in range(20):
            rng = np.random.default_rng(seed)
            X = np.repeat(inputs, n)[:, None]
            S = np.tanh(X + rng.standard_normal(X.shape))
            errors.append(SamplePropagationMI(sigma).fit(X, S).mutual_information_ - truth)
        bound = 2 / sigma**2 / math.sqrt(n) + math.log1p(math.sqrt(2 / math.pi) / sigma / n)
        assert np.mean(np.abs(errors)) < 2 * bound
        # and it is no accident: unbiased but for 1/n, 4 standard errors over 20 seeds
        slack = 4 * np.std(errors, ddof=1) / math.sqrt(20)
        assert np.mean(errors) == pytest.approx(0.0, abs=1 / n + slack)

    @few_rows
    def test_bracket_encloses_the_truth(self) -> None:
        """4 Gaussian stages of 20 rows each: the means of both sides, 4 standard errors."""
        means = np.array([-1.5, -0.5, 0.5, 1.5])
        grid = np.arange(-12, 12, 0.01)
        density = np.exp(-((grid[:, None] - means) ** 2) / 2).mean(axis=1) / math.sqrt(2 * math.pi)
        truth = -float(density @ np.log(density)) * 0.01 - noise_entropy(1, 1.0)
        sides = []
        for seed in range(60):
            rng = np.random.default_rng(seed)
            X = np.repeat(means, 20)[:, None]
            S = X + 0.8 * rng.standard_normal(X.shape)
            said = SamplePropagationMI(0.6, tolerance=1e-2, random_state=0).fit(X, S).diagnostics_
            sides.append((said["bracket_low"] - truth, said["bracket_high"] - truth))
        low, high = np.mean(sides, axis=0)
        slack_low, slack_high = 4 * np.std(sides, axis=0, ddof=1) / math.sqrt(60)
        assert low - slack_low < 0 < high + slack_high
        assert high - low > 0.02

    @few_rows
    def test_shift_and_scale_change_nothing(self) -> None:
        X, S = channel(70, 10, 3)
        fit = SamplePropagationMI(0.3, tolerance=1e-2, random_state=0).fit
        expected = fit(X, S).mutual_information_
        shifted = fit(X * 3 - 1, S + 1e6).mutual_information_
        # S itself is rounded to 1e-10 there
        assert shifted == pytest.approx(expected, abs=1e-4)
        for scale in (1e-150, 1e150):
            scaled = SamplePropagationMI(0.3 * scale, tolerance=1e-2, random_state=0)
            assert scaled.fit(X, S * scale).mutual_information_ == pytest.approx(expected, abs=1e-4)


@few_rows
class TestSomeInputs:
    def test_as_many_as_there_are_is_all(self) -> None:
        pairs = channel(10, 15, 3)
        values = [
            SamplePropagationMI(0.3, tolerance=1e-2, n_inputs=n, random_state=0).fit(*pairs)
            for n in (None, 10, 1000)
        ]
        assert len({fitted.mutual_information_ for fitted in values}) == 1
        assert values[1].diagnostics_["input_error"] == 0.0

    @pytest.mark.parametrize("rows", [[8], [4, 12]], ids=["equal rows", "unequal rows"])
    @pytest.mark.parametrize(("some", "m"), [(8, 20), (100, 150)], ids=["one by one", "batches"])
    def test_interval_covers_the_mean_of_all(self, some: int, m: int, rows: list[int]) -> None:
        """Student's interval of 95 %, 1000 choices from known entropies: 950 cover, -+ 6.9.

        Asked are 4 standard deviations (false alarm 6e-5) and 1 % for skewed entropies.
        """
        rng = np.random.default_rng(0)
        index = np.repeat(np.arange(m), np.resize(rows, m))
        inputs = group_inputs(index[:, None].astype(float), rng.standard_normal((len(index), 1)))
        entropies = rng.normal(1.0, 2.0, m)
        truth = float(entropies[index].mean())
        covered, errors, stated = 0, [], []
        for _ in range(1000):
            batches, share = _choose(inputs, some, rng)
            used = [index[np.concatenate(batch)] for batch in batches]
            # integrals with an error of 0.1 each
            found = [
                _Entropy(entropies[used_now].mean() + rng.normal(0.0, 0.1), 0.0, 0.1, 0.0, 0, 0.0)
                for used_now in used
            ]
            weights = np.array([len(used_now) for used_now in used], dtype=float)
            mean = _mean(found, weights / weights.sum(), share)
            assert share == some / m
            errors.append(mean.value - truth)
            stated.append(mean.variance)
            covered += abs(errors[-1]) <= mean.half_width
        assert 950 - 28 - 10 <= covered <= 950 + 28 + 10
        # unbiased, and of the variance said: 4 standard errors over 1000 choices
        assert abs(np.mean(errors)) < 4 * np.std(errors) / math.sqrt(1000)
        ratio = np.var(errors) / np.mean(stated)
        assert ratio == pytest.approx(1.0, abs=4 * math.sqrt(2 / 1000 + 2 / 1000))

    def test_some_stand_for_all(self) -> None:
        """30 choices of 8 of 20 inputs: 28.5 intervals cover, -+ 1.2; below 25: 2e-3."""
        pairs = channel(20, 8, 1)
        truth = SamplePropagationMI(0.3).fit(*pairs).diagnostics_["h_conditional"]
        covered = 0
        for seed in range(30):
            some = SamplePropagationMI(0.3, n_inputs=8, random_state=seed, max_draws=50_000)
            said = some.fit(*pairs).diagnostics_
            covered += said["conditional_low"] <= truth <= said["conditional_high"]
            assert said["input_error"] > 0.0
        assert covered >= 25

    def test_batches_stand_for_all(self) -> None:
        """100 of 150 inputs go in 64 batches; 4 standard errors: false alarm 1e-4 (Student's t)."""
        pairs = channel(150, 6, 3)
        every = SamplePropagationMI(0.3, tolerance=5e-3, random_state=0).fit(*pairs)
        some = SamplePropagationMI(0.3, tolerance=2e-2, n_inputs=100, random_state=1).fit(*pairs)
        said = some.diagnostics_
        assert said["n_inputs_used"] == 100
        error = math.hypot(every.standard_error_, some.standard_error_)
        truth = every.diagnostics_["h_conditional"]
        assert said["h_conditional"] == pytest.approx(truth, abs=4 * error)
        assert error < 0.1

    def test_too_few_inputs_are_told(self) -> None:
        fitted = SamplePropagationMI(0.3, n_inputs=5, random_state=0).fit(*channel(40, 10, 1))
        said = fitted.diagnostics_
        assert said["input_error"] > 1e-3
        assert (said["converged"], said["limited_by"]) == (False, "inputs")
        assert fitted.standard_error_ >= said["input_error"]
        assert said["n_inputs_used"] == 5

    def test_integrals_are_done_anew_where_that_meets_the_tolerance(self) -> None:
        """The choice of inputs takes most of the squared tolerance, the integrals the rest."""
        pairs = channel(50, 10, 4)
        coarse = SamplePropagationMI(0.3, tolerance=1e-2, n_inputs=40, random_state=0).fit(*pairs)
        tolerance = 1.15 * coarse.diagnostics_["input_error"]
        fine = SamplePropagationMI(0.3, tolerance=tolerance, n_inputs=40, random_state=0)
        said = fine.fit(*pairs).diagnostics_
        assert said["converged"]
        assert said["input_error"] ** 2 > 0.5 * tolerance**2
        assert fine.standard_error_ <= tolerance


@few_rows
def test_too_few_draws_are_told() -> None:
    fitted = SamplePropagationMI(0.3, tolerance=1e-5, max_draws=20_000, random_state=0)
    said = fitted.fit(*channel(10, 20, 3)).diagnostics_
    assert (said["converged"], said["limited_by"]) == (False, "draws")
    assert said["n_draws"] <= 20_000
    fewest = SamplePropagationMI(0.3, max_draws=1024, n_inputs=90, random_state=0)
    assert fewest.fit(*channel(100, 5, 3)).diagnostics_["n_draws"] <= 1024


def test_too_few_rows_are_told_in_one_line() -> None:
    X = np.random.default_rng(0).standard_normal((50, 4))
    with pytest.warns(UserWarning, match="`X` has 50 rows, too few .* sigma = 0.1") as caught:
        SamplePropagationMI(0.1, tolerance=1e-2, random_state=0).fit(X, X)
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    S = np.random.default_rng(0).standard_normal((400, 1))
    with pytest.warns(UserWarning, match="`X` has 4 rows an input, too few") as caught:
        SamplePropagationMI(0.1, tolerance=1e-2).fit(np.repeat(np.arange(100), 4)[:, None], S)
    assert len(caught) == 1


@few_rows
def test_seed_and_threads() -> None:
    pairs = channel(70, 10, 3)

    def value(seed: int, n_jobs: int, n_inputs: int | None) -> float:
        made = SamplePropagationMI(0.3, 1e-2, n_inputs=n_inputs, random_state=seed, n_jobs=n_jobs)
        return made.fit(*pairs).mutual_information_

    for n_inputs in (None, 30):
        assert value(1, 1, n_inputs) == value(1, 2, n_inputs) != value(2, 1, n_inputs)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"sigma": 0.0}, "`sigma` must be a finite number > 0"),
        ({"tolerance": 0.0}, "`tolerance` must be a finite number > 0"),
        ({"max_draws": 1000}, "`max_draws` must be an integer >= 1024"),
        ({"n_inputs": 1}, "`n_inputs` must be an integer >= 2"),
        ({"random_state": -1}, "`random_state` must be an integer >= 0"),
        ({"n_jobs": 0}, "`n_jobs` must be an integer >= 1"),
    ],
)
def test_bad_parameters(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SamplePropagationMI(**{"sigma": 1.0, **params}).fit(balanced(10), balanced(10))


def test_an_input_that_occurs_once_beside_random_ones_is_refused() -> None:
    with pytest.raises(ValueError, match="`X` must have every input at least twice"):
        SamplePropagationMI(1.0).fit([[0.0], [0.0], [1.0]], [[0.0], [1.0], [2.0]])
