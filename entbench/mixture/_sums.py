"""Sums of Gaussian kernels over a tree: threads, precision, and the choice of dense or pruned."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np

from entbench._compiled import in_threads
from entbench.mixture._leaf import Plan, Scratch, make_scratch
from entbench.mixture._tree import (
    LEAF,
    NARROWING,
    OFFSET,
    RADIUS,
    SKIP,
    START,
    STOP,
    Tree,
)
from entbench.mixture._vectors import GROUP
from entbench.mixture._walk import kernel_sums, nearest_leaves, posterior_sums, removal_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

Method = Literal["auto", "dense", "pruned"]

_LN2 = math.log(2.0)
_CHUNK = 1024
_CHUNK_PAIRS = 2e6
_PROBES = 64
_OFTEN = 0.3
# What a visit to a node costs, in pairs: about, in few and in many dimensions.
_NODE_COST = 16.0
_AXIS_COST = 2.0
# Below this tolerance single precision would almost always be redone in double.
_SINGLE_FROM = 1e-6
_LIKENESS_TOLERANCE = 1e-3
_CACHE = 2**20  # bytes
# Relative errors of the polynomials for 2^f.
_EXP2_ERROR = {np.float32: 3e-7, np.float64: 1e-16}


class Rung(NamedTuple):
    """A coarser density than the mixture's.

    Attributes
    ----------
    most : int
        Nodes of at most so many centres, and leaves, are replaced by one Gaussian each; with 0
        none is, and the sums are the mixture's own, certainly within a relative error.
    limit : float
        That error, below 1; or the largest squared radius, in sigma^2, of a node that is replaced.
    """

    most: int
    limit: float


class LeftOut(NamedTuple):
    """A sample for each query to leave out.

    Attributes
    ----------
    places : int64 array of shape (m,)
        Where its centre stands in the tree; -1 for none.
    more : float64 array of shape (m,)
        ``log2(c / (c - 1))`` where c samples share the centre: infinite for one.
    """

    places: NDArray[np.int64]
    more: NDArray[np.float64]

    def take(self, which: NDArray[np.intp]) -> LeftOut:
        """Return those for some of the queries."""
        return LeftOut(self.places[which], self.more[which])


@dataclass(frozen=True)
class Sums:
    """Kernel sums at m points.

    Attributes
    ----------
    log2 : ndarray of shape (m,)
        log2 of ``sum_j w_j 2^(-|x - c_j|^2)``.
    errors : ndarray of shape (m,)
        Bounds of the sums' relative errors.
    method : {"dense", "pruned"}
        How they were found.
    work : float
        Pairs of points visited, or as many as would have cost the same, for a point on average.
    """

    log2: NDArray[np.float64]
    errors: NDArray[np.float64]
    method: Method
    work: float


class PosteriorSums(NamedTuple):
    """Posterior sums at m points; see `posterior_sums`."""

    log2: NDArray[np.float64]
    means: NDArray[np.float64]
    variances: NDArray[np.float64]
    collisions: NDArray[np.float64]


class KernelSums(Protocol):
    """What sums kernels: the compiled walk over the tree, or an accelerator."""

    def sums(
        self,
        queries: NDArray[np.float64],
        tolerance: float,
        method: Method = "auto",
        left_out: LeftOut | None = None,
    ) -> Sums:
        """Return the sums at queries of shape (m, dim)."""

    def removals(
        self,
        queries: NDArray[np.float64],
        tolerance: float,
        left_out: LeftOut,
        own_distance: NDArray[np.float64],
    ) -> tuple[Sums, NDArray[np.float64]]:
        """Return the sums and what `removal_sums` writes."""


class TreeSums:
    """Kernel sums by compiled walks over a tree, on the CPU.

    Parameters
    ----------
    tree : Tree
        The centres.
    samples : int
        How many samples they stand for, where samples share centres; 0 where they do not.
    threads : int
        How many to use. Results do not depend on it.
    """

    def __init__(self, tree: Tree, samples: int, threads: int) -> None:
        self._tree = tree
        self._log2_copies = math.log2(samples) if samples else -1.0
        self._threads = threads

    def sums(
        self,
        queries: NDArray[np.float64],
        tolerance: float,
        method: Method = "auto",
        left_out: LeftOut | None = None,
    ) -> Sums:
        """Return the sums at queries of shape (m, dim); see `KernelSums`."""
        order = self._order(queries, method)
        queries = queries[order]
        out = _nothing(len(queries)) if left_out is None else left_out.take(order)
        chosen, dtype = self._choose(queries, tolerance, method, out)
        log2, errors, work = self._evaluate(queries, tolerance, chosen, out, dtype)
        rest = np.flatnonzero(errors > tolerance)
        if dtype is np.float32 and len(rest):
            again = self._evaluate(queries[rest], tolerance, chosen, out.take(rest), np.float64)
            log2[rest], errors[rest] = again[0], again[1]
            work += 2.0 * again[2] * len(rest) / len(queries)
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return Sums(log2[back], errors[back], chosen, work)

    def removals(
        self,
        queries: NDArray[np.float64],
        tolerance: float,
        left_out: LeftOut,
        own_distance: NDArray[np.float64],
    ) -> tuple[Sums, NDArray[np.float64]]:
        """Return the sums and what `removal_sums` writes; see `KernelSums`."""
        dtype = _dtype(tolerance)
        log2, removals, work = self._remove(queries, tolerance, left_out, own_distance, dtype)
        errors = self._removal_errors(log2, tolerance, dtype)
        rest = np.flatnonzero(errors > tolerance)
        if dtype is np.float32 and len(rest):
            part = (queries[rest], tolerance, left_out.take(rest), own_distance[rest])
            log2[rest], removals[rest], again = self._remove(*part, np.float64)
            errors[rest] = self._removal_errors(log2[rest], tolerance, np.float64)
            work += 2.0 * again * len(rest) / len(queries)
        return Sums(log2, errors, "pruned", work), removals

    def _removal_errors(
        self, log2: NDArray[np.float64], tolerance: float, dtype: type[np.floating]
    ) -> NDArray[np.float64]:
        radius = self._tree.nodes.facts[self._tree.nodes.links[:, OFFSET] >= 0, RADIUS].max()
        spread = np.full(len(log2), radius)
        return np.asarray(0.5 * tolerance + _rounding(log2, spread, self._tree, dtype))

    def _remove(
        self,
        queries: NDArray[np.float64],
        tolerance: float,
        left_out: LeftOut,
        own_distance: NDArray[np.float64],
        dtype: type[np.floating],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Return log2 sums, what `removal_sums` writes, and the work a query."""
        log2, removals = np.empty(len(queries)), np.empty(len(queries))
        plan = Plan(1.0 / self._tree.unit, 0.5 * tolerance, 0.0, True, self._log2_copies, 0)

        def work(part: slice, scratch: Scratch) -> None:
            removal_sums(
                queries[part],
                self._tree.nodes,
                self._tree.values(dtype),
                plan,
                left_out.places[part],
                left_out.more[part],
                scratch,
                own_distance[part],
                log2[part],
                removals[part],
            )

        return log2, removals, self._over_chunks(work, len(queries), dtype, record=True)

    def coarse(self, queries: NDArray[np.float64], rung: Rung) -> tuple[Any, float]:
        """Return log2 sums at queries of a coarser density, and the work a query.

        They are a function of the point alone.
        """
        order = self._order(queries, "pruned")
        queries = queries[order]
        none = _nothing(len(queries))
        if rung.most == 0:
            log2, errors, work = self._evaluate(queries, rung.limit, "pruned", none, np.float32)
            rest = np.flatnonzero(errors > rung.limit)
            if len(rest):
                log2[rest] = self._evaluate(
                    queries[rest], rung.limit, "pruned", none.take(rest), np.float64
                )[0]
        else:
            widest = rung.limit / (2.0 * _LN2)
            plan = Plan(
                1.0 / self._tree.unit, _LIKENESS_TOLERANCE, 0.0, False, -1.0, rung.most, widest
            )
            log2, _, _, work = self._walk(queries, plan, none, np.float32)
        values = np.empty_like(log2)
        values[order] = log2
        return values, work

    def coarse_range(self, rung: Rung, reach: float) -> float:
        """Return how far the log of the density to that of a rung goes, in nats.

        For a certain rung that is given. A Gaussian in the place of a node errs within ``rho^2
        (|z|^2 + 1)/2``, z the distance to the middle and rho that of the farthest corner, both in
        sigma (Hoeffding's lemma), and by at most 2 rho more a sigma: in a node that no draw has met
        by ``rho^2 (dim + 1)/2`` on average, and at a distance that none had by some rho. And
        whatever the nodes, the mean of the root of the ratio is at most that of ``1 + chi^2``, so
        that it exceeds the square of that by u with probability ``exp(-u/2)``: `reach` is the log
        of how rare is rare. The smaller of the two counts.
        """
        if rung.most == 0:
            return 2.0 * math.atanh(rung.limit)
        nodes = self._tree.nodes
        links, dim = nodes.links, self._tree.dim
        squares = 2.0 * _LN2 * nodes.facts[:, RADIUS]
        small = (links[:, OFFSET] >= 0) | (links[:, STOP] - links[:, START] <= rung.most)
        small &= squares <= rung.limit
        ends = np.maximum.accumulate(np.where(small, links[:, SKIP], 0))
        cut = small & (np.concatenate([[0], ends[:-1]]) <= np.arange(len(links)))
        if not cut.any():
            return 0.0
        squares = squares[cut]
        with np.errstate(over="ignore", invalid="ignore"):
            narrow = float(squares.max()) * (0.5 * dim + 1.5) + math.sqrt(float(squares.max()))
            variance = 1.0 / nodes.shape[cut, NARROWING] - 1.0
            chi = (np.log1p(variance) - 0.5 * np.log1p(2.0 * variance)).sum(axis=1)
            chi += squares / (1.0 + 2.0 * variance.min(axis=1))
        # what is left exact counts as a node at most
        several = np.count_nonzero(cut) + 1
        return float(min(narrow, 2.0 * reach + math.log(several) + float(chi.max())))

    def posterior(self, queries: NDArray[np.float64], tolerance: float) -> PosteriorSums:
        """Return posterior sums at queries of shape (m, dim), in double precision."""
        m, dim = queries.shape
        found = PosteriorSums(np.empty(m), np.empty((m, dim)), np.empty(m), np.empty(m))
        plan = Plan(1.0 / self._tree.unit, tolerance, 0.0, True, self._log2_copies, 0)

        def work(part: slice, scratch: Scratch) -> None:
            posterior_sums(
                queries[part],
                self._tree.nodes,
                self._tree.values(np.float64),
                plan,
                scratch,
                *(array[part] for array in found),
            )

        self._over_chunks(work, m, np.float64, record=True)
        return found

    def _evaluate(
        self,
        queries: NDArray[np.float64],
        tolerance: float,
        method: Method,
        left_out: LeftOut,
        dtype: type[np.floating],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Return log2 sums, bounds of their relative errors, and the work a query."""
        allowed = 0.0 if method == "dense" else 0.25 * tolerance
        plan = Plan(1.0 / self._tree.unit, allowed, allowed, False, -1.0, 0)
        log2, spent, spread, visited = self._walk(queries, plan, left_out, dtype)
        return log2, spent + _rounding(log2, spread, self._tree, dtype), visited

    def _walk(
        self,
        queries: NDArray[np.float64],
        plan: Plan,
        left_out: LeftOut,
        dtype: type[np.floating],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:
        """Return what `kernel_sums` writes, and the work a query."""
        log2, spent, spread = (np.empty(len(queries)) for _ in range(3))
        values = self._tree.values(dtype)

        def work(part: slice, scratch: Scratch) -> None:
            kernel_sums(
                queries[part],
                self._tree.nodes,
                values,
                plan,
                left_out.places[part],
                left_out.more[part],
                scratch,
                log2[part],
                spent[part],
                spread[part],
            )

        visited = self._over_chunks(work, len(queries), dtype)
        return log2, spent, spread, visited

    def _choose(
        self, queries: NDArray[np.float64], tolerance: float, method: Method, left_out: LeftOut
    ) -> tuple[Method, type[np.floating]]:
        """Choose method and precision by walks at a few of the queries."""
        n = len(self._tree.order)
        # without its own copy, a query takes its own leaf and the nearest one by one
        alone = 2 * LEAF if (left_out.places >= 0).any() else 0
        few = n <= 2 * LEAF and not alone
        unsure: Method = "dense" if few else "pruned"
        chosen, dtype = unsure if method == "auto" else method, _dtype(tolerance)
        if len(queries) <= 2 * _PROBES or (few and dtype is np.float64):
            return chosen, dtype
        some = min(_PROBES, len(queries) // 16)
        probes = np.linspace(0, len(queries) - 1, some).astype(np.intp)
        part = left_out.take(probes)
        _, errors, work = self._evaluate(queries[probes], tolerance, "pruned", part, dtype)
        if method == "auto" and not few:
            chosen = "pruned" if work < n + alone else "dense"
        # where much would be done again in double precision, all of it is at once
        often = np.mean(errors > tolerance) > _OFTEN
        return chosen, np.float64 if often else dtype

    def _order(self, queries: NDArray[np.float64], method: Method) -> NDArray[np.intp]:
        """Return an order in which neighbours follow each other, so that caches serve them."""
        if method == "dense" or self._tree.size * 4 < _CACHE:
            return np.arange(len(queries))
        plan = Plan(1.0 / self._tree.unit, 0.0, 0.0, False, -1.0, 0)
        siblings = make_scratch(1, 0, np.float32).siblings
        leaves = np.empty(len(queries), dtype=np.int64)
        nearest_leaves(queries, self._tree.nodes, plan, siblings, leaves)
        return np.argsort(leaves, kind="stable")

    def _over_chunks(
        self,
        work: Callable[[slice, Scratch], None],
        m: int,
        dtype: type[np.floating],
        record: bool = False,
    ) -> float:
        """Do the work for all queries, chunk by chunk in threads; return the work a query."""
        dim = self._tree.dim
        # many for every thread, whose cores are not equally fast; but none too small to be worth it
        wanted = max(m / (16 * self._threads), _CHUNK_PAIRS / len(self._tree.order))
        chunk = min(math.ceil(wanted / GROUP) * GROUP, _CHUNK)
        leaves = int(np.count_nonzero(self._tree.nodes.links[:, OFFSET] >= 0)) if record else 0

        def do(start: int) -> NDArray[Any]:
            scratch = make_scratch(dim, leaves, dtype)
            work(slice(start, start + chunk), scratch)
            return np.asarray(scratch.counts[:2])

        starts = range(0, m, chunk)
        pairs, nodes = np.sum(in_threads(do, starts, self._threads), axis=0)
        return float(pairs + nodes * (_NODE_COST + _AXIS_COST * dim)) / m


def _dtype(tolerance: float) -> type[np.floating]:
    return np.float32 if tolerance >= _SINGLE_FROM else np.float64


def _nothing(m: int) -> LeftOut:
    return LeftOut(np.full(m, -1, dtype=np.int64), np.zeros(m))


def _rounding(
    log2: NDArray[np.float64],
    spread: NDArray[np.float64],
    tree: Tree,
    dtype: type[np.floating],
) -> NDArray[np.float64]:
    """Return bounds of the relative errors of sums by rounding, to first order.

    A squared distance D^2 between a query and a centre of a leaf of radius R is off by
    ``(dim + 2) u D^2`` by its own sum, u the unit roundoff, and by ``4 D (D + R) u`` by its
    coordinates. The terms' mean of ``D^2 - log2 w`` is at most ``log2 n`` above minus the log2 of
    their sum (their entropy is at most log2 n), and just below it for equal weights (Gibbs).
    """
    dim = tree.dim
    unit = float(np.finfo(dtype).eps) / 2.0
    with np.errstate(invalid="ignore", over="ignore"):
        bits = np.maximum(-log2, 0.0) + tree.weight_bits
        distance = (dim + 6.0) * bits + 4.0 * np.sqrt(bits * spread)
    lanes = LEAF / 16.0 + 8.0
    errors = unit * (_LN2 * distance + lanes) + _EXP2_ERROR[dtype]
    # infinitely far in this precision, or nothing left to sum
    double = dtype is np.float64
    return np.where(np.isfinite(log2), errors, 0.0 if double else np.inf)
