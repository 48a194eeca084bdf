"""Bits of 0/1 inputs flipped: rows of them, and the law of all that may come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from entbench._validation import check_fraction, check_integer
from entbench.shift._arguments import check_generator, check_law
from entbench.shift._metrics import kl_divergence, total_variation
from entbench.shift._perturbed import (
    Facts,
    Perturbation,
    Perturbed,
    check_inputs,
    check_labels,
    flatten,
    moved,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["BitFlips", "flip_law", "flipped_law"]

_MOST_BITS = 16


@dataclass(frozen=True)
class BitFlips(Perturbation):
    """Flip bits of 0/1 inputs: each with probability `p`, or a fixed set of `n_flips` of them.

    Parameters
    ----------
    p : float, optional
        Probability that a bit flips, each on its own, in [0, 1].
    n_flips : int, optional
        How many columns, drawn at random, are flipped in all rows. One of the two must be given.

    Notes
    -----
    Flipping a fixed set permutes the patterns: of rows uniform on all 2^dim of them the law stays
    the same, total variation and divergence are 0, and only the labels go elsewhere.

    With `p` the same is true of the law of what may come out, and not of the rows that do: one draw
    a row leaves some patterns out. The facts are of these rows; for the law itself, from any rows,
    see `flipped_law`.
    """

    name: ClassVar[str] = "bit-flips"
    p: float | None = None
    n_flips: int | None = None

    def __post_init__(self) -> None:
        """Check the parameters."""
        if (self.p is None) == (self.n_flips is None):
            raise ValueError(
                f"one of `p` and `n_flips` must be given; got p={self.p!r} and "
                f"n_flips={self.n_flips!r}."
            )
        if self.p is not None:
            check_fraction("p", self.p)
        else:
            check_integer("n_flips", self.n_flips, minimum=0)

    def apply(self, X: ArrayLike, y: ArrayLike | None, rng: np.random.Generator) -> Perturbed:
        """Perturb a data set of zeros and ones; see `Perturbation.apply`."""
        check_generator(rng)
        inputs = _check_bits(X)
        labels = check_labels(y, len(inputs))
        rows = flatten(inputs)
        if self.p is not None:
            flips = rng.random(rows.shape) < self.p
        else:
            count = check_integer("n_flips", self.n_flips, 0, rows.shape[1])
            flips = np.isin(np.arange(rows.shape[1]), rng.permutation(rows.shape[1])[:count])
        return moved(inputs, np.where(flips, 1.0 - rows, rows).reshape(inputs.shape), labels)


def flipped_law(X: ArrayLike, p: float) -> Perturbed:
    """Return the exact law of the rows of X, equally probable, after each bit may have flipped.

    Parameters
    ----------
    X : array-like of shape (n, dim)
        Zeros and ones; dim at most 16.
    p : float
        Probability that a bit flips, each on its own, in [0, 1].

    Returns
    -------
    Perturbed
        All patterns that may come out, with their probabilities. No labels: a pattern may come of
        rows of several. Of rows uniform on all 2^dim patterns, `tv` and `kl` are exactly 0; of a
        part of them, such as 80 % to train on, they are not.

    Notes
    -----
    `w1` is the smaller of ``E sqrt(flips)``, as rows go to what they become, and ``tv sqrt(dim)``:
    all patterns lie ``sqrt(dim)/2`` from the middle of the cube. Cost: O(dim (n + 2^dim)).
    """
    p = check_fraction("p", p)
    rows = _check_bits(X)
    if rows.ndim != 2 or rows.shape[1] > _MOST_BITS:
        raise ValueError(
            f"`X` must have shape (n, dim), dim at most {_MOST_BITS}; got shape {rows.shape}."
        )
    dim = rows.shape[1]
    powers = 2.0 ** np.arange(dim - 1, -1, -1)
    before = np.bincount((rows @ powers).astype(np.intp), minlength=2**dim) / len(rows)
    after = flip_law(before, p)
    patterns = (np.arange(2**dim)[:, None] // powers.astype(np.intp)) % 2.0
    tv = total_variation(after, before).value
    facts = Facts(
        tv=tv,
        kl=kl_divergence(after, before).value,
        w1=min(_mean_step(dim, p), tv * float(np.sqrt(dim))),
        w1_low=float(np.linalg.norm((after - before) @ patterns)),
        support_size=int(np.count_nonzero((before > 0.0) | (after > 0.0))),
        same_support=bool(np.array_equal(before > 0.0, after > 0.0)),
    )
    reached = after > 0.0
    return Perturbed(patterns[reached], after[reached], None, facts)


def flip_law(law: ArrayLike, p: float) -> NDArray[np.float64]:
    """Return the law of dim bits after each flipped, on its own, with probability p.

    Parameters
    ----------
    law : array-like of shape (2^dim,)
        Probabilities of the patterns, the first bit that of the highest value.
    p : float
        In [0, 1].

    Returns
    -------
    ndarray of shape (2^dim,)
        Probabilities; exact but for rounding, and the same numbers where `law` is uniform.

    Notes
    -----
    Bit by bit, O(dim 2^dim). In the Walsh-Hadamard transform it is a product with
    ``(1 - 2p)^(bits set)``, which costs as much and loses digits of small probabilities.
    """
    p = check_fraction("p", p)
    pmf = check_law("law", law)
    dim = len(pmf).bit_length() - 1
    if len(pmf) != 2**dim:
        raise ValueError(f"`law` must have 2^dim entries; got {len(pmf)}.")
    # from the nearer side: a small probability beside a large one keeps its digits
    start, share = (slice(None), p) if p <= 0.5 else (slice(None, None, -1), 1.0 - p)
    for bit in range(dim):
        halves = pmf.reshape(-1, 2, 2**bit)[:, start]
        # of equal numbers the difference is 0; never below 0, rounding being monotone
        pmf = (halves + share * (halves[:, ::-1] - halves)).reshape(-1)
    return pmf


def _mean_step(dim: int, p: float) -> float:
    """Return ``E sqrt(B)``, B the number of bits that flip."""
    counts = np.ones(1)
    for _ in range(dim):
        counts = np.convolve(counts, [1.0 - p, p])
    return float(counts @ np.sqrt(np.arange(dim + 1.0)))


def _check_bits(X: Any) -> NDArray[np.float64]:
    inputs = check_inputs(X)
    others = (inputs != 0.0) & (inputs != 1.0)
    if others.any():
        raise ValueError(f"`X` must hold zeros and ones; got {inputs[others][0]}.")
    return inputs
