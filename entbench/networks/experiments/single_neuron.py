"""One noisy tanh neuron in training: clusters merge, and information falls."""

from __future__ import annotations

import math
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
)

INPUTS, LABELS = (np.array(values)[:, None] for values in POINTS["single-neuron"])
_WEIGHTS = tuple(round(float(w), 4) for w in np.concatenate([[0.0], np.geomspace(0.01, 10.0, 90)]))
_LN_4 = math.log(4.0)


@dataclass(frozen=True)
class SingleNeuron(FewPoints):
    """T = tanh(w X + b) + Z in training, X uniform on -3, -1, 1, 3: I(X;T) is exact.

    The labels are -1, -1, -1 and 1; mean squared error, gradient descent on all four at once, from
    w = b = 0. Since tanh is strictly increasing, I(X;T) is that of a constellation of four points
    over the Gaussian channel.

    Parameters
    ----------
    sigma : float, default=0.01
        Standard deviation of the noise; beta in the paper.
    epochs : int, default=30000
        How long to train.
    learning_rate : float, default=0.01
        Of gradient descent.
    seed : int, default=0
        Of the noise in training.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, section 4 and
    Fig. 4.
    """

    version: ClassVar[str] = "1"
    figures: ClassVar[tuple[str, ...]] = ("single-neuron",)

    network: ClassVar[str] = "single-neuron"

    def steps(self) -> list[dict[str, Any]]:
        """Return the epochs, on a logarithmic scale, and the sweep of the weight."""
        epochs = [{"what": "epoch", "epoch": epoch} for epoch in self.recipe.plan.record]
        return [*epochs, {"what": "weights", "epoch": 0}]

    def measure(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """Return weight, bias, the four points and I(X;T) after an epoch.

        Or, for ``what = "weights"``, I(X;T) against w with the bias at -2w.
        """
        if step["what"] == "weights":
            points = [np.tanh(w * INPUTS[:, 0] - 2.0 * w) for w in _WEIGHTS]
            values = [information(each, self.sigma) for each in points]
            return {"weight": list(_WEIGHTS), "information": values}
        network = self.recipe.at(step["epoch"])
        weight, bias = (float(value.item()) for value in network.state_arrays().values())
        centres = np.tanh(weight * INPUTS[:, 0] + bias)
        return {
            "weight": weight,
            "bias": bias,
            "centres": centres.tolist(),
            "information": information(centres, self.sigma),
            "loss": float(np.mean((centres - LABELS[:, 0]) ** 2)),
        }

    @classmethod
    def claims(cls, results: Sequence[ExperimentResult]) -> list[Claim]:
        """Hold section 4 against the curves with the least and the most noise."""
        curves = _curves(results)
        if not curves:
            return []
        quiet, loud = min(curves), max(curves)
        falls = [sigma for sigma, curve in curves.items() if _falls(curve)]
        last = curves[quiet][-1]
        ratio = last["bias"] / last["weight"] if last["weight"] else math.nan
        peak = max(step["information"] for step in curves[quiet])
        end = last["information"]
        return [
            Claim(
                "I(X;T) rises, then falls in steps as the three points of one class merge",
                "Fig. 4(c)",
                f"sigma = {quiet:g}: up to {peak:.3f} nats (log 4 = {_LN_4:.3f}), "
                f"{end:.3f} at the end",
                _falls(curves[quiet]),
            ),
            Claim(
                "with much noise I(X;T) only rises",
                "Fig. 4(d)",
                f"sigma = {loud:g}: "
                f"{'falls' if loud in falls else 'does not fall'}; sigma that fall: "
                f"{', '.join(f'{sigma:g}' for sigma in falls) or 'none'}",
                None if loud == quiet else loud not in falls,
            ),
            Claim(
                "the bias ends near -2.3 w",
                "section 4",
                f"b = {ratio:.3f} w at epoch {last['epoch']}",
                abs(ratio + 2.3) <= 0.1,
            ),
        ]


def _curves(results: Sequence[ExperimentResult]) -> dict[float, list[dict[str, Any]]]:
    """Return the results of the epochs in order, by sigma."""
    curves: dict[float, list[dict[str, Any]]] = {}
    for params, step, result in results:
        if step["what"] == "epoch":
            curves.setdefault(float(params["sigma"]), []).append({**result, **step})
    return {sigma: sorted(curve, key=lambda step: step["epoch"]) for sigma, curve in curves.items()}


def _falls(curve: Sequence[dict[str, Any]]) -> bool:
    """Tell whether the information ends a twentieth of a nat or more below its largest value."""
    return rises_and_falls([step["information"] for step in curve], 0.05)
