"""Each experiment's quick preset as a user runs it, and its numbers by other ways."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from entbench import _registry
from entbench.runner import read_suite

pytest.importorskip("torch")
pytestmark = pytest.mark.torch

SUITES = [name for name in _registry.suites.names() if read_suite(name).is_experiment]
# how many values the input has, where that is known here
INPUTS = {"single-neuron": 4, "two-neuron": 8, "szt": 4096, "spiral": 2000}
# what is here without a download, where a suite's own data may not be
AT_HAND = {
    "mnist-cnn": "digits",
    "information-plane-mnist": "digits-138",
    "shift-mnist": "digits",
}
# the claim, by its place, that a run so short has to bear out
SHOWN = {"single-neuron": 0, "spiral": 0, "szt": 0, "two-neuron": 1}
Step = dict[str, Any]


# In CI one of each kind of network, which all else builds on, for time; the others are slow, and so
# is the spiral's, which is measured as SZT's is.
IN_CI = ("bottleneck", "mnist-cnn", "single-neuron", "szt", "two-neuron")


def those_for_ci() -> list[Any]:
    """Return the suites, those that are not for CI marked as slow."""
    return [
        pytest.param(suite, marks=[] if suite in IN_CI else [pytest.mark.slow]) for suite in SUITES
    ]


@pytest.mark.parametrize("suite", those_for_ci())
def test_quick_preset(
    suite: str, entbench: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    data_sets = [f"data={AT_HAND[suite]}"] if suite in AT_HAND else []
    done = entbench(
        *("suite", suite, "preset=quick", *data_sets, "--jobs", 1, "--out", "results"),
        timeout=400,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    data = json.loads((tmp_path / "results" / "results.json").read_text())
    assert (data["suite"], data["preset"]) == (suite, "quick")
    assert [step["message"] for step in data["steps"] if step["status"] != "ok"] == []
    assert data["run"]["computed"] == len(data["steps"]) >= 2
    check_files(data, tmp_path / "results", done.stdout)
    check_numbers(data)
    for check in FACTS.get(data["experiment"], ()):
        check(data["steps"])


def check_files(data: dict[str, Any], folder: Path, printed: str) -> None:
    """A line for every step, every figure, and the claims in print."""
    rows = list(csv.DictReader(io.StringIO((folder / "results.csv").read_text())))
    assert [row["status"] for row in rows] == ["ok"] * len(data["steps"])
    for name in _registry.experiments.load(data["experiment"]).figures:
        stem = folder / name.replace("-", "_")
        assert stem.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
        assert "</svg>" in stem.with_suffix(".svg").read_text()
    assert "what the paper says" in printed
    for claim in data["claims"]:
        assert claim["where"] in printed
    told = {claim["holds"] for claim in data["claims"]} & {True, False}
    # two seeds, stopped before the validation loss stops them, tell nothing of pruning
    assert bool(told) == (data["experiment"] != "pruning")
    if data["experiment"] in SHOWN:
        assert data["claims"][SHOWN[data["experiment"]]]["holds"] is True


def check_numbers(data: dict[str, Any]) -> None:
    """Informations between 0 and log m as far as intervals tell; entropies; losses that fall."""
    limit = math.log(INPUTS.get(data["experiment"], math.inf))
    for step in data["steps"]:
        for value, low, high in intervals(step["result"]):
            assert (low <= value).all()
            assert (value <= high).all()
            assert (high >= 0.0).all()
            assert (low <= limit + 1e-9).all()
        for name in (name for name in step["result"] if name.endswith("binned")):
            assert np.min(step["result"][name]) >= 0.0
            assert np.max(step["result"][name]) <= limit + 1e-9
    for name in ("loss", "train_loss"):
        loss_falls(name, data["steps"])


def loss_falls(name: str, steps: list[Step]) -> None:
    for setting in settings(steps):
        first, last = setting[0], setting[-1]
        if name in first["result"] and first is not last:
            assert last["result"][name] < first["result"][name]


def intervals(result: dict[str, Any]) -> Iterator[tuple[Any, Any, Any]]:
    """Yield every information of a step with its interval; what is exact is its own."""
    for name in (name for name in result if name.startswith("information")):
        value = np.ravel(result[name])
        ends = result.get(name.replace("information", "interval"), (value, value))
        if name == "information" and "low" in result:
            ends = result["low"], result["high"]
        yield value, np.asarray(ends[0]), np.asarray(ends[1])


def settings(steps: list[Step]) -> list[list[Step]]:
    """Return the steps in training of each setting of the parameters, by epoch."""
    groups: dict[str, list[Step]] = {}
    for step in steps:
        if "epoch" in step["step"] and step["step"].get("what", "epoch") == "epoch":
            groups.setdefault(json.dumps(step["params"], sort_keys=True), []).append(step)
    return [sorted(group, key=lambda step: step["step"]["epoch"]) for group in groups.values()]


def by_trapezoid(centres: list[float], sigma: float) -> float:
    """I(S; S+Z) of a few points on a grid, whose rule converges geometrically."""
    points = np.asarray(centres) / sigma
    nodes = np.arange(-9.0, 9.0, 1 / 16)
    total = 0.0
    for point in points:
        t = point + nodes
        logs = -0.5 * (t[:, None] - points) ** 2
        log_ratio = -0.5 * nodes**2 - np.log(np.exp(logs).mean(axis=1))
        total += float((np.exp(-0.5 * nodes**2) * log_ratio).sum()) / 16
    return total / (len(points) * math.sqrt(2.0 * math.pi))


def neuron_by_hand(steps: list[Step]) -> None:
    x = np.array([-3.0, -1.0, 1.0, 3.0])
    for step in (step for setting in settings(steps) for step in setting):
        found, sigma = step["result"], step["params"]["sigma"]
        centres = np.tanh(found["weight"] * x + found["bias"])
        assert found["centres"] == pytest.approx(centres, abs=1e-12)
        assert found["information"] == pytest.approx(by_trapezoid(centres, sigma), abs=1e-7)
    # w from 0 to 10 at little noise: 0, then four points, and at the end 3 + 1
    quiet = min(steps, key=lambda step: (step["step"]["what"] == "epoch", step["params"]["sigma"]))
    curve = quiet["result"]["information"]
    ends = (curve[0], max(curve), curve[-1])
    assert ends == pytest.approx((0.0, math.log(4), math.log(4) - 0.75 * math.log(3)), abs=1e-6)


def neurons_by_hand(steps: list[Step]) -> None:
    x = np.arange(1.0, 9.0)
    for step in steps:
        found, sigma = step["result"], step["params"]["sigma"]
        w, b, *_ = found["parameters"]
        centres = np.maximum(w * x + b, (w * x + b) / 10.0)
        assert found["information_1"] == pytest.approx(by_trapezoid(centres, sigma), abs=1e-7)
        # data processing
        assert found["interval_2"][0] <= found["information_1"] + 1e-9


def layers_process_data(steps: list[Step]) -> None:
    for step in steps:
        found = step["result"]
        for low, high in zip(found["low"][1:], found["high"], strict=False):
            assert low <= high
    first, last = (steps[i]["result"]["test_accuracy"] for i in (0, -1))
    assert first < 0.8 < last <= 1.0


def first_layer_by_monte_carlo(network: str, steps: list[Step]) -> None:
    """I(X;T_1) from the weights that were kept: log p(t|x) - log p(t) at random t, in NumPy."""
    from entbench.networks import weights_at
    from entbench.networks._zoo import Trained

    for step in (steps[0], steps[-1]):
        sigma, rng = step["params"]["sigma"], np.random.default_rng(0)
        recipe = Trained(network, sigma=sigma)
        weights = weights_at(recipe.folder, step["step"]["epoch"])
        signal = np.tanh(recipe.data.X @ weights["0.0.weight"].T + weights["0.0.bias"])
        x = rng.integers(len(signal), size=1500)
        z = rng.standard_normal((len(x), signal.shape[1]))
        logs = -0.5 * cdist(signal[x] / sigma + z, signal / sigma, "sqeuclidean")
        terms = -0.5 * (z**2).sum(axis=1) - logsumexp(logs, axis=1) + math.log(len(signal))
        error = 4.0 * terms.std() / math.sqrt(len(x))  # false alarm 6e-5
        low, high = step["result"]["low"][0], step["result"]["high"][0]
        assert low - error <= terms.mean() <= high + error


FACTS: dict[str, tuple[Callable[[list[Step]], None], ...]] = {
    "mnist-cnn": (partial(loss_falls, "test_loss"),),
    "single-neuron": (neuron_by_hand,),
    "two-neuron": (neurons_by_hand,),
    "szt": (layers_process_data, partial(first_layer_by_monte_carlo, "szt")),
    "spiral": (layers_process_data, partial(first_layer_by_monte_carlo, "spiral")),
}
