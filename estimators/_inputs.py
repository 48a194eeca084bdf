"""Which rows of X are the same input, and whether the signal is a function of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from entbench._distinct import distinct_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Inputs:
    """The distinct inputs among n samples of (X, S), numbered as they first appear.

    Attributes
    ----------
    index : ndarray of shape (n,)
        Number of each row's input.
    counts : ndarray of shape (n_inputs,)
        Rows of each input.
    deterministic : bool
        Whether all rows of an input have the same signal, so that h(S+Z | X) = h(Z). An input that
        occurs once tells nothing else, so this holds too where all inputs differ.
    """

    index: NDArray[np.intp]
    counts: NDArray[np.intp]
    deterministic: bool

    def rows(self) -> list[NDArray[np.intp]]:
        """Return the rows of each input, in ascending order."""
        order = np.argsort(self.index, kind="stable")
        return np.split(order, np.cumsum(self.counts)[:-1])


def group_inputs(X: NDArray[np.float64], signal: NDArray[np.float64]) -> Inputs:
    """Return which rows of `X` are the same input.

    Parameters
    ----------
    X : ndarray of shape (n, dim_x)
        Inputs. Rows are the same where all their numbers are equal; -0.0 equals 0.0.
    signal : ndarray of shape (n, dim)
        What the channel made of them, row by row, before the noise.

    Raises
    ------
    ValueError
        If an input has several different signals while another occurs once: one sample does not
        tell the law of the signal given that input.
    """
    index, first = _numbered(X)
    counts = np.bincount(index, minlength=len(first))
    deterministic = bool(np.array_equal(signal, signal[first[index]]))
    lone = np.flatnonzero(counts == 1)
    if not deterministic and len(lone):
        raise ValueError(
            "`X` must have every input at least twice where some input has different signals: one "
            f"sample does not tell h(S+Z | X = x); got {len(lone)} of {len(counts)} inputs once, "
            f"as in row {first[lone[0]]} (counted from 0)."
        )
    return Inputs(index, counts, deterministic)


def _numbered(rows: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the number of each row's value, in order of appearance, and where each is first."""
    found = distinct_rows(rows)
    if found is None:
        return np.arange(len(rows)), np.arange(len(rows))
    first, index = found
    order = np.argsort(first)
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    return number[index], first[order]
