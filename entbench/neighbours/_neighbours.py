"""What others call: distances to the nearest samples, and counts of samples in balls."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import gammaln

from entbench._compiled import in_threads, threads_for
from entbench._validation import check_choice, check_integer, check_jobs
from entbench.neighbours._tree import Tree, make_tree
from entbench.neighbours._walk import Scratch, count_near, make_scratch, search_nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

Norm = Literal["l2", "linf"]
NORMS: tuple[Norm, ...] = ("l2", "linf")

_CHUNKS = 32


def neighbour_distances(
    points: NDArray[np.float64], k: int, norm: str = "l2", n_jobs: int | None = None
) -> NDArray[np.float64]:
    """Return the distances from each sample to its nearest others.

    Parameters
    ----------
    points : ndarray of shape (n, dim)
        Finite samples. Repeated ones are each other's neighbours, at distance 0.
    k : int
        How many neighbours, from 1 to n - 1.
    norm : {"l2", "linf"}, default="l2"
        Euclidean or maximum norm.
    n_jobs : int or None, default=None
        Threads; -1 for all cores. None for as many as the environment sets: one in the workers of
        a suite. The result does not depend on it.

    Returns
    -------
    ndarray of shape (n, k)
        Sorted distances, bit for bit those of the direct evaluation in double precision, axis by
        axis. Distances below 1e-154 times the samples' extent come out as 0 in the Euclidean norm.

    Raises
    ------
    ValueError, TypeError
        If `k`, `norm` or `n_jobs` is out of range.

    Notes
    -----
    Cost: O(n log n) in few dimensions; towards O(n^2 dim) from dim = 8 on, in single-precision
    vector code of which nothing is kept that double precision has not confirmed.
    """
    check_choice("norm", norm, NORMS)
    n = len(points)
    k = check_neighbours(k, n)
    tree, power = make_tree(points, norm == "linf")
    heap = np.full((n, k), np.inf)

    def work(start: int, stop: int, scratch: Scratch) -> None:
        search_nearest(tree, start, stop, heap, scratch)

    _over_tiles(work, tree, n_jobs)
    heap.sort(axis=1)
    if norm == "l2":
        np.sqrt(heap, out=heap)
    distances = np.empty_like(heap)
    distances[tree.order] = np.ldexp(heap, power)
    return distances


def count_within(
    points: NDArray[np.float64],
    radii: NDArray[np.float64],
    norm: str = "linf",
    strict: bool = True,
    n_jobs: int | None = None,
) -> NDArray[np.int64]:
    """Return how many others lie within a radius of each sample.

    Parameters
    ----------
    points : ndarray of shape (n, dim)
        Finite samples.
    radii : ndarray of shape (n,)
        A radius for each sample.
    norm : {"linf", "l2"}, default="linf"
        Maximum or Euclidean norm.
    strict : bool, default=True
        Count distances below the radius; else also those equal to it.
    n_jobs : int or None, default=None
        Threads; see `neighbour_distances`.

    Returns
    -------
    int64 ndarray of shape (n,)
        Counts without the sample itself. They are exact for distances as `neighbour_distances`
        gives them: with a sample's k-th distance as its radius, k and not k - 1 where not `strict`.

    Raises
    ------
    ValueError, TypeError
        If `radii` has another shape or holds NaN, or `norm` or `n_jobs` is out of range.

    Notes
    -----
    Cost: O(n log n) in few dimensions, however many are within; towards O(n^2 dim) in many. Memory
    is O(n dim).
    """
    check_choice("norm", norm, NORMS)
    radii = np.asarray(radii, dtype=np.float64)
    if radii.shape != (len(points),) or np.isnan(radii).any():
        raise ValueError(
            f"`radii` must hold a number for each of the {len(points)} samples; "
            f"got shape {radii.shape}, {np.count_nonzero(np.isnan(radii))} NaN."
        )
    tree, power = make_tree(points, norm == "linf")
    with np.errstate(over="ignore", under="ignore"):
        within = _last_within(np.ldexp(radii[tree.order], -power), norm, strict)
    found = np.zeros(len(points), dtype=np.int64)

    def work(start: int, stop: int, scratch: Scratch) -> None:
        count_near(tree, start, stop, within, found, scratch)

    _over_tiles(work, tree, n_jobs)
    counts = np.empty_like(found)
    counts[tree.order] = found - (within >= 0.0)
    return counts


def log_ball_volume(dim: int, norm: str = "l2") -> float:
    """Return the log of the volume of the ball of radius 1, as pi^(dim/2) / Gamma(dim/2 + 1)."""
    check_choice("norm", norm, NORMS)
    dim = check_integer("dim", dim, minimum=1)
    if norm == "linf":
        return dim * math.log(2.0)
    return 0.5 * dim * math.log(math.pi) - float(gammaln(0.5 * dim + 1.0))


def check_neighbours(k: int, n: int) -> int:
    """Return a number of neighbours that `n` samples have."""
    if check_integer("k", k, minimum=1) >= n:
        raise ValueError(
            f"`k` must be an integer in [1, n_samples - 1]; got k={k} with n_samples={n}."
        )
    return int(k)


def _last_within(radii: NDArray[np.float64], norm: str, strict: bool) -> NDArray[np.float64]:
    """Return the largest distance, or square of one, that counts; negative where none does.

    Found by trial for squares: a root rounds, so that two or three squares may have the same one.
    """
    if norm == "linf":
        return np.nextafter(radii, -np.inf) if strict else radii
    squares = radii * radii

    def counts(values: NDArray[np.float64]) -> NDArray[np.bool_]:
        roots = np.sqrt(values)
        return roots < radii if strict else roots <= radii

    for _ in range(4):
        more = np.nextafter(squares, np.inf)
        squares = np.where(counts(more), more, squares)
    for _ in range(4):
        less = np.nextafter(squares, 0.0)
        squares = np.where(counts(squares), squares, less)
    return np.where(counts(squares), squares, -1.0)


def _over_tiles(work: Callable[[int, int, Scratch], None], tree: Tree, n_jobs: int | None) -> None:
    """Do the work for all tiles, chunk by chunk in threads."""
    tiles, dim, _ = tree.points.shape
    threads = min(threads_for(check_jobs(n_jobs)), tiles)
    # many for every thread, whose cores are not equally fast
    step = max(1, tiles // (_CHUNKS * threads))

    def do(start: int) -> None:
        work(start, min(start + step, tiles), make_scratch(dim))

    in_threads(do, range(0, tiles, step), threads)
