"""Estimates against a parameter of the source."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import NullLocator

from entbench.report._capacity import upper_bounds
from entbench.report.figures._style import (
    GREY,
    add_legend,
    bands_legend,
    panels_for,
    style_of,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from entbench._records import Case, Spec
    from entbench.report._statistics import Row
    from entbench.report._suite import Summary

_CAPACITIES = {"peak-limited": (0, (3, 2)), "power-limited": (0, (1, 1.5))}


def estimate_vs_parameter(summary: Summary) -> Figure:
    """Draw mean estimates and the truth against the parameter that the run sweeps.

    At the largest n; bands are 95 % confidence intervals of the mean over the trials. A panel for
    each source that is swept, and for each setting of its other parameters. The parameter is that
    of the source with the most values. Where the truth is I(S;S+Z), the capacities of the channel
    stand beside it.
    """
    panels = _panels(summary.run.cases)
    figure, grid = panels_for(len(panels))
    largest = max(row.n for row in summary.rows)
    rows = [row for row in summary.rows if row.n == largest and row.mean is not None]
    labels = list(dict.fromkeys(row.estimator.label for row in rows))
    for axes, (title, swept, cases) in zip(grid.flat, panels, strict=False):
        at = {case.source: _number_at(case, swept) for case in cases}
        for position, label in enumerate(labels):
            chosen = [row for row in rows if row.estimator.label == label and row.source in at]
            _draw_estimates(axes, sorted(chosen, key=lambda row: at[row.source]), at, position)
        _draw_truth(axes, cases, at)
        _dress_sweep(axes, title, swept, list(at.values()))
        axes.set_ylabel(f"{cases[0].reference.quantity} (nats)")
    words = bands_legend("mean estimate", summary.run.params["trials"])
    add_legend(figure, grid, f"n = {largest}; {words}")
    return figure


def _draw_truth(axes: Axes, cases: Sequence[Case], at: Mapping[Spec, float]) -> None:
    ordered = sorted(cases, key=lambda case: at[case.source])
    x = [at[case.source] for case in ordered]
    truth = [case.reference.value for case in ordered]
    axes.plot(
        x, truth, color="black", linestyle=(0, (4, 2)), linewidth=1.8, label="truth", zorder=4
    )
    if ordered[0].reference.quantity == "h(S+Z)":
        return
    limits = [upper_bounds(case.facts) if case.facts else {} for case in ordered]
    for name, dashes in _CAPACITIES.items():
        if all(name in limit for limit in limits):
            y = [limit[name] for limit in limits]
            label = f"{name} capacity"
            axes.plot(x, y, color=GREY, linestyle=dashes, linewidth=1.2, label=label)


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
    panels = [(title, swept, group) for (title, swept), group in found.items()]
    return [panel for panel in panels if len(panel[2]) > 1] or panels


def _number_at(case: Case, name: str) -> float:
    value = dict(case.source.params)[name]
    return float(value) if isinstance(value, int | float) else math.nan


def _numbers(params: Mapping[str, Any]) -> list[str]:
    return [key for key, value in params.items() if isinstance(value, int | float)]


def _draw_estimates(axes: Axes, rows: list[Row], at: Mapping[Spec, float], position: int) -> None:
    color, marker = style_of(position)
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
    axes.set_title(wrapped(title), fontsize="medium", loc="left")
    axes.grid(which="major", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
