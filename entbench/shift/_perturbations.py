"""Perturbations that move the inputs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from entbench._validation import check_choice, check_not_negative, check_real
from entbench.shift._arguments import check_generator
from entbench.shift._perturbed import (
    Perturbation,
    Perturbed,
    check_inputs,
    check_labels,
    moved,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["AdditiveNoise", "Rotation", "Translation"]

_DIRECTIONS = ("random", "pixels")
# rows and columns that one pixel down, up, right and left are
_STEPS = ((1, 0), (-1, 0), (0, 1), (0, -1))


@dataclass(frozen=True)
class AdditiveNoise(Perturbation):
    """Add independent normal noise to every entry of X.

    Parameters
    ----------
    scale : float
        Standard deviation of the noise, in the unit of X, >= 0.

    Notes
    -----
    The facts are of the rows that came out, one draw of noise for each: `w1` is at most the mean of
    ``scale |N|`` over them, whose expectation is ``scale sqrt(2) Gamma((dim+1)/2)/Gamma(dim/2)``,
    an upper bound on W_1 of the laws with all noise averaged over too. Both of these are at total
    variation 1 from the rows given, and at infinite divergence, unless `scale` is 0.
    """

    name: ClassVar[str] = "additive-noise"
    scale: float

    def __post_init__(self) -> None:
        """Check the parameter."""
        check_not_negative("scale", self.scale)

    def apply(self, X: ArrayLike, y: ArrayLike | None, rng: np.random.Generator) -> Perturbed:
        """Perturb a data set; see `Perturbation.apply`."""
        inputs = check_inputs(X)
        labels = check_labels(y, len(inputs))
        noise = self.scale * check_generator(rng).standard_normal(inputs.shape)
        return moved(inputs, inputs + noise, labels)


@dataclass(frozen=True)
class Translation(Perturbation):
    """Move all inputs by the same vector.

    Parameters
    ----------
    length : float
        How far, >= 0: in the unit of X, or in pixels.
    direction : {"random", "pixels"}, default="random"
        "random": by `length` along a random direction of the space of inputs; the Wasserstein
        distance is then `length`, and `w1` and `w1_low` agree. "pixels": images move down, up,
        right or left, one of the four at random for all, by `length` pixels; between pixels linear,
        0 comes in from outside.
    """

    name: ClassVar[str] = "translation"
    length: float
    direction: str = "random"

    def __post_init__(self) -> None:
        """Check the parameters."""
        check_not_negative("length", self.length)
        check_choice("direction", self.direction, _DIRECTIONS)

    def apply(self, X: ArrayLike, y: ArrayLike | None, rng: np.random.Generator) -> Perturbed:
        """Perturb a data set; see `Perturbation.apply`."""
        check_generator(rng)
        inputs = check_inputs(X)
        labels = check_labels(y, len(inputs))
        if self.direction == "random":
            towards = rng.standard_normal(inputs.shape[1:])
            step = self.length * (towards / np.linalg.norm(towards))
            return moved(inputs, inputs + step, labels)
        if inputs.ndim < 3:
            raise ValueError(
                '`X` must have shape (n, ..., height, width) for direction "pixels"; '
                f"got shape {inputs.shape}."
            )
        from scipy.ndimage import shift

        pixels = self.length * np.array(_STEPS[rng.integers(len(_STEPS))])
        by = (0.0,) * (inputs.ndim - 2) + tuple(pixels.tolist())
        return moved(inputs, shift(inputs, by, order=1, mode="grid-constant"), labels)


@dataclass(frozen=True)
class Rotation(Perturbation):
    """Rotate all inputs by the same angle.

    Parameters
    ----------
    degrees : float
        The angle. Images turn about their centre, counter-clockwise where positive; between pixels
        linear, 0 comes in from outside. Vectors, of two entries at least, turn about the origin in
        a random plane.

    Notes
    -----
    For vectors `w1` is at most ``2 |sin(a/2)|`` times the mean length of the inputs' projections on
    the plane, for an angle a.
    """

    name: ClassVar[str] = "rotation"
    degrees: float

    def __post_init__(self) -> None:
        """Check the parameter."""
        check_real("degrees", self.degrees)

    def apply(self, X: ArrayLike, y: ArrayLike | None, rng: np.random.Generator) -> Perturbed:
        """Perturb a data set; see `Perturbation.apply`."""
        check_generator(rng)
        inputs = check_inputs(X)
        labels = check_labels(y, len(inputs))
        if inputs.ndim == 2:
            return moved(inputs, _turn(inputs, math.radians(self.degrees), rng), labels)
        from scipy.ndimage import rotate

        turned = rotate(
            inputs, self.degrees, axes=(-2, -1), reshape=False, order=1, mode="grid-constant"
        )
        return moved(inputs, turned, labels)


def _turn(rows: NDArray[np.float64], angle: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the rows turned about the origin in a random plane."""
    if rows.shape[1] < 2:
        raise ValueError(f"`X` must have two columns to rotate in; got shape {rows.shape}.")
    plane, _ = np.linalg.qr(rng.standard_normal((rows.shape[1], 2)))
    # sums row by row: a matrix product may round equal rows differently
    along, across = ((rows * axis).sum(axis=1) for axis in plane.T)
    # cos - 1 and sin, by half the angle: no digits cancel where it is small
    less, sine = -2.0 * math.sin(0.5 * angle) ** 2, math.sin(angle)
    forward, sideways = less * along - sine * across, sine * along + less * across
    turned: NDArray[np.float64] = rows + np.outer(forward, plane[:, 0])
    turned += np.outer(sideways, plane[:, 1])
    return turned
