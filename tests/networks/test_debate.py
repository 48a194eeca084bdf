"""Every estimate of the debate by a second way, and where they are said to disagree."""

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
from scipy.spatial.distance import cdist
from scipy.special import digamma, logsumexp

from entbench._base import ExperimentResult
from entbench.networks._dense_recipe import load_rows
from entbench.networks.experiments import _debate_claims
from entbench.networks.experiments.debate import (
    InformationDebate,
    apart,
    interval_of,
    neighbour_information,
)
from entbench.report.figures import _debate
from entbench.report.figures._debate import information_debate

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

SIZE = {
    "data": "digits-138",
    "hidden": "4-3",
    "sigma": 0.1,
    "epochs": 8,
    "records": 3,
    "passes": 32,
    "draws": 5,
}
NAMES = ("bin-0.07", "bins-30", "kt-lower", "kt-upper", "ksg", "sp-mi", "ksg-noisy")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the networks of `results` are."""
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("debate") / "store.sqlite"
        patch.setenv("ENTBENCH_STORE", str(path))
        yield path


@pytest.fixture
def kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Find the networks of `results` again."""
    monkeypatch.setenv("ENTBENCH_STORE", str(folder))


@pytest.fixture(scope="module")
def results(folder: Path) -> list[ExperimentResult]:
    found = []
    for activation in ("tanh", "relu"):
        experiment = InformationDebate(activation=activation, **SIZE)
        found += [
            ExperimentResult(experiment.get_params(), step, experiment.measure(step))
            for step in experiment.steps()
        ]
    return found


def layers_of(each: ExperimentResult) -> list[np.ndarray]:
    """The hidden layers of the network without noise, by its own pass."""
    network = InformationDebate(**each.params)._recipe(0.0).at(each.step["epoch"])
    with torch.no_grad():
        x = torch.tensor(load_rows("digits-138").X, dtype=network.dtype)
        return [layer.double().numpy() for layer in network.twin().signals(x)]


def entropy(rows: np.ndarray) -> float:
    shares = np.unique(rows, axis=0, return_counts=True)[1] / len(rows)
    return float(-(shares * np.log(shares)).sum())


def test_counts_and_bounds_by_their_formulas(results: list[ExperimentResult], kept: None) -> None:
    """Unique rows of bins; the bounds' sums over all pairs, noise of variance 0.1."""
    for each in (results[0], results[-1]):
        json.dumps(dict(each.result), allow_nan=False)
        for at, layer in enumerate(layers_of(each)):
            found = {name: each.result[name][at] for name in NAMES}
            assert found["bin-0.07"] == pytest.approx(entropy(np.floor(layer / 0.07)), abs=1e-10)
            edges = np.linspace(-1.0, 1.0, 31)[1:-1]
            assert found["bins-30"] == pytest.approx(entropy(np.digitize(layer, edges)), abs=1e-10)
            assert each.result["exact"][at] == pytest.approx(entropy(layer), abs=1e-10)
            squares = cdist(layer, layer, "sqeuclidean")
            for name, stretch in (("kt-upper", 2.0), ("kt-lower", 8.0)):
                logs = logsumexp(-squares / (stretch * 0.1), axis=1) - math.log(len(layer))
                assert found[name] == pytest.approx(-logs.mean(), abs=1e-9)
                assert each.result[f"{name} error"][at] == 0.0


