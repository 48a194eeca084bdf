"""Centres sorted into tiles of neighbours, each with its bounding box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TILE = 256


@dataclass(frozen=True)
class Tiles:
    """Centres in tiles of `TILE`, coordinates contiguous along the centres of a tile.

    Attributes
    ----------
    values : ndarray of shape (n_tiles, dim, TILE)
        The last tile is padded with its first centre.
    counts : ndarray of shape (n_tiles,)
        Centres in each tile.
    low, high : ndarray of shape (n_tiles, dim)
        Corners of the tiles' bounding boxes.
    place : ndarray of shape (n,)
        Where centre i of the input stands: tile ``place // TILE``, column ``place % TILE``.
    """

    values: NDArray[np.floating]
    counts: NDArray[np.int64]
    low: NDArray[np.floating]
    high: NDArray[np.floating]
    place: NDArray[np.int64]

    def astype(self, dtype: type[np.floating]) -> Tiles:
        """Return the tiles in another precision; the boxes still hold the rounded centres."""
        return Tiles(
            self.values.astype(dtype),
            self.counts,
            self.low.astype(dtype),
            self.high.astype(dtype),
            self.place,
        )


def tile(centres: NDArray[np.float64]) -> Tiles:
    """Sort `centres` (n, dim) into tiles by halving along the widest side, again and again.

    Halves hold a whole number of tiles, so every tile but the last is full.
    """
    n, dim = centres.shape
    order = _halve(centres)
    n_tiles = -(-n // TILE)
    padded = np.empty((n_tiles * TILE, dim))
    padded[:n] = centres[order]
    padded[n:] = padded[(n_tiles - 1) * TILE]
    tiles = padded.reshape(n_tiles, TILE, dim).transpose(0, 2, 1)
    counts = np.full(n_tiles, TILE, dtype=np.int64)
    counts[-1] = n - (n_tiles - 1) * TILE
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)
    return Tiles(np.ascontiguousarray(tiles), counts, tiles.min(axis=2), tiles.max(axis=2), place)


def _halve(centres: NDArray[np.float64]) -> NDArray[np.intp]:
    order = np.arange(centres.shape[0])
    pending = [(0, len(order))]
    while pending:
        start, stop = pending.pop()
        if stop - start <= TILE:
            continue
        block = order[start:stop]
        points = centres[block]
        axis = int(np.argmax(points.max(axis=0) - points.min(axis=0)))
        half = -(-(stop - start) // (2 * TILE)) * TILE
        order[start:stop] = block[np.argpartition(points[:, axis], half)]
        pending += [(start, start + half), (start + half, stop)]
    return order
