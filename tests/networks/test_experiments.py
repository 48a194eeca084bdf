"""The papers' experiments on few points: training by hand, information by another quadrature."""

from __future__ import annotations

import json
import math
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from entbench._base import ExperimentResult
from entbench.networks._epochs import decade_epochs
from entbench.networks._zoo import Trained, schedule
from entbench.networks.data import split
from entbench.networks.experiments import SZT, SingleNeuron, Spiral, TwoNeuron
from entbench.networks.experiments._few_points import information
from entbench.report.figures import EXPERIMENT_FIGURES

pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def by_trapezoid(centres: list[float], sigma: float) -> float:
    """I(S; S+Z) = h(S+Z) - h(Z) on a plain grid, whose rule converges geometrically here."""
    points = np.asarray(centres) / sigma
    t = np.arange(points.min() - 12.0, points.max() + 12.0, 1 / 64)
    q = np.exp(-0.5 * (t[:, None] - points) ** 2).mean(axis=1) / math.sqrt(2 * math.pi)
    entropy = -float((q * np.log(np.maximum(q, 1e-300))).sum()) / 64
    return entropy - 0.5 * math.log(2 * math.pi * math.e)


@pytest.mark.parametrize("sigma", [0.02, 0.3, 5.0])
@pytest.mark.parametrize("centres", [[-1.0, -0.9, 0.1, 1.0], [0.2, 0.2, 0.2, 0.9], [0.0, 0.0]])
def test_information_by_another_quadrature(centres: list[float], sigma: float) -> None:
    found = information(np.array(centres), sigma)
    assert found == pytest.approx(by_trapezoid(centres, sigma), abs=1e-8)


def test_single_neuron_is_gradient_descent_by_hand() -> None:
    """Mean of (tanh(w x + b) - y)^2, from 0, at the rate 0.01; almost without noise: to 1e-5."""
    experiment = SingleNeuron(sigma=1e-6, epochs=200)
    x, y = np.array([-3.0, -1.0, 1.0, 3.0]), np.array([-1.0, -1.0, -1.0, 1.0])
    w = b = 0.0
    for _ in range(100):
        t = np.tanh(w * x + b)
        slope = 2 * (t - y) * (1 - t**2) / 4
        w, b = w - 0.01 * float(slope @ x), b - 0.01 * float(slope.sum())
    found = experiment.measure({"what": "epoch", "epoch": 100})
    assert found["weight"] == pytest.approx(w, abs=1e-5)
    assert found["bias"] == pytest.approx(b, abs=1e-5)
    assert found["centres"] == pytest.approx(np.tanh(w * x + b), abs=1e-5)
    assert found["loss"] == pytest.approx(float(np.mean((np.tanh(w * x + b) - y) ** 2)), abs=1e-5)
    start = experiment.measure({"what": "epoch", "epoch": 0})
    assert (start["weight"], start["bias"], start["information"]) == (0.0, 0.0, 0.0)


def test_sweep_of_the_weight_merges_two_points_then_three() -> None:
    """With the bias at -2w and little noise: log 4, then 1.5 log 2, then H(1/4)."""
    found = SingleNeuron(sigma=0.01).measure({"what": "weights", "epoch": 0})
    curve = dict(zip(found["weight"], found["information"], strict=True))
    at = {wanted: curve[min(curve, key=lambda w: abs(w - wanted))] for wanted in (0.1, 1.5, 10.0)}
    assert at[0.1] == pytest.approx(math.log(4), abs=1e-6)
    assert at[1.5] == pytest.approx(1.5 * math.log(2), abs=0.01)
    assert at[10.0] == pytest.approx(math.log(4) - 0.75 * math.log(3), abs=1e-6)
    assert curve[0.0] == 0.0


