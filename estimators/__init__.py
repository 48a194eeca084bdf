"""Estimators of differential entropy, one method per file. All values are in nats."""

from entbench.estimators.binned_entropy import BinnedEntropy
from entbench.estimators.corrected_sample_propagation import (
    JackknifeSamplePropagation,
    LeaveOneOutSamplePropagation,
    MillerMadowSamplePropagation,
)
from entbench.estimators.kolchinsky_tracey import KolchinskyTraceyLower, KolchinskyTraceyUpper
from entbench.estimators.kozachenko_leonenko import KozachenkoLeonenko
from entbench.estimators.leave_one_out_kde import LeaveOneOutKDE
from entbench.estimators.sample_propagation import SamplePropagation

__all__ = [
    "BinnedEntropy",
    "JackknifeSamplePropagation",
    "KolchinskyTraceyLower",
    "KolchinskyTraceyUpper",
    "KozachenkoLeonenko",
    "LeaveOneOutKDE",
    "LeaveOneOutSamplePropagation",
    "MillerMadowSamplePropagation",
    "SamplePropagation",
]
