"""The entropy of a mixture and its corrections: what is known, and what is left to integrate."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np

from entbench._validation import check_choice, check_integer, check_positive
from entbench.mixture._integration import (
    BALANCE,
    PILOT_STRATA,
    QUANTILE,
    UNSEEN,
    Draw,
    Estimate,
    Wanted,
    error_of,
    integrate,
    opposite,
)
from entbench.mixture._quadrature import Quadrature, entropy_by_quadrature
from entbench.mixture._strata import (
    COLUMNS,
    COMPANION,
    KERNELS,
    LEFT_OUT,
    OWN_SHARE,
    PLUG_IN,
    TARGET,
    Known,
    Stratum,
)
from entbench.mixture._sums import Rung
from entbench.mixture._walk import LARGE_SHARE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench.mixture._mixture import GaussianMixture
    from entbench.mixture._sums import Sums

Statistic = Literal["plug-in", "leave-one-out", "miller-madow", "jackknife"]
STATISTICS: tuple[Statistic, ...] = get_args(Statistic)
# draws spent and numerical error so far, in nats
Progress = Callable[[int, float], None]

_LN2 = math.log(2.0)
# Errors of log-densities, in parts of the error asked for; of what is unused, what draws may have.
_KERNEL_SHARE, _UNUSED = 0.1, 0.9
_LOOSEST_KERNEL, _FINEST_KERNEL = 1e-4, 1e-12
# How often a kernel's error may count in a term, where it is not once; see `_Draws.exact`.
_KERNELS_COUNT: dict[Statistic, float] = {"jackknife": 2.0, "miller-madow": 1.5}
_QUADRATURE_KERNEL = 1e-10
_COMPANION_DRAWS = 16384
# A pilot is worth its draws where the integral may take many times as many.
_PILOT_PAYS = 8
# Coarser densities tried, see `TreeSums.coarse`; where all the work at one level would be below so
# many pairs, none.
_RUNGS = (
    *(Rung(0, error) for error in (0.1, 0.3)),
    *(Rung(1, width) for width in (0.5, 1.5, math.inf)),
    *(Rung(2048, width) for width in (1.5, math.inf)),
)
_MOST_LEVELS = 4
_LEVELS_PAY = 1e9
# Nats that a term has room for, about, before anything is known of it.
_USUAL_RANGE = 20.0
# Parts of the error asked for: of what is rare outside the bulk of the components, the same as a
# plan may choose in it, and of overlap that is not integrated.
_RARE_SHARE, _RARE_SHARES, _KNOWN_SHARE = 0.3, (0.05, 0.1, 0.2, 0.35, 0.5), 0.1
# Draws go on for so many pairs of points where the rare part makes up most of the error.
_FREE_PAIRS = 2.0**26
# What making a draw costs, in pairs, about; as much again for so many components, whose tree no
# cache holds.
_DRAW_PAIRS, _CACHED = 1000.0, 2.0**17
# A slope is believed where so many differences of the pilot make it up.
_ENOUGH_FOR_SLOPE = 16.0
# Of the squared tolerance: a level that the pilot saw no variance in is not worth the whole budget.
_LEAST_SHARE = 0.01
_ROUNDING = 2.0**-50
# Largest coordinate in sigma: where T = centre + Z is rounded by more than 1e-3 sigma.
_FARTHEST = 1e13


@dataclass(frozen=True)
class MixtureEntropy:
    """Differential entropy of a mixture, or a correction of it.

    Attributes
    ----------
    value : float
        The statistic asked for, in nats.
    numerical_error : float
        In nats: where `converged`, the value is off by more than 1.96 times as much in at most 5 %
        of cases, and by more than 4.5 times as much in at most 7e-6, whatever the centres. It
        contains `kernel_error`, and is never below the rounding of the value.
    n_draws : int
        Draws spent, or points of quadrature and draws.
    converged : bool
        Whether `numerical_error` is within the tolerance asked for.
    method : {"quadrature", "monte-carlo", "closed form"}
        How the plug-in was integrated. In closed form where components do not overlap.
    kernel_error : float
        Bound of the error of `value` that truncation and rounding of the kernel sums leave, in
        nats: the mean of the bounds at the draws.
    plug_in, leave_one_out : float
        Two statistics that come with any, in nats: over samples their means enclose h(S+Z). NaN
        for the second where components have weights.
    plug_in_error, leave_one_out_error : float
        Their numerical errors, in nats; no tolerance is asked of them.
    effective_components : float
        N_eff, the number of components that the noise lets one tell apart: from 1 to n. NaN where
        components have weights.
    """

    value: float
    numerical_error: float
    n_draws: int
    converged: bool
    method: Literal["quadrature", "monte-carlo", "closed form"]
    kernel_error: float
    plug_in: float
    leave_one_out: float
    plug_in_error: float
    leave_one_out_error: float
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
    only_asked: bool = False,
) -> MixtureEntropy:
    """Integrate a mixture's entropy; see `GaussianMixture.entropy`."""
    check_choice("statistic", statistic, STATISTICS)
    tolerance = check_positive("tolerance", tolerance)
    max_draws = check_integer("max_draws", max_draws, minimum=4)
    if mixture.weights is not None and statistic != "plug-in":
        raise ValueError(f"{statistic!r} is a statistic of samples: `weights` must not be given.")
    if mixture.n == 1:
        return _of_one(mixture, statistic)
    farthest = float(max(mixture.centres.max(), -mixture.centres.min())) / mixture.sigma
    if farthest > _FARTHEST:
        raise ValueError(
            f"coordinates must be at most {_FARTHEST:g} sigma from 0: farther out, rounding "
            f"swallows the noise; got {farthest:.3g} sigma. Shift the data, or drop far rows."
        )
    job = _Job(mixture, statistic, tolerance, max_draws, rng, progress, only_asked)
    if mixture.dim <= 2:
        quadrature = entropy_by_quadrature(
            *mixture.places(),
            mixture.sigma,
            lambda points: mixture.log_density(points, _QUADRATURE_KERNEL),
            max_draws - 4 * PILOT_STRATA,
        )
        if quadrature is not None:
            return job.with_quadrature(quadrature)
    return job.by_draws()


