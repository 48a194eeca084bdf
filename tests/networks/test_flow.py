"""I(X;T_l) against networks whose information is known: linear ones with Gaussian noise."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import entr, logsumexp, ndtr

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from entbench.mixture import GaussianMixture, gaussian_entropy  # noqa: E402
from entbench.networks import NoisyNetwork, signal_samples  # noqa: E402
from entbench.networks._flow import InformationFlow, _needed  # noqa: E402
from entbench.networks._gap import Gap, _log_ratios, _others, measure_gap  # noqa: E402
from entbench.networks._information import (  # noqa: E402
    Check,
    LayerInformation,
    check_flow,
    layer_checks,
)

pytestmark = pytest.mark.torch

POINTS = np.array([[-1.0], [-0.3], [0.4], [1.0]])
GAINS = (0.9, 1.5, 0.7)
SIGMA = 0.3


class Corners(nn.Module):
    """Sends every sign to a corner of a cube."""

    def __init__(self, height: float) -> None:
        super().__init__()
        self.height = height

    def forward(self, at: Any) -> Any:
        return self.height * torch.where(at > 0, 1.0, -1.0).double()


def linear(*gains: float, sigma: float = SIGMA) -> NoisyNetwork:
    """T_l = gain_l T_{l-1} + Z_l, in one dimension and double precision."""
    stages = [nn.Linear(1, 1, bias=False, dtype=torch.float64) for _ in gains]
    for stage, gain in zip(stages, gains, strict=True):
        nn.init.constant_(stage.weight, gain)
    return NoisyNetwork([*stages, nn.Identity()], sigma)


def information(points: NDArray[Any], gains: tuple[float, ...], sigma: float = SIGMA) -> float:
    """I(X; T_l) of a linear network: T_l given x is Gaussian. By quadrature over a grid."""
    variance = 0.0
    for gain in gains:
        variance = gain**2 * variance + sigma**2
    deviation = math.sqrt(variance)
    centres = math.prod(gains) * points[:, 0] / deviation
    t = np.linspace(centres.min() - 12.0, centres.max() + 12.0, 40_001)
    q = np.exp(-0.5 * (t[:, None] - centres) ** 2).mean(axis=1) / math.sqrt(2 * math.pi)
    terms = np.where(q > 0, q * np.log(np.maximum(q, 1e-300)), 0.0)
    # the trapezoid rule converges geometrically for a smooth function that vanishes at the ends
    return -float(terms.sum() * (t[1] - t[0])) - 0.5 * math.log(2 * math.pi * math.e)


def tanh_network(dims: tuple[int, ...], sigma: float, seed: int = 0) -> NoisyNetwork:
    rng = np.random.default_rng(seed)
    stages: list[nn.Module] = []
    for before, after in pairwise(dims):
        stage = nn.Linear(before, after)
        weights = rng.standard_normal((after, before)) * 2 / math.sqrt(before)
        stage.weight.data = torch.tensor(weights)
        nn.init.zeros_(stage.bias)
        stages.append(nn.Sequential(stage, nn.Tanh()))
    return NoisyNetwork([*stages, nn.Identity()], sigma).double()


def estimates(seeds: int, points: NDArray[Any] = POINTS, **options: Any) -> list[LayerInformation]:
    """Return estimates of the last layer of the linear network, one for each seed."""
    network = linear(*GAINS[:2])
    flows = (InformationFlow(network, layers=[2], random_state=s, **options) for s in range(seeds))
    return [flow.estimate(points)[0] for flow in flows]


def covering(found: list[LayerInformation], truth: float) -> int:
    return sum(f.interval.holds(truth) for f in found)


class TestKnownInformation:
    def test_errors_are_as_stated(self) -> None:
        found, truth = estimates(30, passes=60), information(POINTS, GAINS[:2])
        values = np.array([f.value for f in found])
        lows = np.array([f.bracket[0] for f in found])
        stated = np.array([math.hypot(f.bias, f.standard_error) for f in found])
        # 4 stated errors: false alarm 6e-5 a seed, if they are right
        assert (np.abs(values - truth) <= 4 * stated).all()
        # their means enclose the truth, up to 4 standard errors over 30 seeds
        assert lows.mean() - truth <= 4 * lows.std(ddof=1) / math.sqrt(30)
        assert truth - values.mean() <= 4 * values.std(ddof=1) / math.sqrt(30)
        # the bracket's middle is off by terms of 1/passes^2
        middle = values - np.array([f.bias for f in found])
        assert middle.mean() == pytest.approx(truth, abs=4 * middle.std(ddof=1) / math.sqrt(30))
        # a standard deviation of 30 values is off by 13 %, and 4 times that is 0.52
        scatter = values.std(ddof=1) / np.mean([f.standard_error for f in found])
        assert 0.48 <= scatter <= 1.52
        # of 30 intervals that cover with 95 %, 28.5 +- 1.2 do
        assert covering(found, truth) >= 24
        assert np.mean([f.interval.high for f in found]) - truth < 0.2

    def test_every_layer(self) -> None:
        results = InformationFlow(linear(*GAINS), passes=400).estimate(POINTS)
        assert [r.layer for r in results] == [1, 2, 3]
        for result in results:
            truth = information(POINTS, GAINS[: result.layer])
            stated = math.hypot(result.bias, result.standard_error)
            assert abs(result.value - truth) <= 4 * stated + 1e-9
            assert stated < 0.05
        assert [r.passes for r in results] == [1, 400, 400]
        assert (results[0].n, results[2].n) == (4, 1600)
        assert all(check.holds for check in check_flow(results))

    def test_three_dimensions(self) -> None:
        """T_2 given x is Gaussian with covariance sigma^2 (A A' + I): white after its root."""
        rng = np.random.default_rng(5)
        X, first, second = (rng.standard_normal(shape) for shape in ((12, 2), (4, 2), (3, 4)))
        stages = [nn.Linear(2, 4, bias=False), nn.Linear(4, 3, bias=False), nn.Identity()]
        for stage, weights in zip(stages, (first, second), strict=False):
            stage.weight.data = torch.tensor(weights)
        flow = InformationFlow(NoisyNetwork(stages, 0.4), layers=[2], passes=150)
        result = flow.estimate(X)[0]
        covariance = 0.4**2 * (second @ second.T + np.eye(3))
        centres = np.linalg.solve(np.linalg.cholesky(covariance), second @ first @ X.T).T
        x = rng.integers(12, size=100_000)
        noise = rng.standard_normal((len(x), 3))
        distances = ((centres[x] + noise)[:, None] - centres) ** 2
        logs = -0.5 * distances.sum(axis=2) + 0.5 * (noise**2).sum(axis=1)[:, None]
        information = math.log(12) - logsumexp(logs, axis=1)
        error = math.hypot(result.standard_error, information.std() / math.sqrt(len(x)))
        # 4 standard errors either side of the bracket: false alarm 6e-5
        assert result.bracket[0] - 4 * error <= information.mean() <= result.value + 4 * error
        assert 0.0 < result.bias < 0.1
        assert 0.5 < information.mean() < 0.9 * math.log(12)

    def test_first_layer_is_a_constellation(self) -> None:
        X = np.linspace(-2.0, 2.0, 7)[:, None]
        network = tanh_network((1, 1, 1), 0.2)
        weight = float(network.state_arrays()["0.0.weight"][0, 0])
        truth = information(np.tanh(weight * X), (1.0,), 0.2)
        result = InformationFlow(network, layers=[1]).estimate(X)[0]
        assert result.value == pytest.approx(truth, abs=1e-9)
        assert (result.bias, result.passes, result.converged) == (0.0, 1, True)
        assert result.bracket[0] <= truth <= result.bracket[1]
        assert result.diagnostics["conditional"] == "closed form"

    def test_two_inputs_far_apart(self) -> None:
        results = InformationFlow(linear(100.0, 3.0), passes=20).estimate([[-1.0], [1.0]])
        for result in results:
            assert result.value == pytest.approx(math.log(2), abs=1e-6)
            # a difference of log-densities that are within 1e-5 each
            assert result.bias == pytest.approx(0.0, abs=2e-5)
            assert (result.limit, result.capacity) == (math.log(2), None)

    def test_far_offset(self) -> None:
        """The noise is 3e-7 of the signals, within double precision."""
        network = linear(1.0, 1.0)
        near, far = (
            InformationFlow(network, passes=50).estimate(POINTS + shift)[1] for shift in (0.0, 1e6)
        )
        assert far.value == pytest.approx(near.value, abs=1e-6)

    def test_noise_without_effect(self) -> None:
        result = InformationFlow(linear(1.0, 0.0), layers=[2]).estimate(POINTS)[0]
        assert result.value == pytest.approx(0.0, abs=1e-9)
        assert (result.n, result.bias, result.converged) == (4, 0.0, True)

    def test_more_inputs_than_are_probed(self) -> None:
        X = np.repeat(POINTS, 70, axis=0)
        result = InformationFlow(linear(*GAINS[:2]), layers=[2], passes=20).estimate(X)[0]
        assert result.m == 280
        assert result.limit == pytest.approx(math.log(4), rel=1e-12)
        truth = information(POINTS, GAINS[:2])
        assert abs(result.value - truth) <= 4 * math.hypot(result.bias, result.standard_error)

    def test_inputs_stand_for_all(self) -> None:
        points = np.linspace(-1.0, 1.0, 40)[:, None]
        found = estimates(20, points, passes=60, n_inputs=10)
        truth = information(points, GAINS[:2])
        assert {(f.n_inputs, f.m, f.n) for f in found} == {(10, 40, 2400)}
        # of 20 intervals that cover with 95 %, 19 +- 1 do
        assert covering(found, truth) >= 15
        # the error of the choice holds at the normal quantile: it contains what no input showed
        one = found[0]
        quantile = (one.interval.high - one.value) / one.standard_error
        assert quantile == pytest.approx(1.96)

    @pytest.mark.parametrize("n_inputs", [None, 100])
    def test_rare_cluster(self, n_inputs: int | None) -> None:
        """4096 inputs, of which 3 map to another corner, 20 sigma away: H of the corners."""
        points = np.full((4096, 1), -1.0)
        points[[5, 700, 4000]] = 1.0
        network = NoisyNetwork([Corners(3.0), Corners(3.0), nn.Identity()], 0.3).double()
        p = 3 / 4096
        truth = -p * math.log(p) - (1 - p) * math.log1p(-p)
        for result in InformationFlow(network, n_inputs=n_inputs).estimate(points):
            low, high = result.interval.low, result.interval.high
            assert low <= truth <= high
            # what no pass of a later layer has shown is worth 7e-4 nats
            assert high - low < (1e-8 if result.layer == 1 else 4e-3)
            assert result.converged

    @pytest.mark.parametrize("n_inputs", [None, 30])
    def test_few_inputs_that_noise_moves(self, n_inputs: int | None) -> None:
        """600 inputs, 2 of which noise sends to any of 4 corners: all inputs must be looked at.

        Of 8 runs at most 2 outside: false alarm 6e-3 at 95 %.
        """
        points = np.where(np.random.default_rng(0).random((600, 2)) < 0.5, -6.0, 6.0)
        points[[3, 500]] = 0.5
        network = NoisyNetwork([nn.Identity(), Corners(7.0), nn.Identity()], 1.0).double()
        positive = ndtr(points)
        signs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=bool)
        chances = np.where(signs, positive[:, None], 1 - positive[:, None]).prod(axis=2)
        # corners are 14 sigma apart: they overlap by less than 1e-10
        truth = float(entr(chances.mean(axis=0)).sum() - entr(chances).sum(axis=1).mean())
        flows = (
            InformationFlow(network, layers=[2], passes=20, n_inputs=n_inputs, random_state=seed)
            for seed in range(8)
        )
        found = [flow.estimate(points)[0] for flow in flows]
        assert covering(found, truth) >= 6
        assert max(abs(f.value - truth) for f in found) < 0.01


