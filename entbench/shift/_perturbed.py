"""What perturbations give: the shifted data set, and what is known of how far it moved."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from entbench._validation import check_integer, check_samples
from entbench.shift._arguments import check_generator
from entbench.shift._metrics import kl_divergence, number_rows, total_variation

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Facts",
    "Perturbation",
    "Perturbed",
    "check_inputs",
    "check_labels",
    "flatten",
    "lengths",
    "moved",
    "resample",
    "reweighted",
]


class Facts(NamedTuple):
    """How far the law P' of a perturbed data set is from P, that of the rows it was made of.

    P is uniform on the rows that were given; P' has the weights, on the rows, that came back. All
    is exact for these two but for rounding.

    Attributes
    ----------
    tv : float
        Total variation, in [0, 1].
    kl : float
        D(P' || P) in nats; inf where P' has values that P has not.
    w1 : float
        Upper bound on the Wasserstein distance of order 1, Euclidean, images as vectors of pixels:
        the smaller of how far the rows went on average and of ``sum |P' - P| |x - c|``, c the mean.
    w1_low : float
        Lower bound on it: the distance of the means.
    support_size : int
        How many values P and P' have together: `size` of `entbench.bounds.tv_shift_bound`.
    same_support : bool
        Whether both have the same values.
    """

    tv: float
    kl: float
    w1: float
    w1_low: float
    support_size: int
    same_support: bool


class Perturbed(NamedTuple):
    """A perturbed data set.

    Attributes
    ----------
    X : ndarray of shape (m, ...)
        Rows; those that were given, not copied, where only their weights change.
    weights : ndarray of shape (m,)
        Their probabilities.
    y : ndarray of shape (m,) or None
        Labels, as given.
    facts : Facts
        How far it is from the rows that were given.
    """

    X: NDArray[np.float64]
    weights: NDArray[np.float64]
    y: NDArray[Any] | None
    facts: Facts


class Perturbation(ABC):
    """A way to shift the law of a data set, with an intensity.

    A subclass is a frozen dataclass of plain parameters.

    Attributes
    ----------
    name : str
        Lower-case, with hyphens.
    """

    name: ClassVar[str]

    @abstractmethod
    def apply(self, X: ArrayLike, y: ArrayLike | None, rng: np.random.Generator) -> Perturbed:
        """Perturb a data set.

        Parameters
        ----------
        X : array-like of shape (n, dim), or (n, ..., height, width) for images
            Inputs. Never changed.
        y : array-like of shape (n,) or None
            Labels.
        rng : numpy.random.Generator
            Where what is drawn comes from; same state, same result.

        Returns
        -------
        Perturbed
        """


def resample(
    perturbed: Perturbed, n: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[Any] | None]:
    """Return n rows and their labels, drawn independently with the weights.

    Parameters
    ----------
    perturbed : Perturbed
        What a perturbation gave.
    n : int
        Rows to draw.
    rng : numpy.random.Generator
        Where the draws come from.

    Returns
    -------
    X : ndarray of shape (n, ...)
        Rows, as many times as drawn.
    y : ndarray of shape (n,) or None
        Their labels.

    Notes
    -----
    The facts are those of the law that is drawn from, not of the draws: their empirical law is
    apart from it by sampling. Where the facts must hold, use the weights.
    """
    n = check_integer("n", n, minimum=1)
    drawn = check_generator(rng).choice(len(perturbed.X), size=n, p=perturbed.weights)
    return perturbed.X[drawn], None if perturbed.y is None else perturbed.y[drawn]


def check_inputs(X: Any) -> NDArray[np.float64]:
    """Return inputs as finite float64 of the shape given, the rows first."""
    array = np.asarray(X)
    if array.ndim <= 2:
        return check_samples(array, minimum=1)
    if not array.size:
        raise ValueError(f"`X` must not be empty; got shape {array.shape}.")
    return check_samples(array.reshape(len(array), -1), minimum=1).reshape(array.shape)


def check_labels(y: Any, n: int) -> NDArray[Any] | None:
    """Return labels as an array of n, or None."""
    if y is None:
        return None
    labels = np.asarray(y)
    if labels.shape != (n,):
        raise ValueError(f"`y` must have shape ({n},), as `X` has rows; got shape {labels.shape}.")
    return labels


def flatten(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows as vectors."""
    return X.reshape(len(X), -1)


def lengths(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Euclidean length of each row; squares neither overflow nor underflow."""
    power = int(np.frexp(np.abs(rows).max())[1])
    long: NDArray[np.float64] = np.linalg.norm(np.ldexp(rows, -power), axis=1)
    return np.ldexp(long, power)


def moved(X: NDArray[np.float64], to: NDArray[np.float64], y: NDArray[Any] | None) -> Perturbed:
    """Return the data set whose rows went from X to `to`, with its facts."""
    n = len(X)
    rows, steps = np.vstack([flatten(X), flatten(to)]), flatten(to - X)
    weights = np.full(n, 1.0 / n)
    nothing = np.zeros(n)
    before, after = np.concatenate([weights, nothing]), np.concatenate([nothing, weights])
    way = float(lengths(steps).mean())
    return Perturbed(to, weights, y, _compare(rows, before, after, steps.mean(axis=0), way))


def reweighted(
    X: NDArray[np.float64], weights: NDArray[np.float64], y: NDArray[Any] | None
) -> Perturbed:
    """Return the data set with these weights, with its facts."""
    rows = flatten(X)
    before = np.full(len(rows), 1.0 / len(rows))
    # of centred rows, so that a far offset costs no digits
    difference = (weights - before) @ (rows - rows.mean(axis=0))
    return Perturbed(X, weights, y, _compare(rows, before, weights, difference))


def _compare(
    rows: NDArray[np.float64],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    difference: NDArray[np.float64],
    way: float = np.inf,
) -> Facts:
    """Return the facts of two sets of weights of the same rows.

    `difference` is that of the means, `way` the cost of some coupling.
    """
    value_of, size = number_rows(rows)
    p, q = (np.bincount(value_of, weights=w, minlength=size) for w in (before, after))
    apart = np.empty(size)
    apart[value_of] = lengths(rows - rows.mean(axis=0))
    # f of Lipschitz constant 1: int f d(P' - P) <= int |x - c| d|P' - P|, whatever c is
    w1 = min(way, float(np.abs(q - p) @ apart))
    return Facts(
        tv=total_variation(q, p).value,
        kl=kl_divergence(q, p).value,
        w1=w1,
        w1_low=min(float(lengths(difference[None])[0]), w1),  # rounding, where both are attained
        support_size=int(np.count_nonzero((p > 0.0) | (q > 0.0))),
        same_support=bool(np.array_equal(p > 0.0, q > 0.0)),
    )
