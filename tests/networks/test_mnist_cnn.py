"""The convolutional network in training on small images, and what is said of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from entbench._base import ExperimentResult
from entbench.networks.data import _mnist as mnist_module
from entbench.networks.experiments import MNISTCNN
from entbench.report.figures import EXPERIMENT_FIGURES

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

SIZE = {"epochs": 4, "images": 200, "tested": 150, "data": "digits"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("mnist-cnn")
        patch.setenv("ENTBENCH_STORE", str(folder / "store.sqlite"))
        yield


@pytest.fixture(scope="module")
def results(store: None) -> list[ExperimentResult]:
    found = []
    for noise in (0.0, 0.2, "dropout"):
        experiment = MNISTCNN(noise, **SIZE)
        found += [
            ExperimentResult(experiment.get_params(), step, experiment.measure(step))
            for step in experiment.steps()
        ]
    return found


def of(results: list[ExperimentResult], noise: Any, what: str) -> list[dict[str, Any]]:
    return [
        dict(each.result)
        for each in results
        if each.params["noise"] == noise and each.step["what"] == what
    ]


def test_steps_are_epochs_and_a_comparison() -> None:
    steps = MNISTCNN(epochs=128, data="digits").steps()
    epochs = [step["epoch"] for step in steps if step["what"] == "epoch"]
    assert {0, 1, 32, 128} <= set(epochs)
    assert steps[-1] == {"what": "cosine", "epoch": 128}


def test_results_are_what_the_network_gives(results: list[ExperimentResult]) -> None:
    """Errors and loss by the network itself, and bounds that no entropy is above."""
    for each in of(results, 0.2, "epoch"):
        json.dumps(each, allow_nan=False)
        log_m = math.log(each["tested"])
        assert each["tested"] == 150
        assert each["data"] == "digits 8x8"
        assert max(each["binned"], default=0.0) <= log_m + 1e-12
        assert np.max(each["unit_binned"]) <= log_m + 1e-12
        assert np.shape(each["unit_binned"]) == (4, 128)
        # finer bins tell more apart
        assert (np.diff(each["unit_binned"], axis=0) <= 1e-12).all()
        pairs = 150 * 149 // 2
        for within, between in zip(each["within"], each["between"], strict=True):
            assert sum(within) + sum(between) == pairs
    experiment = MNISTCNN(0.2, **SIZE)
    source = load_digits_images()
    rows = np.random.default_rng(0).permutation(len(source[1]))[:150]
    network = experiment._recipe(0.2).at(4).eval().twin()
    with torch.no_grad():
        output = network(torch.tensor(source[0][rows] / 255.0, dtype=torch.float32)).double()
    labels = torch.tensor(source[1][rows])
    last = of(results, 0.2, "epoch")[-1]
    assert last["errors"] == int((output.argmax(1) != labels).sum())
    loss = float(torch.nn.functional.cross_entropy(output, labels))
    assert last["test_loss"] == pytest.approx(loss, rel=1e-5)


def load_digits_images() -> tuple[np.ndarray, np.ndarray]:
    data = mnist_module.mnist_by_key("digits")
    return data.test_x, data.test_y


def test_training_learns_and_shares_its_beginning(results: list[ExperimentResult]) -> None:
    curves = [of(results, noise, "epoch") for noise in (0.0, 0.2, "dropout")]
    assert len({curve[0]["test_loss"] for curve in curves}) == 1  # the same weights
    assert len({curve[-1]["test_loss"] for curve in curves}) == 3
    for curve in curves:
        assert curve[-1]["test_loss"] < curve[1]["test_loss"] < curve[0]["test_loss"]


def test_angles_to_the_network_without_noise(results: list[ExperimentResult]) -> None:
    (same,) = of(results, 0.0, "cosine")
    assert same["cosine"] == pytest.approx([1.0] * 4, abs=1e-6)
    for noise in (0.2, "dropout"):
        (found,) = of(results, noise, "cosine")
        assert all(0.3 < value < 1.0 for value in found["cosine"])
        counts = np.array(found["cosine_counts"])
        assert counts.sum(axis=1).tolist() == [150] * 4
        middles = (np.array(found["cosine_edges"])[1:] + np.array(found["cosine_edges"])[:-1]) / 2.0
        assert counts @ middles / 150 == pytest.approx(found["cosine"], abs=0.01)


def test_renormalised_network_is_normalised_on_quiet_images(store: None) -> None:
    """Batch normalisation of the first convolution, by its formula: means and variances anew."""
    from entbench.networks._representations import renormalise, representations

    experiment = MNISTCNN("dropout", **SIZE)
    recipe = experiment._recipe("dropout")
    network, X = recipe.at(4), recipe.parts.X[:100]
    convolution, norm = list(network.body[0].children())[1:3]
    kept = {name: array.copy() for name, array in network.state_arrays().items()}
    renormalise(network, X)
    (before,) = representations(network, X, [convolution])
    planes = before.astype(np.float64).reshape(100, 16, -1)
    assert norm.running_mean.numpy() == pytest.approx(planes.mean(axis=(0, 2)), abs=1e-5)
    variances = planes.transpose(1, 0, 2).reshape(16, -1).var(axis=1, ddof=1)
    assert norm.running_var.numpy() == pytest.approx(variances, rel=1e-4)
    after = network.state_arrays()
    changed = {name for name in kept if not np.array_equal(kept[name], after[name])}
    assert {name.rpartition(".")[2] for name in changed} == {
        *("running_mean", "running_var", "num_batches_tracked"),
    }


def test_same_question_same_answer(results: list[ExperimentResult]) -> None:
    again = MNISTCNN("dropout", **SIZE).measure({"what": "epoch", "epoch": 4})
    assert again == of(results, "dropout", "epoch")[-1]


def test_figures_draw_every_noise(results: list[ExperimentResult], tmp_path: Path) -> None:
    drawn = {name: EXPERIMENT_FIGURES[name](results) for name in MNISTCNN.figures}
    assert len(drawn["errors-vs-epoch"].axes[0].lines) == 3
    assert [len(axes.patches) for axes in drawn["cosine-similarity"].axes] == [2] * 4
    assert [len(axes.lines) for axes in drawn["binned-entropy"].axes[:3]] == [5, 2, 4]
    assert len(drawn["pair-distances"].axes) == 5 * 4
    for name, figure in drawn.items():
        figure.savefig(tmp_path / f"{name}.png")


def invented(
    errors: dict[Any, list[int]], cosine: dict[Any, list[float]]
) -> list[ExperimentResult]:
    """Results after 2 epochs of the paper's images, by noise and seed."""
    found = []
    for noise, counts in errors.items():
        for seed, count in enumerate(counts):
            params = {"noise": noise, "seed": seed, "epochs": 128, "images": 60_000}
            for epoch in (0, 1, 64, 128):
                measured = {
                    "errors": count if epoch == 128 else 5000,
                    "tested": 10_000,
                    "data": "MNIST",
                    "binned": [9.21, 9.21, 9.2, 5.0],
                    "unit_binned": [[5.0 - 0.01 * epoch, 4.0 - 0.001 * epoch]] * 4,
                    "nearer": [0.7, 0.72, 0.75, 0.9, 0.95],
                }
                step = {"what": "epoch", "epoch": epoch}
                found.append(ExperimentResult(params, step, measured))
            step = {"what": "cosine", "epoch": 128}
            ends = {"cosine": cosine.get(noise, [1.0] * 4), "renormalised_errors": 50}
            found.append(ExperimentResult(params, step, ends))
    return found


