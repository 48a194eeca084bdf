"""Codewords of a Reed-Muller code as points of the cube."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import log_ndtr, ndtr

from entbench._base import Reference, SourceFacts
from entbench._validation import check_integer, check_positive
from entbench.sources._certificate import (
    Asked,
    SampledSource,
    certify_bracket,
    confirmed,
    mean_to,
    verify_bracket,
)
from entbench.sources.channels import BPSKChannel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench.mixture import GaussianMixture

_MOST_BITS = 16  # codebooks up to 2^16 are summed over
_CHUNK = 2**20  # entries of the transform at a time
_PILOT = 1024
_STREAM = 10
_ENOUGH = 25.0  # draws that make up a variance
_OVERLAP = 2.19  # max of log(1 + u)^2 / sqrt(u)
_MOST_WORDS_DRAWS = 2e11  # words times pairs of draws


@dataclass(frozen=True)
class ReedMuller(SampledSource):
    """Codewords of RM(r, m), equally likely, as points of {-1, 1}^d with d = 2^m.

    The law of binary signalling with a code over the Gaussian channel: bit b is sent as
    ``(-1)^b``. RM(m, m) is the whole cube and RM(0, m) a repetition: both have an exact truth.
    For up to 2^16 words the density of S+Z is summed over the codebook; beyond, the truth is
    enclosed between the plug-in and its leave-one-out counterpart.

    Parameters
    ----------
    r : int, default=1
        Order, from 0 to m.
    m : int, default=4
        Logarithm of the length, from 1 to 12.
    sigma : float, default=1.0
        Standard deviation of the noise Z.

    Notes
    -----
    The check exploits that a code looks the same from each of its words: draws around one do for
    all, and the sum over words is one over cosets of RM(1, m), each by a fast Hadamard transform.

    S is in the cube, with mean 0, and on a sphere of radius ``sqrt(d)``: subgaussian with
    K = sqrt(d) (Hoeffding's lemma along every direction), attained by the repetition up to
    constants; K = 1 for RM(m, m), a product.

    References
    ----------
    Goldfeld et al., "Convergence of smoothed empirical measures with applications to entropy
    estimation", IEEE Trans. Inf. Theory 66 (2020), section V, for the example (recalled, not
    checked). MacWilliams and Sloane, "The Theory of Error-Correcting Codes", ch. 13.
    """

    version: ClassVar[str] = "1"

    r: int = 1
    m: int = 4
    sigma: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "m", check_integer("m", self.m, minimum=1, maximum=12))
        object.__setattr__(self, "r", check_integer("r", self.r, minimum=0, maximum=self.m))
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma))

    @property
    def dim(self) -> int:
        """Dimension of S, 2^m."""
        return int(2**self.m)

    @property
    def n_bits(self) -> int:
        """Bits of a message; the code has 2^n_bits words."""
        return sum(math.comb(self.m, order) for order in range(self.r + 1))

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw `n` samples, shape (n, 2^m), by encoding random messages."""
        return self.encode(rng.integers(0, 2, (n, self.n_bits), dtype=np.uint8))

    def encode(self, messages: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the words of messages (n, n_bits), shape (n, 2^m), in {-1, 1}.

        A message holds the coefficients of a polynomial in m bits, a word its values everywhere.
        """
        return _words(self._monomials(0), messages, self.m)

    def certify(self, error: float, confidence: float = 0.95, seed: int = 0) -> Reference:
        """Return h(S+Z): exact for r = 0 and r = m, else within `error` nats.

        By the mixture over the codebook for up to 2^16 words, by the bracket beyond; see
        `certify_mixture` and `certify_bracket`.
        """
        asked = Asked(error, confidence, seed)
        if self._is_exact:
            return self._exact
        if self.n_bits > _MOST_BITS:
            return certify_bracket(self.sample, self.sigma, asked, self._spread)
        found = self._over_the_codebook(asked)
        if found.error > error:
            asked.give_up(found.error, found.method)
        return confirmed(found, self._around_one_word(asked.loose(found.error)))

    def verify(self, error: float, confidence: float = 0.95, seed: int = 1) -> Reference:
        """Return h(S+Z) by draws around one word, or by fresh samples where words are many."""
        asked = Asked(error, confidence, seed)
        if self.n_bits > _MOST_BITS:
            return verify_bracket(self.sample, self.sigma, asked, self._spread)
        # a repetition has no cosets of RM(1, m), and few words
        found = self._around_one_word(asked) if self.r else self._over_the_codebook(asked)
        if found.error > error:
            asked.give_up(found.error, found.method)
        return found

    def facts(self) -> SourceFacts:
        """Return dimension, noise, class, decoding error, and the information where exact."""
        information = self._exact.value - self._noise_entropy if self._is_exact else None
        product = self.r == self.m
        return SourceFacts(
            self.dim,
            self.sigma,
            in_unit_cube=True,
            subgaussian_constant=1.0 if product else math.sqrt(self.dim),
            mutual_information=information,
            log_values=self.n_bits * math.log(2.0),
            decoding_error=self._decoding_error,
            second_moment=float(self.dim),
        )

    @property
    def _decoding_error(self) -> float:
        """Return what the decoding error is at most: bits apart for the cube, else a union bound.

        Words that differ in w places are ``2 sqrt(w)`` apart. Beyond 2^16 of them, all count as
        2^(m-r) places away, the least distance.
        """
        if self.r == self.m:
            return -math.expm1(self.dim * math.log1p(-float(ndtr(-1.0 / self.sigma))))
        if self.r > 0 and self.n_bits <= _MOST_BITS:
            terms = log_ndtr(-np.sqrt(self._weights) / self.sigma)
            return math.exp(min(0.0, float(np.logaddexp.reduce(terms))))
        nearest = float(log_ndtr(-math.sqrt(2.0 ** (self.m - self.r)) / self.sigma))
        return math.exp(min(0.0, math.log(2**self.n_bits - 1) + nearest))

    @property
    def _is_exact(self) -> bool:
        return self.r in (0, self.m)

    @cached_property
    def _exact(self) -> Reference:
        """Return h(Z) + I of the channel: d axes side by side, or one that is d times as good."""
        if self.r == self.m:
            channel = BPSKChannel(self.dim, self.sigma).reference()
            what = "the whole cube"
        else:
            channel = BPSKChannel(1, self.sigma / math.sqrt(self.dim)).reference()
            what = "a repetition, one channel of noise sigma/sqrt(d)"
        value = self._noise_entropy + channel.value
        checks = tuple(
            replace(
                check,
                method=f"{what}: h(Z) + {check.method}",
                value=self._noise_entropy + check.value,
                difference=abs(self._noise_entropy + check.value - value),
            )
            for check in channel.checks
        )
        error = channel.error + 2.0**-50 * (abs(self._noise_entropy) + abs(value))
        return Reference(value, error, f"{what}: h(Z) + {channel.method}", checks)

    @property
    def _spread(self) -> float:
        """Nats between any law in the cube and a point there, both with noise, at most."""
        return 0.5 * self.dim * math.log1p(1.0 / self.sigma**2)

    @property
    def _noise_entropy(self) -> float:
        return self.dim * (0.5 * math.log(2.0 * math.pi * math.e) + math.log(self.sigma))

    def _around_one_word(self, asked: Asked) -> Reference:
        """Return the mean of h(Z) - log(q(T)/phi(Z)), T = 1 + Z: every word would give the same.

        Z comes with -Z; what a pilot finds best of two known means is subtracted: of ``|Z|^2`` and
        of the log-ratio that the whole cube would have. The ranges of all three are known, see
        `_reach`.
        """
        known = -self.dim * BPSKChannel(1, self.sigma).reference().value
        cosets = self._cosets

        def both(m: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], ...]:
            noise = rng.standard_normal((m, self.dim))
            ratios = 0.5 * (self._log_ratio(noise, cosets) + self._log_ratio(-noise, cosets))
            squares = 0.5 * (np.einsum("ij,ij->i", noise, noise) - self.dim)
            cube = 0.5 * (self._cube_ratio(noise) + self._cube_ratio(-noise)) - known
            return ratios, np.column_stack([squares, cube])

        ratios, controls = both(_PILOT, asked.rng(_STREAM, 0))
        centred = controls - controls.mean(axis=0)
        slopes = np.linalg.lstsq(centred, ratios - ratios.mean(), rcond=None)[0]
        squares = np.square(ratios - ratios.mean())
        bound = math.inf  # of the variance, but without the controls
        if squares.sum() ** 2 <= _ENOUGH * np.square(squares).sum():
            slopes, bound = np.zeros(2), self._variance_bound  # slopes of a few draws are none

        def draw(m: int, rng: np.random.Generator) -> NDArray[np.float64]:
            values, known_means = both(m, rng)
            return np.asarray(self._noise_entropy - values + known_means @ slopes)

        most = int(_MOST_WORDS_DRAWS / 2**self.n_bits)
        goal = 0.999 * asked.error / asked.quantile
        reach = self._reach(slopes, most)
        mean = mean_to(draw, goal, most, asked.rng(_STREAM, 1), reach, bound)
        error = asked.quantile * mean.numerical_error + 2.0**-44 * (self.dim + abs(mean.value))
        method = f"draws around one of 2^{self.n_bits} words, {2 * (mean.n_draws + _PILOT)} of them"
        return Reference(mean.value, error, method, confidence=asked.confidence)

    def _reach(self, slopes: NDArray[np.float64], draws: int) -> float:
        """Return the range of terms but for the log of the draws, with what is subtracted of them.

        The log-ratio is ``-log 2^n_bits`` at least, and above u with probability exp(-u) at most,
        as its exponential has mean 1. ``(|Z|^2 - d)/2`` is within ``sqrt(d u)`` and
        ``sqrt(d u) + u`` (Laurent and Massart). The cube's log-ratio is a sum over axes with slope
        ``2/sigma`` at most, so that Gaussian concentration holds, or in a range as the first.
        """
        rarity = math.log(2.0 * draws)
        cube = min(
            4.0 / self.sigma * math.sqrt(2.0 * self.dim * rarity),
            self.dim * math.log(2.0) + rarity,
        )
        squares = 2.0 * math.sqrt(self.dim * rarity) + rarity
        reach = (self.n_bits + 1.0) * math.log(2.0)
        return reach + float(np.abs(slopes) @ np.array([squares, cube]))

    def _log_ratio(
        self, noise: NDArray[np.float64], cosets: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return log(q(T)/phi(Z)) for T = 1 + Z, Z = sigma `noise`.

        ``log 2^-k sum_c exp(<T, c - 1>/sigma^2)``; over a coset a RM(1, m), the inner products are
        plus and minus the Hadamard transform of a T.
        """
        found = np.empty(len(noise))
        step = max(1, _CHUNK // cosets.size)
        for first in range(0, len(noise), step):
            received = 1.0 + self.sigma * noise[first : first + step]
            products = _hadamard(received[:, None, :] * cosets) / self.sigma**2
            sizes = np.abs(products).reshape(len(received), -1)
            top = sizes.max(axis=1)
            sums = (np.exp(sizes - top[:, None]) + np.exp(-sizes - top[:, None])).sum(axis=1)
            found[first : first + step] = top - received.sum(axis=1) / self.sigma**2 + np.log(sums)
        return found - self.n_bits * math.log(2.0)

    @property
    def _variance_bound(self) -> float:
        """A bound on ``E log(1 + U)^2``, U the density of the other words over that of the own.

        ``log(1 + U)^2 <= 2.19 sqrt(U)``, and the mean of the root of a likelihood ratio of two
        words at distance D is ``exp(-D^2/(8 sigma^2))``: a sum over the words by their weight.
        """
        return _OVERLAP * float(np.exp(-self._weights / (2.0 * self.sigma**2)).sum())

    @property
    def _weights(self) -> NDArray[np.float64]:
        """How many places each word but the first differs in from it, ascending; not for r = 0."""
        inner = np.abs(_hadamard(self._cosets)).ravel()
        return np.sort(0.5 * np.concatenate([self.dim - inner, self.dim + inner]))[1:]

    def _cube_ratio(self, noise: NDArray[np.float64]) -> NDArray[np.float64]:
        exponents = -2.0 * (1.0 + self.sigma * noise) / self.sigma**2
        return np.asarray(np.logaddexp(0.0, exponents).sum(axis=1) - self.dim * math.log(2.0))

    @property
    def _cosets(self) -> NDArray[np.float64]:
        """Representatives of RM(r, m) over RM(1, m): polynomials without terms of order below 2."""
        monomials = self._monomials(2)
        return _words(monomials, _all_messages(len(monomials)), self.m)

    def _monomials(self, lowest: int) -> list[int]:
        """Return the sets of variables, as bits, of `lowest` to r variables."""
        return [i for i in range(self.dim) if lowest <= i.bit_count() <= self.r]

    def _over_the_codebook(self, asked: Asked) -> Reference:
        """Return the entropy of the mixture with a component for every word."""
        mixture = self._mixture
        most = int(_MOST_WORDS_DRAWS / mixture.n)
        found = mixture.entropy(asked.standard_error, most, asked.rng(_STREAM, 2))
        error = max(asked.quantile * found.numerical_error, asked.least)
        method = f"Monte Carlo over the mixture of {mixture.n} words, {found.n_draws} draws"
        return Reference(found.value, error, method, confidence=asked.confidence)

    @property
    def _mixture(self) -> GaussianMixture:
        from entbench.mixture import GaussianMixture

        return GaussianMixture(self.encode(_all_messages(self.n_bits)), self.sigma)


def _all_messages(n_bits: int) -> NDArray[np.uint8]:
    """Return all messages of so many bits, shape (2^n_bits, n_bits)."""
    numbers = np.arange(2**n_bits, dtype=np.int64)
    return np.asarray(numbers[:, None] >> np.arange(n_bits) & 1, dtype=np.uint8)


def _words(monomials: list[int], messages: NDArray[np.uint8], m: int) -> NDArray[np.float64]:
    """Return the values of polynomials over all of {0, 1}^m, as signs, shape (n, 2^m)."""
    values = np.zeros((len(messages), 2**m), dtype=np.uint8)
    values[:, monomials] = messages
    for axis in range(m):  # the Moebius transform: add a variable's terms where it is 1
        halves = values.reshape(len(messages), -1, 2, 2**axis)
        halves[:, :, 1] ^= halves[:, :, 0]
    return 1.0 - 2.0 * values


def _hadamard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Walsh-Hadamard transform along the last axis, not scaled."""
    length = values.shape[-1]
    step = 1
    while step < length:
        halves = values.reshape(-1, length // (2 * step), 2, step)
        total, difference = halves[:, :, 0] + halves[:, :, 1], halves[:, :, 0] - halves[:, :, 1]
        values = np.stack([total, difference], axis=2)
        step *= 2
    return values.reshape(len(values) if values.ndim == 2 else -1, length)