class TestChoiceOfN:
    def test_reaches_the_tolerance(self) -> None:
        found, truth = estimates(20, tolerance=0.03), information(POINTS, GAINS[:2])
        error = math.sqrt(np.mean([(f.value - truth) ** 2 for f in found]))
        # a root mean square of 20 is off by 16 %: 4 times that either side of a factor 2
        assert 0.03 / 2 * 0.36 <= error <= 0.03 * 1.64
        assert sum(f.converged for f in found) >= 18
        assert {f.limited_by for f in found} <= {"", "samples"}

    def test_formula(self) -> None:
        """That many passes, and no fewer, bring the sum of squares to the goal."""

        def square(passes: int) -> float:
            bias, variance = 0.5 * 0.2 * 16 / passes, (3.0 + 0.5 * 0.2) / (10 * passes)
            return bias**2 + variance

        passes = _needed(Gap(0.2, 0.0, 3.0), pilot=16, m=10, goal=0.02)
        assert square(passes) <= 0.02**2 < square(passes - 1)

    def test_no_more_than_allowed(self) -> None:
        flow = InformationFlow(linear(*GAINS[:2]), layers=[2], tolerance=1e-3, max_samples=203)
        result = flow.estimate(POINTS)[0]
        assert (result.passes, result.n) == (50, 200)
        assert (result.converged, result.limited_by) == (False, "samples")

    def test_whole_passes(self) -> None:
        flow = InformationFlow(linear(*GAINS[:2]), layers=[2], n=101)
        assert flow.estimate(POINTS)[0].n == 104


