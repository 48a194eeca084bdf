"""Experiments as suites: presets, sweeps, what is stored, and what goes wrong."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from entbench import _registry as registry
from entbench._base import Claim, Experiment
from entbench.report import experiment_printout, render
from entbench.report._experiment import results_of, said_of
from entbench.runner import (
    Store,
    experiment_suite,
    load_suite,
    read_suite,
    run_experiment,
    run_info,
    steps_of,
)

MEASURED: list[tuple[float, int]] = []


@dataclass(frozen=True)
class Doubling(Experiment):
    """Doubles a number, step by step."""

    version: ClassVar[str] = "1"

    start: float = 1.0
    last: int = 3

    def steps(self) -> list[dict[str, Any]]:
        return [{"time": time} for time in range(self.last)]

    def measure(self, step: Mapping[str, Any]) -> dict[str, Any]:
        MEASURED.append((self.start, step["time"]))
        if self.start < 0.0:
            raise ValueError("no negative\nnumbers")
        value = self.start * 2.0 ** step["time"]
        return {"value": value, "digits": [int(d) for d in str(int(value))]}

    @classmethod
    def claims(cls, results: Any) -> list[Claim]:
        return [Claim("it grows", "nowhere", f"{len(results)} steps", len(results) > 2)]


@pytest.fixture(autouse=True)
def _doubling(_forget_registrations: None) -> None:
    MEASURED.clear()
    registry.experiments.register("doubling", Doubling)


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "twice.toml"
    file.write_text(
        'title = "t"\nexperiment = "doubling"\n'
        "[presets.quick]\nstart = [1.0, 3.0]\nlast = 2\n[presets.long]\nlast = 5\n"
    )
    return str(file)


def run(path: str, store: Path, **params: Any) -> Any:
    suite = experiment_suite(read_suite(path), params)
    with Store(store) as opened:
        return run_experiment(suite, opened, run_info(0), jobs=1)


def test_steps_of_every_setting_in_order(path: str, tmp_path: Path) -> None:
    found = run(path, tmp_path / "s")
    assert [(r.params["start"], r.step["time"], r.result["value"]) for r in results_of(found)] == [
        (1.0, 0, 1.0),
        (1.0, 1, 2.0),
        (3.0, 0, 3.0),
        (3.0, 1, 6.0),
    ]
    assert found.computed == 4
    assert found.preset == "quick"
    assert found.params == {"start": [1.0, 3.0], "last": 2}


def test_what_is_stored_is_not_measured_again(path: str, tmp_path: Path) -> None:
    first = run(path, tmp_path / "s")
    MEASURED.clear()
    again = run(path, tmp_path / "s")
    assert MEASURED == []
    assert again.computed == 0
    assert results_of(again) == results_of(first)
    more = run(path, tmp_path / "s", preset="long")
    assert more.computed == 5  # `last` is a parameter, and so another experiment
    run(path, tmp_path / "s", preset="quick", start=[3.0, 7.0])
    assert MEASURED[-2:] == [(7.0, 0), (7.0, 1)]


def test_a_run_cut_short_goes_on(path: str, tmp_path: Path) -> None:
    suite = experiment_suite(read_suite(path), {})

    class CutError(Exception):
        pass

    def cut(record: Any) -> None:
        if len(MEASURED) == 3:
            raise CutError

    with Store(tmp_path / "s") as store, pytest.raises(CutError):
        run_experiment(suite, store, run_info(0), jobs=1, on_record=cut)
    MEASURED.clear()
    whole = run(path, tmp_path / "s")
    assert MEASURED == [(3.0, 1)]
    assert results_of(whole) == results_of(run(path, tmp_path / "other"))


def test_store_knows_which_runs_came_to_their_end(path: str, tmp_path: Path) -> None:
    def stop(measurement: Any) -> None:
        raise KeyboardInterrupt

    suite = experiment_suite(read_suite(path), {})
    with Store(tmp_path / "s") as opened, pytest.raises(KeyboardInterrupt):
        run_experiment(suite, opened, run_info(0), jobs=1, on_record=stop)
    run(path, tmp_path / "s")
    with closing(sqlite3.connect(tmp_path / "s")) as connection:
        ends = [end for (end,) in connection.execute("SELECT finished FROM runs ORDER BY started")]
    assert sorted(end is None for end in ends) == [False, True]


def test_failures_are_steps_too(path: str, tmp_path: Path) -> None:
    found = run(path, tmp_path / "s", start=[-1.0, 1.0])
    assert [m.status for m in found.records] == ["failed", "failed", "ok", "ok"]
    assert found.records[0].message == "ValueError: no negative numbers"
    text = render(experiment_printout(found), "table")
    assert "✗ failed: ValueError: no negative numbers [doubling[start=-1.0,last=2], time=0]" in text
    MEASURED.clear()
    suite = experiment_suite(read_suite(path), {"start": [-1.0, 1.0]})
    with Store(tmp_path / "s") as store:
        run_experiment(suite, store, run_info(0), jobs=1, rerun="failed")
    assert MEASURED == [(-1.0, 0), (-1.0, 1)]


def test_printout_holds_steps_and_claims(path: str, tmp_path: Path) -> None:
    found = run(path, tmp_path / "s")
    printout = experiment_printout(found)
    data = json.loads(render(printout, "json"))
    assert [step["result"]["value"] for step in data["steps"]] == [1.0, 2.0, 3.0, 6.0]
    assert data["claims"] == [c._asdict() for c in said_of(found).claims]
    assert data["claims"][0]["holds"] is True
    lines = render(printout, "csv").splitlines()
    assert lines[0] == "last,start,time,status,value"
    assert lines[1] == "2,1.0,0,ok,1.0"
    for width in ("table", "markdown"):
        assert "it grows" in render(printout, width)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"preset": "short"}, "unknown preset 'short'.* Known: long, quick"),
        ({"begin": 2}, "unknown key for suite 'twice' 'begin'.*last, preset, start"),
        ({"sigma": 2}, "unknown key"),
    ],
)
def test_bad_wishes_get_a_line(path: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        experiment_suite(read_suite(path), params)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('experiment = "doubling"', "`presets` missing"),
        ('experiment = "doubling"\nestimators = ["kl"]\n[presets.a]', "unknown key 'estimators'"),
        ('experiment = "tripling"\n[presets.a]', "unknown experiment 'tripling'"),
        ("experiment = 3\n[presets.a]", "`experiment` has the wrong type: 3"),
    ],
)
def test_bad_files_get_a_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        experiment_suite(read_suite(str(tmp_path / "bad.toml")), {})


def test_an_experiment_is_no_suite_of_estimators(path: str) -> None:
    with pytest.raises(ValueError, match="asks for an experiment, which has no estimators"):
        load_suite(path)


def test_settings_can_be_shared_out(path: str, tmp_path: Path) -> None:
    """A class of this session is not there in a worker: its steps fail, each with a line."""
    suite = experiment_suite(read_suite(path), {})
    with Store(tmp_path / "s") as store:
        found = run_experiment(suite, store, run_info(0), jobs=2)
    assert len(found.records) == len(steps_of(suite)) == 4
    assert [m.cell.key for m in found.records] == [s.key for s in steps_of(suite)]


@pytest.mark.torch
def test_command_line(entbench: Callable[..., Any], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    arguments = ("suite", "single-neuron", "sigma=0.05,0.5", "epochs=20", "--jobs", 2)
    done = entbench(*arguments, "--format", "json", "--out", "results")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["preset"] == "quick"
    assert {step["status"] for step in data["steps"]} == {"ok"}
    names = sorted(p.name for p in (tmp_path / "results").iterdir())
    assert names == ["results.csv", "results.json", "single_neuron.png", "single_neuron.svg"]
    dry = entbench(*arguments, "--dry-run", "--format", "json")
    assert json.loads(dry.stdout)["stored"] == len(data["steps"])
    for option in (("-e", "kl"), ("--trials", 3)):
        refused = entbench("suite", "single-neuron", *option)
        assert refused.returncode == 2
        assert "asks for an experiment, which has no --" in refused.stderr
    told = entbench("describe", "single-neuron")
    assert "preset=paper" in told.stdout
    assert "single-neuron" in entbench("list", "suites").stdout
