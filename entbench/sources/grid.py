"""Uniform law on a product grid."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import ndtr

from entbench._validation import check_integer, check_positive
from entbench.sources._panels import panel_nodes, rule_error, steps
from entbench.sources._product import NOISE_ENTROPY, REACH, ROUNDING, ProductSource, weighted_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench._base import SourceFacts

MOST_POINTS = 1000  # per axis
_FAR = 1e6  # noise levels: farther apart makes no difference, but its square could overflow
_NEGLIGIBLE = 40.0  # nats: a term exp(-40) times the largest does not count


class GridSource(ProductSource):
    """S uniform on k equally spaced points per axis, symmetric around 0, within [-1, 1]^d."""

    @property
    @abstractmethod
    def points(self) -> NDArray[np.float64]:
        """The coordinates that an axis can take, ascending."""

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw `n` samples, shape (n, dim)."""
        return self.points[rng.integers(0, len(self.points), (n, self.dim))]

    def facts(self) -> SourceFacts:
        """Return what is known of a product, how many points there are, and how well they tell."""
        return replace(
            super().facts(),
            log_values=self.dim * math.log(len(self.points)),
            decoding_error=self.decoding_error,
        )

    @property
    def gap(self) -> float:
        """The distance of neighbouring points."""
        # from the ends, which rounding moves least
        return float(self.points[-1] - self.points[0]) / (len(self.points) - 1)

    @property
    def decoding_error(self) -> float:
        """The probability that the point nearest to S+Z is not S.

        ``1 - (1 - 2 (1 - 1/k) Q(gap/(2 sigma)))^d``: along an axis every point but the two at the
        ends can be left on either side. The proof of Theorem 6 does without the 1 - 1/k.
        """
        inner = 1.0 - 1.0 / len(self.points)
        per_axis = 2.0 * inner * float(ndtr(-0.5 * self.gap / self.sigma))
        return -math.expm1(self.dim * math.log1p(-per_axis))

    @property
    def _in_unit_cube(self) -> bool:
        return True

    @property
    def _subgaussian_constant(self) -> float:
        # The standard deviation of an axis. With x = a gap/2 the mean of exp(a S_1) is
        # sinh(kx) / (k sinh x), a product over n of (1 + k^2 y_n)/(1 + y_n), y_n = x^2/(pi n)^2,
        # whose logs are at most (k^2 - 1) y_n; these sum to the Gaussian's (k^2 - 1) x^2/6.
        k = len(self.points)
        return self.gap * math.sqrt((k * k - 1.0) / 12.0)

    @property
    def _second_moment(self) -> float:
        return self._subgaussian_constant**2

    @cached_property
    def _axis(self) -> GridAxis:
        return GridAxis(len(self.points), min(self.gap / self.sigma, _FAR))


@dataclass(frozen=True)
class UniformGrid(GridSource):
    """S uniform on the k^d points of a product grid in the cube.

    With cell centres ``-1 + (2j - 1)/k`` along each axis it is the witness of Theorem 6, on which
    the plug-in is biased until n is nearly exponential in d; the theorem gives the k to take.

    Parameters
    ----------
    d : int, default=5
        Dimension, >= 1.
    k : int, default=3
        Points along each axis, 2 to 1000.
    sigma : float, default=0.1
        Standard deviation of the noise Z.
    ends : bool, default=False
        Whether the points go from -1 to 1, ends included, in place of the cell centres. The points
        are farther apart then, and the bias is larger still.

    Notes
    -----
    S lies in the cube, so it is in the class F_d of the theorems; it is subgaussian with K its
    standard deviation per axis.

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, supplement,
    Theorem 6 and its proof. ``ends=True`` is not in the paper.
    """

    version: ClassVar[str] = "1"

    d: int = 5
    k: int = 3
    sigma: float = 0.1
    ends: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "d", check_integer("d", self.d, minimum=1))
        object.__setattr__(self, "k", check_integer("k", self.k, minimum=2, maximum=MOST_POINTS))
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma))
        if not isinstance(self.ends, bool | np.bool_):
            raise TypeError(f"`ends` must be True or False; got {self.ends!r}.")
        object.__setattr__(self, "ends", bool(self.ends))

    @property
    def dim(self) -> int:
        """Dimension of S."""
        return self.d

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """The coordinates that an axis can take, ascending."""
        span = 1.0 if self.ends else 1.0 - 1.0 / self.k
        return np.linspace(-span, span, self.k)


