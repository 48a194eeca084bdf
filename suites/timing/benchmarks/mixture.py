"""The engine: seconds a pair, dense and pruned, and what a precision of entropy costs.

With the threads that the environment sets. Less is better in all of them: asv takes it so.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from entbench.mixture import GaussianMixture, Method

ROUNDS = 5


def corners(n: int, d: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return samples near the corners of the cube, as those of a saturated layer."""
    return rng.choice([-1.0, 1.0], (n, d)) * (1 - 0.02 * np.abs(rng.normal(size=(n, d))))


class DensePairs:
    """Seconds a pair of points where nothing is out of reach, all of them summed."""

    params = ([3, 5, 10], [1e-5, 1e-9])
    param_names = ("d", "tolerance")
    n, queries, sigma = 20_000, 8192, 1.0
    method: Method = "dense"

    def setup(self, d: int, tolerance: float) -> None:
        rng = np.random.default_rng(0)
        self.mixture = GaussianMixture(self.centres(d, rng), self.sigma)
        noise = rng.standard_normal((self.queries, d))
        self.points = self.mixture.centres[: self.queries] + self.sigma * noise
        self.mixture.log_density(self.points, tolerance, self.method)

    def centres(self, d: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return samples from the cube."""
        return rng.uniform(-1, 1, (self.n, d))

    def track_seconds_per_pair(self, d: int, tolerance: float) -> float:
        best = np.inf
        for _ in range(ROUNDS):
            start = time.perf_counter()
            self.mixture.log_density(self.points, tolerance, self.method)
            best = min(best, time.perf_counter() - start)
        return best / (self.n * self.queries)

    track_seconds_per_pair.unit = "seconds"  # type: ignore[attr-defined]


class PrunedPairs(DensePairs):
    """Seconds a pair, visited or not, on the corners of the cube."""

    n, sigma = 200_000, 0.1
    method: Method = "pruned"

    def centres(self, d: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return samples near the corners."""
        return corners(self.n, d, rng)


class Entropy:
    """What a precision of integration costs, the tree included: standard error^2 seconds."""

    params = ([3, 5, 10], [0.005, 0.1, 0.5])
    param_names = ("d", "sigma")

    def setup(self, d: int, sigma: float) -> None:
        self.signal = corners(50_000, d, np.random.default_rng(0))
        self.integrate(2.0**-5, self.signal[:2000], sigma)

    def integrate(self, tolerance: float, signal: NDArray[np.float64], sigma: float) -> float:
        """Return the standard error reached."""
        mixture = GaussianMixture(signal, sigma)
        return mixture.entropy(tolerance, 10_000_000, np.random.default_rng(0)).numerical_error

    def track_cost_of_precision(self, d: int, sigma: float) -> float:
        start = time.perf_counter()
        error = self.integrate(2e-3, self.signal, sigma)
        return float(error**2 * (time.perf_counter() - start))

    track_cost_of_precision.unit = "nats^2 s"  # type: ignore[attr-defined]
