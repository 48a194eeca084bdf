"""The information plane's networks in training, on little data, and what is said of them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from entbench._base import ExperimentResult
from entbench.networks._dense_recipe import load_rows
from entbench.networks.data import _mnist as mnist_module
from entbench.networks.data import split
from entbench.networks.experiments.information_plane import (
    FINE_WIDTHS,
    N_BINS,
    WIDTHS,
    InformationPlane,
)
from entbench.report.figures import _plane as figures

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

SIZE = {"epochs": 40, "records": 12, "patience": 5}
DRAWN = {name: getattr(figures, name.replace("-", "_")) for name in InformationPlane.figures}
SETTINGS = [
    {"activation": "tanh"},
    {"activation": "relu-relu-tanh-tanh-tanh"},
    {"activation": "tanh", "hidden": "3-2-12-2"},
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("information-plane")
        patch.setenv("ENTBENCH_STORE", str(folder / "store.sqlite"))
        yield


@pytest.fixture(scope="module")
def results(store: None) -> list[ExperimentResult]:
    found = []
    for setting in SETTINGS:
        experiment = InformationPlane(**SIZE, **setting)
        found += [
            ExperimentResult(experiment.get_params(), step, experiment.measure(step))
            for step in experiment.steps()
        ]
    return found


def of(results: list[ExperimentResult], number: int) -> list[dict[str, Any]]:
    wanted = InformationPlane(**SIZE, **SETTINGS[number]).get_params()
    return [dict(each.result) for each in results if each.params == wanted]


def entropy(rows: np.ndarray) -> float:
    shares = np.unique(rows, axis=0, return_counts=True)[1] / len(rows)
    return float(-(shares * np.log(shares)).sum())


def layers_of(experiment: InformationPlane, epoch: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Hidden layers and logits of all rows, by the network's own way of giving its signals."""
    X, y = load_rows(experiment.data)
    network = experiment._recipe.at(epoch).eval().twin()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    parts: list[list[np.ndarray]] = []
    with torch.no_grad():
        for start in range(0, len(X), 1000):  # as many at once as there: the same bits
            x = torch.tensor(X[start : start + 1000], dtype=torch.float32)
            parts.append([part.numpy() for part in (*network.signals(x), network(x))])
    torch.set_num_threads(threads)
    return [np.concatenate(layer) for layer in zip(*parts, strict=True)], y


def test_steps_are_epochs_log_spaced() -> None:
    epochs = [step["epoch"] for step in InformationPlane().steps()]
    assert len(epochs) == 400
    assert epochs[:50] == list(range(50))
    assert epochs[-1] == 8000
    assert InformationPlane(epochs=40, records=12).landmarks == [1, 20, 40]
    assert InformationPlane().landmarks[::2] == [1, 8000]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_coordinates_are_those_of_numpy(results: list[ExperimentResult], number: int) -> None:
    """The last epoch by numpy.unique, and I(Bin(T);Y) as H(Bin(T)) + H(Y) - H(Bin(T), Y)."""
    experiment = InformationPlane(**SIZE, **SETTINGS[number])
    layers, y = layers_of(experiment, 40)
    train, test = split(*load_rows("szt"))
    logits = torch.tensor(layers[-1]).double()
    layers[-1] = torch.softmax(logits, 1).float().numpy()
    found = of(results, number)[-1]
    labels = y[train][:, None]
    for prefix, widths in (("", WIDTHS), ("fine_", FINE_WIDTHS)):
        for place, width in enumerate(widths):
            for number_of_layer, layer in enumerate(layers):
                cells = np.floor(layer[train].astype(np.float64) / width)
                alone = entropy(cells)
                label = alone + entropy(labels) - entropy(np.hstack([cells, labels]))
                assert found[f"{prefix}input"][place][number_of_layer] == pytest.approx(alone)
                assert found[f"{prefix}label"][place][number_of_layer] == pytest.approx(label)
    assert found["row_input"] == [pytest.approx([entropy(layer[train]) for layer in layers])]
    for part, rows in (("train", train), ("validation", test)):
        targets = torch.tensor(y[rows])
        loss = torch.nn.functional.cross_entropy(logits[rows], targets)
        right = (logits[rows].argmax(1) == targets).double().mean()
        assert found[f"{part}_loss"] == pytest.approx(float(loss), rel=1e-10)
        assert found[f"{part}_accuracy"] == float(right)


