"""The bounds on the plug-in's error, inverted: which n, or which sigma, brings an error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from entbench._base import SourceFacts
from entbench._theorem import Theorem
from entbench._validation import check_choice, check_integer, check_positive
from entbench.bounds import THEOREMS
from entbench.planner._inversion import smallest_n, smallest_sigma

Kind = Literal["sufficient", "bias only", "necessary", "predicted"]

_LOWEST_SIGMA, _HIGHEST_SIGMA, _STEPS = 1e-6, 1e6, 60


@dataclass(frozen=True)
class Bound:
    """A bound on the plug-in's error in terms of n, dimension and sigma, for S in [-1, 1]^dim.

    Attributes
    ----------
    kind : {"sufficient", "bias only", "necessary"}
        Whether the error is at most the bound for every S in the cube; whether that is said of the
        bias alone; or whether some S has at least that error.
    about : str
        What it is, for people.
    error_at : callable
        ``(n, dim, sigma) -> nats``, not increasing in n, nor in sigma but for "necessary".
    largest_n : int
        Where the search for n ends.
    """

    kind: Kind
    about: str
    error_at: Callable[[int, int, float], float]
    largest_n: int = 10**300


def _kind(theorem: Theorem) -> Kind:
    if theorem.side == "lower":
        return "necessary"
    return "bias only" if theorem.statistic == "bias" else "sufficient"


def _error_at(theorem: Theorem) -> Callable[[int, int, float], float]:
    def error_at(n: int, dim: int, sigma: float) -> float:
        value = theorem.function(n, SourceFacts(dim, sigma, in_unit_cube=True))
        return math.inf if value is None else value

    return error_at


BOUNDS: dict[str, Bound] = {
    theorem.planned: Bound(_kind(theorem), theorem.about, _error_at(theorem), theorem.largest_n)
    for theorem in THEOREMS.values()
    if theorem.planned
}


def samples_needed(error: float, *, dim: int, sigma: float, bound: str = "risk") -> float:
    """Return the smallest n at which a bound on the plug-in's error is at most `error`.

    Parameters
    ----------
    error : float
        Error in nats, > 0.
    dim : int
        Dimension of S, which lies in the cube [-1, 1]^dim.
    sigma : float
        Standard deviation of the noise.
    bound : {"risk", "theorem-4", "bias", "worst-case-bias"}
        Which of `BOUNDS`. "worst-case-bias" gives the n below which some S in the cube has a larger
        error; the others an n that is enough for all, "bias" where only the bias counts.

    Returns
    -------
    float
        A whole number, exact to 1e6, beyond to 1e-6 of itself and never too small; inf where it is
        above 1e300, or above 1e9 for "worst-case-bias".

    Notes
    -----
    The bounds do not increase in n, and are inverted by bisection in log n. Remark 1 of Goldfeld et
    al. (2019) asks this of Theorem 4 alone.

    Cost: some 40 evaluations of the bound. "worst-case-bias" takes seconds below sigma = 0.05, as
    it runs over 4/sigma grids.

    References
    ----------
    See `entbench.bounds`.
    """
    error, dim = check_positive("error", error), check_integer("dim", dim, minimum=1)
    sigma = check_positive("sigma", sigma)
    check_choice("bound", bound, BOUNDS)
    chosen = BOUNDS[bound]
    return smallest_n(lambda n: chosen.error_at(n, dim, sigma), error, chosen.largest_n)


def sigma_needed(error: float, *, dim: int, n: int, bound: str = "risk") -> float:
    """Return the smallest sigma at which a bound on the plug-in's error is at most `error`.

    Parameters
    ----------
    error : float
        Error in nats, > 0.
    dim : int
        Dimension of S, which lies in the cube [-1, 1]^dim.
    n : int
        Number of samples.
    bound : {"risk", "theorem-4", "bias"}
        Which of `BOUNDS`: one that holds for every S in the cube.

    Returns
    -------
    float
        Between 1e-6 and 1e6; inf where no such sigma does.

    Notes
    -----
    More noise makes the plug-in's task easier: the bounds do not increase in sigma. "theorem-4"
    falls with it to a level of n's own, and no sigma brings less.

    Cost: some 60 evaluations of the bound.

    References
    ----------
    See `entbench.bounds`.
    """
    error, dim = check_positive("error", error), check_integer("dim", dim, minimum=1)
    n = check_integer("n", n, minimum=1)
    check_choice("bound", bound, [name for name, b in BOUNDS.items() if b.kind != "necessary"])
    chosen = BOUNDS[bound]
    return smallest_sigma(
        lambda sigma: chosen.error_at(n, dim, sigma), error, _LOWEST_SIGMA, _HIGHEST_SIGMA, _STEPS
    )
