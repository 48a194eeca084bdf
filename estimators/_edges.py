"""What bins that follow the samples add to the scatter of what is counted in them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench.estimators._counting import Axis, Binning

    Floats = NDArray[np.float64]
    # How much n times the value changes where some of the rows move by so many codes.
    Change = Callable[[NDArray[np.intp], int], Floats]

# Share of a bin, at each of its edges, whose samples tell the density at the edge.
_NEAR = 0.25
# The variance of the smallest sample over the mean square of its distance to the next one: 1/2
# where the density jumps, pi^2/12 where its tail is exponential.
_END = 0.65
# The value is periodic in where bins start: variance of a sine over the mean square of its slope.
_PERIODIC = 0.25 / np.pi**2


class EdgeEffects(NamedTuple):
    """What moving edges add.

    Attributes
    ----------
    influences : ndarray of shape (m,)
        What samples add to n times the value by way of the bins' width.
    variance : float
        n times the variance that the ends of the range bring.
    """

    influences: Floats
    variance: float


def edge_effects(
    binning: Binning,
    samples: Floats,
    axes: list[Axis],
    rows: NDArray[np.intp],
    change: Change,
    per_log_width: float,
) -> EdgeEffects:
    """Return what bins add that take width or range from the samples.

    Parameters
    ----------
    binning : Binning
        How the bins were made.
    samples : ndarray of shape (n, dim)
        What was put into them.
    axes : list of Axis
        The bins.
    rows : ndarray of shape (m,)
        Rows that stand for all.
    change : callable
        Given some of the rows, by their places in `rows`, and by how many codes each moves.
    per_log_width : float
        What the value gains with the log of a width, apart from the counts.

    Notes
    -----
    An edge that moves takes the samples it passes to the next bin. How many it passes is told by
    the samples near it, on both sides; what that changes, by the counts of the two bins.
    """
    n = len(samples)
    influences, variance = np.zeros(len(rows)), 0.0
    if not _follows(binning):
        return EdgeEffects(influences, variance)
    stride = 1
    for axis, column in reversed(list(zip(axes, samples.T, strict=True))):
        least = _gap(column, axis.width)
        # samples at atoms tell no density
        if least > 0.0:
            fixed = axis.start if binning.origin is None else float(binning.origin)
            shift, stretch = _slopes(axis, fixed, column[rows], change, stride, per_log_width)
            if binning.bins == "width":
                if isinstance(binning.bin_width, str):
                    influences += stretch * _log_deviation(column, rows)
                if binning.origin is None:
                    variance += n * shift**2 * min(_END * least**2, _PERIODIC)
            else:
                low = shift - stretch / axis.n_cells if binning.low is None else 0.0
                high = stretch / axis.n_cells if binning.high is None else 0.0
                ends = (low * least, high * _gap(-column, axis.width))
                variance += _END * n * sum(end**2 for end in ends)
        stride *= axis.n_cells
    return EdgeEffects(influences, variance)


def _follows(binning: Binning) -> bool:
    """Tell whether the bins' width or range follows the samples."""
    if binning.bins == "width":
        return isinstance(binning.bin_width, str) or binning.origin is None
    return binning.bins == "number" and (binning.low is None or binning.high is None)


def _slopes(
    axis: Axis, fixed: float, column: Floats, change: Change, stride: int, per_log_width: float
) -> tuple[float, float]:
    """Return how the value changes as all edges move by a width, and with the log of the width.

    The width grows away from `fixed`.
    """
    # halves, whose differences do not overflow
    position = (0.5 * column - 0.5 * axis.start) / (0.5 * axis.width)
    before = (0.5 * axis.start - 0.5 * fixed) / (0.5 * axis.width)
    cells = np.clip(np.floor(position), 0, axis.n_cells - 1)
    part = position - cells
    lower = np.flatnonzero((part < _NEAR) & (cells > 0))
    upper = np.flatnonzero((part > 1.0 - _NEAR) & (cells < axis.n_cells - 1))
    below, above = change(lower, -stride), change(upper, stride)
    scale = 1.0 / (2.0 * _NEAR * len(column))
    shift = scale * np.concatenate([below, -above])
    stretch = shift * (before + np.concatenate([cells[lower], cells[upper] + 1.0]))
    return _less_noise(shift, 0.0), _less_noise(stretch, per_log_width)


def _less_noise(terms: Floats, more: float) -> float:
    """Return the sum of the terms and more, its square less the variance of the sum."""
    total = float(terms.sum()) + more
    square = max(total**2 - float((terms**2).sum()), 0.0)
    return math.copysign(math.sqrt(square), total)


def _log_deviation(column: Floats, rows: NDArray[np.intp]) -> Floats:
    """Return what samples add to n times the log of the standard deviation."""
    largest = max(-column.min(), column.max())
    scaled = np.ldexp(column, -int(np.frexp(largest)[1]))
    squares = (scaled[rows] - scaled.mean()) ** 2
    mean = float(squares.mean())
    return np.asarray(0.5 * (squares / mean - 1.0)) if mean > 0.0 else np.zeros(len(rows))


def _gap(column: Floats, width: float) -> float:
    """Return the distance between the two smallest samples in widths; 0 without a width."""
    if width == 0.0:
        return 0.0
    least = 0.5 * np.partition(column, 1)[:2]
    return float((least[1] - least[0]) / (0.5 * width))
