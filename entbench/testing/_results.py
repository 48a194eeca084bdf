"""What a check has to say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Sequence

Status = Literal["passed", "failed", "known failure", "not applicable"]

MARKS: dict[Status, str] = {
    "passed": "✓",
    "failed": "✗",
    "known failure": "!",
    "not applicable": "-",
}


Tried = Literal["right", "converging", "not told", "wrong", "not tried"]


@dataclass(frozen=True)
class LawResult:
    """What became of the value on one law with a known truth.

    Attributes
    ----------
    law : str
        The law and its dimension.
    verdict : {"right", "converging", "not told", "wrong", "not tried"}
        Right: the mean error is within the margin. Converging: it is not, but shrinks with n at
        least as fast as the slowest classical rate. Not told: n is too small to tell. Not tried:
        the estimator refuses this dimension.
    value, truth : float
        Mean value and truth in nats.
    """

    law: str
    verdict: Tried
    value: float = math.nan
    truth: float = math.nan


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check.

    Attributes
    ----------
    name : str
        The check's name, stable from one version to the next.
    status : {"passed", "failed", "known failure", "not applicable"}
        What became of it. A known failure is one that the method itself has, told beforehand.
    finding : str
        What was found, in one line; why it was not made where it is not applicable.
    cause : str
        The likely cause of a failure, or the reason of a known one; "" where there is none.
    root : str
        Name of a check that failed before and most likely has the same cause; "" where none did.
    laws : tuple of LawResult
        For checks against a truth: one entry for each law.
    """

    name: str
    status: Status
    finding: str
    cause: str = ""
    root: str = ""
    laws: tuple[LawResult, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the check failed."""
        return self.status == "failed"

    def __str__(self) -> str:
        return f"{MARKS[self.status]} {self.name}: {self.finding} {self.explanation}".rstrip()

    @property
    def truth_unknown(self) -> bool:
        """Whether it was to compare with a truth, and did not come so far."""
        return self.name.startswith("truth-") and all(law.verdict != "wrong" for law in self.laws)

    @property
    def explanation(self) -> str:
        """The cause as a sentence."""
        if self.root:
            return f"Probably due to `{self.root}`."
        word = "Known" if self.status == "known failure" else "Likely cause"
        return f"{word}: {self.cause}." if self.cause else ""


class CheckFailedError(Exception):
    """Raised inside a check: what was found, and the likely cause."""

    def __init__(self, finding: str, cause: str = "") -> None:
        super().__init__(finding)
        self.finding = finding
        self.cause = cause


class NotApplicableError(Exception):
    """Raised inside a check that this estimator cannot be put to; says why."""


def describe_value(results: Sequence[CheckResult]) -> str:
    """Return in one line whether the value is right, over the laws of all `results`.

    Parameters
    ----------
    results : sequence of CheckResult
        As `run_checks` returns them.

    Returns
    -------
    str
        It begins with the mark of a check that passed, failed, or was not made.
    """
    laws = [law for result in results for law in result.laws]
    by = {verdict: [law for law in laws if law.verdict == verdict] for verdict in get_args(Tried)}
    known = {
        law.law for result in results if result.status == "known failure" for law in result.laws
    }
    tried = len(laws) - len(by["not tried"])
    wrong = [law for law in by["wrong"] if law.law not in known]
    if not tried:
        return "- No law could be tried: whether the value is right is not known."
    if wrong:
        worst = max(wrong, key=lambda law: abs(law.value - law.truth))
        more = f", and on {len(wrong) - 1} more of {tried} laws" if len(wrong) > 1 else ""
        numbers = f"{worst.value:.3g} for {worst.truth:.3g} nats"
        return f"✗ The value is wrong: {numbers} on {worst.law}{more}."
    broken = [result.name for result in results if result.failed and result.truth_unknown]
    if broken:
        return f"✗ The value could not be tested everywhere: see `{broken[0]}`."
    text = f"✓ The value is right on all {tried} laws tried"
    if any(result.name == "bound-side" and result.laws for result in results):
        text = f"✓ The bound keeps its side on all {tried} laws tried"
    if by["wrong"]:
        text = f"! The value is right on {tried - len(by['wrong'])} of {tried} laws tried"
        text += f", known to be wrong on {_listed(by['wrong'])}"
    if by["converging"]:
        text += f"; still converging on {_listed(by['converging'])}"
    if by["not told"]:
        text += f"; n is too small to tell on {_listed(by['not told'])}"
    if by["not tried"]:
        text += f"; it refuses {_listed(by['not tried'])}"
    return text + "."


def _listed(laws: Sequence[LawResult]) -> str:
    names = [law.law for law in laws]
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
