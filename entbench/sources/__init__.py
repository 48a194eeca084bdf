"""Sources of S with known h(S+Z): one family a file, sampler and exact reference together."""

from entbench.sources.truncated_mixture import TruncatedMixture

__all__ = ["TruncatedMixture"]
