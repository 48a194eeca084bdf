"""Estimators ranked over the sources of a run, at equal n."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from entbench._records import Spec
from entbench.report._statistics import Row


@dataclass(frozen=True)
class Standing:
    """How an estimator does at one n over all sources on which it ran.

    Attributes
    ----------
    label : str
        The estimator.
    n : int
        Samples.
    sources, of : int
        On how many sources it has a value, of how many of the run.
    ratio : float
        Geometric mean over these sources of its mean absolute error over the least there; 1 is best
        everywhere.
    worst : float
        The largest of these ratios.
    worst_source : str
        Where.
    wins : int
        On how many sources its error is the least.
    seconds : float
        Mean time of a fit.
    """

    label: str
    n: int
    sources: int
    of: int
    ratio: float
    worst: float
    worst_source: str
    wins: int
    seconds: float


def standings(rows: Sequence[Row]) -> Iterator[Standing]:
    """Yield the estimators at each n, by how many sources they stand on, then by their ratio.

    An error below that of the reference counts as the reference's.
    """
    for n in sorted({row.n for row in rows}):
        here = [row for row in rows if row.n == n]
        sources = list(dict.fromkeys(row.source for row in here))
        errors = {
            (row.estimator.label, row.source): max(row.mae, row.reference_error)
            for row in here
            if row.mae is not None and not row.failed
        }
        least = {
            source: min((e for (_, s), e in errors.items() if s == source), default=math.nan)
            for source in sources
        }
        found = [
            _standing(label, n, here, errors, least)
            for label in dict.fromkeys(row.estimator.label for row in here)
        ]
        yield from sorted(
            (s for s in found if s is not None), key=lambda s: (-s.sources, s.ratio, s.label)
        )


def _standing(
    label: str,
    n: int,
    rows: Sequence[Row],
    errors: dict[tuple[str, Spec], float],
    least: dict[Spec, float],
) -> Standing | None:
    ratios = {
        source: _ratio(errors[label, source], best)
        for source, best in least.items()
        if (label, source) in errors
    }
    if not ratios:
        return None
    worst = max(ratios, key=lambda source: ratios[source])
    seconds = [row.seconds for row in rows if row.estimator.label == label and row.seconds]
    return Standing(
        label,
        n,
        len(ratios),
        len(least),
        float(np.exp(np.mean(np.log(list(ratios.values()))))),
        ratios[worst],
        worst.label,
        sum(ratio == 1.0 for ratio in ratios.values()),
        float(np.mean(seconds)) if seconds else 0.0,
    )


def _ratio(error: float, least: float) -> float:
    if error == least:
        return 1.0
    return error / least if least > 0.0 else math.inf
