"""Binned layers by exact counting: the information plane's coordinates, empty bins, stops.

NumPy alone. X is uniform on the rows given, and a layer without noise is a function of X: so
I(X;Bin(T)) = H(Bin(T)), and both coordinates are sums over counts, without any estimate.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from entbench._validation import check_integer, check_positive, check_real

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Layer = NDArray[np.floating[Any]]
    Ints = NDArray[np.int64]

WIDTHS = (0.01, 0.07, 0.15, 0.3)  # of bins, in the paper
MOST_BINS = 1_000_000
_LARGEST = 2**63 - 1
_EXACT = 2.0**52  # whole numbers up to here, and their differences, are floats


class PlanePoint(NamedTuple):
    """A layer in the information plane, in nats.

    Attributes
    ----------
    input : float
        I(X;Bin(T)) = H(Bin(T)), X uniform on the rows and T a function of it.
    label : float
        I(Bin(T);Y).
    """

    input: float
    label: float


class Occupied(NamedTuple):
    """Where the activations of a layer lie, all units together.

    Attributes
    ----------
    first : int
        The first bin counted is from ``first * width`` on.
    counts : ndarray of int64
        Activations in it, and in each one after it up to the last.
    empty : float
        Share of these bins that hold none.
    """

    first: int
    counts: Ints
    empty: float


class Stops(NamedTuple):
    """Places in a curve of validation losses: early stopping, the least loss, the end."""

    early: int
    perfect: int
    full: int


def bin_codes(T: Layer, width: float) -> Ints:
    """Return a number for each row of a layer, the same where ``floor(T / width)`` is the same.

    Parameters
    ----------
    T : ndarray of shape (n, dim)
        Activations, finite. Divided in double precision, whatever theirs.
    width : float
        Of the bins of each unit; they begin at 0.

    Returns
    -------
    ndarray of int64, shape (n,)
        Equal exactly where all units share a bin: no hash, no collision.

    Notes
    -----
    Units are the digits of one number; where it would be more than 63 bits long, the numbers
    found so far are replaced by their ranks. Cost: n for each unit, n log n for each replacement.
    """
    step = check_positive("width", width)
    with np.errstate(over="ignore"):
        cells = _units(T) / step
    if not np.isfinite(cells).all():
        raise ValueError(f"`T / width` must be finite; got width={step:g}.")
    return _joint(np.floor(cells, out=cells))


def codes_of_bins(T: Layer, n_bins: int, low: float, high: float) -> Ints:
    """Return a number for each row, the same where all units share one of `n_bins` equal bins.

    As `bin_codes`, with equally spaced bins from `low` to `high` for each unit. What lies outside
    goes to the bins at the ends, which for units without bounds joins what is far apart.
    """
    count = check_integer("n_bins", n_bins, minimum=1, maximum=MOST_BINS)
    least, most = check_real("low", low), check_real("high", high)
    if not (least < most and math.isfinite(most - least)):
        raise ValueError(f"`low` must be below `high`, both finite; got {low!r} and {high!r}.")
    cells = np.floor((_units(T) - least) / ((most - least) / count))
    return _joint(np.clip(cells, 0.0, count - 1.0, out=cells))


def row_codes(T: Layer) -> Ints:
    """Return a number for each row, the same where rows are equal as they are: bins of no width."""
    cells = _units(T)
    return _joint(np.array([np.unique(unit, return_inverse=True)[1] for unit in cells], np.float64))


def plane_point(codes: Ints, labels: Ints) -> PlanePoint:
    """Return I(X;Bin(T)) and I(Bin(T);Y) in nats, by counting.

    Parameters
    ----------
    codes : ndarray of int64, shape (n,)
        Equal where rows share a bin, as `bin_codes` gives them.
    labels : ndarray of int64, shape (n,)
        Y, a function of X: classes 0, 1, ...

    Notes
    -----
    I(Bin(T);Y) = H(Y) - H(Y|Bin(T)). Where every row has a bin to itself the values are log n and
    H(Y) to the last bit; where all share one, 0 and 0 but for rounding.
    """
    if len(codes) != len(labels) or not len(codes):
        raise ValueError(
            "`codes` and `labels` must be as many, at least one; "
            f"got {len(codes)} and {len(labels)}."
        )
    n, classes = len(codes), labels - labels.min()
    base = int(classes.max()) + 1
    fit = int(codes.min()) >= 0 and int(codes.max()) < _LARGEST // base
    pairs = np.sort((codes if fit else _ranks(codes)[0]) * base + classes)
    starts = _starts(pairs)
    bins = pairs[starts] // base
    first = _starts(bins)
    joint, lengths = _gaps(starts, n), _gaps(first, len(bins))
    sizes = np.add.reduceat(joint, first)
    whole = np.repeat(sizes, lengths)
    mixed = joint < whole
    open_ = float(joint[mixed] @ np.log(whole[mixed] / joint[mixed])) / n
    return PlanePoint(_entropy(sizes), _entropy(np.bincount(classes)) - open_)


def label_entropy(labels: Ints) -> float:
    """Return H(Y) in nats: I(X;Y) where Y is a function of X."""
    return _entropy(np.unique(labels, return_counts=True)[1])


def occupied(T: Layer, width: float) -> Occupied:
    """Return how many activations of a layer, all units together, lie in each bin of that width.

    Counted from the lowest bin that holds any to the highest.
    """
    step = check_positive("width", width)
    cells = np.floor(_units(T) / step).ravel()
    first, last = float(cells.min()), float(cells.max())
    if not (last - first < MOST_BINS and abs(first) <= _EXACT):
        raise ValueError(
            f"`width` must leave at most {MOST_BINS} bins between the least and the largest "
            f"activation; got {step:g}."
        )
    counts = np.bincount((cells - first).astype(np.int64))
    return Occupied(int(first), counts, float((counts == 0).mean()))


def stops_of(epochs: Sequence[int], losses: Sequence[float], patience: int) -> Stops:
    """Return where training stops early, where the validation loss is least, and where it ends.

    Parameters
    ----------
    epochs, losses : sequence
        Recorded epochs, ascending, and the validation loss after each.
    patience : int
        Early stopping ends training at the first recorded epoch that is at least so many epochs
        after the last new least loss; at the end where there is none.
    """
    best = 0
    for place, (epoch, loss) in enumerate(zip(epochs, losses, strict=True)):
        if loss < losses[best]:
            best = place
        elif epoch - epochs[best] >= patience:
            break
    return Stops(place, int(np.argmin(losses)), len(losses) - 1)


def _units(T: Layer) -> NDArray[np.float64]:
    """Return a layer's units as rows of their own, in double precision."""
    if T.ndim != 2 or not T.size:
        raise ValueError(f"`T` must be of shape (n, dim), not empty; got shape {T.shape}.")
    units = np.array(T.T, dtype=np.float64, order="C")
    if not np.isfinite(units).all():
        raise ValueError("`T` must be finite; got NaN or infinity.")
    return units


