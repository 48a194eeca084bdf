"""Pairwise-distance bounds on the entropy of a mixture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from entbench._base import EntropyEstimator
from entbench._validation import check_positive, check_samples
from entbench.mixture import GaussianMixture, gaussian_entropy

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class _PairwiseDistanceBound(EntropyEstimator):
    """``h(Z) - (1/n) sum_i log (1/n) sum_j exp(-|S_i - S_j|^2 / (2 (s sigma)^2))``, stretch s."""

    reads: ClassVar[Literal["signal", "noisy"]] = "signal"
    version: ClassVar[str] = "1"
    _stretch: ClassVar[float]

    def __init__(self, sigma: float) -> None:
        self.sigma = sigma

    def check_parameters(self) -> None:
        """Raise where `sigma` is out of range."""
        check_positive("sigma", self.sigma)

    def fit(self, X: ArrayLike, y: None = None) -> Self:
        """Bound the entropy from samples of S, shape (n_samples, dim); see `EntropyEstimator`."""
        self.check_parameters()
        signal = check_samples(X)
        dim = signal.shape[1]
        width = self._stretch * self.sigma
        log_kernel = float(GaussianMixture(signal, width).log_kernel_sums(tolerance=1e-10).mean())
        self.n_features_in_ = dim
        self.entropy_ = gaussian_entropy(dim, self.sigma) - log_kernel
        self.standard_error_ = math.nan
        self.diagnostics_ = {}
        return self


class KolchinskyTraceyUpper(_PairwiseDistanceBound):
    """Upper bound on the mixture's differential entropy by pairwise Kullback-Leibler distances.

    ``h(Z) - (1/n) sum_i log (1/n) sum_j exp(-|S_i - S_j|^2 / (2 sigma^2))``.

    Parameters
    ----------
    sigma : float
        Standard deviation of the noise Z, in the unit of the samples.

    Attributes
    ----------
    entropy_ : float
        The bound in nats. Never clipped.
    standard_error_ : float
        NaN: the method gives none (it is exact given the samples).

    Notes
    -----
    It bounds the entropy of the mixture on the n samples, that is, what `sp` estimates; not
    h(S+Z), which lies above the mixture's on average. Cost: O(n^2 dim) at most, storage O(n dim).

    References
    ----------
    Kolchinsky & Tracey, "Estimating mixture entropy with pairwise distances", Entropy 19, 361
    (2017), the estimator with the Kullback-Leibler divergence.
    """

    _stretch = 1.0


class KolchinskyTraceyLower(_PairwiseDistanceBound):
    """Lower bound on the mixture's differential entropy by pairwise Bhattacharyya distances.

    ``h(Z) - (1/n) sum_i log (1/n) sum_j exp(-|S_i - S_j|^2 / (8 sigma^2))``.

    Parameters
    ----------
    sigma : float
        Standard deviation of the noise Z, in the unit of the samples.

    Attributes
    ----------
    entropy_ : float
        The bound in nats. Never clipped.
    standard_error_ : float
        NaN: the method gives none (it is exact given the samples).

    Notes
    -----
    It bounds the entropy of the mixture on the n samples, that is, what `sp` estimates; not
    h(S+Z). Of the Chernoff-alpha family alpha = 1/2, taken here, is the best for equal
    covariances. Cost: O(n^2 dim) at most, storage O(n dim).

    References
    ----------
    Kolchinsky & Tracey, "Estimating mixture entropy with pairwise distances", Entropy 19, 361
    (2017), the estimator with the Bhattacharyya distance.
    """

    _stretch = 2.0
