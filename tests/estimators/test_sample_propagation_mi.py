"""The plug-in information of a channel: known channels, its error, and the choice of inputs."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from entbench.estimators._choice import Choice, choose
from entbench.estimators._inputs import group_inputs
from entbench.estimators.sample_propagation import SamplePropagation
from entbench.estimators.sample_propagation_mi import SamplePropagationMI
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


def unequal(m: int, wide: int, rows: int, dim: int) -> Pairs:
    """Inputs with narrow laws but for a few, spread over all."""
    rng = np.random.default_rng(0)
    spread = np.full(m, 0.1)
    spread[:: m // wide] = 3.0
    X = np.repeat(np.arange(float(m)), rows)[:, None]
    return X, np.repeat(spread, rows)[:, None] * rng.standard_normal((m * rows, dim))


def one_by_one(pairs: Pairs, sigma: float, tolerance: float) -> tuple[float, float]:
    """Mean conditional entropy, an integral for each input, and its standard error."""
    X, S = pairs
    value, variance = 0.0, 0.0
    for x in np.unique(X, axis=0):
        rows = (x == X).all(axis=1)
        mixture = GaussianMixture(S[rows], sigma)
        entropy = mixture.entropy(tolerance, 10**6, np.random.default_rng(1))
        value += rows.mean() * entropy.value
        variance += (rows.mean() * entropy.numerical_error) ** 2
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
        expected = pytest.approx(8 * BINARY[0.5], abs=4 * fitted.numerical_error_)
        assert fitted.mutual_information_ == expected
        assert 0 < fitted.numerical_error_ <= 3e-3

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
        assert fitted.numerical_error_ == entropy.numerical_error_
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
        own = fitted.numerical_error_
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
        assert said["h_conditional"] == pytest.approx(expected, abs=4 * fitted.numerical_error_)
        # the leave-one-out means have larger errors than the plug-in: at most some 1e-2 here
        assert said["h_noisy"] - said["bracket_low"] == pytest.approx(low, abs=0.03)

    @few_rows
    @pytest.mark.parametrize("m", [3, 70])
    def test_inputs_that_say_nothing(self, m: int) -> None:
        """The same signals for every input: exactly none, from one integral as from many."""
        S = np.tile(np.random.default_rng(0).standard_normal((20, 2)), (m, 1))
        X = np.repeat(np.arange(m), 20)[:, None]
        fitted = SamplePropagationMI(0.5, tolerance=5e-3, random_state=0).fit(X, S)
        assert abs(fitted.mutual_information_) < max(4 * fitted.numerical_error_, 1e-9)

    @few_rows
    def test_inputs_far_apart_are_told(self) -> None:
        """Signals of 5 inputs 1000 apart: all of their entropy."""
        X, S = channel(5, 30, 3)
        number = np.unique(X, axis=0, return_inverse=True)[1].reshape(-1, 1)
        fitted = SamplePropagationMI(0.3, tolerance=2e-3, random_state=0).fit(X, S + 1e3 * number)
        assert fitted.mutual_information_ == pytest.approx(
            math.log(5), abs=4 * fitted.numerical_error_
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

    @pytest.mark.parametrize("dim", [1, 2, 3])
    def test_errors_hold_where_few_inputs_are_wide(self, dim: int) -> None:
        """3 of 60 inputs have other laws, in 40 choices of 5 to 40: 1.96 errors hold in 95 of 100.

        More than 6 of 40 beyond: 6e-3 at 5 %. One beyond 4.5 errors: 3e-4.
        """
        X, S = unequal(60, 3, 12, dim)
        truth = one_by_one((X, S), 0.3, 1e-4 if dim < 3 else 1e-3)[0]
        off = []
        for seed in range(40):
            some = SamplePropagationMI(
                0.3, 1e-2, max_draws=50_000, n_inputs=(5, 10, 20, 40)[seed % 4], random_state=seed
            )
            said = some.fit(X, S).diagnostics_
            error = (said["conditional_high"] - said["conditional_low"]) / 3.92
            off.append(abs(said["h_conditional"] - truth) / error)
            assert said["input_error"] > 0.0
            assert said["n_inputs_used"] <= (5, 10, 20, 40)[seed % 4]
            # half of what the entropies differ by, 2 nats an axis in 1 of 20
            assert error < 0.05 * dim
        assert sum(one > 1.96 for one in off) <= 6
        assert max(off) < 4.5

    def test_more_inputs_leave_less(self) -> None:
        """Of 60 inputs: those of which the bounds tell least are among the first."""
        X, S = unequal(60, 3, 12, 1)
        few, many, most = (
            SamplePropagationMI(0.3, n_inputs=n, random_state=0).fit(X, S).diagnostics_
            for n in (2, 30, 55)
        )
        # that of few is less than the range of the draws: it is cut off at the bounds' width
        assert many["input_error"] < 0.5 * few["input_error"]
        assert most["input_error"] < 0.6 * many["input_error"]

    def test_equal_laws(self) -> None:
        """All inputs have the same signals: any two stand for all."""
        S = np.tile(np.random.default_rng(0).standard_normal((20, 2)), (30, 1))
        X = np.repeat(np.arange(30), 20)[:, None]
        some = SamplePropagationMI(0.5, tolerance=1e-2, n_inputs=2, random_state=0).fit(X, S)
        assert some.mutual_information_ == pytest.approx(0.0, abs=1e-8)
        assert some.diagnostics_["n_inputs_used"] == 2

    def test_repeated_signals(self) -> None:
        """Every signal occurs three times: the information of the samples is the same."""
        X, S = channel(20, 8, 3)
        one, three = (
            SamplePropagationMI(0.3, 5e-3, n_inputs=6, random_state=0).fit(
                np.tile(X, (copies, 1)), np.tile(S, (copies, 1))
            )
            for copies in (1, 3)
        )
        error = math.hypot(one.numerical_error_, three.numerical_error_)
        # 4 standard errors: false alarm 6e-5
        off = one.mutual_information_ - three.mutual_information_
        assert abs(off) <= 4 * error

    def test_all_inputs_differ(self) -> None:
        X, S = channel(30, 1, 2)
        fitted = SamplePropagationMI(0.3, n_inputs=2, random_state=0).fit(X, S)
        assert fitted.diagnostics_["conditional"] == "closed form"
        assert fitted.diagnostics_["input_error"] == 0.0
        assert fitted.diagnostics_["h_conditional"] == pytest.approx(noise_entropy(2, 0.3))

    def test_brackets_ends_have_errors(self) -> None:
        """Those of all inputs within those of some; 4 errors: false alarm 1e-4."""
        X, S = unequal(60, 3, 12, 1)
        every = SamplePropagationMI(0.3, random_state=0).fit(X, S).diagnostics_
        for seed in range(10):
            some = SamplePropagationMI(0.3, n_inputs=12, random_state=seed).fit(X, S).diagnostics_
            for end in ("bracket_low", "bracket_high"):
                error = math.hypot(every[f"{end}_error"], some[f"{end}_error"])
                assert abs(some[end] - every[end]) <= 4 * error
                assert 0.0 < error < 1.0

    def test_many_stand_for_all(self) -> None:
        """100 of 150 inputs, by one integral of all too; 4 standard errors: false alarm 6e-5."""
        pairs = channel(150, 6, 3)
        every = SamplePropagationMI(0.3, tolerance=5e-3, random_state=0).fit(*pairs)
        some = SamplePropagationMI(0.3, tolerance=2e-2, n_inputs=100, random_state=1).fit(*pairs)
        said = some.diagnostics_
        assert said["n_inputs_used"] == 100
        error = math.hypot(every.numerical_error_, some.numerical_error_)
        truth = every.diagnostics_["h_conditional"]
        assert said["h_conditional"] == pytest.approx(truth, abs=4 * error)
        assert error < 0.1

    def test_too_few_inputs_are_told(self) -> None:
        fitted = SamplePropagationMI(0.3, n_inputs=5, random_state=0).fit(*channel(40, 10, 1))
        said = fitted.diagnostics_
        assert said["input_error"] > 1e-3
        assert (said["converged"], said["limited_by"]) == (False, "inputs")
        assert fitted.numerical_error_ >= said["input_error"]
        assert said["n_inputs_used"] == 5

    def test_integrals_leave_to_the_choice_what_it_needs(self) -> None:
        """The choice of inputs takes most of the tolerance: integrals have to do with the rest."""
        pairs = channel(50, 10, 4)
        coarse = SamplePropagationMI(0.3, tolerance=1e-2, n_inputs=40, random_state=0).fit(*pairs)
        tolerance = 1.3 * coarse.diagnostics_["input_error"]
        fine = SamplePropagationMI(0.3, tolerance=tolerance, n_inputs=40, random_state=0)
        said = fine.fit(*pairs).diagnostics_
        assert said["converged"]
        assert said["input_error"] > 0.5 * tolerance
        assert fine.numerical_error_ <= tolerance


class TestChoice:
    def test_without_bias_and_so_is_the_variance(self) -> None:
        """All ways to divide 5 inputs into groups of 2, 2 and 1, and to draw of these."""
        rng = np.random.default_rng(0)
        sizes, values = rng.uniform(1, 2, 5), rng.uniform(0, 1, 5)
        found = []
        for order in itertools.permutations(range(5)):
            groups = [np.array(order[:2]), np.array(order[2:4]), np.array(order[4:])]
            totals = np.array([sizes[group].sum() for group in groups])
            for drawn in itertools.product(*groups):
                chosen = np.array(drawn)
                chance = math.prod(sizes[chosen] / totals) / math.factorial(5)
                choice = Choice(chosen, totals, groups)
                ratios = values[chosen] / sizes[chosen]
                found.append((chance, float(totals @ ratios), choice.variance(ratios)))
        chances, sums, variances = np.array(found).T
        assert chances.sum() == pytest.approx(1.0)
        assert chances @ sums == pytest.approx(values.sum())
        assert chances @ variances == pytest.approx(chances @ (sums - values.sum()) ** 2)

    def test_chances(self) -> None:
        """Of 2000 choices, each of the small inputs is in as many as its size says: 5 sigma."""
        sizes = np.array([100.0, 1.0, 2.0, 3.0, 50.0, 2.0, 4.0])
        rng = np.random.default_rng(0)
        sums = []
        for _ in range(2000):
            choice = choose(sizes, 4, rng)
            assert list(choice.inputs[:2]) == [0, 4]
            assert len(set(choice.inputs)) == choice.n_inputs - 3 == 4
            assert choice.totals.sum() == pytest.approx(sizes.sum())
            sums.append(float(choice.totals @ (np.arange(7) / sizes)[choice.inputs]))
        assert np.mean(sums) == pytest.approx(21.0, abs=5 * float(np.std(sums)) / math.sqrt(2000))

    def test_as_many_as_there_are(self) -> None:
        choice = choose(np.array([1.0, 5.0, 1.0]), 3, np.random.default_rng(0))
        assert sorted(choice.inputs) == [0, 1, 2]
        assert (choice.variance(np.ones(3)), choice.widest(np.ones(3))) == (0.0, 0.0)

    @pytest.mark.parametrize("dim", [1, 3])
    def test_bounds_enclose_every_entropy(self, dim: int) -> None:
        """With signals that are repeated, far from all others, and many; to the kernels' 1e-6."""
        rng = np.random.default_rng(1)
        counts = rng.integers(2, 30, 25)
        X = np.repeat(np.arange(25.0), counts)[:, None]
        spread = 10.0 ** rng.uniform(-2, 2, 25)
        S = np.repeat(spread, counts)[:, None] * rng.standard_normal((len(X), dim))
        S[1::3] = S[0::3][: len(S[1::3])]
        inputs = group_inputs(X, S)
        bounds = SamplePropagationMI(0.5)._bounds(S, inputs.rows())
        for x, rows in enumerate(inputs.rows()):
            mixture = GaussianMixture(S[rows], 0.5)
            entropy = mixture.entropy(1e-2, 10**5, np.random.default_rng(0))
            above = entropy.value - noise_entropy(dim, 0.5)
            slack = 4.5 * entropy.numerical_error
            assert bounds.low[x] - slack <= above <= bounds.low[x] + bounds.width[x] + slack
            assert bounds.width[x] <= math.log(counts[x]) + 2e-5
            left_out = entropy.leave_one_out - noise_entropy(dim, 0.5) - bounds.low[x]
            assert left_out <= bounds.left_out_width[x] + 4.5 * entropy.leave_one_out_error


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
