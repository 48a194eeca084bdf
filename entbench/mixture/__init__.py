"""Isotropic Gaussian mixtures: log-density and entropy. The numeric engine room.

Every sum of Gaussian kernels in entbench is done here; no estimator has a kernel loop of its own.
"""

from entbench.mixture._integration import gaussian_entropy
from entbench.mixture._mixture import GaussianMixture, MixtureEntropy, Precision, Statistic

__all__ = ["GaussianMixture", "MixtureEntropy", "Precision", "Statistic", "gaussian_entropy"]
