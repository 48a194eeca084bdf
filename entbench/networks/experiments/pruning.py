"""Layers that move alike in the information plane, pruned until none does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from entbench._base import Claim, Experiment, ExperimentResult, ResultTable
from entbench._validation import check_choice, check_integer, check_not_negative, check_positive
from entbench.networks._dense_recipe import TrainedDense
from entbench.networks._plane import PlanePoint, bin_codes, label_entropy, plane_point
from entbench.networks._torch import require_torch
from entbench.networks.experiments._pruning_claims import claims_of, size_of, table_2

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = list[list[float]]


@dataclass(frozen=True)
class Pruning(Experiment):
    """Which layers of a network too deep move alike in the information plane, and can go.

    The network of Shwartz-Ziv and Tishby with five more layers of 3 units is trained with early
    stopping. Where two adjacent hidden layers have similar trajectories, the later one is pruned;
    the network that is left is trained from its own first weights, and so on until none is similar.

    Parameters
    ----------
    hidden : str, default="10-7-5-4-3-3-3-3-3-3"
        Units of the hidden layers at first.
    activation : {"tanh", "relu", "linear"}, default="tanh"
        Of all hidden layers.
    spared : int, default=5
        So many layers at the beginning are never pruned: those of the network before it was
        doubled. At least 1.
    similar : float, default=0.05
        Trajectories at this distance, or nearer, are similar.
    width : float, default=0.07
        Of the bins of each unit.
    patience : int, default=100
        Training stops at the first recorded epoch that is so many epochs past the least validation
        loss.
    prunings : int, default=6
        At most.
    epochs : int, default=8000
        Of training, where it is not stopped earlier.
    records : int, default=200
        Of how many epochs the weights are kept, about: each one at first, then evenly on a
        logarithmic scale. Losses are measured, and trajectories run, over these.
    learning_rate : float, default=0.05
        Of stochastic gradient descent, batches of 256, no regularisation.
    seed : int, default=0
        Of weights and order of the data; the same before and after a pruning.

    Notes
    -----
    A layer's point after an epoch is (I(X;Bin(T)) / H(X), I(Bin(T);Y) / I(X;Y)), exact for the
    training rows; both are in [0, 1]. The distance of two trajectories is the root mean square,
    over the recorded epochs up to the stop, of the Euclidean distance of their points. It weighs
    epochs as they are recorded, the first ones most. The paper compares by eye, and prints neither
    a distance nor a threshold; ours was not fitted to what it finds.

    The paper looks at layers "at the end of the network". The first ones are similar too, but in
    another corner: hardly two inputs share a bin there, at (H(X), I(X;Y)). `spared` keeps them;
    with ``spared=1`` they go as well, and the claims tell of it.

    Accuracies are of the 820 validation rows (20 %), after the epoch at which training stopped, as
    early stopping has it: its choice of epoch has seen them. A network whose layers are dead
    (ReLU, narrow) has all its layers at (0, 0): they are similar, and they go.

    Steps after the last pruning repeat its result.

    Cost: 10 to 20 ms for an epoch of the doubled network, and a minute or less for a network, most
    of it training.

    References
    ----------
    "Revisiting the Information Plane", under review for ICLR 2020, section 2.5, Table 2 and Fig. 8.
    Rate, patience, distance and threshold are ours: it prints none.
    """

    version: ClassVar[str] = "1"
    figures: ClassVar[tuple[str, ...]] = ("pruning-planes", "pruning-accuracy")

    hidden: str = "10-7-5-4-3-3-3-3-3-3"
    activation: str = "tanh"
    spared: int = 5
    similar: float = 0.05
    width: float = 0.07
    patience: int = 100
    prunings: int = 6
    epochs: int = 8000
    records: int = 200
    learning_rate: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        require_torch()  # before the first step, not at each
        check_choice("activation", self.activation, ("tanh", "relu", "linear"))
        recipe = self._recipe(self.hidden)
        for name in ("hidden", "epochs", "records", "learning_rate", "seed"):
            self._set(name, getattr(recipe, name))
        self._set("spared", check_integer("spared", self.spared, 1, len(recipe.widths)))
        self._set("similar", check_not_negative("similar", self.similar))
        self._set("width", check_positive("width", self.width))
        self._set("patience", check_integer("patience", self.patience, minimum=1))
        self._set("prunings", check_integer("prunings", self.prunings, minimum=0))

    def steps(self) -> list[dict[str, Any]]:
        """Return how often the network has been pruned."""
        return [{"what": "pruning", "pruning": k} for k in range(self.prunings + 1)]

    def measure(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """Return trajectories and accuracy after so many prunings, and what is to go next.

        Lists are by layer, or by epoch and layer. "repeated" is whether pruning ended before.
        """
        hidden, pruned = self.hidden, 0
        while True:
            run = self._run(hidden)
            going = self._going(run)
            if not going or pruned == step["pruning"]:
                break
            widths = hidden.split("-")
            hidden = "-".join(w for layer, w in enumerate(widths, 1) if layer not in going)
            pruned += 1
        repeated = pruned < step["pruning"]
        return {
            "hidden": hidden,
            "layers": hidden.count("-") + 1,
            "stop": run.epochs[-1],
            "accuracy": run.accuracy,
            "train_accuracy": run.train_accuracy,
            "done": not going,
            "repeated": repeated,
            **({} if repeated else self._trajectories(run, going)),
        }

    @classmethod
    def claims(cls, results: Sequence[ExperimentResult]) -> list[Claim]:
        """Hold section 2.5 against the results."""
        return claims_of(results)

    @classmethod
    def remark(cls, results: Sequence[ExperimentResult]) -> str:
        """Say what was compared, and how."""
        return size_of(results)

    @classmethod
    def tables(cls, results: Sequence[ExperimentResult]) -> list[ResultTable]:
        """Return Table 2."""
        return table_2(results)

    def _trajectories(self, run: Run, going: list[int]) -> dict[str, Any]:
        return {
            "going": going,
            "distances": run.distances,
            "epochs": run.epochs,
            "input": run.input,
            "label": run.label,
            "input_limit": run.limits[0],
            "label_limit": run.limits[1],
            "majority": run.majority,
            "validated": run.validated,
        }

    def _going(self, run: Run) -> list[int]:
        """Return the layers, from 1, that are similar to the one before and not spared.

        Of a run of similar layers the first remains.
        """
        pairs = enumerate(run.distances, 2)
        return [layer for layer, far in pairs if layer > self.spared and far <= self.similar]

    def _run(self, hidden: str) -> Run:
        return run_to_stop(self._recipe(hidden), self.width, self.patience)

    def _recipe(self, hidden: str) -> TrainedDense:
        return TrainedDense.of(self, hidden=hidden)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


class Run(NamedTuple):
    """A network in training up to its stop; points are lists by epoch and layer, in nats.

    Attributes
    ----------
    epochs : list of int
        Recorded, the last one the stop.
    input, label : list of list of float
        I(X;Bin(T_l)) and I(Bin(T_l);Y) on the training rows; the softmax output is the last layer.
    limits : tuple of float
        H(X) and I(X;Y).
    distances : list of float
        Of the trajectories of hidden layers l and l + 1.
    accuracy, train_accuracy : float
        At the stop, of the validation and the training rows.
    majority : float
        Accuracy of the more frequent label on the validation rows.
    validated : int
        How many these are.
    """

    epochs: list[int]
    input: Points
    label: Points
    limits: tuple[float, float]
    distances: list[float]
    accuracy: float
    train_accuracy: float
    majority: float
    validated: int


@lru_cache(maxsize=16)
def run_to_stop(recipe: TrainedDense, width: float, patience: int) -> Run:
    """Return trajectories of a network up to its early stop, trained as far as that.

    A network is asked for at each step after it: the last ones are kept.
    """
    X, labels, (others, other_labels) = _training_and_validation(recipe)
    every, m = np.concatenate([X, others]), len(X)
    epochs: list[int] = []
    points: list[list[PlanePoint]] = []
    losses: list[float] = []
    for epoch in recipe.plan.record:
        layers = _layers(recipe, epoch, every)
        log_p = layers[-1]
        found = (*(layer[:m] for layer in layers[:-1]), np.exp(log_p[:m]))
        points.append([plane_point(bin_codes(layer, width), labels) for layer in found])
        epochs.append(epoch)
        losses.append(-float(log_p[np.arange(m, len(every)), other_labels].mean()))
        if has_stopped(epochs, losses, patience):
            break
    right = log_p.argmax(axis=1) == np.concatenate([labels, other_labels])
    limits = (math.log(m), label_entropy(labels))
    table = np.array(points)
    return Run(
        epochs=epochs,
        input=table[..., 0].tolist(),
        label=table[..., 1].tolist(),
        limits=limits,
        distances=distances_of(table[:, :-1] / limits),
        accuracy=float(right[m:].mean()),
        train_accuracy=float(right[:m].mean()),
        majority=float(np.bincount(other_labels).max()) / len(others),
        validated=len(others),
    )


def has_stopped(epochs: Sequence[int], losses: Sequence[float], patience: int) -> bool:
    """Return whether the last epoch is `patience` epochs or more past the least loss."""
    return epochs[-1] - epochs[int(np.argmin(losses))] >= patience


def distances_of(points: NDArray[np.float64]) -> list[float]:
    """Return the distance of each layer's trajectory to the next one's.

    Parameters
    ----------
    points : ndarray of shape (epochs, layers, 2)
        In the plane.

    Returns
    -------
    list of float
        Root mean squares over the epochs of the points' Euclidean distances, layers - 1 of them.
    """
    squares = (np.diff(points, axis=1) ** 2).sum(axis=2)
    found: list[float] = np.sqrt(squares.mean(axis=0)).tolist()
    return found


def _training_and_validation(recipe: TrainedDense) -> tuple[Any, Any, tuple[Any, Any]]:
    X, labels, others = recipe.parts
    assert others is not None  # its recipe always splits
    return X, labels, others


def _layers(recipe: TrainedDense, epoch: int, X: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Return the hidden layers, and logs of the softmax of the output."""
    from entbench.networks._representations import representations

    network = recipe.at(epoch)
    *hidden, logits = representations(network, X, list(network.body.children()))
    output = logits.astype(np.float64)
    output -= np.logaddexp.reduce(output, axis=1)[:, None]
    return [*(layer.astype(np.float64) for layer in hidden), output]
