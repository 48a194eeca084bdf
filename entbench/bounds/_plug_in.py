"""Bounds on the plug-in (sample-propagation) estimator h_SP of h(S+Z) from n samples of S."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import entr, gammaln, ndtr, xlog1py, xlogy

from entbench._validation import check_integer
from entbench.bounds._arguments import (
    at_least,
    beyond_rounding,
    check_not_negative,
    check_scale,
    check_setting,
    exp_or_inf,
    expm1_or_inf,
    log_one_plus_share,
)
from entbench.bounds._capacity import AXIS_ERROR, finest_grid, pam_information

# counts as large as this have the moments of their expansion in 1/n to 1e-13
_LARGE_COUNT = 1e6
# What the mean entropy of counts may be off by: it is at most log 1e18 = 41 nats, 5e-15 a rounding,
# and of the sum over counts, up to 24,000 of them, roundings of 2^-53 * 14 nats add up to 4e-11 if
# all fall the same way, and in their root to 3e-13.
_COUNT_ERROR = 1e-12


def plug_in_bias_bounds(
    n: int, mutual_information: float, chi_square_information: float
) -> tuple[float, float]:
    r"""Return a lower and an upper bound on ``h - E h_SP``, for one source of any kind.

    .. math::

        \max(0, I - \log n) \leq h(S+Z) - E h_{SP}
        \leq \min\left(I, \log\left(1 + \frac{I_{\chi^2}}{n}\right)\right)

    For every n.

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
    information = check_not_negative("mutual_information", mutual_information)
    chi_square = check_not_negative("chi_square_information", chi_square_information)
    log_n = math.log(n)
    lower = max(0.0, beyond_rounding(information - log_n, information, log_n))
    upper = min(information, math.log1p(chi_square / n))
    # where noise drowns the signal, the two informations are rounding, each its own
    return min(lower, upper), upper


def cube_chi_square_information(dim: int, sigma: float) -> float:
    r"""Return a bound on the chi-square information of S and S+Z, for every S in the cube.

    .. math::

        I_{\chi^2}(S; S+Z) \leq \left(1 + \frac{\sqrt{2/\pi}}{\sigma}\right)^d - 1

    Returns
    -------
    float
        A pure number, not nats; inf where it overflows. ``log(1 + I_chi2/n)`` is in nats.

    Notes
    -----
    Proved: ``phi_s^2/q <= (sup_s phi_s) phi_s/q``, and the supremum over the cube integrates to a
    product over axes. Not in the papers.
    """
    dim = check_integer("dim", dim, minimum=1)
    return expm1_or_inf(_log_cube_volume(dim, check_scale("sigma", sigma)))


def cube_l1_bound(n: int, dim: int, sigma: float) -> float:
    r"""Return a bound on ``E int |q - qhat|``, twice the total variation, for S in the cube.

    .. math::

        E \int |q - \hat q| \leq
        \left(1 + \frac{\sqrt{2/\pi}}{\sigma}\right)^{d/2} \frac{1}{\sqrt{n}}

    For every n; q is the density of S+Z, qhat the mixture over n samples.

    Returns
    -------
    float
        A pure number, not nats. Above 2 it says nothing. inf where it overflows.

    Notes
    -----
    Proved, from the chi-square distance by Cauchy-Schwarz. Not in the papers.
    """
    n, dim, sigma = check_setting(n, dim, sigma)
    return exp_or_inf(0.5 * (_log_cube_volume(dim, sigma) - math.log(n)))


