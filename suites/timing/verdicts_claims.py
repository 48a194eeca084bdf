"""How often claims of experiments are wrong, on curves and counts whose truth is known.

Run as ``python -m entbench.suites.timing.verdicts_claims``. Nothing is trained: results of
experiments are invented, with a true effect and errors by six laws, and the experiments' own claims
judge them. Where a claim is false, "yes" is wrong, at most 5 % of the time; where it is true, "no"
is, and "not told" counts as missed, at most 20 % of the time at the effects that the papers print.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from entbench._base import Claim, Experiment, ExperimentResult
from entbench.networks.experiments import (
    MNISTCNN,
    SZT,
    InformationDebate,
    InformationPlane,
    Pruning,
    ShiftSZT,
    TwoNeuron,
)
from entbench.suites.timing._verdicts import LAWS, Draw, Verdict, print_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_TRIES = 2000
_WRONG, _MISSED = 0.05, 0.2
_Z = 1.959963984540054  # of intervals of 95 %
Results = list[ExperimentResult]
# (effect, law of errors, rng) -> results of a run
Invent = Callable[[float, Draw, np.random.Generator], Results]


class Case(NamedTuple):
    """A claim, with an effect at which it is false, and one of the paper's, at which it holds.

    Attributes
    ----------
    name : str
        Of the claim, with the size of the run.
    experiment, place : type, int
        Whose claim it is, and which.
    invent : callable
        Makes results with an effect.
    null, paper : float
        The effects.
    missed : float
        Share of runs of that size in which the paper's effect may be "not told".
    """

    name: str
    experiment: type[Experiment]
    place: int
    invent: Invent
    null: float
    paper: float
    missed: float = _MISSED


def verdicts(scale: float = 1.0, cases: Sequence[Case] | None = None) -> Iterator[Verdict]:
    """Yield how often each claim is wrong where it is false, and missed where the paper has it.

    Parameters
    ----------
    scale : float, default=1.0
        Of the number of tries, 2,000 a row.
    cases : sequence of Case, optional
        By default all.
    """
    tries = max(1, round(scale * _TRIES))
    for case in CASES if cases is None else cases:
        seed = list(case.name.encode())
        for row, (law, draw) in enumerate(LAWS.items()):
            rng = np.random.default_rng([*seed, row])
            found = [_judge(case, case.null, draw, rng).holds for _ in range(tries)]
            setting = f"{case.name}: wrong yes, {law}"
            yield Verdict("claims", setting, found.count(True), tries, _WRONG)
        rng = np.random.default_rng([*seed, len(LAWS)])
        found = [_judge(case, case.paper, LAWS["normal"], rng).holds for _ in range(tries)]
        yield Verdict("claims", f"{case.name}: wrong no", found.count(False), tries, _WRONG)
        missed = tries - found.count(True)
        yield Verdict("claims", f"{case.name}: effect missed", missed, tries, case.missed)


def _judge(case: Case, effect: float, draw: Draw, rng: np.random.Generator) -> Claim:
    return case.experiment.claims(case.invent(effect, draw, rng))[case.place]


def _rise_and_fall(epochs: Sequence[int], fall: float, top: float = 4.0) -> Floats:
    """Return a curve that rises in the first third of the records and then falls, by so much."""
    time = np.linspace(0.0, 1.0, len(epochs))
    rise = np.minimum(1.0, 3.0 * time)
    return np.asarray(top - 3.0 + 3.0 * rise - fall * np.clip(3.0 * time - 1.5, 0.0, 1.0))


def _epochs(count: int, last: int) -> list[int]:
    return [0, *np.unique(np.geomspace(1, last, count - 1).round().astype(int)).tolist()][-count:]


def _two_neuron(fall: float, draw: Draw, rng: np.random.Generator) -> Results:
    """Return 41 epochs, with standard errors of 0.01 nats."""
    epochs = list(range(0, 30_001, 750))
    values = _rise_and_fall(epochs, fall) + 0.01 * draw((len(epochs),), rng)
    params = {"sigma": 0.01, "epochs": 30_000, "learning_rate": 0.001, "seed": 0}
    slack = 0.01 * _Z
    return [
        ExperimentResult(
            params,
            {"epoch": epoch},
            {
                "parameters": [-1.0, 0.0, -1.0, 0.0],
                "information_1": 1.0,
                "information_2": value,
                "interval_2": [value - slack, value + slack],
            },
        )
        for epoch, value in zip(epochs, values.tolist(), strict=True)
    ]


def _szt(
    fall: float,
    draw: Draw,
    rng: np.random.Generator,
    error: float,
    activation: str = "tanh",
) -> Results:
    """Return 25 epochs of the last layer."""
    epochs = _epochs(25, 8000)
    values = _rise_and_fall(epochs, fall) + error * draw((len(epochs),), rng)
    return _szt_results(epochs, values, 2.0 * values, error, activation)


def _szt_moves(share: float, draw: Draw, rng: np.random.Generator) -> Results:
    """Return 25 epochs; binned entropies' changes are correlated with those of information."""
    epochs = _epochs(25, 8000)
    own, other = draw((2, len(epochs)), rng)
    both = share * own + np.sqrt(1.0 - share**2) * other
    return _szt_results(epochs, own.cumsum(), both.cumsum(), 0.01, "tanh")


