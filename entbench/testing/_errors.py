"""Checks of what an estimator says of its own errors, over repeats with fixed seeds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import bdtr, gammaincinv

from entbench._base import Interval
from entbench.testing._laws import gaussian, lopsided
from entbench.testing._results import CheckFailedError, NotApplicableError
from entbench.testing._subject import FALSE_ALARM, SIGMA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from entbench.testing._laws import Law
    from entbench.testing._subject import Subject

_SPREAD_FITS = 40
# A sequential test (Wald) of two hypotheses takes fits in batches until it tells, at most so many
_BATCH, _SAMPLES, _N = 20, 400, 200
# chance of a false alarm, and of missing what is at the second hypothesis
_ALARM, _MISS = 1e-4, 0.02
# The scatter in standard errors: what an honest one may be off by, and what is found.
_OFF, _SHORT = 1.1, 1.3
# Intervals that hold as n grows may miss so much more often at this n, and what is found.
_POINT, _RARE = 0.01, 0.09
# Standard errors and intervals so many times too long are of no use.
_LONG, _WIDE, _OVER = 4.0, 10.0, 10.0


def check_numerical_error(subject: Subject) -> str:
    """Compare the scatter over values of `random_state` with ``numerical_error_``."""
    sample = gaussian(SIGMA).sample(13, subject.small, subject.largest_dim)
    if not subject.is_random:
        raise NotApplicableError("it takes no `random_state`")
    fits = [subject.fit(sample, seed) for seed in range(_SPREAD_FITS)]
    values = np.array([getattr(model, subject.cls.value_name) for model in fits])
    errors = np.array([model.numerical_error_ for model in fits], dtype=np.float64)
    if np.isnan(errors).all():
        raise NotApplicableError("it states none")
    if np.ptp(values) == 0.0:
        raise NotApplicableError("the value does not depend on `random_state`")
    with np.errstate(divide="ignore"):
        ratio = math.sqrt(((values - values.mean()) ** 2 / errors**2).sum() / (_SPREAD_FITS - 1))
    allowed = _chance(_SPREAD_FITS - 1)
    finding = f"values scatter by {ratio:.2g} numerical errors (allowed {allowed:.2f})"
    if not ratio <= allowed:
        raise CheckFailedError(
            finding,
            "`numerical_error_` is too small: draws that are not independent, a missing term, or a "
            "division by n in place of sqrt(n)",
        )
    return finding


def check_standard_error(subject: Subject) -> str:
    """Compare the scatter over samples with ``standard_error_``, from both sides."""
    law = gaussian(SIGMA)
    for fits in _batches(subject, law):
        stated = _stated(fits)
        if np.isnan(stated).all():
            raise NotApplicableError("it states none")
        values = _values(subject, fits)
        scatter, mean = float(values.std(ddof=1)), float(np.nanmean(stated))
        ratio = scatter / mean if mean > 0.0 else math.inf if scatter > 0.0 else 0.0
        finding = (
            f"values scatter by {ratio:.2g} standard errors over {len(fits)} samples (honest: up "
            f"to {_OFF}; found: from {_SHORT})"
        )
        evidence = _for_scatter(ratio, len(fits) - 1)
        if evidence > -math.log(_ALARM):
            cause = "a missing term, or a division by n in place of sqrt(n)"
            if _same_as_numerical(fits, stated):
                cause = "numerical error only: the scatter over samples is left out"
            raise CheckFailedError(finding, f"`standard_error_` is too small: {cause}")
        if ratio * _LONG * _chance(len(fits) - 1) < 1.0:
            raise CheckFailedError(
                finding,
                f"`standard_error_` is more than {_LONG:g} times too large: a standard deviation "
                "of single terms, not divided by sqrt(n), or a variance",
            )
        if evidence < math.log(_MISS):
            break
    return finding


def _for_scatter(ratio: float, freedom: int) -> float:
    """Return the log-likelihood ratio for a scatter of `_SHORT` against one of `_OFF`."""
    if math.isinf(ratio):
        return math.inf
    gain = 0.5 * ratio**2 * (_OFF**-2 - _SHORT**-2)
    return freedom * (gain - math.log(_SHORT / _OFF))


def check_coverage(subject: Subject) -> str:
    """Count how often ``interval_`` holds the truth, of a law and of a skewed one."""
    told: list[str] = []
    for law in (gaussian(SIGMA), lopsided(SIGMA)):
        told.append(_coverage(subject, law, first=not told))
    return "; ".join(told)


def _coverage(subject: Subject, law: Law, *, first: bool) -> str:
    truth = subject.truth(law, subject.least_dim)
    for fits in _batches(subject, law):
        intervals = [Interval.of(model.interval_) for model in fits]
        stated = [interval for interval in intervals if interval is not None]
        if not stated:
            raise NotApplicableError("it states none")
        held = sum(interval.holds(truth) for interval in stated)
        confidence = min(interval.confidence for interval in stated)
        finding = (
            f"{law.name}: the interval held the truth in {held} of {len(stated)} samples, "
            f"{100 * confidence:g} % stated, n = {_N}, d = {subject.least_dim}"
        )
        evidence = _for_misses(held, len(stated), confidence)
        if evidence > -math.log(_ALARM):
            cause = _why_short(subject, fits, stated, truth, first=first)
            raise CheckFailedError(finding, cause)
        _refuse_long(subject, fits, stated, truth, finding)
        if evidence < math.log(_MISS) and confidence >= _HALF:
            break
    return finding


def _for_misses(held: int, count: int, confidence: float) -> float:
    """Return the log-likelihood ratio for a coverage that is too low."""
    honest, low = confidence - _POINT, confidence - _RARE
    if low <= 0.0:
        return -math.inf
    return held * math.log(low / honest) + (count - held) * math.log((1 - low) / (1 - honest))


def _refuse_long(
    subject: Subject, fits: list[Any], stated: list[Interval], truth: float, finding: str
) -> None:
    """Raise where intervals are absurdly long, or miss far more rarely than stated."""
    confidence = max(interval.confidence for interval in stated)
    misses = sum(not interval.holds(truth) for interval in stated)
    if bdtr(misses, len(stated), (1.0 - confidence) / _OVER) < FALSE_ALARM or (
        confidence < _HALF and bdtr(misses, len(stated), 1.0 - _HALF) < FALSE_ALARM
    ):
        raise CheckFailedError(
            finding, "the confidence is too small for so long an interval: 1 - confidence, perhaps"
        )
    off = math.sqrt(float(np.mean((_values(subject, fits) - truth) ** 2)))
    halves = [0.5 * i.width for i in stated if i.low is not None and i.high is not None]
    if halves and float(np.median(halves)) > _WIDE * max(1.0, -math.log(1 - confidence) / 3) * off:
        raise CheckFailedError(
            f"half the interval's length is {np.median(halves):.3g} nats, the errors' root mean "
            f"square {off:.3g}",
            f"`interval_` is more than {_WIDE / 2:g} times too long: it holds the truth and tells "
            "nothing; a spread not divided by sqrt(n), perhaps",
        )


_HALF = 0.5


def _batches(subject: Subject, law: Law) -> Iterator[list[Any]]:
    """Yield fits to independent samples, ever more; one fit only where it states neither.

    They are kept, for the standard error and the interval.
    """
    fits = subject.shared.setdefault(law, [])
    dim, n = subject.least_dim, max(_N, subject.small)
    for count in (1, *range(_BATCH, _SAMPLES + 1, _BATCH)):
        fits += [subject.fit(law.sample(i, n, dim), i) for i in range(len(fits), count)]
        if count > 1:
            yield fits[:count]
        elif fits[0].standard_error_ is None and fits[0].interval_ is None:
            yield fits
            return


def _stated(fits: list[Any]) -> NDArray[np.float64]:
    return np.array([model.standard_error_ for model in fits], dtype=np.float64)


def _values(subject: Subject, fits: list[Any]) -> NDArray[np.float64]:
    return np.array([getattr(model, subject.cls.value_name) for model in fits])


def _same_as_numerical(fits: list[Any], stated: NDArray[np.float64]) -> bool:
    numerical = np.array([model.numerical_error_ or 0.0 for model in fits])
    return bool(np.nanmean(stated) <= 1.5 * numerical.mean())


def _why_short(
    subject: Subject, fits: list[Any], stated: list[Interval], truth: float, *, first: bool
) -> str:
    """Return the likely cause of intervals that hold the truth too rarely."""
    scatter = float(_values(subject, fits).std(ddof=1))
    middles = [0.5 * (i.low + i.high) for i in stated if i.low is not None and i.high is not None]
    off = float(np.mean(middles or _values(subject, fits))) - truth
    half = 0.5 * float(np.median([interval.width for interval in stated]))
    if half < 0.5 * scatter:
        return "numerical error only: the scatter over samples is left out of `interval_`"
    if abs(off) > 0.5 * scatter:
        return f"bias left out of `interval_`: its middle is {off:+.2g} nats off on average"
    if not first:
        return "too short for skewed laws"
    return "`interval_` is too short: the scatter over samples is larger than stated"


def _chance(freedom: int) -> float:
    """Return the factor by which a standard deviation is too large with `FALSE_ALARM`."""
    return math.sqrt(2 * float(gammaincinv(freedom / 2, 1 - FALSE_ALARM)) / freedom)
