"""Measure how often each verdict of entbench is wrong, by simulation, and print one table.

    python -m entbench.suites.timing.measure_verdicts [--scale 1] [--only compare,checks]

A row is a judge in a setting where its verdict is wrong if it finds something: equal estimators, a
bound that is met, a claim without an effect. What the judges find where there is something to find
is printed by their own scripts, ``verdicts_*``. A row fails where a judge that errs as often as is
promised would err so often in one run of a thousand. The whole takes hours; ``--scale 0.05``
minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from importlib import import_module

from entbench.suites.timing._verdicts import Verdict, print_table
from entbench.suites.timing.measure_numerical_error import processor

JUDGES = ("kit", "compare", "checks", "claims", "planner", "estimate")


def verdicts(scale: float = 1.0, judges: Sequence[str] = JUDGES) -> Iterator[Verdict]:
    """Yield the rows of all judges; `scale` times as many tries as by default."""
    for judge in judges:
        yield from import_module(f"{__package__}.verdicts_{judge}").verdicts(scale)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How often verdicts are wrong.")
    parser.add_argument("--scale", type=float, default=1.0, help="Of the numbers of tries.")
    parser.add_argument("--only", default=",".join(JUDGES), help="Judges, with commas.")
    asked = parser.parse_args()
    print(f"{processor()}\n")
    failed = print_table(verdicts(asked.scale, asked.only.split(",")))
    print(f"\n{failed} rows fail")


if __name__ == "__main__":
    main()