def _szt_results(
    epochs: Sequence[int], values: Floats, binned: Floats, error: float, activation: str
) -> Results:
    params = {"activation": activation, "orthonormal": 0.0, "sigma": 0.005}
    return [
        ExperimentResult(
            params,
            {"epoch": epoch},
            {
                "information": [value],
                "low": [value - _Z * error],
                "high": [value + _Z * error],
                "binned": [count],
                "train_accuracy": 0.95,
            },
        )
        for epoch, value, count in zip(epochs, values.tolist(), binned.tolist(), strict=True)
    ]


_EXACT = ("bin-0.07", "bins-30", "kt-lower", "kt-upper")
_NOISY = ("ksg", "sp-mi", "ksg-noisy")


def _debate(gap: float, draw: Draw, rng: np.random.Generator, count: int, error: float) -> Results:
    """Return estimates of five layers that are all right, but for "ksg", which is off by a gap."""
    epochs = _epochs(count, 2000)
    params = {"data": "szt", "hidden": "10-7-5-4-3", "activation": "tanh", "sigma": 0.01, "seed": 0}
    found = []
    for epoch in epochs:
        noise = error * draw((len(_NOISY), 5), rng)
        result: dict[str, Any] = {
            "exact": [8.0] * 5,
            "input_limit": 8.0,
            "accuracy": 0.95,
            "noisy_accuracy": 0.95,
        }
        for name in _EXACT:
            result |= {name: [4.0] * 5, f"{name} error": [0.0] * 5}
        for name, off in zip(_NOISY, noise, strict=True):
            values = (4.0 + off + (gap if name == "ksg" else 0.0)).tolist()
            result |= {name: values, f"{name} error": [error] * 5}
        result["low"] = [value - _Z * error for value in result["sp-mi"]]
        result["high"] = [value + _Z * error for value in result["sp-mi"]]
        found.append(ExperimentResult(params, {"epoch": epoch}, result))
    return found


def _plane(
    fall: float,
    draw: Draw,
    rng: np.random.Generator,
    count: int,
    scatter: float,
    activation: str = "tanh",
) -> Results:
    """Return a network whose layers' counts scatter from one epoch to the next."""
    epochs = _epochs(count, 8000)
    curve = _rise_and_fall(epochs, fall)[:, None] + scatter * draw((len(epochs), 3), rng)
    limit, label = 8.1, 0.69
    params = {
        "data": "szt",
        "hidden": "5-3",
        "activation": activation,
        "epochs": 8000,
        "records": count,
        "learning_rate": 0.05,
        "seed": 0,
        "patience": 100,
    }
    return [
        ExperimentResult(
            params,
            {"epoch": epoch},
            {
                "input_limit": limit,
                "label_limit": label,
                "input": [values, values, values, values],
                "filled": [20, 20, 20],
                "validation_loss": 1.0 / (1.0 + place),
                "validation_accuracy": 0.95,
            },
        )
        for place, (epoch, values) in enumerate(zip(epochs, curve.tolist(), strict=True))
    ]


