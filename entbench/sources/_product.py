"""Sources whose coordinates are independent and alike: from one axis to d of them."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.special import log_ndtr

from entbench._base import Reference, ReferenceCheck, Source, SourceFacts

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOISE_ENTROPY = 0.5 * math.log(2.0 * math.pi * math.e)  # of one axis, in units of sigma
REACH = 13.0  # standard deviations: exp(-13^2/2) = 2e-37
ROUNDING = 2.0**-48  # relative rounding of a panel sum of a few thousand smooth terms


class Axis(Protocol):
    """One coordinate of S + Z in units of sigma, so that the noise has variance 1."""

    @property
    def method(self) -> str:
        """How `entropy` comes about."""

    @property
    def second_method(self) -> str:
        """How `second_entropy` comes about."""

    def entropy(self) -> tuple[float, float]:
        """Return the differential entropy in nats and a bound on its error."""

    def second_entropy(self) -> float:
        """Return the same by another way."""

    def chi_square_information(self) -> float:
        """Return I_chi2(S_1; S_1 + Z_1)."""


class ProductSource(Source):
    """S with independent coordinates, all of one law: ``h(S+Z) = d h_1``.

    A subclass gives `dim`, ``sample``, the axis, and three facts about its law.
    """

    @property
    @abstractmethod
    def _axis(self) -> Axis:
        """One coordinate."""

    @property
    @abstractmethod
    def _in_unit_cube(self) -> bool:
        """Whether S lies in [-1, 1]^dim."""

    @property
    @abstractmethod
    def _subgaussian_constant(self) -> float | None:
        """K of one coordinate; independence hands it on to the vector."""

    @property
    @abstractmethod
    def _second_moment(self) -> float | None:
        """E S_1^2 of one coordinate."""

    def reference(self) -> Reference:
        """Return ``h(S+Z) = d h_1`` in nats.

        The error is what the axis says plus the rounding of ``log sigma``, times d; the second
        evaluation of h_1 stands in the checks.
        """
        scale = math.log(self.sigma)
        entropy, error = self._axis.entropy()
        value = self.dim * (entropy + scale)
        second = self.dim * (self._axis.second_entropy() + scale)
        rounding = 2.0**-52 * (abs(scale) + abs(entropy) + abs(entropy + scale))
        equal = f"{self.dim} equal axes; " if self.dim > 1 else ""
        check = ReferenceCheck(equal + self._axis.second_method, second, abs(second - value))
        return Reference(value, self.dim * (error + rounding), equal + self._axis.method, (check,))

    def facts(self) -> SourceFacts:
        """Return ``I = d I_1`` and ``1 + I_chi2 = (1 + I_chi2,1)^d``, beside the law's class."""
        # both are >= 0; rounding can say otherwise where the noise drowns the signal
        information = max(0.0, self._axis.entropy()[0] - NOISE_ENTROPY)
        moment = self._second_moment
        return SourceFacts(
            dim=self.dim,
            sigma=self.sigma,
            in_unit_cube=self._in_unit_cube,
            subgaussian_constant=self._subgaussian_constant,
            mutual_information=self.dim * information,
            chi_square_information=chi_square_of_product(
                max(0.0, self._axis.chi_square_information()), self.dim
            ),
            second_moment=None if moment is None else self.dim * moment,
        )


def chi_square_of_product(per_axis: float, dim: int) -> float:
    """Return ``(1 + per_axis)^dim - 1``; inf where double precision has no such number."""
    log_power = dim * math.log1p(per_axis)
    return math.expm1(log_power) if log_power < 700.0 else math.inf


def weighted_sum(weights: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Return sum_i w_i v_i, to the same bits whatever the number of threads: no BLAS."""
    return float((weights * values).sum())


def log_ndtr_difference(
    lower: NDArray[np.float64], upper: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return log(Phi(upper) - Phi(lower)) for lower < upper, from the tail that is fine."""
    flip = lower > 0.0
    low, high = np.where(flip, -upper, lower), np.where(flip, -lower, upper)
    top = log_ndtr(high)
    return np.asarray(top + np.log1p(-np.exp(log_ndtr(low) - top)))
