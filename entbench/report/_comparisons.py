"""Means of trials compared by their ratio: how large it is, how sure, and what could be found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from entbench.report._contrasts import (
    Contrasts,
    Flags,
    Floats,
    error_of,
    over,
    satterthwaite,
    steps_found,
    two_sided,
)

# What rounding may move a value by, of max(1, |value|): more than a change of the order of sums
# does, and what the house allows before a version is raised.
ROUNDING = 1e-9

# Absolute differences that spread less than this, over their mean, have signs as chance gives them.
_SPREAD = 0.5


@dataclass(frozen=True)
class MeanRatios:
    """Ratios of mean absolute errors, theirs over ours.

    Attributes
    ----------
    contrasts : Contrasts
        The logarithms.
    relative : Contrasts
        The differences of the means over the mean of both, for averages: those of logarithms of
        skewed errors find too much.
    scatter : ndarray
        Standard error of a mean over the mean, of both together.
    likeness : ndarray
        Correlation of the two means; 0 where the trials are not paired.
    fewest : ndarray
        The least p-value that a small change can have with these trials.
    spread : bool array
        Whether paired differences spread as much as those of separate trials.
    few_values : bool array
        Whether values repeat.
    """

    contrasts: Contrasts
    relative: Contrasts
    scatter: Floats
    likeness: Floats
    fewest: Floats
    spread: Flags
    few_values: Flags

    def detectable(self, level: float) -> Floats:
        """Return the least true ratio that is found at a level in 80 % of runs.

        Infinite where none is with so many trials, NaN where values that are all alike tell
        nothing of it. The scatter is that of the trials, and uncertain with few: of normal and
        chi-square(1) errors, the median of what is stated is found, in one row and in one of 30, in
        55 to 85 and 44 to 58 % at 5 trials, 67 to 79 and 54 to 91 % at 10, 71 to 79 and 60 to 80 %
        at 20.
        """
        steps = steps_found(self.contrasts.freedom, level)
        by_roots = _found(0.5 * steps * self.scatter, self.likeness) ** 2
        # what signs cannot tell is told as of separate trials, or by the means themselves
        apart = _found(0.5 * steps * self.scatter, np.zeros_like(steps)) ** 2
        by_means = np.where(self.spread, _found(steps * self.scatter, self.likeness), np.inf)
        blind = self.fewest > level
        seen = np.where(blind, np.maximum(by_roots, np.minimum(apart, by_means)), by_roots)
        unknown = np.where(self.scatter == 0.0, np.nan, by_roots)
        return np.where(self.few_values, np.where(blind, np.inf, unknown), seen)


def mean_ratios(
    ours: Floats,
    theirs: Floats,
    *,
    paired: bool,
    least: float = 0.0,
    rounding: float = ROUNDING,
    near: float = 0.0,
    negligible: float = 0.0,
) -> MeanRatios:
    """Compare mean absolute errors, along the last axis of arrays of one shape but for it.

    Parameters
    ----------
    ours, theirs : ndarray of shape (..., trials)
        Errors with their signs; of the same trials where `paired`.
    paired : bool
        Whether both have the same samples at each trial.
    least : float
        What a smaller mean counts as.
    rounding, near : float
        Values no further apart are equal, and may be: their numerical errors.
    negligible : float
        A difference of means that is no larger is none.

    Notes
    -----
    The p-value is that of Student's t, or with Hall's transformation for skewness (Annals of
    Statistics 20, 1992; recalled, not checked) where that is larger, for the difference of the
    roots of the two means. Of the means themselves, the larger scatters more, and hides a large
    change; of their logarithms, skewed errors have p-values that are too small.

    Three things keep few trials from saying more than they can. Where values repeat, their scatter
    may be 0 by chance: the p-value is then that of the means too, if larger, and at least the share
    of the permutations of the trials as extreme as all in favour. Paired differences that are
    nearly alike, as those of a constant added to errors of either sign, have signs that chance
    gives: again a permutation's, unless separate trials would tell the change, or the errors are
    all of one sign by more than chance. And what is negligible has no verdict.

    The standard error is such that Student's t gives that p-value. So the interval excludes a ratio
    of 1 exactly where the p-value is below its level.
    """
    first, second = np.abs(ours), np.abs(theirs)
    means = [np.maximum(each.mean(axis=-1), max(least, _TINY)) for each in (first, second)]
    value = np.log(means[1] / means[0])
    if min(ours.shape[-1], theirs.shape[-1]) < 2:
        unknown = np.full(value.shape, np.nan)
        few = np.zeros(value.shape, np.bool_)
        one = Contrasts(value, unknown, unknown)
        return MeanRatios(one, one, unknown, unknown, unknown, few, few)
    roots = _roots((first, second), means, paired)
    near = max(near, rounding)
    floor = (
        _paired_floor(ours, theirs, means, rounding, near)
        if paired
        else _separate_floor(first, second, rounding, near)
    )
    chance = np.maximum(roots.chance, floor.chance)
    apart = second.mean(axis=-1) - first.mean(axis=-1)
    slight = np.abs(apart) <= negligible
    chance = np.where(slight, 1.0, chance)
    plain = _student(apart, _parts(first, second, paired))
    middle = 0.5 * (means[0] + means[1])
    floored = np.maximum(plain.chance, np.where(slight, 1.0, floor.chance))
    error = roots.error / (means[0] ** 0.25 * means[1] ** 0.25)
    scatter, likeness = _scatter(first, second, means, paired)
    return MeanRatios(
        Contrasts(value, error_of(value, error, chance, roots.freedom), roots.freedom),
        Contrasts(
            apart / middle,
            error_of(apart / middle, plain.error / middle, floored, plain.freedom),
            plain.freedom,
        ),
        scatter,
        likeness,
        floor.fewest,
        floor.spread,
        floor.few,
    )


def mean_differences(ours: Floats, theirs: Floats, paired: bool) -> Contrasts:
    """Compare means along the last axis by Student's t, for skewness as in `mean_ratios`."""
    value = theirs.mean(axis=-1) - ours.mean(axis=-1)
    if min(ours.shape[-1], theirs.shape[-1]) < 2:
        return Contrasts(value, np.full(value.shape, np.nan), np.full(value.shape, np.nan))
    found = _student(value, _parts(ours, theirs, paired))
    return Contrasts(
        value, error_of(value, found.error, found.chance, found.freedom), found.freedom
    )


