"""How claims are judged: effects with intervals, against margins that are stated beforehand.

A claim says that an effect is above a margin, or below it. It holds where the whole interval of the
effect is there, it fails where the whole interval is on the other side, and otherwise it is not
told. Intervals are of 95 % at the least, for all the parts of a claim together: more layers, epochs
or pairs make them wider and false verdicts no likelier.

Claims are about the networks that were trained, each of which is measured. Those that compare
settings are about means over seeds, and need three seeds or more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

from entbench._base import Claim

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEAST_SEEDS = 3
LEAST_ALONE = 5  # all of them are on one side by chance in one of 32 runs
ROUNDING = 1e-9  # nats; by which numbers that are exact may be off
_WRONG = 0.025  # chance that an end of an interval is on the wrong side of the effect
GIVEN = float(-ndtri(_WRONG))  # standard errors in intervals that estimators state
_LEAST_COUNTED = 20  # epochs, for the scatter of counts from one to the next
_LEARNED = 0.1  # of accuracy above that of guessing

Span = tuple[float, float]
Verdict = bool | None


def normal_quantile(parts: int) -> float:
    """Return how many standard errors make one of `parts` intervals that hold together."""
    return -float(ndtri(_WRONG / parts))


class Effect(NamedTuple):
    """An estimated effect, and how far it may be off.

    Attributes
    ----------
    value : float
        The estimate.
    below, above : float
        Its standard errors to either side; infinite where none is known.
    scatter : float
        Standard error of a mean by the scatter of its terms; the larger one of both counts.
    freedom : int
        Degrees of freedom of `scatter`.
    """

    value: float
    below: float = 0.0
    above: float = 0.0
    scatter: float = 0.0
    freedom: int = 1

    @classmethod
    def within(cls, value: float, low: float, high: float) -> Effect:
        """Return an estimate that comes with an interval of 95 %."""
        return cls(value, (value - low) / GIVEN, (high - value) / GIVEN)

    @classmethod
    def mean(
        cls, terms: Sequence[float] | Floats, variance: float = 0.0, seeds: int = LEAST_SEEDS
    ) -> Effect:
        """Return the mean of an effect over seeds.

        Parameters
        ----------
        terms : sequence of float
            By seed.
        variance : float, default=0.0
            That each term has at the least, as that of a count. A few terms that are near each
            other by luck then do not pass for certainty.
        seeds : int, default=3
            Fewer tell nothing: equal terms are no sign of a small scatter. Three for differences
            of two networks, which are symmetric where there is no effect; `LEAST_ALONE` else.
        """
        values, n = np.asarray(terms, dtype=np.float64), len(terms)
        if n < seeds:
            return cls(float(values.mean()) if n else math.nan, math.inf, math.inf)
        least = math.sqrt(variance / n)
        return cls(
            float(values.mean()), least, least, float(values.std(ddof=1)) / math.sqrt(n), n - 1
        )

    def interval(self, parts: int = 1) -> Span:
        """Return an interval that is one of `parts` which hold together in 95 % or more."""
        normal = normal_quantile(parts)
        student = -float(stdtrit(self.freedom, _WRONG / parts)) if self.scatter else 0.0
        low, high = (max(normal * e, student * self.scatter) for e in (self.below, self.above))
        return self.value - low, self.value + high


class Levels(NamedTuple):
    """An effect by epoch: values, and standard errors to either side."""

    values: Floats
    below: Floats
    above: Floats

    @classmethod
    def exact(cls, values: Sequence[float] | Floats) -> Levels:
        """Return a curve of numbers that are exact."""
        found = np.asarray(values, dtype=np.float64)
        return cls(found, np.zeros(len(found)), np.zeros(len(found)))

    @classmethod
    def within(cls, values: Sequence[float], low: Sequence[float], high: Sequence[float]) -> Levels:
        """Return a curve of estimates that come with intervals of 95 %."""
        found, least, most = (np.asarray(each, np.float64) for each in (values, low, high))
        return cls(found, (found - least) / GIVEN, (most - found) / GIVEN)

    @classmethod
    def counted(cls, values: Sequence[float] | Floats) -> Levels:
        """Return a curve of counts in bins, which scatter from one epoch to the next.

        A count is exact, but a level is what stays for three epochs: the median of each recorded
        one and its neighbours, with the scatter of second differences in the last third for an
        error. Fewer than 20 epochs do not show it.
        """
        found = np.asarray(values, dtype=np.float64)
        if len(found) < _LEAST_COUNTED:
            unknown = np.full(len(found), math.inf)
            return cls(found, unknown, unknown)
        moved = np.diff(found, 2)[-len(found) // 3 :]
        error = np.full(len(found), math.sqrt(float((moved**2).mean()) / 6.0))
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(found, 1, mode="edge"), 3)
        middle = np.median(windows, axis=1)
        middle[[0, -1]] = np.median(found[:3]), np.median(found[-3:])
        return cls(middle, error, error)

    def ends(self, parts: int = 1) -> tuple[Floats, Floats]:
        """Return lower and upper ends that hold at all epochs together."""
        normal = normal_quantile(parts * len(self.values))
        return self.values - normal * self.below, self.values + normal * self.above

    def _at(self, place: int, parts: int) -> Span:
        value, below, above = (float(each[place]) for each in self)
        return Effect(value, below, above).interval(parts)

    def end(self, parts: int = 1) -> Span:
        """Return where the curve ends."""
        return self._at(-1, parts)

    def times(self, place: int, parts: int = 1) -> Span:
        """Return how many times its value at one epoch a positive curve ends at."""
        (least, most), (low, high) = (self._at(at, 2 * parts) for at in (-1, place))
        if not math.isfinite(most):
            return -math.inf, math.inf
        return least / high, most / low if low > 0.0 else math.inf

    def fall(self, parts: int = 1) -> Span:
        """Return by how much the curve ends below its largest value."""
        low, high = self.ends(parts)
        return max(0.0, low.max() - high[-1]), max(0.0, high.max() - low[-1])

    def gain(self, parts: int = 1) -> Span:
        """Return by how much the curve ends above its beginning."""
        low, high = self.ends(parts)
        return float(low[-1] - high[0]), float(high[-1] - low[0])

    def drop(self, parts: int = 1) -> Span:
        """Return by how much the curve ever falls, from any epoch to any later one."""
        low, high = self.ends(parts)
        least = np.maximum.accumulate(low) - high
        most = np.maximum.accumulate(high) - low
        return max(0.0, float(least.max())), float(most.max())

    def hump(self, parts: int = 1) -> Span:
        """Return the height of the largest hump: a rise followed by a fall, the smaller of both."""
        low, high = self.ends(parts)
        return max(0.0, _hump(low, high)), max(0.0, _hump(high, low))


def _hump(top: Floats, foot: Floats) -> float:
    """Return the largest height of a point over the lower ones on both of its sides."""
    before = np.minimum.accumulate(foot)
    after = np.minimum.accumulate(foot[::-1])[::-1]
    return float(np.max(top - np.maximum(before, after)))


def above(span: Span, margin: float) -> Verdict:
    """Tell whether an effect is at or above a margin, by its interval."""
    low, high = span
    return True if low >= margin else False if high < margin else None


def below(span: Span, margin: float) -> Verdict:
    """Tell whether an effect is below a margin, by its interval."""
    low, high = span
    return True if high < margin else False if low >= margin else None


def within(span: Span, margin: float) -> Verdict:
    """Tell whether an effect is nearer to 0 than a margin, by its interval."""
    low, high = span
    if max(-low, high) < margin:
        return True
    return False if low >= margin or high <= -margin else None


def all_of(effects: Sequence[Effect], test: Callable[[Span], Verdict]) -> Verdict:
    """Tell whether each of several effects is where a claim has it.

    It is where each by itself is, by an interval of 95 %: all have to be wrong for all to pass. One
    that is not refutes the claim, which takes intervals that hold together.
    """
    if effects and all(test(each.interval()) is True for each in effects):
        return True
    refuted = any(test(each.interval(len(effects))) is False for each in effects)
    return False if refuted else None


def every(verdicts: Iterable[Verdict]) -> Verdict:
    """Tell whether all parts of a claim hold: not, where one does not."""
    found = list(verdicts)
    if False in found:
        return False
    return True if found and None not in found else None


def some(verdicts: Iterable[Verdict]) -> Verdict:
    """Tell whether any part of a claim holds."""
    found = list(verdicts)
    if True in found:
        return True
    return False if found and None not in found else None


def alike(verdicts: Iterable[Verdict]) -> Verdict:
    """Tell what all networks show: nothing, where they differ."""
    found = set(verdicts)
    return found.pop() if len(found) == 1 else None


def has_learned(accuracy: float, guessing: float) -> bool:
    """Tell whether a network is right clearly more often than by guessing."""
    return accuracy >= guessing + _LEARNED


def judged(
    claim: str,
    where: str,
    measured: str,
    holds: Verdict,
    *,
    short: str = "",
    lasting: Verdict = None,
) -> Claim:
    """Return a claim with its verdict, which a short run may not bear.

    Parameters
    ----------
    claim, where, measured, holds
        Of the claim.
    short : str, default=""
        How far a run that is shorter than the claim needs has come; "" for one that is not.
    lasting : bool or None, default=None
        The verdict that more training does not change: True where something had to come about and
        has, False where it was not to and has. A short run does not tell any other.
    """
    told = kept(holds, short, lasting)
    if short and told is None:
        measured += f"; too short to tell: {short}"
    return Claim(claim, where, measured, told)


def kept(verdict: Verdict, short: str, lasting: Verdict) -> Verdict:
    """Return a verdict, where the run is long enough for it or it is the lasting one."""
    return None if short and verdict is not lasting else verdict


def absent(claim: str, where: str, why: str = "not in this run") -> Claim:
    """Return a claim that a run says nothing of."""
    return Claim(claim, where, why, None)


def too_short(came: float, needed: float, unit: str = "epochs") -> str:
    """Return how far a run came, where that is less far than it has to."""
    return "" if came >= needed else f"{came:g} of {needed:g} {unit}"


def span_text(span: Span, digits: str = ".2f") -> str:
    """Return an interval in words."""
    low, high = (_ended(each, digits) for each in span)
    return low if low == high else f"{low} to {high}"


def _ended(end: float, digits: str) -> str:
    return f"{end:{digits}}" if math.isfinite(end) else "?"
