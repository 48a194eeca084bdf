"""Signals over the Gaussian channel."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from entbench._base import Pairs, PairSource, Reference, Source, SourceFacts
from entbench.sources._product import NOISE_ENTROPY
from entbench.sources.constellations import BPSK, PAM, QAM
from entbench.sources.psk import PSK

if TYPE_CHECKING:
    import numpy as np


class SignalChannel(PairSource):
    """X = S, drawn from a source of ours, and Y = X + Z: ``I = h(S+Z) - h(Z)``.

    A subclass is a frozen dataclass with the parameters of its source, whose checked values it
    takes over.
    """

    sigma: float

    @property
    @abstractmethod
    def _signal(self) -> Source:
        """The source of S, with this noise."""

    def __post_init__(self) -> None:
        for name, value in self._signal.get_params().items():
            object.__setattr__(self, name, value)

    @property
    def dims(self) -> tuple[int, int]:
        """Dimensions of X and of Y."""
        return self._signal.dim, self._signal.dim

    def sample(self, n: int, rng: np.random.Generator) -> Pairs:
        """Draw `n` pairs; S is X."""
        x = self._signal.sample(n, rng)
        return Pairs(x, x + self.sigma * rng.standard_normal(x.shape), x)

    def reference(self) -> Reference:
        """Return ``h(S+Z) - h(Z)``, both evaluations of which are the source's.

        The error is the source's plus the rounding of h(Z) and of the difference.
        """
        found = self._signal.reference()
        noise = self._signal.dim * (NOISE_ENTROPY + math.log(self.sigma))
        value = found.value - noise
        checks = tuple(
            replace(
                check,
                method=f"{check.method}, less h(Z)",
                value=check.value - noise,
                difference=abs(check.value - noise - value),
            )
            for check in found.checks
        )
        return replace(
            found,
            value=value,
            error=found.error + 2.0**-51 * (abs(noise) + abs(found.value)),
            method=f"{found.method}, less h(Z)",
            checks=checks,
            quantity="I(X;Y)",
        )

    def facts(self) -> SourceFacts:
        """Return the facts of S."""
        return self._signal.facts()


@dataclass(frozen=True)
class PAMChannel(SignalChannel):
    """Pulse-amplitude modulation over the Gaussian channel: k points from -1 to 1 an axis.

    ``Y = X + Z`` with X uniform on the product grid of k points an axis: ``I = d I_1``.

    Parameters
    ----------
    k : int, default=4
        Points along each axis, 2 to 1000.
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

    @cached_property
    def _signal(self) -> PAM:
        return PAM(self.k, self.sigma, self.d)


@dataclass(frozen=True)
class BPSKChannel(SignalChannel):
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

    @cached_property
    def _signal(self) -> BPSK:
        return BPSK(self.d, self.sigma)


@dataclass(frozen=True)
class QAMChannel(SignalChannel):
    """Square quadrature-amplitude modulation over the Gaussian channel: X as in `QAM`, Y = X + Z.

    Parameters
    ----------
    k : int, default=16
        Points in all: the square of an even number (4, 16, 36, 64, ...), at most 10^6.
    sigma : float, default=0.25
        Standard deviation of the noise Z along each axis.

    References
    ----------
    See `PAMChannel`: this is two of its axes, of sqrt(k) points each.
    """

    version: ClassVar[str] = "1"

    k: int = 16
    sigma: float = 0.25

    @cached_property
    def _signal(self) -> QAM:
        return QAM(self.k, self.sigma)


@dataclass(frozen=True)
class PSKChannel(SignalChannel):
    """Phase-shift keying over the Gaussian channel: X on k points of the unit circle, Y = X + Z.

    Parameters
    ----------
    k : int, default=8
        Points, 2 to 1000. QPSK is k = 4.
    sigma : float, default=0.25
        Standard deviation of the noise Z along each axis.

    References
    ----------
    See `PAMChannel`.
    """

    version: ClassVar[str] = "1"

    k: int = 8
    sigma: float = 0.25

    @cached_property
    def _signal(self) -> PSK:
        return PSK(self.k, self.sigma)
