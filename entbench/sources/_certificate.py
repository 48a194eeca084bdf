"""Truths that come from sampling, with the error they leave and the confidence they have."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from scipy.special import ndtri, stdtrit

from entbench._base import Reference, ReferenceCheck, Source
from entbench._validation import check_integer, check_positive

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench.mixture import GaussianMixture, MixtureEntropy

    Sampler = Callable[[int, np.random.Generator], NDArray[np.float64]]
    Watcher = Callable[[str, str], None]

# Part of the key of stored certificates: raised when what is below changes its values on purpose.
CERTIFICATE_VERSION = "2"
DEFAULT_ERROR = 5e-3
DEFAULT_CONFIDENCE = 0.95

# Separate streams for what must be independent.
_FIRST, _SECOND, _BATCH, _FRESH, _PROBE = range(5)
# Budgets: evaluations of a kernel, draws of one integration, samples in a batch.
_MOST_PAIRS = 2e12
_MOST_DRAWS = 300_000_000
_MOST_SAMPLES = 2**18
_MOST_DENSE = 1e10  # multiplications of a dense check, a few seconds
# Batches: with 15 degrees of freedom Student's quantile is 9 % above the normal one; more batches
# of fewer samples would gain less than that and widen the bracket itself, which is as 1/n.
_BATCHES = 16
_PROBE_BATCHES = 8
_BATCH_DRAWS = 2_000_000
_FIRST_SAMPLES = 1024
_MOST_GROWTH = 8
# Standard error of a batch's integration, over the error asked times the root of the batches: its
# part of the half-width is then 2.13/6 of the error, and most of the width is left to the samples.
_BATCH_TOLERANCE = 1.0 / 6.0
# What the kernels of a check may err by, over its standard error.
_KERNEL_SHARE = 0.1
# Numerical errors hold at these multiples, with these probabilities of more.
_LEAST_QUANTILE, _MOST_QUANTILE, _MOST_LEVEL = 1.96, 4.5, 7e-6
# A check's own error, over the certificate's, and the least confidence of it: two intervals at 95 %
# are apart by chance too often to refuse a certificate for it.
_CHECK_FACTOR, _CHECK_CONFIDENCE = 3.0, 0.999
# Chebyshev's inequality at 5 % and at 7e-6, in parts of the multiples above.
_CHEBYSHEV = max(
    1.0 / (math.sqrt(0.05) * _LEAST_QUANTILE), 1.0 / (math.sqrt(_MOST_LEVEL) * _MOST_QUANTILE)
)
# Foresight: draws, or share of the budget, after which an integration is judged, and how far off
# its standard error may be foreseen; nats to which a probe knows the plug-in, standard errors
# that are taken off what it finds.
_JUDGED_DRAWS, _JUDGED_SHARE, _DOUBT = 1_000_000, 0.01, 4.0
_PROBE_TOLERANCE, _PROBE_ERRORS = 2e-3, 3.0
_PILOT = 4096
_CHUNK = 65_536
_LATTICE_STEP = {1: 1.0 / 10.0, 2: 1.0 / 6.0}  # in sigma
_LATTICE_REACH = 9.0
_STEP_BITS = 5
_MOST_LATTICE = 4_000_000
_LATTICE_KERNEL = 1e-10


_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Have `watcher` called with what is being done, and how far it is, from time to time."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def _tell(stage: str, detail: str) -> None:
    watcher = _watcher.get()
    if watcher is not None:
        watcher(stage, detail)


class SampledSource(Source):
    """A source whose truth comes from sampling.

    A subclass gives `certify` and `verify`, which share neither method nor random numbers.
    """

    def reference(self) -> Reference:
        """Return the truth to within 0.005 nats at 95 % confidence; see `certify`."""
        return self.certify(DEFAULT_ERROR)

    @abstractmethod
    def certify(
        self, error: float, confidence: float = DEFAULT_CONFIDENCE, seed: int = 0
    ) -> Reference:
        """Return the truth to within `error` nats, at that confidence at least."""

    @abstractmethod
    def verify(
        self, error: float, confidence: float = DEFAULT_CONFIDENCE, seed: int = 1
    ) -> Reference:
        """Return the truth by another method, to the same error and confidence."""


@dataclass(frozen=True)
class Asked:
    """What a certificate is asked for, checked.

    Attributes
    ----------
    error : float
        Half-width to reach, in nats.
    confidence : float
        In (0, 1).
    seed : int
        Where the random numbers come from.
    """

    error: float
    confidence: float = DEFAULT_CONFIDENCE
    seed: int = 0

    def __post_init__(self) -> None:
        check_positive("error", self.error)
        check_positive("confidence", self.confidence)
        if self.confidence >= 1.0:
            raise ValueError(
                f"`confidence` must lie in (0, 1) where the truth comes from sampling; "
                f"got {self.confidence!r}."
            )
        check_integer("seed", self.seed, minimum=0)

    @property
    def quantile(self) -> float:
        """Multiple of a numerical error at which the two-sided interval holds.

        Normal between the two levels at which the error is known to hold, 1.96 and 4.5. Below, the
        first one; beyond, in proportion to the log of the probability, as which the limits of
        Bernstein's and Bennett's inequalities grow at most.
        """
        level = 1.0 - self.confidence
        if level >= _MOST_LEVEL:
            normal = -float(ndtri(0.5 * level))
            return min(max(normal, _LEAST_QUANTILE), _MOST_QUANTILE)
        return _MOST_QUANTILE * math.log(2.0 / level) / math.log(2.0 / _MOST_LEVEL)

    @property
    def standard_error(self) -> float:
        """Return the numerical error for which the interval is narrow enough."""
        return self.error / self.quantile * (1.0 - 2.0**-40)

    def loose(self, error: float) -> Asked:
        """Return what to ask of a check of a certificate with this error."""
        confidence = max(self.confidence, _CHECK_CONFIDENCE)
        return Asked(_CHECK_FACTOR * max(error, 1e-14), confidence, self.seed)

    @property
    def least(self) -> float:
        """The least error to claim: a second evaluation costs about what the first one would."""
        return 0.5 * self.error

    def rng(self, *stream: int) -> np.random.Generator:
        """Return a generator of its own for each stream."""
        return np.random.default_rng([self.seed, *stream])

    def give_up(self, reached: float, spent: str) -> NoReturn:
        """Say in one line what the budget came to."""
        raise ValueError(
            f"`error` of {self.error:g} nats at confidence {self.confidence:g} is beyond the "
            f"budget: {reached:.2g} nats reached with {spent}."
        )

    def foresee(self, least: float, seen: str) -> NoReturn:
        """Say in one line what the budget would come to."""
        raise ValueError(
            f"`error` of {self.error:g} nats at confidence {self.confidence:g} is beyond the "
            f"budget: about {least:.1g} nats could be had at best, by an estimate from {seen}."
        )


@dataclass(frozen=True)
class Mean:
    """A sample mean.

    Attributes
    ----------
    value, numerical_error : float
        In nats; the error holds as that of `entbench.mixture.MixtureEntropy` does.
    n_draws : int
        How many draws.
    """

    value: float
    numerical_error: float
    n_draws: int


def certify_mixture(mixture: GaussianMixture, asked: Asked) -> Reference:
    """Return the entropy of a mixture whose components are known.

    Quadrature in one and two dimensions where its points suffice, Monte Carlo elsewhere; the error
    of that is a multiple of a numerical error that holds wherever mass is rare. See
    `GaussianMixture.entropy`. The confidence is 1 where the error is a bound with proof, of
    components that do not overlap. That of quadrature is not: it is extrapolated.

    Raises
    ------
    ValueError
        If the budget does not do, or the check contradicts the value.
    """
    found = _integrate(mixture, asked)
    confidence = asked.confidence
    error = asked.quantile * found.numerical_error
    if found.method == "quadrature":
        error += found.kernel_error
        method = f"quadrature over the mixture of {mixture.n} components"
    elif found.method == "closed form":
        error, confidence = _LEAST_QUANTILE * found.numerical_error, 1.0
        method = f"closed form of {mixture.n} components that do not overlap"
    else:
        method = (
            f"stratified Monte Carlo over the mixture of {mixture.n} components, "
            f"{found.n_draws} draws"
        )
    if error > asked.error:
        asked.give_up(error, f"{found.n_draws} draws")
    to_confirm = error
    if _lattice_size(mixture) > _MOST_LATTICE:
        to_confirm = max(error, asked.least)
        # a bound stands as it is; no interval is finer than what a second evaluation can confirm
        error = error if confidence == 1.0 else to_confirm
    second = _second(mixture, asked.loose(to_confirm))
    return confirmed(Reference(found.value, error, method, confidence=confidence), second)


def verify_mixture(mixture: GaussianMixture, asked: Asked) -> Reference:
    """Return a mixture's entropy by another way than `certify_mixture`.

    A plain lattice in one and two dimensions where it has few enough points. Otherwise the I-MMSE
    relation with dense sums, which has no code in common with the first, where that is not too
    much work; and independent draws, without strata, pairs or fitted control variates, elsewhere.

    Raises
    ------
    ValueError
        If the budget does not do.
    """
    found = _second(mixture, asked)
    if found.error > asked.error:
        asked.give_up(found.error, found.method)
    return found


def _second(mixture: GaussianMixture, asked: Asked) -> Reference:
    """Return the other evaluation, as far as the budget goes."""
    if _lattice_size(mixture) <= _MOST_LATTICE:
        return _lattice(mixture)
    return _by_mmse(mixture, asked) or _by_plain_draws(mixture, asked)


def _by_mmse(mixture: GaussianMixture, asked: Asked) -> Reference | None:
    """Return the entropy by the I-MMSE relation, or None where that takes too long."""
    from entbench.sources._mmse import MOST_PLACES, entropy_by_mmse

    if mixture.n > MOST_PLACES * 16:  # not worth sorting
        return None
    _tell("check by I-MMSE", f"{mixture.n} components")
    found = entropy_by_mmse(
        *(mixture.centres, mixture.sigma, mixture.weights),
        0.99 * asked.standard_error,
        _MOST_DENSE,
        asked.rng(_SECOND),
    )
    if found is None:
        return None
    error = asked.quantile * found.numerical_error + found.rule_error
    if error > asked.error:
        return None
    method = f"I-MMSE at {found.n_nodes} levels of noise, {found.n_draws} draws, dense sums"
    return Reference(found.value, error, method, confidence=asked.confidence)


def _by_plain_draws(mixture: GaussianMixture, asked: Asked) -> Reference:
    """Return the entropy by independent draws.

    A term is h(Z) less ``log(q(T)/phi(Z))``, which is log w at least, w the weight of the component
    drawn, and above u with probability exp(-u) at most: ``E q(T)/phi(Z) = 1``.
    """
    from entbench.mixture import gaussian_entropy

    bounds: list[float] = []
    tolerance = min(max(_KERNEL_SHARE * asked.standard_error, 1e-12), 1e-4)

    def draw(m: int, rng: np.random.Generator) -> NDArray[np.float64]:
        chosen = rng.choice(mixture.n, m, p=mixture.weights)
        noise = rng.standard_normal((m, mixture.dim))
        density = mixture.evaluate(mixture.centres[chosen] + mixture.sigma * noise, tolerance)
        bounds.append(float(density.errors.max()))
        own = -0.5 * (np.einsum("ij,ij->i", noise, noise) - mixture.dim)
        return np.asarray(own - density.values)

    most = int(min(_MOST_DRAWS, _MOST_PAIRS / mixture.n))
    rarest = -math.log(
        float(np.min(mixture.weights)) if mixture.weights is not None else 1 / mixture.n
    )
    goal = (asked.error - tolerance) / asked.quantile
    mean = mean_to(draw, max(goal, 0.5 * asked.standard_error), most, asked.rng(_SECOND), rarest)
    # -log q(T) less (|Z|^2 - dim)/2, whose mean is 0
    value, error = mean.value, asked.quantile * mean.numerical_error + max(bounds)
    floor = 2.0**-50 * abs(gaussian_entropy(mixture.dim, mixture.sigma))
    method = f"{mean.n_draws} independent draws of -log q(S+Z), unstratified"
    return Reference(value, error + floor, method, confidence=asked.confidence)


def certify_bracket(sample: Sampler, sigma: float, asked: Asked, spread: float = 0.0) -> Reference:
    """Return h(S+Z) between the means of the plug-in and of its leave-one-out counterpart.

    ``E h_SP(n) <= h(S+Z) <= E h_LOO(n)`` for every n. Batches of n samples each give both from one
    integration; one-sided Student limits at ``(1 - confidence)/2`` bound the two means, and n grows
    until the limits are near enough. The error of the integration is in the scatter. The interval
    covers more often than it says, by the bias on both sides.

    Parameters
    ----------
    sample : callable
        Takes n and a generator, returns samples of S, shape (n, dim).
    sigma : float
        Standard deviation of the noise.
    asked : Asked
        Error, confidence and seed.
    spread : float, default=0.0
        Nats that a unit of rare mass may have beyond a single atom: ``dim/2 log(1 + 1/sigma^2)``
        at most where S lies in the cube.

    Raises
    ------
    ValueError
        If the budget does not do, or the check contradicts the value.

    Notes
    -----
    No interval from samples alone holds for every law. Mass below about 3/N is likely to be in none
    of the N samples of all batches, and the scatter of 16 batches says little of mass that a few of
    them have met. Both count with the range of what one sample adds, ``(log N + spread)/N``, as
    rare terms do in an integration: the interval holds for atoms of any mass, and for rare mass
    that the noise lets one tell apart no further than `spread` says. With the default it assumes
    that mass below 3/N is not spread widely. Student's limits assume batch values of a variance
    that 16 of them show; leave-one-out of heavy tails is skewed upwards, to the safe side, and
    infinite on average where ``E |S|^2`` is: then no budget does.
    """
    rounds = _bracket(sample, sigma, asked, spread)
    low, high = rounds.limits(asked.confidence)
    value = 0.5 * (low + high)
    method = f"plug-in and leave-one-out, {_BATCHES} batches of {rounds.n} samples"
    half = max(0.5 * (high - low) + _rounding(value), asked.least)
    second = _cross_entropy(sample, sigma, asked.loose(half), rounds.n, spread)
    return confirmed(Reference(value, half, method, confidence=asked.confidence), second)


def verify_bracket(sample: Sampler, sigma: float, asked: Asked, spread: float = 0.0) -> Reference:
    """Return h(S+Z) by the cross-entropy of fresh samples of S+Z to the plug-in of others.

    Its mean is ``h + E D(q || qhat_n)``. That excess is as 1/n in the end, so the difference to the
    mixtures of half the samples is taken off, and counted as error beside Student's limits. See
    `certify_bracket` for rare mass.
    """
    n = _FIRST_SAMPLES
    while True:
        found = _cross_entropy(sample, sigma, asked, n, spread)
        if found.error <= asked.error:
            return found
        if 2 * n > _MOST_SAMPLES:
            asked.give_up(found.error, f"{_BATCHES} batches of {n} samples")
        n *= 2


def mean_to(
    draw: Callable[[int, np.random.Generator], NDArray[np.float64]],
    numerical_error: float,
    max_draws: int,
    rng: np.random.Generator,
    reach: float,
    variance_bound: float = math.inf,
) -> Mean:
    """Average independent draws until the numerical error is met, or the budget is spent.

    Parameters
    ----------
    draw : callable
        Takes a number and a generator, returns so many terms.
    numerical_error : float
        To reach, in nats.
    max_draws : int
        Most draws to spend.
    rng : numpy.random.Generator
        Where they come from.
    reach : float
        Range of the terms but for the log of the number of draws, which is added: beyond it by u
        with probability exp(-u) at most. Terms that no draw has met count with it; without a range
        no error would hold.
    variance_bound : float, optional
        Bound on a term's variance, where there is one: it counts where it says more.

    Notes
    -----
    The number of draws follows the variance seen so far, plus 5 % so that few looks are needed.
    """
    from entbench.mixture import error_of

    count, shift, moments = 0, 0.0, np.zeros(2)
    wanted = min(_PILOT, max_draws)
    while True:
        while count < wanted:
            values = draw(min(_CHUNK, wanted - count), rng)
            if count == 0:
                shift = float(values.mean())  # or the squares would cancel
            values = values - shift
            count += len(values)
            moments += values.sum(), (values**2).sum()
        variance = max(moments[1] - moments[0] ** 2 / count, 0.0) / (count - 1)
        span = reach + math.log(count)
        error = float(error_of(variance / count, span / count))
        error = min(error, _CHEBYSHEV * math.sqrt(variance_bound / count))
        _tell("averaging independent draws", f"{count} draws, to {error:.1e} nats")
        if error <= numerical_error or count >= max_draws:
            return Mean(shift + float(moments[0]) / count, error, count)
        # sqrt(v/c) + UNSEEN r/c is the goal at this many, about
        unseen = float(error_of(0.0, span)) / numerical_error
        square = variance / numerical_error**2
        root = math.sqrt(0.25 * square**2 + square * min(unseen, 1e30))
        wanted = math.ceil(min(1.05 * (0.5 * square + unseen + root), float(max_draws)))
        wanted = min(max(wanted, count + 1), _MOST_GROWTH * count, max_draws)


def check_of(second: Reference, value: float) -> ReferenceCheck:
    """Return another evaluation as a check of `value`."""
    return ReferenceCheck(second.method, second.value, abs(second.value - value), second.error)


def confirmed(reference: Reference, second: Reference) -> Reference:
    """Return a reference with another evaluation as its check.

    Raises
    ------
    ValueError
        If the two are farther apart than both errors allow.
    """
    found = replace(reference, checks=(check_of(second, reference.value),))
    refuse_contradicted(found)
    return found


def refuse_contradicted(reference: Reference, name: str = "") -> None:
    """Raise ValueError where a check that states its error contradicts the reference.

    Parameters
    ----------
    reference : Reference
        With its checks.
    name : str, optional
        Of the source, for the message.
    """
    for check in reference.checks:
        if check.error is not None and not check.difference <= reference.error + check.error:
            raise ValueError(contradiction(reference, check.method, check.value, check.error, name))


def contradiction(
    reference: Reference, method: str, value: float, error: float | None, name: str = ""
) -> str:
    """Return the line for a truth that a second evaluation contradicts."""
    difference = abs(value - reference.value)
    beyond = difference - reference.error - (error or 0.0)
    first = f"{reference.quantity} = {reference.value:.10g} +- {reference.error:.1e} nats"
    second = f"{value:.10g}" if error is None else f"{value:.10g} +- {error:.1e}"
    whose = f" of source {name!r}" if name else ""
    return (
        f"the reference{whose} is refused: {first} by {reference.method}, but {second} by "
        f"{method}: {difference:.1e} apart, {beyond:.1e} more than their errors."
    )


def _integrate(mixture: GaussianMixture, asked: Asked) -> MixtureEntropy:
    most = int(min(_MOST_DRAWS, _MOST_PAIRS / mixture.n))
    judged = min(_JUDGED_DRAWS, _JUDGED_SHARE * most)

    def look(draws: int, error: float) -> None:
        _tell(f"integrating over {mixture.n} components", f"{draws} draws, to {error:.1e} nats")
        at_best = error * math.sqrt(draws / most)
        # in one and two dimensions these draws are but companions of a rule
        if mixture.dim > 2 and draws >= judged and at_best > _DOUBT * asked.standard_error:
            asked.foresee(asked.quantile * at_best, f"{draws} draws")

    return mixture.entropy(asked.standard_error, most, asked.rng(_FIRST), progress=look)


def _rounding(value: float) -> float:
    return 2.0**-50 * abs(value)


def _lattice_size(mixture: GaussianMixture) -> float:
    """Return how many points the lattice has; inf beyond two dimensions."""
    if mixture.dim not in _LATTICE_STEP:
        return math.inf
    spans = np.ptp(mixture.centres, axis=0) / mixture.sigma + 2.0 * _LATTICE_REACH
    return float(np.prod(spans / _LATTICE_STEP[mixture.dim] + 2.0))


def _lattice(mixture: GaussianMixture) -> Reference:
    """Sum -q log q over a plain lattice; the error is the change from doubling its step.

    And what kernels and rounded coordinates leave.
    """
    # a step of few bits, so that its multiples are exact: rounded points would move by some of it
    mantissa, exponent = math.frexp(_LATTICE_STEP[mixture.dim] * mixture.sigma)
    step = math.ldexp(math.floor(mantissa * 2.0**_STEP_BITS) / 2.0**_STEP_BITS, exponent)
    margin = _LATTICE_REACH * mixture.sigma
    first_of = np.floor((mixture.centres.min(axis=0) - margin) / step)
    spans = np.ptp(mixture.centres, axis=0) + 2.0 * margin
    counts = 2 * np.ceil(spans / (2.0 * step)).astype(int) + 3
    places = np.stack(np.unravel_index(np.arange(math.prod(counts)), tuple(counts)), axis=1)
    sums = np.zeros(2)
    for first in range(0, len(places), _CHUNK):
        some = places[first : first + _CHUNK]
        log_q = mixture.log_density(step * (first_of + some), _LATTICE_KERNEL)
        terms = -np.exp(log_q) * log_q
        sums += terms.sum(), terms[(some % 2 == 0).all(axis=1)].sum()
    cell = step**mixture.dim
    fine, coarse = float(sums[0] * cell), float(sums[1] * cell * 2**mixture.dim)
    farthest = float(np.abs(first_of).max() + counts.max())
    rounding = _rounding(fine)
    if farthest >= 2.0 ** (53 - _STEP_BITS):
        lost = 2.0**-52 * mixture.dim * farthest
        rounding += lost * (1.0 + abs(fine) + abs(math.log(cell)))
    error = abs(fine - coarse) + 2.0 * _LATTICE_KERNEL + rounding
    return Reference(fine, error, f"trapezoidal lattice of {len(places)} points")


@dataclass(frozen=True)
class _Batches:
    """Statistics of independent batches of n samples.

    Attributes
    ----------
    n : int
        Samples in a batch.
    low, high : ndarray of shape (batches,)
        Plug-in and leave-one-out, in nats.
    slack : float
        What kernels and quadrature may be off by beyond the scatter.
    pairs : float
        Kernels spent.
    rare : tuple of float
        Of plug-in and leave-one-out: what one sample, or one visit of an integration, adds to the
        mean over batches at most, in nats.
    """

    n: int
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    slack: float
    pairs: float
    rare: tuple[float, float] = (0.0, 0.0)

    def limits(self, confidence: float) -> tuple[float, float]:
        """Return a lower limit of E h_SP and an upper one of E h_LOO, each one-sided."""
        low = float(self.low.mean()) - _student(self.low, self.rare[0], confidence)
        if not np.isfinite(self.high).all():  # samples too far apart for double precision
            return low - self.slack, math.inf
        high = float(self.high.mean()) + _student(self.high, self.rare[1], confidence)
        return low - self.slack, high + self.slack


def _student(values: NDArray[np.float64], rare: float, confidence: float) -> float:
    """Return the distance of Student's two-sided limit from the mean, of what is rare included."""
    from entbench.mixture import error_of

    batches = len(values)
    quantile = float(stdtrit(batches - 1, 0.5 + 0.5 * confidence))
    return quantile * float(error_of(values.var(ddof=1) / batches, rare))


