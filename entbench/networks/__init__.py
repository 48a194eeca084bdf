"""Noisy networks and the information in their layers: models, data sets, training, estimates.

Needs PyTorch, which is imported when a name that needs it is first used. Data sets do not need it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from entbench.networks._torch import require_torch
from entbench.networks.data import (
    MNIST,
    DataSet,
    augment,
    load_mnist,
    load_spiral,
    load_szt,
    split,
)

if TYPE_CHECKING:
    from entbench.networks._checkpoints import checkpoint_epochs, weights_at
    from entbench.networks._flow import InformationFlow
    from entbench.networks._information import LayerInformation, check_flow
    from entbench.networks._models import mnist_cnn, single_neuron, spiral, szt, two_neuron
    from entbench.networks._network import NoisyNetwork
    from entbench.networks._noise import GaussianNoise
    from entbench.networks._plan import History, TrainingError, TrainingPlan
    from entbench.networks._sampling import conditional_samples, noisy_samples, signal_samples
    from entbench.networks._training import train

_HOMES = {
    "GaussianNoise": "_noise",
    "History": "_plan",
    "InformationFlow": "_flow",
    "LayerInformation": "_information",
    "NoisyNetwork": "_network",
    "TrainingError": "_plan",
    "TrainingPlan": "_plan",
    "check_flow": "_information",
    "checkpoint_epochs": "_checkpoints",
    "conditional_samples": "_sampling",
    "mnist_cnn": "_models",
    "noisy_samples": "_sampling",
    "signal_samples": "_sampling",
    "single_neuron": "_models",
    "spiral": "_models",
    "szt": "_models",
    "train": "_training",
    "two_neuron": "_models",
    "weights_at": "_checkpoints",
}

__all__ = [
    "MNIST",
    "DataSet",
    "GaussianNoise",
    "History",
    "InformationFlow",
    "LayerInformation",
    "NoisyNetwork",
    "TrainingError",
    "TrainingPlan",
    "augment",
    "check_flow",
    "checkpoint_epochs",
    "conditional_samples",
    "load_mnist",
    "load_spiral",
    "load_szt",
    "mnist_cnn",
    "noisy_samples",
    "signal_samples",
    "single_neuron",
    "spiral",
    "split",
    "szt",
    "train",
    "two_neuron",
    "weights_at",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'entbench.networks' has no attribute {name!r}")
    require_torch()
    return getattr(import_module(f"entbench.networks.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
