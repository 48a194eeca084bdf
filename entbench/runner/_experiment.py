"""Experiments as suites: presets, steps, and a run that goes on where it stopped."""

from __future__ import annotations

import itertools
import json
import time
import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from entbench import _registry
from entbench._base import parameters_of
from entbench._records import (
    STATUS_FAILED,
    STATUS_OK,
    ExperimentRun,
    Measurement,
    RunInfo,
    Scalar,
    Spec,
    Step,
)
from entbench._validation import check_integer, unknown_name
from entbench.runner._execute import check_elsewhere, default_jobs
from entbench.runner._grammar import parse_values
from entbench.runner._lanes import Lanes
from entbench.runner._limits import Limits
from entbench.runner._plan_rows import steps_row
from entbench.runner._store import Store
from entbench.runner._suite import SuiteFile

_Measurements = Generator[Measurement, None, None]

_KEYS = {"title": str, "experiment": str, "presets": dict}


@dataclass(frozen=True)
class ExperimentSuite:
    """An experiment as it will run.

    Attributes
    ----------
    name, title : str
        Of the suite.
    experiment : str
        Registry name.
    preset : str
        Which of its sizes.
    grid : mapping of str to tuple
        Values of the experiment's parameters; more than one makes a sweep.
    presets : tuple of str
        The sizes there are.
    """

    name: str
    title: str
    experiment: str
    preset: str
    grid: Mapping[str, tuple[Any, ...]]
    presets: tuple[str, ...]

    @property
    def params(self) -> dict[str, Any]:
        """Return the parameters as results print them: a sweep is a list."""
        return {key: v[0] if len(v) == 1 else list(v) for key, v in self.grid.items()}


def experiment_suite(file: SuiteFile, params: Mapping[str, Any]) -> ExperimentSuite:
    """Return the experiment that a suite asks for, with a user's wishes in place.

    Parameters
    ----------
    file : SuiteFile
        The suite.
    params : mapping
        ``preset`` and parameters of the experiment, in place of the suite's own.

    Raises
    ------
    ValueError
        If the file or a parameter is no good.
    """
    try:
        _check_table(file.table)
    except (ValueError, TypeError) as error:
        raise ValueError(f"suite {file.where}: {error}") from error
    presets, name = file.table["presets"], file.table["experiment"]
    preset = str(params.get("preset", next(iter(presets))))
    if preset not in presets:
        raise ValueError(unknown_name("preset", preset, presets))
    known = parameters_of(_registry.experiments.load(name))
    given = {**presets[preset], **{k: v for k, v in params.items() if k != "preset"}}
    for key in given:
        if key not in known:
            raise ValueError(unknown_name(f"key for suite {file.name!r}", key, ["preset", *known]))
    grid = {key: _values(key, value) for key, value in given.items()}
    title = file.table.get("title", "")
    return ExperimentSuite(file.name, title, name, preset, grid, tuple(presets))


def _check_table(table: Mapping[str, Any]) -> None:
    for key, value in table.items():
        if key not in _KEYS:
            raise ValueError(unknown_name("key", key, _KEYS))
        if not isinstance(value, _KEYS[key]):
            raise TypeError(f"`{key}` has the wrong type: {value!r}.")
    if not table.get("presets") or not all(isinstance(p, dict) for p in table["presets"].values()):
        raise ValueError("`presets` missing: a table of parameters for each size.")


def steps_of(suite: ExperimentSuite) -> list[Step]:
    """Return the steps of an experiment, for every setting of its parameters."""
    found: dict[Step, None] = {}
    for point in itertools.product(*suite.grid.values()):
        params = dict(zip(suite.grid, point, strict=True))
        experiment = _registry.make_experiment(suite.experiment, params).resolved()
        spec = _spec(suite.experiment, experiment.get_params(), experiment.version)
        for step in experiment.steps():
            found[Step(spec, tuple(sorted(step.items())))] = None
    return list(found)


def run_experiment(
    suite: ExperimentSuite,
    store: Store,
    info: RunInfo,
    *,
    jobs: int | None = None,
    rerun: str = "missing",
    on_start: Callable[[int, int], None] = lambda stored, missing: None,
    on_record: Callable[[Any], None] = lambda record: None,
    timeout: float | str | None = None,
    memory: float | str | None = None,
) -> ExperimentRun:
    """Measure what the store lacks, keeping each step as it is done.

    Steps of one setting follow each other in one process, as training does; settings are shared
    out among `jobs` processes. `timeout` and `memory` are what one step may take; see `run_suite`.
    """
    limits = Limits.of(timeout, memory)
    jobs = default_jobs() if jobs is None else check_integer("jobs", jobs, minimum=1)
    steps = steps_of(suite)
    found = {} if rerun == "all" else {each.cell.key: each for each in store.records(steps)}
    if rerun == "failed":
        found = {key: each for key, each in found.items() if each.ok}
    missing = [step for step in steps if step.key not in found]
    on_start(len(found), len(missing))
    store.start_run(info, steps_row(suite, steps))
    with closing(_execute(missing, jobs, limits)) as measurements:
        for measurement in measurements:
            store.add(measurement, info.id)
            found[measurement.cell.key] = measurement
            on_record(measurement)
    info = replace(info, finished=store.finish_run(info.id))
    return ExperimentRun(
        suite=suite.name,
        experiment=suite.experiment,
        preset=suite.preset,
        params=suite.params,
        records=tuple(found[step.key] for step in steps),
        info=info,
        computed=len(missing),
    )


def _execute(steps: Sequence[Step], jobs: int, limits: Limits) -> _Measurements:
    settings: dict[Spec, list[Step]] = {}
    for step in steps:
        settings.setdefault(step.experiment, []).append(step)
    if not limits and (jobs == 1 or len(settings) < 2):
        yield from map(measure_step, steps)
        return
    check_elsewhere(settings)
    count = min(jobs, len(settings))
    with Lanes(count, limits, one_thread=count > 1) as lanes:
        yield from lanes.run(settings.values())


def measure_step(step: Step) -> Measurement:
    """Measure one step; whatever goes wrong is in its status and message."""
    began = time.perf_counter()
    try:
        load_experiment(step.experiment)
        experiment = _registry.make_experiment(step.experiment.name, dict(step.experiment.params))
        result = experiment.measure(dict(step.at))
        json.dumps(result, allow_nan=False)
    except Exception as failure:
        (line,) = traceback.format_exception_only(failure)[-1:]
        seconds = time.perf_counter() - began
        return Measurement(step, STATUS_FAILED, " ".join(line.split()), seconds)
    return Measurement(step, STATUS_OK, "", time.perf_counter() - began, result)


def load_experiment(spec: Spec) -> None:
    """Import what an experiment is made of."""
    if spec.plugin and spec.name not in _registry.experiments.names():
        _registry.load_plugin(spec.plugin)
    _registry.experiments.load(spec.name)


def _values(key: str, value: Any) -> tuple[Any, ...]:
    if isinstance(value, str):
        return tuple(parse_values(key, value))
    return tuple(value) if isinstance(value, Sequence) else (value,)


def _spec(name: str, params: Mapping[str, Scalar], version: str) -> Spec:
    return Spec(
        name=name,
        version=version,
        origin=_registry.experiments.origin(name),
        params=tuple(sorted(params.items())),
        label=f"{name}[{','.join(f'{key}={value}' for key, value in params.items())}]",
        plugin=_registry.experiments.entry(name).plugin,
    )
