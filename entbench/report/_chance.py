"""What chance can do where a theorem holds, without a law of errors assumed."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.special import entr, logsumexp, ndtri, stdtrit

from entbench import bounds
from entbench._base import SourceFacts
from entbench.report._intervals import Floats, mean_interval, standard_error

# Of runs, the share in which a violation is found that a check says it finds.
POWER = 0.9
# Errors of a value are known to exceed so many numerical errors in 7e-6 of cases at most.
_QUANTILE = 4.5
_FARTHEST = 1e6
# Standard errors of sp are at least 0.86 of the scatter.
_LONGER = 1.25
_BETS = np.linspace(0.05, 1.0, 20)
_SIMULATED, _FACTORS = 2000, np.geomspace(1.0, 1e9, 2000)


def plug_in_deviation(n: int, facts: SourceFacts | None) -> float:
    """Return v such that the plug-in is sub-Gaussian with deviation v, in nats."""
    if facts is not None and facts.in_unit_cube:
        return bounds.plug_in_concentration(n, 2.0 * math.sqrt(facts.dim) / facts.sigma)
    return bounds.plug_in_concentration(n)


def largest_deviation(deviation: float, trials: int, level: float) -> float:
    """Return what a mean of sub-Gaussian values exceeds its own by with probability `level`."""
    return deviation * math.sqrt(-2.0 * math.log(level) / trials)


def plug_in_arm(
    n: int, numerical: Floats, standard: Floats, level: float, facts: SourceFacts | None
) -> Floats:
    """Return how far a mean of the plug-in may be from its own, but for a chance of `level`.

    Parameters
    ----------
    n : int
        Samples of a trial.
    numerical, standard : ndarrays of shape (..., trials)
        Errors as the trials state them, in nats; NaN where they state none.
    level : float
        Probability that it is farther, to one side.
    facts : SourceFacts or None
        Of the source.

    Returns
    -------
    ndarray of shape (...)
        In nats.

    Notes
    -----
    The shorter of two. One is proved for every law, see `bounds.plug_in_concentration`. The other
    is what the samples show: a normal quantile of the standard errors, which come from how much
    single samples move the value and were 0.86 times the scatter or more wherever they were
    measured; and beyond it what the samples of all trials may hide.
    """
    trials, half = numerical.shape[-1], 0.5 * level
    own = np.mean(np.nan_to_num(numerical) ** 2, axis=-1)
    proved = np.sqrt(-2.0 * math.log(half) * (plug_in_deviation(n, facts) ** 2 + own) / trials)
    seen = np.sqrt(np.mean(np.square(standard), axis=-1) / trials)
    shown = -float(ndtri(half)) * _LONGER * seen + unseen_entropy(n * trials, half, facts)
    return np.asarray(np.fmin(proved, shown))


def least_mean(values: Floats, n: int, level: float, facts: SourceFacts | None) -> float:
    """Return what the mean of sp-loo is at least but for a chance of `level`; -inf for one value.

    Nothing bounds its deviation for every law, as one sample can move it far. Its interval allows
    for skewed values, is at least as long as that of the plug-in, and begins lower by what the
    samples of all trials may hide.
    """
    trials = len(values)
    interval = mean_interval(values, 0.0, 1.0 - level)
    if interval is None:
        return -math.inf
    arm = largest_deviation(plug_in_deviation(n, facts), trials, 0.5 * level)
    hidden = unseen_entropy(n * trials, 0.5 * level, facts)
    return min(interval[0], float(values.mean()) - arm) - hidden


def shortfall(values: Floats, deviation: float = math.inf) -> float:
    """Return by how much a mean falls short of its own in one run of ten, by what values show.

    At most what the sub-Gaussian deviation allows.
    """
    count = len(values)
    most = largest_deviation(deviation, count, 1.0 - POWER)
    if count < 2:
        return most
    return min(most, float(stdtrit(count - 1, POWER)) * standard_error(values))


def error_quantile(level: float) -> float:
    """Return how many numerical errors a value may be off by with probability `level`."""
    return max(_QUANTILE, -float(ndtri(level)))


def found_beyond() -> float:
    """Return how many numerical errors more find a violation in nine runs of ten."""
    return float(ndtri(POWER))


def unseen_entropy(samples: int, level: float, facts: SourceFacts | None) -> float:
    """Return how much of h(S+Z) so many samples may hide with probability `level`, in nats.

    Notes
    -----
    No sample shows a set whose probability p has ``(1 - p)^samples = level``. With it h(S+Z) has
    ``H_b(p) + p I`` more at most, I the information of S in that set, which the power of S bounds:
    ``p (d/2) log(1 + P/(p d sigma^2))``. Where no fact bounds the power, values of S along an axis
    are taken to be a million sigma apart at most; the logarithm makes little of that.
    """
    if facts is None:
        return math.inf
    share = min(1.0, -math.log(level) / samples)
    noise = facts.dim * facts.sigma**2
    powers = [share * noise * _FARTHEST**2]
    if facts.in_unit_cube:
        powers.append(facts.dim * share)
    if facts.second_moment is not None:
        powers.append(facts.second_moment)
    if facts.subgaussian_constant is not None:
        powers.append(facts.dim * facts.subgaussian_constant**2)
    unsure = float(entr(min(share, 0.5)) + entr(1.0 - min(share, 0.5)))
    return unsure + 0.5 * share * facts.dim * math.log1p(min(powers) / (share * noise))


def evidence(values: Floats, most: float) -> Floats:
    """Return the log of how much values of 0 or more speak against a mean of `most` at most.

    Parameters
    ----------
    values : ndarray of shape (..., trials)
        Independent, not negative.
    most : float
        What their mean is at most.

    Returns
    -------
    ndarray of shape (...)
        It exceeds ``log(1/level)`` with a probability of at most `level`, whatever their law.

    Notes
    -----
    ``E prod(1 + b (x/most - 1)) <= 1`` for every b in [0, 1], and so for the mean over several b;
    then Markov's inequality.
    """
    ratios = values / max(most, np.finfo(np.float64).tiny)
    with np.errstate(divide="ignore", over="ignore"):
        # one bet at a time, so that many runs take little memory
        logs = [np.log1p(bet * (ratios - 1.0)).sum(axis=-1) for bet in _BETS]
    return np.asarray(logsumexp(logs, axis=0) - math.log(len(_BETS)))


@lru_cache(maxsize=256)
def found_factor(trials: int, level: float) -> float:
    """Return the factor over its bound at which a mean of squares is found in nine runs of ten.

    Of squares of normal values, whose mean is that factor times the bound, by simulation.
    """
    squares = np.random.default_rng(0).standard_normal((_SIMULATED, trials)) ** 2
    low, high = 0, len(_FACTORS) - 1
    while low < high:
        middle = (low + high) // 2
        found = np.mean(evidence(_FACTORS[middle] * squares, 1.0) >= -math.log(level))
        low, high = (low, middle) if found >= POWER else (middle + 1, high)
    return float(_FACTORS[low])
