"""Truths that come from sampling, with the error they leave and the confidence they have."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
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
CERTIFICATE_VERSION = "1"
DEFAULT_ERROR = 5e-3
DEFAULT_CONFIDENCE = 0.95

# Separate streams for what must be independent.
_FIRST, _SECOND, _BATCH, _FRESH, _PROBE = range(5)
# Budgets: evaluations of a kernel, draws of one integration, samples in a batch.
_MOST_PAIRS = 2e12
_MOST_DRAWS = 300_000_000
_MOST_SAMPLES = 2**18
# Batches: with 15 degrees of freedom Student's quantile is 9 % above the normal one; more batches
# of fewer samples would gain less than that and widen the bracket itself, which is as 1/n.
_BATCHES = 16
_CHECK_BATCHES = 8
_BATCH_DRAWS = 2_000_000
_FIRST_SAMPLES = 1024
_MOST_GROWTH = 8
# Standard error of a batch's integration, over the error asked times the root of the batches: its
# part of the half-width is then 2.13/6 of the error, and most of the width is left to the samples.
_BATCH_TOLERANCE = 1.0 / 6.0
# What the engine lets kernels err by, over the standard error asked.
_KERNEL_SHARE = 0.1
# Foresight: draws, or share of the budget, after which an integration is judged, and how far off
# its standard error may be foreseen; nats to which a probe knows the plug-in, standard errors
# that are taken off what it finds.
_JUDGED_DRAWS, _JUDGED_SHARE, _DOUBT = 1_000_000, 0.01, 4.0
_PROBE_TOLERANCE, _PROBE_ERRORS = 2e-3, 3.0
_PILOT = 4096
# A variance is known where so many draws make it up.
_ENOUGH = 25.0
_CHUNK = 65_536
_LATTICE_STEP = {1: 1.0 / 10.0, 2: 1.0 / 6.0}  # in sigma
_LATTICE_REACH = 9.0
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
        """Normal quantile of the two-sided interval."""
        return float(ndtri(0.5 + 0.5 * self.confidence))

    @property
    def standard_error(self) -> float:
        """Return the standard error for which the interval is narrow enough, kernels included."""
        return self.error / (self.quantile + _KERNEL_SHARE)

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
    value, standard_error : float
        In nats.
    n_draws : int
        How many draws.
    """

    value: float
    standard_error: float
    n_draws: int


def certify_mixture(mixture: GaussianMixture, asked: Asked) -> Reference:
    """Return the entropy of a mixture whose components are known.

    Quadrature in one and two dimensions where its points suffice, Monte Carlo elsewhere; the error
    is the normal quantile times the standard error, and what the kernels may be off by. See
    `GaussianMixture.entropy`.

    Raises
    ------
    ValueError
        If the budget does not do.
    """
    found = _integrate(mixture, asked)
    if found.method == "quadrature":
        error, confidence = found.standard_error + found.kernel_error, 1.0
        method = f"quadrature over the mixture of {mixture.n} components"
    else:
        error = asked.quantile * found.standard_error + found.kernel_error
        error, confidence = error + _rounding(found.value), asked.confidence
        error = max(error, asked.least)
        method = (
            f"stratified Monte Carlo over the mixture of {mixture.n} components, "
            f"{found.n_draws} draws"
        )
    if error > asked.error:
        asked.give_up(error, f"{found.n_draws} draws")
    lattice = _lattice_size(mixture) <= _MOST_LATTICE
    if confidence == 1.0 and not lattice:
        error = asked.error  # no finer than what a second evaluation can confirm
    # the check need only tell a mistake: as many nats of standard error as the bound
    loose = Asked(max(error, 1e-12) * asked.quantile, asked.confidence, asked.seed)
    second = verify_mixture(mixture, loose)
    return Reference(
        found.value, error, method, (check_of(second, found.value),), "h(S+Z)", confidence
    )


def verify_mixture(mixture: GaussianMixture, asked: Asked) -> Reference:
    """Return a mixture's entropy by another way than `certify_mixture`.

    A plain lattice in one and two dimensions where it has few enough points; otherwise independent
    draws, without strata, pairs or fitted control variates.
    """
    if _lattice_size(mixture) <= _MOST_LATTICE:
        return _lattice(mixture)
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
    mean = mean_to(draw, asked.standard_error, most, asked.rng(_SECOND))
    # -log q(T) less (|Z|^2 - dim)/2, whose mean is 0
    value, error = mean.value, asked.quantile * mean.standard_error + max(bounds)
    if error > asked.error:
        asked.give_up(error, f"{mean.n_draws} draws")
    floor = 2.0**-50 * abs(gaussian_entropy(mixture.dim, mixture.sigma))
    method = f"{mean.n_draws} independent draws of -log q(S+Z), unstratified"
    return Reference(value, error + floor, method, confidence=asked.confidence)