class TestGap:
    def test_against_the_formula(self) -> None:
        """Left out of both densities, with all sums written out."""
        rng = np.random.default_rng(0)
        m, passes, dim, sigma = 3, 4, 2, 0.7
        S = rng.standard_normal((m * passes, dim))
        rows = rng.permutation(m * passes).reshape(m, passes)
        z = rng.standard_normal((passes, dim))
        for x in range(m):
            within = _others(GaussianMixture(S[rows[x]], sigma), np.arange(passes), z, 1e-12)
            everything = _others(GaussianMixture(S, sigma), rows[x], z, 1e-12)
            plug_in, lower = _log_ratios(within, everything, m, passes)
            points = S[rows[x]] + sigma * z
            for j, point in enumerate(points):
                logs = -((point - S) ** 2).sum(axis=1) / (2 * sigma**2)
                kept = np.delete(rows[x], j)
                by_input = [logsumexp(logs[kept if y == x else rows[y]]) for y in range(m)]
                by_input -= np.log([passes - 1 if y == x else passes for y in range(m)])
                expected = by_input[x] - (logsumexp(by_input) - math.log(m))
                assert lower[j] == pytest.approx(expected, rel=1e-10)
                log_q = logsumexp(logs) - math.log(m * passes)
                log_q_x = logsumexp(logs[rows[x]]) - math.log(passes)
                assert plug_in[j] == pytest.approx(log_q_x - log_q, rel=1e-10)

    def test_nothing_where_inputs_are_far_apart(self) -> None:
        rng = np.random.default_rng(0)
        S = np.repeat([0.0, 1e3], 50)[:, None] + rng.standard_normal((100, 1))
        gap = measure_gap(S, np.arange(100).reshape(2, 50), 0.5, rng)
        assert gap.value == pytest.approx(0.0, abs=1e-6)
        assert gap.variance == pytest.approx(0.0, abs=1e-9)

    def test_scale_does_not_matter(self) -> None:
        S = np.random.default_rng(0).standard_normal((60, 3))
        rows = np.arange(60).reshape(6, 10)
        one, tiny = (
            measure_gap(scale * S, rows, 0.5 * scale, np.random.default_rng(1))
            for scale in (1.0, 1e-150)
        )
        assert tiny.value == pytest.approx(one.value, rel=1e-5)

    def test_some_inputs_stand_for_all(self) -> None:
        """Of 700 inputs 512 are taken, at random."""
        S = np.random.default_rng(0).standard_normal((700, 3, 1))
        S[:350] *= 5.0
        S, rows = S.reshape(-1, 1), np.arange(2100).reshape(700, 3)
        found = [measure_gap(S, rows, 0.5, np.random.default_rng(seed)) for seed in range(15)]
        values = [gap.value for gap in found]
        stated = math.sqrt(np.mean([gap.standard_error**2 for gap in found]))
        # over one sample the rows are all taken, of which the stated error knows nothing, nor that
        # inputs unseen are no worse than the worst seen: it is above the scatter, which 15 values
        # tell to 19 %, and a small part of the gap
        assert np.std(values, ddof=1) / stated <= 1.76
        assert stated < 0.15 * np.mean(values)

    def test_few_spread_inputs_are_seen(self) -> None:
        """3 of 2000 inputs make up most of the gap: a choice by chance has none of them in 4 of 10.

        The standard deviation of 10 values is off by 24 %: 4 times that is 1.94.
        """
        rng = np.random.default_rng(0)
        S = 0.01 * rng.standard_normal((2000, 20, 1))
        S[[3, 1000, 1900]] *= 300.0
        S, rows = S.reshape(-1, 1), np.arange(40_000).reshape(2000, 20)
        found = [measure_gap(S, rows, 0.5, np.random.default_rng(seed)) for seed in range(10)]
        values = np.array([gap.value for gap in found])
        stated = math.sqrt(np.mean([gap.standard_error**2 for gap in found]))
        assert values.std(ddof=1) / stated <= 1.94
        assert values.min() > 0.3 * values.mean() > 0.0


