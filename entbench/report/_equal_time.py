"""What error an estimator reaches in a given time, between the n at which it ran."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from entbench._records import Spec
from entbench.report._fields import Field
from entbench.report._ranks import Floats, LogMeans

SLOWER, QUICKER, FAILED = "too slow", "too quick", "failed"
_ROUNDING = 1e-9  # of a logarithm of seconds


@dataclass(frozen=True)
class Curve:
    """An estimator on a source: error and seconds at each n at which it did not fail.

    Attributes
    ----------
    source : Spec
        The source.
    label : str
        The estimator.
    n : tuple of int
        Samples, ascending.
    gaps : frozenset of int
        The n at which it failed.
    trials : int
        The fewest at any n.
    errors, seconds : LogMeans
        By n. Time never falls as n grows: scatter that says otherwise is levelled.
    """

    source: Spec
    label: str
    n: tuple[int, ...]
    gaps: frozenset[int]
    trials: int
    errors: LogMeans
    seconds: LogMeans

    @property
    def range(self) -> tuple[float, float]:
        """Logarithms of the least and the largest time, in seconds."""
        return float(self.seconds.logs[0]), float(self.seconds.logs[-1])

    def why_not(self, at: float) -> str:
        """Return why nothing is known at log seconds `at`; "" where something is."""
        low, high = self.range
        if at < low - _ROUNDING:
            return f"{SLOWER}: more at n = {self.n[0]} already"
        if at > high + _ROUNDING:
            return f"{QUICKER}: less at n = {self.n[-1]} still"
        if len(self.n) == 1:
            return ""
        left = int(_left(self.seconds.logs, at))
        between = [n for n in self.gaps if self.n[left] < n < self.n[left + 1]]
        return f"{FAILED} at n = {between[0]}" if between else ""

    def error_at(self, at: float) -> tuple[float, Floats]:
        """Return log error at log seconds `at`, and that of the resampled runs.

        A resampled run that does not reach so far gives the error at its nearer end.
        """
        if len(self.n) == 1:
            return float(self.errors.logs[0]), self.errors.resampled[:, 0]
        own = _between(self.seconds.logs, self.errors.logs, at)
        return float(own), _between(self.seconds.resampled, self.errors.resampled, at)


def curves_of(
    fields: Sequence[Field], gaps: Mapping[tuple[Spec, str], set[int]]
) -> Iterator[Curve]:
    """Yield the curve of each estimator on each source."""
    places: dict[tuple[Spec, str], list[tuple[Field, int]]] = {}
    for field in sorted(fields, key=lambda field: field.n):
        for i, label in enumerate(field.labels):
            places.setdefault((field.source, label), []).append((field, i))
    for (source, label), found in places.items():
        seconds = _joined([field.seconds.take([i]) for field, i in found])
        yield Curve(
            source,
            label,
            tuple(field.n for field, _ in found),
            frozenset(gaps.get((source, label), ())),
            min(field.trials for field, _ in found),
            _joined([field.errors.take([i]) for field, i in found]),
            LogMeans(
                np.maximum.accumulate(seconds.logs),
                np.maximum.accumulate(seconds.resampled, axis=1),
            ),
        )


def usual_seconds(curves: Sequence[Curve]) -> float | None:
    """Return the geometric middle of the times that most estimators cover, over all sources.

    None where every estimator has one n only, and so no time but one.
    """
    if all(len(curve.n) < 2 for curve in curves):
        return None
    ends = np.unique([end for curve in curves for end in curve.range])
    if len(ends) == 1:
        return math.exp(float(ends[0]))
    scores = [_cover(curves, middle) for middle in (ends[:-1] + ends[1:]) / 2.0]
    best, stretches = max(scores), []
    start = None
    for i, score in enumerate([*scores, None]):
        if score == best and start is None:
            start = i
        elif score != best and start is not None:
            stretches.append((float(ends[start]), float(ends[i])))
            start = None
    low, high = max(stretches, key=lambda stretch: stretch[1] - stretch[0])
    return _short(math.exp((low + high) / 2.0), math.exp(low), math.exp(high))


def _cover(curves: Sequence[Curve], at: float) -> int:
    return sum(curve.range[0] <= at <= curve.range[1] for curve in curves)


def _short(seconds: float, low: float, high: float) -> float:
    """Return a time to two digits, where that is still between the others."""
    rounded = float(f"{seconds:.2g}")
    return rounded if low <= rounded <= high else seconds


def _joined(parts: Sequence[LogMeans]) -> LogMeans:
    return LogMeans(
        np.concatenate([part.logs for part in parts]),
        np.concatenate([part.resampled for part in parts], axis=1),
    )


def _left(times: Floats, at: float) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Return the last place with a time no longer than `at`, but for the very last."""
    reached = np.sum(times <= at, axis=-1, dtype=np.int64) - 1
    return np.clip(reached, 0, times.shape[-1] - 2)


def _between(times: Floats, errors: Floats, at: float) -> Floats:
    left = _left(times, at)[..., None]
    start, end = (np.take_along_axis(times, left + step, axis=-1) for step in (0, 1))
    low, high = (np.take_along_axis(errors, left + step, axis=-1) for step in (0, 1))
    width = end - start
    share = np.where(width > 0.0, (at - start) / np.where(width > 0.0, width, 1.0), 1.0)
    mixed: Floats = (low + np.clip(share, 0.0, 1.0) * (high - low))[..., 0]
    return mixed
