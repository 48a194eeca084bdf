"""Simulate how often `plan` gives an n that does not bring the error asked, and does not say so.

    python -m entbench.suites.timing.verdicts_planner
    python -m entbench.suites.timing.verdicts_planner --scale 0.1

A try is a pilot of a law whose entropy is known. The mean absolute error at the n planned from it
is that of fresh samples. The verdict is wrong where it is above 1.5 times the error asked, and the
plan is not marked as untold. A plan that is always marked is never wrong: the share of plans that
are marked has rows of its own for laws that a pilot does show.
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from scipy.integrate import quad
from scipy.special import entr, log_ndtr

from entbench import Source
from entbench._registry import make_source
from entbench.estimators import JackknifeSamplePropagation, SamplePropagation
from entbench.planner import plan
from entbench.suites.timing._verdicts import Verdict, print_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Draw = Callable[[int, np.random.Generator], Floats]

ESTIMATORS = {"sp": SamplePropagation, "sp-jackknife": JackknifeSamplePropagation}
PILOTS = (100, 500, 2000)
ERRORS = (0.1, 0.03)
SIGMA = 0.3
TRIES, TRIALS = 20, 60
# errors are measured from n = 4 on, by factors of 2, and between them read off a line in the logs
LEAST_N, MOST_N = 4, 32_768
WRONG_FROM = 1.5
MOST_WRONG = 0.05
_ATOMS = 10**6
_SPACING = 40.0  # in sigma


class Law(NamedTuple):
    """A law of S with its noise, the entropy of S + Z, and whether a pilot of 2000 shows it."""

    sample: Draw
    sigma: float
    truth: float
    shown: bool
    weights: Floats | None = None


def _from_source(name: str, sigma: float, **parameters: float) -> Law:
    source = cast(Source, make_source(name, {"sigma": sigma, **parameters}))
    return Law(source.sample, sigma, source.reference().value, True)


def _atoms(weights: Floats, shown: bool) -> Law:
    """Return a law of far atoms in one dimension: h(S+Z) = H(S) + h(Z)."""
    weights = weights / weights.sum()
    sigma = 1.0 / _SPACING
    edges = np.cumsum(weights)

    def sample(n: int, rng: np.random.Generator) -> Floats:
        places = np.searchsorted(edges, rng.random(n) * edges[-1], side="right")
        return np.asarray(places, float)[:, None]

    noise = 0.5 * math.log(2.0 * math.pi * math.e * sigma**2)
    return Law(sample, sigma, float(entr(weights).sum()) + noise, shown, weights)


def _exponential(sigma: float) -> Law:
    """Return S ~ Exp(1); q(t) = exp(sigma^2/2 - t) Phi(t/sigma - sigma), from its definition."""

    def log_density(t: float) -> float:
        return 0.5 * sigma**2 - t + float(log_ndtr(t / sigma - sigma))

    def integrand(t: float) -> float:
        return -math.exp(log_density(t)) * log_density(t)

    value = sum(
        quad(integrand, low, high, epsabs=1e-10)[0]
        for low, high in ((-12.0 * sigma, 0.0), (0.0, 4.0), (4.0, 60.0))
    )
    return Law(lambda n, rng: rng.exponential(size=(n, 1)), sigma, float(value), True)


def _rare(mass: float, atom: float) -> Floats:
    """Return one frequent atom, and rare ones of equal weight that share `mass`."""
    return np.array([1.0 - mass, *[atom] * round(mass / atom)])


def _zipf(exponent: float) -> Floats:
    return np.arange(1.0, _ATOMS + 1.0) ** -exponent


@cache
def laws() -> dict[str, Law]:
    """Return the laws by name."""
    return {
        "normal, d = 1": _from_source("gaussian", SIGMA, d=1),
        "Laplace, d = 1": _from_source("laplace", SIGMA, d=1),
        "Student's t(3), d = 1": _from_source("student", SIGMA, d=1, df=3.0),
        "exponential, d = 1": _exponential(SIGMA),
        "clusters, d = 2": _from_source("gaussian-mixture", SIGMA, d=2),
        "uniform cube, d = 2": _from_source("uniform-cube", SIGMA, d=2),
        "truncated mixture, d = 5": _from_source("truncated-mixture", SIGMA, d=5, tau=0.02),
        "grid, 4 x 4": _from_source("grid", 0.1, d=2, k=4),
        "rare atoms of 1e-2, 30 %": _atoms(_rare(0.3, 1e-2), True),
        "rare atoms of 1e-3, 30 %": _atoms(_rare(0.3, 1e-3), False),
        "Zipf, exponent 1.2": _atoms(_zipf(1.2), False),
        "Zipf, exponent 1.5": _atoms(_zipf(1.5), False),
        "Zipf, exponent 2": _atoms(_zipf(2.0), False),
    }


@cache
def _mean_error(name: str, method: str, n: int, trials: int) -> float:
    """Return the mean absolute error of an estimator over fresh samples of n."""
    law = laws()[name]
    rng = np.random.default_rng([1, n])
    if law.weights is not None:
        return float(np.mean([abs(_of_counts(law, method, n, rng)) for _ in range(trials)]))
    estimator = ESTIMATORS[method](law.sigma, tolerance=5e-3)
    errors = []
    for trial in range(trials):
        estimator.random_state = trial
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that n is small
            errors.append(abs(estimator.fit(law.sample(n, rng)).entropy_ - law.truth))
    return float(np.mean(errors))


def _of_counts(law: Law, method: str, n: int, rng: np.random.Generator) -> float:
    """Return the error of an estimate from far atoms: the plug-in of counts, or its jackknife."""
    counts = np.unique(law.sample(n, rng), return_counts=True)[1].astype(float)
    logs = counts * np.log(counts)
    value = math.log(n) - float(logs.sum()) / n
    if method == "sp-jackknife":
        fewer = np.maximum(counts - 1.0, 1.0)
        without = float((counts * (logs.sum() - logs + (counts - 1.0) * np.log(fewer))).sum()) / n
        value = n * value - (n - 1) * (math.log(n - 1) - without / (n - 1))
    assert law.weights is not None  # a law of atoms
    return value - float(entr(law.weights).sum())


def _error_at(name: str, method: str, n: float, trials: int) -> float:
    """Return the error between the sizes at which it is measured, from the one below at most."""
    low = LEAST_N * 2 ** max(0, math.floor(math.log2(max(n, LEAST_N) / LEAST_N)))
    high = 2 * low
    errors = [_mean_error(name, method, size, trials) for size in (low, high)]
    share = math.log(max(n, low) / low) / math.log(2.0)
    return math.exp((1.0 - share) * math.log(errors[0]) + share * math.log(errors[1]))


def judge(name: str, pilot: int, error: float, seed: int, trials: int) -> list[tuple[bool, bool]]:
    """Return for each estimator whether a plan is marked as untold, and whether it is wrong."""
    law = laws()[name]
    rows = law.sample(pilot, np.random.default_rng([2, pilot, seed]))
    made = plan(error=error, sigma=law.sigma, pilot=rows, timed=False, random_state=seed)
    found = []
    for answer in made.answers[-2:]:
        assert answer.n is not None  # sigma was given
        untold = answer.at_least
        wrong = False
        if not untold and answer.n < MOST_N:
            wrong = _error_at(name, answer.name, answer.n, trials) > WRONG_FROM * error
        elif not untold:  # more samples do not make it worse: an upper end for the error
            wrong = _mean_error(name, answer.name, MOST_N, trials) > WRONG_FROM * error
        found.append((untold, wrong))
    return found


def verdicts(scale: float = 1.0) -> Iterator[Verdict]:
    """Yield how often plans are wrong; and how often they are untold of laws that pilots show."""
    tries, trials = max(2, round(TRIES * scale)), max(10, round(TRIALS * scale))
    for name, law in laws().items():
        for pilot in PILOTS:
            one = partial(judge, name, pilot, trials=trials)
            found = np.array([one(error=e, seed=seed) for e in ERRORS for seed in range(tries)])
            setting = f"{name}, pilot of {pilot}"
            untold, wrong = found[..., 0], found[..., 1]
            yield Verdict("plan", setting, int(wrong.sum()), wrong.size, MOST_WRONG)
            if law.shown and pilot == max(PILOTS):
                yield Verdict("plan", f"{setting}: untold", int(untold.sum()), untold.size, 0.1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="Of the numbers of tries.")
    print_table(verdicts(parser.parse_args().scale))


if __name__ == "__main__":
    main()
