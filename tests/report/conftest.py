"""Made-up runs: estimates given as numbers, so that every statistic can be known by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from entbench import _registry as registry
from entbench._base import Reference, ReferenceCheck, SourceFacts
from entbench._records import Case, Cell, Record, RunInfo, Spec, SuiteRun
from entbench._theorem import EstimatorFacts

RunOf = Callable[..., SuiteRun]


def _spec(name: str, params: Mapping[str, Any]) -> Spec:
    listed = ",".join(f"{key}={value}" for key, value in params.items())
    label = f"{name}[{listed}]" if params else name
    return Spec(name, "1", "entbench", tuple(params.items()), label)


def _facts(name: str, params: Mapping[str, Any]) -> EstimatorFacts:
    """Return what a built-in estimator says of itself; of a made-up one, that it estimates."""
    if name not in registry.estimators.names():
        return EstimatorFacts()
    said = EstimatorFacts.of(registry.estimators.load(name))
    return replace(said, draws_per_component=params.get("draws"))


def _record(
    source: Spec, estimator: Spec, n: int, trial: int, value: float | None, se: float | None
) -> Record:
    status, message = ("ok", "") if value is not None else ("failed", "ValueError: no")
    result = {} if value is None else {"value": float(value), "numerical_error": se}
    return Record(Cell(source, estimator, n, trial, 0), status, message, 0.25, result)


def _run_of(
    values: Mapping[int, Sequence[float | None]],
    estimator: str = "kl",
    *,
    estimator_params: Mapping[str, Any] | None = None,
    source: str = "made-up",
    source_params: Mapping[str, Any] | None = None,
    facts: SourceFacts | None = None,
    truth: float = 0.0,
    error: float = 0.0,
    numerical_error: float | None = None,
    quantity: str = "h(S+Z)",
    **asked: Any,
) -> SuiteRun:
    law = _spec(source, {"d": 1} if source_params is None else source_params)
    given = estimator_params or {}
    method = replace(_spec(estimator, given), facts=_facts(estimator, given))
    records = tuple(
        _record(law, method, n, trial, value, numerical_error)
        for n, column in values.items()
        for trial, value in enumerate(column)
    )
    checked = (ReferenceCheck("again", truth, 0.0),)
    reference = Reference(truth, error, "made up", checked, quantity)
    trials = max(len(column) for column in values.values())
    return SuiteRun(
        suite="made-up",
        params={"n": list(values), "trials": trials, "error": 0.1},
        cases=(Case(law, reference, facts or SourceFacts(1, 0.1)),),
        records=records,
        checks=tuple(asked.get("checks", ())),
        figures=tuple(asked.get("figures", ())),
        tables=tuple(asked.get("tables", ())),
        info=RunInfo("id", "0", 0, "3", "here", "now"),
        computed=len(records),
    )


def _together(*runs: SuiteRun) -> SuiteRun:
    cases = {case.source: case for run in runs for case in run.cases}
    records = tuple(record for run in runs for record in run.records)
    return replace(runs[0], records=records, cases=tuple(cases.values()))


@pytest.fixture(scope="session")
def run_of() -> RunOf:
    """A run of one estimator on one source from its estimates by n; None is a failure."""
    return _run_of


@pytest.fixture(scope="session")
def together() -> Callable[..., SuiteRun]:
    """Several runs as one, with what the first one asks for."""
    return _together
