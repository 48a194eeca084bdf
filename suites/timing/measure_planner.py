"""Measure what a pilot's n is worth: error asked for, error found at that n over trials.

    python -m entbench.suites.timing.measure_planner
    python -m entbench.suites.timing.measure_planner --trials 200 --error 0.02

A row is a source, whose truth is known, and a pilot of it. The planner says from the pilot how many
samples ``sp`` and ``sp-jackknife`` need for the error asked; as many fresh ones are drawn in each
trial, and the mean absolute error is that against the source's reference. Also: I_chi2 of the
source beside that of the pilot, and the seconds of a fit beside those predicted.
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from dataclasses import dataclass

import numpy as np

from entbench.estimators import JackknifeSamplePropagation, SamplePropagation
from entbench.planner import Answer, Plan, plan
from entbench.sources.truncated_mixture import TruncatedMixture

SEED = 0
PILOT = 2000
MOST = 200_000
ESTIMATORS = {"sp": SamplePropagation, "sp-jackknife": JackknifeSamplePropagation}
# corners; corners that the noise joins; wide ones; uniform on the cube
SOURCES = (
    TruncatedMixture(1, 0.1, 0.02),
    TruncatedMixture(2, 0.2, 0.5),
    TruncatedMixture(2, 0.1, 1e6),
    TruncatedMixture(3, 0.1, 0.1),
    TruncatedMixture(3, 0.1, 0.5),
    TruncatedMixture(5, 0.1, 0.02),
    TruncatedMixture(5, 0.1, 0.1),
    TruncatedMixture(5, 0.5, 0.02),
    TruncatedMixture(5, 0.5, 0.5),
    TruncatedMixture(10, 0.5, 0.02),
)


@dataclass(frozen=True)
class Found:
    """What came of one estimator at the n planned for it.

    Attributes
    ----------
    answer : Answer
        What the planner said.
    error, standard_error : float
        Mean absolute error over trials and its standard error, in nats; NaN where n is not finite
        or above `MOST`.
    seconds : float
        Median time of a fit.
    """

    answer: Answer
    error: float
    standard_error: float
    seconds: float


def measure(
    source: TruncatedMixture, error: float, *, pilot: int = PILOT, trials: int = 100, seed: int = 0
) -> tuple[Plan, list[Found]]:
    """Return the plan from a pilot of the source, and what came at the n planned."""
    rng = np.random.default_rng(seed)
    rows = source.sample(pilot, rng)
    made = plan(error=error, sigma=source.sigma, pilot=rows, timed=True, random_state=seed)
    predicted = [answer for answer in made.answers if answer.kind == "predicted"]
    return made, [_found(source, answer, error, trials, rng) for answer in predicted]


def _found(
    source: TruncatedMixture, answer: Answer, error: float, trials: int, rng: np.random.Generator
) -> Found:
    if answer.n is None or answer.n > MOST:
        return Found(answer, math.nan, math.nan, math.nan)
    truth = source.reference().value
    # the integration's own error must not count: a tenth of what is asked
    estimator = ESTIMATORS[answer.name](source.sigma, tolerance=0.1 * error)
    default = ESTIMATORS[answer.name](source.sigma, random_state=0)
    errors = np.empty(trials)
    for trial in range(trials):
        estimator.random_state = trial
        signal = source.sample(int(answer.n), rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that n is small
            errors[trial] = abs(estimator.fit(signal).entropy_ - truth)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            default.fit(signal)
        times.append(time.perf_counter() - began)
    mean = float(errors.mean())
    return Found(answer, mean, float(errors.std(ddof=1)) / math.sqrt(trials), sorted(times)[1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--error", type=float, action="append", help="Asked, in nats. Repeatable.")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--pilot", type=int, default=PILOT)
    arguments = parser.parse_args()
    print("| source | I_chi2 (pilot) | estimator | asked | n | measured ± s.e. | ratio | seconds |")
    print("| :-- | --: | :-- | --: | --: | --: | --: | :-- |")
    for source in SOURCES:
        for error in arguments.error or (0.1, 0.02):
            made, results = measure(
                source, error, pilot=arguments.pilot, trials=arguments.trials, seed=SEED
            )
            for found in results:
                print(_line(source, made, found, error), flush=True)


def _line(source: TruncatedMixture, made: Plan, found: Found, error: float) -> str:
    assert made.pilot is not None  # it was given
    label = f"d={source.d} sigma={source.sigma:g} tau={source.tau:g}"
    truth = source.facts().chi_square_information
    said = made.pilot.chi_square_information
    n = f"{'>=' if found.answer.at_least else ''}{found.answer.n:.0f}"
    seconds = f"{found.seconds:.2g} s"
    if found.answer.seconds is not None:
        seconds += f", predicted {found.answer.seconds:.2g} s"
    return (
        f"| {label} | {truth:.1f} ({said:.1f}) | `{found.answer.name}` | {error:g} | {n} | "
        f"{found.error:.4f} ± {found.standard_error:.4f} | {found.error / error:.2f} | {seconds} |"
    )


if __name__ == "__main__":
    main()
