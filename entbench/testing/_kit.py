"""The kit: all checks in order, and three ways to run them."""

from __future__ import annotations

import inspect
import random
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from entbench._validation import unknown_name
from entbench.testing import _accuracy, _contract, _errors, _inputs, _invariance, _mistakes
from entbench.testing._results import CheckFailedError, CheckResult, NotApplicableError
from entbench.testing._subject import FALSE_ALARM, MANY, REPEATS, Subject, one_line

if TYPE_CHECKING:
    from entbench.testing._results import Status

_PACKAGE = Path(__file__).resolve().parents[1]
# the built-in plug-ins say so where n is small; here that is meant
_EXPECTED_WARNING = "`X` has"


@dataclass(frozen=True)
class _Check:
    """A check; `after` names those whose failure most likely makes this one fail too."""

    name: str
    function: Callable[[Subject], str]
    after: tuple[str, ...] = ()


_SCALE = ("sigma", "no-clipping", "scaling")
_TRUTH = ("random-state", "no-memory", "row-order", "pairs", "shift", *_SCALE, "neighbour-rank")
_LATER = (*_TRUTH, "truth-gaussian")

# from simple to statistical: what stands first is the cause of what fails below it
_ALL = (
    _Check("contract", _contract.check_contract),
    _Check("parameters", _contract.check_hyperparameters),
    _Check("input-untouched", _contract.check_input_untouched),
    _Check("global-random-state", _contract.check_global_random_state),
    _Check("random-state", _contract.check_random_state, ("global-random-state",)),
    _Check("no-memory", _contract.check_no_memory, ("random-state",)),
    _Check("layout", _inputs.check_layout, ("random-state",)),
    _Check("row-order", _invariance.check_row_order, ("random-state", "no-memory")),
    _Check("pairs", _invariance.check_pairs, ("random-state",)),
    _Check("bad-input", _inputs.check_bad_input),
    _Check("ties", _inputs.check_ties),
    _Check("few-rows", _inputs.check_few_rows),
    _Check("high-dimension", _inputs.check_high_dimension),
    _Check("sigma", _mistakes.check_sigma),
    _Check("no-clipping", _mistakes.check_no_clipping, ("pairs", "sigma")),
    _Check("shift", _invariance.check_shift, ("random-state",)),
    _Check("scaling", _invariance.check_scaling, ("sigma", "no-clipping", "shift")),
    _Check("extreme-scale", _invariance.check_extreme_scale, _SCALE),
    _Check("neighbour-rank", _mistakes.check_neighbour_rank, ("few-rows", "pairs", *_SCALE)),
    _Check("truth-gaussian", _accuracy.check_truth_gaussian, _TRUTH),
    _Check("truth-uniform", _accuracy.check_truth_uniform, _LATER),
    _Check("truth-atoms", _accuracy.check_truth_atoms, _LATER),
    _Check("truth-correlated", _accuracy.check_truth_correlated, _LATER),
    _Check("truth-scales", _accuracy.check_truth_scales, _LATER),
    _Check("truth-unequal-sides", _accuracy.check_truth_unequal_sides, _LATER),
    _Check("truth-discrete", _accuracy.check_truth_discrete, _LATER),
    _Check("truth-high-dimension", _accuracy.check_truth_high_dimension, _LATER),
    _Check("truth-independent", _accuracy.check_truth_independent, _LATER),
    _Check("symmetry", _accuracy.check_symmetry, _LATER),
    _Check("bound-side", _accuracy.check_bound_side, _TRUTH),
    _Check("all-rows", _accuracy.check_all_rows, ("random-state", *_SCALE)),
    _Check("convergence", _accuracy.check_convergence, (*_LATER, "all-rows")),
    _Check("numerical-error", _errors.check_numerical_error, ("random-state",)),
    _Check("standard-error", _errors.check_standard_error, _LATER),
    _Check("coverage", _errors.check_coverage, (*_LATER, "standard-error")),
)
CHECK_NAMES: tuple[str, ...] = tuple(check.name for check in _ALL)
_BY_NAME = {check.name: check for check in _ALL}


