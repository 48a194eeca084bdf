"""``entbench bounds``: what theory says before any sample is drawn."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from entbench.cli._common import assignments, format_option, sample_size, show

if TYPE_CHECKING:
    from entbench._theorem import Theorem
    from entbench.report import Table

_DEFAULTS = {"d": "5", "sigma": "0.1", "n": "1e2:1e6:log5"}
_KEYS = (*_DEFAULTS, "K")
_MOST_ROWS = 10_000


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
    from entbench.bounds import theorems_of
    from entbench.report import Printout

    settings = _settings(assignments(tokens))
    columns = theorems_of("cube", *(() if settings["K"] == [None] else ("subgaussian",)))
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
    notes = [f"{c.class_header}: {c.note}" for c in columns] + _marks(rows)
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
    n: int, dim: int, sigma: float, K: float | None, columns: Sequence[Theorem]
) -> dict[str, Any]:
    """Return one row's values; None where a bound does not hold or exceeds the floating range."""
    from entbench._base import SourceFacts
    from entbench.bounds import range_of, says_nothing

    cube = SourceFacts(dim, sigma, in_unit_cube=True)
    classes = {"cube": cube, "subgaussian": SourceFacts(dim, sigma, subgaussian_constant=K)}
    setting = {"d": dim, "sigma": sigma, **({} if K is None else {"K": K}), "n": n}
    values: dict[str, float | None] = {}
    vacuous = []
    for column in columns:
        facts = classes[column.in_class]
        value = column.function(n, facts)
        values[column.name] = value if value is not None and math.isfinite(value) else None
        if value is not None and column.side == "upper" and says_nothing(column, value, facts):
            vacuous.append(column.name)
    return {**setting, "range": range_of(cube), **values, "vacuous": vacuous}


def _record(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "vacuous": " ".join(row["vacuous"])}


def _table(rows: Sequence[dict[str, Any]], columns: Sequence[Theorem]) -> Table:
    from entbench.report import Table

    first = rows[0]
    label = ", ".join(f"{key}={first[key]:.6g}" for key in ("d", "sigma", "K") if key in first)
    return Table(
        headers=("n", *(column.class_header for column in columns)),
        rows=[(sample_size(row["n"]), *(_cell(row, c.name) for c in columns)) for row in rows],
        title=f"{label}: in the cube h(S+Z) has a range of {_number(first['range'])} nats",
        gaps=False,
        aside=sum(column.side == "lower" for column in columns),
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
