"""What goes by the name of I(X;T), by every estimate, in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from entbench.report.figures._style import GREY, STYLES, add_legend, plain, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from entbench._base import ExperimentResult

    Curve = list[ExperimentResult]

# Dashes by quantity: bins; information with noise assumed; information with noise inside.
_LINES: dict[str, tuple[int, Any, str]] = {
    "bin-0.07": (0, "-", "bins of 0.07"),
    "bins-30": (5, "-", "30 bins in [-1, 1]"),
    "kt-upper": (6, "--", "kt-upper, noise assumed"),
    "kt-lower": (1, "--", "kt-lower, noise assumed"),
    "ksg": (3, "--", "ksg, noise assumed"),
    "sp-mi": (2, "-.", "sp-mi, noise inside; 95 %"),
    "ksg-noisy": (4, "-.", "ksg, noise inside"),
}
# of one quantity: pairs that are marked on the second's line where they disagree; and all pairs
_SAME = (("kt", "ksg"), ("sp-mi", "ksg-noisy"))
_ALL = 15
_FIRST = 0.7  # where epoch 0 stands
_INCHES = (3.3, 3.6)


def information_debate(results: Sequence[ExperimentResult]) -> Figure:
    """Draw all estimates against the epoch, a panel for each layer, a line of panels a setting.

    Crosses: two estimates of one quantity disagree beyond their errors. Below: how many pairs of
    all do. Of the first seed.
    """
    from entbench.networks.experiments._debate_claims import curves_of

    settings = {name: curves[0] for name, curves in curves_of(results).items()}
    layers = max(len(curve[0].result["exact"]) for curve in settings.values())
    figure = Figure(
        figsize=(_INCHES[0] * layers + 2.8, (_INCHES[1] + 0.2) * len(settings) + 0.3),
        layout="constrained",
    )
    grid = figure.subplots(
        *(2 * len(settings), layers),
        squeeze=False,
        sharex=True,
        height_ratios=[4.0, 1.0] * len(settings),
    )
    for line, (name, curve) in enumerate(settings.items()):
        for layer in range(layers):
            axes, strip = grid[2 * line : 2 * line + 2, layer]
            if layer >= len(curve[0].result["exact"]):
                axes.set_axis_off()
                strip.set_axis_off()
                continue
            _draw_layer(axes, curve, layer)
            _draw_strip(strip, curve, layer)
            axes.set_title(wrapped(f"{name}, layer {layer + 1}"), fontsize="medium", loc="left")
        grid[2 * line, 0].set_ylabel("called I(X;T) (nats)")
        grid[2 * line + 1, 0].set_ylabel("pairs apart")
    for strip in grid[-1]:
        strip.set_xlabel("epoch")
    add_legend(figure, grid, "dashes: which quantity")
    return figure


def _draw_layer(axes: Axes, curve: Curve, layer: int) -> None:
    epochs = _epochs(curve)
    for name, (position, dashes, label) in _LINES.items():
        values = [each.result[name][layer] for each in curve]
        color = STYLES[position][0]
        axes.plot(epochs, values, color=color, linestyle=dashes, linewidth=1.4, label=label)
    low, high = ([each.result[end][layer] for each in curve] for end in ("low", "high"))
    axes.fill_between(epochs, low, high, color=STYLES[2][0], alpha=0.15, linewidth=0)
    exact = [each.result["exact"][layer] for each in curve]
    axes.plot(
        *(epochs, exact), color=GREY, linestyle=":", linewidth=1.2, label="exact, without noise"
    )
    for first, second in _SAME:
        there = [
            (epoch, each.result[second][layer])
            for epoch, each in zip(epochs, curve, strict=True)
            if [first, second] in each.result["apart"][layer]
        ]
        axes.plot(
            *([at for at, _ in there], [value for _, value in there]),
            color=STYLES[_LINES[second][0]][0],
            marker="x",
            markersize=5,
            linestyle="none",
            label=f"{_LINES[second][2]}: apart from {first}",
        )
    axes.set_xscale("log")
    plain(axes)


def _draw_strip(strip: Axes, curve: Curve, layer: int) -> None:
    """Draw how many pairs are apart, those of one quantity among them."""
    epochs = np.array(_epochs(curve))
    pairs = [each.result["apart"][layer] for each in curve]
    same = [sum(list(pair) in found for pair in _SAME) for found in pairs]
    counts = [len(found) for found in pairs]
    strip.fill_between(
        *(epochs, counts), step="mid", color="#bbbbbb", linewidth=0, label="pairs apart, of 15"
    )
    strip.fill_between(
        *(epochs, same), step="mid", color=STYLES[6][0], linewidth=0, label="of one quantity, of 2"
    )
    strip.set_ylim(0, _ALL)
    strip.set_yticks([0, _ALL])
    plain(strip)


def _epochs(curve: Curve) -> list[float]:
    return [max(float(each.step["epoch"]), _FIRST) for each in curve]
