"""Kernel-density entropy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.spatial import cKDTree

from entbench._base import EntropyEstimator
from entbench._validation import check_positive_or, check_samples
from entbench.mixture import GaussianMixture

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_LIKELIHOOD = "likelihood"
_KERNEL_ERROR = 1e-10  # nats
_LOG_STEP = math.log(2.0)
_LOG_BANDWIDTH_TOLERANCE = 1e-3


class LeaveOneOutKDE(EntropyEstimator):
    """Differential entropy by a Gaussian kernel density, leave-one-out.

    ``-(1/n) sum_i log phat_{-i}(X_i)``, phat_{-i} the kernel density of the other samples: the
    first-order leave-one-out von Mises estimator of the Shannon entropy.

    Parameters
    ----------
    bandwidth : float or "likelihood", default="likelihood"
        Standard deviation of the kernel, in the unit of the samples; or chosen to maximise the
        leave-one-out likelihood, that is, to minimise the estimate itself.

    Attributes
    ----------
    entropy_ : float
        Differential entropy in nats. Never clipped.
    standard_error_ : float
        NaN: the method gives none.
    diagnostics_ : dict
        ``bandwidth``: the one used.

    Notes
    -----
    Repeated samples: the leave-one-out likelihood grows without limit as the bandwidth shrinks if
    every sample has a twin; then ``fit`` raises and a bandwidth must be given.

    The search walks in ratio 2 through all bandwidths that can be the best, then refines to 0.1 %.
    Cost: O(n^2 dim) a bandwidth at most, less where kernels are out of reach of each other.
    High-biased by the kernel's smoothing, the more so the higher the dimension.

    References
    ----------
    Kandasamy et al., "Nonparametric von Mises estimators for entropies, divergences and mutual
    informations", NIPS 2015 (their leave-one-out estimator with the influence function of the
    Shannon entropy, ``psi(x; p) = -log p(x) - H(p)``).
    """

    reads: ClassVar[Literal["signal", "noisy"]] = "noisy"
    version: ClassVar[str] = "1"

    def __init__(self, bandwidth: float | str = _LIKELIHOOD) -> None:
        self.bandwidth = bandwidth

    def check_parameters(self) -> None:
        """Raise where `bandwidth` is neither "likelihood" nor a positive number."""
        check_positive_or("bandwidth", self.bandwidth, _LIKELIHOOD)

    def fit(self, X: ArrayLike, y: None = None) -> Self:
        """Estimate h(T) from samples of T, shape (n_samples, dim); see `EntropyEstimator`."""
        self.check_parameters()
        noisy = check_samples(X)
        if isinstance(self.bandwidth, str):
            bandwidth = _likelihood_bandwidth(noisy)
        else:
            bandwidth = float(self.bandwidth)
        self.n_features_in_ = noisy.shape[1]
        self.entropy_ = _cross_entropy(noisy, bandwidth)
        self.standard_error_ = math.nan
        self.diagnostics_ = {"bandwidth": bandwidth}
        return self


def _cross_entropy(noisy: NDArray[np.float64], bandwidth: float) -> float:
    return -float(GaussianMixture(noisy, bandwidth).leave_one_out_log_density(_KERNEL_ERROR).mean())


def _likelihood_bandwidth(noisy: NDArray[np.float64]) -> float:
    """Return the bandwidth that minimises the leave-one-out cross-entropy.

    The cross-entropy need not have one minimum only (clustered data can have one per scale), so
    the whole range that can hold the minimum is walked through, and the lowest value refined.
    """

    def objective(log_bandwidth: float) -> float:
        return _cross_entropy(noisy, math.exp(log_bandwidth))

    low, high = (math.log(bandwidth) for bandwidth in _bandwidth_range(noisy))
    grid = np.linspace(low, high, 2 + math.ceil((high - low) / _LOG_STEP))
    step = grid[1] - grid[0]
    best = grid[np.argmin([objective(log_bandwidth) for log_bandwidth in grid])]
    found = minimize_scalar(
        objective,
        bounds=(best - step, best + step),
        method="bounded",
        options={"xatol": _LOG_BANDWIDTH_TOLERANCE},
    )
    return math.exp(float(found.x))


def _bandwidth_range(noisy: NDArray[np.float64]) -> tuple[float, float]:
    """Return bandwidths between which the cross-entropy takes its minimum.

    Its derivative by log h is ``dim - r^2/h^2`` averaged over samples, r^2 a mean of squared
    distances between that of the nearest neighbour and the squared diameter. So it rises with h
    beyond ``diameter / sqrt(dim)``; and it falls with h where the samples without a twin, m of n
    and at least r_min from their neighbours, outweigh the others: ``m r_min^2 / h^2 > n dim``.
    """
    n, dim = noisy.shape
    places, counts = np.unique(noisy, axis=0, return_counts=True)
    single = int(np.count_nonzero(counts == 1))
    if single == 0:
        raise ValueError(
            "every sample of `X` has a twin, so the leave-one-out likelihood has no maximum; "
            "give `bandwidth` a number."
        )
    nearest = float(np.asarray(cKDTree(places).query(places, k=[2])[0]).min())
    diameter = float(np.linalg.norm(np.ptp(noisy, axis=0)))
    return nearest * math.sqrt(single / (n * dim)), diameter / math.sqrt(dim)
