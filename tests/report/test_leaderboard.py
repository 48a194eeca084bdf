"""Estimators ranked over sources: by hand, by other code, and by simulation."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from click.testing import CliRunner, Result
from rich.cells import cell_len

import entbench.runner
from entbench import _registry as registry
from entbench import run_suite
from entbench._records import ExperimentRun, SuiteRun
from entbench.cli import _Group
from entbench.cli._leaderboard import leaderboard as command
from entbench.report import Screen, render, suite_printout, summarise
from entbench.report._equal_time import curves_of, usual_seconds
from entbench.report._fields import fields_of, groups_of
from entbench.report._leaderboard import Leaderboard, Place, Standing, best_of, leaderboard
from entbench.report._leaderboard_tables import leaderboard_printout
from entbench.report._pareto import on_front
from entbench.report._ranks import (
    RESAMPLES,
    log_means,
    pairs_of,
    rank_intervals,
    ranks_of,
    resampled_pairs,
    resampling,
)
from entbench.report.figures import FIGURES
from entbench.report.figures._error_vs_seconds import FRONT
from entbench.runner import stored_run

RunOf = Callable[..., SuiteRun]
Together = Callable[..., SuiteRun]
# (estimator, source) -> mean absolute error; None is a failure
Errors = Mapping[tuple[str, str], float | None]


def run_with(
    run_of: RunOf, together: Together, errors: Errors, n: int = 10, **options: Any
) -> SuiteRun:
    return together(
        *(
            run_of({n: [error, None if error is None else -error]}, name, source=source, **options)
            for (name, source), error in errors.items()
        )
    )


def timed(run: SuiteRun, seconds: Mapping[tuple[str, int], float]) -> SuiteRun:
    """Return the run with the time of each fit by estimator and n."""
    return replace(
        run,
        records=tuple(
            replace(r, seconds=seconds[r.cell.estimator.label, r.cell.n]) for r in run.records
        ),
    )


def ranked(run: SuiteRun) -> tuple[Standing, ...]:
    return leaderboard(run).by_n


def curve_run(
    run_of: RunOf, together: Together, lines: Mapping[str, Mapping[int, tuple[float, float]]]
) -> SuiteRun:
    """Return a run of one source from error and seconds by estimator and n."""
    run = together(
        *(
            run_of({n: [error, -error] for n, (error, _) in line.items()}, label)
            for label, line in lines.items()
        )
    )
    seconds = {(label, n): t for label, line in lines.items() for n, (_, t) in line.items()}
    return timed(run, seconds)


def scattered(run_of: RunOf, together: Together, errors: Any, n: int = 10) -> SuiteRun:
    """Return a run of estimators e0, e1, ... from an array (estimators, trials) of errors."""
    return together(*(run_of({n: list(line)}, f"e{i}") for i, line in enumerate(errors)))


# --- at equal n, by hand


def test_ratios_by_hand(run_of: RunOf, together: Together) -> None:
    """Least errors are 0.1 at a and 0.2 at b: ratios are 1 and 4, 2 and 1, 3 and 3."""
    errors: Errors = {
        ("far", "a"): 0.1,
        ("far", "b"): 0.8,
        ("near", "a"): 0.2,
        ("near", "b"): 0.2,
        ("even", "a"): 0.3,
        ("even", "b"): 0.6,
    }
    first, second, third = ranked(run_with(run_of, together, errors))
    assert [(s.rank, s.label) for s in (first, second, third)] == [
        (1, "near"),
        (2, "far"),
        (3, "even"),
    ]
    assert first.ratio == pytest.approx(math.sqrt(2.0), rel=1e-12)
    assert second.ratio == pytest.approx(2.0, rel=1e-12)
    assert third.ratio == pytest.approx(3.0, rel=1e-12)
    assert (first.worst, first.worst_source) == (pytest.approx(2.0), "a[d=1]")
    assert (second.worst, second.worst_source) == (pytest.approx(4.0), "b[d=1]")
    assert [s.wins for s in (first, second, third)] == [1, 1, 0]
    assert [s.mean_rank for s in (first, second, third)] == [1.5, 2.0, 2.5]
    assert [(s.sources, s.of) for s in (first, second, third)] == [(2, 2)] * 3
    assert first.seconds == pytest.approx(0.25, rel=1e-12)
    # errors do not scatter over the two trials, which may be chance
    assert [s.rank_ci for s in (first, second, third)] == [(1, 3)] * 3


def test_ties_share_a_rank(run_of: RunOf, together: Together) -> None:
    errors: Errors = {("b", "x"): 0.25, ("a", "x"): 0.25, ("c", "x"): 0.5}
    found = ranked(run_with(run_of, together, errors))
    assert [(s.label, s.wins, s.rank, s.rank_ci, s.ratio) for s in found] == [
        ("a", 1, 1, (1, 2), 1.0),  # c may be better in truth, b is not
        ("b", 1, 1, (1, 2), 1.0),
        ("c", 0, 3, (1, 3), pytest.approx(2.0)),
    ]


def test_failing_costs_the_rank(run_of: RunOf, together: Together) -> None:
    """Who fails at one trial of a source, or was not run there, is not ranked, and it is said."""
    errors: Errors = {
        ("whole", "a"): 0.9,
        ("whole", "b"): 0.9,
        ("fails", "a"): 0.1,
        ("fails", "b"): None,
        ("absent", "a"): 0.2,
        ("never", "a"): None,
    }
    run = run_with(run_of, together, errors)
    once = run_of({10: [0.1, None, -0.1]}, "once", source="a")
    board = leaderboard(together(run, once))
    assert [(s.label, s.sources, s.of, s.rank) for s in board.by_n] == [
        ("whole", 2, 2, 1),
        ("fails", 1, 2, None),
        ("absent", 1, 2, None),
    ]
    assert board.by_n[0].ratio == pytest.approx(3.0, rel=1e-12)  # 9 at a, 1 at b
    assert {(f.label, f.source.name, f.failed, f.trials) for f in board.failures} == {
        ("fails", "b", 2, 2),
        ("never", "a", 2, 2),
        ("once", "a", 1, 3),
    }
    notes = leaderboard_printout(board).notes
    assert "✗ once is not ranked on a[d=1] at n=10: 1 of 3 trials failed" in notes


def test_errors_below_that_of_the_reference_are_alike(run_of: RunOf, together: Together) -> None:
    errors: Errors = {("a", "x"): 0.001, ("b", "x"): 0.004, ("c", "x"): 0.02}
    found = ranked(run_with(run_of, together, errors, error=0.005))
    assert [(s.label, s.wins, s.rank) for s in found] == [("a", 1, 1), ("b", 1, 1), ("c", 0, 3)]
    assert [s.ratio for s in found] == [1.0, 1.0, pytest.approx(4.0, rel=1e-12)]


def test_each_n_has_its_own(run_of: RunOf, together: Together) -> None:
    late: Errors = {("a", "x"): 0.1, ("b", "x"): 0.2}
    early: Errors = {("a", "x"): 0.4, ("b", "x"): 0.2}
    run = together(run_with(run_of, together, late, 100), run_with(run_of, together, early, 10))
    assert [(s.n, s.label) for s in ranked(run)] == [(10, "b"), (10, "a"), (100, "a"), (100, "b")]


def test_exact_estimates_leave_no_ratio(run_of: RunOf, together: Together) -> None:
    """An error of 0 against an exact truth: the others are infinitely worse, null in JSON."""
    errors: Errors = {("exact", "x"): 0.0, ("other", "x"): 0.1}
    run = replace(run_with(run_of, together, errors), tables=("leaderboard",))
    assert [s.ratio for s in ranked(run)] == [1.0, math.inf]
    printout = suite_printout(summarise(run))
    records = json.loads(render(printout, "json"))["tables"]["leaderboard"]
    overall = [r for r in records if r["comparison"] == "equal n" and r["source"] is None]
    assert [(r["estimator"], r["ratio"], r["worst"]) for r in overall] == [
        ("exact", 1.0, 1.0),
        ("other", None, None),
    ]
    (table,) = [t for t in printout.tables if t.title.startswith("leaderboard at equal n")]
    assert table.rows[1][5].startswith("inf")
    assert [p.mae for p in leaderboard(run).places] == [0.0, pytest.approx(0.1)]


def test_bounds_are_not_ranked(run_of: RunOf, together: Together) -> None:
    """The upper bound has the least error, by luck: it neither wins nor sets the standard."""
    errors: Errors = {("kt-upper", "x"): 0.01, ("sp", "x"): 0.1, ("kl", "x"): 0.2}
    board = leaderboard(run_with(run_of, together, errors))
    assert [(s.label, s.rank, s.ratio) for s in board.by_n] == [
        ("sp", 1, 1.0),
        ("kl", 2, pytest.approx(2.0)),
    ]
    (bound,) = board.bounds
    assert (bound.label, bound.role, bound.rank) == ("kt-upper", "upper bound", None)
    assert bound.ratio == pytest.approx(0.1, rel=1e-12)
    assert {member.label for member in board.fronts} == {"sp", "kl"}
    assert {place.label for place in board.places} == {"sp", "kl"}
    alone = leaderboard(run_with(run_of, together, {("kt-upper", "x"): 0.01}))
    assert (alone.by_n, alone.fronts, alone.seconds) == ((), (), None)
    assert leaderboard_printout(alone).tables == []


# --- intervals


def test_ranks_are_scipys() -> None:
    values = np.random.default_rng(0).integers(0, 5, size=(50, 7)).astype(np.float64)
    assert np.array_equal(ranks_of(values), scipy.stats.rankdata(values, "min", axis=1))


def test_resampling_depends_on_its_trials_alone(run_of: RunOf, together: Together) -> None:
    """Another estimator, or another source, moves no digit of an interval."""
    rng = np.random.default_rng(2)
    errors = rng.standard_normal((3, 6))
    few = leaderboard(scattered(run_of, together, errors[:2]))
    elsewhere = run_of({10: list(rng.standard_normal(6))}, "e0", source="other")
    run = together(scattered(run_of, together, errors[:2]), elsewhere)
    more = leaderboard(run)
    first = {p.label: p for p in few.places}
    again = {p.label: p for p in more.places if p.source.name == "made-up"}
    assert first == again
    weights = resampling(6, {"a": 1})
    assert weights.shape == (RESAMPLES, 6)
    assert np.allclose(weights.sum(axis=1), 1.0)
    assert not np.array_equal(weights, resampling(6, {"a": 2}))


def test_intervals_hold_the_ranks_and_tell_clear_differences() -> None:
    rng = np.random.default_rng(3)
    scale = np.array([1.0, 1.0, 20.0, 400.0])[:, None]
    errors = np.abs(rng.standard_normal((4, 20))) * scale
    assert rank_intervals(pairs_of(errors).ratios) == [(1, 2), (1, 2), (3, 3), (4, 4)]
    means = log_means(errors, resampling(20, {"of": "a test"}))
    assert rank_intervals(resampled_pairs(means, 20).ratios) == [(1, 2), (1, 2), (3, 3), (4, 4)]


def test_scatter_is_alike_by_trials_and_by_resampling() -> None:
    """2000 resamples know a scatter to 3 %; widened logarithms are straight to some 10 %."""
    errors = 3.0 + np.random.default_rng(5).standard_normal((4, 30))
    resampled = resampled_pairs(log_means(errors, resampling(30, {"of": "a test"})), 30).relative
    direct = pairs_of(errors).relative
    told = direct.chances() < 0.5  # an error is that of the p-value
    assert direct.value == pytest.approx(resampled.value)
    assert direct.error[told] == pytest.approx(resampled.error[told], rel=0.15)


def test_few_trials_leave_ranks_open() -> None:
    """0 or 1 at two trials: the 0s of one and the 1s of another are chance, not certainty."""
    errors = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    found = rank_intervals(pairs_of(errors).ratios)
    assert [low for low, _ in found] == [1] * 5
    assert [high for _, high in found] == [5, 4, 5, 5, 4]  # two are the same at every trial


def test_shared_draws_tell_what_separate_ones_do_not(run_of: RunOf, together: Together) -> None:
    """One is 10 % worse at each trial: sure where trials are shared, not by the errors alone."""
    errors = np.abs(np.random.default_rng(4).standard_normal(10))
    shared = ranked(scattered(run_of, together, [errors, 1.1 * errors]))
    assert [(s.rank, s.rank_ci) for s in shared] == [(1, (1, 1)), (2, (2, 2))]
    apart = ranked(scattered(run_of, together, [errors, 1.1 * errors[::-1]]))
    assert [s.rank_ci for s in apart] == [(1, 2), (1, 2)]


def test_one_trial_has_no_intervals_and_says_so(run_of: RunOf, together: Together) -> None:
    run = together(run_of({10: [0.1], 20: [0.1]}, "a"), run_of({10: [0.2], 20: [0.1]}, "b"))
    board = leaderboard(run)
    assert [s.rank_ci for s in board.by_n] == [None] * 4
    assert [p.rank_ci for p in (*board.places, *board.places_in_time)] == [None] * 6
    assert "! one trial: ranks have no intervals" in leaderboard_printout(board).notes


def test_a_run_cut_short_is_ranked_by_the_trials_of_all(run_of: RunOf, together: Together) -> None:
    whole = run_of({10: [0.1, 0.1, 9.0]}, "a")
    cut = run_of({10: [0.2, 0.2]}, "b")
    board = leaderboard(replace(together(whole, cut), missing=1))
    assert [(s.label, s.ratio) for s in board.by_n] == [("a", 1.0), ("b", pytest.approx(2.0))]
    assert any("1 planned cells are not there" in n for n in leaderboard_printout(board).notes)


@pytest.mark.slow
def test_the_better_by_far_is_first() -> None:
    """A fifth of the error, 20 trials; and where many are equal, each has every rank due to it."""
    rng = np.random.default_rng(7)
    first, covered = 0, 0
    for _ in range(300):
        errors = rng.standard_normal((6, 20)) * np.array([1, 5, 5, 5, 5, 5])[:, None]
        found = rank_intervals(pairs_of(errors).ratios)
        first += found[0] == (1, 1)
        covered += found[1:] == [(2, 6)] * 5
    assert first >= 0.97 * 300
    assert covered >= 0.91 * 300  # three binomial errors below 95 %


# --- in equal time


def test_equal_time_by_hand(run_of: RunOf, together: Together) -> None:
    """Half-way in log seconds from 1 to 100 is 10: the geometric mean of 0.4 and 0.1."""
    lines = {
        "even": {10: (0.4, 1.0), 1000: (0.1, 100.0)},
        "slow": {10: (0.2, 11.0), 1000: (0.1, 100.0)},
        "quick": {10: (0.3, 0.01), 1000: (0.2, 9.0)},
        "exact": {10: (0.3, 10.0), 1000: (0.2, 20.0)},
    }
    run = curve_run(run_of, together, lines)
    board = leaderboard(run, 10.0)
    found = {p.label: p for p in board.places_in_time}
    assert found["even"].mae == pytest.approx(0.2, rel=1e-12)
    assert found["exact"].mae == pytest.approx(0.3, rel=1e-12)
    assert [(s.label, s.rank) for s in board.in_time] == [("even", 1), ("exact", 2)]
    assert found["slow"].reason == "too slow: more at n = 10 already"
    assert found["quick"].reason == "too quick: less at n = 1000 still"
    printout = leaderboard_printout(board)
    assert "- slow in 10.0 s, on made-up[d=1]: too slow: more at n = 10 already" in printout.notes
    text = render(printout, "table", Screen(100))
    assert "- too slow" in text
    assert max(map(cell_len, text.splitlines())) <= 100


def test_one_alone_is_first_of_none(run_of: RunOf, together: Together) -> None:
    """In equal time an error that nothing is compared with has no rank, whatever else ran."""
    lines = {
        "even": {10: (0.4, 1.0), 1000: (0.1, 100.0)},
        "quick": {10: (0.03, 0.01), 1000: (0.02, 0.9)},
    }
    board = leaderboard(curve_run(run_of, together, lines), 10.0)
    assert board.in_time == ()
    alone, quick = board.places_in_time
    assert (alone.mae, alone.rank, alone.reason) == (pytest.approx(0.2, rel=1e-12), None, "alone")
    assert quick.mae is None
    notes = leaderboard_printout(board).notes
    assert "too quick: with more samples than the run has it may be better" in "\n".join(notes)
    late = leaderboard(curve_run(run_of, together, lines), 1e3)
    assert [place.mae for place in late.places_in_time] == [None, None]


def test_interpolation_is_numpys(run_of: RunOf, together: Together) -> None:
    rng = np.random.default_rng(8)
    seconds = np.cumsum(rng.exponential(size=6))
    errors = rng.exponential(size=6)
    line = {10 * 2**k: (errors[k], seconds[k]) for k in range(6)}
    for at in rng.uniform(seconds[0], seconds[-1], size=20):
        board = leaderboard(curve_run(run_of, together, {"a": line}), float(at))
        log = np.interp(math.log(at), np.log(seconds), np.log(errors))
        assert board.places_in_time[0].mae == pytest.approx(math.exp(log), rel=1e-12)


def test_failures_are_not_bridged(run_of: RunOf, together: Together) -> None:
    run = together(run_of({10: [0.4, 0.4], 100: [0.2, None], 1000: [0.1, 0.1]}, "a"))
    run = timed(run, {("a", 10): 1.0, ("a", 100): 10.0, ("a", 1000): 100.0})
    (place,) = leaderboard(run, 20.0).places_in_time
    assert (place.mae, place.reason) == (None, "failed at n = 100")


def test_time_that_falls_is_levelled(run_of: RunOf, together: Together) -> None:
    """At n = 100 a fit took less than at 10, by chance: in 2 s the largest n so far is reached."""
    line = {10: (0.4, 2.0), 100: (0.2, 1.5), 1000: (0.1, 8.0)}
    run = curve_run(run_of, together, {"a": line})
    assert leaderboard(run, 2.0).places_in_time[0].mae == pytest.approx(0.2, rel=1e-12)
    assert leaderboard(run, 4.0).places_in_time[0].mae == pytest.approx(0.2 / 2**0.5, rel=1e-12)


def test_usual_seconds(run_of: RunOf, together: Together) -> None:
    """Two of three cover 4 to 16 s, more none: the middle is 8 s."""
    lines = {
        "a": {10: (0.4, 1.0), 100: (0.1, 16.0)},
        "b": {10: (0.4, 4.0), 100: (0.1, 64.0)},
        "c": {10: (0.4, 0.01), 100: (0.1, 0.02)},
    }
    run = curve_run(run_of, together, lines)
    fields = list(fields_of(run, groups_of(run)))
    assert usual_seconds(list(curves_of(fields, {}))) == pytest.approx(8.0, rel=1e-12)
    assert leaderboard(run).seconds == pytest.approx(8.0, rel=1e-12)
    assert leaderboard(run_of({10: [0.1, 0.2]}, "a")).seconds is None


# --- the front


def test_front_is_that_of_two_loops() -> None:
    rng = np.random.default_rng(9)
    seconds, errors = rng.integers(0, 6, size=(2, 40, 12)).astype(np.float64)
    found = on_front(seconds, errors)
    for time, error, front in zip(seconds, errors, found, strict=True):
        points = list(zip(time, error, strict=True))
        for (t, e), on in zip(points, front, strict=True):
            beaten = any(s <= t and f <= e and (s, f) != (t, e) for s, f in points)
            assert on == (not beaten)


def test_fronts_by_hand(run_of: RunOf, together: Together) -> None:
    lines = {
        "quick": {10: (0.4, 1.0), 100: (0.3, 2.0)},
        "exact": {10: (0.35, 3.0), 100: (0.1, 4.0)},
        "beaten": {10: (0.5, 1.5), 100: (0.2, 5.0)},
    }
    board = leaderboard(curve_run(run_of, together, lines))
    assert [(m.label, m.n) for m in board.fronts] == [
        ("quick", (10, 100)),
        ("exact", (100,)),
        ("beaten", ()),
    ]


def test_overall_front_is_of_geometric_means(run_of: RunOf, together: Together) -> None:
    """Each is best on one source; over both, a has 0.2 and b 0.4 at the same time."""
    errors: Errors = {("a", "x"): 0.1, ("a", "y"): 0.4, ("b", "x"): 0.8, ("b", "y"): 0.2}
    run = together(run_with(run_of, together, errors), run_of({10: [0.01, 0.01]}, "c", source="x"))
    board = leaderboard(run)
    overall = [(m.label, m.n) for m in board.fronts if m.source is None]
    assert overall == [("a", (10,)), ("b", ())]  # c is not on both
    on_x = {m.label: m.n for m in board.fronts if m.source and m.source.name == "x"}
    assert on_x == {"a": (), "b": (), "c": (10,)}


def test_figure(run_of: RunOf, together: Together) -> None:
    lines = {
        "sp": {10: (0.4, 1.0), 100: (0.1, 4.0)},
        "kl": {10: (0.5, 2.0), 100: (0.2, 3.0)},
        "kt-upper": {10: (0.01, 0.5), 100: (0.01, 0.6)},
    }
    run = curve_run(run_of, together, lines)
    figure = FIGURES["error-vs-seconds"](summarise(run))
    (axes,) = [axes for axes in figure.axes if axes.axison]
    drawn = {each.get_label(): each.get_xydata() for each in axes.lines}
    assert set(drawn) == {"sp", "kl", "kt-upper (upper bound)", FRONT}
    assert np.allclose(drawn["sp"], [(1.0, 0.4), (4.0, 0.1)])
    assert np.allclose(drawn[FRONT], [(1.0, 0.4), (3.0, 0.2), (4.0, 0.1)])
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


# --- what a user sees

PLUGIN = """
import numpy as np
from entbench import EntropyEstimator, register_estimator