@pytest.fixture(scope="module")
def results() -> list[LayerInformation]:
    X = np.random.default_rng(1).choice([-1.0, 1.0], (40, 5))
    return InformationFlow(tanh_network((5, 4, 3, 2), 0.5), passes=100).estimate(X)


class TestChecks:
    def test_hold_on_a_random_network(self, results: list[LayerInformation]) -> None:
        found = check_flow(results)
        assert [check.name for check in found if not check.holds] == []
        assert sum(check.name.endswith("data processing") for check in found) == 2
        names = {check.name for check in results[1].checks}
        assert names == {"range", "capacity", "bracket", "samples"}
        for result in results:
            assert result.capacity == pytest.approx(result.dim / 2 * math.log(5.0))
            assert result.bracket[0] <= result.value <= result.bracket[1]
            assert result.interval.low < result.bracket[0]

    def test_data_processing_can_fail(self, results: list[LayerInformation]) -> None:
        first, *_, last = results
        swapped = [replace(last, layer=1), replace(first, layer=2)]
        failed = [check.name for check in check_flow(swapped) if not check.holds]
        assert failed == ["layers 1 and 2: data processing"]
        assert all(check.holds for check in check_flow(swapped, chain=False))

    def test_few_passes_are_told(self) -> None:
        network = tanh_network((5, 4, 3), 0.05)
        X = np.random.default_rng(1).choice([-1.0, 1.0], (10, 5))
        with pytest.warns(UserWarning, match="layer 2: too few `passes` = 2"):
            result = InformationFlow(network, layers=[2], passes=2).estimate(X)[0]
        assert [check.name for check in result.checks if not check.holds] == ["samples"]
        assert (result.converged, result.limited_by) == (False, "samples")


