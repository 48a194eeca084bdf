"""Bounds on the mean squared error of Monte Carlo integration of a mixture's entropy, in nats^2.

The estimator draws `n_mc` points from each of the n components of an equal-weight mixture and
averages ``-log g``. Drawing from the mixture itself adds the variance between components.
"""

from __future__ import annotations

import math

from entbench._validation import check_integer
from entbench.bounds._arguments import check_not_negative, check_setting


def monte_carlo_mse_theorem_7(n: int, n_mc: int, dim: int, sigma: float) -> float:
    r"""Return Theorem 7's bound on the squared error, centres in the cube [-1, 1]^dim.

    .. math::

        E (\hat h_{MC} - h_{SP})^2 \leq \frac{1}{n n_{MC}} \frac{2 d (2 + \sigma^2)}{\sigma^2}

    Returns
    -------
    float
        In nats^2.

    Notes
    -----
    The print is legible; recalled as well, and true since it exceeds `monte_carlo_mse_bound`, which
    does not need the cube and is smaller at least by half.

    References
    ----------
    Goldfeld et al. (2019), supplement, Theorem 7, eq. (20).
    """
    n, dim, sigma = check_setting(n, dim, sigma)
    draws = n * check_integer("n_mc", n_mc, minimum=1)
    return 2.0 * dim * (2.0 / sigma**2 + 1.0) / draws


def monte_carlo_mse_theorem_7_moment(
    n: int, n_mc: int, dim: int, sigma: float, second_moment: float
) -> float:
    r"""Return Theorem 7's bound on the squared error, centres C with ``E |C|^2 = second_moment``.

    .. math::

        E (\hat h_{MC} - h_{SP})^2 \leq \frac{1}{n n_{MC}}
        \frac{9 d \sigma^2 + 8 (2 + \sigma \sqrt{d}) M + 3 (11 \sigma \sqrt{d} + 1) \sqrt{M}}
        {\sigma^2}

    M is the second moment.

    Returns
    -------
    float
        In nats^2.

    Notes
    -----
    The print is legible; recalled as well, and true since it exceeds `monte_carlo_mse_bound`.

    References
    ----------
    Goldfeld et al. (2019), supplement, Theorem 7, eq. (21).
    """
    n, dim, sigma = check_setting(n, dim, sigma)
    draws = n * check_integer("n_mc", n_mc, minimum=1)
    moment = check_not_negative("second_moment", second_moment)
    width = sigma * math.sqrt(dim)
    centres = 8.0 * (2.0 + width) * moment + 3.0 * (11.0 * width + 1.0) * math.sqrt(moment)
    return (9.0 * dim + centres / sigma**2) / draws


def monte_carlo_mse_bound(n: int, n_mc: int, dim: int) -> float:
    r"""Return a bound on the squared error that holds for any centres and any noise level.

    .. math::

        E (\hat h_{MC} - h_{SP})^2 \leq \frac{d}{n n_{MC}}

    Returns
    -------
    float
        In nats^2.

    Notes
    -----
    Proved: Poincare's inequality for each component gives ``sigma^2 J(V)``, J the Fisher
    information of the mixture, at most ``dim/sigma^2``. Separated components have half of it.
    Sharper than Theorem 7 by ``2 (2 + sigma^2)/sigma^2`` at least.
    """
    draws = check_integer("n", n, minimum=1) * check_integer("n_mc", n_mc, minimum=1)
    return check_integer("dim", dim, minimum=1) / draws


def monte_carlo_mse_control_variate(
    n: int, n_mc: int, dim: int, sigma: float, mmse: float | None = None
) -> float:
    r"""Return a bound on the squared error where ``|Z|^2/(2 sigma^2)`` is a control variate.

    .. math::

        E (\hat h_{MC} - h_{SP})^2 \leq \frac{\mathrm{mmse}(C | C+Z)}{\sigma^2 n n_{MC}}
        \leq \frac{d}{n n_{MC}}

    C is one of the centres at random.

    Parameters
    ----------
    n, n_mc : int
        Components, and draws from each.
    dim : int
        Dimension.
    sigma : float
        Standard deviation of the noise.
    mmse : float, optional
        ``E |C - E(C | C+Z)|^2``, in the units of C squared; by default its largest value,
        ``dim sigma^2``.

    Returns
    -------
    float
        In nats^2; 0 in the limit of separated components.

    Notes
    -----
    Proved: the integrand's gradient is ``E(C | C+Z) - C`` over sigma^2. Not in the papers.
    """
    n, dim, sigma = check_setting(n, dim, sigma)
    bound = monte_carlo_mse_bound(n, n_mc, dim)
    if mmse is None:
        return bound
    return min(bound, check_not_negative("mmse", mmse) / sigma**2 / (n * int(n_mc)))
