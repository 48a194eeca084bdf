"""What experiments share whose input has a few values: training by rule, exact information."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from entbench._base import Experiment
from entbench._paths import networks_folder
from entbench._validation import check_integer, check_positive
from entbench.networks._torch import require_torch

if TYPE_CHECKING:
    from entbench.networks._network import NoisyNetwork

_PER_DECADE = 12
_TOLERANCE = 1e-9
_POINTS = 10**7


@dataclass(frozen=True)
class FewPoints(Experiment):
    """A small network, trained on all of a few points at once by gradient descent on squares.

    A subclass says which network and which points.
    """

    name: ClassVar[str]
    inputs: ClassVar[NDArray[np.float64]]
    labels: ClassVar[NDArray[np.float64]]

    sigma: float = 0.01
    epochs: int = 30000
    learning_rate: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        require_torch()  # before the first step, not at each
        for key in ("sigma", "learning_rate"):
            object.__setattr__(self, key, check_positive(key, getattr(self, key)))
        object.__setattr__(self, "epochs", check_integer("epochs", self.epochs, minimum=10))
        object.__setattr__(self, "seed", check_integer("seed", self.seed, minimum=0))

    @abstractmethod
    def untrained(self) -> NoisyNetwork:
        """Return the network before training, in double precision."""

    def trained(self, epoch: int) -> NoisyNetwork:
        """Return the network after an epoch of the scale, trained up to there if need be."""
        from entbench.networks import TrainingPlan, checkpoint_epochs, train, weights_at

        if epoch not in checkpoint_epochs(self._folder):
            plan = TrainingPlan(
                epochs=self.epochs,
                learning_rate=self.learning_rate,
                loss="mse",
                seed=self.seed,
                record=epochs_up_to(self.epochs),
            )
            started = self.untrained()
            train(started, self.inputs, self.labels, plan, folder=self._folder, until=epoch)
        network = self.untrained()
        network.load_arrays(weights_at(self._folder, epoch))
        return network

    @property
    def _folder(self) -> Path:
        text = json.dumps({**self.get_params(), "version": self.version}, sort_keys=True)
        return networks_folder() / f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def information(centres: NDArray[np.float64], sigma: float) -> float:
    """Return I(S; S+Z) in nats for S uniform on real numbers, by quadrature to 1e-9."""
    from entbench.mixture import GaussianMixture, gaussian_entropy

    mixture = GaussianMixture(np.asarray(centres, np.float64).reshape(-1, 1), sigma)
    found = mixture.entropy(_TOLERANCE, _POINTS, np.random.default_rng(0))
    if found.method != "quadrature":
        raise RuntimeError("one dimension is integrated by quadrature")
    return max(0.0, found.value - gaussian_entropy(1, sigma))


def epochs_up_to(last: int) -> tuple[int, ...]:
    """Return epochs on a logarithmic scale, 12 a decade, with 0 and the last."""
    steps = np.arange(0.0, np.log10(last) * _PER_DECADE + 1.0) / _PER_DECADE
    kept = {min(round(10.0**step), last) for step in steps}
    return tuple(sorted({0, last} | kept))


def rises_and_falls(curve: Sequence[float], by: float) -> bool:
    """Tell whether a curve ends at least `by` below its largest value."""
    return max(curve) - curve[-1] >= by
