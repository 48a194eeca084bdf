"""Measure what each device of variance reduction gains, and print tables.

    python suites/timing/measure_variance.py

The integral is the entropy of the mixture on n samples of the truncated mixture, or of a cube
filled evenly. All devices pay for evaluations of the mixture's density and for little else, so what
counts is the variance of a mean times the evaluations that it took: the variance per evaluation. A
gain of 2 reaches the same standard error with half the evaluations, a gain below 1 loses. All
variances are measured from draws, those of quasi-Monte Carlo from independent scramblings.
Nothing was asked: the gains say which devices are worth their code.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from entbench.mixture import GaussianMixture
from entbench.sources.truncated_mixture import TruncatedMixture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

SEED = 0
VISITS = 20_000
PILOT = 2048
STRATUM = 16
STRATIFIED_PAIRS = 10_000
# evaluations in a scrambled net, and how many scramblings
NETS = {1024: 64, 8192: 40}
# Below this variance rare draws decide, and few are enough: a ratio says nothing.
NOTHING = 1e-2
# tau of a truncated mixture that fills the cube evenly
EVENLY = 1e6


class Setting(NamedTuple):
    """Where to measure: n samples of the truncated mixture."""

    n: int
    d: int
    sigma: float
    tau: float = 0.02


SETTINGS = [
    *(Setting(n, d, s) for n in (1000, 20_000) for d in (3, 5, 10) for s in (0.005, 0.1, 0.5)),
    *(Setting(20_000, d, 0.1, EVENLY) for d in (3, 5, 10)),
]


class Device(NamedTuple):
    """A column of the table, by its `key`, and what it is a gain over there."""

    key: str
    what: str
    base: str = "slope"


DEVICES = [
    Device("control", "log(q/phi) for log q", "plain"),
    Device("slope", "and less a multiple of the noise's square", "control"),
    Device("every component", "as many draws from every component"),
    Device("neighbours", f"as many draws from every {STRATUM} neighbouring components"),
    Device("two a visit", "two draws from each component drawn"),
    Device("opposite", "Z and -Z in each component drawn"),
    Device("opposite, every", "Z and -Z in every component"),
    Device("opposite, neighbours", f"Z and -Z, and as many from every {STRATUM} neighbours"),
    *(Device(f"net of {m}", f"scrambled Sobol net of {m} points") for m in NETS),
    Device("opposite net", f"scrambled Sobol net of {max(NETS) // 2} points, Z and -Z at each"),
]
# What else to compare in the table of what helps.
MORE = [
    DEVICES[5]._replace(base="two a visit"),
    DEVICES[6]._replace(base="every component"),
]


class Problem:
    """The integrand of one setting, and its draws.

    `value` is the integrand with both control variates.
    """

    def __init__(self, setting: Setting) -> None:
        n, d, sigma, tau = setting
        self.rng = np.random.default_rng([SEED, n, d, round(1e6 * sigma)])
        self.centres = TruncatedMixture(d, sigma, tau).sample(n, self.rng)
        self.mixture = GaussianMixture(self.centres, sigma)
        self.order = spatial_order(self.centres)
        self.d, self.sigma, self.n = d, sigma, n
        components, noise = self.rng.integers(0, n, PILOT), self.normal(PILOT)
        values, square = self.log_ratio(components, noise), centred_square(noise)
        self.slope = float(np.cov(values, square)[0, 1] / np.var(square, ddof=1))

    def normal(self, *shape: int) -> Floats:
        """Return standard normal noise of shape (*shape, d)."""
        return self.rng.standard_normal((*shape, self.d))

    def log_ratio(self, components: Indices, noise: Floats) -> Floats:
        """Return ``log(q(T) / phi(Z))`` but for a constant; any shapes that fit together."""
        points = self.centres[components] + self.sigma * noise
        log_q = self.mixture.log_density(points.reshape(-1, self.d), tolerance=1e-5)
        return log_q.reshape(noise.shape[:-1]) + centred_square(noise)

    def value(self, components: Indices, noise: Floats) -> Floats:
        """Return the integrand with both control variates; shapes as `log_ratio`."""
        return self.log_ratio(components, noise) - self.slope * centred_square(noise)


def centred_square(noise: Floats) -> Floats:
    """Return ``|Z|^2/2 - d/2``, of mean 0, for standard normal Z along the last axis."""
    return np.asarray(0.5 * (np.square(noise).sum(axis=-1) - noise.shape[-1]))


def within(pairs: Floats) -> float:
    """Return the mean variance of equal, independent draws within a row; pairs (m, 2)."""
    return float(np.square(pairs[:, 0] - pairs[:, 1]).mean()) / 2.0


def variances(problem: Problem) -> dict[str, float]:
    """Return the variance per evaluation with each device, by its key; all unbiased estimates."""
    found = visit_components(problem)
    found |= visit_neighbours(problem)
    for m, scramblings in NETS.items():
        found[f"net of {m}"] = net_variance(problem, m, scramblings, opposite=False)
    m, scramblings = max(NETS.items())
    found["opposite net"] = net_variance(problem, m, scramblings, opposite=True)
    return found


def visit_components(problem: Problem) -> dict[str, float]:
    """Return the variances that four draws in each component tell: Z, -Z, Z' and -Z'."""
    components = np.arange(VISITS) % problem.n
    noise = problem.normal(VISITS, 2)
    noise = np.stack([noise, -noise], axis=2)
    ratio = problem.log_ratio(components[:, None, None], noise)
    square = centred_square(noise)
    value = ratio - problem.slope * square
    # of each component the mean of opposite pairs, for two independent ones
    opposite = value.mean(axis=2)
    return {
        "plain": float(np.var((ratio - square)[:, :, 0], ddof=1)),
        "control": float(np.var(ratio[:, :, 0], ddof=1)),
        "slope": float(np.var(value[:, :, 0], ddof=1)),
        "every component": within(value[:, :, 0]),
        "two a visit": 2.0 * float(np.var(value[:, :, 0].mean(axis=1), ddof=1)),
        "opposite": 2.0 * float(np.var(opposite, ddof=1)),
        "opposite, every": 2.0 * within(opposite),
    }


def visit_neighbours(problem: Problem) -> dict[str, float]:
    """Return the variances of Z, and of Z and -Z, in components of strata of neighbours."""
    n = problem.n - problem.n % STRATUM
    strata = problem.order[:n].reshape(-1, STRATUM)
    rows = np.arange(STRATIFIED_PAIRS) % len(strata)
    columns = problem.rng.integers(0, STRATUM, (STRATIFIED_PAIRS, 2))
    components = strata[rows[:, None], columns]
    noise = problem.normal(STRATIFIED_PAIRS, 2)
    value, mirrored = problem.value(components, noise), problem.value(components, -noise)
    return {
        "neighbours": within(value),
        "opposite, neighbours": 2.0 * within(0.5 * (value + mirrored)),
    }


def net_variance(problem: Problem, m: int, scramblings: int, opposite: bool) -> float:
    """Return the variance per evaluation of scrambled nets with m evaluations each."""
    means = [net_mean(problem, m, opposite) for _ in range(scramblings)]
    return m * float(np.var(means, ddof=1))


def net_mean(problem: Problem, m: int, opposite: bool) -> float:
    """Return the mean over a scrambled net: one coordinate for the component, d for the noise."""
    points = m // 2 if opposite else m
    net = qmc.Sobol(problem.d + 1, scramble=True, bits=30, seed=problem.rng).random(points)
    # the middle of the cell of 2^-30, never 0
    net += 2.0**-31
    components = problem.order[(net[:, 0] * problem.n).astype(np.intp)]
    noise = ndtri(net[:, 1:])
    if opposite:
        components, noise = np.tile(components, 2), np.concatenate([noise, -noise])
    return float(problem.value(components, noise).mean())


def spatial_order(centres: Floats) -> Indices:
    """Return the order in which halving along the widest axis, again and again, leaves centres."""

    def halve(rows: Indices) -> Indices:
        if len(rows) < 2:
            return rows
        here = centres[rows]
        axis = int(np.argmax(np.ptp(here, axis=0)))
        half = len(rows) // 2
        rows = rows[np.argpartition(here[:, axis], half)]
        return np.concatenate([halve(rows[:half]), halve(rows[half:])])

    return halve(np.arange(len(centres)))


def gain(found: dict[str, float], device: Device) -> float:
    """Return by how much a device divides the variance per evaluation; NaN where none was left."""
    if found[device.base] < NOTHING:
        return math.nan
    return found[device.base] / found[device.key]


def written(number: float) -> str:
    """Return a gain as it stands in a table; nothing for NaN."""
    if math.isnan(number):
        return ""
    return f"{number:.2f}" if number < 9.95 else f"{number:.0f}"


def summary(device: Device, gains: list[float]) -> str:
    """Return a device's row in the table of what helps."""
    known = [one for one in gains if not math.isnan(one)]
    better = sum(one > 1.1 for one in known)
    worse = sum(one < 0.9 for one in known)
    middle = f"{written(float(np.median(known)))} | {written(min(known))} to {written(max(known))}"
    return f"| {device.what} | {device.base} | {middle} | {better} | {worse} | {len(known)} |"


