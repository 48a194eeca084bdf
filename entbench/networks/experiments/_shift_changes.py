"""How far information moves under shifts of the input's law, read off results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from entbench._base import ExperimentResult
from entbench.networks.experiments._verdict import Effect, Span


class Change(NamedTuple):
    """How far I(X';T_l) is from I(X;T_l), in one layer of one setting.

    Attributes
    ----------
    setting : tuple
        The parameters.
    layer : int
        From 1.
    family : str
        Of the shift.
    intensity : float
        Of the shift.
    near, value, far : float
        The change and, of the changes that the intervals of both allow, the least and most. All
        intervals of a run hold together in 95 %.
    bound : mapping
        Bounds by name, in nats; None where one is not defined. "trivial" holds without any.
    result : mapping
        Of the step.
    """

    setting: tuple[tuple[str, Any], ...]
    layer: int
    family: str
    intensity: float
    near: float
    value: float
    far: float
    bound: Mapping[str, float | None]
    result: Mapping[str, Any]

    def informs(self, name: str) -> bool:
        """Tell whether a bound says more than is sure without it."""
        bound, trivial = self.bound[name], self.bound["trivial"]
        return bound is not None and trivial is not None and bound < trivial

    def violates(self, name: str) -> bool:
        """Tell whether the change is beyond a bound, whatever the intervals allow."""
        bound = self.bound[name]
        return bound is not None and self.near > bound

    def keeps(self, name: str) -> bool:
        """Tell whether the change is within a bound, whatever the intervals allow."""
        bound = self.bound[name]
        return bound is not None and (self.far <= bound or not self.informs(name))


class Missed(NamedTuple):
    """How far estimates built on X are from I(X';T_l), in the mean over draws.

    `near` and `far` are the least and the most by the interval of I(X';T_l), with their errors.
    """

    change: Change
    near: Effect
    far: Effect
    risk: float

    def least(self, name: str) -> float:
        """Return the slides' sum: a bound on the shift, and that on the estimator's risk."""
        bound = self.change.bound[name]
        return math.inf if bound is None else bound + self.risk


def changes_of(results: Sequence[ExperimentResult]) -> list[Change]:
    """Return the changes of information, by setting, shift and layer."""
    found: list[tuple[Any, Mapping[str, Any], ExperimentResult, int]] = []
    for setting, group in _settings(results).items():
        base = _unshifted(group)
        for each in group:
            if base is not None and each.step["what"] == "shift" and each is not base:
                layers = range(len(base.result["information"]))
                found += [(setting, base.result, each, layer) for layer in layers]
    return [_change(*each, parts=2 * len(found)) for each in found]


def errors_of(results: Sequence[ExperimentResult]) -> list[Missed]:
    """Return how far the estimates that were built on X are from I(X';T_l)."""
    settings = _settings(results)
    built = {
        setting: each.result
        for setting, group in settings.items()
        for each in group
        if each.step["what"] == "built"
    }
    return [
        _missed(change, built[change.setting])
        for change in changes_of(results)
        if change.setting in built
    ]


def _settings(
    results: Sequence[ExperimentResult],
) -> dict[tuple[tuple[str, Any], ...], list[ExperimentResult]]:
    found: dict[tuple[tuple[str, Any], ...], list[ExperimentResult]] = {}
    for each in results:
        found.setdefault(tuple(sorted(each.params.items())), []).append(each)
    return found


def _unshifted(group: Sequence[ExperimentResult]) -> ExperimentResult | None:
    for each in group:
        if each.step["what"] == "shift" and each.step["family"] == "none":
            return each
    return None


def _change(
    setting: tuple[tuple[str, Any], ...],
    base: Mapping[str, Any],
    each: ExperimentResult,
    layer: int,
    parts: int,
) -> Change:
    result = each.result
    (low, high), (base_low, base_high) = (_ends(of, layer, parts) for of in (result, base))
    names = (name for name in result if name.endswith("_bound"))
    return Change(
        setting,
        layer + 1,
        each.step["family"],
        each.step["intensity"],
        near=max(0.0, low - base_high, base_low - high),
        value=abs(result["information"][layer] - base["information"][layer]),
        far=max(high - base_low, base_high - low),
        bound={name.removesuffix("_bound"): result[name][layer] for name in names},
        result=result,
    )


def _ends(result: Mapping[str, Any], layer: int, parts: int) -> Span:
    value, low, high = (result[name][layer] for name in ("information", "low", "high"))
    low, high = Effect.within(value, low, high).interval(parts)
    # an interval may reach below 0, where information is never
    return max(0.0, low), high


def _missed(change: Change, built: Mapping[str, Any]) -> Missed:
    values = np.array(built["built"])[:, change.layer - 1]
    low = change.result["low"][change.layer - 1]
    high = change.result["high"][change.layer - 1]
    near = np.maximum(np.maximum(low - values, values - high), 0.0)
    far = np.maximum(high - values, values - low)
    risk = float(built["risk_bound"][change.layer - 1])
    return Missed(change, Effect.mean(near), Effect.mean(far), risk)
