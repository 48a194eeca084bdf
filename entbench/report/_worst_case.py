"""The largest risk over the sources of a run, beside what theory says of the whole cube."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import rel_entr

from entbench import bounds
from entbench._base import SourceFacts
from entbench._records import Spec
from entbench.report._intervals import Floats, mae_interval
from entbench.report._statistics import Row
from entbench.report._theorems import bound_of

_SHARES = 1000
UPPER = {theorem.worst: theorem for theorem in bounds.THEOREMS.values() if theorem.worst}


@dataclass(frozen=True)
class WorstCase:
    """The source of a run on which an estimator errs most, at one n, noise and dimension.

    Attributes
    ----------
    row : Row
        The estimator's row on that source.
    dim, sigma : int and float
        Of the sources compared.
    sources : int
        How many sources in the cube there are.
    highest : float
        The largest upper confidence limit of the mean absolute error over all of them, in nats.
    minimax : float
        Lower bound on the largest risk over the cube, for every estimator.
    upper : dict of str to float
        Upper bounds on it, for the plug-in; starred where printed and not proved.
    trivial : float
        The length of the range of h(S+Z): a bound beyond says nothing.
    """

    row: Row
    dim: int
    sigma: float
    sources: int
    highest: float
    minimax: float
    upper: Mapping[str, float]
    trivial: float

    @property
    def label(self) -> str:
        """Estimator, noise, dimension and n in a line."""
        return f"{self.row.estimator.label}, d={self.dim}, sigma={self.sigma:g}, n={self.row.n}"


def worst_cases(
    rows: Sequence[Row], facts: Mapping[Spec, SourceFacts | None], confidence: float
) -> Iterator[WorstCase]:
    """Yield each estimator's worst source in the cube, for each dimension, noise and n."""
    groups: dict[tuple[Spec | str, int, float, int], list[Row]] = {}
    for row in rows:
        known = facts[row.source]
        if known is not None and known.in_unit_cube and row.mae is not None:
            key = (row.estimator.label, known.dim, known.sigma, row.n)
            groups.setdefault(key, []).append(row)
    for (_, dim, sigma, n), group in groups.items():
        limits = [_upper_limit(row, confidence) for row in group]
        if None in limits:
            continue
        worst = max(group, key=lambda row: row.mae or 0.0)
        yield WorstCase(
            worst,
            dim,
            sigma,
            len(group),
            max(limit for limit in limits if limit is not None),
            minimax(n, dim, sigma),
            _upper_bounds(worst, SourceFacts(dim, sigma, in_unit_cube=True)),
            bounds.trivial_range(dim, sigma),
        )


def _upper_limit(row: Row, confidence: float) -> float | None:
    interval = mae_interval(row.errors, row.reference_limit, confidence)
    return None if interval is None else interval[1]


@lru_cache(maxsize=1024)
def minimax(n: int, dim: int, sigma: float) -> float:
    """Return the lower bound on the risk, kept: it takes a while."""
    return bounds.minimax_risk_bound(n, dim, sigma)


def _upper_bounds(row: Row, cube: SourceFacts) -> dict[str, float]:
    found = {name: bound_of(theorem, row, cube) for name, theorem in UPPER.items()}
    return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class HardPair:
    """An estimator on the two laws that the minimax bound is proved with.

    Attributes
    ----------
    label : str
        Estimator, laws and n in a line.
    bound : float
        What the larger of two mean absolute errors is at least, for every estimator, in nats: on
        the grid, and over the random codebooks on that grid.
    gap : float
        At least how far the two true values are apart, in nats.
    alike : float
        How probable it is, at least, that samples of both laws look the same.
    on_grid, on_codebooks : ndarrays of shape (trials,)
        Absolute errors over the gap, at most 1; errors of the truth are added.

    Notes
    -----
    The means of `on_grid` and `on_codebooks` add up to `alike` at least: estimates from samples
    that look the same are off by the gap in all. With k trials of each, or more, the means that are
    seen add up to s or less with a probability of at most ``exp(-2 k D(s/2 || alike/2))``, D the
    divergence of two coins: Hoeffding's inequality for values in [0, 1], whatever their law.
    """

    label: str
    bound: float
    gap: float
    alike: float
    on_grid: Floats
    on_codebooks: Floats

    @property
    def evidence(self) -> float:
        """How much the errors speak against the bound: minus the log of a p-value."""
        seen = 0.5 * float(self.on_grid.mean() + self.on_codebooks.mean())
        return float(self.evidence_of(np.array(seen)))

    def found_error(self, level: float) -> float:
        """Return the largest error, the same on both laws, that is found too small; or -inf."""
        shares = np.linspace(0.0, 0.5 * self.alike, _SHARES)
        found = shares[self.evidence_of(shares) > -math.log(level)]
        return self.gap * float(found.max()) if len(found) else -math.inf

    def evidence_of(self, seen: Floats) -> Floats:
        """Return the evidence of means that add up to twice these."""
        due = 0.5 * self.alike
        low = np.minimum(seen, due)
        trials = min(len(self.on_grid), len(self.on_codebooks))
        return np.asarray(2 * trials * (rel_entr(low, due) + rel_entr(1.0 - low, 1.0 - due)))

    @property
    def largest(self) -> float:
        """The larger of the two mean absolute errors, of errors cut at the gap, in nats."""
        return self.gap * max(float(self.on_grid.mean()), float(self.on_codebooks.mean()))


def hard_pairs(rows: Sequence[Row], slack: float) -> Iterator[HardPair]:
    """Yield each estimator's errors on a grid and on random codebooks of the same grid.

    Codebooks count as drawn anew for each trial; estimators that know one of them in particular are
    not what the bound is about. `slack` is what errors may have of rounding, in nats.
    """
    grids, codebooks = _on_a_grid(rows, "grid"), _on_a_grid(rows, "random-codebook")
    for (estimator, n, law, points), found in codebooks.items():
        on_grid = grids.get((estimator, n, law, None))
        if on_grid is None or points is None:
            continue
        d, k, sigma = law
        bound = bounds.two_point_risk_bound(n, d, sigma, k, points)
        alike = max(0.0, 1.0 - 0.5 * n * (n - 1) / points)
        gap = 2.0 * bound / alike if alike else 0.0
        parts = [_shares(part, gap, slack) for part in (on_grid, found)]
        if all(map(len, parts)):
            label = f"{estimator.label}, d={d}, sigma={sigma:g}, k={k}, {points} points, n={n}"
            yield HardPair(label, bound, gap, alike, *parts)


def _shares(rows: Sequence[Row], gap: float, slack: float) -> Floats:
    """Return absolute errors over the gap between two laws, at most 1."""
    largest = [np.abs(row.errors) + row.reference_limit + slack for row in rows]
    together = np.concatenate(largest)
    return np.minimum(together / gap, 1.0) if gap > 0.0 else np.ones_like(together)


_Law = tuple[int, int, float]


def _on_a_grid(
    rows: Sequence[Row], source: str
) -> dict[tuple[Spec, int, _Law, int | None], list[Row]]:
    """Return the rows of sources of that name whose grid has its end points."""
    found: dict[tuple[Spec, int, _Law, int | None], list[Row]] = {}
    for row in rows:
        params: dict[str, Any] = dict(row.source.params)
        if row.source.name == source and params["ends"]:
            law = (params["d"], params["k"], params["sigma"])
            key = (row.estimator, row.n, law, params.get("points"))
            found.setdefault(key, []).append(row)
    return found
