"""Phase-shift keying: points on a circle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import ndtr

from entbench._base import Reference, ReferenceCheck, Source, SourceFacts
from entbench._validation import check_integer, check_positive
from entbench.sources._panels import panel_nodes, rule_error, steps
from entbench.sources._product import NOISE_ENTROPY, REACH, ROUNDING, weighted_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_POINTS = 1000
_FAR = 1e6  # noise levels: up to 1000 points are apart then, and more would only cost digits
_NEGLIGIBLE = 40.0  # nats: a term exp(-40) times the largest does not count


@dataclass(frozen=True)
class PSK(Source):
    """Phase-shift keying: S uniform on k equally spaced points of the unit circle, one at (1, 0).

    Parameters
    ----------
    k : int, default=8
        Points, 2 to 1000. QPSK is k = 4.
    sigma : float, default=0.25
        Standard deviation of the noise Z along each axis.

    Notes
    -----
    S lies in the cube. It is subgaussian with K = 1 for k = 2 and ``K = sqrt(3)/2`` for k = 3
    (Hoeffding's lemma with the triangle's widest projection, valid but not the least); from k = 4
    on with ``K = 1/sqrt(2)``, its standard deviation in every direction. There
    ``E exp(a.S) <= I_0(r) + 2 sum_m I_{mk}(r)``, ``r = |a|``, is largest for k = 4, where it is
    ``cosh(r/2)^2 <= exp(r^2/4)``.

    References
    ----------
    Ungerboeck, "Channel coding with multilevel/phase signals", IEEE Trans. Inf. Theory 28 (1982),
    eq. (5) (recalled, not checked), for the information of a constellation over this channel.
    """

    version: ClassVar[str] = "1"

    k: int = 8
    sigma: float = 0.25

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", check_integer("k", self.k, minimum=2, maximum=_MOST_POINTS))
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma))

    @property
    def dim(self) -> int:
        """Dimension of S: the plane."""
        return 2

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """The k points, shape (k, 2)."""
        angles = 2.0 * math.pi * np.arange(self.k) / self.k
        return np.column_stack([np.cos(angles), np.sin(angles)])

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw `n` samples, shape (n, 2)."""
        return self.points[rng.integers(0, self.k, n)]

    def reference(self) -> Reference:
        """Return h(S+Z) by quadrature in polar coordinates, confirmed by ``log k - H(S|S+Z)``.

        The error bound is the change to finer rules in both coordinates, or rounding.
        """
        circle = self._circle
        scale = 2.0 * math.log(self.sigma)
        (coarse, _), (entropy, _) = circle.integrals(0), circle.integrals(1)
        value, second = entropy + scale, circle.equivocation_form() + scale
        size = 1.0 + abs(entropy) + abs(scale)
        return Reference(
            value=value,
            error=rule_error(abs(entropy - coarse), ROUNDING * size),
            method="panels along the radius times the trapezoidal rule along the angle",
            checks=(
                ReferenceCheck(
                    f"log {self.k} - H(S|S+Z) + h(Z) by the trapezoidal rule on a square lattice",
                    second,
                    abs(second - value),
                ),
            ),
        )

    def facts(self) -> SourceFacts:
        """Return I and I_chi2 by the same quadrature, beside the law's class.

        The decoding error is at most ``2 Q(sin(pi/k)/sigma)``: a point's wedge has two sides, which
        are one line for k = 2.
        """
        entropy, chi_square = self._circle.integrals(1)
        beyond = float(ndtr(-math.sin(math.pi / self.k) / self.sigma))
        # both are >= 0; rounding can say otherwise where the noise drowns the signal
        return SourceFacts(
            dim=2,
            sigma=self.sigma,
            in_unit_cube=True,
            subgaussian_constant={2: 1.0, 3: math.sqrt(0.75)}.get(self.k, math.sqrt(0.5)),
            mutual_information=max(0.0, entropy - 2.0 * NOISE_ENTROPY),
            chi_square_information=max(0.0, chi_square),
            log_values=math.log(self.k),
            decoding_error=min(2, self.k - 1) * beyond,
            second_moment=1.0,
        )

    @cached_property
    def _circle(self) -> _Circle:
        return _Circle(self.k, min(1.0 / self.sigma, _FAR))


