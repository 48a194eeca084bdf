"""Checks for mistakes that have a sign of their own: the noise level, clipping, counting."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from entbench.testing._accuracy import BROAD, allowance, independent_law, refuse_bounds
from entbench.testing._laws import gaussian, gaussian_entropy, independent
from entbench.testing._results import CheckFailedError, NotApplicableError
from entbench.testing._subject import REPEATS, SIGMA, N

if TYPE_CHECKING:
    from entbench.testing._subject import Mean, Subject


def check_sigma(subject: Subject) -> str:
    """Compare two noise levels: `sigma` must count, and as a standard deviation."""
    if not subject.reads_signal:
        raise NotApplicableError("it reads S+Z")
    levels = (0.3, 1.5)
    samples = {sigma: gaussian(sigma).sample(11, N, 1) for sigma in levels}
    values = {sigma: subject.value(sample) for sigma, sample in samples.items()}
    if abs(values[0.3] - values[1.5]) < 1e-6:
        mean = subject.error(gaussian(0.3), 1).value + subject.truth(gaussian(0.3), 1)
        noiseless = abs(mean - gaussian_entropy(1.0)) < 0.05 and not subject.pairs
        raise CheckFailedError(
            f"the value is {values[0.3]:.4g} nats at sigma = 0.3 and at 1.5",
            "`sigma` is ignored: S is taken for S+Z, and the value is h(S)"
            if noiseless
            else "`sigma` is ignored",
        )
    if subject.is_bound:
        return f"value {values[0.3]:.3f} at sigma = 0.3, {values[1.5]:.3f} at 1.5"
    errors = {sigma: subject.error(gaussian(sigma), 1) for sigma in levels}
    if any(abs(e.value) > allowance(subject, 1) + e.half_width for e in errors.values()):
        _raise_wrong_noise(subject, errors)
    told = ", ".join(f"{error.value:+.3f}" for error in errors.values())
    return f"mean error {told} nats at sigma = 0.3, 1.5"


def _raise_wrong_noise(subject: Subject, errors: dict[float, Mean]) -> None:
    """Raise if the errors are those of another noise level; else another check finds the cause."""
    for wrong, cause in _NOISE:
        off = [
            abs(error.value - _with_noise(subject, wrong(sigma)) + _with_noise(subject, sigma))
            for sigma, error in errors.items()
        ]
        if max(off) < allowance(subject, 1):
            told = ", ".join(f"{error.value:+.3f}" for error in errors.values())
            raise CheckFailedError(f"mean error {told} nats at sigma = 0.3, 1.5", cause)


def _with_noise(subject: Subject, sigma: float) -> float:
    total = gaussian_entropy(math.hypot(1.0, sigma))
    return total - gaussian_entropy(sigma) if subject.pairs else total


_NOISE = (
    (lambda sigma: sigma**2, "the variance sigma^2 is used as the standard deviation"),
    (lambda sigma: math.sqrt(sigma), "`sigma` is used as the variance"),
    (lambda sigma: math.sqrt(2) * sigma, "the noise is added twice"),
    (lambda sigma: 2 * sigma, "the noise is twice too wide"),
    (lambda sigma: sigma / math.sqrt(2), "the noise's variance is half of sigma^2"),
)


def check_no_clipping(subject: Subject) -> str:
    """Look for values below zero, which must be let through."""
    if subject.pairs:
        return _no_clipping_of_information(subject)
    sample = gaussian(SIGMA).sample(12, 100, 1).scaled(2.0**-6)
    value = subject.value(sample)
    truth = gaussian_entropy(math.hypot(1.0, SIGMA)) - 6 * math.log(2)
    if value >= 0:
        raise CheckFailedError(
            f"value {value:.4g} where the entropy is {truth:.3f} nats",
            "clipped at 0: a differential entropy may be negative"
            if value == 0.0
            else "the sign is lost: an absolute value, or a discrete entropy",
        )
    return f"value {value:.3f} where the entropy is {truth:.3f} nats"


def _no_clipping_of_information(subject: Subject) -> str:
    values = subject.errors(independent_law(subject), 1)
    zeros = int(np.count_nonzero(values == 0.0))
    if zeros > 1:
        raise CheckFailedError(
            f"exactly 0 at {zeros} of {REPEATS} independent samples of independent X and Y",
            "clipped at 0: that hides the bias; let negative values through",
        )
    return f"{np.count_nonzero(values < 0)} of {REPEATS} values below 0, independent X and Y"


def check_neighbour_rank(subject: Subject) -> str:
    """Compare k = 1 with k = 3: a neighbour too many or too few shows there."""
    refuse_bounds(subject)
    if "k" not in subject.known:
        raise NotApplicableError("it has no parameter `k`")
    law = independent(SIGMA, discrete=False) if subject.pairs else gaussian(BROAD)
    try:
        one, three = (subject.error(law, 1, k=k) for k in (1, 3))
    except CheckFailedError as failure:
        raise CheckFailedError(f"k = 1: {failure.finding}", _OFF_BY_ONE) from None
    finding = f"mean error {one.value:+.3f} nats at k = 1, {three.value:+.3f} at k = 3"
    allowed = 0.15 + one.half_width + three.half_width
    step = abs(one.value - three.value)
    if not step <= allowed:
        # off by psi(k + 1) - psi(k) = 1/k, or more where the sample itself is found at k = 1
        raise CheckFailedError(finding, _OFF_BY_ONE if step >= 2 / 3 - allowed else "")
    if subject.pairs:
        finding += _self_count(subject, one)
    return finding


_OFF_BY_ONE = (
    "k is off by one: the sample itself is counted as its neighbour, or psi(k) is taken at k + 1 "
    "or k - 1"
)


def _self_count(subject: Subject, apart: Mean) -> str:
    """Look at pairs so dependent that few neighbours are left in the marginals."""
    one, three = (subject.error(gaussian(0.03), 1, k=k) for k in (1, 3))
    told = f"{one.value:+.3f} nats for strongly dependent pairs at k = 1"
    low = one.value < apart.value - 0.3 - one.half_width
    if low and one.value < three.value - 0.15:
        raise CheckFailedError(
            f"mean error {told}, {three.value:+.3f} at k = 3, {apart.value:+.3f} for independent "
            "ones at k = 1",
            "n_x and n_y count the sample itself, or points on the border that the formula leaves "
            "out",
        )
    return f", {told}"
