"""Draw what the plug-in costs against n, ours beside C, torch and KeOps.

    python -m entbench.suites.timing.draw_cost docs/plug_in_cost.png

Left: a density at a point where nothing can be skipped, d = 5, single precision, two threads.
Right: the entropy of the mixture on n samples of the truncated mixture, d = 5, to a standard error
of 1e-3 nats: ours measured, the tree included; the others as the textbook has it, so many draws
from the mixture, a log-density each, at the rates on the left.
"""

from __future__ import annotations

import sys
import time

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from entbench.mixture import GaussianMixture
from entbench.sources import TruncatedMixture

from . import peers
from .measure_kernels import cost_by_n

D = 5
TOLERANCE = 1e-3
SIZES = [1000, 10_000, 100_000, 1_000_000, 4_000_000]
SIGMAS = {0.1: "o", 0.5: "s", 0.005: "^"}
SHOWN = {"C": "C, libmvec", "torch": "torch", "KeOps": "KeOps", "scipy": "scipy, double"}
COLORS = {"ours": "C0", "C": "C1", "torch": "C2", "KeOps": "C3", "scipy": "C7"}


def seconds_to_error(sigma: float, n: int) -> float:
    """Return the seconds that the entropy takes, from the samples to the standard error."""
    signal = TruncatedMixture(D, sigma).sample(n, np.random.default_rng(0))
    start = time.perf_counter()
    mixture = GaussianMixture(signal, sigma)
    found = mixture.entropy(TOLERANCE, 20_000_000, np.random.default_rng(0))
    if not found.converged:
        raise RuntimeError(
            f"standard error {found.numerical_error:.2g} at n = {n}, sigma = {sigma}"
        )
    return time.perf_counter() - start


def plain_variance(sigma: float) -> float:
    """Return the variance of -log q over draws from the mixture."""
    rng = np.random.default_rng(0)
    signal = TruncatedMixture(D, sigma).sample(20_000, rng)
    points = signal[:4000] + sigma * rng.standard_normal((4000, D))
    return float(GaussianMixture(signal, sigma).log_density(points).var())


def draw(dense: Axes, entropy: Axes) -> None:
    """Fill in both panels."""
    costs = cost_by_n(D)
    for name, label in {"ours": "entbench", **SHOWN}.items():
        line = costs[name]
        dense.loglog(list(line), list(line.values()), "o-", color=COLORS[name], label=label)
    dense.set(xlabel="n", ylabel="seconds a density", title="One density, nothing to skip")
    draws = plain_variance(0.1) / TOLERANCE**2
    for name, label in SHOWN.items():
        rate = costs[name][100_000] / 100_000
        textbook = [draws * rate * n for n in SIZES]
        entropy.loglog(SIZES, textbook, "--", color=COLORS[name], label=f"textbook with {label}")
    for sigma, marker in SIGMAS.items():
        seconds = [seconds_to_error(sigma, n) for n in SIZES]
        label = f"entbench, sigma = {sigma:g}"
        entropy.loglog(SIZES, seconds, f"{marker}-", color=COLORS["ours"], label=label)
    entropy.set(xlabel="n", ylabel="seconds", title="Entropy to 0.001 nats, truncated mixture")


def main(path: str) -> None:
    """Measure and draw."""
    peers.limit_threads()
    seconds_to_error(0.1, SIZES[1])  # compiles
    figure, (dense, entropy) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    draw(dense, entropy)
    for axes in (dense, entropy):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])
