"""How much S+Z can tell of S."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from entbench._validation import check_integer, check_positive
from entbench.bounds._arguments import at_least, check_not_negative, check_scale

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_REACH = 12.0
# more points than this per axis cost more than they add; any number gives a valid lower bound
MAX_POINTS = 200
# What `pam_information` may be off by. Rounding: 2304 weights that sum to 1, times logarithms of at
# most log 200, come to 2304 * 2^-53 * 5.3 = 1.4e-12 if every rounding falls the same way, and as
# much again for those of the exponentials. The rule itself: below 1e-16 for 24 nodes on panels of a
# quarter where the integrand has a weight, since its poles are pi/24 or more from the line there.
AXIS_ERROR = 1e-11


def trivial_range(dim: int, sigma: float) -> float:
    r"""Return the length of the range of h(S+Z) over all S in the cube [-1, 1]^dim, in nats.

    .. math::

        \sup h(S+Z) - \inf h(S+Z) \leq \frac{d}{2} \log\left(1 + \frac{1}{\sigma^2}\right)

    At least h(Z), conditioning on S; at most the largest entropy under the power constraint
    E S_i^2 <= 1. A bound on an error above this length says nothing that was not known before any
    sample was seen.
    """
    return power_limited_capacity(dim, sigma)


def is_vacuous(bound: float, dim: int, sigma: float) -> bool:
    r"""Return whether an upper bound on an error in nats exceeds `trivial_range`.

    .. math::

        b > \frac{d}{2} \log\left(1 + \frac{1}{\sigma^2}\right)

    Any guess inside the range of h(S+Z) is as good as such a bound b, for S in the cube.
    """
    return check_not_negative("bound", bound) > trivial_range(dim, sigma)


def power_limited_capacity(dim: int, sigma: float, power: float = 1.0) -> float:
    r"""Return the largest I(S; S+Z) in nats over all S with ``E |S|^2 <= dim * power``.

    .. math::

        I(S; S+Z) \leq \frac{d}{2} \log\left(1 + \frac{P}{\sigma^2}\right)

    P is `power`; attained by S ~ N(0, P I). With power 1 it holds for every S in the cube
    [-1, 1]^dim, and is `trivial_range`.

    Parameters
    ----------
    dim : int
        Dimension of S.
    sigma : float
        Standard deviation of the noise.
    power : float
        Mean square of S per axis.

    Returns
    -------
    float
        In nats.

    Notes
    -----
    Proved, textbook: Shannon (1948), the Gaussian channel.
    """
    dim = check_integer("dim", dim, minimum=1)
    sigma = check_positive("sigma", sigma)
    log_snr = math.log(check_positive("power", power)) - 2.0 * math.log(sigma)
    return 0.5 * dim * float(np.logaddexp(0.0, log_snr))


def peak_limited_capacity_bounds(sigma: float) -> tuple[float, float]:
    r"""Return bounds on the largest I(S; S+Z) per axis over all S in [-1, 1], in nats.

    .. math::

        \max\left(\max_{k \geq 2} I_1(k),
        \frac{1}{2} \log\left(1 + \frac{2}{\pi e \sigma^2}\right)\right)
        \leq C \leq
        \min\left(\frac{1}{2} \log\left(1 + \frac{1}{\sigma^2}\right),
        \log\left(1 + \frac{\sqrt{2 / (\pi e)}}{\sigma}\right)\right)

    I_1(k) is the information of k equally spaced points, `pam_information`; what stands beside it
    is below that of S uniform on [-1, 1].

    Returns
    -------
    lower, upper : float
        In nats, for one axis; the capacity of the cube [-1, 1]^dim is dim times as large.

    Notes
    -----
    Proved. The first lower bound is a quadrature (`pam_information`), the second the entropy power
    inequality, for noise so small that more than 200 points would be needed. The error of the
    quadrature, 1e-11, is taken off the first. The upper bounds are the power constraint and
    ``h(S+Z) <= log`` of the integral of ``sup_s`` of the noise's density.
    """
    sigma = check_scale("sigma", sigma)
    log_ratio = 0.5 * math.log(2.0 / (math.pi * math.e)) - math.log(sigma)
    uniform = 0.5 * float(np.logaddexp(0.0, 2.0 * log_ratio))
    grid = max(pam_information(k, sigma) for k in range(2, finest_grid(sigma) + 1))
    lower = max(uniform, at_least(grid, AXIS_ERROR))
    return lower, min(power_limited_capacity(1, sigma), float(np.logaddexp(0.0, log_ratio)))


def finest_grid(sigma: float) -> int:
    """Return how many points per axis are worth trying: beyond, noise hides neighbours."""
    return MAX_POINTS if sigma < 4.0 / MAX_POINTS else min(MAX_POINTS, 3 + math.ceil(4.0 / sigma))


@lru_cache(maxsize=4096)
def pam_information(k: int, sigma: float) -> float:
    r"""Return I(S; S+Z) in nats of S uniform on `k` equally spaced points from -1 to 1.

    .. math::

        I_1(k) = \log k - \frac{1}{k} \sum_{i=1}^{k} E \log \sum_{j=1}^{k}
        \exp\left(\frac{2 Z \delta_{ij} - \delta_{ij}^2}{2 \sigma^2}\right)

    The sum is H(S | S+Z), delta_ij the difference of points j and i, Z ~ N(0, sigma^2). By
    quadrature, to about 1e-12, and never below 0. For k = 2 it is the information of binary
    signalling over the Gaussian channel.
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
        near = gaps[(np.abs(gaps) <= 2.0 * _REACH + 15.0) & (gaps != 0.0), None]
        # the exponent is at most z^2/2, and the point itself adds 1
        log_sum = np.log1p(np.exp(z * near - 0.5 * near**2).sum(axis=0))
        share = 1.0 if 2 * i == k - 1 else 2.0
        equivocation += share * float(weights @ log_sum)
    # what noise hides nearly all of is a difference of two numbers that rounding may turn around
    return max(0.0, math.log(k) - equivocation / k)
