"""The information of sources beside the capacities of the Gaussian channel."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from entbench import bounds
from entbench._base import SourceFacts
from entbench._records import Case, Spec


@dataclass(frozen=True)
class Capacities:
    """What a source sends and what its channel could carry, in nats.

    Attributes
    ----------
    source : Spec
        Which.
    information, error : float
        I(S; S+Z), and a bound on its error.
    upper : dict of str to float
        By name, what it cannot exceed: "log k" where S has k equally likely values, "peak-limited"
        (an upper bound on the capacity over S in the cube), "power-limited" (the capacity at the
        power of S).
    attained : float or None
        A lower bound on the peak-limited capacity: what the best amplitudes send.
    """

    source: Spec
    information: float
    error: float
    upper: Mapping[str, float]
    attained: float | None


def capacities_of(cases: Sequence[Case]) -> Iterator[Capacities]:
    """Yield the capacities for the sources that tell their information."""
    for case in cases:
        facts = case.facts
        if facts is None or facts.mutual_information is None:
            continue
        peak = bounds.peak_limited_capacity_bounds(facts.sigma) if facts.in_unit_cube else None
        yield Capacities(
            case.source,
            facts.mutual_information,
            case.reference.error,
            upper_bounds(facts),
            facts.dim * peak[0] if peak else None,
        )


def upper_bounds(facts: SourceFacts) -> dict[str, float]:
    """Return what I(S; S+Z) cannot exceed, by name, in nats."""
    found = {}
    if facts.log_values is not None:
        found["log k"] = facts.log_values
    if facts.in_unit_cube:
        found["peak-limited"] = facts.dim * bounds.peak_limited_capacity_bounds(facts.sigma)[1]
    if facts.second_moment is not None and 0.0 < facts.second_moment < math.inf:
        power = facts.second_moment / facts.dim
        found["power-limited"] = bounds.power_limited_capacity(facts.dim, facts.sigma, power)
    return found
