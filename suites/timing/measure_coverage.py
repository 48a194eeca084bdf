"""Measure how often stated intervals hold the truth, and print the table of the docs.

    python -m entbench.suites.timing.measure_coverage [--trials 400] [--jobs 2] [--n 100,1000,10000]

All sources of `known-truth` for h(S+Z), and those of `mutual-information` with Gaussian noise for
I(X;Y). A row is an estimator on a source at one n. It fails where sound intervals would hold the
truth so rarely with a probability of 0.05 over the number of rows; all rows of an estimator
together must hold it as often as stated, less half a point. The median width must be at most
``(hLOO - hSP) + 4.5 (SE_lo + SE_hi)``, which Student's quantile leaves much room to. Below stand
laws with a mass that no sample need show, which no interval can promise anything of.

Results are kept in a store, so that more trials go on where fewer ended: 400 of all take some two
hours on two cores, of n = 100 and 1000 half an hour.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.special import bdtr

from entbench import _registry
from entbench.mixture import gaussian_entropy
from entbench.report._coverage import Coverage, coverage_of
from entbench.report._statistics import rows_of
from entbench.runner import run_suite
from entbench.suites.timing.measure_numerical_error import processor

ENTROPY = ("sp", "sp-jackknife", "sp-miller-madow", "sp-loo", "sp-monte-carlo")
INFORMATION = ("sp-mi",)
SIZES = (100, 1000, 10_000)
TRIALS = 400
# Chance that any of the rows of sound intervals fails; points that all of them together may lack.
CHANCE, POOLED = 0.05, 0.005


class Judged(NamedTuple):
    """A row, and whether it passes."""

    coverage: Coverage
    passes: bool


def measure(
    trials: int, jobs: int, sizes: Sequence[int], store: Path, only: Sequence[str] = ()
) -> list[Judged]:
    """Run the suites, or what is missing of them, and judge every row that states intervals."""
    found = []
    for suite, names in (("known-truth", ENTROPY), ("mutual-information", INFORMATION)):
        chosen = [name for name in names if not only or name in only]
        if chosen:
            run = run_suite(
                suite,
                {"n": list(sizes)},
                estimators=chosen,
                trials=trials,
                jobs=jobs,
                store=store,
            )
            found += [one for row in rows_of(run) if (one := coverage_of(row)) and one.stated]
    return [Judged(one, one.chance >= CHANCE / len(found)) for one in found]


def tables(judged: Sequence[Judged]) -> Iterator[str]:
    """Yield the rows, and the estimators over all of their rows, as Markdown."""
    yield "| estimator | source | n | held | 95 % CI | median width | SE / SD | |"
    yield "| :-- | :-- | --: | --: | --: | --: | --: | :-- |"
    for one, passes in judged:
        row = one.row
        interval = f"{100 * one.low:.0f} - {100 * one.high:.0f} %"
        yield (
            f"| {row.estimator.label} | {row.source.label} | {row.n} | {one.held}/{one.stated} | "
            f"{interval} | {one.median_width:.3g} | {one.ratio:.2f} | {'' if passes else 'FAIL'} |"
        )
    yield ""
    yield "| estimator | rows | held | share | asked | rows that fail | |"
    yield "| :-- | --: | --: | --: | --: | --: | :-- |"
    for name in dict.fromkeys(one.coverage.row.estimator.label for one in judged):
        rows = [one for one in judged if one.coverage.row.estimator.label == name]
        held = sum(one.coverage.held for one in rows)
        stated = sum(one.coverage.stated for one in rows)
        least = rows[0].coverage.confidence - POOLED
        failing = sum(not one.passes for one in rows)
        verdict = "pass" if held / stated >= least and not failing else "FAIL"
        yield (
            f"| {name} | {len(rows)} | {held}/{stated} | {100 * held / stated:.1f} % | "
            f">= {100 * least:.1f} % | {failing} | {verdict} |"
        )


def unseen(trials: int) -> Iterator[str]:
    """Yield how often `sp` holds the truth of a point and an atom of 1e-3 far from it."""
    yield "| n | mass of the atom | held |"
    yield "| --: | --: | --: |"
    mass, sigma, dim = 1e-3, 0.1, 1
    truth = gaussian_entropy(dim, sigma) - mass * np.log(mass) - (1.0 - mass) * np.log1p(-mass)
    for n in (100, 300, 1000, 3000, 10_000):
        held = 0
        for trial in range(trials):
            rng = np.random.default_rng([n, trial])
            signal = 10.0 * (rng.random((n, dim)) < mass)
            model: Any = _registry.make_estimator("sp", {}, sigma=sigma, random_state=trial)
            interval = model.fit(signal).interval_
            held += interval is not None and interval.holds(truth)
        lack = f"{bdtr(0, n, mass):.0%} of samples lack it"
        yield f"| {n} | {mass * n:g}/n | {100 * held / trials:.0f} % ({lack}) |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Coverage of stated intervals.")
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--n", default=",".join(map(str, SIZES)))
    parser.add_argument("--only", default="", help="Estimators, by name, with commas.")
    parser.add_argument("--store", type=Path, default=Path("coverage.sqlite"))
    asked = parser.parse_args()
    sizes = [int(n) for n in asked.n.split(",")]
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`X` has")
        only = [name for name in asked.only.split(",") if name]
        judged = measure(asked.trials, asked.jobs, sizes, asked.store, only)
        print(f"{processor()}, {asked.jobs} processes, {asked.trials} trials\n")
        print("\n".join(tables(judged)), end="\n\n")
        print("\n".join(unseen(min(asked.trials, 400))))
    print(f"\n{time.perf_counter() - start:.0f} seconds")


if __name__ == "__main__":
    main()
