"""The engine: kernels a second of the log-density, with the threads that the environment sets."""

from __future__ import annotations

import time

import numpy as np

from entbench.mixture import GaussianMixture, Precision

N = 20_000
QUERIES = 4096


class LogDensity:
    """Pairs of points a second, on a cube filled evenly (nothing to skip) and on its corners."""

    params = (["uniform", "corners"], [1, 5, 10], ["single", "double"])
    param_names = ("centres", "d", "precision")

    def setup(self, kind: str, d: int, precision: Precision) -> None:
        rng = np.random.default_rng(0)
        if kind == "uniform":
            centres = rng.uniform(-1, 1, (N, d))
        else:
            centres = rng.choice([-1.0, 1.0], (N, d)) * (1 - 0.02 * np.abs(rng.normal(size=(N, d))))
        self.mixture = GaussianMixture(centres, 0.1)
        self.points = centres[:QUERIES] + 0.1 * rng.standard_normal((QUERIES, d))
        self.mixture.log_density(self.points[:64], precision)

    def track_pairs_per_second(self, kind: str, d: int, precision: Precision) -> float:
        best = np.inf
        for _ in range(5):
            start = time.perf_counter()
            self.mixture.log_density(self.points, precision)
            best = min(best, time.perf_counter() - start)
        return N * QUERIES / best


LogDensity.track_pairs_per_second.unit = "pairs/s"  # type: ignore[attr-defined]
