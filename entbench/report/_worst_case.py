"""The largest risk over the sources of a run, beside what theory says of the whole cube."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from entbench import bounds
from entbench._base import SourceFacts
from entbench._records import Spec
from entbench.report._intervals import mae_interval
from entbench.report._statistics import Row
from entbench.report._theorems import PLUG_INS

# in the order of the table: proved ones first
UPPER = ("bias + deviation", "Theorem 4, proved", "Theorem 4 as printed*", "Theorem 5 as printed*")


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
            _upper_bounds(n, dim, sigma) if worst.estimator.name in PLUG_INS else {},
            bounds.trivial_range(dim, sigma),
        )


def _upper_limit(row: Row, confidence: float) -> float | None:
    interval = mae_interval(row.errors, row.reference_limit, confidence)
    return None if interval is None else interval[1]


@lru_cache(maxsize=1024)
def minimax(n: int, dim: int, sigma: float) -> float:
    """Return the lower bound on the risk, kept: it takes a while."""
    return bounds.minimax_risk_bound(n, dim, sigma)


@lru_cache(maxsize=1024)
def _upper_bounds(n: int, dim: int, sigma: float) -> dict[str, float]:
    proved = (
        bounds.plug_in_risk_bound(n, dim, sigma),
        bounds.plug_in_risk_theorem_4(n, dim, sigma),
    )
    found = dict(zip(UPPER, proved, strict=False))
    with suppress(ValueError):  # n is too small for its proof
        found[UPPER[2]] = bounds.plug_in_risk_theorem_4_printed(n, dim, sigma)
    with suppress(ValueError):
        found[UPPER[3]] = bounds.plug_in_risk_theorem_5(n, dim, sigma, 1.0)
    return found


@dataclass(frozen=True)
class HardPair:
    """An estimator on the two laws that the minimax bound is proved with.

    Attributes
    ----------
    label : str
        Estimator, laws and n in a line.
    highest : float
        The larger of two upper confidence limits: of the mean absolute error on the grid, and of
        its mean over the random codebooks on that grid; in nats.
    bound : float
        What the larger of the two is at least, for every estimator.
    """

    label: str
    highest: float
    bound: float


def hard_pairs(rows: Sequence[Row], confidence: float) -> Iterator[HardPair]:
    """Yield each estimator's errors on a grid and on random codebooks of the same grid."""
    grids, codebooks = _on_a_grid(rows, "grid"), _on_a_grid(rows, "random-codebook")
    for (estimator, n, law, points), found in codebooks.items():
        on_grid = grids.get((estimator, n, law, None))
        limits = [_upper_limit(row, confidence) for row in (*(on_grid or ()), *found)]
        if on_grid is None or None in limits:
            continue
        first, *rest = (limit for limit in limits if limit is not None)
        d, k, sigma = law
        yield HardPair(
            f"{estimator.label}, d={d}, sigma={sigma:g}, k={k}, {points} points, n={n}",
            max(first, sum(rest) / len(rest)),
            bounds.two_point_risk_bound(n, d, sigma, k, points or 1),
        )


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
