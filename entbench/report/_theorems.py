"""The theorems that stand beside the data: which estimator, which statistic, which sources."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from entbench import bounds
from entbench._base import SourceFacts
from entbench.report._statistics import Row

Statistic = Literal["bias", "mae"]
Side = Literal["lower", "upper"]
Bound = Callable[[int, SourceFacts], float | None]

# with X = S the second term of sp-mi is h(Z), exactly: its error is that of sp
PLUG_INS = ("sp", "sp-mi")


@dataclass(frozen=True)
class Theorem:
    """A bound on a statistic of an estimator's error.

    Attributes
    ----------
    name : str
        Key in JSON and CSV.
    header, legend : str
        In tables and figures; a star says that it is printed, reconstructed and not proved.
    statistic : {"bias", "mae"}
        ``|h - E estimate|`` of the plug-in, which is never negative, or the mean absolute error.
    side : {"lower", "upper"}
        Of the statistic.
    bound : callable
        Its value in nats from n and the facts of a source; None where it does not apply.
    of_source : bool
        Whether it holds for the very source; otherwise for the worst of its class.
    estimators : tuple of str
        For which.
    each : callable or None
        A lower bound on ``h - estimate`` for the samples of every single trial, as `bound`.
    """

    name: str
    header: str
    legend: str
    statistic: Statistic
    side: Side
    bound: Bound
    of_source: bool = True
    estimators: tuple[str, ...] = PLUG_INS
    each: Bound | None = None


@dataclass(frozen=True)
class RowBounds:
    """What theory says of one row, in nats.

    Attributes
    ----------
    values : dict of str to float
        By name, see `THEOREMS`.
    vacuous : frozenset of str
        Those that say nothing: upper bounds longer than the range of h(S+Z) over the class, lower
        bounds below zero.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    vacuous: frozenset[str] = frozenset()


def bounds_for(row: Row, facts: SourceFacts | None, names: Iterable[str]) -> RowBounds:
    """Return those of the named bounds that apply to a row."""
    if facts is None:
        return RowBounds()
    theorems = (THEOREMS[name] for name in names)
    return _bounds(
        tuple(t.name for t in theorems if row.estimator.name in t.estimators), row.n, facts
    )


@lru_cache(maxsize=4096)
def _bounds(names: tuple[str, ...], n: int, facts: SourceFacts) -> RowBounds:
    found = {name: _bound(name, n, facts) for name in names}
    values = {name: value for name, value in found.items() if value is not None}
    length = range_of(facts)
    return RowBounds(
        values, frozenset(name for name, value in values.items() if _vacuous(name, value, length))
    )


@lru_cache(maxsize=16384)
def _bound(name: str, n: int, facts: SourceFacts) -> float | None:
    return THEOREMS[name].bound(n, facts)


def _vacuous(name: str, value: float, length: float) -> bool:
    return value > length if THEOREMS[name].side == "upper" else value < 0.0


def range_of(facts: SourceFacts) -> float:
    """Return how long the range of h(S+Z) is over the class of a source; inf where unknown."""
    length = math.inf
    if facts.in_unit_cube:
        length = bounds.trivial_range(facts.dim, facts.sigma)
    if facts.subgaussian_constant is not None:
        variance = facts.subgaussian_constant**2
        length = min(length, bounds.power_limited_capacity(facts.dim, facts.sigma, variance))
    return length


def _bias_lower(n: int, facts: SourceFacts) -> float | None:
    information = facts.mutual_information
    if information is None:
        return None
    chi_square = facts.chi_square_information
    known = math.inf if chi_square is None else chi_square
    lower, _ = bounds.plug_in_bias_bounds(n, information, known)
    if facts.log_values is None:
        return lower
    return max(lower, bounds.uniform_values_bias_bound(n, information, facts.log_values))


def _from_ceiling(n: int, facts: SourceFacts) -> float | None:
    """Return ``I - log n``: no plug-in is above ``h(Z) + log n``."""
    information = facts.mutual_information
    return None if information is None else information - math.log(n)


def _bias_upper(n: int, facts: SourceFacts) -> float | None:
    known = [facts.mutual_information]
    if facts.chi_square_information is not None:
        known.append(bounds.smoothed_kl_bound(n, facts.chi_square_information))
    elif facts.in_unit_cube:
        of_class = bounds.cube_chi_square_information(facts.dim, facts.sigma)
        known.append(bounds.smoothed_kl_bound(n, of_class))
    return min((value for value in known if value is not None), default=None)


