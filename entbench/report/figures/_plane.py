"""Figures 1, 2, 4 to 7, 9 to 15 and 17 of "Revisiting the Information Plane" (2019)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from entbench.networks._plane import WIDTHS, Stops, stops_of
from entbench.report.figures._style import GREY, STYLES, add_legend, plain, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from entbench._base import ExperimentResult

    Curve = list[ExperimentResult]

_MIDDLE = 1  # bins of 0.07
_INCHES = (3.3, 2.9)
_LEGEND_INCHES = 1.9
_BIT = math.log(2.0)
_FIRST = 0.7  # where epoch 0 is on a logarithmic axis
_PALEST = 0.75  # share of white at the first epoch
_TOLD = ("epochs", "records", "learning_rate", "patience")  # in titles, where they differ
_MOST_POINTS = 70  # of a layer's way
_LEAST_SHARE = 3e-5  # of activations, in histograms
_MOMENTS = (
    (STYLES[5][0], "-", "after the first epoch"),
    (STYLES[1][0], "-", "after half of them"),
    (STYLES[2][0], "--", "after all"),
)
_STOPS = ("early stopping", "perfect stopping", "all epochs")


def information_plane(results: Sequence[ExperimentResult]) -> Figure:
    """Draw I(Bin(T);Y) against I(X;Bin(T)), a line of panels for each network, one a bin size.

    One colour a layer, darker as training goes on; of the first seed. Lines at H(X) and I(X;Y).
    """
    curves = _first_seeds(results)
    figure, grid = _grid(len(curves), len(WIDTHS))
    for line, (title, curve) in enumerate(curves.items()):
        for column, width in enumerate(WIDTHS):
            axes = grid[line, column]
            _draw_plane(axes, curve, column)
            above = f"{title}\n" if column == 0 else ""
            axes.set_title(f"{above}bins of {width:g}", fontsize="medium", loc="left")
    _finish_planes(figure, grid, curves)
    return figure


def plane_histograms(results: Sequence[ExperimentResult]) -> Figure:
    """Draw how activations lie in bins of 0.07 at first, after half the epochs and at last.

    A line of panels for each network, of its first seed; one a layer. In print: the share of empty
    bins, of those from the lowest to the highest that the layer ever used.
    """
    curves = _first_seeds(results)
    figure, grid = _grid(len(curves), _n_layers(curves), inches=(2.3, 2.3))
    for line, (title, curve) in enumerate(curves.items()):
        shown = [each for each in curve if "histogram" in each.result]
        count = len(curve[0].result["filled"])
        for layer in range(count):
            _draw_histograms(grid[line, layer], curve, shown, layer)
            grid[line, layer].set_xlabel("activation", fontsize="small")
        for axes in grid[line, count:]:
            axes.set_axis_off()
        parts = title.split(", ")
        lines = [", ".join(parts[i : i + 2]) for i in range(0, len(parts), 2)]
        label = "\n".join([*lines, "share of activations"])
        grid[line, 0].set_ylabel(label, fontsize="small")
    add_legend(figure, grid, "bins of 0.07, all units;\npercent: empty bins then")
    return figure


def plane_training(results: Sequence[ExperimentResult]) -> Figure:
    """Draw I(X;Bin(T)), I(Bin(T);Y), accuracy and cross-entropy against the epoch.

    A line of panels for each network, of its first seed. Where a hidden layer shows more of X than
    the one before it, the gap is filled.
    """
    curves = _first_seeds(results)
    figure, grid = _grid(len(curves), 4)
    _name_layers(grid[0, 0], curves)
    for line, (title, curve) in enumerate(curves.items()):
        _draw_coordinates(grid[line], curve)
        for axes, name, scale in zip(
            grid[line, 2:], ("accuracy", "loss"), (100.0, 1.0), strict=True
        ):
            _draw_fit(axes, curve, name, scale)
        grid[line, 0].set_title(wrapped(title), fontsize="medium", loc="left")
        for axes, label in zip(
            grid[line],
            ("I(X;Bin(T)) (nats)", "I(Bin(T);Y) (nats)", "accuracy (%)", "cross-entropy (nats)"),
            strict=True,
        ):
            axes.set_ylabel(label)
            axes.set_xscale("log")
            plain(axes)
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
    add_legend(figure, grid, "bins of 0.07;\nfilled: a layer above\nthe one before it")
    return figure


def plane_stopping(results: Sequence[ExperimentResult]) -> Figure:
    """Draw the plane up to early stopping, up to the least validation loss, and of all epochs.

    A line of panels for each network, of its first seed; bins of 0.07.
    """
    curves = _first_seeds(results)
    figure, grid = _grid(len(curves), len(_STOPS))
    for line, (title, curve) in enumerate(curves.items()):
        places = _stops(curve)
        for axes, name, place in zip(grid[line], _STOPS, places, strict=True):
            _draw_plane(axes, curve[: place + 1], _MIDDLE, curve)
            above = f"{title}\n" if name == _STOPS[0] else ""
            epoch = curve[place].step["epoch"]
            axes.set_title(f"{above}{name}: epoch {epoch}", fontsize="medium", loc="left")
    _finish_planes(figure, grid, curves)
    return figure


def _grid(
    lines: int, columns: int, inches: tuple[float, float] = _INCHES
) -> tuple[Figure, NDArray[Any]]:
    figure = Figure(
        figsize=(inches[0] * columns + _LEGEND_INCHES, inches[1] * lines + 0.9),
        layout="constrained",
    )
    return figure, figure.subplots(lines, columns, squeeze=False)


def _first_seeds(results: Sequence[ExperimentResult]) -> dict[str, Curve]:
    """Return a curve for each network, of its first seed, in order of epochs, by title."""
    found: dict[str, Curve] = {}
    told = [name for name in _TOLD if len({each.params[name] for each in results}) > 1]
    for each in results:
        params = each.params
        more = "".join(f", {name}={params[name]}" for name in told)
        title = f"{params['data']}, {params['hidden']}{more}, {params['activation']}"
        curve = found.setdefault(title, [])
        if not curve or curve[0].params == params:
            curve.append(each)
    return {
        title: sorted(curve, key=lambda each: int(each.step["epoch"]))
        for title, curve in found.items()
    }


def _n_layers(curves: dict[str, Curve]) -> int:
    return max(len(curve[0].result["filled"]) for curve in curves.values())


def _layer(layer: int, count: int) -> tuple[str, str]:
    """Return colour and name of a layer; the output has its own, however many are before it."""
    if layer == count - 1:
        return STYLES[6][0], "output"
    others = [color for color, _ in STYLES if color != STYLES[6][0]]
    return others[layer % len(others)], f"layer {layer + 1}"


def _epochs(curve: Curve) -> list[float]:
    return [max(float(each.step["epoch"]), _FIRST) for each in curve]


def _table(curve: Curve, name: str, place: int) -> NDArray[np.float64]:
    """Return values by epoch and layer, in bins of one size."""
    return np.array([each.result[name][place] for each in curve])


def _stops(curve: Curve) -> Stops:
    epochs = [int(each.step["epoch"]) for each in curve]
    losses = [each.result["validation_loss"] for each in curve]
    return stops_of(epochs, losses, curve[0].params["patience"])


def _thinned(curve: Curve) -> Curve:
    places = np.unique(np.linspace(0, len(curve) - 1, _MOST_POINTS).round().astype(int))
    return [curve[i] for i in places]


def _draw_plane(axes: Axes, curve: Curve, place: int, whole: Curve | None = None) -> None:
    """Draw the layers' ways through the plane; shades are of the epochs of the whole run."""
    shown = _thinned(curve)
    last = math.log(_epochs(whole or curve)[-1] / _FIRST)
    ages = np.log(np.array(_epochs(shown)) / _FIRST) / max(last, 1e-9)
    x, y = (_table(shown, name, place) for name in ("input", "label"))
    for layer in range(x.shape[1]):
        color, _ = _layer(layer, x.shape[1])
        axes.plot(x[:, layer], y[:, layer], color=color, alpha=0.35, linewidth=0.7)
        axes.scatter(
            *(x[:, layer], y[:, layer]),
            c=[_shaded(color, age) for age in ages],
            s=11,
            linewidths=0,
            zorder=3,
        )
    result = curve[0].result
    limits = result["input_limit"], result["label_limit"]
    axes.axvline(limits[0], color=GREY, linestyle="--", linewidth=1.0, label="H(X)")
    axes.axhline(limits[1], color=GREY, linestyle=":", linewidth=1.2, label="I(X;Y)")
    axes.set_xlim(-0.03 * limits[0], 1.05 * limits[0])
    axes.set_ylim(-0.03 * limits[1], 1.06 * limits[1])
    plain(axes)


