"""Measure how often certificates hold, and what they cost, and print two tables.

    python -m entbench.suites.timing.measure_certificates [--repeats 400] [--only TEXT]

Coverage over 400 repeats by default: the share of seeds whose interval holds the truth, for
certificates at 95 % and for the checks beside them at 99.9 %, over populations that put mass where
few draws go. Truths are sums along axes, on a lattice of our own or in closed form. A certificate
that is refused, as its check contradicts it, counts as one that does not hold.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from entbench import Reference
from entbench.mixture import GaussianMixture, gaussian_entropy
from entbench.sources._certificate import (
    Asked,
    SampledSource,
    _by_plain_draws,
    certify_bracket,
    certify_mixture,
    verify_bracket,
)
from entbench.sources.empirical import Empirical
from entbench.sources.gaussian_mixture import RandomGaussianMixture
from entbench.sources.random_network import RandomNetwork
from entbench.sources.reed_muller import ReedMuller
from entbench.suites.timing.measure_numerical_error import processor

ASKED = 0.95
SOURCES: list[SampledSource] = [
    RandomGaussianMixture(),
    ReedMuller(),
    ReedMuller(2, 4),
    RandomNetwork(),
    Empirical(),
    Empirical("breast-cancer"),
]

Array = NDArray[np.float64]


class Case(NamedTuple):
    """A way to certify something whose truth is known."""

    name: str
    make: Callable[[Asked], Reference]
    truth: float
    error: float


def on_a_line(places: Array, weights: Array) -> float:
    """Return the entropy of a mixture of N(place, 1) on the line, by a lattice of step 1/20."""
    y = np.arange(places.min() - 10.0, places.max() + 10.0, 0.05)
    q = np.exp(-0.5 * (y[:, None] - places) ** 2) @ weights / math.sqrt(2.0 * math.pi)
    return -float(np.sum(q * np.log(np.maximum(q, 1e-300)))) * 0.05


def turned(places: Array, dim: int = 3) -> Array:
    """Return places on the line, turned at random into `dim` dimensions."""
    rng = np.random.default_rng(0)
    axis = np.linalg.qr(rng.standard_normal((dim, dim)))[0][0]
    return np.asarray(places[:, None] * axis)


def line(name: str, places: Array, weights: Array | None = None) -> Case:
    """Return a population on a line in three dimensions, with noise 1."""
    shares = np.full(len(places), 1.0 / len(places)) if weights is None else weights
    mixture = GaussianMixture(turned(places), 1.0, weights)
    truth = on_a_line(places, shares) + gaussian_entropy(2, 1.0)
    return Case(name, lambda asked: certify_mixture(mixture, asked), truth, 0.02)


def one_far(n: int, distance: float) -> Array:
    """Return n places, equal but for one."""
    places = np.zeros(n)
    places[0] = distance
    return places


def clusters() -> Case:
    """Return two clusters of 8 places, 8 sigma apart, of weights 0.999 and 0.001: a product."""
    first, second = np.array([-0.5, 0.5, 7.5, 8.5]), np.array([-0.5, 0.5])
    shares = np.array([0.4995, 0.4995, 0.0005, 0.0005])
    grids = np.meshgrid(np.arange(4), np.arange(2), np.arange(2), indexing="ij")
    x, y, z = (grid.ravel() for grid in grids)
    centres = np.column_stack([first[x], second[y], second[z]])
    mixture = GaussianMixture(centres, 1.0, 0.25 * shares[x])
    truth = on_a_line(first, shares) + 2.0 * on_a_line(second, np.full(2, 0.5))
    name = "clusters of 0.999 and 0.001"
    return Case(name, lambda asked: certify_mixture(mixture, asked), truth, 0.02)


def one_hot(scale: float) -> Case:
    """Return the rows of a unit matrix at d = 6; truth by a certificate of a tenth of the error."""
    mixture = GaussianMixture(scale * np.eye(6), 1.0)
    truth = mixture.entropy(3e-4, 10**8, np.random.default_rng(99)).value
    name = f"one-hot rows, d = 6, {scale:g} sigma"
    return Case(name, lambda asked: certify_mixture(mixture, asked), truth, 0.02)


def corners() -> tuple[GaussianMixture, float]:
    """Return a mixture on the corners of the cube in 3 dimensions, and its entropy."""
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * 3)).reshape(3, -1).T
    axis = on_a_line(np.array([-1.0, 1.0]) / 0.6, np.full(2, 0.5)) + math.log(0.6)
    return GaussianMixture(signs, 0.6), 3.0 * axis


def gaussian(n: int, rng: np.random.Generator) -> Array:
    """Draw a standard normal signal in 3 dimensions."""
    return rng.standard_normal((n, 3))


def atoms(p: float) -> Case:
    """Return the bracket of a law with an atom of probability p, 8 sigma from the rest."""

    def sample(n: int, rng: np.random.Generator) -> Array:
        return turned(np.where(rng.random(n) < p, 8.0, 0.0))

    truth = on_a_line(np.array([0.0, 8.0]), np.array([1.0 - p, p])) + gaussian_entropy(2, 1.0)
    name = f"bracket, atom of {p:g}"
    return Case(name, lambda asked: certify_bracket(sample, 1.0, asked), truth, 0.02)


def cases() -> list[Case]:
    """Return what to measure."""
    mixture, truth = corners()
    exact = gaussian_entropy(3, math.sqrt(1.25))
    rare = GaussianMixture(turned(one_far(300, 8.0)), 1.0)
    rare_truth = line("", one_far(300, 8.0)).truth
    code = ReedMuller(3, 3)
    code_truth = code.reference().value
    stray = np.append(np.linspace(-0.2, 0.2, 63), 10.0)
    return [
        Case("corners of a cube", lambda asked: certify_mixture(mixture, asked), truth, 0.02),
        *(line(f"one row of {n} at 30 sigma", one_far(n, 30.0)) for n in (30, 100, 300)),
        *(line(f"one row of {n} at 5 sigma", one_far(n, 5.0)) for n in (30, 300)),
        line("999 equal rows, one at 4 sigma", one_far(1000, 4.0)),
        one_hot(2.0),
        one_hot(6.0),
        clusters(),
        line("63 rows in 0.4 sigma, one at 10", stray),
        Case("plain draws, corners", lambda asked: _by_plain_draws(mixture, asked), truth, 0.02),
        Case("plain draws, 1 of 300", lambda asked: _by_plain_draws(rare, asked), rare_truth, 0.02),
        Case("Reed-Muller (3, 3)", lambda asked: _code(code, asked), code_truth, 0.02),
        *(atoms(p) for p in (1e-5, 1e-4, 1e-3)),
        Case("bracket, normal", lambda asked: certify_bracket(gaussian, 0.5, asked), exact, 0.05),
        Case("fresh samples", lambda asked: verify_bracket(gaussian, 0.5, asked), exact, 0.05),
    ]


def _code(code: ReedMuller, asked: Asked) -> Reference:
    """Certify a code by its words, which for this one has an exact truth too."""
    from entbench.sources._certificate import confirmed

    found = code._over_the_codebook(asked)
    return confirmed(found, code._around_one_word(asked.loose(found.error)))


def coverage(case: Case, repeats: int) -> str:
    """Return the row of a case."""
    start, made, refused = time.perf_counter(), [], 0
    for seed in range(repeats):
        try:
            made.append(case.make(Asked(case.error, ASKED, seed)))
        except ValueError as error:
            if "is refused" not in str(error):
                raise
            refused += 1
    seconds = (time.perf_counter() - start) / repeats
    held = sum(abs(found.value - case.truth) <= found.error for found in made)
    width = float(np.mean([found.error for found in made]))
    checks = [check for found in made for check in found.checks]
    sure = "-"
    if checks:
        close = [abs(each.value - case.truth) <= (each.error or 0.0) for each in checks]
        sure = f"{np.mean(close):.3f}"
    reached = f"{case.error:g} | {width:.2g} | {held / repeats:.3f} | {sure}"
    return f"{case.name} | {repeats} | {reached} | {refused} | {seconds:.3f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Coverage and cost of certificates.")
    parser.add_argument("--repeats", type=int, default=400)
    parser.add_argument("--only", default="", help="Text in the names of cases to take alone.")
    asked = parser.parse_args()
    print(f"{asked.repeats} repeats, {processor()}\n")
    print(
        "| certificate | repeats | error asked | mean error | holds | check holds | refused "
        "| seconds |"
    )
    print("| :-- | --: | --: | --: | --: | --: | --: | --: |")
    for case in cases():
        if asked.only in case.name:
            print(f"| {coverage(case, asked.repeats)} |", flush=True)
    if asked.only:
        return
    print("\n| source | value | error | check's error | seconds |")
    print("| :-- | --: | --: | --: | --: |")
    for source in SOURCES:
        start = time.perf_counter()
        found = source.reference()
        seconds = time.perf_counter() - start
        (check,) = found.checks
        bounds = f"{found.error:.4f} | {check.error or 0.0:.4f}"
        print(f"| {source} | {found.value:.4f} | {bounds} | {seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main()
