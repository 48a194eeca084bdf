"""Noisy networks in training: information, clusters and losses, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from entbench._base import Claim, Experiment, ExperimentResult
from entbench._validation import check_integer
from entbench.networks._clusters import binned_entropy, pair_distances
from entbench.networks._torch import require_torch
from entbench.networks._zoo import EPOCHS, LAYERS, Trained, check_epoch, schedule
from entbench.networks.data import split
from entbench.networks.experiments._verdict import (
    Effect,
    Levels,
    Span,
    above,
    absent,
    alike,
    below,
    every,
    has_learned,
    judged,
    span_text,
    too_short,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench.networks._network import NoisyNetwork

    Floats = NDArray[np.float64]

_BIN = 10.0  # in sigma
_FINE_BIN = 0.001
_POINTS = 500
_DISTANCE_ROWS = 1000
_ROWS, _NOISE = range(2)
FALL = 0.2  # nats; less counts as no compression
_GUESSING = 0.5
_HIGHLY = 0.5  # of the correlation of changes
_LEAST_CHANGES, _LEAST_CARRYING = 10, 5.0
_ALMOST_1 = 1.0 - 1e-12


@dataclass(frozen=True)
class InTraining(Experiment):
    """I(X;T_l) of a noisy network in training, and what goes with it, at each epoch.

    I(X;T_l) of the five hidden layers with 95 % intervals, X uniform on all of the data; the
    entropy of one noisy pass in bins of 10 sigma; that of the same network without noise, and of
    one trained without noise, in bins of 0.001; losses and accuracies without noise; points of the
    last hidden layer; distances between pairs within and between classes.

    A subclass says which network, and what the paper claims.
    """

    figures: ClassVar[tuple[str, ...]] = ("information-vs-epoch", "clusters")
    network: ClassVar[str]

    activation: str = "tanh"
    sigma: float = 0.005
    orthonormal: float = 0.0
    epochs: int = EPOCHS
    records: int = 40
    passes: int = 128
    n_inputs: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        require_torch()  # before the first step, not at each
        for name in ("activation", "sigma", "orthonormal", "seed"):
            object.__setattr__(self, name, getattr(self._recipe, name))
        if not self.sigma:
            raise ValueError(
                "I(X;T) of a deterministic network is infinite or constant: give `sigma` > 0."
            )
        object.__setattr__(self, "epochs", check_epoch(self.epochs))
        object.__setattr__(self, "records", check_integer("records", self.records, minimum=2))
        object.__setattr__(self, "passes", check_integer("passes", self.passes, minimum=2))
        object.__setattr__(self, "n_inputs", check_integer("n_inputs", self.n_inputs, minimum=0))

    def steps(self) -> list[dict[str, Any]]:
        """Return the epochs."""
        kept = [epoch for epoch in schedule() if epoch <= self.epochs]
        chosen = np.unique(np.linspace(0, len(kept) - 1, self.records).round().astype(int))
        return [{"epoch": kept[i]} for i in chosen]

    def measure(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """Return what there is to say of the network after an epoch; lists are by layer."""
        from entbench.networks import InformationFlow, check_flow

        epoch = step["epoch"]
        network = self._recipe.at(epoch)
        X, y = self._recipe.data
        layers = InformationFlow(
            network,
            passes=self.passes,
            n_inputs=self.n_inputs or None,
            tolerance=0.02,
            random_state=epoch,
        ).estimate(X)
        found = {
            "information": [layer.value for layer in layers],
            "low": [layer.interval.low for layer in layers],
            "high": [layer.interval.high for layer in layers],
            "standard_error": [layer.standard_error for layer in layers],
            "n": [layer.n for layer in layers],
            "flow_seconds": sum(layer.seconds for layer in layers),
            "broken": [f"{c.name}: {c.detail}" for c in check_flow(layers) if not c.holds],
        }
        return {**self._losses(network, X, y), **found, **self._clusters(network, X, y, epoch)}

    @property
    def _recipe(self) -> Trained:
        return Trained.of(self)

    @property
    def _plain(self) -> Trained:
        """The network that had no noise in training, from the same weights on the same batches."""
        return replace(self._recipe, sigma=0.0)

    def _losses(
        self, network: NoisyNetwork, X: NDArray[Any], y: NDArray[np.int64]
    ) -> dict[str, float]:
        """Return cross-entropy in nats and accuracy without noise, of both parts of the data."""
        import torch

        with torch.no_grad():
            x = torch.tensor(X, dtype=network.dtype)
            logits = network.eval().twin()(x).double().numpy()
        log_p = logits - np.logaddexp.reduce(logits, axis=1)[:, None]
        loss, right = -log_p[np.arange(len(y)), y], log_p.argmax(axis=1) == y
        return {
            f"{part}_{name}": float(values[rows].mean())
            for part, rows in zip(("train", "test"), split(X, y), strict=True)
            for name, values in (("loss", loss), ("accuracy", right))
        }

    def _clusters(
        self, network: NoisyNetwork, X: NDArray[Any], y: NDArray[np.int64], epoch: int
    ) -> dict[str, Any]:
        """Return binned entropies, points of the last hidden layer, and distances of pairs."""
        from entbench.networks._sampling import signals_of

        rng = np.random.default_rng([self.seed, epoch, _NOISE])
        rows = np.random.default_rng([self.seed, _ROWS]).permutation(len(X))[:_DISTANCE_ROWS]
        found: dict[str, Any] = {name: [] for name in ("binned", "edges", "within", "between")}
        for name, other in (("twin", network), ("plain", self._plain.at(epoch))):
            signals = _twin_signals(other, X)
            found[f"{name}_binned"] = [binned_entropy(signal, _FINE_BIN) for signal in signals]
        noisy = np.empty((0, 0))
        for layer in range(1, len(LAYERS[self.network]) + 1):
            signal = signals_of(network, X, np.arange(len(X)), layer, epoch)
            noisy = signal + self.sigma * rng.standard_normal(signal.shape)
            found["binned"].append(binned_entropy(noisy, _BIN * self.sigma))
            pairs = pair_distances(noisy[rows], y[rows])
            for name in ("edges", "within", "between"):
                found[name].append(getattr(pairs, name).tolist())
        found["points"] = noisy[rows[:_POINTS]].round(4).tolist()
        found["labels"] = y[rows[:_POINTS]].tolist()
        return found


def _twin_signals(network: NoisyNetwork, X: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Return the hidden layers of the same network without noise."""
    import torch

    with torch.no_grad():
        signals = network.eval().twin().signals(torch.tensor(X, dtype=network.dtype))
    return [signal.double().numpy() for signal in signals]


