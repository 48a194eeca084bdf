"""A mixture's entropy in 1 or 2 dimensions, by the trapezoidal rule on a lattice."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# points (m, dim) -> log-density in nats (m,)
LogDensity = Callable[["NDArray[np.float64]"], "NDArray[np.float64]"]

# All lengths are in sigma. A finer step is tried only where the one before leaves too much alias.
_STEPS = {1: (1 / 8, 1 / 12), 2: (1 / 5, 1 / 7)}
_TAIL = {1: 1e-14, 2: 1e-12}  # nats that may lie outside the cover
_BLOCK = 0.5  # side of the squares that the cover is made of, about
_FILL = 3.0  # gaps in a row up to here are covered whole: fewer runs, hardly more points
_CHUNK = 2**17
_RESIDUES = 9  # odd: no frequency is its own alias, so a modulus is free of phase
_HIGHEST = (3, 4)  # frequencies to judge by, of at most _RESIDUES // 2
_MANTISSA = 32  # a step of 5 significant bits has exact multiples below 2^53 / 32
_ROUNDING = 2.0**-48  # relative rounding of a log-density and of a sum of terms
_SAFETY = 10.0


@dataclass(frozen=True)
class Quadrature:
    """An integral by a deterministic rule.

    Attributes
    ----------
    value : float
        Differential entropy in nats.
    error : float
        What the value may be off by, in nats.
    n_points : int
        Evaluations of the density spent.
    """

    value: float
    error: float
    n_points: int


def entropy_by_quadrature(
    centres: NDArray[np.float64],
    weights: NDArray[np.float64],
    sigma: float,
    log_density: LogDensity,
    max_points: int,
    tolerance: float = 1e-9,
) -> Quadrature | None:
    """Integrate the differential entropy of ``q = sum_k w_k N(c_k, sigma^2 I)`` in dim 1 or 2.

    Parameters
    ----------
    centres : ndarray of shape (n, dim)
        Centres c_k.
    weights : ndarray of shape (n,)
        Weights w_k >= 0, which sum to 1.
    sigma : float
        Standard deviation of every component, along every axis.
    log_density : callable
        Takes points of shape (m, dim), returns log q in nats, shape (m,); asked for at most 2^17
        points at a time.
    max_points : int
        Most evaluations of the density to spend.
    tolerance : float, default=1e-9
        Error in nats beyond which a second, finer lattice is tried where `max_points` allows.

    Returns
    -------
    Quadrature or None
        None where dim > 2, where the coarser lattice has more than `max_points` points, or where
        coordinates beyond about 2e13 sigma leave double precision no lattice.

    Raises
    ------
    ValueError
        If the log-density is not finite on the lattice.

    Notes
    -----
    On a lattice of step h the error is the integrand's Fourier transform at the frequencies
    2 pi/h and beyond. That of q is ``exp(-2 pi^2/h^2)``, nothing; q log q has branch points where
    q vanishes for complex x. Between two centres 2a apart (in sigma) that is at the height
    ``y = pi/(2a)``, but there q is only ``exp(-a^2/2)``: the transform is at most about
    ``exp(-a^2/2 - omega y)/omega^2``, 2e-11 at h = 1/5 and 1e-14 at h = 1/8 for the worst a.
    Weights and further components did not make it worse in random trials.

    `error` adds up: this aliasing, extrapolated from the transform at lower frequencies, which the
    same terms give; a bound on what lies outside the cover; the integral of q, which is off from 1
    where the log-density is; q's transform at high frequencies, where anything is noise of the
    log-density; rounding, as of a log-density with coordinates relative to the middle of the
    centres. It was about 10 times the true error or more in random trials.

    A lone component costs about 150 points in one dimension, 7000 in two; a crowd of them 8 a
    sigma and 25 a square of side sigma. Finding them is O(n log n).

    References
    ----------
    Trefethen and Weideman, "The Exponentially Convergent Trapezoidal Rule", SIAM Review 56, 2014.
    """
    dim = centres.shape[1]
    if dim not in _STEPS:
        return None
    radius, outside = _radius(weights, dim)
    losses = _most_entropy(weights, dim)
    faint = losses <= _TAIL[dim] / len(weights)
    outside += float(losses[faint].sum())
    scale = dim * math.log(sigma)
    found, spent = None, 0
    for step in _STEPS[dim]:
        grid = _cover(centres[~faint], sigma, step, radius, max_points - spent)
        if grid is None:
            break
        spent += grid.n_points
        value, alias, noise = _judge(_sums(grid, sigma, log_density), grid.step / sigma)
        error = alias + noise + outside + _ROUNDING * (1.0 + abs(value) + abs(scale))
        found = Quadrature(value + scale, error, spent)
        if alias <= tolerance:
            break
    return found


def _most_entropy(weights: NDArray[np.float64], dim: int) -> NDArray[np.float64]:
    """Return ``w (h(Z) - log w)``, the most that a component adds to h in units of sigma."""
    noise = 0.5 * dim * math.log(2.0 * math.pi * math.e)
    tiniest = np.nextafter(0.0, 1.0)
    return np.asarray(weights * (noise - np.log(np.maximum(weights, tiniest))))


def _radius(weights: NDArray[np.float64], dim: int) -> tuple[float, float]:
    """Return how far around its centres to follow the mixture, and the nats that lie beyond."""
    positive = weights[weights > 0.0]
    of_weights = float(-(positive @ np.log(positive)))
    radius = 6.0
    while (tail := _tail(radius, dim, of_weights)) > _TAIL[dim]:
        radius += 0.125
    return radius, tail


def _tail(radius: float, dim: int, of_weights: float) -> float:
    """Return ``H(w) P(|Z| > R) + E[-log phi(Z); |Z| > R]``, a bound on the entropy beyond R.

    In units of sigma q < 1, so that -q log q > 0; and it is at most the sum of the components'
    ``-w phi log(w phi)``, since q is at least each of them.
    """
    bell = math.exp(-0.5 * radius**2)
    if dim == 1:
        mass = math.erfc(radius / math.sqrt(2.0))
        square = mass + radius * bell * math.sqrt(2.0 / math.pi)
    else:
        mass, square = bell, bell * (radius**2 + 2.0)
    return mass * (of_weights + 0.5 * dim * math.log(2.0 * math.pi)) + 0.5 * square


@dataclass(frozen=True)
class _Axis:
    """Positions of blocks along an axis, the same as their indices but for shorter voids.

    However far apart clusters are, positions are of the order of n: the number of a row times the
    length of a row then fits an integer.
    """

    positions: NDArray[np.int64]
    length: int
    starts: NDArray[np.int64]
    shifts: NDArray[np.int64]

    @classmethod
    def around(cls, indices: NDArray[np.int64], margin: int) -> _Axis:
        """Leave fewer than `margin` free positions on either side of every cluster."""
        order = np.argsort(indices)
        ordered = indices[order]
        gaps = np.diff(ordered, prepend=ordered[0] - 2 * margin)
        near = np.cumsum(np.minimum(gaps, 2 * margin)) - margin
        positions = np.empty_like(near)
        positions[order] = near
        first = gaps >= 2 * margin
        starts, shifts = near[first] - margin, (ordered - near)[first]
        return cls(positions, int(near[-1]) + margin, starts, shifts)

    def indices(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the indices of the blocks at `positions`."""
        cluster = np.searchsorted(self.starts, positions, side="right") - 1
        return positions + self.shifts[cluster]


