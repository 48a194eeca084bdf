"""Information of layers under shifted laws of the input, and bounds on how far it moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from entbench.report.figures._style import GREY, STYLES, add_legend, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from entbench._base import ExperimentResult
    from entbench.networks.experiments._shift_changes import Change

_INCHES = (3.3, 2.7)
_AXES = {
    "additive-noise": "standard deviation of the noise",
    "bit-flips": "probability of a flip",
    "label-skew": "TV asked",
    "reweighting": "TV asked",
    "rotation": "degrees",
    "tilting": "KL divergence asked (nats)",
    "translation": "length (of images: pixels)",
}
# nats: less is drawn as this, on a logarithmic axis
_FLOOR, _MOST = 1e-3, 30.0


class _Column(NamedTuple):
    """A distance, and which bounds on the change stand beside it: name, label and dashes."""

    distance: str
    label: str
    bounds: tuple[tuple[str, str, Any], ...]


_COLUMNS = (
    _Column(
        "tv",
        "TV, where less than 1",
        (
            ("tv", "corrected", "-"),
            ("tv_width", "printed, N_l = width", "--"),
        ),
    ),
    _Column(
        "kl",
        "KL divergence (nats), where finite",
        (
            ("kl", "corrected", "-"),
            ("kl_width", "printed, N_l = width", "--"),
        ),
    ),
    _Column("w1", "W_1, in the unit of X", (("w1", "W_1 and Lipschitz constant", "-."),)),
)


def information_under_shift(results: Sequence[ExperimentResult]) -> Figure:
    """Draw I(X';T_l) with 95 % bands against the intensity of each shift, and I(X;T_l).

    A line of panels for each sigma; the mean over its seeds, and the outermost ends of intervals.
    """
    groups = _by_sigma([each for each in results if each.step["what"] == "shift"])
    families = list(dict.fromkeys(each.step["family"] for each in results))
    families = [family for family in families if family != "none"]
    figure = Figure(
        figsize=(_INCHES[0] * len(families) + 1.4, _INCHES[1] * len(groups) + 0.5),
        layout="constrained",
    )
    grid = figure.subplots(len(groups), len(families), squeeze=False, sharey="row")
    for line, (sigma, group) in enumerate(groups.items()):
        for column, family in enumerate(families):
            axes = grid[line, column]
            _draw_family(axes, group, family)
            axes.set_title(f"{family}, sigma = {sigma:g}", fontsize="medium", loc="left")
            axes.set_xlabel(_AXES.get(family, "intensity"))
        grid[line, 0].set_ylabel("I(X';T) (nats)")
    add_legend(figure, grid, "95 % bands;\ndotted: no shift")
    return figure


def shift_bounds(results: Sequence[ExperimentResult]) -> Figure:
    """Draw how far I(X;T_l) moves against TV, KL and W_1, beside bounds; the first setting.

    A line of panels for each layer. Bars are what the 95 % intervals allow.
    """
    from entbench.networks.experiments._shift_changes import changes_of

    changes = changes_of(results)
    changes = [change for change in changes if change.setting == changes[0].setting]
    layers = max((change.layer for change in changes), default=1)
    families = list(dict.fromkeys(change.family for change in changes))
    figure = Figure(
        figsize=(1.2 * _INCHES[0] * len(_COLUMNS) + 2.6, _INCHES[1] * layers + 0.5),
        layout="constrained",
    )
    grid = figure.subplots(layers, len(_COLUMNS), squeeze=False, sharex="col")
    for line in range(layers):
        here = [change for change in changes if change.layer == line + 1]
        for column, axes in zip(_COLUMNS, grid[line], strict=True):
            _draw_bounds(axes, here, column)
            _draw_changes(axes, here, column, families)
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_ylim(_FLOOR, _MOST)
            plain(axes)
        grid[line, 0].set_ylabel("|I(X';T) - I(X;T)| (nats)")
        grid[line, 0].set_title(f"layer {line + 1}", fontsize="medium", loc="left")
    for column, axes in zip(_COLUMNS, grid[-1], strict=True):
        axes.set_xlabel(column.label)
    sigma = f"sigma = {dict(changes[0].setting)['sigma']:g}" if changes else ""
    add_legend(figure, grid, f"{sigma}; bars: 95 %\n(less than {_FLOOR:g}: at the foot)")
    return figure


def _by_sigma(results: Sequence[ExperimentResult]) -> dict[float, list[ExperimentResult]]:
    found: dict[float, list[ExperimentResult]] = {}
    for each in results:
        found.setdefault(float(each.params["sigma"]), []).append(each)
    return dict(sorted(found.items()))


def _draw_family(axes: Axes, group: Sequence[ExperimentResult], family: str) -> None:
    base = _values([each for each in group if each.step["family"] == "none"])
    shifted = _values([each for each in group if each.step["family"] == family])
    for layer in range(max((len(each[0]) for each in base.values()), default=0)):
        color, marker = STYLES[layer]
        for value, _, _ in base.values():
            axes.axhline(value[layer], color=color, linestyle=":", linewidth=1.0)
        x = list(shifted)
        value, low, high = (
            [shifted[intensity][part][layer] for intensity in x] for part in range(3)
        )
        label = f"layer {layer + 1}"
        axes.plot(x, value, color=color, marker=marker, markersize=4, label=label)
        # an interval may reach below 0, where information is never
        axes.fill_between(x, np.maximum(low, 0.0), high, color=color, alpha=0.2, linewidth=0)
    axes.set_xscale("log")
    plain(axes)


def _values(group: Sequence[ExperimentResult]) -> dict[float, tuple[Any, Any, Any]]:
    """Return mean information and ends of intervals over seeds, by intensity in order."""
    found: dict[float, list[ExperimentResult]] = {}
    for each in group:
        found.setdefault(each.step["intensity"], []).append(each)
    return {
        intensity: (
            np.mean([each.result["information"] for each in found[intensity]], axis=0),
            np.min([each.result["low"] for each in found[intensity]], axis=0),
            np.max([each.result["high"] for each in found[intensity]], axis=0),
        )
        for intensity in sorted(found)
    }


def _at(change: Change, distance: str) -> float | None:
    """Return where a change stands on an axis; None where it has no place there."""
    value = change.result[distance]
    if not value or (distance == "tv" and value == 1.0):
        return None
    return float(value)


def _draw_changes(
    axes: Axes, changes: Sequence[Change], column: _Column, families: Sequence[str]
) -> None:
    for position, family in enumerate(families):
        color, marker = STYLES[position]
        points = [
            (x, change)
            for change in changes
            if change.family == family and (x := _at(change, column.distance)) is not None
        ]
        if not points:
            continue
        places = [place for place, _ in points]
        near = [max(_FLOOR, change.near) for _, change in points]
        axes.vlines(places, near, [change.far for _, change in points], color=color, alpha=0.35)
        values = [max(_FLOOR, change.value) for _, change in points]
        axes.plot(
            places, values, color=color, marker=marker, markersize=5, linestyle="", label=family
        )


def _draw_bounds(axes: Axes, changes: Sequence[Change], column: _Column) -> None:
    """Draw each bound as a line where X' has values of X alone, as ticks where N is larger."""
    support = min((change.result["support"] for change in changes), default=0)
    for name, label, dashes in column.bounds:
        points = [
            (x, bound, change.result["support"] > support)
            for change in changes
            if (x := _at(change, column.distance)) is not None
            and (bound := change.bound[name]) is not None
        ]
        if name == "w1":
            points = [(x, bound, False) for x, bound, _ in points]
        on_line = sorted((x, bound) for x, bound, other in points if not other)
        if on_line:
            axes.plot(*zip(*on_line, strict=True), color=GREY, linestyle=dashes, label=label)
        if name == column.distance:
            ticks = [(x, bound) for x, bound, other in points if other]
            if ticks:
                said = "corrected, N of bit flips"
                axes.plot(*zip(*ticks, strict=True), color=GREY, marker="_", ls="", label=said)
    trivial = [bound for change in changes if (bound := change.bound["trivial"]) is not None]
    if trivial:
        label = "sure without"
        axes.axhline(max(trivial), color="#b0b0b0", linewidth=2.5, alpha=0.6, label=label)
