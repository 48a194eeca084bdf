"""Where PyTorch is not installed: one line that says what to install, before anything is begun."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import entbench.networks
from entbench.networks import _torch
from entbench.networks._zoo import Trained
from entbench.networks.experiments import SZT, SingleNeuron, Spiral, TwoNeuron
from entbench.networks.layer_sources import NetworkLayer

MESSAGE = r"entbench\.networks needs PyTorch: pip install 'entbench\[networks\]'"


@pytest.fixture(autouse=True)
def _no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> Any:
        return None if name == "torch" else find_spec(name)

    monkeypatch.setattr(_torch, "find_spec", find)


@pytest.mark.parametrize("kind", [SZT, Spiral, SingleNeuron, TwoNeuron])
def test_experiments_are_refused_before_their_first_step(kind: Any) -> None:
    with pytest.raises(ImportError, match=MESSAGE):
        kind()


def test_layers_and_names_are_refused() -> None:
    source = NetworkLayer()
    assert source.dim == 10  # what needs no network is told all the same
    for ask in (
        lambda: source.sample(10, np.random.default_rng(0)),
        source.reference,
        lambda: Trained().at(1),
        lambda: entbench.networks.train,
    ):
        with pytest.raises(ImportError, match=MESSAGE):
            ask()
    assert entbench.networks.load_szt().X.shape == (4096, 12)