def _of_one(mixture: GaussianMixture, statistic: Statistic) -> MixtureEntropy:
    """Return the entropy of the noise; of no other component the density is 0 everywhere."""
    value, known = gaussian_entropy(mixture.dim, mixture.sigma), mixture.weights is None
    error = _ROUNDING * (abs(value) + mixture.dim)
    return MixtureEntropy(
        value=math.inf if statistic == "leave-one-out" else value,
        numerical_error=error,
        n_draws=0,
        converged=True,
        method="closed form",
        kernel_error=0.0,
        plug_in=value,
        leave_one_out=math.inf if known else math.nan,
        plug_in_error=error,
        leave_one_out_error=error if known else math.nan,
        effective_components=1.0 if known else math.nan,
    )


class _Draws:
    """Evaluates statistics at draws from the components of a mixture.

    All are in the form of ``log(q(T)/phi(Z))``, whose mean is h(Z) less the entropy.
    """

    def __init__(self, mixture: GaussianMixture, statistic: Statistic, tolerance: float) -> None:
        self.mixture = mixture
        self.statistic = statistic
        often = _KERNELS_COUNT.get(statistic, 1.0)
        asked = _KERNEL_SHARE * tolerance / often
        self._tolerance = min(max(asked, _FINEST_KERNEL), _LOOSEST_KERNEL)
        self.series = LARGE_SHARE**4 / 4.0 if statistic == "jackknife" else 0.0
        self.allowed = often * self._tolerance + self.series  # of the kernels' mean error
        self._count, self._work = 0, 0.0

    @property
    def work(self) -> float:
        """Work of a draw so far, on average."""
        return self._work / self._count

    def exact(
        self, components: NDArray[np.intp], noise: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the statistic, plug-in, leave-one-out and own share r_jj, and errors of kernels.

        In columns, see `_strata`. A term without its own sample is off as the sum over the others
        is; with it, as that has a share.
        """
        mixture, dim = self.mixture, self.mixture.dim
        points = mixture.centres[components] + mixture.sigma * noise
        own = _own_distance(noise)
        # a point is rounded, and a term's slope is some dim on average
        place = 2.0**-53 * dim / mixture.sigma * np.abs(points).max(axis=1)
        if mixture.weights is not None:
            sums = self._count_in(mixture.kernels.sums(points, self._tolerance))
            plug_in, errors = _LN2 * (sums.log2 + own), sums.errors + place
            none = np.full(len(own), math.nan)
            return np.column_stack([plug_in, plug_in, none, none, errors, errors, none])
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
        rest = math.log2(mixture.n - 1) - log2_n
        columns = {
            "plug-in": plug_in,
            "leave-one-out": _LN2 * (sums.log2 + own - rest),
            "miller-madow": plug_in - 0.5 * own_share,
            "jackknife": plug_in - removals,
        }
        others = 1.0 - own_share
        errors = {
            "plug-in": sums.errors * others + place,
            "leave-one-out": sums.errors + place,
            "miller-madow": 1.5 * sums.errors * others + place,
            "jackknife": sums.errors * (others + np.minimum(others / own_share, 1.0)) + place,
        }
        names: tuple[Statistic, ...] = (self.statistic, "plug-in", "leave-one-out")
        return np.column_stack(
            [*(columns[name] for name in names), own_share, *(errors[name] for name in names)]
        )

    def coarse(
        self, components: NDArray[np.intp], noise: NDArray[np.float64], rung: Rung
    ) -> tuple[NDArray[np.float64], float]:
        """Return ``log(q'(T)/phi(Z))`` of a coarser density q', and the work of a draw."""
        points = self.mixture.centres[components] + self.mixture.sigma * noise
        log2, work = self.mixture.coarse(points, rung)
        return _LN2 * (log2 + _own_distance(noise)), work

    def _count_in(self, sums: Sums) -> Sums:
        self._count += len(sums.errors)
        self._work += sums.work * len(sums.errors)
        return sums


def _own_distance(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.einsum("ij,ij->i", noise, noise) / (2.0 * _LN2))


def _control(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(0.5 * (np.einsum("ij,ij->i", noise, noise) - noise.shape[1]))


class _Level(NamedTuple):
    """One sum of a telescope of means.

    Attributes
    ----------
    finer, coarser : Rung or None
        The two of which it is the difference; None for the mixture itself and for nothing.
    slope : float
        Multiple of ``|Z|^2/(2 sigma^2) - dim/2`` to subtract.
    variance : float
        Of a visit, as the pilot saw it.
    work : float
        Of a draw.
    ranges : ndarray of shape (COLUMNS,)
        Of a visit's statistics.
    """

    finer: Rung | None
    coarser: Rung | None
    slope: float
    variance: float
    work: float
    ranges: NDArray[np.float64]

    @property
    def price(self) -> float:
        """Root of the work that a unit of precision takes: what to divide an error by."""
        return math.sqrt(self.variance * self.work)


class _Job:
    """One integration: what is asked, and how far it is."""

    def __init__(
        self,
        mixture: GaussianMixture,
        statistic: Statistic,
        tolerance: float,
        max_draws: int,
        rng: np.random.Generator,
        progress: Progress | None,
        only_asked: bool,
    ) -> None:
        self.mixture, self.statistic, self.rng = mixture, statistic, rng
        self.free_pairs = 0.0 if only_asked else _FREE_PAIRS
        self.tolerance, self.max_draws, self.progress = tolerance, max_draws, progress
        self.draws = _Draws(mixture, statistic, tolerance)
        self.noise_entropy = gaussian_entropy(mixture.dim, mixture.sigma)
        # what the draws may leave: kernels have their part
        self.goal = tolerance - min(self.draws.allowed / QUANTILE, 0.5 * tolerance)

    def by_draws(self) -> MixtureEntropy:
        """Integrate by Monte Carlo what is not known before."""
        known = self._known(False)
        estimate = Estimate(known.values)
        self._visit(self.draws.exact, known.strata, estimate, self.max_draws, levels=True)
        statistic, plug_in, left_out, own_share = (float(value) for value in estimate.values[:4])
        value = self.noise_entropy - statistic + _constant_of(self.statistic, self.mixture.n)
        kernels, errors = self._errors(estimate, known)
        return MixtureEntropy(
            value=value,
            numerical_error=float(errors[0]),
            n_draws=estimate.draws,
            converged=bool(errors[0] <= self.tolerance),
            method="closed form" if known.settled else "monte-carlo",
            kernel_error=float(kernels[0]),
            plug_in=self.noise_entropy - plug_in,
            leave_one_out=self.noise_entropy - left_out,
            plug_in_error=float(errors[1]),
            leave_one_out_error=float(errors[2]),
            effective_components=self.mixture.n * own_share,
        )

    def with_quadrature(self, quadrature: Quadrature) -> MixtureEntropy:
        """Take the plug-in from quadrature, and what the statistic adds to it from draws."""
        known = self._known(True)
        estimate = Estimate(known.values)
        left = self.max_draws - quadrature.n_points
        if self.statistic == "plug-in":
            left = min(left, _COMPANION_DRAWS)
            self.goal *= COMPANION
        if self.mixture.weights is None:
            self._visit(self._added, known.strata, estimate, left)
        added, _, left_out, own_share = (float(value) for value in estimate.values[:4])
        kernels, errors = self._errors(estimate, known)
        errors = errors + quadrature.error
        value, error, kernel = quadrature.value, quadrature.error, _QUADRATURE_KERNEL
        if self.statistic != "plug-in":
            value += _constant_of(self.statistic, self.mixture.n) - added
            error, kernel = float(errors[0]), float(kernels[0])
        return MixtureEntropy(
            value=value,
            numerical_error=error,
            n_draws=quadrature.n_points + estimate.draws,
            converged=error <= self.tolerance,
            method="quadrature",
            kernel_error=kernel,
            plug_in=quadrature.value,
            leave_one_out=quadrature.value - left_out,
            plug_in_error=quadrature.error,
            leave_one_out_error=float(errors[2]),
            effective_components=self.mixture.n * own_share,
        )

    @property
    def reach(self) -> float:
        """Log of how rare is rare: an event that the least number of visits meets ten times."""
        visits = min(0.5 * self.max_draws, _USUAL_RANGE * UNSEEN / (_RARE_SHARE * self.tolerance))
        return math.log(max(visits / 10.0, 10.0))

    def _known(self, beyond_plug_in: bool) -> Known:
        """Find what is known before any draw, and take its error off what draws may leave."""
        known = Known(
            self.mixture,
            self.statistic,
            beyond_plug_in,
            self.tolerance,
            QUANTILE * _KNOWN_SHARE * self.tolerance,
            self.reach,
            self.max_draws,
        )
        self.goal -= float(known.certain_errors[TARGET]) / QUANTILE
        return known

    def _errors(
        self, estimate: Estimate, known: Known
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the kernels' and the numerical errors of statistic, plug-in and leave-one-out."""
        kernels = estimate.values[KERNELS] + np.array([known.open * self.draws.series, 0.0, 0.0])
        certain = (known.certain_errors + kernels) / QUANTILE
        rounding = _ROUNDING * (np.abs(estimate.values[:3]) + abs(self.noise_entropy))
        return kernels, estimate.errors[:3] + certain + rounding

    def _visit(
        self,
        draw: Draw,
        strata: Sequence[Stratum],
        estimate: Estimate,
        max_draws: int,
        levels: bool = False,
    ) -> None:
        """Integrate over strata: the widest ranges first, the bulk with what is left."""
        companions = [stratum for stratum in strata if stratum.known[TARGET]]
        strata = [stratum for stratum in strata if not stratum.known[TARGET]]
        needs = [self._by_range(s.weight * float(s.ranges[TARGET])) for s in strata]
        reserve = max(min(_COMPANION_DRAWS, max_draws // 8), 4) if companions else 0
        reserve = reserve if max_draws >= 8 else 0
        for i, stratum in enumerate(strata):
            left = max_draws - reserve - estimate.draws
            later = needs[i + 1 :]
            if later:
                share = left * needs[i] / max(sum(needs[i:]), 1.0)
                most = min(max(left - 2.0 * sum(later), share), left - 4 * len(later))
                square = (_RARE_SHARE * self.goal / stratum.weight) ** 2 / len(strata)
                self._integrate(draw, stratum, estimate, _visits(needs[i], square), int(most))
            elif levels:
                self._by_levels(stratum, estimate, left)
            else:
                self._integrate(draw, stratum, estimate, self._last(stratum, estimate), left)
        for stratum in companions:
            self._integrate(
                draw,
                stratum,
                estimate,
                self._few,
                min(max_draws - estimate.draws, _COMPANION_DRAWS),
            )

    def _few(self, variance: float) -> float:
        """Return how many visits a value that only comes along is worth."""
        pairs = self.draws.work * max(self.mixture.dim / 8.0, 1.0) + _DRAW_PAIRS
        return float(min(0.5 * _COMPANION_DRAWS, _FREE_PAIRS / pairs))

    def _by_levels(self, stratum: Stratum, estimate: Estimate, max_draws: int) -> None:
        """Integrate the difference of each level to the next, finest first."""
        levels, needs, rare_share, spent = self._plan(stratum, max_draws)
        estimate.draws += spent
        max_draws -= spent
        scale = min(0.5 * max_draws / sum(needs), 1.0)
        weight, before = stratum.weight, estimate.draws
        for i, level in enumerate(levels[:-1]):
            prices = sum(later.price for later in levels[i:])
            share = max(level.price / prices if prices > 0.0 else 1.0, _LEAST_SHARE)
            square = (1.0 - rare_share) * self.goal**2 - float(estimate.variances[0])
            least = UNSEEN * weight * float(level.ranges[0]) / (rare_share * self.goal)
            enough = _visits(least, max(square, 0.0) * share / weight**2)
            left = max_draws - (estimate.draws - before)
            most = left - 4 * PILOT_STRATA * (len(levels) - 1 - i)
            if scale < 1.0:
                most = min(most, int(2.0 * needs[i] * scale))
            self._integrate(self._difference(level), stratum, estimate, enough, most, level.ranges)
        level = levels[-1]
        if level.finer is not None:  # no more kernels: what they left of their part goes to draws
            unused = self.draws.allowed - self.draws.series - float(estimate.values[KERNELS][0])
            self.goal += _UNUSED * max(unused, 0.0) / QUANTILE
        left = max_draws - (estimate.draws - before)
        enough = self._last(stratum, estimate, level)
        self._integrate(self._difference(level), stratum, estimate, enough, left, level.ranges)

    def _integrate(
        self,
        draw: Draw,
        stratum: Stratum,
        estimate: Estimate,
        wanted: Wanted,
        max_draws: int,
        ranges: NDArray[np.float64] | None = None,
    ) -> None:
        """Add an integral over a stratum to the estimate."""
        if max_draws < 4:  # no visit can be paid: what is not known stays unknown
            estimate.values[~stratum.known] = math.nan
            return
        reach = stratum.ranges if ranges is None else ranges
        before, weight = estimate.draws, stratum.weight

        def told(draws: int, variance: float) -> None:
            if self.progress is not None:
                rare = max(float(estimate.rare[0]), 2.0 * weight * float(reach[0]) / draws)
                square = float(estimate.variances[0]) + weight**2 * variance
                self.progress(before + draws, float(error_of(square, rare)))

        def unknown(
            components: NDArray[np.intp], noise: NDArray[np.float64]
        ) -> NDArray[np.float64]:
            values = draw(components, noise)
            values[:, stratum.known] = 0.0
            return values

        found = integrate(
            unknown if stratum.known.any() else draw,
            stratum.population,
            self.mixture.dim,
            wanted,
            max_draws,
            self.rng,
            told,
        )
        estimate.add(weight, found, np.where(stratum.known, 0.0, reach))

    def _by_range(self, contribution: float) -> float:
        """Return the visits after which nothing unseen matters, but for a part of the error."""
        return UNSEEN * contribution / (_RARE_SHARE * self.goal)

    def _last(self, stratum: Stratum, estimate: Estimate, level: _Level | None = None) -> Wanted:
        """Return how many visits the last integral takes: all that the error asks, and free ones.

        The free ones bring the rare part of the error below half the other.
        """
        reach = float((stratum.ranges if level is None else level.ranges)[0])

        def wanted(variance: float) -> float:
            needed = estimate.wanted(variance, stratum.weight, reach, self.goal)
            work = level.work if level is not None else self.draws.work + _DRAW_PAIRS
            free = 0.5 * self.free_pairs / (work + _DRAW_PAIRS * self.mixture.n / _CACHED)
            balanced = BALANCE * reach**2 / variance if variance > 0.0 else math.inf
            return float(max(needed, min(free, balanced)))

        return wanted

    def _added(
        self, components: NDArray[np.intp], noise: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return what the statistic and the leave-one-out value add to the plug-in."""
        columns = self.draws.exact(components, noise)
        chosen = LEFT_OUT if self.statistic == "plug-in" else TARGET
        columns[:, TARGET] = columns[:, chosen] - columns[:, PLUG_IN]
        columns[:, LEFT_OUT] -= columns[:, PLUG_IN]
        columns[:, KERNELS][:, TARGET] = columns[:, KERNELS][:, chosen]
        columns[:, PLUG_IN] = 0.0
        return columns

    def _difference(self, level: _Level) -> Draw:
        """Return what to average at a level."""

        def draw(components: NDArray[np.intp], noise: NDArray[np.float64]) -> NDArray[np.float64]:
            if level.finer is None:
                values = self.draws.exact(components, noise)
            else:
                values = np.zeros((len(components), COLUMNS))
                values[:, :3] = self.draws.coarse(components, noise, level.finer)[0][:, None]
            if level.coarser is not None:
                values[:, :3] -= self.draws.coarse(components, noise, level.coarser)[0][:, None]
            values[:, :3] -= level.slope * _control(noise)[:, None]
            return values

        return draw

    def _plan(self, stratum: Stratum, max_draws: int) -> _Plan:
        """Choose levels and control variates by a pilot."""
        whole = _Level(None, None, 0.0, 1.0, _DRAW_PAIRS, stratum.ranges)
        if max_draws < _PILOT_PAYS * 4 * PILOT_STRATA:
            return _Plan([whole], [1.0], 0.0, 0)
        draws = self.draws
        visited = stratum.population.pairs(0, PILOT_STRATA, PILOT_STRATA, self.rng)
        components, noise = opposite(visited, self.mixture.dim, self.rng)
        values, control = draws.exact(components, noise)[:, 0], _control(noise)
        tried = [_Tried(None, values, draws.work, 0.0)]
        single = _levels_of(tried, control, stratum.ranges)
        left = max_draws - len(components)
        needed = self._needs(stratum, single, 0.0)[0]
        if 2.0 * single[0].work * min(needed, 0.5 * left) < _LEVELS_PAY:
            return _Plan(single, [needed], 0.0, len(components))
        for rung in _RUNGS:
            coarse, work = draws.coarse(components, noise, rung)
            tried.append(_Tried(rung, coarse, work, self.mixture.coarse_range(rung, self.reach)))
        plans = []
        for length in range(_MOST_LEVELS):
            for chain in itertools.combinations(tried[1:], length):
                levels = _levels_of([tried[0], *chain], control, stratum.ranges)
                for share in _RARE_SHARES if length else (0.0,):
                    needs = self._needs(stratum, levels, share)
                    plans.append(_Plan(levels, needs, share, len(components)))
        return min(plans, key=lambda plan: plan.cost(left))

    def _needs(self, stratum: Stratum, levels: list[_Level], share: float) -> list[float]:
        """Return the visits that each level needs, as far as the pilot tells.

        What is rare has a `share` of the error.
        """
        weight, goal = stratum.weight, self.goal
        if len(levels) == 1:
            variance, reach = levels[0].variance, float(levels[0].ranges[0])
            return [Estimate(np.zeros(1)).wanted(variance, weight, reach, goal)]
        prices = weight**2 * sum(level.price for level in levels)
        square = (1.0 - share) * goal**2
        return [
            max(
                UNSEEN * weight * float(level.ranges[0]) / (share * goal),
                prices * math.sqrt(level.variance / level.work) / square,
                PILOT_STRATA,
            )
            for level in levels
        ]


class _Plan(NamedTuple):
    """How to integrate over the bulk of the components.

    Attributes
    ----------
    levels : list of _Level
        Finest first.
    needs : list of float
        Visits that each needs.
    share : float
        What is rare has of the error.
    spent : int
        Draws that it took to plan.
    """

    levels: list[_Level]
    needs: list[float]
    share: float
    spent: int

    def cost(self, max_draws: int) -> tuple[float, float]:
        """Return first what the budget leaves to be wished for, then the work."""
        pairs = zip(self.needs, self.levels, strict=True)
        work = sum(need * level.work for need, level in pairs)
        return max(2.0 * sum(self.needs) / max_draws, 1.0), work


class _Tried(NamedTuple):
    """The mixture itself (None) or a coarser density: its logs in the pilot, work and range."""

    rung: Rung | None
    values: NDArray[np.float64]
    work: float
    off: float


def _visits(least: float, square: float = math.inf) -> Wanted:
    """Return that so many visits are enough, if the variance of their mean is then a square."""

    def wanted(variance: float) -> float:
        return max(least, variance / square) if square > 0.0 else math.inf

    return wanted


def _levels_of(
    chain: Sequence[_Tried], control: NDArray[np.float64], ranges: NDArray[np.float64]
) -> list[_Level]:
    """Return the levels of a chain, given the ranges of the statistics themselves."""
    levels = []
    nothing = _Tried(None, np.zeros_like(control), 0.0, 0.0)
    for rung, after in itertools.pairwise([*chain, nothing]):
        slope, variance = _regress(rung.values - after.values, control)
        off = np.zeros(COLUMNS)
        off[:4] = rung.off + after.off
        if after is nothing:
            off += ranges if rung.rung is None else ranges[PLUG_IN]
        elif rung.rung is None:
            # what a correction adds to the plug-in stays with the finest level
            off[TARGET] += max(float(ranges[TARGET] - ranges[PLUG_IN]), 0.0)
            off[LEFT_OUT] += ranges[LEFT_OUT] + ranges[PLUG_IN]
        # a control's tail is exponential: it counts with its scale
        off[:OWN_SHARE] += abs(slope)
        work = rung.work + after.work + _DRAW_PAIRS
        levels.append(_Level(rung.rung, after.rung, slope, variance, work, off))
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
    return slope, 0.5 * float(np.mean(np.square(difference - slope * known)))


def _constant_of(statistic: Statistic, n: int) -> float:
    """Return the part of a statistic that needs no draws."""
    if statistic == "miller-madow":
        return -0.5 / n
    if statistic == "jackknife" and n > 1:
        return (n - 1) * math.log1p(1.0 / (n - 1))
    return 0.0
