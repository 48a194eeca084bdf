"""Ranks by error, and how sure they are, by tests of all pairs; in equal time by bootstrap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from entbench._records import digest
from entbench.report._comparisons import mean_ratios
from entbench.report._contrasts import Contrasts, equalities_left, holm, with_chance

CONFIDENCE = 0.95
RESAMPLES = 2000
# what a mean counts as that is 0: it has no logarithm
TINY = float(np.finfo(np.float64).tiny)
_LOG_TINY = math.log(TINY)

Floats = NDArray[np.float64]
Ranks = NDArray[np.int64]


@dataclass(frozen=True)
class LogMeans:
    """Logarithms of means over trials, and of the same in resampled runs.

    Attributes
    ----------
    logs : ndarray of shape (items,)
        Of the run itself.
    resampled : ndarray of shape (RESAMPLES, items)
        Of the resampled runs; copies of `logs` where there is one trial.
    """

    logs: Floats
    resampled: Floats

    def take(self, items: Sequence[int]) -> LogMeans:
        """Return those of some items, in the order given."""
        chosen = list(items)
        return LogMeans(self.logs[chosen], self.resampled[:, chosen])


def resampling(trials: int, of: dict[str, Any]) -> Floats:
    """Return how often each trial is drawn in each resampled run, over the number of trials.

    Parameters
    ----------
    trials : int
        How many there are.
    of : dict
        Whose trials, as plain values: the seed, so that the same trials are resampled alike
        whatever else a run holds.
    """
    rng = np.random.default_rng(int(digest(of)[:16], 16))
    return rng.multinomial(trials, np.full(trials, 1.0 / trials), size=RESAMPLES) / trials


def log_means(values: Floats, weights: Floats, floor: float = 0.0) -> LogMeans:
    """Return the logarithms of the means of rows, with those of resampled runs.

    Parameters
    ----------
    values : ndarray of shape (items, trials)
        Not negative.
    weights : ndarray of shape (RESAMPLES, trials)
        Of `resampling`.
    floor : float
        What a smaller mean counts as.
    """
    least = math.log(max(floor, TINY))
    own, resampled = (
        np.log(np.maximum(m, TINY)) for m in (values.mean(axis=1), weights @ values.T)
    )
    return LogMeans(np.maximum(own, least), np.maximum(resampled, least))


def ranks_of(values: Floats) -> Ranks:
    """Return the rank of each along the last axis: 1 for the least; equals share the better one."""
    better = values[..., None, :] < values[..., :, None]
    return np.asarray(1 + better.sum(axis=-1, dtype=np.int64))


class Pairs(NamedTuple):
    """All pairs of items compared, as arrays of shape (..., items, items): first over second.

    Attributes
    ----------
    ratios : Contrasts
        On one source.
    relative : Contrasts
        For averages over sources, see `MeanRatios`.
    """

    ratios: Contrasts
    relative: Contrasts

    def take(self, items: Sequence[int]) -> Pairs:
        """Return those of some items, in the order given."""
        return Pairs(self.ratios.take(items), self.relative.take(items))


def pairs_of(errors: Floats, least: float = 0.0, near: float = 0.0) -> Pairs:
    """Compare the mean absolute errors of all pairs of items, trial by trial.

    Parameters
    ----------
    errors : ndarray of shape (..., items, trials)
        With their signs.
    least : float
        What a smaller mean, or difference of means, is not told from.
    near : float
        The numerical error of a value.
    """
    items = errors.shape[-2]
    first, second = np.triu_indices(items, 1)
    found = mean_ratios(
        errors[..., second, :],
        errors[..., first, :],
        paired=True,
        least=least,
        near=near,
        negligible=least,
    )
    return Pairs(*(_all_pairs(part, items) for part in (found.contrasts, found.relative)))


def _all_pairs(found: Contrasts, items: int) -> Contrasts:
    """Return arrays over all pairs from those over pairs in one order."""
    first, second = np.triu_indices(items, 1)
    shape = (*found.value.shape[:-1], items, items)
    value, error, freedom = np.zeros(shape), np.zeros(shape), np.ones(shape)
    value[..., first, second], value[..., second, first] = found.value, -found.value
    for whole, part in ((error, found.error), (freedom, found.freedom)):
        whole[..., first, second] = whole[..., second, first] = part
    return Contrasts(value, error, freedom)


def resampled_pairs(means: LogMeans, trials: int) -> Pairs:
    """Compare all pairs by the scatter of resampled runs; trials are paired.

    The signs of all differences may be alike by chance: no p-value is below that.
    """
    errors = np.exp(means.logs)
    middle = np.maximum(0.5 * (errors[:, None] + errors), TINY)
    value = (errors[:, None] - errors) / middle
    freedom = np.full(value.shape, max(trials - 1.0, 1.0))
    if trials < 2:
        found = Contrasts(value, np.full(value.shape, np.nan), freedom)
        return Pairs(found, found)
    moved = np.exp(means.resampled)
    narrow = math.sqrt(trials / (trials - 1))  # the bootstrap's variance is that over n, not n - 1
    spread = np.array([narrow * np.std(moved - moved[:, [i]], axis=0) for i in range(len(errors))])
    found = with_chance(Contrasts(value, spread / middle, freedom), 2.0 ** (1.0 - trials))
    return Pairs(found, found)


def rank_intervals(pairs: Contrasts) -> list[tuple[int, int]]:
    """Return intervals that hold the true ranks of all items at once with 95 % confidence.

    An item is behind those that are better by more than chance, and ahead of those that are worse
    by more than chance; between the two it may have any rank. All pairs are tested at once (Holm
    and Shaffer). Percentiles of resampled ranks would be shorter, and too short: where many are
    equal, they often miss some of the ranks that are due to each. After Mogstad, Romano, Shaikh and
    Wilhelm, "Inference for ranks" (2024; recalled, not checked).

    Items whose errors are the same at every trial share a rank.
    """
    items = len(pairs.value)
    upper = np.triu_indices(items, 1)
    told = np.zeros((items, items), np.bool_)
    told[upper] = holm(pairs.chances()[upper], equalities_left(items))
    told |= told.T
    behind = np.sum(told & (pairs.value > 0.0), axis=1)
    ahead = np.sum(told & (pairs.value < 0.0), axis=1)
    alike = np.sum((pairs.value == 0.0) & (pairs.error == 0.0), axis=1) - 1
    return [
        (1 + int(b), items - int(a) - int(same))
        for b, a, same in zip(behind, ahead, alike, strict=True)
    ]


def log_ratios(logs: Floats, least: Floats) -> Floats:
    """Return log(error / least error), which is infinite where the least is 0 and the error not."""
    difference = logs - least
    return np.where((least <= _LOG_TINY) & (difference > 0.0), np.inf, difference)
