"""The largest error over the sources against n."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entbench.report._worst_case import UPPER, WorstCase, worst_cases
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
    from matplotlib.figure import Figure

    from entbench.report._suite import Summary


def worst_error_vs_n(summary: Summary) -> Figure:
    """Draw each estimator's largest mean absolute error over the sources in the cube against n.

    One panel for each dimension and noise; beside it the minimax lower bound, and the upper bounds
    for the plug-in where they are not vacuous. Bands are 95 % confidence intervals of the mean
    absolute error on the worst source over the trials, cut at the frame.
    """
    facts = {case.source: case.facts for case in summary.run.cases}
    groups: dict[tuple[int, float], list[WorstCase]] = {}
    for found in worst_cases(summary.rows, facts, 0.95):
        groups.setdefault((found.dim, found.sigma), []).append(found)
    figure, grid = panels_for(max(1, len(groups)))
    labels = list(dict.fromkeys(row.estimator.label for row in summary.rows))
    for axes, ((dim, sigma), group) in zip(grid.flat, groups.items(), strict=False):
        for position, label in enumerate(labels):
            drawn = [w for w in group if w.row.estimator.label == label and w.row.mae]
            draw_with_band(
                axes,
                [w.row.n for w in drawn],
                [w.row.mae for w in drawn if w.row.mae],
                [w.row.mae_ci for w in drawn],
                label,
                position,
            )
        minimax = {float(w.row.n): w.minimax for w in group if w.minimax > 0.0}
        draw_bound(axes, minimax, "minimax ≥ (every estimator)", (0, (1, 1.5)))
        for name, theorem in UPPER.items():
            points = {
                float(w.row.n): w.upper[name]
                for w in group
                if w.upper.get(name, w.trivial + 1.0) <= w.trivial
                and w.row.estimator.facts.draws_per_component is None
            }
            draw_bound(axes, points, f"sp ≤ ({name})", (0, theorem.dash))
        dress_log_log(axes, f"d={dim}, sigma={sigma:g}: worst of {group[0].sources} sources")
    for axes in grid[:, 0]:
        axes.set_ylabel("largest mean absolute error (nats)")
    for axes in lowest(grid, len(groups)):
        axes.set_xlabel("samples n")
    add_legend(figure, grid, bands_legend("mean absolute error", summary.run.params["trials"]))
    return figure
