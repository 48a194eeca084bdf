"""How long a cell may take, and how much memory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from entbench._validation import check_positive

_TIME = re.compile(r"(?P<number>[\d.]+(?:e[+-]?\d+)?) *(?P<unit>s|m|min|h|)", re.IGNORECASE)
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_SIZE = re.compile(r"(?P<number>[\d.]+(?:e[+-]?\d+)?) *(?P<unit>[kmgt]i?b|b|)", re.IGNORECASE)
_BYTES = {"": 1, "b": 1} | {
    f"{letter}{inner}b": base ** (i + 1)
    for inner, base in (("", 1000), ("i", 1024))
    for i, letter in enumerate("kmgt")
}
_UNITS = ("TiB", "TB", "GiB", "GB", "MiB", "MB", "KiB", "kB")  # largest first


@dataclass(frozen=True)
class Limits:
    """What one cell may take; a cell that takes more is killed.

    Attributes
    ----------
    timeout : float or None
        Seconds from where a worker starts on the cell, imports and compilation left out.
    memory : int or None
        Bytes that the worker process holds in all, Python and its libraries included.
    """

    timeout: float | None = None
    memory: int | None = None

    @classmethod
    def of(cls, timeout: float | str | None = None, memory: float | str | None = None) -> Self:
        """Return the limits that numbers or texts such as ``"5m"`` and ``"2GiB"`` say.

        Raises
        ------
        ValueError, TypeError
            If they say none.
        """
        return cls(
            timeout=None if timeout is None else _seconds(timeout),
            memory=None if memory is None else _bytes(memory),
        )

    def __bool__(self) -> bool:
        """Whether there is any."""
        return self.timeout is not None or self.memory is not None

    @property
    def out_of_time(self) -> str:
        """Return the message of a cell that took too long."""
        return (
            f"killed at the time limit of {self.timeout:g} s; "
            "`--rerun failed` with a larger --timeout computes it again"
        )

    @property
    def out_of_memory(self) -> str:
        """Return the message of a cell that took too much memory."""
        return (
            f"killed at the memory limit of {size_text(self.memory or 0)}; "
            "`--rerun failed` with a larger --memory computes it again"
        )


NO_LIMITS = Limits()


def size_text(size: int) -> str:
    """Return a number of bytes as people write it, exactly."""
    for unit in _UNITS:
        if size and size % _BYTES[unit.lower()] == 0:
            return f"{size // _BYTES[unit.lower()]} {unit}"
    return f"{size} bytes"


def _seconds(value: float | str) -> float:
    if not isinstance(value, str):
        return check_positive("timeout", value)
    found = _TIME.fullmatch(value.strip())
    if found is None:
        raise ValueError(f"`timeout` must be like 90, 90s, 5m or 1h; got {value!r}.")
    number = _number("timeout", found["number"], value)
    return check_positive("timeout", number * _SECONDS[found["unit"].lower()])


def _bytes(value: float | str) -> int:
    if not isinstance(value, str):
        return int(check_positive("memory", value))
    found = _SIZE.fullmatch(value.strip())
    if found is None:
        raise ValueError(f"`memory` must be like 500MB or 2GiB; got {value!r}.")
    number = _number("memory", found["number"], value)
    return int(check_positive("memory", number * _BYTES[found["unit"].lower()]))


def _number(name: str, text: str, given: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"`{name}` must begin with a number; got {given!r}.") from None
