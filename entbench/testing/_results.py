"""What a check has to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "known failure", "not applicable"]

MARKS: dict[Status, str] = {
    "passed": "✓",
    "failed": "✗",
    "known failure": "!",
    "not applicable": "-",
}


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
    """

    name: str
    status: Status
    finding: str
    cause: str = ""

    @property
    def failed(self) -> bool:
        """Whether the check failed."""
        return self.status == "failed"

    def __str__(self) -> str:
        return f"{MARKS[self.status]} {self.name}: {self.finding} {self.explanation}".rstrip()

    @property
    def explanation(self) -> str:
        """The cause as a sentence."""
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
