"""Nearest-neighbour entropy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import digamma, gammaln

from entbench._base import EntropyEstimator
from entbench._validation import check_choice, check_integer, check_samples

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_P_NORM = {"l2": 2.0, "linf": math.inf}


class KozachenkoLeonenko(EntropyEstimator):
    """Differential entropy by distances to the k-th nearest neighbour (Kozachenko-Leonenko, KL).

    ``psi(n) - psi(k) + log V_d + (d/n) sum_i log R_i``, R_i the distance of sample i to its k-th
    neighbour (itself not counted) and V_d the volume of the unit ball.

    Parameters
    ----------
    k : int, default=4
        Which neighbour, from 1 to n_samples - 1.
    norm : {"l2", "linf"}, default="l2"
        Euclidean or maximum norm.

    Attributes
    ----------
    entropy_ : float
        Differential entropy in nats. Never clipped.
    standard_error_ : float
        NaN: the method gives none.
    diagnostics_ : dict
        ``n_tied``: samples whose k-th neighbour is at distance 0.

    Notes
    -----
    Repeated samples: where the k-th neighbour of a sample lies at distance 0, the nearest one at a
    positive distance is used with its own rank in place of k. The entropy of a law with atoms is
    minus infinity, so a result with ``n_tied > 0`` says something only about ties that come from
    rounding. If all samples are equal there is no such neighbour and ``fit`` raises.

    For a Hoelder-smooth density (s in (0, 2]) the risk is of order
    ``n^{-s/(s+d)} log n + n^{-1/2}`` (recalled, not checked; Jiao, Gao & Han 2018). In high
    dimension the neighbours are far and the bias is large. Cost: O(n log n) in low dimension,
    towards O(n^2 dim) from dim = 10 on.

    References
    ----------
    Kozachenko & Leonenko, "Sample estimate of the entropy of a random vector", Problems of
    Information Transmission 23 (1987); k-th neighbours as in Kraskov, Stoegbauer & Grassberger,
    Phys. Rev. E 69, 066138 (2004), eq. (20), whose epsilon is twice the distance (recalled).
    """

    reads: ClassVar[Literal["signal", "noisy"]] = "noisy"
    version: ClassVar[str] = "1"

    def __init__(self, k: int = 4, norm: str = "l2") -> None:
        self.k = k
        self.norm = norm

    def check_parameters(self) -> None:
        """Raise where `k` or `norm` is out of range."""
        check_integer("k", self.k, minimum=1)
        check_choice("norm", self.norm, _P_NORM)

    def fit(self, X: ArrayLike, y: None = None) -> Self:
        """Estimate h(T) from samples of T, shape (n_samples, dim); see `EntropyEstimator`."""
        self.check_parameters()
        noisy = check_samples(X)
        n, dim = noisy.shape
        if self.k >= n:
            raise ValueError(
                f"`k` must be an integer in [1, n_samples - 1]; got k={self.k} with n_samples={n}."
            )
        radii, ranks = _neighbour_distances(noisy, int(self.k), _P_NORM[self.norm])
        self.n_features_in_ = dim
        self.entropy_ = float(
            digamma(n)
            - digamma(ranks).mean()
            + _log_ball_volume(dim, self.norm)
            + dim * np.log(radii).mean()
        )
        self.standard_error_ = math.nan
        self.diagnostics_ = {"n_tied": int(np.count_nonzero(ranks != self.k))}
        return self


def _neighbour_distances(
    noisy: NDArray[np.float64], k: int, p: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return each sample's distance to its k-th neighbour, and that neighbour's rank."""
    tree = cKDTree(noisy)
    radii = np.asarray(tree.query(noisy, k=[k + 1], p=p)[0])[:, 0]
    ranks = np.full(len(noisy), k)
    tied = radii == 0.0
    if tied.any():
        places, inverse, counts = np.unique(noisy, axis=0, return_inverse=True, return_counts=True)
        if len(places) == 1:
            raise ValueError("all samples of `X` are equal: the differential entropy is -inf.")
        own = inverse.ravel()[tied]
        radii[tied] = np.asarray(cKDTree(places).query(places[own], k=[2], p=p)[0])[:, 0]
        ranks[tied] = counts[own]
    return radii, ranks


def _log_ball_volume(dim: int, norm: str) -> float:
    if norm == "linf":
        return dim * math.log(2.0)
    return 0.5 * dim * math.log(math.pi) - float(gammaln(0.5 * dim + 1.0))
