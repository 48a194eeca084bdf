"""Distances at chosen ranks, with a rule for samples that are repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from entbench.neighbours._neighbours import neighbour_distances

if TYPE_CHECKING:
    from numpy.typing import NDArray


class RankedDistances(NamedTuple):
    """Positive distances and their ranks.

    Attributes
    ----------
    distances : ndarray of shape (n, m)
        Distance from each sample to the neighbours of m ranks; never 0.
    ranks : int64 array of shape (n, m)
        Ranks as asked, but for ties.
    n_tied : int
        Samples of which some neighbour asked for lies at distance 0.
    """

    distances: NDArray[np.float64]
    ranks: NDArray[np.int64]
    n_tied: int


def distances_at_ranks(
    points: NDArray[np.float64], ranks: list[int], norm: str = "l2", n_jobs: int | None = None
) -> RankedDistances:
    """Return the distances from each sample to its neighbours of some ranks.

    Where a neighbour lies at distance 0, the nearest one at a positive distance stands in, with its
    own rank: c, where c samples are at the same place.

    Parameters
    ----------
    points : ndarray of shape (n, dim)
        Finite samples.
    ranks : list of int
        Ranks, from 1 to n - 1.
    norm, n_jobs
        See `neighbour_distances`.

    Raises
    ------
    ValueError
        If all samples are equal, or lie closer than a square in double precision can tell.
    """
    columns = np.asarray(ranks, dtype=np.int64) - 1
    distances = neighbour_distances(points, max(ranks), norm, n_jobs)[:, columns]
    found = np.tile(columns + 1, (len(points), 1))
    zero = distances == 0.0
    tied = zero.any(axis=1)
    if tied.any():
        # adding 0 makes one zero of both
        same = np.unique(points + 0.0, axis=0, return_inverse=True, return_counts=True)
        places, own, counts = same[0], same[1].ravel()[:, None], same[2]
        if len(places) == 1:
            raise ValueError("all samples of `X` are equal: the differential entropy is -inf.")
        nearest = neighbour_distances(places, 1, norm, n_jobs)[:, 0]
        distances = np.where(zero, nearest[own], distances)
        found = np.where(zero, counts[own], found)
        if distances.min() == 0.0:
            raise ValueError(
                "samples of `X` that differ must not lie closer than 1e-154 times the extent of "
                "all; got some whose distance comes out as 0."
            )
    return RankedDistances(distances, found, int(np.count_nonzero(tied)))