def _one_sample(n: int, spread: float) -> float:
    """Return what one of the samples of all batches adds to a mean over them at most."""
    samples = _BATCHES * n
    return (math.log(samples) + spread) / samples


def _bracket(sample: Sampler, sigma: float, asked: Asked, spread: float) -> _Batches:
    """Let n grow until the bracket is narrow enough."""
    n, left = _FIRST_SAMPLES, _MOST_PAIRS
    if asked.error < _PROBE_TOLERANCE:  # batches that go so far cost more than a probe
        _probe(sample, sigma, asked, n, _MOST_SAMPLES)
    while True:
        found = _batches(sample, sigma, asked, n, spread)
        low, high = found.limits(asked.confidence)
        half = 0.5 * (high - low) * (1.0 + 2.0**-40) + _rounding(low)
        if half <= asked.error:
            return found
        left -= found.pairs
        # the bracket narrows at most as 1/n in the end: no step that is surely too far
        steps = math.ceil(math.log2(min(half / asked.error, _MOST_GROWTH)))
        growth = 2 ** max(steps, 1)
        while growth > 2 and (n * growth > _MOST_SAMPLES or found.pairs * growth > left):
            growth //= 2
        if n * growth > _MOST_SAMPLES or found.pairs * growth > left:
            asked.give_up(half, f"{_BATCHES} batches of {n} samples")
        reach = min(_MOST_SAMPLES, n * left / found.pairs)
        if half * n / reach > asked.error:
            _probe(sample, sigma, asked, n, reach, half)
        n *= growth


