"""How the rows of a layer lie together: entropies in bins, distances of pairs, angles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from entbench.networks._plane import bin_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

_FINE, _COARSE = 4096, 64  # bins of distances: for ranks, and to be kept
_BLOCK = 1024


def binned_entropy(T: NDArray[np.floating[Any]], width: float) -> float:
    """Return H(Bin(T)) in nats, of the rows of T in cubes of that width."""
    return _entropy(bin_codes(T, width))


def sign_entropy(T: NDArray[np.floating[Any]], threshold: float = 0.0) -> float:
    """Return H(Bin(T)) in nats with two bins for each unit: up to the threshold, and above."""
    above = np.greater(T, threshold)
    return _entropy(np.packbits(above, axis=1))


def unit_entropies(T: NDArray[np.floating[Any]], width: float) -> NDArray[np.float64]:
    """Return H(Bin(T(k))) in nats of each unit k by itself."""
    return np.array([_entropy(bin_codes(unit[:, None], width)) for unit in T.T])


class Distances(NamedTuple):
    """Distances of pairs of rows.

    Attributes
    ----------
    edges, within, between : ndarray
        How many pairs of one class, and of two, are between edges.
    nearer : float
        The probability that a pair of one class is nearer than a pair of two, ties by half: 1/2
        where classes do not matter.
    """

    edges: NDArray[np.float64]
    within: NDArray[np.int64]
    between: NDArray[np.int64]
    nearer: float


def pair_distances(T: ArrayLike, labels: NDArray[np.int64]) -> Distances:
    """Return Euclidean distances of all pairs of rows of T, by class."""
    from sklearn.metrics import euclidean_distances

    rows = np.asarray(T, dtype=np.float64)
    rows = rows - rows.mean(axis=0)  # squares of distances come from differences of squares
    largest = 2.0 * float(np.sqrt((rows**2).sum(axis=1).max())) or 1.0
    fine = np.linspace(0.0, largest, _FINE + 1)
    counts = np.zeros((2, _FINE), dtype=np.int64)
    for start in range(0, len(rows), _BLOCK):
        far = euclidean_distances(rows[start : start + _BLOCK], rows[start:])
        same = labels[start : start + _BLOCK, None] == labels[start:]
        later = np.triu(np.ones(far.shape, dtype=bool), 1)
        for kind, mask in enumerate((same & later, ~same & later)):
            counts[kind] += np.histogram(far[mask], fine)[0]
    used = int(np.flatnonzero(counts.sum(axis=0))[-1]) + 1 if counts.any() else _FINE
    step = -(-used // _COARSE)
    kept = np.add.reduceat(counts, np.arange(0, used, step), axis=1)
    edges = np.append(fine[0:used:step], fine[min(-(-used // step) * step, _FINE)])
    return Distances(edges, kept[0], kept[1], _share_nearer(*counts))


def cosines(T: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the cosine of the angle between each row of T and its like; 0 for a row of zeros."""
    first, second = (np.asarray(each, dtype=np.float64) for each in (T, other))
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    inner = (first * second).sum(axis=1)
    found: NDArray[np.float64] = inner / np.where(lengths > 0.0, lengths, 1.0)
    return found


def slopes(times: Sequence[float], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the slope of the least-squares line through each column of values against times."""
    t = np.asarray(times, dtype=np.float64)
    t = t - t.mean()
    found: NDArray[np.float64] = t @ (values - values.mean(axis=0)) / (t @ t)
    return found


def _share_nearer(within: NDArray[np.int64], between: NDArray[np.int64]) -> float:
    pairs = float(within.sum()) * float(between.sum())
    if not pairs:
        return 0.5
    farther = between.sum() - np.cumsum(between)
    return float(within @ (farther + 0.5 * between)) / pairs


def _entropy(rows: NDArray[Any]) -> float:
    _, counts = np.unique(rows, axis=0, return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum())
