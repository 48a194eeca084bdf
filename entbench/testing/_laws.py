"""Laws with a known truth, for h(S+Z) and for I(X; S+Z) alike.

For the mutual information X = S, so that I(X; S+Z) = h(S+Z) - h(Z), unless a law says otherwise.
A law without a `shape` is a product over the axes, of any dimension: its truths are those of one
axis times dim. One with a `shape` has dependent axes, and its truths are those of all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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


# added to all seeds: simulations of the kit itself use several
_offset: ContextVar[int] = ContextVar("offset", default=0)


@contextmanager
def seeds_from(offset: int) -> Iterator[None]:
    """Draw other samples, for a simulation of how often the kit errs."""
    token = _offset.set(offset)
    try:
        yield
    finally:
        _offset.reset(token)


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


@dataclass(frozen=True, eq=False)
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
        h(S+Z) in nats, of one axis or of the whole shape.
    information : float
        I(X; S+Z) in nats, of one axis or of the whole shape.
    surprise : callable or None
        -log density of S+Z, where X = S; of each axis, or of each row of a law with a shape.
    smoothed : callable or None
        For a law with a shape: mean of `surprise` over the noise, for each row of S.
    shape : tuple of int or None
        Columns of X and of S; None for a product of any dimension.
    covariance : ndarray or None
        Of (X, S+Z) jointly, where they are normal; causes are sought with it.
    """

    name: str
    sigma: float
    draw: Callable[[np.random.Generator, int, int], tuple[Array, Array]]
    entropy: float
    information: float
    surprise: Callable[[Array], Array] | None = None
    smoothed: Callable[[Array], Array] | None = None
    shape: tuple[int, int] | None = None
    covariance: Array | None = None

    def sample(self, seed: int, n: int, dim: int) -> Sample:
        """Return `n` independent samples, of a product in `dim` axes."""
        rng = np.random.default_rng([seed + _offset.get(), n, dim])
        inputs, signal = self.draw(rng, n, dim)
        return Sample(inputs, signal, self.sigma * rng.standard_normal(signal.shape), self.sigma)

    def truth(self, dim: int, *, pairs: bool) -> float:
        """Return I(X; S+Z) if `pairs`, else h(S+Z), in nats."""
        return (self.information if pairs else self.entropy) * (1 if self.shape else dim)

    def axes(self, dim: int, *, pairs: bool) -> int:
        """Return in how many dimensions an estimator has to look."""
        of_x, of_y = self.shape or (dim, dim)
        return of_x + of_y if pairs else of_y

    def where(self, dim: int, *, pairs: bool) -> str:
        """Return name and dimension for messages."""
        of_x, of_y = self.shape or (dim, dim)
        return f"{self.name}, " + (f"{of_x} x {of_y}" if pairs else f"d = {of_y}")

    def luck(self, sample: Sample, *, reads_signal: bool, pairs: bool) -> float:
        """Return how far the mean -log density of the samples is from its expectation, in nats.

        What an estimator would be off by if it knew the law and averaged over these samples: most
        of the scatter of a good one, and of mean 0 for any.
        """
        if self.surprise is None:
            return 0.0
        dim = sample.signal.shape[1]
        rows = self._smooth(sample.signal) if reads_signal else self.surprise(sample.noisy)
        total = float(rows.reshape(len(rows), -1).sum(axis=1).mean())
        mean = total - self.truth(dim, pairs=False)
        if reads_signal or not pairs:
            return float(mean)
        squares = float((sample.noise**2).sum(axis=1).mean()) / self.sigma**2
        return float(mean - 0.5 * (squares - dim))

    def _smooth(self, signal: Array) -> Array:
        if self.smoothed is not None:
            return self.smoothed(signal)
        assert self.surprise is not None
        return _over_noise(self.surprise, signal, self.sigma)


