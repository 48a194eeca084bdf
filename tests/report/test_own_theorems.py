"""Theorems that others add, and estimators for which those of the plug-in hold."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import entbench
from entbench import EstimatorFacts, register_theorem, run_suite
from entbench import _registry as registry
from entbench._base import SourceFacts
from entbench._records import SuiteRun
from entbench.bounds import monte_carlo_mse_bound
from entbench.estimators import MonteCarloPropagation, SamplePropagation
from entbench.report import render, suite_data, suite_printout, summarise
from entbench.report.figures import FIGURES
from entbench.report.html import html_report
from entbench.runner import stored_run

RunOf = Callable[..., SuiteRun]

PLUGIN = '''
import math
from entbench import register_estimator, register_theorem
from entbench.estimators import SamplePropagation

@register_estimator("renamed")
class Renamed(SamplePropagation):
    """The plug-in under another name."""

@register_theorem(
    "half-nat", statistic="mae", side="upper", header="MAE < half", note="made up: half a nat"
)
def half_nat(n, facts):
    return 0.5 if facts.in_unit_cube else None

@register_theorem(
    "too-much", statistic="bias", side="lower", header="too much", note="made up, and wrong",
    applies=lambda estimator: estimator.reads == "noisy",
)
def too_much(n, facts):
    return 3.0

@register_theorem(
    "raises-always", statistic="bias", side="lower", header="raises", note="made up, and it raises"
)
def raises(n, facts):
    return 1.0 if n == 20 else 1 / 0

@register_theorem(
    "no-number", statistic="bias", side="upper", header="no number", note="made up, and NaN"
)
def no_number(n, facts):
    return math.nan
'''
OWN = ("half-nat", "too-much", "raises-always", "no-number")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> SuiteRun:
    """A run with a plugin of one file, found again in its store where the plugin is absent."""
    folder = tmp_path_factory.mktemp("theorems")
    (folder / "mine.py").write_text(PLUGIN)
    with pytest.MonkeyPatch.context() as patch:
        for kind in (registry.theorems, registry.estimators):
            patch.setattr(kind, "_registered", dict(kind._registered))
        made = run_suite(
            "truncated-mixture",
            {"d": 1, "sigma": 0.3, "n": [20, 50]},
            estimators=["renamed", "sp", "gaussian"],
            trials=40,
            plugins=[str(folder / "mine.py")],
            jobs=1,
            store=folder / "store.sqlite",
        )
        data = suite_data(summarise(made))
    assert not set(OWN) & set(registry.theorems.names())
    found = stored_run(store=folder / "store.sqlite")
    assert isinstance(found, SuiteRun)
    assert suite_data(summarise(found))["checks"] == data["checks"]
    return found


def test_a_theorem_has_a_column(run: SuiteRun) -> None:
    rows = suite_data(summarise(run))["rows"]
    half = {row["estimator"]: row["bounds"].get("half-nat") for row in rows}
    assert half == {"renamed": 0.5, "sp": 0.5, "gaussian": None}
    assert {row["estimator"] for row in rows if "too-much" in row["bounds"]} == {"gaussian"}
    text = render(suite_printout(summarise(run)), "table")
    assert "MAE < half" in text
    assert ",half-nat," in render(suite_printout(summarise(run)), "csv").splitlines()[0]


def test_a_theorem_has_a_check(run: SuiteRun) -> None:
    checks = {check.name: check for check in summarise(run).checks}
    assert checks["half-nat"].status == "holds"
    assert checks["half-nat"].detail.startswith("made up: half a nat: 4 of 4")
    assert checks["too-much"].status == "violated"
    assert "h - E gaussian is below 3" in checks["too-much"].detail


def test_a_theorem_has_a_line(run: SuiteRun) -> None:
    figure = FIGURES["error-vs-n"](summarise(run))
    lines = {line.get_label(): line for axes in figure.axes for line in axes.lines}
    drawn = lines["made up: half a nat"]
    assert np.array_equal(drawn.get_ydata(), [0.5, 0.5])
    assert drawn.get_linestyle() == "--"  # as matplotlib calls every pattern
    assert len({theorem.dash for theorem in run.theorems}) == len(run.theorems)
    assert "made up: half a nat" in html_report(run)


def test_a_theorem_that_fails_is_one_line(run: SuiteRun) -> None:
    said = [note for note in run.notes if "theorem" in note]
    assert said == [
        "theorem no-number is left out at 2 of 2 settings: ValueError: it must return a number of "
        "nats or None; got nan",
        "theorem raises-always is left out at 1 of 2 settings: ZeroDivisionError: division by zero",
    ]
    assert [theorem.name for theorem in run.theorems] == ["half-nat", "raises-always", "too-much"]


def test_a_subclass_has_the_theory_of_its_class(run: SuiteRun) -> None:
    """The same values under another name come with the same bounds and the same rate."""
    data = suite_data(summarise(run))
    rows = {(row["estimator"], row["n"]): row for row in data["rows"]}
    for n in (20, 50):
        assert rows["renamed", n]["bounds"] == rows["sp", n]["bounds"]
        assert "bias_upper" in rows["sp", n]["bounds"]
    assert data["slopes"]["renamed"]["theory"] == data["slopes"]["sp"]["theory"] is not None
    checks = {check.name: check for check in summarise(run).checks}
    assert ": 4 of 4" in checks["plug-in-bias"].detail


def test_plain_monte_carlo_has_the_theory_of_the_plug_in(run_of: RunOf) -> None:
    """Its mean absolute error may be larger by the root mean square of its integration."""
    facts = SourceFacts(2, 1.0, True, mutual_information=0.5)
    errors = {100: np.linspace(-0.1, 0.0, 8)}
    fine = summarise(run_of(errors, "sp", facts=facts)).bounds[0].values
    params = {"draws": 10}
    coarse = summarise(run_of(errors, "sp-monte-carlo", estimator_params=params, facts=facts))
    found = dict(coarse.bounds[0].values)
    more = found.pop("risk_upper") - fine["risk_upper"]
    assert more == pytest.approx(monte_carlo_mse_bound(100, 10, 2) ** 0.5)
    assert found == {name: value for name, value in fine.items() if name != "risk_upper"}


def test_facts_follow_the_class_and_the_parameters() -> None:
    assert EstimatorFacts.of(MonteCarloPropagation(0.1, draws=7)).draws_per_component == 7
    assert EstimatorFacts.of(SamplePropagation(0.1)) == EstimatorFacts(
        reads="signal", bias_direction="low", plug_in=True
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"statistic": "rmse"}, "`statistic` must be one of 'bias', 'mae'; got 'rmse'"),
        ({"side": "left"}, "`side` must be one of"),
        ({"certainty": "sure"}, "`certainty` must be one of"),
        ({"header": ""}, "`header` of theorem 'my-own' must be a text"),
        ({"dash": (1.0,)}, "`dash` must have a gap for each stroke"),
        ({"name": "Not-Kebab"}, "a theorem's name must be lower-case letters"),
        ({"name": "bias"}, "a theorem's name must have a hyphen, since no other column has one"),
    ],
)
def test_wrong_entries_are_refused(wrong: dict[str, object], message: str) -> None:
    given = {"name": "my-own", "statistic": "bias", "side": "upper", "header": "h", "note": "n"}
    with pytest.raises((ValueError, TypeError), match=message):
        register_theorem(**{**given, **wrong})(lambda n, facts: None)  # type: ignore[arg-type]


def test_a_name_is_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.theorems, "_registered", {})
    add = register_theorem("my-own", statistic="bias", side="upper", header="h", note="n")

    @add
    def first(n: int, facts: SourceFacts) -> float:
        return 1.0

    with pytest.raises(ValueError, match=r"theorem 'my-own' .* is already registered by .*first"):

        @add
        def second(n: int, facts: SourceFacts) -> float:
            return 2.0


def test_checks_named_by_a_suite_run_beside_those_of_plugins(run: SuiteRun) -> None:
    names = [check.name for check in summarise(replace(run, checks=("coverage",))).checks]
    assert names == ["coverage", "half-nat", "raises-always", "too-much"]


ENTRY = """
    Theorem(
        name="half_nat",
        function=lambda n, facts: 0.5,
        statistic="mae",
        side="upper",
        header="MAE < half",
        note="made up: half a nat",
        always=True,
        dash=(7, 1),
        check="half-nat",
        checked="made up: below half a nat",
        in_class="cube",
        class_header="half",
        planned="half",
        about="made up",
    ),
