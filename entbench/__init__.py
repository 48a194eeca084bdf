"""Benchmarks of estimators of differential entropy: the public names.

Names are loaded on first use, so that ``import entbench`` (and ``entbench --help``) stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from entbench._base import (
        Claim,
        EntropyEstimator,
        EntropyResult,
        Experiment,
        ExperimentResult,
        Interval,
        MutualInformationEstimator,
        MutualInformationResult,
        Pairs,
        PairSource,
        Reference,
        ReferenceCheck,
        Source,
        SourceFacts,
    )
    from entbench._functional import estimate_entropy, estimate_mutual_information
    from entbench._registry import (
        register_estimator,
        register_experiment,
        register_source,
        register_theorem,
    )
    from entbench._theorem import EstimatorFacts
    from entbench._validation import check_pairs, check_samples
    from entbench.runner import run_suite

__version__ = "0.1.0"

_HOMES = {
    "Claim": "entbench._base",
    "EntropyEstimator": "entbench._base",
    "EntropyResult": "entbench._base",
    "EstimatorFacts": "entbench._theorem",
    "Experiment": "entbench._base",
    "ExperimentResult": "entbench._base",
    "Interval": "entbench._base",
    "MutualInformationEstimator": "entbench._base",
    "MutualInformationResult": "entbench._base",
    "PairSource": "entbench._base",
    "Pairs": "entbench._base",
    "Reference": "entbench._base",
    "ReferenceCheck": "entbench._base",
    "Source": "entbench._base",
    "SourceFacts": "entbench._base",
    "check_pairs": "entbench._validation",
    "check_samples": "entbench._validation",
    "estimate_entropy": "entbench._functional",
    "estimate_mutual_information": "entbench._functional",
    "register_estimator": "entbench._registry",
    "register_experiment": "entbench._registry",
    "register_source": "entbench._registry",
    "register_theorem": "entbench._registry",
    "run_suite": "entbench.runner",
}

__all__ = [
    "Claim",
    "EntropyEstimator",
    "EntropyResult",
    "EstimatorFacts",
    "Experiment",
    "ExperimentResult",
    "Interval",
    "MutualInformationEstimator",
    "MutualInformationResult",
    "PairSource",
    "Pairs",
    "Reference",
    "ReferenceCheck",
    "Source",
    "SourceFacts",
    "__version__",
    "check_pairs",
    "check_samples",
    "estimate_entropy",
    "estimate_mutual_information",
    "register_estimator",
    "register_experiment",
    "register_source",
    "register_theorem",
    "run_suite",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'entbench' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
