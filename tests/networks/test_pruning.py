"""Layers that move alike in the plane: distances, the stop, what is pruned and what is claimed."""

from __future__ import annotations

import itertools
import json
import math
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from entbench._base import ExperimentResult
from entbench.networks._plane import stops_of
from entbench.networks.data import load_szt, split
from entbench.networks.experiments.pruning import (
    Pruning,
    distances_of,
    has_stopped,
    run_to_stop,
)
from entbench.report.figures._pruning import pruning_accuracy, pruning_planes

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

SIZE = {"hidden": "6-4-3-3-3", "spared": 2, "epochs": 30, "records": 12, "patience": 4}
WIDTH = 0.07


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the networks of `results` are."""
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("pruning") / "store.sqlite"
        patch.setenv("ENTBENCH_STORE", str(path))
        run_to_stop.cache_clear()
        yield path


@pytest.fixture
def kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Find the networks of `results` again."""
    monkeypatch.setenv("ENTBENCH_STORE", str(folder))


def run(**params: Any) -> list[ExperimentResult]:
    experiment = Pruning(**{**SIZE, **params})
    return [
        ExperimentResult(experiment.get_params(), step, experiment.measure(step))
        for step in experiment.steps()
    ]


@pytest.fixture(scope="module")
def results(folder: Path) -> list[ExperimentResult]:
    # between the distances that there are, so that some layers go and others stay
    first = run(prunings=0)[0].result["distances"]
    return run(prunings=2, similar=float(np.mean(sorted(first[1:])[:2])))


def test_distance_is_the_root_mean_square_over_epochs() -> None:
    points = np.random.default_rng(0).random((7, 4, 2))
    for layer, found in enumerate(distances_of(points)):
        squares = [math.dist(one[layer], one[layer + 1]) ** 2 for one in points]
        assert found == pytest.approx(math.sqrt(sum(squares) / 7), rel=1e-13)
    assert distances_of(np.ones((3, 2, 2))) == [0.0]
    assert distances_of(np.array([[[0.0, 0.0], [0.3, 0.4]]])) == pytest.approx([0.5], rel=1e-15)


def test_patience_counts_epochs_from_the_least_loss() -> None:
    epochs = [0, 1, 2, 4, 8, 16]
    losses = [0.7, 0.5, 0.6, 0.55, 0.4, 0.45]
    stopped = [has_stopped(epochs[:k], losses[:k], 3) for k in range(1, 7)]
    # least at 1 until 8: 4 - 1 = 3, then 16 - 8
    assert stopped == [False, False, False, True, False, True]
    assert not has_stopped([0, 100], [0.7, 0.6], 1)


def test_stop_is_that_of_the_information_plane() -> None:
    """One rule for early stopping, asked epoch by epoch and of a whole curve."""
    epochs, rng = [0, 1, 2, 3, 5, 8, 12, 18, 27], np.random.default_rng(0)
    for _ in range(50):
        losses = rng.random(len(epochs)).tolist()
        past = [has_stopped(epochs[:k], losses[:k], 4) for k in range(1, len(epochs) + 1)]
        first = past.index(True) if any(past) else len(epochs) - 1
        assert first == stops_of(epochs, losses, 4).early


def test_stop_is_by_the_losses_that_training_wrote(
    results: list[ExperimentResult], kept: None
) -> None:
    """The rule by hand, on the validation losses of the checkpoints."""
    from entbench.networks._checkpoints import checkpoint_epochs, read_checkpoint

    early = run(prunings=0, learning_rate=20.0, seed=1)  # so large that the loss rises
    assert early[0].result["stop"] < SIZE["epochs"]
    for each in (results[0], early[0]):
        recipe = Pruning(**each.params)._recipe(each.result["hidden"])
        stop = each.result["stop"]
        assert checkpoint_epochs(recipe.folder)[-1] == stop  # nothing was trained in vain
        history = read_checkpoint(recipe.folder / f"epoch_{stop:06d}.npz").history
        epochs, losses = history[:, 0].tolist(), history[:, 2]
        assert epochs == each.result["epochs"]
        past = [
            epoch - epochs[int(np.argmin(losses[: k + 1]))] >= SIZE["patience"]
            for k, epoch in enumerate(epochs)
        ]
        assert not any(past[:-1])
        assert past[-1] or stop == SIZE["epochs"]
        assert each.result["accuracy"] == pytest.approx(history[-1, 4], abs=1e-12)
        assert each.result["train_accuracy"] == pytest.approx(history[-1, 3], abs=1e-12)


def entropy(rows: Any) -> float:
    shares = np.unique(np.asarray(rows), axis=0, return_counts=True)[1] / len(rows)
    return float(-(shares * np.log(shares)).sum())


