"""What the theorems say of the rows of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from entbench import bounds
from entbench._base import SourceFacts
from entbench._theorem import Theorem
from entbench.report._statistics import Row


@dataclass(frozen=True)
class RowBounds:
    """What theory says of one row, in nats.

    Attributes
    ----------
    values : dict of str to float
        By name of the theorem.
    vacuous : frozenset of str
        Those that say nothing: upper bounds longer than the range of h(S+Z) over the class, lower
        bounds below zero.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    vacuous: frozenset[str] = frozenset()


def bounds_for(row: Row, facts: SourceFacts | None, theorems: Iterable[Theorem]) -> RowBounds:
    """Return those of some bounds that apply to a row."""
    values: dict[str, float] = {}
    vacuous = set()
    for theorem in theorems if facts is not None else ():
        assert facts is not None  # there is no theorem otherwise
        value = bound_of(theorem, row, facts)
        if value is None:
            continue
        values[theorem.name] = value
        if bounds.says_nothing(theorem, value, facts):
            vacuous.add(theorem.name)
    return RowBounds(values, frozenset(vacuous))


def bound_of(theorem: Theorem, row: Row, facts: SourceFacts) -> float | None:
    """Return a theorem's bound on the error of a row, in nats; None where it does not apply.

    Plain Monte Carlo adds its root mean squared error to an upper bound on the plug-in's mean
    absolute error. Its integral is unbiased, so that bounds on the bias hold as they are, and so
    does a lower bound on the mean absolute error, by Jensen's inequality.
    """
    estimator = row.estimator.facts
    value = _bound(theorem, row.n, facts) if theorem.applies(estimator) else None
    draws = estimator.draws_per_component
    if value is None or draws is None or (theorem.statistic, theorem.side) != ("mae", "upper"):
        return value
    return value + math.sqrt(bounds.monte_carlo_mse_bound(row.n, draws, facts.dim))


@lru_cache(maxsize=16384)
def _bound(theorem: Theorem, n: int, facts: SourceFacts) -> float | None:
    return theorem.function(n, facts)