def test_two_neurons_by_hand() -> None:
    """S_1 and S_2 from the parameters; I(X;T_1) by another quadrature; I(X;T_2) not above it."""
    experiment = TwoNeuron(epochs=100, sigma=0.01)
    found = experiment.measure({"epoch": 100})
    w1, b1, w2, b2 = found["parameters"]
    x = np.arange(1.0, 9.0)
    first = np.maximum(w1 * x + b1, (w1 * x + b1) / 10)
    second = w2 * first + b2
    assert found["first"] == pytest.approx(first, abs=1e-12)
    assert found["second"] == pytest.approx(np.maximum(second, second / 10), abs=1e-12)
    assert found["information_1"] == pytest.approx(by_trapezoid(first.tolist(), 0.01), abs=1e-8)
    low, high = found["interval_2"]
    assert low <= found["information_2"] <= high
    assert low <= found["information_1"]
    again = experiment.measure({"epoch": 100})
    assert again == found


def test_epochs_are_even_on_a_logarithmic_scale() -> None:
    assert decade_epochs(10)[:4] == (0, 1, 2, 3)
    kept = decade_epochs(100_000)
    assert kept[0] == 0
    assert kept[-1] == 100_000
    assert max(b / a for a, b in pairwise(kept[12:])) < 1.26


def neuron(
    sigma: float, curve: list[float], ratio: float = -2.3, rate: float = 2.0
) -> list[ExperimentResult]:
    steps = range(len(curve))
    return [
        ExperimentResult(
            {"sigma": sigma, "learning_rate": rate, "epochs": 100 * (len(curve) - 1)},
            {"what": "epoch", "epoch": 100 * epoch},
            {"weight": 2.0, "bias": 2.0 * ratio, "information": curve[epoch], "centres": [0.0]},
        )
        for epoch in steps
    ]


def test_claims_tell_both_ways() -> None:
    falls, rises = [0.0, 1.3, 0.6], [0.0, 0.3, 0.5]
    held = SingleNeuron.claims(neuron(0.01, falls) + neuron(0.5, rises))
    assert [claim.holds for claim in held] == [True, True, True]
    other = SingleNeuron.claims(neuron(0.01, rises, -1.5) + neuron(0.5, falls))
    assert [claim.holds for claim in other] == [False, False, False]
    alone = SingleNeuron.claims(neuron(0.01, falls))
    assert [claim.holds for claim in alone] == [True, None, True]
    assert SingleNeuron.claims([]) == []
    assert TwoNeuron.claims([]) == []


@pytest.mark.parametrize(
    ("curve", "holds"),
    [([2.0, 1.5, 1.0], False), ([0.0, 1.0, 0.2, 0.97], True), ([0.0, 1.0, 0.97], False)],
)
def test_a_hump_needs_a_rise_and_a_fall(curve: list[float], holds: bool) -> None:
    assert SingleNeuron.claims(neuron(0.01, curve))[0].holds is holds


def test_short_training_tells_only_of_what_has_happened() -> None:
    """A fall stays a fall, and more training may bring one."""
    falls, rises = [0.0, 1.3, 0.6], [0.0, 0.3, 0.5]
    early = SingleNeuron.claims(neuron(0.01, falls, rate=0.01) + neuron(0.5, rises, rate=0.01))
    assert [claim.holds for claim in early] == [True, None, None]
    assert "too short to tell: 2 of 300 epochs x rate" in early[1].measured
    loud = SingleNeuron.claims(neuron(0.01, rises, rate=0.01) + neuron(0.5, falls, rate=0.01))
    assert [claim.holds for claim in loud] == [None, False, None]


@pytest.mark.parametrize(
    ("kind", "params", "message"),
    [
        (SingleNeuron, {"sigma": 0.0}, "`sigma`"),
        (SingleNeuron, {"epochs": 5}, "`epochs`"),
        (TwoNeuron, {"learning_rate": -1.0}, "`learning_rate`"),
        (TwoNeuron, {"seed": -1}, "`seed`"),
    ],
)
def test_bad_parameters_get_a_line(kind: Any, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**params)


