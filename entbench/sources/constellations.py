"""Constellations of communication along rectangular axes: BPSK, PAM and square QAM."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from entbench._validation import check_integer, check_positive
from entbench.sources.grid import MOST_POINTS, GridSource

if TYPE_CHECKING:
    from numpy.typing import NDArray


class _Amplitudes(GridSource):
    """S uniform on equally spaced points from -1 to 1 along each of d axes."""

    d: int

    def _check(self) -> None:
        object.__setattr__(self, "d", check_integer("d", self.d, minimum=1))
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma))

    @property
    def dim(self) -> int:
        """Dimension of S."""
        return self.d


@dataclass(frozen=True)
class PAM(_Amplitudes):
    """Pulse-amplitude modulation: S uniform on k points from -1 to 1 along each of d axes.

    The same law as `UniformGrid` with ``ends=True``; `PAMChannel` has its pairs.

    Parameters
    ----------
    k : int, default=4
        Points along each axis, 2 to 1000.
    sigma : float, default=0.25
        Standard deviation of the noise Z.
    d : int, default=1
        Number of axes.

    Notes
    -----
    The power per axis is ``(k+1) / (3(k-1))``, of which K is the square root. S lies in the cube.

    References
    ----------
    Ungerboeck, "Channel coding with multilevel/phase signals", IEEE Trans. Inf. Theory 28 (1982),
    eq. (5) (recalled, not checked), for the information of a constellation over this channel.
    """

    version: ClassVar[str] = "1"

    k: int = 4
    sigma: float = 0.25
    d: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", check_integer("k", self.k, minimum=2, maximum=MOST_POINTS))
        self._check()

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """The coordinates that an axis can take, ascending."""
        return np.linspace(-1.0, 1.0, self.k)


@dataclass(frozen=True)
class BPSK(_Amplitudes):
    """Binary signalling: S uniform on the corners {-1, 1}^d of the cube.

    Parameters
    ----------
    d : int, default=1
        Number of axes.
    sigma : float, default=0.5
        Standard deviation of the noise Z.

    Notes
    -----
    The case k = 2 of `PAM`. S lies in the cube and is subgaussian with K = 1.

    References
    ----------
    See `PAM`.
    """

    version: ClassVar[str] = "1"

    d: int = 1
    sigma: float = 0.5

    def __post_init__(self) -> None:
        self._check()

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """The coordinates that an axis can take, ascending."""
        return np.array([-1.0, 1.0])


@dataclass(frozen=True)
class QAM(GridSource):
    """Square quadrature-amplitude modulation: S uniform on k points of a square in the plane.

    Two independent `PAM` axes of sqrt(k) points, from -1 to 1 each: the corners of the square are
    the corners of the cube, and the power is ``2(m+1) / (3(m-1))`` with m = sqrt(k). For unit
    power, divide `sigma` by its square root.

    Parameters
    ----------
    k : int, default=16
        Points in all: the square of an even number (4, 16, 36, 64, ...), at most 10^6.
    sigma : float, default=0.25
        Standard deviation of the noise Z along each axis.

    Notes
    -----
    S lies in the cube; it is subgaussian with K the root of half the power.

    References
    ----------
    See `PAM`.
    """

    version: ClassVar[str] = "1"

    k: int = 16
    sigma: float = 0.25

    def __post_init__(self) -> None:
        k = check_integer("k", self.k, minimum=4, maximum=MOST_POINTS**2)
        if math.isqrt(k) ** 2 != k or k % 2:
            raise ValueError(
                f"`k` must be the square of an even number (4, 16, 36, 64, ...); got {self.k!r}."
            )
        object.__setattr__(self, "k", k)
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma))

    @property
    def dim(self) -> int:
        """Dimension of S: the plane."""
        return 2

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """The coordinates that an axis can take, ascending."""
        return np.linspace(-1.0, 1.0, math.isqrt(self.k))
