"""The entropy of a mixture by the I-MMSE relation: a second route, with dense sums in numpy.

With ``N`` standard normal and ``mmse(g)`` the mean of ``|S - E[S | sqrt(g) S + N]|^2``,

    I(S; S + Z) = 1/2 int_0^(1/sigma^2) mmse(g) dg,    h(S + Z) = I(S; S + Z) + h(Z).

Nothing is taken from the route that certificates go: neither a log-density, nor a tree, nor a
kernel sum. Only the rule that makes an error of a variance and a range is the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from entbench.mixture import error_of

Array = NDArray[np.float64]

MOST_PLACES = 4096
# Squared radius in sigma^2 up to which the posterior's exponents keep eight digits.
_MOST_SPREAD = 1e7
_ROUNDING = 2.0**-48
# Panels in log(1 + g R^2), and nodes of each; R is the radius around the mean.
_PANEL, _NODES = 0.75, 6
# Paths, each the same draw at every node of two rules, that tell the rule's error.
_PATHS = 64
_PILOT_STRATA = 32
_DRAW = 2000.0  # what making a draw costs, in multiplications, about
# Parts of the error for what is rare, and for chance that is seen; the first round leaves less to
# chance, which is enough where components stand apart.
_RARE_SHARE, _SEEN_SHARE, _FIRST_SHARE = 0.35, 0.8, 0.8
_MOST_ROUNDS = 4
_CHUNK = 2**20  # entries of a table


class Found(NamedTuple):
    """An entropy and its error.

    Attributes
    ----------
    value : float
        In nats.
    numerical_error : float
        As that of `entbench.mixture.MixtureEntropy`: of chance.
    rule_error : float
        Of the rule and of rounding.
    n_nodes, n_draws : int
        Of the rule, and at all of its nodes.
    """

    value: float
    numerical_error: float
    rule_error: float
    n_nodes: int
    n_draws: int


@dataclass(frozen=True)
class _Places:
    """Distinct centres in sigma around their mean, lexically sorted, with weights."""

    at: Array
    weights: Array
    squares: Array
    noise_entropy: float

    @property
    def radius2(self) -> float:
        """Largest squared distance to the mean; one of two places is at most twice as far apart."""
        return float(self.squares.max())


def entropy_by_mmse(
    centres: Array,
    sigma: float,
    weights: Array | None,
    error: float,
    most: float,
    rng: np.random.Generator,
) -> Found | None:
    """Return h(S+Z) of a mixture of N(c, sigma^2 I), or None where it would cost too much.

    Parameters
    ----------
    centres, sigma, weights
        Of the mixture; weights are positive and sum to 1, or None for equal ones.
    error : float
        Numerical error to reach, in nats.
    most : float
        Multiplications to spend, about; a draw takes ``n (2 d + 16)`` and 2000.
    rng : numpy.random.Generator
        Where draws come from.

    Notes
    -----
    Gauss-Legendre panels in ``t = log(1 + g R^2)`` cover g from 0, below ``1/R^2`` evenly and
    above it by ratios, as scales of the signal are met. At each node, draws spread evenly over the
    components give the mean of the posterior's trace of covariance V, which has the mean mmse.
    With a_k the places in units of the noise, from the one that the draw came from, whose weight
    is w: Gibbs' variational principle gives ``E_p |a - N|^2 <= |N|^2 + 2 log(1/w)`` for the
    posterior p, so that ``g V <= |N|^2 + 2 log(1/w)``, and ``V <= R^2`` at once. This is the range
    of a term, known before any draw. Draws of the rounds before the last only tell how many each
    node needs.

    References
    ----------
    Guo, Shamai and Verdu, "Mutual information and minimum mean-square error in Gaussian channels",
    IEEE Trans. Inf. Theory 51 (2005), theorem 1 (recalled, not checked). The range is ours.
    """
    places = _places_of(centres, sigma, weights)
    if places is None:
        return None
    if len(places.at) == 1:
        return Found(places.noise_entropy, 0.0, _ROUNDING * abs(places.noise_entropy), 0, 0)
    nodes, shares = _rule(places, _PANEL)
    cost = len(places.at) * (2.0 * places.at.shape[1] + 16.0) + _DRAW
    floor = float(error_of(0.0, 1.0)) * shares / (2.0 * _RARE_SHARE * error)
    floor *= _ranges(places, nodes, 1e6)
    if 2.0 * cost * float(floor.sum()) > most:
        return None
    rule = _rule_error(places, rng)
    wanted = np.maximum(_RARE_SHARE / _FIRST_SHARE * floor, float(_PILOT_STRATA))
    for _ in range(_MOST_ROUNDS):
        if 2.0 * cost * float(wanted.sum()) > most:
            return None
        counts = np.ceil(wanted).astype(np.int64)
        means, variances = _visit(places, nodes, counts, rng)
        draws = 2 * int(counts.sum())
        rare = float((shares * _ranges(places, nodes, float(draws)) / (2.0 * counts)).max())
        numerical = float(error_of(float((shares**2 * variances / (2.0 * counts)).sum()), rare))
        if numerical <= error:
            break
        # Neyman's allocation, with the range's floor
        spreads = shares * np.sqrt(variances)
        seen = 1.1 * spreads * spreads.sum() / (2.0 * (_SEEN_SHARE * error) ** 2)
        wanted = np.maximum.reduce([seen, floor, np.full(len(nodes), 8.0)])
    value = float(shares @ means) + places.noise_entropy
    rounding = _ROUNDING * (abs(value) + abs(places.noise_entropy) + places.radius2)
    return Found(value, numerical, rule + rounding, len(nodes), draws)


def _places_of(centres: Array, sigma: float, weights: Array | None) -> _Places | None:
    """Return the distinct places, or None where they are too many or too far apart."""
    dim = centres.shape[1]
    kept, index = np.unique(centres, axis=0, return_inverse=True)
    if len(kept) > MOST_PLACES:
        return None
    mass = np.bincount(index.reshape(-1), weights, len(kept))
    mass = mass / mass.sum()
    with np.errstate(over="ignore", invalid="ignore"):
        at = (kept - kept[0]) / sigma
        at = at - mass @ at
        squares = np.square(at).sum(axis=1)
    if not float(squares.max()) <= _MOST_SPREAD:
        return None
    noise = dim * (0.5 * math.log(2.0 * math.pi * math.e) + math.log(sigma))
    return _Places(at, mass, squares, noise)


def _rule(places: _Places, width: float) -> tuple[Array, Array]:
    """Return nodes g in (0, 1) and half of their weights: what V counts in the information."""
    scale = places.radius2
    reach = math.log1p(scale)
    panels = max(math.ceil(reach / width), 1)
    ends = np.linspace(0.0, reach, panels + 1)
    points, weights = np.polynomial.legendre.leggauss(_NODES)
    half = 0.5 * np.diff(ends)[:, None]
    times = (ends[:-1, None] + half * (1.0 + points)).ravel()
    shares = (half * weights).ravel()
    return np.expm1(times) / scale, 0.5 * shares * np.exp(times) / scale


def _ranges(places: _Places, nodes: Array, draws: float) -> Array:
    """Return the ranges of V at nodes, but for events that one of so many draws is to meet."""
    dim, log_draws = places.at.shape[1], math.log(draws)
    noise = dim + 2.0 * math.sqrt(dim * log_draws) + 2.0 * log_draws
    reach = noise - 2.0 * math.log(float(places.weights.min()))
    return np.asarray(np.minimum(places.radius2, reach / nodes))


def _rule_error(places: _Places, rng: np.random.Generator) -> float:
    """Return how far panels half as wide are away, over the same draws.

    Each path differs by the rule alone, so that few paths tell.
    """
    positions = (np.arange(_PATHS) + rng.random(_PATHS)) / _PATHS
    chosen = _components(places, positions)
    noise = rng.standard_normal((_PATHS, places.at.shape[1]))
    totals = np.zeros((2, _PATHS))
    for total, width in zip(totals, (_PANEL, 0.5 * _PANEL), strict=True):
        for node, share in zip(*_rule(places, width), strict=True):
            total += share * _posterior_variance(places, float(node), chosen, noise)
    apart = totals[0] - totals[1]
    return float(abs(apart.mean()) + 2.0 * apart.std(ddof=1) / math.sqrt(_PATHS))


def _components(places: _Places, positions: Array) -> NDArray[np.intp]:
    """Return the components at positions in (0, 1) of the weights' sum."""
    ends = np.cumsum(places.weights)
    found = np.searchsorted(ends, positions * ends[-1])
    return np.asarray(np.minimum(found, len(ends) - 1))


