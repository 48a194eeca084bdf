"""Products of laws with tails heavier than a Gaussian's: Laplace and Student."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import erfcx, gammaln, log_ndtr, stdtrit

from entbench._validation import check_integer, check_positive
from entbench.sources._panels import panel_nodes, rule_error, steps
from entbench.sources._product import REACH, ROUNDING, ProductSource, weighted_sum

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_RATIO_MAX = 1e6  # scale / sigma, either way
_DF_MIN, _DF_MAX = 0.5, 1e6
_LOG_ROOT_2_PI = 0.5 * math.log(2.0 * math.pi)
_ROWS = 128  # of a table at a time: it stays in the cache


class _HeavyTailed(ProductSource):
    """S with independent coordinates ``scale`` times a law that is not subgaussian."""

    d: int
    scale: float

    def _check(self) -> None:
        object.__setattr__(self, "d", check_integer("d", self.d, minimum=1))
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma))
        object.__setattr__(self, "scale", check_positive("scale", self.scale))
        if not 1.0 / _RATIO_MAX <= self.scale / self.sigma <= _RATIO_MAX:
            raise ValueError(
                f"`scale` must be within a factor {_RATIO_MAX:g} of `sigma`; "
                f"got scale={self.scale!r} with sigma={self.sigma!r}."
            )

    @property
    def dim(self) -> int:
        """Dimension of S."""
        return self.d

    @property
    def _in_unit_cube(self) -> bool:
        return False

    @property
    def _subgaussian_constant(self) -> None:
        return None


@dataclass(frozen=True)
class LaplaceProduct(_HeavyTailed):
    """S with independent Laplace coordinates, of density ``exp(-|s|/scale) / (2 scale)``.

    Parameters
    ----------
    d : int, default=5
        Dimension, >= 1.
    sigma : float, default=0.5
        Standard deviation of the noise Z.
    scale : float, default=1.0
        Mean of ``|S_1|``; the variance is 2 scale^2. Within a factor 10^6 of `sigma`.

    Notes
    -----
    Outside the theorems: S is not in the cube and is not subgaussian. Its I_chi2(S; S+Z) is
    infinite, as the density of S+Z falls off like that of S with less noise, so the plug-in's bias
    need not be O(1/n).

    The density of one coordinate of S+Z is closed, ``phi(y) (m(1/b - y) + m(1/b + y)) / (2b)`` with
    m the Mills ratio, all in units of sigma and b = scale/sigma; derived here.

    References
    ----------
    The class of the theorems, which this law is outside of, is that of Goldfeld et al., "Estimating
    Information Flow in Deep Neural Networks", ICML 2019, Theorem 5. The integrals are derived here.
    """

    version: ClassVar[str] = "1"

    d: int = 5
    sigma: float = 0.5
    scale: float = 1.0

    def __post_init__(self) -> None:
        self._check()

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw `n` samples, shape (n, d)."""
        return rng.laplace(0.0, self.scale, (n, self.d))

    @property
    def _second_moment(self) -> float:
        return 2.0 * self.scale * self.scale

    @cached_property
    def _axis(self) -> _LaplaceAxis:
        return _LaplaceAxis(self.scale / self.sigma)


