"""``entbench bounds``: what theory says before any sample is drawn."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from entbench.cli._common import assignments, format_option, sample_size, show

if TYPE_CHECKING:
    from entbench.report import Table

_DEFAULTS = {"d": "5", "sigma": "0.1", "n": "1e2:1e6:log5"}
_KEYS = (*_DEFAULTS, "K")
_MOST_ROWS = 10_000


@dataclass(frozen=True)
class _Column:
    """A bound in nats: the function of `entbench.bounds`, of n, d, sigma and perhaps K."""

    name: str
    header: str
    note: str
    function: str
    upper: bool = True
    subgaussian: bool = False
    K: float | None = None

    def value(self, n: int, dim: int, sigma: float, K: float | None) -> float:
        """Return the bound; raise ValueError where the theorem does not reach."""
        from entbench import bounds as theory

        norm = K if self.subgaussian else self.K
        bound: float = getattr(theory, self.function)(n, dim, sigma, *([norm] if norm else []))
        return bound


_COLUMNS = (
    _Column(
        "risk_upper",
        "risk",
        "E|h - h_SP| of the plug-in is at most this for every S in the cube, every n; proved: "
        "sqrt(V/n) + log(1 + [(1 + sqrt(2/pi)/sigma)^d - 1]/n).",
        "plug_in_risk_bound",
    ),
    _Column(
        "theorem_4_upper",
        "thm 4",
        "the same quantity by Theorem 4 of Goldfeld et al. (2019), in a form proved for every n.",
        "plug_in_risk_theorem_4",
    ),
    _Column(
        "theorem_4_printed_upper",
        "thm 4*",
        "Theorem 4 as printed, eq. (12), least over epsilon, tail 2 sqrt(M)/n; an uncertain "
        "reading, for n sufficiently large: not to be cited.",
        "plug_in_risk_theorem_4_printed",
    ),
    _Column(
        "theorem_5_printed_upper",
        "thm 5*",
        "Theorem 5, eq. (14), for coordinates of moment norm 1, as in the cube; partly "
        "reconstructed, for n sufficiently large: not to be cited.",
        "plug_in_risk_theorem_5",
        K=1.0,
    ),
    _Column(
        "information_upper",
        "I(X;T)",
        "E|I(X;T) - I_SP| is at most this, n inputs and n samples for each, T = S+Z in a cube "
        "layer: Guarantee 3, 2 risk + d log(1 + 1/sigma^2)/(4 sqrt n); proved.",
        "information_risk_bound",
    ),
    _Column(
        "subgaussian_risk_upper",
        "subg",
        "E|h - h_SP| for every S of mean 0 with E exp(a.S) <= exp(K^2 |a|^2/2), every n; "
        "proved: {2u^2 sqrt(d(d+2)) + 5d K^2/sigma^2} u^(d/2) e^(3d/16)/sqrt n, "
        "u = 1/sqrt 2 + K/sigma.",
        "subgaussian_risk_bound",
        subgaussian=True,
    ),
    _Column(
        "subgaussian_bias_upper",
        "subg bias",
        "h - E h_SP for the same S, only if K < sigma/2; recalled, derived again: "
        "log(1 + [(1 - 4 K^2/sigma^2)^(-d/2) - 1]/n).",
        "subgaussian_bias_bound",
        subgaussian=True,
    ),
    _Column(
        "bias_lower",
        "bias >=",
        "some S in the cube gives the plug-in at least this bias h - E h_SP; proved: "
        "max_k d I_1(k) - E H(counts), k <= 200.",
        "worst_case_bias_bound",
        upper=False,
    ),
    _Column(
        "theorem_6_lower",
        "thm 6 >=",
        "the same by Theorem 6 of Goldfeld et al. (2019), eq. (16), best epsilon; proved; "
        "negative values say nothing.",
        "theorem_6_bias_bound",
        upper=False,
    ),
    _Column(
        "minimax_lower",
        "any >=",
        "whatever the estimator, some S in the cube makes its E|h - estimate| at least this; "
        "proved, by birthday collisions.",
        "minimax_risk_bound",
        upper=False,
    ),
)


def _complete_keys(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    return [CompletionItem(f"{key}=") for key in _KEYS if key.startswith(incomplete)]


@click.command()
@click.argument("tokens", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=_complete_keys)
@format_option
def bounds(tokens: Sequence[str], format_: str) -> None:
    """Print what theory says of the error, before any sample.

    KEY is d, sigma, n or K; VALUE a number, a list 100,1000 or a sweep 1e2:1e6:log5. Bounds are for
    every S in the cube [-1, 1]^d; with K also for K-subgaussian S. Values are in nats; an upper
    bound longer than the range of h(S+Z) is marked vacuous.
    """
    from entbench.report import Printout

    settings = _settings(assignments(tokens))
    columns = [c for c in _COLUMNS if settings["K"] != [None] or not c.subgaussian]
    cases = list(itertools.product(settings["d"], settings["sigma"], settings["K"]))
    if len(cases) * len(settings["n"]) > _MOST_ROWS:
        raise ValueError(
            f"a table may have at most {_MOST_ROWS} rows; got {len(cases) * len(settings['n'])}."
        )
    rows, tables = [], []
    for case in cases:
        made = [_row(n, *case, columns) for n in settings["n"]]
        rows += made
        tables.append(_table(made, columns))
    data = {"unit": "nats", "bounds": rows, "notes": {c.name: c.note for c in columns}}
    records = [_record(row) for row in rows]
    notes = [f"{c.header}: {c.note}" for c in columns] + _marks(rows)
    heading = "bounds on the error of h(S+Z) from n samples of S, in nats"
    show(Printout(data, records, tables, notes, heading), format_)


def _settings(given: dict[str, str]) -> dict[str, list[Any]]:
    """Return the values of every key, checked; K is [None] if it is not given."""
    from entbench._validation import check_integer, unknown_name
    from entbench.bounds._arguments import check_scale
    from entbench.runner import parse_sizes, parse_values

    for key in given:
        if key not in _KEYS:
            raise ValueError(unknown_name("parameter", key, _KEYS))
    texts = {**_DEFAULTS, **given}
    dims = parse_values("d", texts["d"])
    found: dict[str, list[Any]] = {
        "d": [check_integer("d", value, minimum=1) for value in dims],
        "sigma": [check_scale("sigma", v) for v in parse_values("sigma", texts["sigma"])],
        "K": [None],
        "n": sorted({check_integer("n", v, minimum=1) for v in parse_sizes(texts["n"])}),
    }
    if "K" in given:
        found["K"] = [check_scale("K", value) for value in parse_values("K", texts["K"])]
    return {key: list(dict.fromkeys(values)) for key, values in found.items()}


def _row(
    n: int, dim: int, sigma: float, K: float | None, columns: Sequence[_Column]
) -> dict[str, Any]:
    """Return one row's values; None where a bound does not hold or exceeds the floating range."""
    from entbench import bounds as theory

    length = theory.trivial_range(dim, sigma)
    setting = {"d": dim, "sigma": sigma, **({} if K is None else {"K": K}), "n": n}
    values: dict[str, float | None] = {}
    vacuous = []
    for column in columns:
        try:
            value = column.value(n, dim, sigma, K)
        except ValueError:  # the setting is valid, the theorem does not reach it
            values[column.name] = None
            continue
        values[column.name] = value if math.isfinite(value) else None
        if column.upper and value > _length(column, length, dim, sigma, K):
            vacuous.append(column.name)
    return {**setting, "range": length, **values, "vacuous": vacuous}