def _risk_upper(n: int, facts: SourceFacts) -> float | None:
    if not facts.in_unit_cube:
        return None
    return min(
        bounds.plug_in_risk_bound(n, facts.dim, facts.sigma),
        bounds.plug_in_risk_theorem_4(n, facts.dim, facts.sigma),
    )


def _worst_case_bias_lower(n: int, facts: SourceFacts) -> float | None:
    if not facts.in_unit_cube:
        return None
    return bounds.worst_case_bias_bound(n, facts.dim, facts.sigma)


def _theorem_6(n: int, facts: SourceFacts) -> float | None:
    if facts.log_values is None or facts.decoding_error is None:
        return None
    return bounds.fano_bias_bound(n, facts.log_values, facts.decoding_error)


def _theorem_4_printed(n: int, facts: SourceFacts) -> float | None:
    if not facts.in_unit_cube:
        return None
    try:
        return bounds.plug_in_risk_theorem_4_printed(n, facts.dim, facts.sigma)
    except ValueError:  # n is too small for its proof
        return None


def _theorem_5_printed(n: int, facts: SourceFacts) -> float | None:
    norm = moment_norm(facts)
    if norm is None:
        return None
    try:
        return bounds.plug_in_risk_theorem_5(n, facts.dim, facts.sigma, norm)
    except ValueError:  # n is too small for its proof
        return None


def moment_norm(facts: SourceFacts) -> float | None:
    """Return a K of Theorem 5, ``sup_p p^{-1/2} (E |S_i|^p)^{1/p}``; None where none is known.

    At most 1 in the cube. For S with constant k in the vector sense, and mean 0 since a shift is of
    no matter to the entropy or its plug-in,
    ``E |S_i|^p <= p 2^{p/2} k^p Gamma(p/2)``, and the supremum is at p = 1, ``k sqrt(2 pi)``.
    """
    known = [1.0] if facts.in_unit_cube else []
    if facts.subgaussian_constant is not None:
        known.append(math.sqrt(2.0 * math.pi) * facts.subgaussian_constant)
    return min(known, default=None)


def _subgaussian_bias(n: int, facts: SourceFacts) -> float | None:
    constant = facts.subgaussian_constant
    if constant is None or 2.0 * constant >= facts.sigma:
        return None
    return bounds.subgaussian_bias_bound(n, facts.dim, facts.sigma, constant)


def _subgaussian_risk(n: int, facts: SourceFacts) -> float | None:
    if facts.subgaussian_constant is None:
        return None
    return bounds.subgaussian_risk_bound(n, facts.dim, facts.sigma, facts.subgaussian_constant)


THEOREMS: dict[str, Theorem] = {
    theorem.name: theorem
    for theorem in (
        Theorem(
            "bias_lower",
            "|bias| ≥",
            "|bias| of sp ≥ (this source)",
            "bias",
            "lower",
            _bias_lower,
            each=_from_ceiling,
        ),
        Theorem(
            "bias_upper", "|bias| ≤", "|bias| of sp ≤ (this source)", "bias", "upper", _bias_upper
        ),
        Theorem(
            "risk_upper",
            "MAE ≤",
            "MAE of sp ≤ (all sources in the cube)",
            "mae",
            "upper",
            _risk_upper,
        ),
        Theorem(
            "worst_case_bias_lower",
            "worst |bias| ≥",
            "|bias| of sp ≥ (worst source in the cube)",
            "bias",
            "lower",
            _worst_case_bias_lower,
            of_source=False,
        ),
        Theorem(
            "theorem_6",
            "Thm 6 |bias| ≥",
            "|bias| of sp ≥ (Theorem 6, by Fano)",
            "bias",
            "lower",
            _theorem_6,
            each=_theorem_6,
        ),
        Theorem(
            "theorem_4_printed",
            "Thm 4* MAE ≤",
            "MAE of sp ≤ (Theorem 4 as printed)",
            "mae",
            "upper",
            _theorem_4_printed,
        ),
        Theorem(
            "theorem_5_printed",
            "Thm 5* MAE ≤",
            "MAE of sp ≤ (Theorem 5 as printed)",
            "mae",
            "upper",
            _theorem_5_printed,
        ),
        Theorem(
            "subgaussian_bias",
            "K |bias| ≤",
            "|bias| of sp ≤ (K-subgaussian, K < sigma/2)",
            "bias",
            "upper",
            _subgaussian_bias,
        ),
        Theorem(
            "subgaussian_risk",
            "K MAE ≤",
            "MAE of sp ≤ (K-subgaussian)",
            "mae",
            "upper",
            _subgaussian_risk,
        ),
    )
}
# beside every table, whatever the suite checks
STANDARD = ("bias_lower", "bias_upper", "risk_upper", "worst_case_bias_lower")
