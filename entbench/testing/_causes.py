"""From errors against a known truth to what most likely makes them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scipy.special import gammaln

from entbench.testing._laws import gaussian_entropy, uniform
from entbench.testing._subject import MANY, N

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from entbench.testing._laws import Law
    from entbench.testing._subject import Mean, Subject

    Prediction = Callable[[int], float]

# how near to its prediction an error must be, in nats by dim, for the cause to be named
_FIT = {1: 0.06, 2: 0.1, 3: 0.2}
_EULER = 0.5772156649015329
# what is left of a bias of few samples with four times as many, at most
_FADED = 0.75


def likely_cause(subject: Subject, law: Law, means: dict[int, Mean]) -> str:
    """Return the mistake that predicts these mean errors best; "" if none does.

    Parameters
    ----------
    subject : Subject
        The estimator.
    law : Law
        What the samples were of.
    means : dict
        Mean error by dim.
    """
    fading = _fading(subject, law, means)
    if fading:
        return fading
    if law.name != "Gaussian":
        return _DEPENDS  # a wrong constant or factor fails for the Gaussian, which comes first
    constant = _is_constant(subject, means)
    candidates = _constants(subject) if constant else _factors(subject, law)
    fitting = []
    for cause, predicted in candidates:
        misfits = {d: abs(mean.value - predicted(d)) for d, mean in means.items()}
        if all(misfit <= _FIT[d] + means[d].half_width for d, misfit in misfits.items()):
            fitting.append((sum(misfits.values()), cause))
    if fitting:
        return min(fitting)[1]
    return _unknown_constant(means) if constant else _DEPENDS


_DEPENDS = "a bias that depends on the law: too smooth, too few samples, or a wrong formula"


def _is_constant(subject: Subject, means: dict[int, Mean]) -> bool:
    """Tell whether errors are the same for another law."""
    errors = {dim: subject.error(uniform(0.1), dim) for dim in means}
    return all(abs(errors[d].value - m.value) <= _FIT[d] + m.half_width for d, m in means.items())


def _constants(subject: Subject) -> Iterator[tuple[str, Prediction]]:
    """Yield mistakes that are the same for every law."""
    if not subject.pairs:
        yield from _volumes()
        yield "the 1/2 per axis of log sqrt(2 pi e) is left out", lambda d: -0.5 * d
        yield "the 1/2 per axis of log sqrt(2 pi e) is counted twice", lambda d: 0.5 * d
        yield "log sqrt(2 pi) per axis is left out", lambda d: -0.5 * d * math.log(2 * math.pi)
    yield "Euler's constant is left out or counted twice", lambda d: _EULER
    yield "Euler's constant is left out or counted twice", lambda d: -_EULER
    yield "log n is left out", lambda d: -math.log(N)
    yield "log n is counted twice", lambda d: math.log(N)


def _volumes() -> Iterator[tuple[str, Prediction]]:
    ball = "the volume of the unit ball is "
    yield (
        f"{ball}that of the maximum norm, the distances are Euclidean",
        lambda d: _log_cube(d) - _log_ball(d),
    )
    yield (
        f"{ball}Euclidean, the distances are of the maximum norm",
        lambda d: _log_ball(d) - _log_cube(d),
    )
    yield f"{ball}left out", lambda d: -_log_ball(d)
    yield (
        f"{ball}left out (2^d, maximum norm), or radius and diameter are mixed up",
        lambda d: -_log_cube(d),
    )
    yield "a factor 2^d too much: radius and diameter are mixed up", _log_cube


def _factors(subject: Subject, law: Law) -> Iterator[tuple[str, Prediction]]:
    """Yield mistakes whose size depends on the law."""
    true = law.information if subject.pairs else law.entropy
    yield "half of the value is left out", lambda d: -0.5 * d * true
    yield "the value is doubled", lambda d: d * true
    yield "the sign is wrong", lambda d: -2.0 * d * true
    if subject.pairs:
        bits = true * (1 / math.log(2) - 1)
        noise = gaussian_entropy(law.sigma)
        yield "log base 2: the value is in bits; multiply by log 2", lambda d: d * bits
        yield "the value is near 0: X and y are not paired, or one is ignored", lambda d: -d * true
        yield "h(S+Z) without the conditional entropy h(Z)", lambda d: d * noise
    else:
        without = gaussian_entropy(1.0) - true
        twice = gaussian_entropy(math.hypot(1.0, math.sqrt(2) * law.sigma)) - true
        yield "S is taken for S+Z: this is h(S)", lambda d: d * without
        yield "the noise is added twice", lambda d: d * twice


def _unknown_constant(means: dict[int, Mean]) -> str:
    per_dim = [mean.value / dim for dim, mean in means.items()]
    if len(per_dim) > 1 and max(per_dim) - min(per_dim) < _FIT[1]:
        return f"a constant of {per_dim[0]:+.3f} nats per axis is wrong, whatever the law"
    return "a constant is wrong (the normaliser, or the volume of a ball), whatever the law"


def _fading(subject: Subject, law: Law, means: dict[int, Mean]) -> str:
    """Say so where the error is one of few samples: a wrong constant does not fade with n."""
    dim = max(means, key=lambda d: abs(means[d].value))
    later = subject.error(law, dim, MANY).value
    if abs(later) > _FADED * abs(means[dim].value):
        return ""
    return (
        f"a bias of few samples, above the allowance: it fades to {later:+.3f} nats at n = {MANY}, "
        f"d = {dim}; no wrong constant, but a slow method or a parameter that does not suit"
    )


def _log_ball(dim: int) -> float:
    return 0.5 * dim * math.log(math.pi) - float(gammaln(0.5 * dim + 1.0))


def _log_cube(dim: int) -> float:
    return dim * math.log(2.0)
