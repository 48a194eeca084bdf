"""Simulate how often the checks of suites are wrong, and what they find, and print two tables.

    python -m entbench.suites.timing.verdicts_checks [--scale 1]

A run has 30 rows, of which every one is exactly on its bound; it is wrong where any of them is
called violated. One in 1000 runs may be.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import entr, xlogy
from scipy.stats import binom

from entbench import bounds
from entbench._base import SourceFacts
from entbench.report._chance import (
    error_quantile,
    evidence,
    found_factor,
    largest_deviation,
    least_mean,
    plug_in_arm,
    shortfall,
    unseen_entropy,
)
from entbench.report._coverage import FALSE_ALARM
from entbench.report._intervals import mean_interval, mean_square_interval
from entbench.report._worst_case import HardPair
from entbench.suites.timing._verdicts import LAWS, Verdict, print_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ROWS, TRIALS, N = 30, (3, 5, 10, 20), 100
RUNS = 20_000
_CHUNK = 1000
# Standard deviation of an estimate over the largest that sp can have: at n = 30 and 100 that of sp
# is 0.03 (bpsk) to 0.45 (laplace) on 12 sources of the suites, 0.2 in the middle.
SCATTER = 0.4
_USUAL, _FEW = 0.2, 10
_FACTS = SourceFacts(1, 0.1, True)
_ATOM_DISTANCE = 32.0  # divergence in nats of two atoms 8 sigma apart
# standard errors of sp over its scatter, at least
_SMALLEST = 0.86
Sample = Callable[[tuple[int, ...], np.random.Generator], "Floats"]
# of errors and their standard errors
Pairs = Callable[[tuple[int, ...], np.random.Generator], "tuple[Floats, Floats]"]


def verdicts(scale: float = 1.0) -> Iterator[Verdict]:
    """Yield how often runs are called violated whose rows are all on their bounds."""
    for trials in TRIALS:
        for name, law in LAWS.items():
            yield _row("mean of sp", name, trials, scale, _sums(law), _sp_is_wrong, 1.0)
            yield _row("mean of sp-loo", name, trials, scale, law, _loo_is_wrong)
            yield _row("square of an integral", name, trials, scale, law, _squares_are_wrong)
            yield _shown(name, trials, 0.25 * scale, N, _contributions(law))
        for n, share in ((N, 0.5), (N, 0.01), (10_000, 0.1), (10_000, 0.001), (10_000, 1e-4)):
            name = f"two atoms, 1 in {1.0 / share:g}, n={n}"
            yield _shown(name, trials, scale, n, _counted(n, share))
        for name, (plug_in, loo) in _ATOMS.items():
            yield _row("mean of sp", name, trials, scale, plug_in, _sp_is_wrong, 1.0)
            if loo is not None:
                yield _row("mean of sp-loo", name, trials, scale, loo, _loo_is_wrong, 1.0)
        yield _row("each trial", "normal", trials, scale, LAWS["normal"], _trials_are_wrong)
        yield _row("two hard laws", "0 or 1 gap", trials, scale, _coins, _pairs_are_wrong, 1.0)


def _row(
    what: str,
    name: str,
    trials: int,
    scale: float,
    law: Sample,
    wrong: Callable[[Floats, float], NDArray[np.bool_]],
    scatter: float = SCATTER,
) -> Verdict:
    """Simulate runs; `wrong` takes errors of shape (runs, rows, trials) and the level of a row."""
    rng = np.random.default_rng([trials, len(what), len(name)])
    tries, count = max(1, round(scale * RUNS / _CHUNK)), 0
    size = min(_CHUNK, max(1, round(scale * RUNS)))
    width = 1.0 if scatter == 1.0 else scatter * bounds.plug_in_concentration(N)
    for _ in range(tries):
        errors = width * law((size, ROWS, trials), rng)
        count += int(np.sum(wrong(errors, FALSE_ALARM / ROWS).any(axis=1)))
    setting = f"{what}, {name}, {trials} trials"
    return Verdict("checks", setting, count, tries * size, FALSE_ALARM)


def _shown(name: str, trials: int, scale: float, n: int, draw: Pairs) -> Verdict:
    """Simulate means of sp whose standard errors are as small as they were found to be."""
    rng = np.random.default_rng([trials, n, len(name)])
    tries, count = max(1, round(scale * RUNS / _CHUNK)), 0
    size = min(_CHUNK, max(1, round(scale * RUNS)))
    for _ in range(tries):
        errors, standard = draw((size, ROWS, trials), rng)
        level = 0.5 * FALSE_ALARM / ROWS
        arm = plug_in_arm(n, np.zeros_like(errors), _SMALLEST * standard, level, _FACTS)
        count += int(np.sum((np.abs(errors.mean(axis=-1)) > arm).any(axis=-1)))
    setting = f"mean of sp with standard errors, {name}, {trials} trials"
    return Verdict("checks", setting, count, tries * size, FALSE_ALARM)


def _contributions(law: Sample) -> Pairs:
    """Return errors of sp to which 100 samples add, in nats, and their standard errors.

    See `_sums`: the same cut of the law.
    """
    low, mean = _cut(law)
    width = SCATTER * bounds.plug_in_concentration(N) / math.sqrt(N)

    def of(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[Floats, Floats]:
        total, squares = np.zeros(shape), np.zeros(shape)
        for _ in range(N):
            part = np.clip(law(shape, rng), low, low + 2.0 / SCATTER) - mean
            total += part
            squares += part**2
        variance = np.maximum(squares - total**2 / N, 0.0) / (N - 1.0)
        return width * total, width * np.sqrt(N * variance)

    return of


def _counted(n: int, share: float) -> Pairs:
    """Return errors of sp, less their mean, and standard errors, of two far atoms by their counts.

    To first order: a sample adds ``-log`` of the share of its atom.
    """
    counts = np.arange(n + 1.0)
    shares = np.stack([counts, n - counts]) / n
    entropies = entr(shares).sum(axis=0)
    spread = np.maximum(xlogy(-entr(shares), shares).sum(axis=0) - entropies**2, 0.0)
    errors = entropies - binom.pmf(counts, n, share) @ entropies
    standard = np.sqrt(spread / n)

    def of(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[Floats, Floats]:
        drawn = rng.binomial(n, share, shape)
        return np.asarray(errors[drawn]), np.asarray(standard[drawn])

    return of


def _sp_is_wrong(errors: Floats, level: float) -> NDArray[np.bool_]:
    """Return whether a mean is beyond either bound, of which both are at 0."""
    arm = largest_deviation(1.0, errors.shape[-1], 0.5 * level)
    return np.asarray(np.abs(errors.mean(axis=-1)) > arm)


def _sums(law: Sample) -> Sample:
    """Return errors of sp, in its largest deviation, where each of 10 samples adds of that law.

    One sample adds no more than it can: the law is cut where its values would differ by more. Their
    standard deviation is a fifth of that before, so that of an error is 0.4.
    """
    low, mean = _cut(law)

    def of(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
        total = np.zeros(shape)
        for _ in range(_FEW):
            total += np.clip(law(shape, rng), low, low + 2.0 / SCATTER) - mean
        return np.asarray(SCATTER / math.sqrt(_FEW) * total)

    return of


@cache
def _cut(law: Sample) -> tuple[float, float]:
    """Return from where on a law is cut, and its mean then."""
    draws = law((1_000_000,), np.random.default_rng(1))
    low = max(-1.0 / SCATTER, float(draws.min()))
    return low, float(np.clip(draws, low, low + 2.0 / SCATTER).mean())


def _loo_is_wrong(errors: Floats, level: float) -> NDArray[np.bool_]:
    """Return whether a mean is below 0 by more than chance and what samples hide."""
    hidden = unseen_entropy(N * errors.shape[-1], 0.5 * level, _FACTS)
    short = -errors.mean(axis=-1) > hidden  # fewer to look at
    for place in zip(*np.nonzero(short), strict=True):
        short[place] = least_mean(-errors[place], N, level, _FACTS) > 0.0
    return np.asarray(short)


def _squares_are_wrong(errors: Floats, level: float) -> NDArray[np.bool_]:
    width = SCATTER * bounds.plug_in_concentration(N)
    return np.asarray(evidence(errors**2, width**2) > -math.log(level))


def _trials_are_wrong(errors: Floats, level: float) -> NDArray[np.bool_]:
    """Return whether any of two equal values is above the other, each with half of the error."""
    stated = SCATTER * bounds.plug_in_concentration(N) / math.sqrt(2.0)
    allowed = 2.0 * error_quantile(level / errors.shape[-1]) * stated
    return np.asarray((errors > allowed).any(axis=-1))


def _coins(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Return errors on both laws, over the gap: 0 or 1, of mean 0.49."""
    return np.asarray(rng.random((2, *shape)) < 0.49, np.float64)


