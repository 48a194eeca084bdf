"""What a network that any process can make again is, but for its weights."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from entbench._paths import networks_folder
from entbench.networks._torch import require_torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench.networks._network import NoisyNetwork
    from entbench.networks._plan import TrainingPlan
    from entbench.networks._steps import Augment


class Parts(NamedTuple):
    """What a network is trained on, and what its losses are measured on besides, if anything."""

    X: NDArray[Any]
    y: NDArray[Any]
    test: tuple[NDArray[Any], NDArray[Any]] | None = None


@dataclass(frozen=True)
class Recipe(ABC):
    """A network, its data and how it is trained: plain values that its weights depend on alone.

    A subclass is a frozen dataclass. Networks are trained when they are first asked for, as far as
    asked, and kept on the disk.
    """

    # raised when a network by the same parameters becomes another one
    edition: ClassVar[int]

    @classmethod
    def of(cls, experiment: object, **others: Any) -> Self:
        """Return the recipe with an experiment's values for its parameters, or those given."""
        names = [field.name for field in fields(cls)]
        held = {name: getattr(experiment, name) for name in names if hasattr(experiment, name)}
        return cls(**(held | others))

    @property
    @abstractmethod
    def title(self) -> str:
        """What the folder's name begins with."""

    @property
    @abstractmethod
    def parts(self) -> Parts:
        """Data for training and test."""

    @property
    @abstractmethod
    def plan(self) -> TrainingPlan:
        """How it is trained; `record` are the epochs whose weights are kept."""

    @property
    def augment(self) -> Augment | None:
        """How images change from one epoch to the next."""
        return None

    @abstractmethod
    def untrained(self) -> NoisyNetwork:
        """Return the network before training."""

    @property
    def folder(self) -> Path:
        """Where its checkpoints are."""
        text = json.dumps({**asdict(self), "edition": self.edition}, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return networks_folder() / f"{self.title}-{digest}"

    def at(self, epoch: int, on_epoch: Callable[[int, float], Any] | None = None) -> NoisyNetwork:
        """Return the network as it is after a recorded epoch, trained now if need be."""
        require_torch()
        from entbench.networks._checkpoints import checkpoint_epochs, weights_at
        from entbench.networks._training import train

        if epoch not in checkpoint_epochs(self.folder):
            X, y, test = self.parts
            train(
                self.untrained(),
                X,
                y,
                self.plan,
                test=test,
                folder=self.folder,
                until=epoch,
                on_epoch=on_epoch,
                augment=self.augment,
            )
        network = self.untrained()
        network.load_arrays(weights_at(self.folder, epoch))
        return network

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
