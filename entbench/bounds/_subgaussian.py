"""Bounds for subgaussian S: smoothed empirical measures and the plug-in's risk.

K is the constant in the vector sense, ``E exp(a.(S - ES)) <= exp(K^2 |a|^2 / 2)`` for every a,
not the moment norm of `plug_in_risk_theorem_5`.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from entbench._validation import check_choice, check_integer
from entbench.bounds._arguments import (
    check_norm,
    check_not_negative,
    check_scale,
    check_setting,
    exp_or_inf,
    expm1_or_inf,
    log_one_plus_share,
)


def cube_subgaussian_constant(
    dim: int, sense: Literal["vector", "product", "moments"] = "vector"
) -> float:
    r"""Return a subgaussian constant K that every S in the cube [-1, 1]^dim has.

    .. math::

        E \exp(a \cdot (S - E S)) \leq \exp\left(\frac{K^2 |a|^2}{2}\right), \quad K = \sqrt{d}

    in the sense "vector"; in the others ``K = 1``.

    Parameters
    ----------
    dim : int
        Dimension.
    sense : {"vector", "product", "moments"}
        "vector": ``E exp(a.(S - ES)) <= exp(K^2 |a|^2 / 2)``, K = sqrt dim. "product": the same
        for S with independent coordinates, K = 1. "moments":
        ``sup_p p^{-1/2} (E |S_i|^p)^{1/p}`` of each coordinate, K = 1, for Theorem 5.

    Returns
    -------
    float
        In the units of S.

    Notes
    -----
    Proved: Hoeffding's lemma for ``a.S``, which stays in an interval of length
    ``2 |a|_1 <= 2 sqrt dim |a|``. No smaller K will do for S uniform on the two points
    (1, ..., 1) and (-1, ..., -1). Taking K = 1 for all of the cube in the vector sense is wrong.
    """
    dim = check_integer("dim", dim, minimum=1)
    check_choice("sense", sense, ("vector", "product", "moments"))
    return math.sqrt(dim) if sense == "vector" else 1.0


def subgaussian_l1_bound(n: int, dim: int, sigma: float, K: float) -> float:
    r"""Return a bound on ``E int |q - qhat|``, twice the total variation, for K-subgaussian S.

    .. math::

        E \int |q - \hat q| \leq
        \left(\frac{1}{\sqrt{2}} + \frac{K}{\sigma}\right)^{d/2} \frac{e^{3 d / 16}}{\sqrt{n}}

    For every n.

    Returns
    -------
    float
        A pure number, not nats. Above 2 it says nothing. inf where it overflows.

    Notes
    -----
    Recalled, and derived again exactly for the full L1 norm. Whether the paper's distance has the
    factor 1/2 is not known; the bound holds either way.

    References
    ----------
    Goldfeld, Greenewald, Weed, Polyanskiy (2019), arXiv 1905.13576; constants recalled, not
    checked against the print.
    """
    n, dim, sigma = check_setting(n, dim, sigma)
    return exp_or_inf(_log_l1(n, dim, sigma, check_norm("K", K)))


def subgaussian_wasserstein_bound(n: int, dim: int, sigma: float, K: float) -> float:
    r"""Return a bound on ``E W_1(q, qhat)``, the 1-Wasserstein distance, for K-subgaussian S.

    .. math::

        E W_1(q, \hat q) \leq \sigma \sqrt{2 d}
        \left(\frac{1}{\sqrt{2}} + \frac{K}{\sigma}\right)^{d/2 + 1} \frac{e^{3 d / 16}}{\sqrt{n}}

    For every n.

    Returns
    -------
    float
        In the units of S, not nats; inf where it overflows.

    Notes
    -----
    Recalled, and derived again exactly: ``W_1 <= int |x| |q - qhat|``.

    References
    ----------
    Goldfeld, Greenewald, Weed, Polyanskiy (2019), arXiv 1905.13576; constants recalled, not
    checked against the print.
    """
    n, dim, sigma = check_setting(n, dim, sigma)
    K = check_norm("K", K)
    log_moment = 0.5 * math.log(2.0 * dim) + math.log(sigma / math.sqrt(2.0) + K)
    return exp_or_inf(log_moment + _log_l1(n, dim, sigma, K))


def subgaussian_chi_square_information(dim: int, sigma: float, K: float) -> float:
    r"""Return a bound on the chi-square information of S and S+Z, for K-subgaussian S, K < sigma/2.

    .. math::

        I_{\chi^2}(S; S+Z) \leq \left(1 - \frac{4 K^2}{\sigma^2}\right)^{-d/2} - 1

    Returns
    -------
    float
        A pure number, not nats; inf where it overflows. ``E chi2(qhat || q) = I_chi2/n`` exactly.

    Raises
    ------
    ValueError
        Unless K < sigma/2.

    Notes
    -----
    Recalled, and derived again: ``I_chi2 + 1 <= E exp(|S - S'|^2/sigma^2)``, S' an independent
    copy.

    References
    ----------
    Goldfeld, Greenewald, Weed, Polyanskiy (2019), arXiv 1905.13576; recalled, not checked.
    """
    return expm1_or_inf(_log_chi_square(*_check_law(dim, sigma, K)))


def gaussian_chi_square_information(dim: int, sigma: float, K: float) -> float:
    r"""Return the chi-square information of S ~ N(0, K^2 I) and S+Z.

    .. math::

        I_{\chi^2}(S; S+Z) = \left(1 + \frac{K^2}{\sigma^2}\right)^d - 1

    Exact, for every K.

    Returns
    -------
    float
        A pure number, not nats; inf where it overflows.

    Notes
    -----
    Proved, an integral of Gaussians. Not in the papers.
    """
    dim, sigma, K = _check_law(dim, sigma, K)
    return expm1_or_inf(dim * math.log1p((K / sigma) ** 2))


def smoothed_kl_bound(n: int, chi_square_information: float) -> float:
    r"""Return a bound on ``E D(qhat || q) = h - E h_SP``, for any source.

    .. math::

        E D(\hat q \| q) \leq \log\left(1 + \frac{I_{\chi^2}}{n}\right)

    For every n; of order 1/n if I_chi2 is finite.

    Returns
    -------
    float
        In nats.

    Notes
    -----
    Proved: ``D <= log(1 + chi2)`` and Jensen's inequality. W_2^2 is then of order 1/n as well, and
    of no such order if I_chi2 is infinite (arXiv 1905.13576, abstract).
    """
    n = check_integer("n", n, minimum=1)
    return math.log1p(check_not_negative("chi_square_information", chi_square_information) / n)


def subgaussian_bias_bound(n: int, dim: int, sigma: float, K: float) -> float:
    r"""Return a bound on ``E D(qhat || q) = h - E h_SP``, for K-subgaussian S with K < sigma/2.

    .. math::

        E D(\hat q \| q) \leq \log\left(1 + \frac{1}{n}
        \left[\left(1 - \frac{4 K^2}{\sigma^2}\right)^{-d/2} - 1\right]\right)

    `smoothed_kl_bound` at `subgaussian_chi_square_information`, finite where that overflows.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    ValueError
        Unless K < sigma/2.

    Notes
    -----
    Recalled, and derived again. It is known that the order 1/n holds for all K < sigma (Block, Jia,
    Polyanskiy, Rakhlin, arXiv 2205.02128, abstract), without an explicit constant.
    """
    n, dim, sigma = check_setting(n, dim, sigma)
    return log_one_plus_share(_log_chi_square(*_check_law(dim, sigma, K)), n)


def subgaussian_risk_bound(n: int, dim: int, sigma: float, K: float) -> float:
    r"""Return a bound on ``E |h - h_SP|`` for K-subgaussian S with mean 0, for every n.

    .. math::

        E |h - h_{SP}| \leq \left[2 u^2 \sqrt{d (d + 2)} + \frac{5 d K^2}{\sigma^2}\right]
        u^{d/2} \frac{e^{3 d / 16}}{\sqrt{n}}, \quad
        u = \frac{1}{\sqrt{2}} + \frac{K}{\sigma}

    Returns
    -------
    float
        In nats; inf where it overflows.

    Notes
    -----
    Proved here. The paper states e^{O(dim)}/sqrt n; its explicit constant was not available to us.
    For S in the cube use `plug_in_risk_bound`: K is sqrt dim there, not 1.

    References
    ----------
    Goldfeld, Greenewald, Weed, Polyanskiy (2019), arXiv 1905.13576 (the rate).
    """
    n, dim, sigma = check_setting(n, dim, sigma)
    K = check_norm("K", K)
    u = 1.0 / math.sqrt(2.0) + K / sigma
    factor = 2.0 * u**2 * math.sqrt(dim * (dim + 2.0)) + 5.0 * dim * (K / sigma) ** 2
    return exp_or_inf(math.log(factor) + _log_l1(n, dim, sigma, K))


def smoothed_wasserstein_2_exponent(sigma: float, K: float) -> float:
    r"""Return alpha where ``W_2(q, qhat)`` is of order ``n^{-alpha}``, the worst K-subgaussian S.

    1/2 for K < sigma; for K > sigma and dim = 1

    .. math::

        \alpha = \frac{(\sigma^2 + K^2)^2}{4 (\sigma^4 + K^4)}

    Returns
    -------
    float
        A pure number. No constant is known to us, so this is not a bound for any n.

    References
    ----------
    Block, Jia, Polyanskiy, Rakhlin, arXiv 2205.02128, abstract; the second case is for one
    dimension.
    """
    sigma = check_scale("sigma", sigma)
    ratio = check_norm("K", K) / sigma
    return 0.5 if ratio <= 1.0 else (1.0 + ratio**2) ** 2 / (4.0 * (1.0 + ratio**4))


def _check_law(dim: Any, sigma: Any, K: Any) -> tuple[int, float, float]:
    return (
        check_integer("dim", dim, minimum=1),
        check_scale("sigma", sigma),
        check_norm("K", K),
    )


def _log_l1(n: int, dim: int, sigma: float, K: float) -> float:
    log_u = math.log(1.0 / math.sqrt(2.0) + K / sigma)
    return 0.5 * dim * log_u + 3.0 * dim / 16.0 - 0.5 * math.log(n)


def _log_chi_square(dim: int, sigma: float, K: float) -> float:
    """Return a bound on ``log(1 + I_chi2)``."""
    if sigma <= 2.0 * K:
        raise ValueError(f"`K` must be < sigma/2; got K={K!r} with sigma={sigma!r}.")
    return -0.5 * dim * math.log1p(-4.0 * (K / sigma) ** 2)
