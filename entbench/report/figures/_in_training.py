"""Figures 5, 6, 10, 12 and 13 of Goldfeld et al. (2019): networks in training, by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from entbench.report.figures._style import STYLES, add_legend, plain, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from entbench._base import ExperimentResult

_INCHES = (4.4, 2.6)
_CHOSEN = 4  # epochs whose clusters are drawn
_CLASSES = (STYLES[0][0], STYLES[6][0])


def information_vs_epoch(results: Sequence[ExperimentResult]) -> Figure:
    """Draw I(X;T_l) with 95 % bands, H(Bin(T_l)) and losses against the epoch.

    H(Bin(T)) of the noisy network, of one trained without noise, and, dotted, of the noisy one's
    weights without noise. A column for each setting.
    """
    settings = _settings(results)
    figure = Figure(
        figsize=(_INCHES[0] * len(settings) + 2.0, 4 * _INCHES[1] + 0.4), layout="constrained"
    )
    grid = figure.subplots(4, len(settings), squeeze=False, sharex="col")
    for column, (title, curve) in enumerate(settings.items()):
        epochs = [max(float(each.step["epoch"]), 0.7) for each in curve]
        values = {
            name: np.array([each.result[name] for each in curve])
            for name in ("information", "low", "high", "binned", "plain_binned", "twin_binned")
        }
        for layer in range(values["information"].shape[1]):
            color, label = STYLES[layer][0], f"layer {layer + 1}"
            top, middle = grid[0, column], grid[1, column]
            top.plot(epochs, values["information"][:, layer], color=color, label=label)
            # an interval may reach below 0, where information is never
            low, high = np.maximum(values["low"][:, layer], 0.0), values["high"][:, layer]
            top.fill_between(epochs, low, high, color=color, alpha=0.2, linewidth=0)
            middle.plot(epochs, values["binned"][:, layer], color=color)
            for name, dashes in (("plain_binned", "-"), ("twin_binned", ":")):
                lines = values[name][:, layer]
                grid[2, column].plot(epochs, lines, color=color, linestyle=dashes)
        for position, name in enumerate(("train", "test")):
            loss = [each.result[f"{name}_loss"] for each in curve]
            color = STYLES[5 + position][0]
            grid[3, column].plot(epochs, loss, color=color, linestyle="--", label=f"{name} loss")
        grid[0, column].set_title(wrapped(title), fontsize="medium", loc="left")
        grid[3, column].set_xlabel("epoch")
    for axes, label in zip(
        grid[:, 0],
        (
            "I(X;T) (nats)",
            "H(Bin(T)) (nats),\nbins of 10 sigma",
            "H(Bin(S)) (nats), no noise,\nbins of 0.001 (dotted: twin)",
            "loss (nats)",
        ),
        strict=True,
    ):
        axes.set_ylabel(label)
    for axes in grid.flat:
        axes.set_xscale("log")
        plain(axes)
    add_legend(figure, grid, "95 % bands")
    return figure


def clusters(results: Sequence[ExperimentResult]) -> Figure:
    """Draw points of the layer of width 3, and distances of pairs by layer, at four epochs.

    Of the first setting; pairs of one class and of two.
    """
    title, curve = next(iter(_settings(results).items()))
    chosen = [curve[i] for i in np.linspace(0, len(curve) - 1, _CHOSEN).round().astype(int)]
    layers = len(chosen[0].result["within"])
    figure = Figure(figsize=(2.9 * _CHOSEN + 1.6, 2.9 + 1.35 * layers), layout="constrained")
    figure.suptitle(title, fontsize="medium", x=0.01, ha="left")
    heights = [2.6, *[1.0] * layers]
    cells = figure.add_gridspec(1 + layers, _CHOSEN, height_ratios=heights)
    histograms = []
    for column, each in enumerate(chosen):
        points = figure.add_subplot(cells[0, column], projection="3d")
        colors = [_CLASSES[label] for label in each.result["labels"]]
        points.scatter(*np.array(each.result["points"]).T, c=colors, s=3, linewidths=0)
        points.set_title(f"layer {layers}, epoch {each.step['epoch']}", fontsize="medium")
        points.tick_params(labelsize="x-small", pad=-3)
        for layer in range(layers):
            axes = figure.add_subplot(cells[1 + layer, column])
            _draw_distances(axes, each, layer)
            if column == 0:
                axes.set_ylabel(f"layer {layer + 1}")
            histograms.append(axes)
        histograms[-1].set_xlabel("distance of a pair")
    add_legend(figure, np.array(histograms), "share of pairs")
    return figure


def _draw_distances(axes: Axes, each: ExperimentResult, layer: int) -> None:
    edges = np.array(each.result["edges"][layer])
    for name, label, color in (
        ("within", "of one class", _CLASSES[0]),
        ("between", "of two classes", _CLASSES[1]),
    ):
        counts = np.array(each.result[name][layer], dtype=np.float64)
        axes.stairs(counts / max(1.0, counts.sum()), edges, color=color, label=label, fill=False)
    axes.set_yticks([])
    axes.tick_params(labelsize="x-small")
    plain(axes)


def _settings(results: Sequence[ExperimentResult]) -> dict[str, list[ExperimentResult]]:
    found: dict[str, list[ExperimentResult]] = {}
    for each in results:
        params = each.params
        regular = f", orthonormal={params['orthonormal']:g}" if params["orthonormal"] else ""
        title = f"{params['activation']}, sigma={params['sigma']:g}{regular}"
        found.setdefault(title, []).append(each)
    return {
        title: sorted(group, key=lambda each: each.step["epoch"]) for title, group in found.items()
    }
