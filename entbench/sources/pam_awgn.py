"""Amplitudes over the Gaussian channel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.integrate import quad

from entbench._base import Pairs, PairSource, Reference, ReferenceCheck
from entbench._validation import check_integer, check_positive
from entbench.sources._panels import panel_nodes, steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

_REACH = 12.0  # standard deviations: the Gaussian's tail beyond has 1e-33


class _Amplitudes(PairSource):
    """X uniform on equally spaced amplitudes along every axis, Y = X + Z."""

    d: int
    sigma: float

    @property
    def _order(self) -> int:
        raise NotImplementedError

    @property
    def dims(self) -> tuple[int, int]:
        """Dimensions of X and of Y."""
        return self.d, self.d

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """The amplitudes."""
        return np.linspace(-1.0, 1.0, self._order)

    def sample(self, n: int, rng: np.random.Generator) -> Pairs:
        """Draw `n` pairs; S is X."""
        x = self.points[rng.integers(0, self._order, (n, self.d))]
        return Pairs(x, x + self.sigma * rng.standard_normal(x.shape), x)

    def reference(self) -> Reference:
        """Return d I_1; I_1 = h(Y) - h(Z) by panels, confirmed by log k - H(X|Y), adaptively.

        The error is the change from halving every panel plus a bound on rounding, times d.
        """
        fine, coarse = self._output_form(0.25), self._output_form(0.5)
        second = self._equivocation_form()
        error = abs(fine - coarse) + 2.0**-46 * (1.0 + abs(math.log(self.sigma)))
        check = ReferenceCheck(
            f"{self.d} (log {self._order} - H(X|Y)) by adaptive quadrature (QUADPACK)",
            self.d * second,
            self.d * abs(fine - second),
        )
        method = f"{self.d} equal axes; h(Y) - h(Z) of each by 24-point Gauss-Legendre panels"
        return Reference(self.d * fine, self.d * error, method, (check,), "I(X;Y)")

    def _output_form(self, width: float) -> float:
        """Return h(Y) - h(Z) of one axis, by panels that wide at most, in units of sigma.

        Each point answers for the places that are nearest to it; the points are symmetric.
        """
        centres = self.points / self.sigma
        half_gap = min(0.5 * float(centres[1] - centres[0]), _REACH)
        log_weight = math.log(self._order) + 0.5 * math.log(2.0 * math.pi)
        total = 0.0
        for i, share in self._half():
            low = -_REACH if i == 0 else -half_gap
            high = _REACH if i == self._order - 1 else half_gap
            z, weights = panel_nodes(steps(low, high, width))
            gaps = self._near(centres - centres[i])[:, None]
            log_q = np.logaddexp.reduce(-0.5 * (z - gaps) ** 2, axis=0) - log_weight
            total -= share * float(weights @ (np.exp(log_q) * log_q))
        return total - 0.5 * math.log(2.0 * math.pi * math.e)

    def _equivocation_form(self) -> float:
        """Return log k - H(X|Y) of one axis, ``H(X|Y) = (1/k) sum_i E log sum_j p_ij(Z)``."""
        centres = self.points / self.sigma
        lost = 0.0
        for i, share in self._half():
            gaps = self._near(centres - centres[i])

            def integrand(z: float, gaps: NDArray[np.float64] = gaps) -> float:
                # one of the gaps is 0, so the log is never negative
                log_sum = np.logaddexp.reduce(gaps * (z - 0.5 * gaps))
                return float(log_sum) * math.exp(-0.5 * z * z)

            for ends in ((-_REACH, 0.0), (0.0, _REACH)):
                # full_output: what could not be reached shows in the difference, not as a warning
                lost += (
                    share
                    * quad(integrand, *ends, epsabs=1e-13, epsrel=1e-12, limit=400, full_output=1)[
                        0
                    ]
                )
        return math.log(self._order) - lost / (math.sqrt(2.0 * math.pi) * self._order)

    def _half(self) -> list[tuple[int, float]]:
        """Return the first half of the points, and how many each stands for."""
        k = self._order
        return [(i, 1.0 if 2 * i == k - 1 else 2.0) for i in range(-(-k // 2))]

    @staticmethod
    def _near(gaps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the distances to those points that count anywhere within reach."""
        return gaps[np.abs(gaps) <= 3.0 * _REACH]


@dataclass(frozen=True)
class PAMChannel(_Amplitudes):
    """Pulse-amplitude modulation over the Gaussian channel: k points from -1 to 1 an axis.

    ``Y = X + Z`` with X uniform on the product grid of k points an axis: ``I = d I_1``.

    Parameters
    ----------
    k : int, default=4
        Points along each axis.
    d : int, default=1
        Number of axes.
    sigma : float, default=0.25
        Standard deviation of the noise Z.

    References
    ----------
    Ungerboeck, "Channel coding with multilevel/phase signals", IEEE Trans. Inf. Theory 28 (1982),
    eq. (5) (recalled, not checked), for the information of a constellation over this channel.
    """

    version: ClassVar[str] = "1"

    k: int = 4
    d: int = 1
    sigma: float = 0.25

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", check_integer("k", self.k, minimum=2, maximum=1000))
        object.__setattr__(self, "d", check_integer("d", self.d, minimum=1))
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma))

    @property
    def _order(self) -> int:
        return self.k


@dataclass(frozen=True)
class BPSKChannel(_Amplitudes):
    """Binary signalling over the Gaussian channel: X uniform on {-1, 1}^d, Y = X + Z.

    Parameters
    ----------
    d : int, default=1
        Number of axes.
    sigma : float, default=0.5
        Standard deviation of the noise Z.

    References
    ----------
    See `PAMChannel`, of which this is the case k = 2.
    """

    version: ClassVar[str] = "1"

    d: int = 1
    sigma: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "d", check_integer("d", self.d, minimum=1))
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma))

    @property
    def _order(self) -> int:
        return 2