def _pairs_are_wrong(shares: Floats, level: float) -> NDArray[np.bool_]:
    on_grid, on_codebooks = shares
    pair = HardPair("", 0.0, 1.0, 0.98, on_grid[0, 0], on_codebooks[0, 0])
    seen = 0.5 * (on_grid + on_codebooks).mean(axis=-1)
    return np.asarray(pair.evidence_of(seen) > -math.log(level))


def _two_atoms(share: float) -> tuple[Sample, Sample | None]:
    """Return errors of sp, less their mean, in its largest deviation, and those of sp-loo.

    Of two atoms 8 sigma apart, by their counts.
    """
    counts = np.arange(N + 1.0)
    logs = -xlogy(counts, counts) - xlogy(N - counts, N - counts)
    plug_in = logs / N + math.log(N)
    truth = float(entr(share) + entr(1.0 - share))

    def loo(c: Floats) -> Floats:
        alone = np.where(c == 1.0, _ATOM_DISTANCE + math.log(N - 1.0), 0.0)
        seen = -xlogy(c, np.maximum(c - 1.0, 1.0) / (N - 1.0))
        return np.where(c == 1.0, alone, seen)

    one_out = (loo(counts) + loo(N - counts)) / N - truth

    weights = binom.pmf(counts, N, share)
    centred = (plug_in - weights @ plug_in) / bounds.plug_in_concentration(N)

    def draw(values: Floats) -> Sample:
        return lambda shape, rng: np.asarray(values[rng.binomial(N, share, shape)])

    return draw(centred), draw(one_out)


