"""Table 1 and Figures 3, 7 and 8 of Goldfeld et al. (2019): a convolutional network in training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from entbench.report.figures._style import GREY, STYLES, add_legend, panels_for, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from entbench._base import ExperimentResult

    Curve = list[ExperimentResult]

_LAYERS = ("layer 1 (conv)", "layer 2 (conv)", "layer 3 (full)", "layer 4 (full)")
_CLASSES = (STYLES[0][0], STYLES[6][0])
_CHOSEN = 3  # epochs whose distances are drawn


def errors_vs_epoch(results: Sequence[ExperimentResult]) -> Figure:
    """Draw errors on test images against the epoch, a line for each noise: mean, least and most."""
    figure, grid = panels_for(1)
    axes = grid[0, 0]
    for position, (noise, curves) in enumerate(_by_noise(results).items()):
        epochs, values = _table(curves, "errors")
        color, marker = STYLES[position]
        share = 100.0 * values / curves[0][0].result["tested"]
        axes.plot(
            *(epochs, share.mean(axis=0)), color=color, marker=marker, markersize=4, label=noise
        )
        axes.fill_between(
            epochs, share.min(axis=0), share.max(axis=0), color=color, alpha=0.2, linewidth=0
        )
    axes.set_yscale("log")
    for axis in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        axis(LogFormatter(minor_thresholds=(2.0, 0.8)))
    axes.set_xlabel("epoch")
    axes.set_ylabel("errors on test images (%)")
    axes.set_title(_data_of(results), fontsize="medium", loc="left")
    plain(axes)
    add_legend(figure, grid, "noise in training;\nbands: all seeds")
    return figure


def cosine_similarity(results: Sequence[ExperimentResult]) -> Figure:
    """Draw histograms of cosines to the network without noise, layer by layer."""
    from entbench.networks.experiments._mnist_claims import name_of, noise_order

    found: dict[str, list[ExperimentResult]] = {}
    for each in sorted(results, key=lambda each: noise_order(each.params["noise"])):
        if each.step["what"] == "cosine" and each.params["noise"] != 0.0:
            found.setdefault(name_of(each.params["noise"]), []).append(each)
    figure, grid = panels_for(len(_LAYERS))
    for layer, (axes, name) in enumerate(zip(grid.flat, _LAYERS, strict=True)):
        for position, (noise, group) in enumerate(found.items()):
            edges = np.array(group[0].result["cosine_edges"])
            counts = np.sum([each.result["cosine_counts"][layer] for each in group], axis=0)
            share = counts / counts.sum()
            axes.stairs(share, edges, color=STYLES[position + 1][0], label=noise, linewidth=1.4)
        drawn = [each.result["cosine_counts"][layer] for group in found.values() for each in group]
        first = int(np.flatnonzero(np.any(drawn, axis=0))[0])
        axes.set_xlim(min(0.9, edges[first]) - 0.005, 1.005)
        axes.set_title(name, fontsize="medium", loc="left")
        axes.set_xlabel("cosine to the network without noise")
        axes.set_ylabel("share of images")
        plain(axes)
    add_legend(figure, grid, f"{_data_of(results)};\nall seeds together")
    return figure


def binned_entropy(results: Sequence[ExperimentResult]) -> Figure:
    """Draw H(Bin(T)) of whole layers with two bins a unit, and of layer 3's units, by epoch."""
    from entbench.networks.experiments.mnist_cnn import WIDTHS

    name, curves = list(_by_noise(results).items())[-1]
    figure, grid = panels_for(3)
    inner, last, units = grid.flat[:3]
    epochs, binned = _table(curves, "binned")
    result = curves[0][0].result
    inner.axhline(math.log(result["tested"]), color=GREY, linestyle=":", label="log m")
    inner.axhline(result["input_binned"], color=GREY, linestyle="--", label="input")
    for layer, label in enumerate(_LAYERS):
        axes, color = (inner, last)[layer == 3], STYLES[layer][0]
        axes.plot(epochs, binned[..., layer].mean(axis=0), color=color, label=label)
    last.axhline(10.0 * math.log(2.0), color=GREY, linestyle="-.", label="10 log 2")
    inner.ticklabel_format(axis="y", useOffset=False)
    inner.set_title(f"{name}: two bins a unit", fontsize="medium", loc="left")
    last.set_title("two bins a unit, layer 4", fontsize="medium", loc="left")
    for axes in (inner, last):
        axes.set_ylabel("H(Bin(T)) (nats)")
    _, single = _table(curves, "unit_binned")
    for number, width in enumerate(WIDTHS):
        values = single[:, :, number].mean(axis=(0, 2))
        units.plot(epochs, values, color=STYLES[number + 4][0], label=f"units, bins of {width:g}")
    units.set_ylabel("mean H(Bin(T(k))) (nats)")
    units.set_title("single units of layer 3", fontsize="medium", loc="left")
    for axes in grid.flat[:3]:
        axes.set_xlabel("epoch")
        plain(axes)
    add_legend(figure, grid, f"{_data_of(results)};\nmean over seeds")
    return figure


