"""What of a mixture's statistics needs no draws, and strata of like ranges for what is left."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from entbench.mixture._integration import UNSEEN, Population
from entbench.mixture._ranges import TINIEST, find_items

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from entbench.mixture._mixture import GaussianMixture

_LN2 = math.log(2.0)
# Columns of what is averaged: statistics, and bounds of what the kernels of the first three err by.
TARGET, PLUG_IN, LEFT_OUT, OWN_SHARE, KERNELS = 0, 1, 2, 3, slice(4, 7)
COLUMNS = 7
# By how much an overlap of u may move a statistic, over log(1 + u) or its mean's bound. Of the
# jackknife: the sum of ``-log(1 - r_ji)`` over the others is at most log(1 + u), by concavity.
_FACTOR = {"plug-in": 1.0, "miller-madow": 1.5, "jackknife": 2.0, "leave-one-out": 2.0}
# Components whose range is beyond so many mean ranges are a stratum of their own; further ones at
# each so many times as much. The leave-one-out value that comes along may be so much less exact.
_BEYOND, _STEP, _MOST_STRATA = 4.0, 8.0, 8
COMPANION = 10.0
_LEAST_DRAWS = 256
# Overlaps are summed where so many of some places stand alone, if it takes no more pairs.
_PROBES, _ALONE, _ALONE_SHARE, _MOST_PAIRS, _WORTH = 256, 0.01, 0.25, 4e9, 4.0
_OVERLAP_KERNEL = 1e-3


def draw_range(mixture: GaussianMixture, reach: float) -> tuple[float, float]:
    """Return the range of ``log(q(T)/phi(Z))`` at a single draw, and the overlap left out of it.

    A term is at least the log of its own place's weight. Those of places that stand apart have no
    range but their overlap, a bound of the mean error.

    Parameters
    ----------
    mixture : GaussianMixture
        The mixture.
    reach : float
        Log of how rare is rare.
    """
    tree = mixture.tree
    items = find_items(tree, mixture.sigma, _OVERLAP_KERNEL, 0, reach)
    least = _LN2 * np.minimum.reduceat(tree.log2_weights, items.starts)
    ranges = np.where(items.alone, 0.0, items.log_group - least + reach)
    return float(ranges.max()), items.overlap


class Stratum(NamedTuple):
    """Components to visit alike.

    Attributes
    ----------
    population : Population
        The components.
    weight : float
        Their weight.
    ranges : ndarray of shape (COLUMNS,)
        Of a visit's statistics, in nats: see `Known`.
    known : bool array of shape (COLUMNS,)
        Columns that need no draws here.
    """

    population: Population
    weight: float
    ranges: NDArray[np.float64]
    known: NDArray[np.bool_]


class Known:
    """What is known before any draw, of a statistic, plug-in, leave-one-out and own share.

    Parameters
    ----------
    mixture : GaussianMixture
        The mixture.
    statistic : str
        The one asked for.
    beyond_plug_in : bool
        Whether what the statistic (of the plug-in: the leave-one-out value) and the leave-one-out
        value add to the plug-in is integrated, in place of themselves.
    tolerance, spent : float
        Error asked for, in nats, and what overlap that is not integrated may take of it.
    reach : float
        Log of how rare is rare: events rarer than ``exp(-reach)`` a visit may meet no draw.
    max_draws : int
        Most draws there will be.

    Attributes
    ----------
    values : ndarray of shape (COLUMNS,)
        What the settled components add to the means.
    certain_errors : ndarray of shape (3,)
        Bounds of what that leaves out, of the statistics in nats.
    """

    def __init__(
        self,
        mixture: GaussianMixture,
        statistic: str,
        beyond_plug_in: bool,
        tolerance: float,
        spent: float,
        reach: float,
        max_draws: int,
    ) -> None:
        self._mixture, self._statistic, self._beyond = mixture, statistic, beyond_plug_in
        self._reach, self._max_draws = reach, max_draws
        samples = 0 if mixture.weights is not None else mixture.n
        self._items = items = find_items(mixture.tree, mixture.sigma, tolerance, samples, reach)
        self._overlaps = np.full(len(items.starts), math.inf)
        self._apart = items.alone.copy()  # of whom the overlap costs next to nothing
        overlap = items.overlap
        if not items.alone.all():
            overlap += self._settle(spent / _FACTOR[statistic] - items.overlap, tolerance)
        self.certain_errors = overlap * np.array([_FACTOR[statistic], 1.0, 2.0])
        single = self._single
        # without its own sample a lone one sees the others only
        whole = self._apart & ~single
        alone_counts = statistic == "leave-one-out" or self._added_left_out
        self._drawn = drawn = self._apart & single & (not alone_counts)
        self._open = ~whole & ~drawn
        self.values = np.zeros(COLUMNS)
        self.values[:4] = self._constants(whole | drawn)
        self.values[LEFT_OUT] = self._constants(whole)[LEFT_OUT]

    @cached_property
    def strata(self) -> list[Stratum]:
        """What is left to visit: the widest ranges first, the bulk of the components last."""
        found = []
        if self._drawn.any() and self._mixture.weights is None:
            left_out_only = np.array([True, True, False, True, True, True, False])
            found.append(self._stratum(self._drawn, left_out_only))
        if self._open.any():
            classes = self._classes()
            nothing = np.zeros(COLUMNS, dtype=bool)
            found.extend(
                self._stratum(self._open & (classes == one), nothing)
                for one in np.unique(classes[self._open])[::-1]
            )
        return found

    @property
    def settled(self) -> bool:
        """Whether the statistic asked for needs no draws."""
        return not self._open.any()

    @property
    def open(self) -> float:
        """Weight of the components for which it needs some."""
        return float(self._mass[self._open].sum())

    @property
    def _added_left_out(self) -> bool:
        return self._beyond and self._statistic == "plug-in"

    @cached_property
    def _copies(self) -> NDArray[np.int64]:
        """How many samples share each place."""
        return self._mixture.copies()

    @cached_property
    def _weights(self) -> NDArray[np.float64]:
        weights = self._mixture.tree.weights
        return weights if weights.min() >= TINIEST else np.maximum(weights, TINIEST)

    @cached_property
    def _mass(self) -> NDArray[np.float64]:
        return np.add.reduceat(self._weights, self._items.starts)

    @cached_property
    def _single(self) -> NDArray[np.bool_]:
        """Items some place of which holds one sample."""
        if self._mixture.weights is not None:
            return np.zeros(len(self._items.starts), dtype=bool)
        return np.asarray(np.minimum.reduceat(self._copies, self._items.starts) == 1)

    def _settle(self, budget: float, tolerance: float) -> float:
        """Find items that hardly overlap with any other place; return their overlap."""
        mixture, tree = self._mixture, self._mixture.tree
        items = self._items
        probes = np.unique(np.linspace(0, len(tree.order) - 1, _PROBES).astype(np.intp))
        at = mixture.kernels.sums(tree.centres[probes], _OVERLAP_KERNEL).log2
        alone = _LN2 * (at - tree.log2_weights[probes]) < _ALONE
        # no more places than the draws that their ranges would ask for
        places = len(tree.order)
        draws = 2.0 * UNSEEN * (math.log(places) + self._reach) / tolerance
        if budget <= 0.0 or alone.mean() < _ALONE_SHARE or places > _WORTH * draws:
            return 0.0
        roots = np.sqrt(self._weights)
        wider = type(mixture)(tree.centres, 2.0 * mixture.sigma, roots, n_jobs=mixture.n_jobs)

        def overlaps(places: NDArray[np.intp]) -> tuple[NDArray[np.float64], float]:
            out = wider.left_out(places)
            sums = wider.kernels.sums(tree.centres[places], _OVERLAP_KERNEL, left_out=out)
            # the engine scales weights to sum to 1
            others = np.exp2(sums.log2) * roots.sum() / roots[places]
            return (1.0 + _OVERLAP_KERNEL) * others, sums.work

        if overlaps(probes)[1] * places * max(mixture.dim / 8.0, 1.0) > _MOST_PAIRS:
            return 0.0
        every, _ = overlaps(np.arange(places))
        self._overlaps = np.maximum.reduceat(every, items.starts)
        costs = np.add.reduceat(self._weights * every, items.starts)
        costs[items.alone] = 0.0
        order = np.argsort(costs, kind="stable")
        cheap = np.cumsum(costs[order]) <= budget
        self._apart[order[cheap]] = True
        return float(costs[order[cheap]].sum())

    def _constants(self, which: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return what places that do not overlap add to the means."""
        places = self._items.by_place(which)
        weights = self._weights[places]
        log_weight = _LN2 * self._mixture.tree.log2_weights[places]
        if self._mixture.weights is not None:
            return np.array([weights @ log_weight, weights @ log_weight, math.nan, math.nan])
        n, copies = self._mixture.n, self._copies[places].astype(np.float64)
        several = np.maximum(copies, 2.0)
        left_out = np.log((several - 1.0) / max(n - 1.0, 1.0))
        removed = np.where(copies > 1.0, (copies - 1.0) * np.log1p(-1.0 / several), 0.0)
        values = {
            "plug-in": log_weight,
            "leave-one-out": left_out,
            "miller-madow": log_weight - 0.5 / copies,
            "jackknife": log_weight - removed,
        }
        columns = [values[self._statistic], log_weight, left_out, 1.0 / copies]
        if self._beyond:
            columns[TARGET] = columns[LEFT_OUT if self._added_left_out else TARGET] - log_weight
            columns[LEFT_OUT] = left_out - log_weight
        return np.array([weights @ column for column in columns])

    @cached_property
    def _ranges(self) -> NDArray[np.float64]:
        """Ranges of the items' statistics, shape (4, items)."""
        items, reach = self._items, self._reach
        # the others' density over the own exceeds u as rarely as that with log1p(overlap / rarity)
        met = 2.0 * np.log1p(np.minimum(self._overlaps, 1e300) * math.exp(min(reach, 600.0)))
        above = np.minimum(items.above, met)
        plug_in = items.drop + above
        left_out = items.left_out_drop + reach
        n = self._mixture.n
        shared = np.minimum(np.log(n) + items.log_group + above, met)
        added = {
            "plug-in": left_out + plug_in,
            "leave-one-out": left_out + plug_in,
            "miller-madow": np.full_like(met, 0.5),
            "jackknife": np.maximum(shared, 0.0),
        }[self._statistic]
        own = np.ones_like(met)
        if self._beyond:
            return np.stack([added, np.zeros_like(met), left_out + plug_in, own])
        target = {"plug-in": plug_in, "leave-one-out": left_out}
        return np.stack([target.get(self._statistic, plug_in + added), plug_in, left_out, own])

    def _classes(self) -> NDArray[np.intp]:
        """Return which items are alike, by number, 0 for the bulk."""
        spans = self._ranges[TARGET]
        if self._mixture.weights is None:
            spans = np.maximum(spans, self._ranges[LEFT_OUT] / COMPANION)
        shares = self._mass[self._open] / self._mass[self._open].sum()
        mean = float(shares @ np.minimum(spans[self._open], 1e200))
        with np.errstate(divide="ignore"):
            steps = np.log(np.maximum(spans / (_BEYOND * mean), 1e-9)) / math.log(_STEP)
        classes = np.clip(np.floor(steps) + 1.0, 0.0, _MOST_STRATA).astype(np.intp)
        several = len(np.unique(classes[self._open]))
        if self._max_draws < _LEAST_DRAWS * several:
            classes[:] = 0
        return np.asarray(classes, dtype=np.intp)

    def _stratum(self, which: NDArray[np.bool_], known: NDArray[np.bool_]) -> Stratum:
        mixture = self._mixture
        order = mixture.neighbours()
        if not which.all():
            places: NDArray[Any] = self._items.by_place(which)
            order = order[
                places if mixture.weights is not None else np.repeat(places, self._copies)
            ]
        return Stratum(
            Population(order, mixture.weights),
            float(self._mass[which].sum()),
            np.append(self._ranges[:, which].max(axis=1), np.zeros(COLUMNS - 4)),
            known,
        )
