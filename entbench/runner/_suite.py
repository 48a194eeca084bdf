"""A suite: source x estimators x n x trials, as data."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from entbench import _registry
from entbench._base import parameters_of
from entbench._records import Scalar
from entbench._validation import check_integer, check_positive, unknown_name
from entbench.runner._grammar import (
    check_finite,
    parse_named,
    parse_sizes,
    parse_values,
    sample_sizes,
)

_KEYS = {
    "title": str,
    "source": (dict, list),
    "estimators": list,
    "n": (list, int, float, str),
    "trials": int,
    "seed": int,
    "checks": list,
    "figures": list,
    "tables": list,
    "error": (int, float),
    "reference_error": (int, float),
    "max_n": dict,
}
_LARGEST_SEED = 2**63 - 1  # that a store can hold
_REQUIRED = ("source", "estimators", "n")


@dataclass(frozen=True)
class Suite:
    """A suite as it will run.

    Attributes
    ----------
    name, title : str
        Of the suite.
    sources : tuple of (name, grid)
        Registry name of each source, and values of each of its parameters that are given; more
        than one value makes a sweep.
    estimators : tuple of (name, params)
        What competes.
    n : tuple of int
        Sample sizes, ascending.
    trials, seed : int
        Independent draws for each n, and where they start from.
    checks : tuple of str or None
        What the report is asked to check; None, where the suite does not say, for every proved
        check that applies.
    figures : tuple of str
        What the report is asked to draw.
    max_n : mapping of str to int
        The largest n for estimators that take too long beyond, by registry name.
    tables : tuple of str
        What the report is asked for beside the table of errors.
    error : float or None
        In nats, where a table asks what it takes to reach an error.
    reference_error : float or None
        Bound in nats on the error of truths that take sampling; their default if None.
    """

    name: str
    title: str
    sources: tuple[tuple[str, Mapping[str, tuple[Any, ...]]], ...]
    estimators: tuple[tuple[str, dict[str, Scalar]], ...]
    n: tuple[int, ...]
    trials: int = 20
    seed: int = 0
    checks: tuple[str, ...] | None = None
    figures: tuple[str, ...] = ()
    max_n: Mapping[str, int] = field(default_factory=dict)
    tables: tuple[str, ...] = ()
    error: float | None = None
    reference_error: float | None = None

    @property
    def params(self) -> dict[str, Any]:
        """Return the parameters as results print them: a sweep is a list."""
        described = [
            {"source": name} | {k: v[0] if len(v) == 1 else list(v) for k, v in grid.items()}
            for name, grid in self.sources
        ]
        sources = described[0] if len(described) == 1 else {"sources": described}
        asked = {} if self.error is None else {"error": self.error}
        return {**sources, "n": list(self.n), "trials": self.trials, **asked}

    @property
    def keys(self) -> list[str]:
        """Return what a user can set."""
        asked = [] if self.error is None else ["error"]
        return ["n", *asked, *self.source_parameters]

    @property
    def source_parameters(self) -> list[str]:
        """Return the names of all parameters that some source takes."""
        names = (parameters_of(_registry.sources.load(name)) for name, _ in self.sources)
        return list(dict.fromkeys(key for keys in names for key in keys))


@dataclass(frozen=True)
class SuiteFile:
    """The TOML of a suite.

    Attributes
    ----------
    name, where : str
        Of the suite, and its file for messages.
    table : dict
        What is in it.
    """

    name: str
    where: str
    table: dict[str, Any]

    @property
    def is_experiment(self) -> bool:
        """Whether it asks for an experiment rather than for estimators against sources."""
        return "experiment" in self.table


def read_suite(name: str) -> SuiteFile:
    """Return the TOML of a registered suite, or of a file.

    Raises
    ------
    ValueError
        If there is no such suite, or its file is not TOML.
    """
    if name.endswith(".toml") or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise ValueError(f"suite file {name!r} does not exist.")
        name, where, data = path.stem, str(path), path.read_bytes()
    else:
        package = _registry.suites.load(name).__name__
        where = f"{package}/{name}.toml"
        data = (resources.files(package) / f"{name}.toml").read_bytes()
    try:
        return SuiteFile(name, where, tomllib.loads(data.decode()))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"suite {where} is not valid TOML: {error}.") from error


def load_suite(name: str) -> Suite:
    """Return a registered suite, or the one in a TOML file.

    Raises
    ------
    ValueError
        If there is no such suite, its file is not a valid suite, or it asks for an experiment.
    """
    file = read_suite(name)
    if file.is_experiment:
        raise ValueError(f"suite {file.where} asks for an experiment, which has no estimators.")
    try:
        return _from_table(file.name, file.table)
    except (ValueError, TypeError) as error:
        raise ValueError(f"suite {file.where}: {error}") from error


def override(
    suite: Suite,
    params: Mapping[str, Any],
    *,
    estimators: Sequence[str] = (),
    trials: int | None = None,
    seed: int | None = None,
) -> Suite:
    """Return the suite with a user's wishes in place of its own values.

    Parameters
    ----------
    suite : Suite
        As loaded.
    params : mapping
        ``n``, ``error`` where the suite has one, and source parameters: numbers, sequences of them
        for a sweep, or text in the grammar of the command line. A parameter goes to every source
        that takes it.
    estimators : sequence of str
        In place of the suite's own, each like ``kl`` or ``kl[k=3]``.
    trials, seed : int, optional
        In place of the suite's own.

    Raises
    ------
    ValueError
        If a key is none of these, or a value is no good.
    """
    known = suite.keys
    given: dict[str, tuple[Any, ...]] = {}
    sizes, error = suite.n, suite.error
    for key, value in params.items():
        if key not in known:
            raise ValueError(_unknown_key(key, suite.name, known))
        values = _values(key, value)
        if key == "n":
            sizes = sample_sizes(values)
        elif key == "error":
            error = _one_error(values)
        else:
            given[key] = values
    return replace(
        suite,
        sources=tuple((name, _with(name, grid, given)) for name, grid in suite.sources),
        n=sizes,
        estimators=tuple(map(parse_named, estimators)) or suite.estimators,
        trials=suite.trials if trials is None else check_integer("trials", trials, minimum=1),
        seed=suite.seed if seed is None else _seed(seed),
        error=error,
    )


def _seed(value: Any) -> int:
    return check_integer("seed", check_integer("seed", value, minimum=0), 0, _LARGEST_SEED)


def _one_error(values: tuple[Any, ...]) -> float:
    if len(values) > 1:
        raise ValueError(f"`error` must be one number; got {len(values)}.")
    return check_positive("error", values[0])


def _with(
    source: str, grid: Mapping[str, tuple[Any, ...]], given: Mapping[str, tuple[Any, ...]]
) -> dict[str, tuple[Any, ...]]:
    """Return the grid with those of the given values that the source takes."""
    taken = parameters_of(_registry.sources.load(source))
    return {**grid, **{key: values for key, values in given.items() if key in taken}}


def _unknown_key(key: str, suite: str, known: list[str]) -> str:
    if key in ("trials", "seed", "jobs", "out", "store", "format"):
        return f"`{key}` is an option: write --{key} VALUE in place of {key}=VALUE."
    return unknown_name(f"key for suite {suite!r}", key, known)


def _values(key: str, value: Any) -> tuple[Any, ...]:
    if isinstance(value, str):
        return tuple(parse_sizes(value) if key == "n" else parse_values(key, value))
    if isinstance(value, Sequence):
        if not value:
            raise ValueError(f"`{key}` needs at least one value.")
        return tuple(_held(key, each) for each in value)
    return (_held(key, value),)


def _held(key: str, value: Any) -> Any:
    """Return a value, unless it is an integer that no float can hold."""
    if isinstance(value, int):
        check_finite(key, value)
    return value


def _from_table(name: str, table: dict[str, Any]) -> Suite:
    for key, value in table.items():
        if key not in _KEYS:
            raise ValueError(unknown_name("key", key, _KEYS))
        if not isinstance(value, _KEYS[key]) or isinstance(value, bool):  # type: ignore[arg-type]
            raise TypeError(f"`{key}` has the wrong type: {value!r}.")
    missing = [key for key in _REQUIRED if key not in table]
    if missing:
        raise ValueError(f"{', '.join(f'`{key}`' for key in missing)} missing.")
    if not table["estimators"] or not all(isinstance(e, str) for e in table["estimators"]):
        raise TypeError('`estimators` must be a list of texts such as "kl" or "kl[k=3]".')
    bare = Suite(
        name=name,
        title=table.get("title", ""),
        sources=_source_grids(table["source"]),
        estimators=tuple(map(parse_named, table["estimators"])),
        n=(),
        trials=check_integer("trials", table.get("trials", 20), minimum=1),
        seed=_seed(table.get("seed", 0)),
        checks=tuple(map(str, table["checks"])) if "checks" in table else None,
        figures=tuple(map(str, table.get("figures", ()))),
        tables=tuple(map(str, table.get("tables", ()))),
        error=_optional(table, "error"),
        reference_error=_optional(table, "reference_error"),
        max_n={
            _registry.estimators.entry(estimator).name: check_integer(f"max_n.{estimator}", n, 2)
            for estimator, n in table.get("max_n", {}).items()
        },
    )
    return override(bare, {"n": table["n"]})


def _optional(table: dict[str, Any], key: str) -> float | None:
    return check_positive(key, table[key]) if key in table else None


def _source_grids(tables: Any) -> tuple[tuple[str, dict[str, tuple[Any, ...]]], ...]:
    """Return name and grid of each source: of one table, or of a list of them."""
    listed = [tables] if isinstance(tables, dict) else tables
    if not listed or not all(isinstance(table, dict) for table in listed):
        raise TypeError("`source` must be a table, or a list of tables.")
    grids = []
    for table in listed:
        params = dict(table)
        name = params.pop("name", None)
        if not isinstance(name, str):
            raise ValueError(
                '`source` needs a `name`, as in source = { name = "truncated-mixture" }.'
            )
        known = parameters_of(_registry.sources.load(name))
        for key in params:
            if key not in known:
                raise ValueError(unknown_name(f"parameter of source {name!r}", key, known))
        grids.append((name, {key: _values(key, value) for key, value in params.items()}))
    return tuple(grids)
