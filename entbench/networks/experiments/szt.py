"""The noisy network of Shwartz-Ziv and Tishby in training."""

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
class SZT(InTraining):
    """I(X;T_l) of the noisy network 12-10-7-5-4-3-2 in training, and what goes with it.

    At each epoch: I(X;T_l) of the five hidden layers with 95 % intervals, X uniform on all 4096
    inputs; the entropy of one noisy pass in bins of 10 sigma; that of the same network without
    noise, and of one trained without noise, in bins of 0.001; losses and accuracies without noise;
    points of the layer of width 3; distances between pairs within and between classes.

    Parameters
    ----------
    activation : {"tanh", "relu", "linear"}, default="tanh"
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
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, section 5,
    supplement 9.1, Figs. 5, 6 and 10. Optimiser and rate are ours, see `Trained`.
    """

    version: ClassVar[str] = "2"
    network: ClassVar[str] = "szt"

    @classmethod
    def claims(cls, results: Sequence[ExperimentResult]) -> list[Claim]:
        """Hold section 5 and supplement 9.1 against the curves of the last hidden layer."""
        curves = curves_of(results)
        if not curves:
            return []
        falls = falls_of(curves)
        plain = {key: fall for key, fall in falls.items() if not key[1]}
        regular = {key: fall for key, fall in falls.items() if key[1]}
        return [
            fall_claim("compression after the fitting phase, tanh", "Fig. 5(a)", plain, "tanh"),
            fall_claim(
                "no compression with orthonormal weights, tanh", "Fig. 5(b)", regular, "tanh", False
            ),
            fall_claim("compression in the linear network", "Fig. 5(c)", plain, "linear"),
            fall_claim("almost no compression, ReLU", "Fig. 10(b)", plain, "relu", False),
            correlation_claim(curves),
        ]
