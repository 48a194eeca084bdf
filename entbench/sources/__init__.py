"""Laws with a known truth, one family a file: sampler and exact reference together.

Sources of S, whose h(S+Z) is known, and sources of pairs, whose I(X;Y) is.
"""

from entbench.sources.additive_uniform import AdditiveUniform
from entbench.sources.channels import BPSKChannel, PAMChannel, PSKChannel, QAMChannel
from entbench.sources.constellations import BPSK, PAM, QAM
from entbench.sources.discrete_continuous import DiscreteContinuous, ZeroInflatedPoisson
from entbench.sources.empirical import Empirical
from entbench.sources.gaussian import IsotropicGaussian
from entbench.sources.gaussian_mixture import RandomGaussianMixture
from entbench.sources.gaussian_pairs import BivariateNormal, GaussianChannel
from entbench.sources.grid import UniformGrid
from entbench.sources.heavy_tails import LaplaceProduct, StudentProduct
from entbench.sources.psk import PSK
from entbench.sources.random_codebook import RandomCodebook
from entbench.sources.random_network import RandomNetwork
from entbench.sources.reed_muller import ReedMuller
from entbench.sources.truncated_mixture import TruncatedMixture
from entbench.sources.uniform_cube import UniformCube

__all__ = [
    "BPSK",
    "PAM",
    "PSK",
    "QAM",
    "AdditiveUniform",
    "BPSKChannel",
    "BivariateNormal",
    "DiscreteContinuous",
    "Empirical",
    "GaussianChannel",
    "IsotropicGaussian",
    "LaplaceProduct",
    "PAMChannel",
    "PSKChannel",
    "QAMChannel",
    "RandomCodebook",
    "RandomGaussianMixture",
    "RandomNetwork",
    "ReedMuller",
    "StudentProduct",
    "TruncatedMixture",
    "UniformCube",
    "UniformGrid",
    "ZeroInflatedPoisson",
]