class _Run:
    """Results of one estimator, each check made when it is asked for."""

    def __init__(self, subject: Subject, known_failures: Mapping[str, str] | None = None) -> None:
        self.subject = subject
        self._known = {**subject.cls.known_failures, **(known_failures or {})}
        _names(tuple(self._known))
        self._results: dict[str, CheckResult] = {}

    def result(self, name: str) -> CheckResult:
        if name not in self._results:
            self._results[name] = self._made(_BY_NAME[name])
        return self._results[name]

    def _made(self, check: _Check) -> CheckResult:
        first = len(self.subject.tried)
        status, finding, cause = self._outcome(check)
        laws = tuple(self.subject.tried[first:])
        root = self._root(check) if status == "failed" else ""
        return CheckResult(check.name, status, finding, cause, root, laws)

    def _outcome(self, check: _Check) -> tuple[Status, str, str]:
        known = self._known.get(check.name)
        try:
            with _warned_once(self.subject.cls), _global_state_restored():
                return "passed", check.function(self.subject), ""
        except CheckFailedError as failure:
            if known is not None:
                return "known failure", failure.finding, known
            return "failed", failure.finding, failure.cause
        except NotApplicableError as reason:
            return "not applicable", str(reason), ""
        except Warning:
            raise  # whoever turned warnings into errors wants to see them
        except Exception as error:
            return "failed", f"`fit` raises {type(error).__name__}: {one_line(error)}", ""

    def _root(self, check: _Check) -> str:
        """Return the first failed check that most likely explains this one; "" if none does."""
        first = () if check.name == "contract" else ("contract",)
        for name in (*first, *check.after):
            result = self._results.get(name) or self.result(name)
            if result.failed:
                return result.root or name
        return ""


