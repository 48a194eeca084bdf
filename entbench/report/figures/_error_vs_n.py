"""Error against n."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entbench.report.figures._style import (
    add_legend,
    bands_legend,
    draw_bound,
    draw_with_band,
    dress_log_log,
    lowest,
    panels_for,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from entbench.report._suite import Summary


def error_vs_n(summary: Summary) -> Figure:
    """Draw mean absolute error against n, log-log: a line per estimator, bounds dashed.

    Bands are 95 % confidence intervals of the mean absolute error over the trials, cut at the
    frame. One panel for each setting of the source; in one where
    some error is below that of the truth, a line shows the latter.
    """
    cases = summary.run.cases
    figure, grid = panels_for(len(cases))
    labels = list(dict.fromkeys(row.estimator.label for row in summary.rows))
    for axes, case in zip(grid.flat, cases, strict=False):
        chosen = [i for i, row in enumerate(summary.rows) if row.source == case.source]
        for position, label in enumerate(labels):
            rows = [summary.rows[i] for i in chosen if summary.rows[i].estimator.label == label]
            drawn = [row for row in rows if row.mae]
            draw_with_band(
                axes,
                [row.n for row in drawn],
                [row.mae for row in drawn if row.mae],
                [row.mae_ci for row in drawn],
                label,
                position,
            )
        _draw_bounds(axes, summary, chosen)
        if any(summary.rows[i].at_reference_floor for i in chosen):
            floor = {float(summary.rows[i].n): case.reference.error for i in chosen}
            draw_bound(axes, floor, "error of the truth: below, nothing is known", "solid")
        title = f"{case.reference.quantity} = {case.reference.value:.6g} nats"
        dress_log_log(axes, f"{case.source.label}\n{title}")
    for axes in grid[:, 0]:
        axes.set_ylabel("mean absolute error (nats)")
    for axes in lowest(grid, len(cases)):
        axes.set_xlabel("samples n")
    add_legend(figure, grid, bands_legend("mean absolute error", summary.run.params["trials"]))
    return figure


def _draw_bounds(axes: Axes, summary: Summary, chosen: list[int]) -> None:
    for theorem in summary.theorems:
        points: dict[float, float] = {}
        for i in chosen:
            value = summary.bounds[i].values.get(theorem.name, 0.0)
            if value > 0.0 and theorem.name not in summary.bounds[i].vacuous:
                # of several estimators' bounds, that of the fine integral
                n = float(summary.rows[i].n)
                points[n] = min(value, points.get(n, value))
        draw_bound(axes, points, theorem.label, (0, theorem.dash))