def test_trajectories_are_counted_on_the_training_rows(
    results: list[ExperimentResult], kept: None
) -> None:
    """The last point of each layer by NumPy's unique rows; distances from what is kept."""
    X, y = load_szt()
    rows, _ = split(X, y)
    each = results[0]
    network = Pruning(**each.params)._recipe(each.result["hidden"]).at(each.result["stop"])
    with torch.no_grad():
        x = torch.tensor(X[rows], dtype=network.dtype)
        layers = network.twin().signals(x)
        layers.append(torch.softmax(network.twin()(x).double(), dim=1))
    label = y[rows]
    assert each.result["input_limit"] == pytest.approx(math.log(3276), rel=1e-14)
    assert each.result["label_limit"] == pytest.approx(entropy(label[:, None]), rel=1e-12)
    for at, layer in enumerate(layers):
        bins = np.floor(layer.double().numpy() / WIDTH)
        joint = entropy(np.column_stack([bins, label]))
        assert each.result["input"][-1][at] == pytest.approx(entropy(bins), abs=1e-10)
        wanted = entropy(bins) + entropy(label[:, None]) - joint
        assert each.result["label"][-1][at] == pytest.approx(wanted, abs=1e-10)
    plane = np.stack([each.result["input"], each.result["label"]], axis=2)[:, :5]
    plane /= [each.result["input_limit"], each.result["label_limit"]]
    for pair, far in enumerate(each.result["distances"]):
        gaps = plane[:, pair] - plane[:, pair + 1]
        assert far == pytest.approx(math.sqrt((gaps**2).sum(1).mean()), rel=1e-12)


def test_similar_layers_go_and_the_first_of_them_stays(results: list[ExperimentResult]) -> None:
    widths = SIZE["hidden"].split("-")
    for each, after in itertools.pairwise(results):
        json.dumps(dict(each.result), allow_nan=False)
        found, threshold = each.result, each.params["similar"]
        if found["repeated"]:
            continue
        going = [at + 2 for at, far in enumerate(found["distances"]) if far <= threshold]
        assert found["going"] == [layer for layer in going if layer > 2]
        assert found["done"] == (not found["going"])
        widths = [w for layer, w in enumerate(widths, 1) if layer not in found["going"]]
        assert after.result["hidden"] == "-".join(widths)
        assert after.result["layers"] == len(widths)
    assert results[0].result["going"]
    assert widths[:2] == ["6", "4"]


def test_all_or_nothing_goes_and_later_steps_repeat() -> None:
    everything = run(similar=10.0, prunings=2)
    assert [each.result["hidden"] for each in everything] == ["6-4-3-3-3", "6-4", "6-4"]
    assert [each.result["repeated"] for each in everything] == [False, False, True]
    nothing = run(similar=0.0, prunings=1)
    assert [each.result["done"] for each in nothing] == [True, True]
    assert nothing[1].result["repeated"]
    for name in ("hidden", "accuracy", "stop"):
        assert nothing[0].result[name] == nothing[1].result[name]


def test_same_question_same_answer(results: list[ExperimentResult]) -> None:
    run_to_stop.cache_clear()
    each = results[1]
    assert Pruning(**each.params).measure(each.step) == each.result


def invented(
    activation: str, seeds: list[list[float]], far: float, stop: int = 100
) -> list[ExperimentResult]:
    """Chains of networks that lose their five added layers, a share each time, by accuracies."""
    found = []
    for seed, accuracies in enumerate(seeds):
        params = {"activation": activation, "seed": seed, "spared": 5, "similar": 0.05}
        params["epochs"] = 200
        for k, accuracy in enumerate(accuracies):
            layers = 10 if k == 0 else 5
            end = k == len(accuracies) - 1
            result = {
                "layers": layers,
                "hidden": "-".join(["3"] * layers),
                "accuracy": accuracy,
                "stop": stop,
                "done": end,
                "repeated": False,
                "going": [] if end else [6, 7, 8, 9, 10],
                "distances": [0.3] * 4 + [far] * (layers - 5),
                "majority": 0.5,
                "validated": 820,
                "input": [[0.1 * layer for layer in range(layers + 1)]] * 2,
                "label": [[0.01 * layer for layer in range(layers + 1)]] * 2,
                "input_limit": 8.0,
                "label_limit": 0.69,
            }
            step = {"what": "pruning", "pruning": k}
            found.append(ExperimentResult({**params, "patience": 100}, step, result))
        repeat = {**result, "repeated": True}
        found.append(ExperimentResult(params, {"what": "pruning", "pruning": 9}, repeat))
    return found


