"""Lower bounds that hold for every estimator of h(S+Z) from n samples of S."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from scipy.special import log_ndtr, ndtr, wrightomega

from entbench._validation import check_integer, check_positive
from entbench.bounds._arguments import at_least, check_scale, check_setting
from entbench.bounds._capacity import (
    AXIS_ERROR,
    MAX_POINTS,
    finest_grid,
    pam_information,
    peak_limited_capacity_bounds,
)
from entbench.bounds._shift import binary_entropy

# a subset of the grid below this size is tried at whole numbers of points only
_LOG_COUNTABLE = 34.0


def minimax_risk_bound(n: int, dim: int, sigma: float) -> float:
    r"""Return a lower bound on the largest ``E |h - estimate|`` in the cube, for every estimator.

    .. math::

        \inf_{\hat h} \sup_S E |h - \hat h| \geq \max_{k \geq 2} \max_{j \geq 1} \frac{1}{2}
        \left[\log \frac{k^d}{j} - d H(k)\right]_+ \left[1 - \frac{n (n - 1)}{2 j}\right]_+

    S is uniform on the grid of k^dim points, or on j of them chosen at random;
    ``H(k) = log k - I_1(k)`` is what the noise hides of one of k equally spaced points from -1 to 1
    (`pam_information`).

    Parameters
    ----------
    n : int
        Number of samples of S.
    dim : int
        Dimension.
    sigma : float
        Standard deviation of the noise.

    Returns
    -------
    float
        In nats, at least 0. Some source in the cube [-1, 1]^dim makes the estimator err so.

    Notes
    -----
    Proved for every n, with constants: until two samples agree, nothing tells the two apart (Le
    Cam's method, birthday collisions). Not in the papers. It fades at n about sqrt(k^dim), where
    Theorems 2 and 3 reach k^dim/log k but without constants. Any k gives a valid bound; beyond 200
    per axis a few are tried, with Fano's inequality in place of the exact H(k). The error of the
    quadrature, 1e-11 an axis, is taken off: below it the bound is 0.
    """
    n, dim, sigma = check_setting(n, dim, sigma)
    log_pairs = math.log(n) + math.log(n - 1) - math.log(2.0) if n > 1 else -math.inf
    best = max(
        _two_point_bound(dim * math.log(k), dim * _equivocation(k, sigma), log_pairs)
        for k in _grids(sigma)
    )
    # half of what the axes may be off by: a gap is halved between two laws
    return at_least(best, 0.5 * dim * AXIS_ERROR)


def two_point_risk_bound(n: int, dim: int, sigma: float, k: int, points: int) -> float:
    r"""Return a lower bound on an estimator's larger risk on two laws that few samples leave alike.

    .. math::

        \frac{1}{2} \left[\log \frac{k^d}{j} - d H(k)\right]_+
        \left[1 - \frac{n (n - 1)}{2 j}\right]_+

    S is uniform on the grid of k^dim points, ends included, or on `points` = j of them chosen at
    random, over whose choice the second risk is a mean. `minimax_risk_bound` is its maximum over k
    and j, and says what H is.

    Parameters
    ----------
    n : int
        Number of samples of S.
    dim : int
        Dimension.
    sigma : float
        Standard deviation of the noise.
    k : int
        Points of the grid along each axis, 2 to 200.
    points : int
        How many of them the second law has.

    Returns
    -------
    float
        In nats, at least 0; every estimator's.

    Notes
    -----
    Proved for every n; see `minimax_risk_bound`. Not in the papers.
    """
    n, dim, sigma = check_setting(n, dim, sigma)
    k = check_integer("k", k, minimum=2, maximum=MAX_POINTS)
    points = check_integer("points", points, minimum=1)
    pairs = 0.5 * n * (n - 1)
    gap = dim * (math.log(k) - _equivocation(k, sigma) - AXIS_ERROR) - math.log(points)
    return 0.5 * max(0.0, gap) * max(0.0, 1.0 - pairs / points)


def theorem_2_exponent_bounds(sigma: float) -> tuple[float, float]:
    r"""Return bounds on the exponent gamma of Theorem 2, in bits per axis.

    .. math::

        n^*(\eta) = \Omega\left(\frac{2^{\gamma d}}{(\eta + \delta_1) d}\right),
        \quad \gamma < \frac{C}{\log 2}

    So many samples does it take, for large dim and small eta, to estimate h(S+Z) to eta nats for
    every S in the cube; C is the capacity of the peak-limited channel, the largest I(S; S+Z) over S
    in [-1, 1], bracketed by `peak_limited_capacity_bounds`.

    Returns
    -------
    lower, upper : float
        In bits. Every gamma < lower is proved to be possible.

    Notes
    -----
    Reconstructed and derived again by the paper's reduction to discrete entropy. The paper's own
    gamma was not available to us. There is no explicit constant and no explicit n: this is a rate,
    not a bound for any n. delta_1 tends to 0 as dim grows.

    References
    ----------
    Goldfeld et al. (2019), supplement, Theorem 2.
    """
    lower, upper = peak_limited_capacity_bounds(sigma)
    return lower / math.log(2.0), upper / math.log(2.0)


def theorem_3_gap(dim: int, sigma: float) -> float:
    r"""Return delta_2 of Theorem 3: what the noise hides of S on the corners of the cube.

    .. math::

        \delta_2 = d H_b(Q(1/\sigma))

    A bound on H(S | S+Z) for any S on the 2^dim corners; H_b is `binary_entropy`, Q the upper tail
    of N(0, 1).

    Returns
    -------
    float
        In nats; tends to 0 with sigma.

    Notes
    -----
    Proved: decide by signs, and condition on the decisions. The paper says only that it tends to 0.

    References
    ----------
    Goldfeld et al. (2019), supplement, Theorem 3.
    """
    dim = check_integer("dim", dim, minimum=1)
    x = 1.0 / check_scale("sigma", sigma)
    error = float(ndtr(-x))
    if error == 0.0:
        return 0.0
    # -p log p with log p to full precision, for p near the end of the floating range
    return dim * (-error * float(log_ndtr(-x)) - (1.0 - error) * math.log1p(-error))


def theorem_3_log_rate(dim: int, sigma: float, eta: float) -> float:
    r"""Return log of Theorem 3's order of the samples needed for an error of eta nats.

    .. math::

        \log n^*(\eta) \approx \log \frac{2^d}{(\eta + \delta_2) d}

    delta_2 is `theorem_3_gap`; for S in the cube and any estimator, sigma and eta small.

    Returns
    -------
    float
        log n up to a constant that is universal but not explicit: no bound for any n.

    Notes
    -----
    Reconstructed and derived again; 2^dim was scanned as other signs and is what the reduction
    gives. The paper's threshold sigma < 0.08 for dim = 1 was not derived again.

    References
    ----------
    Goldfeld et al. (2019), supplement, Theorem 3.
    """
    gap = theorem_3_gap(dim, sigma)
    return dim * math.log(2.0) - math.log((check_positive("eta", eta) + gap) * dim)


def _grids(sigma: float) -> Iterable[int]:
    """Return numbers of points per axis to try; any will do."""
    yield from range(2, finest_grid(sigma) + 1)
    if sigma < 4.0 / MAX_POINTS:
        yield from (int(k) for k in np.geomspace(MAX_POINTS, 4.0 / sigma, 200)[1:])


def _equivocation(k: int, sigma: float) -> float:
    """Return H(S | S+Z) of one axis in nats: exact, or Fano's bound for many points."""
    if k <= MAX_POINTS:
        return max(0.0, math.log(k) - pam_information(k, sigma))
    error = 2.0 * float(ndtr(-1.0 / ((k - 1) * sigma)))
    return math.log(k) if error > 0.5 else binary_entropy(error) + error * math.log(k - 1)


def _two_point_bound(log_cells: float, hidden: float, log_pairs: float) -> float:
    """Return ``max_j (1/2) [log(m/j) - hidden]_+ [1 - pairs/j]_+`` over whole j >= 1."""
    if log_cells <= max(hidden, log_pairs + hidden):
        return 0.0
    log_j = 0.0
    if log_pairs > -math.inf:
        # the derivative is 0 where u = 1 + log(m/j) - hidden has u + log u = 1 + log(m/pairs) -
        # hidden
        u = float(wrightomega(1.0 + log_cells - log_pairs - hidden))
        log_j = log_cells - (u - 1.0 + hidden)
    sizes = [log_j]
    if log_j < _LOG_COUNTABLE:
        whole = max(1, math.floor(math.exp(log_j)))
        sizes = [math.log(whole), math.log(whole + 1)]
    return max(
        0.5 * max(0.0, log_cells - size - hidden) * max(0.0, -math.expm1(log_pairs - size))
        for size in sizes
    )
