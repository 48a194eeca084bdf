"""Nearest-neighbour mutual information."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Self

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import digamma

from entbench._base import MutualInformationEstimator
from entbench._compiled import threads_for
from entbench._distinct import distinct_rows
from entbench._validation import check_integer, check_jobs, check_pairs
from entbench.estimators._scatter import OWN_OF_STRIPS, neighbour_error, neighbour_rows
from entbench.neighbours import count_within, means_within, neighbour_distances

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

# rows whose neighbours are listed at once
_CHUNK = 256


class NeighbourInformation(MutualInformationEstimator):
    """What the nearest-neighbour estimators of I(X;Y) have in common: an average over samples."""

    reads: ClassVar[Literal["signal", "noisy"]] = "noisy"
    version: ClassVar[str] = "2"

    def __init__(self, k: int = 3, n_jobs: int | None = None) -> None:
        self.k = k
        self.n_jobs = n_jobs

    def check_parameters(self) -> None:
        """Raise where `k` or `n_jobs` is out of range."""
        check_integer("k", self.k, minimum=1)
        check_jobs(self.n_jobs)

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Estimate I(X;Y) from pairs; see `MutualInformationEstimator`."""
        self.check_parameters()
        x, other = check_pairs(X, y)
        n = len(x)
        if self.k >= n:
            raise ValueError(
                f"`k` must be an integer in [1, n_samples - 1]; got k={self.k} with n_samples={n}."
            )
        local = self._terms(x, other, int(self.k))
        terms = local.terms
        self.n_features_in_ = x.shape[1]
        self.mutual_information_ = float(terms.mean())
        self.diagnostics_ = {"n_tied": local.n_tied}
        self.standard_error_ = _standard_error(x, other, local)
        return self

    @abstractmethod
    def _terms(self, x: Floats, y: Floats, k: int) -> Local:
        """Return what to average, and what it is made of."""


class KSG1(NeighbourInformation):
    """Mutual information by nearest neighbours in a cube (Kraskov-Stoegbauer-Grassberger 1, KSG1).

    ``psi(k) + psi(n) - <psi(n_x + 1) + psi(n_y + 1)>``: with R_i the distance of sample i to its
    k-th neighbour in the joint space, n_x and n_y are how many other samples are nearer than R_i in
    X and in Y. All distances are largest differences along an axis.

    Parameters
    ----------
    k : int, default=3
        Which neighbour, from 1 to n_samples - 1.
    n_jobs : int or None, default=None
        Threads; -1 for all cores. None for as many as the environment sets: one in the workers of
        a suite. The result does not depend on it.

    Attributes
    ----------
    mutual_information_ : float
        Mutual information in nats. Never clipped.
    standard_error_ : float
        Standard deviation of the value from one sample to the next, in nats; see Notes.
    diagnostics_ : dict
        ``n_tied``: samples with k others at distance 0.

    Notes
    -----
    The bias is near 0 where X and Y are independent (found numerically, by the authors). It is
    negative where they depend so strongly that the density varies within a cube of k neighbours,
    and in high dimension. Where no distances are tied the estimate is at most ``psi(n) - psi(k)``.
    X and Y are compared to each other in one distance: scale their columns to be alike, to which
    the information is indifferent and the estimate is not.

    Ties: no noise is added. Where other samples are at the distance of the k-th neighbour too, k is
    the rank of the first of them: one more than there are samples nearer, which is what n_x and n_y
    count. Where that distance is 0, the nearest sample at a positive distance is used, with its own
    rank. On laws of atoms alone this is the plug-in, but for psi in place of log; on laws of both
    kinds see `mixed-ksg`. Numbers rounded to a grid about as wide as the distances still cost
    accuracy: +0.15 nats in place of +0.67 with k for each rank, for a correlation of 0.89, 20000
    samples and 2 digits behind the point. If all samples are equal ``fit`` raises.

    Cost: O(n log n) in few dimensions, towards O(n^2 dim) from about 10 on; memory O(n dim).

    Standard error: as in `KozachenkoLeonenko`, the samples within R_i in X and in Y counting with
    the opposite sign of those in the ball, and with ``(1/k) [(1 - k/n_x)(1 - k/n_y) +
    (k/n_x)(k/n_y)]`` in place of 1/k; measured, not proved. Stated over actual, six joint laws, n =
    300 and 2000, one to three dimensions: 0.86 to 1.23 with k = 3.

    References
    ----------
    Kraskov, Stoegbauer & Grassberger, "Estimating mutual information", Phys. Rev. E 69, 066138
    (2004), eq. (8). The rule for ties is ours.
    """

    def _terms(self, x: Floats, y: Floats, k: int) -> Local:
        joint = np.hstack([x, y])
        distances = neighbour_distances(joint, k, "linf", self.n_jobs)
        radii = distances[:, -1].copy()
        ranks = 1 + np.count_nonzero(distances < radii[:, None], axis=1)
        tied = radii == 0.0
        if tied.any():
            radii[tied], ranks[tied] = nearest_differing(joint, tied, "linf", self.n_jobs)
        n_x, n_y = (count_within(one, radii, "linf", True, self.n_jobs) for one in (x, y))
        terms = digamma(ranks) + digamma(len(x)) - digamma(n_x + 1) - digamma(n_y + 1)
        n_tied = int(np.count_nonzero(tied))
        return Local(terms, n_tied, ranks, n_x + 1, n_y + 1, radii, radii)


