from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from entbench import _registry as registry
from entbench.cli._reference import reference
from entbench.runner import _certificates as certificates
from entbench.sources.gaussian_mixture import RandomGaussianMixture


@pytest.fixture(autouse=True)
def _registered() -> None:
    if "gaussian-mixture" not in registry.sources.names():
        registry.register_source("gaussian-mixture")(RandomGaussianMixture)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(reference, [str(argument) for argument in arguments])


def data_of(*arguments: object) -> dict[str, Any]:
    done = run(*arguments, "--format", "json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_exact_source(tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    data = data_of("truncated-mixture", "d=1", "sigma=0.1", "--verify", "--store", store)
    assert data["value"] == pytest.approx(-0.18328432980601, abs=1e-12)
    assert data["confidence"] == 1.0
    assert data["verification"]["agrees"]
    assert data["params"] == {"d": 1, "sigma": 0.1, "tau": 0.02}
    assert data["facts"]["in_unit_cube"] is True
    assert not store.exists()
    assert "confidence" in run("truncated-mixture").stdout


def test_pairs() -> None:
    data = data_of("bivariate-normal", "--verify")
    assert data["quantity"] == "I(X;Y)"
    assert data["facts"] == {}


def test_sampled_source_is_certified_and_kept(tmp_path: Path) -> None:
    asked = ("gaussian-mixture", "d=3", "--error", "0.02", "--store", tmp_path / "s.sqlite")
    data = data_of(*asked, "--confidence", "0.99", "--verify")
    assert data["error"] <= 0.02
    assert data["confidence"] == 0.99
    assert data["verification"]["agrees"]
    assert data["verification"]["method"] != data["method"]
    assert set(data["versions"]) == {"entbench", "numpy", "scipy", "numba"}
    assert data["checks"][0]["method"] != data["method"]
    # kept: one that is surer than asked does
    again = data_of(*asked)
    assert again["confidence"] == 0.99
    assert again["value"] == data["value"]
    truth = RandomGaussianMixture(d=3).certify(2e-3, 0.999)
    assert abs(data["value"] - truth.value) <= data["error"] + truth.error
    (line,) = csv.DictReader(io.StringIO(run(*asked, "--format", "csv").stdout))
    assert float(line["confidence"]) == 0.99


def test_disagreement_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    verification = certificates.Verification("other", 1.0, 0.1, 0.5, 0.2)
    monkeypatch.setattr(certificates, "verify", lambda *arguments: verification)
    done = run("truncated-mixture", "--verify")
    assert done.exit_code == 1
    assert "DISAGREES with other: 1 nats, differs by 5.0e-01, allowed 2.0e-01" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["truncated-mixture", "--error", "0"], "`error` must be a finite number > 0; got 0.0"),
        (["truncated-mixture", "--error", "1e-20"], "`error` must be at least"),
        (["truncated-mixture", "--confidence", "1"], "`confidence` must lie in (0, 1); got 1.0"),
        (["truncated-mixture", "d=0"], "`d` must be an integer >= 1; got 0"),
        (["truncated-mixtur"], "unknown source 'truncated-mixtur'. Did you mean"),
    ],
)
def test_bad_arguments(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert isinstance(done.exception, ValueError)
    assert message in str(done.exception)
