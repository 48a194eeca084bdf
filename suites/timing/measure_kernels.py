"""Measure dense kernel sums beside C, torch, KeOps and scipy, and print a table: asked, measured.

    python -m entbench.suites.timing.measure_kernels

Needs gcc, and takes what is installed of torch and KeOps (`pip install torch pykeops`). Centres and
queries fill a cube evenly, and sigma is such that opposite corners are 32 nats apart: nothing can
be skipped. Every round runs all competitors once, in turn, in one process with two threads each.
A rate is the median over rounds; a ratio is the median over rounds of the ratio within a round.
"""

from __future__ import annotations

import importlib.util
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from . import peers

if TYPE_CHECKING:
    from .peers import Floats, LogSums

SEED = 0
N = 20_000
QUERIES = 8192
CHECKED = 256
ROUNDS = 7
DIMENSIONS = [3, 5, 10]
SIZES = [1000, 10_000, 100_000, 1_000_000]
PAIRS = 2e7
ASKED = {"C": 0.8, "torch": 15.0, "KeOps": 20.0}
PACKAGES = ["numpy", "scipy", "numba", "torch", "pykeops"]


@dataclass(frozen=True)
class Contender:
    """A competitor in one setting; `what` is its row in the table, `share` of the queries it gets.

    The share keeps the slow ones from taking all the time.
    """

    what: str
    setting: str
    prepare: Callable[[Floats, float], LogSums]
    share: float = 1.0


def contenders() -> Iterator[Contender]:
    """Yield ours first, then all competitors that are installed, in the settings worth trying."""
    yield Contender("ours", "tolerance 1e-5, dense", peers.ours)
    yield from c_contenders()
    if importlib.util.find_spec("torch"):
        yield from torch_contenders()
    if importlib.util.find_spec("pykeops"):
        for reduction in ("Sum", "LogSumExp"):
            yield Contender("KeOps", reduction, partial(peers.keops, reduction=reduction), 1 / 16)
    yield Contender("scipy", "double, chunks of 16 queries", peers.scipy, 1 / 64)


def c_contenders() -> Iterator[Contender]:
    """Yield the C loop in all its settings."""
    for power in peers.POWERS:
        for distance in peers.DISTANCES:
            for bits in (256, 512):
                what = "C, own 2^x" if power == "polynomial" else "C"
                prepare = partial(peers.c, power=power, distance=distance, bits=bits)
                yield Contender(what, f"{power}, {distance}, {bits} bits", prepare)


def torch_contenders() -> Iterator[Contender]:
    """Yield torch as tuned, and with `cdist` as most would write it; both from small to large."""
    for recipe in peers.RECIPES:
        what = "torch" if recipe == "matmul" else "torch, cdist"
        for chunk in (16, 64, 256, 2048):
            prepare = partial(peers.torch, recipe=recipe, chunk=chunk)
            yield Contender(what, f"{recipe}, chunks of {chunk} queries", prepare, 0.25)


def problem(d: int, n: int, m: int) -> tuple[Floats, Floats, float]:
    """Return centres, queries and sigma."""
    rng = np.random.default_rng([SEED, d, n])
    return rng.uniform(-1, 1, (n, d)), rng.uniform(-1, 1, (m, d)), math.sqrt(d) / 4


def check(name: str, log_sums: LogSums, points: Floats, reference: Floats) -> float:
    """Return the largest relative error of the sums; end the script where it is above 1e-3."""
    error = float(np.abs(np.expm1(log_sums(points) - reference)).max())
    if not error <= 1e-3:
        raise SystemExit(f"{name} is off by a relative {error:.1e}: it computes something else")
    return error


def measure(d: int, rounds: int = ROUNDS) -> dict[str, dict[str, Any]]:
    """Measure all competitors in dimension d.

    Returns
    -------
    dict
        By row of the table: `rate` in pairs/s, `ratio` (ours over it), `setting` (the fastest),
        `error` (largest relative error of the sums) and `settings`, the rate of each setting.
    """
    peers.limit_threads()
    centres, queries, sigma = problem(d, N, QUERIES)
    reference = peers.scipy(centres, sigma)(queries[:CHECKED])
    entrants = list(contenders())
    computed = [entrant.prepare(centres, sigma) for entrant in entrants]
    errors = [
        check(f"{entrant.what} ({entrant.setting})", log_sums, queries[:CHECKED], reference)
        for entrant, log_sums in zip(entrants, computed, strict=True)
    ]
    rates = np.array(
        [
            [
                rate(log_sums, queries[: round(entrant.share * QUERIES)])
                for entrant, log_sums in zip(entrants, computed, strict=True)
            ]
            for _ in range(rounds)
        ]
    )
    return table(entrants, errors, rates)


