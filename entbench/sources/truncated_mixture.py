"""Gaussian mixture on the corners of the cube, truncated to the cube."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.integrate import quad
from scipy.special import ndtr, ndtri

from entbench._base import Reference, ReferenceCheck, Source, SourceFacts
from entbench._validation import check_integer, check_positive
from entbench.sources._panels import panel_nodes, rule_error, steps
from entbench.sources._product import chi_square_of_product, log_ndtr_difference, weighted_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TAU_MAX = 1e6  # uniform to 1e-12 by then; beyond, inverting the half-normal loses digits
_REACH = 13.0  # standard deviations: exp(-13^2/2) = 2e-37
_ROUNDING = 2.0**-48  # relative rounding of a panel sum of a few thousand smooth terms


@dataclass(frozen=True)
class TruncatedMixture(Source):
    """Equal-weight mixture of 2^d Gaussians on the corners of [-1, 1]^d, truncated to the cube.

    The signal of the error-against-n experiment of Goldfeld et al. (their Fig. 14). The corners,
    the cube and the noise are products over the axes, so S+Z has independent coordinates and
    h(S+Z) = d h_1 with h_1 an integral over the line.

    Parameters
    ----------
    d : int, default=5
        Dimension, >= 1.
    sigma : float, default=0.1
        Standard deviation of the noise Z.
    tau : float, default=0.02
        Standard deviation of each Gaussian before truncation, at most 1e6. The paper does
        not state its value; 0.02 is the one usually taken (recalled, not checked).

    Notes
    -----
    S lies in the cube, so it is in the class F_d of the theorems; coordinate-wise it lies in
    [-1, 1] with mean 0, so it is 1-subgaussian (Hoeffding's lemma).

    References
    ----------
    Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML 2019, supplement,
    Remark 6 and Fig. 14.
    """

    version: ClassVar[str] = "1"

    d: int = 5
    sigma: float = 0.1
    tau: float = 0.02

    def __post_init__(self) -> None:
        object.__setattr__(self, "d", check_integer("d", self.d, minimum=1))
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma))
        object.__setattr__(self, "tau", check_positive("tau", self.tau))
        if self.tau > _TAU_MAX:
            raise ValueError(f"`tau` must be at most {_TAU_MAX:g}; got {self.tau!r}.")

    @property
    def dim(self) -> int:
        """Dimension of S."""
        return self.d

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw `n` samples, shape (n, d): per axis, a random corner minus a half-normal inwards.

        Truncation leaves each corner's axis the half-normal ``tau |N|`` given ``tau |N| <= 2``,
        drawn by inverting its distribution function from the upper tail, where double precision is
        fine.
        """
        beyond = ndtr(-2.0 / self.tau)
        tail = beyond + (0.5 - beyond) * (1.0 - rng.random((n, self.d)))
        inwards = np.minimum(-self.tau * ndtri(tail), 2.0)  # 2 but for rounding
        corners = rng.integers(0, 2, size=(n, self.d)) * 2.0 - 1.0
        return np.asarray(corners * (1.0 - inwards))

    def reference(self) -> Reference:
        """Return h(S+Z) = d h_1; h_1 by Gauss-Legendre panels, confirmed by adaptive quadrature.

        The error bound is that of the axis, by halving every panel or by rounding, times d.
        """
        axis = self._axis
        entropy, error = axis.entropy()
        second = axis.entropy_adaptive()
        value = self.d * entropy
        return Reference(
            value=value,
            error=self.d * error + 2.0**-53 * abs(value),
            method="product of d equal axes; each by 24-point Gauss-Legendre panels",
            checks=(
                ReferenceCheck(
                    method="product of d equal axes; each by adaptive Gauss-Kronrod (QUADPACK)",
                    value=self.d * second,
                    difference=abs(value - self.d * second),
                ),
            ),
        )

    def facts(self) -> SourceFacts:
        """Return I = d I_1 and 1 + I_chi2 = (1 + I_chi2,1)^d, beside dimension and class."""
        noise = 0.5 * math.log(2.0 * math.pi * math.e) + math.log(self.sigma)
        # both are >= 0; rounding can say otherwise where the noise drowns the signal
        chi_square = max(0.0, self._axis.chi_square_information())
        information = max(0.0, self._axis.entropy()[0] - noise)
        return SourceFacts(
            dim=self.d,
            sigma=self.sigma,
            in_unit_cube=True,
            subgaussian_constant=1.0,
            mutual_information=self.d * information,
            chi_square_information=chi_square_of_product(chi_square, self.d),
            second_moment=self.d * self._axis.second_moment(),
        )

    @cached_property
    def _axis(self) -> _Axis:
        return _Axis(self.sigma, self.tau)


@dataclass(frozen=True)
class _Axis:
    """One coordinate Y = S_1 + Z_1, symmetric around 0.

    Everything is a function of the depth ``x = 1 - y`` under the cube's upper face, where the
    density lives: a noise level far below 1 then costs no digits.
    """

    sigma: float
    tau: float

    @property
    def spread(self) -> float:
        return math.hypot(self.sigma, self.tau)

    def log_density(self, x: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
        """Return the log-density of S_1 + N(0, sigma^2) at depth `x`.

        ``(1/2M) sum_{m=+-1} phi_s(y - m) [Phi((1 - mt)/v) - Phi((-1 - mt)/v)]`` with
        ``s^2 = tau^2 + sigma^2``, ``mt = (sigma^2 m + tau^2 y)/s^2``, ``v = tau sigma/s`` and
        ``M = Phi(2/tau) - 1/2``, in logarithms so that nothing underflows.
        """
        s = math.hypot(sigma, self.tau)
        # (+-1 - mt)/v is (+-1 - m) pull + (+-1 - y) push
        pull, push = sigma / (self.tau * s), self.tau / (sigma * s)
        near = -0.5 * (x / s) ** 2 + log_ndtr_difference(-2.0 * pull + (x - 2.0) * push, x * push)
        far = -0.5 * ((2.0 - x) / s) ** 2 + log_ndtr_difference(
            (x - 2.0) * push, 2.0 * pull + x * push
        )
        log_mass = math.log(math.erf(math.sqrt(2.0) / self.tau))
        normaliser = math.log(s) + 0.5 * math.log(2.0 * math.pi) + log_mass
        return np.asarray(np.logaddexp(near, far) - normaliser)

    def entropy(self) -> tuple[float, float]:
        """Return h_1 in nats and a bound on its error."""
        panels = self._panels()
        coarse = self._panel_entropy(panels)
        middles = 0.5 * (panels[1:] + panels[:-1])
        fine = self._panel_entropy(np.sort(np.concatenate([panels, middles])))
        size = max(abs(fine), 1.0, abs(math.log(self.sigma)))
        return fine, rule_error(abs(fine - coarse), _ROUNDING * size)

    def entropy_adaptive(self) -> float:
        """Return h_1 by another rule, QUADPACK's adaptive one."""

        def integrand(x: float) -> float:
            log_q = float(self.log_density(np.asarray(x), self.sigma))
            return -math.exp(log_q) * log_q

        ends = self._landmarks()
        return 2.0 * math.fsum(
            # full_output: what could not be reached shows in the difference, not as a warning
            quad(integrand, a, b, epsabs=1e-13, epsrel=1e-12, limit=400, full_output=1)[0]
            for a, b in pairwise(ends)
        )

    def chi_square_information(self) -> float:
        """Return I_chi2(S_1; Y) = (4 pi sigma^2)^{-1/2} int q_{sigma/sqrt2} / q_sigma dy - 1.

        From phi_sigma^2 = (4 pi sigma^2)^{-1/2} phi_{sigma/sqrt2}; q_s is the density of S_1 plus
        noise of deviation s.
        """
        x, weights = panel_nodes(self._panels(to_the_middle=True))
        narrow = self.log_density(x, self.sigma / math.sqrt(2.0))
        ratio = np.exp(narrow - self.log_density(x, self.sigma))
        return float(weights @ ratio) / (math.sqrt(math.pi) * self.sigma) - 1.0

    def second_moment(self) -> float:
        """Return E S_1^2 as a mean over the depth, whose terms are positive.

        The closed form ``1 + tau^2 - 2 tau sqrt(2/pi) / erf(sqrt(2)/tau)`` cancels for wide tau.
        """
        x, weights = panel_nodes(steps(0.0, min(2.0, _REACH * self.tau), self.tau))
        weights = weights * np.exp(-0.5 * (x / self.tau) ** 2)
        return weighted_sum(weights, (1.0 - x) ** 2) / float(weights.sum())

    def _landmarks(self) -> NDArray[np.float64]:
        """Return the depths where the density changes scale, from outside to the innermost."""
        edge, inner = 12.0 * self.sigma, min(1.0, _REACH * self.spread)
        return np.unique(np.minimum([-edge, 0.0, self.sigma, edge, inner], inner))

    def _panels(self, to_the_middle: bool = False) -> NDArray[np.float64]:
        """Return panel ends from outside the face to the middle of the cube at most.

        The density varies on the scale sigma within 12 sigma of the face, and on the scale s
        elsewhere; deeper than 13 s it is below 1e-36 of its peak. The ratio of the chi-square
        integral need not fall off there, so its panels go on to the middle, where the two corners
        change places on the scale s^2.
        """
        inner = float(self._landmarks()[-1])
        face = min(inner, 12.0 * self.sigma)
        pieces = [steps(-12.0 * self.sigma, face, 0.5 * self.sigma)]
        if face < inner:
            pieces.append(steps(face, inner, 0.5 * min(self.spread, 1.0)))
        if to_the_middle and inner < 1.0:
            pieces.append(_graded(inner, 1.0, 0.5 * self.spread, self.spread**2))
        return np.unique(np.concatenate(pieces))

    def _panel_entropy(self, panels: NDArray[np.float64]) -> float:
        x, weights = panel_nodes(panels)
        log_q = self.log_density(x, self.sigma)
        return -2.0 * float(weights @ (np.exp(log_q) * log_q))


def _graded(start: float, stop: float, at_start: float, at_stop: float) -> NDArray[np.float64]:
    """Return panel ends on [start, stop] whose widths grow by half away from both ends."""
    half = 0.5 * (stop - start)
    ends = [start, start + half, stop]
    for edge, width, sign in ((start, at_start, 1.0), (stop, at_stop, -1.0)):
        depth = width
        while depth < half:
            ends.append(edge + sign * depth)
            width *= 1.5
            depth += width
    return np.unique(ends)
