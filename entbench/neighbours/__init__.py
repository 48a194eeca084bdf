"""Nearest neighbours: exact distances, counts in balls, and the volume of a ball.

Every search for neighbours in entbench is done here.
"""

from entbench.neighbours._means import means_within
from entbench.neighbours._neighbours import (
    NORMS,
    check_neighbours,
    count_within,
    log_ball_volume,
    neighbour_distances,
)
from entbench.neighbours._ranks import RankedDistances, distances_at_ranks

__all__ = [
    "NORMS",
    "RankedDistances",
    "check_neighbours",
    "count_within",
    "distances_at_ranks",
    "log_ball_volume",
    "means_within",
    "neighbour_distances",
]
