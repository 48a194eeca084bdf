"""Which estimator has the least error at each source, in a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from entbench._records import Spec
from entbench.report._format import number, with_error
from entbench.report._leaderboard import best_of
from entbench.report._statistics import Row
from entbench.report._suite import Summary


def best_sentences(summary: Summary) -> Iterator[tuple[Spec, str]]:
    """Yield each source with a sentence on the least error there, as the leaderboard ranks it."""
    rows = {(row.source, row.estimator.label, row.n): row for row in summary.rows}
    for place, equals in best_of(summary.run):
        assert place.n is not None  # it is a place at equal n
        row = rows[place.source, place.label, place.n]
        told = f"at n = {place.n}, {place.label} has the least mean absolute error, {_error(row)}"
        cannot = f"; {_and(equals)} cannot be told from it." if equals else "."
        yield place.source, f"{told}{cannot}"


def _error(row: Row) -> str:
    if row.at_reference_floor:
        return f"less than the error of the truth, {number(row.reference_error)} nats"
    return f"{with_error(row.mae, row.mae_ci, row.few_trials)} nats"


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
