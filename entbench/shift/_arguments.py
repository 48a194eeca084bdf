"""Checks and the result that the distances of this room share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entbench._validation import check_samples

__all__ = [
    "Distance",
    "check_generator",
    "check_law",
    "check_two_samples",
]

_SUM_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Distance:
    """A distance between two laws, and how far it is known.

    Attributes
    ----------
    value : float
        Total variation; KL divergence in nats; or Wasserstein distance in the unit of the samples.
    low, high : float
        Range that the distance lies in: proved for Wasserstein distances, equal to `value` for what
        is exact but for rounding, a 95 % range for what is estimated.
    method : str
        How it was found, and which end of the range `value` is.
    n, m : int
        Rows, or points of the support, of the first and the second law.
    standard_error : float
        Standard error of an estimate; 0 where `low` and `high` are no matter of chance.
    """

    value: float
    low: float
    high: float
    method: str
    n: int
    m: int
    standard_error: float = 0.0


def check_law(name: str, weights: Any, size: int | None = None) -> NDArray[np.float64]:
    """Return `weights` divided by their sum, which must be 1 to within 1e-9.

    Raises
    ------
    TypeError, ValueError
        If they are not numbers >= 0 along one axis, not `size` of them, or sum to something else.
    """
    array = np.asarray(weights)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"`{name}` must hold real numbers; got dtype {array.dtype}.")
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(f"`{name}` must have one axis and an entry; got shape {array.shape}.")
    if size is not None and len(array) != size:
        raise ValueError(f"`{name}` must have {size} entries, one for each row; got {len(array)}.")
    law = array.astype(np.float64)
    if not (law >= 0.0).all():
        raise ValueError(f"`{name}` must be >= 0; got {law[~(law >= 0.0)][0]}.")
    total = math.fsum(law.tolist())
    if not abs(total - 1.0) <= _SUM_TOLERANCE:
        raise ValueError(f"`{name}` must sum to 1; got a sum of {total!r}.")
    return law / total


def check_two_samples(
    X: Any, Y: Any, *, minimum: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both samples as `check_samples` does; they must have as many columns."""
    x = check_samples(X, name="X", minimum=minimum)
    y = check_samples(Y, name="Y", minimum=minimum)
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            "`X` and `Y` must have as many columns as each other; "
            f"got {x.shape[1]} and {y.shape[1]}."
        )
    return x, y


def check_generator(rng: Any) -> np.random.Generator:
    """Return `rng`, which must be a generator of NumPy."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"`rng` must be a numpy.random.Generator; got {rng!r}.")
    return rng