"""
LOOK = """
from click.testing import CliRunner
from entbench.cli import main
from entbench.planner import samples_needed
from entbench.report import CHECKS
assert CHECKS["half-nat"].what == "made up: below half a nat"
assert samples_needed(0.6, dim=1, sigma=0.5, bound="half") == 1
said = CliRunner().invoke(main, ["bounds", "d=1", "n=10"]).output
assert "half: made up: half a nat" in said, said
line = "suite d=1 sigma=1 n=20 --trials 2 -e gaussian -e sp --out out --store s.sqlite"
done = CliRunner().invoke(main, line.split())
assert "MAE < half" in done.output, done.output
"""


@pytest.mark.slow
def test_a_built_in_theorem_is_one_entry(tmp_path: Path) -> None:
    """The entry in the catalogue is all that is written; a test of it is the second file."""
    home = Path(entbench.__file__).parent
    shutil.copytree(home, tmp_path / "entbench", ignore=shutil.ignore_patterns("__pycache__"))
    catalogue = tmp_path / "entbench" / "bounds" / "_catalogue.py"
    text = catalogue.read_text()
    assert text.count("\n_THEOREMS = (\n") == 1
    catalogue.write_text(text.replace("\n_THEOREMS = (\n", f"\n_THEOREMS = ({ENTRY}"))
    subprocess.run([sys.executable, "-c", LOOK], cwd=tmp_path, check=True)
    assert (tmp_path / "out" / "error_vs_n.svg").is_file()