def _atom_and_cloud() -> tuple[Sample, Sample | None]:
    """Return errors of sp where half of S is one value and half all different.

    No law that was tried makes sp scatter more: 0.88 of the largest deviation. sp-loo is far too
    high there.
    """
    shares = np.arange(N + 1.0) / N
    values = entr(shares) + (1.0 - shares) * math.log(N)
    values -= binom.pmf(np.arange(N + 1), N, 0.5) @ values
    values /= bounds.plug_in_concentration(N)
    return lambda shape, rng: np.asarray(values[rng.binomial(N, 0.5, shape)]), None


_ATOMS = {
    "two atoms, 1 in 2": _two_atoms(0.5),
    "two atoms, 1 in 10": _two_atoms(0.1),
    "two atoms, 1 in 100": _two_atoms(0.01),
    "an atom and a cloud": _atom_and_cloud(),
}


def powers(scale: float = 1.0) -> Iterator[str]:
    """Yield what 90 % of runs find by the intervals of before, by the checks, and as they say.

    Of normal errors, in standard deviations of one trial; for squares, over the bound.
    """
    level, before = FALSE_ALARM / ROWS, 1.0 - 1e-4
    for n, trials in itertools.product((N, 10_000), TRIALS):
        rng = np.random.default_rng(trials)
        most = bounds.plug_in_concentration(n)
        width = _USUAL * most
        errors = width * rng.standard_normal((max(50, round(scale * 2000)), trials))
        old = [-_ends(mean_interval(row, 0.0, before))[0] for row in errors]
        stated = np.full_like(errors, width)
        arm = plug_in_arm(n, 0.0 * stated, stated, 0.5 * level, _FACTS)
        new = arm - errors.mean(axis=1)
        said = arm + np.array([shortfall(row, most) for row in errors])
        cells = [float(np.quantile(each, 0.9)) / width for each in (old, new)]
        found = float(np.mean([np.mean(new < each) for each in said]))
        yield (
            f"| mean of sp, n={n} | {trials} | {cells[0]:.3g} | {cells[1]:.3g} "
            f"| {float(np.median(said)) / width:.3g} | {found:.1%} |"
        )
    for trials in TRIALS:
        rng = np.random.default_rng(trials)
        errors = rng.standard_normal((max(50, round(scale * 2000)), trials))
        old = [1.0 / max(_ends(mean_square_interval(row, before))[0], 1e-12) for row in errors]
        factor = found_factor(trials, level)
        found = float(np.mean(evidence(factor * errors**2, 1.0) > -math.log(level)))
        grid = np.geomspace(1.0, 1e4, 400)
        now = [float(np.mean(evidence(f * errors**2, 1.0) > -math.log(level))) for f in grid]
        least = grid[int(np.argmax(np.array(now) >= 0.9))]
        yield (
            f"| square of an integral | {trials} | {float(np.quantile(old, 0.9)):.3g} "
            f"| {least:.3g} | {factor:.3g} | {found:.1%} |"
        )


def _ends(interval: tuple[float, float] | None) -> tuple[float, float]:
    return interval or (-math.inf, math.inf)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="times the runs of a setting")
    asked = parser.parse_args()
    print_table(verdicts(asked.scale))
    print("\n| check | trials | 90 % found before | now | as it says | found at that |")
    print("| :-- | --: | --: | --: | --: | --: |")
    for line in powers(asked.scale):
        print(line, flush=True)


if __name__ == "__main__":
    main()