def _shaded(color: str, age: float) -> tuple[float, float, float]:
    """Return the colour, paler the earlier; age is from 0 to 1."""
    white = _PALEST * (1.0 - age)
    red, green, blue = (white + (1.0 - white) * each for each in to_rgb(color))
    return red, green, blue


def _name_layers(axes: Axes, curves: dict[str, Curve]) -> None:
    """Draw nothing, so that the legend has every layer, the output last."""
    count = _n_layers(curves)
    for layer in range(count):
        color, label = _layer(layer, count)
        axes.plot([], [], color=color, marker="o", linestyle="", markersize=4, label=label)


def _finish_planes(figure: Figure, grid: NDArray[Any], curves: dict[str, Curve]) -> None:
    """Name the axes, in nats and, at the edges, in bits; add the legend and the shades' scale."""
    bits = (lambda nats: nats / _BIT, lambda bits: bits * _BIT)
    _name_layers(grid[0, 0], curves)
    for axes in grid[:, -1]:
        axes.secondary_yaxis("right", functions=bits).set_ylabel("bits")
    for axes in grid[-1]:
        axes.set_xlabel("I(X;Bin(T)) (nats)")
    for axes in grid[0]:
        axes.secondary_xaxis("top", functions=bits).set_xlabel("bits")
    for axes in grid[:, 0]:
        axes.set_ylabel("I(Bin(T);Y) (nats)")
    add_legend(figure, grid, "one seed")
    last = max(_epochs(curve)[-1] for curve in curves.values())
    shades = [_shaded("#000000", 0.0), _shaded("#000000", 1.0)]
    scale = ScalarMappable(
        LogNorm(_FIRST, max(last, 2.0 * _FIRST)), LinearSegmentedColormap.from_list("age", shades)
    )
    bar = figure.colorbar(
        *(scale,), ax=grid, location="bottom", shrink=0.3, aspect=40, anchor=(0.0, 0.5)
    )
    ticks = [10.0**power for power in range(1 + int(math.log10(max(last, 1.0))))]
    bar.ax.xaxis.set_major_locator(FixedLocator([_FIRST, *ticks[1:]]))
    bar.ax.xaxis.set_minor_locator(NullLocator())
    bar.ax.set_xticklabels(["0", *(f"{tick:g}" for tick in ticks[1:])])
    bar.set_label("epoch", fontsize="small")


