"""Text from names, files and messages, before it goes to a terminal, a file or a store."""

from __future__ import annotations

import math
import re

# All that a terminal may take for a command, that turns the direction of what follows or has no
# width, that ends a line, and halves of characters: what names of files that are no text decode to.
_UNSEEN = (
    r"\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff"
    r"\ud800-\udfff"
)
_CONTROL = re.compile(f"[{_UNSEEN}]")
_FORMULA = ("=", "+", "-", "@")
_LONGEST = 4000
_MOST_DIGITS = 14  # after the point
_MOST_ROUNDING = 1e-9  # an error beyond it is none of rounding


def printable(text: str) -> str:
    """Return text in one line that stands as it is printed: no command, nothing unseen."""
    return _CONTROL.sub("?", " ".join(text.splitlines()))


def line_of(error: object) -> str:
    """Return a message as one line for a terminal, cut where it is longer than anyone reads."""
    text = printable(" ".join(str(error).split()))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def failure_line(failure: Exception) -> str:
    """Return what was raised, with its message, as one line."""
    return f"{type(failure).__name__}: {line_of(failure)}"


def escaped_json(text: str) -> str:
    """Return JSON that says the same, with what does not show as it is written as escapes."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def csv_field(value: object) -> object:
    """Return a value for a CSV: text that a spreadsheet would run has an apostrophe before it.

    Numbers, and texts that are numbers, stay as they are.
    """
    if not isinstance(value, str):
        return value
    line = printable(value)
    if len(line) > 1 and line.startswith(_FORMULA) and not _is_number(line):
        return f"'{line}"
    return line


def bound_text(error: float) -> str:
    """Return a bound on an error to two digits, rounded up: what is printed holds too.

    A bound that has two digits itself, but for its last bits, stands as it is.
    """
    text = f"{error:.1e}"
    if not math.isfinite(error) or float(text) >= error * (1.0 - 1e-9):
        return text
    digits, _, power = text.partition("e")
    return f"{(round(10.0 * float(digits)) + 1) / 10.0 * 10.0 ** int(power):.1e}"


def difference_text(difference: float, error: float, confidence: float = 1.0) -> str:
    """Return how far a second evaluation is away; within rounding, how far it may be."""
    if confidence >= 1.0 and difference <= error:
        return f"at most {bound_text(error)}"
    return f"{difference:.1e}"


def value_text(value: float, error: float, confidence: float = 1.0) -> str:
    """Return a value to the digits that its error leaves: none that another processor changes.

    An exact one to the last place above its error, where that is rounding. One with a larger bound,
    or from an interval, whose error is all chance, to two digits of that: no more is rounded away
    than the error can bear.
    """
    if error <= 0.0:
        return f"{value:.{_MOST_DIGITS}f}"
    size = math.log10(error)
    rounding = confidence >= 1.0 and error <= _MOST_ROUNDING
    places = -math.ceil(size) if rounding else 1 - math.floor(size)
    return f"{value:.{min(max(places, 0), _MOST_DIGITS)}f}"


def encodable(text: str) -> str:
    """Return text that UTF-8 can say, as SQLite keeps it: halves of characters as escapes."""
    return text.encode(errors="backslashreplace").decode()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
