"""Figures of a run, drawn from its summary alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from entbench._records import Case, Spec
from entbench.report._statistics import Row
from entbench.report._suite import Summary

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

# Okabe and Ito's colours, ordered so that neighbours differ in lightness too, each with a marker:
# the lines can be told apart in grey and by the colour-blind.
_STYLES = [
    ("#0072B2", "o"),
    ("#E69F00", "s"),
    ("#000000", "^"),
    ("#CC79A7", "D"),
    ("#009E73", "v"),
    ("#56B4E9", "P"),
    ("#D55E00", "X"),
    ("#7F7F7F", "*"),
]
_BOUND_STYLES = {
    "risk_upper": ("MAE of sp ≤ (all sources in the cube)", (0, (6, 2))),
    "bias_upper": ("|bias| of sp ≤ (this source)", (0, (3, 2))),
    "bias_lower": ("|bias| of sp ≥ (this source)", (0, (1, 1.5))),
    "worst_case_bias_lower": ("|bias| of sp ≥ (worst source in the cube)", (0, (5, 1.5, 1, 1.5))),
}
_GREY = "#555555"
_PANEL_INCHES = 4.6


def error_vs_n(summary: Summary) -> Figure:
    """Draw mean absolute error against n, log-log: a line per estimator, bounds dashed.

    Bands are 95 % confidence intervals. One panel for each setting of the source.
    """
    cases = summary.run.cases
    columns = min(math.ceil(math.sqrt(len(cases))), 3)
    lines = math.ceil(len(cases) / columns)
    figure = Figure(
        figsize=(_PANEL_INCHES * columns + 2.9, 3.9 * lines + 0.3), layout="constrained"
    )
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes in grid.flat[len(cases) :]:
        axes.set_axis_off()
    labels = list(dict.fromkeys(row.estimator.label for row in summary.rows))
    for axes, case in zip(grid.flat, cases, strict=False):
        chosen = [i for i, row in enumerate(summary.rows) if row.source == case.source]
        for position, label in enumerate(labels):
            rows = [summary.rows[i] for i in chosen if summary.rows[i].estimator.label == label]
            _draw_curve(axes, rows, label, position)
        _draw_bounds(axes, summary, chosen)
        _dress(
            axes,
            f"{case.source.label}\n{case.reference.quantity} = {case.reference.value:.6g} nats",
        )
    for axes in grid[:, 0]:
        axes.set_ylabel("mean absolute error (nats)")
    for axes in grid.flat[max(0, len(cases) - columns) : len(cases)]:
        axes.set_xlabel("samples n")
    _legend(figure, grid, f"95 % bands, {summary.run.params['trials']} trials")
    return figure


def estimate_vs_parameter(summary: Summary) -> Figure:
    """Draw mean estimates and the truth against the parameter that the run sweeps.

    At the largest n, with 95 % bands; a panel for each source, and for each setting of its other
    parameters. The parameter is that of the source with the most values.
    """
    panels = _panels(summary.run.cases)
    columns = min(len(panels), 3)
    lines = math.ceil(len(panels) / columns)
    figure = Figure(
        figsize=(_PANEL_INCHES * columns + 2.4, 3.9 * lines + 0.3), layout="constrained"
    )
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    largest = max(row.n for row in summary.rows)
    rows = [row for row in summary.rows if row.n == largest and row.mean is not None]
    labels = list(dict.fromkeys(row.estimator.label for row in rows))
    for axes, (title, swept, cases) in zip(grid.flat, panels, strict=False):
        at = {case.source: _number_at(case, swept) for case in cases}
        for position, label in enumerate(labels):
            chosen = [row for row in rows if row.estimator.label == label and row.source in at]
            _draw_estimates(axes, sorted(chosen, key=lambda row: at[row.source]), at, position)
        ordered = sorted(cases, key=lambda case: at[case.source])
        axes.plot(
            [at[case.source] for case in ordered],
            [case.reference.value for case in ordered],
            color="black",
            linestyle=(0, (4, 2)),
            linewidth=1.8,
            label="truth",
            zorder=4,
        )
        _dress_sweep(axes, title, swept, list(at.values()))
        axes.set_ylabel(f"{cases[0].reference.quantity} (nats)")
    _legend(figure, grid, f"n = {largest}, 95 % bands,\n{summary.run.params['trials']} trials")
    return figure


def _panels(cases: Sequence[Case]) -> list[tuple[str, str, list[Case]]]:
    """Return title, swept parameter and cases of each panel."""
    found: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        params = dict(case.source.params)
        same = [
            dict(other.source.params) for other in cases if other.source.name == case.source.name
        ]
        swept = max(_numbers(params), key=lambda name: len({other[name] for other in same}))
        rest = ",".join(f"{key}={value}" for key, value in params.items() if key != swept)
        found.setdefault((f"{case.source.name}[{rest}]", swept), []).append(case)
    return [(title, swept, group) for (title, swept), group in found.items()]


def _number_at(case: Case, name: str) -> float:
    value = dict(case.source.params)[name]
    return float(value) if isinstance(value, int | float) else math.nan


def _numbers(params: Mapping[str, Any]) -> list[str]:
    return [key for key, value in params.items() if isinstance(value, int | float)]


def _draw_estimates(axes: Axes, rows: list[Row], at: Mapping[Spec, float], position: int) -> None:
    color, marker = _STYLES[position % len(_STYLES)]
    if not rows:
        return
    x = [at[row.source] for row in rows]
    axes.plot(
        x,
        [row.mean or 0.0 for row in rows],
        color=color,
        marker=marker,
        markersize=5,
        linewidth=1.2,
        label=rows[0].estimator.label,
    )
    if all(row.bias_ci for row in rows):
        truth = [(row.mean or 0.0) - (row.bias or 0.0) for row in rows]
        ends = np.array([row.bias_ci for row in rows]).T + truth
        axes.fill_between(x, *ends, color=color, alpha=0.2, linewidth=0)


def _dress_sweep(axes: Axes, title: str, swept: str, values: list[float]) -> None:
    if min(values) > 0.0 and max(values) > 8.0 * min(values):
        axes.set_xscale("log")
        axes.set_xticks(sorted(set(values)), [f"{value:g}" for value in sorted(set(values))])
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(swept)
    axes.set_title(title, fontsize="medium", loc="left")
    axes.grid(which="major", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _legend(figure: Figure, grid: Any, title: str) -> None:
    """Name every line once, beside the panels."""
    entries: dict[str, Artist] = {}
    for axes in grid.flat:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside right upper",
        frameon=False,
        fontsize="small",
        title=title,
        title_fontsize="small",
        alignment="left",
    )


FIGURES: dict[str, Callable[[Summary], Figure]] = {
    "error-vs-n": error_vs_n,
    "estimate-vs-parameter": estimate_vs_parameter,
}


def _draw_curve(axes: Axes, rows: list[Row], label: str, position: int) -> None:
    color, marker = _STYLES[position % len(_STYLES)]
    above = 3.0 - 0.01 * position  # the first estimator lies on top
    drawn = [row for row in rows if row.mae]
    n = [row.n for row in drawn]
    mae = np.array([row.mae for row in drawn])
    axes.plot(
        n,
        mae,
        color=color,
        marker=marker,
        markersize=5,
        markeredgecolor="white",
        markeredgewidth=0.5,
        linewidth=1.4,
        label=label,
        zorder=above,
    )
    # A lower end of 0 has no place on a logarithmic axis: the band then ends a decade down.
    low = [max(row.mae_ci[0], 0.1 * row.mae) for row in drawn if row.mae_ci and row.mae]
    high = [row.mae_ci[1] for row in drawn if row.mae_ci]
    if len(low) == len(drawn):
        axes.fill_between(n, low, high, color=color, alpha=0.2, linewidth=0)


def _draw_bounds(axes: Axes, summary: Summary, chosen: list[int]) -> None:
    for name, (label, dashes) in _BOUND_STYLES.items():
        points = {
            summary.rows[i].n: summary.bounds[i].values[name]
            for i in chosen
            if summary.bounds[i].values.get(name, 0.0) > 0.0
            and name not in summary.bounds[i].vacuous
        }
        if points:
            n = sorted(points)
            values = [points[key] for key in n]
            marker = "_" if len(n) == 1 else None
            axes.plot(
                n, values, color=_GREY, linestyle=dashes, linewidth=1.2, marker=marker, label=label
            )


def _dress(axes: Axes, title: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(title, fontsize="medium", loc="left")
    axes.grid(which="major", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.yaxis.set_minor_locator(LogLocator(subs=range(2, 10)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
