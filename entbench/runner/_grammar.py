"""The small grammar of values: what may stand behind ``key=`` and inside ``name[...]``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from entbench._records import Scalar
from entbench._validation import check_integer

_SWEEP = re.compile(r"^(?P<start>[^:]+):(?P<stop>[^:]+):(?P<kind>log|lin)(?P<count>\d+)$")
_NAMED = re.compile(r"^(?P<name>[^\[\]=,\s]+)(?:\[(?P<inside>[^\[\]]*)\])?$")
_MOST_SAMPLES = 10**12
_WORDS: dict[str, Scalar] = {"true": True, "false": False, "none": None}


def parse_scalar(key: str, text: str) -> Scalar:
    """Return the integer, finite float, truth value, none or word that `text` spells."""
    text = text.strip()
    if not text:
        raise ValueError(f"`{key}` needs a value.")
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    number = _number(text)
    if number is None:
        return text
    check_finite(key, number)
    return number


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def check_finite(key: str, number: int | float) -> None:
    """Raise ValueError for infinity, NaN and integers that no float can hold."""
    try:
        finite = math.isfinite(number)
    except OverflowError:
        finite = False
    if not finite:
        raise ValueError(f"`{key}` must be finite; got {number}.")


def parse_values(key: str, text: str) -> list[Scalar]:
    """Return the values of ``1,2,5`` or of ``start:stop:logCOUNT`` (or ``linCOUNT``)."""
    if ":" not in text:
        return [parse_scalar(key, part) for part in text.split(",")]
    match = _SWEEP.match(text.replace(" ", ""))
    form = f"`{key}` must be like 100,1000 or 1e2:1e5:log7 or 0:1:lin5; got {text!r}."
    if match is None:
        raise ValueError(form)
    ends = [parse_scalar(key, match[end]) for end in ("start", "stop")]
    count = int(match["count"])
    if not all(type(end) in (int, float) for end in ends) or not 2 <= count <= 10_000:
        raise ValueError(form)
    start, stop = (float(end) for end in ends)  # type: ignore[arg-type]
    if match["kind"] == "lin":
        return [float(value) for value in np.linspace(start, stop, count)]
    if start <= 0 or stop <= 0:
        raise ValueError(f"`{key}` must be > 0 at both ends of a log sweep; got {text!r}.")
    return [float(value) for value in np.geomspace(start, stop, count)]


def parse_named(text: str) -> tuple[str, dict[str, Scalar]]:
    """Return name and parameters of ``name`` or ``name[key=value,...]``."""
    match = _NAMED.match(text.strip())
    if match is None:
        raise ValueError(f"an estimator must be like kl or kl[k=3,norm=linf]; got {text!r}.")
    params: dict[str, Scalar] = {}
    for part in (match["inside"] or "").split(","):
        if not part.strip():
            continue
        key, value = parse_assignment(part)
        if key in params:
            raise ValueError(f"`{key}` is given twice in {text!r}.")
        params[key] = parse_scalar(key, value)
    return match["name"], params


def parse_assignment(text: str) -> tuple[str, str]:
    """Return key and value text of ``key=value``."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ValueError(f"expected key=value; got {text!r}.")
    return key.strip(), value.strip()


def parse_sizes(text: str) -> list[Scalar]:
    """Return the values of ``n``; points of a sweep are rounded, values of a list are not."""
    values = parse_values("n", text)
    return [round(v) if isinstance(v, float) else v for v in values] if ":" in text else values


def sample_sizes(values: Sequence[Any]) -> tuple[int, ...]:
    """Return values of ``n`` as sorted, distinct integers >= 2."""
    sizes = {check_integer("n", value, minimum=2) for value in values}
    for size in sizes:
        check_integer("n", size, 2, _MOST_SAMPLES)
    return tuple(sorted(sizes))
