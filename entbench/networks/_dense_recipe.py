"""Fully connected networks of any widths, with or without noise, trained by plain gradients."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from entbench._validation import check_integer, check_not_negative, check_positive
from entbench.networks._epochs import log_epochs
from entbench.networks._recipe import Parts, Recipe
from entbench.networks._torch import require_torch
from entbench.networks.data import DataSet, load_szt, split
from entbench.networks.data._mnist import mnist_by_key

if TYPE_CHECKING:
    from entbench.networks._network import NoisyNetwork
    from entbench.networks._plan import TrainingPlan

THREE_DIGITS = "-138"
_DIGITS, _PER_DIGIT = (1, 3, 8), 1000
_ACTIVATIONS = ("tanh", "relu", "linear")


@dataclass(frozen=True)
class TrainedDense(Recipe):
    """A fully connected network in training, by stochastic gradient descent in batches of 256.

    Parameters
    ----------
    data : str
        "szt"; or "mnist-138": 1000 images of each of the digits 1, 3 and 8, grey levels in [0, 1]
        ("digits-138" and "idx-...-138": of other images, see `mnist_by_key`). 80 % of them are
        trained on.
    hidden : str
        Units of the hidden layers, as in "10-7-5-4-3".
    activation : str
        "tanh", "relu" or "linear" of all hidden layers; or of each, as in "tanh-tanh-relu".
    sigma : float
        Standard deviation of the noise after each hidden layer in training, 0 for none.
    epochs : int
        How long.
    records : int
        After how many epochs the weights are kept, about: 0, every one at first, then evenly on a
        logarithmic scale.
    learning_rate : float
        Constant.
    seed : int
        Of weights, order of the data and noise.

    Notes
    -----
    Weights start as in `szt`. The paper prints batches of 256 and "SGD", but no rate and no law of
    the first weights. At 0.05 networks of all its activations learn within the paper's epochs.

    References
    ----------
    "Revisiting the Information Plane", under review for ICLR 2020, section 2.1.
    """

    edition: ClassVar[int] = 1

    data: str = "szt"
    hidden: str = "10-7-5-4-3"
    activation: str = "tanh"
    sigma: float = 0.0
    epochs: int = 8000
    records: int = 400
    learning_rate: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        if self.data != "szt" and not str(self.data).endswith(THREE_DIGITS):
            raise ValueError(f'`data` must be "szt" or end in "{THREE_DIGITS}"; got {self.data!r}.')
        if not re.fullmatch(r"[1-9]\d*(-[1-9]\d*)*", str(self.hidden)):
            raise ValueError(f"`hidden` must be widths like 10-7-5-4-3; got {self.hidden!r}.")
        self._set("hidden", str(self.hidden))
        names = str(self.activation).split("-")
        if len(names) not in (1, len(self.widths)) or not set(names) <= set(_ACTIVATIONS):
            raise ValueError(
                f"`activation` must be one of {', '.join(_ACTIVATIONS)}, or one for each of the "
                f"{len(self.widths)} hidden layers, joined by hyphens; got {self.activation!r}."
            )
        self._set("sigma", check_not_negative("sigma", self.sigma))
        self._set("epochs", check_integer("epochs", self.epochs, minimum=1))
        self._set("records", check_integer("records", self.records, minimum=2))
        self._set("learning_rate", check_positive("learning_rate", self.learning_rate))
        self._set("seed", check_integer("seed", self.seed, minimum=0))

    @property
    def title(self) -> str:
        """Data, widths and activation."""
        return f"{self.data}-{self.hidden}-{self.activation}"

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of the hidden layers."""
        return tuple(int(width) for width in self.hidden.split("-"))

    @property
    def activations(self) -> tuple[str, ...]:
        """Activation of each hidden layer."""
        names = self.activation.split("-")
        return tuple(names) if len(names) > 1 else (*names * len(self.widths),)

    @property
    def parts(self) -> Parts:
        """80 % of the data for training."""
        X, y = load_rows(self.data)
        rows, others = split(X, y)
        return Parts(X[rows], y[rows], (X[others], y[others]))

    @property
    def plan(self) -> TrainingPlan:
        """How it is trained."""
        from entbench.networks._plan import TrainingPlan

        return TrainingPlan(
            epochs=self.epochs,
            batch_size=256,
            learning_rate=self.learning_rate,
            seed=self.seed,
            record=log_epochs(self.epochs, self.records),
        )

    def untrained(self) -> NoisyNetwork:
        """Return the network before training."""
        require_torch()
        from entbench.networks._models import fully_connected

        X, y = load_rows(self.data)
        sizes = (X.shape[1], *self.widths, int(y.max()) + 1)
        return fully_connected(sizes, self.activations, self.sigma, self.seed)


def found_data(data: str) -> str:
    """Return what there is for "auto-138", by its own name; all else as it is."""
    if data != f"auto{THREE_DIGITS}":
        return data
    return f"{mnist_by_key('auto').key}{THREE_DIGITS}"


@lru_cache(maxsize=4)
def load_rows(data: str) -> DataSet:
    """Return inputs, shape (m, columns), and labels 0, 1, ... of what goes by a name."""
    if data == "szt":
        return load_szt()
    source = mnist_by_key(data.removesuffix(THREE_DIGITS))
    fewest = min(int((source.train_y == digit).sum()) for digit in _DIGITS)
    images, labels = source.subset(_DIGITS, min(_PER_DIGIT, fewest))
    grey = images.reshape(len(images), -1).astype(np.float32) / np.float32(255.0)
    return DataSet(grey, np.searchsorted(_DIGITS, labels))
