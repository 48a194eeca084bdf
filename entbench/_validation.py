"""Each check of an input, written once, with its message."""

from __future__ import annotations

import difflib
import math
import numbers
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "check_choice",
    "check_confidence",
    "check_integer",
    "check_jobs",
    "check_pairs",
    "check_positive",
    "check_positive_or",
    "check_real",
    "check_samples",
    "check_seed",
    "unknown_name",
]


def check_samples(X: Any, *, name: str = "X", minimum: int = 2) -> NDArray[np.float64]:
    """Return `X` as a finite, C-contiguous float64 array of shape (n_samples, dim).

    Parameters
    ----------
    X : array-like of shape (n_samples, dim)
        Real numbers; integers and booleans are converted. Never changed, copied where needed.
    name : str
        What the array is called in messages.
    minimum : int
        Fewest rows that will do.

    Raises
    ------
    TypeError
        If the entries are not real numbers.
    ValueError
        If the array is not two-dimensional, has too few rows or no columns, or holds NaN or inf.
    """
    array = np.asarray(X)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"`{name}` must hold real numbers; got dtype {array.dtype}.")
    if array.ndim != 2:
        hint = " One-dimensional data go in as `X.reshape(-1, 1)`." if array.ndim == 1 else ""
        raise ValueError(
            f"`{name}` must have shape (n_samples, dim); got shape {array.shape}.{hint}"
        )
    if array.shape[0] < minimum:
        raise ValueError(f"`{name}` must have at least {minimum} rows; got {array.shape[0]}.")
    if array.shape[1] < 1:
        raise ValueError(f"`{name}` must have at least one column; got shape {array.shape}.")
    array = np.ascontiguousarray(array, dtype=np.float64)
    finite = np.isfinite(array)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise ValueError(
            f"`{name}` must be finite; got {array[row, column]} in row {row}, column {column} "
            f"(counted from 0), {np.count_nonzero(~finite)} such entries in all."
        )
    return array


def check_pairs(
    X: Any, y: Any, *, minimum: int = 2
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return `X` and `y` as `check_samples` does, with one row of `y` for each of `X`.

    Raises
    ------
    TypeError, ValueError
        As `check_samples`, or if the numbers of rows differ.
    """
    x = check_samples(X, name="X", minimum=minimum)
    other = check_samples(y, name="y", minimum=minimum)
    if len(x) != len(other):
        raise ValueError(
            f"`X` and `y` must have as many rows as each other; got {len(x)} and {len(other)}."
        )
    return x, other


def check_integer(name: str, value: Any, minimum: int, maximum: int | None = None) -> int:
    """Return `value` as an int within [minimum, maximum]; whole floats (1e3) are taken."""
    range_text = f">= {minimum}" if maximum is None else f"in [{minimum}, {maximum}]"
    message = f"`{name}` must be an integer {range_text}; got {value!r}."
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(message)
    exact = int(value) if isinstance(value, numbers.Integral) else float(value)
    if isinstance(exact, float) and not exact.is_integer():
        raise ValueError(message)
    number = int(exact)
    if number < minimum or (maximum is not None and number > maximum):
        raise ValueError(message)
    return number


def check_jobs(n_jobs: Any) -> int | None:
    """Return a number of threads: an integer >= 1, -1 for all cores, or None for the default."""
    if n_jobs is None or (n_jobs == -1 and not isinstance(n_jobs, bool)):
        return None if n_jobs is None else -1
    try:
        return check_integer("n_jobs", n_jobs, minimum=1)
    except (TypeError, ValueError) as error:
        message = f"`n_jobs` must be an integer >= 1, -1 for all cores, or None; got {n_jobs!r}."
        raise type(error)(message) from None


def _float(value: Any, message: str) -> float:
    """Return a real number as a float; one that is none, or too large for one, is refused."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(message)
    try:
        return float(value)
    except OverflowError:
        raise ValueError(message) from None


def check_real(name: str, value: Any) -> float:
    """Return `value` as a float that is finite."""
    message = f"`{name}` must be a finite number; got {value!r}."
    number = _float(value, message)
    if not math.isfinite(number):
        raise ValueError(message)
    return number


def check_positive(name: str, value: Any) -> float:
    """Return `value` as a float that is finite and > 0."""
    message = f"`{name}` must be a finite number > 0; got {value!r}."
    number = _float(value, message)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(message)
    return number


def check_not_negative(name: str, value: Any) -> float:
    """Return `value` as a float that is finite and >= 0."""
    return _check_between(name, value, sys.float_info.max, "a finite number >= 0")


def check_fraction(name: str, value: Any) -> float:
    """Return `value` as a float in [0, 1]."""
    return _check_between(name, value, 1.0, "a number in [0, 1]")


def check_confidence(value: Any) -> float:
    """Return `confidence` as a float in (0, 1), both ends excluded."""
    message = f"`confidence` must lie in (0, 1); got {value!r}."
    number = _float(value, message)
    if not 0.0 < number < 1.0:
        raise ValueError(message)
    return number


def _check_between(name: str, value: Any, maximum: float, meaning: str) -> float:
    message = f"`{name}` must be {meaning}; got {value!r}."
    number = _float(value, message)
    if not 0.0 <= number <= maximum:
        raise ValueError(message)
    return number + 0.0  # -0.0 is 0.0


def check_seed(random_state: Any) -> None:
    """Raise unless `random_state` is an integer >= 0, a NumPy generator or None."""
    if not isinstance(random_state, np.random.Generator | None):
        check_integer("random_state", random_state, minimum=0)


def check_positive_or(name: str, value: Any, word: str) -> None:
    """Raise unless `value` is `word` or a finite number > 0."""
    if value == word and isinstance(value, str):
        return
    try:
        check_positive(name, value)
    except (ValueError, TypeError) as error:
        message = f'`{name}` must be "{word}" or a finite number > 0; got {value!r}.'
        raise ValueError(message) from error


def check_choice(name: str, value: Any, options: Iterable[Any]) -> None:
    """Raise ValueError unless `value` is one of `options`."""
    known = list(options)
    if value not in known:
        listed = ", ".join(repr(option) for option in known)
        raise ValueError(f"`{name}` must be one of {listed}; got {value!r}.")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message for a name that is not known: the nearest one, then all."""
    names = sorted(known)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return f"unknown {kind} {name!r}.{guess} Known: {', '.join(names) or 'none'}."
