"""Simulate how often `estimate` is wrong that estimates differ, or that they agree.

    python -m entbench.suites.timing.verdicts_estimate
    python -m entbench.suites.timing.verdicts_estimate --scale 0.1

The first rows are of means whose errors, two thirds of the variance in common, have six laws. The
estimates tell what single samples add, or are refitted without groups of rows. The last rows are of
entropies: of two that are nearly equal, and of three that are far apart, among them `sp` on a
Laplace law with few samples.
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from entbench._agreement import Difference, Spread, standard_error_of_difference, verdict
from entbench._base import Influences
from entbench._comparison import DEFAULT_GROUPS, Wanted, compare_estimates
from entbench.suites.timing._verdicts import LAWS, Draw, Verdict, print_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TRIES, SLOW_TRIES = 2000, 200
SIZES = (200, 1000)
COMMON = 2.0 / 3.0
APART = 3.0  # standard errors of the difference
MARGIN = 4.0  # likewise
MOST_WRONG, MOST_MISSED = 0.05, 0.2


def _spread(values: Floats, refitted: bool) -> Spread:
    """Return the scatter of the mean of some values."""
    n = len(values)
    error = float(values.std(ddof=1)) / math.sqrt(n)
    if not refitted:
        return Spread(error, 0.0, n, Influences(np.arange(n), values))
    groups = np.array_split(values, DEFAULT_GROUPS)
    refits = np.array([(values.sum() - g.sum()) / (n - len(g)) for g in groups])
    return Spread(error, 0.0, n, None, refits, n)


def differences(
    draw: Draw, n: int, estimates: int, refitted: bool, rng: np.random.Generator
) -> tuple[list[tuple[int, int]], list[Difference]]:
    """Return pairs of means of n numbers, the true ones 0, and their differences."""
    values = math.sqrt(1.0 - COMMON) * draw((estimates, n), rng)
    values += math.sqrt(COMMON) * draw((n,), rng)
    spreads = [_spread(row, refitted) for row in values]
    pairs = list(combinations(range(estimates), 2))
    found = []
    for i, j in pairs:
        error, freedom = standard_error_of_difference(spreads[i], spreads[j])
        found.append(Difference(float(values[i].mean() - values[j].mean()), error, freedom))
    return pairs, found


def _of_means(name: str, n: int, refitted: bool, tries: int) -> Iterator[Verdict]:
    """Yield verdicts on two means, equal or not, and on five equal ones."""
    rng = np.random.default_rng([n, list(LAWS).index(name), refitted])
    error = math.sqrt(2.0 * (1.0 - COMMON) / n)
    differ = missed = agree = family = 0
    for _ in range(tries):
        (one,) = differences(LAWS[name], n, 2, refitted, rng)[1]
        differ += verdict([one], 0.0) == "differ"
        apart = one._replace(value=one.value + APART * error)
        missed += verdict([apart], 0.0) != "differ"
        at_margin = one._replace(value=one.value + MARGIN * error)
        agree += verdict([at_margin], MARGIN * error) == "agree"
        five = differences(LAWS[name], n, 5, refitted, rng)[1]
        family += verdict(five, 0.0) == "differ"
    by = "refits" if refitted else "influences"
    setting = f"{name}, n = {n}, by {by}"
    yield Verdict("estimate", f"2 equal, {setting}: differ", differ, tries, MOST_WRONG)
    yield Verdict("estimate", f"5 equal, {setting}: differ", family, tries, MOST_WRONG)
    yield Verdict("estimate", f"apart by the margin, {setting}: agree", agree, tries, MOST_WRONG)
    yield Verdict("estimate", f"apart by 3 s.e., {setting}: not found", missed, tries, MOST_MISSED)


def _of_entropies(tries: int) -> Iterator[Verdict]:
    """Yield verdicts on entropies of normal and Laplace laws."""
    near = [Wanted("kl", {"k": k}, f"k={k}") for k in (3, 6)]
    differ = 0
    for seed in range(tries):
        samples = np.random.default_rng([3, seed]).standard_normal((500, 1))
        differ += bool(compare_estimates(samples, near, groups=0, margin=1e-9).findings)
    yield Verdict("estimate", "kl, k = 3 and 6, normal law: differ", differ, tries, MOST_WRONG)
    far = [Wanted(name, {}, name) for name in ("sp", "kl", "kde")]
    for dim, n in ((1, 100), (2, 400)):
        agree = 0
        for seed in range(tries // 10):
            samples = np.random.default_rng([4, dim, seed]).laplace(size=(n, dim))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that n is small
                found = compare_estimates(samples, far, sigma=0.1).agreement
            agree += found.verdict == "agree" and "sp" in found.labels
        setting = f"sp among others, Laplace, d = {dim}, n = {n}: agree"
        yield Verdict("estimate", setting, agree, max(1, tries // 10), MOST_WRONG)


def verdicts(scale: float = 1.0) -> Iterator[Verdict]:
    """Yield how often verdicts are wrong."""
    for refitted in (False, True):
        for n in SIZES:
            for name in LAWS:
                yield from _of_means(name, n, refitted, max(10, round(TRIES * scale)))
    yield from _of_entropies(max(10, round(SLOW_TRIES * scale)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="Of the numbers of tries.")
    print_table(verdicts(parser.parse_args().scale))


if __name__ == "__main__":
    main()