class TestRuns:
    def test_repeat_whatever_else_is_asked(self) -> None:
        network = linear(*GAINS)
        alone = InformationFlow(network, layers=["layer 3"], passes=30, n_jobs=1).estimate(POINTS)
        every = InformationFlow(network, passes=30, n_jobs=2).estimate(POINTS)
        assert replace(alone[0], seconds=0.0) == replace(every[2], seconds=0.0)
        other = InformationFlow(network, passes=30, random_state=1).estimate(POINTS)
        assert other[2].value != every[2].value

    def test_any_module(self) -> None:
        """A Sequential, and a module with named layers, are the network they become."""
        module = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2), nn.Tanh(), nn.Flatten())
        X = np.random.default_rng(0).standard_normal((5, 2))
        flows = [
            InformationFlow(NoisyNetwork.from_sequential(module, 0.4), layers=[2], passes=30),
            InformationFlow(module, 0.4, layers=[2], passes=30),
            InformationFlow(module, 0.4, layers=["1", "3"], passes=30),
            InformationFlow(NoisyNetwork.from_sequential(module, 0.1), 0.4, layers=[2], passes=30),
        ]
        values = [flow.estimate(X)[-1].value for flow in flows]
        assert values == [values[0]] * 4

    def test_images(self) -> None:
        module = nn.Sequential(
            *(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Tanh(), nn.Flatten()),
            *(nn.Linear(8, 2), nn.Tanh(), nn.Linear(2, 2)),
        )
        X = np.random.default_rng(0).integers(0, 9, (6, 1, 4, 4), dtype=np.uint8)
        results = InformationFlow(module, 0.2, passes=50).estimate(X)
        assert [(r.dim, r.m, r.name) for r in results] == [(8, 6, "2"), (2, 6, "5")]
        assert all(check.holds for check in check_flow(results))

    def test_progress(self) -> None:
        said: list[tuple[int, str, float]] = []
        flow = InformationFlow(linear(1.0, 1.0), passes=20)
        flow.estimate(POINTS, progress=lambda *what: said.append(what))
        assert [stage for layer, stage, _ in said if layer == 2] == [
            *("pilot", "sampling", "entropy", "bracket", "done"),
        ]
        shares = [share for *_, share in said]
        assert shares == sorted(shares)
        assert said[-1] == (2, "done", 1.0)

    def test_input_and_network_are_left_alone(self) -> None:
        network, X = linear(1.0, 1.0).train(), POINTS.copy()
        before = network.generator.get_state()
        InformationFlow(network, passes=20).estimate(X)
        assert np.array_equal(X, POINTS)
        assert network.training
        assert torch.equal(network.generator.get_state(), before)

    def test_memory(self) -> None:
        """A few copies of the samples and no array of pairs."""
        network = tanh_network((3, 4, 4), 0.5)
        X = np.random.default_rng(0).standard_normal((50, 3))
        flow = InformationFlow(network, layers=[2], passes=1000, tolerance=0.1)
        flow.estimate(X[:2])  # what is loaded once
        tracemalloc.start()
        flow.estimate(X)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        samples = 50 * 1000 * 4 * 8
        assert peak < 20 * samples + 2**25