def test_noise_inside_by_monte_carlo(results: list[ExperimentResult], kept: None) -> None:
    """I(X;T_1) of the noisy network: log p(t|x) - log p(t) at random t."""
    each, rng = results[2], np.random.default_rng(0)
    sigma = each.params["sigma"]
    network = InformationDebate(**each.params)._recipe(sigma).at(each.step["epoch"])
    with torch.no_grad():
        x = torch.tensor(load_rows("digits-138").X, dtype=network.dtype)
        signal = network.twin().signals(x)[0].double().numpy()
    chosen = rng.integers(len(signal), size=4000)
    z = rng.standard_normal((len(chosen), signal.shape[1]))
    logs = -0.5 * cdist(signal[chosen] / sigma + z, signal / sigma, "sqeuclidean")
    terms = -0.5 * (z**2).sum(axis=1) - logsumexp(logs, axis=1) + math.log(len(signal))
    error = 4.0 * terms.std() / math.sqrt(len(chosen))  # false alarm 6e-5
    low, high = each.result["low"][0], each.result["high"][0]
    assert low - error <= terms.mean() <= high + error
    assert low <= each.result["sp-mi"][0] <= high


def test_neighbours_of_a_discrete_input_by_hand() -> None:
    """Ross's formula: the k-th neighbour among draws of the same input, all that are nearer."""
    rng = np.random.default_rng(1)
    m, draws, k = 6, 7, 3
    inputs = np.tile(np.arange(m, dtype=np.float64), draws)
    noisy = 0.3 * inputs[:, None] + rng.standard_normal((m * draws, 2))
    far = cdist(noisy, noisy, "chebyshev")
    terms = []
    for i in range(len(noisy)):
        own = np.flatnonzero(inputs == inputs[i])
        radius = np.sort(far[i, own])[k]
        nearer = np.count_nonzero(far[i] < radius)  # itself among them
        terms.append(digamma(k) + math.log(m * draws) - digamma(draws) - digamma(nearer))
    value, error = neighbour_information(inputs, noisy)
    assert value == pytest.approx(np.mean(terms), rel=1e-12)
    scatter = np.std(terms, ddof=1) / math.sqrt(len(terms))
    assert 0.5 * scatter < error < 2.0 * scatter  # of `mixed-ksg`, see its tests
    # inputs far from each other: nothing but the number of draws is left
    value, error = neighbour_information(inputs, noisy + 1e3 * inputs[:, None])
    assert value == pytest.approx(math.log(m) + math.log(draws) - digamma(draws), rel=1e-12)
    assert 0.0 <= error < 0.1  # all terms are alike, and what is stated is no less than by chance


def test_bits_and_rows_do_not_matter_to_what_saturates(results: list[ExperimentResult]) -> None:
    """No estimate of the bounds' quantity is above H(X); neighbours are by 1/(2 draws) at most."""
    for each in results:
        limit = each.result["input_limit"]
        assert limit == pytest.approx(math.log(len(load_rows("digits-138").X)), rel=1e-14)
        ceiling = limit + math.log(5) - digamma(5)
        for name in ("bin-0.07", "bins-30", "kt-upper", "kt-lower", "exact"):
            assert max(each.result[name]) <= limit + 1e-9
        for name in ("ksg", "ksg-noisy"):
            assert max(each.result[name]) <= ceiling + 1e-9
        assert (np.array(each.result["kt-lower"]) <= np.array(each.result["kt-upper"])).all()


def by_hand(value: float, error: float | None = 0.0) -> dict[str, Any]:
    """A result of one layer whose estimates are all one number."""
    found: dict[str, Any] = {"low": [value], "high": [value]}
    for name in NAMES:
        found |= {name: [value], f"{name} error": [error]}
    return found


def test_intervals_that_meet_do_not_disagree() -> None:
    assert apart(by_hand(2.0), 0) == []
    touching = by_hand(2.0) | {"ksg": [2.2], "ksg error": [0.1], "kt-upper": [2.5]}
    assert interval_of(touching, "ksg", 0) == pytest.approx((2.0, 2.4))
    assert interval_of(touching, "kt", 0) == (2.0, 2.5)
    assert apart(touching, 0) == []
    clear = touching | {"ksg": [2.21]}
    assert apart(clear, 0) == [
        *(["bin-0.07", "ksg"], ["bins-30", "ksg"], ["ksg", "sp-mi"], ["ksg", "ksg-noisy"]),
    ]
    silent = clear | {"ksg error": [None]}
    assert interval_of(silent, "ksg", 0) is None
    assert apart(silent, 0) == []


