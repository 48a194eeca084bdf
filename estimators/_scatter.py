"""Standard errors over samples, from the terms that a fit has at hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import logsumexp

from entbench.mixture import GaussianMixture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# Rows whose scatter stands for that of all where more would cost time: of 1024 terms with the
# kurtosis of a normal law's log-density (15) the deviation is known to 6 %.
MOST_ROWS = 1024
# Covariance of a term and the mean term of the samples in its ball, times k, in a uniform law.
OWN_OF_BALLS = -0.5
OWN_OF_STRIPS = -0.3
_GOLDEN = 0.5 * (math.sqrt(5.0) - 1.0)
_MOST_BALLS = 64
_MOST_PAIR_ROWS = 256
_EXCESS = 2.0 / 3.0
_ROLE_TOLERANCE = 1e-3
_MOST_LOG_WEIGHT = 600.0


def some_rows(n: int, most: int = MOST_ROWS) -> NDArray[np.intp]:
    """Return at most `most` of `n` rows, spread evenly, with no period that rows could share."""
    if n <= most:
        return np.arange(n)
    return np.unique((np.arange(most) * _GOLDEN % 1.0 * n).astype(np.intp))


def mean_error(influences: Floats, n: int, more: float = 0.0, at_least: float = 0.0) -> float:
    """Return the standard deviation of a mean over `n` samples.

    Parameters
    ----------
    influences : ndarray of shape (m,)
        What single samples add to n times the mean, up to a constant; of some samples, or all.
    n : int
        Number of samples.
    more : float
        What to add to the variance of the influences.
    at_least : float
        What the sum is at least.
    """
    variance = float(influences.var(ddof=1)) if len(influences) > 1 else 0.0
    return math.sqrt(max(variance + more, at_least, 0.0) / n)


def neighbour_rows(n: int) -> NDArray[np.intp]:
    """Return the rows whose neighbours are looked at for `neighbour_error`."""
    return some_rows(n, _MOST_BALLS)


def neighbour_influences(terms: Floats, around: float, noise: float, own: float) -> Floats:
    """Return what samples add to the sum of log-volumes of neighbour balls.

    Parameters are those of `neighbour_error`.
    """
    variance = float(terms.var(ddof=1))
    slope = (around - own * noise) / variance if variance > 0.0 else 0.0
    return terms * (1.0 - min(max(slope, -1.0), 1.0))


def neighbour_error(terms: Floats, around: float, noise: float, own: float) -> float:
    """Return the standard deviation of a mean of log-volumes of neighbour balls.

    Parameters
    ----------
    terms : ndarray of shape (n,)
        What is averaged.
    around : float
        Covariance of a sample's term and its share in the balls of others.
    noise : float
        Mean of 1/k, or what stands for it.
    own : float
        The covariance that neighbours have in a uniform law, in units of `noise`.

    Notes
    -----
    A term is minus a log-density and the log of a Gamma(k) variable. Neighbouring samples share
    their balls, so n times the variance of the mean of those logs is not ``psi_1(k)`` but
    ``v(k)``, whatever the density as n grows, and ``v(k) - psi_1(k)`` is near ``2/(3k)``: measured
    on tori from 1 to 5 dimensions, k = 1 to 30.
    """
    influences = neighbour_influences(terms, around, noise, own)
    return mean_error(influences, len(terms), _EXCESS * noise)


def kernel_role(
    centres: Floats,
    log_means: Floats,
    width: float,
    points: Floats,
    n_jobs: int | None,
    leave_out: NDArray[np.intp] | None = None,
) -> Floats:
    """Return ``mean_j K(points_i - c_j) / exp(log_means_j)``, K the Gaussian kernel, 1 at 0.

    In ``mean_j log mean_i K(x_i - c_j)`` it is what a sample adds as a centre of the kernels.

    Parameters
    ----------
    centres : ndarray of shape (n, dim)
        The c_j.
    log_means : ndarray of shape (n,)
        Log of the mean over the samples of the kernels at each of them.
    width : float
        The kernel's standard deviation.
    points : ndarray of shape (m, dim)
        Samples.
    n_jobs : int or None
        Threads.
    leave_out : ndarray of shape (m,), optional
        Rows of `centres` that the points are; left out of their means where given.
    """
    # weights must not vanish; where no kernel reaches, a sample's share in a mean is taken for none
    inverse = np.minimum(-log_means, _MOST_LOG_WEIGHT - float(log_means.max()))
    mixture = GaussianMixture(centres, width, np.exp(inverse - inverse.max()), n_jobs=n_jobs)
    n = len(centres)
    if leave_out is None:
        logs = mixture.log_kernel_sums(points, _ROLE_TOLERANCE)
    else:
        n -= 1
        sums = mixture.kernels.sums(points, _ROLE_TOLERANCE, left_out=mixture.left_out(leave_out))
        logs = math.log(2.0) * sums.log2
    return np.exp(logs + float(logsumexp(inverse)) - math.log(n))


class KernelInfluences(NamedTuple):
    """What samples add to ``sum_i log mean_j K(x_i - x_j)``.

    Attributes
    ----------
    rows : ndarray of shape (m,)
        Which samples.
    values : ndarray of shape (m,)
        What each adds, as a point and as a centre of the kernels, up to a constant.
    double : float
        n times the variance that is of pairs, of which the scatter of `values` holds twice as much.
    """

    rows: NDArray[np.intp]
    values: Floats
    double: float

    def error(self, n: int) -> float:
        """Return the standard deviation over samples of the mean over `n` of them."""
        return mean_error(self.values, n, -self.double, at_least=self.double)


def kernel_influences(
    points: Floats, log_means: Floats, width: float, n_jobs: int | None, own: bool
) -> KernelInfluences:
    """Return what samples add to the sum of the logs of their kernel means.

    Parameters
    ----------
    points : ndarray of shape (n, dim)
        Samples, each a centre.
    log_means : ndarray of shape (n,)
        Logs of the kernel means at the samples.
    width : float
        The kernel's standard deviation.
    n_jobs : int or None
        Threads.
    own : bool
        Whether a sample's own kernel is in its mean.

    Notes
    -----
    With ``r_ij`` the share of sample i in the mean at j, a sample adds ``log m_i + sum_j r_ij``,
    its own share left out, which is there whatever the sample. Two together add
    ``-r_ij - r_ji + sum_l r_il r_jl``. Where the density varies little within a kernel, half the
    mean square of that is ``c sum_j r_ij^2`` with ``c = 2 - 2 (2/3)^(d/2) + (1/2)^(d/2) / 2``, the
    Gaussian integrals; where samples stand alone the last sum is small, and ``c = 2``.
    """
    n, dim = points.shape
    rows = some_rows(n)
    few = some_rows(n, _MOST_PAIR_ROWS)
    role = kernel_role(points, log_means, width, points[rows], n_jobs, rows)
    squares = kernel_role(points, 2.0 * log_means, width / math.sqrt(2.0), points[few], n_jobs, few)
    alone = float(np.exp(-log_means).mean()) / n if own else 0.0
    dense = 2.0 - 2.0 * (2.0 / 3.0) ** (0.5 * dim) + 0.5 ** (0.5 * dim + 1.0)
    factor = dense + (2.0 - dense) * min(1.0, alone)
    return KernelInfluences(rows, log_means[rows] + role, factor * float(squares.mean()) / n)
