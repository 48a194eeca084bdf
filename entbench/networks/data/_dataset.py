"""What a loader returns, and how rows are split into training and test."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from entbench._validation import check_integer, check_real

__all__ = ["DataSet", "split"]


class DataSet(NamedTuple):
    """Inputs and labels; unpacks as ``X, y = load_szt()``.

    Parameters
    ----------
    X : ndarray
        One row for each example.
    y : ndarray of int64, shape (n,)
        Its class.
    """

    X: NDArray[Any]
    y: NDArray[np.int64]


def split(
    X: Any, y: Any, share: float = 0.8, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of training and test rows, drawn without replacement.

    Parameters
    ----------
    X, y : array-like with as many rows as each other
        The data set; only the number of rows matters.
    share : float in (0, 1)
        Part that is trained on, rounded down: 3276 of the 4096 rows of SZT at 0.8.
    seed : int
        Same seed, same split.

    Returns
    -------
    train, test : ndarray of int64
        Ascending; together every row once.

    Notes
    -----
    Not stratified: I(X;Y) = H(Y) of the training rows depends on the split. On SZT at 0.8 it is
    0.9991 bits on average.
    """
    n = len(X)
    if len(y) != n:
        raise ValueError(f"`X` and `y` must have as many rows as each other; got {n} and {len(y)}.")
    part = check_real("share", share)
    if not 0.0 < part < 1.0:
        raise ValueError(f"`share` must be in (0, 1); got {share!r}.")
    n_train = int(part * n + 1e-9)  # 0.29 * 100 is 28.999999999999996
    if not 0 < n_train < n:
        raise ValueError(
            f"`share` must leave rows on both sides; got {share!r} of {n} rows: {n_train} to train."
        )
    order = np.random.default_rng(check_integer("seed", seed, minimum=0)).permutation(n)
    return np.sort(order[:n_train]), np.sort(order[n_train:])
