"""A Gaussian mixture with random centres and weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from entbench._base import Reference, SourceFacts
from entbench._validation import check_integer, check_positive
from entbench.sources._certificate import Asked, SampledSource, certify_mixture, verify_mixture
from entbench.sources._product import weighted_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench.mixture import GaussianMixture


@dataclass(frozen=True)
class RandomGaussianMixture(SampledSource):
    """Mixture of k Gaussians N(centre, scale^2 I) with random centres and unequal weights.

    S+Z is a mixture with the same centres and standard deviation ``hypot(scale, sigma)``, so the
    truth is the entropy of a known mixture, integrated.

    Parameters
    ----------
    d : int, default=5
        Dimension, >= 1.
    sigma : float, default=0.1
        Standard deviation of the noise Z.
    k : int, default=20
        Number of components.
    spread : float, default=1.0
        Standard deviation of the centres along every axis, drawn from N(0, spread^2 I).
    scale : float, default=0.1
        Standard deviation of each component.
    seed : int, default=0
        Where centres and weights come from; the weights are uniform over the simplex.

    Notes
    -----
    Subgaussian with ``K^2 = R^2 + scale^2``, R the radius of a ball around the centres (Hoeffding's
    lemma along every direction, and independence). S does not lie in the cube.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, supplement,
    estimator (18), for the integration of a mixture's entropy.
    """

    version: ClassVar[str] = "1"

    d: int = 5
    sigma: float = 0.1
    k: int = 20
    spread: float = 1.0
    scale: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for name, minimum in (("d", 1), ("k", 1), ("seed", 0)):
            object.__setattr__(self, name, check_integer(name, getattr(self, name), minimum))
        for name in ("sigma", "spread", "scale"):
            object.__setattr__(self, name, check_positive(name, getattr(self, name)))

    @property
    def dim(self) -> int:
        """Dimension of S."""
        return self.d

    @cached_property
    def components(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centres (k, d), and weights (k,), which sum to 1."""
        rng = np.random.default_rng([self.seed, self.k, self.d])
        centres = self.spread * rng.standard_normal((self.k, self.d))
        weights = rng.standard_exponential(self.k)
        return centres, weights / weights.sum()

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw `n` samples, shape (n, d)."""
        centres, weights = self.components
        chosen = rng.choice(self.k, n, p=weights)
        return np.asarray(centres[chosen] + self.scale * rng.standard_normal((n, self.d)))

    def certify(self, error: float, confidence: float = 0.95, seed: int = 0) -> Reference:
        """Return h(S+Z) within `error` nats, by integration; see `certify_mixture`."""
        return certify_mixture(self._mixture, Asked(error, confidence, seed))

    def verify(self, error: float, confidence: float = 0.95, seed: int = 1) -> Reference:
        """Return h(S+Z) by a lattice, or by plain independent draws."""
        return verify_mixture(self._mixture, Asked(error, confidence, seed))

    def facts(self) -> SourceFacts:
        """Return dimension, noise, a subgaussian constant and ``E |S|^2``."""
        centres, weights = self.components
        moment = weighted_sum(weights, (centres**2).sum(axis=1)) + self.d * self.scale * self.scale
        return SourceFacts(
            self.d,
            self.sigma,
            subgaussian_constant=math.hypot(radius(centres), self.scale),
            second_moment=moment,
        )

    @property
    def _mixture(self) -> GaussianMixture:
        from entbench.mixture import GaussianMixture

        centres, weights = self.components
        return GaussianMixture(centres, math.hypot(self.sigma, self.scale), weights)


def radius(points: NDArray[np.float64]) -> float:
    """Return the radius of a ball that holds the points, hardly above that of the smallest.

    Of balls around the mean and around the middle of the box, the smaller one.
    """
    middle = points.min(axis=0) + 0.5 * np.ptp(points, axis=0)
    return min(
        float(np.linalg.norm(points - centre, axis=1).max())
        for centre in (points.mean(axis=0), middle)
    )
