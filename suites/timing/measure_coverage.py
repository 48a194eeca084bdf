"""Measure how often stated intervals hold the truth, and print the table of the docs.

    python -m entbench.suites.timing.measure_coverage [--trials 400] [--jobs 2] [--n 100,1000,10000]

All sources of `known-truth` for h(S+Z), and those of `mutual-information` with Gaussian noise for
I(X;Y). A row is an estimator on a source at one n; where fits take less than 50 ms it goes on to
1,000 trials. It fails where sound intervals would hold the truth so rarely with a probability of
0.05 over the number of rows; all rows of an estimator together must hold it as often as stated,
less half a point. `sp-miller-madow` and `sp-loo` state the interval of `sp`. The median width is at
most ``(hLOO - hSP) + 4.5 (SE_lo + SE_hi)`` by construction: arms are at most 3.4 standard errors.
Below stand laws with a mass that no sample need show, which no interval can promise anything of.

Results are kept in a store, so that more trials go on where fewer ended: 400 of n = 100 and 1000
take an hour on two cores, of n = 10,000 some five.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.special import bdtr

from entbench import _registry
from entbench.mixture import gaussian_entropy
from entbench.report._coverage import Coverage, coverage_of
from entbench.report._statistics import Row, rows_of
from entbench.runner import run_plan
from entbench.runner._plan import make_plan
from entbench.runner._store import Store
from entbench.runner._suite import Suite, load_suite, override
from entbench.suites.timing.measure_numerical_error import processor

ENTROPY = ("sp", "sp-jackknife")
INFORMATION = ("sp-mi",)
SIZES = (100, 1000, 10_000)
TRIALS, FAST_TRIALS, FAST_SECONDS = 400, 1000, 0.05
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
    rows: list[Row] = []
    with Store(store) as opened:
        for name, known in (("known-truth", ENTROPY), ("mutual-information", INFORMATION)):
            chosen = [one for one in known if not only or one in only]
            if chosen:
                asked = override(
                    load_suite(name), {"n": list(sizes)}, estimators=chosen, trials=trials
                )
                rows += [_longer(row, asked, opened, jobs) for row in _rows(asked, opened, jobs)]
    found = [one for row in rows if (one := coverage_of(row)) and one.stated]
    return [Judged(one, one.chance >= CHANCE / len(found)) for one in found]


def _rows(suite: Suite, store: Store, jobs: int) -> list[Row]:
    return rows_of(run_plan(make_plan(suite, store), store, jobs=jobs))


def _longer(row: Row, suite: Suite, store: Store, jobs: int) -> Row:
    """Return the row, with more trials if its fits are fast."""
    if row.trials < TRIALS or row.seconds is None or row.seconds >= FAST_SECONDS:
        return row
    alone = replace(
        suite,
        sources=tuple(one for one in suite.sources if one[0] == row.source.name),
        estimators=tuple(one for one in suite.estimators if one[0] == row.estimator.name),
        n=(row.n,),
        trials=FAST_TRIALS,
    )
    (found,) = _rows(alone, store, jobs)
    return found


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
