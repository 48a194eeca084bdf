"""Laws with a known truth, for h(S+Z) and for I(X; S+Z) alike.

For the mutual information X = S, so that I(X; S+Z) = h(S+Z) - h(Z), unless a law says otherwise.
All laws are products over the axes: truths are those of one axis times dim.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

# steps of the trapezium rule; its error is far below rounding for densities smooth at this scale
_STEPS = 20_000
_NODES = 40


@dataclass(frozen=True, eq=False)
class Sample:
    """Samples of X, S and Z, row by row; `noise` is Z itself, with standard deviation `sigma`."""

    inputs: Array
    signal: Array
    noise: Array
    sigma: float

    @property
    def noisy(self) -> Array:
        """Return S + Z."""
        return np.asarray(self.signal + self.noise)

    def rows(self, order: NDArray[np.intp]) -> Sample:
        """Return these rows, in this order."""
        return replace(
            self, inputs=self.inputs[order], signal=self.signal[order], noise=self.noise[order]
        )

    def scaled(self, factor: float) -> Sample:
        """Return the samples in another unit: everything is multiplied, `sigma` too."""
        return Sample(
            self.inputs * factor, self.signal * factor, self.noise * factor, self.sigma * factor
        )

    def shifted(self, shift: float) -> Sample:
        """Return the samples about another origin."""
        return replace(self, inputs=self.inputs - shift, signal=self.signal + shift)

    def rounded(self) -> Sample:
        """Return the samples as multiples of 2^-20, which shifts by integers leave exact."""
        grid = 2.0**20
        inputs, signal, noise = (
            np.round(part * grid) / grid for part in (self.inputs, self.signal, self.noise)
        )
        return Sample(inputs, signal, noise, self.sigma)


@dataclass(frozen=True)
class Law:
    """A law of X, S and S+Z.

    Attributes
    ----------
    name : str
        For messages.
    sigma : float
        Standard deviation of Z.
    draw : callable
        Takes a generator, n and dim; returns samples of X and of S.
    entropy : float
        h(S+Z) of one axis in nats.
    information : float
        I(X; S+Z) of one axis in nats.
    surprise : callable or None
        -log density of one axis of S+Z, where X = S.
    """

    name: str
    sigma: float
    draw: Callable[[np.random.Generator, int, int], tuple[Array, Array]]
    entropy: float
    information: float
    surprise: Callable[[Array], Array] | None = None

    def sample(self, seed: int, n: int, dim: int) -> Sample:
        """Return `n` independent samples in `dim` axes."""
        rng = np.random.default_rng([seed, n, dim])
        inputs, signal = self.draw(rng, n, dim)
        return Sample(inputs, signal, self.sigma * rng.standard_normal((n, dim)), self.sigma)

    def luck(self, sample: Sample, *, reads_signal: bool, pairs: bool) -> float:
        """Return how far the mean -log density of the samples is from its expectation, in nats.

        What an estimator would be off by if it knew the law and averaged over these samples: most
        of the scatter of a good one, and of mean 0 for any.
        """
        if self.surprise is None:
            return 0.0
        dim = sample.signal.shape[1]
        if reads_signal:
            nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
            around = sample.signal[..., None] + self.sigma * nodes
            mean = float((self.surprise(around) @ weights).sum(axis=1).mean() / weights.sum())
            return float(mean - dim * self.entropy)
        mean = float(self.surprise(sample.noisy).sum(axis=1).mean()) - dim * self.entropy
        if not pairs:
            return float(mean)
        squares = float((sample.noise**2).sum(axis=1).mean()) / self.sigma**2
        return float(mean - 0.5 * (squares - dim))


def gaussian_entropy(deviation: float) -> float:
    """Return the entropy of N(0, deviation^2) in nats."""
    return 0.5 * math.log(2 * math.pi * math.e) + math.log(deviation)


@cache
def gaussian(sigma: float) -> Law:
    """S ~ N(0, 1)."""
    total = 1.0 + sigma**2

    def surprise(t: Array) -> Array:
        return np.asarray(0.5 * math.log(2 * math.pi * total) + t**2 / (2 * total))

    def draw(rng: np.random.Generator, n: int, dim: int) -> Array:
        return rng.standard_normal((n, dim))

    return _deterministic("Gaussian", sigma, draw, gaussian_entropy(math.sqrt(total)), surprise)


@cache
def uniform(sigma: float) -> Law:
    """S uniform on [0, 1]."""

    def surprise(t: Array) -> Array:
        # from the nearer end, lest the difference of two ones lose all digits
        near, far = (0.5 - np.abs(t - 0.5)) / sigma, (-0.5 - np.abs(t - 0.5)) / sigma
        return np.asarray(-np.log(ndtr(near) - ndtr(far)))

    def draw(rng: np.random.Generator, n: int, dim: int) -> Array:
        return rng.random((n, dim))

    entropy = _entropy(surprise, -12 * sigma, 1 + 12 * sigma)
    return _deterministic("uniform", sigma, draw, entropy, surprise)


@cache
def atoms(sigma: float) -> Law:
    """S = -1 or 1, each with probability 1/2."""
    surprise = _two_bumps(sigma)
    entropy = _entropy(surprise, -1 - 12 * sigma, 1 + 12 * sigma)
    return _deterministic("two atoms", sigma, _signs, entropy, surprise)


@cache
def lopsided(sigma: float) -> Law:
    """S = -1 with probability 9/10, and 3."""
    weights, places = np.array([0.9, 0.1]), np.array([-1.0, 3.0])

    def surprise(t: Array) -> Array:
        exponents = (
            math.log(weight) - 0.5 * ((t - place) / sigma) ** 2
            for weight, place in zip(weights, places, strict=True)
        )
        return np.asarray(0.5 * math.log(2 * math.pi * sigma**2) - np.logaddexp(*exponents))

    def draw(rng: np.random.Generator, n: int, dim: int) -> Array:
        return rng.choice(places, size=(n, dim), p=weights)

    entropy = _entropy(surprise, -1 - 12 * sigma, 3 + 12 * sigma)
    return _deterministic("two unequal atoms", sigma, draw, entropy, surprise)


@cache
def two_stage(sigma: float, inner: float = 0.5) -> Law:
    """X = -1 or 1, and S = X + N(0, inner^2): one input has many signals."""

    def draw(rng: np.random.Generator, n: int, dim: int) -> tuple[Array, Array]:
        inputs = _signs(rng, n, dim)
        return inputs, inputs + inner * rng.standard_normal((n, dim))

    deviation = math.hypot(sigma, inner)
    entropy = _entropy(_two_bumps(deviation), -1 - 12 * deviation, 1 + 12 * deviation)
    return Law("two stages", sigma, draw, entropy, entropy - gaussian_entropy(deviation))


@cache
def independent(sigma: float, discrete: bool) -> Law:
    """X independent of S ~ N(0, 1); X is one of -1 and 1 where `discrete`, else N(0, 1)."""

    def draw(rng: np.random.Generator, n: int, dim: int) -> tuple[Array, Array]:
        inputs = _signs(rng, n, dim) if discrete else rng.standard_normal((n, dim))
        return inputs, rng.standard_normal((n, dim))

    return Law("independent", sigma, draw, gaussian_entropy(math.hypot(1, sigma)), 0.0)


def _deterministic(
    name: str,
    sigma: float,
    draw: Callable[[np.random.Generator, int, int], Array],
    entropy: float,
    surprise: Callable[[Array], Array],
) -> Law:
    """Return the law with X = S."""

    def both(rng: np.random.Generator, n: int, dim: int) -> tuple[Array, Array]:
        signal = draw(rng, n, dim)
        return signal, signal

    return Law(name, sigma, both, entropy, entropy - gaussian_entropy(sigma), surprise)


def _signs(rng: np.random.Generator, n: int, dim: int) -> Array:
    return rng.choice([-1.0, 1.0], size=(n, dim))


def _two_bumps(deviation: float) -> Callable[[Array], Array]:
    """Return -log density of the mean of N(-1, deviation^2) and N(1, deviation^2)."""
    scale = 2 * deviation * math.sqrt(2 * math.pi)

    def surprise(t: Array) -> Array:
        exponents = (-0.5 * ((t - atom) / deviation) ** 2 for atom in (-1.0, 1.0))
        return np.asarray(math.log(scale) - np.logaddexp(*exponents))

    return surprise


def _entropy(surprise: Callable[[Array], Array], low: float, high: float) -> float:
    points, step = np.linspace(low, high, _STEPS + 1, retstep=True)
    values = surprise(points)
    return float((np.exp(-values) * values).sum() * step)