@dataclass(frozen=True)
class StudentProduct(_HeavyTailed):
    """S with independent coordinates of Student's t law.

    Parameters
    ----------
    d : int, default=5
        Dimension, >= 1.
    sigma : float, default=0.5
        Standard deviation of the noise Z.
    df : float, default=3.0
        Degrees of freedom, 0.5 to 10^6; 1 is Cauchy's law.
    scale : float, default=1.0
        What t is multiplied by; within a factor 10^6 of `sigma`.

    Notes
    -----
    Outside the theorems: S is not in the cube and is not subgaussian. Its I_chi2(S; S+Z) is
    infinite, so the plug-in's bias need not be O(1/n).

    S is Gaussian given its variance, so the density of S+Z is a mean of Gaussian densities over an
    inverse gamma law: positive terms alone, which keeps the far tails to full precision.

    References
    ----------
    The class of the theorems, which this law is outside of, is that of Goldfeld et al., "Estimating
    Information Flow in Deep Neural Networks", ICML 2019, Theorem 5. The integrals are derived here.
    """

    version: ClassVar[str] = "1"

    d: int = 5
    sigma: float = 0.5
    df: float = 3.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        self._check()
        df = check_positive("df", self.df)
        if not _DF_MIN <= df <= _DF_MAX:
            raise ValueError(f"`df` must lie in [{_DF_MIN:g}, {_DF_MAX:g}]; got {self.df!r}.")
        object.__setattr__(self, "df", df)

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw `n` samples, shape (n, d)."""
        return self.scale * rng.standard_t(self.df, (n, self.d))

    @property
    def _second_moment(self) -> float | None:
        if self.df <= 2.0:
            return None
        return self.scale * self.scale * (self.df / (self.df - 2.0))

    @cached_property
    def _axis(self) -> _StudentAxis:
        return _StudentAxis(self.scale / self.sigma, self.df)


class _HeavyAxis:
    """A symmetric law of that scale plus N(0, 1)."""

    @property
    @abstractmethod
    def reach(self) -> float:
        """Beyond which what is left of the law does not count."""

    @abstractmethod
    def log_density(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log-density at y >= 0."""

    @abstractmethod
    def log_density_again(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the same by another formula."""

    def entropy(self) -> tuple[float, float]:
        """Return the differential entropy and the change from wider panels, or rounding."""
        fine, coarse = (self._panel_entropy(width) for width in (0.25, 0.5))
        return fine, rule_error(abs(fine - coarse), ROUNDING * (1.0 + abs(fine)))

    def second_entropy(self) -> float:
        """Return the same from the other formula for the density, on other panels."""
        return self._panel_entropy(0.7, again=True)

    def chi_square_information(self) -> float:
        """Return inf: in ``int q_{1/sqrt2} / q_1`` the ratio tends to a positive constant."""
        return math.inf

    def _panel_entropy(self, width: float, again: bool = False) -> float:
        """Integrate by panels of that width as far as the noise shows, then of growing ones."""
        panels = steps(0.0, REACH, width)
        n = math.ceil(math.log(self.reach / REACH) / math.log1p(4.0 * width))
        tail = np.geomspace(REACH, self.reach, 1 + n)
        y, weights = panel_nodes(np.concatenate([panels, tail[1:]]))
        log_q = self.log_density_again(y) if again else self.log_density(y)
        return -2.0 * weighted_sum(weights, np.exp(log_q) * log_q)


@dataclass(frozen=True)
class _LaplaceAxis(_HeavyAxis):
    ratio: float

    method: ClassVar[str] = "24-point Gauss-Legendre panels over the closed-form density"
    second_method: ClassVar[str] = "panels over the density as an exponential mixture of Gaussians"

    @property
    def reach(self) -> float:
        return 2.0 * REACH + 45.0 * self.ratio

    def log_density(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        rate = 1.0 / self.ratio
        return np.asarray(
            np.logaddexp(_log_side(rate, y), _log_side(rate, -y)) + math.log(0.5 * rate)
        )

    def log_density_again(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        log_gamma, weights = _gamma_nodes(1.0)
        return _log_scale_mixture(y, 1.0 + 2.0 * self.ratio**2 * np.exp(log_gamma), weights)


@dataclass(frozen=True)
class _StudentAxis(_HeavyAxis):
    ratio: float
    df: float

    method: ClassVar[str] = "24-point Gauss-Legendre panels over a gamma mixture of Gaussians"
    second_method: ClassVar[str] = "panels over Student's density convolved with the noise"

    @property
    def reach(self) -> float:
        return 2.0 * REACH - self.ratio * float(stdtrit(self.df, 1e-19))

    def log_density(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        log_gamma, weights = _gamma_nodes(0.5 * self.df)
        return _log_scale_mixture(y, 1.0 + self.ratio**2 * np.exp(-log_gamma), weights)

    def log_density_again(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Average Student's density over the noise; panels are narrow where it has its peak."""
        peak = np.geomspace(1e-3 * self.ratio, 3.0 * REACH, 80)
        ends = np.concatenate([-peak, peak, np.arange(-REACH, 3.0 * REACH, 0.7)])
        s, weights = panel_nodes(np.unique(ends[np.abs(ends - REACH) <= 2.0 * REACH]))
        log_signal = self._log_student(s) + np.log(weights)
        near = y <= 2.0 * REACH
        log_q = np.empty_like(y)
        log_q[near] = _log_sum(y[near], lambda t: log_signal - 0.5 * (t - s) ** 2 - _LOG_ROOT_2_PI)
        # away from the peak the density is smooth on the scale of y
        z, noise = np.polynomial.hermite_e.hermegauss(40)
        log_noise = np.log(noise) - _LOG_ROOT_2_PI
        log_q[~near] = _log_sum(y[~near], lambda t: self._log_student(t - z) + log_noise)
        return log_q

    def _log_student(self, s: NDArray[np.float64]) -> NDArray[np.float64]:
        half = 0.5 * self.df
        constant = _log_gamma_step(half) - 0.5 * math.log(self.df * math.pi) - math.log(self.ratio)
        return np.asarray(constant - (half + 0.5) * np.log1p((s / self.ratio) ** 2 / self.df))


def _log_side(rate: float, y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log(exp(rate^2/2 - rate y) Phi(y - rate)) without a difference of large numbers."""
    beyond = np.maximum(y - rate, 0.0)
    outer = rate * (0.5 * rate - np.maximum(y, rate)) + log_ndtr(beyond)
    inner = np.log(0.5 * erfcx(np.maximum(rate - y, 0.0) / math.sqrt(2.0))) - 0.5 * y * y
    return np.where(y > rate, outer, inner)


def _gamma_nodes(shape: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return nodes log g and log-weights for a mean over a gamma law of that shape and mean 1.

    The trapezoidal rule in ``u = log g``: the weight ``exp(shape (u - e^u))`` is analytic for
    |Im u| < pi/2, and so are Gaussian densities of variance ``1 + c e^(+-u)``. The step leaves
    errors below 1e-16; what is cut off has mass exp(-90).
    """
    cut = 90.0 / shape
    step = min(0.15, 0.4 / math.sqrt(shape))
    low = -(cut + math.sqrt(2.0 * cut))
    high = min(math.sqrt(2.0 * cut), 1.0 + math.log1p(2.0 * cut))
    u = step * np.arange(math.floor(low / step), math.ceil(high / step) + 1, dtype=np.float64)
    log_weights = np.asarray(shape * (u - np.expm1(u)))
    return u, np.asarray(log_weights - np.logaddexp.reduce(log_weights))


def _log_scale_mixture(
    y: NDArray[np.float64], variances: NDArray[np.float64], log_weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the log-density at `y` of the mixture of centred Gaussians with these variances."""
    constants = log_weights - 0.5 * np.log(variances) - _LOG_ROOT_2_PI
    return _log_sum(y, lambda t: constants - 0.5 * t * t / variances)


def _log_sum(
    y: NDArray[np.float64], terms: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return the log of the sum of exp(terms), which get a column of `y` and return a row each."""
    sums = [np.zeros(0)]
    for start in range(0, len(y), _ROWS):
        table = terms(y[start : start + _ROWS, None])
        top = table.max(axis=1)
        table -= top[:, None]
        sums.append(top + np.log(np.exp(table, out=table).sum(axis=1)))
    return np.concatenate(sums)


def _log_gamma_step(half: float) -> float:
    """Return log(Gamma(half + 1/2) / Gamma(half)); by Stirling's series where the logs cancel."""
    if half < 20.0:
        return float(gammaln(half + 0.5) - gammaln(half))
    series = 0.0
    for coefficient in (31 / 18432, 17 / 14336, 1 / 640, 1 / 192, 1 / 8):
        series = coefficient - series / half**2
    return 0.5 * math.log(half) - series / half