@contextmanager
def _global_state_restored() -> Iterator[None]:
    """Leave the global generators as they were, whatever an estimator does to them."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)


@contextmanager
def _warned_once(cls: type) -> Iterator[None]:
    """Let each warning of a check through once, whatever the filters say of repeats.

    One from outside this package tells the file and line it came from.
    """
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as recorded:
            caught = recorded
            warnings.simplefilter("always")
            yield
    finally:
        distinct = {(str(warning.message), warning.category): warning for warning in caught}
        for (text, category), warning in distinct.items():
            if not text.startswith(_EXPECTED_WARNING):
                where = _place(cls, warning)
                warnings.warn_explicit(text + where, category, warning.filename, warning.lineno)


def _place(cls: type, warning: warnings.WarningMessage) -> str:
    path = Path(warning.filename)
    if _PACKAGE in path.parents and cls.__module__.startswith("entbench."):
        return ""
    return f" ({path.name}, line {warning.lineno})"


def run_checks(
    estimator: Any,
    params: Mapping[str, Any] | None = None,
    *,
    checks: Sequence[str] | None = None,
    known_failures: Mapping[str, str] | None = None,
) -> tuple[CheckResult, ...]:
    """Put an estimator to the checks, and return what was found.

    Parameters
    ----------
    estimator : EntropyEstimator, MutualInformationEstimator, or a class of them
        The kit makes instances of its own, and sets `sigma` and `random_state`.
    params : mapping, optional
        Hyperparameters. Where a class has both `tolerance` and `max_draws`, the kit sets 0.02 nats
        and 100,000 unless they are given.
    checks : sequence of str, optional
        Names of `CHECK_NAMES`; all by default.
    known_failures : mapping, optional
        Checks that the method itself, rightly written, does not pass, each with the reason. They
        are told, but are no failures.

    Returns
    -------
    tuple of CheckResult
        In the order of `CHECK_NAMES`. All are made, whatever fails; one whose failure most likely
        has the cause of another names that as its `root`.

    Raises
    ------
    TypeError
        If it is no estimator.
    ValueError
        If a check or a parameter is unknown.

    Notes
    -----
    Seeds are fixed, so a verdict repeats. The mean error at n = 1,600 must be within 0.02 nats a
    dimension, or shrink from n = 400 on at least as n^(-1/(d+2)). It is over 4, 8 or 20 samples,
    as many as tell, by Student's t at a false-alarm rate of 1e-5 for each look. What a class
    itself lists as `known_failures` is told, too.
    """
    run = _Run(_subject(estimator, params), known_failures)
    return tuple(run.result(name) for name in _names(checks))


def check_estimator(
    estimator: Any,
    params: Mapping[str, Any] | None = None,
    *,
    checks: Sequence[str] | None = None,
    known_failures: Mapping[str, str] | None = None,
) -> tuple[CheckResult, ...]:
    """Put an estimator to the checks, and raise if one fails; see `run_checks`.

    Returns
    -------
    tuple of CheckResult
        What was found, where nothing failed.

    Raises
    ------
    AssertionError
        If a check fails: all that failed, one line each, the likely cause beside it.
    """
    results = run_checks(estimator, params, checks=checks, known_failures=known_failures)
    failed = [str(result) for result in results if result.failed]
    if failed:
        lines = "\n".join(failed)
        raise AssertionError(f"{len(failed)} of {len(results)} checks failed:\n{lines}")
    return results


def describe_settings(estimator: Any, params: Mapping[str, Any] | None = None) -> str:
    """Return in one line what the checks were made with."""
    loosened = Subject(estimator, params).loosened
    told = "".join(f" `{name}` = {value}." for name, value in loosened.items())
    return (
        f"Seeds are fixed: a verdict repeats. Mean errors are over up to {REPEATS} samples of "
        f"n = {MANY:,}; right is within {_accuracy.MARGIN} nats a dimension, or shrinking with n. "
        f"Chance exceeds a margin once in {1 / FALSE_ALARM:,.0f}.{told}"
    )


def parametrize_with_checks(
    estimators: Iterable[Any], *, known_failures: Mapping[str, str] | None = None
) -> Any:
    """Make a pytest test of each check of each estimator.

    Parameters
    ----------
    estimators : iterable
        Classes or instances, as `run_checks` takes.
    known_failures : mapping, optional
        See `run_checks`; these tests are expected to fail.

    Returns
    -------
    decorator
        For a test function with arguments ``estimator`` and ``check``.

    Examples
    --------
    >>> from entbench.estimators import KozachenkoLeonenko
    >>> from entbench.testing import parametrize_with_checks
    >>> @parametrize_with_checks([KozachenkoLeonenko(k=3)])
    ... def test_estimator(estimator, check):
    ...     check(estimator)
    """
    import pytest

    cases = []
    for estimator in estimators:
        run = _Run(_subject(estimator), known_failures)
        cases += [
            pytest.param(estimator, _Asserted(run, name), id=f"{run.subject.name}-{name}")
            for name in CHECK_NAMES
        ]
    return pytest.mark.parametrize(("estimator", "check"), cases)


class _Asserted:
    """One check of one estimator, as a test calls it; results are shared between its tests."""

    def __init__(self, run: _Run, name: str) -> None:
        self._run = run
        self._name = name

    def __repr__(self) -> str:
        return f"<check {self._name}>"

    def __call__(self, estimator: Any) -> None:
        import pytest

        result = self._run.result(self._name)
        if result.failed:
            raise AssertionError(str(result))
        if result.status == "known failure":
            pytest.xfail(result.cause)
        if result.status == "not applicable":
            pytest.skip(result.finding)


def _subject(estimator: Any, params: Mapping[str, Any] | None = None) -> Subject:
    subject = Subject(estimator, params)
    if inspect.isabstract(subject.cls):
        missing = ", ".join(f"`{name}`" for name in sorted(subject.cls.__abstractmethods__))
        raise TypeError(
            f"`estimator` must be a complete class; {subject.cls.__name__} lacks {missing}."
        )
    for name in subject.params:
        if name not in subject.known:
            raise ValueError(
                unknown_name(f"parameter of {subject.cls.__name__}", name, subject.known)
            )
    needed = [
        name
        for name, parameter in subject.known.items()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        and name not in {*subject.params, "sigma", "random_state"}
    ]
    if needed:
        raise ValueError(f"{subject.cls.__name__} needs `{needed[0]}`.")
    if subject.params:
        subject.make().check_parameters()  # what was given by hand is the caller's matter
    return subject


def _names(checks: Sequence[str] | None) -> tuple[str, ...]:
    for name in checks or ():
        if name not in _BY_NAME:
            raise ValueError(unknown_name("check", name, CHECK_NAMES))
    return CHECK_NAMES if checks is None else tuple(n for n in CHECK_NAMES if n in checks)
