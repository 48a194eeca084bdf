"""One cell, run. This is what worker processes call: rows in, records out."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import random
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entbench import _registry
from entbench._base import Estimator, PairSource, Result, Source
from entbench._records import STATUS_FAILED, STATUS_OK, Cell, Record, Scalar, Spec
from entbench._text import encodable

# by what an estimator reads, the arguments of its `fit`
Samples = dict[str, tuple[NDArray[np.float64], ...]]

_WARM_UP_ROWS = 64
_warmed_up: set[Spec] = set()


def run_cell(cell: Cell) -> Record:
    """Draw the cell's samples, fit its estimator, and return what came out.

    Whatever goes wrong in the source or the estimator is in the record's status and message.
    """
    seconds = 0.0
    try:
        with (
            _global_generators(),
            # standard output is for results
            contextlib.redirect_stdout(sys.stderr),
            warnings.catch_warnings(record=True) as caught,
        ):
            warnings.simplefilter("always")
            load_plugins(cell)
            _check_origins(cell)
            source = _source(cell.source)
            _seed_globals(cell)
            samples = draw(source, cell)
            _warm_up(cell, source, samples)
            caught.clear()
            estimator = _estimator(cell, source)
            _seed_globals(cell)
            start = time.perf_counter()
            try:
                _fit(estimator, samples)
            finally:
                seconds = time.perf_counter() - start
            result = Result.of(estimator, cell.n)
    except Exception as failure:
        return Record(cell, STATUS_FAILED, _one_line(failure), seconds)
    message = f"warning: {_first_line(str(caught[0].message))}" if caught else ""
    stated = {
        "value": result.value,
        "numerical_error": result.numerical_error,
        "standard_error": result.standard_error,
        "interval": result.interval and asdict(result.interval),
        "diagnostics": {str(key): _plain(value) for key, value in result.diagnostics.items()},
    }
    plain = {name: value for name, value in stated.items() if value not in (None, {})}
    return Record(cell, STATUS_OK, message, seconds, plain)


def load_plugins(cell: Cell) -> None:
    """Make the names of the cell's source and estimator known."""
    for spec in (cell.source, cell.estimator):
        if spec.plugin:
            _registry.load_plugin(spec.plugin)


def load_code(cell: Cell) -> None:
    """Import what the cell's source and estimator are made of."""
    load_plugins(cell)
    _registry.sources.load(cell.source.name)
    _registry.estimators.load(cell.estimator.name)


def draw(source: Source | PairSource, cell: Cell) -> Samples:
    """Return what ``fit`` is given, by what an estimator reads.

    That is samples of S and of T = S + Z, each (n, dim), or pairs with S and with T. They depend
    on source, n, trial and seed alone: every estimator gets the same.
    """
    if isinstance(source, PairSource):
        return _draw_pairs(source, cell)
    signal = _checked(source.sample(cell.n, _generator(cell, "signal")), source.dim, cell)
    noise = _generator(cell, "noise").standard_normal(signal.shape)
    return {"signal": (signal,), "noisy": (signal + source.sigma * noise,)}


def _draw_pairs(source: PairSource, cell: Cell) -> Samples:
    pairs = source.sample(cell.n, _generator(cell, "pairs"))
    dim_x, dim_y = source.dims
    x = _checked(pairs.x, dim_x, cell)
    samples: Samples = {"noisy": (x, _checked(pairs.y, dim_y, cell))}
    if pairs.signal is not None:
        samples["signal"] = (x, _checked(pairs.signal, dim_y, cell))
    return samples


def _checked(samples: Any, dim: int, cell: Cell) -> NDArray[np.float64]:
    array = np.asarray(samples, dtype=np.float64)
    if array.shape != (cell.n, dim) or not np.isfinite(array).all():
        raise ValueError(
            f"source {cell.source.name!r} must draw finite samples of shape ({cell.n}, {dim}); "
            f"got shape {array.shape}."
        )
    return array


def _fit(estimator: Estimator, samples: Samples, rows: int | None = None) -> None:
    """Fit to the samples, or to copies of the first few."""
    given = samples[estimator.reads]
    fit: Any = estimator.fit
    fit(*(given if rows is None else (array[:rows].copy() for array in given)))


def _check_origins(cell: Cell) -> None:
    """Refuse to run other code than the cell's key says."""
    for kind, spec in ((_registry.sources, cell.source), (_registry.estimators, cell.estimator)):
        if kind.origin(spec.name) != spec.origin:
            raise RuntimeError(f"the code of {spec.name!r} has changed since the run was planned")


def _entropy(cell: Cell, stream: str) -> int:
    text = json.dumps({**cell.draw, "stream": stream}, sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")


def _generator(cell: Cell, stream: str) -> np.random.Generator:
    return np.random.default_rng(_entropy(cell, stream))


@lru_cache(maxsize=64)
def _source(spec: Spec) -> Source | PairSource:
    return _registry.make_source(spec.name, dict(spec.params))


def _estimator(cell: Cell, source: Source | PairSource) -> Estimator:
    return _registry.make_estimator(
        cell.estimator.name,
        dict(cell.estimator.params),
        sigma=source.sigma,
        random_state=_entropy(cell, "estimator") % 2**32,
    )


def _warm_up(cell: Cell, source: Source | PairSource, samples: Samples) -> None:
    """Fit once on a few rows before the clock runs: imports and compilation are not the method."""
    if cell.estimator in _warmed_up:
        return
    _warmed_up.add(cell.estimator)
    estimator = _estimator(cell, source)
    with contextlib.suppress(Exception):  # it will fail in the open when its turn comes
        _fit(estimator, samples, _WARM_UP_ROWS)


def _plain(value: Any) -> Scalar:
    """Return a value that JSON can say: numbers as they are, the rest as text."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Scalar) and not (isinstance(value, float) and not math.isfinite(value)):
        return value
    return str(value)[:500]


def _seed_globals(cell: Cell) -> None:
    """Seed the global generators, so that an estimator that draws from them repeats itself."""
    seed = _entropy(cell, "globals") % 2**32
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)


@contextlib.contextmanager
def _global_generators() -> Iterator[None]:
    """Put the global generators back as they were."""
    states: tuple[Any, Any] = (np.random.get_state(), random.getstate())  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(states[0])  # noqa: NPY002
        random.setstate(states[1])


def _one_line(error: Exception) -> str:
    text = _first_line(str(error)) or "no message"
    frames = traceback.extract_tb(error.__traceback__)
    ours = isinstance(error, ValueError | TypeError | MemoryError)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames and not ours else ""
    return f"{type(error).__name__}: {text}{where}"


def _first_line(text: str) -> str:
    return encodable(text.strip().partition("\n")[0][:500])