_TINY = float(np.finfo(np.float64).tiny)


class _Test(NamedTuple):
    chance: Floats
    error: Floats
    freedom: Floats


class _Floor(NamedTuple):
    """What a p-value is at least: now, and of a small change; and why, as in `MeanRatios`."""

    chance: Floats
    fewest: Floats
    spread: Flags
    few: Flags


def _paired_floor(
    ours: Floats, theirs: Floats, means: list[Floats], rounding: float, near: float
) -> _Floor:
    first, second = np.abs(ours), np.abs(theirs)
    gaps = np.abs(second - first)
    sets = (first, second, gaps)
    few = np.any([_few(values, rounding, near) for values in sets], axis=0)
    plain = _plain(first, second, True)
    # each trial's difference might as well have the other sign
    signs = np.minimum(1.0, 2.0 ** (1.0 - np.sum(gaps > rounding, axis=-1)))
    apart = (first.max(axis=-1) < second.min(axis=-1)) | (second.max(axis=-1) < first.min(axis=-1))
    dealt = np.where(apart, np.minimum(signs, _least_share(first, second)), signs)
    small = np.minimum(signs, _biased(ours, theirs))
    natural = gaps.std(axis=-1, ddof=1) >= _SPREAD * gaps.mean(axis=-1)
    told = np.minimum(small, _roots((first, second), means, False).chance)
    told = np.where(natural, np.minimum(told, plain), told)
    return _Floor(
        np.where(few, np.maximum(plain, dealt), told),
        np.where(few, signs, small),
        natural,
        few,
    )


def _separate_floor(first: Floats, second: Floats, rounding: float, near: float) -> _Floor:
    few = _few(np.concatenate([first, second], axis=-1), rounding, near)
    least = np.where(few, _least_share(first, second), 0.0)
    chance = np.where(few, np.maximum(_plain(first, second, False), least), 0.0)
    return _Floor(chance, least, np.zeros_like(few), few)


def _plain(first: Floats, second: Floats, paired: bool) -> Floats:
    """Return the p-value of the difference of the means themselves."""
    value = second.mean(axis=-1) - first.mean(axis=-1)
    return _student(value, _parts(first, second, paired)).chance


