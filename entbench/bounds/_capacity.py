"""How much S+Z can tell of S."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from entbench._validation import check_integer, check_positive

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_REACH = 12.0


def trivial_range(dim: int, sigma: float) -> float:
    """Return the length of the range of h(S+Z) over all S in the cube [-1, 1]^dim, in nats.

    ``h(Z) <= h(S+Z) <= h(Z) + (dim/2) log(1 + 1/sigma^2)``: conditioning on S, and the largest
    entropy under the power constraint E S_i^2 <= 1. A bound on an error above this length says
    nothing that was not known before any sample was seen.
    """
    dim = check_integer("dim", dim, minimum=1)
    sigma = check_positive("sigma", sigma)
    return 0.5 * dim * (math.log1p(sigma**2) - 2.0 * math.log(sigma))


@lru_cache(maxsize=4096)
def pam_information(k: int, sigma: float) -> float:
    """Return I(S; S+Z) in nats of S uniform on `k` equally spaced points from -1 to 1.

    By quadrature, to about 1e-12: ``I = log k - H(S | S+Z)``, and with the points a distance
    delta apart ``H(S | S+Z) = (1/k) sum_i E log sum_j exp((2 Z delta_ij - delta_ij^2) / (2
    sigma^2))``, delta_ij the difference of points i and j. For k = 2 it is the information of
    binary signalling over the Gaussian channel.
    """
    k = check_integer("k", k, minimum=1)
    sigma = check_positive("sigma", sigma)
    if k == 1:
        return 0.0
    points = np.linspace(-1.0, 1.0, k) / sigma
    panels = np.linspace(-_REACH, _REACH, 97)
    half = 0.5 * (panels[1] - panels[0])
    z = (0.5 * (panels[1:] + panels[:-1])[:, None] + half * _NODES).ravel()
    weights = np.tile(half * _WEIGHTS, len(panels) - 1) * np.exp(-0.5 * z * z)
    weights /= math.sqrt(2.0 * math.pi)
    equivocation = 0.0
    for i in range(-(-k // 2)):  # the constellation is symmetric
        gaps = points - points[i]
        near = gaps[np.abs(gaps) <= 2.0 * _REACH + 15.0, None]
        log_sum = np.logaddexp.reduce(z * near - 0.5 * near**2, axis=0)
        share = 1.0 if 2 * i == k - 1 else 2.0
        equivocation += share * float(weights @ log_sum)
    return math.log(k) - equivocation / k
