"""Nearest-neighbour mutual information of discrete, continuous and mixed data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import digamma

from entbench._validation import check_choice
from entbench.estimators.kraskov import Local, NeighbourInformation
from entbench.neighbours import count_within, neighbour_distances

if TYPE_CHECKING:
    from entbench.estimators.kraskov import Floats

_VARIANTS = ("digamma", "log")


class MixedKSG(NeighbourInformation):
    """Mutual information by nearest neighbours, for laws with atoms and mixtures (Mixed KSG).

    ``log n + <psi(k_i) - psi(n_x + 1) - psi(n_y + 1)>``: with R_i the distance of sample i to its
    k-th neighbour in the joint space, n_x and n_y are how many other samples are nearer than R_i in
    X and in Y, and k_i is k. Where R_i is 0, n_x and n_y are how many others equal sample i in X
    and in Y, and k_i is how many do in both, itself among them. All distances are largest
    differences along an axis.

    Parameters
    ----------
    k : int, default=3
        Which neighbour, from 1 to n_samples - 1.
    variant : {"digamma", "log"}, default="digamma"
        The formula above, which is that of the authors' code; or that of their paper, with log in
        place of psi(n_x + 1) and psi(n_y + 1), n_x and n_y within R_i, not nearer.
    n_jobs : int or None, default=None
        Threads; -1 for all cores. None for as many as the environment sets: one in the workers of
        a suite. The result does not depend on it.

    Attributes
    ----------
    mutual_information_ : float
        Mutual information in nats. Never clipped.
    standard_error_ : float
        Standard deviation of the value from one sample to the next, in nats; see Notes.
    diagnostics_ : dict
        ``n_tied``: samples with k others at distance 0.

    Notes
    -----
    X and Y may be discrete (as numbers), continuous, or of a law with both atoms and a density.
    Where no distances are tied it is `ksg1` with log n in place of psi(n); where all have k others
    at distance 0 it is the plug-in, but for psi in place of log. Atoms with hardly more than k
    samples are the worst. The estimate of "log" is lower by about ``1/n_x + 1/n_y``, and by much
    where these are near k, as where X is discrete: -0.32 nats for X uniform on 5 numbers and Y on
    [X, X + 2], at n = 1000 and k = 3, where "digamma" is off by less than 0.01. X and Y are
    compared to each other in one distance: scale their columns to be alike, to which the
    information is indifferent and the estimate is not. In high dimension the estimate is low.

    Repeated samples need no other rule. Ties that come from rounding are taken for atoms, and tied
    distances above 0 keep the rank k, as in the authors' code: on numbers rounded to a grid about
    as wide as the distances the estimate is high by much, see `ksg1`, which has a rule for them.

    Cost: O(n log n) in few dimensions, towards O(n^2 dim) from about 10 on; memory O(n dim).

    Standard error: as of `KSG1`. Stated over actual, six joint laws, n = 300 and 2000, one to three
    dimensions: 0.81 to 1.21.

    References
    ----------
    Gao, Kannan, Oh & Viswanath, "Estimating mutual information for discrete-continuous mixtures",
    NIPS 2017, algorithm 1 (recalled, not checked), and the authors' code (read), where it differs.
    """

    def __init__(self, k: int = 3, variant: str = "digamma", n_jobs: int | None = None) -> None:
        super().__init__(k, n_jobs)
        self.variant = variant

    def check_parameters(self) -> None:
        """Raise where `k`, `variant` or `n_jobs` is out of range."""
        super().check_parameters()
        check_choice("variant", self.variant, _VARIANTS)

    def _terms(self, x: Floats, y: Floats, k: int) -> Local:
        joint = np.hstack([x, y])
        nearer = self.variant == "digamma"
        radii = neighbour_distances(joint, k, "linf", self.n_jobs)[:, -1]
        tied = radii == 0.0
        ranks = np.full(len(x), k)
        if tied.any():
            ranks[tied] = 1 + count_within(joint, radii, "linf", False, self.n_jobs)[tied]
        counts = [count_within(part, radii, "linf", nearer, self.n_jobs) for part in (x, y)]
        if nearer and tied.any():
            zeros = np.zeros(len(x))
            for part, count in zip((x, y), counts, strict=True):
                count[tied] = count_within(part, zeros, "linf", False, self.n_jobs)[tied]
        log = digamma if nearer else np.log
        terms = digamma(ranks) + np.log(len(x)) - sum(log(count + 1.0) for count in counts)
        n_tied = int(np.count_nonzero(tied))
        n_x, n_y = (count + 1 for count in counts)
        return Local(terms, n_tied, ranks, n_x, n_y, radii, radii)
