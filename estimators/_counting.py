"""Counting samples in bins: one integer for each sample, counts, and entropies of counts."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import digamma

from entbench._distinct import distinct_rows
from entbench._validation import check_choice, check_integer, check_positive_or

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCOTT = "scott"
CORRECTIONS = ("none", "miller-madow", "grassberger")
MOST_BINS = 1_000_000

LARGEST = 2**63 - 1
_EXACT = 2.0**53  # floats beyond are not all the whole numbers
_FLAT = -math.inf
_BELONGS = {
    "bin_width": ("width",),
    "origin": ("width",),
    "n_bins": ("number", "frequency"),
    "low": ("number",),
    "high": ("number",),
}
_KINDS = ("width", "number", "frequency")


class Codes(NamedTuple):
    """One integer in [0, span) for each sample; equal where the samples share a bin."""

    values: NDArray[np.int64]
    span: int


class Axis(NamedTuple):
    """Bins along an axis.

    Attributes
    ----------
    n_cells : int
        How many.
    start, width : float
        Where they start, and their width: 0 where they have no common one.
    """

    n_cells: int
    start: float = 0.0
    width: float = 0.0


class Binned(NamedTuple):
    """Samples in bins: codes, along each axis the mean log width of a sample's bin, and the axes.

    The log width is -inf along an axis whose samples are all equal, where it is from the samples
    that the bins take their width: all of them are in one bin then.
    """

    codes: Codes
    log_widths: list[float]
    axes: list[Axis]


class _Cells(NamedTuple):
    """The bins of one axis: each sample's number in [0, n_cells), and the mean log width."""

    values: NDArray[np.int64]
    axis: Axis
    log_width: float


