"""What simulations of verdicts share: laws of errors, and a row of the table that they print."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import bdtrc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# (shape, rng) -> errors of mean 0 and variance 1
Draw = Callable[[tuple[int, ...], np.random.Generator], "Floats"]
# Chance that a row fails whose verdicts are wrong exactly as often as they may be.
_CHANCE = 1e-3
_E = math.e


def _two_valued(share: float) -> Draw:
    def draw(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
        ones = np.asarray(rng.random(shape) < share, float)
        return np.asarray((ones - share) / math.sqrt(share * (1.0 - share)))

    return draw


LAWS: dict[str, Draw] = {
    "normal": lambda shape, rng: rng.standard_normal(shape),
    "two-valued, 1 in 2": _two_valued(0.5),
    "two-valued, 1 in 10": _two_valued(0.1),
    "chi-square(1)": lambda shape, rng: (rng.chisquare(1.0, shape) - 1.0) / math.sqrt(2.0),
    "log-normal(1)": lambda shape, rng: (
        (rng.lognormal(0.0, 1.0, shape) - math.sqrt(_E)) / math.sqrt(_E * (_E - 1.0))
    ),
    "Student's t(3)": lambda shape, rng: rng.standard_t(3.0, shape) / math.sqrt(3.0),
}


class Verdict(NamedTuple):
    """How often a verdict was wrong.

    Attributes
    ----------
    judge : str
        What judges: "compare", "ranks", "checks", "claims", "plan", "kit".
    setting : str
        Law, trials and whatever else distinguishes the row.
    wrong, tries : int
        Wrong verdicts of how many.
    most : float
        Share of wrong verdicts that is promised, at most.
    """

    judge: str
    setting: str
    wrong: int
    tries: int
    most: float

    @property
    def passes(self) -> bool:
        """Whether a judge that errs exactly as often as promised would err so often."""
        return self.wrong == 0 or bool(bdtrc(self.wrong - 1, self.tries, self.most) >= _CHANCE)

    def __str__(self) -> str:
        share = 100.0 * self.wrong / self.tries
        return (
            f"| {self.judge} | {self.setting} | {self.wrong} of {self.tries} | {share:.2g} % | "
            f"<= {100.0 * self.most:g} % | {'' if self.passes else 'FAIL'} |"
        )


def print_table(verdicts: Iterable[Verdict]) -> int:
    """Print verdicts as a Markdown table, each as it comes; return how many rows fail."""
    print("| judge | setting | wrong | share | promised | |")
    print("| :-- | :-- | --: | --: | --: | :-- |")
    failed = 0
    for verdict in verdicts:
        failed += not verdict.passes
        print(verdict, flush=True)
    return failed
