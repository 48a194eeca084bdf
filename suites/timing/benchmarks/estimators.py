"""Every built-in estimator: seconds, peak memory and error, by n and dimension.

Draws are fixed by seed. Entropies are of the truncated mixture, mutual informations of a Gaussian
channel; sigma = 0.1, and the truth is the source's exact reference.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import Any

from entbench import _registry
from entbench._base import Interval
from entbench._records import Cell, Spec
from entbench.runner._worker import Samples, draw

SIGMA = 0.1
SIZES = [1000, 10_000]
DIMENSIONS = [1, 5, 10]
TRIALS = 5
INTERVALS = 40
NAMES = [
    name
    for name in _registry.estimators.names()
    if _registry.estimators.entry(name).provider == _registry.BUILT_IN
]
# those that state an interval for the truth
STATING = ["sp", "sp-jackknife", "sp-mi"]
# one dimension is all they take
ONE_DIMENSIONAL = ("spacing",)


class _OnExactSource:
    """Shared set-up: one draw, one unfitted estimator, warmed up."""

    params = (NAMES, SIZES, DIMENSIONS)
    param_names = ("estimator", "n", "d")
    timeout = 300

    def setup(self, name: str, n: int, d: int) -> None:
        if name in ONE_DIMENSIONAL and d > 1:
            raise NotImplementedError("one dimension only")
        self.estimator = _registry.make_estimator(name, {}, sigma=SIGMA, random_state=0)
        if self.estimator.value_name == "entropy_":
            kind, params = "truncated-mixture", {"d": d, "sigma": SIGMA}
        else:
            kind, params = "gaussian-channel", {"d_x": d, "d_y": d, "sigma": SIGMA}
        self.source = _registry.make_source(kind, params)
        self.cell = Cell(Spec(kind, "", "", (), kind), Spec(name, "", "", (), name), n, 0, 0)
        self.samples = self.draw(trial=0)
        self.estimator.fit(*(array[:100] for array in self.samples))

    def draw(self, trial: int) -> tuple[Any, ...]:
        samples: Samples = draw(self.source, replace(self.cell, trial=trial))
        return samples[self.estimator.reads]


class Fit(_OnExactSource):
    """Seconds of one fit."""

    def time_fit(self, name: str, n: int, d: int) -> None:
        self.estimator.fit(*self.samples)


class Memory(_OnExactSource):
    """Peak memory of the process of one fit, its packages included."""

    params = (NAMES, [10_000], DIMENSIONS)

    def peakmem_fit(self, name: str, n: int, d: int) -> None:
        self.estimator.fit(*self.samples)


class Coverage(_OnExactSource):
    """How often intervals miss the truth, and how wide they are, over fixed draws."""

    params = (STATING, [300], [1, 5])

    def track_missed(self, name: str, n: int, d: int) -> float:
        truth = self.source.reference().value
        return sum(not interval.holds(truth) for interval in self.intervals()) / INTERVALS

    def track_median_width(self, name: str, n: int, d: int) -> float:
        return median(interval.width for interval in self.intervals())

    def intervals(self) -> list[Interval]:
        fits = (self.estimator.fit(*self.draw(trial)) for trial in range(INTERVALS))
        return [interval for fit in fits if (interval := Interval.of(fit.interval_)) is not None]


Coverage.track_missed.unit = "share"  # type: ignore[attr-defined]
Coverage.track_median_width.unit = "nats"  # type: ignore[attr-defined]


class Error(_OnExactSource):
    """Mean absolute error over five fixed draws, in nats."""

    params = (NAMES, [1000], DIMENSIONS)

    def track_mean_absolute_error(self, name: str, n: int, d: int) -> float:
        truth = self.source.reference().value
        fits = [self.estimator.fit(*self.draw(trial)) for trial in range(TRIALS)]
        values = [float(getattr(fit, fit.value_name)) for fit in fits]
        return sum(abs(value - truth) for value in values) / TRIALS


Error.track_mean_absolute_error.unit = "nats"  # type: ignore[attr-defined]
