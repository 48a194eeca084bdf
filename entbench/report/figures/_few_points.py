"""Figures 4 and 9 of Goldfeld et al. (2019): neurons whose input has a few values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from entbench.report.figures._style import GREY, STYLES, add_legend, panels_for, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from entbench._base import ExperimentResult


def single_neuron(results: Sequence[ExperimentResult]) -> Figure:
    """Draw the four points, the density of T at three epochs, I against epoch and against w."""
    curves = _by_sigma([r for r in results if r.step["what"] == "epoch"])
    sweeps = _by_sigma([r for r in results if r.step["what"] == "weights"])
    figure, grid = panels_for(4)
    quiet = min(curves, default=None)
    if quiet is not None:
        _draw_points(grid[0, 0], curves[quiet], "centres", quiet)
        _draw_densities(grid[0, 1], curves[quiet], quiet)
    for position, (sigma, curve) in enumerate(sorted(curves.items())):
        _draw_information(grid[1, 0], curve, "information", f"sigma={sigma:g}", position)
        for sweep in sweeps.get(sigma, []):
            color = STYLES[position % len(STYLES)][0]
            # the first weight is 0, which has no place on a logarithmic axis
            weights, values = sweep.result["weight"][1:], sweep.result["information"][1:]
            grid[1, 1].plot(weights, values, color=color, linewidth=1.4)
    _dress(grid[1, 0], "epoch", "I(X;T) (nats)", "information in training")
    _dress(grid[1, 1], "weight w", "I(X;T) (nats)", "information, bias -2w")
    add_legend(figure, grid, "exact, by quadrature")
    return figure


def two_neuron(results: Sequence[ExperimentResult]) -> Figure:
    """Draw parameters, the points of both layers, and both informations against the epoch."""
    curve = sorted(results, key=lambda result: result.step["epoch"])
    sigma = float(curve[0].params["sigma"])
    figure, grid = panels_for(4)
    epochs = [_place(each.step["epoch"]) for each in curve]
    values = np.array([each.result["parameters"] for each in curve])
    for position, name in enumerate(("w1", "b1", "w2", "b2")):
        color = STYLES[position][0]
        grid[0, 0].plot(epochs, values[:, position], color=color, linewidth=1.4, label=name)
    _dress(grid[0, 0], "epoch", "value", "parameters")
    _draw_points(grid[0, 1], curve, "first", sigma, "points of layer 1")
    _draw_points(grid[1, 0], curve, "second", sigma, "points of layer 2, without noise before")
    _draw_information(grid[1, 1], curve, "information_1", "I(X;T_1), exact", 4)
    _draw_information(grid[1, 1], curve, "information_2", "I(X;T_2)", 6)
    low, high = np.array([each.result["interval_2"] for each in curve]).T
    grid[1, 1].fill_between(epochs, low, high, color=STYLES[6][0], alpha=0.2, linewidth=0)
    _dress(grid[1, 1], "epoch", "information (nats)", f"sigma={sigma:g}, 95 % band")
    add_legend(figure, grid, "")
    return figure


def _by_sigma(results: Sequence[ExperimentResult]) -> dict[float, list[ExperimentResult]]:
    found: dict[float, list[ExperimentResult]] = {}
    for result in results:
        found.setdefault(float(result.params["sigma"]), []).append(result)
    return {
        sigma: sorted(group, key=lambda result: result.step["epoch"])
        for sigma, group in found.items()
    }


def _place(epoch: float) -> float:
    """Return where an epoch stands on a logarithmic axis: 0 half a step before 1."""
    return max(float(epoch), 0.7)


def _draw_points(
    axes: Axes,
    curve: Sequence[ExperimentResult],
    name: str,
    sigma: float,
    title: str = "the four points",
) -> None:
    epochs = [_place(each.step["epoch"]) for each in curve]
    for line in np.array([each.result[name] for each in curve]).T:
        axes.plot(epochs, line, color=GREY, linewidth=1.2)
        axes.fill_between(
            epochs, line - sigma, line + sigma, color=STYLES[0][0], alpha=0.25, linewidth=0
        )
    _dress(axes, "epoch", "S, band of one sigma", f"{title}, sigma={sigma:g}")


def _draw_densities(axes: Axes, curve: Sequence[ExperimentResult], sigma: float) -> None:
    """Draw the density of T early, where information is largest after that, and at the end."""
    at = np.linspace(-1.2, 1.2, 2401)
    chosen = [curve[len(curve) // 3], curve[2 * len(curve) // 3], curve[-1]]
    for position, each in enumerate(chosen):
        centres = np.array(each.result["centres"])
        z = (at[:, None] - centres) / sigma
        density = np.exp(-0.5 * z**2).mean(axis=1) / (sigma * np.sqrt(2.0 * np.pi))
        color = STYLES[position + 4][0]
        label = f"epoch {each.step['epoch']}"
        axes.plot(at, density, color=color, linewidth=1.1, label=label)
    axes.set_title(f"density of T, sigma={sigma:g}", fontsize="medium", loc="left")
    axes.set_xlabel("t")
    axes.set_ylabel("density")
    plain(axes)


def _draw_information(
    axes: Axes, curve: Sequence[ExperimentResult], name: str, label: str, position: int
) -> None:
    color = STYLES[position % len(STYLES)][0]
    epochs = [_place(each.step["epoch"]) for each in curve]
    values = [each.result[name] for each in curve]
    axes.plot(epochs, values, color=color, linewidth=1.4, label=label)


def _dress(axes: Axes, x: str, y: str, title: str) -> None:
    axes.set_xscale("log")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title, fontsize="medium", loc="left")
    plain(axes)
