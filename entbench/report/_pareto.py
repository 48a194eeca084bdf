"""The front of error against seconds: who has no better that is as quick, and none quicker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from entbench._records import Spec
from entbench.report._fields import Field
from entbench.report._ranks import Floats, LogMeans


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
    probability : float or None
        Share of the resampled runs in which it is, at any n; None with one trial.
    """

    source: Spec | None
    label: str
    n: tuple[int, ...]
    probability: float | None


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
    errors = [_mean([field.errors.take([i]) for field, i in points[key]]) for key in columns]
    seconds = [_mean([field.seconds.take([i]) for field, i in points[key]]) for key in columns]
    own = on_front(
        np.concatenate([each.logs for each in seconds]),
        np.concatenate([each.logs for each in errors]),
    )
    moved = on_front(
        np.concatenate([each.resampled for each in seconds], axis=1),
        np.concatenate([each.resampled for each in errors], axis=1),
    )
    sure = min(field.trials for found in points.values() for field, _ in found) > 1
    for label in dict.fromkeys(label for label, _ in columns):
        its = [i for i, (name, _) in enumerate(columns) if name == label]
        share = float(moved[:, its].any(axis=1).mean()) if sure else None
        yield FrontMember(source, label, tuple(sorted(columns[i][1] for i in its if own[i])), share)


def _mean(parts: Sequence[LogMeans]) -> LogMeans:
    return LogMeans(
        np.mean([part.logs for part in parts], axis=0),
        np.mean([part.resampled for part in parts], axis=0),
    )
