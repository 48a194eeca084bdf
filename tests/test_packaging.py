"""The wheel, in an environment of its own, outside the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build from a copy, so that no stale build folder of the checkout gets in."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", ".asv", "__pycache__", "*.egg-info", ".*cache"
    )
    shutil.copytree(ROOT, copy, symlinks=True, ignore=ignored)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, copy],
        check=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_holds_one_name_and_no_benchmarks(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"entbench"}
    for expected in (
        "entbench/estimators/sample_propagation.py",
        "entbench/suites/truncated-mixture.toml",
        "entbench/suites/mutual-information.toml",
        "entbench/testing/_kit.py",
        "entbench/mixture/_walk.py",
        "entbench/py.typed",
    ):
        assert expected in names
    assert not [name for name in names if "suites/timing" in name or "tests/" in name]


def test_wheel_runs_the_main_job_elsewhere(wheel: Path, tmp_path: Path) -> None:
    python = tmp_path / "env" / "bin" / "python"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", wheel],
        check=True,
        cwd=tmp_path,
        env=environment,
    )
    assert subprocess.run([python, "-c", "import torch"], capture_output=True).returncode != 0
    command = [tmp_path / "env" / "bin" / "entbench", "suite", "d=5", "sigma=0.1"]
    done = subprocess.run(
        [*command, "n=50,100", "--trials", "2", "--out", "results"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "✓ check plug-in-bias" in done.stdout
    assert (tmp_path / "results" / "error_vs_n.png").exists()
    where = "import entbench.estimators as e; print(e.__file__)"
    found = subprocess.run([python, "-c", where], cwd=tmp_path, capture_output=True, text=True)
    assert str(tmp_path / "env") in found.stdout
