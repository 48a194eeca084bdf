"""Whether estimates from the same samples agree within a margin, differ, or neither is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench._base import Influences

Verdict = Literal["agree", "differ", "not known"]
LEVEL = 0.05
_ROUNDING = 1e-9


class Spread(NamedTuple):
    """How an estimate scatters over samples.

    Attributes
    ----------
    standard_error : float
        In nats, numerical error included; NaN if not known.
    numerical_error : float
        For these samples; 0 if there is none.
    n : int
        Number of samples.
    influences : Influences or None
        What single samples add, where the estimator tells.
    refits : ndarray of shape (groups,) or None
        Values without one group of rows each, where the standard error is from them.
    refit_rows : int
        Rows that the groups are made of.
    """

    standard_error: float
    numerical_error: float
    n: int
    influences: Influences | None = None
    refits: NDArray[np.float64] | None = None
    refit_rows: int = 0

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the standard error."""
        return max(1, (self.n if self.refits is None else len(self.refits)) - 1)


class Difference(NamedTuple):
    """The difference of two estimates from the same samples, in nats.

    Attributes
    ----------
    value, standard_error : float
        The first estimate less the second, and its scatter over samples.
    freedom : int
        Degrees of freedom of that.
    sides : int
        2 where both signs contradict; 1 where only a positive difference does; 0 where none does.
    """

    value: float
    standard_error: float
    freedom: int
    sides: int = 2

    @property
    def chance(self) -> float:
        """Probability of a contradiction at least as large where the true difference is 0."""
        if math.isnan(self.standard_error) or self.sides == 0:
            return 1.0
        size = abs(self.value) if self.sides == 2 else self.value
        if size <= _ROUNDING:
            return 1.0
        if self.standard_error == 0.0:
            return 0.0
        return min(1.0, self.sides * float(stdtr(self.freedom, -size / self.standard_error)))

    @property
    def most(self) -> float:
        """Upper limit of the size of the true difference: it is larger in at most 5 % of cases."""
        return abs(self.value) + float(stdtrit(self.freedom, 1.0 - LEVEL)) * self.standard_error

    @property
    def interval(self) -> tuple[float, float]:
        """Interval for the size of the true difference, at 95 %; its low end may be below 0."""
        arm = float(stdtrit(self.freedom, 1.0 - 0.5 * LEVEL)) * self.standard_error
        return abs(self.value) - arm, abs(self.value) + arm


def standard_error_of_difference(one: Spread, other: Spread) -> tuple[float, int]:
    """Return the standard error of a difference, and its degrees of freedom.

    Notes
    -----
    Estimates from the same samples err in common, and their difference scatters less than each.
    Where both estimators tell what single samples add, the variance is that of the differences of
    these, over n, and what either standard error has beyond them (numerical error, pairs of
    samples). Where both were refitted without the same groups of rows, it is the delete-a-group
    jackknife of the difference. Otherwise the sum of both standard errors, which no correlation
    exceeds.
    """
    if one.influences is not None and other.influences is not None:
        _, i, j = np.intersect1d(one.influences.rows, other.influences.rows, return_indices=True)
        if len(i) > 1:
            values = one.influences.values[i] - other.influences.values[j]
            drawn = one.influences.noise + other.influences.noise
            common = max(0.0, float(values.var(ddof=1)) - drawn) / one.n
            return math.sqrt(common + _rest(one) + _rest(other)), len(i) - 1
    if one.refits is not None and other.refits is not None:
        numerical = one.numerical_error**2 + other.numerical_error**2
        variance = grouped_variance(one.refits - other.refits, numerical)
        variance *= one.refit_rows / one.n
        return math.sqrt(variance + numerical), one.freedom
    return one.standard_error + other.standard_error, min(one.freedom, other.freedom)


def _rest(spread: Spread) -> float:
    """Return the variance that is in a standard error and not in the influences."""
    assert spread.influences is not None  # asked of such alone
    told = float(spread.influences.values.var(ddof=1)) - spread.influences.noise
    beyond = spread.standard_error**2 - max(0.0, told) / spread.n
    return max(spread.numerical_error**2, beyond)


def grouped_variance(values: NDArray[np.float64], numerical: float) -> float:
    """Return the delete-a-group jackknife's variance of a value.

    Parameters
    ----------
    values : ndarray of shape (groups,)
        The value without one group of rows each.
    numerical : float
        Mean variance of their numerical errors. What these add on average is subtracted, but at
        most half: where they make up more, chance would leave next to nothing.
    """
    groups = len(values)
    share = (groups - 1) / groups
    spread = share * float(((values - values.mean()) ** 2).sum())
    return spread - min(share**2 * groups * numerical, 0.5 * spread)


def contradictions(differences: Sequence[Difference]) -> list[bool]:
    """Return which differences are not 0: wrongly any of them in at most 5 % of cases (Holm)."""
    chances = [difference.chance for difference in differences]
    order = sorted(range(len(chances)), key=chances.__getitem__)
    found = [False] * len(chances)
    for rank, index in enumerate(order):
        if chances[index] > LEVEL / (len(chances) - rank):
            break
        found[index] = True
    return found


def verdict(differences: Sequence[Difference], margin: float) -> Verdict:
    """Return whether all differences are within a margin, some is not 0, or neither is known.

    Each must be shown to be within the margin by two one-sided tests at 5 %, so that "agree" is
    wrong in at most 5 % of cases. Differences that are not 0 and within the margin agree.
    """
    if all(difference.most <= margin for difference in differences):
        return "agree"
    return "differ" if any(contradictions(differences)) else "not known"
