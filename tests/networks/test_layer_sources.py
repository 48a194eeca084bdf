"""Layers of trained networks as sources, and the networks by rule behind them."""

from __future__ import annotations

import json
import math
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from entbench.cli import main
from entbench.networks._zoo import EPOCHS, Trained, check_epoch, schedule
from entbench.networks.layer_sources import NetworkLayer, _trained_at

pytest.importorskip("torch")
pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def _one_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("networks") / "store.sqlite")


@pytest.fixture(autouse=True)
def _shared(monkeypatch: pytest.MonkeyPatch, _own_store: None, _one_folder: str) -> None:
    """The networks of this file are trained once."""
    monkeypatch.setenv("ENTBENCH_STORE", _one_folder)


def layer(**params: Any) -> NetworkLayer:
    return NetworkLayer(**{"epoch": 10, **params})


def test_weights_are_kept_evenly_on_a_logarithmic_scale() -> None:
    kept = schedule()
    assert {0, 1, 10, 100, 1000, EPOCHS} <= set(kept)
    ratios = [b / a for a, b in pairwise(kept[9:])]
    assert max(ratios) < 1.26
    with pytest.raises(ValueError, match="one whose weights are kept, as 83 or 100; got 99"):
        check_epoch(99)


def test_layer_1_is_the_network_run_by_hand() -> None:
    """tanh(W x + b) of the stored weights, in NumPy, for the rows of the data set."""
    source = layer(layer=1)
    weights = Trained().at(10).state_arrays()
    W, b = (value for name, value in sorted(weights.items(), reverse=True) if name.startswith("0."))
    rows = Trained().data.X
    by_hand = np.tanh(rows @ W.T + b)
    sample = source.sample(500, np.random.default_rng(3))
    distance = np.abs(sample[:, None, :] - by_hand[None, :, :]).max(axis=2).min(axis=1)
    assert distance.max() < 1e-6
    assert source.dim == sample.shape[1] == 10


def test_deeper_layers_have_the_noise_of_those_before() -> None:
    """Var(S_2 | X = x) is sigma^2 times the squared slope, by a Jacobian in NumPy: to 15 %.

    2000 passes of one input give a variance to 3 % (one standard error), 7 units.
    """
    from entbench.networks import conditional_samples

    source = layer(layer=2, sigma=0.005)
    network = _trained_at(source._recipe, 10)
    x = Trained().data.X[1234]
    found = conditional_samples(network, x, 2, 2000).var(axis=0)
    weights = list(network.state_arrays().values())
    first = np.tanh(weights[0] @ x + weights[1])
    second = np.tanh(weights[2] @ first + weights[3])
    expected = 0.005**2 * (1 - second**2) ** 2 * (weights[2] ** 2).sum(axis=1)
    assert found == pytest.approx(expected, rel=0.15)


def test_training_goes_on_where_it_stopped_and_is_kept() -> None:
    recipe = Trained(seed=5)
    early = recipe.at(3).state_arrays()
    late = recipe.at(8).state_arrays()
    files = sorted(path.name for path in recipe.folder.glob("*.npz"))
    assert "epoch_000003.npz" in files
    before = {path: path.stat().st_mtime_ns for path in recipe.folder.glob("*.npz")}
    again = Trained(seed=5)
    assert all(np.array_equal(again.at(3).state_arrays()[k], v) for k, v in early.items())
    assert all(np.array_equal(again.at(8).state_arrays()[k], v) for k, v in late.items())
    assert {path: path.stat().st_mtime_ns for path in recipe.folder.glob("*.npz")} == before
    assert recipe.folder.is_relative_to(Path(os.environ["ENTBENCH_STORE"]).parent / "networks")


def test_networks_that_differ_have_folders_of_their_own() -> None:
    recipes = [
        Trained(),
        Trained(sigma=0.01),
        Trained(activation="relu"),
        Trained(orthonormal=5e-5),
        Trained(seed=1),
        Trained("spiral"),
    ]
    assert len({recipe.folder for recipe in recipes}) == len(recipes)
    assert Trained(sigma=0.005).folder == Trained().folder


@pytest.mark.parametrize("activation", ["tanh", "relu", "linear"])
def test_facts_say_when_the_layer_is_in_the_cube(activation: str) -> None:
    source = layer(layer=3, activation=activation)
    facts = source.facts()
    assert facts.in_unit_cube == (activation == "tanh")
    assert facts.subgaussian_constant == (math.sqrt(5) if activation == "tanh" else None)
    inside = np.abs(source.sample(2000, np.random.default_rng(0))).max() <= 1.0
    assert inside or not facts.in_unit_cube


def test_the_bracket_holds_the_truth_of_layer_1_too() -> None:
    """Layer 1 by its mixture; the same samples, not told so, by the bracket: within both errors."""
    from entbench.sources._certificate import Asked, certify_bracket

    source = layer(layer=1, sigma=0.5)
    exact = source.certify(5e-3)
    bracket = certify_bracket(source.sample, source.sigma, Asked(0.1))
    assert abs(exact.value - bracket.value) <= exact.error + bracket.error
    second = source.verify(0.02)
    assert abs(second.value - exact.value) <= second.error + exact.error


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"network": "mnist"}, "`network` must be one of 'szt', 'spiral'; got 'mnist'"),
        ({"layer": 6}, "`layer`"),
        ({"network": "spiral", "activation": "relu"}, "`activation` must be one of 'tanh'"),
        ({"sigma": 0.0}, "`sigma`"),
        ({"epoch": 9001}, "`epoch`"),
        ({"orthonormal": -1.0}, "`orthonormal` must be a finite number >= 0"),
    ],
)
def test_bad_parameters_get_a_line(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layer(**params)


def test_suite_runs_estimators_on_a_layer() -> None:
    arguments = [
        *("suite", "noisy-network", "layer=1", "epoch=3", "sigma=0.2", "n=50,100"),
        *("-e", "sp", "-e", "kl", "-e", "kt-upper"),
        *("--trials", "2", "--format", "json", "-q", "--jobs", "1"),
    ]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["reference"]["error"] <= 0.05
    assert {row["failed"] for row in data["rows"]} == {0}
    assert {check["status"] for check in data["checks"]} <= {"holds", "vacuous"}