@dataclass(frozen=True)
class _Grid:
    """Multiples of `step` in blocks of `side` points a side, `codes` their places row by row."""

    step: float
    side: int
    axes: tuple[_Axis, ...]
    codes: NDArray[np.int64]

    @property
    def n_points(self) -> int:
        return int(len(self.codes) * self.side ** len(self.axes))

    def chunks(self) -> Iterator[NDArray[np.int64]]:
        """Yield the points as multiples of the step, shape (m, dim)."""
        dim = len(self.axes)
        inside = np.indices((self.side,) * dim).reshape(dim, -1).T
        size = _CHUNK // len(inside)
        for start in range(0, len(self.codes), size):
            codes = self.codes[start : start + size]
            places = np.divmod(codes, self.axes[-1].length)[-dim:]
            blocks = [axis.indices(place) for axis, place in zip(self.axes, places, strict=True)]
            corners = self.side * np.column_stack(blocks)
            yield (corners[:, None, :] + inside).reshape(-1, dim)


def _cover(
    centres: NDArray[np.float64], sigma: float, step: float, radius: float, max_points: int
) -> _Grid | None:
    """Return the blocks within `radius` of any centre, or None where they have too many points."""
    dim = centres.shape[1]
    mantissa, exponent = math.frexp(step * sigma)
    step = math.ldexp(math.floor(mantissa * _MANTISSA) / _MANTISSA, exponent)
    if np.abs(centres).max() + 2.0 * radius * sigma > 2.0**53 / _MANTISSA * step:
        return None
    side = round(_BLOCK * sigma / step)
    max_blocks = max_points // side**dim
    reach = radius * sigma / (side * step)
    indices = np.floor(centres / (side * step)).astype(np.int64)
    axes = tuple(_Axis.around(column, math.floor(reach) + 2) for column in indices.T)
    row = axes[-1].length
    occupied = _distinct(axes[-1].positions + (row * axes[0].positions if dim == 2 else 0))
    if _covered_at_least(occupied, row, reach, dim) > max_blocks:
        return None
    starts, stops = _dilate(occupied, row, reach, dim)
    lengths = stops - starts
    if lengths.sum() > max_blocks:
        return None
    codes = np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
    return _Grid(step, side, axes, codes)


