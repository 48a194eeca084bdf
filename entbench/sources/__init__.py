"""Laws with a known truth, one family a file: sampler and exact reference together.

Sources of S, whose h(S+Z) is known, and sources of pairs, whose I(X;Y) is.
"""

from entbench.sources.additive_uniform import AdditiveUniform
from entbench.sources.discrete_continuous import DiscreteContinuous, ZeroInflatedPoisson
from entbench.sources.gaussian_pairs import BivariateNormal, GaussianChannel
from entbench.sources.pam_awgn import BPSKChannel, PAMChannel
from entbench.sources.truncated_mixture import TruncatedMixture

__all__ = [
    "AdditiveUniform",
    "BPSKChannel",
    "BivariateNormal",
    "DiscreteContinuous",
    "GaussianChannel",
    "PAMChannel",
    "TruncatedMixture",
    "ZeroInflatedPoisson",
]