def cross_entropy_deviation(dim: int, sigma: float) -> float:
    r"""Return a bound on the standard deviation of D(N(S, sigma^2 I) || q), S in the cube.

    .. math::

        \sqrt{V} \leq \min\left(\frac{2 d}{\sigma^2},
        \min_{k \geq 2} \left[d \log k + \frac{2 d}{(k \sigma)^2}\right]\right)

    With sqrt 0.6 for ``dim log k`` where there are two cells. Divided by sqrt n it bounds
    ``E |int (qhat - q) log q|``, the part of the plug-in's error that is not its bias.

    Returns
    -------
    float
        In nats; only polynomial in the dimension.

    Notes
    -----
    Proved, with k^dim cells of side 2/k: ``D <= -log P(cell) + 2 dim/(k sigma)^2`` and
    ``sum p log^2 p <= log^2 m`` for m >= 3 cells, 0.6 for two. Not in the papers.
    """
    dim = check_integer("dim", dim, minimum=1)
    sigma = check_scale("sigma", sigma)
    best = 2.0 * dim / sigma**2
    # dim log k + 2 dim/(k sigma)^2 is least at k = 2/sigma
    for k in {2, 3, max(2, math.floor(2.0 / sigma)), max(2, math.ceil(2.0 / sigma))}:
        cells = math.sqrt(0.6) if k == 2 and dim == 1 else dim * math.log(k)
        best = min(best, cells + 2.0 * dim / (k * sigma) ** 2)
    return best


def plug_in_concentration(n: int, diameter: float = math.inf) -> float:
    r"""Return v such that the plug-in is sub-Gaussian with deviation v, for every law of S.

    .. math::

        v = \frac{\sqrt{n}}{2} \min\left(H_b\left(\frac{1}{n}\right), \frac{D^2}{2 n}\right)

    The plug-in is above its mean by t or more with a probability of at most ``exp(-t^2/(2 v^2))``,
    and below it as well; so is ``|h - h_SP|``. The mean over m independent sets of samples has
    ``v/sqrt(m)``. H_b is
    `binary_entropy`.

    Parameters
    ----------
    n : int
        Number of samples of S.
    diameter : float, default=inf
        D, over sigma: the largest distance between two values of S, ``2 sqrt(dim)/sigma`` in the
        cube.

    Returns
    -------
    float
        In nats; not above ``(1 + log n)/(2 sqrt n)``. It does not depend on the dimension.

    Notes
    -----
    Proved. One sample in place of another changes h_SP by c at most, the minimum: with the other
    samples' mixture r, ``h_SP - (1 - 1/n) h(r) - h(Z)/n`` lies between 0 and ``H_b(1/n)``; and
    ``-log`` of one mixture bounds the entropy of the other, which leaves
    ``D(phi_s || qhat)/n <= D^2/(2 n)``. The rest is McDiarmid's inequality. Not in the papers.
    """
    n = check_integer("n", n, minimum=1)
    diameter = check_not_negative("diameter", diameter)
    share = 1.0 / n
    unsure = float(entr(share) - xlog1py(1.0 - share, -share))
    return max(0.0, 0.5 * math.sqrt(n) * min(unsure, 0.5 * share * diameter**2))


def plug_in_risk_bound(n: int, dim: int, sigma: float) -> float:
    r"""Return a bound on ``E |h - h_SP|`` that holds for every S in the cube [-1, 1]^dim, every n.

    .. math::

        E |h - h_{SP}| \leq \sqrt{\frac{V}{n}} + \log\left(1 + \frac{1}{n}
        \left[\left(1 + \frac{\sqrt{2/\pi}}{\sigma}\right)^d - 1\right]\right)

    sqrt V by `cross_entropy_deviation`.

    Returns
    -------
    float
        In nats.

    Notes
    -----
    Proved; sharper than Theorem 1 of Goldfeld et al. (2019), and without its logarithm: only the
    bias, of order 1/n, carries the constant that is exponential in the dimension.
    """
    n, dim, sigma = check_setting(n, dim, sigma)
    bias = log_one_plus_share(_log_cube_volume(dim, sigma), n)
    return cross_entropy_deviation(dim, sigma) / math.sqrt(n) + bias