def test_claims_hold_where_a_run_is_as_the_paper_says() -> None:
    # the paper's own accuracies: ReLU's fall by 1.3 points is near to 2
    results = [
        *invented("tanh", [[0.8768, 0.8780, 0.8732, 0.8805]] * 10, 0.01),
        *invented("relu", [[0.8780, 0.8646, 0.8805]] * 10, 0.01),
    ]
    claims = Pruning.claims(results)
    assert [claim.holds for claim in claims] == [True] * 5 + [None, True]
    # two counts of 820 rows, ten of each: 0.5 points
    assert "pruning 2: -0.5 (-1.5 to +0.5) points, 10 seeds" in claims[2].measured
    (table,) = Pruning.tables(results)
    assert [row[1] for row in table.rows[:4]] == [
        *("0.8768 ± 0.0000", "0.8780 ± 0.0000", "0.8732 ± 0.0000", "0.8805 ± 0.0000"),
    ]
    assert [row[-1] for row in table.rows] == [
        *("0.8768", "0.8780", "0.8732", "0.8805", "0.8780", "0.8646", "0.8805"),
    ]
    assert "0.05 or less" in Pruning.remark(results)


def test_claims_fail_or_stay_open_by_the_seeds() -> None:
    far = invented("tanh", [[0.95, 0.90], [0.95, 0.91], [0.96, 0.90], [0.95, 0.90]], 0.2)
    assert [claim.holds for claim in Pruning.claims(far)] == [False, True, False, True]
    alone = Pruning.claims(invented("tanh", [[0.90, 0.95], [0.90, 0.95]], 0.2))[2]
    assert alone.holds is None
    assert "fewer than 3 seeds" in alone.measured
    # a loss of 2 points in 4 seeds may be less
    lossy = Pruning.claims(invented("tanh", [[0.90, 0.88]] * 4, 0.2))[2]
    assert lossy.holds is None
    assert Pruning.claims([]) == []


def test_claims_leave_out_what_has_learned_nothing_and_what_was_cut_short() -> None:
    idle = Pruning.claims(invented("relu", [[0.50, 0.90], [0.52, 0.90]], 0.01))
    assert [claim.holds for claim in idle] == [None] * 3
    assert {claim.measured for claim in idle} == {"no doubled network has learned anything"}
    mixed = Pruning.claims(invented("tanh", [[0.95, 0.94], [0.50, 0.90]], 0.01))
    assert [claim.holds for claim in mixed] == [True, True, None, True]
    assert "1 of 2 seeds, 1 have learned nothing" in mixed[1].measured
    cut = Pruning.claims(invented("tanh", [[0.95, 0.94]] * 5, 0.01, stop=200))
    assert [claim.holds for claim in cut] == [None] * 4
    assert "10 of 10 networks had not come to their early stop" in cut[0].measured
    assert Pruning.tables([]) == []
    assert Pruning.remark([]) == ""


def test_figures_draw_each_pruning(results: list[ExperimentResult], tmp_path: Path) -> None:
    chain = [each for each in results if not each.result["repeated"]]
    planes = pruning_planes(results)
    # for each layer and the softmax: line, end, entry of the legend; and the limit
    drawn = [len(axes.lines) for axes in planes.axes if axes.lines]
    assert drawn == [3 * (each.result["layers"] + 1) + 1 for each in chain]
    both = [*invented("tanh", [[0.9, 0.9]], 0.01), *invented("relu", [[0.9, 0.9]] * 2, 0.01)]
    accuracy = pruning_accuracy(both)
    names = {line.get_label() for line in accuracy.axes[0].lines}
    assert names == {"tanh", "relu", "tanh, paper", "relu, paper"}
    for name, figure in {"planes": planes, "accuracy": accuracy}.items():
        figure.savefig(tmp_path / f"{name}.png")


def test_presets_are_experiments() -> None:
    text = files("entbench.suites").joinpath("pruning.toml").read_text()
    for preset in tomllib.loads(text)["presets"].values():
        grid = {k: v if isinstance(v, list) else [v] for k, v in preset.items()}
        for point in itertools.product(*grid.values()):
            experiment = Pruning(**dict(zip(grid, point, strict=True)))
            assert experiment.hidden == "10-7-5-4-3-3-3-3-3-3"
            assert len(experiment.steps()) == experiment.prunings + 1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hidden": "10-x"}, "`hidden` must be widths like 10-7-5-4-3; got '10-x'"),
        ({"activation": "tanh-relu"}, "`activation`.*got 'tanh-relu'"),
        ({"spared": 0}, r"`spared` must be .*got 0"),
        ({"spared": 6}, r"`spared` must be .*got 6"),
        ({"similar": -0.1}, r"`similar` must be .*-0.1"),
        ({"width": 0.0}, r"`width` must be .*0"),
        ({"patience": 0}, r"`patience` must be .*0"),
        ({"prunings": -1}, r"`prunings` must be .*-1"),
    ],
)
def test_bad_parameters_get_a_line(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pruning(**{**SIZE, **params})
