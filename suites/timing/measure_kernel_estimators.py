"""Measure the kernel estimators beside scikit-learn and numpy, and print a table: asked, measured.

    python -m entbench.suites.timing.measure_kernel_estimators

Two threads on both sides: scikit-learn's `KernelDensity` knows one, its `GridSearchCV` is given
two workers, and chunks of all pairs are spread over two threads. Every ratio is the median over
rounds of the ratio within a round. All pairs are timed on some of the rows, and scaled up. They
come in two ways: with scipy's `logsumexp`, which is what was asked to be compared with, and tuned
by hand.
"""

from __future__ import annotations

import importlib
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import logsumexp

from entbench.estimators.kernel_density import KernelDensityEntropy
from entbench.estimators.kolchinsky_tracey import KolchinskyTraceyLower, KolchinskyTraceyUpper
from entbench.mixture import GaussianMixture
from entbench.sources.truncated_mixture import TruncatedMixture

from . import peers

if TYPE_CHECKING:
    from .peers import Floats

SEED = 0
ROUNDS = 3
N_DENSITY, DIM_DENSITY, BANDWIDTH = 10_000, 5, 0.4
N_BANDWIDTHS, FOLDS = 20, 5
N_BOUND, DIM_BOUND, SIGMA = 100_000, 10, 0.1
ROWS = 1024
CHUNK = 8
RECIPES = ("logsumexp", "tuned")
SIZES = [50_000, 100_000, 200_000, 400_000]
ASKED = {"one": 50.0, "search": 20.0, "bound": 15.0}