Key = tuple[str, float, float]


def curves_of(results: Sequence[ExperimentResult]) -> dict[Key, list[ExperimentResult]]:
    """Return the results of each setting in order of epochs."""
    groups: dict[Key, list[ExperimentResult]] = {}
    for each in results:
        params = each.params
        key = (params["activation"], float(params["orthonormal"]), float(params["sigma"]))
        groups.setdefault(key, []).append(each)
    return {
        key: sorted(group, key=lambda each: each.step["epoch"]) for key, group in groups.items()
    }


class Fall(NamedTuple):
    """How far I(X;T_5) ends below its largest value in one network.

    Between what its intervals allow, in nats; the last epoch; and whether the network had learned
    by then: its labels are two, about as frequent.
    """

    span: Span
    epoch: int
    learned: bool


def falls_of(curves: Mapping[Key, Sequence[ExperimentResult]]) -> dict[Key, Fall]:
    """Return the fall of each curve, by intervals that hold at all epochs together."""
    return {
        key: Fall(
            _last_layer(curve).fall(),
            int(curve[-1].step["epoch"]),
            has_learned(curve[-1].result["train_accuracy"], _GUESSING),
        )
        for key, curve in curves.items()
    }


def fall_claim(
    claim: str,
    where: str,
    falls: Mapping[Key, Fall],
    activation: str,
    expected: bool = True,
) -> Claim:
    """Return a claim on how far I(X;T_5) falls; 0.2 nats or more count as compression.

    Of all settings with that activation: where some compress and some do not it is not told.
    """
    found = {key: fall for key, fall in falls.items() if key[0] == activation}
    if not found:
        return absent(claim, where)
    test = above if expected else below
    learned = [fall for fall in found.values() if fall.learned]
    measured = "; ".join(
        f"sigma = {sigma:g}: I(X;T_5) falls by {span_text(fall.span)} nats up to epoch {fall.epoch}"
        + ("" if fall.learned else ", not learned")
        for (_, _, sigma), fall in found.items()
    )
    return judged(
        claim,
        where,
        f"{measured}; {FALL:g} or more count",
        alike(test(fall.span, FALL) for fall in learned) if learned else None,
        short=too_short(min(fall.epoch for fall in found.values()), EPOCHS),
        lasting=expected,
    )


