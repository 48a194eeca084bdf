"""Figures of a run, drawn from its summary alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from entbench.report.figures._error_vs_n import error_vs_n
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
from entbench.report.figures._samples_vs_dimension import samples_vs_dimension
from entbench.report.figures._worst_error_vs_n import worst_error_vs_n

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from entbench._base import ExperimentResult
    from entbench.report._suite import Summary

FIGURES: dict[str, Callable[[Summary], Figure]] = {
    "error-vs-n": error_vs_n,
    "estimate-vs-parameter": estimate_vs_parameter,
    "integration-vs-n": integration_vs_n,
    "samples-vs-dimension": samples_vs_dimension,
    "worst-error-vs-n": worst_error_vs_n,
}

EXPERIMENT_FIGURES: dict[str, Callable[[Sequence[ExperimentResult]], Figure]] = {
    "binned-entropy": binned_entropy,
    "clusters": clusters,
    "cosine-similarity": cosine_similarity,
    "errors-vs-epoch": errors_vs_epoch,
    "information-vs-epoch": information_vs_epoch,
    "pair-distances": pair_distances,
    "single-neuron": single_neuron,
    "two-neuron": two_neuron,
}
