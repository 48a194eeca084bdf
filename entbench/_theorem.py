"""What an estimator says of itself, and a theorem about estimators. Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from entbench._base import Estimator, SourceFacts

ESTIMATE = "estimate"  # the role of whatever is no bound

Statistic = Literal["bias", "mae", "information"]
Side = Literal["lower", "upper"]
Certainty = Literal["proved", "recalled", "printed"]


@dataclass(frozen=True)
class EstimatorFacts:
    """What an estimator says of itself, kept with a run so that a report needs no plugin.

    Attributes
    ----------
    quantity, role, reads, bias_direction, plug_in, beside_plug_in, rate, most_columns
        See `entbench._base.Estimator`.
    draws_per_component : int or None
        See `entbench._base.Estimator`; with the parameters of the run.
    """

    quantity: str = "h(S+Z)"
    role: str = ESTIMATE
    reads: str = "noisy"
    bias_direction: str = "either"
    plug_in: bool = False
    beside_plug_in: str = ""
    rate: str = ""
    most_columns: int | None = None
    draws_per_component: int | None = None

    @classmethod
    def of(cls, estimator: Estimator) -> EstimatorFacts:
        """Return the facts of an estimator with its parameters."""
        return cls(**{each.name: getattr(estimator, each.name) for each in fields(cls)})


def is_plug_in(estimator: EstimatorFacts) -> bool:
    """Tell whether the theorems of the plug-in hold."""
    return estimator.plug_in


@dataclass(frozen=True, kw_only=True, eq=False)
class Theorem:
    """A bound on the error of estimators: all that tables, checks, figures and plans know of it.

    Attributes
    ----------
    name : str
        Key in JSON and CSV.
    function : callable
        Its value in nats from n and the facts of a source; None where it does not apply.
    statistic : {"bias", "mae", "information"}
        Of which error: ``h - E estimate``, ``E |h - estimate|``, or the same of an information.
    side : {"lower", "upper"}
        Of the statistic.
    note : str
        The statement, for people.
    legend : str
        The same in a few words, for figures; the note where it is "".
    certainty : {"proved", "recalled", "printed"}
        "printed" where it stands in a paper, reconstructed and not proved: such a theorem has a
        star, and is checked only where a suite names the check.
    applies : callable
        To which estimators, from what they say of themselves.
    header : str
        Of its column beside the rows of a run; "" for none.
    always : bool
        Whether the column stands beside every run; else where a check compares with it.
    dash : tuple of float
        Of its line in figures: lengths of strokes and gaps in turn; chosen where it is empty.
    check : str
        The check that compares the data with it, which several theorems may share; "" for none.
    checked : str
        What that check says has to hold; the note where it is "".
    each : callable or None
        A lower bound on ``h - estimate`` for the samples of every single trial, as `function`.
    in_class : {"", "cube", "subgaussian"}
        Whether `entbench bounds` prints it, for all S in [-1, 1]^d or all K-subgaussian S.
    class_header : str
        Of that column.
    worst : str
        Its name beside the worst source of a run, where it bounds the error over the cube.
    planned : str
        Its name in `entbench plan`; "" where it is not inverted.
    about : str
        What `entbench plan` calls it.
    largest_n : int
        Where the search for n ends.
    """

    name: str
    function: Callable[[int, SourceFacts], float | None]
    statistic: Statistic
    side: Side
    note: str
    legend: str = ""
    certainty: Certainty = "proved"
    applies: Callable[[EstimatorFacts], bool] = is_plug_in
    header: str = ""
    always: bool = False
    dash: tuple[float, ...] = ()
    check: str = ""
    checked: str = ""
    each: Callable[[int, SourceFacts], float | None] | None = None
    in_class: Literal["", "cube", "subgaussian"] = ""
    class_header: str = ""
    worst: str = ""
    planned: str = ""
    about: str = ""
    largest_n: int = 10**300

    @property
    def label(self) -> str:
        """What figures call it."""
        return self.legend or self.note