def pair_distances(results: Sequence[ExperimentResult]) -> Figure:
    """Draw distances of pairs, within and between classes, of input and layers at some epochs."""
    name, curves = list(_by_noise(results).items())[-1]
    curve = curves[0]
    places = sorted({0, 1, *np.linspace(1, len(curve) - 1, _CHOSEN).round().astype(int).tolist()})
    chosen = [curve[i] for i in places if i < len(curve)]
    columns = ("input", *_LAYERS)
    figure = Figure(
        figsize=(2.5 * len(columns) + 2.4, 1.9 * len(chosen) + 0.6), layout="constrained"
    )
    figure.suptitle(f"{name}, {_data_of(results)}", fontsize="medium", x=0.01, ha="left")
    grid = figure.subplots(len(chosen), len(columns), squeeze=False)
    for line, each in enumerate(chosen):
        for column, title in enumerate(columns):
            axes = grid[line, column]
            _draw_distances(axes, each, column)
            if line == 0:
                axes.set_title(title, fontsize="medium", loc="left")
        grid[line, 0].set_ylabel(f"epoch {each.step['epoch']}")
    for axes in grid[-1]:
        axes.set_xlabel("distance of a pair")
    add_legend(figure, grid, "share of pairs")
    return figure


def _draw_distances(axes: Axes, each: ExperimentResult, place: int) -> None:
    edges = np.array(each.result["edges"][place])
    for kind, label, color in zip(
        ("within", "between"), ("of one class", "of two classes"), _CLASSES, strict=True
    ):
        counts = np.array(each.result[kind][place], dtype=np.float64)
        axes.stairs(counts / max(1.0, counts.sum()), edges, color=color, label=label)
    axes.text(
        *(0.97, 0.93, f"{each.result['nearer'][place]:.2f}"),
        transform=axes.transAxes,
        ha="right",
        va="top",
        fontsize="small",
    )
    axes.set_yticks([])
    axes.tick_params(labelsize="x-small")
    plain(axes)


def _by_noise(results: Sequence[ExperimentResult]) -> dict[str, list[Curve]]:
    """Return a curve for each seed, by noise; dropout is the last."""
    from entbench.networks.experiments._mnist_claims import name_of, noise_order

    groups: dict[Any, dict[int, Curve]] = {}
    for each in results:
        if each.step["what"] == "epoch":
            seeds = groups.setdefault(each.params["noise"], {})
            seeds.setdefault(each.params["seed"], []).append(each)
    return {
        name_of(noise): [
            sorted(curve, key=lambda each: each.step["epoch"]) for curve in groups[noise].values()
        ]
        for noise in sorted(groups, key=noise_order)
    }


def _table(curves: Sequence[Curve], name: str) -> tuple[list[int], Any]:
    """Return epochs that all curves have, and values of shape (curves, epochs, ...)."""
    common = set.intersection(*({each.step["epoch"] for each in curve} for curve in curves))
    values = [
        [each.result[name] for each in curve if each.step["epoch"] in common] for curve in curves
    ]
    return sorted(common), np.array(values)


def _data_of(results: Sequence[ExperimentResult]) -> str:
    return next(str(each.result["data"]) for each in results if "data" in each.result)
