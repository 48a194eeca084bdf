"""Theorems about estimators of h(S+Z), as functions. All values are in nats.

Each docstring says for which class of sources the result holds, where it comes from, and how
certain it is.
"""

from entbench.bounds._capacity import pam_information, trivial_range
from entbench.bounds._plug_in import (
    plug_in_bias_bounds,
    plug_in_risk_bound,
    plug_in_risk_theorem_4,
    worst_case_bias_bound,
)

__all__ = [
    "pam_information",
    "plug_in_bias_bounds",
    "plug_in_risk_bound",
    "plug_in_risk_theorem_4",
    "trivial_range",
    "worst_case_bias_bound",
]
