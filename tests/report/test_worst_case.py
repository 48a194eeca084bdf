"""The largest error over the sources of a run, by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from entbench import bounds
from entbench._base import SourceFacts
from entbench._records import SuiteRun
from entbench.report import suite_printout, summarise
from entbench.report._intervals import CHECK_CONFIDENCE
from entbench.report._statistics import rows_of
from entbench.report._worst_case import WorstCase, worst_cases

RunOf = Callable[..., SuiteRun]

CUBE = SourceFacts(2, 0.1, True)
EASY = np.array([0.10, -0.11, 0.09])
HARD = np.array([-0.30, -0.31, 0.29])
LOOSE = np.array([0.01, 0.05, 0.60])  # a smaller mean than HARD's, and a higher upper limit


def found_in(run: SuiteRun, confidence: float = 0.95) -> list[WorstCase]:
    facts = {case.source: case.facts for case in run.cases}
    return list(worst_cases(rows_of(run), facts, confidence))


def three_sources(run_of: RunOf, together: Callable[..., SuiteRun], n: int = 10) -> SuiteRun:
    laws = {"easy": EASY, "hard": HARD, "loose": LOOSE}
    return together(
        *(run_of({n: values}, "sp", source=name, facts=CUBE) for name, values in laws.items())
    )


def upper_limit(errors: np.ndarray) -> float:
    """Return the limit for three errors, t of 2 degrees of freedom from a table."""

    def g(values: np.ndarray) -> float:
        away = values - values.mean()
        return float(np.mean(away**3) / np.mean(away**2) ** 1.5)

    absolute = np.abs(errors)
    times = 1.8 + 5.0 * max(g(absolute), abs(g(errors))) / math.sqrt(3.0)
    arm = 4.30265272991 * float(absolute.std(ddof=1)) / math.sqrt(3.0)
    return float(absolute.mean() + times * arm)


def test_worst_source_and_highest_limit(run_of: RunOf, together: Callable[..., SuiteRun]) -> None:
    (found,) = found_in(three_sources(run_of, together))
    assert found.row.source.name == "hard"
    assert found.row.mae == pytest.approx(0.3, rel=1e-12)
    assert found.sources == 3
    assert upper_limit(LOOSE) > upper_limit(HARD) > upper_limit(EASY)
    assert found.highest == pytest.approx(upper_limit(LOOSE), rel=1e-9)
    assert found.label == "sp, d=2, sigma=0.1, n=10"


def test_error_of_the_reference_raises_the_limit(run_of: RunOf) -> None:
    (found,) = found_in(run_of({10: HARD}, facts=CUBE, error=0.05))
    assert found.highest == pytest.approx(upper_limit(HARD) + 0.05, rel=1e-9)


def test_confidence_widens_the_limit(run_of: RunOf) -> None:
    """That of checks: t of 2 degrees of freedom at 1 - 1e-4 is 99.992, and 1.8 is 1 + 46/3."""
    run = run_of({10: HARD}, facts=CUBE)
    (low,), (high,) = found_in(run), found_in(run, CHECK_CONFIDENCE)
    arm = float(np.abs(HARD).std(ddof=1)) / math.sqrt(3.0)
    tail = (low.highest - 0.3) / (4.30265272991 * arm) - 1.8
    t = math.sqrt(2.0) * (1.0 - 1e-4) / math.sqrt(1.0 - (1.0 - 1e-4) ** 2)  # of 2 it has a formula
    assert high.highest == pytest.approx(0.3 + t * arm * (1.0 + 46.0 / 3.0 + tail), rel=1e-9)


def test_theory_beside_it(run_of: RunOf, together: Callable[..., SuiteRun]) -> None:
    (found,) = found_in(three_sources(run_of, together, 10**5))
    assert found.minimax == bounds.minimax_risk_bound(10**5, 2, 0.1)
    assert found.trivial == pytest.approx(math.log(101.0), rel=1e-12)
    assert found.upper == {
        "bias + deviation": bounds.plug_in_risk_bound(10**5, 2, 0.1),
        "Theorem 4, proved": bounds.plug_in_risk_theorem_4(10**5, 2, 0.1),
        "Theorem 4 as printed*": bounds.plug_in_risk_theorem_4_printed(10**5, 2, 0.1),
        "Theorem 5 as printed*": bounds.plug_in_risk_theorem_5(10**5, 2, 0.1, 1.0),
    }
    (other,) = found_in(run_of({10: HARD}, "kl", facts=CUBE))
    assert other.upper == {}
    assert other.minimax == bounds.minimax_risk_bound(10, 2, 0.1)


def test_dimension_noise_n_and_estimator_are_kept_apart(
    run_of: RunOf, together: Callable[..., SuiteRun]
) -> None:
    run = together(
        run_of({10: EASY, 20: HARD}, "sp", source="a", facts=CUBE),
        run_of({10: HARD}, "sp", source="b", facts=replace(CUBE, dim=3)),
        run_of({10: HARD}, "sp", source="c", facts=replace(CUBE, sigma=0.2)),
        run_of({10: HARD}, "kl", source="a", facts=CUBE),
        run_of({10: 10.0 * HARD}, "sp", source="outside", facts=replace(CUBE, in_unit_cube=False)),
    )
    found = {(w.row.estimator.name, w.dim, w.sigma, w.row.n): w for w in found_in(run)}
    assert list(found) == [
        ("sp", 2, 0.1, 10),
        ("sp", 2, 0.1, 20),
        ("sp", 3, 0.1, 10),
        ("sp", 2, 0.2, 10),
        ("kl", 2, 0.1, 10),
    ]
    assert {w.sources for w in found.values()} == {1}
    assert found["sp", 2, 0.1, 10].row.mae == pytest.approx(0.1)


def test_one_trial_on_a_source_says_nothing_of_the_largest(
    run_of: RunOf, together: Callable[..., SuiteRun]
) -> None:
    """Without a limit on each source there is none on the largest; without any value it is out."""
    three = three_sources(run_of, together)
    single = run_of({10: [0.2]}, "sp", source="single", facts=CUBE)
    assert found_in(together(three, single)) == []
    failed = run_of({10: [None, None]}, "sp", source="failed", facts=CUBE)
    assert [w.sources for w in found_in(together(three, failed))] == [3]
    unknown = run_of({10: HARD}, "sp", source="unknown")
    unknown = replace(unknown, cases=(replace(unknown.cases[0], facts=None),))
    assert [w.sources for w in found_in(together(three, unknown))] == [3]


def test_table_says_where_and_marks_what_says_nothing(
    run_of: RunOf, together: Callable[..., SuiteRun]
) -> None:
    runs = [
        run_of({10: values}, "sp", source="grid", source_params=params, facts=CUBE)
        for values, params in ((EASY, {"d": 2, "k": 2}), (HARD, {"d": 2, "k": 8}))
    ]
    run = replace(together(*runs), tables=("worst-case",))
    table = suite_printout(summarise(run)).tables[-1]
    (cells,) = table.rows
    named = dict(zip(table.headers, cells, strict=True))
    assert named["at"] == "grid[k=8]"
    assert named["largest MAE"] == "0.300 ± 0.095?"
    assert named["Theorem 4, proved ≤"] == "vacuous"
    (record,) = summarise(run).sections[0].records
    assert record["mae"] == pytest.approx(0.3)
    assert record["mae_ci_high"] == pytest.approx(upper_limit(HARD), rel=1e-9)
    assert record["source"] == "grid[d=2,k=8]"
