"""Distances between laws of inputs, and perturbations that move a law by a known distance.

What `entbench.bounds.tv_shift_bound`, `kl_shift_bound` and `wasserstein_shift_bound` take. Every
distance says what it is of: the rows that were given, or the laws that they are draws of.
"""

from entbench.shift._arguments import Distance
from entbench.shift._bit_flips import BitFlips, flip_law, flipped_law
from entbench.shift._divergence import kl_nearest_neighbours
from entbench.shift._metrics import (
    kl_divergence,
    kl_samples,
    number_rows,
    total_variation,
    total_variation_samples,
)
from entbench.shift._perturbations import AdditiveNoise, Rotation, Translation
from entbench.shift._perturbed import Facts, Perturbation, Perturbed, resample
from entbench.shift._reweighting import LabelSkew, Reweighting, Tilting
from entbench.shift._wasserstein import wasserstein

__all__ = [
    "AdditiveNoise",
    "BitFlips",
    "Distance",
    "Facts",
    "LabelSkew",
    "Perturbation",
    "Perturbed",
    "Reweighting",
    "Rotation",
    "Tilting",
    "Translation",
    "flip_law",
    "flipped_law",
    "kl_divergence",
    "kl_nearest_neighbours",
    "kl_samples",
    "number_rows",
    "resample",
    "total_variation",
    "total_variation_samples",
    "wasserstein",
]