def correlation_claim(curves: Mapping[Key, Sequence[ExperimentResult]]) -> Claim:
    """Return the claim that H(Bin(T)) follows I(X;T) over the epochs, where it moves at all.

    Two curves that go one way each are correlated whatever they are of: the changes from each
    recorded epoch to the next are compared, which are not where the two move independently.
    """
    claim, where = "H(Bin(T)) and I(X;T) are highly correlated over epochs", "Fig. 5, summary (iii)"
    found = [pair for curve in curves.values() for pair in _moves(curve)]
    if not found:
        return absent(claim, where, "no layer moves beyond its intervals")
    spans = [correlation(*pair, parts=len(found)) for pair in found]
    low, high = (end(each) for end, each in zip((min, max), zip(*spans, strict=True), strict=True))
    measured = (
        f"changes from epoch to epoch: correlation {span_text((low, high))}, "
        f"{len(found)} curves that move; {_HIGHLY:g} or more count"
    )
    if len(found[0][0]) <= _LEAST_CHANGES:
        measured += f"; fewer than {_LEAST_CHANGES} changes do not tell"
    return judged(claim, where, measured, every(above(span, _HIGHLY) for span in spans))


def correlation(first: Floats, second: Floats, parts: int = 1) -> Span:
    """Return an interval for the correlation of two curves' changes, by Fisher's z.

    Its error is that of normal changes or the jackknife's, whichever is larger: of most curves a
    few changes are most of the way. Ten changes are needed, and as much scatter in each curve as of
    five equal ones: fewer fall together by chance, and then no error shows.
    """
    one, other = np.diff(first), np.diff(second)
    n = len(one)
    if n < _LEAST_CHANGES or min(map(_carrying, (one, other))) < _LEAST_CARRYING:
        return -1.0, 1.0
    without = np.array([_fisher(np.delete(one, i), np.delete(other, i)) for i in range(n)])
    jackknife = math.sqrt((n - 1) * float(without.var()))
    normal = 1.0 / math.sqrt(n - 3)
    low, high = Effect(_fisher(one, other), normal, normal, jackknife, n - 1).interval(parts)
    return math.tanh(low), math.tanh(high)


def _carrying(changes: Floats) -> float:
    """Return how many equal changes would scatter so evenly; 0 where there is no scatter."""
    squares = (changes - changes.mean()) ** 2
    total = float(squares.sum())
    return total**2 / float((squares**2).sum()) if total else 0.0


def _fisher(one: Floats, other: Floats) -> float:
    if not one.std() or not other.std():
        return 0.0
    return math.atanh(float(np.clip(np.corrcoef(one, other)[0, 1], -_ALMOST_1, _ALMOST_1)))


def _moves(curve: Sequence[ExperimentResult]) -> list[tuple[Floats, Floats]]:
    """Return I(X;T) and H(Bin(T)) by epoch, of the layers that move by more than their errors."""
    table = {
        name: np.array([each.result[name] for each in curve])
        for name in ("information", "binned", "low", "high")
    }
    widths = np.median(table["high"] - table["low"], axis=0)
    moves = np.ptp(table["information"], axis=0)
    layers = np.flatnonzero((moves > 2.0 * widths) & (moves >= FALL))
    return [(table["information"][:, layer], table["binned"][:, layer]) for layer in layers]


def _last_layer(curve: Sequence[ExperimentResult]) -> Levels:
    values, low, high = (
        [each.result[name][-1] for each in curve] for name in ("information", "low", "high")
    )
    return Levels.within(values, low, high)
