"""Uniform law on the cube."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.integrate import quad
from scipy.special import ndtr

from entbench._validation import check_integer, check_positive
from entbench.sources._panels import panel_nodes, rule_error, steps
from entbench.sources._product import (
    REACH,
    ROUNDING,
    ProductSource,
    log_ndtr_difference,
    weighted_sum,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)


@dataclass(frozen=True)
class UniformCube(ProductSource):
    """S uniform on the cube [-1, 1]^d.

    The density of one coordinate of S+Z is ``(Phi((y+1)/sigma) - Phi((y-1)/sigma)) / 2``.

    Parameters
    ----------
    d : int, default=5
        Dimension, >= 1.
    sigma : float, default=0.1
        Standard deviation of the noise Z.

    Notes
    -----
    S lies in the cube, so it is in the class F_d of the theorems. It is subgaussian with
    K = 1/sqrt(3), its standard deviation per axis and so the least that there can be:
    ``E exp(a S_1) = sinh(a)/a <= exp(a^2/6)`` term by term, as ``(2n+1)! >= 6^n n!``.

    References
    ----------
    The density is the convolution of a box with a Gaussian, derived here. The class F_d is that of
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, Theorem 1.
    """

    version: ClassVar[str] = "1"

    d: int = 5
    sigma: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "d", check_integer("d", self.d, minimum=1))
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma))

    @property
    def dim(self) -> int:
        """Dimension of S."""
        return self.d

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw `n` samples, shape (n, d)."""
        return rng.uniform(-1.0, 1.0, (n, self.d))

    @property
    def _in_unit_cube(self) -> bool:
        return True

    @property
    def _subgaussian_constant(self) -> float:
        return 1.0 / math.sqrt(3.0)

    @property
    def _second_moment(self) -> float:
        return 1.0 / 3.0

    @cached_property
    def _axis(self) -> _Axis:
        return _Axis(1.0 / self.sigma)


@dataclass(frozen=True)
class _Axis:
    """Uniform on [-half, half] plus N(0, 1), as a function of the depth under the upper end.

    Deeper than 13 both densities are flat to 1e-37, so what lies there is integrated by hand.
    """

    half: float

    method: ClassVar[str] = "24-point Gauss-Legendre panels"
    second_method: ClassVar[str] = "adaptive Gauss-Kronrod (QUADPACK) over differences of Phi"

    def log_density(self, x: NDArray[np.float64], noise: float = 1.0) -> NDArray[np.float64]:
        """Return the log-density at depth `x` with noise of that deviation."""
        if self.half > noise:
            mass = log_ndtr_difference(-x / noise, (2.0 * self.half - x) / noise)
            return np.asarray(mass - math.log(2.0 * self.half))
        # the difference would cancel: average the noise's density over the interval instead
        y, half = (self.half - x) / noise, self.half / noise
        tilted = np.exp(half * _NODES * (y[:, None] - 0.5 * half * _NODES))
        inner = (0.5 * _WEIGHTS * tilted).sum(axis=1)
        return np.asarray(np.log(inner) - 0.5 * y * y - math.log(noise * math.sqrt(2.0 * math.pi)))

    def entropy(self) -> tuple[float, float]:
        fine, coarse = (self._panel_entropy(width) for width in (0.25, 0.5))
        return fine, rule_error(abs(fine - coarse), ROUNDING * (1.0 + abs(fine)))

    def second_entropy(self) -> float:
        def integrand(x: float) -> float:
            q = self._density(x)
            return -q * math.log(q) if q > 0.0 else 0.0

        depth = min(self.half, REACH)
        total = math.fsum(
            # full_output: what could not be reached shows in the difference, not as a warning
            quad(integrand, a, b, epsabs=1e-13, epsrel=1e-13, limit=200, full_output=1)[0]
            for a, b in ((-REACH, -4.0), (-4.0, 0.0), (0.0, depth))
        )
        return 2.0 * total + self._flat * math.log(2.0 * self.half)

    def _density(self, x: float) -> float:
        """Return the density at depth `x` as no logarithm: a difference, or its series for 0."""
        half = self.half
        if half > 0.003:
            return float(ndtr(x) - ndtr(x - 2.0 * half)) / (2.0 * half)
        y = half - x
        second, fourth = y**2 - 1.0, y**4 - 6.0 * y**2 + 3.0  # Hermite polynomials
        series = 1.0 + half**2 * second / 6.0 + half**4 * fourth / 120.0
        return series * math.exp(-0.5 * y * y) / math.sqrt(2.0 * math.pi)

    def chi_square_information(self) -> float:
        """Return ``(4 pi)^{-1/2} int q_{1/sqrt2} / q_1 dy - 1``; see `TruncatedMixture`."""
        x, weights = self._nodes(0.25)
        ratio = np.exp(self.log_density(x, math.sqrt(0.5)) - self.log_density(x))
        # where it is flat, the ratio is 1
        total = 2.0 * weighted_sum(weights, ratio) + 2.0 * self.half * self._flat
        return total / (2.0 * math.sqrt(math.pi)) - 1.0

    @property
    def _flat(self) -> float:
        """The share of the interval that is deeper than 13 from both ends."""
        return max(0.0, 1.0 - REACH / self.half)

    def _nodes(self, width: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return panel_nodes(steps(-REACH, min(self.half, REACH), width))

    def _panel_entropy(self, width: float) -> float:
        x, weights = self._nodes(width)
        log_q = self.log_density(x)
        edge = -2.0 * weighted_sum(weights, np.exp(log_q) * log_q)
        return edge + self._flat * math.log(2.0 * self.half)
