"""Two runs of a suite, or of an experiment, compared; see test_comparisons for the statistics."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.stats
from rich.cells import cell_len

from entbench._records import ExperimentRun, Measurement, Spec, Step, SuiteRun
from entbench.report import Screen, render
from entbench.report._compare import Change, Comparison, compare_suites
from entbench.report._compare_experiments import (
    compare_experiments,
    experiment_comparison_printout,
)
from entbench.report._compare_tables import comparison_printout
from entbench.report._comparisons import mean_ratios
from entbench.report._contrasts import FAMILY
from entbench.report._matching import matched

RunOf = Callable[..., SuiteRun]
Together = Callable[..., SuiteRun]


def later(run: SuiteRun, **info: Any) -> SuiteRun:
    """Return the run as another one, made later."""
    return replace(run, info=replace(run.info, **{"id": "later", **info}))


def reseeded(run: SuiteRun) -> SuiteRun:
    records = tuple(replace(r, cell=replace(r.cell, seed=1)) for r in run.records)
    return later(replace(run, records=records), seed=1)


def in_seconds(run: SuiteRun, seconds: Sequence[float]) -> SuiteRun:
    records = zip(run.records, seconds, strict=True)
    return replace(run, records=tuple(replace(r, seconds=float(s)) for r, s in records))


def only(found: Comparison) -> Change:
    (change,) = found.changes
    return change


def notes_of(found: Comparison) -> str:
    return "\n".join(comparison_printout(found).notes)


# --- one row


def test_a_true_loss(run_of: RunOf) -> None:
    values = np.random.default_rng(3).standard_normal(20)
    run = run_of({10: list(values)})
    found = compare_suites(run, later(run_of({10: list(1.5 * values)})))
    change = only(found)
    assert change.paired
    assert (change.verdict, found.lost()) == ("worse", True)
    assert change.mae == pytest.approx((np.abs(values).mean(), 1.5 * np.abs(values).mean()))
    assert change.largest == pytest.approx(0.5 * np.abs(values).max(), rel=1e-12)
    back = compare_suites(later(run_of({10: list(1.5 * values)})), run)
    assert (only(back).verdict, back.lost()) == ("better", False)
    assert "✗ kl on made-up[d=1], n=10: MAE" in notes_of(found)


def test_the_same_to_the_bit(run_of: RunOf) -> None:
    run = run_of({10: [0.1, 0.3, -0.2]})
    found = compare_suites(run, later(run))
    assert not found.itself
    assert only(found).verdict == "same"
    assert not found.lost("both")
    assert "1 rows compared: 1 with every value the same to the bit" in notes_of(found)
    assert comparison_printout(found).tables == []


def test_a_run_with_itself_is_one_line(run_of: RunOf) -> None:
    run = run_of({10: [0.1, 0.3]})
    found = compare_suites(run, run)
    assert found.itself
    assert not found.lost()
    text = render(comparison_printout(found), "table").strip()
    assert text == "run id compared with itself: there is nothing to differ."


@pytest.mark.parametrize(
    ("options", "shift", "verdict"),
    [
        ({}, 1e-3, "worse"),
        ({}, 1e-10, "unclear"),  # rounding
        ({"numerical_error": 1e-2}, 1e-3, "unclear"),
        ({"numerical_error": 1e-4}, 1e-3, "worse"),
        ({"error": 1e-2}, 1e-3, "unclear"),  # of the reference
        ({"error": 1e-5}, 1e-3, "worse"),
    ],
)
def test_numerical_errors_are_no_loss(
    run_of: RunOf, options: dict[str, float], shift: float, verdict: str
) -> None:
    """Every trial moves by the same: beyond chance, and maybe within what the numbers are off."""
    values = [1.0, 1.2, 0.9, 1.1, 1.06, 1.31, 0.83]
    ours = run_of({10: values}, **options)
    theirs = run_of({10: [value + shift for value in values]}, **options)
    change = only(compare_suites(ours, later(theirs)))
    assert change.verdict == verdict
    assert change.largest == pytest.approx(shift, rel=1e-4)
    if "numerical_error" in options:
        assert change.stated == pytest.approx(
            options["numerical_error"] * math.sqrt(2.0), rel=1e-12
        )


def test_one_trial_has_no_verdict(run_of: RunOf) -> None:
    found = compare_suites(run_of({10: [0.1]}), later(run_of({10: [5.0]})))
    assert only(found).verdict == "unclear"
    assert "! rows with one trial have no interval and no verdict" in notes_of(found)


def test_other_samples_are_not_paired(run_of: RunOf) -> None:
    """The seed, or the source's version: the same numbers, but by Welch's test."""
    rng = np.random.default_rng(4)
    ours, theirs = rng.standard_normal(10), rng.standard_normal(10)
    first, second = run_of({10: list(ours)}), run_of({10: list(theirs)})
    found = compare_suites(first, reseeded(second))
    change = only(found)
    assert not change.paired
    assert change.largest is None
    separate = mean_ratios(ours, theirs, paired=False).contrasts
    assert change.accuracy is not None
    assert change.accuracy.value == pytest.approx(np.abs(theirs).mean() / np.abs(ours).mean())
    assert change.accuracy.interval == pytest.approx(tuple(map(np.exp, separate.limits(FAMILY))))
    assert "other samples: the seed is 0 in A and 1 in B" in notes_of(found)
    source = replace(second.cases[0].source, version="2")
    newer = replace(
        second,
        cases=(replace(second.cases[0], source=source),),
        records=tuple(replace(r, cell=replace(r.cell, source=source)) for r in second.records),
    )
    found = compare_suites(first, later(newer))
    assert not only(found).paired
    assert "source made-up: version 1 in A, 2 in B" in notes_of(found)


def test_failures_gained_and_mended(run_of: RunOf) -> None:
    first = run_of({10: [0.1, 0.2, None, 0.3]})
    second = later(run_of({10: [0.1, None, 0.2, None]}))
    found = compare_suites(first, second)
    assert (only(found).gained, only(found).mended) == (2, 1)
    assert found.lost("time")
    assert "2 cells failed in B alone: ValueError: no" in notes_of(found)
    back = compare_suites(second, first)
    assert (back.gained, only(back).mended) == (1, 2)
    other = compare_suites(first, reseeded(second))
    assert (only(other).gained, only(other).mended) == (1, 0)
    dead = later(run_of({10: [None] * 4}))
    assert compare_suites(first, dead).gained == 3
    assert only(compare_suites(first, dead)).mae is None


def test_times(run_of: RunOf) -> None:
    run = run_of({10: [0.1, 0.2, 0.3, 0.4]})
    first = in_seconds(run, [1.0, 1.1, 0.9, 1.05])
    second = later(in_seconds(run, [2.0, 2.3, 1.7, 2.1]))
    found = compare_suites(first, second)
    change = only(found)
    logs = np.log(np.array([2.0, 2.3, 1.7, 2.1]) / [1.0, 1.1, 0.9, 1.05])
    assert change.seconds is not None
    assert change.seconds.value == pytest.approx(np.exp(logs.mean()))
    low, high = scipy.stats.ttest_1samp(logs, 0.0).confidence_interval()
    assert change.seconds.interval is not None
    # of one row, the run's own scatter is in the interval too
    assert 1.1 < change.seconds.interval[0] < np.exp(low) / 1.1
    assert change.seconds.interval[1] > np.exp(high) * 1.1
    assert (change.verdict, change.time_verdict) == ("same", "worse")
    assert [found.lost(on) for on in ("accuracy", "time", "both")] == [False, True, True]
    assert "1 rows are slower; it counts as a loss with --on time" in notes_of(found)
    assert only(compare_suites(second, first)).time_verdict == "better"
    a_little = later(in_seconds(run, [1.05, 1.155, 0.945, 1.1025]))  # 5 % at each trial
    assert only(compare_suites(first, a_little)).time_verdict == "unclear"
    assert only(compare_suites(in_seconds(run, [0.0] * 4), second)).seconds is None


def test_two_valued_errors_at_few_trials_are_no_loss(run_of: RunOf) -> None:
    """As of `bias-bound` at n = 10: all of three trials alike in each run, and other samples."""
    first, second = run_of({10: [0.1] * 3}), run_of({10: [0.4] * 3})
    found = compare_suites(first, reseeded(second))
    assert only(found).verdict == "unclear"
    assert "needs trials: with so few trials" in notes_of(found)
    more = compare_suites(run_of({10: [0.1] * 6}), reseeded(run_of({10: [0.4] * 6})))
    assert only(more).verdict == "worse"


def test_what_a_row_could_have_shown_stands_in_place_of_a_verdict(run_of: RunOf) -> None:
    rng = np.random.default_rng(8)
    first, second = (run_of({10: list(3.0 + rng.standard_normal(20))}) for _ in range(2))
    found = compare_suites(first, reseeded(second))
    change = only(found)
    assert change.accuracy is not None
    assert change.accuracy.detectable == pytest.approx(1.36, rel=0.2)  # see verdicts_compare
    (table,) = comparison_printout(found).tables
    above = 100.0 * (change.accuracy.detectable - 1.0)
    assert table.rows[0][2] == f"needs +{math.ceil(above)} %"
    data = json.loads(render(comparison_printout(found), "json"))["rows"][0]
    assert data["detectable_ratio"] == change.accuracy.detectable


def test_a_run_that_is_slower_in_all_is_no_loss(run_of: RunOf, together: Together) -> None:
    """All times 1.1 times as long, but for one row at 2.2: that is slower, by a factor of 2."""
    rng = np.random.default_rng(9)
    names = [f"e{i}" for i in range(10)]
    run = together(*(run_of({10: [0.1, 0.2, 0.3, 0.4, 0.5]}, name) for name in names))
    seconds = np.exp(0.02 * rng.standard_normal((2, 10, 5)))
    seconds[1] *= 1.1
    first, second = (in_seconds(run, list(each.ravel())) for each in seconds)
    found = compare_suites(first, later(second))
    assert found.shared_time == pytest.approx(1.1, rel=0.03)
    assert not found.lost("time")
    seconds[1, 3] *= 2.0
    found = compare_suites(first, later(in_seconds(run, list(seconds[1].ravel()))))
    assert [c.estimator.name for c in found.changes if c.time_verdict == "worse"] == ["e3"]
    assert "leaves out the factor 1.10 that the times of all rows share" in notes_of(found)


# --- whole runs


def test_worst_first_and_cells_that_one_run_lacks(run_of: RunOf, together: Together) -> None:
    rng = np.random.default_rng(5)
    values = {name: rng.standard_normal(20) for name in ("a", "b", "c", "d")}
    first = together(*(run_of({10: list(v)}, name) for name, v in values.items()))
    grown = {"a": 0.5, "b": 3.0, "c": 1.5, "e": 1.0}
    second = together(
        *(run_of({10: list(f * values.get(name, values["a"]))}, name) for name, f in grown.items())
    )
    found = compare_suites(first, later(second))
    assert [(c.estimator.name, c.verdict) for c in found.changes] == [
        ("b", "worse"),
        ("c", "worse"),
        ("a", "better"),
    ]
    assert (found.only_first, found.only_second) == (20, 20)
    assert "20 cells are in A alone" in notes_of(found)


def test_the_truth_changed(run_of: RunOf) -> None:
    first = run_of({10: [1.0, 1.1]}, truth=1.0, error=1e-3)
    second = later(run_of({10: [1.0, 1.1]}, truth=1.01, error=1e-3))
    found = compare_suites(first, second)
    assert len(found.truths) == 1
    assert "✗ THE TRUTH CHANGED: made-up[d=1]: h(S+Z) = 1 within 1.0e-03 in A" in notes_of(found)
    near = later(run_of({10: [1.0, 1.1]}, truth=1.0015, error=1e-3))
    assert compare_suites(first, near).truths == ()


def test_nothing_in_common_names_what_differs(run_of: RunOf) -> None:
    first, second = run_of({10: [0.1]}), later(run_of({20: [0.1]}, "sp"))
    match = r"runs id and later have no row in common.*: estimators kl and sp; n 10 and 20\.$"
    with pytest.raises(ValueError, match=match):
        compare_suites(first, second)


def test_matching_by_parameters() -> None:
    def spec(version: str = "1", name: str = "kl", **params: Any) -> Spec:
        return Spec(name, version, "entbench", tuple(sorted(params.items())), name)

    old = [spec(k=3), spec(k=5)]
    assert matched(old, [spec("2", k=3), spec("2", k=5)]) == {
        old[0]: spec("2", k=3),
        old[1]: spec("2", k=5),
    }
    # a parameter that one version lacks
    new = [spec("2", k=3, leaf=10), spec("2", k=5, leaf=10)]
    assert matched(old, new) == dict(zip(old, new, strict=True))
    assert matched(new, old) == dict(zip(new, old, strict=True))
    # which of two is not known; another value is another estimator
    assert matched([spec(k=3)], [spec(k=3, leaf=1), spec(k=3, leaf=2)]) == {}
    assert matched([spec(k=3)], [spec(k=4), spec(name="sp", k=3)]) == {}


def test_versions_that_differ_are_said(run_of: RunOf) -> None:
    first = run_of({10: [0.1, 0.2]}, estimator_params={"k": 3})
    second = run_of({10: [0.1, 0.2]}, estimator_params={"k": 3, "leaf": 8})
    first = later(first, id="a", versions={"numpy": "2.0", "scipy": "1.14"})
    second = later(second, versions={"numpy": "2.1", "scipy": "1.14"}, platform="there")
    notes = notes_of(compare_suites(first, second))
    assert "kl: A does not know `leaf`" in notes
    assert "numpy 2.0 in A, 2.1 in B" in notes
    assert "scipy" not in notes
    assert "made on different machines" in notes


def test_printouts(run_of: RunOf, together: Together) -> None:
    """Worst rows first in 100 columns; the rest in JSON and CSV; many rows are cut."""
    rng = np.random.default_rng(6)
    n = [10 * (i + 1) for i in range(40)]
    values = {m: rng.standard_normal(5) for m in n}
    runs = [
        together(
            *(
                run_of({m: list(f * v + g) for m, v in values.items()}, "a-long-name", source=s)
                for s in ("x", "y")
            )
        )
        for f, g in ((1.0, 0.0), (1.1, 0.01))
    ]
    found = compare_suites(runs[0], later(runs[1]))
    printout = comparison_printout(found)
    text = render(printout, "table", Screen(100))
    assert max(map(cell_len, text.splitlines())) <= 100
    assert sum(len(table.rows) for table in printout.tables) == 60
    assert "and 20 more rows that are not told from chance" in printout.notes
    data = json.loads(render(printout, "json"))
    assert len(data["rows"]) == len(printout.records) == 80
    assert data["rows"][0]["paired"] is True


@pytest.mark.parametrize(
    "name", ["sp-miller-madow", "sp-monte-carlo[draws=10,control_variate=true]"]
)
def test_a_terminal_of_80_columns_shows_every_cell(
    run_of: RunOf, together: Together, name: str
) -> None:
    """The verdict stands beside the ratio, and no number is folded, with the names of suites."""
    values = np.random.default_rng(6).standard_normal(10)
    sizes = (1000, 4_000_000)
    first, second = (
        run_of({n: list(f * values) for n in sizes}, name, source="gaussian-mixture")
        for f in (1.0, 1.9)
    )
    second = in_seconds(later(second), list(np.linspace(9.0, 12.0, 20)))
    printout = comparison_printout(compare_suites(in_seconds(first, 20 * [1.0]), second))
    lines = render(printout, "table", Screen(80)).splitlines()
    assert max(map(cell_len, lines)) <= 80
    (table,) = printout.tables
    assert "✗ worse, slower" in table.rows[0]
    for row in table.rows:
        assert all(any(cell in line for line in lines) for cell in row[1:])
        assert any(row[2] in line and row[3] in line for line in lines)
    assert all(any(header in line for line in lines) for header in table.headers)


def test_worst_case_numbers_are_json(run_of: RunOf) -> None:
    """Errors of 0 and times of 0 leave no ratio, and no NaN."""
    first = in_seconds(run_of({10: [0.0] * 8}), [0.0] + 7 * [1.0])
    found = compare_suites(first, later(in_seconds(run_of({10: [0.1] * 8}), 8 * [1.0])))
    row = json.loads(render(comparison_printout(found), "json"))["rows"][0]
    assert (row["verdict"], row["ratio"], row["seconds_ratio"]) == ("worse", None, None)


# --- experiments


def experiment(results: Sequence[dict[str, Any] | None], id_: str = "a", **params: Any) -> Any:
    spec = Spec("szt", "1", "entbench", tuple(params.items()), "szt")
    measured = tuple(
        Measurement(Step(spec, (("epoch", i),)), "ok", "", 0.1, result)
        if result is not None
        else Measurement(Step(spec, (("epoch", i),)), "failed", "ValueError: no", 0.1)
        for i, result in enumerate(results)
    )
    run = run_info(id_)
    return ExperimentRun("szt", "szt", "quick", dict(params), measured, run, len(measured))


def run_info(id_: str) -> Any:
    from entbench._records import RunInfo

    return RunInfo(id_, "0", 0, "3", "here", "now")


def test_experiments_are_told_by_step() -> None:
    first = experiment([{"I": [1.0, 2.0], "loss": 0.5, "by": "sp"}, {"I": [1.0, 4.0], "loss": 1.0}])
    second = experiment(
        [{"I": [1.0, 2.5], "loss": 0.5, "by": "kl"}, {"I": [1.0, 4.1], "loss": 1.0}], "b"
    )
    found = compare_experiments(first, second)
    assert (found.steps, found.equal, found.lost) == (2, 0, False)
    assert [(c.name, c.steps, c.largest, c.first, c.second) for c in found.changes] == [
        ("by", 1, None, None, None),
        ("I", 2, 0.5, 2.0, 2.5),
    ]
    assert found.changes[1].relative == pytest.approx(0.2)
    text = render(experiment_comparison_printout(found), "table", Screen(100))
    assert "0 of 2 steps have equal results" in text
    assert "differences are told, not judged" in text
    assert json.loads(render(experiment_comparison_printout(found), "json"))["equal"] == 0


def test_experiments_that_fail() -> None:
    first, second = experiment([{"I": 1.0}, {"I": 2.0}]), experiment([{"I": 1.0}, None], "b")
    found = compare_experiments(first, second)
    assert found.lost
    assert (found.steps, found.equal, len(found.gained)) == (1, 1, 1)
    assert not compare_experiments(second, first).lost
    itself = compare_experiments(first, first)
    text = render(experiment_comparison_printout(itself), "table").strip()
    assert text == "run a compared with itself: there is nothing to differ."
    with pytest.raises(ValueError, match="no step in common: experiments 'szt' with size=1"):
        compare_experiments(experiment([{"I": 1.0}], size=1), experiment([{"I": 1.0}], size=2))


def test_experiments_of_other_shapes() -> None:
    first = experiment([{"a": [1.0, None], "b": [1.0], "c": None}])
    second = experiment([{"a": [1.5, None], "b": [1.0, 2.0], "c": 2.0, "new": True}], "b")
    changes = {c.name: c.largest for c in compare_experiments(first, second).changes}
    assert changes == {"a": 0.5, "b": None, "c": None, "new": None}
