"""How far the plug-in I(X; S+Z) can be above the truth, from the samples themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from entbench.estimators._choice import Choice, choose
from entbench.mixture import GaussianMixture
from entbench.mixture._integration import error_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So many inputs at most, rows among all of them, and draws of Z at each row.
_INPUTS, _ROWS, _DRAWS = 512, 2048, 4
# A chance for inputs of narrow laws, in parts of the mean size; numbers that are copied at a time.
_CHANCE, _CHUNK = 0.5, 2**20
# Of log-densities. Those of all inputs count for the gap by a share of about 1/passes.
_WITHIN, _AMONG_ALL = 1e-6, 1e-3


@dataclass(frozen=True)
class Gap:
    """What samples of S, equally many for every input, tell of the plug-in's error.

    Attributes
    ----------
    value : float
        Plug-in less the leave-one-out lower bound, in nats.
    standard_error : float
        Of `value`: of the draws, and of taking some inputs and rows for all.
    variance : float
        Of ``E[log(q_x/q)(S + Z) | S]`` within an input, q_x the density of S+Z for that input and q
        for all: n samples leave ``variance / n`` in the plug-in's mean square error.

    Notes
    -----
    With each of m inputs sampled equally often, the plug-in is the information of a channel from a
    uniform input, of which I is a convex function: the mean of the plug-in over samples is at least
    the truth. Let qhat leave out sample j, of input x, from ``q_x`` and with it from ``q = (1/m)
    sum_x q_x``. Then ``log(qhat_x/qhat)(S_j + Z)`` has a mean of at most I, because qhat tells
    nothing of that sample and ``qhat_x/(m qhat)`` is a guess of the input's posterior, whose
    cross-entropy is at least H(X | T). To leading order the truth is in the middle.

    More than 512 inputs are chosen by the spread of their signals, so that a few of wide laws are
    not left to chance; those that are not chosen are taken to have no larger gap for their spread
    than the worst that was.

    Cost: two sorts of the samples' mixture and 8192 of its densities.

    References
    ----------
    Barber & Agakov, "The IM algorithm", NIPS 2003, for a bound by a guess of the posterior
    (recalled, not checked). Convexity: Cover & Thomas, theorem 2.7.4 (recalled, not checked). Their
    use as a bracket is ours.
    """

    value: float
    standard_error: float
    variance: float


def measure_gap(
    signal: NDArray[np.float64],
    rows: NDArray[np.intp],
    sigma: float,
    rng: np.random.Generator,
    n_jobs: int | None = None,
) -> Gap:
    """Return the gap between the plug-in and the leave-one-out bound.

    Parameters
    ----------
    signal : ndarray of shape (n, dim)
        Samples of S.
    rows : ndarray of shape (m, passes)
        Where those of each input stand; at least 2 of each, all n among them.
    sigma : float
        Standard deviation of the noise.
    rng : numpy.random.Generator
        Chooses inputs and rows, and draws.
    n_jobs : int or None
        Threads. The result does not depend on it.
    """
    m, passes = rows.shape
    choice, parts = _choose_inputs(signal, rows, sigma, rng)
    chosen = choice.inputs
    each = min(passes, max(2, _ROWS // len(chosen)))
    noise = rng.standard_normal((len(chosen), each * _DRAWS, signal.shape[1]))
    places = np.stack([rng.choice(passes, each, replace=False) for _ in chosen])
    repeated = np.repeat(places, _DRAWS, axis=1)
    within = np.stack(
        [
            _others(GaussianMixture(signal[rows[x]], sigma, n_jobs=n_jobs), place, z, _WITHIN)
            for x, place, z in zip(chosen, repeated, noise, strict=True)
        ]
    )
    components = np.take_along_axis(rows[chosen], repeated, axis=1).reshape(-1)
    everything = GaussianMixture(signal, sigma, n_jobs=n_jobs)
    among_all = _others(everything, components, noise.reshape(-1, signal.shape[1]), _AMONG_ALL)
    plug_in, lower = _log_ratios(within, among_all.reshape(within.shape), m, passes)
    shape = (len(chosen), each, _DRAWS)
    return _summarise((plug_in - lower).reshape(shape), plug_in.reshape(shape), choice, parts)


def _choose_inputs(
    signal: NDArray[np.float64],
    rows: NDArray[np.intp],
    sigma: float,
    rng: np.random.Generator,
) -> tuple[Choice, NDArray[np.float64]]:
    """Choose inputs by the spread of their signals; return them, and the part each one has of 1.

    The size of an input is what its S+Z would have above the noise if it were Gaussian, with the
    same variances, and a chance for the others.
    """
    m, passes = rows.shape
    spreads = np.empty(m)
    step = max(1, _CHUNK // (passes * signal.shape[1]))
    for start in range(0, m, step):
        deviations = (signal[rows[start : start + step]] / sigma).std(axis=1)
        spreads[start : start + step] = np.log1p(np.square(deviations)).sum(axis=1)
    mean = float(spreads.mean())
    sizes = (0.5 * spreads + _CHANCE * mean if mean > 0.0 else np.ones(m)) / m
    choice = choose(sizes, min(m, _INPUTS), rng)
    return choice, choice.totals / (m * sizes[choice.inputs])


def _others(
    mixture: GaussianMixture,
    components: NDArray[np.intp],
    noise: NDArray[np.float64],
    tolerance: float,
) -> NDArray[np.float64]:
    """Return the log of the sum of the others' kernels at S_j + Z, over sample j's own."""
    points = mixture.centres[components] + mixture.sigma * noise
    sums = mixture.kernels.sums(points, tolerance, left_out=mixture.left_out(components))
    own = 0.5 * np.einsum("ij,ij->i", noise, noise)
    return np.asarray(math.log(2.0) * sums.log2 + math.log(mixture.n) + own)


def _log_ratios(
    within: NDArray[np.float64], among_all: NDArray[np.float64], m: int, passes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ``log(q_x/q)`` at S_j + Z, of the plug-in and with sample j left out of both.

    In terms of the others' kernels among the samples of the input, a, and among all, c >= a, in
    units of sample j's own, the ratios are ``m (a + 1)/(c + 1)`` and, with p samples an input,
    ``m (a/(p - 1)) / ((c - a)/p + a/(p - 1))``, which is ``m p a / ((p - 1) c + a)``.
    """
    plug_in = math.log(m) + np.logaddexp(within, 0.0) - np.logaddexp(among_all, 0.0)
    rest = np.logaddexp(math.log(passes - 1) + among_all, within)
    return plug_in, math.log(m) + math.log(passes) + within - rest


def _summarise(
    gaps: NDArray[np.float64],
    ratios: NDArray[np.float64],
    choice: Choice,
    parts: NDArray[np.float64],
) -> Gap:
    """Average over arrays of shape (inputs, rows, draws), the inputs having parts of 1."""
    _, each, draws = gaps.shape
    by_row = gaps.mean(axis=2)
    of_inputs = by_row.mean(axis=1)
    variance = float(np.square(parts) @ by_row.var(axis=1, ddof=1)) / each
    # in units of sizes; inputs that were not chosen are taken to be no worse than the worst seen
    scaled = parts * of_inputs / choice.totals
    widest = choice.widest(np.ones(choice.n_inputs)) * max(float(np.abs(scaled).max()), 0.0)
    error = float(error_of(variance + choice.variance(scaled), widest))
    between = float(parts @ ratios.mean(axis=2).var(axis=1, ddof=1))
    # of the draws; what is drawn can fall below 0, which a variance cannot
    within = float(parts @ ratios.var(axis=2, ddof=1).mean(axis=1)) / draws
    return Gap(float(parts @ of_inputs), error, max(0.0, between - within) / float(parts.sum()))
