"""Gaussian signal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from entbench._validation import check_integer, check_positive
from entbench.sources._product import NOISE_ENTROPY, REACH, ProductSource, weighted_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class IsotropicGaussian(ProductSource):
    """S ~ N(0, scale^2 I): everything in closed form.

    ``h(S+Z) = (d/2) log(2 pi e (scale^2 + sigma^2))``, ``I = (d/2) log(1 + scale^2/sigma^2)`` and
    ``1 + I_chi2 = (1 + scale^2/sigma^2)^d``.

    Parameters
    ----------
    d : int, default=5
        Dimension, >= 1.
    sigma : float, default=0.5
        Standard deviation of the noise Z.
    scale : float, default=1.0
        Standard deviation of every coordinate of S.

    Notes
    -----
    Not in the cube: theorems for the class F_d do not apply. Subgaussian with K = scale.

    References
    ----------
    Cover & Thomas, "Elements of Information Theory", 2nd ed., theorem 8.4.1.
    """

    version: ClassVar[str] = "1"

    d: int = 5
    sigma: float = 0.5
    scale: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "d", check_integer("d", self.d, minimum=1))
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma))
        object.__setattr__(self, "scale", check_positive("scale", self.scale))

    @property
    def dim(self) -> int:
        """Dimension of S."""
        return self.d

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw `n` samples, shape (n, d)."""
        return self.scale * rng.standard_normal((n, self.d))

    @property
    def _in_unit_cube(self) -> bool:
        return False

    @property
    def _subgaussian_constant(self) -> float:
        return self.scale

    @property
    def _second_moment(self) -> float:
        return self.scale * self.scale

    @cached_property
    def _axis(self) -> _Axis:
        return _Axis(self.scale / self.sigma)


@dataclass(frozen=True)
class _Axis:
    """N(0, ratio^2) plus N(0, 1)."""

    ratio: float

    method: ClassVar[str] = "closed form"
    second_method: ClassVar[str] = "trapezoidal rule over -q log q"

    def entropy(self) -> tuple[float, float]:
        # log(1 + r^2)/2 without squaring what would overflow, or vanish beside 1
        ratio = self.ratio
        gain = 0.5 * math.log1p(ratio**2) if ratio < 1.0 else math.log(math.hypot(1.0, ratio))
        return NOISE_ENTROPY + gain, 2.0**-51 * (NOISE_ENTROPY + gain)

    def second_entropy(self) -> float:
        spread = math.hypot(1.0, self.ratio)
        y = spread * np.arange(-REACH, REACH + 0.1, 0.125)
        log_q = -0.5 * (y / spread) ** 2 - math.log(math.sqrt(2.0 * math.pi) * spread)
        return -0.125 * spread * weighted_sum(np.exp(log_q), log_q)

    def chi_square_information(self) -> float:
        return self.ratio * self.ratio
