"""The front of error against seconds: who has no better that is as quick, and none quicker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from entbench._records import Spec
from entbench.report._fields import Field
from entbench.report._ranks import Floats


@dataclass(frozen=True)
class FrontMember:
    """An estimator beside the front of error against seconds.

    Attributes
    ----------
    source : Spec or None
        The source; None over all, where error and seconds are geometric means.
    label : str
        The estimator.
    n : tuple of int
        At which n it is on the front; empty if at none.
    """

    source: Spec | None
    label: str
    n: tuple[int, ...]


def on_front(seconds: Floats, errors: Floats) -> NDArray[np.bool_]:
    """Tell which points no other dominates, along the last axis.

    A point dominates another that is no quicker and no better, and worse in one of the two. Points
    that are the same stand on the front together.

    Parameters
    ----------
    seconds, errors : ndarrays of shape (..., points)
        Or any increasing functions of them.
    """
    front = np.ones(errors.shape, np.bool_)
    for point in range(errors.shape[-1]):
        time, error = seconds[..., [point]], errors[..., [point]]
        as_good = (seconds <= time) & (errors <= error)
        better = (seconds < time) | (errors < error)
        front[..., point] = ~np.any(as_good & better, axis=-1)
    return front


def fronts_of(fields: Sequence[Field]) -> Iterator[FrontMember]:
    """Yield who is on the front of error against seconds, overall and on each source."""
    sources = list(dict.fromkeys(field.source for field in fields))
    points: dict[tuple[str, int], list[tuple[Field, int]]] = {}
    for field in fields:
        for i, label in enumerate(field.labels):
            points.setdefault((label, field.n), []).append((field, i))
    # means over the same sources only: others cannot be compared
    whole = {key: found for key, found in points.items() if len(found) == len(sources)}
    if len(sources) > 1:
        yield from _front(None, whole)
    for source in sources:
        here = {
            key: [(field, i) for field, i in found if field.source == source]
            for key, found in points.items()
        }
        yield from _front(source, {key: found for key, found in here.items() if found})


def _front(
    source: Spec | None, points: Mapping[tuple[str, int], Sequence[tuple[Field, int]]]
) -> Iterator[FrontMember]:
    if not points:
        return
    columns = list(points)
    errors = np.array([np.mean([f.errors.logs[i] for f, i in points[key]]) for key in columns])
    seconds = np.array([np.mean([f.seconds.logs[i] for f, i in points[key]]) for key in columns])
    front = on_front(seconds, errors)
    for label in dict.fromkeys(label for label, _ in columns):
        sizes = (n for (name, n), on in zip(columns, front, strict=True) if on and name == label)
        yield FrontMember(source, label, tuple(sorted(sizes)))
