"""Contrasts with their errors: p-values, intervals, averages, and many tests at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, nctdtrinc, stdtr, stdtrit

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# The chance that any verdict of a table is wrong where nothing differs.
FAMILY = 0.05
# How often the detectable ratio is found.
POWER = 0.8
# Two runs on one machine: standard deviations of the logarithm of a factor that all times of a run
# share, and of one that those of a row do. A shared factor beyond `MOST_SHARED` is the code's.
SHARED, OWN = 0.1, 0.03
MOST_SHARED = 2.0 * SHARED

# A p-value that tells nothing.
_NOTHING = 0.5


class Contrasts(NamedTuple):
    """Logarithms of ratios, with their errors; arrays of one shape.

    Attributes
    ----------
    value : ndarray
        The logarithm of a ratio.
    error : ndarray
        Its standard error; NaN with one trial.
    freedom : ndarray
        Degrees of freedom of the error.
    """

    value: Floats
    error: Floats
    freedom: Floats

    def take(self, items: Sequence[int]) -> Contrasts:
        """Return those of some items among each other, of contrasts of all pairs."""
        return Contrasts(*(part[np.ix_(items, items)] for part in self))

    def chances(self) -> Floats:
        """Return two-sided p-values by Student's t; 1 where no error is known."""
        return two_sided(over(self.value, self.error), self.freedom)

    def limits(self, level: float) -> tuple[Floats, Floats]:
        """Return intervals that exclude 0 where the p-value is below `level`; NaN without error."""
        half = _quantile(self.freedom, level) * self.error
        return self.value - half, self.value + half


def with_chance(found: Contrasts, least: float) -> Contrasts:
    """Return the contrasts with errors so large that no p-value is below `least`."""
    chance = np.maximum(found.chances(), least)
    return found._replace(error=error_of(*found[:2], chance, found.freedom))


def average(contrasts: list[Contrasts]) -> Contrasts:
    """Return the means of independent contrasts."""
    count = len(contrasts)
    variances = np.array([(each.error / count) ** 2 for each in contrasts])
    return Contrasts(
        np.mean([each.value for each in contrasts], axis=0),
        np.sqrt(variances.sum(axis=0)),
        satterthwaite(variances, np.array([each.freedom for each in contrasts])),
    )


def without_shared(times: Contrasts, level: float) -> tuple[Contrasts, float]:
    """Take from logarithms of ratios of times what a whole run shares; return that too.

    A machine that is busy, or hot, makes all fits of a run slower, which no scatter of trials
    shows. The shared factor is estimated by the median of all rows, drawn to 1 as if it scattered
    by 10 % from run to run, and is at most 1.22: beyond that it is the code's. Its error is part
    of each row's, as is 3 % by which a row's times differ from run to run, or more where the rows
    scatter about the median by more than their trials explain. At `level` the squares of the
    intervals' parts add up: the degrees of freedom of their sum are not known from few trials.
    """
    known = np.isfinite(times.error)
    count = int(known.sum())
    if not count:
        return times, 0.0
    values, errors = times.value[known], times.error[known]
    middle = float(np.median(values))
    spread = (1.4826 * float(np.median(np.abs(values - middle)))) ** 2
    own = max(OWN**2, spread - float(np.median(errors**2)))
    # pi / 2 of the variance of a mean
    of_middle = 0.5 * math.pi * max(spread, own) / (count - 1) if count > 1 else math.inf
    weight = SHARED**2 / (SHARED**2 + of_middle)
    shared = float(np.clip(weight * middle, -MOST_SHARED, MOST_SHARED)) if weight else 0.0
    beside = own + SHARED**2 * (1.0 - weight)
    smaller = float(_quantile(np.array(np.inf), level)) / _quantile(times.freedom, level)
    error = np.sqrt(times.error**2 + smaller**2 * beside)
    return Contrasts(times.value - shared, error, times.freedom), shared


def detectable_factors(contrasts: Contrasts, level: float) -> Floats:
    """Return the least true factors that are found at a level in 80 % of runs."""
    steps = steps_found(contrasts.freedom, level) * contrasts.error
    return np.asarray(np.exp(np.minimum(steps, 700.0)))


def holm(chances: Floats, remaining: Floats | None = None) -> Flags:
    """Tell which p-values Holm's procedure rejects at 5 % over all.

    Parameters
    ----------
    chances : ndarray of shape (tests,)
        The p-values.
    remaining : ndarray of shape (tests,), optional
        How many hypotheses may still be true when so many are rejected, from 0 on; by default all
        others.
    """
    left = np.arange(len(chances), 0, -1) if remaining is None else remaining
    order = np.argsort(chances, kind="stable")
    failing = np.flatnonzero(chances[order] > FAMILY / left)
    rejected = np.zeros(len(chances), np.bool_)
    rejected[order[: failing[0] if len(failing) else len(chances)]] = True
    return rejected


def equalities_left(items: int) -> Floats:
    """Return how many pairs of items may still be equal when so many are not, from 0 on.

    If one of the three pairs of three items differs, one other may be equal, and not both
    (Shaffer, JASA 1986; recalled, not checked).
    """
    sums: list[set[int]] = [{0}]
    for count in range(1, items + 1):
        sums.append({math.comb(k, 2) + c for k in range(1, count + 1) for c in sums[count - k]})
    possible = np.array(sorted(sums[items]))
    most = np.arange(math.comb(items, 2), 0, -1)
    left = possible[np.searchsorted(possible, most, side="right") - 1]
    return np.maximum(1.0, left.astype(np.float64))


def satterthwaite(variances: Floats, freedom: Floats) -> Floats:
    """Return the degrees of freedom of sums of variances, along the first axis."""
    squares = np.sum(variances**2 / freedom, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = variances.sum(axis=0) ** 2 / squares
    return np.asarray(np.where(squares > 0.0, found, freedom.sum(axis=0)))


def over(value: Floats, error: Floats) -> Floats:
    """Return how many errors a value is from 0, which itself is 0 of them."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(value == 0.0, 0.0, np.abs(value) / error))


def two_sided(t: Floats, freedom: Floats) -> Floats:
    """Return p-values by Student's t; 1 where t is not known."""
    chance = np.minimum(1.0, 2.0 * stdtr(freedom, -np.abs(t)))
    return np.asarray(np.where(np.isnan(chance), 1.0, chance))


def _quantile(freedom: Floats, level: float) -> Floats:
    return np.asarray(stdtrit(freedom, 1.0 - 0.5 * level))


def error_of(value: Floats, error: Floats, chance: Floats, freedom: Floats) -> Floats:
    """Return the standard error of which Student's t gives a p-value, if it tells anything."""
    told = np.abs(value) / stdtrit(freedom, 1.0 - 0.5 * np.minimum(chance, _NOTHING))
    return np.asarray(np.where(chance < _NOTHING, told, np.maximum(error, told)))


def steps_found(freedom: Floats, level: float) -> Floats:
    """Return how many standard errors a change is that Student's t finds in 80 % of runs.

    Of the standard errors found in half of the runs: those of few trials are mostly too small.
    """
    usual = np.sqrt(chdtri(freedom, 0.5) / freedom)
    return np.asarray(nctdtrinc(freedom, 1.0 - POWER, _quantile(freedom, level)) / usual)