def certify_bracket(sample: Sampler, sigma: float, asked: Asked) -> Reference:
    """Return h(S+Z) between the means of the plug-in and of its leave-one-out counterpart.

    ``E h_SP(n) <= h(S+Z) <= E h_LOO(n)`` for every n. Batches of n samples each give both from one
    integration; one-sided Student limits at ``(1 - confidence)/2`` bound the two means, and n grows
    until the limits are near enough. The error of the integration is in the scatter. The interval
    covers more often than it says, by the bias on both sides.

    Raises
    ------
    ValueError
        If the budget does not do.
    """
    rounds = _bracket(sample, sigma, asked)
    low, high = rounds.limits(asked.confidence)
    value = 0.5 * (low + high)
    method = f"plug-in and leave-one-out, {_BATCHES} batches of {rounds.n} samples"
    half = max(0.5 * (high - low) + _rounding(value), asked.least)
    second = _cross_entropy(sample, sigma, asked, rounds.n, _CHECK_BATCHES)
    return Reference(value, half, method, (check_of(second, value),), "h(S+Z)", asked.confidence)


def verify_bracket(sample: Sampler, sigma: float, asked: Asked) -> Reference:
    """Return h(S+Z) by the cross-entropy of fresh samples of S+Z to the plug-in of others.

    Its mean is ``h + E D(q || qhat_n)``. That excess is as 1/n in the end, so the difference to the
    mixtures of half the samples is taken off, and counted as error beside Student's limits.
    """
    n = _FIRST_SAMPLES
    while True:
        found = _cross_entropy(sample, sigma, asked, n, _BATCHES)
        if found.error <= asked.error:
            return found
        if 2 * n > _MOST_SAMPLES:
            asked.give_up(found.error, f"{_BATCHES} batches of {n} samples")
        n *= 2


def mean_to(
    draw: Callable[[int, np.random.Generator], NDArray[np.float64]],
    standard_error: float,
    max_draws: int,
    rng: np.random.Generator,
    variance_bound: float = 0.0,
) -> Mean:
    """Average independent draws until the standard error is met, or the budget is spent.

    The number of draws follows the variance seen so far, plus 5 % so that few looks are needed.
    Where a few rare draws make up the variance seen, or none was seen, `variance_bound` counts.
    """
    count, shift, moments = 0, 0.0, np.zeros(3)
    wanted = min(_PILOT, max_draws)
    while True:
        while count < wanted:
            values = draw(min(_CHUNK, wanted - count), rng)
            if count == 0:
                shift = float(values.mean())  # or the squares would cancel
            values = values - shift
            count += len(values)
            squares = values**2
            moments += values.sum(), squares.sum(), (squares**2).sum()
        variance = max(moments[1] - moments[0] ** 2 / count, 0.0) / (count - 1)
        if is_rare(moments[1], moments[2]):
            variance = max(variance, variance_bound)
        error = math.sqrt(variance / count)
        _tell("averaging independent draws", f"{count} draws, to {error:.1e} nats")
        if error <= standard_error or count >= max_draws:
            return Mean(shift + float(moments[0]) / count, error, count)
        wanted = math.ceil(1.05 * variance / standard_error**2) + 1
        wanted = min(max(wanted, count + 1), _MOST_GROWTH * count, max_draws)


def is_rare(squares: float, fourths: float) -> bool:
    """Tell from sums of powers whether a variance is made up by a few draws."""
    return squares == 0.0 or squares**2 < _ENOUGH * fourths


