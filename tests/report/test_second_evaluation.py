"""A truth without a second evaluation is marked wherever it is printed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from entbench import Reference, ReferenceCheck
from entbench._records import SuiteRun
from entbench.cli import main
from entbench.report import render, suite_printout, summarise
from entbench.report._compare import compare_suites
from entbench.report._compare_tables import comparison_data, comparison_printout
from entbench.report._export import export_rows
from entbench.report._leaderboard import leaderboard
from entbench.report._leaderboard_tables import leaderboard_notes
from entbench.report._render import FORMATS
from entbench.report.html._suite_page import suite_page

RunOf = Callable[..., SuiteRun]
NOTE = "no second evaluation"


def unsupported(run: SuiteRun) -> SuiteRun:
    """Return the run with references that nothing but the source supports."""
    bare = (replace(case, reference=replace(case.reference, checks=())) for case in run.cases)
    return replace(run, cases=tuple(bare))


def test_note() -> None:
    check = ReferenceCheck("other", 0.0, 0.0)
    assert Reference(0.0, 1e-3, "by feel").note == NOTE
    assert Reference(0.0, 1e-3, "closed form", (check,)).note == ""


@pytest.mark.parametrize("format_", FORMATS)
def test_suite_in_every_format(run_of: RunOf, format_: Any) -> None:
    run = run_of({100: [0.1, 0.2]}, "kl", error=1e-3)
    assert NOTE not in render(suite_printout(summarise(run)), format_)
    text = render(suite_printout(summarise(unsupported(run))), format_)
    assert NOTE in text
    if format_ == "table":
        assert f"made-up[d=1]: h(S+Z) = 0.0000 nats, error <= 1.0e-03, {NOTE}" in text
    if format_ == "csv":
        assert [row["reference_note"] for row in csv.DictReader(io.StringIO(text))] == [NOTE]
    if format_ == "json":
        assert json.loads(text)["reference"]["note"] == NOTE


def test_page_and_export(run_of: RunOf, together: Callable[..., SuiteRun]) -> None:
    one = run_of({100: [0.1, 0.2]}, "kl")
    several = together(unsupported(run_of({100: [0.1, 0.2]}, "kl", source="bare")), one)
    for run, bare in ((one, 0), (unsupported(one), 1), (several, 1)):
        (truth,) = [block for block in suite_page(run).blocks if block.id == "truth"]
        (grid,) = truth.items
        assert [row[3] for row in grid.rows].count(NOTE) == bare
        assert [row["reference_note"] for row in export_rows(run)].count(NOTE) == 2 * bare


def test_leaderboard(run_of: RunOf, together: Callable[..., SuiteRun]) -> None:
    runs = [run_of({100: [0.1, 0.2]}, "kl", source=f"s{i}") for i in range(7)]
    assert "second evaluation" not in "".join(leaderboard_notes(leaderboard(together(*runs))))
    for bare, listed in ((1, "s0[d=1]"), (7, "s0[d=1], s1[d=1], s2[d=1], s3[d=1], s4[d=1] and 2")):
        mixed = together(*map(unsupported, runs[:bare]), *runs[bare:])
        (note,) = [n for n in leaderboard_notes(leaderboard(mixed)) if "second evaluation" in n]
        assert note.startswith(f"! the truth has no second evaluation for {listed}")


def test_compare(run_of: RunOf) -> None:
    first = run_of({100: [0.1, 0.2]}, "kl")
    info = replace(first.info, id="other")
    second = unsupported(replace(run_of({100: [0.1, 0.2]}, "kl", truth=1.0), info=info))
    found = compare_suites(first, second)
    (note,) = [n for n in comparison_printout(found).notes if "THE TRUTH CHANGED" in n]
    assert f"in A, h(S+Z) = 1 within 0.0e+00 ({NOTE}) in B" in note
    (changed,) = comparison_data(found, "accuracy")["truths_changed"]
    assert (changed["a_note"], changed["b_note"]) == ("", NOTE)


PLUGIN = """
import numpy as np
from entbench import Reference, Source, register_source

@register_source("by-feel")
class ByFeel(Source):
    version, dim, sigma = "1", 1, 0.5

    def __init__(self, sigma: float = 0.5):
        self.sigma = sigma

    def sample(self, n, rng):
        return rng.standard_normal((n, 1))

    def reference(self):
        return Reference(2.0, 1e-3, "by feel", ())
"""


@pytest.fixture
def asked(tmp_path: Path) -> Callable[..., Result]:
    (tmp_path / "feel.py").write_text(PLUGIN)
    plugin = ("--plugin", str(tmp_path / "feel.py"))
    return lambda *words: CliRunner().invoke(main, [*map(str, words), *plugin])


def test_reference_command(asked: Callable[..., Result]) -> None:
    done = asked("reference", "by-feel")
    assert done.exit_code == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert f"check {NOTE}" in lines
    assert any(line.startswith(f"! {NOTE}: nothing but the source itself") for line in lines)
    data = json.loads(asked("reference", "by-feel", "--format", "json").stdout)
    assert (data["checks"], data["note"], data["certificate"]) == ([], NOTE, None)
    assert f"by feel,{NOTE}" in asked("reference", "by-feel", "--format", "csv").stdout
    assert json.loads(asked("reference", "bpsk", "--format", "json").stdout)["note"] == ""
    refused = asked("reference", "by-feel", "--verify")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "has no second evaluation to verify it by" in refused.stderr


def test_a_wrong_truth_is_marked_and_found_by_the_checks_of_an_own_suite(
    asked: Callable[..., Result], tmp_path: Path
) -> None:
    """h is 1/2 log(2 pi e 1.25) = 1.53 nats, not 2."""
    suite = tmp_path / "mine.toml"
    head = 'n = [100]\ntrials = 40\nsource = { name = "by-feel" }\n'
    suite.write_text(f'{head}estimators = ["sp", "sp-loo"]\n')
    done = asked("suite", suite, "-j", 1, "-q")
    assert done.exit_code == 1
    assert f"nats, error <= 1.0e-03, {NOTE}" in done.stdout
    assert (
        "✗ check VIOLATED bracket: truth between the means of plug-in and leave-one-out"
        in done.stdout
    )
    line, other = [line for line in done.stdout.splitlines() if "check" in line]
    assert other.startswith("✗ check VIOLATED coverage: ")  # no interval holds a wrong truth
    for checks, code in (("[]", 0), ('["bracket"]', 1)):
        suite.write_text(f'{head}estimators = ["sp", "sp-loo"]\nchecks = {checks}\n')
        named = asked("suite", suite, "-j", 1, "-q")
        assert (named.exit_code, line in named.stdout) == (code, bool(code))
