"""Theorems 4 and 5 as printed, where parts of the print cannot be read."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from scipy.optimize import minimize_scalar

from entbench._validation import check_choice, check_integer, check_positive
from entbench.bounds._arguments import check_scale, check_setting, exp_or_inf

Tail = Literal["2/n", "2/sqrt(n)", "sqrt(2/n)", "cauchy-schwarz", "none"]
_TAILS = ("2/n", "2/sqrt(n)", "sqrt(2/n)", "cauchy-schwarz", "none")
_LOG_EPSILONS = np.linspace(math.log(1e-3), math.log(1e3), 40)


def plug_in_risk_theorem_4_printed(
    n: int, dim: int, sigma: float, epsilon: float | None = None, tail: Tail = "2/n"
) -> float:
    r"""Return Theorem 4's bound on ``E |h - h_SP|`` as printed, S in the cube [-1, 1]^dim.

    .. math::

        \frac{1}{2 (4 \pi \sigma^2)^{d/4}}
        \log\left(\frac{n \lambda}{(\pi \sigma^2)^{d/2}}\right)
        \sqrt{\frac{\lambda}{n}} + \tau \sqrt{M}

    with tau the tail's factor and

    .. math::

        r = \sigma \sqrt{(2 + \epsilon) \log n}, \quad \lambda = (2 + 2 r)^d, \quad
        c = \frac{d}{2} \log(2 \pi \sigma^2) + \frac{d}{\sigma^2}

    .. math::

        M = c^2 + \frac{2 c d (1 + \sigma^2)}{\sigma^2}
        + \frac{8 d (d + 2 \sigma^4 + d \sigma^4)}{\sigma^4}

    Parameters
    ----------
    n : int
        Number of samples of S.
    dim : int
        Dimension.
    sigma : float
        Standard deviation of the noise.
    epsilon : float, optional
        Any number > 0; by default the infimum over all.
    tail : {"2/n", "2/sqrt(n)", "sqrt(2/n)", "cauchy-schwarz", "none"}
        The tail's factor: ``2/n``, ``2/sqrt n``, ``sqrt(2/n)``,
        ``2 sqrt dim n^{-(1/2 + epsilon/4)}`` as the Cauchy-Schwarz inequality gives, or 0.

    Returns
    -------
    float
        In nats; inf where it overflows.

    Raises
    ------
    ValueError
        Where n is too small for the first term's logarithm to be 2, as its proof needs.

    Notes
    -----
    The first term, c and M were reconstructed and derived again. The tail is an uncertain reading:
    our print shows a 2 and an n; its values are not to be cited, and for no tail is the sum
    proved, since the logarithm of the density can be of either sign. `plug_in_risk_theorem_4` is
    proved for every n. With sigma = 0.005, dim = 3, n = 4e9 the value rounds to the 0.4 of the
    paper's example; its 3.74 at n = 4e6 comes from no reading (it is about 10).

    References
    ----------
    Goldfeld et al. (2019), supplement, Theorem 4, eq. (12). The rate that it implies is
    (log n)^{1 + dim/4} / sqrt n; Theorem 1 prints (log n)^{dim/4} / sqrt n.
    """
    n, dim, sigma = check_setting(n, dim, sigma)
    check_choice("tail", tail, _TAILS)

    def log_bound(epsilon: float) -> float:
        return _log_theorem_4(n, dim, sigma, epsilon, tail)

    if epsilon is not None:
        return exp_or_inf(log_bound(check_positive("epsilon", epsilon)))
    if tail != "cauchy-schwarz":
        return exp_or_inf(log_bound(0.0))  # the first term grows with epsilon
    values = [log_bound(math.exp(x)) for x in _LOG_EPSILONS]
    best = int(np.argmin(values))
    last = len(values) - 1
    bounds = _LOG_EPSILONS[max(best - 1, 0)], _LOG_EPSILONS[min(best + 1, last)]
    found = minimize_scalar(lambda x: log_bound(math.exp(x)), bounds=bounds, method="bounded")
    return exp_or_inf(min(float(found.fun), values[best], log_bound(0.0)))


def plug_in_risk_theorem_5(
    n: int,
    dim: int,
    sigma: float,
    K: float,
    with_e2: bool = True,
) -> float:
    r"""Return Theorem 5's bound on ``E |h - h_SP|`` for S with subgaussian coordinates.

    .. math::

        \frac{1}{2} \log\left(n \left(\frac{4 r^2}{\pi \sigma^2}\right)^{d/2}\right)
        \left(\frac{r^2}{\pi \sigma^2}\right)^{d/4} \frac{1}{\sqrt{n}}
        + 2 \sqrt{\frac{M e d}{n}}

    with

    .. math::

        r = \sqrt{\frac{2 e^2 (K + \sigma)^2 \log n}{e - 1}}, \quad
        A = \frac{d}{2} \log(2 \pi \sigma^2) + \frac{2 d K^2}{\sigma^2}

    .. math::

        M = A^2 + \frac{2 A (\sigma^2 d + 2 d K^2)}{\sigma^2}
        + \frac{8 (16 d^2 K^4 + \sigma^4 d (2 + d))}{\sigma^4}

    Parameters
    ----------
    n : int
        Number of samples of S, at least 2.
    dim : int
        Dimension.
    sigma : float
        Standard deviation of the noise.
    K : float
        ``sup_{p >= 1} p^{-1/2} (E |S_i|^p)^{1/p}`` of each coordinate; at most 1 in the cube.
    with_e2 : bool
        Whether r^2 has the factor e^2 that its union bound needs and that our print lacks.

    Returns
    -------
    float
        In nats; inf where it overflows.

    Raises
    ------
    ValueError
        Where n is too small for the first term's logarithm to be 2, as its proof needs.

    Notes
    -----
    Structure, M and ``e dim/n`` were reconstructed; the factor e^2 was derived; the 2 before the
    tail is an uncertain reading. Holds for "n sufficiently large", which the paper does not make
    explicit. Its values are not to be cited as proved.

    References
    ----------
    Goldfeld et al. (2019), supplement, Theorem 5, eq. (14).
    """
    n, dim, sigma = check_setting(n, dim, sigma)
    check_integer("n", n, minimum=2)
    K = check_scale("K", K)
    log_r2 = math.log(2.0 * math.log(n) / (math.e - 1.0)) + 2.0 * math.log(K + sigma)
    log_r2 += 2.0 if with_e2 else 0.0
    first = _log_region_term(dim * (math.log(2.0) + 0.5 * log_r2), n, dim, sigma)
    ratio = (K / sigma) ** 2
    a = 0.5 * dim * math.log(2.0 * math.pi * sigma**2) + 2.0 * dim * ratio
    m = a**2 + 2.0 * a * dim * (1.0 + 2.0 * ratio)
    m += 8.0 * (16.0 * (dim * ratio) ** 2 + dim * (2.0 + dim))
    tail = math.log(2.0) + 0.5 * (math.log(m * dim) + 1.0 - math.log(n))
    return exp_or_inf(float(np.logaddexp(first, tail)))


def _log_region_term(log_region: float, n: int, dim: int, sigma: float) -> float:
    """Return log of ``(D/2) log(n lambda/(pi sigma^2)^{dim/2})``, D the L1 distance over a region.

    ``D = (4 pi sigma^2)^{-dim/4} sqrt(lambda/n)``; the modulus of x log x that gives it grows
    only up to 1/e, where the logarithm is 2.
    """
    logarithm = math.log(n) + log_region - 0.5 * dim * math.log(math.pi * sigma**2)
    if logarithm < 2.0:
        raise ValueError(
            f"`n` must be large enough for the theorem's logarithm to be >= 2; got n={n}, "
            f"where it is {logarithm:.3g}."
        )
    log_d = 0.5 * (log_region - math.log(n)) - 0.25 * dim * math.log(4.0 * math.pi * sigma**2)
    return log_d + math.log(0.5 * logarithm)


def _log_theorem_4(n: int, dim: int, sigma: float, epsilon: float, tail: Tail) -> float:
    r = sigma * math.sqrt((2.0 + epsilon) * math.log(n))
    first = _log_region_term(dim * math.log(2.0 + 2.0 * r), n, dim, sigma)
    if tail == "none":
        return first
    c = 0.5 * dim * math.log(2.0 * math.pi * sigma**2) + dim / sigma**2
    m = c**2 + 2.0 * c * dim * (1.0 + sigma**-2) + 8.0 * dim * (dim / sigma**4 + 2.0 + dim)
    log_factor = {
        "2/n": math.log(2.0 / n),
        "2/sqrt(n)": math.log(2.0) - 0.5 * math.log(n),
        "sqrt(2/n)": 0.5 * math.log(2.0 / n),
        "cauchy-schwarz": math.log(2.0 * math.sqrt(dim)) - (0.5 + 0.25 * epsilon) * math.log(n),
    }[tail]
    return float(np.logaddexp(first, 0.5 * math.log(m) + log_factor))
