"""What experiments share whose input has a few values: exact information, training by rule."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from entbench._paths import networks_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_PER_DECADE = 12
_TOLERANCE = 1e-9
_POINTS = 10**7


def information(centres: NDArray[np.float64], sigma: float) -> float:
    """Return I(S; S+Z) in nats for S uniform on real numbers, by quadrature to 1e-9."""
    from entbench.mixture import GaussianMixture, gaussian_entropy

    mixture = GaussianMixture(np.asarray(centres, np.float64).reshape(-1, 1), sigma)
    found = mixture.entropy(_TOLERANCE, _POINTS, np.random.default_rng(0))
    if found.method != "quadrature":
        raise RuntimeError("one dimension is integrated by quadrature")
    return max(0.0, found.value - gaussian_entropy(1, sigma))


def epochs_up_to(last: int) -> tuple[int, ...]:
    """Return epochs on a logarithmic scale, 12 a decade, with 0 and the last."""
    steps = np.arange(0.0, np.log10(last) * _PER_DECADE + 1.0) / _PER_DECADE
    kept = {min(round(10.0**step), last) for step in steps}
    return tuple(sorted({0, last} | kept))


def folder_of(name: str, params: dict[str, Any]) -> Path:
    """Return where the weights of a training by these parameters are kept."""
    text = json.dumps(params, sort_keys=True)
    return networks_folder() / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def rises_and_falls(curve: Sequence[float], by: float) -> bool:
    """Tell whether a curve ends at least `by` below its largest value."""
    return max(curve) - curve[-1] >= by
