"""Bounds on the plug-in (sample-propagation) estimator h_SP of h(S+Z) from n samples of S."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import gammaln, ndtr

from entbench._validation import check_integer, check_positive
from entbench.bounds._capacity import pam_information

_MAX_CELLS_PER_AXIS = 200
_EXP_MAX = 700.0


def plug_in_bias_bounds(
    n: int, mutual_information: float, chi_square_information: float
) -> tuple[float, float]:
    """Return a lower and an upper bound on ``h - E h_SP``, for one source of any kind.

    ``max(0, I - log n) <= h(S+Z) - E h_SP <= min(I, log(1 + I_chi2/n))``, every n.

    Parameters
    ----------
    n : int
        Number of samples of S.
    mutual_information : float
        I(S; S+Z) in nats.
    chi_square_information : float
        I_chi2(S; S+Z); may be inf.

    Returns
    -------
    lower, upper : float
        In nats.

    Notes
    -----
    Proved: the bias is exactly ``E D(qhat || q)``; the mixture's information is at most log n;
    ``D <= log(1 + chi2)`` and ``E chi2(qhat || q) = I_chi2 / n``. Not in the papers. For large n
    the bias is ``I_chi2 / (2n)``, half the upper bound.
    """
    n = check_integer("n", n, minimum=1)
    lower = max(0.0, mutual_information - math.log(n))
    return lower, min(mutual_information, math.log1p(chi_square_information / n))


def plug_in_risk_bound(n: int, dim: int, sigma: float) -> float:
    """Return a bound on ``E |h - h_SP|`` that holds for every S in the cube [-1, 1]^dim, every n.

    ``sqrt(V/n) + log(1 + [(1 + sqrt(2/pi)/sigma)^dim - 1]/n)`` with
    ``sqrt V <= min(2 dim/sigma^2, min_k [dim log k + 2 dim/(k sigma)^2])``.

    Returns
    -------
    float
        In nats.

    Notes
    -----
    Proved; sharper than Theorem 1 of Goldfeld et al. (2019), and without its logarithm: only the
    bias, of order 1/n, carries the constant that is exponential in the dimension.
    """
    n = check_integer("n", n, minimum=1)
    dim = check_integer("dim", dim, minimum=1)
    sigma = check_positive("sigma", sigma)
    log_volume = dim * math.log1p(math.sqrt(2.0 / math.pi) / sigma)
    # log(1 + (e^v - 1)/n), which must not overflow
    log_excess = log_volume + math.log(-math.expm1(-log_volume)) - math.log(n)
    bias = float(np.logaddexp(0.0, log_excess))
    return _cross_entropy_deviation(dim, sigma) / math.sqrt(n) + bias


def plug_in_risk_theorem_4(n: int, dim: int, sigma: float) -> float:
    """Return the bound of Theorem 4 on ``E |h - h_SP|``, S in the cube, proved for every n.

    ``min_r lambda a psi(D / (lambda a)) + 2 t(r)`` with ``lambda = (2 + 2r)^dim``,
    ``a = (2 pi sigma^2)^{-dim/2}``, ``D = (4 pi sigma^2)^{-dim/4} sqrt(lambda/n)``,
    ``psi(x) = -x log x`` up to 1/e and 1/e beyond, and the tail t(r) of the region [-1-r, 1+r]^dim.

    Returns
    -------
    float
        In nats; inf where it overflows.

    Notes
    -----
    The theorem's printed tail is illegible in our source and holds for "n sufficiently large"; the
    form here is proved for every n and has no absolute value of a logarithm that small sigma would
    spoil. Goldfeld et al. (2019), supplement, Theorem 4, eq. (12).
    """
    n = check_integer("n", n, minimum=1)
    dim = check_integer("dim", dim, minimum=1)
    sigma = check_positive("sigma", sigma)

    def log_bound(log_r: float) -> float:
        return _log_theorem_4(math.exp(log_r), n, dim, sigma)

    grid = np.log(sigma) + np.linspace(math.log(0.05), math.log(60.0), 60)
    best = int(np.argmin([log_bound(log_r) for log_r in grid]))
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = minimize_scalar(log_bound, bounds=bounds, method="bounded")
    smallest = min(float(found.fun), log_bound(float(grid[best])))
    return math.exp(smallest) if smallest < _EXP_MAX else math.inf


def worst_case_bias_bound(n: int, dim: int, sigma: float) -> float:
    """Return a lower bound on the largest ``h - E h_SP`` among sources in the cube [-1, 1]^dim.

    ``max_k dim I_1(k) - E H(Phat_n)``: S uniform on the grid of k^dim points, k per axis from -1 to
    1; I_1(k) the information of one axis, H(Phat_n) the entropy of the counts of n samples.

    Returns
    -------
    float
        In nats, at least 0. No source in particular need have this bias; some source has.

    Notes
    -----
    Sharpens Theorem 6 of Goldfeld et al. (2019), eq. (16), by the exact information in place of
    Fano's inequality and by E H(Phat_n) in place of log n. Proved. The maximum is over at most 200
    values of k; any of them gives a valid bound.
    """
    n = check_integer("n", n, minimum=1)
    dim = check_integer("dim", dim, minimum=1)
    sigma = check_positive("sigma", sigma)
    finest = min(_MAX_CELLS_PER_AXIS, 3 + math.ceil(4.0 / sigma))
    bounds = [
        dim * pam_information(k, sigma) - _expected_count_entropy(n, dim * math.log(k))
        for k in range(2, finest + 1)
    ]
    return max(0.0, *bounds)


def _cross_entropy_deviation(dim: int, sigma: float) -> float:
    """Return a bound on the standard deviation of D(N(S, sigma^2 I) || q), S in the cube.

    With cells of side 2/k: ``D <= -log P(cell) + 2 dim/(k sigma)^2`` and
    ``sum p log^2 p <= log^2 m`` for m >= 3 cells, 0.6 for two.
    """
    best = 2.0 * dim / sigma**2
    # dim log k + 2 dim/(k sigma)^2 is least at k = 2/sigma
    for k in {2, 3, max(2, math.floor(2.0 / sigma)), max(2, math.ceil(2.0 / sigma))}:
        cells = math.sqrt(0.6) if k == 2 and dim == 1 else dim * math.log(k)
        best = min(best, cells + 2.0 * dim / (k * sigma) ** 2)
    return best


def _log_theorem_4(r: float, n: int, dim: int, sigma: float) -> float:
    log_peak = -0.5 * dim * math.log(2.0 * math.pi * sigma**2)
    log_region = dim * math.log(2.0 + 2.0 * r)
    log_d = -0.25 * dim * math.log(4.0 * math.pi * sigma**2) + 0.5 * (log_region - math.log(n))
    log_x = log_d - log_region - log_peak
    log_psi = log_x + math.log(-log_x) if log_x <= -1.0 else -1.0
    p = 2.0 * float(ndtr(-r / sigma))
    density = math.exp(-0.5 * (r / sigma) ** 2) / math.sqrt(2.0 * math.pi)
    a = 4.0 * p + 8.0 * sigma * density + sigma**2 * (p + 2.0 * (r / sigma) * density)
    b = 4.0 + 4.0 * sigma * math.sqrt(2.0 / math.pi) + sigma**2
    outside = (dim * a + dim * (dim - 1) * b * p) / (2.0 * sigma**2)
    log_outside = math.log(2.0 * outside) if outside > 0.0 else -math.inf
    return float(np.logaddexp(log_region + log_peak + log_psi, log_outside))


def _expected_count_entropy(n: int, log_cells: float) -> float:
    """Return E H(Phat_n) in nats for n draws from m equally likely cells, given log m.

    ``-m sum_j Bin(j; n, 1/m) (j/n) log(j/n)``. A count c has the size-biased law
    ``1 + Bin(n - 1, 1/m)``, so this is ``log n - E log(1 + B)``; the sum over B runs as far as the
    terms reach.
    """
    log_p = -log_cells
    trials = n - 1
    mean = trials * math.exp(log_p)
    last = min(trials, math.ceil(mean + 40.0 + 12.0 * math.sqrt(mean)))
    first = max(0, math.floor(mean - 12.0 * math.sqrt(mean) - 40.0))
    j = np.arange(first, last + 1, dtype=np.float64)
    log_choose = gammaln(trials + 1.0) - gammaln(j + 1.0) - gammaln(trials - j + 1.0)
    log_q = math.log1p(-math.exp(log_p)) if log_cells > 0.0 else -math.inf
    with np.errstate(invalid="ignore"):
        log_pmf = log_choose + j * log_p + np.where(trials - j > 0, (trials - j) * log_q, 0.0)
    pmf = np.exp(log_pmf)
    return math.log(n) - float(pmf @ np.log1p(j)) / float(pmf.sum())