def test_equal_bins_lie_in_the_activations_range(results: list[ExperimentResult]) -> None:
    """ReLU between its least and largest activation, tanh in [-1, 1], softmax in [0, 1]."""
    layers, _ = layers_of(InformationPlane(**SIZE, **SETTINGS[1]), 40)
    train = split(*load_rows("szt"))[0]
    found = of(results, 1)[-1]["number_input"]
    relu, tanh = layers[1][train].astype(np.float64), layers[4][train].astype(np.float64)
    for place, count in enumerate(N_BINS):
        for layer, values, ends in ((1, relu, (0.0, relu.max())), (4, tanh, (-1.0, 1.0))):
            edges = np.linspace(*ends, count + 1)[1:-1]
            expected = entropy(np.digitize(values, edges))
            # a value at an edge may fall on either side of it, for rounding
            assert found[place][layer] == pytest.approx(expected, abs=2e-3)


def test_limits_bound_every_layer(results: list[ExperimentResult]) -> None:
    y = load_rows("szt").y
    train = split(*load_rows("szt"))[0]
    for each in results:
        json.dumps(each.result, allow_nan=False)
        found = each.result
        assert found["input_limit"] == pytest.approx(math.log(2.0) * 11.677719641641012, rel=1e-14)
        assert found["label_limit"] == pytest.approx(entropy(y[train][:, None]), rel=1e-13)
        for name in ("input", "label", "number_input", "number_label"):
            values = np.array(found[name])
            assert values.min() >= -1e-14
            assert values.max() <= found[f"{name.removeprefix('number_')}_limit"] + 1e-14
        # I(Bin;Y) <= H(Bin)
        assert (np.array(found["label"]) <= np.array(found["input"]) + 1e-14).all()
        if "row_input" in found:
            # with rows as they are the data processing inequality holds
            assert (np.diff(found["row_input"][0]) <= 1e-12).all()
            assert (np.array(found["fine_input"]) <= np.array(found["row_input"]) + 1e-12).all()


def test_histograms_hold_every_activation(results: list[ExperimentResult]) -> None:
    landmarks = [each for each in of(results, 0) if "histogram" in each]
    assert len(landmarks) == 3
    for found in landmarks:
        assert [sum(counts) for counts in found["histogram"]] == [
            3276 * units for units in (10, 7, 5, 4, 3, 2)
        ]
        for layer, counts in enumerate(found["histogram"]):
            assert found["filled"][layer] == np.count_nonzero(counts)
            assert found["last_bin"][layer] - found["first_bin"][layer] + 1 == len(counts)
            assert -15 <= found["first_bin"][layer] <= found["last_bin"][layer] <= 14


def test_bottleneck_shows_less_than_what_follows(results: list[ExperimentResult]) -> None:
    last = of(results, 2)[-1]
    assert last["input"][1][1] + 0.5 < last["input"][1][2]


def test_same_question_same_answer(results: list[ExperimentResult]) -> None:
    again = InformationPlane(**SIZE).measure({"epoch": 40})
    assert again == of(results, 0)[-1]
    other = replace(InformationPlane(**SIZE), seed=1).measure({"epoch": 1})
    assert other["input"] != of(results, 0)[1]["input"]


def test_dead_layers_are_one_cell(results: list[ExperimentResult]) -> None:
    class Dead(InformationPlane):
        def _layers(self, epoch: int, X: np.ndarray) -> list[np.ndarray]:
            """Hidden units all 0, and an output that does not depend on X."""
            return [np.zeros((len(X), 3)), np.full((len(X), 2), math.log(0.5))]

    found = Dead(hidden="3", activation="relu", **SIZE).measure({"epoch": 40})
    for name in ("input", "fine_input", "number_input", "row_input"):
        assert np.abs(found[name]).max() == 0.0
    assert found["filled"] == [1, 1]
    assert found["validation_loss"] == pytest.approx(math.log(2.0))


