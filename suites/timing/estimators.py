"""Every built-in estimator: seconds, peak memory and error, by n and dimension.

Draws are fixed by seed, the truth is the exact reference of the truncated mixture, sigma = 0.1.
"""

from __future__ import annotations

import numpy as np

from entbench import _registry

SIGMA = 0.1
SIZES = [1000, 10_000]
DIMENSIONS = [1, 5, 10]
TRIALS = 5
NAMES = [
    name
    for name in _registry.estimators.names()
    if _registry.estimators.entry(name).provider == _registry.BUILT_IN
]


class _OnTruncatedMixture:
    """Shared set-up: one draw, one unfitted estimator, warmed up."""

    params = (NAMES, SIZES, DIMENSIONS)
    param_names = ("estimator", "n", "d")
    timeout = 300

    def setup(self, name: str, n: int, d: int) -> None:
        self.source = _registry.make_source("truncated-mixture", {"d": d, "sigma": SIGMA})
        self.estimator = _registry.make_estimator(name, {}, sigma=SIGMA, random_state=0)
        self.samples = self.draw(n, trial=0)
        self.estimator.fit(self.samples[:100])

    def draw(self, n: int, trial: int) -> np.ndarray:
        rng = np.random.default_rng([trial, n])
        signal = self.source.sample(n, rng)
        if self.estimator.reads == "signal":
            return signal
        return signal + SIGMA * rng.standard_normal(signal.shape)


class Fit(_OnTruncatedMixture):
    """Seconds and peak memory of one fit."""

    def time_fit(self, name: str, n: int, d: int) -> None:
        self.estimator.fit(self.samples)

    def peakmem_fit(self, name: str, n: int, d: int) -> None:
        self.estimator.fit(self.samples)


class Error(_OnTruncatedMixture):
    """Mean absolute error over five fixed draws, in nats."""

    params = (NAMES, [1000], DIMENSIONS)

    def track_mean_absolute_error(self, name: str, n: int, d: int) -> float:
        truth = self.source.reference().value
        fits = [self.estimator.fit(self.draw(n, trial)).entropy_ for trial in range(TRIALS)]
        return float(np.mean(np.abs(np.array(fits) - truth)))


Error.track_mean_absolute_error.unit = "nats"  # type: ignore[attr-defined]
