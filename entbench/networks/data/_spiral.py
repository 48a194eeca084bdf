"""Two arms of a spiral, one for each class."""

from __future__ import annotations

import math

import numpy as np

from entbench._validation import check_integer, check_positive, check_real
from entbench.networks.data._dataset import DataSet

__all__ = ["load_spiral"]

INNER = 0.1  # where the arms begin: at 0 they would meet


def load_spiral(
    n: int = 2000, seed: int = 0, *, turns: float = 1.0, noise: float = 0.03
) -> DataSet:
    """Draw points from two interleaved arms of an Archimedean spiral in the unit disc.

    Parameters
    ----------
    n : int
        Number of points in all, even: n / 2 on each arm.
    seed : int
        Same seed, same points.
    turns : float
        How often each arm goes round.
    noise : float in [0, 0.5)
        Each point is moved by a draw from the disc of this radius. This belongs to the data set;
        the noise inside a network is its ``sigma``.

    Returns
    -------
    X : ndarray of float64, shape (n, 2)
        Within the unit disc, so within [-1, 1]^2.
    y : ndarray of int64, shape (n,)
        Zeros, then ones.

    Notes
    -----
    Arm 0 is ``r (cos t, sin t)`` with ``t = 2 pi turns (r - 0.1) / (R - 0.1)``, r from 0.1 to
    ``R = 1 - noise``; arm 1 is its mirror image through the origin. ``r^2`` is uniform, which
    spreads points nearly evenly along the arm. With the defaults no point of one class lies
    within 0.14 of the other's; from `noise` = 0.1 on the arms touch where they begin.

    The paper shows its spiral in a figure (Goldfeld et al. 2019, Fig. 11) and gives no formula:
    this one is ours, so its numbers can be compared with the paper's only in kind.
    """
    count = check_integer("n", n, minimum=2)
    if count % 2:
        raise ValueError(f"`n` must be even, half of it for each class; got {n!r}.")
    rounds = check_positive("turns", turns)
    radius = check_real("noise", noise)
    if not 0.0 <= radius < 0.5:
        raise ValueError(f"`noise` must be in [0, 0.5); got {noise!r}.")
    rng = np.random.default_rng(check_integer("seed", seed, minimum=0))
    outer = 1.0 - radius
    r = np.sqrt(rng.uniform(INNER**2, outer**2, count))
    t = 2.0 * math.pi * rounds * (r - INNER) / (outer - INNER)
    y = np.repeat(np.array([0, 1], dtype=np.int64), count // 2)
    shift = radius * np.sqrt(rng.random(count))
    direction = rng.uniform(0.0, 2.0 * math.pi, count)
    arm = (1 - 2 * y) * r
    X = np.column_stack(
        [
            arm * np.cos(t) + shift * np.cos(direction),
            arm * np.sin(t) + shift * np.sin(direction),
        ]
    )
    return DataSet(X, y)
