"""What experiments share whose input has a few values: epochs asked, exact information."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from entbench._base import Experiment
from entbench.networks._neuron_recipe import TrainedNeurons
from entbench.networks._torch import require_torch

if TYPE_CHECKING:
    pass

_TOLERANCE = 1e-9
_POINTS = 10**7


@dataclass(frozen=True)
class FewPoints(Experiment):
    """A network of few neurons in training, asked on a logarithmic scale of epochs.

    A subclass says which network.
    """

    network: ClassVar[str]

    sigma: float = 0.01
    epochs: int = 30000
    learning_rate: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        require_torch()  # before the first step, not at each
        for key in ("sigma", "epochs", "learning_rate", "seed"):
            object.__setattr__(self, key, getattr(self.recipe, key))

    @property
    def recipe(self) -> TrainedNeurons:
        """The network, its points and its training."""
        return TrainedNeurons.of(self)


def information(centres: NDArray[np.float64], sigma: float) -> float:
    """Return I(S; S+Z) in nats for S uniform on real numbers, by quadrature to 1e-9."""
    from entbench.mixture import GaussianMixture, gaussian_entropy

    mixture = GaussianMixture(np.asarray(centres, np.float64).reshape(-1, 1), sigma)
    found = mixture.entropy(_TOLERANCE, _POINTS, np.random.default_rng(0))
    if found.method != "quadrature":
        raise RuntimeError("one dimension is integrated by quadrature")
    return max(0.0, found.value - gaussian_entropy(1, sigma))


def rises_and_falls(curve: Sequence[float], by: float) -> bool:
    """Tell whether a curve ends at least `by` below its largest value."""
    return max(curve) - curve[-1] >= by
