"""Which estimator has the least error at each source, where the run can tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from entbench._records import Spec
from entbench.report._fields import ESTIMATE, roles_of
from entbench.report._format import number, with_error
from entbench.report._statistics import Row, mean_interval
from entbench.report._suite import Summary

_CONFIDENCE = 0.95


def best_of(summary: Summary) -> Iterator[tuple[Spec, str]]:
    """Yield each source with a sentence on the least error there, at its largest n.

    An estimator is told from the best by the paired differences of their absolute errors over the
    trials: a 95 % interval, Bonferroni's over the other estimators, beyond twice the error of the
    truth. Bounds do not compete. Sources with fewer than two estimators or two trials are left out:
    they tell nothing.
    """
    roles, _ = roles_of(summary.run)
    by_source: dict[Spec, list[Row]] = {}
    for row in summary.rows:
        if roles[row.estimator.label] == ESTIMATE:
            by_source.setdefault(row.source, []).append(row)
    for source, rows in by_source.items():
        largest = max(row.n for row in rows)
        sentence = _sentence([r for r in rows if r.n == largest], summary.run.params.get("trials"))
        if sentence:
            yield source, sentence


def _sentence(rows: Sequence[Row], trials: int | None) -> str:
    # an estimator without one of the trials has not met the same draws
    whole = [row for row in rows if row.mae is not None and len(row.errors) == trials]
    if len(whole) < 2 or not trials or trials < 2:
        return ""
    ordered = sorted(whole, key=lambda row: row.mae or 0.0)
    best, others = ordered[0], ordered[1:]
    alike = [row.estimator.label for row in others if not _worse(row, best, len(others))]
    error = f"{with_error(best.mae, best.mae_ci)} nats"
    if best.at_reference_floor:
        error = f"less than the error of the truth, {number(best.reference_error)} nats"
    told = f"at n = {best.n}, {best.estimator.label} has the least mean absolute error, {error}"
    return f"{told}; {_and(alike)} cannot be told from it." if alike else f"{told}."


def _worse(row: Row, best: Row, comparisons: int) -> bool:
    more = np.abs(row.errors) - np.abs(best.errors)
    confidence = 1.0 - (1.0 - _CONFIDENCE) / comparisons
    interval = mean_interval(more, 2.0 * best.reference_error, confidence)
    return interval is not None and interval[0] > 0.0


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