@dataclass(frozen=True)
class Binning:
    """How samples are put into bins; the parameters are those of `BinnedEntropy`."""

    bins: str
    bin_width: float | str
    n_bins: int | None
    low: float | None
    high: float | None
    origin: float | None

    def check(self) -> None:
        """Raise where a parameter is out of range, or belongs to another kind of bins."""
        check_choice("bins", self.bins, _KINDS)
        for name in self.given():
            if self.bins not in _BELONGS[name]:
                kinds = " or ".join(f'bins="{kind}"' for kind in _BELONGS[name])
                raise ValueError(
                    f"`{name}` belongs to {kinds}; got {name}={getattr(self, name)!r} with "
                    f'bins="{self.bins}".'
                )
        if self.bins == "width":
            check_positive_or("bin_width", self.bin_width, SCOTT)
        else:
            check_integer("n_bins", self.n_bins, minimum=1, maximum=MOST_BINS)
        for name in ("origin", "low", "high"):
            _check_finite_or_none(name, getattr(self, name))
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(
                f"`low` must be below `high`; got low={self.low!r} with high={self.high!r}."
            )

    def given(self) -> list[str]:
        """Return the parameters, `bins` apart, that are not at their defaults."""
        values = {name: getattr(self, name) for name in _BELONGS}
        is_scott = isinstance(self.bin_width, str) and self.bin_width == SCOTT
        values["bin_width"] = None if is_scott else self.bin_width
        return [name for name, value in values.items() if value is not None]

    def bin(self, samples: NDArray[np.float64], name: str = "X") -> Binned:
        """Return the bins of `samples`, shape (n, dim), called `name` in messages."""
        log_widths: list[float] = []
        found: list[Axis] = []

        def axes() -> Iterator[Codes]:
            cells_along = self._rule(samples, name)
            for axis in range(samples.shape[1]):
                cells = cells_along(samples[:, axis].copy(), axis)
                log_widths.append(cells.log_width)
                found.append(cells.axis)
                yield Codes(cells.values, cells.axis.n_cells)

        return Binned(joint_codes(axes(), len(samples)), log_widths, found)

    def _rule(
        self, samples: NDArray[np.float64], name: str
    ) -> Callable[[NDArray[np.float64], int], _Cells]:
        """Return what puts one column, given with its number, into bins."""
        if self.bins == "frequency":
            return lambda column, axis: self._by_frequency(column, f"column {axis} of `{name}`")
        if self.bins == "number":
            return lambda column, axis: self._by_number(column, f"column {axis} of `{name}`")
        if isinstance(self.bin_width, str):
            widths = scott_widths(samples)
        else:
            widths = np.full(samples.shape[1], float(self.bin_width))
        return lambda column, axis: self._by_width(
            column, float(widths[axis]), f"column {axis} of `{name}`"
        )

    def _by_width(self, column: NDArray[np.float64], width: float, what: str) -> _Cells:
        if width == 0.0:
            return _one_cell(len(column))
        if not math.isfinite(width):
            raise ValueError(f"Scott's width for {what} must be finite; got {width:g}.")
        start = float(column.min()) if self.origin is None else float(self.origin)
        with np.errstate(over="ignore"):
            column -= start
            column /= width
        np.floor(column, out=column)
        first, last = float(column.min()), float(column.max())
        if not (first >= -_EXACT and last <= _EXACT):
            raise ValueError(
                f"`bin_width` must be large enough for bins within 2^53 of the grid's start; got "
                f"{width:g}, too small for {what}."
            )
        cells = column.astype(np.int64)
        cells -= int(first)
        n_cells = int(last) - int(first) + 1
        return _Cells(cells, Axis(n_cells, start + first * width, width), math.log(width))

    def _by_number(self, column: NDArray[np.float64], what: str) -> _Cells:
        least, most = float(column.min()), float(column.max())
        low = least if self.low is None else float(self.low)
        high = most if self.high is None else float(self.high)
        if least < low or most > high:
            outside = least if least < low else most
            raise ValueError(
                f"`low` and `high` must enclose all samples; got {outside:g} in {what} with "
                f"low={low:g}, high={high:g}. Leave them out for the samples' own range."
            )
        if low == high:
            return _one_cell(len(column))
        _check_range(low, high, what)
        n_bins = int(self.n_bins or 1)
        edges = np.linspace(low, high, n_bins + 1)
        if not (edges[1:] > edges[:-1]).all():
            raise ValueError(
                f"`n_bins` must leave each bin a width that floats can tell; got {n_bins}, too "
                f"many for {what} between {low!r} and {high!r}."
            )
        cells = np.searchsorted(edges[1:-1], column, side="right").astype(np.int64, copy=False)
        width = (high - low) / n_bins
        return _Cells(cells, Axis(n_bins, low, width), math.log(width))

    def _by_frequency(self, column: NDArray[np.float64], what: str) -> _Cells:
        n, n_bins = len(column), int(self.n_bins or 1)
        if n_bins > n:
            raise ValueError(
                f"`n_bins` must be an integer in [1, n_samples] for equally frequent bins; got "
                f"{n_bins} with n_samples={n}."
            )
        ordered = np.sort(column)
        if ordered[0] == ordered[-1]:
            return _one_cell(n)
        _check_range(float(ordered[0]), float(ordered[-1]), what)
        # between two samples, not on one, so that rounding moves no sample to the next bin
        above = np.arange(1, n_bins) * n // n_bins
        inner = ordered[above - 1] + 0.5 * (ordered[above] - ordered[above - 1])
        # ties bring edges together: such bins are one
        edges = np.unique(np.concatenate([ordered[:1], inner, ordered[-1:]]))
        cells = np.searchsorted(edges[1:-1], column, side="right").astype(np.int64, copy=False)
        counts = np.bincount(cells, minlength=len(edges) - 1)
        log_width = float((counts / n * np.log(np.diff(edges))).sum())
        return _Cells(cells, Axis(len(counts)), log_width)


