"""Checks of what scikit-learn and the benchmark rely on: attributes, parameters, state, seeds."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from entbench import _registry
from entbench._base import Result
from entbench.testing._laws import gaussian
from entbench.testing._results import CheckFailedError
from entbench.testing._subject import SIGMA, one_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench.testing._subject import Subject


def check_contract(subject: Subject) -> str:
    """Check that ``fit`` returns self and sets what the contract says."""
    try:
        _registry.estimators.check(subject.cls.__name__, subject.cls)
        model = subject.make()
        model.check_parameters()
    except Exception as error:
        raise CheckFailedError(f"{type(error).__name__}: {one_line(error)}") from error
    dim = subject.largest_dim
    sample = subject.sample
    subject.fit(sample)  # a failure has its own message
    returned = model.fit(*subject.arrays(sample))
    if returned is not model:
        raise CheckFailedError(
            f"`fit` returns {type(returned).__name__}, not self", "`return self` is missing"
        )
    Result.of(model, len(sample.signal))
    columns = getattr(model, "n_features_in_", None)
    if columns != dim:
        raise CheckFailedError(f"`n_features_in_` must be {dim}, the columns of X; got {columns!r}")
    if not isinstance(getattr(model, "diagnostics_", {}), dict):
        raise CheckFailedError("`diagnostics_` must be a dict")
    return f"value {getattr(model, subject.cls.value_name):.6g} nats, d = {dim}"


def check_hyperparameters(subject: Subject) -> str:
    """Check ``get_params``, ``set_params``, ``clone``, and what ``__init__`` keeps."""
    given = {**subject.loosened, **subject.params}
    model = subject.make()
    kept, cause = set(vars(model)), "`__init__` must set `self.NAME = NAME` for each argument"
    if kept != set(subject.known):
        odd = ", ".join(f"`{name}`" for name in sorted(kept ^ set(subject.known)))
        raise CheckFailedError(f"`__init__` must keep its arguments and nothing else: {odd}", cause)
    changed = [name for name in given if getattr(model, name) is not given[name]]
    if changed:
        raise CheckFailedError(f"`__init__` changes `{changed[0]}`; convert it in `fit`", cause)
    copy = clone(model)
    if copy.get_params() != model.get_params():
        raise CheckFailedError("a clone has other parameters", cause)
    copy.set_params(**model.get_params())
    before = model.get_params()
    model.fit(*subject.arrays(subject.sample))
    if model.get_params() != before:
        raise CheckFailedError(
            "`fit` changes a parameter", "a result is stored under a parameter's name"
        )
    return f"kept: {', '.join(subject.known) or 'none'}"


def check_input_untouched(subject: Subject) -> str:
    """Check that the samples are not changed, and need not be writeable."""
    given = subject.arrays(subject.sample)
    before = tuple(array.copy() for array in given)
    subject.make().fit(*given)
    for old, new in zip(before, given, strict=True):
        if not np.array_equal(old, new):
            raise CheckFailedError("`fit` changes the samples it is given", _change(old, new))
    for array in given:
        array.flags.writeable = False
    try:
        subject.make().fit(*given)
    except Exception as error:
        raise CheckFailedError(
            f"read-only samples: {type(error).__name__}: {one_line(error)}",
            "`fit` writes to its input; copy it first",
        ) from error
    return "also taken read-only"


def _change(old: NDArray[Any], new: NDArray[Any]) -> str:
    for axis in (0, 1):
        if np.array_equal(np.sort(old, axis=axis), new):
            return "the input is sorted in place; use `np.sort(X)` in place of `X.sort()`"
    return "`fit` writes to its input (`X -= ...`, `out=X`); copy it first"


def check_global_random_state(subject: Subject) -> str:
    """Check that the global generators of NumPy and Python are left alone."""
    first, second = (_fit_seeded(subject, seed) for seed in (1, 2))
    if first.changed:
        seeded = all(first.after[name] == second.after[name] for name in first.changed)
        raise CheckFailedError(
            f"`fit` changes the global random state of {' and '.join(first.changed)}",
            f"{'a global seed is set' if seeded else 'draws come from the global generator'}; use "
            "`np.random.default_rng(self.random_state)`",
        )
    return "NumPy's and Python's left alone"


@dataclass(frozen=True)
class _Seeded:
    """Which global states a ``fit`` changed, and what they were afterwards."""

    changed: tuple[str, ...]
    after: dict[str, str]


def _fit_seeded(subject: Subject, seed: int) -> _Seeded:
    np.random.seed(seed)  # noqa: NPY002 - the global generator is what is checked
    random.seed(seed)
    before = _states()
    subject.value(subject.sample)
    after = _states()
    return _Seeded(tuple(name for name in after if after[name] != before[name]), after)


def _states() -> dict[str, str]:
    numpy_state: Any = np.random.get_state()  # noqa: NPY002
    text = f"{numpy_state[1].tobytes().hex()} {numpy_state[2:]}"
    return {"NumPy": text, "Python": str(random.getstate())}


def check_random_state(subject: Subject) -> str:
    """Check that the same samples and `random_state` give the same value to the last bit."""
    values = {subject.value(subject.sample, random_state=7) for _ in range(3)}
    if len(values) > 1:
        raise CheckFailedError(
            f"the same samples give values {max(values) - min(values):.2g} nats apart",
            "`random_state` is ignored; draw from `np.random.default_rng(self.random_state)`"
            if subject.is_random
            else "draws of its own, without a parameter `random_state`; or a race between threads",
        )
    if "n_jobs" not in subject.known:
        return "the same value at each of 3 fits"
    one, two = (subject.value(subject.sample, random_state=7, n_jobs=jobs) for jobs in (1, 2))
    if one != two:
        raise CheckFailedError(
            f"two threads give a value {two - one:+.2g} nats from that of one",
            "sums are taken in the order in which threads finish; fix the order",
        )
    return "the same value at each of 3 fits, and with 1 and 2 threads"


def check_no_memory(subject: Subject) -> str:
    """Check that a second ``fit`` forgets the first."""
    dim = subject.largest_dim
    law = gaussian(SIGMA)
    # of another dimension where it takes two
    first = law.sample(2, subject.small, dim)
    other = law.sample(3, subject.small + 20, subject.least_dim)
    expected = subject.value(first)
    model = subject.make()
    for sample in (other, first):
        try:
            model.fit(*subject.arrays(sample))
        except Exception as error:
            raise CheckFailedError(
                f"fitting once more fails: {type(error).__name__}: {one_line(error)}", _STATE
            ) from error
    value = float(getattr(model, subject.cls.value_name))
    if value != expected:
        raise CheckFailedError(
            f"fitted before to other samples, it gives {value:.6g} in place of {expected:.6g}",
            _STATE,
        )
    if model.n_features_in_ != dim:
        raise CheckFailedError("`n_features_in_` is that of the fit before", _STATE)
    return "a second fit forgets the first"


_STATE = "state is kept between fits (a bandwidth, a list, a cache); set all of it anew in `fit`"