def _over_noise(surprise: Callable[[Array], Array], signal: Array, sigma: float) -> Array:
    """Return the mean over N(0, sigma^2) of a function of numbers, by Gauss and Hermite."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    around = signal[..., None] + sigma * nodes
    return np.asarray(surprise(around) @ weights / weights.sum())


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


@cache
def correlated(sigma: float = 0.5) -> Law:
    """Two normal axes of S with correlation 0.95 and standard deviation 2."""
    return _normal("correlated normal axes", sigma, 2.0 * _factor(_alike(2, 0.95)))


@cache
def unequal(sigma: float = 0.25) -> Law:
    """Three normal axes of standard deviation 0.3, 1 and 4; the first and last are dependent."""
    loading = np.array([[0.3, 0.0, 0.0], [0.0, 1.0, 0.0], [3.2, 0.0, 2.4]])
    return _normal("normal axes of unequal scale", sigma, loading)


@cache
def dense(dim: int, sigma: float = 0.5) -> Law:
    """S of normal axes, any two with correlation 1/2."""
    return _normal("equally correlated normal axes", sigma, _factor(_alike(dim, 0.5)))


@cache
def sides(of_x: int, of_y: int, sigma: float = 0.5) -> Law:
    """X ~ N(0, I), S a linear map of it, of other dimension; the last axis counts most."""
    weights = np.arange(1, max(of_x, of_y) + 1) / max(of_x, of_y)
    loading = weights[:, None] if of_x == 1 else weights[None, :]
    return _normal("sides of unequal dimension", sigma, loading, inputs_too=False)


@cache
def line(sigma: float = 0.5) -> Law:
    """X = -1 or 1, with probability 1/2 each, and S = X v for a v of two axes."""
    direction = np.array([0.4, 0.8])
    length = float(np.linalg.norm(direction))
    bumps = _two_bumps(sigma, length)
    across = gaussian_entropy(sigma)
    along = _entropy(bumps, -length - 12 * sigma, length + 12 * sigma)

    def draw(rng: np.random.Generator, n: int, dim: int) -> tuple[Array, Array]:
        inputs = _signs(rng, n, 1)
        return inputs, inputs * direction

    def surprise(t: Array) -> Array:
        place = t @ direction / length
        rest = (t**2).sum(axis=1) - place**2
        return np.asarray(bumps(place) + across + 0.5 * (rest / sigma**2 - 1.0))

    def smoothed(signal: Array) -> Array:
        return _over_noise(bumps, signal @ direction / length, sigma) + across

    total = along + across
    information = total - 2 * across
    return Law("two atoms on a line", sigma, draw, total, information, surprise, smoothed, (1, 2))


def _alike(dim: int, correlation: float) -> Array:
    return (1.0 - correlation) * np.eye(dim) + correlation


def _factor(covariance: Array) -> Array:
    return np.asarray(np.linalg.cholesky(covariance), np.float64)


def _normal(name: str, sigma: float, loading: Array, *, inputs_too: bool = True) -> Law:
    """Return the law of S = A X0 with X0 ~ N(0, I); X is S if `inputs_too`, else X0."""
    of_y, of_x = loading.shape
    of_signal = loading @ loading.T
    total = of_signal + sigma**2 * np.eye(of_y)
    precision = np.linalg.inv(total)
    entropy = 0.5 * float(np.linalg.slogdet(2 * math.pi * math.e * total)[1])
    cross = of_signal if inputs_too else loading.T
    of_inputs = of_signal if inputs_too else np.eye(of_x)

    def draw(rng: np.random.Generator, n: int, dim: int) -> tuple[Array, Array]:
        inputs = rng.standard_normal((n, of_x))
        signal = inputs @ loading.T
        return (signal if inputs_too else inputs), signal

    def surprise(t: Array) -> Array:
        return np.asarray(entropy + 0.5 * (((t @ precision) * t).sum(axis=1) - of_y))

    def smoothed(signal: Array) -> Array:
        return surprise(signal) + 0.5 * sigma**2 * float(np.trace(precision))

    return Law(
        name,
        sigma,
        draw,
        entropy,
        entropy - of_y * gaussian_entropy(sigma),
        surprise,
        smoothed,
        (of_x, of_y),
        np.block([[of_inputs, cross], [cross.T, total]]),
    )


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


def _two_bumps(deviation: float, place: float = 1.0) -> Callable[[Array], Array]:
    """Return -log density of the mean of N(-place, deviation^2) and N(place, deviation^2)."""
    scale = 2 * deviation * math.sqrt(2 * math.pi)

    def surprise(t: Array) -> Array:
        exponents = (-0.5 * ((t - atom) / deviation) ** 2 for atom in (-place, place))
        return np.asarray(math.log(scale) - np.logaddexp(*exponents))

    return surprise


def _entropy(surprise: Callable[[Array], Array], low: float, high: float) -> float:
    points, step = np.linspace(low, high, _STEPS + 1, retstep=True)
    values = surprise(points)
    return float((np.exp(-values) * values).sum() * step)
