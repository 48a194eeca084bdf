from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entbench import _registry as registry
from entbench.cli import main

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_help_has_a_way_in_and_every_command(entbench: Command) -> None:
    """It comes at once as it imports nothing slow: tests/test_public_api.py."""
    done = entbench("--help")
    assert done.returncode == 0
    assert "entbench suite d=5 sigma=0.1" in done.stdout
    for command in ("suite", "list", "describe", "reference", "estimate", "completion"):
        assert command in done.stdout
        assert entbench(command, "--help").returncode == 0


@pytest.mark.parametrize("columns", [80, 120])
def test_help_shows_an_example_a_line(columns: int) -> None:
    shown = CliRunner().invoke(main, ["--help"], terminal_width=columns).stdout
    assert "\b" not in shown
    assert "\\b" not in shown
    lines = [line.strip() for line in shown.splitlines()]
    assert max(map(len, lines)) <= columns
    examples = [line for line in lines if line.startswith("entbench ")]
    assert len(examples) == 14
    assert examples[1] == "entbench suite d=5,10 n=1e2:1e4:log5  sweeps"
    for line in examples:  # what is done, and what for, one column each
        assert not line[38].isspace()
        assert line[37].isspace()


def test_list_has_everything(entbench: Command) -> None:
    data = json.loads(entbench("list", "--format", "json").stdout)
    listed = {(entry["kind"], entry["name"]) for entry in data["names"]}
    for kind in ("estimators", "sources", "suites"):
        assert {(kind[:-1], name) for name in getattr(registry, kind).names()} <= listed
    assert "sp" in entbench("list", "estimators").stdout
    assert "estimator" not in entbench("list", "sources", "--format", "csv").stdout
    assert all(entry["summary"] for entry in data["names"])


@pytest.mark.parametrize("name", [*registry.estimators.names(), *registry.sources.names()])
def test_describe_tells_every_parameter(in_process: Callable[..., Result], name: str) -> None:
    data = json.loads(in_process("describe", name, "--format", "json").stdout)
    entry = data["entries"][0]
    assert entry["parameters"]
    for parameter in entry["parameters"]:
        assert parameter["description"], parameter
    assert "References" in entry["text"]
    text = in_process("describe", name).stdout
    assert "nats" in text or entry["kind"] == "source"


def test_describe_of_one_name_for_two_things(entbench: Command) -> None:
    data = json.loads(entbench("describe", "truncated-mixture", "--format", "json").stdout)
    assert [entry["kind"] for entry in data["entries"]] == ["source", "suite"]
    done = entbench("describe", "kk")
    assert done.returncode == 2
    assert "unknown name 'kk'. Did you mean" in done.stderr


def test_reference(entbench: Command) -> None:
    done = entbench("reference", "truncated-mixture", "d=5", "sigma=0.1")
    assert done.returncode == 0
    for expected in ("-0.91642164903", "error", "<= 4", "Gauss-Legendre", "QUADPACK"):
        assert expected in done.stdout
    data = json.loads(
        entbench("reference", "truncated-mixture", "d=1", "sigma=0.1", "--format", "json").stdout
    )
    assert data["value"] == pytest.approx(-0.18328432980601, abs=1e-12)
    assert data["error"] < 1e-12
    assert data["checks"][0]["difference"] < 1e-12
    assert data["params"] == {"d": 1, "sigma": 0.1, "tau": 0.02}
    (line,) = csv.DictReader(
        io.StringIO(entbench("reference", "truncated-mixture", "--format", "csv").stdout)
    )
    assert float(line["value"]) == pytest.approx(-0.916421649, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["truncated-mixtur"], "unknown source 'truncated-mixtur'. Did you mean"),
        (["truncated-mixture", "dd=5"], "unknown parameter of source 'truncated-mixture' 'dd'"),
        (["truncated-mixture", "d=0"], "`d` must be an integer >= 1; got 0"),
        (["truncated-mixture", "d"], "expected key=value; got 'd'"),
        (["truncated-mixture", "sigma=1e999"], "`sigma` must be finite"),
    ],
)
def test_bad_reference(
    in_process: Callable[..., Result], arguments: list[str], message: str
) -> None:
    done = in_process("reference", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(entbench: Command, shell: str) -> None:
    assert "_ENTBENCH_COMPLETE" in entbench("completion", shell).stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("entbench su", {"suite"}),
        ("entbench suite tr", {"truncated-mixture"}),
        ("entbench suite si", {"sigma=", "single-neuron"}),
        ("entbench suite -e kt", {"kt-lower", "kt-upper", "kt-mi-lower", "kt-mi-upper"}),
        ("entbench list es", {"estimators"}),
    ],
)
def test_names_are_completed(words: str, expected: set[str]) -> None:
    environment = {
        **os.environ,
        "_ENTBENCH_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    command = "import sys; from entbench.cli import main; main(prog_name='entbench')"
    done = subprocess.run(
        [sys.executable, "-c", command], env=environment, capture_output=True, text=True
    )
    assert {line.partition(",")[2] for line in done.stdout.split()} == expected


def test_output_cut_off_by_head_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m entbench describe sp | head -1",
        shell=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert "Traceback" not in done.stderr
