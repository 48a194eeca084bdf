"""``entbench compare``: exit codes and messages, on stored and on made-up runs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import entbench.runner
from entbench import run_suite
from entbench._records import ExperimentRun, SuiteRun
from entbench.cli import _Group
from entbench.cli._compare import compare

Call = Callable[..., Result]


def call(*arguments: object) -> Result:
    group = _Group("entbench", commands={"compare": compare})
    return CliRunner().invoke(group, ["compare", *map(str, arguments)])


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Stores of a run, of the same run again, of one with other seed, n and estimators."""
    folder = tmp_path_factory.mktemp("stores")
    made = {}
    for name, seed, n, estimators in (
        ("a", 0, [20, 50], ["kl", "binning"]),
        ("b", 0, [20, 50], ["kl"]),
        ("seed", 1, [20, 50], ["kl", "binning"]),
        ("other", 0, [30], ["kl"]),
    ):
        made[name] = folder / f"{name}.sqlite"
        params = {"d": 1, "sigma": 0.5, "n": n}
        options = {"estimators": estimators, "trials": 4, "seed": seed}
        run_suite("truncated-mixture", params, **options, jobs=1, store=made[name])  # type: ignore[arg-type]
    return made


def test_two_stores(stores: dict[str, Path]) -> None:
    done = call(stores["a"], stores["b"])
    assert done.exit_code == 0, done.output
    assert "2 rows compared: 2 with every value the same to the bit" in done.output
    assert "8 cells are in A alone" in done.output


def test_a_store_with_itself(stores: dict[str, Path]) -> None:
    done = call("latest", "truncated-mixture", "--store", stores["a"])
    assert (done.exit_code, done.output.count("\n")) == (0, 1)
    assert "compared with itself: there is nothing to differ." in done.output


def test_other_seeds(stores: dict[str, Path]) -> None:
    done = call(stores["a"], stores["seed"])
    assert "! 4 rows are of other samples in B" in done.output
    assert "other samples: the seed is 0 in A and 1 in B" in done.output


def test_nothing_in_common(stores: dict[str, Path]) -> None:
    done = call(stores["b"], stores["other"])
    assert done.exit_code == 2
    assert "have no row in common" in done.output
    assert "n 20, 50 and 30." in done.output


def test_formats(stores: dict[str, Path]) -> None:
    data = json.loads(call(stores["a"], stores["seed"], "--format", "json").stdout)
    assert [row["paired"] for row in data["rows"]] == [False] * 4
    assert (data["a"]["seed"], data["b"]["seed"]) == (0, 1)
    text = call(stores["a"], stores["seed"], "--format", "csv").stdout
    assert len(list(csv.DictReader(io.StringIO(text)))) == 4
    assert "| estimator | n |" in call(stores["a"], stores["seed"], "--format", "markdown").stdout


def made_worse(run: SuiteRun) -> SuiteRun:
    """Return the run with every estimate further above the truth by 5 nats."""
    worse = tuple(
        replace(r, result=r.result | {"value": abs(r.value or 0.0) + 5.0}) for r in run.records
    )
    return replace(run, records=worse, info=replace(run.info, id="worse"))


def test_exit_codes(stores: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    found = entbench.runner.stored_run(str(stores["b"]))
    assert isinstance(found, SuiteRun)
    fine = replace(found, records=tuple(replace(r, seconds=1.0) for r in found.records))
    slow = replace(
        fine,
        records=tuple(replace(r, seconds=2.0 + 0.01 * r.cell.trial) for r in fine.records),
        info=replace(fine.info, id="slow"),
    )
    failed = replace(fine.records[0], status="timeout", message="over 1 s", result={})
    cut = replace(fine, records=(failed, *fine.records[1:]), info=replace(fine.info, id="cut"))
    runs = {"fine": fine, "worse": made_worse(fine), "slow": slow, "cut": cut}
    monkeypatch.setattr(entbench.runner, "stored_run", lambda text, store=None: runs[text])
    assert call("fine", "worse").exit_code == 1
    assert call("worse", "fine").exit_code == 0
    assert call("fine", "worse", "--on", "time").exit_code == 0
    assert call("fine", "slow").exit_code == 0
    assert call("fine", "slow", "--on", "time").exit_code == 1
    assert call("fine", "slow", "--on", "both").exit_code == 1
    done = call("fine", "cut")
    assert done.exit_code == 1
    assert "1 cells failed in B alone: over 1 s" in done.output


def test_mixed_kinds(stores: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    found = entbench.runner.stored_run(str(stores["b"]))
    other = ExperimentRun("szt", "szt", "quick", {}, (), replace(found.info, id="exp"), 0)
    runs = {"one": found, "other": other}
    monkeypatch.setattr(entbench.runner, "stored_run", lambda text, store=None: runs[text])
    done = call("one", "other")
    assert done.exit_code == 2
    assert "of a suite of estimators and run exp of an experiment" in done.output


@pytest.mark.parametrize("arguments", [(), ("latest",)])
def test_two_runs_are_asked_for(
    in_process: Callable[..., Result], arguments: tuple[str, ...]
) -> None:
    done = in_process("compare", *arguments)
    assert done.exit_code == 2
    assert "Missing argument 'RUN_" in done.stderr
    assert done.stderr.count("\n") == 1