def check_of(second: Reference, value: float) -> ReferenceCheck:
    """Return another evaluation as a check of `value`."""
    return ReferenceCheck(second.method, second.value, abs(second.value - value))


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
    """Sum -q log q over a plain lattice; the error is the change from doubling its step."""
    step = _LATTICE_STEP[mixture.dim]
    low = mixture.centres.min(axis=0) - _LATTICE_REACH * mixture.sigma
    spans = np.ptp(mixture.centres, axis=0) / mixture.sigma + 2.0 * _LATTICE_REACH
    counts = 2 * np.ceil(spans / (2.0 * step)).astype(int) + 1
    places = np.stack(np.unravel_index(np.arange(math.prod(counts)), tuple(counts)), axis=1)
    sums = np.zeros(2)
    for first in range(0, len(places), _CHUNK):
        some = places[first : first + _CHUNK]
        log_q = mixture.log_density(low + mixture.sigma * step * some, _LATTICE_KERNEL)
        terms = -np.exp(log_q) * log_q
        sums += terms.sum(), terms[(some % 2 == 0).all(axis=1)].sum()
    cell = (mixture.sigma * step) ** mixture.dim
    fine, coarse = float(sums[0] * cell), float(sums[1] * cell * 2**mixture.dim)
    error = abs(fine - coarse) + 2.0 * _LATTICE_KERNEL
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
    """

    n: int
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    slack: float
    pairs: float

    def limits(self, confidence: float) -> tuple[float, float]:
        """Return a lower limit of E h_SP and an upper one of E h_LOO, each one-sided."""
        batches = len(self.low)
        quantile = float(stdtrit(batches - 1, 0.5 + 0.5 * confidence)) / math.sqrt(batches)
        low = float(self.low.mean() - quantile * self.low.std(ddof=1))
        if not np.isfinite(self.high).all():  # samples too far apart for double precision
            return low - self.slack, math.inf
        high = float(self.high.mean() + quantile * self.high.std(ddof=1))
        return low - self.slack, high + self.slack


def _bracket(sample: Sampler, sigma: float, asked: Asked) -> _Batches:
    """Let n grow until the bracket is narrow enough."""
    n, left = _FIRST_SAMPLES, _MOST_PAIRS
    if asked.error < _PROBE_TOLERANCE:  # batches that go so far cost more than a probe
        _probe(sample, sigma, asked, n, _MOST_SAMPLES)
    while True:
        found = _batches(sample, sigma, asked, n)
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

    found = np.empty((_CHECK_BATCHES, 2))
    errors = np.empty_like(found)
    for batch in range(_CHECK_BATCHES):
        rng = asked.rng(_PROBE, n, batch)
        signal = sample(n, rng)
        for i, rows in enumerate((signal[: n // 2], signal)):
            one = GaussianMixture(rows, sigma).entropy(_PROBE_TOLERANCE, _BATCH_DRAWS, rng)
            found[batch, i], errors[batch, i] = one.plug_in, one.standard_error
    gains = found[:, 1] - found[:, 0]
    gain = float(gains.mean() - _PROBE_ERRORS * gains.std(ddof=1) / math.sqrt(_CHECK_BATCHES))
    # less what integration adds; by chance the scatter comes out twice as large once in 1000 times
    variance = max(float(found[:, 1].var(ddof=1) - (errors[:, 1] ** 2).mean()), 0.0)
    scatter = 0.5 * asked.quantile * math.sqrt(variance / _BATCHES)
    least = 0.5 * (max(gain, 0.0) + scatter) * n / reach
    if least > asked.error:
        likely = half * n / reach if math.isfinite(half) else 0.0
        asked.foresee(max(least, likely), f"batches of {n} samples")


def _batches(sample: Sampler, sigma: float, asked: Asked, n: int) -> _Batches:
    from entbench.mixture import GaussianMixture

    tolerance = _BATCH_TOLERANCE * math.sqrt(_BATCHES) * asked.error
    found: list[MixtureEntropy] = []
    for batch in range(_BATCHES):
        _tell(f"plug-in and leave-one-out of {n} samples", f"batch {batch + 1} of {_BATCHES}")
        rng = asked.rng(_BATCH, n, batch)
        mixture = GaussianMixture(sample(n, rng), sigma)
        found.append(mixture.entropy(tolerance, _BATCH_DRAWS, rng))
    # the error of Monte Carlo is in the scatter; that of a rule may be the same in every batch
    by_rule = [each.standard_error for each in found if each.method == "quadrature"]
    return _Batches(
        n,
        np.array([each.plug_in for each in found]),
        np.array([each.leave_one_out for each in found]),
        max(each.kernel_error for each in found) + max(by_rule, default=0.0),
        float(n) * sum(each.n_draws for each in found),
    )


def _cross_entropy(sample: Sampler, sigma: float, asked: Asked, n: int, batches: int) -> Reference:
    """Return h(S+Z) from fresh samples of S+Z and the mixtures of n, and of n/2, others."""
    from entbench.mixture import GaussianMixture

    tolerance = min(max(_KERNEL_SHARE * asked.standard_error, 1e-12), 1e-4)
    means = np.empty((batches, 2))
    for batch in range(batches):
        _tell(f"check by {n} fresh samples", f"batch {batch + 1} of {batches}")
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
    quantile = float(stdtrit(batches - 1, 0.5 + 0.5 * asked.confidence)) / math.sqrt(batches)
    error = quantile * float(values.std(ddof=1)) + excess + tolerance
    method = f"cross-entropy of fresh samples, {batches} batches of {n} and {n} samples"
    return Reference(float(values.mean()), error, method, confidence=asked.confidence)
