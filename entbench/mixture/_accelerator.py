"""Sums of Gaussian kernels on an accelerator, by torch, which is imported on use alone.

The kernel is taken apart into operations on whole tiles of queries and centres, of bounded size.
Coordinates are subtracted in double precision, where a difference is off by its own rounding only,
however far from the origin; the rest is in single precision where that will do. Exponents are
relative to the largest term of their query in a block, and blocks are summed in double precision
relative to the largest term so far, so that nothing overflows and a far query does not underflow.
Inside, exponents are in nats: torch's exp is faster than its exp2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from entbench.mixture._sums import KernelSums, LeftOut, Method, Sums
from entbench.mixture._tree import HIGH, LOG2_MASS, LOW, SKIP, START, STOP, Tree

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    _Do = Callable[[Tensor, int, Tensor], None]

_LN2 = math.log(2.0)
_ALLOWED = '"cpu", "auto", "cuda", or "cuda:0", "cuda:1" and so on'
_INSTALL = 'pip install "entbench[networks]"'

# Below this tolerance single precision would almost always be redone in double.
_SINGLE_FROM = 1e-6
# Widths of blocks are multiples of this, so that a sum in single precision has so few terms.
_LANES = 16
# Relative error of exp in units of roundoff, and exponents short of denormal numbers, by the size
# of a number in bytes.
_EXP_ROUNDING = 4.0
_FLOORS = {4: -83.0, 8: -690.0}
# A share beyond which single precision would not give log(1 - share).
_LARGE_SHARE = 0.5
_HUGE = float(np.finfo(np.float64).max)


class Limits(NamedTuple):
    """How much is done at once: memory is in proportion.

    Attributes
    ----------
    block : int
        Most centres in a block, unless a leaf holds more.
    pairs : int
        Most pairs in a tile, unless a block holds more: 8 or 16 bytes each.
    entries : int
        Most entries in a table of queries and blocks, unless there are more blocks: about 50
        bytes each.
    """

    block: int
    pairs: int
    entries: int


# On the CPU a tile that fits its caches; on an accelerator one that keeps it busy.
_CPU_LIMITS = Limits(2**11, 2**17, 2**20)
_ACCELERATOR_LIMITS = Limits(2**14, 2**24, 2**24)
# Free memory that there must be for a pair, or an entry.
_BYTES_FREE = 256


def find_accelerator(device: str) -> Callable[[Tree, int], KernelSums] | None:
    """Return what makes kernel sums on a device; None where the compiled kernels are meant.

    Parameters
    ----------
    device : str
        "cpu" for the compiled kernels; "cuda", or "cuda:1" and so on; "auto" for "cuda" where torch
        is installed and has it, and for "cpu" otherwise.

    Returns
    -------
    callable or None
        Makes them of a tree and of how many samples it stands for; see `TorchSums`.

    Raises
    ------
    ValueError
        If the device is none of these, or torch does not have it.
    ImportError
        If torch is needed and not installed.
    """
    kind = _check_device(device)
    if kind == "cpu":
        return None
    try:
        import torch
    except ImportError as error:
        if kind == "auto":
            return None
        raise ImportError(
            f"device={device!r} needs torch, which is not installed: {_INSTALL}"
        ) from error
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "auto":
        return partial(TorchSums, device="cuda") if count else None
    if int(device.partition(":")[2] or 0) >= count:
        there = ", ".join(["cpu", *(f"cuda:{i}" for i in range(count))])
        raise ValueError(
            f"`device` must be one that there is; torch {torch.__version__} finds {there}; "
            f"got {device!r}."
        )
    return partial(TorchSums, device=device)


def _check_device(device: str) -> str:
    """Return the kind of a device: "cpu", "auto" or "cuda"."""
    if not isinstance(device, str):
        raise TypeError(f"`device` must be a string: {_ALLOWED}; got {device!r}.")
    kind, colon, number = device.partition(":")
    numbered = kind == "cuda" and number.isascii() and number.isdecimal()
    if kind not in ("cpu", "auto", "cuda") or (colon and not numbered):
        raise ValueError(f"`device` must be {_ALLOWED}; got {device!r}.")
    return kind


class TorchSums:
    """Kernel sums by torch, on any of its devices that has double precision.

    Parameters
    ----------
    tree : Tree
        The centres.
    samples : int
        How many samples they stand for, where samples share centres; 0 where they do not.
    device : str
        As torch calls it. "cpu" is there to test by: the compiled kernels are faster.
    limits : Limits, optional
        How much to do at once. By the device and its free memory where not given.

    Notes
    -----
    Each query meets the block of centres likeliest to hold its largest term first. Blocks are then
    left out for a query where all of them together are certainly below half the tolerance, which
    their masses and the distances to their boxes tell. What is left is summed pair by pair: there
    are no expansions, so a kernel wider than the blocks costs all pairs.
    """

    def __init__(self, tree: Tree, samples: int, device: str, limits: Limits | None = None) -> None:
        import torch

        self._device = torch.device(device)
        self._limits = limits or _limits_of(self._device)
        self._blocks = _Blocks(tree, samples, self._limits.block, self._device)

    def sums(
        self,
        queries: NDArray[np.float64],
        tolerance: float,
        method: Method = "auto",
        left_out: LeftOut | None = None,
    ) -> Sums:
        """Return the sums at queries of shape (m, dim); see `KernelSums`."""
        method = self._choose(method)
        log2, errors, pairs = np.empty(len(queries)), np.empty(len(queries)), 0
        for part in self._parts(len(queries)):
            tiles = self._tiles(queries[part], _part_of(left_out, part))
            found = _find(tiles, tolerance, method)
            log2[part] = _to_numpy(found.log) / _LN2
            errors[part] = _to_numpy(found.errors)
            pairs += tiles.pairs
        return Sums(log2, errors, method, pairs / len(queries))

    def removals(
        self,
        queries: NDArray[np.float64],
        tolerance: float,
        left_out: LeftOut,
        own_distance: NDArray[np.float64],
    ) -> tuple[Sums, NDArray[np.float64]]:
        """Return the sums and what `removal_sums` writes; see `KernelSums`.

        The logarithms of ``1 - r`` are summed pair by pair, without a series, and in double
        precision for queries at which a share r is large. Blocks left out would add less than the
        tolerance to their sum. A relative error e of the density shifts each by about
        ``e r / (1 - r)``.
        """
        method = self._choose("auto")
        log2, errors, removals = (np.empty(len(queries)) for _ in range(3))
        pairs = 0
        for part in self._parts(len(queries)):
            tiles = self._tiles(queries[part], _part_of(left_out, part))
            found = _find(tiles, tolerance, method)
            own = self._to_device(own_distance[part]) * _LN2
            removals[part] = _to_numpy(_remove(tiles, found, own))
            log2[part] = _to_numpy(found.log) / _LN2
            errors[part] = _to_numpy(found.errors)
            pairs += tiles.pairs
        return Sums(log2, errors, method, pairs / len(queries)), removals

    def _choose(self, method: Method) -> Method:
        if method == "auto":
            return "pruned" if len(self._blocks.starts) > 1 else "dense"
        return method

    def _parts(self, m: int) -> list[slice]:
        """Return slices of the queries, whose tables with all blocks are of bounded size."""
        step = max(self._limits.entries // (len(self._blocks.starts) + self._blocks.dim), 1)
        return [slice(start, start + step) for start in range(0, m, step)]

    def _tiles(self, queries: NDArray[np.float64], left_out: LeftOut | None) -> _Tiles:
        if left_out is None:
            left_out = LeftOut(np.full(len(queries), -1, dtype=np.int64), np.zeros(len(queries)))
        asked = _Asked(
            self._to_device(self._blocks.scaled(queries)),
            self._to_device(left_out.places),
            self._to_device(left_out.more) * _LN2,
        )
        return _Tiles(self._blocks, asked, self._limits.pairs)

    def _to_device(self, array: NDArray[np.float64] | NDArray[np.int64]) -> Tensor:
        import torch

        return torch.tensor(array, device=self._device)


class _Asked(NamedTuple):
    """Queries (m, dim); what each leaves out, and what that adds to its exponent (m,)."""

    points: Tensor
    places: Tensor
    more: Tensor


class _Blocks:
    """The centres in blocks, which are nodes of the tree, on the device.

    Coordinates are scaled by a power of two, which is exact, so that the kernel's unit is about 1
    and single precision does not overflow or underflow.

    Attributes
    ----------
    dim, n : int
        Dimension and number of the centres.
    rate : float
        The kernel is ``exp(-rate |x - c|^2)`` in scaled coordinates.
    starts, stops : list of int
        Centres of each block as places in the tree's order.
    offsets : list of int
        Where each block begins in the arrays that follow, and where the last one ends; blocks are
        filled up to whole lanes.
    low, high, log_mass : Tensors of shape (blocks, dim), (blocks, dim), (blocks,)
        The blocks' boxes and masses.
    coordinates : Tensor of shape (dim, width)
        In double precision.
    bias : Tensor of shape (width,)
        `log_top` less the logs of the weights; infinite in places that hold no centre.
    log_top : float
        Log of the largest weight.
    rarity, log_top_sample : Tensor of shape (width,), float
        The same for the weight of one sample of the many that share a place.
    copies : Tensor of shape (width,) or None
        Samples in each place; None where samples do not share places.
    """

    def __init__(self, tree: Tree, samples: int, most: int, device: torch.device) -> None:
        import torch

        self.dim, self.n = tree.dim, len(tree.order)
        fraction, self._exponent = math.frexp(tree.unit)
        self.rate = _LN2 / fraction**2
        nodes = _cut(tree, most)
        self.starts, self.stops = tree.nodes.links[nodes][:, [START, STOP]].T.tolist()
        widths = -(np.subtract(self.starts, self.stops) // _LANES) * _LANES
        self.offsets: list[int] = [0, *np.cumsum(widths).tolist()]
        place, real = _fill(self.starts, self.stops, self.offsets)

        def put(array: NDArray[np.float64]) -> Tensor:
            return torch.tensor(array, dtype=torch.float64, device=device)

        shape = self.scaled(tree.nodes.shape[nodes])
        self.low, self.high = put(shape[:, LOW]), put(shape[:, HIGH])
        self.log_mass = put(_LN2 * tree.nodes.facts[nodes, LOG2_MASS])
        self.coordinates = put(self.scaled(tree.centres[place].T.copy()))
        weights = _LN2 * tree.log2_weights[place]
        self.log_top = self.log_top_sample = float(weights.max())
        self.bias = self.rarity = put(np.where(real, self.log_top - weights, math.inf))
        self.copies: Tensor | None = None
        if samples:
            self.log_top_sample = -math.log(samples)
            self.rarity = put(np.where(real, 0.0, math.inf))
            self.copies = put(np.rint(np.exp(weights + math.log(samples))))

    def scaled(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return coordinates in units of a power of two near the kernel's."""
        return np.ldexp(coordinates, -self._exponent)

    def columns(self, block: int) -> slice:
        """Return where a block stands in the arrays."""
        return slice(self.offsets[block], self.offsets[block + 1])

    def reach(self, points: Tensor) -> Tensor:
        """Return logs of the most that each block can add to the sums at points (m, dim)."""
        gaps = points.new_zeros(len(points), len(self.starts))
        for a in range(self.dim):
            query = points[:, a, None]
            outside = (self.low[:, a] - query).maximum(query - self.high[:, a]).clamp_(min=0.0)
            gaps.addcmul_(outside, outside, value=self.rate)
        return self.log_mass - gaps

    def rounding(self, log: Tensor, dtype: torch.dtype) -> Tensor:
        """Return bounds of the relative errors of sums, given their logs, to first order.

        An exponent ``E = rate D^2 + bias`` is off by at most ``(dim + 6) u E``, u the unit
        roundoff: by its differences, squares and rate, their addition, and the reference. The
        terms' mean of E is at most ``log n + log_top`` above minus the log of their sum, because
        their entropy is at most log n. `_LANES` terms are summed in the kernels' precision, then
        in double.
        """
        import torch

        double, unit = (torch.finfo(kind).eps / 2.0 for kind in (torch.float64, dtype))
        exponents = (math.log(self.n) + self.log_top - log).clamp(min=0.0)
        kernels = (self.dim + 6.0) * exponents + _LANES + _EXP_ROUNDING
        added = int(np.diff(self.offsets).max()) / _LANES + 4.0 * len(self.starts) + 8.0
        bounds: Tensor = kernels * unit + (exponents + added) * double
        return bounds


