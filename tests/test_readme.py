"""What the README shows is run as printed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from entbench import run_suite

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
Command = Callable[..., "subprocess.CompletedProcess[str]"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def commands() -> list[str]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line.partition(" #")[0].strip() for line in lines if line.startswith("entbench ")]


def plugin() -> str:
    (block,) = [block for block in blocks("python") if "@register_estimator" in block]
    return block


def test_plugin_example_is_complete_and_short(entbench: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(plugin())
    assert len([line for line in plugin().splitlines() if line.strip()]) <= 15
    done = entbench("suite", "d=2", "sigma=0.5", "n=100", "--trials", 2, "--plugin", "mine.py")
    assert done.returncode == 0, done.stderr
    assert "max-gaussian" in done.stdout
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((1000, 2)))
    done = entbench("estimate", "x.npy", "--plugin", "mine.py", "-e", "max-gaussian")
    assert "2.8" in done.stdout  # log(2 pi e) = 2.838


@pytest.mark.parametrize("block", [b for b in blocks("python") if "@register" not in b])
def test_python_examples_run(block: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_commands_are_there() -> None:
    assert len(commands()) >= 10


def prepare(folder: Path) -> dict[str, str]:
    """Put there what the commands speak of; return what stands for words in capitals."""
    (folder / "mine.py").write_text(plugin())
    np.save(folder / "samples.npy", np.random.default_rng(0).standard_normal((100, 2)))
    params = {"d": 1, "sigma": 0.5, "n": [20, 40]}
    runs = [
        run_suite(params=params, estimators=["kl", "binning"], trials=3, jobs=1, store=store)
        for store in (None, folder / "other.sqlite")
    ]
    second = run_suite(params=params, estimators=["kl", "binning"], trials=3, jobs=1, rerun="all")
    return {"RUN_A": runs[0].info.id, "RUN_B": second.info.id}


@pytest.mark.parametrize("command", commands())
def test_commands_are_understood(command: str, tmp_path: Path) -> None:
    """Every command as printed; for time, suites as a dry run and the doctor without its test."""
    for word, run in prepare(tmp_path).items():
        command = command.replace(word, run)
    if command.startswith("entbench suite") and "--dry-run" not in command:
        command = command.replace("entbench suite", "entbench suite --dry-run")
    command = command.replace("entbench doctor", "entbench doctor --quick")
    prefix = f"{shlex.quote(sys.executable)} -m "
    done = subprocess.run(
        prefix + command, shell=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_the_two_first_commands_are_whole() -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    whole = [line for line in lines if line.startswith("python3 -m venv")]
    assert whole == [
        "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e . && "
        ".venv/bin/entbench suite d=5 sigma=0.1",
        "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt "
        '-e ".[all,test]" && .venv/bin/pytest',
    ]


def test_estimators_table_is_complete() -> None:
    from entbench import _registry as registry

    names = set(re.findall(r"`([a-z0-9-]+)`", "".join(re.findall(r"\n\| (`.*?) \|", TEXT))))
    built_in = {
        name
        for name in registry.estimators.names()
        if registry.estimators.entry(name).provider == registry.BUILT_IN
    }
    assert built_in <= names


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