def describe() -> None:
    """Print what was measured."""
    print(f"Seed {SEED}; 4 draws from each of {VISITS} visited components,")
    print(f"{STRATIFIED_PAIRS} pairs of draws from strata of {STRATUM} components, and")
    print(", ".join(f"{count} scramblings of {m} points" for m, count in NETS.items()) + ":")
    error = math.sqrt(2.0 / (min(NETS.values()) - 1))
    print(f"the gain of a net has a standard error of about {error:.0%}.\n")


def main() -> None:
    """Measure and print."""
    start = time.perf_counter()
    describe()
    found = [variances(Problem(setting)) for setting in SETTINGS]
    print("| n | d | sigma | tau | -log q | " + " | ".join(d.key for d in DEVICES) + " |")
    print("| --: | --: | --: | --: | --: |" + " --: |" * len(DEVICES))
    print("| gain | over | | | variance | " + " | ".join(d.base for d in DEVICES) + " |")
    for (n, d, sigma, tau), one in zip(SETTINGS, found, strict=True):
        gains = " | ".join(written(gain(one, device)) for device in DEVICES)
        print(f"| {n} | {d} | {sigma} | {tau:g} | {one['plain']:.3g} | {gains} |")
    print("\n| device | gain over | median | range | better in | worse in | of settings |")
    print("| :-- | :-- | --: | :-- | --: | --: | --: |")
    for device in [*DEVICES, *MORE]:
        print(summary(device, [gain(one, device) for one in found]))
    print(f"\nBetter: above 1.1; worse: below 0.9. {time.perf_counter() - start:.0f} s in all.")


if __name__ == "__main__":
    main()
