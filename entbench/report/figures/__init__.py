"""Figures of a run, drawn from its summary alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from entbench._validation import unknown_name
from entbench.report.figures._debate import information_debate
from entbench.report.figures._error_vs_n import error_vs_n
from entbench.report.figures._error_vs_seconds import error_vs_seconds
from entbench.report.figures._estimate_vs_parameter import estimate_vs_parameter
from entbench.report.figures._few_points import single_neuron, two_neuron
from entbench.report.figures._images import (
    binned_entropy,
    cosine_similarity,
    errors_vs_epoch,
    pair_distances,
)
from entbench.report.figures._in_training import clusters, information_vs_epoch
from entbench.report.figures._integration_vs_n import integration_vs_n
from entbench.report.figures._plane import (
    information_plane,
    plane_histograms,
    plane_stopping,
    plane_training,
)
from entbench.report.figures._pruning import pruning_accuracy, pruning_planes
from entbench.report.figures._samples_vs_dimension import samples_vs_dimension
from entbench.report.figures._shift import information_under_shift, shift_bounds
from entbench.report.figures._style import as_written
from entbench.report.figures._worst_error_vs_n import worst_error_vs_n

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from entbench._base import ExperimentResult
    from entbench.report._suite import Summary

FIGURES: dict[str, Callable[[Summary], Figure]] = {
    name: as_written(draw)
    for name, draw in {
        "error-vs-n": error_vs_n,
        "error-vs-seconds": error_vs_seconds,
        "estimate-vs-parameter": estimate_vs_parameter,
        "integration-vs-n": integration_vs_n,
        "samples-vs-dimension": samples_vs_dimension,
        "worst-error-vs-n": worst_error_vs_n,
    }.items()
}

_Draw = Callable[[Sequence["ExperimentResult"]], "Figure"]

EXPERIMENT_FIGURES: dict[str, _Draw] = {
    name: as_written(draw)
    for name, draw in {
        "binned-entropy": binned_entropy,
        "clusters": clusters,
        "cosine-similarity": cosine_similarity,
        "errors-vs-epoch": errors_vs_epoch,
        "information-debate": information_debate,
        "information-plane": information_plane,
        "information-under-shift": information_under_shift,
        "information-vs-epoch": information_vs_epoch,
        "pair-distances": pair_distances,
        "plane-histograms": plane_histograms,
        "plane-stopping": plane_stopping,
        "plane-training": plane_training,
        "pruning-accuracy": pruning_accuracy,
        "pruning-planes": pruning_planes,
        "shift-bounds": shift_bounds,
        "single-neuron": single_neuron,
        "two-neuron": two_neuron,
    }.items()
}


def named_figures(figures: Iterable[str | _Draw]) -> dict[str, _Draw]:
    """Return the figures of an experiment by name; a function is called by its own."""
    found: dict[str, _Draw] = {}
    for figure in figures:
        if isinstance(figure, str):
            found[figure] = EXPERIMENT_FIGURES.get(figure) or _unknown(figure)
        else:
            name = getattr(figure, "__name__", type(figure).__name__).strip("_")
            found[name.replace("_", "-")] = as_written(figure)
    return found


def _unknown(name: str) -> _Draw:
    def draw(results: Sequence[ExperimentResult]) -> Figure:
        raise ValueError(unknown_name("figure", name, EXPERIMENT_FIGURES))

    return draw