@register_estimator("always-nought")
class Nought(EntropyEstimator):
    reads = "noisy"
    version = "1"

    def fit(self, X, y=None):
        self.entropy_ = 0.0
        return self

@register_estimator("lucky-bound")
class Lucky(EntropyEstimator):
    reads = "noisy"
    role = "upper bound"
    version = "1"

    def fit(self, X, y=None):
        self.entropy_ = 1.0
        return self
"""


def call(*arguments: object) -> Result:
    group = _Group("entbench", commands={"leaderboard": command})
    return CliRunner().invoke(group, ["leaderboard", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plugin, and the store of a run with it."""
    made = tmp_path_factory.mktemp("runs")
    (made / "mine.py").write_text(PLUGIN)
    run_suite(
        "truncated-mixture",
        {"d": [1, 2], "sigma": 0.5, "n": [20, 50]},
        estimators=["kl", "binning", "kt-upper", "always-nought", "lucky-bound"],
        trials=3,
        plugins=[str(made / "mine.py")],
        jobs=1,
        store=made / "store.sqlite",
    )
    return made


def test_a_plugin_has_its_line(folder: Path) -> None:
    done = call("--store", folder / "store.sqlite", "--plugin", folder / "mine.py")
    assert done.exit_code == 0, done.output
    assert "always-nought" in done.output