def test_figures_draw_every_line(tmp_path: Path) -> None:
    single = [
        ExperimentResult(experiment.get_params(), step, experiment.measure(step))
        for experiment in (SingleNeuron(0.1, 20), SingleNeuron(0.5, 20))
        for step in experiment.steps()[-4:]
    ]
    figure = EXPERIMENT_FIGURES["single-neuron"](single)
    assert [len(axes.lines) for axes in figure.axes] == [4, 3, 2, 2]
    two = TwoNeuron(epochs=10)
    steps = two.steps()[-3:]
    results = [ExperimentResult(two.get_params(), step, two.measure(step)) for step in steps]
    figure = EXPERIMENT_FIGURES["two-neuron"](results)
    assert [len(axes.lines) for axes in figure.axes] == [4, 8, 8, 2]
    figure.savefig(tmp_path / "two.png")


@pytest.fixture(scope="module")
def szt_results(tmp_path_factory: pytest.TempPathFactory) -> list[ExperimentResult]:
    """Two epochs of the network, measured once, with little effort."""
    store = str(tmp_path_factory.mktemp("szt") / "store.sqlite")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # too few passes, on purpose
        patch.setenv("ENTBENCH_STORE", store)
        experiment = SZT(epochs=10, records=2, passes=4, n_inputs=64, sigma=0.02)
        return [
            ExperimentResult(experiment.get_params(), step, experiment.measure(step))
            for step in experiment.steps()
        ]


def test_szt_measures_what_it_says(szt_results: list[ExperimentResult]) -> None:
    assert [each.step["epoch"] for each in szt_results] == [0, 10]
    for each in szt_results:
        found = each.result
        json.dumps(found, allow_nan=False)
        assert all(len(found[name]) == 5 for name in ("information", "low", "high", "binned"))
        ends = np.array([found["low"], found["information"], found["high"]])
        assert (np.diff(ends, axis=0) >= 0.0).all()
        assert max(found["low"]) <= math.log(4096)
        assert max(found["binned"]) <= math.log(4096)
        # fine bins of a network without noise tell all inputs of the wide layers apart
        assert found["twin_binned"][0] == pytest.approx(math.log(4096), abs=0.05)
        assert found["plain_binned"][0] == pytest.approx(math.log(4096), abs=0.05)
        pairs = 1000 * 999 // 2
        for within, between in zip(found["within"], found["between"], strict=True):
            assert sum(within) + sum(between) == pairs
        assert np.array(found["points"]).shape == (500, 3)
        assert set(found["labels"]) == {0, 1}
        assert 0.0 < found["train_loss"] < 1.0
        assert 0.4 < found["test_accuracy"] <= 1.0
    first, last = (each.result["train_loss"] for each in szt_results)
    assert last < first
    panels = {"information-vs-epoch": 4, "clusters": 24}
    assert set(SZT.figures) == set(panels)
    for name, count in panels.items():
        assert len(EXPERIMENT_FIGURES[name](szt_results).axes) == count


def test_first_loss_is_that_of_the_network_by_hand(szt_results: list[ExperimentResult]) -> None:
    """Cross-entropy of the untrained network in NumPy."""
    weights = list(Trained(sigma=0.02).untrained().state_arrays().values())
    X, y = Trained().data
    T = X
    for W, b in zip(weights[::2], weights[1::2], strict=True):
        T = T @ W.T + b
        T = np.tanh(T) if len(b) > 2 else T
    log_p = T - np.logaddexp.reduce(T, axis=1)[:, None]
    rows, others = split(X, y)
    found = szt_results[0].result
    loss = -log_p[np.arange(len(y)), y]
    assert found["train_loss"] == pytest.approx(float(loss[rows].mean()), abs=1e-6)
    assert found["test_loss"] == pytest.approx(float(loss[others].mean()), abs=1e-6)


def curve(
    falls: float,
    width: float,
    activation: str = "tanh",
    orthonormal: float = 0.0,
    last: int = 8000,
    accuracy: float = 0.95,
) -> list[ExperimentResult]:
    """Rises by 3 nats, then falls; H(Bin) follows."""
    values = [1.0, 1.3, 1.7, 2.0, 2.4, 3.0, 3.3, 3.5, 3.8, 4.0, 4.0 - 0.5 * falls, 4.0 - falls]
    return [
        ExperimentResult(
            {"activation": activation, "orthonormal": orthonormal, "sigma": 0.005},
            {"epoch": round(last * i / (len(values) - 1))},
            {
                "information": [value],
                "low": [value - width],
                "high": [value],
                "binned": [2.0 * value + 1.0],
                "train_accuracy": accuracy,
            },
        )
        for i, value in enumerate(values)
    ]


