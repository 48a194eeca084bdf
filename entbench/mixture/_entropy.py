"""The entropy of a mixture and its corrections: what to integrate, and at which levels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np

from entbench._validation import check_choice, check_integer, check_positive
from entbench.mixture._integration import (
    PILOT_STRATA,
    Bounds,
    Draw,
    Integral,
    Population,
    Progress,
    VarianceBound,
    integrate,
    opposite,
)
from entbench.mixture._overlap import overlap_bound
from entbench.mixture._quadrature import Quadrature, entropy_by_quadrature
from entbench.mixture._walk import LARGE_SHARE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench.mixture._mixture import GaussianMixture
    from entbench.mixture._sums import Sums

Statistic = Literal["plug-in", "leave-one-out", "miller-madow", "jackknife"]
STATISTICS: tuple[Statistic, ...] = get_args(Statistic)

_LN2 = math.log(2.0)
# Errors of log-densities, in parts of the standard error asked for.
_KERNEL_SHARE = 0.1
_LOOSEST_KERNEL, _FINEST_KERNEL = 1e-4, 1e-12
_QUADRATURE_KERNEL = 1e-10
_COMPANION_DRAWS = 16384
# A pilot is worth its draws where the integral may take many times as many.
_PILOT_PAYS = 8
# Likenesses tried: one Gaussian for a leaf, or for so many centres; where all the work at one
# level would be below so many pairs, none.
_LIKENESSES = (1, 2048, 16384)
_LEVELS_PAY = 1e9
# By how much, at most, a statistic's draw exceeds log(1 + U), U as in `overlap_bound`; and what it
# adds to the plug-in's. The others' density has no such bound. Of the jackknife: the sum of
# ``-log(1 - r_ji)`` over the others is at most log(1 + U), by concavity.
_OVERLAP_FACTOR = {"plug-in": 1.0, "miller-madow": 1.5, "jackknife": 2.0}
_ADDED_FACTOR = {"miller-madow": 0.5, "jackknife": 1.0}
# A slope is believed where so many differences of the pilot make it up.
_ENOUGH_FOR_SLOPE = 16.0
# Of the squared tolerance: a level that the pilot saw no variance in is not worth the whole budget.
_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class MixtureEntropy:
    """Differential entropy of a mixture, or a correction of it.

    Attributes
    ----------
    value : float
        The statistic asked for, in nats.
    standard_error : float
        Numerical error of `value`, in nats: the standard error of Monte Carlo, or an estimate of
        the error of quadrature.
    n_draws : int
        Draws spent, or points of quadrature and draws.
    converged : bool
        Whether `standard_error` is within the tolerance asked for.
    method : {"quadrature", "monte-carlo"}
        How the plug-in was integrated.
    kernel_error : float
        Bound of the error of `value` that truncation and rounding of the kernel sums leave, in
        nats: the mean of the bounds at the draws.
    plug_in, leave_one_out : float
        Two statistics that come with any, in nats: over samples their means enclose h(S+Z). NaN
        for the second where components have weights.
    effective_components : float
        N_eff, the number of components that the noise lets one tell apart: from 1 to n. NaN where
        components have weights.
    """

    value: float
    standard_error: float
    n_draws: int
    converged: bool
    method: Literal["quadrature", "monte-carlo"]
    kernel_error: float
    plug_in: float
    leave_one_out: float
    effective_components: float


def gaussian_entropy(dim: int, sigma: float) -> float:
    """Return the differential entropy of N(0, sigma^2 I), ``dim/2 log(2 pi e sigma^2)`` nats."""
    return dim * (0.5 * math.log(2.0 * math.pi * math.e) + math.log(sigma))


def mixture_entropy(
    mixture: GaussianMixture,
    tolerance: float,
    max_draws: int,
    rng: np.random.Generator,
    statistic: Statistic = "plug-in",
    progress: Progress | None = None,
) -> MixtureEntropy:
    """Integrate a mixture's entropy; see `GaussianMixture.entropy`."""
    check_choice("statistic", statistic, STATISTICS)
    tolerance = check_positive("tolerance", tolerance)
    max_draws = check_integer("max_draws", max_draws, minimum=4)
    if mixture.weights is not None and statistic != "plug-in":
        raise ValueError(f"{statistic!r} is a statistic of samples: `weights` must not be given.")
    draws = _Draws(mixture, statistic, tolerance)
    if mixture.dim <= 2:
        quadrature = entropy_by_quadrature(
            *mixture.places(),
            mixture.sigma,
            lambda points: mixture.log_density(points, _QUADRATURE_KERNEL),
            max_draws - 4 * PILOT_STRATA,
        )
        if quadrature is not None:
            return _from_quadrature(draws, quadrature, tolerance, max_draws, rng, progress)
    return _from_levels(draws, tolerance, max_draws, rng, progress)


