"""Table 2 and Figure 8 of "Revisiting the Information Plane": layers that move alike, pruned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from entbench.report.figures._style import GREY, STYLES, add_legend, plain, style_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from entbench._base import ExperimentResult

    Chain = list[ExperimentResult]

_MOST_COLUMNS = 4
_INCHES = (3.5, 3.3)


def pruning_planes(results: Sequence[ExperimentResult]) -> Figure:
    """Draw trajectories in the plane after each pruning, of the first seed of each activation.

    A line is a layer, its last point marked. Those that go next are dotted, their marks hollow.
    """
    from entbench.networks.experiments._pruning_claims import chains_of

    chains = {name: seeds[0] for name, seeds in chains_of(results).items()}
    columns = min(_MOST_COLUMNS, max(map(len, chains.values())))
    lines = [(name, start) for name, c in chains.items() for start in range(0, len(c), columns)]
    figure = Figure(
        figsize=(_INCHES[0] * columns + 2.0, _INCHES[1] * len(lines) + 0.4), layout="constrained"
    )
    grid = figure.subplots(len(lines), columns, squeeze=False)
    limits = [
        1.06 * max(each.result[f"{name}_limit"] for chain in chains.values() for each in chain)
        for name in ("input", "label")
    ]
    for row, (name, start) in zip(grid, lines, strict=True):
        shown = chains[name][start : start + columns]
        for axes in row[len(shown) :]:
            axes.set_axis_off()
        for column, (axes, each) in enumerate(zip(row, shown, strict=False)):
            _draw_plane(axes, each)
            axes.set_title(_title(name, each), fontsize="small", loc="left")
            axes.set_xlim(-0.04 * limits[0], limits[0])
            axes.set_ylim(-0.04 * limits[1], limits[1])
            axes.set_xlabel("I(X;Bin(T)) (nats)")
            if column == 0:
                axes.set_ylabel("I(Bin(T);Y) (nats)")
    add_legend(figure, grid, "dotted, hollow: go next")
    return figure


def _draw_plane(axes: Axes, each: ExperimentResult) -> None:
    result = each.result
    points = np.array([result["input"], result["label"]])
    for layer in range(points.shape[2]):
        last = layer == points.shape[2] - 1
        color, marker = (GREY, "o") if last else style_of(layer)
        goes = layer + 1 in result["going"]
        dashes, face = (":", "white") if goes else ("-", color)
        axes.plot(*points[..., layer], color=color, linestyle=dashes, linewidth=1.2)
        end = points[:, -1, layer]
        axes.plot(*end, color=color, marker=marker, markersize=6, markerfacecolor=face)
        # for the legend: a layer that goes is named as the others are
        name = "softmax" if last else f"layer {layer + 1}"
        axes.plot([], [], color=color, marker=marker, markersize=6, label=name)
    axes.plot(
        *(result["input_limit"], result["label_limit"]),
        color="black",
        marker="+",
        markersize=9,
        linestyle="none",
        label="H(X), I(X;Y)",
    )
    plain(axes)


def _title(name: str, each: ExperimentResult) -> str:
    result = each.result
    times = each.step["pruning"]
    head = f"{name}, {'doubled' if not times else f'after pruning {times}'}, epoch {result['stop']}"
    return f"{head}\n{result['hidden']}; accuracy {result['accuracy']:.3f}"


def pruning_accuracy(results: Sequence[ExperimentResult]) -> Figure:
    """Draw accuracy and layers left after each pruning, and distances in the doubled network.

    Lines are means over seeds; a seed whose pruning has ended stays where it is.
    """
    from entbench.networks.experiments._pruning_claims import PAPER, chains_of

    figure = Figure(figsize=(13.4, 3.9), layout="constrained")
    grid = figure.subplots(1, 3)
    accuracy, layers, distances = grid
    for position, (name, chains) in enumerate(chains_of(results).items()):
        for axes, key in ((accuracy, "accuracy"), (layers, "layers")):
            _draw_spread(axes, chains, key, position, name)
        if name in PAPER:
            accuracy.plot(
                *(range(len(PAPER[name])), PAPER[name]),
                color=STYLES[position][0],
                marker=STYLES[position][1],
                markerfacecolor="white",
                linestyle=":",
                label=f"{name}, paper",
            )
        _draw_distances(distances, chains, position, name)
    params = results[0].params
    layers.axhline(params["spared"], color=GREY, linestyle=":", label="before doubling")
    distances.axhline(params["similar"], color=GREY, linestyle="--", label="similar")
    accuracy.set_ylabel("accuracy, validation rows")
    layers.set_ylabel("hidden layers")
    distances.set_ylabel("distance of trajectories")
    distances.set_xlabel("layer l of the doubled network, to l + 1")
    for axes in (accuracy, layers):
        axes.set_xlabel("prunings")
    for axes in grid:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        plain(axes)
    add_legend(figure, grid, "mean; bands and dots: seeds")
    return figure


def _draw_spread(axes: Axes, chains: Sequence[Chain], key: str, position: int, name: str) -> None:
    longest = max(map(len, chains))
    values = np.array(
        [[chain[min(k, len(chain) - 1)].result[key] for k in range(longest)] for chain in chains]
    )
    color, marker = STYLES[position]
    axes.plot(range(longest), values.mean(axis=0), color=color, marker=marker, label=name)
    axes.fill_between(
        range(longest), values.min(axis=0), values.max(axis=0), color=color, alpha=0.2, linewidth=0
    )


def _draw_distances(axes: Axes, chains: Sequence[Chain], position: int, name: str) -> None:
    color, marker = STYLES[position]
    every = np.array([chain[0].result["distances"] for chain in chains])
    pairs = np.arange(1, every.shape[1] + 1) + 0.2 * (position - 0.5)
    for values in every:
        axes.plot(pairs, values, color=color, marker=marker, linestyle="none", alpha=0.5)
    axes.plot(pairs, every.mean(axis=0), color=color, linewidth=1.2)
