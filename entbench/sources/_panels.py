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


def rule_error(change: float, rounding: float) -> float:
    """Return a bound on a rule's error: its change from a coarser rule, or its rounding if larger.

    Halving the panels takes an analytic integrand's error down by far more than the 2 that this
    needs, so the change covers both where it is the larger. Where it is not, it is rounding itself,
    which differs from processor to processor: the bound must not.
    """
    return max(change, rounding)


def panel_nodes(panels: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return nodes and weights of the 24-point rule on each panel between neighbouring ends."""
    half = 0.5 * np.diff(panels)[:, None]
    middle = 0.5 * (panels[1:] + panels[:-1])[:, None]
    return (middle + half * _NODES).ravel(), (half * _WEIGHTS).ravel()