def test_figures_draw_every_network(results: list[ExperimentResult], tmp_path: Path) -> None:
    mixed = InformationPlane(**SIZE, **SETTINGS[1]).get_params()
    shown = [each for each in results if each.params != mixed]
    drawn = {name: draw(shown) for name, draw in DRAWN.items()}
    plane = drawn["information-plane"].axes
    assert len(plane) == 2 * 4 + 1  # and the scale of epochs
    # a line for each of six layers, the legend's six, and two limits
    assert [len(axes.lines) for axes in plane[:5]] == [14, 8, 8, 8, 7]
    assert plane[0].get_title(loc="left") == "szt, 10-7-5-4-3, tanh\nbins of 0.01"
    assert len(drawn["plane-stopping"].axes) == 2 * 3 + 1
    histograms = drawn["plane-histograms"].axes
    assert [len(axes.patches) for axes in histograms[-6:]] == [3] * 5 + [0]
    # the gap behind the bottleneck is filled
    training = drawn["plane-training"].axes
    assert training[4].collections
    for name, figure in drawn.items():
        figure.savefig(tmp_path / f"{name}.png", dpi=40)


def test_tables_have_limits_ends_and_stops(results: list[ExperimentResult]) -> None:
    limits, *ends, stops = InformationPlane.tables(results)
    assert limits.rows[1] == ("H(X)", "8.094378", "11.677720", "11.677720")
    assert [len(table.rows) for table in ends] == [6, 6, 5]
    assert {len(row) for table in ends for row in table.rows} == {14}
    assert [row[0] for row in stops.rows[:3]] == ["tanh, early", "tanh, perfect", "tanh, full"]
    assert [float(row[1]) for row in stops.rows[2::3]] == [40.0] * 3
    assert InformationPlane.tables([]) == []
    assert InformationPlane.remark([]) == ""
    assert "after 40 epochs" in InformationPlane.remark(results)


NAMES = ("input", "label")
ANCHORS = (0, 4, 10, 100, 1000, 4000, 7000)
# four records from each to the next, and three at the end
TIMES = (*np.arange(0.0, 6.1, 0.25).tolist(), 6.0, 6.0, 6.0)
EPOCHS = (*np.interp(TIMES[:25], range(7), ANCHORS).astype(int).tolist(), 7300, 7600, 8000)
H_X, I_XY = math.log(3276), 0.9977 * math.log(2.0)


def invented(activation: str, seed: int, tell: Any, hidden: str = "10-7-5-4-3") -> list[Any]:
    """A run: `tell(layer, time)` gives I(X;Bin(T)) and bins in use, time from 0 to 6."""
    count = hidden.count("-") + 2
    found = []
    every = np.array([[tell(layer, time) for layer in range(count)] for time in range(7)])
    between = [np.interp(TIMES, range(7), each) for each in every.reshape(7, -1).T]
    for time, epoch, row in zip(TIMES, EPOCHS, zip(*between, strict=True), strict=True):
        points = [(float(row[2 * i]), round(row[2 * i + 1])) for i in range(count)]
        wide = [value - 0.4 * (layer < count - 1) for layer, (value, _) in enumerate(points)]
        middle = [value for value, _ in points]
        result = {
            "input_limit": H_X,
            "label_limit": I_XY,
            "input": [middle, middle, middle, wide],
            "label": [[I_XY] * count] * 4,
            "filled": [filled for _, filled in points],
            "train_loss": 0.7 - 0.1 * time,
            # least at epoch 1000, after a stop at 100
            "validation_loss": float(
                np.interp(time, range(7), (0.7, 0.69, 0.5, 0.6, 0.3, 0.4, 0.5))
            ),
            "validation_accuracy": 0.94,
        }
        for name, limit in zip(NAMES, (H_X, I_XY), strict=True):
            result[f"fine_{name}"] = result[f"row_{name}"] = [[limit] * count]
        result["number_input"] = [middle]
        params = {
            "data": "szt",
            "hidden": hidden,
            "activation": activation,
            "epochs": 8000,
            "learning_rate": 0.05,
            "seed": seed,
            "records": 7,
            "patience": 50,
        }
        found.append(ExperimentResult(params, {"epoch": epoch}, result))
    return found


