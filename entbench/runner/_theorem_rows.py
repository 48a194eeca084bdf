"""Theorems of plugins: evaluated where a run is planned, and kept with it as plain values."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from entbench import _registry
from entbench._base import SourceFacts
from entbench._records import Case, Cell, Spec
from entbench._text import failure_line
from entbench._theorem import EstimatorFacts, Theorem

_TEXTS = ("name", "statistic", "side", "header", "note", "certainty", "check")

_Values = Mapping[tuple[int, SourceFacts], float]


def evaluated(
    cases: Sequence[Case], cells: Sequence[Cell]
) -> tuple[tuple[Theorem, ...], tuple[str, ...]]:
    """Return the theorems that are registered, at the settings of cells, and what went wrong."""
    facts = {case.source: case.facts for case in cases}
    settings = dict.fromkeys((cell.n, facts[cell.source]) for cell in cells)
    points = [(n, known) for n, known in settings if known is not None]
    estimators = list(dict.fromkeys(cell.estimator.facts for cell in cells))
    found: list[Theorem] = []
    notes: list[str] = []
    for name in _registry.theorems.names():
        try:
            theorem: Theorem = _registry.theorems.load(name)
            held = frozenset(each for each in estimators if theorem.applies(each))
        except Exception as failure:
            notes.append(f"theorem {name} is left out: {failure_line(failure)}")
            continue
        values, problems = _values(theorem, points if held else [])
        if problems:
            lost = f"{len(problems)} of {len(points)} settings"
            notes.append(f"theorem {name} is left out at {lost}: {problems[0]}")
        if values:
            found.append(_kept(theorem, values, held, len(found)))
    return tuple(found), tuple(notes)


def _values(
    theorem: Theorem, points: Sequence[tuple[int, SourceFacts]]
) -> tuple[_Values, list[str]]:
    values, problems = {}, []
    for n, facts in points:
        try:
            value = theorem.function(n, facts)
            if value is not None:
                values[n, facts] = _number(value)
        except Exception as failure:
            problems.append(failure_line(failure))
    return values, problems


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or math.isnan(value):
        raise ValueError(f"it must return a number of nats or None; got {value!r}")
    return float(value)


def _kept(
    theorem: Theorem, values: _Values, held: frozenset[EstimatorFacts], position: int
) -> Theorem:
    """Return a theorem that knows these values, and asks no plugin."""
    return replace(
        theorem,
        function=lambda n, facts: values.get((n, facts)),
        applies=lambda estimator: estimator in held,
        dash=theorem.dash or (4.0, 1.0, *(1.0, 1.0) * (1 + position)),
    )


def theorem_rows(
    theorems: Sequence[Theorem],
    cases: Sequence[Case],
    estimators: Sequence[Spec],
    sizes: Sequence[int],
) -> list[dict[str, Any]]:
    """Return theorems as plain values: by case and n, and for which estimators."""
    return [
        {
            **{key: getattr(theorem, key) for key in _TEXTS},
            "dash": list(theorem.dash),
            "estimators": [i for i, e in enumerate(estimators) if theorem.applies(e.facts)],
            "values": [
                [i, n, value]
                for i, case in enumerate(cases)
                for n in sizes
                if case.facts and (value := theorem.function(n, case.facts)) is not None
            ],
        }
        for theorem in theorems
    ]


def theorem_of(
    row: Mapping[str, Any], cases: Sequence[Case], estimators: Sequence[Spec]
) -> Theorem:
    """Return the theorem of a row; raise ValueError or TypeError where it is none."""
    texts = {key: row[key] for key in _TEXTS}
    if not all(isinstance(text, str) for text in texts.values()):
        raise TypeError(f"texts are needed; got {texts!r}")
    values = {}
    for i, n, value in row["values"]:
        facts = cases[i].facts
        if facts is not None:
            values[int(n), facts] = _number(value)
    theorem = Theorem(function=lambda n, facts: None, **texts)
    held = frozenset(estimators[i].facts for i in row["estimators"])
    dash = tuple(_number(length) for length in row["dash"])
    return _kept(replace(theorem, dash=dash), values, held, 0)
