"""Perturbations that leave the inputs as they are and change how probable they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from entbench._validation import check_choice, check_fraction, check_not_negative
from entbench.shift._arguments import check_generator
from entbench.shift._metrics import kl_divergence, number_rows
from entbench.shift._perturbed import (
    Perturbation,
    Perturbed,
    check_inputs,
    check_labels,
    flatten,
    reweighted,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["LabelSkew", "Reweighting", "Tilting"]

_STATISTICS = ("linear", "label")
# relative; what is asked and what there is may differ by rounding
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Reweighting(Perturbation):
    """Move mass `eps` from a random half of the values of X to the others.

    Parameters
    ----------
    eps : float
        Total variation of P and P', in [0, 1). Exact, but for rounding.

    Notes
    -----
    Equal rows are one value and keep equal weights. In each half weights change by one factor. The
    half is drawn by values; where it holds less than `eps`, as many more values as that needs give
    mass too. One at least must receive: the largest `eps` is 1 - 1/N for N values as frequent as
    each other. With the same `rng`, the half is the same for all `eps` that it can give.
    """

    name: ClassVar[str] = "reweighting"
    eps: float

    def __post_init__(self) -> None:
        """Check the parameter."""
        check_fraction("eps", self.eps)

    def apply(self, X: ArrayLike, y: ArrayLike | None, rng: np.random.Generator) -> Perturbed:
        """Perturb a data set; see `Perturbation.apply`."""
        inputs = check_inputs(X)
        labels = check_labels(y, len(inputs))
        value_of, _ = number_rows(flatten(inputs))
        return reweighted(inputs, _move_mass(value_of, self.eps, rng), labels)


@dataclass(frozen=True)
class LabelSkew(Perturbation):
    """Move mass `eps` from a random half of the classes to the others.

    Parameters
    ----------
    eps : float
        Total variation of the laws of the label before and after, in [0, 1). Exact, but for
        rounding.

    Notes
    -----
    Within a class weights stay equal. The facts are of X: their `tv` is `eps` where each value of X
    has one label, and less where equal rows have several. Which classes give, and the largest
    `eps`, are as in `Reweighting` with classes for values.
    """

    name: ClassVar[str] = "label-skew"
    eps: float

    def __post_init__(self) -> None:
        """Check the parameter."""
        check_fraction("eps", self.eps)

    def apply(self, X: ArrayLike, y: ArrayLike | None, rng: np.random.Generator) -> Perturbed:
        """Perturb a data set, whose labels must be given; see `Perturbation.apply`."""
        inputs = check_inputs(X)
        labels, class_of = _check_classes(y, len(inputs))
        return reweighted(inputs, _move_mass(class_of, self.eps, rng), labels)


@dataclass(frozen=True)
class Tilting(Perturbation):
    """Tilt the weights exponentially, ``w_i ~ exp(theta f(x_i))``, theta >= 0.

    Parameters
    ----------
    eps : float
        D(P' || P) in nats, >= 0. Exact but for rounding: theta is solved for.
    statistic : {"linear", "label"}, default="linear"
        f: a random linear one, ``g . x`` with independent standard normal g; or the indicator of a
        class drawn at random, for which labels must be given.

    Notes
    -----
    Of all laws with the same mean of f the one nearest to P in divergence. The largest `eps` is the
    logarithm of n over the rows at which f is largest. With "label" `eps` is the divergence of the
    laws of the label; the facts' `kl`, of X, is less where equal rows have several labels.
    """

    name: ClassVar[str] = "tilting"
    eps: float
    statistic: str = "linear"

    def __post_init__(self) -> None:
        """Check the parameters."""
        check_not_negative("eps", self.eps)
        check_choice("statistic", self.statistic, _STATISTICS)

    def apply(self, X: ArrayLike, y: ArrayLike | None, rng: np.random.Generator) -> Perturbed:
        """Perturb a data set; see `Perturbation.apply`."""
        check_generator(rng)
        inputs = check_inputs(X)
        labels = check_labels(y, len(inputs))
        if self.statistic == "label":
            _, class_of = _check_classes(y, len(inputs))
            values = np.where(class_of == rng.integers(class_of.max() + 1), 1.0, 0.0)
        else:
            values = _random_linear(flatten(inputs), rng)
        return reweighted(inputs, _tilt(values, self.eps), labels)


def _move_mass(group_of: NDArray[np.intp], eps: float, rng: Any) -> NDArray[np.float64]:
    """Return weights of the rows, with mass `eps` moved between two sets of groups."""
    masses = np.bincount(group_of) / len(group_of)
    order = check_generator(rng).permutation(len(masses))
    held = np.cumsum(masses[order])[:-1]
    largest = float(held[-1]) if len(held) else 0.0
    if eps > largest * (1.0 + _ROUNDING):
        raise ValueError(
            f"`eps` must be at most {largest:.12g}, all but the last of {len(masses)} values or "
            f"classes in the order drawn; got {eps!r}."
        )
    if eps == 0.0:
        return np.full(len(group_of), 1.0 / len(group_of))
    enough = np.searchsorted(held, eps * (1.0 - _ROUNDING)) + 1
    givers = order[: max(int(enough), len(masses) // 2)]
    gives = np.zeros(len(masses), dtype=bool)
    gives[givers] = True
    kept = max(0.0, 1.0 - eps / float(masses[gives].sum()))
    factors = np.where(gives, kept, 1.0 + eps / float(masses[~gives].sum()))
    shares: NDArray[np.float64] = factors[group_of] / float(len(group_of))
    return shares


def _tilt(values: NDArray[np.float64], eps: float) -> NDArray[np.float64]:
    """Return ``w ~ exp(theta f)``, theta >= 0, whose divergence from equal weights is `eps`."""
    from scipy.optimize import brentq

    n = len(values)
    below = values - values.max()
    top = below == 0.0
    limit = math.log(n / np.count_nonzero(top))
    if eps > limit * (1.0 + _ROUNDING):
        raise ValueError(
            f"`eps` must be at most {limit:.12g} nats, the divergence of the rows where the "
            f"statistic is largest; got {eps!r}."
        )
    equal = np.full(n, 1.0 / n)
    if eps == 0.0:
        return equal
    below = below / -below.min()

    def weights(theta: float) -> NDArray[np.float64]:
        mass = np.exp(theta * below)
        tilted: NDArray[np.float64] = mass / mass.sum()
        return tilted

    def excess(theta: float) -> float:
        return kl_divergence(weights(theta), equal).value - eps

    high = 1.0
    while excess(high) < 0.0:
        high *= 2.0
        if high > 1e300:  # eps is the limit, but for rounding
            return np.where(top, 1.0 / float(np.count_nonzero(top)), 0.0)
    theta = brentq(excess, 0.0, high, xtol=1e-300, rtol=4 * np.finfo(np.float64).eps)
    return weights(float(theta))


def _random_linear(rows: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return ``g . x`` of the rows, the same number for equal rows."""
    slopes = rng.standard_normal(rows.shape[1])
    # not a matrix product: its rounding may depend on where a row stands
    return np.asarray(((rows - rows.mean(axis=0)) * slopes).sum(axis=1))


def _check_classes(y: Any, n: int) -> tuple[NDArray[Any], NDArray[np.intp]]:
    labels = check_labels(y, n)
    if labels is None:
        raise ValueError("`y` must be given: the perturbation is by class; got None.")
    return labels, np.unique(labels, return_inverse=True)[1].reshape(-1)
