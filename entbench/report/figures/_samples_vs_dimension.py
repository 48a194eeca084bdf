"""Samples needed for an error against the dimension."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator

from entbench.report._complexity import Needed, Setting, exponents, samples_needed, setting_labels
from entbench.report._format import NO_LINE
from entbench.report._tables import error_asked
from entbench.report.figures._style import (
    add_legend,
    bands_legend,
    draw_bound,
    draw_with_band,
    dress_log,
    lowest,
    panels_for,
    style_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from entbench.report._statistics import Slope
    from entbench.report._suite import Summary


def samples_vs_dimension(summary: Summary) -> Figure:
    """Draw the samples that each estimator needs for the suite's error against the dimension.

    One panel for each source; a line goes through what was measured, beside its slope in bits per
    dimension, and an arrow says that the n of the run did not do. Beside it Theorem 6 (below it the
    plug-in's bias is larger than the error) and the order of Theorem 3, without its constant.
    Bands are 95 % confidence intervals of the samples, cut at the frame.
    """
    error = error_asked(summary.run)
    facts = {case.source: case.facts for case in summary.run.cases}
    found = list(samples_needed(summary.rows, facts, error))
    settings = setting_labels(found)
    slopes = exponents(found)
    figure, grid = panels_for(max(1, len(settings)))
    labels = list(dict.fromkeys(row.estimator.label for row in summary.rows))
    for axes, (setting, name) in zip(grid.flat, settings.items(), strict=False):
        here = [each for each in found if each.setting == setting]
        for position, label in enumerate(labels):
            slope = slopes.get((label, setting))
            _draw(axes, [e for e in here if e.row.estimator.label == label], slope, position)
        six = {float(e.dim): math.exp(e.theorem_6) for e in here if e.theorem_6 is not None}
        draw_bound(axes, six, "sp needs more than (Theorem 6)", (0, (3, 2)))
        three = {float(e.dim): math.exp(e.order_theorem_3) for e in here}
        draw_bound(axes, three, "order of Theorem 3, no constant", (0, (1, 1.5)))
        dress_log(axes, _title(setting, name))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(x=0.14)  # room for the slopes
    for axes in grid[:, 0]:
        axes.set_ylabel(f"samples for an error of {error:g} nats")
    for axes in lowest(grid, len(settings)):
        axes.set_xlabel("dimension d")
    add_legend(figure, grid, bands_legend("samples", summary.run.params["trials"]))
    return figure


def _title(setting: Setting, name: str) -> str:
    sigma = dict(setting[1]).get("sigma")
    return name if "sigma=" in name or sigma is None else f"{name}, sigma={sigma:g}"


def _draw(axes: Axes, found: list[Needed], slope: Slope | None, position: int) -> None:
    color = style_of(position)[0]
    known = sorted((each for each in found if not each.censored), key=lambda each: each.dim)
    if known:
        draw_with_band(
            axes,
            [each.dim for each in known],
            [each.n for each in known],
            [each.interval for each in known],
            known[0].row.estimator.label,
            position,
        )
    if slope is not None:
        axes.annotate(
            f"{slope.slope:.2f} bits" if slope.is_line else NO_LINE,
            (known[-1].dim, known[-1].n),
            xytext=(6, -3),
            textcoords="offset points",
            color=color,
            fontsize="small",
        )
    for each in found:
        if each.censored:
            marker = "$\\uparrow$" if each.censored == ">" else "$\\downarrow$"
            axes.plot([each.dim], [each.n], color=color, marker=marker, markersize=9, linewidth=0)
