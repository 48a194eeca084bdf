"""Measure whether stated numerical errors of mixture entropies hold, and print tables.

    python -m entbench.suites.timing.measure_numerical_error [--seeds 60] [--jobs 2] [--only TEXT]

The entropies and corrections of 786 mixtures are exact. Quadrature in one dimension gives those of
lines; those of rotated lines, of products, and of groups out of each other's reach follow from
their parts. The truths use numpy and scipy only. Every result states a numerical error e: asked are
at most 5.5 % of converged values beyond 1.96 e of the truth, one beyond 4.5 e, and none beyond 6 e.
60 seeds of the cheap settings, fewer of the others, take 20 minutes to an hour on two cores.
"""

from __future__ import annotations

import argparse
import itertools
import math
import multiprocessing
import platform
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import logsumexp, xlog1py

from entbench.mixture import GaussianMixture, Statistic

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

# Of h(N(0, 1)) in nats.
NOISE = 0.5 * math.log(2.0 * math.pi * math.e)
BUDGET = 10_000_000
# Errors of the truths: 1e-13 where checked in 30 digits, and roundings of large values.
TRUTH_ERROR, TRUTH_ROUNDING = 1e-10, 1e-12
# Asked: the share beyond 1.96 e, the count beyond 4.5 e, and of evenly spread settings the share
# that converges and the median of e/|error|.
ASKED_SHARE, ASKED_BEYOND = 0.055, 1
ASKED_CONVERGED, ASKED_RATIO = 0.9, 3.0
SEEDS = 60

# The trapezoidal rule: density beyond REACH is below e^-55. Between components that are g apart the
# density has zeros pi/g off the real axis, where it is e^(-g^2/8) at most: the rule's error there,
# exp(-2 pi^2/(g STEP) - g^2/8), is below e^-50 for every g.
STEP, REACH, SEEN = 0.05, 10.5, 16.0
# Least distance of groups from each other: their overlap is then below n^2 e^-112.
NEAREST = 30.0
MOST_CORRECTED = 1000
SAME = 0.05
GAPS = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 20.0, 100.0, 1000.0)
CORRECTIONS: tuple[Statistic, ...] = ("leave-one-out", "miller-madow", "jackknife")


@dataclass(frozen=True, eq=False)
class Law:
    """A mixture of N(centre, I) and its functionals; lengths are in units of sigma.

    Attributes
    ----------
    n, dim, rank : int
        Components, their dimension, and that of the flat they span.
    radius : float
        Largest distance of a centre from the origin.
    place : callable
        Makes the centres (n, dim).
    weights : ndarray of shape (n,), optional
        Equal where None.
    entropy : float
        In nats.
    ceiling : float
        Entropy of the weights, centres within SAME of the next taken together. The mixture's
        entropy is below it plus that of the noise by the overlap.
    effective : float
        ``sum_j E r_jj``, r_ji the posterior share of component i in a draw from j; NaN with weights
        or unknown, as are the next two.
    removal : float
        ``(1/n) sum_j E sum_{i != j} log(1 - r_ji)``.
    left_out : float
        ``-(1/n) sum_j E log qhat_{-j}``.
    """

    n: int
    dim: int
    rank: int
    radius: float
    place: Callable[[], Floats]
    weights: Floats | None
    entropy: float
    ceiling: float
    effective: float = math.nan
    removal: float = math.nan
    left_out: float = math.nan

    def value(self, statistic: Statistic) -> float:
        """Return a statistic by its definition, in nats."""
        n = self.n
        if statistic == "leave-one-out":
            return self.left_out
        if statistic == "miller-madow":
            return self.entropy + (self.effective - 1.0) / (2.0 * n)
        if statistic == "jackknife":
            return self.entropy - (n - 1) * math.log1p(-1.0 / n) + self.removal
        return self.entropy

    @property
    def shares(self) -> Floats:
        """Weights of the components."""
        return np.full(self.n, 1.0 / self.n) if self.weights is None else self.weights


def line(positions: ArrayLike, weights: ArrayLike | None = None, *, every: bool = True) -> Law:
    """Return a mixture in one dimension, by quadrature.

    `every` includes leave-one-out, whose work grows as n^3. Thousands have the entropy alone.
    """
    at = np.asarray(positions, dtype=float)
    n = len(at)
    shares = None if weights is None else np.asarray(weights, dtype=float) / np.sum(weights)
    places, where = np.unique(at, return_inverse=True)
    copies = np.bincount(where)
    mass: Floats = copies / n if shares is None else np.bincount(where, shares).astype(float)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(places) > SAME) + 1])
    law = Law(
        n=n,
        dim=1,
        rank=int(len(places) > 1),
        radius=float(np.abs(at).max()),
        place=lambda: at[:, None].copy(),
        weights=shares,
        entropy=integrate_line(places, mass),
        ceiling=entropy_of(np.add.reduceat(mass, starts)),
    )
    if shares is not None or n > MOST_CORRECTED:
        return law
    return replace(
        law,
        effective=_effective_on_line(places, copies),
        removal=_removal_on_line(places, copies),
        left_out=_left_out_on_line(places, copies) if every and n > 1 else math.nan,
    )


def entropy_of(shares: ArrayLike) -> float:
    """Return the discrete entropy of shares in nats."""
    given = np.asarray(shares, dtype=float)
    return -math.fsum(given * np.log(given))