@dataclass(frozen=True)
class GridAxis:
    """Uniform on k points that far apart plus N(0, 1).

    A place is given by its nearest point and the distance to it, so that nothing is lost where the
    points are many noise levels apart. Only one half of the line is integrated.
    """

    k: int
    gap: float

    method: ClassVar[str] = "24-point Gauss-Legendre panels over -q log q"

    @property
    def second_method(self) -> str:
        """How `second_entropy` comes about."""
        if self._apart:
            return f"log {self.k} + h(Z), the points being more than 26 noise levels apart"
        return f"log {self.k} - H(S|S+Z) + h(Z) by the trapezoidal rule"

    def entropy(self) -> tuple[float, float]:
        """Return h in nats, and its change from panels twice as wide, or rounding."""
        fine, coarse = (self._panel_entropy(width) for width in (0.25, 0.5))
        return fine, rule_error(abs(fine - coarse), ROUNDING * (1.0 + abs(fine)))

    def second_entropy(self) -> float:
        """Return ``log k - int q(t) H(S|T=t) dt + h(Z)``."""
        separate = math.log(self.k) + NOISE_ENTROPY
        if self._apart:
            return separate
        step = 1.0 / 16.0
        middle = 0.5 * (self.k - 1) * self.gap
        x = np.asarray(middle - step * np.arange(math.ceil((middle + REACH) / step)), np.float64)
        weights = np.full(len(x), 2.0 * step)
        weights[0] = step
        index, offset = self._nearest(x)
        log_sum, posterior, exponents = self._posterior(index, offset)
        # H = log sum - sum of p times exponent; an absent point has p = 0 and no exponent
        mean = (posterior * np.where(posterior > 0.0, exponents, 0.0)).sum(axis=1)
        density = np.exp(self._log_density(log_sum))
        return separate - weighted_sum(weights, density * (log_sum - mean))

    def chi_square_information(self) -> float:
        """Return ``k int q(t) sum_j p_j(t)^2 dt - 1`` with p the posterior of S given T = t."""
        index, offset, weights = self._places(0.25)
        log_sum, posterior, _ = self._posterior(index, offset)
        density = np.exp(self._log_density(log_sum))
        return self.k * weighted_sum(weights, density * (posterior**2).sum(axis=1)) - 1.0

    @property
    def _apart(self) -> bool:
        return self.gap > 2.0 * REACH

    def _panel_entropy(self, width: float) -> float:
        index, offset, weights = self._places(width)
        log_q = self._log_density(self._posterior(index, offset)[0])
        return -weighted_sum(weights, np.exp(log_q) * log_q)

    def _log_density(self, log_sum: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(log_sum - (math.log(self.k) + 0.5 * math.log(2.0 * math.pi)))

    @property
    def _window(self) -> int:
        """How many neighbours on either side of the nearest point count."""
        half = 0.5 * self.gap
        reach = half + math.sqrt(half * half + 2.0 * _NEGLIGIBLE)
        return min(self.k - 1, math.ceil(reach / self.gap))

    def _posterior(
        self, index: NDArray[np.int64], offset: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return log sum_j exp(-(t - c_j)^2/2), the posterior of the points, and the exponents."""
        neighbours = np.arange(-self._window, self._window + 1)
        there = index[:, None] + neighbours
        exponents = -0.5 * (offset[:, None] - self.gap * neighbours) ** 2
        exponents[(there < 0) | (there >= self.k)] = -np.inf
        top = exponents.max(axis=1)
        posterior = np.exp(exponents - top[:, None])
        total = posterior.sum(axis=1)
        posterior /= total[:, None]
        return np.asarray(top + np.log(total)), posterior, exponents

    def _nearest(self, x: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the nearest point to each place and the distance, from places above the lowest."""
        index = np.clip(np.rint(x / self.gap), 0, self.k - 1).astype(np.int64)
        return index, np.asarray(x - index * self.gap)

    def _places(
        self, width: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Return nearest points, offsets and weights of panels; the weights hold both halves."""
        if self.gap <= 1.0:
            middle = 0.5 * (self.k - 1) * self.gap
            x, weights = panel_nodes(steps(-REACH, middle, width))
            return *self._nearest(x), 2.0 * weights
        cells = [self._cell(i, share, width) for i, share in self._shares()]
        index, offset, weights = (np.concatenate(column) for column in zip(*cells, strict=True))
        return index, offset, weights

    def _shares(self) -> list[tuple[int, float]]:
        """Return cells of the lower half and how many each stands for: the inner ones are alike."""
        k = self.k
        distinct = min(self._window, k // 2)
        shares = [(i, 2.0) for i in range(distinct)]
        if k > 2 * distinct:
            shares.append((distinct, float(k - 2 * distinct)))
        return shares

    def _cell(
        self, i: int, share: float, width: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the places that are nearest to point `i`."""
        high = min(0.5 * self.gap, REACH)
        offset, weights = panel_nodes(steps(-REACH if i == 0 else -high, high, width))
        return np.full(len(offset), i), offset, share * weights
