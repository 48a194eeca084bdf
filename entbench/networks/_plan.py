"""How a network is trained, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from entbench._validation import (
    check_choice,
    check_integer,
    check_not_negative,
    check_positive,
    check_real,
)


class TrainingError(RuntimeError):
    """Training that cannot go on: the loss is not finite."""


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        Passes over the training data.
    batch_size : int or None
        Rows of a step; the last step of an epoch takes what is left. None: all rows.
    learning_rate : float
        The rate of the first epoch.
    final_learning_rate : float, optional
        The rate of the last epoch; between, it changes by one factor per epoch. By default the rate
        is constant.
    momentum : float
        For "sgd", in [0, 1).
    optimizer : {"sgd", "adam"}
        Adam with betas 0.9, 0.999 and epsilon 1e-8.
    loss : {"cross-entropy", "mse"}
        Cross-entropy in nats of the softmax of the output, or the mean over rows and outputs of
        the squared error.
    orthonormal : float
        The strength alpha of the regularisation towards orthonormal weights: after every step
        ``W <- W - alpha (W W^T - I) W`` for the weights W, (outputs, inputs), of every linear
        layer. 0: none.
    initial_weights : {"given", "drawn"}
        Start from the network's weights as they are, or draw them anew from `seed` by the layers'
        own ``reset_parameters``, that is from torch's default law of each layer.
    seed : int
        Of the order of the rows, the noise, dropout, the augmentation and drawn weights: a stream
        for each, so that networks that differ in the noise alone see the same batches.
    record : sequence of int
        Epochs after which losses are measured and a checkpoint is kept; 0, before training, and
        the last are always among them.

    Notes
    -----
    The step of the regularisation takes a singular value s of W to ``s - alpha s (s^2 - 1)``. With
    no more outputs than inputs the rows become orthonormal, W W^T = I. With more outputs than
    inputs they cannot, and the same formula, which is ``W - alpha W (W^T W - I)``, makes the
    columns orthonormal.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, sections 9.1
    (the regularisation) and 9.3 (the schedule of rates).
    """

    epochs: int
    learning_rate: float
    batch_size: int | None = None
    final_learning_rate: float | None = None
    momentum: float = 0.0
    optimizer: Literal["sgd", "adam"] = "sgd"
    loss: Literal["cross-entropy", "mse"] = "cross-entropy"
    orthonormal: float = 0.0
    initial_weights: Literal["given", "drawn"] = "given"
    seed: int = 0
    record: Sequence[int] = field(default=())

    def __post_init__(self) -> None:
        self._set("epochs", check_integer("epochs", self.epochs, minimum=1))
        self._set("seed", check_integer("seed", self.seed, minimum=0))
        self._set("learning_rate", check_positive("learning_rate", self.learning_rate))
        if self.batch_size is not None:
            self._set("batch_size", check_integer("batch_size", self.batch_size, minimum=1))
        if self.final_learning_rate is not None:
            final = check_positive("final_learning_rate", self.final_learning_rate)
            self._set("final_learning_rate", final)
        check_choice("optimizer", self.optimizer, ("sgd", "adam"))
        check_choice("loss", self.loss, ("cross-entropy", "mse"))
        check_choice("initial_weights", self.initial_weights, ("given", "drawn"))
        self._check_strengths()
        epochs = {check_integer("record", epoch, 0, self.epochs) for epoch in self.record}
        self._set("record", tuple(sorted(epochs | {0, self.epochs})))

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 1."""
        if self.final_learning_rate is None:
            return self.learning_rate
        if epoch == self.epochs:
            return self.final_learning_rate
        share = (epoch - 1) / (self.epochs - 1)
        return float(self.learning_rate * (self.final_learning_rate / self.learning_rate) ** share)

    def _check_strengths(self) -> None:
        self._set("momentum", check_real("momentum", self.momentum))
        if not 0.0 <= self.momentum < 1.0:
            raise ValueError(f"`momentum` must be in [0, 1); got {self.momentum!r}.")
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(f'`momentum` is for optimizer "sgd"; got {self.momentum!r}.')
        self._set("orthonormal", check_not_negative("orthonormal", self.orthonormal))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


@dataclass(frozen=True, eq=False)
class History:
    """Losses of a run at its recorded epochs, all measured without noise and dropout.

    Attributes
    ----------
    epochs : ndarray of shape (n_recorded,)
        The epochs; 0 is before training.
    train_loss, test_loss : ndarray of shape (n_recorded,)
        Mean losses, cross-entropy in nats; NaN where there are no test data.
    train_accuracy, test_accuracy : ndarray of shape (n_recorded,)
        Shares of rows whose largest output is their label's; NaN for the loss "mse".
    """

    epochs: NDArray[np.int64]
    train_loss: NDArray[np.float64]
    test_loss: NDArray[np.float64]
    train_accuracy: NDArray[np.float64]
    test_accuracy: NDArray[np.float64]

    @classmethod
    def of(cls, rows: NDArray[np.float64]) -> Self:
        """Take apart rows of (epoch, the four columns)."""
        return cls(rows[:, 0].astype(np.int64), *rows[:, 1:].T.copy())
