"""How often claims of experiments are wrong, on curves and counts whose truth is known.

Run as ``python -m entbench.suites.timing.verdicts_claims``. Nothing is trained: results of
experiments are invented, with a true effect and errors by six laws, and the experiments' own claims
judge them. Where a claim is false, "yes" is wrong, at most 5 % of the time; where it is true, "no"
is, and "not told" counts as missed, at most 20 % of the time at the effects that the papers print.

Claims about numbers that are exact, each of one network (limits of the data, I(X;T) by quadrature,
similar layers, the layers left), have no chance in them and no row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from entbench._base import Claim, Experiment, ExperimentResult
from entbench.networks._plane import stops_of
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
    values = {name: np.full((count, 5), 4.0) for name in _EXACT}
    values |= {name: 4.0 + error * draw((count, 5), rng) for name in _NOISY}
    values["ksg"] += gap
    return _debate_results(epochs, values, error)


def _debate_falls(fall: float, draw: Draw, rng: np.random.Generator) -> Results:
    """Return estimates of 40 epochs, all of which fall by so much in all layers."""
    epochs = _epochs(40, 2000)
    curve = _rise_and_fall(epochs, fall)[:, None]
    errors = {name: 0.02 * draw((len(epochs), 5), rng) for name in (*_EXACT[:2], *_NOISY)}
    values = {name: curve + errors.get(name, np.zeros(5)) for name in (*_EXACT, *_NOISY)}
    return _debate_results(epochs, values, 0.02)


def _debate_results(
    epochs: Sequence[int], values: Mapping[str, Floats], error: float
) -> list[ExperimentResult]:
    params = {"data": "szt", "hidden": "10-7-5-4-3", "activation": "tanh", "sigma": 0.01, "seed": 0}
    found = []
    for at, epoch in enumerate(epochs):
        result: dict[str, Any] = {
            "exact": [8.0] * 5,
            "input_limit": 8.0,
            "accuracy": 0.95,
            "noisy_accuracy": 0.95,
        }
        for name, table in values.items():
            stated = error if name in _NOISY else 0.0
            result |= {name: table[at].tolist(), f"{name} error": [stated] * 5}
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
    early: float | None = None,
) -> Results:
    """Return a network whose layers' counts scatter from one epoch to the next.

    With `early`, layers 1 and 2 of five fall by so much, and the others by `fall`.
    """
    epochs = _epochs(count, 8000)
    falls = [fall] * 3 if early is None else [early, early, *[fall] * 4]
    levels = np.stack([_rise_and_fall(epochs, each) for each in falls], axis=1)
    counts = levels + scatter * draw(levels.shape, rng)
    return _plane_results(epochs, counts, activation=activation)


_LIMIT, _LABEL = 8.1, 0.69
_PATIENCE = 100
_VALIDATED = 823  # rows, as many as the data of that limit have


def _plane_results(
    epochs: Sequence[int],
    levels: Floats,
    *,
    small: Floats | None = None,
    filled: Floats | None = None,
    loss: Floats | None = None,
    accuracy: Floats | None = None,
    activation: str = "tanh",
    hidden: str = "5-3",
    seed: int = 0,
) -> Results:
    """Return a network by levels of shape (epochs, layers); `small` are in the smallest bins."""
    count = len(epochs)
    small = levels if small is None else small
    filled = np.full(levels.shape, 20.0) if filled is None else filled
    losses = 1.0 / (1.0 + np.arange(count)) if loss is None else loss
    shares = np.full(count, 0.95) if accuracy is None else accuracy
    params = {
        "data": "szt",
        "hidden": hidden,
        "activation": activation,
        "epochs": 8000,
        "records": count,
        "learning_rate": 0.05,
        "seed": seed,
        "patience": _PATIENCE,
    }
    return [
        ExperimentResult(
            params,
            {"epoch": epoch},
            {
                "input_limit": _LIMIT,
                "label_limit": _LABEL,
                "input": [small[at].tolist(), *[levels[at].tolist()] * 3],
                "filled": filled[at].tolist(),
                "validation_loss": float(losses[at]),
                "validation_accuracy": float(shares[at]),
            },
        )
        for at, epoch in enumerate(epochs)
    ]


_PLANE = _epochs(120, 8000)


def _flat(draw: Draw, rng: np.random.Generator, layers: int = 3, scatter: float = 0.05) -> Floats:
    """Return counts that stay, but for a scatter from one epoch to the next, in nats."""
    return np.asarray(4.0 + scatter * draw((len(_PLANE), layers), rng))


def _smaller_bins(
    further: float, draw: Draw, rng: np.random.Generator, scatter: float = 0.05
) -> Results:
    """Return layers that are further to the right in the smallest bins, by so much."""
    large, small = (_flat(draw, rng, scatter=scatter) for _ in range(2))
    return _plane_results(_PLANE, large, small=small + further)


def _decided(off: float, draw: Draw, rng: np.random.Generator) -> Results:
    """Return an output layer that ends so far from one bin for each class."""
    levels = _flat(draw, rng, scatter=0.02)
    levels[:, -1] += _LABEL + off - 4.0
    return _plane_results(_PLANE, levels)


def _behind(further: float, draw: Draw, rng: np.random.Generator) -> Results:
    """Return a third layer that shows so much more of X than the second."""
    levels = _flat(draw, rng, 4)
    levels[:, 2] += further
    return _plane_results(_PLANE, levels, hidden="3-2-12-2")


def _bins(share: float, draw: Draw, rng: np.random.Generator, falls: bool) -> Results:
    """Return how many bins are in use, at the end so many times as many as before, within one."""
    levels = _rise_and_fall(_PLANE, float(falls))[:, None] + 0.01 * draw((len(_PLANE), 3), rng)
    moved = np.clip(3.0 * np.linspace(0.0, 1.0, len(_PLANE)) - 1.5, 0.0, 1.0)
    used = 20.0 * (1.0 + (share - 1.0) * moved)[:, None] + draw(levels.shape, rng)
    activation = "tanh" if falls else "relu"
    return _plane_results(_PLANE, levels, filled=np.rint(used), activation=activation)


def _stops(like: float, draw: Draw, rng: np.random.Generator, seeds: int) -> Results:
    """Return turns of the output whose logarithms are independent of those of the stops, or theirs.

    The largest level is at the turn.
    """
    found: Results = []
    logs = np.log1p(_PLANE)
    for seed in range(seeds):
        first, own = rng.uniform(0.0, logs[-10], 2)
        loss = 1.0 + np.abs(logs - first)
        stop = logs[stops_of(_PLANE, loss.tolist(), _PATIENCE).early]
        turn = like * stop + (1.0 - like) * own + 0.1 * draw((1,), rng)[0]
        levels = 4.0 - np.abs(logs - turn)[:, None] + 0.01 * draw((len(_PLANE), 3), rng)
        found += _plane_results(_PLANE, levels, loss=loss, seed=seed)
    return found


def _later_losses(share: float, draw: Draw, rng: np.random.Generator, seeds: int) -> Results:
    """Return losses that in so many of the networks are lower after the early stop than there."""
    found: Results = []
    for seed in range(seeds):
        time = np.linspace(0.0, 1.0, len(_PLANE))
        loss = 1.0 + np.abs(time - 0.6)
        loss[-1] = 0.9 if rng.random() < share else 1.1
        found += _plane_results(_PLANE, _flat(draw, rng), loss=loss, seed=seed)
    return found


def _overfit(
    grown: float, draw: Draw, rng: np.random.Generator, scatter: float, lost: float = 0.0
) -> Results:
    """Return a loss that grows by a share after its least, and an accuracy that loses so much."""
    time = np.linspace(0.0, 1.0, len(_PLANE))
    late = np.clip(3.0 * time - 1.5, 0.0, 1.0)
    loss = np.where(time < 0.3, 2.0 - time / 0.3, 1.0 + grown * late)
    loss = loss * np.exp(scatter * draw((len(_PLANE),), rng))
    right = rng.binomial(_VALIDATED, 0.95 - lost * late) / _VALIDATED
    return _plane_results(_PLANE, _flat(draw, rng), loss=loss, accuracy=right)


def _less_accurate(lost: float, draw: Draw, rng: np.random.Generator) -> Results:
    """Return a network whose loss doubles and whose accuracy falls by so much."""
    return _overfit(1.0, draw, rng, 0.01, lost)


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


def _built(excess: float, draw: Draw, rng: np.random.Generator) -> Results:
    """Return an estimator built on X whose mean error for X' exceeds the sum of bounds by so much.

    The bound on the shift is 1 nat, that on its own error 0.5; ten draws scatter by 0.1 nats.
    """
    found = _shift(-0.3, draw, rng, 10, 0.02)
    params = found[0].params
    values = found[-1].result["information"][0] + 1.5 + excess + 0.1 * draw((10, 1), rng)
    result = {"built": values.tolist(), "risk_bound": [0.5]}
    return [*found, ExperimentResult(params, {"what": "built"}, result)]


def _of_the_plane() -> Iterator[Case]:
    yield Case("smaller bins, further right", InformationPlane, 3, _smaller_bins, 0.09, 1.0)
    output = partial(_smaller_bins, scatter=0.01)
    yield Case("output in smaller bins", InformationPlane, 4, output, 0.11, 0.0)
    yield Case("output to 1 bit", InformationPlane, 9, _decided, 0.11, 0.0)
    # halved, and doubled
    empty, fill = (partial(_bins, falls=falls) for falls in (True, False))
    yield Case("tanh empties bins", InformationPlane, 6, empty, 0.91, 0.5)
    yield Case("ReLU fills bins", InformationPlane, 8, fill, 1.09, 2.0)
    mixed = partial(_plane, count=120, scatter=0.01, early=0.0)
    held = partial(mixed, activation="relu-relu-tanh-tanh-tanh")
    late = partial(mixed, activation="tanh-tanh-relu-relu-relu")
    yield Case("tanh after ReLU does not compress", InformationPlane, 10, held, 0.22, 0.0)
    yield Case("ReLU after tanh compresses", InformationPlane, 11, late, 0.18, 1.0)
    for seeds in (2, 5):
        stops = partial(_stops, seeds=seeds)
        name = f"early stop at the output's turn, {seeds} seeds"
        yield Case(name, InformationPlane, 12, stops, 0.0, 1.0)
    for seeds, missed in ((3, 1.0), (5, _MISSED)):
        later = partial(_later_losses, seeds=seeds)
        name = f"early stop before the least loss, {seeds} seeds"
        yield Case(name, InformationPlane, 13, later, 0.5, 1.0, missed)
    for scatter, missed in ((0.01, _MISSED), (0.1, 0.4)):
        name = f"loss grows, scatter {100 * scatter:g} %"
        grows = partial(_overfit, scatter=scatter)
        yield Case(name, InformationPlane, 14, grows, 0.04, 1.0, missed)
    yield Case("accuracy stays good", InformationPlane, 14, _less_accurate, 0.05, 0.0)
    yield Case("behind a bottleneck", InformationPlane, -1, _behind, 0.09, 0.5)


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
    yield Case("all estimates compress, 40 epochs", InformationDebate, 1, _debate_falls, 0.18, 1.7)
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
    yield Case("estimator built on X, within the sum", ShiftSZT, -1, _built, 0.01, -0.5)


CASES: Sequence[Case] = (*_cases(), *_of_the_plane())


def main() -> None:
    """Print the table."""
    print_table(verdicts())


if __name__ == "__main__":
    main()
