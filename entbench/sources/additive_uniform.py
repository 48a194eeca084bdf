"""Additive uniform noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from entbench._base import Pairs, PairSource, Reference, ReferenceCheck
from entbench._validation import check_positive
from entbench.sources._panels import panel_nodes

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class AdditiveUniform(PairSource):
    """Uniform noise: Y = X + N, X uniform on [0, 1], N on [-epsilon, epsilon].

    ``I = epsilon - log(2 epsilon)`` for epsilon <= 1/2, and ``1 / (4 epsilon)`` above. The noise is
    not Gaussian: estimators that read the signal have no place here.

    Parameters
    ----------
    epsilon : float, default=0.1
        Half width of the noise. The smaller, the thinner the strip that holds all pairs, and the
        harder for estimators that take the density to be constant over a neighbourhood.

    References
    ----------
    Gao, Ver Steeg & Galstyan, "Efficient estimation of mutual information for strongly dependent
    variables", AISTATS 2015, for strips of this kind; the closed form is derived here.
    """

    version: ClassVar[str] = "1"

    epsilon: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", check_positive("epsilon", self.epsilon))

    @property
    def dims(self) -> tuple[int, int]:
        """Dimensions of X and of Y."""
        return 1, 1

    def sample(self, n: int, rng: np.random.Generator) -> Pairs:
        """Draw `n` pairs."""
        x = rng.random((n, 1))
        return Pairs(x, x + rng.uniform(-self.epsilon, self.epsilon, (n, 1)))

    def reference(self) -> Reference:
        """Return the closed form, confirmed by quadrature of h(Y) - h(N)."""
        width = 2.0 * self.epsilon
        value = self.epsilon - math.log(width) if width <= 1.0 else 0.5 / width
        second = self._entropy_of_y() - math.log(width)
        check = ReferenceCheck("quadrature of h(Y) - h(N)", second, abs(value - second))
        error = 2.0**-48 * (1.0 + abs(value))
        return Reference(value, error, "closed form", (check,), "I(X;Y)")

    def _entropy_of_y(self) -> float:
        """Integrate by panels that shrink towards the ends of the ramps, where p log p bends."""
        width = 2.0 * self.epsilon
        corners = np.unique([-self.epsilon, self.epsilon, 1.0 - self.epsilon, 1.0 + self.epsilon])
        graded = np.concatenate([[0.0], 2.0 ** np.arange(-50.0, 0.0)])
        panels = [corners]
        for low, high in pairwise(corners):
            panels += [low + (high - low) * graded, high - (high - low) * graded]
        y, weights = panel_nodes(np.unique(np.concatenate(panels)))
        density = self._density(y, width)
        inside = density > 0.0
        return -float(weights[inside] @ (density[inside] * np.log(density[inside])))

    def _density(self, y: NDArray[np.float64], width: float) -> NDArray[np.float64]:
        """Return the length of the overlap of [0, 1] and [y - epsilon, y + epsilon], scaled."""
        overlap = np.minimum(y + self.epsilon, 1.0) - np.maximum(y - self.epsilon, 0.0)
        return np.asarray(np.maximum(overlap, 0.0) / width)
