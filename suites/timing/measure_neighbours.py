"""Measure the search for neighbours beside scipy and scikit-learn: a table, asked and measured.

    python -m entbench.suites.timing.measure_neighbours [n] [rounds]

k = 4; two threads each. Every round runs both in turn, on samples of its own. Seconds are medians
over rounds, a ratio is the median over rounds of the ratio within a round. Beside the Gaussian, on
which numbers were asked: the truncated mixture with its noise, sigma = 0.1, and 50 clusters of
width 0.1.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import peers

if TYPE_CHECKING:
    from .peers import Floats

    Search = Callable[[Floats], Floats]

N = 100_000
ROUNDS = 3
K = 4
SIGMA = 0.1
DATA = ["gaussian", "truncated mixture", "clusters"]
AGREEMENT = 1e-10


def samples(data: str, n: int, d: int, seed: int) -> Floats:
    """Draw samples (n, d)."""
    from entbench.sources import TruncatedMixture

    rng = np.random.default_rng([seed, d])
    noise = rng.standard_normal((n, d))
    if data == "truncated mixture":
        return np.asarray(TruncatedMixture(d=d, sigma=SIGMA).sample(n, rng) + SIGMA * noise)
    if data == "clusters":
        return np.asarray(rng.standard_normal((50, d))[rng.integers(0, 50, n)] + 0.1 * noise)
    return noise


def scipy_tree(points: Floats) -> Floats:
    """Build scipy's tree and ask it."""
    from scipy.spatial import cKDTree

    distances, _ = cKDTree(points).query(points, k=K + 1, workers=peers.THREADS)
    return np.asarray(distances)[:, K]


def scikit_learn(points: Floats, algorithm: str) -> Floats:
    """Fit scikit-learn's search and ask it."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=K + 1, algorithm=algorithm, n_jobs=peers.THREADS)
    return np.asarray(search.fit(points).kneighbors(points)[0][:, K])


def ours(points: Floats) -> Floats:
    """Find the distances."""
    from entbench.neighbours import neighbour_distances

    return neighbour_distances(points, K, n_jobs=peers.THREADS)[:, K - 1]


def whole_fit(points: Floats) -> None:
    """Fit `kl`."""
    from entbench.estimators import KozachenkoLeonenko

    KozachenkoLeonenko(k=K, n_jobs=peers.THREADS).fit(points)


@dataclass(frozen=True)
class Row:
    """A row of the table: how often `rival`'s seconds must hold ours, on the Gaussian."""

    d: int
    what: str
    run: Callable[[Floats], object]
    name: str
    rival: Search
    asked: float


ROWS = [
    Row(5, "`kl`, whole fit", whole_fit, "scipy cKDTree", scipy_tree, 1 / 1.1),
    Row(
        10,
        "distances",
        ours,
        "scikit-learn, auto",
        lambda points: scikit_learn(points, "auto"),
        3.0,
    ),
    Row(
        20,
        "distances",
        ours,
        "scikit-learn, brute",
        lambda points: scikit_learn(points, "brute"),
        3.0,
    ),
]


def timed(run: Callable[[Floats], object], points: Floats) -> tuple[float, object]:
    """Return the seconds of one call, and what it returned."""
    start = time.perf_counter()
    result = run(points)
    return time.perf_counter() - start, result


def check(row: Row, points: Floats, theirs: Floats) -> float:
    """Return the largest relative difference; end the script where it is above `AGREEMENT`."""
    difference = float(np.max(np.abs(ours(points) / theirs - 1.0)))
    if not difference <= AGREEMENT:
        raise SystemExit(f"{row.name} and ours differ by a relative {difference:.1e}")
    return difference


def measure(row: Row, data: str, n: int, rounds: int) -> tuple[float, float, float, float]:
    """Return our seconds, the rival's, the ratio and the largest relative difference."""
    seconds, differences = [], []
    for seed in range(rounds):
        points = samples(data, n, row.d, seed)
        mine, _ = timed(row.run, points)
        other, theirs = timed(row.rival, points)
        seconds.append((mine, other))
        differences.append(check(row, points, np.asarray(theirs)))
    mine, other = np.median(seconds, axis=0)
    ratio = np.median([theirs / mine for mine, theirs in seconds])
    return float(mine), float(other), float(ratio), max(differences)


def lines(n: int, rounds: int) -> Iterator[str]:
    """Yield the table's lines."""
    yield "| d | samples | what | beside | asked: it / ours | it / ours | ours | it | difference |"
    yield "| --: | :-- | :-- | :-- | --: | --: | --: | --: | --: |"
    for row in ROWS:
        for data in DATA:
            mine, other, ratio, difference = measure(row, data, n, rounds)
            asked = f">= {row.asked:.2f}" if data == "gaussian" else ""
            yield (
                f"| {row.d} | {data} | {row.what} | {row.name} | {asked} | {ratio:.1f} "
                f"| {mine:.2f} s | {other:.2f} s | {difference:.0e} |"
            )


def main() -> None:
    """Measure and print."""
    peers.limit_threads()
    n = int(sys.argv[1]) if len(sys.argv) > 1 else N
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    for row in ROWS:
        row.run(samples("gaussian", 200, row.d, 0))
    print(f"n = {n}, k = {K}, {peers.THREADS} threads, {rounds} rounds")
    for line in lines(n, rounds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
