"""Isotropic Gaussian mixtures: log-density, posterior and entropy. The numeric engine room.

Every sum of Gaussian kernels in entbench is done here; no estimator has a kernel loop of its own.
"""

from entbench.mixture._accelerator import find_accelerator
from entbench.mixture._entropy import MixtureEntropy, Statistic, gaussian_entropy
from entbench.mixture._integration import QUANTILE, UNSEEN, error_of
from entbench.mixture._mixture import GaussianMixture, LogDensity, Posterior
from entbench.mixture._scatter import Scatter, moments_of_terms, scatters
from entbench.mixture._sums import Method

__all__ = [
    "QUANTILE",
    "UNSEEN",
    "GaussianMixture",
    "LogDensity",
    "Method",
    "MixtureEntropy",
    "Posterior",
    "Scatter",
    "Statistic",
    "error_of",
    "find_accelerator",
    "gaussian_entropy",
    "moments_of_terms",
    "scatters",
]