def test_claims_of_szt_tell_no_more_than_the_intervals() -> None:
    falls = curve(2.0, 0.1)
    # two large changes make up most of what the curves scatter: no correlation is told
    assert [c.holds for c in SZT.claims(falls)] == [True, None, None, None, None]
    # intervals of 0.1 nats below the value, 12 of which hold together
    assert "falls by 1.85 to 2.15 nats" in SZT.claims(falls)[0].measured
    assert SZT.claims(curve(0.0, 0.1))[0].holds is False
    wide = SZT.claims(curve(2.0, 3.0))
    assert wide[0].holds is None
    assert "falls by 0.00 to 6.39 nats" in wide[0].measured
    assert wide[-1].holds is None
    both = [*curve(2.0, 0.1), *curve(0.0, 0.1, orthonormal=5e-5), *curve(2.0, 0.1, "relu")]
    assert [c.holds for c in SZT.claims(both)] == [True, True, None, False, None]
    assert SZT.claims([]) == []


def test_claims_of_szt_wait_for_training() -> None:
    assert SZT.claims(curve(2.0, 0.1, last=1778))[0].holds is True
    early = SZT.claims(curve(0.0, 0.1, last=1778))[0]
    assert early.holds is None
    assert "too short to tell: 1778 of 8000 epochs" in early.measured
    idle = SZT.claims(curve(2.0, 0.1, accuracy=0.52))[0]
    assert idle.holds is None
    assert "not learned" in idle.measured
    # one setting that compresses, one that does not
    split = [*curve(2.0, 0.1), *curve(0.0, 0.1)]
    for each in split[12:]:
        each.params["sigma"] = 0.01
    assert SZT.claims(split)[0].holds is None


def test_curves_that_move_apart_are_not_correlated() -> None:
    """Two rises are, as levels; the changes of one say nothing of the other's here."""
    moved = curve(2.0, 0.01)
    steps = np.random.default_rng(0).uniform(0.0, 1.0, len(moved))
    for each, binned in zip(moved, steps.cumsum(), strict=True):
        each.result["binned"] = [float(binned)]
    claim = SZT.claims(moved)[-1]
    assert claim.holds is not True
    few = SZT.claims([*moved[:3], *moved[-3:]])[-1]
    assert few.holds is None
    assert "fewer than 10 changes do not tell" in few.measured


def test_curves_that_move_together_are_correlated() -> None:
    """By many changes, then at rest: what bins move by at the end counts as their error."""
    values = 3.0 + np.random.default_rng(0).uniform(-1.0, 1.0, 30)
    values[20:] = values[19]
    moved = [curve(2.0, 0.01)[0]._replace(step={"epoch": 300 * i}) for i in range(30)]
    for each, value in zip(moved, values.tolist(), strict=True):
        each.result.update(information=[value], low=[value - 0.01], high=[value])
        each.result["binned"] = [2.0 * value + 1.0]
    assert SZT.claims(moved)[-1].holds is True


def test_steps_of_szt_are_kept_epochs() -> None:
    steps = [step["epoch"] for step in SZT(records=10).steps()]
    assert steps[0] == 0
    assert steps[-1] == 8000
    assert len(steps) == 10
    assert set(steps) <= set(schedule())


@pytest.mark.filterwarnings("ignore:layer")
def test_spiral_is_measured_likewise() -> None:
    experiment = Spiral(epochs=1, records=2, passes=2, n_inputs=20, sigma=0.1)
    found = experiment.measure({"epoch": 1})
    assert len(found["information"]) == 5
    assert max(found["twin_binned"]) <= math.log(2000) + 1e-12
    assert np.array(found["points"]).shape == (500, 3)
    assert [c.holds for c in Spiral.claims(curve(2.0, 0.1))] == [True, None]
    assert Spiral.claims([]) == []
    with pytest.raises(ValueError, match="`activation` must be one of 'tanh'"):
        Spiral(activation="relu")
