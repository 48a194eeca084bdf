"""Theorem 6: some source in the cube gives the plug-in at least this bias."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from entbench._validation import check_choice, check_integer, check_positive
from entbench.bounds._arguments import (
    beyond_rounding,
    check_not_negative,
    check_scale,
    check_setting,
)
from entbench.bounds._shift import binary_entropy

Grid = Literal["centres", "end points"]
_GRIDS = ("centres", "end points")
# beyond this half spacing over sigma, neighbours hide each other: no k has a positive bound there
_LEAST_HALF_SPACING = 0.05
# floats tell neighbouring integers apart up to here
_MOST_CELLS = 1e15


def theorem_6_smallest_epsilon(dim: int, sigma: float, grid: Grid = "centres") -> float:
    r"""Return the end of the range (smallest, 1] of Theorem 6's epsilon.

    .. math::

        \epsilon_{min} = 1 - \left(1 - 2 Q\left(\frac{1}{2 \sigma}\right)\right)^d

    The chance to mistake one of 2^dim cell centres, Q the upper tail of N(0, 1); with grid
    "end points" 1/sigma in place of 1/(2 sigma).

    Returns
    -------
    float
        A probability.

    References
    ----------
    Goldfeld et al. (2019), supplement, Theorem 6. It is 1/(2 sigma), not sigma/2: only so does the
    paper's 0.0057 at sigma = 0.1, dim = 1e4 come out.
    """
    dim, sigma = _check_channel(dim, sigma)
    check_choice("grid", grid, _GRIDS)
    return -math.expm1(_log_success(_half_spacing(2, grid) / sigma, dim))


def theorem_6_cells(dim: int, sigma: float, epsilon: float, grid: Grid = "centres") -> int:
    r"""Return k*, the most points per axis that are mistaken with probability at most epsilon.

    .. math::

        k_* = \left\lfloor
        \frac{1}{\sigma Q^{-1}\left(\frac{1}{2} \left(1 - (1 - \epsilon)^{1/d}\right)\right)}
        \right\rfloor

    At least 2; with grid "end points" one more. Q is the upper tail of N(0, 1).

    Parameters
    ----------
    dim : int
        Dimension.
    sigma : float
        Standard deviation of the noise.
    epsilon : float
        In (smallest, 1); at 1 every k will do.
    grid : {"centres", "end points"}
        Centres of k cells per axis as in the paper, or k points from -1 to 1, a distance 2/(k - 1)
        apart in place of 2/k.

    Returns
    -------
    int
        Points per axis.

    Raises
    ------
    ValueError
        Where epsilon is outside its range.

    References
    ----------
    Goldfeld et al. (2019), supplement, Theorem 6; the grid with end points is not in the paper.
    """
    dim, sigma = _check_channel(dim, sigma)
    _check_epsilon(epsilon, dim, sigma, grid)
    chance = -0.5 * math.expm1(math.log1p(-epsilon) / dim)
    cells = math.floor(1.0 / (sigma * -float(ndtri(chance))))
    # epsilon is inside its range, so that only rounding can have taken one off
    return max(2, cells) if grid == "centres" else max(2, cells + 1)


def theorem_6_bias_bound(
    n: int, dim: int, sigma: float, epsilon: float | None = None, grid: Grid = "centres"
) -> float:
    r"""Return a lower bound on the largest ``h - E h_SP`` among sources in the cube.

    .. math::

        \sup_S (h - E h_{SP}) \geq \log\left(\frac{k_*^{d (1 - \epsilon)}}{n}\right)
        - H_b(\epsilon)

    k* is `theorem_6_cells`, H_b is `binary_entropy`.

    Parameters
    ----------
    n : int
        Number of samples of S.
    dim : int
        Dimension.
    sigma : float
        Standard deviation of the noise.
    epsilon : float, optional
        In (smallest, 1); by default the best, which is the supremum over all.
    grid : {"centres", "end points"}
        As in `theorem_6_cells`.

    Returns
    -------
    float
        In nats. Negative values say nothing: the bias is never negative.

    Raises
    ------
    ValueError
        Where epsilon is outside its range.

    Notes
    -----
    Proved; every number in the paper comes out. Nearest-point decoding, Fano's inequality, and the
    mixture's information of at most log n. `worst_case_bias_bound` is sharper.

    References
    ----------
    Goldfeld et al. (2019), supplement, Theorem 6, eq. (16).
    """
    n, dim, sigma = check_setting(n, dim, sigma)
    check_choice("grid", grid, _GRIDS)
    log_cells, log_n = _log_cells(dim, sigma, epsilon, grid), math.log(n)
    return beyond_rounding(log_cells - log_n, log_cells, log_n)


def fano_bias_bound(n: int, log_values: float, decoding_error: float) -> float:
    r"""Return a lower bound on ``h - E h_SP`` for S uniform on finitely many values.

    .. math::

        h - E h_{SP} \geq (1 - \epsilon) \log m - H_b(\epsilon) - \log n

    Theorem 6 for the source itself, epsilon the probability that its m values are mistaken; H_b is
    `binary_entropy`.

    Parameters
    ----------
    n : int
        Number of samples of S.
    log_values : float
        log m, of how many values S has, all equally likely.
    decoding_error : float
        Epsilon, or a bound on it: the probability that S is not found from S+Z.

    Returns
    -------
    float
        In nats. Negative values say nothing: the bias is never negative.

    Notes
    -----
    Proved, as `theorem_6_bias_bound`: with a bound in place of epsilon the value is smaller, or not
    positive. `uniform_values_bias_bound` is sharper where I(S; S+Z) is known.

    References
    ----------
    Goldfeld et al. (2019), supplement, Theorem 6, its proof.
    """
    n = check_integer("n", n, minimum=1)
    log_values = check_not_negative("log_values", log_values)
    epsilon = check_not_negative("decoding_error", decoding_error)
    if epsilon > 1.0:
        raise ValueError(f"`decoding_error` must be a probability; got {decoding_error!r}.")
    known, unsure, log_n = (1.0 - epsilon) * log_values, binary_entropy(epsilon), math.log(n)
    return beyond_rounding(known - unsure - log_n, known, unsure, log_n)


def theorem_6_log_samples(
    delta: float, dim: int, sigma: float, epsilon: float | None = None, grid: Grid = "centres"
) -> float:
    r"""Return log of the n up to which some source in the cube has bias at least delta nats.

    .. math::

        \log n = d (1 - \epsilon) \log k_* - H_b(\epsilon) - \delta

    The number itself may overflow. k* is `theorem_6_cells`, H_b is `binary_entropy`.

    Returns
    -------
    float
        log n. Negative where the theorem gives no n.

    Notes
    -----
    Proved, as `theorem_6_bias_bound`.

    References
    ----------
    Goldfeld et al. (2019), supplement, Theorem 6, its consequence.
    """
    dim, sigma = _check_channel(dim, sigma)
    check_choice("grid", grid, _GRIDS)
    return _log_cells(dim, sigma, epsilon, grid) - check_not_negative("delta", delta)


def theorem_6_witness(k: int, grid: Grid = "centres") -> NDArray[np.float64]:
    r"""Return the points of one axis of the source that Theorem 6 is proved with.

    .. math::

        s_j = -1 + \frac{2 j - 1}{k}, \quad j = 1, \ldots, k

    Or k points from -1 to 1, ends included. The source is uniform on the product of dim such axes.

    Returns
    -------
    ndarray of shape (k,)
        In the units of S.
    """
    k = check_integer("k", k, minimum=2)
    check_choice("grid", grid, _GRIDS)
    if grid == "end points":
        return np.linspace(-1.0, 1.0, k)
    return -1.0 + (2.0 * np.arange(1, k + 1) - 1.0) / k


def _check_channel(dim: Any, sigma: Any) -> tuple[int, float]:
    return check_integer("dim", dim, minimum=1), check_scale("sigma", sigma)


def _check_epsilon(epsilon: Any, dim: int, sigma: float, grid: Grid) -> None:
    smallest = theorem_6_smallest_epsilon(dim, sigma, grid)
    message = f"`epsilon` must be in ({smallest:.6g}, 1) for this dim and sigma; got {epsilon!r}."
    if not smallest < check_positive("epsilon", epsilon) < 1.0:
        raise ValueError(message)


def _half_spacing(k: int, grid: Grid) -> float:
    return 1.0 / k if grid == "centres" else 1.0 / (k - 1)


def _log_success(x: float, dim: int) -> float:
    """Return log of the chance that no axis errs by more than x noise deviations."""
    error = 2.0 * float(ndtr(-x))
    return dim * math.log1p(-error) if error < 1.0 else -math.inf


def _log_cells(dim: int, sigma: float, epsilon: float | None, grid: Grid) -> float:
    """Return ``dim (1 - epsilon) log k* - H_b(epsilon)``."""
    if epsilon is not None:
        k = theorem_6_cells(dim, sigma, epsilon, grid)
        return dim * (1.0 - epsilon) * math.log(k) - binary_entropy(epsilon)
    # for each k the value is convex in epsilon, so it is largest at an end: at the smallest epsilon
    # that allows k, or at 1, where it is 0
    return max(0.0, _best_cells(dim, sigma, grid))


def _best_cells(dim: int, sigma: float, grid: Grid) -> float:
    finest = 1.0 / (sigma * _LEAST_HALF_SPACING)
    largest = max(3, math.ceil(min(finest, _MOST_CELLS)) + 1)
    low, high = 2, largest
    best = -math.inf
    while True:
        tried = np.unique(np.linspace(low, high, 2000).astype(np.int64))
        if low == 2 and high == largest:
            tried = np.unique(np.geomspace(low, high, 2000).astype(np.int64))
        values = [_value_at(int(k), dim, sigma, grid) for k in tried]
        at = int(np.argmax(values))
        best = max(best, values[at])
        low, high = int(tried[max(at - 1, 0)]), int(tried[min(at + 1, len(tried) - 1)])
        if high - low <= 2:
            return best


def _value_at(k: int, dim: int, sigma: float, grid: Grid) -> float:
    log_success = _log_success(_half_spacing(k, grid) / sigma, dim)
    success = math.exp(log_success)
    if success == 0.0:
        return 0.0
    epsilon = -math.expm1(log_success)
    uncertain = -success * log_success - (epsilon * math.log(epsilon) if epsilon > 0.0 else 0.0)
    return dim * success * math.log(k) - uncertain
