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
    from numpy.typing import NDArray

    from entbench.testing._laws import Law
    from entbench.testing._subject import Subject

_SPREAD_FITS = 40
_SAMPLES, _N, _DIM = 200, 200, 1
# An honest standard error may be off by so much, and intervals that hold as n grows by one point.
_OFF, _POINT = 1.25, 0.01


def check_numerical_error(subject: Subject) -> str:
    """Compare the scatter over values of `random_state` with ``numerical_error_``."""
    sample = gaussian(SIGMA).sample(13, 60, subject.largest_dim)
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
    """Compare the scatter over samples with ``standard_error_``."""
    fits = _fits(subject, gaussian(SIGMA))
    stated = np.array([model.standard_error_ for model in fits], dtype=np.float64)
    if np.isnan(stated).all():
        raise NotApplicableError("it states none")
    scatter = float(_values(subject, fits).std(ddof=1))
    mean = float(np.nanmean(stated))
    ratio = scatter / mean if mean > 0.0 else math.inf if scatter > 0.0 else 0.0
    allowed = _OFF * _chance(len(fits) - 1)
    finding = f"values scatter by {ratio:.2g} standard errors over samples (allowed {allowed:.2f})"
    if not ratio <= allowed:
        cause = "a missing term, or a division by n in place of sqrt(n)"
        if _same_as_numerical(fits, stated):
            cause = "numerical error only: the scatter over samples is left out"
        raise CheckFailedError(finding, f"`standard_error_` is too small: {cause}")
    return finding


def check_coverage(subject: Subject) -> str:
    """Count how often ``interval_`` holds the truth, of a law and of a skewed one."""
    told: list[str] = []
    for law in (gaussian(SIGMA), lopsided(SIGMA)):
        fits = _fits(subject, law)
        intervals = [Interval.of(model.interval_) for model in fits]
        stated = [interval for interval in intervals if interval is not None]
        if not stated:
            raise NotApplicableError("it states none")
        truth = subject.truth(law, _DIM)
        held = sum(interval.holds(truth) for interval in stated)
        confidence = min(interval.confidence for interval in stated)
        finding = (
            f"{law.name}: the interval held the truth in {held} of {len(stated)} samples, "
            f"{100 * confidence:g} % stated, n = {_N}, d = {_DIM}"
        )
        if bdtr(held, len(stated), confidence - _POINT) < FALSE_ALARM:
            cause = _why_short(subject, fits, stated, truth, first=not told)
            raise CheckFailedError(finding, cause)
        told.append(finding)
    return "; ".join(told)


def _fits(subject: Subject, law: Law) -> list[Any]:
    """Return fits to independent samples; one fit only where it states neither."""
    first = subject.fit(law.sample(0, _N, _DIM), 0)
    if first.standard_error_ is None and first.interval_ is None:
        return [first]
    return [first, *(subject.fit(law.sample(i, _N, _DIM), i) for i in range(1, _SAMPLES))]


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
