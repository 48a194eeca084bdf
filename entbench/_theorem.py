"""What an estimator says of itself. Imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from entbench._base import Estimator

ESTIMATE = "estimate"  # the role of whatever is no bound


@dataclass(frozen=True)
class EstimatorFacts:
    """What an estimator says of itself, kept with a run so that a report needs no plugin.

    Attributes
    ----------
    quantity, role, reads, bias_direction, plug_in, beside_plug_in, rate, most_columns
        See `entbench._base.Estimator`.
    draws_per_component : int or None
        See `entbench._base.Estimator`; with the parameters of the run.
    """

    quantity: str = "h(S+Z)"
    role: str = ESTIMATE
    reads: str = "noisy"
    bias_direction: str = "either"
    plug_in: bool = False
    beside_plug_in: str = ""
    rate: str = ""
    most_columns: int | None = None
    draws_per_component: int | None = None

    @classmethod
    def of(cls, estimator: Estimator) -> EstimatorFacts:
        """Return the facts of an estimator with its parameters."""
        return cls(**{each.name: getattr(estimator, each.name) for each in fields(cls)})
