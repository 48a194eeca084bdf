"""Networks that any process can make again: named, trained by rule, kept on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from entbench._validation import check_choice, check_integer, check_not_negative
from entbench.networks._epochs import decade_epochs
from entbench.networks._recipe import Parts, Recipe
from entbench.networks._torch import require_torch
from entbench.networks.data import DataSet, load_spiral, load_szt, split

if TYPE_CHECKING:
    from entbench.networks._network import NoisyNetwork
    from entbench.networks._plan import TrainingPlan

LAYERS = {"szt": (10, 7, 5, 4, 3), "spiral": (3, 3, 3, 3, 3)}
ACTIVATIONS = {"szt": ("tanh", "relu", "linear"), "spiral": ("tanh",)}
EPOCHS = 8000


@dataclass(frozen=True)
class Trained(Recipe):
    """A narrow network of the papers in training.

    Parameters
    ----------
    network : {"szt", "spiral"}
        12-10-7-5-4-3-2 on the data of Shwartz-Ziv and Tishby; 2-3-3-3-3-3-2 on a two-arm spiral.
    activation : {"tanh", "relu", "linear"}
        Of the hidden layers; "spiral" has tanh.
    sigma : float
        Standard deviation of the noise in training and after; 0 for none.
    orthonormal : float
        Strength of the regularisation towards orthonormal weights, 0 for none.
    seed : int
        Of weights, order of the data and noise.

    Notes
    -----
    Trained on 80 % of the data by Adam at a rate of 4e-4 in batches of 512, as in the public code
    of Shwartz-Ziv and Tishby; the noisy networks' paper prints neither rate nor batches.
    """

    edition: ClassVar[int] = 1

    network: str = "szt"
    activation: str = "tanh"
    sigma: float = 0.005
    orthonormal: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("network", self.network, LAYERS)
        check_choice("activation", self.activation, ACTIVATIONS[self.network])
        for name in ("sigma", "orthonormal"):
            self._set(name, check_not_negative(name, getattr(self, name)))
        self._set("seed", check_integer("seed", self.seed, minimum=0))

    @property
    def title(self) -> str:
        """Network and activation."""
        return f"{self.network}-{self.activation}"

    @property
    def data(self) -> DataSet:
        """All of the data: I(X;T) is of X uniform on these rows."""
        return load_data(self.network)

    @property
    def parts(self) -> Parts:
        """80 % of the data for training."""
        X, y = self.data
        rows, others = split(X, y)
        return Parts(X[rows], y[rows], (X[others], y[others]))

    @property
    def plan(self) -> TrainingPlan:
        """How it is trained."""
        from entbench.networks._plan import TrainingPlan

        return TrainingPlan(
            epochs=EPOCHS,
            batch_size=512,
            learning_rate=4e-4,
            optimizer="adam",
            orthonormal=self.orthonormal,
            seed=self.seed,
            record=schedule(),
        )

    def untrained(self) -> NoisyNetwork:
        """Return the network before training."""
        require_torch()
        from entbench.networks import _models

        if self.network == "szt":
            return _models.szt(self.activation, self.sigma, self.seed)  # type: ignore[arg-type]
        return _models.spiral(self.sigma, self.seed)


@lru_cache(maxsize=8)
def load_data(network: str) -> DataSet:
    """Return the data that a network of the zoo is trained on."""
    return load_szt() if network == "szt" else load_spiral()


def schedule() -> tuple[int, ...]:
    """Return the epochs after which weights are kept: 0, then evenly on a logarithmic scale."""
    return decade_epochs(EPOCHS)


def check_epoch(epoch: int) -> int:
    """Return the epoch if it is of the `schedule`; raise ValueError that names its neighbours."""
    epoch = check_integer("epoch", epoch, minimum=0, maximum=EPOCHS)
    kept = schedule()
    if epoch not in kept:
        below = max(each for each in kept if each < epoch)
        above = min(each for each in kept if each > epoch)
        raise ValueError(
            f"`epoch` must be one whose weights are kept, as {below} or {above}; got {epoch}."
        )
    return epoch