def _draw_histograms(axes: Axes, curve: Curve, shown: Curve, layer: int) -> None:
    """Draw one layer's activations at some epochs, and say how many bins are empty."""
    first = min(each.result["first_bin"][layer] for each in curve)
    last = max(each.result["last_bin"][layer] for each in curve)
    width, bins = WIDTHS[_MIDDLE], last - first + 1
    empty = []
    for number, each in enumerate(shown):
        counts = np.zeros(bins)
        start = each.result["first_bin"][layer] - first
        histogram = each.result["histogram"][layer]
        counts[start : start + len(histogram)] = histogram
        empty.append(f"{100.0 * (counts == 0).mean():.0f}")
        color, dashes, moment = _MOMENTS[number % len(_MOMENTS)]
        edges = width * np.arange(first, last + 2)
        axes.stairs(
            *(counts / counts.sum(), edges),
            color=color,
            linestyle=dashes,
            linewidth=0.9,
            label=moment,
        )
    axes.set_yscale("log")
    axes.set_ylim(_LEAST_SHARE, 1.5)
    name = _layer(layer, len(curve[0].result["filled"]))[1]
    axes.set_title(f"{name}: {', '.join(empty)} %", fontsize="small", loc="left")
    axes.tick_params(labelsize="x-small")
    plain(axes)


def _draw_coordinates(panels: Sequence[Axes], curve: Curve) -> None:
    """Draw both coordinates of all layers, their limits, and fill where a later layer is above."""
    epochs, result = _epochs(curve), curve[0].result
    for axes, name in zip(panels, ("input", "label"), strict=False):
        values = _table(curve, name, _MIDDLE)
        for layer in range(values.shape[1]):
            color, _ = _layer(layer, values.shape[1])
            axes.plot(epochs, values[:, layer], color=color, linewidth=1.3)
            if layer and name == "input":
                before, after = values[:, layer - 1], values[:, layer]
                axes.fill_between(
                    *(epochs, before, after),
                    where=list(after > before),
                    color=color,
                    alpha=0.18,
                    linewidth=0,
                )
    panels[0].axhline(result["input_limit"], color=GREY, linestyle="--", label="H(X)")
    panels[1].axhline(result["label_limit"], color=GREY, linestyle=":", label="I(X;Y)")


def _draw_fit(axes: Axes, curve: Curve, name: str, scale: float) -> None:
    """Draw accuracies or losses of both parts of the data, and where training would stop."""
    epochs = _epochs(curve)
    for part, color in (("train", GREY), ("validation", STYLES[0][0])):
        values = [scale * each.result[f"{part}_{name}"] for each in curve]
        dashes = "-" if part == "validation" else "--"
        axes.plot(epochs, values, color=color, linestyle=dashes, label=f"{part} rows")
    stops = _stops(curve)
    for place, label, marker in zip(stops, _STOPS[:2], ("s", "D"), strict=False):
        value = scale * curve[place].result[f"validation_{name}"]
        axes.plot(
            *([epochs[place]], [value]),
            color=STYLES[1][0],
            marker=marker,
            markeredgecolor="black",
            linestyle="",
            label=label,
            zorder=4,
        )