COSINES = {0.05: [0.99, 0.9, 0.9, 0.95], 0.5: [0.8, 0.5, 0.5, 0.7], "dropout": [0.9, 0.7, 0.7, 0.8]}


def test_claims_hold_on_the_papers_own_numbers() -> None:
    errors = {0.0: [50] * 8, 0.05: [50] * 8, 0.5: [2200] * 8, "dropout": [39] * 8}
    results = invented(errors, COSINES)
    claims = MNISTCNN.claims(results)
    # but for layer 4: no binning of 10 units into two has 9.2 nats
    assert [c.holds for c in claims] == [True] * 6 + [False] + [True] * 2
    (table,) = MNISTCNN.tables(results)
    assert [row[1] for row in table.rows] == [
        *("50.0 ± 0.0", "50.0 ± 0.0", "2200.0 ± 0.0", "39.0 ± 0.0"),
    ]
    assert [row[4] for row in table.rows] == ["50.0 ± 0.0"] * 4
    assert "noisy, sigma = 0.5: 44.00 (" in claims[2].measured
    assert "1.0 times with batch normalisation" in claims[2].measured
    assert "the paper: 128 of 60000" in MNISTCNN.remark(results)
    assert MNISTCNN.claims([]) == []
    assert MNISTCNN.tables([]) == []
    assert MNISTCNN.remark([]) == ""


