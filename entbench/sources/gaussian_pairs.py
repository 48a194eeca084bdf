"""Jointly Gaussian pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from entbench._base import Pairs, PairSource, Reference, ReferenceCheck
from entbench._validation import check_integer, check_positive, check_real

if TYPE_CHECKING:
    from numpy.typing import NDArray

_QUANTITY = "I(X;Y)"
_ROUNDING = 2.0**-48


@dataclass(frozen=True)
class BivariateNormal(PairSource):
    """Two standard normal numbers of correlation rho.

    ``I = -log(1 - rho^2) / 2``; ``Y = rho X + sigma Z`` with ``sigma = sqrt(1 - rho^2)``.

    Parameters
    ----------
    rho : float, default=0.9
        Correlation, -1 < rho < 1.

    References
    ----------
    Cover & Thomas, "Elements of Information Theory", 2nd ed., example 8.5.1. The same law is the
    first test of Kraskov, Stoegbauer & Grassberger, Phys. Rev. E 69, 066138 (2004).
    """

    version: ClassVar[str] = "1"

    rho: float = 0.9

    def __post_init__(self) -> None:
        rho = check_real("rho", self.rho)
        if not -1.0 < rho < 1.0:
            raise ValueError(f"`rho` must lie between -1 and 1, both excluded; got {self.rho!r}.")
        object.__setattr__(self, "rho", rho)

    @property
    def sigma(self) -> float:  # type: ignore[override]
        """Standard deviation of the noise in Y."""
        return math.sqrt((1.0 - self.rho) * (1.0 + self.rho))

    @property
    def dims(self) -> tuple[int, int]:
        """Dimensions of X and of Y."""
        return 1, 1

    def sample(self, n: int, rng: np.random.Generator) -> Pairs:
        """Draw `n` pairs."""
        x = rng.standard_normal((n, 1))
        signal = self.rho * x
        return Pairs(x, signal + self.sigma * rng.standard_normal((n, 1)), signal)

    def reference(self) -> Reference:
        """Return the closed form, confirmed by the determinant of the joint covariance."""
        value = -0.5 * (math.log1p(-self.rho) + math.log1p(self.rho))
        joint = np.array([[1.0, self.rho], [self.rho, 1.0]])
        return _reference(value, "-log(1 - rho^2)/2", _from_covariance(joint, 1))


@dataclass(frozen=True)
class GaussianChannel(PairSource):
    """A multivariate normal pair: Y = A X + Z, X ~ N(0, I), Z ~ N(0, sigma^2 I).

    ``I(X;Y) = (1/2) log det(I + A A^T / sigma^2)``. A is drawn from the seed, with rows of length
    1, so that every coordinate of S = A X has variance 1 and all of X goes into each.

    Parameters
    ----------
    d_x, d_y : int, default=3
        Dimensions of X and of Y.
    sigma : float, default=0.5
        Standard deviation of the noise Z.
    seed : int, default=0
        Seed of A.

    References
    ----------
    Cover & Thomas, "Elements of Information Theory", 2nd ed., section 9.4 (parallel Gaussian
    channels).
    """

    version: ClassVar[str] = "1"

    d_x: int = 3
    d_y: int = 3
    sigma: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "d_x", check_integer("d_x", self.d_x, minimum=1))
        object.__setattr__(self, "d_y", check_integer("d_y", self.d_y, minimum=1))
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma))
        object.__setattr__(self, "seed", check_integer("seed", self.seed, minimum=0))

    @property
    def dims(self) -> tuple[int, int]:
        """Dimensions of X and of Y."""
        return self.d_x, self.d_y

    @cached_property
    def mixing(self) -> NDArray[np.float64]:
        """The matrix A, shape (d_y, d_x), with rows of length 1."""
        rows = np.random.default_rng(self.seed).standard_normal((self.d_y, self.d_x))
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))

    def sample(self, n: int, rng: np.random.Generator) -> Pairs:
        """Draw `n` pairs."""
        x = rng.standard_normal((n, self.d_x))
        signal = x @ self.mixing.T
        return Pairs(x, signal + self.sigma * rng.standard_normal((n, self.d_y)), signal)

    def reference(self) -> Reference:
        """Return the value from A's singular values, confirmed by covariance determinants."""
        gains = np.linalg.svd(self.mixing, compute_uv=False) / self.sigma
        value = float(np.log(np.hypot(1.0, gains)).sum())
        a, sigma = self.mixing, self.sigma
        joint = np.block([[np.eye(self.d_x), a.T], [a, a @ a.T + sigma**2 * np.eye(self.d_y)]])
        return _reference(
            value,
            "sum of log(1 + s^2/sigma^2)/2 over A's singular values s",
            _from_covariance(joint, self.d_x),
        )


def _from_covariance(joint: NDArray[np.float64], d_x: int) -> float:
    """Return ``(1/2) log(det C_x det C_y / det C)``."""
    blocks = (joint[:d_x, :d_x], joint[d_x:, d_x:], joint)
    x, y, both = (float(np.linalg.slogdet(block)[1]) for block in blocks)
    return 0.5 * (x + y - both)


def _reference(value: float, method: str, second: float) -> Reference:
    check = ReferenceCheck("determinants of the covariance", second, abs(value - second))
    return Reference(value, _ROUNDING * (1.0 + abs(value)), method, (check,), _QUANTITY)
