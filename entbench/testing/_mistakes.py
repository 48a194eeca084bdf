"""Checks for mistakes that have a sign of their own: the noise level, clipping, counting."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from entbench.testing._accuracy import (
    BROAD,
    MARGIN,
    independent_law,
    judge,
    margin,
    refuse_bounds,
)
from entbench.testing._laws import (
    Sample,
    gaussian,
    gaussian_entropy,
    independent,
)
from entbench.testing._results import CheckFailedError, NotApplicableError
from entbench.testing._subject import MANY, REPEATS, SIGMA, Mean, N

if TYPE_CHECKING:
    from collections.abc import Callable

    from entbench.testing._subject import Subject


_LEVELS = (0.3, 3.0)


def check_sigma(subject: Subject) -> str:
    """Compare two noise levels: `sigma` must count, as a standard deviation, to five per cent."""
    if not subject.reads_signal:
        raise NotApplicableError("it reads S+Z")
    dim = subject.least_dim
    values = [subject.value(gaussian(sigma).sample(11, N, dim)) for sigma in _LEVELS]
    if abs(values[0] - values[1]) < 1e-6:
        law = gaussian(_LEVELS[0])
        mean = subject.error(law, dim, count=4).value + subject.truth(law, dim)
        noiseless = abs(mean / dim - gaussian_entropy(1.0)) < 0.05 and not subject.pairs
        raise CheckFailedError(
            f"the value is {values[0]:.4g} nats at sigma = {_LEVELS[0]} and at {_LEVELS[1]}",
            "`sigma` is ignored: S is taken for S+Z, and the value is h(S)"
            if noiseless
            else "`sigma` is ignored",
        )
    if subject.is_bound:
        return "value " + ", ".join(
            f"{value:.3f} at sigma = {sigma}" for value, sigma in zip(values, _LEVELS, strict=True)
        )
    laws = [gaussian(sigma) for sigma in _LEVELS]
    verdicts = [judge(subject, law, dim)[0] for law in laws]
    errors = {law.sigma: subject.settled(law, dim, margin(subject, law, dim), MANY) for law in laws}
    told = ", ".join(f"{error.value:+.3f}" for error in errors.values())
    finding = f"mean error {told} nats at sigma = {_LEVELS[0]}, {_LEVELS[1]}, d = {dim}"
    if "wrong" in verdicts:
        cause = _wrong_noise(subject, errors, dim)
        if cause:
            raise CheckFailedError(finding, cause)
    return finding


def _wrong_noise(subject: Subject, errors: dict[float, Mean], dim: int) -> str:
    """Return what noise level the errors are those of; "" if another check finds the cause."""
    factors = [_factor(subject, error.value / dim, sigma) for sigma, error in errors.items()]
    factor = factors[-1] if not subject.pairs else factors[0]
    candidates = [*_NOISE]
    if factor is not None and abs(factor - 1.0) < 0.5:
        candidates.append(
            (lambda sigma: factor * sigma, f"the noise is {factor:.3g} times as wide as `sigma`")
        )
    for wrong, cause in candidates:
        off = [
            abs(
                error.value / dim + _with_noise(subject, sigma) - _with_noise(subject, wrong(sigma))
            )
            - error.half_width / dim
            for sigma, error in errors.items()
        ]
        if max(off) < MARGIN:
            return cause
    return ""


def _factor(subject: Subject, error: float, sigma: float) -> float | None:
    """Return by which factor the noise must be wider for this error of one axis."""
    value = error + _with_noise(subject, sigma)
    if subject.pairs:
        square = 1.0 / math.expm1(2.0 * value) if value > 0.0 else math.inf
    else:
        square = math.exp(2.0 * (value - gaussian_entropy(1.0))) - 1.0
    return math.sqrt(square) / sigma if 0.0 < square < math.inf else None


def _with_noise(subject: Subject, sigma: float) -> float:
    total = gaussian_entropy(math.hypot(1.0, sigma))
    return total - gaussian_entropy(sigma) if subject.pairs else total


_NOISE: tuple[tuple[Callable[[float], float], str], ...] = (
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
    dim = subject.least_dim
    sample = gaussian(SIGMA).sample(12, max(100, subject.small), dim).scaled(2.0**-6)
    value = subject.value(sample)
    truth = dim * (gaussian_entropy(math.hypot(1.0, SIGMA)) - 6 * math.log(2))
    if value >= 0:
        raise CheckFailedError(
            f"value {value:.4g} where the entropy is {truth:.3f} nats",
            "clipped at 0: a differential entropy may be negative"
            if value == 0.0
            else "the sign is lost: an absolute value, or a discrete entropy",
        )
    return f"value {value:.3f} where the entropy is {truth:.3f} nats"


def _no_clipping_of_information(subject: Subject) -> str:
    values = subject.errors(independent_law(subject), subject.least_dim)
    zeros = int(np.count_nonzero(values == 0.0))
    if zeros > 1:
        raise CheckFailedError(
            f"exactly 0 at {zeros} of {REPEATS} independent samples of independent X and Y",
            "clipped at 0: that hides the bias; let negative values through",
        )
    told = f"{np.count_nonzero(values < 0)} of {REPEATS} values below 0, independent X and Y"
    if subject.reads_signal or (values < 0).any():
        return told
    even = subject.value(_even(subject.least_dim))
    scatter = Mean.of(values)
    if even > scatter.value + scatter.half_width * math.sqrt(REPEATS):
        raise CheckFailedError(
            f"{told}; and {even:.3f} nats on pairs more even than chance, {scatter.value:.3f} on "
            "random ones",
            "an absolute value of the estimate: pairs more even than chance give one below 0",
        )
    return told


def _even(dim: int) -> Sample:
    """Return independent pairs that fill their square more evenly than by chance.

    A difference of entropies comes out below zero on them; a plug-in, which cannot, near zero.
    """
    points = ndtri(qmc.Sobol(2 * dim, seed=3).random(512))
    zeros = np.zeros((512, dim))
    return Sample(points[:, :dim], zeros, points[:, dim:], SIGMA)


def check_neighbour_rank(subject: Subject) -> str:
    """Compare k = 1 with k = 3: a neighbour too many or too few shows there."""
    refuse_bounds(subject)
    if "k" not in subject.known:
        raise NotApplicableError("it has no parameter `k`")
    law = independent(SIGMA, discrete=False) if subject.pairs else gaussian(BROAD)
    dim = subject.least_dim
    try:
        one, three = (subject.error(law, dim, k=k) for k in (1, 3))
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
    one, three = (subject.error(gaussian(0.03), subject.least_dim, k=k) for k in (1, 3))
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
