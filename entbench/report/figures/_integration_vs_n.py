"""Squared error of Monte Carlo integration against the number of draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entbench.report._integration import IntegrationError, integration_errors
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

_DASHES = {"d/(n n_MC)": (0, (6, 2)), "(20)": (0, (3, 2)), "(21)": (0, (1, 1.5))}


def integration_vs_n(summary: Summary) -> Figure:
    """Draw the mean squared error of the integration alone against the draws n n_MC.

    One panel for each setting of the source; a line for each n_MC, and the three bounds. Bands are
    95 % confidence intervals of the mean over the trials, cut at the frame.
    """
    cases = summary.run.cases
    facts = {case.source: case.facts for case in cases}
    found = list(integration_errors(summary.rows, facts, 0.95))
    figure, grid = panels_for(len(cases))
    labels = list(dict.fromkeys(each.row.estimator.label for each in found))
    for axes, case in zip(grid.flat, cases, strict=False):
        here = [each for each in found if each.row.source == case.source]
        for position, label in enumerate(labels):
            drawn = [each for each in here if each.row.estimator.label == label and each.mse > 0.0]
            draw_with_band(
                axes,
                [_draws(each) for each in drawn],
                [each.mse for each in drawn],
                [(each.low, each.high) for each in drawn],
                label,
                position,
            )
        for name, dashes in _DASHES.items():
            points = {_draws(each): each.bounds[name] for each in here if name in each.bounds}
            draw_bound(axes, points, f"≤ {name}", dashes)
        dress_log_log(axes, case.source.label)
    for axes in grid[:, 0]:
        axes.set_ylabel("squared error of the integral (nats²)")
    for axes in lowest(grid, len(cases)):
        axes.set_xlabel("draws n n_MC")
    add_legend(figure, grid, bands_legend("mean squared error", summary.run.params["trials"]))
    return figure


def _draws(each: IntegrationError) -> float:
    return float(each.row.n * each.draws)
