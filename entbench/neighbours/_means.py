"""Means over the samples in some balls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from entbench._compiled import Compiler
from entbench._validation import check_choice

if TYPE_CHECKING:
    from numpy.typing import NDArray

NORMS = ("l2", "linf")

_compiler = Compiler(__file__, ["_means.py"])


def means_within(
    points: NDArray[np.float64],
    rows: NDArray[np.intp],
    radii: NDArray[np.float64],
    values: NDArray[np.float64],
    norm: str = "l2",
) -> NDArray[np.float64]:
    """Return the mean of `values` over the others within a radius, or at it, of some samples.

    Parameters
    ----------
    points : ndarray of shape (n, dim)
        Finite samples.
    rows : ndarray of shape (m,)
        Rows of the samples in the middle.
    radii : ndarray of shape (m,)
        A radius for each of them.
    values : ndarray of shape (n,)
        What to average, one number a sample.
    norm : {"l2", "linf"}, default="l2"
        Euclidean or maximum norm.

    Returns
    -------
    ndarray of shape (m,)
        Means; that of all samples where none is within.

    Notes
    -----
    Cost: O(m n dim), for few rows.
    """
    check_choice("norm", norm, NORMS)
    # a power of two, so that no square overflows and none that matters underflows
    largest = float(max(-points.min(), points.max()))
    power = int(np.frexp(largest)[1]) + 1 if largest > 0.0 else 0
    scaled = np.ascontiguousarray(np.ldexp(points, -power))
    within = np.ldexp(radii, -power)
    if norm == "l2":
        # rounding must not leave out the neighbour that the radius is of
        within = within * (1.0 + (points.shape[1] + 4) * 2.0**-52)
    out = np.empty(len(rows))
    _sum_within(scaled, rows, within, values, norm == "linf", float(values.mean()), out)
    return out


@_compiler.kept
def _sum_within(
    points: Any, rows: Any, radii: Any, values: Any, largest: Any, none: Any, out: Any
) -> None:
    n, dim = points.shape
    for i in range(len(rows)):
        row = rows[i]
        limit = radii[i] if largest else radii[i] * radii[i]
        total, count = 0.0, 0
        for j in range(n):
            distance = 0.0
            for a in range(dim):
                step = abs(points[j, a] - points[row, a])
                distance = max(distance, step) if largest else distance + step * step
                if distance > limit:
                    break
            if j != row and distance <= limit:
                total += values[j]
                count += 1
        out[i] = total / count if count > 0 else none