def compresses(layer: int, time: int) -> tuple[float, int]:
    """As the paper has tanh: layers 5 and 6 up to epoch 100 and down, the output to H(Y)."""
    if layer < 4:
        return 7.0, 28
    heights = (1.0, 2.0, 3.0, 4.0, 3.0, 2.0, I_XY)
    return heights[time], 10 + round(heights[time])


def rises(layer: int, time: int) -> tuple[float, int]:
    """As the paper has ReLU; the output as before."""
    heights = (1.0, 3.0, 4.5, 5.6, 6.2, 6.4, 6.4)
    return compresses(layer, time) if layer == 5 else (heights[time], 10 + time)


def late(layer: int, time: int) -> tuple[float, int]:
    """The third layer and later compress."""
    return compresses(layer + 2, time)


def behind(layer: int, time: int) -> tuple[float, int]:
    return (5.0, 20) if layer == 1 else (6.0, 20)


def test_claims_hold_where_a_run_is_as_the_paper_says() -> None:
    runs = [
        *(each for seed in (0, 1, 2) for each in invented("tanh", seed, compresses)),
        *(each for seed in (0, 1, 2) for each in invented("relu", seed, rises)),
        *invented("tanh-tanh-relu-relu-relu", 0, late),
        *invented("relu-relu-tanh-tanh-tanh", 0, rises),
        *invented("tanh", 0, behind, "3-2-12-2"),
    ]
    claims = InformationPlane.claims(runs)
    assert [claim.claim for claim in claims if claim.holds is not True] == []
    assert len(claims) == 16
    assert "3 of 3 seeds" in claims[5].measured
    assert InformationPlane.claims([]) == []
    # a shorter run says nothing on how training ends, but for what has come about and stays
    short = [each for each in runs if each.step["epoch"] < 8000]
    told = {c.claim for c in InformationPlane.claims(short) if c.holds}
    assert {claim.partition(":")[2] for claim in told if claim.startswith("tanh:")} == {
        *(" smaller bins take the hidden layers to the right", " the last hidden layer compresses"),
        " layers that compress empty their bins",
    }
    assert not any(claim.startswith(("ReLU", "tanh after", "in the end")) for claim in told)


def test_claims_leave_out_networks_that_have_learned_nothing() -> None:
    idle = invented("tanh", 0, compresses)
    for each in idle:
        each.result["validation_accuracy"] = 0.55
    claims = InformationPlane.claims([*idle, *invented("tanh", 1, rises)])
    claim = next(c for c in claims if c.claim.startswith("tanh: the last"))
    assert claim.holds is False
    assert "0 of 2 seeds, 1 not learned" in claim.measured


def test_the_printed_entropy_is_compared_with_the_rows() -> None:
    """MNIST's 2400 training rows are not the 1500 of Table 1; both numbers are shown."""
    run = invented("tanh", 0, compresses)
    for each in run:
        each.params["data"] = "mnist-138"
        each.result.update({"input_limit": math.log(2400.0), "label_limit": math.log(3.0)})
    rows, labels = InformationPlane.claims(run)[:2]
    assert rows.holds is False
    assert rows.measured == "printed 10.550747 bits; log2 2400 = 11.228819"
    assert labels.holds is True


def test_few_networks_may_stop_late_by_chance() -> None:
    runs = [each for seed in range(4) for each in invented("tanh", seed, compresses)]
    claim = InformationPlane.claims(runs)[-2]
    assert claim.holds is None
    assert "4 of 4 seeds; so few may show it by chance" in claim.measured