def _kernels(places: Floats, step: float) -> Iterator[tuple[slice, Floats]]:
    """Yield the kernels (nodes, places) of the nodes of a rule, and the places within reach."""
    ends = np.flatnonzero(np.diff(places) > 2.0 * REACH) + 1
    for cluster in np.split(places, ends):
        nodes = np.arange(cluster[0] - REACH, cluster[-1] + REACH, step)
        for block in np.array_split(nodes, len(nodes) // 256 + 1):
            near = slice(*np.searchsorted(places, [block[0] - SEEN, block[-1] + SEEN]))
            kernels = np.exp(-0.5 * (block[:, None] - places[near]) ** 2)
            yield near, kernels / math.sqrt(2.0 * math.pi)


def integrate_line(places: Floats, mass: Floats, step: float = STEP) -> float:
    """Return the entropy of a mixture in one dimension, its places ascending."""
    parts = []
    for near, kernels in _kernels(places, step):
        density = kernels @ mass[near]
        parts.append(-step * float(density @ np.log(density)))
    return math.fsum(parts)


def _effective_on_line(places: Floats, copies: Integers) -> float:
    parts = []
    for near, kernels in _kernels(places, STEP):
        parts.append(STEP * float(((kernels**2 @ copies[near]) / (kernels @ copies[near])).sum()))
    return math.fsum(parts)


def _removal_on_line(places: Floats, copies: Integers) -> float:
    """Integrate ``q sum_i (1 - r_i) log(1 - r_i)``, the mean over all but a component itself."""
    n, parts = copies.sum(), []
    for near, kernels in _kernels(places, STEP):
        sums = kernels @ copies[near]
        own = kernels / sums[:, None]
        parts.append(STEP * float((sums / n) @ (xlog1py(1.0 - own, -own) @ copies[near])))
    return math.fsum(parts)


def _left_out_on_line(places: Floats, copies: Integers) -> float:
    n, parts = copies.sum(), []
    for j, (at, count) in enumerate(zip(places, copies, strict=True)):
        left = copies - (np.arange(len(copies)) == j)
        others, logs = places[left > 0], np.log(left[left > 0])
        nodes, steps = _panels(at, others, logs)
        density = np.exp(-0.5 * (nodes - at) ** 2) / math.sqrt(2.0 * math.pi)
        rest = logsumexp(logs - 0.5 * (nodes[:, None] - others) ** 2, axis=1)
        rest -= 0.5 * math.log(2.0 * math.pi) + math.log(n - 1)
        parts.append(-count / n * float(steps @ (density * rest)))
    return math.fsum(parts)


def _panels(at: float, others: Floats, logs: Floats) -> tuple[Floats, Floats]:
    """Return nodes and weights of a Gauss-Legendre rule about a centre.

    Where two others g apart take turns, ``log qhat_{-j}`` has a kink as wide as 1/g, which may lie
    in the middle of the noise: panels shrink towards it.
    """
    reach = REACH - 1.0
    gaps = np.diff(others)
    kinks = (others[1:] + others[:-1]) / 2.0 - np.diff(logs) / gaps
    sharp = (gaps > 4.0) & (np.abs(kinks - at) < reach)
    ends = [at + np.linspace(-reach, reach, 39)]
    for kink, gap in zip(kinks[sharp], gaps[sharp], strict=True):
        widths = 0.25 / gap * 2.0 ** np.arange(16)
        ends.append(np.concatenate([kink - widths, [kink], kink + widths]))
    edges = np.unique(np.clip(np.concatenate(ends), at - reach, at + reach))
    roots, steps = np.polynomial.legendre.leggauss(16)
    half = np.diff(edges) / 2.0
    nodes = (edges[:-1] + half)[:, None] + half[:, None] * roots
    return nodes.ravel(), (half[:, None] * steps).ravel()


def point(dim: int, copies: int = 1) -> Law:
    """Return equal samples in one place."""
    noise = dim * NOISE
    removal = 0.0 if copies == 1 else (copies - 1) * math.log1p(-1.0 / copies)
    left_out = math.nan if copies == 1 else noise
    zeros = partial(np.zeros, (copies, dim))
    return Law(copies, dim, 0, 0.0, zeros, None, noise, 0.0, 1.0, removal, left_out)


def turned(law: Law, dim: int, seed: int = 0, frame: Floats | None = None) -> Law:
    """Return the law on a random flat of more dimensions: shares of components stay as they are."""
    if frame is None:
        axes = np.random.default_rng([2, seed]).standard_normal((dim, law.dim))
        frame = np.linalg.qr(axes)[0].T
    across = (dim - law.dim) * NOISE
    return replace(
        law,
        dim=dim,
        place=lambda: law.place() @ frame,
        entropy=law.entropy + across,
        left_out=law.left_out + across,
    )


def product(laws: Sequence[Law]) -> Law:
    """Return the law of independent parts: densities and shares multiply."""
    n = math.prod(law.n for law in laws)
    weights = None
    if any(law.weights is not None for law in laws):
        weights = np.ones(1)
        for law in laws:
            weights = np.multiply.outer(weights, law.shares).ravel()

    def place() -> Floats:
        chosen = np.unravel_index(np.arange(n), [law.n for law in laws])
        return np.hstack([law.place()[rows] for law, rows in zip(laws, chosen, strict=True)])

    return Law(
        n=n,
        dim=sum(law.dim for law in laws),
        rank=sum(law.rank for law in laws),
        radius=math.hypot(*(law.radius for law in laws)),
        place=place,
        weights=weights,
        entropy=math.fsum(law.entropy for law in laws),
        ceiling=math.fsum(law.ceiling for law in laws),
        effective=math.prod(law.effective for law in laws),
    )


@cache
def cube(gap: float) -> Law:
    """Return the corners of a cube in 3 dimensions, with leave-one-out and jackknife."""
    law = product([line([-gap / 2.0, gap / 2.0])] * 3)
    _, rest, removal = corner_sums(gap)
    return replace(law, removal=removal, left_out=3 * NOISE + math.log(7.0) - rest)


def corner_sums(gap: float, part: float = 1.0) -> tuple[float, float, float]:
    """Return means over draws from a corner of a cube, by the trapezoidal rule in 3 dimensions.

    The means of ``log(1 + R)``, of ``log R``, R the sum of the other corners' kernels over its
    own, and of ``sum log(1 - r_i)`` over the others. The last two do not factor. All corners are
    alike, so one suffices. `part` scales the step.
    """
    step = part * min(0.25, 0.75 / gap)
    z = np.arange(-8.5, 8.5, step)
    noise = step * np.exp(-(z**2) / 2.0) / math.sqrt(2.0 * math.pi)
    beside = np.exp(gap * z - gap**2 / 2.0)
    one, two = np.meshgrid(beside, beside, indexing="ij")
    whole, left_out, removal = [], [], []
    for share, along in zip(noise, beside, strict=True):
        first = along + 0.0 * one
        kernels = [first, one, two, along * one, along * two, one * two, along * one * two]
        rest = np.sum(kernels, axis=0)
        whole.append(share * float(noise @ np.log1p(rest) @ noise))
        left_out.append(share * float(noise @ np.log(rest) @ noise))
        # by symmetry three corners are as the first, three as the fourth, and one is opposite
        for i, count in ((0, 3), (3, 3), (6, 1)):
            others = 1.0 + np.sum(kernels[:i] + kernels[i + 1 :], axis=0)
            logs = np.log(others / (1.0 + rest))
            removal.append(count * share * float(noise @ logs @ noise))
    return math.fsum(whole), math.fsum(left_out), math.fsum(removal)


def far(
    groups: Sequence[Law],
    shares: ArrayLike | None = None,
    *,
    apart: float = 200.0,
    seed: int = 0,
    exact: bool = False,
) -> Law:
    """Return groups out of each other's reach: only members of one group overlap.

    At the corners of a simplex, or on a lattice with random steps where they are too many.
    `exact` leaves the simplex unturned, at whole numbers.
    """
    n, dim = sum(group.n for group in groups), groups[0].dim
    corners = _corners(len(groups), dim, apart, seed, exact)
    _check_apart(corners, max(group.radius for group in groups))
    weights = None
    if shares is None and all(group.weights is None for group in groups):
        portions = np.array([group.n / n for group in groups])
    else:
        given = np.ones(len(groups)) if shares is None else np.asarray(shares, dtype=float)
        portions = given / given.sum()
        pairs = zip(portions, groups, strict=True)
        weights = np.concatenate([portion * group.shares for portion, group in pairs])

    def mean(values: Iterable[float]) -> float:
        return math.fsum(portions * np.fromiter(values, dtype=float))

    def place() -> Floats:
        pairs = zip(corners, groups, strict=True)
        return np.concatenate([corner + group.place() for corner, group in pairs])

    # a lone sample's nearest other is not in its group
    alone = any(group.n == 1 for group in groups)
    rest = 0.0 if alone else mean(math.log((n - 1) / (group.n - 1)) for group in groups)
    return Law(
        n=n,
        dim=dim,
        rank=_rank(corners, groups),
        radius=float(np.linalg.norm(corners, axis=1).max()) + max(g.radius for g in groups),
        place=place,
        weights=weights,
        entropy=entropy_of(portions) + mean(group.entropy for group in groups),
        ceiling=entropy_of(portions) + mean(group.ceiling for group in groups),
        effective=math.nan if weights is not None else sum(group.effective for group in groups),
        removal=math.nan if weights is not None else mean(group.removal for group in groups),
        left_out=math.nan if alone else rest + mean(group.left_out for group in groups),
    )


def _corners(count: int, dim: int, apart: float, seed: int, exact: bool) -> Floats:
    rng = np.random.default_rng([3, seed])
    if count <= dim + 1:
        last = np.full((1, dim), (1.0 - math.sqrt(dim + 1.0)) / dim)
        simplex = np.concatenate([np.eye(dim), last])[:count]
        if exact:
            return apart * simplex
        turn = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
        return np.asarray(apart * simplex @ turn)
    side = max(2, math.ceil(count ** (1.0 / dim) - 1e-9))
    sites = np.unravel_index(np.arange(count), [side] * min(dim, 1 + count.bit_length()))
    lattice = np.zeros((count, dim))
    lattice[:, dim - len(sites) :] = np.transpose(sites)
    return np.asarray(apart * rng.permutation(lattice + rng.uniform(-0.1, 0.1, lattice.shape)))


def _check_apart(corners: Floats, radius: float) -> None:
    if len(corners) > 1:
        distances: Floats = np.asarray(cKDTree(corners).query(corners, k=2)[0])
        nearest = float(distances[:, 1].min())
        if nearest - 2.0 * radius < NEAREST:
            raise ValueError(f"groups must be {NEAREST} apart; got {nearest - 2.0 * radius}.")


def _rank(corners: Floats, groups: Sequence[Law]) -> int:
    dim = groups[0].dim
    spanned = int(np.linalg.matrix_rank(corners - corners[0]))
    if spanned == dim or any(group.rank == dim for group in groups):
        return dim
    spread = [group.place() - group.place()[0] for group in groups if group.rank]
    return int(np.linalg.matrix_rank(np.concatenate([corners - corners[0], *spread])))


@dataclass(frozen=True, eq=False)
class Setting:
    """A mixture, the arguments of its integration, and the true value.

    Attributes
    ----------
    name, family : str
        The name begins with the family.
    centres : callable
        Makes the centres (n, dim).
    weights : ndarray of shape (n,), optional
        Equal where None.
    sigma : float
        Standard deviation of the components.
    statistic : str
        As in `GaussianMixture.entropy`, as are the next two.
    tolerance : float
        In nats.
    max_draws : int
        Budget.
    truth : float
        The statistic, in nats.
    evenly : bool
        Whether no rare mass decides and the budget is the default: easy for any sampler.
    full_rank : bool
        Whether the centres span all dimensions.
    overlapping : bool
        Whether the overlap is neither negligible nor total beside the tolerance.
    n : int
        Number of components.
    repeats : int
        Seeds worth their cost, of 60.
    """

    name: str
    family: str
    centres: Callable[[], Floats]
    weights: Floats | None
    sigma: float
    statistic: Statistic
    tolerance: float
    max_draws: int
    truth: float
    evenly: bool
    full_rank: bool
    overlapping: bool
    n: int
    repeats: int

    @property
    def slack(self) -> float:
        """Bound of the truth's own error."""
        return TRUTH_ERROR + TRUTH_ROUNDING * abs(self.truth)


def _ask(
    name: str,
    law: Law,
    tolerance: float = 1e-2,
    statistic: Statistic = "plug-in",
    *,
    max_draws: int = BUDGET,
    sigma: float = 1.0,
    shift: float = 0.0,
    evenly: bool = False,
    repeats: int = SEEDS,
) -> Setting:
    information = law.entropy - law.dim * NOISE
    overlap = law.ceiling - information
    costly = 1 if law.n <= 5000 else 5 if law.n <= 20_000 else 15
    return Setting(
        name=f"{name} d={law.dim} n={law.n} {statistic} {tolerance:g} of {max_draws}",
        family=name.partition(" ")[0],
        centres=lambda: sigma * law.place() + shift,
        weights=law.weights,
        sigma=sigma,
        statistic=statistic,
        tolerance=tolerance,
        max_draws=max_draws,
        truth=law.value(statistic) + law.dim * math.log(sigma),
        evenly=evenly,
        full_rank=law.rank == law.dim,
        overlapping=min(information, overlap) > 0.1 * tolerance,
        n=law.n,
        repeats=max(1, repeats // costly),
    )


def _pair(gap: float) -> Law:
    return line([-gap / 2.0, gap / 2.0])


def _grid(k: int, step: float) -> Law:
    return line(step * np.arange(k), every=False)


def _uniform(k: int, width: float, seed: Sequence[int]) -> Law:
    return line(np.random.default_rng([4, *seed]).uniform(0.0, width, k))


def _uniform_axes(k: int, dim: int, width: float, seed: int) -> list[Law]:
    return [_uniform(k, width, [seed, axis]) for axis in range(dim)]


def _pairs() -> Iterator[Setting]:
    """Yield two components on a line, turned: draws from between them are common to rare."""
    for seed, gap in enumerate(GAPS):
        name, law = f"pairs gap={gap:g}", _pair(gap)
        yield _ask(name, turned(law, 3, seed), 1e-2, sigma=0.01)
        yield _ask(name, turned(law, 10, seed), 1e-3)
        yield _ask(name, turned(law, 50, seed), 1e-4, max_draws=100_000, repeats=20)
        # variances of leave-one-out grow as the squared gap
        most = BUDGET if gap <= 12.0 else 100_000
        yield _ask(name, turned(law, 4, seed), 1e-2, "leave-one-out", max_draws=most, sigma=30.0)
        yield _ask(name, turned(law, 3, seed), 1e-3, "miller-madow")
        yield _ask(name, turned(law, 5, seed), 1e-3, "jackknife")


def _pair_products() -> Iterator[Setting]:
    for gap in GAPS:
        name, law = f"pair-products gap={gap:g}", _pair(gap)
        yield _ask(name, product([law] * 3), 1e-2)
        yield _ask(name, product([law] * 3), 1e-3, sigma=0.1)
        yield _ask(name, product([law] * 5), 1e-2)
        yield _ask(name, product([law] * 3), 1e-3, "miller-madow")
    for gap in (3.0, 6.0, 8.0):
        yield _ask(f"pair-products gap={gap:g}", product([_pair(gap)] * 10), 1e-2, repeats=20)
    for gaps in ((2, 7, 12), (5, 6, 7), (6, 9, 100), (3, 3, 20, 8), (7, 7, 7, 7), (2, 2, 10, 1000)):
        name, law = f"pair-products gaps={'-'.join(map(str, gaps))}", product([*map(_pair, gaps)])
        yield _ask(name, law, 1e-2)
        yield _ask(name, law, 1e-3)
        yield _ask(name, law, 1e-3, "miller-madow")


def _cubes() -> Iterator[Setting]:
    for gap in (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0):
        name, law = f"cubes gap={gap:g}", cube(gap)
        yield _ask(name, law, 1e-2, "leave-one-out")
        yield _ask(name, law, 1e-2, "jackknife")
        yield _ask(name, law, 1e-3, "jackknife", sigma=0.05, repeats=30)
    several = far([cube(3.0), cube(5.0), cube(7.0), point(3, 5)])
    for statistic in ("plug-in", *CORRECTIONS):
        yield _ask("cubes far", several, 1e-2, statistic)


def _weights() -> Iterator[Setting]:
    """Yield components of little weight near to others: rare draws beside common ones."""
    for weight in (0.3, 0.1, 1e-2, 1e-3, 1e-4, 1e-6):
        for gap in (3.0, 6.0, 8.0, 20.0):
            rare = line([0.0, gap], [1.0 - weight, weight])
            law = product([rare, _pair(3.0), _pair(5.0)])
            yield _ask(f"weights one-axis w={weight:g} gap={gap:g}", law, 1e-2)
            if gap != 20.0:
                name = f"weights each-axis w={weight:g} gap={gap:g}"
                yield _ask(name, product([rare] * 3), 1e-3, sigma=0.01)
        name = f"weights turned w={weight:g}"
        yield _ask(name, turned(line([0.0, 7.0], [1.0 - weight, weight]), 20), 1e-3)
    for seed in range(10):
        rng = np.random.default_rng([5, seed])
        axes = [line(rng.uniform(0, 15, 5), 10 ** rng.uniform(-seed / 2, 0, 5)) for _ in range(3)]
        yield _ask(f"weights random spread=1e{-seed / 2:g}", product(axes), 1e-2)
        yield _ask(f"weights random spread=1e{-seed / 2:g}", product(axes), 1e-3, repeats=30)


def _grids() -> Iterator[Setting]:
    for k, dim in ((3, 3), (5, 3), (8, 3), (3, 5), (4, 4), (2, 8)):
        for step in (0.5, 1.0, 2.0, 3.0, 4.0):
            name, law = f"grids step={step:g}", product([_grid(k, step)] * dim)
            yield _ask(name, law, 1e-2, evenly=True, sigma=0.2)
            if dim == 3:
                yield _ask(name, law, 1e-3, evenly=True, repeats=30)
        for step in (5.0, 6.0, 8.0):
            yield _ask(f"grids step={step:g}", product([_grid(k, step)] * dim), 1e-2)


def _axes() -> Iterator[Setting]:
    for k, dim in ((4, 3), (8, 3), (12, 3), (3, 4), (5, 4), (3, 6)):
        for i, step in enumerate((0.5, 1.0, 2.0, 3.0)):
            law = product(_uniform_axes(k, dim, k * step, i))
            name = f"axes step={step:g}"
            yield _ask(name, law, 1e-2, evenly=True)
            yield _ask(name, law, 1e-3, evenly=True, sigma=5.0, repeats=20)
            if i % 2:
                yield _ask(name, law, 1e-2, "miller-madow", evenly=True)
    for seed in range(8):
        rng = np.random.default_rng([6, seed])
        law = product([line((1 + seed) * rng.standard_normal(6)) for _ in range(3)])
        yield _ask(f"axes normal sd={1 + seed}", law, 1e-3 if seed % 2 else 1e-2)


def _far_groups() -> Iterator[Setting]:
    for seed, dim in enumerate((3, 4, 5, 10) * 3):
        rng = np.random.default_rng([7, seed])
        groups = []
        for group in range(dim + 1 if dim <= 5 else 6):
            sizes = rng.integers(1, 4, dim) if dim <= 5 else rng.integers(1, 3, dim)
            axes = [_uniform(k, 4.0 * k, [seed, group, a]) for a, k in enumerate(sizes)]
            groups.append(product(axes))
        yield _ask(f"far-groups seed={seed}", far(groups, seed=seed), 1e-2)
        equal = far(groups, np.ones(len(groups)), seed=seed)
        yield _ask(f"far-groups equal seed={seed}", equal, 1e-3, sigma=0.02, repeats=30)
        least = 10.0 ** -rng.uniform(0, 6, len(groups))
        rare = far(groups, least, apart=1000.0, seed=seed)
        yield _ask(f"far-groups rare seed={seed}", rare, 1e-2)
    for seed, (dim, count) in enumerate(((3, 4), (5, 6), (10, 11), (20, 21), (50, 51))):
        lines = [
            turned(_uniform(3 + group % 5, 12.0, [8, seed, group]), dim, group)
            for group in range(count)
        ]
        for statistic in ("plug-in", *CORRECTIONS):
            yield _ask("far-groups lines", far(lines), 1e-2, statistic)


def _duplicates() -> Iterator[Setting]:
    for n, others in ((1000, 1), (10_000, 10), (100_000, 100)):
        for dim in (3, 10):
            law = far([point(dim, n - others), *[point(dim)] * others])
            for statistic in ("plug-in", "miller-madow", "jackknife"):
                yield _ask("duplicates most", law, 1e-3, statistic)
    for gap in (3.0, 6.0, 10.0, 100.0):
        law = turned(line([0.0] * 999 + [gap]), 3)
        for statistic in ("plug-in", *CORRECTIONS):
            tolerance = 1e-2 if statistic == "leave-one-out" else 1e-3
            yield _ask(f"duplicates most gap={gap:g}", law, tolerance, statistic, max_draws=10**6)
    for gap in (2.0, 4.0, 6.0, 8.0):
        law = product([line([0.0] * 9 + [gap])] * 3)
        yield _ask(f"duplicates product gap={gap:g}", law, 1e-3)
        yield _ask(f"duplicates product gap={gap:g}", law, 1e-3, "miller-madow")
    for n, equal, dim in ((300, 2, 10), (10_000, 10, 3), (100_000, 100, 3)):
        law = far([point(dim, equal), *[point(dim)] * (n - equal)])
        name = f"duplicates equal={equal}"
        yield _ask(name, law, 1e-3, sigma=0.01)
        yield _ask(name, law, 1e-4, sigma=0.01)
        yield _ask(name, law, 1e-3, "miller-madow", sigma=0.01)
        yield _ask(name, law, 1e-3, "jackknife", sigma=0.01)
    twice = far([point(5, 2 + i % 3) for i in range(50)])
    for statistic in ("plug-in", *CORRECTIONS):
        yield _ask("duplicates all", twice, 1e-3, statistic)


def _nested() -> Iterator[Setting]:
    every = ((1e-4, 1e-2, 1, 100), (1e-3, 0.1, 3), (1, 5, 50), (0.01, 4, 30), (1e-4, 100), (2, 100))
    for seed, scales in enumerate(every):
        signs = np.array(list(itertools.product([-1.0, 1.0], repeat=len(scales))))
        axis = line(signs @ np.array(scales, dtype=float))
        name = f"nested scales={'-'.join(f'{scale:g}' for scale in scales)}"
        yield _ask(name, product([axis] * 3), 1e-2)
        yield _ask(name, product([axis] * 3), 1e-3, sigma=0.01, repeats=20)
        yield _ask(name, product([axis] * 3), 1e-2, "miller-madow")
        weights = 10.0 ** -np.random.default_rng(seed).uniform(0, 4, axis.n)
        weighted = line(axis.place()[:, 0], weights)
        yield _ask(f"{name} weighted", product([weighted] * 3), 1e-2)
        yield _ask(name, turned(axis, 10, seed), 1e-3)
        yield _ask(name, turned(axis, 3, seed), 1e-3, "jackknife")
        yield _ask(name, turned(axis, 3, seed), 1e-2, "leave-one-out", max_draws=10**6)
    for seed in range(3):
        clusters = [
            product(_uniform_axes(3, 3, width, 10 * seed + i))
            for i, width in enumerate((1e-4, 1e-2, 0.3, 3.0, 10.0, 30.0, 100.0))
        ]
        law = far(clusters, apart=1000.0, seed=seed)
        yield _ask(f"nested clusters seed={seed}", law, 1e-2)
        yield _ask(f"nested clusters seed={seed}", law, 1e-3, "miller-madow")


def _strays() -> Iterator[Setting]:
    rng = np.random.default_rng(9)
    for gap in (3.0, 6.0, 8.0, 10.0, 20.0, 100.0, 1000.0):
        for width in (0.01, 2.0):
            law = turned(line([*rng.uniform(-width, width, 40), gap]), 3, int(gap))
            for statistic in ("plug-in", *CORRECTIONS):
                tolerance = 1e-2 if statistic == "leave-one-out" else 1e-3
                name = f"strays gap={gap:g} width={width:g}"
                yield _ask(name, law, tolerance, statistic, max_draws=10**6, repeats=20)
    for k, dim, step in ((4, 3, 2.0), (10, 3, 1.5), (3, 5, 2.0), (20, 3, 2.0)):
        cloud = product([_grid(k, step)] * dim)
        for count in (1, 3):
            law = far([cloud, *[point(dim)] * count], apart=300.0 * count)
            name = f"strays beside={count} step={step:g}"
            yield _ask(name, law, 1e-2)
            yield _ask(name, law, 1e-3, sigma=0.1, repeats=15)
            yield _ask(name, law, 1e-2, "miller-madow")
        rare = far([cloud, point(dim)], [1.0 - 1e-6, 1e-6])
        yield _ask(f"strays rare step={step:g}", rare, 1e-2)
        # within reach of the cloud's edge
        near = product(
            [line([*step * np.arange(k), step * k + 5.0]), *[_grid(k, step)] * (dim - 1)]
        )
        yield _ask(f"strays near step={step:g}", near, 1e-2)


def _lines() -> Iterator[Setting]:
    for n in (2, 3, 10, 100, 1000, 10_000, 100_000):
        for i, step in enumerate((0.1, 1.0, 5.0) if n <= 10_000 else (0.1, 1.0)):
            law = line(np.random.default_rng([10, n, i]).uniform(0, n * step, n), every=False)
            name = f"lines step={step:g}"
            yield _ask(name, turned(law, (3, 6, 20)[i], n), 1e-2)
            if n <= 1000:
                yield _ask(name, turned(law, (6, 20, 3)[i], n), 1e-3, "jackknife", repeats=20)
    for n in (3, 10, 30, 100):
        for i, step in enumerate((0.3, 2.0, 6.0)):
            law = turned(_uniform(n, n * step, [11, n, i]), 4, n)
            yield _ask(f"lines step={step:g}", law, 1e-2, "leave-one-out", max_draws=10**6)
            yield _ask(f"lines step={step:g}", law, 1e-3, "miller-madow", max_draws=10**6)


def _shifted() -> Iterator[Setting]:
    """Yield centres that single precision cannot tell apart, at multiples of a power of two."""
    diagonal = np.full((1, 4), 0.5)
    for gap in (2.0, 4.0, 6.0, 8.0, 100.0):
        law = turned(_pair(gap), 4, frame=diagonal)
        yield _ask(f"shifted pairs gap={gap:g}", law, 1e-2, shift=1e6)
        yield _ask(f"shifted pairs gap={gap:g}", law, 1e-3, "jackknife", shift=1e6)
    for k, step in ((3, 2.0), (6, 0.5), (9, 3.0)):
        law = product([_grid(k, step)] * 3)
        yield _ask(f"shifted grids step={step:g}", law, 1e-2, shift=1e6)
        yield _ask(f"shifted grids step={step:g}", law, 1e-3, shift=1e6, repeats=30)
        yield _ask(f"shifted grids step={step:g}", law, 1e-2, "miller-madow", shift=1e6)
    groups = [product([_grid(k, 2.5)] * 3) for k in (2, 3, 4)]
    yield _ask("shifted far", far(groups, exact=True), 1e-2, shift=-1e6)
    yield _ask("shifted far rare", far(groups, [1, 1e-3, 1e-6], exact=True), 1e-2, shift=1e6)
    nested = line([0.0, 2.0**-12, 1.0, 1.0 + 2.0**-12, 100.0])
    yield _ask("shifted nested", product([nested] * 3), 1e-2, shift=1e6)
    yield _ask("shifted rare", product([line([0.0, 4.0], [0.999, 1e-3])] * 3), 1e-2, shift=1e6)


def _budgets() -> Iterator[Setting]:
    """Yield budgets that end anywhere: errors of converged values must hold there too."""
    laws = {
        "grid": product([_grid(4, 2.0)] * 3),
        "axes": product(_uniform_axes(6, 3, 10.0, 0)),
        "pairs": product([_pair(6.0)] * 3),
        "tight": product(_uniform_axes(3, 5, 0.2, 1)),
        "weights": product([line([0.0, 5.0], [0.99, 0.01])] * 3),
        "far": far([product([_grid(2, 7.0)] * 3)] * 4),
        "nested": product([line([0.0, 1e-3, 4.0, 4.001, 100.0])] * 3),
        "strays": far([point(3, 500), *[point(3)] * 3]),
        "equal": far([point(5, 2), *[point(5)] * 98]),
    }
    for name, law in laws.items():
        for budget in (100, 300, 1000, 10_000, 100_000):
            yield _ask(f"budgets {name}", law, 1e-2, max_draws=budget)


def _large() -> Iterator[Setting]:
    for k, dim, step in (
        (22, 3, 0.5),
        (22, 3, 2.0),
        (46, 3, 1.0),
        (46, 3, 3.0),
        (10, 4, 2.0),
        (10, 5, 1.5),
        (6, 6, 2.0),
        (2, 12, 3.0),
        (2, 16, 3.0),
    ):
        law = product([_grid(k, step)] * dim)
        yield _ask(f"large grid step={step:g}", law, 1e-2, evenly=True)
    yield _ask("large axes", product(_uniform_axes(30, 3, 60.0, 2)), 1e-2, evenly=True)
    yield _ask("large spaced", product([_grid(22, 7.0)] * 3), 1e-2)
    weighted = line(np.arange(22.0), 10.0 ** -np.linspace(0, 3, 22))
    yield _ask("large weights", product([weighted] * 3), 1e-2)
    cloud = product([_grid(46, 1.0)] * 3)
    yield _ask("large strays", far([cloud, *[point(3)] * 3], apart=1000.0), 1e-2)


def _reported() -> Iterator[Setting]:
    """Yield what the errors of version 4 were false for; take 200 seeds of these."""
    rng = np.random.default_rng(12)
    ones = [point(3)]
    for equal, others, often in ((999, 1, 1), (9990, 10, 5), (99_900, 100, 15)):
        law = far([point(3, equal), *ones * others])
        yield _ask("reported equal", law, 1e-3, sigma=0.1, repeats=often * SEEDS)
    yield _ask("reported weights", turned(line([0.0, 8.0], [0.999, 1e-3]), 3), 1e-3)
    yield _ask("reported far", turned(line([0.0] * 9999 + [100.0]), 3), 1e-3, repeats=5 * SEEDS)
    yield _ask("reported hundred", far([point(3, 99), *ones], apart=346.0), 1e-3, sigma=0.5)
    stray = turned(line([*rng.uniform(-0.01, 0.01, 40), 10.0]), 3)
    for statistic in ("plug-in", *CORRECTIONS):
        tolerance = 1e-2 if statistic == "leave-one-out" else 1e-3
        yield _ask("reported stray", stray, tolerance, statistic, repeats=20)
    for gap in (8.0, 12.0, 20.0, 50.0, 300.0):
        yield _ask(f"reported pair gap={gap:g}", turned(_pair(gap), 3), 1e-3)
    for budget in (100, 1000, 4000):
        yield _ask("reported budget", turned(_pair(8.0), 3), 1e-3, max_draws=budget)
    lone = turned(line([*rng.uniform(-3.3, 3.3, 999), 33.0]), 3)
    yield _ask("reported left out", lone, 1e-2, "leave-one-out", max_draws=10**6)
    dense = far([product([_grid(46, 0.15)] * 3), *ones], apart=170.0)
    yield _ask("reported levels", dense, 1e-3, repeats=15 * 15)
    yield _ask(
        "reported levels rare",
        far([dense, *ones], [1 - 1e-6, 1e-6], apart=500.0),
        1e-3,
        repeats=15 * 6,
    )


FAMILIES = (
    _reported,
    _pairs,
    _pair_products,
    _cubes,
    _weights,
    _grids,
    _axes,
    _far_groups,
    _duplicates,
    _nested,
    _strays,
    _lines,
    _shifted,
    _budgets,
    _large,
)


@cache
def settings() -> tuple[Setting, ...]:
    """Return all settings, with the truths of all."""
    return tuple(itertools.chain.from_iterable(family() for family in FAMILIES))


@dataclass(frozen=True, eq=False)
class Judged:
    """Values of a setting, one a seed, beside the errors stated and made.

    Attributes
    ----------
    setting : Setting
        Of all of them.
    values, stated : ndarray
        Results and their stated errors, in nats.
    converged : ndarray of bool
        Whether the result claims to have met the tolerance.
    errors : ndarray
        Values less the truth.
    seconds : float
        Of all seeds.
    """

    setting: Setting
    values: Floats
    stated: Floats
    converged: NDArray[np.bool_]
    errors: Floats
    seconds: float

    def beyond(self, times: float) -> int:
        """Return how many converged values are off by more than `times` the error stated."""
        within = np.abs(self.errors) <= times * self.stated + self.setting.slack
        return int((self.converged & ~within).sum())

    @property
    def ratios(self) -> Floats:
        """Stated over made errors of converged values."""
        with np.errstate(divide="ignore"):
            return np.asarray((self.stated / np.abs(self.errors))[self.converged])

    @property
    def largest(self) -> float:
        """Largest made over stated error of a converged value, the slack deducted; 0 of none.

        Infinite where no error is stated.
        """
        made = np.maximum(np.abs(self.errors) - self.setting.slack, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(
                np.nan_to_num(made / self.stated, posinf=np.inf)[self.converged].max(initial=0.0)
            )

    @property
    def roundings(self) -> Floats:
        """Stated errors in units of the rounding of the value."""
        return np.asarray(self.stated / (2.0**-52 * np.abs(self.values)))


def judge(setting: Setting, seeds: Iterable[int]) -> Judged:
    """Integrate at every seed, in one thread."""
    start = time.perf_counter()
    mixture = GaussianMixture(setting.centres(), setting.sigma, setting.weights, n_jobs=1)
    # streams of their own: settings that shared their draws would share their luck
    stream = zlib.crc32(setting.name.encode())
    found = [
        mixture.entropy(
            setting.tolerance,
            setting.max_draws,
            np.random.default_rng([seed, stream]),
            setting.statistic,
        )
        for seed in seeds
    ]
    values = np.array([result.value for result in found])
    return Judged(
        setting,
        values,
        np.array([stated_error(result) for result in found]),
        np.array([result.converged for result in found], dtype=bool),
        values - setting.truth,
        time.perf_counter() - start,
    )


def stated_error(result: Any) -> float:
    """Return the error that a result states, by its name or its former one."""
    if hasattr(result, "numerical_error"):
        return float(result.numerical_error)
    return float(result.standard_error)


def _judge_at(index: int, count: int) -> tuple[Floats, Floats, NDArray[np.bool_], Floats, float]:
    """Judge in a process of its own, which makes the settings anew: callables do not travel."""
    judged = judge(settings()[index], range(count))
    return judged.values, judged.stated, judged.converged, judged.errors, judged.seconds


def judge_all(chosen: Sequence[Setting], seeds: int = SEEDS, jobs: int = 1) -> Iterator[Judged]:
    """Yield the settings judged, in their order, each at as many of the seeds as are its share."""
    counts = [max(1, round(seeds * setting.repeats / SEEDS)) for setting in chosen]
    if jobs == 1:
        for setting, count in zip(chosen, counts, strict=True):
            yield judge(setting, range(count))
        return
    names = {setting.name: i for i, setting in enumerate(settings())}
    indices = [names[setting.name] for setting in chosen]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
        for setting, found in zip(chosen, pool.map(_judge_at, indices, counts), strict=True):
            yield Judged(setting, *found)


class Row(NamedTuple):
    """A line of the table: counts and shares over settings."""

    settings: int
    values: int
    converged: int
    beyond: int
    far_off: int
    farther: int
    ratio: float
    rounding: float
    seconds: float

    @property
    def share(self) -> float:
        """Part of the converged values beyond 1.96 e."""
        return self.beyond / max(1, self.converged)


def summarise(judged: Sequence[Judged]) -> Row:
    """Return the counts over settings."""
    ratios = np.concatenate([j.ratios for j in judged])
    return Row(
        settings=len(judged),
        values=sum(len(j.values) for j in judged),
        converged=sum(int(j.converged.sum()) for j in judged),
        beyond=sum(j.beyond(1.96) for j in judged),
        far_off=sum(j.beyond(4.5) for j in judged),
        farther=sum(j.beyond(6.0) for j in judged),
        ratio=float(np.median(ratios)) if len(ratios) else math.nan,
        rounding=float(min(j.roundings.min() for j in judged)),
        seconds=sum(j.seconds for j in judged),
    )


def _print_row(name: str, row: Row) -> None:
    print(
        f"| {name} | {row.settings} | {row.values} | {row.converged / row.values:.1%}"
        f" | {row.share:.2%} | {row.far_off} | {row.farther} | {row.ratio:.2f}"
        f" | {row.rounding:.2g} | {row.seconds:.0f} |",
        flush=True,
    )


def _print_worst(judged: Sequence[Judged], count: int) -> None:
    """Print the settings with most values far off."""
    worst = sorted(judged, key=lambda j: (j.beyond(4.5), j.beyond(1.96)), reverse=True)
    print("\n| setting | values | converged | beyond 1.96 e | 4.5 e | 6 e | largest error/e |")
    print("| :-- | --: | --: | --: | --: | --: | --: |")
    for j in worst[:count]:
        print(
            f"| {j.setting.name} | {len(j.values)} | {j.converged.sum()} | {j.beyond(1.96)}"
            f" | {j.beyond(4.5)} | {j.beyond(6.0)} | {j.largest:.3g} |"
        )


def processor() -> str:
    """Return the name of the processor."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [row.partition(":")[2].strip() for row in lines if row.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=SEEDS, help="seeds of a cheap setting")
    parser.add_argument("--only", default="", help="settings with this text in their names")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--worst", type=int, default=20, help="worst settings to print")
    asked = parser.parse_args()
    chosen = [setting for setting in settings() if asked.only in setting.name]
    if not chosen:
        parser.error(f"no setting has {asked.only!r} in its name.")
    print(f"{processor()}, {asked.jobs} processes of one thread\n")
    print(
        "| family | settings | values | converged | beyond 1.96 e | 4.5 e | 6 e"
        " | median e/error | least e/rounding | seconds |"
    )
    print("| :-- | --: | --: | --: | --: | --: | --: | --: | --: | --: |")
    every: list[Judged] = []
    found = judge_all(chosen, asked.seeds, asked.jobs)
    for family, judged in itertools.groupby(found, key=lambda j: j.setting.family):
        rows = list(judged)
        every += rows
        _print_row(family, summarise(rows))
    _print_row("**all**", summarise(every))
    evenly = [j for j in every if j.setting.evenly]
    if evenly:
        _print_row("*evenly spread*", summarise(evenly))
    print(f"| asked of all | | | | <= {ASKED_SHARE:.1%} | <= {ASKED_BEYOND} | 0 | | >= 1 | |")
    print(
        f"| asked of *evenly spread* | | | >= {ASKED_CONVERGED:.0%} | | | | <= {ASKED_RATIO} | | |"
    )
    _print_worst(every, asked.worst)


if __name__ == "__main__":
    main()
