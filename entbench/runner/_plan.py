"""From a suite to its cells."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from entbench import _registry
from entbench._base import Estimator, PairSource, Source, mismatch, parameters_of
from entbench._records import Case, Cell, Scalar, Spec
from entbench._theorem import EstimatorFacts, Theorem
from entbench.runner._certificates import check_stored, is_sampled, reference_of
from entbench.runner._store import Store
from entbench.runner._suite import Suite
from entbench.runner._theorem_rows import evaluated

_MOST_CELLS = 1_000_000  # which take about a gigabyte to plan
_GIVEN_BY_RUNNER = ("sigma", "random_state")


@dataclass(frozen=True)
class Plan:
    """What a suite comes to.

    Attributes
    ----------
    suite : Suite
        Where it comes from.
    cases : tuple of Case
        One for each setting of the source, with reference and facts.
    cells : tuple of Cell
        In the order of the table: case, estimator, n, trial.
    notes : tuple of str
        Which estimators are left out for which source, and why; which theorems fail.
    theorems : tuple of Theorem
        Of plugins, evaluated at the settings of the plan.
    """

    suite: Suite
    cases: tuple[Case, ...]
    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()
    theorems: tuple[Theorem, ...] = ()


def make_plan(suite: Suite, store: Store | None = None) -> Plan:
    """Expand a suite; every name and parameter is checked on the way.

    Parameters
    ----------
    suite : Suite
        As it is to run.
    store : Store, optional
        Where references that take sampling are looked up, and kept if it is open for writing.

    Raises
    ------
    ValueError, TypeError
        If a source or an estimator refuses its parameters, an estimator fits no source, or stored
        certificates of a source contradict each other.
    """
    _check_size(suite)
    cases, cells = [], []
    refused: dict[str, dict[Spec, str]] = {}
    sources = [
        (source, source_spec(name, source))
        for name, grid in suite.sources
        for source in _sources(name, grid)
    ]
    if store is not None:
        for source, spec in sources:  # before the first truth is computed
            check_stored(spec, source, store)
    for source, spec in sources:
        error = suite.reference_error if is_sampled(source) else None
        reference = reference_of(spec, source, error, store=store).reference
        cases.append(Case(spec, reference, source.facts()))
        made: dict[Spec, None] = {}
        for name, params in suite.estimators:
            why = mismatch(_registry.estimators.load(name), source)
            if why:
                refused.setdefault(name, {})[spec] = why
                continue
            made[_estimator_spec(name, params, source.sigma)] = None
        cells += [
            Cell(spec, estimator, n, trial, suite.seed)
            for estimator in made
            for n in suite.n
            if n <= suite.max_n.get(estimator.name, n)
            for trial in range(suite.trials)
        ]
    every = [case.source for case in cases]
    notes = [_left_out(name, reasons, every) for name, reasons in refused.items()]
    notes += [
        f"{name} is run up to n = {most} only, for time"
        for name, most in suite.max_n.items()
        if name in dict(suite.estimators) and most < suite.n[-1]
    ]
    theorems, failed = evaluated(cases, cells)
    return Plan(suite, tuple(cases), tuple(cells), (*notes, *failed), theorems)


def _check_size(suite: Suite) -> None:
    """Refuse what would never end, before it is written out."""
    settings = sum(math.prod(map(len, grid.values())) for _, grid in suite.sources)
    cells = settings * len(suite.estimators) * len(suite.n) * suite.trials
    if cells > _MOST_CELLS:
        raise ValueError(
            f"suite {suite.name!r} asks for {cells} cells: {settings} settings of the source x "
            f"{len(suite.estimators)} estimators x {len(suite.n)} values of n x {suite.trials} "
            f"trials. A run has at most {_MOST_CELLS}."
        )


def unfit(suite: Suite, name: str) -> str:
    """Return why an estimator fits no source of a suite; "" where it fits one."""
    estimator = _registry.estimators.load(name)
    sources = (source for kind, grid in suite.sources for source in _sources(kind, grid))
    reasons = [mismatch(estimator, source) for source in sources]
    return reasons[0] if all(reasons) else ""


def _left_out(name: str, reasons: Mapping[Spec, str], sources: Sequence[Spec]) -> str:
    """Return the note for an estimator that cannot be run against some sources; raise for all."""
    (why, *_) = reasons.values()
    run = {source.name for source in sources if source not in reasons}
    # a kind of source by its name where no setting of it is run
    labels = (spec.label if spec.name in run else spec.name for spec in reasons)
    where = ", ".join(dict.fromkeys(labels))
    if len(reasons) == len(sources):
        raise ValueError(f"estimator {name!r} cannot be run against {where}: {why}.")
    return f"{name} is left out for {where}: {why}"


def _sources(name: str, grid: Mapping[str, tuple[Any, ...]]) -> list[Source | PairSource]:
    made = [
        _registry.make_source(name, dict(zip(grid, point, strict=True)))
        for point in itertools.product(*grid.values())
    ]
    distinct = {tuple(source.get_params().items()): source for source in made}
    return list(distinct.values())


def source_spec(name: str, source: Source | PairSource) -> Spec:
    """Return the row of a source, with all its parameters."""
    params = source.get_params()
    return Spec(
        name=name,
        version=source.version,
        origin=_registry.sources.origin(name),
        params=_scalars(f"source {name!r}", params),
        label=f"{name}[{','.join(f'{key}={value}' for key, value in params.items())}]",
        plugin=_registry.sources.entry(name).plugin,
    )


def _estimator_spec(name: str, params: Mapping[str, Scalar], sigma: float | None) -> Spec:
    # A random_state of 0 shows the parameter to be there; each cell gets its own.
    estimator = _registry.make_estimator(name, params, sigma=sigma, random_state=0)
    effective = {
        key: value
        for key, value in estimator.get_params(deep=False).items()
        if key not in _GIVEN_BY_RUNNER or key in params
    }
    return Spec(
        name=name,
        version=estimator.version,
        origin=_registry.estimators.origin(name),
        params=_scalars(f"estimator {name!r}", effective),
        label=_label(name, estimator, params),
        plugin=_registry.estimators.entry(name).plugin,
        facts=EstimatorFacts.of(estimator),
    )


def _label(name: str, estimator: Estimator, params: Mapping[str, Scalar]) -> str:
    known = parameters_of(type(estimator))
    held = estimator.get_params(deep=False)
    changed = [f"{key}={held[key]}" for key in params if held[key] != known[key].default]
    return f"{name}[{','.join(changed)}]" if changed else name


def _scalars(what: str, params: Mapping[str, Any]) -> tuple[tuple[str, Scalar], ...]:
    for key, value in params.items():
        if not isinstance(value, Scalar):
            raise TypeError(
                f"`{key}` of {what} must be a number, a text, a truth value or None, to be stored "
                f"and sent to workers; got {value!r}."
            )
    return tuple(sorted(params.items()))