def _joint(cells: NDArray[np.float64]) -> Ints:
    """Return one number for each column of whole numbers (dim, n), equal where columns are."""
    lows, highs = cells.min(axis=1), cells.max(axis=1)
    codes, span = np.zeros(cells.shape[1], dtype=np.int64), 1
    for unit, low, high in zip(cells, lows.tolist(), highs.tolist(), strict=True):
        if low == high:
            continue
        if max(-low, high) <= _EXACT:
            digits, base = (unit - low).astype(np.int64), int(high - low) + 1
        else:  # neither a difference nor an integer need be exact
            digits, base = _ranks(unit)
        if span * base > _LARGEST:
            codes, span = _ranks(codes)
        if span * base > _LARGEST:
            digits, base = _ranks(digits)
        codes *= base
        codes += digits
        span *= base
    return codes


def _ranks(values: NDArray[Any]) -> tuple[Ints, int]:
    found, index = np.unique(values, return_inverse=True)
    return index.astype(np.int64, copy=False), len(found)


def _starts(ordered: Ints) -> Ints:
    """Return where a new value begins, in ascending values."""
    new = np.empty(len(ordered), dtype=bool)
    new[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return np.flatnonzero(new)


def _gaps(starts: Ints, end: int) -> Ints:
    """Return how long each stretch is, the last up to the end."""
    return np.diff(np.append(starts, end))


def _entropy(counts: Ints) -> float:
    """Return H in nats by counts; log n exactly where all are 1, and 0 where there is one."""
    n = int(counts.sum())
    sizes, times = np.unique(counts[counts > 0], return_counts=True)
    return float((sizes * times / n) @ np.log(n / sizes))