class _Tiles:
    """Exponents of the kernels between some queries and the blocks, a tile at a time.

    Attributes
    ----------
    pairs : int
        Visited so far.
    """

    def __init__(self, blocks: _Blocks, asked: _Asked, most: int) -> None:
        self.blocks, self.asked = blocks, asked
        self.pairs = 0
        self._most = max(most, *np.diff(blocks.offsets).tolist())
        self._buffers: dict[torch.dtype, tuple[Tensor, Tensor]] = {}

    def visit(self, needed: Tensor, single: Tensor, do: _Do, by_sample: bool) -> None:
        """Call `do` with rows (a,), a block, and exponents (a, width), which it may change.

        Parameters
        ----------
        needed : bool Tensor of shape (m, blocks)
            Which blocks for which queries.
        single : bool Tensor of shape (m,)
            For which queries single precision will do.
        do : callable
            What to do with a tile.
        by_sample : bool
            Whether terms are those of one sample of the many that share a place. Then finite
            `more` is not added.
        """
        import torch

        for dtype, wanted in ((torch.float32, single), (torch.float64, ~single)):
            chosen = (needed & wanted[:, None]).t().contiguous()
            # one answer from the device for all blocks
            for block, count in enumerate(chosen.sum(1).tolist()):
                if count == 0:
                    continue
                columns = self.blocks.columns(block)
                width = columns.stop - columns.start
                self.pairs += count * width
                rows = chosen[block].nonzero()[:, 0]
                step = self._most // width
                for start in range(0, count, step):
                    some = rows[start : start + step]
                    do(some, block, self._exponents(some, block, dtype, by_sample))

    def left_out(self, rows: Tensor, block: int) -> tuple[Tensor, Tensor]:
        """Return which column of a tile to leave out, and `more`, (a, 1): 0 where it has none."""
        import torch

        start, stop = self.blocks.starts[block], self.blocks.stops[block]
        places = self.asked.places[rows, None]
        inside = (places >= start) & (places < stop)
        more = torch.where(inside, self.asked.more[rows, None], 0.0)
        return torch.where(inside, places - start, 0), more

    def _exponents(self, rows: Tensor, block: int, dtype: torch.dtype, by_sample: bool) -> Tensor:
        import torch

        blocks, columns = self.blocks, self.blocks.columns(block)
        bias = blocks.rarity if by_sample else blocks.bias
        difference, exponents = self._space(dtype, len(rows), columns.stop - columns.start)
        exponents.copy_(bias[columns].expand_as(exponents))
        points = self.asked.points[rows]
        for a in range(blocks.dim):
            # from double precision to that of `out`
            torch.sub(points[:, a, None], blocks.coordinates[a, columns], out=difference)
            exponents.addcmul_(difference, difference, value=blocks.rate)
        column, more = self.left_out(rows, block)
        if by_sample:
            more = torch.where(more.isinf(), more, 0.0)
        own = exponents.gather(1, column) + more.to(dtype)
        return exponents.scatter_(1, column, own)

    def _space(self, dtype: torch.dtype, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Return two arrays to write to, in the same memory each time."""
        if dtype not in self._buffers:
            points = self.asked.points
            first, second = (points.new_empty(self._most, dtype=dtype) for _ in range(2))
            self._buffers[dtype] = first, second
        first, second = (flat[: height * width] for flat in self._buffers[dtype])
        return first.view(height, width), second.view(height, width)


class _Running:
    """Sums so far, relative to the least exponent met so far.

    Parameters
    ----------
    points : Tensor of shape (m, dim)
        The queries.
    """

    def __init__(self, points: Tensor) -> None:
        self._total = points.new_zeros(len(points))
        self._least = points.new_full((len(points),), _HUGE)

    def add(self, rows: Tensor, block: int, exponents: Tensor) -> None:
        """Add the terms of a tile."""
        import torch

        least = exponents.amin(1)
        nothing = least.isinf()
        start = torch.where(nothing, 0.0, least)
        terms = torch.sub(start[:, None], exponents, out=exponents)
        added = _sum(terms.clamp_(min=_FLOORS[terms.element_size()]).exp_())
        added = torch.where(nothing, 0.0, added)
        least = least.double().clamp(max=_HUGE)
        common = least.minimum(self._least[rows])
        before = self._total[rows] * (common - self._least[rows]).exp()
        self._total[rows] = before + added * (common - least).exp()
        self._least[rows] = common

    def clear(self, which: Tensor) -> None:
        """Forget the sums of some queries."""
        self._total.masked_fill_(which, 0.0)
        self._least.masked_fill_(which, _HUGE)

    def log(self) -> Tensor:
        """Return the logs of the sums, relative to the largest weight."""
        return self._total.log() - self._least


class _Found(NamedTuple):
    """Logs of sums, bounds of their relative errors (m,), and how they were found.

    `needed` (m, blocks) says which blocks were not left out, `single` (m,) which queries were in
    single precision.
    """

    log: Tensor
    errors: Tensor
    needed: Tensor
    single: Tensor


def _find(tiles: _Tiles, tolerance: float, method: Method) -> _Found:
    """Sum the likeliest block of each query, then those that are needed beside it."""
    import torch

    blocks, asked = tiles.blocks, tiles.asked
    allowed = 0.0 if method == "dense" else 0.5 * tolerance
    reach = blocks.reach(asked.points)
    likeliest = reach.argmax(1, keepdim=True)
    home = torch.zeros_like(reach, dtype=torch.bool).scatter_(1, likeliest, True)
    running = _Running(asked.points)
    single = torch.full_like(asked.places, tolerance >= _SINGLE_FROM, dtype=torch.bool)
    tiles.visit(home, single, running.add, by_sample=False)
    first = running.log() + blocks.log_top
    fine = blocks.rounding(first, torch.float32) + allowed <= tolerance
    again = single & ~fine
    running.clear(again)
    single = single & fine
    tiles.visit(home & again[:, None], single, running.add, by_sample=False)
    first = running.log() + blocks.log_top
    needed, spent = ~home, torch.zeros_like(first)
    if method != "dense":
        excess = (reach - first[:, None]).scatter_(1, likeliest, -math.inf)
        needed, spent = _split(excess, allowed)
    tiles.visit(needed, single, running.add, by_sample=False)
    log = running.log() + blocks.log_top
    rounding = torch.where(
        single, blocks.rounding(log, torch.float32), blocks.rounding(log, torch.float64)
    )
    # a sum may also vanish because it is out of the range of double precision
    nothing_left = (asked.places >= 0) & asked.more.isinf() & (blocks.n == 1)
    vanished = torch.where(nothing_left, 0.0, math.inf)
    errors = torch.where(log.isfinite(), spent * (first - log).exp() + rounding, vanished)
    return _Found(log, errors, needed | home, single)


def _split(excess: Tensor, allowed: float) -> tuple[Tensor, Tensor]:
    """Return which blocks are needed, and the sum of the others, at most `allowed`.

    Parameters
    ----------
    excess : Tensor of shape (m, blocks)
        Logs of the most that each block can add, relative to a sum known.
    """
    import torch

    parts = excess.clamp(max=-_FLOORS[8]).exp()
    limit = torch.full_like(parts[:, :1], allowed)
    # the last halving leaves less than its share to each block
    for _ in range(parts.shape[1].bit_length()):
        rest = torch.where(parts <= limit, parts, 0.0).sum(1, keepdim=True)
        limit = torch.where(rest <= allowed, limit, 0.5 * limit)
    # where both sums are out of range there is no order, and the block is needed
    skipped = parts <= limit
    return ~skipped, torch.where(skipped, parts, 0.0).sum(1)


def _remove(tiles: _Tiles, found: _Found, own: Tensor) -> Tensor:
    """Return sums of log(1 - share) over all samples but each query's own, of exponent `own`."""
    import torch

    blocks = tiles.blocks
    log_total = found.log.logaddexp(-own)
    offset = blocks.log_top_sample - log_total
    # no other share exceeds 1 less the own one, but for rounding
    lowest = -own - log_total
    removals, least = torch.zeros_like(own), torch.zeros_like(own)

    def add(rows: Tensor, block: int, exponents: Tensor) -> None:
        torch.sub(offset[rows, None].to(exponents.dtype), exponents, out=exponents)
        exponents.clamp_(min=_FLOORS[exponents.element_size()], max=0.0)
        logs = exponents.exp_().neg_().log1p_()
        torch.maximum(logs, lowest[rows, None].to(logs.dtype), out=logs)
        least[rows] = least[rows].minimum(logs.amin(1).double())
        column, more = tiles.left_out(rows, block)
        shared = (more > 0.0) & more.isfinite()
        own_place = torch.where(shared, logs.gather(1, column), 0.0)
        if blocks.copies is not None:
            logs.mul_(blocks.copies[blocks.columns(block)].to(logs.dtype))
        removals[rows] += _sum(logs) - own_place[:, 0]

    tiles.visit(found.needed, found.single, add, by_sample=True)
    again = found.single & (least < math.log1p(-_LARGE_SHARE))
    removals.masked_fill_(again, 0.0)
    tiles.visit(found.needed & again[:, None], ~again, add, by_sample=True)
    return removals


def _sum(terms: Tensor) -> Tensor:
    """Return sums over rows: of `_LANES` terms in their own precision, then in double."""
    return terms.view(len(terms), _LANES, -1).sum(1).double().sum(1)


def _cut(tree: Tree, most: int) -> list[int]:
    """Return the largest nodes with at most `most` centres, or leaves, which hold each one once."""
    links = tree.nodes.links
    found, node = [], 0
    while node < len(links):
        leaf = links[node, SKIP] == node + 1
        if leaf or links[node, STOP] - links[node, START] <= most:
            found.append(node)
            node = int(links[node, SKIP])
        else:
            node += 1
    return found


def _fill(
    starts: list[int], stops: list[int], offsets: list[int]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the place that stands in each column, and which columns are not filling."""
    widths = np.diff(offsets)
    place = np.arange(offsets[-1]) + np.repeat(np.subtract(starts, offsets[:-1]), widths)
    last = np.repeat(np.subtract(stops, 1), widths)
    return np.minimum(place, last), place <= last


def _limits_of(device: torch.device) -> Limits:
    import torch

    if device.type == "cpu":
        return _CPU_LIMITS
    free = torch.cuda.mem_get_info(device)[0] // _BYTES_FREE
    return _ACCELERATOR_LIMITS._replace(
        pairs=min(_ACCELERATOR_LIMITS.pairs, free), entries=min(_ACCELERATOR_LIMITS.entries, free)
    )


def _part_of(left_out: LeftOut | None, part: slice) -> LeftOut | None:
    return None if left_out is None else LeftOut(left_out.places[part], left_out.more[part])


def _to_numpy(tensor: Tensor) -> NDArray[np.float64]:
    return np.asarray(tensor.cpu().numpy())
