"""Checks of what must hold for any law: order, origin, unit, pairing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from entbench.testing._laws import gaussian
from entbench.testing._results import CheckFailedError, NotApplicableError
from entbench.testing._subject import SIGMA

if TYPE_CHECKING:
    from entbench.testing._laws import Sample
    from entbench.testing._subject import Subject

# the same numbers in another order, about another origin, in another unit: what sums, ranges and
# searches for a bandwidth lose by rounding (2e-6 nats measured for a bandwidth refined to 1e-3)
_ROUNDING = 1e-4
_FACTOR = 8.0
_POWERS = (-80, 80)
_SLOPE = 0.02


def check_row_order(subject: Subject) -> str:
    """Check that the order of the samples does not matter."""
    sample = subject.sample
    order = np.random.default_rng(8).permutation(len(sample.signal))
    shuffled = sample.rows(order)
    change = subject.value(shuffled) - subject.value(sample)
    allowed = _ROUNDING + subject.slack(sample)
    if abs(change) > allowed:
        raise CheckFailedError(
            f"shuffled rows move the value by {change:+.3g} nats (allowed {allowed:.1g})",
            "samples are used in the order they come: neighbours in the file are taken for "
            "neighbours in space, or the first half is treated apart; shuffle by `random_state`",
        )
    return f"moves it by {abs(change):.1g} (allowed {allowed:.1g})"


def check_pairs(subject: Subject) -> str:
    """Check that it matters which row of X goes with which of Y."""
    if not subject.pairs:
        raise NotApplicableError("an entropy has no pairs")
    sample = gaussian(SIGMA).sample(9, max(200, subject.small), subject.least_dim)
    moved = sample.rows(np.random.default_rng(9).permutation(len(sample.signal)))
    x, _ = subject.arrays(sample)
    _, y = subject.arrays(moved)
    together, apart = (_value(subject, x, other) for other in (subject.arrays(sample)[1], y))
    if subject.reads_signal:
        # each x occurs once, so S is a function of X either way
        raise NotApplicableError("it reads the signal: see `truth-independent`")
    if abs(together - apart) < _ROUNDING:
        raise CheckFailedError(
            "y shuffled against X gives the same value",
            "X and y are not paired: one is sorted or shuffled apart from the other, or ignored",
        )
    return f"y shuffled: {together:.3g} -> {apart:.3g} nats"


def _value(subject: Subject, *arrays: np.ndarray) -> float:
    return float(getattr(subject.make().fit(*arrays), subject.cls.value_name))


def check_shift(subject: Subject) -> str:
    """Check that h(X + b) = h(X), also for b = 2^20."""
    sample = subject.sample.rounded()
    expected = subject.value(sample)
    slack = subject.slack(sample)
    for shift, allowed in ((3.0, _ROUNDING + slack), (2.0**20, _ROUNDING + slack)):
        change = subject.value(sample.shifted(shift)) - expected
        if not abs(change) <= allowed:
            raise CheckFailedError(
                f"shifted by {shift:g}, the value moves by {change:+.3g} nats "
                f"(allowed {allowed:.1g})",
                "a range, grid or prior is fixed in place"
                if shift == 3.0
                else "precision is lost far from the origin: single precision inside, or squares "
                "summed before the mean is taken off",
            )
    return "by 3 and by 2^20"


def check_scaling(subject: Subject) -> str:
    """Check that h(aX) = h(X) + d log a and I(aX; aY) = I(X; Y); noise is scaled too."""
    _refuse_units(subject)
    slopes = {dim: _slope(subject, dim) for dim in subject.dims}
    text = ", ".join(f"{slope:.3f}" for slope in slopes.values())
    dims = ", ".join(map(str, slopes))
    finding = f"slope by log a is {text} at d = {dims}"
    wanted = {dim: 0 if subject.pairs else dim for dim in slopes}
    sample_slack = subject.slack(subject.sample) / math.log(_FACTOR)
    if any(not abs(slopes[d] - wanted[d]) <= _SLOPE + sample_slack for d in slopes):
        expected = "0" if subject.pairs else "d"
        raise CheckFailedError(f"{finding}; it must be {expected}", _slope_cause(subject, slopes))
    return finding


def _slope(subject: Subject, dim: int) -> float:
    sample = gaussian(SIGMA).sample(10, subject.small, dim)
    change = subject.value(sample.scaled(_FACTOR)) - subject.value(sample)
    return change / math.log(_FACTOR)


def _refuse_units(subject: Subject) -> None:
    given = [
        name
        for name, value in subject.params.items()
        if isinstance(value, float) and name not in ("tolerance", "alpha")
    ]
    if given:
        raise NotApplicableError(f"`{given[0]}` is given, and may be in the unit of the samples")


def _slope_cause(subject: Subject, slopes: dict[int, float]) -> str:
    if not subject.pairs:
        for wrong, cause in _SLOPES:
            if all(abs(slope - wrong(dim)) < 0.05 for dim, slope in slopes.items()):
                return cause
    return (
        "a length that does not follow the samples: a bandwidth, bin width, range or added "
        "constant fixed in their unit"
    )


_SLOPES = (
    (lambda d: d / math.log(2), "log base 2: the value is in bits; multiply by log 2"),
    (lambda d: d / math.log(10), "log base 10; multiply by log 10"),
    (lambda d: 1.0, "the factor d is missing: it is d times the mean log distance"),
    (lambda d: 0.0, "the log volume is missing: this is a discrete entropy, without a unit"),
    (lambda d: 2.0 * d, "squared distances are used for distances; halve their logarithm"),
    (lambda d: 0.5 * d, "half of d log a: a factor 2, or a square root too many"),
    (lambda d: -d, "the sign of the log-density or log-distance is wrong"),
    (lambda d: d * d, "the factor d is in twice"),
)


def check_extreme_scale(subject: Subject) -> str:
    """Check that samples of size 2^-80 and 2^80 will do."""
    _refuse_units(subject)
    sample = subject.sample
    slack = subject.slack(sample)
    expected = subject.value(sample)
    dim = 0 if subject.pairs else subject.largest_dim
    for power in _POWERS:
        wanted = expected + dim * power * math.log(2)
        difference = _difference(subject, sample.scaled(2.0**power), wanted, power)
        if not abs(difference) <= _ROUNDING + slack:
            raise CheckFailedError(
                f"samples of size 2^{power}: the value is {difference:+.3g} nats off",
                _CONSTANT if power < 0 else _SINGLE,
            )
    return "samples of size 2^-80 and 2^80"


def _difference(subject: Subject, sample: Sample, wanted: float, power: int) -> float:
    try:
        return subject.value(sample) - wanted
    except CheckFailedError as failure:
        raise CheckFailedError(f"samples of size 2^{power}: {failure.finding}", _SINGLE) from None


_CONSTANT = "a constant such as 1e-10 is added to a distance or density, or single precision inside"
_SINGLE = "float32 inside: it ends at 3e38, and squares of distances overflow beyond 2e19"
