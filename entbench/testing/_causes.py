"""From errors against a known truth to what most likely makes them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaln

from entbench.testing._laws import gaussian_entropy, uniform
from entbench.testing._subject import MANY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from entbench.testing._laws import Law
    from entbench.testing._subject import Mean, Subject

    Prediction = Callable[[int], float]

# how near to its prediction an error must be, in nats by dim, for the cause to be named
_FIT = {1: 0.06, 2: 0.1, 3: 0.2}
# or by so much of itself above one dimension, where the method has a bias of its own too
_FIT_SHARE = 0.4
_EULER = 0.5772156649015329
_FIT_DIM = 3


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
    if law.shape:
        return _of_dependence(subject, law, means) or _absolute(means)
    if law.name != "Gaussian":
        return _DEPENDS  # a wrong constant or factor fails for the Gaussian, which comes first
    constant = _is_constant(subject, means)
    candidates = _constants(subject) if constant else _factors(subject, law)
    fitting = []
    for cause, predicted in candidates:
        misfits = {d: abs(mean.value - predicted(d)) for d, mean in means.items()}
        near = {d: max(_FIT[d], _FIT_SHARE * abs(predicted(d)) if d > 1 else 0.0) for d in means}
        if all(misfit <= near[d] + means[d].half_width for d, misfit in misfits.items()):
            fitting.append((sum(misfits.values()), cause))
    if fitting:
        return min(fitting)[1]
    return _unknown_constant(means) if constant else _DEPENDS


_DEPENDS = (
    "a bias that depends on the law and does not shrink with n: too smooth, a parameter that does "
    "not suit, or a wrong formula"
)


def _is_constant(subject: Subject, means: dict[int, Mean]) -> bool:
    """Tell whether errors are the same for another law."""
    errors = {dim: subject.error(uniform(0.1), dim, MANY) for dim in means}
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
    yield "log n is left out", lambda d: -math.log(MANY)
    yield "log n is counted twice", lambda d: math.log(MANY)


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
        yield "columns of X or y after the first are ignored", lambda d: -(d - 1) * true
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
        return f"absolute bias: a constant of {per_dim[0]:+.3f} nats per axis, whatever the law"
    return (
        "absolute bias: a constant is wrong (the normaliser, or the volume of a ball), whatever "
        "the law"
    )


def _of_dependence(subject: Subject, law: Law, means: dict[int, Mean]) -> str:
    """Return the mistake with dependent axes that predicts the error; "" if none does."""
    ((dim, mean),) = means.items()
    truth = law.truth(dim, pairs=subject.pairs)
    fit = _SHARE * max(abs(mean.value), 1.0) + mean.half_width
    near = [
        (abs(mean.value - value + truth), cause)
        for cause, value in _misread(subject, law, truth)
        if abs(mean.value - value + truth) <= fit
    ]
    return min(near)[1] if near else ""


# by how much an error may miss its prediction, of itself: others add a bias of their own
_SHARE = 0.05


def _misread(subject: Subject, law: Law, truth: float) -> Iterator[tuple[str, float]]:
    """Yield what comes out where some of the dependence is not seen."""
    joint = law.covariance
    if joint is None or law.shape is None:
        return
    of_x, of_y = law.shape
    if subject.pairs:
        yield "the value is near 0: X and y are not paired, or one is ignored", 0.0
        yield "half of the value is left out", 0.5 * truth
        yield "the value is doubled", 2.0 * truth
        if of_x != of_y:
            factor = "the dimension of a side is a factor of the value"
            yield from ((factor, truth * ratio) for ratio in (of_x / of_y, of_y / of_x))
        for m in range(1, of_x):
            yield f"columns of X after the first {m} are ignored", _normal_mi(joint, of_x, m, of_y)
        for m in range(1, of_y):
            yield f"columns of y after the first {m} are ignored", _normal_mi(joint, of_x, of_x, m)
        return
    cov = joint[of_x:, of_x:]
    alone = 0.5 * float(np.log(2 * math.pi * math.e * np.diag(cov)).sum())
    yield "the entropies of single axes are added: their dependence is left out", alone
    yield "the dependence of the axes is counted twice (a determinant)", 2.0 * truth - alone
    mean_scale = float(np.diag(cov).mean())
    turned = cov / np.sqrt(np.outer(np.diag(cov), np.diag(cov)))
    yield (
        "one scale is used for all axes",
        0.5 * float(np.linalg.slogdet(2 * math.pi * math.e * mean_scale * turned)[1]),
    )
    yield (
        "the axes are scaled to the same width, and that is not taken back",
        0.5 * float(np.linalg.slogdet(2 * math.pi * math.e * turned)[1]),
    )
    for m in range(1, min(of_y, _FIT_DIM + 1)):
        part = 2 * math.pi * math.e * cov[:m, :m]
        yield f"axes after the first {m} are ignored", 0.5 * float(np.linalg.slogdet(part)[1])
    if of_y > _FIT_DIM:
        for cause, predicted in _volumes():
            yield f"{cause} (in high dimension only)", truth + predicted(of_y)


def _normal_mi(joint: NDArray[np.float64], start: int, of_x: int, of_y: int) -> float:
    """Return I of the first columns of X and y, by determinants."""
    kept = [*range(of_x), *range(start, start + of_y)]
    part = joint[np.ix_(kept, kept)] + 1e-12 * np.eye(len(kept))
    blocks = part[:of_x, :of_x], part[of_x:, of_x:]
    logs = [float(np.linalg.slogdet(block)[1]) for block in (*blocks, part)]
    return 0.5 * (logs[0] + logs[1] - logs[2])


def _absolute(means: dict[int, Mean]) -> str:
    ((_, mean),) = means.items()
    return (
        f"absolute bias: {mean.value:+.3f} nats do not shrink as n grows; the dependence, the "
        "scales or the dimension are not rightly dealt with"
    )


def _log_ball(dim: int) -> float:
    return 0.5 * dim * math.log(math.pi) - float(gammaln(0.5 * dim + 1.0))


def _log_cube(dim: int) -> float:
    return dim * math.log(2.0)
