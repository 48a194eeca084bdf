"""A noisy network of narrow layers on a two-arm spiral, in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from entbench._base import Claim, ExperimentResult
from entbench.networks.experiments._in_training import (
    InTraining,
    correlation_claim,
    curves_of,
    fall_claim,
    falls_of,
)


@dataclass(frozen=True)
class Spiral(InTraining):
    """I(X;T_l) of the noisy network 2-3-3-3-3-3-2 on a two-arm spiral in training.

    What is measured is as in the experiment ``szt``; X is uniform on the 2000 points.

    Parameters
    ----------
    activation : {"tanh"}, default="tanh"
        Of the hidden layers.
    sigma : float, default=0.005
        Standard deviation of the noise; beta in the paper.
    orthonormal : float, default=0.0
        Strength of the regularisation towards orthonormal weights; 5e-5 in the paper.
    epochs : int, default=8000
        The last epoch to measure, one of those whose weights are kept.
    records : int, default=40
        At how many epochs to measure at most, evenly on a logarithmic scale.
    passes : int, default=128
        Passes of the network for each input.
    n_inputs : int, default=0
        Inputs whose conditional entropies are averaged; 0 for all.
    seed : int, default=0
        Of weights, order of the data and noise in training.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, supplement
    9.2, Figs. 11 to 13. The spiral, the optimiser and its rate are ours: the paper prints none. The
    deterministic network of Fig. 13 is trained without noise from the same weights on the same
    batches.
    """

    version: ClassVar[str] = "2"
    network: ClassVar[str] = "spiral"

    @classmethod
    def claims(cls, results: Sequence[ExperimentResult]) -> list[Claim]:
        """Hold supplement 9.2 against the curves of the last hidden layer."""
        curves = curves_of(results)
        if not curves:
            return []
        falls = falls_of(curves)
        plain = {key: fall for key, fall in falls.items() if not key[1]}
        return [
            fall_claim("compression as clusters form, tanh", "Fig. 12(a)", plain, "tanh"),
            correlation_claim(curves),
        ]
