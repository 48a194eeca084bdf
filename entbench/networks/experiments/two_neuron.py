"""Two noisy leaky-ReLU neurons in series: information falls without saturation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from entbench._base import Claim, ExperimentResult
from entbench.networks._neuron_recipe import POINTS
from entbench.networks.experiments._few_points import (
    FewPoints,
    information,
    rises_and_falls,
    shortness,
)
from entbench.networks.experiments._verdict import Levels, judged

INPUTS = np.array(POINTS["two-neuron"][0])[:, None]
_PASSES = 500
_NEEDED = 30.0  # epochs times rate: those of the default


@dataclass(frozen=True)
class TwoNeuron(FewPoints):
    """T_1 = R(w1 X + b1) + Z_1, T_2 = R(w2 T_1 + b2) + Z_2 in training, R(x) = max(x, x/10).

    X is uniform on 1, ..., 8, with labels 0 and 1/4; mean squared error, gradient descent on all
    eight at once. I(X;T_1) is exact. S_2 has noise inside, and I(X;T_2) is integrated over 500
    passes of every input, whose error is small beside the curve.

    Parameters
    ----------
    sigma : float, default=0.01
        Standard deviation of both noises; the paper prints none.
    epochs : int, default=30000
        How long to train.
    learning_rate : float, default=0.001
        Of gradient descent.
    seed : int, default=0
        Of the noise in training.

    Notes
    -----
    The start is ours: the paper shows it in a figure alone.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, supplement 8
    and Fig. 9.
    """

    version: ClassVar[str] = "1"
    figures: ClassVar[tuple[str, ...]] = ("two-neuron",)

    network: ClassVar[str] = "two-neuron"

    learning_rate: float = 0.001

    def steps(self) -> list[dict[str, Any]]:
        """Return the epochs, on a logarithmic scale."""
        return [{"epoch": epoch} for epoch in self.recipe.plan.record]

    def measure(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """Return parameters, points and informations after an epoch."""
        from entbench.networks import InformationFlow

        epoch = step["epoch"]
        network = self.recipe.at(epoch)
        w1, b1, w2, b2 = (float(value.item()) for value in network.state_arrays().values())
        first = _leaky(w1 * INPUTS[:, 0] + b1)
        flow = InformationFlow(
            network, layers=[2], passes=_PASSES, tolerance=0.01, random_state=epoch
        )
        (second,) = flow.estimate(INPUTS)
        return {
            "parameters": [w1, b1, w2, b2],
            "first": first.tolist(),
            "second": _leaky(w2 * first + b2).tolist(),
            "information_1": information(first, self.sigma),
            "information_2": second.value,
            "interval_2": [second.interval.low, second.interval.high],
        }

    @classmethod
    def claims(cls, results: Sequence[ExperimentResult]) -> list[Claim]:
        """Hold supplement 8 against the curves."""
        curve = sorted(results, key=lambda each: each.step["epoch"])
        if not curve:
            return []
        first = Levels.exact([each.result["information_1"] for each in curve])
        low, high = zip(*(each.result["interval_2"] for each in curve), strict=True)
        second = Levels.within([each.result["information_2"] for each in curve], low, high)
        w1, _, w2, _ = curve[-1].result["parameters"]
        came = {**curve[-1].params, "epochs": curve[-1].step["epoch"]}
        return [
            rises_and_falls(
                "I(X;T_1) rises, then falls as the points of one class merge, without saturation",
                *("Fig. 9(d)", first, came, _NEEDED),
            ),
            rises_and_falls(
                "I(X;T_2) has spikes: it falls again after a rise",
                *("Fig. 9(d)", second, came, _NEEDED),
            ),
            judged(
                "w1 < 0 and w2 < 0 at the end",
                "supplement 8",
                f"w1 = {w1:.3g}, w2 = {w2:.3g}",
                w1 < 0.0 and w2 < 0.0,
                short=shortness(came, _NEEDED),
            ),
        ]


def _leaky(x: Any) -> Any:
    return np.maximum(x, x / 10.0)
