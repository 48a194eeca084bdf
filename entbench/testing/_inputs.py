"""Checks of what may and may not be given to ``fit``."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from entbench.testing._laws import Sample, gaussian
from entbench.testing._results import CheckFailedError
from entbench.testing._subject import SIGMA, is_one_line, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from entbench.testing._subject import Subject

# a layout or type may change the order of a sum, no more
_ROUNDING = 1e-9
_USUAL = 60


def check_layout(subject: Subject) -> str:
    """Check that type and layout of the samples do not matter."""
    # numbers that single precision holds exactly, and keeps apart
    exact = tuple(
        array.astype(np.float32).astype(float) for array in subject.arrays(subject.sample)
    )
    expected = _value(subject, exact)
    for name, change, cause in _LAYOUTS:
        given = tuple(change(array) for array in exact)
        try:
            value = _value(subject, given)
        except Exception as error:
            raise CheckFailedError(
                f"{name}: {type(error).__name__}: {one_line(error)}", _CONVERT
            ) from error
        if not abs(value - expected) <= _ROUNDING * max(1.0, abs(expected)):
            raise CheckFailedError(f"{name}: value {value:.6g} in place of {expected:.6g}", cause)
    return ", ".join(name for name, _, _ in _LAYOUTS)


_CONVERT = "start with `X = entbench.check_samples(X)`: finite, C-contiguous float64"
_STRIDES = "memory is read as if in C order (`ravel('K')`, a buffer, compiled code)"
_LAYOUTS: tuple[tuple[str, Callable[[NDArray[Any]], Any], str], ...] = (
    ("float32", lambda a: a.astype(np.float32), "computed in the precision of the input"),
    ("Fortran order", np.asfortranarray, _STRIDES),
    ("non-contiguous", lambda a: np.repeat(a, 2, axis=1)[:, ::2], _STRIDES),
    ("lists", lambda a: a.tolist(), _CONVERT),
)


def _value(subject: Subject, arrays: tuple[Any, ...]) -> float:
    model = subject.make()
    # copies: a `fit` that writes to its input is another check's matter
    model.fit(*(copy.copy(array) for array in arrays))
    return float(getattr(model, subject.cls.value_name))


def check_bad_input(subject: Subject) -> str:
    """Check that what is no sample of numbers is refused in one line."""
    count = 0
    for name, arrays in _bad_arrays(subject):
        _expect_refusal(subject, name, arrays)
        count += 1
    if subject.reads_signal:
        for sigma in (0.0, -1.0, math.nan, math.inf):
            _expect_refusal(subject, f"sigma = {sigma}", subject.arrays(subject.sample), sigma)
            count += 1
    return f"{count} kinds refused, each in one line"


def _bad_arrays(subject: Subject) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for position, good in enumerate(subject.arrays(subject.sample)):
        where = f" as {'Xy'[position]}" if subject.pairs else ""
        for name, bad in _bad(good):
            # rows agree where they can, so that it is the fault named that is found
            given = [array[: len(bad)] for array in subject.arrays(subject.sample)]
            given[position] = bad
            yield name + where, tuple(given)
    if subject.pairs:
        x, y = subject.arrays(subject.sample)
        yield "X and y of different lengths", (x, y[:-1])


def _bad(good: NDArray[np.float64]) -> Iterator[tuple[str, NDArray[Any]]]:
    for number in (math.nan, math.inf):
        bad = good.copy()
        bad[3, -1] = number
        yield str(number), bad
    yield "a one-dimensional array", good[:, 0].copy()
    yield "an empty array", good[:0]
    yield "one row", good[:1]
    yield "no columns", good[:, :0]
    yield "complex numbers", good + 1j
    yield "objects", good.astype(object)
    yield "texts", good.astype(str)


def _expect_refusal(
    subject: Subject, name: str, arrays: tuple[Any, ...], sigma: float = SIGMA
) -> None:
    try:
        subject.make(sigma=sigma).fit(*arrays)
    except (ValueError, TypeError) as error:
        if not is_one_line(error):
            raise CheckFailedError(f"{name}: the message must be one line", _CHECKED) from error
    except Exception as error:
        raise CheckFailedError(
            f"{name}: raises {type(error).__name__}, not ValueError or TypeError", _CHECKED
        ) from error
    else:
        raise CheckFailedError(f"{name}: taken without a word", _CHECKED)


_CHECKED = (
    "nothing checks the input; `entbench.check_samples(X)` does (`check_pairs(X, y)` for pairs), "
    "and `check_parameters` is the place for `sigma`"
)


def check_ties(subject: Subject) -> str:
    """Check that repeated samples give a finite value, or a ValueError in one line."""
    n = subject.small
    plain = gaussian(SIGMA).sample(4, n, subject.largest_dim)
    half = np.repeat(np.arange(n // 2), 2)
    cases = {
        "every sample twice": plain.rows(half),
        "a quarter of the samples equal": plain.rows(np.r_[np.zeros(n // 4, int), n // 4 : n]),
        "rounded to integers": Sample(
            np.round(plain.inputs), np.round(plain.signal), np.round(plain.noise), plain.sigma
        ),
        "all samples equal": plain.rows(np.zeros(n, int)),
    }
    said = [f"{name}: {_value_or_refusal(subject, name, case)}" for name, case in cases.items()]
    return "; ".join(said)


def _value_or_refusal(subject: Subject, name: str, sample: Sample) -> str:
    try:
        model = subject.make(sample.sigma).fit(*subject.arrays(sample))
    except ValueError as error:
        if is_one_line(error):
            return "refused"
        raise CheckFailedError(f"{name}: the message must be one line") from error
    except Exception as error:
        raise CheckFailedError(f"{name}: {type(error).__name__}: {one_line(error)}") from error
    value = getattr(model, subject.cls.value_name)
    if not math.isfinite(value):
        raise CheckFailedError(
            f"{name}: the value is {value}, which must be finite or a ValueError in one line",
            "a logarithm of 0: the distance to a neighbour is 0 where samples repeat"
            if name in {"every sample twice", "a quarter of the samples equal"}
            else "a logarithm of 0 or a division by a spread of 0",
        )
    return f"{value:.3g}"


def check_few_rows(subject: Subject) -> str:
    """Check that few samples will do, or are refused in one line."""
    if subject.small > _USUAL:
        return f"fewer than {subject.small} rows are refused"
    k = getattr(subject.make(), "k", None)
    if not isinstance(k, int):
        for n in (2, 3, 6):
            _value_or_refusal(subject, f"n = {n}", gaussian(SIGMA).sample(5, n, subject.least_dim))
        return "n = 2, 3, 6"
    dim = subject.least_dim
    subject.fit(gaussian(SIGMA).sample(5, max(k + 1, 2), dim))
    if k >= 2:
        few = gaussian(SIGMA).sample(5, k, dim)
        _expect_refusal(subject, f"n = k = {k}", subject.arrays(few), SIGMA)
    return f"n = k + 1 = {k + 1} will do, n = k is refused"


def check_high_dimension(subject: Subject) -> str:
    """Check that twenty dimensions give a finite value."""
    sample = gaussian(SIGMA).sample(6, subject.small, 20)
    value = subject.value(sample)
    return f"{value:.4g} nats at d = 20, n = {subject.small}"