def _probe(
    sample: Sampler,
    sigma: float,
    asked: Asked,
    n: int,
    reach: float,
    half: float = 0.0,
) -> None:
    """Refuse an error that the plug-in alone exceeds, as far as n can go.

    The bracket narrows as 1/n in the end, but its upper side may fall faster before: where samples
    stand alone, its distance is that to the nearest one, squared. The lower side does not. n times
    the bias b(n) does not fall with n, so that b(n/2) <= 2 b(n), and what the plug-in gains from
    n/2 to n samples is at most b(n). Its scatter falls no faster. Half of both is the least
    half-width.
    """
    from entbench.mixture import GaussianMixture

    found = np.empty((_PROBE_BATCHES, 2))
    errors = np.empty_like(found)
    for batch in range(_PROBE_BATCHES):
        rng = asked.rng(_PROBE, n, batch)
        signal = sample(n, rng)
        for i, rows in enumerate((signal[: n // 2], signal)):
            one = GaussianMixture(rows, sigma).entropy(_PROBE_TOLERANCE, _BATCH_DRAWS, rng)
            found[batch, i], errors[batch, i] = one.plug_in, one.numerical_error
    gains = found[:, 1] - found[:, 0]
    gain = float(gains.mean() - _PROBE_ERRORS * gains.std(ddof=1) / math.sqrt(_PROBE_BATCHES))
    # less what integration adds; by chance the scatter comes out twice as large once in 1000 times
    variance = max(float(found[:, 1].var(ddof=1) - (errors[:, 1] ** 2).mean()), 0.0)
    scatter = 0.5 * asked.quantile * math.sqrt(variance / _BATCHES)
    least = 0.5 * (max(gain, 0.0) + scatter) * n / reach
    if least > asked.error:
        likely = half * n / reach if math.isfinite(half) else 0.0
        asked.foresee(max(least, likely), f"batches of {n} samples")


def _batches(sample: Sampler, sigma: float, asked: Asked, n: int, spread: float) -> _Batches:
    from entbench.mixture import GaussianMixture, error_of

    tolerance = _BATCH_TOLERANCE * math.sqrt(_BATCHES) * asked.error
    found: list[MixtureEntropy] = []
    for batch in range(_BATCHES):
        _tell(f"plug-in and leave-one-out of {n} samples", f"batch {batch + 1} of {_BATCHES}")
        rng = asked.rng(_BATCH, n, batch)
        mixture = GaussianMixture(sample(n, rng), sigma)
        found.append(mixture.entropy(tolerance, _BATCH_DRAWS, rng))
    # the error of Monte Carlo is in the scatter; that of a rule may be the same in every batch
    by_rule = [each.numerical_error for each in found if each.method == "quadrature"]
    # but for visits that none of a batch's integration met
    unseen = float(error_of(0.0, 1.0)) * _BATCHES
    low = max(each.plug_in_error for each in found) / unseen
    high = max(each.leave_one_out_error for each in found) / unseen
    one = _one_sample(n, spread)
    return _Batches(
        n,
        np.array([each.plug_in for each in found]),
        np.array([each.leave_one_out for each in found]),
        max(each.kernel_error for each in found) + max(by_rule, default=0.0),
        float(n) * sum(each.n_draws for each in found),
        (max(one, low), max(one, high)),
    )


def _cross_entropy(sample: Sampler, sigma: float, asked: Asked, n: int, spread: float) -> Reference:
    """Return h(S+Z) from fresh samples of S+Z and the mixtures of n, and of n/2, others."""
    from entbench.mixture import GaussianMixture

    tolerance = min(max(_KERNEL_SHARE * asked.standard_error, 1e-12), 1e-4)
    means = np.empty((_BATCHES, 2))
    for batch in range(_BATCHES):
        _tell(f"check by {n} fresh samples", f"batch {batch + 1} of {_BATCHES}")
        rng = asked.rng(_FRESH, n, batch)
        centres, fresh = sample(n, rng), sample(n, rng)
        noise = rng.standard_normal(fresh.shape)
        points = fresh + sigma * noise
        parts = (centres, centres[: n // 2], centres[n // 2 :])
        whole, *halves = (
            -float(GaussianMixture(part, sigma).log_density(points, tolerance).mean())
            for part in parts
        )
        # less |Z|^2/2, whose mean is known
        own = 0.5 * float((noise**2).sum(axis=1).mean() - fresh.shape[1])
        means[batch] = whole - own, 0.5 * sum(halves) - whole
    values, excess = means[:, 0] - means[:, 1], abs(float(means[:, 1].mean()))
    error = _student(values, _one_sample(n, spread), asked.confidence) + excess + tolerance
    method = f"cross-entropy of fresh samples, {_BATCHES} batches of {n} and {n} samples"
    return Reference(float(values.mean()), error, method, confidence=asked.confidence)