def plug_in_risk_theorem_4(n: int, dim: int, sigma: float) -> float:
    r"""Return the bound of Theorem 4 on ``E |h - h_SP|``, S in the cube, proved for every n.

    .. math::

        E |h - h_{SP}| \leq \min_{r > 0} \left[\lambda a \psi\left(\frac{D}{\lambda a}\right)
        + 2 t\right]

    with

    .. math::

        \lambda = (2 + 2 r)^d, \quad a = (2 \pi \sigma^2)^{-d/2}, \quad
        D = (4 \pi \sigma^2)^{-d/4} \sqrt{\frac{\lambda}{n}}

    and ``psi(x) = -x log x`` up to 1/e, 1/e beyond. The tail t of the region [-1-r, 1+r]^dim is

    .. math::

        t = \frac{d A + d (d - 1) B p}{2 \sigma^2}, \quad p = 2 Q(r/\sigma), \quad
        B = 4 + 4 \sigma \sqrt{\frac{2}{\pi}} + \sigma^2

    .. math::

        A = 4 p + 8 \sigma \varphi(r/\sigma)
        + \sigma^2 \left(p + \frac{2 r}{\sigma} \varphi(r/\sigma)\right)

    with phi the density and Q the upper tail of N(0, 1).

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
    n, dim, sigma = check_setting(n, dim, sigma)

    def log_bound(log_r: float) -> float:
        return _log_theorem_4(math.exp(log_r), n, dim, sigma)

    grid = np.log(sigma) + np.linspace(math.log(0.05), math.log(60.0), 60)
    best = int(np.argmin([log_bound(log_r) for log_r in grid]))
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = minimize_scalar(log_bound, bounds=bounds, method="bounded")
    smallest = min(float(found.fun), log_bound(float(grid[best])))
    return exp_or_inf(smallest)


def worst_case_bias_bound(n: int, dim: int, sigma: float) -> float:
    r"""Return a lower bound on the largest ``h - E h_SP`` among sources in the cube [-1, 1]^dim.

    .. math::

        \sup_S (h - E h_{SP}) \geq \max_{k \geq 2} \left[d I_1(k) - E H_n(k^d)\right]

    S is uniform on the grid of k^dim points, k per axis from -1 to 1; I_1(k) is the information of
    one axis (`pam_information`), H_n(m) the entropy of the counts of n samples of m equally likely
    values.

    Returns
    -------
    float
        In nats, at least 0. No source in particular need have this bias; some source has.

    Notes
    -----
    Sharpens Theorem 6 of Goldfeld et al. (2019), eq. (16), by the exact information in place of
    Fano's inequality and by E H(Phat_n) in place of log n. Proved. The maximum is over k up to
    200; any of them gives a valid bound, but for sigma < 0.02 a finer grid would give a larger one,
    and `theorem_6_bias_bound`, which tries them all, can be the larger. The error of the
    quadrature, 1e-11 an axis, is taken off: below it the bound is 0.
    """
    n, dim, sigma = check_setting(n, dim, sigma)
    best = max(
        dim * pam_information(k, sigma) - _expected_count_entropy(n, dim * math.log(k))
        for k in range(2, finest_grid(sigma) + 1)
    )
    return at_least(best, dim * AXIS_ERROR)


def _log_cube_volume(dim: int, sigma: float) -> float:
    """Return log of the integral of the largest density of S+Z given S, S in the cube."""
    return dim * math.log1p(math.sqrt(2.0 / math.pi) / sigma)


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


def uniform_values_bias_bound(n: int, mutual_information: float, log_values: float) -> float:
    r"""Return a lower bound on the bias ``h - E h_SP`` for S uniform on finitely many values.

    .. math::

        h - E h_{SP} \geq \max(0, I - E H_n(m)), \quad
        E H_n(m) = \log n - \sum_{b=0}^{n-1} \binom{n-1}{b} m^{-b}
        \left(1 - \frac{1}{m}\right)^{n-1-b} \log(1 + b)

    H_n(m) is the entropy of the counts of n draws of m values, equally likely: the information of
    the samples' own law is at most its entropy. It is the step behind Theorem 6 without Fano's
    inequality, and sharper than ``I - log n``.

    Parameters
    ----------
    n : int
        Number of samples.
    mutual_information : float
        I(S; S+Z) in nats.
    log_values : float
        Log of the number of values that S has, all equally likely.

    Returns
    -------
    float
        In nats, >= 0.

    Notes
    -----
    Proved here, for every S of the class and every n.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, supplement,
    proof of Theorem 6.
    """
    n = check_integer("n", n, minimum=1)
    excess = mutual_information - _expected_count_entropy(n, log_values)
    return excess if excess > _COUNT_ERROR else 0.0


def count_entropy_deviation(n: int, log_values: float) -> float:
    r"""Return about the standard deviation of the entropy of the counts of n samples.

    .. math::

        \frac{1}{n} \sqrt{m \min_{a, b} E (c \log c - a - b c)^2}, \quad
        c \sim \mathrm{Poisson}(n/m)

    Counts are Poisson variables, but for their sum, which is n; hence less a straight line.

    Parameters
    ----------
    n : int
        Number of samples.
    log_values : float
        log m, of how many values S has, all equally likely.

    Returns
    -------
    float
        In nats. It is what `uniform_values_bias_bound` scatters by from one draw of the samples to
        the next: a few draws without a repeated value show none of it.

    Notes
    -----
    Exact as n and m grow; for few values too large by ``sqrt(m/(m - 1))``. Holst, "Asymptotic
    normality and efficiency for certain goodness-of-fit tests", Biometrika 59 (1972) (recalled,
    checked against draws).
    """
    n = check_integer("n", n, minimum=1)
    log_cells = check_not_negative("log_values", log_values)
    mean = math.exp(math.log(n) - log_cells)
    if log_cells == 0.0:
        return 0.0
    if mean > _LARGE_COUNT:
        return math.exp(0.5 * (log_cells - math.log(2.0))) / n
    width = 40.0 + 12.0 * math.sqrt(mean)
    counts = np.arange(max(0, math.floor(mean - width)), math.ceil(mean + width) + 1.0)
    pmf = np.exp(xlogy(counts, mean) - mean - gammaln(counts + 1.0))
    # a straight line more or less makes no difference, and this one keeps the numbers small
    values = xlogy(counts, counts / mean) - (counts - mean)
    slope = float(pmf @ (values * (counts - mean))) / mean
    rest = values - float(pmf @ values) - slope * (counts - mean)
    return math.exp(0.5 * log_cells) * math.sqrt(float(pmf @ rest**2)) / n


def _expected_count_entropy(n: int, log_cells: float) -> float:
    """Return E H(Phat_n) in nats for n draws from m equally likely cells, given log m.

    ``-m sum_j Bin(j; n, 1/m) (j/n) log(j/n)``. A count c has the size-biased law
    ``1 + Bin(n - 1, 1/m)``, so this is ``log n - E log(1 + B)``; the sum over B runs as far as the
    terms reach. Where counts are large, it is ``log m - (m - 1)/(2n) - (m^2 - 1)/(12 n^2)``.
    """
    if log_cells <= 0.0:
        return 0.0
    trials = n - 1
    mean = math.exp(math.log(trials) - log_cells) if trials > 0 else 0.0
    if mean > _LARGE_COUNT:
        cells = math.exp(log_cells)
        return (
            log_cells
            - (cells - 1.0) / (2.0 * n)
            - (cells / n - 1.0 / n) * (cells + 1.0) / (12.0 * n)
        )
    last = min(trials, math.ceil(mean + 40.0 + 12.0 * math.sqrt(mean)))
    first = max(0, math.floor(mean - 12.0 * math.sqrt(mean) - 40.0))
    if first == last:
        return math.log(n) - math.log1p(first)
    # Ratios of neighbouring terms: the binomial coefficients themselves cancel badly for large n.
    j = np.arange(first, last, dtype=np.float64)
    log_odds = -log_cells - math.log(-math.expm1(-log_cells))
    steps = np.log(trials - j) - np.log1p(j) + log_odds
    log_pmf = np.concatenate([[0.0], np.cumsum(steps)])
    pmf = np.exp(log_pmf - log_pmf.max())
    return math.log(n) - float(pmf @ np.log1p(np.append(j, last))) / float(pmf.sum())
