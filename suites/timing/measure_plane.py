"""Measure the plane's coordinates of one epoch, and a step of the suite; print asked, measured.

    python suites/timing/measure_plane.py

4096 inputs, five tanh layers of 10, 7, 5, 4 and 3 units in single precision, one size of bins:
I(X;Bin(T)) and I(Bin(T);Y) of all of them, beside `numpy.unique` along rows. Then what measuring
costs per recorded epoch once the network is on the disk. Medians of repeats.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from entbench.networks._plane import WIDTHS, bin_codes, plane_point

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Layers = list[NDArray[np.float32]]

N, UNITS = 4096, (10, 7, 5, 4, 3)
ASKED_MS, ASKED_STEP_MS = 10.0, 100.0
ROUNDS = 15


def coordinates(layers: Layers, labels: NDArray[np.int64], width: float) -> NDArray[np.float64]:
    """Return both coordinates of all layers as the suite does."""
    return np.array([plane_point(bin_codes(layer, width), labels) for layer in layers])


def by_unique(layers: Layers, labels: NDArray[np.int64], width: float) -> NDArray[np.float64]:
    """Return the same from `numpy.unique` and H(Bin) + H(Y) - H(Bin, Y)."""
    found = []
    for layer in layers:
        cells = np.floor(layer.astype(np.float64) / width).astype(np.int64)
        alone, joint = entropy(cells), entropy(np.column_stack([cells, labels]))
        found.append((alone, alone + entropy(labels[:, None]) - joint))
    return np.array(found)


def entropy(rows: NDArray[np.int64]) -> float:
    """Return the entropy of rows in nats."""
    shares = np.unique(rows, axis=0, return_counts=True)[1] / len(rows)
    return float(-(shares * np.log(shares)).sum())


def median_ms(call: Callable[[], object]) -> float:
    """Return the median milliseconds of some calls."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def step_ms() -> float:
    """Return the milliseconds of a step whose network is there, but for landmarks."""
    from entbench.networks.experiments.information_plane import InformationPlane

    with tempfile.TemporaryDirectory() as folder:
        os.environ["ENTBENCH_STORE"] = str(Path(folder) / "store.sqlite")
        experiment = InformationPlane(epochs=30, records=20)
        step = {"epoch": 21}
        experiment.measure(step)
        return median_ms(lambda: experiment.measure(step))


def main() -> None:
    """Measure and print."""
    rng = np.random.default_rng(0)
    layers = [np.tanh(2.0 * rng.standard_normal((N, d))).astype(np.float32) for d in UNITS]
    labels = rng.integers(0, 2, N)
    print("| what | asked, ms | measured, ms | with numpy.unique, ms | largest difference, nats |")
    print("| :-- | --: | --: | --: | --: |")
    for width in WIDTHS:
        ours, theirs = (fn(layers, labels, width) for fn in (coordinates, by_unique))
        mine = median_ms(partial(coordinates, layers, labels, width))
        other = median_ms(partial(by_unique, layers, labels, width))
        difference = float(np.abs(ours - theirs).max())
        print(
            f"| bins of {width:g} | <= {ASKED_MS:g} | {mine:.2f} | {other:.0f} | {difference:.0e} |"
        )
    print(f"| a recorded epoch | <= {ASKED_STEP_MS:g} | {step_ms():.1f} | | |")


if __name__ == "__main__":
    main()