class KSG2(NeighbourInformation):
    """Mutual information by nearest neighbours in a box (Kraskov-Stoegbauer-Grassberger 2, KSG2).

    ``psi(k) - 1/k + psi(n) - <psi(n_x) + psi(n_y)>``: n_x counts the other samples that are in X no
    farther from sample i than the farthest, in X, of its k nearest neighbours in the joint space;
    n_y in the same way. All distances are largest differences along an axis.

    Parameters
    ----------
    k : int, default=3
        How many neighbours, from 1 to n_samples - 1.
    n_jobs : int or None, default=None
        Threads; -1 for all cores. None for as many as the environment sets: one in the workers of
        a suite. The result does not depend on it.

    Attributes
    ----------
    mutual_information_ : float
        Mutual information in nats. Never clipped.
    standard_error_ : float
        Standard deviation of the value from one sample to the next, in nats; see Notes.
    diagnostics_ : dict
        ``n_tied``: samples with k others at distance 0.

    Notes
    -----
    The bias is near 0 where X and Y are independent (found numerically, by the authors), and
    negative where they depend strongly and in high dimension. Where no distances are tied the
    estimate is at most ``psi(n) - psi(k) - 1/k``. It is low by about 1/k where one of X and Y
    is discrete and the other is not. X and Y are compared to each other in one distance: scale
    their columns to be alike, to which the information is indifferent and the estimate is not.

    Ties: no noise is added. All others at the distance of the k-th neighbour count as neighbours,
    and k is their number, so that the order of the samples does not matter. Where they are more
    than k, or that distance is 0, neighbours fill a cube that was not drawn around k of them, and
    1/k, which stands for those on its sides, is left out. On laws of atoms alone this is the
    plug-in, but for psi in place of log; on laws of both kinds see `mixed-ksg`. Numbers rounded to
    a grid about as wide as the distances cost accuracy: -0.10 nats for a correlation of 0.89, 20000
    samples and 2 digits behind the point. If all samples are equal ``fit`` raises.

    Cost: O(n log n) in few dimensions, towards O(n^2 dim) from about 10 on; memory O(n k + n dim).
    Samples with more than k neighbours because of ties take in proportion to these, up to O(n)
    each.

    Standard error: as in `KozachenkoLeonenko`, the samples within R_i in X and in Y counting with
    the opposite sign of those in the ball, and with ``(1/k) [(1 - k/n_x)(1 - k/n_y) +
    (k/n_x)(k/n_y)]`` in place of 1/k; measured, not proved. Stated over actual, six joint laws, n =
    300 and 2000, one to three dimensions: 0.80 to 1.18.

    References
    ----------
    Kraskov, Stoegbauer & Grassberger, "Estimating mutual information", Phys. Rev. E 69, 066138
    (2004), eq. (9). The rule for ties is ours.
    """

    known_failures: ClassVar[Mapping[str, str]] = {
        "truth-discrete": "it assumes a density of X and of Y; `mixed-ksg` does not"
    }

    def _terms(self, x: Floats, y: Floats, k: int) -> Local:
        n = len(x)
        joint = np.hstack([x, y])
        if (joint == joint[0]).all():
            raise all_equal()
        ranks, reach_x, reach_y, tied = _neighbour_boxes(x, y, joint, k, self.n_jobs)
        n_x = count_within(x, reach_x, "linf", False, self.n_jobs)
        n_y = count_within(y, reach_y, "linf", False, self.n_jobs)
        sides = np.where(tied | (ranks != k), 0.0, 1.0 / k)
        terms = digamma(ranks) - sides + digamma(n) - digamma(n_x) - digamma(n_y)
        n_tied = int(np.count_nonzero(tied))
        return Local(terms, n_tied, ranks, n_x, n_y, reach_x, reach_y)


