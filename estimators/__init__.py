"""Estimators of differential entropy and mutual information, one method per file, in nats."""

from entbench.estimators.bi_ksg import BIKSG
from entbench.estimators.binned_entropy import BinnedEntropy
from entbench.estimators.binned_mutual_information import BinnedMutualInformation
from entbench.estimators.corrected_sample_propagation import (
    JackknifeSamplePropagation,
    LeaveOneOutSamplePropagation,
    MillerMadowSamplePropagation,
)
from entbench.estimators.gaussian_entropy import MomentMatchedGaussian
from entbench.estimators.kernel_density import KernelDensityEntropy
from entbench.estimators.kolchinsky_tracey import KolchinskyTraceyLower, KolchinskyTraceyUpper
from entbench.estimators.kolchinsky_tracey_mi import (
    KolchinskyTraceyMILower,
    KolchinskyTraceyMIUpper,
)
from entbench.estimators.kozachenko_leonenko import KozachenkoLeonenko
from entbench.estimators.kraskov import KSG1, KSG2
from entbench.estimators.mixed_ksg import MixedKSG
from entbench.estimators.monte_carlo_propagation import MonteCarloPropagation
from entbench.estimators.sample_propagation import SamplePropagation
from entbench.estimators.sample_propagation_mi import SamplePropagationMI
from entbench.estimators.spacing_entropy import SpacingEntropy
from entbench.estimators.weighted_kozachenko_leonenko import WeightedKozachenkoLeonenko

__all__ = [
    "BIKSG",
    "KSG1",
    "KSG2",
    "BinnedEntropy",
    "BinnedMutualInformation",
    "JackknifeSamplePropagation",
    "KernelDensityEntropy",
    "KolchinskyTraceyLower",
    "KolchinskyTraceyMILower",
    "KolchinskyTraceyMIUpper",
    "KolchinskyTraceyUpper",
    "KozachenkoLeonenko",
    "LeaveOneOutSamplePropagation",
    "MillerMadowSamplePropagation",
    "MixedKSG",
    "MomentMatchedGaussian",
    "MonteCarloPropagation",
    "SamplePropagation",
    "SamplePropagationMI",
    "SpacingEntropy",
    "WeightedKozachenkoLeonenko",
]