def rate(log_sums: LogSums, queries: Floats) -> float:
    """Return pairs/s of one call."""
    return N * len(queries) / timed(log_sums, queries)


def table(entrants: list[Contender], errors: list[float], rates: Any) -> dict[str, dict[str, Any]]:
    """Return what `measure` returns, from rates (rounds, contenders); ours is the first."""
    medians = np.median(rates, axis=0)
    ratios = np.median(rates[:, :1] / rates, axis=0)
    found: dict[str, dict[str, Any]] = {}
    for i in np.argsort(-medians):
        entrant = entrants[i]
        row = {"rate": float(medians[i]), "ratio": float(ratios[i]), "error": errors[i]}
        kept = found.setdefault(entrant.what, {**row, "setting": entrant.setting, "settings": {}})
        kept["settings"][entrant.setting] = float(medians[i])
    return found


def cost_by_n(
    d: int, sizes: list[int] | None = None, rounds: int = 3
) -> dict[str, dict[int, float]]:
    """Return seconds a query against n, by row of the table, each in its fastest setting at `N`.

    As many queries as make `PAIRS` pairs, but at least 64 and at most `QUERIES`; the best of
    `rounds` calls. The centres are prepared before.
    """
    fastest = {what: row["setting"] for what, row in measure(d, rounds).items()}
    entrants = [entrant for entrant in contenders() if fastest[entrant.what] == entrant.setting]
    seconds: dict[str, dict[int, float]] = {entrant.what: {} for entrant in entrants}
    for n in sizes or SIZES:
        m = int(min(max(PAIRS / n, 64), QUERIES))
        centres, queries, sigma = problem(d, n, m)
        for entrant in entrants:
            log_sums = entrant.prepare(centres, sigma)
            some = queries[: max(round(entrant.share * m), 16)]
            log_sums(some)
            calls = [timed(log_sums, some) for _ in range(rounds)]
            seconds[entrant.what][n] = min(calls) / len(some)
    return seconds


def timed(log_sums: LogSums, queries: Floats) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    log_sums(queries)
    return time.perf_counter() - start


def describe() -> None:
    """Print what was measured, with what."""
    installed = [f"{name} {version(name)}" for name in PACKAGES if importlib.util.find_spec(name)]
    gcc = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True)
    line = " ".join(peers.compiler_line(5, "exp2f", "expanded", 512)[:-3])
    print(f"n = {N}, {QUERIES} queries, sigma = sqrt(d)/4 on the cube [-1, 1]^d, seed {SEED};")
    print(f"{peers.THREADS} threads, {ROUNDS} rounds, errors against {CHECKED} sums in double.")
    print(f"Python {sys.version.split()[0]}, {', '.join(installed)}; {gcc.stdout.splitlines()[0]}")
    print(f"`{line} kernel_sums.c -lmvec -lm` and the like\n")
    for name in ("torch", "pykeops"):
        if not importlib.util.find_spec(name):
            print(f"{name} is not installed: `pip install {name}`\n")


def main() -> None:
    """Measure and print."""
    describe()
    found = {d: measure(d) for d in DIMENSIONS}
    print("| d | what | pairs/s | ours / it | asked | error | setting |")
    print("| --: | :-- | --: | --: | --: | --: | :-- |")
    for d, rows in found.items():
        for what, row in rows.items():
            asked = f">= {ASKED[what]:g}" if what in ASKED else ""
            numbers = f"{row['rate']:.2e} | {row['ratio']:.2f} | {asked} | {row['error']:.0e}"
            print(f"| {d} | {what} | {numbers} | {row['setting']} |")
    print("\n| what | setting | " + " | ".join(f"pairs/s, d = {d}" for d in DIMENSIONS) + " |")
    print("| :-- | :-- |" + " --: |" * len(DIMENSIONS))
    for what, row in found[DIMENSIONS[0]].items():
        for setting in row["settings"]:
            rates = [f"{found[d][what]['settings'][setting]:.2e}" for d in DIMENSIONS]
            print(f"| {what} | {setting} | " + " | ".join(rates) + " |")


if __name__ == "__main__":
    main()
