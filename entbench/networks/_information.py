"""What is said of a layer's information, and the facts that it is checked against."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from entbench._base import Interval

_CHECKED = 4.0  # standard errors
_SLACK = 1e-6  # nats: kernels in single precision, where that is fine enough for the tolerance


class Check(NamedTuple):
    """Whether an estimate is in line with a fact.

    Attributes
    ----------
    name : str
        Of the fact.
    holds : bool
        Whether it holds, up to 4 standard errors.
    detail : str
        The numbers.
    """

    name: str
    holds: bool
    detail: str


@dataclass(frozen=True, kw_only=True)
class LayerInformation:
    """The mutual information of a network's input and one of its layers, in nats.

    Attributes
    ----------
    layer, name : int, str
        Which layer, counted from 1, and what the network calls it.
    dim : int
        Dimension of T_l.
    value : float
        The plug-in estimate. Never clipped.
    numerical_error : float
        Of `value` for the noise that was drawn: of the integrals, and of taking `n_inputs` inputs
        for all; see `SamplePropagationMI`.
    standard_error : float
        Of `value` from one draw of the network's noise to the next, numerical error included.
    interval : Interval
        Holds I(X;T_l) with 95 % or more, bias included: `bracket` widened by its ends' errors.
    bracket : tuple of float
        Two estimates whose means over the noise drawn enclose I(X;T_l); the upper one is `value`.
        Where S_l is a function of X: `value` -+ the error of truncated kernel sums.
    bias : float
        Half the bracket: by how much `value` is too high, to leading order.
    n, passes, n_inputs, m : int
        Samples of S_l, `passes` of each of the `m` inputs, and the inputs whose conditional
        entropies were integrated.
    limit : float
        H(X), log m where all rows of the data set differ.
    capacity : float or None
        ``(dim/2) log(1 + 1/sigma^2)`` where all samples lie in the cube [-1, 1]^dim, else None.
    seconds : float
        Wall-clock time.
    converged : bool
        Whether bias and standard error together are within the tolerance.
    limited_by : str
        Where they are not: "samples" (the network's noise was drawn too few times), "inputs" (more
        `n_inputs` are needed), "draws" (of the integrals).
    diagnostics : dict
        Of the estimator (see `SamplePropagationMI`), and ``sampling_error``, the network's noise's
        part of `standard_error`; ``bracket_error``, the standard error of the bracket's width.
    checks : tuple of Check
        "range", I in [0, H(X)]; "capacity"; "bracket", which must not be reversed; "samples", most
        of an input's signals have neighbours within the noise. See `check_flow` for all layers.
    """

    layer: int
    name: str
    dim: int
    value: float
    numerical_error: float
    standard_error: float
    interval: Interval
    bracket: tuple[float, float]
    bias: float
    n: int
    passes: int
    n_inputs: int
    m: int
    limit: float
    capacity: float | None
    seconds: float
    converged: bool
    limited_by: str
    diagnostics: dict[str, Any] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()

    def __str__(self) -> str:
        """Return layer, estimate, interval and what fell short, in a line."""
        low, high = self.interval.low, self.interval.high
        short = "" if self.converged else f"; short of the tolerance for lack of {self.limited_by}"
        broken = "".join(f"; {c.name} FAILS: {c.detail}" for c in self.checks if not c.holds)
        return (
            f"layer {self.layer} ({self.name}, d = {self.dim}): I(X;T) = {self.value:.4f} nats, "
            f"95 % interval [{low:.4f}, {high:.4f}], n = {self.n}{short}{broken}"
        )


def check_flow(results: Sequence[LayerInformation], *, chain: bool = True) -> tuple[Check, ...]:
    """Check estimates of one network's layers against facts.

    Parameters
    ----------
    results : sequence of LayerInformation
        Layers of one network on one data set.
    chain : bool, default=True
        Whether everything later passes through every layer, so that X - T_1 - T_2 - ... is a Markov
        chain. Not so where a branch goes round one of them.

    Returns
    -------
    tuple of Check
        The layers' own, with their numbers; and "data processing" for each layer and the next of
        those given: I(X;T_l) cannot be below I(X;T_{l+1}) by more than 4 standard errors.
    """
    ordered = sorted(results, key=lambda result: result.layer)
    found = [
        Check(f"layer {result.layer}: {check.name}", check.holds, check.detail)
        for result in ordered
        for check in result.checks
    ]
    pairs = pairwise(ordered) if chain else ()
    return (*found, *(_data_processing(first, second) for first, second in pairs))


def _data_processing(first: LayerInformation, second: LayerInformation) -> Check:
    holds = _ends(first)[1] >= _ends(second)[0]
    numbers = f"{first.value:.6g} nats, then {second.value:.6g}"
    return Check(f"layers {first.layer} and {second.layer}: data processing", holds, numbers)


def _ends(result: LayerInformation) -> tuple[float, float]:
    """Return the bracket, widened by 4 standard errors."""
    return widened(
        result.bracket, result.standard_error, result.diagnostics["bracket_error"], _CHECKED
    )


def widened(
    bracket: tuple[float, float], error: float, bracket_error: float, quantile: float
) -> tuple[float, float]:
    """Return the bracket, widened by its ends' errors times a quantile."""
    low, high = bracket
    return low - quantile * math.hypot(error, bracket_error), high + quantile * error


def layer_checks(result: LayerInformation) -> tuple[Check, ...]:
    """Return the checks of one layer by itself."""
    low, high = _ends(result)
    value, said = result.value, result.diagnostics
    found = [
        Check(
            "range",
            low <= result.limit and high >= 0.0,
            f"{value:.6g} nats of at most H(X) = {result.limit:.6g}",
        )
    ]
    if result.capacity is not None:
        detail = f"{value:.6g} nats of at most {result.capacity:.6g} for S in the cube"
        found.append(Check("capacity", low <= result.capacity, detail))
    slack = _CHECKED * said["bracket_error"] + said["kernel_error"] + _SLACK
    detail = f"from {result.bracket[0]:.6g} to {result.bracket[1]:.6g} nats"
    found.append(Check("bracket", result.bracket[0] <= result.bracket[1] + slack, detail))
    if result.passes > 1:
        used, alone = result.n_inputs * result.passes, said["n_eff_conditional"]
        detail = f"{alone:.6g} of {used} signals can be told apart within their inputs"
        found.append(Check("samples", alone <= 0.5 * used, detail))
    return tuple(found)


def warn_of_few_passes(result: LayerInformation) -> None:
    """Warn where an input's samples hardly overlap, for whoever called `estimate`."""
    if not all(check.holds for check in result.checks if check.name == "samples"):
        warnings.warn(
            f"layer {result.layer}: too few `passes` = {result.passes} for this network and sigma: "
            "more than half of the signals stand alone within their input; I(X;T) is between "
            f"{result.bracket[0]:.4g} and {result.bracket[1]:.4g} nats.",
            stacklevel=3,
        )