def scott_widths(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Scott's width along each axis of (n, dim); 0 where all samples are equal."""
    n, dim = samples.shape
    least, most = samples.min(axis=0), samples.max(axis=0)
    # a power of two for each axis, so that no square overflows or vanishes and nothing is rounded
    exponents = np.clip(np.frexp(np.maximum(-least, most))[1], -1000, 1000)
    scaled = (samples * np.ldexp(1.0, -exponents)).std(axis=0, ddof=1)
    with np.errstate(over="ignore"):
        widths = 3.49 * np.ldexp(scaled, exponents) * n ** (-1.0 / (dim + 2))
    # the mean of equal numbers is rounded, so their standard deviation is not always 0
    return np.where(least < most, widths, 0.0)


def joint_codes(axes: Iterable[Codes], n: int) -> Codes:
    """Return one code for each of `n` samples, equal where the codes of all `axes` are.

    The axes are digits of one number. Where it would not fit into 63 bits, the codes found so far
    are numbered anew from 0.
    """
    values, span = np.zeros(n, dtype=np.int64), 1
    for digits, base in axes:
        if span * base > LARGEST:
            values, span = _renumbered(values)
        if span * base > LARGEST:
            digits, base = _renumbered(digits)
        values *= base
        values += digits
        span *= base
    return Codes(values, span)


def numbered(axes: Sequence[Axis]) -> bool:
    """Tell whether the codes of all axes are digits of one number, see `joint_codes`."""
    return math.prod(axis.n_cells for axis in axes) <= LARGEST


def distinct_codes(rows: NDArray[np.float64]) -> Codes:
    """Return codes of the rows of (n, dim) as they are: equal where all numbers are equal."""
    found = distinct_rows(rows)
    if found is None:
        return Codes(np.arange(len(rows), dtype=np.int64), len(rows))
    first, index = found
    return Codes(index.astype(np.int64, copy=False), len(first))


class Tally(NamedTuple):
    """The codes that occur, in ascending order, and how many samples each has."""

    codes: NDArray[np.int64]
    counts: NDArray[np.int64]

    def at(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many samples have each of these codes; 0 where one does not occur."""
        places = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return np.where(self.codes[places] == codes, self.counts[places], 0)


def tally(codes: Codes) -> Tally:
    """Return how many samples each code has."""
    ordered = np.sort(codes.values)
    starts = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    counts = np.diff(starts, prepend=0, append=len(ordered)).astype(np.int64, copy=False)
    return Tally(ordered[np.concatenate([[0], starts])], counts)


def counts_of(codes: Codes) -> NDArray[np.int64]:
    """Return how many samples each code has, for the codes that occur, in ascending order."""
    return tally(codes).counts


def discrete_entropy(counts: NDArray[np.int64], correction: str = "none") -> float:
    """Return the entropy in nats of the law from which samples with these counts were drawn.

    Parameters
    ----------
    counts : ndarray of shape (n_occupied,)
        Positive counts.
    correction : {"none", "miller-madow", "grassberger"}
        ``log n - (1/n) sum_b c_b log c_b``; that plus ``(n_occupied - 1) / (2n)``; or with
        ``G(c_b)`` of `grassberger` in place of ``log c_b``.
    """
    n = int(counts.sum())
    sizes, times = np.unique(counts, return_counts=True)
    shares = times * (sizes / n)
    if correction == "grassberger":
        return math.log(n) - float((shares * grassberger(sizes)).sum())
    entropy = 0.0 - float((shares * np.log(sizes / n)).sum())
    if correction == "miller-madow":
        entropy += (len(counts) - 1) / (2.0 * n)
    return entropy


def count_differences(
    counts: NDArray[np.int64], correction: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return n times what one sample of such counts adds to an entropy, and what two do together.

    First and second differences of what a count adds, by the plug-in or Miller-Madow.
    """

    def adds(c: NDArray[np.int64]) -> NDArray[np.float64]:
        # for Grassberger's too, whose steps between odd and even counts are no influences
        plain = -c * np.log(np.maximum(c, 1))
        return np.asarray(plain + 0.5 * (c > 0) if correction == "miller-madow" else plain)

    one, before, two_before = (adds(np.maximum(counts - less, 0)) for less in range(3))
    return one - before, np.where(counts > 1, one - 2.0 * before + two_before, 0.0)


def counting_error(
    first: NDArray[np.float64], pairs: NDArray[np.float64], n: int, more: float = 0.0
) -> float:
    """Return the standard deviation of what is made of counts of `n` samples.

    Parameters
    ----------
    first : ndarray of shape (m,)
        n times what a sample adds, of some samples or all.
    pairs : ndarray of shape (m,)
        Sum over the other samples of the squares of what two add together.
    more : float
        n times the variance that is of other causes.
    """
    single = float(first.var(ddof=1)) if len(first) > 1 else 0.0
    double = 0.5 * float(pairs.mean())
    return math.sqrt((max(single - double, double, 0.0) + more) / n)


def grassberger(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return Grassberger's G: ``E[c G(c)] ~ m log m`` for a Poisson count c of mean m.

    ``G(c) = psi(c) + (-1)^c/2 [psi((c+1)/2) - psi(c/2)]``. By the duplication formula of psi it is
    ``log 2 + psi(floor(c/2) + 1/2)``, which subtracts no two large numbers.
    """
    return np.asarray(math.log(2.0) + digamma(counts // 2 + 0.5))


def _renumbered(values: NDArray[np.int64]) -> Codes:
    found, index = np.unique(values, return_inverse=True)
    return Codes(index.astype(np.int64, copy=False), len(found))


def _one_cell(n: int) -> _Cells:
    return _Cells(np.zeros(n, dtype=np.int64), Axis(1), _FLAT)


def _check_range(low: float, high: float, what: str) -> None:
    if not math.isfinite(high - low):
        raise ValueError(f"{what} must have a finite range; got [{low:g}, {high:g}].")


def _check_finite_or_none(name: str, value: Any) -> None:
    if value is None:
        return
    message = f"`{name}` must be a finite number or None; got {value!r}."
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(message)
    if not math.isfinite(value):
        raise ValueError(message)
