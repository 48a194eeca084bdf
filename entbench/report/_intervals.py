"""Confidence intervals over trials for bias, MAE and RMSE that allow for skewed errors."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]
Limits = tuple[float, float]

CONFIDENCE = 0.95
# A check takes the truth at this confidence. Intervals were measured at it: of skewed values, too,
# at most one in 10,000 misses (see `mean_interval`), but not of values that few trials show alike.
CHECK_CONFIDENCE = 1.0 - 1e-4
# Fewer trials show too little of a skewed law: intervals are printed with a mark.
FEWEST = 5
# the short arm of an interval over its Student's arm: about the one-sided quantile over the
# two-sided one, 0.77 at 5 trials and 0.84 at many
_SHORTEST = 0.8
# multiples of the skewness over sqrt(trials)
_OF_MEAN, _OF_MAE, _OF_RMSE = 3.0, 5.0, 4.0


def mean_interval(
    values: Floats, extra: float = 0.0, confidence: float = CONFIDENCE
) -> Limits | None:
    """Return an interval for the mean of the law of `values`; None with fewer than two.

    Parameters
    ----------
    values : ndarray of shape (trials,)
        Independent draws.
    extra : float
        Added on both sides: an error that all values have in common.
    confidence : float
        0.95, or more: then as at the confidence of checks.

    Notes
    -----
    The arms are Student's t times ``1 + 20/n^2 +- 3 g/sqrt(n)`` for n values of sample skewness g,
    at least 0.8: the longer one points to where the tail is. Theory asks for a quarter of the
    second term (Johnson, "Modified t tests and confidence intervals for asymmetrical populations",
    JASA 1978; Hall, "On the removal of skewness by transformation", JRSS B 1992; both recalled, not
    checked), but few values show little of the skewness of their law. The constants were chosen by
    simulation: of normal, chi-square(1) and log-normal(1) values 93 to 98 % of intervals hold the
    mean, from 5 values on, where Student's t holds it in 82 to 95 %. For normal values the interval
    is longer than Student's by a factor of 1.9 at 5, 1.3 at 10 and 1.1 at 20. With 3 or 4 values
    it holds the mean of the skewed laws in 89 to 92 %. Longer arms than at 5 values would do
    better, and be no use.

    At the confidence of checks the arms are Student's times ``1 + 46/n +- 3 g/sqrt(n)``, at least
    1. Of normal, chi-square(1) and log-normal(1) values at most one in 10,000 intervals misses,
    from 2 to 200 values; Student's t missed the mean of the skewed laws in up to 190.

    `python -m entbench.suites.timing.measure_table_intervals` measures all of this.
    """
    count = len(values)
    if count < 2:
        return None
    lean = _OF_MEAN * skewness(values) / math.sqrt(count)
    wide, least = _factors(count, confidence)
    mean, arm = float(values.mean()), _arm(values, confidence)
    down, up = (arm * max(wide + tilt, least) + extra for tilt in (-lean, lean))
    return mean - down, mean + up


def mae_interval(
    errors: Floats, extra: float = 0.0, confidence: float = CONFIDENCE
) -> Limits | None:
    """Return an interval for the mean absolute error; None with fewer than two errors.

    Parameters
    ----------
    errors : ndarray of shape (trials,)
        With their signs.
    extra : float
        Added on both sides; the lower end is not below 0.
    confidence : float
        As in `mean_interval`.

    Notes
    -----
    The upper arm is Student's t times ``1 + 20/n^2 + 5 g/sqrt(n)``, at the confidence of checks
    ``1 + 46/n + 5 g/sqrt(n)``. Here g is the skewness of the absolute errors or the size of that of
    the errors, whichever is larger: the absolute values of skewed errors of mean 0 can look as if
    their tail were on the other side. The lower end is ``mae exp(-c t s / (mae sqrt(n)))``, and so
    above 0, with the c of `mean_interval` for the lower arm.

    From 5 trials on 93 to 99 % of intervals hold the mean absolute error of normal, chi-square(1)
    and log-normal(1) errors, about 0 or not, where Student's t holds it in 76 to 95 %. For normal
    errors the interval is longer than Student's by a factor of 1.9 at 5 trials, 1.5 at 10 and 1.3
    at 20.
    """
    if len(errors) < 2:
        return None
    count, absolute = len(errors), np.abs(errors)
    wide, _ = _factors(count, confidence)
    arm = _arm(absolute, confidence) * (wide + _OF_MAE * _tail(absolute, errors))
    return _from_zero(_lower_end(absolute, confidence), float(absolute.mean()) + arm, extra)


def rmse_interval(errors: Floats, extra: float = 0.0) -> Limits | None:
    """Return a 95 % interval for the root mean square error; None with fewer than two errors.

    Parameters
    ----------
    errors : ndarray of shape (trials,)
        With their signs.
    extra : float
        Added on both sides; the lower end is not below 0.

    Notes
    -----
    Root of an interval for the mean square, whose upper arm is Student's t times
    ``1 + 20/n^2 + 180/(n + 8) w + 4 g/sqrt(n)``, with g as in `mae_interval`. Here w is at most 1,
    and less where the squares differ by less than ``min(0.035 n, 0.55)`` of their mean, as those
    of errors that are nearly all bias do. The mean square of skewed errors is made by few of them,
    which few trials need not show, and so the interval is long.

    From 5 trials on 92 to 99 % of intervals hold the root mean square error of normal errors, of
    chi-square(1) ones about 0 or not, and of log-normal(1) ones; of log-normal(1) errors less their
    mean 86 to 98 %. For normal errors about 0 the interval ends at 4.9 times the root mean square
    error at 5 trials, 3.5 at 10, 2.5 at 20 and 1.7 at 50; at 2.4, 1.7, 1.4 and 1.2 would one that
    knows that they are normal.
    """
    found = mean_square_interval(errors)
    return None if found is None else _from_zero(math.sqrt(found[0]), math.sqrt(found[1]), extra)


def mean_square_interval(errors: Floats, confidence: float = CONFIDENCE) -> Limits | None:
    """Return an interval for the mean square, from 0 on; see `rmse_interval`."""
    if len(errors) < 2:
        return None
    count, squares = len(errors), errors**2
    mean = float(squares.mean())
    if mean == 0.0:
        return 0.0, 0.0
    wide, _ = _factors(count, confidence)
    scatter = float(squares.std(ddof=1)) / mean
    wide += 180.0 / (count + 8.0) * min(1.0, scatter / min(0.035 * count, 0.55)) ** 2
    arm = _arm(squares, confidence) * (wide + _OF_RMSE * _tail(squares, errors))
    return _lower_end(squares, confidence), mean + arm


def skewness(values: Floats) -> float:
    """Return the sample skewness; 0 where all values are equal, but for rounding."""
    centred = values - values.mean()
    largest = float(np.abs(centred).max())
    if largest <= 1e-14 * float(np.abs(values).max()):
        return 0.0
    centred = centred / largest  # so that no power overflows or vanishes
    return float(np.mean(centred**3) / np.mean(centred**2) ** 1.5)


def standard_error(values: Floats) -> float:
    """Return the standard error of the mean."""
    return float(values.std(ddof=1)) / math.sqrt(len(values))


def _from_zero(low: float, high: float, extra: float) -> Limits:
    return max(low - extra, 0.0), high + extra


def _factors(count: int, confidence: float) -> Limits:
    """Return how often Student's arm an arm is without skewness, and how often it is at least."""
    if confidence > CONFIDENCE:
        return 1.0 + 46.0 / count, 1.0
    return 1.0 + 20.0 / max(count, FEWEST) ** 2, _SHORTEST


def _tail(positive: Floats, errors: Floats) -> float:
    """Return how heavy the tail of powers of absolute errors may be."""
    return max(skewness(positive), abs(skewness(errors))) / math.sqrt(len(errors))


def _lower_end(positive: Floats, confidence: float) -> float:
    """Return the lower end for the mean of values that are not negative."""
    mean, count = float(positive.mean()), len(positive)
    if mean == 0.0:
        return 0.0
    lean = _OF_MEAN * skewness(positive) / math.sqrt(count)
    wide, least = _factors(count, confidence)
    return mean * math.exp(-max(wide - lean, least) * _arm(positive, confidence) / mean)


def _arm(values: Floats, confidence: float) -> float:
    """Return half of Student's interval."""
    return _quantile(len(values), confidence) * standard_error(values)


def _quantile(count: int, confidence: float) -> float:
    """Return the two-sided quantile of Student's t; `scipy.stats` is slow to import."""
    return float(stdtrit(count - 1, 0.5 + 0.5 * confidence))
