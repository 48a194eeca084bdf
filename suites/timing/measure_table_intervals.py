"""Measure how often the intervals of the tables hold, and print tables.

    python -m entbench.suites.timing.measure_table_intervals [--runs 4000] [--only TEXT]

The first table is of the 95 % intervals of bias, MAE and RMSE (`entbench.report._intervals`) for
errors of known laws, beside Student's t; a cell has the shares of runs that the three cover.
The second has their lengths for normal errors over those of Student's t, medians, and where the
interval of RMSE ends over RMSE. The third counts how often an interval at the confidence of checks
misses the mean, in 10,000; the fourth how often points on a line are called no line. Asked are 92 %
of 4,000 for the laws marked *, at 5 trials and more. About 8 minutes on one core.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.integrate import quad
from scipy.special import chdtri, stdtrit

from entbench.report._intervals import (
    CHECK_CONFIDENCE,
    mae_interval,
    mean_interval,
    rmse_interval,
)
from entbench.report._statistics import line_through
from entbench.suites.timing.measure_numerical_error import processor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RUNS = 4000
ASKED = 0.92
TRIALS = (3, 4, 5, 6, 8, 10, 20, 50)
HALF_E = math.exp(0.5)


class Law(NamedTuple):
    """A law of errors, as a function of a standard normal variable.

    Attributes
    ----------
    name : str
        Of the table; those with a star are asked for.
    of : callable
        Takes standard normal values.
    kinks : tuple of float
        Where the error changes its sign, and other places for the quadrature to know.
    """

    name: str
    of: Callable[[Floats], Floats]
    kinks: tuple[float, ...] = ()

    def mean(self, power: Callable[[float], float]) -> float:
        """Return the mean of a function of the error, by quadrature."""
        ends = [-12.0, *self.kinks, 12.0]

        def part(z: float) -> float:
            return power(float(self.of(np.array(z)))) * math.exp(-0.5 * z * z)

        total = sum(quad(part, low, high, limit=200)[0] for low, high in itertools.pairwise(ends))
        return float(total) / math.sqrt(2.0 * math.pi)


LAWS = (
    Law("normal*", lambda z: z, (0.0,)),
    Law("normal + 1", lambda z: z + 1.0, (-1.0,)),
    Law("normal + 10", lambda z: z + 10.0, (-10.0,)),
    Law("chi-square(1)*", lambda z: z**2, (0.0,)),
    Law("chi-square(1) - 1*", lambda z: z**2 - 1.0, (-1.0, 0.0, 1.0)),
    Law("chi-square(1) - 10", lambda z: z**2 - 10.0, (-math.sqrt(10.0), 0.0, math.sqrt(10.0))),
    Law("log-normal(1)*", lambda z: np.exp(z)),
    Law("log-normal(1) less its mean", lambda z: np.exp(z) - HALF_E, (0.5,)),
)


def students(values: Floats) -> tuple[float, float]:
    """Return Student's interval of 95 % for a mean."""
    count = len(values)
    half = float(stdtrit(count - 1, 0.975) * values.std(ddof=1)) / math.sqrt(count)
    return float(values.mean()) - half, float(values.mean()) + half


def students_of(errors: Floats) -> list[tuple[float, float]]:
    """Return Student's intervals for bias and MAE, and the root of that of the mean square."""
    low, high = students(errors**2)
    root = math.sqrt(max(low, 0.0)), math.sqrt(high)
    return [students(errors), students(np.abs(errors)), root]


def ours_of(errors: Floats) -> list[tuple[float, float]]:
    """Return the intervals of the tables for bias, MAE and RMSE."""
    found = mean_interval(errors), mae_interval(errors), rmse_interval(errors)
    return [interval for interval in found if interval is not None]


def truths(law: Law) -> list[float]:
    """Return bias, MAE and RMSE of a law."""
    return [law.mean(lambda e: e), law.mean(abs), math.sqrt(law.mean(lambda e: e * e))]


def shares(found: list[list[tuple[float, float]]], truth: list[float]) -> list[float]:
    """Return how often each of the intervals holds."""
    every = np.array(found)
    held = (every[:, :, 0] <= truth) & (np.array(truth) <= every[:, :, 1])
    return [float(share) for share in held.mean(axis=0)]


def print_coverage(runs: int, only: str) -> None:
    """Print how often intervals of 95 % hold."""
    print("| law | trials | bias, MAE, RMSE | by Student's t | |")
    print("| :-- | --: | --: | --: | :-- |")
    for place, law in enumerate(LAWS):
        if only not in law.name:
            continue
        truth = truths(law)
        for trials in TRIALS:
            rng = np.random.default_rng([place, trials])
            draws = law.of(rng.standard_normal((runs, trials)))
            ours = shares([ours_of(row) for row in draws], truth)
            plain = shares([students_of(row) for row in draws], truth)
            asked = law.name.endswith("*") and trials >= 5
            verdict = ("ok" if min(ours) >= ASKED else "TOO FEW") if asked else ""
            cells = [", ".join(f"{share:.1%}" for share in each) for each in (ours, plain)]
            print(f"| {law.name} | {trials} | {cells[0]} | {cells[1]} | {verdict} |", flush=True)


