"""One and two noisy neurons, trained on a few points by gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from entbench._validation import check_choice, check_integer, check_positive
from entbench.networks._epochs import decade_epochs
from entbench.networks._recipe import Parts, Recipe
from entbench.networks._torch import require_torch

if TYPE_CHECKING:
    from entbench.networks._network import NoisyNetwork
    from entbench.networks._plan import TrainingPlan

# inputs and targets
POINTS = {
    "single-neuron": ((-3.0, -1.0, 1.0, 3.0), (-1.0, -1.0, -1.0, 1.0)),
    "two-neuron": (tuple(map(float, range(1, 9))), (*(0.0,) * 4, *(0.25,) * 4)),
}


@dataclass(frozen=True)
class TrainedNeurons(Recipe):
    """A small network, trained on all of a few points at once by gradient descent on squares.

    Parameters
    ----------
    network : {"single-neuron", "two-neuron"}
        As `single_neuron` and `two_neuron` return it, in double precision.
    sigma : float
        Standard deviation of the noise, in training and after.
    epochs : int
        How long.
    learning_rate : float
        Constant.
    seed : int
        Of the noise.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, section 4
    and supplement 8.
    """

    edition: ClassVar[int] = 1

    network: str
    sigma: float
    epochs: int
    learning_rate: float
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("network", self.network, POINTS)
        for key in ("sigma", "learning_rate"):
            self._set(key, check_positive(key, getattr(self, key)))
        self._set("epochs", check_integer("epochs", self.epochs, minimum=10))
        self._set("seed", check_integer("seed", self.seed, minimum=0))

    @property
    def title(self) -> str:
        """Which network."""
        return self.network

    @property
    def parts(self) -> Parts:
        """The points."""
        x, y = (np.array(values, dtype=np.float64)[:, None] for values in POINTS[self.network])
        return Parts(x, y)

    @property
    def plan(self) -> TrainingPlan:
        """How it is trained."""
        from entbench.networks._plan import TrainingPlan

        return TrainingPlan(
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            loss="mse",
            seed=self.seed,
            record=decade_epochs(self.epochs),
        )

    def untrained(self) -> NoisyNetwork:
        """Return the network before training."""
        require_torch()
        from entbench.networks import _models

        build = {"single-neuron": _models.single_neuron, "two-neuron": _models.two_neuron}
        return build[self.network](self.sigma).double()
