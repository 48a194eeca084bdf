"""Rows: what a run is made of. Plain values, so that any process and any store can hold them."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from entbench._theorem import EstimatorFacts

if TYPE_CHECKING:
    from entbench._base import Interval, Reference, SourceFacts
    from entbench._theorem import Theorem

Scalar = str | int | float | bool | None

_KEY_FORMAT = 1

STATUS_OK = "ok"
STATUS_FAILED = "failed"
STATUS_TIMEOUT = "timeout"  # killed over the time that a cell may take
STATUS_MEMORY = "memory"  # killed over the memory that a cell may take
STATUSES = (STATUS_OK, STATUS_FAILED, STATUS_TIMEOUT, STATUS_MEMORY)


@dataclass(frozen=True)
class Spec:
    """A source or an estimator by name, with all that determines its values.

    Attributes
    ----------
    name : str
        Registry name.
    version, origin : str
        See `entbench._registry.Registry.origin`.
    params : tuple of (name, value)
        Every parameter, defaults included, sorted by name; values are plain scalars.
    label : str
        How tables call it: the name, with the parameters that differ from the defaults.
    plugin : str or None
        What a fresh process loads to know the name; see `entbench._registry.Entry`.
    facts : EstimatorFacts
        Of an estimator. They follow from the rest, and are no part of its identity.
    """

    name: str
    version: str
    origin: str
    params: tuple[tuple[str, Scalar], ...]
    label: str
    plugin: str | None = ""
    facts: EstimatorFacts = field(default_factory=EstimatorFacts)

    @property
    def identity(self) -> dict[str, Any]:
        """Return what determines the values."""
        return {
            "name": self.name,
            "version": self.version,
            "origin": self.origin,
            "params": dict(self.params),
        }


class Task(ABC):
    """One piece of work: specs by role, and a place among their draws or steps."""

    @property
    @abstractmethod
    def specs(self) -> dict[str, Spec]:
        """Return the specs by role: "source" and "estimator", or "experiment"."""

    @property
    @abstractmethod
    def place(self) -> dict[str, Any]:
        """Return the draw or the step, as plain values."""

    @cached_property
    def key(self) -> str:
        """Return the hash of all that determines the result."""
        identities = {role: spec.identity for role, spec in self.specs.items()}
        return digest({**identities, **self.place, "format": _KEY_FORMAT})


@dataclass(frozen=True)
class Cell(Task):
    """One estimate to make: source x estimator x n x trial."""

    source: Spec
    estimator: Spec
    n: int
    trial: int
    seed: int

    @property
    def specs(self) -> dict[str, Spec]:
        """Return source and estimator."""
        return {"source": self.source, "estimator": self.estimator}

    @property
    def place(self) -> dict[str, Any]:
        """Return n, trial and seed."""
        return {"n": self.n, "trial": self.trial, "seed": self.seed}

    @property
    def draw(self) -> dict[str, Any]:
        """Return what determines the samples: everything but the estimator."""
        return {"source": self.source.identity, **self.place}


@dataclass(frozen=True)
class Step(Task):
    """One thing to measure: an experiment at one of its steps."""

    experiment: Spec
    at: tuple[tuple[str, Scalar], ...]

    @property
    def specs(self) -> dict[str, Spec]:
        """Return the experiment."""
        return {"experiment": self.experiment}

    @property
    def place(self) -> dict[str, Any]:
        """Return the step."""
        return {"step": dict(self.at)}

    @property
    def label(self) -> str:
        """Its name in messages."""
        return f"{self.experiment.label}, {', '.join(f'{k}={v}' for k, v in self.at)}"


T = TypeVar("T", bound=Task)


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """The outcome of one task: of a cell, or of a step.

    Attributes
    ----------
    cell : Cell or Step
        The task.
    status : {"ok", "failed", "timeout", "memory"}
        All but "ok" have a message and no result. NaN never stands for failure.
    message : str
        Why it failed, in one line; or the first warning.
    seconds : float
        Time of the fit, or of the whole step.
    result : dict
        Plain values by name. Of a cell: "value", "numerical_error" and "standard_error" in nats,
        "interval" and "diagnostics" where stated, see `entbench._base.Result`; of a step, as its
        experiment names them.
    """

    cell: T
    status: str
    message: str
    seconds: float = 0.0
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether there is a result."""
        return self.status == STATUS_OK

    @property
    def value(self) -> float | None:
        """The estimate in nats; None where the cell failed."""
        return self.result.get("value")

    @property
    def numerical_error(self) -> float | None:
        """The error of the value for these samples in nats; None where not stated."""
        return self.result.get("numerical_error")

    @property
    def standard_error(self) -> float | None:
        """The scatter of the value over samples in nats; None where not stated."""
        return self.result.get("standard_error")

    @cached_property
    def interval(self) -> Interval | None:
        """The estimator's interval for the truth; None where it has none."""
        from entbench._base import Interval  # slow to import: scikit-learn

        found = self.result.get("interval")
        return None if found is None else Interval(**found)

    @property
    def diagnostics(self) -> dict[str, Scalar]:
        """The estimator's `diagnostics_`, as plain values."""
        found: dict[str, Scalar] = self.result.get("diagnostics", {})
        return found

    @property
    def converged(self) -> bool:
        """Whether there is a value, and the estimator does not say that it fell short."""
        return self.ok and self.diagnostics.get("converged") is not False


