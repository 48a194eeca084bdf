"""Plans as plain values, so that a store can say what a run was to compute."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

from entbench._base import Reference, ReferenceCheck, SourceFacts
from entbench._records import Case, Cell, Scalar, Spec, Step
from entbench._theorem import EstimatorFacts, Theorem
from entbench.runner._theorem_rows import theorem_of, theorem_rows

if TYPE_CHECKING:
    from entbench.runner._experiment import ExperimentSuite
    from entbench.runner._plan import Plan

Row = dict[str, Any]
_Made = TypeVar("_Made")

_MOST_TRIALS = 1_000_000  # more than any run is planned with


def plan_row(plan: Plan) -> Row:
    """Return a suite's plan.

    Its cells are groups of source, estimator, n and number of trials, in their order.
    """
    estimators: dict[Spec, int] = {}
    groups: dict[tuple[int, int, int], int] = {}
    numbers = {case.source: i for i, case in enumerate(plan.cases)}
    for cell in plan.cells:
        estimator = estimators.setdefault(cell.estimator, len(estimators))
        group = numbers[cell.source], estimator, cell.n
        groups[group] = groups.get(group, 0) + 1
    return {
        "suite": plan.suite.name,
        "params": plan.suite.params,
        "tasks": len(plan.cells),
        "cases": [_case_row(case) for case in plan.cases],
        "estimators": [{**spec_row(spec), "facts": asdict(spec.facts)} for spec in estimators],
        "groups": [[*group, trials] for group, trials in groups.items()],
        "checks": None if plan.suite.checks is None else list(plan.suite.checks),
        "figures": list(plan.suite.figures),
        "tables": list(plan.suite.tables),
        "notes": list(plan.notes),
        "theorems": theorem_rows(plan.theorems, plan.cases, list(estimators), plan.suite.n),
    }


def planned_cases(row: Row) -> tuple[Case, ...]:
    """Return the cases of a plan."""
    with _reading():
        return tuple(_case(case) for case in row["cases"])


def planned_tasks(row: Row, seed: int) -> Sequence[Cell | Step]:
    """Return the cells or steps of a plan, in their order."""
    with _reading():
        if "settings" in row:
            return [
                Step(_spec(spec), _scalars(at)) for spec, every in row["settings"] for at in every
            ]
        sources = [_spec(case["source"]) for case in row.get("cases", ())]
        estimators = [_estimator(spec) for spec in row.get("estimators", ())]
        return [
            Cell(sources[source], estimators[estimator], n, trial, seed)
            for source, estimator, n, trials in map(_group, row.get("groups", ()))
            for trial in range(trials)
        ]


def planned_theorems(row: Row) -> tuple[Theorem, ...]:
    """Return the theorems of plugins, as they were evaluated when the run was planned."""
    cases = planned_cases(row)
    with _reading():
        estimators = [_estimator(spec) for spec in row["estimators"]]
        return tuple(theorem_of(each, cases, estimators) for each in row["theorems"])


def planned_names(row: Row) -> dict[str, tuple[str, ...]]:
    """Return what a plan asks a report for but for checks, and its notes."""
    with _reading():
        return {name: _texts(row[name]) for name in ("figures", "tables", "notes")}


def planned_checks(row: Row) -> tuple[str, ...] | None:
    """Return the checks that a plan asks for; None for all that apply."""
    with _reading():
        return None if row["checks"] is None else _texts(row["checks"])


def steps_row(suite: ExperimentSuite, steps: Sequence[Step]) -> Row:
    """Return the plan of an experiment's steps, in their order."""
    settings: dict[Spec, list[Row]] = {}
    for step in steps:
        settings.setdefault(step.experiment, []).append(dict(step.at))
    return {
        "suite": suite.name,
        "params": suite.params,
        "tasks": len(steps),
        "experiment": suite.experiment,
        "preset": suite.preset,
        "settings": [[spec_row(spec), at] for spec, at in settings.items()],
    }


def planned_params(row: Row) -> Row:
    """Return the parameters of a plan's suite."""
    with _reading():
        return dict(row.get("params", {}))


def planned_text(row: Row, key: str) -> str:
    """Return a text of a plan."""
    with _reading():
        return _text(row[key])


@contextmanager
def _reading() -> Iterator[None]:
    """Say in one line that a plan is not as plans are made here."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(
            f"the plan of a run in the store cannot be read ({reason}). Run the suite again: its "
            "stored cells are used."
        ) from error


def spec_row(spec: Spec) -> Row:
    """Return a spec as plain values."""
    return {**spec.identity, "label": spec.label, "plugin": spec.plugin}


# A plan may be by anyone: of what is read here, each value is of its type or refused.


def _spec(row: Mapping[str, Any]) -> Spec:
    return typed(Spec, {**row, "params": _scalars(row["params"])})


def _estimator(row: Mapping[str, Any]) -> Spec:
    facts = typed(EstimatorFacts, row["facts"])
    return replace(_spec({k: v for k, v in row.items() if k != "facts"}), facts=facts)


def _scalars(row: Mapping[str, Any]) -> tuple[tuple[str, Scalar], ...]:
    if not all(isinstance(value, Scalar) for value in row.values()):
        raise TypeError(f"parameters must be plain values; got {row!r}")
    return tuple(sorted(row.items()))


def _group(group: Any) -> list[int]:
    source, estimator, n, trials = group
    if any(type(number) is not int or number < 0 for number in group) or trials > _MOST_TRIALS:
        raise ValueError(f"no group of cells: {group!r}")
    return [source, estimator, n, trials]


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"a list is needed; got {value!r}")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, _list(value)))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is needed; got {value!r}")
    return value


def typed(cls: type[_Made], row: Mapping[str, Any]) -> _Made:
    """Return a row as what it is of, its values of the types that this says."""
    known = get_type_hints(cls)
    for name, value in row.items():
        kind = known[name]
        wanted = get_args(kind) if isinstance(kind, UnionType) else (get_origin(kind) or kind,)
        given = int if type(value) is bool and bool not in wanted else type(value)
        if given not in wanted and not (given is int and type(value) is int and float in wanted):
            raise TypeError(f"`{name}` must be {kind}; got {value!r}")
        if isinstance(value, float) and math.isnan(value):
            raise ValueError(f"`{name}` must be a number; got {value!r}")
    return cls(**row)


def _case_row(case: Case) -> Row:
    return {
        "source": spec_row(case.source),
        "reference": asdict(case.reference),
        "facts": None if case.facts is None else asdict(case.facts),
    }


def _case(row: Row) -> Case:
    reference = dict(row["reference"])
    reference["checks"] = tuple(typed(ReferenceCheck, check) for check in reference["checks"])
    facts = None if row["facts"] is None else typed(SourceFacts, row["facts"])
    return Case(_spec(row["source"]), typed(Reference, reference), facts)
