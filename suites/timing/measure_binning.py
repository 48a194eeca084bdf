"""Measure counting in bins beside `numpy.unique` along rows, and print a table: asked, measured.

    python suites/timing/measure_binning.py

1e6 standard normal samples in 10 dimensions, bins of Scott's width. Both do the same twice: count
integer codes that are there already, and go from floats to the entropy. A time is the least of
some rounds; values are compared to numpy's by direct evaluation of the formula.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from entbench.estimators import BinnedEntropy
from entbench.estimators._counting import Codes, counts_of, joint_codes, scott_widths

if TYPE_CHECKING:
    from numpy.typing import NDArray

N, DIM = 1_000_000, 10
ASKED = 5
ROUNDS, UNIQUE_ROUNDS = 5, 2


def cells_of(X: NDArray[np.float64], widths: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return integer codes along each axis."""
    cells: NDArray[np.float64] = np.floor((X - X.min(axis=0)) / widths)
    return cells.astype(np.int64)


def counted(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bins' counts, from integer codes, as the estimator does."""
    spans = (cells.max(axis=0) + 1).tolist()
    axes = [Codes(cells[:, axis], span) for axis, span in enumerate(spans)]
    return counts_of(joint_codes(axes, len(cells)))


def by_unique(cells: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the same counts from numpy."""
    return np.unique(cells, axis=0, return_counts=True)[1]


def by_formula(X: NDArray[np.float64]) -> float:
    """Return the entropy by direct evaluation."""
    widths = 3.49 * X.std(axis=0, ddof=1) * len(X) ** (-1.0 / (X.shape[1] + 2))
    shares = by_unique(cells_of(X, widths)) / len(X)
    return float(-(shares * np.log(shares)).sum() + np.log(widths).sum())


def least(call: Callable[[], object], rounds: int) -> float:
    """Return the least seconds of some calls."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Measure and print."""
    X = np.random.default_rng(0).standard_normal((N, DIM))
    cells = cells_of(X, scott_widths(X))
    same = np.array_equal(np.sort(counted(cells)), np.sort(by_unique(cells)))
    difference = BinnedEntropy().fit(X).entropy_ - by_formula(X)
    rows = {
        "counts from integer codes": (lambda: counted(cells), lambda: by_unique(cells)),
        "entropy from floats": (lambda: BinnedEntropy().fit(X), lambda: by_formula(X)),
    }
    print("| what | seconds | with numpy.unique | ratio | asked |")
    print("| :-- | --: | --: | --: | --: |")
    for what, (ours, theirs) in rows.items():
        mine, other = least(ours, ROUNDS), least(theirs, UNIQUE_ROUNDS)
        print(f"| {what} | {mine:.3f} | {other:.2f} | {other / mine:.1f} | >= {ASKED} |")
    print(f"\nsame counts: {same}; entropy less direct evaluation: {difference:.1e} nats")


if __name__ == "__main__":
    main()