def _distinct(values: NDArray[np.int64]) -> NDArray[np.int64]:
    ordered = np.sort(values)  # many times faster than np.unique
    return ordered[np.diff(ordered, prepend=ordered[0] - 1) > 0]


def _covered_at_least(codes: NDArray[np.int64], row: int, reach: float, dim: int) -> int:
    """Return a lower bound on the covered blocks: squares small enough for any centre to cover."""
    side = math.floor(reach / math.sqrt(dim))
    squares = _distinct((codes // row // side) * row + codes % row // side)
    return int(len(squares) * side**dim)


def _dilate(
    codes: NDArray[np.int64], row: int, reach: float, dim: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return starts and stops of the runs of blocks within `reach` blocks of those given."""
    apart = np.flatnonzero(np.diff(codes) > _FILL / _BLOCK)
    first = codes[np.append(0, apart + 1)]
    last = codes[np.append(apart, len(codes) - 1)]
    rows = math.floor(reach) + 1 if dim == 2 else 0
    starts, stops = [], []
    for offset in range(-rows, rows + 1):
        # the nearest points of two blocks are one block less apart than the blocks, on each axis
        half = math.floor(math.sqrt(reach**2 - max(abs(offset) - 1, 0) ** 2)) + 1
        starts.append(first + (offset * row - half))
        stops.append(last + (offset * row + half + 1))
    return _merge(np.concatenate(starts), np.concatenate(stops))


def _merge(
    starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the union of intervals as disjoint ones."""
    order = np.argsort(starts)
    starts, stops = starts[order], np.maximum.accumulate(stops[order])
    apart = np.flatnonzero(starts[1:] > stops[:-1])
    return starts[np.append(0, apart + 1)], stops[np.append(apart, len(stops) - 1)]


def _sums(grid: _Grid, sigma: float, log_density: LogDensity) -> NDArray[np.float64]:
    """Return the integrals of q and -q log q, each in parts: a sublattice's points for a part."""
    dim = len(grid.axes)
    sums = np.zeros((2, _RESIDUES**dim))
    for multiples in grid.chunks():
        # sigma as the unit of length: q is then of order 1 however small sigma is
        points = np.multiply(multiples, grid.step, dtype=np.float64)
        log_q = log_density(points) + dim * math.log(sigma)
        q = np.exp(log_q)
        residues = multiples % _RESIDUES @ _RESIDUES ** np.arange(dim)
        for total, terms in zip(sums, (q, -q * log_q), strict=True):
            total += np.bincount(residues, terms, _RESIDUES**dim)
    if not np.isfinite(sums).all():
        raise ValueError("`log_density` must be finite near the centres; got infinity or NaN.")
    return sums.reshape(2, *(_RESIDUES,) * dim) * (grid.step / sigma) ** dim


def _judge(sums: NDArray[np.float64], step: float) -> tuple[float, float, float]:
    """Return the entropy in units of sigma, its aliasing error, and that of the log-density."""
    mass, entropy = (float(total.sum()) for total in sums)
    of_mass, of_entropy = (_amplitudes(total) for total in sums)
    alias = max(_alias(amplitude, k, step) for k, amplitude in of_entropy.items())
    # a constant off in log q, such as weights that do not quite sum to 1, cancels to first order
    value = entropy + (1.0 - mass) * (entropy - 1.0)
    noise = abs(1.0 - mass) + _SAFETY * max(of_mass.values())
    return value, _SAFETY * alias, noise * (1.0 + abs(value))


def _amplitudes(sums: NDArray[np.float64]) -> dict[int, float]:
    """Return the largest modulus of the Fourier transform at each of the highest frequencies."""
    transform = np.abs(np.fft.fftn(sums))
    line = np.abs(np.fft.fftfreq(_RESIDUES, 1.0 / _RESIDUES)).round()
    frequency = np.maximum.reduce(np.meshgrid(*[line] * sums.ndim))
    return {k: float(transform[frequency == k].max()) for k in _HIGHEST}


def _alias(amplitude: float, k: int, step: float) -> float:
    """Extrapolate an amplitude at the frequency 2 pi k/(9 step) to that of the lattice, 2 pi/step.

    An amplitude of ``exp(-a^2/2 - omega pi/(2a))/omega^2`` must come of an a below
    ``sqrt(-2 log amplitude)``, and falls off at least as fast as that a says.
    """
    share = k / _RESIDUES
    widest = math.sqrt(-2.0 * math.log(min(max(amplitude, 1e-300), 1e-3)))
    further = 2.0 * math.pi * (1.0 - share) / step
    return amplitude * share**2 * math.exp(-0.5 * math.pi * further / widest)