def test_settings_that_differ_are_not_taken_for_seeds() -> None:
    runs = [*invented("tanh", 0, compresses), *invented("tanh", 1, compresses)]
    other = [
        each._replace(params={**each.params, "learning_rate": 0.1})
        for each in invented("tanh", 0, rises)
    ]
    stops = InformationPlane.tables([*runs, *other])[-1]
    assert [row[0] for row in stops.rows[::3]] == [
        "tanh, learning_rate=0.05, early",
        "tanh, learning_rate=0.1, early",
    ]


def test_claims_fail_and_stay_open() -> None:
    swapped = [
        *invented("tanh", 0, rises),
        *invented("relu", 0, compresses),
        *invented("relu-relu-tanh-tanh-tanh", 0, compresses),
        *invented("tanh", 0, compresses, "3-2-12-2"),
    ]
    held = {claim.claim: claim.holds for claim in InformationPlane.claims(swapped)}
    for beginning, holds in {
        "tanh: the last hidden": False,
        "ReLU: hidden": False,
        "ReLU: empty": False,
        "tanh after": False,
        "ReLU after": None,  # not in this run
        "behind": False,
    }.items():
        (found,) = [value for claim, value in held.items() if claim.startswith(beginning)]
        assert found is holds, beginning
    divided = [*invented("tanh", 0, compresses), *invented("tanh", 1, rises)]
    claim = next(
        c for c in InformationPlane.claims(divided) if c.claim.startswith("tanh: the last")
    )
    assert claim.holds is None
    assert "1 of 2 seeds" in claim.measured


def test_a_layer_short_of_the_limit_is_named() -> None:
    run = invented("tanh", 0, compresses)
    run[-1].result["row_input"] = run[-1].result["fine_input"] = [[H_X] * 5 + [2.0]]
    claim = InformationPlane.claims(run)[2]
    assert claim.holds is False
    assert "5 of 6 layers" in claim.measured
    assert "equal rows in layer 6 of tanh" in claim.measured


def test_a_run_without_its_last_steps_is_told_of(results: list[ExperimentResult]) -> None:
    """What failed is not there: the epochs looked into may be among it, or all."""
    for most in (30, 0):
        part = [each for each in results if each.step["epoch"] <= most]
        told = InformationPlane.claims(part)[2]
        assert (told.holds is None) == (most == 0)
        assert ("after epoch 20" in told.measured) == (most == 30)
        assert len(InformationPlane.tables(part)) == (5 if most else 2)
        for draw in DRAWN.values():
            assert draw(part).axes


def test_auto_takes_what_there_is_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setenv("ENTBENCH_STORE", str(tmp_path / "store.sqlite"))
    monkeypatch.delenv("ENTBENCH_MNIST_DIR", raising=False)
    monkeypatch.setattr("sklearn.datasets.fetch_openml", fail)
    mnist_module.mnist_by_key.cache_clear()
    with pytest.warns(UserWarning, match="digits of 8 x 8"):
        experiment = InformationPlane(data="auto-138", epochs=1, records=2).resolved()
    mnist_module.mnist_by_key.cache_clear()
    assert experiment.data == "digits-138"
    found = experiment.measure({"epoch": 1})
    X, y = load_rows("digits-138")
    train = split(X, y)[0]
    assert sorted(set(y.tolist())) == [0, 1, 2]
    assert found["input_limit"] == math.log(len(train))
    assert found["label_limit"] == pytest.approx(entropy(y[train][:, None]))
    assert InformationPlane().resolved() == InformationPlane()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"data": "mnist"}, '`data` must be "szt" or end in "-138"'),
        ({"hidden": "10-0"}, "`hidden` must be widths"),
        ({"activation": "tanh-relu"}, "one for each of the 5 hidden layers"),
        ({"epochs": 0}, "`epochs`"),
        ({"records": 1}, "`records`"),
        ({"learning_rate": 0.0}, "`learning_rate`"),
        ({"patience": 0}, "`patience`"),
    ],
)
def test_bad_parameters_get_a_line(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InformationPlane(**params)


def test_import_leaves_torch_alone() -> None:
    code = (
        "import sys, entbench.networks.experiments.information_plane as plane; "
        "assert plane.InformationPlane.version; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