def test_flags_are_what_the_numbers_say(results: list[ExperimentResult]) -> None:
    for each in results:
        for at, pairs in enumerate(each.result["apart"]):
            bands = {
                "bin-0.07": (each.result["bin-0.07"][at],) * 2,
                "bins-30": (each.result["bins-30"][at],) * 2,
                "kt": (each.result["kt-lower"][at], each.result["kt-upper"][at]),
                "sp-mi": (each.result["low"][at], each.result["high"][at]),
            }
            for name in ("ksg", "ksg-noisy"):
                value, error = each.result[name][at], each.result[f"{name} error"][at]
                bands[name] = (value - 2.0 * error, value + 2.0 * error)
            for a, b in itertools.combinations(bands, 2):
                gap = max(bands[a][0] - bands[b][1], bands[b][0] - bands[a][1])
                assert ([a, b] in pairs or [b, a] in pairs) == (gap > 1e-9)


def test_same_question_same_answer(results: list[ExperimentResult]) -> None:
    each = results[1]
    assert InformationDebate(**each.params).measure(each.step) == each.result


def invented(
    activation: str, fall: float, shift: float, seeds: int = 1, last: int = 2000
) -> list[ExperimentResult]:
    """Estimates that agree but for a shift of "ksg", and end by so much below their largest."""
    found = []
    values = [*np.linspace(1.0, 3.0, 10), *np.linspace(3.0, 3.0 - fall, 6), *[3.0 - fall] * 9]
    for seed in range(seeds):
        params = {"data": "szt", "hidden": "3-3", "activation": activation, "sigma": 0.01}
        for epoch, value in enumerate(map(float, values)):
            result: dict[str, Any] = {
                "exact": [8.0, 8.0],
                "input_limit": 8.0,
                "accuracy": 0.9,
                "noisy_accuracy": 0.8,
                "low": [value] * 2,
                "high": [value] * 2,
            }
            for name in NAMES:
                there = value + (shift if name == "ksg" else 0.0)
                result |= {name: [there] * 2, f"{name} error": [0.0] * 2}
            result["apart"] = [apart(result, at) for at in range(2)]
            step = {"epoch": last * epoch // (len(values) - 1)}
            found.append(ExperimentResult({**params, "seed": seed}, step, result))
    return found


def test_claims_by_estimates_that_agree_and_that_do_not() -> None:
    together = InformationDebate.claims(invented("tanh", 0.5, 0.0))
    assert [claim.holds for claim in together] == [True, True, False, True, True]
    steady = InformationDebate.claims(invented("relu", 0.1, 0.3, seeds=2))
    assert [claim.holds for claim in steady] == [True, True, True, False, True]
    assert [claim.where for claim in (together[1], steady[1])] == [
        *("Shwartz-Ziv & Tishby", "Saxe et al."),
    ]
    falling = InformationDebate.claims(invented("relu", 0.5, 0.0))
    assert falling[1].holds is False
    assert "92 of 100 layers and epochs, up to 5 of 15 pairs" in steady[2].measured
    one = invented("tanh", 0.5, 0.0)
    for each in one:
        each.result["bins-30"] = [1.0, 1.0]
        each.result["exact"][1] = 7.99996
    claims = InformationDebate.claims(one)
    assert [claim.holds for claim in claims[:2]] == [False, None]
    assert "bins-30 0.00" in claims[1].measured
    assert "of 8.0000 nats up to 4e-05 lack (layer 2, epoch 0)" in claims[0].measured
    assert InformationDebate.claims([]) == []
    assert InformationDebate.tables([]) == []
    assert InformationDebate.remark([]) == ""


def test_claims_wait_for_training_and_for_errors() -> None:
    early = InformationDebate.claims(invented("tanh", 0.0, 0.3, last=300))
    assert [claim.holds for claim in early] == [None, None, True, False, True]
    assert "too short to tell: 300 of 2000 epochs" in early[1].measured
    idle = invented("tanh", 0.5, 0.0)
    for each in idle:
        each.result["noisy_accuracy"] = 0.55
    assert InformationDebate.claims(idle)[1].holds is None
    silent = invented("tanh", 0.5, 0.3)
    for each in silent:
        each.result["ksg error"] = [None, None]
    claims = InformationDebate.claims(silent)
    assert [claim.holds for claim in claims] == [True, None, None, None, True]
    # a difference at two epochs running may be an error
    brief = invented("tanh", 0.5, 0.0)
    for each in brief[:2]:
        each.result["ksg"] = [9.0, 9.0]
    assert InformationDebate.claims(brief)[2].holds is None


def test_tables_have_every_estimate_and_what_it_is_of(results: list[ExperimentResult]) -> None:
    tables = InformationDebate.tables(results)
    assert [table.title.split(":")[0] for table in tables] == ["tanh", "relu"]
    for table, each in zip(tables, (results[2], results[-1]), strict=True):
        assert {row[0].split(":")[0] for row in table.rows} >= set(NAMES)
        kt = next(row for row in table.rows if row[0].startswith("kt-upper"))
        assert kt[1:] == tuple(f"{value:.3f}" for value in each.result["kt-upper"])
    assert "0.900 and 0.800 (tanh)" in InformationDebate.remark(invented("tanh", 0.1, 0.0))


def test_figure_has_a_panel_for_each_layer(results: list[ExperimentResult], tmp_path: Path) -> None:
    assert (_debate._SAME, _debate._ALL) == (_debate_claims.SAME, _debate_claims.PAIRS)
    assert set(_debate._LINES) == set(_debate_claims.ESTIMATES)
    figure = information_debate(results)
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in panels] == [
        f"{name}, layer {at}" for name in ("tanh", "relu") for at in (1, 2)
    ]
    # seven estimates, what is exact, and two kinds of crosses
    assert [len(axes.lines) for axes in panels] == [10] * 4
    crosses = [len(np.asarray(line.get_xdata())) for line in panels[0].lines[-2:]]
    curve = [each for each in results if each.params["activation"] == "tanh"]
    flagged = [
        sum([first, second] in each.result["apart"][0] for each in curve)
        for first, second in (("kt", "ksg"), ("sp-mi", "ksg-noisy"))
    ]
    assert crosses == flagged
    figure.savefig(tmp_path / "debate.png")