def _pruning(loss: float, draw: Draw, rng: np.random.Generator, seeds: int) -> Results:
    """Return one pruning of networks whose accuracies scatter, and the changes, by a point each."""
    rows, found = 820, []
    first = 0.88 + 0.01 * draw((seeds,), rng)
    levels = np.stack([first, first - loss + 0.01 * draw((seeds,), rng)], axis=1)
    right = np.rint(rows * np.clip(levels, 0.0, 1.0))
    for seed, counts in enumerate(right):
        params = {"activation": "tanh", "seed": seed, "spared": 5, "similar": 0.05, "epochs": 8000}
        for k, count in enumerate(counts):
            result = {
                "layers": 10 - 5 * k,
                "accuracy": count / rows,
                "stop": 1000,
                "done": k == 1,
                "repeated": False,
                "distances": [0.3] * 4 + [0.01] * 5 * (1 - k),
                "majority": 0.5,
                "validated": rows,
            }
            step = {"what": "pruning", "pruning": k}
            found.append(ExperimentResult(params, step, result))
    return found


# Table 1, of the mean
_DEVIATIONS: Mapping[float | str, float] = {0.0: 0.092, 0.05: 0.1, 0.1: 0.135, 0.5: 0.24}


def _mnist(
    effect: float,
    draw: Draw,
    rng: np.random.Generator,
    seeds: int,
    kind: str,
) -> Results:
    """Return counts of errors by noise, as many as the paper's and with its standard deviations."""
    kinds: dict[str, dict[float | str, float]] = {
        "unchanged": {0.05: 1.0, 0.1: effect},
        "fewer": {"dropout": effect},
        "ruined": {0.5: effect},
        "angles": {0.05: 1.0, 0.5: 1.0},
    }
    found = []
    for noise, ratio in ({0.0: 1.0} | kinds[kind]).items():
        share = _DEVIATIONS.get(noise, 0.1)
        counts = np.rint(np.maximum(50.0 * ratio * (1.0 + share * draw((seeds,), rng)), 0.0))
        scatter = 0.02 * draw((seeds, 4), rng)
        like = 0.8 - (effect if noise == 0.5 else 0.0) - np.array([0.0, 1.0, 1.0, 0.0]) * effect
        for seed in range(seeds):
            params = {"noise": noise, "seed": seed, "epochs": 128, "images": 60_000}
            result = {"errors": int(counts[seed]), "tested": 10_000, "data": "MNIST"}
            result |= {"binned": [9.2] * 4, "unit_binned": [[1.0]], "nearer": [0.5] * 5}
            step = {"what": "epoch", "epoch": 128}
            found.append(ExperimentResult(params, step, result))
            step = {"what": "cosine", "epoch": 128}
            ends = {"cosine": (like + scatter[seed]).tolist(), "renormalised_errors": 50}
            found.append(ExperimentResult(params, step, ends))
    return found


def _units(share: float, draw: Draw, rng: np.random.Generator, seeds: int) -> Results:
    """Return units that rise or fall, networks with more or fewer of them, by a tenth."""
    found = []
    for seed, common in enumerate(0.1 * draw((seeds,), rng)):
        params = {"noise": "dropout", "seed": seed, "epochs": 128, "images": 60_000}
        down = rng.random(128) < np.clip(share + common, 0.0, 1.0)
        slope = np.where(down, -0.01, 0.01)
        for epoch in (1, 16, 64, 128):
            result = {"errors": 50, "tested": 10_000, "data": "MNIST", "binned": [9.2] * 4}
            result |= {"unit_binned": [(5.0 + slope * epoch).tolist()] * 4, "nearer": [0.5] * 5}
            found.append(ExperimentResult(params, {"what": "epoch", "epoch": epoch}, result))
    return found