def _visit(
    places: _Places, nodes: Array, counts: NDArray[np.int64], rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return means of V at nodes and variances of a draw, from two draws of each stratum."""
    means, variances = np.zeros(len(nodes)), np.zeros(len(nodes))
    step = max(_CHUNK // (2 * len(places.at)), 1)
    for i, (node, strata) in enumerate(zip(nodes, counts.tolist(), strict=True)):
        for first in range(0, strata, step):
            stop = min(first + step, strata)
            inside = rng.random((stop - first, 2))
            positions = ((np.arange(first, stop)[:, None] + inside) / strata).reshape(-1)
            noise = rng.standard_normal((len(positions), places.at.shape[1]))
            chosen = _components(places, positions)
            values = _posterior_variance(places, float(node), chosen, noise).reshape(-1, 2)
            means[i] += float(values.sum())
            variances[i] += float(np.square(values[:, 0] - values[:, 1]).sum())
        means[i] /= 2.0 * strata
        variances[i] /= 2.0 * strata
    return means, variances


def _posterior_variance(
    places: _Places, node: float, chosen: NDArray[np.intp], noise: Array
) -> Array:
    """Return the trace of the covariance of S given ``sqrt(g) S + N``, in sigma^2."""
    received = math.sqrt(node) * noise + node * places.at[chosen]
    exponents = received @ places.at.T
    exponents += np.log(places.weights) - 0.5 * node * places.squares
    exponents -= exponents.max(axis=1, keepdims=True)
    shares = np.exp(exponents, out=exponents)
    moments = shares @ np.column_stack([np.ones(len(places.at)), places.squares, places.at])
    moments /= moments[:, :1]
    means = moments[:, 2:]
    return np.asarray(np.maximum(moments[:, 1] - np.einsum("ij,ij->i", means, means), 0.0))