@dataclass(frozen=True)
class _Circle:
    """k points on a circle of that radius plus N(0, I): all lengths in sigma."""

    k: int
    radius: float

    def integrals(self, level: int) -> tuple[float, float]:
        """Return the differential entropy and I_chi2, by rules that are finer at level 1.

        All wedges around a point are alike, and each is its own mirror image: angles go from the
        point to the middle between it and the next. Both ends are mirrors, so the trapezoidal rule
        is spectrally accurate; farther than 13 from the point nothing is left.
        """
        radii, radial = panel_nodes(
            steps(max(0.0, self.radius - REACH), self.radius + REACH, (1.0, 0.5)[level])
        )
        angles, angular = self._angles((1 / 8, 1 / 12)[level])
        log_sum, sharpness = self._sums(radii, angles)
        constant = math.log(2.0 * math.pi * self.k)
        log_q = log_sum - 0.5 * (radii[:, None] - self.radius) ** 2 - constant
        weights = (2.0 * self.k * radial * radii)[:, None] * angular
        density = weights * np.exp(log_q)
        return -float((density * log_q).sum()), self.k * float((density * sharpness).sum()) - 1.0

    def equivocation_form(self) -> float:
        """Return ``log k - E log sum_j p(c_0 + Z|c_j)/p(c_0 + Z|c_0) + h(Z)``, on a lattice of Z.

        All points are alike, so the mean is over the noise around the first of them; Z and its
        mirror image in the axis through that point give the same.
        """
        halves = math.pi * np.arange(self.k) / self.k
        # c_j - c_0, without the cancellation in cos - 1
        gaps = 2.0 * self.radius * np.sin(halves)
        along, across = -gaps * np.sin(halves), gaps * np.cos(halves)
        near = gaps <= 36.0  # z g - g^2/2 < -120 beyond, as |z| < 15 on the lattice
        along, across, gaps = along[near], across[near], gaps[near]
        step = 1.0 / 8.0
        z = step * np.arange(-80, 81)
        weights = np.exp(-0.5 * z * z)
        upper = z[80:, None] * across - 0.5 * gaps**2
        lost = 0.0
        for place, weight in zip(z, weights, strict=True):
            log_ratio = np.logaddexp.reduce(place * along + upper, axis=1)
            lost += weight * (2.0 * weighted_sum(weights[80:], log_ratio) - float(log_ratio[0]))
        lost *= step * step / (2.0 * math.pi)
        return math.log(self.k) - float(lost) + 2.0 * NOISE_ENTROPY

    def _angles(self, step: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return angles that far apart at most at the outer radius, and their weights."""
        wedge = math.pi / self.k
        if self.radius > REACH:
            wedge = min(wedge, math.asin(REACH / self.radius))
        n = max(4, math.ceil(wedge * (self.radius + REACH) / step))
        weights = np.full(n + 1, wedge / n)
        weights[[0, -1]] *= 0.5
        return wedge * np.arange(n + 1) / n, weights

    def _sums(
        self, radii: NDArray[np.float64], angles: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return log sum_j exp(-|y - c_j|^2/2 + (r - R)^2/2), and the sum of squared posteriors.

        ``|y - c_j|^2 = (r - R)^2 + 4 r R sin((theta - theta_j)/2)^2``.
        """
        pull = 2.0 * radii[:, None] * self.radius
        nearest = pull * np.sin(0.5 * angles) ** 2
        total, squares = np.zeros_like(nearest), np.zeros_like(nearest)
        for j in self._neighbours(float(radii[0])):
            excess = pull * np.sin(0.5 * angles - math.pi * j / self.k) ** 2 - nearest
            term = np.exp(-excess)
            total += term
            squares += term * term
        return np.log(total) - nearest, squares / total**2

    def _neighbours(self, least_radius: float) -> range:
        """Return which points count at radii from there on, by their number from the nearest."""
        edge = math.sin(0.5 * math.pi / self.k)
        far = math.sqrt(0.5 * _NEGLIGIBLE / (least_radius * self.radius) + edge * edge)
        reach = self.k if far >= 1.0 else 1.0 + self.k / math.pi * math.asin(far)
        if 2.0 * reach + 1.0 >= self.k:
            return range(self.k)
        return range(-math.ceil(reach), math.ceil(reach) + 1)