def seconds(do: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def ratios(ours: Callable[[], Any], theirs: Callable[[], Any], scale: float = 1.0) -> list[float]:
    """Return medians over rounds: seconds of ours, of theirs, and their ratio."""
    rounds = [(seconds(ours), scale * seconds(theirs)) for _ in range(ROUNDS)]
    times = np.array([(a, b, b / a) for a, b in rounds])
    return [float(value) for value in np.median(times, axis=0)]


def row(what: str, peer: str, measured: list[float], asked: float | None, note: str) -> None:
    """Print one row."""
    ours, theirs, ratio = measured
    wanted = "" if asked is None else f">= {asked:.0f}"
    print(
        f"| {what} | {peer} | {theirs:.3g} s | {ours:.3g} s | {wanted} | {ratio:.3g} | {note} |",
        flush=True,
    )


def density() -> None:
    """Time the density of all samples at one bandwidth, and the search for the best."""
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KernelDensity

    X = np.random.default_rng(SEED).standard_normal((N_DENSITY, DIM_DENSITY))
    theirs = KernelDensity(bandwidth=BANDWIDTH).fit(X)
    ours = KernelDensityEntropy(BANDWIDTH, "resubstitution").fit(X)
    off = abs(ours.entropy_ + theirs.score_samples(X).mean()) / abs(ours.entropy_)
    setting = f"n = {N_DENSITY}, d = {DIM_DENSITY}"
    for variant in ("resubstitution", "leave-one-out"):
        estimator = KernelDensityEntropy(BANDWIDTH, variant)
        found = ratios(partial(estimator.fit, X), partial(theirs.score_samples, X))
        note = f"relative difference {off:.0e}" if variant == "resubstitution" else ""
        what = f"`kde`, {variant}, one bandwidth, {setting}"
        row(what, "`KernelDensity.score_samples`", found, ASKED["one"], note)
    best = KernelDensityEntropy().fit(X)
    # about the best, in steps finer than a factor 2, as one would
    grid = np.geomspace(0.25, 4.0, N_BANDWIDTHS) * best.diagnostics_["bandwidth"]
    values = [KernelDensityEntropy(float(h)).fit(X).entropy_ for h in grid]
    search = GridSearchCV(KernelDensity(), {"bandwidth": grid}, cv=FOLDS, n_jobs=peers.THREADS)
    once = seconds(lambda: search.fit(X))
    times = [
        np.median([seconds(do) for _ in range(ROUNDS)])
        for do in (
            lambda: KernelDensityEntropy().fit(X),
            lambda: [KernelDensityEntropy(float(h)).fit(X) for h in grid],
        )
    ]
    note = (
        f"h = {best.diagnostics_['bandwidth']:.4f}, theirs {search.best_params_['bandwidth']:.4f}; "
        f"grid's least value less ours: {min(values) - best.entropy_:.0e} nats"
    )
    peer = f"`GridSearchCV`, {N_BANDWIDTHS} bandwidths, cv = {FOLDS}, once"
    for what, took, said in zip(
        ("search included", "the same grid"), times, (note, ""), strict=True
    ):
        found = [float(took), once, once / float(took)]
        row(f"`kde`, {what}, {setting}", peer, found, ASKED["search"], said)


def all_pairs(X: Floats, width: float, rows: int, recipe: str) -> Floats:
    """Return logs of kernel sums at the first rows, all pairs, by numpy and scipy.

    Squared distances are expanded, so that one matrix product gives most of them, and chunks are as
    large as was fastest. "tuned" subtracts no maximum, because each sum contains its own term, 1,
    and clips exponents, because numbers too small to be normal slow `exp` down by a factor 5.
    """
    threadpool_limits = importlib.import_module("threadpoolctl").threadpool_limits
    scaled = (X - X.mean(axis=0)) / width
    half_squares = 0.5 * np.einsum("ij,ij->i", scaled, scaled)
    transposed = np.ascontiguousarray(scaled.T)

    def chunk(start: int) -> Floats:
        part = slice(start, min(start + CHUNK, rows))
        powers = scaled[part] @ transposed
        powers -= half_squares
        powers -= half_squares[part, None]
        if recipe == "logsumexp":
            return np.asarray(logsumexp(powers, axis=1))
        np.maximum(powers, -700.0, out=powers)
        np.exp(powers, out=powers)
        return np.asarray(np.log(powers.sum(axis=1)))

    with threadpool_limits(1), ThreadPoolExecutor(peers.THREADS) as pool:
        return np.concatenate(list(pool.map(chunk, range(0, rows, CHUNK))))


def signals() -> Iterator[tuple[str, Floats]]:
    """Yield the two kinds of samples that the bounds are timed on."""
    rng = np.random.default_rng(SEED)
    yield "Gaussian S", rng.standard_normal((N_BOUND, DIM_BOUND))
    yield "truncated mixture", TruncatedMixture(d=DIM_BOUND, sigma=SIGMA).sample(N_BOUND, rng)


def bounds() -> None:
    """Time the pairwise-distance bounds."""
    for kind, X in signals():
        for name, bound, stretch in (
            ("kt-upper", KolchinskyTraceyUpper, 1.0),
            ("kt-lower", KolchinskyTraceyLower, 2.0),
        ):
            width = stretch * SIGMA
            logs = GaussianMixture(X, width).log_kernel_sums(X[:ROWS], 1e-10) + math.log(N_BOUND)
            for recipe in RECIPES:
                theirs = all_pairs(X, width, ROWS, recipe)
                slow = partial(all_pairs, X, width, ROWS, recipe)
                found = ratios(partial(bound(SIGMA).fit, X), slow, N_BOUND / ROWS)
                what = f"`{name}`, {kind}, n = {N_BOUND}, d = {DIM_BOUND}, sigma = {SIGMA}"
                note = f"largest difference of a log {np.abs(logs - theirs).max():.0e}"
                asked = ASKED["bound"] if recipe == "logsumexp" else None
                row(what, f"all pairs, {recipe}, from {ROWS} rows", found, asked, note)


def memory() -> None:
    """Print how far the resident memory grows in a fit, in a process of its own for each n."""
    print("\n| n, `kt-upper`, truncated mixture, d = 10 | peak resident growth | bytes / (n d) |")
    print("| --: | --: | --: |")
    for n in SIZES:
        line = [sys.executable, "-m", __spec__.name, str(n)]
        grown = int(subprocess.run(line, check=True, capture_output=True, text=True).stdout)
        print(f"| {n} | {grown / 2**20:.0f} MiB | {grown / (n * DIM_BOUND):.0f} |", flush=True)


def growth(n: int) -> int:
    """Return how many bytes the resident memory grows in a fit to n samples, at its peak."""
    source = TruncatedMixture(d=DIM_BOUND, sigma=SIGMA)
    rng = np.random.default_rng(SEED)
    KolchinskyTraceyUpper(SIGMA).fit(source.sample(2000, rng))  # loads the compiled code
    X = source.sample(n, rng)
    # the peak so far is the sampling's: begin anew (Linux)
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    KolchinskyTraceyUpper(SIGMA).fit(X)
    return _status("VmHWM") - before


def _status(key: str) -> int:
    """Return a size from what Linux says of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def main() -> None:
    """Measure and print."""
    if len(sys.argv) > 1:
        print(growth(int(sys.argv[1])))
        return
    peers.limit_threads()
    print("| what | peer | peer's time | ours | ratio asked | measured | |")
    print("| :-- | :-- | --: | --: | --: | --: | :-- |")
    density()
    bounds()
    memory()


if __name__ == "__main__":
    main()
