"""The catalogue of theorems: each is written here, once, with all that other rooms print of it.

A column of a run's table, a check, a column of ``entbench bounds``, an answer of ``entbench plan``,
a dashed line and the list in the documentation are all read off its entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from entbench._base import SourceFacts
from entbench._theorem import EstimatorFacts, Theorem
from entbench.bounds._capacity import power_limited_capacity, trivial_range
from entbench.bounds._minimax import minimax_risk_bound
from entbench.bounds._plug_in import (
    cube_chi_square_information,
    plug_in_bias_bounds,
    plug_in_risk_bound,
    plug_in_risk_theorem_4,
    uniform_values_bias_bound,
    worst_case_bias_bound,
)
from entbench.bounds._printed import plug_in_risk_theorem_4_printed, plug_in_risk_theorem_5
from entbench.bounds._shift import information_risk_bound
from entbench.bounds._subgaussian import (
    smoothed_kl_bound,
    subgaussian_bias_bound,
    subgaussian_risk_bound,
)
from entbench.bounds._theorem_6 import fano_bias_bound, theorem_6_bias_bound

_Bound = Callable[[int, SourceFacts], float | None]

# counts of more samples lose digits in the entropy that the bound takes, and cost seconds
_MOST_COUNTED = 10**9
_UPPER_BIAS = ("upper", "bias")


def range_of(facts: SourceFacts) -> float:
    """Return how long the range of h(S+Z) is over the class of a source; inf where unknown."""
    length = math.inf
    if facts.in_unit_cube:
        length = trivial_range(facts.dim, facts.sigma)
    if facts.subgaussian_constant is not None:
        variance = facts.subgaussian_constant**2
        length = min(length, power_limited_capacity(facts.dim, facts.sigma, variance))
    return length


def says_nothing(theorem: Theorem, value: float, facts: SourceFacts) -> bool:
    """Tell whether a bound says nothing: beyond the range of h(S+Z), or below zero."""
    return value > range_of(facts) if theorem.side == "upper" else value < 0.0


def _in_cube(bound: Callable[[int, int, float], float]) -> _Bound:
    """Return a bound for every S in the cube; None elsewhere, and where n is too small for it."""

    def value(n: int, facts: SourceFacts) -> float | None:
        if not facts.in_unit_cube:
            return None
        try:
            return bound(n, facts.dim, facts.sigma)
        except ValueError:  # n is too small for its proof
            return None

    return value


def _bias_lower(n: int, facts: SourceFacts) -> float | None:
    information = facts.mutual_information
    if information is None:
        return None
    chi_square = facts.chi_square_information
    known = math.inf if chi_square is None else chi_square
    lower, _ = plug_in_bias_bounds(n, information, known)
    if facts.log_values is None:
        return lower
    return max(lower, uniform_values_bias_bound(n, information, facts.log_values))


def _from_ceiling(n: int, facts: SourceFacts) -> float | None:
    """Return ``I - log n``: no plug-in is above ``h(Z) + log n``."""
    information = facts.mutual_information
    return None if information is None else information - math.log(n)


def _bias_upper(n: int, facts: SourceFacts) -> float | None:
    known = [facts.mutual_information]
    if facts.chi_square_information is not None:
        known.append(smoothed_kl_bound(n, facts.chi_square_information))
    elif facts.in_unit_cube:
        of_class = cube_chi_square_information(facts.dim, facts.sigma)
        known.append(smoothed_kl_bound(n, of_class))
    return min((value for value in known if value is not None), default=None)


def _risk_upper(n: int, dim: int, sigma: float) -> float:
    return min(plug_in_risk_bound(n, dim, sigma), plug_in_risk_theorem_4(n, dim, sigma))


def _cube_bias(n: int, dim: int, sigma: float) -> float:
    """Return ``log(1 + I_chi2/n)`` with ``I_chi2 <= (1 + sqrt(2/pi)/sigma)^dim - 1``."""
    log_volume = dim * math.log1p(math.sqrt(2.0 / math.pi) / sigma)
    log_excess = log_volume + math.log(-math.expm1(-log_volume)) - math.log(n)
    return float(np.logaddexp(0.0, log_excess))


def _theorem_6(n: int, facts: SourceFacts) -> float | None:
    if facts.log_values is None or facts.decoding_error is None:
        return None
    return fano_bias_bound(n, facts.log_values, facts.decoding_error)


def _theorem_5_printed(n: int, facts: SourceFacts) -> float | None:
    norm = moment_norm(facts)
    if norm is None:
        return None
    try:
        return plug_in_risk_theorem_5(n, facts.dim, facts.sigma, norm)
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
    return subgaussian_bias_bound(n, facts.dim, facts.sigma, constant)


def _subgaussian_risk(n: int, facts: SourceFacts) -> float | None:
    if facts.subgaussian_constant is None:
        return None
    return subgaussian_risk_bound(n, facts.dim, facts.sigma, facts.subgaussian_constant)


def _every(estimator: EstimatorFacts) -> bool:
    return True


# Columns of a run's table come in this order.
_THEOREMS = (
    Theorem(
        name="bias_lower",
        function=_bias_lower,
        each=_from_ceiling,
        statistic="bias",
        side="lower",
        header="|bias| ≥",
        note="h - E h_SP of the plug-in is at least this for the very source; proved: I - log n, "
        "and a sharper one where S has equally likely values.",
        legend="|bias| of sp ≥ (this source)",
        always=True,
        dash=(1, 1.5),
        check="plug-in-bias",
        checked="bias of the plug-in within its bounds",
    ),
    Theorem(
        name="bias_upper",
        function=_bias_upper,
        statistic="bias",
        side="upper",
        header="|bias| ≤",
        note="h - E h_SP of the plug-in is at most this for the very source; proved: the smaller "
        "of I and log(1 + I_chi2/n).",
        legend="|bias| of sp ≤ (this source)",
        always=True,
        dash=(3, 2),
        check="plug-in-bias",
    ),
    Theorem(
        name="risk_upper",
        function=_in_cube(_risk_upper),
        statistic="mae",
        side="upper",
        header="MAE ≤",
        note="E|h - h_SP| of the plug-in is at most this for every S in the cube; proved: the "
        "smaller of the risk bound and Theorem 4.",
        legend="MAE of sp ≤ (all sources in the cube)",
        always=True,
        dash=(6, 2),
        check="plug-in-risk",
        checked="mean absolute error of the plug-in below its bound",
    ),
    Theorem(
        name="plug_in_risk",
        function=_in_cube(plug_in_risk_bound),
        statistic="mae",
        side="upper",
        note="E|h - h_SP| of the plug-in is at most this for every S in the cube, every n; proved: "
        "sqrt(V/n) + log(1 + [(1 + sqrt(2/pi)/sigma)^d - 1]/n).",
        dash=(6, 2),
        in_class="cube",
        class_header="risk",
        worst="bias + deviation",
        planned="risk",
        about="risk bound, every S in the cube",
    ),
    Theorem(
        name="theorem_4",
        function=_in_cube(plug_in_risk_theorem_4),
        statistic="mae",
        side="upper",
        note="the same quantity by Theorem 4 of Goldfeld et al. (2019), in a form proved for every "
        "n.",
        dash=(3, 2),
        in_class="cube",
        class_header="thm 4",
        worst="Theorem 4, proved",
        planned="theorem-4",
        about="Theorem 4, proved for every n, every S in the cube",
    ),
    Theorem(
        name="cube_bias",
        function=_in_cube(_cube_bias),
        statistic="bias",
        side="upper",
        note="h - E h_SP of the plug-in is at most this for every S in the cube; proved: log(1 + "
        "[(1 + sqrt(2/pi)/sigma)^d - 1]/n).",
        planned="bias",
        about="bias bound, every S in the cube",
    ),
    Theorem(
        name="worst_case_bias_lower",
        function=_in_cube(worst_case_bias_bound),
        statistic="bias",
        side="lower",
        header="worst |bias| ≥",
        note="some S in the cube gives the plug-in at least this bias h - E h_SP; proved: "
        "max_k d I_1(k) - E H(counts), k <= 200.",
        legend="|bias| of sp ≥ (worst source in the cube)",
        always=True,
        dash=(5, 1.5, 1, 1.5),
        in_class="cube",
        class_header="bias >=",
        planned="worst-case-bias",
        about="bias of the worst S in the cube",
        largest_n=_MOST_COUNTED,
    ),
    Theorem(
        name="theorem_6",
        function=_theorem_6,
        each=_theorem_6,
        statistic="bias",
        side="lower",
        header="Thm 6 |bias| ≥",
        note="h - E h_SP of the plug-in is at least this where S has equally likely values; "
        "proved: Theorem 6 of Goldfeld et al. (2019), by Fano's inequality.",
        legend="|bias| of sp ≥ (Theorem 6, by Fano)",
        dash=(1, 4),
        check="theorem-6",
        checked="bias of the plug-in above that of Theorem 6",
    ),
    Theorem(
        name="theorem_6_worst_case",
        function=_in_cube(theorem_6_bias_bound),
        statistic="bias",
        side="lower",
        note="the same by Theorem 6 of Goldfeld et al. (2019), eq. (16), best epsilon; proved; "
        "negative values say nothing.",
        in_class="cube",
        class_header="thm 6 >=",
    ),
    Theorem(
        name="theorem_4_printed",
        function=_in_cube(plug_in_risk_theorem_4_printed),
        statistic="mae",
        side="upper",
        certainty="printed",
        header="Thm 4* MAE ≤",
        note="Theorem 4 as printed, eq. (12), least over epsilon, tail 2 sqrt(M)/n; an uncertain "
        "reading, for n sufficiently large: not to be cited.",
        legend="MAE of sp ≤ (Theorem 4 as printed)",
        dash=(10, 3),
        check="theorem-4",
        checked="mean absolute error of the plug-in below Theorem 4 as printed",
        in_class="cube",
        class_header="thm 4*",
        worst="Theorem 4 as printed*",
    ),
    Theorem(
        name="theorem_5_printed",
        function=_theorem_5_printed,
        statistic="mae",
        side="upper",
        certainty="printed",
        header="Thm 5* MAE ≤",
        note="Theorem 5, eq. (14), for coordinates of moment norm 1, as in the cube; partly "
        "reconstructed, for n sufficiently large: not to be cited.",
        legend="MAE of sp ≤ (Theorem 5 as printed)",
        dash=(10, 3, 2, 3),
        check="theorem-5",
        checked="mean absolute error of the plug-in below Theorem 5 as printed",
        in_class="cube",
        class_header="thm 5*",
        worst="Theorem 5 as printed*",
    ),
    Theorem(
        name="information_risk",
        function=_in_cube(information_risk_bound),
        statistic="information",
        side="upper",
        note="E|I(X;T) - I_SP| is at most this, n inputs and n samples for each, T = S+Z in a cube "
        "layer: Guarantee 3, 2 risk + d log(1 + 1/sigma^2)/(4 sqrt n); proved.",
        in_class="cube",
        class_header="I(X;T)",
    ),
    Theorem(
        name="subgaussian_bias",
        function=_subgaussian_bias,
        statistic="bias",
        side="upper",
        certainty="recalled",
        header="K |bias| ≤",
        note="h - E h_SP for the same S, only if K < sigma/2; recalled, derived again: "
        "log(1 + [(1 - 4 K^2/sigma^2)^(-d/2) - 1]/n).",
        legend="|bias| of sp ≤ (K-subgaussian, K < sigma/2)",
        dash=(3, 1, 1, 1, 1, 1),
        check="subgaussian",
        checked="bias and mean absolute error of the plug-in below the bounds for K-subgaussian S",
        in_class="subgaussian",
        class_header="subg bias",
    ),
    Theorem(
        name="subgaussian_risk",
        function=_subgaussian_risk,
        statistic="mae",
        side="upper",
        header="K MAE ≤",
        note="E|h - h_SP| for every S of mean 0 with E exp(a.S) <= exp(K^2 |a|^2/2), every n; "
        "proved: {2u^2 sqrt(d(d+2)) + 5d K^2/sigma^2} u^(d/2) e^(3d/16)/sqrt n, "
        "u = 1/sqrt 2 + K/sigma.",
        legend="MAE of sp ≤ (K-subgaussian)",
        dash=(8, 2, 2, 2),
        check="subgaussian",
        in_class="subgaussian",
        class_header="subg",
    ),
    Theorem(
        name="minimax_lower",
        function=_in_cube(minimax_risk_bound),
        applies=_every,
        statistic="mae",
        side="lower",
        note="whatever the estimator, some S in the cube makes its E|h - estimate| at least this; "
        "proved, by birthday collisions.",
        in_class="cube",
        class_header="any >=",
    ),
)

THEOREMS: dict[str, Theorem] = {theorem.name: theorem for theorem in _THEOREMS}


def theorems_of(*classes: str) -> list[Theorem]:
    """Return the theorems for classes of sources: upper bounds first, of these the risk's first."""
    found = [theorem for theorem in _THEOREMS if theorem.in_class in classes]
    return sorted(found, key=lambda t: (t.side == "lower", (t.side, t.statistic) == _UPPER_BIAS))