def _shift(
    excess: float, draw: Draw, rng: np.random.Generator, changes: int, error: float
) -> Results:
    """Return changes of information that all exceed a bound of 1 nat by so much."""
    params = {"sigma": 0.1, "inputs": 512, "passes": 128}
    values = 3.0 + (1.0 + excess) * (np.arange(changes + 1) > 0) + error * draw((changes + 1,), rng)
    names = ("tv", "kl", "w1", "tv_width", "kl_width", "tv_inputs", "kl_inputs")
    found = []
    for place, value in enumerate(values.tolist()):
        result = {
            "information": [value],
            "low": [value - _Z * error],
            "high": [value + _Z * error],
            "tv": 0.3,
            **{f"{name}_bound": [1.0] for name in names},
            "trivial_bound": [6.0],
        }
        family = "reweighting" if place else "none"
        step = {"what": "shift", "family": family, "intensity": 0.01 * place}
        found.append(ExperimentResult(params, step, result))
    return found


def _cases() -> Iterator[Case]:
    yield Case("I(X;T_2) rises and falls, 41 epochs", TwoNeuron, 1, _two_neuron, 0.04, 0.2)
    yield Case("compression, 25 epochs", SZT, 0, partial(_szt, error=0.1), 0.19, 1.7)
    relu = partial(_szt, error=0.02, activation="relu")
    yield Case("no compression, 25 epochs", SZT, 3, relu, 0.21, 0.0)
    for share in (0.0, 0.45):
        name = f"bins follow I(X;T), 25 epochs, correlation {share:g}"
        yield Case(name, SZT, -1, _szt_moves, share, 0.95)
    for count, error in ((5, 0.02), (5, 0.1), (40, 0.1)):
        name = f"I depends on the estimator, {count} epochs, error {error:g}"
        estimates = partial(_debate, count=count, error=error)
        yield Case(name, InformationDebate, 2, estimates, 0.0, 2.0)
    same = partial(_debate, count=20, error=0.01)
    yield Case("ksg agrees with kt, 20 epochs", InformationDebate, 3, same, 0.1, 0.0)
    for count in (20, 120):
        falls = partial(_plane, count=count, scatter=0.05)
        yield Case(f"tanh compresses, {count} epochs", InformationPlane, 5, falls, 0.0, 1.0)
    steady = partial(_plane, count=120, scatter=0.01, activation="relu")
    yield Case("ReLU: none compresses, 120 epochs", InformationPlane, 7, steady, 0.22, 0.0)
    # the largest fall in Table 2, tanh
    for seeds, missed in ((3, 1.0), (5, 1.0), (10, _MISSED)):
        name = f"no pruning lowers accuracy, {seeds} seeds"
        yield Case(name, Pruning, 2, partial(_pruning, seeds=seeds), 0.02, 0.0048, missed)
    for seeds, missed in ((3, 1.0), (8, _MISSED)):
        rules = (("unchanged", 0, 1.25, 1.0), ("fewer", 1, 1.0, 0.78), ("ruined", 2, 10.0, 44.0))
        for kind, place, null, paper in rules:
            made = partial(_mnist, seeds=seeds, kind=kind)
            yield Case(f"errors {kind}, {seeds} seeds", MNISTCNN, place, made, null, paper, missed)
        made = partial(_mnist, seeds=seeds, kind="angles")
        yield Case(f"more noise, less alike, {seeds} seeds", MNISTCNN, 3, made, 0.0, 0.15)
        yield Case(f"layers 2 and 3 less alike, {seeds} seeds", MNISTCNN, 4, made, 0.0, 0.15)
    for seeds in (5, 8):
        units = partial(_units, seeds=seeds)
        yield Case(f"most units fall, {seeds} seeds", MNISTCNN, 7, units, 0.5, 0.9)
    for changes in (10, 100):
        moved = partial(_shift, changes=changes, error=0.02)
        yield Case(f"bound on {changes} changes", ShiftSZT, 6, moved, 0.01, -0.3)


CASES: Sequence[Case] = tuple(_cases())


def main() -> None:
    """Print the table."""
    print_table(verdicts())


if __name__ == "__main__":
    main()
