"""The convolutional network of the noisy networks' paper on MNIST, under each of its noises."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from entbench._validation import check_integer, check_not_negative
from entbench.networks._recipe import Parts, Recipe
from entbench.networks._torch import require_torch
from entbench.networks.data import augment
from entbench.networks.data._mnist import MNIST, mnist_by_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench.networks._network import NoisyNetwork
    from entbench.networks._plan import TrainingPlan
    from entbench.networks._steps import Augment

DROPOUT = 0.2
_RECORDS = 16
_SIDE, _SHIFT = 28, 2  # of the paper's images, and by how many of their pixels they move


@dataclass(frozen=True)
class TrainedCNN(Recipe):
    """The network of `mnist_cnn` in training.

    Parameters
    ----------
    noise : float or "dropout"
        Standard deviation of the noise, 0 for none; or dropout with probability 0.2 in its place.
    seed : int
        Of weights, order of the images, their changes and the noise. Networks that differ in the
        noise alone share the first three.
    epochs : int
        How long; the rate falls from 5e-3 to 5e-4 on the way, whatever it is.
    images : int
        Of the training set, drawn at random, the same for all seeds; all if there are no more.
    data : str
        See `mnist_by_key`. Networks are kept by this word: give `MNIST.key`, not "auto".

    Notes
    -----
    Stochastic gradient descent on the cross-entropy without momentum, in batches of 32, every image
    moved anew in each epoch by up to 2 pixels of 28, 10 degrees of rotation and of shear. Grey
    levels are in [0, 1], which the paper does not say.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, supplement
    9.3.
    """

    edition: ClassVar[int] = 1

    noise: float | str = 0.05
    seed: int = 0
    epochs: int = 128
    images: int = 60_000
    data: str = "auto"

    def __post_init__(self) -> None:
        self._set("noise", check_noise(self.noise))
        self._set("seed", check_integer("seed", self.seed, minimum=0))
        self._set("epochs", check_integer("epochs", self.epochs, minimum=1))
        self._set("images", check_integer("images", self.images, minimum=32))
        if not isinstance(self.data, str):
            raise TypeError(f"`data` must be a text; got {self.data!r}.")

    @property
    def title(self) -> str:
        """Network and noise."""
        return f"mnist-cnn-{self.noise}"

    @property
    def source(self) -> MNIST:
        """All of the images."""
        return mnist_by_key(self.data)

    @property
    def side(self) -> int:
        """Height and width of an image."""
        return int(self.source.train_x.shape[-1])

    @property
    def parts(self) -> Parts:
        """The images to train on; none are held out, the test set being there."""
        images, labels = self.source.train_x, self.source.train_y
        rows = np.sort(np.random.default_rng(0).permutation(len(images))[: self.images])
        return Parts(grey(images[rows]), labels[rows])

    @property
    def plan(self) -> TrainingPlan:
        """How it is trained."""
        from entbench.networks._plan import TrainingPlan

        every = math.ceil(self.epochs / _RECORDS)
        return TrainingPlan(
            epochs=self.epochs,
            batch_size=32,
            learning_rate=5e-3,
            final_learning_rate=5e-4,
            seed=self.seed,
            record=(1, *range(every, self.epochs + 1, every)),
        )

    @property
    def augment(self) -> Augment:
        """Small shifts, rotations and shears."""
        return _augment if self.side == _SIDE else _augment_small

    def untrained(self) -> NoisyNetwork:
        """Return the network before training."""
        require_torch()
        from entbench.networks._models import mnist_cnn

        if isinstance(self.noise, str):
            return mnist_cnn(0.0, dropout=DROPOUT, seed=self.seed, side=self.side)
        return mnist_cnn(self.noise, seed=self.seed, side=self.side)


def check_noise(noise: Any) -> float | str:
    """Return what `noise` may be: a standard deviation >= 0, or "dropout"."""
    if isinstance(noise, str):
        if noise != "dropout":
            raise ValueError(f'`noise` must be a number >= 0 or "dropout"; got {noise!r}.')
        return noise
    return check_not_negative("noise", noise)


def grey(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return grey levels in [0, 1]."""
    levels: NDArray[np.float32] = images.astype(np.float32) / np.float32(255.0)
    return levels


def _augment(images: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float32]:
    return augment(images, rng, max_shift=_SHIFT)


def _augment_small(images: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float32]:
    return augment(images, rng, max_shift=max(1, round(_SHIFT * images.shape[-1] / _SIDE)))