class _Draws:
    """Evaluates statistics at draws from the components of a mixture.

    All are in the form of ``log(q(T)/phi(Z))``, whose mean is h(Z) less the entropy.
    """

    def __init__(self, mixture: GaussianMixture, statistic: Statistic, tolerance: float) -> None:
        self.mixture = mixture
        self.statistic = statistic
        self._tolerance = min(max(_KERNEL_SHARE * tolerance, _FINEST_KERNEL), _LOOSEST_KERNEL)
        self._errors, self._count, self._work = 0.0, 0, 0.0

    @property
    def kernel_error(self) -> float:
        """Mean bound of the kernels' errors so far, and of the jackknife's series."""
        series = LARGE_SHARE**4 / 4.0 if self.statistic == "jackknife" else 0.0
        return self._errors / self._count + series if self._count else 0.0

    @property
    def work(self) -> float:
        """Work of a draw so far, on average."""
        return self._work / self._count

    @cached_property
    def population(self) -> Population:
        """The components to visit."""
        return Population(self.mixture.neighbours(), self.mixture.weights)

    def exact(
        self, components: NDArray[np.intp], noise: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the statistic, plug-in and leave-one-out, and the own share r_jj, in columns."""
        mixture = self.mixture
        points = mixture.centres[components] + mixture.sigma * noise
        own = self._own_distance(noise)
        if mixture.weights is not None:
            sums = mixture.kernels.sums(points, self._tolerance)
            self._count_in(sums)
            plug_in = _LN2 * (sums.log2 + own)
            unknown = np.full(len(own), math.nan)
            return np.column_stack([plug_in, plug_in, unknown, unknown])
        left_out = mixture.left_out(components)
        log2_n = math.log2(mixture.n)
        removals = np.zeros(len(own))
        if self.statistic == "jackknife":
            sums, removals = mixture.kernels.removals(
                points, self._tolerance, left_out, own + log2_n
            )
        else:
            sums = mixture.kernels.sums(points, self._tolerance, left_out=left_out)
        self._count_in(sums)
        ratio = np.logaddexp2(sums.log2 + own, -log2_n)
        own_share = np.exp2(-log2_n - ratio)
        plug_in = _LN2 * ratio
        rest = math.log2(max(mixture.n - 1, 1)) - log2_n
        columns = {
            "plug-in": plug_in,
            "leave-one-out": _LN2 * (sums.log2 + own - rest),
            "miller-madow": plug_in - 0.5 * own_share,
            "jackknife": plug_in - removals,
        }
        chosen = columns[self.statistic]
        return np.column_stack([chosen, plug_in, columns["leave-one-out"], own_share])

    def variance_bound(
        self, rng: np.random.Generator, factors: Mapping[str, float]
    ) -> VarianceBound | None:
        """Return what bounds the variance of a visit, from factors by statistic; None if nothing.

        The mean of a pair of draws varies at most as a draw does.
        """
        factor = factors.get(self.statistic)
        if factor is None:
            return None

        def bounds() -> Bounds:
            within, whole = overlap_bound(self.mixture, rng)
            return Bounds(factor**2 * within, factor**2 * whole)

        return bounds

    def likeness(
        self, components: NDArray[np.intp], noise: NDArray[np.float64], count: int
    ) -> tuple[NDArray[np.float64], float]:
        """Return ``log(q'(T)/phi(Z))`` of a coarse likeness q', and the work of a draw."""
        points = self.mixture.centres[components] + self.mixture.sigma * noise
        log2, work = self.mixture.likeness(points, count)
        return _LN2 * (log2 + self._own_distance(noise)), work

    def _own_distance(self, noise: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.einsum("ij,ij->i", noise, noise) / (2.0 * _LN2))

    def _count_in(self, sums: Sums) -> None:
        self._errors += float(sums.errors.sum())
        self._count += len(sums.errors)
        self._work += sums.work * len(sums.errors)


def _from_quadrature(
    draws: _Draws,
    quadrature: Quadrature,
    tolerance: float,
    max_draws: int,
    rng: np.random.Generator,
    progress: Progress | None,
) -> MixtureEntropy:
    """Take the plug-in from quadrature, and what the statistic adds to it from draws."""
    mixture, plug_in = draws.mixture, draws.statistic == "plug-in"
    constant = _constant_of(draws.statistic, mixture.n)
    # of one centre: nothing to correct, and no others
    alone = -math.inf if draws.statistic == "leave-one-out" else constant
    found = Integral(np.array([alone, -math.inf, 1.0]), 0.0, 0)
    if mixture.weights is not None:
        found = Integral(np.array([0.0, math.nan, math.nan]), 0.0, 0)
    elif mixture.n > 1:

        def draw(components: NDArray[np.intp], noise: NDArray[np.float64]) -> NDArray[np.float64]:
            statistic, ratio, left_out, own_share = draws.exact(components, noise).T
            added = left_out - ratio if plug_in else statistic - ratio
            return np.column_stack([added, left_out - ratio, own_share])

        left = max_draws - quadrature.n_points
        # the plug-in's companions only
        most = min(left, _COMPANION_DRAWS) if plug_in else left
        bound = draws.variance_bound(rng, _ADDED_FACTOR)
        found = integrate(
            draw, draws.population, mixture.dim, tolerance, most, rng, progress, bound
        )
    added, left_out, own_share = (float(mean) for mean in found.means)
    error = quadrature.error if plug_in else math.hypot(quadrature.error, found.standard_error)
    return MixtureEntropy(
        value=quadrature.value + (0.0 if plug_in else constant - added),
        standard_error=error,
        n_draws=quadrature.n_points + found.n_draws,
        converged=error <= tolerance,
        method="quadrature",
        kernel_error=_QUADRATURE_KERNEL if plug_in else draws.kernel_error,
        plug_in=quadrature.value,
        leave_one_out=quadrature.value - left_out,
        effective_components=mixture.n * own_share,
    )


class _Level(NamedTuple):
    """One sum of a telescope of means.

    Attributes
    ----------
    finer, coarser : int or None
        The two of which it is the difference, by the centres in a node; None for the mixture
        itself and for nothing.
    slope : float
        Multiple of ``|Z|^2/(2 sigma^2) - dim/2`` to subtract.
    variance : float
        Of the mean over visits, times the draws.
    work : float
        Of a draw.
    """

    finer: int | None
    coarser: int | None
    slope: float
    variance: float
    work: float

    @property
    def price(self) -> float:
        """Root of the work that a unit of precision takes: what to divide an error by."""
        return math.sqrt(self.variance * self.work)


def _from_levels(
    draws: _Draws,
    tolerance: float,
    max_draws: int,
    rng: np.random.Generator,
    progress: Progress | None,
) -> MixtureEntropy:
    """Integrate by Monte Carlo: the difference of each level to the next, finest first."""
    mixture = draws.mixture
    levels, goal, spent = _plan(draws, tolerance, max_draws, rng)
    bound = draws.variance_bound(rng, _OVERLAP_FACTOR) if len(levels) == 1 else None
    totals, variance = np.zeros(4), 0.0
    for i, level in enumerate(levels):
        prices = sum(later.price for later in levels[i:])
        share = max(level.price / prices if prices > 0.0 else 1.0, _LEAST_SHARE)
        if i == len(levels) - 1:
            goal = tolerance  # what is left of the budget, if need be
        reserve = (len(levels) - 1 - i) * 4 * PILOT_STRATA
        found = integrate(
            _difference(draws, level),
            draws.population,
            mixture.dim,
            math.sqrt(max(goal**2 - variance, 0.0) * share),
            max_draws - spent - reserve,
            rng,
            progress,
            bound,
        )
        totals[:3] += found.means[:3]
        totals[3] += found.means[3] if level.finer is None else 0.0
        spent += found.n_draws
        variance += found.standard_error**2
    statistic, plug_in, left_out, own_share = (float(total) for total in totals)
    noise_entropy = gaussian_entropy(mixture.dim, mixture.sigma)
    error = math.sqrt(variance)
    return MixtureEntropy(
        value=noise_entropy - statistic + _constant_of(draws.statistic, mixture.n),
        standard_error=error,
        n_draws=spent,
        converged=error <= tolerance,
        method="monte-carlo",
        kernel_error=draws.kernel_error,
        plug_in=noise_entropy - plug_in,
        leave_one_out=noise_entropy - left_out,
        effective_components=mixture.n * own_share,
    )


def _difference(draws: _Draws, level: _Level) -> Draw:
    """Return what to average at a level."""

    def draw(components: NDArray[np.intp], noise: NDArray[np.float64]) -> NDArray[np.float64]:
        if level.finer is None:
            values = draws.exact(components, noise)
        else:
            values = np.zeros((len(components), 4))
            values[:, :3] = draws.likeness(components, noise, level.finer)[0][:, None]
        if level.coarser is not None:
            values[:, :3] -= draws.likeness(components, noise, level.coarser)[0][:, None]
        values[:, :3] -= level.slope * _control(noise)[:, None]
        return values

    return draw


def _control(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(0.5 * (np.einsum("ij,ij->i", noise, noise) - noise.shape[1]))


def _plan(
    draws: _Draws, tolerance: float, max_draws: int, rng: np.random.Generator
) -> tuple[list[_Level], float, int]:
    """Choose levels and control variates by a pilot.

    Returns them, the standard error that the budget allows for, and the draws the pilot took.
    """
    if max_draws < _PILOT_PAYS * 4 * PILOT_STRATA:
        return [_Level(None, None, 0.0, 1.0, 1.0)], tolerance, 0
    visited = draws.population.pairs(0, PILOT_STRATA, PILOT_STRATA, rng)
    components, noise = opposite(visited, draws.mixture.dim, rng)
    values = draws.exact(components, noise)[:, 0]
    control = _control(noise)
    left = max_draws - len(components)
    rungs: list[tuple[int | None, NDArray[np.float64], float]] = [(None, values, draws.work)]
    single = _levels_of(rungs, control)
    if single[0].variance / _goal(single, tolerance, left) ** 2 * draws.work < _LEVELS_PAY:
        return single, tolerance, len(components)
    rungs += [(count, *draws.likeness(components, noise, count)) for count in _LIKENESSES]
    chains = [
        [rungs[0], *chain]
        for length in range(len(rungs))
        for chain in itertools.combinations(rungs[1:], length)
    ]
    plans = [_levels_of(chain, control) for chain in chains]

    def cost(levels: list[_Level]) -> tuple[float, float]:
        """Return first what the budget leaves to be wished for, then the work."""
        return _goal(levels, tolerance, left), sum(level.price for level in levels)

    best = min(plans, key=cost)
    return best, cost(best)[0], len(components)


def _goal(levels: list[_Level], tolerance: float, max_draws: int) -> float:
    """Return the tolerance, or the standard error for which the draws are enough."""
    prices = sum(level.price for level in levels)
    draws = sum(
        prices * math.sqrt(level.variance / level.work) for level in levels if level.work > 0.0
    )
    return max(tolerance, math.sqrt(draws / max_draws))


def _levels_of(
    chain: Sequence[tuple[int | None, NDArray[np.float64], float]], control: NDArray[np.float64]
) -> list[_Level]:
    """Return the levels of a chain of (centres in a node, values in the pilot, work of a draw)."""
    levels = []
    for (count, values, work), (next_count, next_values, next_work) in itertools.pairwise(
        [*chain, (None, np.zeros_like(control), 0.0)]
    ):
        slope, variance = _regress(values - next_values, control)
        levels.append(_Level(count, next_count, slope, variance, work + next_work))
    return levels


def _regress(values: NDArray[np.float64], control: NDArray[np.float64]) -> tuple[float, float]:
    """Return the best slope of `values` on the control, and the variance that it leaves.

    What counts is the variance of the difference of two visits, each a mean over two draws.
    """
    difference = np.diff(values.reshape(-1, 2, 2).mean(axis=2), axis=1)[:, 0]
    known = np.diff(control.reshape(-1, 2, 2).mean(axis=2), axis=1)[:, 0]
    slope = float(known @ difference) / float(known @ known)
    squares = np.square(difference)
    if squares.sum() ** 2 < _ENOUGH_FOR_SLOPE * (squares**2).sum():
        slope = 0.0
    return slope, float(np.mean(np.square(difference - slope * known)))


def _constant_of(statistic: Statistic, n: int) -> float:
    """Return the part of a statistic that needs no draws."""
    if statistic == "miller-madow":
        return -0.5 / n
    if statistic == "jackknife" and n > 1:
        return (n - 1) * math.log1p(1.0 / (n - 1))
    return 0.0