def _length(column: _Column, length: float, dim: int, sigma: float, K: float | None) -> float:
    """Return the range of what the column bounds an error of."""
    from entbench import bounds as theory

    if not column.subgaussian or K is None:
        return length
    return theory.power_limited_capacity(dim, sigma, K**2)


def _record(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "vacuous": " ".join(row["vacuous"])}


def _table(rows: Sequence[dict[str, Any]], columns: Sequence[_Column]) -> Table:
    from entbench.report import Table

    first = rows[0]
    label = ", ".join(f"{key}={first[key]:.6g}" for key in ("d", "sigma", "K") if key in first)
    return Table(
        headers=("n", *(column.header for column in columns)),
        rows=[(sample_size(row["n"]), *(_cell(row, c.name) for c in columns)) for row in rows],
        title=f"{label}: in the cube h(S+Z) has a range of {_number(first['range'])} nats",
        gaps=False,
        aside=sum(not column.upper for column in columns),
        aside_title="lower bounds, beside the sharpest upper one",
        left=0,
    )


def _cell(row: dict[str, Any], name: str) -> str:
    if name in row["vacuous"]:
        return "vacuous"
    return "-" if row[name] is None else _number(row[name])


def _marks(rows: Sequence[dict[str, Any]]) -> list[str]:
    notes = []
    if any(row["vacuous"] for row in rows):
        notes.append(
            "vacuous: above the range of h(S+Z), or of I(S; S+Z), so that a guess is as good; the "
            "value is in --format json and csv."
        )
    if any(row[key] is None and key not in row["vacuous"] for row in rows for key in row):
        notes.append("-: does not hold for this setting (n too small, or K too large).")
    return notes


def _number(value: float) -> str:
    if value == 0.0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:.0f}"
    return f"{value:.1e}"
