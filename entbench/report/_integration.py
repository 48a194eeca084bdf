"""The error of Monte Carlo integration alone: the same samples, integrated finely beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from entbench import bounds
from entbench._base import SourceFacts
from entbench._records import Spec
from entbench.report._intervals import CONFIDENCE, Floats, mean_square_interval
from entbench.report._statistics import Row, matched_trials


@dataclass(frozen=True)
class IntegrationError:
    """Mean squared difference of two integrals of the same mixtures, in nats^2.

    Attributes
    ----------
    row : Row
        Of the estimator that integrates by plain Monte Carlo.
    draws : int
        Points from each component, n_MC.
    mse, low, high : float
        Mean square over trials and its confidence limits, less the mean squared numerical error
        of the finer integral.
    bounds : dict of str to float
        By name: "(20)" for S in the cube, "(21)" where E |S|^2 is known, "d/(n n_MC)" always.
    differences : ndarray of shape (pairs,)
        Of the two integrals, in nats, for the trials of which both are known.
    own : float
        Mean squared numerical error of the finer integral.
    unpaired : int
        Trials of which only one is known.
    """

    row: Row
    draws: int
    mse: float
    low: float
    high: float
    bounds: Mapping[str, float]
    differences: Floats = field(compare=False)
    own: float
    unpaired: int


def integration_errors(
    rows: Sequence[Row],
    facts: Mapping[Spec, SourceFacts | None],
    confidence: float = CONFIDENCE,
) -> Iterator[IntegrationError]:
    """Yield the error of each row of plain Monte Carlo, against `sp` on the same samples."""
    plug_ins = [row for row in rows if row.estimator.facts.plug_in]
    fine = {_place(row): row for row in plug_ins if row.estimator.facts.draws_per_component is None}
    for row in plug_ins:
        beside, known = fine.get(_place(row)), facts[row.source]
        draws = row.estimator.facts.draws_per_component
        if draws is None or beside is None or known is None:
            continue
        coarse, finer, unpaired = matched_trials(row, beside)
        difference = row.errors[coarse] - beside.errors[finer]
        interval = mean_square_interval(difference, confidence)
        if interval is None:
            continue
        own = float(np.mean(np.nan_to_num(beside.numerical_errors[finer]) ** 2))
        yield IntegrationError(
            row,
            draws,
            float(np.mean(difference**2)) - own,
            interval[0] - own,
            interval[1] - own,
            _bounds(row.n, draws, known),
            difference,
            own,
            unpaired,
        )


def _place(row: Row) -> tuple[Spec, int, str]:
    return row.source, row.n, row.estimator.facts.quantity


def _bounds(n: int, draws: int, facts: SourceFacts) -> dict[str, float]:
    found = {"d/(n n_MC)": bounds.monte_carlo_mse_bound(n, draws, facts.dim)}
    if facts.in_unit_cube:
        found["(20)"] = bounds.monte_carlo_mse_theorem_7(n, draws, facts.dim, facts.sigma)
    moment = facts.second_moment
    if moment is not None and math.isfinite(moment):
        found["(21)"] = bounds.monte_carlo_mse_theorem_7_moment(
            n, draws, facts.dim, facts.sigma, moment
        )
    return found
