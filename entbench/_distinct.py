"""Repeated centres, found in time O(n log n) whatever the dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def distinct_rows(
    rows: NDArray[np.float64],
) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Return which rows of (n, dim) to keep, and which kept row each row equals.

    None where all rows differ. Rows are compared by a 64-bit sum of their numbers' bits first, and
    number by number only where those sums agree.
    """
    sums = _bit_sums(rows)
    ordered = np.sort(sums)
    if not (ordered[1:] == ordered[:-1]).any():
        return None
    _, first, index = np.unique(sums, return_index=True, return_inverse=True)
    if np.array_equal(rows[first[index]], rows):
        return first, index
    _, first, index = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return None if len(first) == len(rows) else (first, index.reshape(-1))


def _bit_sums(rows: NDArray[np.float64]) -> NDArray[np.uint64]:
    seeds = np.random.default_rng(0)
    factors = np.asarray(seeds.integers(2**63, size=rows.shape[1]), dtype=np.uint64)
    sums = np.zeros(len(rows), dtype=np.uint64)
    for axis, factor in enumerate(factors):
        bits = np.ascontiguousarray(rows[:, axis] + 0.0).view(np.uint64)  # + 0.0: no negative zero
        bits ^= bits >> np.uint64(29)
        sums += bits * (factor | np.uint64(1))
        sums ^= sums >> np.uint64(31)
    return sums
