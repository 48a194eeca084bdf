"""Measure how often each verdict of entbench is wrong, by simulation, and print one table.

    python -m entbench.suites.timing.measure_verdicts [--scale 1] [--only compare,checks]

A row is a judge in a setting where its verdict is wrong if it finds something: equal estimators, a
bound that is met, a claim without an effect. What the judges find where there is something to find
is printed by their own scripts, ``verdicts_*``. A row fails where a judge that errs as often as is
promised would err so often in one run of a thousand. A second table has the worst row of every
judge and promise. The whole takes hours; ``--scale 0.05`` minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module

from entbench.suites.timing._verdicts import Verdict, print_table
from entbench.suites.timing.measure_numerical_error import processor

JUDGES = ("kit", "compare", "checks", "claims", "planner", "estimate")


def verdicts(scale: float = 1.0, judges: Sequence[str] = JUDGES) -> Iterator[Verdict]:
    """Yield the rows of all judges; `scale` times as many tries as by default."""
    for judge in judges:
        yield from import_module(f"{__package__}.verdicts_{judge}").verdicts(scale)


def worst(found: Sequence[Verdict]) -> Iterator[str]:
    """Yield the lines of a table with the worst row of every judge and promise."""
    yield "| judge | settings | tries | wrong in the worst | where | promised |"
    yield "| :-- | --: | --: | --: | :-- | --: |"
    rows: dict[tuple[str, float], list[Verdict]] = {}
    for one in found:
        rows.setdefault((one.judge, one.most), []).append(one)
    for (judge, most), alike in rows.items():
        tries = sum(one.tries for one in alike)
        last = max(alike, key=lambda one: one.wrong / one.tries)
        share = f"{last.wrong} of {last.tries}"
        where = last.setting if last.wrong else ""
        yield f"| {judge} | {len(alike)} | {tries:,} | {share} | {where} | <= {100 * most:g} % |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="How often verdicts are wrong.")
    parser.add_argument("--scale", type=float, default=1.0, help="Of the numbers of tries.")
    parser.add_argument("--only", default=",".join(JUDGES), help="Judges, with commas.")
    asked = parser.parse_args()
    print(f"{processor()}\n")
    found: list[Verdict] = []
    failed = print_table(_kept(verdicts(asked.scale, asked.only.split(",")), found))
    print(f"\n{failed} rows fail\n")
    print("\n".join(worst(found)))


def _kept(verdicts: Iterable[Verdict], found: list[Verdict]) -> Iterator[Verdict]:
    """Pass verdicts on, and keep them."""
    for one in verdicts:
        found.append(one)
        yield one


if __name__ == "__main__":
    main()