class Local(NamedTuple):
    """What a sample's neighbours tell, sample by sample.

    Attributes
    ----------
    terms : ndarray of shape (n,)
        What is averaged.
    n_tied : int
        Samples with k others at distance 0.
    ranks, n_x, n_y : ndarray of shape (n,)
        Samples in the ball, and within its reach in X and in Y.
    radii_x, radii_y : ndarray of shape (n,)
        Those reaches.
    norm : {"linf", "l2"}
        Of the distances.
    """

    terms: Floats
    n_tied: int
    ranks: NDArray[np.integer]
    n_x: NDArray[np.integer]
    n_y: NDArray[np.integer]
    radii_x: Floats
    radii_y: Floats
    norm: str = "linf"


def _standard_error(x: Floats, y: Floats, local: Local) -> float:
    """Return the standard deviation over samples."""
    rows, terms = neighbour_rows(len(x)), local.terms
    radii_x, radii_y = local.radii_x[rows], local.radii_y[rows]
    in_x = means_within(x, rows, radii_x, terms, local.norm)
    in_y = means_within(y, rows, radii_y, terms, local.norm)
    joint = np.hstack([x, y])
    in_ball = means_within(joint, rows, np.maximum(radii_x, radii_y), terms, local.norm)
    around = float((in_x + in_y - in_ball - terms[rows]).mean())
    k = np.minimum(local.ranks, np.minimum(local.n_x, local.n_y))
    of_x, of_y = k / local.n_x, k / local.n_y
    noise = float((((1.0 - of_x) * (1.0 - of_y) + of_x * of_y) / k).mean())
    return neighbour_error(terms, around, noise, OWN_OF_STRIPS)


def all_equal() -> ValueError:
    """Return the error where no two samples differ."""
    return ValueError("all rows of `X` and `y` are equal: no distance between samples is positive.")


def nearest_differing(
    joint: Floats, tied: NDArray[np.bool_], norm: str, n_jobs: int | None
) -> tuple[Floats, NDArray[np.intp]]:
    """Return the distance of the nearest differing sample, and its rank, of samples with copies."""
    first, index = distinct_rows(joint) or (np.arange(len(joint)), np.arange(len(joint)))
    if len(first) == 1:
        raise all_equal()
    copies = np.bincount(index, minlength=len(first))
    nearest = neighbour_distances(np.ascontiguousarray(joint[first]), 1, norm, n_jobs)[:, 0]
    return nearest[index[tied]], copies[index[tied]]


def _neighbour_boxes(
    x: Floats, y: Floats, joint: Floats, k: int, n_jobs: int | None
) -> tuple[NDArray[np.intp], Floats, Floats, NDArray[np.bool_]]:
    """Return how many neighbours each sample has, and how far they reach in X and in Y.

    Last, whether they are all at distance 0.
    """
    n = len(x)
    tied = neighbour_distances(joint, k, "linf", n_jobs)[:, -1] == 0.0
    ranks, reach_x, reach_y = np.full(n, k), np.zeros(n), np.zeros(n)
    ranks[tied] = count_within(joint, np.zeros(n), "linf", False, n_jobs)[tied]
    rows = np.flatnonzero(~tied)
    tree, workers = cKDTree(joint), threads_for(n_jobs)
    # the sample itself is among them, or a copy, and one more to see ties by
    query = tree.query(joint[rows], k=min(k + 2, n), p=math.inf, workers=workers)
    found, nearest = (np.asarray(part) for part in query)
    for points, reach in ((x, reach_x), (y, reach_y)):
        reach[rows] = _reach(points, rows, nearest[:, : k + 1])
    radii = found[:, k]
    more = found[:, -1] == radii if n > k + 1 else np.zeros(len(rows), dtype=np.bool_)
    rows, radii = rows[more], radii[more]
    for start in range(0, len(rows), _CHUNK):
        chunk, within = rows[start : start + _CHUNK], radii[start : start + _CHUNK]
        near = tree.query_ball_point(joint[chunk], within, p=math.inf, workers=workers)
        for i, others in zip(chunk, near, strict=True):
            ranks[i] = len(others) - 1
            reach_x[i], reach_y[i] = (np.abs(one[others] - one[i]).max() for one in (x, y))
    return ranks, reach_x, reach_y, tied


def _reach(points: Floats, rows: NDArray[np.intp], nearest: NDArray[np.intp]) -> Floats:
    """Return the largest distance of some samples to their neighbours, along any axis."""
    reach = np.zeros(len(rows))
    for others in nearest.T:
        np.maximum(reach, np.abs(points[others] - points[rows]).max(axis=1), out=reach)
    return reach
