"""The tables that a suite can ask for beside that of its rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from entbench._records import Spec, SuiteRun
from entbench.report._capacity import Capacities, capacities_of
from entbench.report._complexity import Needed, exponents, samples_needed, setting_labels
from entbench.report._format import NO_LINE, finite_or_none, number, with_error
from entbench.report._integration import IntegrationError, integration_errors
from entbench.report._intervals import Limits
from entbench.report._leaderboard import leaderboard
from entbench.report._leaderboard_tables import leaderboard_records, leaderboard_tables
from entbench.report._render import Table
from entbench.report._statistics import Row, Slope
from entbench.report._worst_case import UPPER, WorstCase, worst_cases

_CONFIDENCE = 0.95
_INTEGRATION = ("d/(n n_MC)", "(20)", "(21)")
_CAPACITIES = ("log k", "peak-limited", "power-limited")


@dataclass(frozen=True)
class Section:
    """What stands beside the table of errors.

    Attributes
    ----------
    name : str
        Of `TABLES`.
    tables : sequence of Table
        For people.
    records : sequence of mappings
        The same as raw values, for JSON and CSV.
    """

    name: str
    tables: Sequence[Table]
    records: Sequence[Mapping[str, Any]]


def _worst_case(rows: Sequence[Row], run: SuiteRun) -> Section:
    found = list(worst_cases(rows, _facts(run), _CONFIDENCE))
    records = [
        {
            "estimator": each.row.estimator.label,
            "d": each.dim,
            "sigma": each.sigma,
            "n": each.row.n,
            "sources": each.sources,
            "mae": each.row.mae,
            "mae_ci_low": each.row.mae_ci[0] if each.row.mae_ci else None,
            "mae_ci_high": each.row.mae_ci[1] if each.row.mae_ci else None,
            "source": each.row.source.label,
            "minimax": each.minimax,
            **{name: finite_or_none(each.upper.get(name)) for name in UPPER},
        }
        for each in found
    ]
    headers = ("estimator", "d", "sigma", "n", "largest MAE", "minimax ≥", "at")
    table = Table(
        (*headers, *(f"{name} ≤" for name in UPPER)),
        [_worst_cells(each, run) for each in found],
        "largest error over the sources, beside bounds for all sources in the cube "
        "(* printed, not proved)",
        aside=len(UPPER),
        aside_title="upper bounds for the plug-in (* printed, not proved)",
        key=4,
    )
    return Section("worst-case", [table], records)


def _worst_cells(each: WorstCase, run: SuiteRun) -> tuple[str, ...]:
    upper = [
        "" if name not in each.upper else _or_vacuous(each.upper[name], each.trivial)
        for name in UPPER
    ]
    return (
        each.row.estimator.label,
        f"{each.dim}",
        f"{each.sigma:g}",
        f"{each.row.n}",
        with_error(each.row.mae, each.row.mae_ci, each.row.few_trials),
        "vacuous" if each.minimax <= 0.0 else number(each.minimax),
        _short(each.row.source, run),
        *upper,
    )


def _short(source: Spec, run: SuiteRun) -> str:
    """Return the name with those parameters, but for d and sigma, that tell it from its like."""
    alike = [dict(case.source.params) for case in run.cases if case.source.name == source.name]
    telling = [
        f"{key}={value}"
        for key, value in source.params
        if key not in ("d", "sigma") and any(other.get(key) != value for other in alike)
    ]
    return f"{source.name}[{','.join(telling)}]" if telling else source.name


def _or_vacuous(bound: float, trivial: float) -> str:
    return "vacuous" if bound > trivial else number(bound)


def _samples_for_error(rows: Sequence[Row], run: SuiteRun) -> Section:
    error = error_asked(run)
    found = list(samples_needed(rows, _facts(run), error))
    slopes, called = exponents(found), setting_labels(found)
    records = [_needed_record(each) for each in found]
    records += [_exponent_record(key[0], called[key[1]], s) for key, s in slopes.items()]
    lines: list[tuple[str, ...]] = []
    for setting, estimator in dict.fromkeys((e.setting, e.row.estimator.label) for e in found):
        source = called[setting]
        here = [e for e in found if (e.setting, e.row.estimator.label) == (setting, estimator)]
        ordered = sorted(here, key=lambda each: each.dim)
        lines += [(estimator, source, *_needed_cells(each)) for each in ordered]
        slope = slopes.get((estimator, setting))
        if slope is not None:
            bits = f"{number(slope.slope)} bits per d" if slope.is_line else NO_LINE
            limits = _limits(slope.ci) if slope.is_line else ""
            lines.append((estimator, source, "", bits, limits, "", ""))
    table = Table(
        ("estimator", "source", "d", "n", "95 % CI", "Thm 6: n >", "Thm 3: order"),
        lines,
        f"samples for a mean absolute error of {error:g} nats (Thm 3 without its constant)",
        left=2,
        aside=2,
        aside_title="theory beside the samples (Thm 3 without its constant)",
        key=3,
    )
    return Section("samples-for-error", [table], records)


def _needed_cells(each: Needed) -> tuple[str, ...]:
    return (
        f"{each.dim}",
        f"{each.censored} {each.n:.0f}" if each.censored else number(each.n),
        _limits(each.interval),
        "" if each.theorem_6 is None else _exp(each.theorem_6),
        _exp(each.order_theorem_3),
    )


def _exponent_record(estimator: str, source: str, slope: Slope) -> dict[str, Any]:
    return {
        "estimator": estimator,
        "source": source,
        "bits": slope.slope if slope.is_line else None,
        "bits_ci_low": finite_or_none(slope.ci[0]) if slope.is_line else None,
        "bits_ci_high": finite_or_none(slope.ci[1]) if slope.is_line else None,
        "line": slope.is_line,
    }


def _limits(interval: Limits | None) -> str:
    return "" if interval is None else f"[{number(interval[0])}, {number(interval[1])}]"


def _exp(log_n: float) -> str:
    return number(math.exp(log_n)) if log_n < 300.0 else f"e^{log_n:.0f}"


def _needed_record(each: Needed) -> dict[str, Any]:
    low, high = each.interval or (None, None)
    return {
        "estimator": each.row.estimator.label,
        "source": each.row.source.label,
        "d": each.dim,
        "n": each.n,
        "censored": each.censored,
        "n_ci_low": low,
        "n_ci_high": finite_or_none(high),
        "log_n_theorem_6": each.theorem_6,
        "log_order_theorem_3": each.order_theorem_3,
    }


def error_asked(run: SuiteRun) -> float:
    """Return the error in nats that the suite asks about."""
    return float(run.params["error"])


def _integration(rows: Sequence[Row], run: SuiteRun) -> Section:
    found = list(integration_errors(rows, _facts(run), _CONFIDENCE))
    records = [
        {
            "source": each.row.source.label,
            "estimator": each.row.estimator.label,
            "n": each.row.n,
            "n_mc": each.draws,
            "mse": each.mse,
            "mse_ci_low": each.low,
            "mse_ci_high": each.high,
            **each.bounds,
        }
        for each in found
    ]
    sources = dict.fromkeys(each.row.source.label for each in found)
    tables = [
        Table(
            ("estimator", "n", "n_MC", "squared error", *(f"{b} ≤" for b in _INTEGRATION)),
            [_integration_cells(each) for each in found if each.row.source.label == label],
            f"{label}: squared error of the integration alone, in nats^2, beside its bounds",
        )
        for label in sources
    ]
    return Section("integration", tables, records)


def _integration_cells(each: IntegrationError) -> tuple[str, ...]:
    return (
        each.row.estimator.label,
        f"{each.row.n}",
        f"{each.draws}",
        with_error(each.mse, (each.low, each.high), each.row.few_trials),
        *(number(each.bounds[name]) if name in each.bounds else "" for name in _INTEGRATION),
    )


def _capacities(rows: Sequence[Row], run: SuiteRun) -> Section:
    found = list(capacities_of(run.cases))
    records = [
        {
            "source": each.source.label,
            "information": each.information,
            "error": each.error,
            **{name: each.upper.get(name) for name in _CAPACITIES},
            "peak-limited, at least": each.attained,
        }
        for each in found
    ]
    table = Table(
        ("source", "I(S;S+Z)", "log k", "peak-limited capacity", "power-limited capacity"),
        [_capacity_cells(each) for each in found],
        "information beside what the channel can carry, in nats",
        gaps=False,
    )
    return Section("capacities", [table], records)


def _capacity_cells(each: Capacities) -> tuple[str, ...]:
    upper = {name: number(value) for name, value in each.upper.items()}
    peak = upper.get("peak-limited", "")
    if each.attained is not None:
        peak = f"{number(each.attained)} to {peak}"
    return (
        each.source.label,
        number(each.information),
        upper.get("log k", ""),
        peak,
        upper.get("power-limited", ""),
    )


def _leaderboard(rows: Sequence[Row], run: SuiteRun) -> Section:
    board = leaderboard(run)
    return Section("leaderboard", leaderboard_tables(board), leaderboard_records(board))


def _facts(run: SuiteRun) -> dict[Any, Any]:
    return {case.source: case.facts for case in run.cases}


TABLES: dict[str, Callable[[Sequence[Row], SuiteRun], Section]] = {
    "worst-case": _worst_case,
    "samples-for-error": _samples_for_error,
    "integration": _integration,
    "capacities": _capacities,
    "leaderboard": _leaderboard,
}