def print_lengths(runs: int) -> None:
    """Print the lengths of the intervals for normal errors."""
    print("\n| trials | bias | MAE | RMSE | RMSE ends at | from exact law |")
    print("| --: | --: | --: | --: | --: | --: |")
    for trials in TRIALS:
        rng = np.random.default_rng([7, trials])
        draws = rng.standard_normal((runs, trials))
        ours = np.array([ours_of(row) for row in draws])
        plain = np.array([students_of(row) for row in draws])
        ratio = np.median(np.diff(ours)[..., 0], axis=0) / np.median(np.diff(plain)[..., 0], axis=0)
        ends = float(np.median(ours[:, 2, 1] / np.sqrt(np.mean(draws**2, axis=1))))
        print(
            f"| {trials} | {' | '.join(f'{each:.2f}' for each in ratio)} | {ends:.2f}"
            f" | {_exact_end(trials):.2f} |",
            flush=True,
        )


def _exact_end(trials: int) -> float:
    """Return where the exact interval of the deviation of normal errors ends, over RMSE."""
    return math.sqrt(trials / float(chdtri(trials, 0.975)))


def print_checks(runs: int) -> None:
    """Print how many intervals at the confidence of checks miss the mean, of 10,000."""
    print("\n| law | trials | intervals | misses in 10,000: ours | Student's t |")
    print("| :-- | --: | --: | --: | --: |")
    upper = 0.5 + 0.5 * CHECK_CONFIDENCE
    for place, law in enumerate(LAWS):
        if not law.name.endswith("*"):
            continue
        truth = law.mean(lambda e: e)
        for trials in (3, 5, 10, 20, 50):
            rng = np.random.default_rng([11, place, trials])
            draws = law.of(rng.standard_normal((25 * runs, trials)))
            away = np.abs(draws.mean(axis=1) - truth)
            t = float(stdtrit(trials - 1, upper)) / math.sqrt(trials)
            beyond = away > t * draws.std(axis=1, ddof=1)
            # the arms are nowhere shorter than Student's: only these can miss
            missed = sum(_misses(row, truth) for row in draws[beyond])
            counts = [f"{1e4 * float(each) / len(draws):.2g}" for each in (missed, beyond.sum())]
            print(f"| {law.name} | {trials} | {len(draws)} | {' | '.join(counts)} |", flush=True)


def _misses(row: Floats, truth: float) -> bool:
    interval = mean_interval(row, 0.0, CHECK_CONFIDENCE)
    return interval is not None and not interval[0] <= truth <= interval[1]


def print_lines(runs: int) -> None:
    """Print how often points on a line are called no line, and points on a bent one."""
    print("\n| errors | points | trials | on a line, called none | error doubles at the last n |")
    print("| :-- | --: | --: | --: | --: |")
    for place, law in enumerate(LAWS):
        if law.name not in ("normal*", "normal + 10", "chi-square(1)*", "log-normal(1)*"):
            continue
        for points in (3, 5, 9):
            x = np.log(np.geomspace(100.0, 10_000.0, points))
            for trials in (3, 4, 5, 10, 20):
                rng = np.random.default_rng([13, place, points, trials])
                shape = (runs, points, trials)
                draws = np.abs(law.of(rng.standard_normal(shape)))
                line = [_is_none(x, each) for each in draws]
                draws[:, -1] *= 2.0
                bent = [_is_none(x, each) for each in draws]
                print(
                    f"| {law.name.rstrip('*')} | {points} | {trials} | {np.mean(line):.2%}"
                    f" | {np.mean(bent):.0%} |",
                    flush=True,
                )


def _is_none(x: Floats, absolute: Floats) -> bool:
    """Tell whether errors that do not depend on n are called no line, as `slope_of` does."""
    trials = absolute.shape[1]
    mean = absolute.mean(axis=1)
    errors = absolute.std(axis=1, ddof=1) / math.sqrt(trials) / mean
    return not line_through(
        list(x), list(np.log(mean)), list(errors), [trials - 1.0] * len(x)
    ).is_line


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=RUNS, help="runs of a setting")
    parser.add_argument("--only", default="", help="laws with this text, in the first table alone")
    asked = parser.parse_args()
    print(f"{processor()}, one thread\n")
    print_coverage(asked.runs, asked.only)
    if asked.only:
        return
    print_lengths(asked.runs)
    print_checks(asked.runs)
    print_lines(asked.runs)


if __name__ == "__main__":
    main()
