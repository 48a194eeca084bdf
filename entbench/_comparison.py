"""Several estimates from one set of samples: their errors, and where they contradict each other."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from entbench._agreement import (
    Difference,
    Spread,
    Verdict,
    contradictions,
    grouped_variance,
    standard_error_of_difference,
    verdict,
)
from entbench._base import (
    EntropyEstimator,
    EntropyResult,
    Influences,
    Interval,
    MutualInformationEstimator,
)
from entbench._functional import with_noise
from entbench._registry import estimators, make_estimator
from entbench._validation import check_integer, check_positive, check_samples

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "DEFAULT_GROUPS",
    "DEFAULT_MARGIN",
    "REFIT_ROWS",
    "Agreement",
    "Bracket",
    "Comparison",
    "Finding",
    "JudgedEstimate",
    "Wanted",
    "compare_estimates",
    "default_estimators",
    "judge",
]

DEFAULT_GROUPS = 20
DEFAULT_MARGIN = 0.1  # nats
REFIT_ROWS = 5_000  # more rows than these are not refitted for a standard error, but a part of them
KDE_ROWS = 20_000  # up to here `kde`, whose cost grows as n^2, is among the defaults

STANDARD_ERRORS = 3.0
WIDE_BRACKET = 0.1
_ROUNDING = 1e-9
_MANY = 10**6  # samples, where nothing tells how many

Found = TypeVar("Found")

# Streams of a seed, beside that of `with_noise`.
_SPLIT, _REFITS = 0x5B, 0x5C


@dataclass(frozen=True)
class Wanted:
    """An estimator to use: registry name, hyperparameters, and what tables call it."""

    name: str
    params: Mapping[str, Any]
    label: str


@dataclass(frozen=True)
class JudgedEstimate:
    """An estimate in nats, with its errors.

    Attributes
    ----------
    label : str
        What tables call the estimator.
    role : {"estimate", "upper bound", "lower bound"}
        What the value is meant to be.
    value : float
        The estimate in nats.
    numerical_error : float
        For these samples, as the estimator states it; NaN if it states none.
    standard_error : float
        Over samples, numerical error included: as the estimator states it, or by the jackknife;
        NaN if not known.
    interval : Interval or None
        For the truth, as the estimator states it.
    no_interval : str
        Why there is none.
    half_value : float
        Mean of the estimates from the two halves of the rows; NaN if not known.
    diagnostics : dict
        What the estimator has to say about its run.
    warned : bool
        Whether the estimator warned.
    spread : Spread or None
        Its scatter, and what it shares with that of others.
    """

    label: str
    role: str
    value: float
    numerical_error: float = math.nan
    standard_error: float = math.nan
    interval: Interval | None = None
    no_interval: str = ""
    half_value: float = math.nan
    diagnostics: Mapping[str, Any] | None = None
    warned: bool = False
    spread: Spread | None = field(default=None, compare=False, repr=False)

    @property
    def movement(self) -> float:
        """How far the estimate moved from half of the rows to all of them, in nats."""
        return self.value - self.half_value


@dataclass(frozen=True)
class Bracket:
    """Values that enclose h(S+Z) on average, and the estimator they come from."""

    low: float
    high: float
    label: str

    @property
    def width(self) -> float:
        """``high - low`` in nats; below 0 only by the error of its integration."""
        return self.high - self.low


@dataclass(frozen=True)
class Agreement:
    """Whether estimates agree within a margin, as a test of equivalence.

    Attributes
    ----------
    verdict : {"agree", "differ", "not known"}
        "agree" where no difference of two is larger than the margin, wrong in at most 5 % of cases;
        "differ" where some is larger than 0, wrong in at most 5 % of cases, and may be larger than
        the margin. It is not about the truth: estimates can share a bias.
    margin : float
        In nats.
    labels : tuple of str
        The estimates compared: with a standard error, and nothing found against them.
    left_out : tuple of str
        The others, bounds apart.
    most : float
        Largest upper 95 % limit of a difference, in nats; NaN with fewer than two estimates.
    """

    verdict: Verdict
    margin: float
    labels: tuple[str, ...]
    left_out: tuple[str, ...]
    most: float


@dataclass(frozen=True)
class Finding:
    """Something that the numbers say against themselves.

    Attributes
    ----------
    kind : str
        "disagreement", "few-effective-samples", "wide-bracket", "moves-with-n",
        "no-standard-error" or "no-fit-to-half-of-the-rows".
    labels : tuple of str
        The estimators it is about.
    amount : float
        In nats, or the share of samples for "few-effective-samples"; NaN where there is none.
    standard_errors : float
        `amount` in standard errors, of the difference for two; NaN where there is none.
    message : str
        One line.
    """

    kind: str
    labels: tuple[str, ...]
    message: str
    amount: float = math.nan
    standard_errors: float = math.nan


@dataclass(frozen=True)
class Comparison:
    """Estimates from one set of samples, and what is to be said of them.

    Attributes
    ----------
    n, d : int
        Number and dimension of the samples.
    estimates : tuple of JudgedEstimate
        In the order asked for.
    bracket : Bracket or None
        Of the first estimator that gives one.
    findings : tuple of Finding
        Empty where nothing speaks against the estimates.
    groups : int
        Groups of the jackknife; 0 if it was left out.
    refit_rows : int
        Rows that the groups were made of.
    agreement : Agreement
        Of the estimates that nothing speaks against.
    jackknifed : tuple of str
        The estimators that state no standard error of their own.
    """

    n: int
    d: int
    estimates: tuple[JudgedEstimate, ...]
    bracket: Bracket | None
    findings: tuple[Finding, ...]
    groups: int
    refit_rows: int
    agreement: Agreement
    jackknifed: tuple[str, ...] = ()


def default_estimators(n: int, sigma: float | None) -> tuple[str, ...]:
    """Return the names to use where none are given: `sp` needs sigma, `kde` time beyond 20,000."""
    names = ("kl",) if sigma is None else ("sp", "kl")
    return (*names, "kde") if n <= KDE_ROWS else names


def compare_estimates(
    X: ArrayLike,
    wanted: Sequence[Wanted],
    *,
    sigma: float | None = None,
    seed: int = 0,
    groups: int = DEFAULT_GROUPS,
    margin: float = DEFAULT_MARGIN,
    on_cost: Callable[[str, int, float], None] = lambda label, fits, seconds: None,
) -> Comparison:
    """Estimate h(S+Z) in several ways from the same samples, and say whether they agree.

    Parameters
    ----------
    X : array-like of shape (n_samples, dim)
        With `sigma`: samples of S; all estimators that read T = S + Z get the same noise added.
        Without: samples of T.
    wanted : sequence of Wanted
        The estimators.
    sigma : float, optional
        Standard deviation of Z, in the unit of `X`.
    seed : int
        Of the noise, the estimators and the groups.
    groups : int
        Groups of the jackknife, for estimators that state no standard error; 0 leaves it and the
        fits to halves out.
    margin : float
        How far estimates may be apart and agree, in nats.
    on_cost : callable
        Called while an estimator is refitted, with its label, the number of fits to come and the
        seconds they will take, judged by a fit to half of the rows.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError, TypeError
        If the samples, a name or a parameter is no good; before anything is fitted where possible.

    Notes
    -----
    Standard error over samples: the estimator's own; where it states none, the delete-a-group
    jackknife. The rows are cut at random into g groups
    and the estimator is fitted g times without one of them, each time with a seed of its own:
    ``V = (g-1)/g sum_i (h_i - mean h)^2`` (Shao & Tu 1995, section 5.1, recalled, not checked).
    The numerical errors e_i of the refits add ``((g-1)/g)^2 sum_i e_i^2`` to V on average, which is
    subtracted; where no more than that is left, the sampling error is 0 to the accuracy of V.
    With more than `REFIT_ROWS` rows the groups are made of that many of them at random, and the
    error is scaled by ``sqrt(rows / n)``.

    It assumes independent rows and a smooth statistic whose error falls as ``n^{-1/2}``. It does
    not see bias, and with 20 groups is itself uncertain by a sixth. Added noise is part of the
    samples: its scatter is in the error of estimators that read T. For nearest neighbours, which
    change with the rows left out, it is up to 1.4 times too large: no smooth statistic.

    Agreement: see `entbench._agreement.standard_error_of_difference` for the standard error of a
    difference. Over 60 samples of a Laplace law, n = 400, it was 0.84 to 1.23 times the actual
    scatter for pairs of `sp`, `kl`, `kde`, `gaussian`, `spacing` and `binning`, and at most 2.8
    times where two estimates are nearly one (`sp` and `sp-jackknife`).

    An estimate that still moves: the mean of the estimates from the two halves of the rows beside
    that from all. The halves together are all rows, so their sampling errors cancel to first order
    and what is left is the change of the bias from n/2 to n.

    Cost: two fits to half of all rows; and, for the jackknife, g fits to ``(g-1)/g`` of the rows,
    of at most `REFIT_ROWS` of them.
    """
    samples = check_samples(X)
    level = None if sigma is None else check_positive("sigma", sigma)
    check_integer("seed", seed, minimum=0)
    if check_integer("groups", groups, minimum=0) == 1:
        raise ValueError("`groups` must be 0 or at least 2; got 1.")
    margin = check_positive("margin", margin)
    run = _Run(samples, level, int(seed), min(int(groups), len(samples)), on_cost)
    for one in wanted:  # every mistake in a name shows before the first fit
        run.make(one)
    judged = tuple(run.judge(one) for one in wanted)
    findings = (*run.failures, *judge(judged, len(samples), margin))
    return Comparison(
        n=len(samples),
        d=samples.shape[1],
        estimates=judged,
        bracket=_bracket(judged),
        findings=findings,
        groups=run.groups,
        refit_rows=min(len(samples), REFIT_ROWS),
        agreement=agreement(judged, findings, margin),
        jackknifed=tuple(run.jackknifed),
    )


class _Run:
    """What the fits of a comparison share: rows, noise, groups."""

    def __init__(
        self,
        samples: NDArray[np.float64],
        sigma: float | None,
        seed: int,
        groups: int,
        on_cost: Callable[[str, int, float], None],
    ) -> None:
        self.signal = samples
        self.sigma = sigma
        self.seed = seed
        self.groups = groups
        self.failures: list[Finding] = []
        self.jackknifed: list[str] = []
        self._on_cost = on_cost
        self._order = np.random.default_rng([seed, _SPLIT]).permutation(len(samples))
        self._noisy = samples
        if sigma is not None:
            self._noisy = with_noise(samples, sigma, seed)

    def make(self, wanted: Wanted, refit: int = 0) -> EntropyEstimator:
        """Return the estimator; refits have seeds of their own, so that their errors differ."""
        cls = estimators.load(wanted.name)
        if issubclass(cls, MutualInformationEstimator):
            raise ValueError(
                f"estimator {wanted.name!r} estimates a mutual information: it needs pairs (X, Y), "
                "and a comparison of entropies has one set of samples."
            )
        params = dict(wanted.params)
        if "sigma" in params and cls.reads == "signal":
            raise ValueError(
                f"`sigma` is given once, as sigma=VALUE, so that all estimates are of the same "
                f"entropy; got it in {wanted.label!r}."
            )
        seed: int = self.seed
        if refit:
            params.pop("random_state", None)
            seed = int(np.random.SeedSequence([self.seed, _REFITS, refit]).generate_state(1)[0])
        model = make_estimator(wanted.name, params, sigma=self.sigma, random_state=seed)
        return cast(EntropyEstimator, model)

    def fit(
        self, wanted: Wanted, rows: NDArray[np.intp] | None = None, refit: int = 0
    ) -> tuple[EntropyResult, Influences | None]:
        """Fit to some of the rows, or all."""
        model = self.make(wanted, refit)
        given = self.signal if model.reads == "signal" else self._noisy
        given = given if rows is None else given[np.sort(rows)]
        model._wants_influences = rows is None
        model.fit(given)
        result = EntropyResult.of(model, len(given), wanted.label, d=given.shape[1])
        return result, model._influences

    def judge(self, wanted: Wanted) -> JudgedEstimate:
        """Estimate from all rows; then refit for errors."""
        with warnings.catch_warnings(record=True) as heard:
            result, influences = self.fit(wanted)
        for one in heard:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        half_value, standard_error = math.nan, _or_nan(result.standard_error)
        refits: NDArray[np.float64] | None = None
        if self.groups:
            to_come = self.groups if result.standard_error is None else 0
            found = self._or_note(
                "fit to half of the rows", partial(self._half_value, refits=to_come), wanted
            )
            half_value = math.nan if found is None else found
        if self.groups and result.standard_error is None:
            self.jackknifed.append(wanted.label)
            refits = self._or_note("standard error", self._without_groups, wanted)
        numerical = result.numerical_error or 0.0
        rows = min(len(self.signal), REFIT_ROWS)
        if refits is not None:
            variance = grouped_variance(refits, numerical**2) * rows / len(self.signal)
            standard_error = math.sqrt(variance + numerical**2)
        return JudgedEstimate(
            label=wanted.label,
            role=estimators.load(wanted.name).role,
            value=result.value,
            numerical_error=_or_nan(result.numerical_error),
            standard_error=standard_error,
            interval=result.interval,
            no_interval=result.no_interval,
            half_value=half_value,
            diagnostics=result.diagnostics,
            warned=bool(heard),
            spread=Spread(standard_error, numerical, len(self.signal), influences, refits, rows),
        )

    def _without_groups(self, wanted: Wanted) -> NDArray[np.float64]:
        """Return the values without one group of rows each."""
        rows = self._order[:REFIT_ROWS]
        parts = np.array_split(rows, self.groups)
        kept = [
            np.concatenate(parts[:left_out] + parts[left_out + 1 :])
            for left_out in range(self.groups)
        ]
        return np.array([result.value for result in self._refits(wanted, kept, 2)])

    def _half_value(self, wanted: Wanted, refits: int) -> float:
        """Return the mean of the fits to the halves; `refits` are to come after them."""
        half = len(self.signal) // 2
        start = time.perf_counter()
        first = self._refits(wanted, [self._order[:half]])
        seconds = time.perf_counter() - start
        share = min(1.0, REFIT_ROWS / len(self.signal))
        self._on_cost(wanted.label, 1 + refits, seconds * (1.0 + 2.0 * refits * share))
        second = self._refits(wanted, [self._order[half : 2 * half]], 1)
        return float(np.mean([result.value for result in (*first, *second)]))

    def _refits(
        self, wanted: Wanted, chosen: Sequence[NDArray[np.intp]], done: int = 0
    ) -> Sequence[EntropyResult]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the fit to all rows has said what there is to say
            return [self.fit(wanted, rows, 1 + done + i)[0] for i, rows in enumerate(chosen)]

    def _or_note(self, what: str, find: Callable[[Wanted], Found], wanted: Wanted) -> Found | None:
        """Return what `find` finds; None and a finding where a part of the rows is too few."""
        try:
            return find(wanted)
        except ValueError as error:
            message = f"no {what} for {wanted.label}: too few rows in a part of them: {error}"
            kind = "no-" + what.replace(" ", "-")
            self.failures.append(Finding(kind, (wanted.label,), message))
            return None


def judge(
    estimates: Sequence[JudgedEstimate], n: int, margin: float = DEFAULT_MARGIN
) -> tuple[Finding, ...]:
    """Return what speaks against the estimates from `n` rows.

    Two estimates disagree where their difference is not 0 and may be larger than the margin; see
    `entbench._agreement`. Of a bound only the wrong side counts.
    """
    found = [*_disagreements(estimates, margin)]
    for estimate in estimates:
        found += _few_effective_samples(estimate, n)
    found += _wide_bracket(estimates)
    for estimate in estimates:
        found += _moves(estimate)
    return tuple(found)


def agreement(
    estimates: Sequence[JudgedEstimate], findings: Sequence[Finding], margin: float
) -> Agreement:
    """Return whether the estimates agree that nothing but a disagreement speaks against."""
    against = {
        label for finding in findings if finding.kind != "disagreement" for label in finding.labels
    }
    all_ = [estimate for estimate in estimates if estimate.role == "estimate"]
    kept = [
        one
        for one in all_
        if not (one.label in against or one.warned or math.isnan(one.standard_error))
    ]
    differences = [_difference(*pair) for pair in combinations(kept, 2)]
    return Agreement(
        verdict=verdict(differences, margin) if differences else "not known",
        margin=margin,
        labels=tuple(one.label for one in kept),
        left_out=tuple(one.label for one in all_ if one not in kept),
        most=max((difference.most for difference in differences), default=math.nan),
    )


def _disagreements(estimates: Sequence[JudgedEstimate], margin: float) -> list[Finding]:
    """Return the pairs that contradict each other, the worst first."""
    pairs = [
        pair
        for pair in combinations(estimates, 2)
        if not math.isnan(pair[0].standard_error + pair[1].standard_error)
    ]
    differences = [_difference(*pair) for pair in pairs]
    found = []
    for (one, other), difference, contradict in zip(
        pairs, differences, contradictions(differences), strict=True
    ):
        if contradict and difference.most > margin:
            size, error = abs(difference.value), difference.standard_error
            low, high = difference.interval
            message = (
                f"{_named(one)} and {_named(other)} differ by {size:.3g} nats "
                f"(95 % interval {low:.3g} to {high:.3g})."
            )
            ratio = size / error if error else math.inf
            labels = (one.label, other.label)
            found.append(Finding("disagreement", labels, message, size, ratio))
    return sorted(found, key=lambda finding: -finding.standard_errors)


def _difference(one: JudgedEstimate, other: JudgedEstimate) -> Difference:
    """Return the difference of two estimates; of a bound, with the wrong side positive."""
    error, freedom = standard_error_of_difference(*map(_spread, (one, other)))
    above = one.role != "upper bound" and other.role != "lower bound"
    below = one.role != "lower bound" and other.role != "upper bound"
    value = one.value - other.value
    return Difference(value if above else -value, error, freedom, above + below)


def _spread(estimate: JudgedEstimate) -> Spread:
    if estimate.spread is not None:
        return estimate.spread
    numerical = 0.0 if math.isnan(estimate.numerical_error) else estimate.numerical_error
    return Spread(estimate.standard_error, numerical, _MANY)


def _few_effective_samples(estimate: JudgedEstimate, n: int) -> Iterator[Finding]:
    n_eff = (estimate.diagnostics or {}).get("n_eff")
    if isinstance(n_eff, int | float) and n_eff > 0.5 * n:
        message = (
            f"n is too small: the noise leaves {n_eff:.4g} of {n} samples apart "
            f"({estimate.label}'s n_eff), more than half."
        )
        yield Finding("few-effective-samples", (estimate.label,), message, float(n_eff) / n)


def _wide_bracket(estimates: Sequence[JudgedEstimate]) -> Iterator[Finding]:
    bracket = _bracket(estimates)
    if bracket is None:
        return
    error = next(e.standard_error for e in estimates if e.label == bracket.label)
    allowed = WIDE_BRACKET if math.isnan(error) else max(STANDARD_ERRORS * error, WIDE_BRACKET)
    if bracket.width > allowed:
        message = (
            f"n is too small: the bracket is {bracket.width:.3g} nats wide (over "
            f"{WIDE_BRACKET} and {STANDARD_ERRORS:g} standard errors)."
        )
        ratio = bracket.width / error if error > 0.0 else math.nan  # NaN too if not known
        yield Finding("wide-bracket", (bracket.label,), message, bracket.width, ratio)


def _moves(estimate: JudgedEstimate) -> Iterator[Finding]:
    """Compare with the halves: both together are all rows, so that only a bias can differ."""
    error = estimate.standard_error
    moved = abs(estimate.movement)
    if estimate.role == "estimate" and moved > max(STANDARD_ERRORS * error, _ROUNDING):
        ratio = moved / error if error else math.inf
        message = (
            f"n is too small for {estimate.label}: from n/2 to n it moved by "
            f"{estimate.movement:+.3g} nats, {_count(ratio)} standard errors."
        )
        yield Finding("moves-with-n", (estimate.label,), message, estimate.movement, ratio)


def _bracket(estimates: Sequence[JudgedEstimate]) -> Bracket | None:
    for estimate in estimates:
        known = estimate.diagnostics or {}
        if "bracket_low" in known and "bracket_high" in known:
            return Bracket(
                float(known["bracket_low"]), float(known["bracket_high"]), estimate.label
            )
    return None


def _named(estimate: JudgedEstimate) -> str:
    return estimate.label if estimate.role == "estimate" else f"{estimate.label} ({estimate.role})"


def _or_nan(error: float | None) -> float:
    return math.nan if error is None else error


def _count(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio < 100.0 else "over 100"