Record = Outcome[Cell]
Measurement = Outcome[Step]


@dataclass(frozen=True)
class Case:
    """A source of a run, with what is known of it; None where nothing is."""

    source: Spec
    reference: Reference
    facts: SourceFacts | None


@dataclass(frozen=True)
class RunInfo:
    """What a run was made by.

    Attributes
    ----------
    id : str
        Unique.
    version : str
        Of entbench.
    seed : int
        The suite's.
    python, platform : str
        Where it ran.
    started : str
        UTC time, ISO 8601.
    finished : str or None
        The same of its end; None while it runs, or where it was cut short.
    command : str
        What repeats it, as a line for a shell.
    versions : dict
        Of the libraries that numbers depend on, by name.
    """

    id: str
    version: str
    seed: int
    python: str
    platform: str
    started: str
    finished: str | None = None
    command: str = ""
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SuiteRun:
    """A finished run of a suite: all that a report needs.

    Attributes
    ----------
    suite : str
        The suite's name.
    params : dict
        The suite's parameters as run: source parameters, n, trials.
    cases : tuple of Case
        One per setting of the source.
    records : tuple of Record
        One per cell, in the order of the plan whatever the order of execution was.
    checks : tuple of str or None
        What the suite asks the report to check; None for every proved check that applies.
    figures : tuple of str
        What the suite asks the report to draw.
    info : RunInfo
        What made it.
    computed : int
        Cells computed in this run; the others were in the store.
    notes : tuple of str
        What the plan had to say.
    tables : tuple of str
        What the suite asks the report for beside the table of its rows.
    missing : int
        Cells that were planned and have no record: the run was cut short, or goes on.
    theorems : tuple of Theorem
        Of plugins, as they were evaluated when the run was planned.
    """

    suite: str
    params: dict[str, Any]
    cases: tuple[Case, ...]
    records: tuple[Record, ...]
    checks: tuple[str, ...] | None
    figures: tuple[str, ...]
    info: RunInfo
    computed: int
    notes: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    missing: int = 0
    theorems: tuple[Theorem, ...] = ()


@dataclass(frozen=True)
class ExperimentRun:
    """A finished run of an experiment: all that a report needs.

    Attributes
    ----------
    suite, experiment : str
        Names of the suite and of the experiment that it asks for.
    preset : str
        Which of the suite's sizes was run.
    params : dict
        Parameters of the experiment; a sweep is a list.
    records : tuple of Measurement
        One per step, in the order of the plan.
    info : RunInfo
        What made it.
    computed : int
        Steps computed in this run; the others were in the store.
    missing : int
        Steps that were planned and have no record: the run was cut short, or goes on.
    """

    suite: str
    experiment: str
    preset: str
    params: dict[str, Any]
    records: tuple[Measurement, ...]
    info: RunInfo
    computed: int
    missing: int = 0


def digest(value: Any) -> str:
    """Return the SHA-256 of `value` in canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
