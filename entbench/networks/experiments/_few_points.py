"""What experiments share whose input has a few values: exact information, rises and falls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from entbench._base import Claim, Experiment
from entbench.networks._neuron_recipe import TrainedNeurons
from entbench.networks._torch import require_torch
from entbench.networks.experiments._verdict import Levels, above, judged, span_text, too_short

HUMP = 0.05  # nats; less counts as no rise and no fall
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


def rises_and_falls(
    claim: str, where: str, curve: Levels, last: Mapping[str, Any], needed: float
) -> Claim:
    """Return the claim that a curve rises and falls afterwards, by a twentieth of a nat or more.

    `last` are the parameters of the run, `needed` epochs times rate that the fall may take.
    """
    hump = curve.hump()
    measured = (
        f"from {curve.values[0]:.3f} up to {curve.values.max():.3f} nats, "
        f"{curve.values[-1]:.3f} at the end: rises and falls by {span_text(hump, '.3f')}; "
        f"{HUMP:g} or more count"
    )
    return judged(
        claim, where, measured, above(hump, HUMP), short=shortness(last, needed), lasting=True
    )


def shortness(params: Mapping[str, Any], needed: float) -> str:
    """Return how far gradient descent came, in epochs times rate, where that is not far enough."""
    return too_short(params["epochs"] * params["learning_rate"], needed, "epochs x rate")
