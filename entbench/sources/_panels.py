"""Gauss-Legendre panels on the line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


def steps(start: float, stop: float, width: float) -> NDArray[np.float64]:
    """Return the ends of equal panels, at most `width` wide."""
    return np.linspace(start, stop, 1 + max(1, math.ceil((stop - start) / width)))


def panel_nodes(panels: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return nodes and weights of the 24-point rule on each panel between neighbouring ends."""
    half = 0.5 * np.diff(panels)[:, None]
    middle = 0.5 * (panels[1:] + panels[:-1])[:, None]
    return (middle + half * _NODES).ravel(), (half * _WEIGHTS).ravel()
