"""Measure how often certificates hold, and what they cost, and print two tables.

    python suites/timing/measure_certificates.py [repeats]

Coverage over 300 repeats by default: the share of seeds whose interval at 95 % holds the truth.
That of a mixture is known by quadrature along its axes, that of the bracket's source exactly.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from entbench import Reference
from entbench.mixture import GaussianMixture, gaussian_entropy
from entbench.sources._certificate import (
    Asked,
    SampledSource,
    certify_bracket,
    certify_mixture,
    verify_bracket,
    verify_mixture,
)
from entbench.sources.empirical import Empirical
from entbench.sources.gaussian_mixture import RandomGaussianMixture
from entbench.sources.random_network import RandomNetwork
from entbench.sources.reed_muller import ReedMuller

ASKED = 0.95
SOURCES: list[SampledSource] = [
    RandomGaussianMixture(),
    ReedMuller(),
    ReedMuller(2, 4),
    RandomNetwork(),
    Empirical(),
    Empirical("breast-cancer"),
]


def corners() -> tuple[GaussianMixture, float]:
    """Return a mixture on the corners of the cube in 3 dimensions, and its entropy."""
    axis = GaussianMixture([[-1.0], [1.0]], 0.6)
    rng = np.random.default_rng(0)
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * 3)).reshape(3, -1).T
    return GaussianMixture(signs, 0.6), 3 * axis.entropy(1e-8, 10**6, rng).value


def gaussian(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a standard normal signal in 3 dimensions."""
    return rng.standard_normal((n, 3))


def coverage(make: Callable[[Asked], Reference], truth: float, error: float, n: int) -> str:
    """Return the row of a method: error asked and reached, coverage asked and measured, seconds."""
    start = time.perf_counter()
    made = [make(Asked(error, ASKED, seed)) for seed in range(n)]
    seconds = (time.perf_counter() - start) / n
    share = float(np.mean([abs(found.value - truth) <= found.error for found in made]))
    width = float(np.mean([found.error for found in made]))
    return f"{error:g} | {width:.4f} | >= {ASKED} | {share:.3f} | {seconds:.3f}"


def main() -> None:
    """Measure and print."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    mixture, truth = corners()
    exact = gaussian_entropy(3, math.sqrt(1.25))
    print("| certificate | error asked | mean error | coverage asked | measured | seconds |")
    print("| :-- | --: | --: | --: | --: | --: |")
    for name, make, value, error in (
        ("mixture, stratified", lambda asked: certify_mixture(mixture, asked), truth, 0.02),
        ("mixture, plain draws", lambda asked: verify_mixture(mixture, asked), truth, 0.02),
        ("bracket", lambda asked: certify_bracket(gaussian, 0.5, asked), exact, 0.05),
        ("bracket", lambda asked: certify_bracket(gaussian, 0.5, asked), exact, 0.02),
        ("fresh samples", lambda asked: verify_bracket(gaussian, 0.5, asked), exact, 0.05),
    ):
        print(f"| {name} | {coverage(make, value, error, repeats)} |", flush=True)
    print("\n| source | value | error | seconds |\n| :-- | --: | --: | --: |")
    for source in SOURCES:
        start = time.perf_counter()
        found = source.reference()
        seconds = time.perf_counter() - start
        print(f"| {source} | {found.value:.4f} | {found.error:.4f} | {seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main()