def _roots(sides: tuple[Floats, Floats], means: list[Floats], paired: bool) -> _Test:
    """Test the difference of twice the roots of two means."""
    value = 2.0 * (np.sqrt(means[1]) - np.sqrt(means[0]))
    ours, theirs = (
        each / np.sqrt(mean)[..., None] for each, mean in zip(sides, means, strict=True)
    )
    return _student(value, _parts(ours, theirs, paired))


def _parts(first: Floats, second: Floats, paired: bool) -> list[Floats]:
    """Return independent sets of values whose means add up to the difference."""
    return [second - first] if paired else [second, -first]


def _student(value: Floats, parts: list[Floats]) -> _Test:
    variances = np.array([part.var(axis=-1, ddof=1) / part.shape[-1] for part in parts])
    error = np.sqrt(variances.sum(axis=0))
    shape = value.shape
    freedom = satterthwaite(
        variances, np.array([np.full(shape, part.shape[-1] - 1.0) for part in parts])
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        skewness = np.where(error > 0.0, sum(map(_third_cumulant, parts)) / error**3, 0.0)
    t = over(value, error)
    lean = np.where(value < 0.0, -skewness, skewness)  # as if the value were positive
    with np.errstate(invalid="ignore", over="ignore"):
        straight = np.where(
            lean == 0.0, t, t + lean * t**2 / 3.0 + lean**2 * t**3 / 27.0 + lean / 6.0
        )
    return _Test(two_sided(np.maximum(0.0, np.minimum(t, straight)), freedom), error, freedom)


def _third_cumulant(values: Floats) -> Floats:
    """Return that of the mean; 0 where there are too few values to tell."""
    count = values.shape[-1]
    if count < 3:
        return np.zeros(values.shape[:-1])
    centred = values - values.mean(axis=-1, keepdims=True)
    return np.asarray(np.mean(centred**3, axis=-1) / ((count - 1) * (count - 2)))


def _few(values: Floats, rounding: float, near: float) -> Flags:
    """Tell where values repeat, or half of them and more are near another."""
    steps = np.diff(np.sort(values, axis=-1), axis=-1)
    repeats = np.any(steps <= rounding, axis=-1)
    clusters = 1 + np.sum(steps > near, axis=-1)
    return np.asarray(repeats | (2 * clusters <= values.shape[-1]))


def _least_share(first: Floats, second: Floats) -> float:
    """Return the share of the two most extreme of all ways to deal the values out."""
    ours, theirs = first.shape[-1], second.shape[-1]
    return 2.0 * math.exp(gammaln(ours + 1) + gammaln(theirs + 1) - gammaln(ours + theirs + 1))


def _biased(ours: Floats, theirs: Floats) -> Floats:
    """Return the p-value of errors of both being of one sign by chance."""
    tests = [_student(each.mean(axis=-1), [each]).chance for each in (ours, theirs)]
    alike = ours.mean(axis=-1) * theirs.mean(axis=-1) > 0.0
    return np.where(alike, np.maximum(*tests), 1.0)


def _scatter(
    first: Floats, second: Floats, means: list[Floats], paired: bool
) -> tuple[Floats, Floats]:
    """Return the relative standard error of a mean, and how alike the two means scatter."""
    scaled = [each / mean[..., None] for each, mean in zip((first, second), means, strict=True)]
    squares = np.mean([each.var(axis=-1, ddof=1) / each.shape[-1] for each in scaled], axis=0)
    likeness = np.zeros(squares.shape)
    if paired:
        apart = (scaled[1] - scaled[0]).var(axis=-1, ddof=1) / first.shape[-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            likeness = np.where(squares > 0.0, np.clip(1.0 - 0.5 * apart / squares, -1.0, 1.0), 0.0)
    return np.sqrt(squares), likeness


def _found(steps: Floats, likeness: Floats) -> Floats:
    """Return x, maybe infinite, of (x - 1)^2 = steps^2 (1 + x^2 - 2 likeness x)."""
    left = 1.0 - steps**2
    middle = 1.0 - likeness * steps**2
    with np.errstate(divide="ignore", invalid="ignore"):
        root = (middle + np.sqrt(np.maximum(middle**2 - left**2, 0.0))) / left
    return np.asarray(np.where(left > 0.0, root, np.inf))
