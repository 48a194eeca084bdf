"""Error against the time of a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from entbench._theorem import ESTIMATE
from entbench.report._fields import roles_of
from entbench.report._pareto import on_front
from entbench.report.figures._style import (
    GREY,
    add_legend,
    bands_legend,
    draw_intervals,
    draw_with_band,
    dress_log,
    lowest,
    panels_for,
    style_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from entbench.report._statistics import Row
    from entbench.report._suite import Summary

FRONT = "front: none as quick is better"


def error_vs_seconds(summary: Summary) -> Figure:
    """Draw mean absolute error against the mean time of a fit, log-log: a line per estimator.

    One panel for each setting of the source; a point for each n, with a bar that is the 95 %
    confidence interval of the error over the trials, cut at the frame. The dashed steps are the
    front of the estimates whose trials all have a value: none as quick is better. Bounds are drawn
    and marked, and never on it.
    """
    cases = summary.run.cases
    roles = roles_of(summary.run)
    figure, grid = panels_for(len(cases))
    for axes, case in zip(grid.flat, cases, strict=False):
        rows = [row for row in summary.rows if row.source == case.source and row.mae]
        timed = [row for row in rows if row.seconds]
        for position, (label, role) in enumerate(roles.items()):
            drawn = [row for row in timed if row.estimator.label == label]
            _draw_points(axes, drawn, label if role == ESTIMATE else f"{label} ({role})", position)
        estimates = [row for row in timed if roles[row.estimator.label] == ESTIMATE]
        _draw_front(axes, [row for row in estimates if not row.failed])
        axes.set_xscale("log")
        title = f"{case.reference.quantity} = {case.reference.value:.6g} nats"
        dress_log(axes, f"{case.source.label}\n{title}")
    for axes in grid[:, 0]:
        axes.set_ylabel("mean absolute error (nats)")
    for axes in lowest(grid, len(cases)):
        axes.set_xlabel("seconds of a fit")
    add_legend(
        figure, grid, bands_legend("mean absolute error", summary.run.params["trials"], "bars")
    )
    return figure


def _draw_points(axes: Axes, rows: Sequence[Row], label: str, position: int) -> None:
    """Draw an estimator's line from n to n; no band, as its time may scatter back and forth."""
    seconds = [row.seconds for row in rows if row.seconds]
    errors = [row.mae for row in rows if row.mae]
    draw_with_band(axes, seconds, errors, [None] * len(rows), label, position)
    ends = [(x, row.mae_ci) for x, row in zip(seconds, rows, strict=True)]
    known = [(x, ci) for x, ci in ends if ci is not None]
    if known:
        places, intervals = zip(*known, strict=True)
        draw_intervals(axes, places, intervals, style_of(position)[0])


def _draw_front(axes: Axes, rows: Sequence[Row]) -> None:
    if not rows:
        return
    seconds = np.array([row.seconds for row in rows], np.float64)
    errors = np.array([max(row.mae or 0.0, row.reference_error) for row in rows])
    points = sorted(zip(seconds, errors, on_front(seconds, errors), strict=True))
    front = [(time, error) for time, error, on in points if on]
    axes.plot(
        [time for time, _ in front],
        [error for _, error in front],
        color=GREY,
        linestyle=(0, (5, 2)),
        linewidth=1.0,
        drawstyle="steps-post",
        label=FRONT,
        zorder=1.5,
    )
