"""A random choice of some inputs for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Rows = NDArray[np.intp]


class Choice(NamedTuple):
    """A random choice of inputs by their sizes (Rao, Hartley and Cochran 1962).

    The largest are all taken. The others are divided into groups at random, and one is drawn of
    each group with a probability in proportion to its size. It stands for its group: a sum of
    values over all inputs is estimated without bias by the sum of the ratios of value and size,
    times the totals.

    Attributes
    ----------
    inputs : ndarray of shape (count,)
        Those chosen: first the ones taken, then those drawn.
    totals : ndarray of shape (count,)
        Sizes of what they stand for.
    groups : list of ndarray
        From which inputs the ones drawn are.
    """

    inputs: Rows
    totals: Floats
    groups: list[Rows]

    @property
    def n_inputs(self) -> int:
        """How many inputs there are to choose from."""
        return len(self.inputs) - len(self.groups) + sum(map(len, self.groups))

    @property
    def _drawn(self) -> Floats:
        """Totals of the groups."""
        return self.totals[len(self.totals) - len(self.groups) :]

    def variance(self, ratios: Floats) -> float:
        """Return the estimated variance of an estimated sum: without bias (RHC's formula)."""
        if len(self.groups) < 2:
            return 0.0
        totals, ratios = self._drawn, ratios[len(ratios) - len(self.groups) :]
        counts = np.array([len(group) for group in self.groups], dtype=np.float64)
        n, squares = float(counts.sum()), float(np.square(counts).sum())
        mean = float(totals @ ratios) / float(totals.sum())
        scatter = float(totals.sum()) * float(totals @ np.square(ratios - mean))
        return (squares - n) / (n**2 - squares) * scatter

    def widest(self, ranges: Floats) -> float:
        """Return the widest range of a group's part of a sum, from those of all inputs' ratios."""
        parts = [
            total * float(ranges[group].max())
            for total, group in zip(self._drawn, self.groups, strict=True)
            if len(group) > 1
        ]
        return max(parts, default=0.0)

    def most(self, ratios: Floats, ranges: Floats) -> float:
        """Return how far off a sum can be whose values lie between 0 and `ranges`."""
        if not self.groups:
            return 0.0
        found = float(self._drawn @ ratios[len(ratios) - len(self.groups) :])
        return max(found, float(ranges[np.concatenate(self.groups)].sum()) - found)


def choose(sizes: Floats, count: int, rng: np.random.Generator) -> Choice:
    """Choose `count` inputs by their sizes, which are positive."""
    order = np.argsort(-sizes, kind="stable")
    left = np.cumsum(sizes[order][::-1])[::-1]
    sure = 0
    while sure < min(count, len(order)) and sizes[order[sure]] * (count - sure) >= left[sure]:
        sure += 1
    groups = []
    if sure < min(count, len(order)):
        groups = np.array_split(rng.permutation(order[sure:]), min(count, len(order)) - sure)
    totals = [float(sizes[group].sum()) for group in groups]
    drawn = [
        rng.choice(group, p=sizes[group] / total)
        for group, total in zip(groups, totals, strict=True)
    ]
    taken = order[:sure]
    return Choice(
        np.append(taken, np.array(drawn, dtype=np.intp)),
        np.append(sizes[taken], totals),
        groups,
    )