def test_presets_are_experiments() -> None:
    text = files("entbench.suites").joinpath("information-debate.toml").read_text()
    for preset in tomllib.loads(text)["presets"].values():
        grid = {k: v if isinstance(v, list) else [v] for k, v in preset.items()}
        for point in itertools.product(*grid.values()):
            experiment = InformationDebate(**dict(zip(grid, point, strict=True)))
            assert experiment.data == "szt"
            assert experiment.steps()[0] == {"epoch": 0}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"sigma": 0.0}, "deterministic network is infinite or constant"),
        ({"data": "mnist"}, '`data` must be "szt" or end in "-138"'),
        ({"draws": 3}, r"`draws` must be .*3"),
        ({"passes": 1}, r"`passes` must be .*1"),
        ({"n_inputs": -1}, r"`n_inputs` must be .*-1"),
        ({"activation": "sigmoid"}, "`activation` must be one of"),
    ],
)
def test_bad_parameters_get_a_line(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InformationDebate(**{**SIZE, **params})


def test_data_that_are_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Found:
        key = "idx-abc"

    name = "entbench.networks._dense_recipe.mnist_by_key"
    monkeypatch.setattr(name, lambda key: Found() if key == "auto" else None)
    assert InformationDebate(data="auto-138").resolved().data == "idx-abc-138"
    assert InformationDebate(data="digits-138").resolved().data == "digits-138"