def test_claims_tell_otherwise_and_not_at_all() -> None:
    worse = {0.0: [50] * 8, 0.05: [100] * 8, 0.5: [100] * 8, "dropout": [80] * 8}
    swapped = {**COSINES, 0.05: COSINES[0.5], 0.5: COSINES[0.05]}
    assert [c.holds for c in MNISTCNN.claims(invented(worse, swapped))[:4]] == [False] * 4
    scattered = {0.0: [50] * 3, 0.05: [30, 50, 80], 0.5: [300, 500, 700], "dropout": [40, 55, 47]}
    assert [c.holds for c in MNISTCNN.claims(invented(scattered, COSINES))[:3]] == [None] * 3
    alone = MNISTCNN.claims(invented({0.05: [50]}, COSINES))
    assert [c.holds for c in alone[:4]] == [None] * 4


def test_claims_that_compare_need_three_seeds() -> None:
    errors = {0.0: [50] * 2, 0.05: [50] * 2, 0.5: [2200] * 2, "dropout": [10] * 2}
    claims = MNISTCNN.claims(invented(errors, COSINES))
    assert [c.holds for c in claims] == [None] * 5 + [True, False, None, True]
    assert "fewer than 3 seeds" in claims[3].measured


def test_claims_wait_for_training() -> None:
    errors = {0.0: [50] * 8, 0.05: [50] * 8, 0.5: [2200] * 8, "dropout": [39] * 8}
    short = invented(errors, COSINES)
    for each in short:
        each.params["epochs"] = 4
        each.step["epoch"] = min(4, each.step["epoch"])
    claims = MNISTCNN.claims(short)
    # that a layer is not injective stays so
    assert [c.holds for c in claims] == [None] * 6 + [False, None, None]
    assert "too short to tell: 4 of 16 epochs" in claims[0].measured
    idle = MNISTCNN.claims(invented(errors | {0.0: [9000] * 8}, COSINES))
    assert [c.holds for c in idle[:3]] == [None] * 3
    assert idle[0].measured == "a network without noise has not learned"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"noise": -0.1}, "`noise` must be a finite number >= 0"),
        ({"noise": "drop"}, "or \"dropout\"; got 'drop'"),
        ({"epochs": 0}, "`epochs`"),
        ({"images": 1}, "`images`"),
        ({"tested": 1}, "`tested`"),
    ],
)
def test_bad_parameters_get_a_line(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MNISTCNN(**{**SIZE, **params})


def test_unknown_data_get_a_line() -> None:
    with pytest.raises(ValueError, match='`data` must be "auto", "mnist", "digits" or'):
        MNISTCNN(epochs=1, data="nope").resolved()


def test_auto_takes_what_there_is_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a folder and without a network: the digits, aloud; asked for MNIST: an error."""

    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.delenv("ENTBENCH_MNIST_DIR", raising=False)
    monkeypatch.setattr("sklearn.datasets.fetch_openml", fail)
    mnist_module.mnist_by_key.cache_clear()
    with pytest.warns(UserWarning, match=r"no route to host.*digits of 8 x 8"):
        experiment = MNISTCNN(epochs=1).resolved()
    assert experiment.get_params()["data"] == "digits"
    with pytest.raises(ValueError, match="cannot be had from OpenML"):
        MNISTCNN(epochs=1, data="mnist").resolved()
    mnist_module.mnist_by_key.cache_clear()
