"""Each mistake is caught, by the check and the words that name it; what is right is let through."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from entbench import _registry as registry
from entbench.testing import (
    CHECK_NAMES,
    CheckResult,
    check_estimator,
    describe_value,
    parametrize_with_checks,
    run_checks,
)
from entbench.testing._subject import Mean, Subject

FILE = Path(__file__).with_name("broken.py")
BROKEN: Any = registry.import_file(FILE)
HONEST = ["HonestNeighbours", "HonestLine", "HonestPlugIn", "HonestPairs"]
MISTAKES = [(name, *case) for name, case in BROKEN.FAULTS.items()]
SUBTLE: Any = registry.import_file(FILE.with_name("subtle.py"))


# few and fast: the slow test below runs all
QUICK = [
    ("SumOfMarginals", "truth-correlated"),
    ("ScalesConfused", "truth-scales"),
    ("FirstTwoThousandRows", "all-rows"),
    ("AbsoluteInformation", "no-clipping"),
    ("DiscreteTakenAsContinuous", "truth-discrete"),
    ("ErrorOfHalfTheTerms", "standard-error"),
    ("ErrorTooLarge", "standard-error"),
    ("IntervalInfinitelyWide", "coverage"),
]


def found(name: str, **options: Any) -> tuple[CheckResult, ...]:
    return run_checks(getattr(BROKEN, name), **options)


def test_every_broken_estimator_is_listed() -> None:
    classes = {
        name
        for name, value in vars(BROKEN).items()
        if isinstance(value, type) and value.__module__ == BROKEN.__name__
    }
    others = {"NeedsRank", "Warns", "_WithErrors"}  # no mistake
    assert classes == {*HONEST, *others, *(name for name, _, _ in MISTAKES)}


@pytest.mark.parametrize(("name", "check", "words"), MISTAKES, ids=[name for name, *_ in MISTAKES])
def test_mistake_is_caught_by_name(name: str, check: str, words: str) -> None:
    # up to the one that must fail: nothing fails before it
    until = CHECK_NAMES[: CHECK_NAMES.index(check) + 1]
    failed = [result for result in found(name, checks=until) if result.failed]
    assert [result.name for result in failed if not result.root] == [check]
    assert words in str(failed[0])


@pytest.mark.parametrize("name", ["LogBaseTwo", "WrongBall", "NotPaired"])
def test_one_mistake_has_one_root(name: str) -> None:
    results = found(name)
    first, *others = [result for result in results if result.failed]
    assert not first.root
    assert {result.root for result in others} == {first.name}
    assert all(f"Probably due to `{first.name}`." in str(result) for result in others)


def test_the_value_is_judged_whatever_fails() -> None:
    results = found("NaNOnTies")
    assert [result.name for result in results if result.failed] == ["ties"]
    assert describe_value(results).startswith("✓ The value is right on all 12 laws tried")


def test_first_line_names_value_and_truth() -> None:
    results = found("LogBaseTwo", checks=["truth-gaussian"])
    assert describe_value(results) == (
        "✗ The value is wrong: 8.65 for 6.02 nats on Gaussian, d = 3, and on 2 more of 3 laws."
    )
    assert describe_value(found("LogBaseTwo", checks=["contract"])).startswith("- No law")


@pytest.mark.parametrize(("name", "check"), QUICK, ids=[name for name, _ in QUICK])
def test_subtle_fault_is_caught_by_name(name: str, check: str) -> None:
    expected, words = SUBTLE.FAULTS[name]
    (result,) = run_checks(getattr(SUBTLE, name), checks=[check])
    assert expected == check
    assert result.failed
    assert words in result.cause


@pytest.mark.parametrize("name", ["TwoDimensionsOnly", "OneByOneOnly", "ManyRowsOnly", "Spacings"])
def test_limits_skip_and_fail_nothing(name: str) -> None:
    """Seeds are fixed; a comparison goes wrong by chance once in 100,000."""
    results = check_estimator(getattr(SUBTLE, name))
    assert describe_value(results).startswith("✓ The value is right on all ")
    refuses = "it refuses" in describe_value(results)
    assert refuses == (name != "ManyRowsOnly")


@pytest.mark.slow
def test_how_often_the_kit_errs() -> None:
    from entbench.suites.timing.verdicts_kit import verdicts

    rows = list(verdicts())
    assert len(rows) == 3
    assert all(row.passes for row in rows), "\n".join(map(str, rows))


@pytest.mark.parametrize("name", HONEST)
def test_honest_estimator_passes(name: str) -> None:
    results = check_estimator(getattr(BROKEN, name))
    assert [result.name for result in results] == list(CHECK_NAMES)
    assert all(result.finding for result in results)


def test_one_dimension_only_is_no_failure() -> None:
    results = {result.name: result for result in found("HonestLine")}
    assert results["high-dimension"].status == "not applicable"
    assert "must have one column (dim 1); got 20" in results["high-dimension"].finding
    assert results["truth-gaussian"].finding.endswith(", d = 1")


def test_verdicts_repeat_and_leave_the_global_state_alone() -> None:
    np.random.seed(5)
    random.seed(5)
    before = np.random.get_state()[1].copy(), random.getstate()
    one, two = (found("HonestPlugIn", checks=["numerical-error", "sigma"]) for _ in range(2))
    found("GlobalSeed", checks=["global-random-state"])
    assert one == two
    assert np.array_equal(before[0], np.random.get_state()[1])
    assert before[1] == random.getstate()


def test_check_estimator_lists_what_failed() -> None:
    with pytest.raises(AssertionError, match=r"1 of 2 checks failed:\n✗ scaling: .*log base 2"):
        check_estimator(BROKEN.LogBaseTwo, checks=["contract", "scaling"])


def test_instances_and_parameters() -> None:
    subject = Subject(BROKEN.HonestNeighbours(k=2))
    assert subject.make().k == 2
    assert subject.name == "HonestNeighbours(k=2)"
    assert Subject(BROKEN.HonestNeighbours(k=4)).params == {}
    check_estimator(BROKEN.NeedsRank, {"k": 3}, checks=["few-rows"])
    (result,) = run_checks(BROKEN.HonestNeighbours, {"k": 7}, checks=["few-rows"])
    assert result.finding == "n = k + 1 = 8 will do, n = k is refused"
    # the kit sets these itself
    assert Subject(BROKEN.HonestPlugIn(sigma=9.0, random_state=9)).params == {}


def test_integration_is_loosened_only_where_it_can_be() -> None:
    sp = registry.estimators.load("sp")
    assert Subject(sp).make().tolerance == 0.02
    assert Subject(sp, {"tolerance": 0.1}).make().tolerance == 0.1
    assert Subject(BROKEN.HonestNeighbours).loosened == {}


@pytest.mark.parametrize(
    ("estimator", "options", "error", "message"),
    [
        (3, {}, TypeError, "`estimator` must be an EntropyEstimator or"),
        (dict, {}, TypeError, "`estimator` must be an EntropyEstimator or"),
        ("HonestNeighbours", {"params": {"kk": 1}}, ValueError, "Did you mean 'k'"),
        ("HonestNeighbours", {"checks": ["scalling"]}, ValueError, "Did you mean 'scaling'"),
        ("HonestNeighbours", {"known_failures": {"tie": ""}}, ValueError, "Did you mean 'ties'"),
        ("NeedsRank", {}, ValueError, "NeedsRank needs `k`"),
    ],
)
def test_wrong_usage(estimator: Any, options: Any, error: type, message: str) -> None:
    given = getattr(BROKEN, estimator) if isinstance(estimator, str) else estimator
    with pytest.raises(error, match=message):
        run_checks(given, **options)


def test_known_failure_is_told_and_hides_nothing() -> None:
    checks = ["neighbour-rank", "truth-uniform"]
    results = found(
        "CountsItself", checks=checks, known_failures={"neighbour-rank": "as published"}
    )
    assert [result.status for result in results] == ["known failure", "passed"]
    assert str(results[0]).startswith("! neighbour-rank: mean error")
    assert str(results[0]).endswith("Known: as published.")


def test_warnings_come_through_once() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        found("Warns", checks=["truth-gaussian"])
        per_check = len(caught)
    # one for each check made: not one for each fit
    assert 1 <= per_check <= len(CHECK_NAMES)
    line = next(
        number
        for number, text in enumerate(FILE.read_text().splitlines(), 1)
        if text.startswith("        noisy = self.prepared(X)")
    )
    assert str(caught[0].message) == f"the moon is full. (broken.py, line {line})"
    with pytest.raises(UserWarning, match="the moon is full"):
        found("Warns", checks=["contract"])


@parametrize_with_checks([BROKEN.HonestNeighbours(k=3)])
def test_parametrized(estimator: Any, check: Any) -> None:
    check(estimator)


def test_parametrized_cases() -> None:
    marked = parametrize_with_checks([BROKEN.LogBaseTwo], known_failures={"ties": "for a test"})
    cases = {case.id: case.values for case in marked.args[1]}
    assert list(cases) == [f"LogBaseTwo()-{name}" for name in CHECK_NAMES]
    estimator, check = cases["LogBaseTwo()-scaling"]
    with pytest.raises(AssertionError, match="✗ scaling: .* log base 2"):
        check(estimator)
    estimator, check = cases["LogBaseTwo()-truth-gaussian"]
    with pytest.raises(AssertionError, match="Probably due to `scaling`"):
        check(estimator)


def with_offset(offset: Callable[[int], float]) -> Any:
    """Return the honest estimator with a wrong constant, by dim."""
    honest = BROKEN.HonestNeighbours

    def log_ball(self: Any, dim: int) -> float:
        return honest.log_ball(self, dim) + offset(dim)

    return type("Offset", (honest,), {"log_ball": log_ball})


@pytest.mark.parametrize(
    ("offset", "words"),
    [
        (lambda dim: 0.5772, "Euler's constant"),
        (lambda dim: 0.5 * dim, "the 1/2 per axis"),
        (lambda dim: -dim * math.log(2), "radius and diameter"),
        (lambda dim: 0.24 * dim, "a constant of +0.2"),  # not: the noise is added twice
        (lambda dim: 0.8, "a constant is wrong"),
    ],
)
def test_cause_of_an_offset(offset: Callable[[int], float], words: str) -> None:
    (result,) = run_checks(with_offset(offset), checks=["truth-gaussian"])
    assert result.failed
    assert words in result.cause


def test_slow_convergence_is_no_wrong_constant() -> None:
    """`kl` is 1.4 nats off in twenty dimensions, and passes as it comes nearer with n."""
    (result,) = run_checks(registry.estimators.load("kl"), checks=["truth-high-dimension"])
    assert [law.verdict for law in result.laws] == ["right", "converging"]
    assert result.laws[1].value - result.laws[1].truth > 1.0


def test_fixed_bins_do_not_converge() -> None:
    binning = registry.estimators.load("binning")
    (result,) = run_checks(binning, {"bin_width": 2.0}, checks=["truth-uniform"])
    assert result.failed
    assert "does not shrink with n" in result.cause


def test_half_width_is_students() -> None:
    values = np.random.default_rng(0).standard_normal(20)
    mean = Mean.of(values)
    interval = stats.t.interval(1 - 1e-5, 19, values.mean(), stats.sem(values))
    assert mean.value + mean.half_width == pytest.approx(interval[1], rel=1e-9)