def test_roles_are_in_the_record(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound of a plugin that is not loaded is no estimate."""
    for name in ("always-nought", "lucky-bound"):
        monkeypatch.delitem(registry.estimators._registered, name)
    run = stored_run(store=folder / "store.sqlite")
    assert isinstance(run, SuiteRun)
    data = json.loads(call("--store", folder / "store.sqlite", "--format", "json").stdout)
    assert {s["estimator"] for s in data["equal_n"]} == {"kl", "binning", "always-nought"}
    assert {s["estimator"] for s in data["bounds"]} == {"kt-upper", "lucky-bound"}
    assert "lucky-bound" not in {place.label for place, _ in best_of(run)}


def test_formats(folder: Path) -> None:
    store = folder / "store.sqlite"
    data = json.loads(call(store, "--format", "json").stdout)
    assert set(data) >= {"equal_n", "equal_time", "sources", "sources_equal_time", "fronts"}
    assert len(data["equal_n"]) == 2 * 3
    assert len(data["sources"]) == 2 * 2 * 3
    lines = list(csv.DictReader(io.StringIO(call(store, "--format", "csv").stdout)))
    # overall and by source, at equal n and in time; the bounds; the fronts, overall and by source
    assert len(lines) == 6 + len(data["equal_time"]) + 12 + 6 + 4 + 3 * 3
    assert {line["comparison"] for line in lines} >= {"equal n", "bound", "front"}
    assert "| n | estimator | rank |" in call(store, "--format", "markdown").stdout


def test_one_n(folder: Path) -> None:
    done = call(folder / "store.sqlite", "--n", 20)
    assert "n=20" in done.output
    assert "n=50" not in done.output
    done = call(folder / "store.sqlite", "--n", 30)
    assert done.exit_code == 2
    assert "`n` must be one that the run has (20, 50); got 30." in done.output
    done = call(folder / "store.sqlite", "--seconds", -1)
    assert done.exit_code == 2
    assert "`seconds` must be" in done.output


def test_an_experiment_has_no_ranks(
    run_of: RunOf, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    info = run_of({10: [0.1]}).info
    run = ExperimentRun("szt", "szt", "quick", {}, (), info, 0)
    monkeypatch.setattr(entbench.runner, "stored_run", lambda text, store: run)
    done = call("szt")
    assert done.exit_code == 2
    assert "run id is of the experiment 'szt', which has no estimators to rank" in done.output


def test_width(run_of: RunOf, together: Together) -> None:
    """A terminal of 100 columns has room for many estimators on many sources."""
    rng = np.random.default_rng(11)
    labels: Sequence[str] = [f"estimator-{i}" for i in range(11)]
    runs = [
        run_of({100: list(row), 1000: list(0.5 * row)}, label, source=source)
        for source in ("x", "y", "z")
        for label, row in zip(labels, rng.standard_normal((11, 5)), strict=True)
    ]
    board: Leaderboard = leaderboard(together(*runs))
    text = render(leaderboard_printout(board), "table", Screen(100))
    tables = [line for line in text.splitlines() if "│" not in line]
    assert max(map(cell_len, tables)) <= 100
    places: list[Place] = [p for p in board.places if p.n == 1000]
    assert len(places) == 33


def test_the_page_names_the_best_as_the_leaderboard_ranks(
    run_of: RunOf, together: Callable[..., SuiteRun]
) -> None:
    """Over 20 made-up runs: the first place, and all others whose rank may be 1."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        scales = rng.choice([1.0, 1.1, 2.0, 8.0], size=3)
        laws = zip(("sp", "kl", "kde"), scales, strict=True)
        run = together(
            *(run_of({10: [9.0] * 6, 50: list(s * rng.chisquare(1, 6))}, name) for name, s in laws)
        )
        ((best, equals),) = best_of(run)
        places = [place for place in leaderboard(run).places if place.n == 50]
        assert best == places[0]
        assert equals == [place.label for place in places[1:] if place.rank_ci[0] == 1]