class TestRefusals:
    def test_no_noise(self) -> None:
        message = r"I\(X;T\) of a deterministic network is infinite or constant: give `sigma` > 0"
        with pytest.raises(ValueError, match=message):
            InformationFlow(linear(1.0, sigma=0.0))
        with pytest.raises(ValueError, match=message):
            InformationFlow(linear(1.0), 0.0)
        with pytest.raises(ValueError, match="`sigma` must be given where"):
            InformationFlow(nn.Sequential(nn.Tanh(), nn.Tanh()))
        with pytest.raises(ValueError, match="`sigma` must be a finite number > 0"):
            InformationFlow(linear(1.0), -0.1)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n": 10, "passes": 3}, "give `n` or `passes`, not both"),
            ({"passes": 1}, "`passes` must be an integer >= 2; got 1"),
            ({"n_inputs": 1}, "`n_inputs` must be an integer >= 2; got 1"),
            ({"tolerance": 0.0}, "`tolerance` must be a finite number > 0"),
            ({"layers": [3]}, r"`layer` must be an integer in \[1, 2\]; got 3"),
            ({"layers": ["layer 3"]}, "unknown layer 'layer 3'. Did you mean"),
            ({"layers": [1, "layer 1"]}, "`layers` must list each layer once"),
            ({"layers": []}, "`layers` must list at least one layer"),
            ({"layers": "1"}, "`layers` must list at least one layer; got '1'"),
        ],
    )
    def test_parameters(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            InformationFlow(linear(1.0, 1.0), **options)

    def test_modules(self) -> None:
        with pytest.raises(TypeError, match="`network` must be a torch module; got int"):
            InformationFlow(3)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="`layers` must name the layers of a module"):
            InformationFlow(nn.Tanh(), 0.1)

    @pytest.mark.parametrize(
        ("X", "message"),
        [
            (np.zeros(4), r"shape \(n_samples, dim\); got shape \(4,\)"),
            (np.zeros((1, 1)), "`X` must have at least 2 rows; got 1"),
            (np.zeros((4, 2)), r"layer 1 cannot take an input of shape \(\d+, 2\)"),
            (np.array([[0.0], [math.nan]]), "`X` must be finite"),
        ],
    )
    def test_data(self, X: NDArray[Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            InformationFlow(linear(1.0)).estimate(X)


def test_layer_one_signals_are_a_function_of_the_input() -> None:
    """What the closed form of layer 1 rests on."""
    network = tanh_network((3, 4, 2), 0.5)
    X = np.random.default_rng(0).standard_normal((6, 3))
    index, signal = signal_samples(network, X, 1, 18, 0)
    assert np.array_equal(signal, signal[:6][index])
    assert gaussian_entropy(4, 0.5) == pytest.approx(2 * math.log(2 * math.pi * math.e * 0.25))


def test_a_result_prints_as_a_line() -> None:
    (result,) = estimates(1, passes=20)
    text = str(result)
    assert text.startswith(f"layer 2 ({result.name}, d = 1): I(X;T) = {result.value:.4f} nats, ")
    assert f"n = {result.n}; short of the tolerance for lack of samples" in text
    assert "FAILS" not in text
    broken = replace(result, checks=(Check("range", False, "7 of 5"),), converged=True)
    assert str(broken).endswith(f"n = {result.n}; range FAILS: 7 of 5")


def test_rounding_does_not_reverse_a_bracket() -> None:
    """Where all inputs are told apart both ends are the same, but for the kernels' precision."""
    (result,) = estimates(1, passes=20)
    for gap, holds in ((1e-7, True), (1e-3, False)):
        said = {**result.diagnostics, "bracket_error": 0.0, "kernel_error": 0.0}
        same = replace(
            result, bracket=(result.value + gap, result.value), diagnostics=said, checks=()
        )
        (check,) = (c for c in layer_checks(same) if c.name == "bracket")
        assert check.holds == holds


def test_layers_too_wide_for_the_memory_are_refused_at_once() -> None:
    network = NoisyNetwork([torch.nn.Linear(2, 100_000), torch.nn.Linear(100_000, 1)], 1.0)
    X = np.random.default_rng(0).normal(size=(3000, 2))
    with pytest.raises(ValueError, match="3000 inputs in 100000 dimensions take 2.2 GiB or more"):
        InformationFlow(network).estimate(X)
