"""An experiment of a plugin in every verb that shows runs, and where the plugin is absent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entbench import _registry as registry
from entbench.cli import main

PLUGIN = '''
from dataclasses import dataclass
from entbench import Claim, Experiment, register_experiment

def value_vs_time(results):
    """Draw the value against the time."""
    from matplotlib.figure import Figure
    figure = Figure()
    figure.subplots().plot([r.step["time"] for r in results], [r.result["value"] for r in results])
    return figure

def broken(results):
    return float("nan")

@register_experiment("grows")
@dataclass(frozen=True)
class Grows(Experiment):
    """Doubles."""
    version = "1"
    figures = (value_vs_time, broken, "no-such-figure")
    start: float = 1.0

    def steps(self):
        return [{"time": time} for time in range(3)]

    def measure(self, step):
        return {"value": self.start * 2.0 ** step["time"]}

    @classmethod
    def claims(cls, results):
        return [Claim("it doubles", "nowhere", "4", True)]

    @classmethod
    def tables(cls, results):
        raise KeyError("no table")
'''
SUITE = 'title = "t"\nexperiment = "grows"\n[presets.quick]\nstart = 1.0\n'

Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The command line in a folder with a plugin, a suite, and the store of a run of it."""
    (tmp_path / "grows.py").write_text(PLUGIN)
    (tmp_path / "twice.toml").write_text(SUITE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_loaded_plugins", {})

    def run(*arguments: str) -> Result:
        monkeypatch.setattr(registry.experiments, "_registered", {})
        registry._loaded_plugins.clear()
        return CliRunner().invoke(main, [*arguments, "--store", "s.sqlite"])

    done = run("suite", "./twice.toml", "--plugin", "grows.py", "--out", "out", "--jobs", "1")
    assert done.exit_code == 0, done.output
    assert "figure broken cannot be drawn from this run: AttributeError" in done.stderr
    assert "figure no-such-figure cannot be drawn from this run: ValueError: unknown" in done.stderr
    assert "! tables cannot be made from this run: KeyError: 'no table'" in done.stdout
    return run


def test_its_figures_are_written(call: Call) -> None:
    assert Path("out/value_vs_time.svg").is_file()
    again = call("show", "--plugin", "grows.py", "--out", "again")
    assert "it doubles" in again.stdout
    assert Path("again/value_vs_time.png").is_file()
    assert not Path("again/broken.png").exists()


def test_its_page_has_claims_and_figures(call: Call) -> None:
    assert call("report", "--plugin", "grows.py", "-o", "page.html").exit_code == 0
    page = Path("page.html").read_text()
    assert "it doubles" in page
    assert "The value against the time." in page
    assert "Could not be drawn from this run: ValueError: unknown figure" in page


def test_the_record_is_enough_without_it(call: Call) -> None:
    line = "claims, tables and figures are left out: experiment 'grows' is not known here"
    shown = call("show")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.count(line) == 1
    steps = json.loads(call("show", "--format", "json").stdout)["steps"]
    assert [step["result"]["value"] for step in steps] == [1.0, 2.0, 4.0]
    assert call("report", "-o", "page.html").exit_code == 0
    assert line.replace("'", "&#39;") in Path("page.html").read_text()
    assert call("export").stdout.count("grows") == 3
    assert call("compare", "latest", "latest").exit_code == 0
