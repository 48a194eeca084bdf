from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from entbench import _registry as registry
from entbench.cli import main
from entbench.cli._templates import class_name, module_name, plugin_files

Command = Callable[..., "subprocess.CompletedProcess[str]"]

KINDS = [
    (kind, reads) for kind in ("entropy", "mutual-information") for reads in ("noisy", "signal")
]

SMALL = ["suite", "d=2", "sigma=0.5", "n=50", "--trials", "2", "--jobs", "1", "--format", "json"]

NEAREST = '''    def _estimate(self, noisy):
        """Kozachenko and Leonenko's formula with k = 1."""
        from scipy.spatial import cKDTree
        from scipy.special import digamma, gammaln

        n, dim = noisy.shape
        radii = cKDTree(noisy).query(noisy, k=[2])[0][:, 0]
        if not radii.all():
            raise ValueError("`X` must have no repeated rows.")
        log_ball = 0.5 * dim * np.log(np.pi) - gammaln(0.5 * dim + 1)
        return digamma(n) - digamma(1) + log_ball + dim * np.log(radii).mean()
'''


@pytest.fixture
def new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["new", "estimator", *arguments], prog_name="entbench")

    return run


def fill(file: Path, method: str) -> None:
    head, found, _ = file.read_text().partition("    def _estimate")
    assert found
    file.write_text(head + method)


def test_names_are_derived() -> None:
    assert (module_name("my-2nd-method"), class_name("my-2nd-method")) == (
        "my_2nd_method",
        "My2ndMethod",
    )


@pytest.mark.parametrize(("kind", "reads"), KINDS)
def test_new_plugin_has_its_class_and_lacks_one_method(
    new: Callable[..., Result], tmp_path: Path, kind: str, reads: str
) -> None:
    done = new("my-method", "--kind", kind, "--reads", reads)
    assert done.exit_code == 0, done.output
    folder = tmp_path / "my-method"
    files = {"my_method.py", "test_my_method.py", "pyproject.toml", "README.md"}
    assert {path.name for path in folder.iterdir()} == files
    assert "entbench check my-method/my_method.py:MyMethod\n" in done.stdout
    assert "--plugin my-method/my_method.py\n" in done.stdout
    assert "pip install -e ./my-method" in done.stdout
    registry.load_plugin(str(folder / "my_method.py"))  # the registry checks the contract
    cls = registry.estimators.load("my-method")
    assert (cls.__name__, cls.reads, cls.version, cls.role) == ("MyMethod", reads, "1", "estimate")
    model = registry.make_estimator("my-method", {}, sigma=0.1)
    data = [np.ones((5, 1))] * (1 if kind == "entropy" else 2)
    with pytest.raises(NotImplementedError, match="fill in `_estimate` in my_method.py"):
        model.fit(*data)
    if reads == "signal":
        with pytest.raises(ValueError, match="`sigma` must be a finite number > 0; got nan"):
            registry.make_estimator("my-method", {}, sigma=float("nan"))


@pytest.mark.parametrize(("kind", "reads"), KINDS)
def test_written_files_are_what_they_claim(kind: str, reads: str) -> None:
    files = plugin_files("my-method", kind, reads)
    project = tomllib.loads(files["pyproject.toml"])
    points = project["project"]["entry-points"]["entbench.estimators"]
    assert points == {"my-method": "my_method:MyMethod"}
    assert project["tool"]["setuptools"]["py-modules"] == ["my_method"]
    for name, text in files.items():
        assert "$" not in text
        if name.endswith(".py"):
            compile(text, name, "exec")
            assert max(map(len, text.splitlines())) <= 100


def test_filled_in_it_passes_the_kit_joins_a_suite_and_installs(
    new: Callable[..., Result],
    entbench: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert new("my-method").exit_code == 0
    fill(tmp_path / "my-method" / "my_method.py", NEAREST)
    done = CliRunner().invoke(main, ["check", "my-method/my_method.py:MyMethod"])
    assert done.exit_code == 0, done.output
    assert "✗" not in done.stdout
    plugin = ["--plugin", "my-method/my_method.py", "-e", "my-method"]
    done = CliRunner().invoke(main, [*SMALL, *plugin])
    assert done.exit_code == 0, done.output
    (plugged,) = json.loads(done.stdout)["rows"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation"]
    command += ["--no-deps", "--no-index", "--target", "site", "./my-method"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    paths = [str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    installed = entbench(*SMALL, "-e", "my-method", "-e", "kl[k=1]")
    assert installed.returncode == 0, installed.stderr
    rows = json.loads(installed.stdout)["rows"]
    # the same formula on the same draws, by three ways in
    assert rows[0]["mean"] == plugged["mean"]
    assert rows[0]["mean"] == pytest.approx(rows[1]["mean"], rel=1e-12)


def test_its_own_tests_are_the_kit(new: Callable[..., Result], tmp_path: Path) -> None:
    assert new("my-method").exit_code == 0
    folder = tmp_path / "my-method"
    fill(folder / "my_method.py", NEAREST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    assert "check(estimator)" in (folder / "test_my_method.py").read_text()
    command += ["-k", "contract or scaling"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
    fill(folder / "my_method.py", NEAREST.replace("np.log(radii)", "np.log2(radii)"))
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout
    assert "log base 2" in done.stdout


def test_nothing_is_overwritten(new: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "my-method").mkdir()
    (tmp_path / "my-method" / "README.md").write_text("mine")
    done = new("my-method")
    assert done.exit_code == 2
    assert done.stderr == (
        "entbench: error: my-method/README.md is there already: nothing was written.\n"
    )
    assert [path.read_text() for path in (tmp_path / "my-method").iterdir()] == ["mine"]
    assert new("my-method", "--folder", "else/where").exit_code == 0
    assert (tmp_path / "else" / "where" / "my_method.py").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MyMethod", "`NAME` must be lower-case letters, digits and single hyphens"),
        ("my_method", "`NAME` must be lower-case letters, digits and single hyphens"),
        ("my--method", "`NAME` must be lower-case letters, digits and single hyphens"),
        ("../x", "`NAME` must be lower-case letters, digits and single hyphens"),
        ("1nn", "a letter first; got '1nn'"),
        ("kl", "there is an estimator 'kl' already: choose another name"),
        ("class", "'class' is the name of a Python module already"),
        ("random", "'random' is the name of a Python module already"),
        ("numpy", "'numpy' is the name of a Python module already"),
    ],
)
def test_names_that_will_not_do(
    new: Callable[..., Result], tmp_path: Path, name: str, message: str
) -> None:
    done = new(name)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
