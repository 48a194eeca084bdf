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
    HUMP,
    FewPoints,
    information,
    rises_and_falls,
    shortness,
)
from entbench.networks.experiments._verdict import (
    ROUNDING,
    Levels,
    above,
    absent,
    below,
    every,
    judged,
    kept,
    span_text,
)

INPUTS, LABELS = (np.array(values)[:, None] for values in POINTS["single-neuron"])
_WEIGHTS = tuple(round(float(w), 4) for w in np.concatenate([[0.0], np.geomspace(0.01, 10.0, 90)]))
_NEEDED = 300.0  # epochs times rate: for much noise to show that nothing falls
_RATIO, _NEAR = -2.3, 0.1


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
        quiet = min(curves)
        last = curves[quiet][-1]
        return [
            rises_and_falls(
                "I(X;T) rises, then falls as the three points of one class merge",
                f"Fig. 4(c), sigma = {quiet:g}",
                _information(curves[quiet]),
                last,
                _NEEDED,
            ),
            _only_rises(curves),
            _ratio_claim(last),
        ]


def _only_rises(curves: Mapping[float, list[dict[str, Any]]]) -> Claim:
    claim, where, loud = "with much noise I(X;T) only rises", "Fig. 4(d)", max(curves)
    if len(curves) < 2:
        return absent(claim, where)
    curve, last = _information(curves[loud]), curves[loud][-1]
    gain, drop = curve.gain(), curve.drop()
    measured = (
        f"sigma = {loud:g}: ends {span_text(gain, '.3f')} nats above its beginning, and falls by "
        f"{span_text(drop, '.3f')}; {HUMP:g} or more count"
    )
    short = shortness(last, _NEEDED)
    # more training does not undo a fall, and may yet bring a rise or a fall
    rises, steady = kept(above(gain, HUMP), short, None), kept(below(drop, HUMP), short, False)
    holds = every([rises, steady])
    return judged(claim, where, measured, holds, short=short, lasting=holds)


def _ratio_claim(last: Mapping[str, Any]) -> Claim:
    ratio = last["bias"] / last["weight"] if last["weight"] else math.nan
    measured = f"b = {ratio:.3f} w at epoch {last['epoch']}; {_NEAR:g} more or less count as near"
    off = abs(ratio - _RATIO)
    near = None if math.isnan(off) else off <= _NEAR + ROUNDING
    return judged(
        "the bias ends near -2.3 w", "section 4", measured, near, short=shortness(last, _NEEDED)
    )


def _curves(results: Sequence[ExperimentResult]) -> dict[float, list[dict[str, Any]]]:
    """Return parameters and results of the epochs in order, by sigma."""
    curves: dict[float, list[dict[str, Any]]] = {}
    for params, step, result in results:
        if step["what"] == "epoch":
            curves.setdefault(float(params["sigma"]), []).append(
                {**params, "epochs": step["epoch"], **result, **step}
            )
    return {sigma: sorted(curve, key=lambda step: step["epoch"]) for sigma, curve in curves.items()}


def _information(curve: Sequence[Mapping[str, Any]]) -> Levels:
    return Levels.exact([step["information"] for step in curve])
