from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import entbench

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ROOMS = [
    "bounds",
    "cli",
    "estimators",
    "mixture",
    "neighbours",
    "planner",
    "report",
    "runner",
    "shift",
    "sources",
    "testing",
]


def test_every_public_name_is_there() -> None:
    assert set(entbench.__all__) == {*entbench._HOMES, "__version__"}
    for name in entbench.__all__:
        assert getattr(entbench, name) is not None
    assert dir(entbench) == entbench.__all__


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'estimate_entropie'"):
        _ = entbench.estimate_entropie


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_pages_import_public_names_alone(page: Path) -> None:
    """What a page makes a user import is public: no module of it starts with an underscore."""
    modules = re.findall(r"^(?:from|import) (entbench\S*)", page.read_text(), re.MULTILINE)
    assert not [name for name in modules if "._" in name]


def test_what_a_source_returns_can_be_made_of_public_names() -> None:
    check = entbench.ReferenceCheck("by hand", 0.0, 0.0)
    assert entbench.Reference(0.0, 0.0, "closed form", (check,)).checks == (check,)
    assert entbench.SourceFacts(dim=1, sigma=0.5).in_unit_cube is False


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_export_what_they_list(room: str) -> None:
    module = importlib.import_module(f"entbench.{room}")
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_packages_listed_are_the_packages_on_disk() -> None:
    on_disk = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "entbench").rglob("__init__.py")
    }
    on_disk |= {"entbench.estimators", "entbench.suites"}
    on_disk = {name for name in on_disk if not name.endswith(".timing")}
    assert set(PYPROJECT["tool"]["setuptools"]["packages"]) == on_disk


def test_generic_names_are_not_importable() -> None:
    script = (
        "import importlib.util as u, sys\n"
        "sys.exit(any(u.find_spec(name) for name in ('estimators', 'suites')))"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd="/").returncode == 0


def test_versions_agree() -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    assert PYPROJECT["project"]["version"] == entbench.__version__
    assert f"\nversion: {entbench.__version__}\n" in citation


@pytest.mark.parametrize("kind", ["estimators", "sources", "suites"])
def test_installed_entry_points_are_those_of_pyproject(kind: str) -> None:
    group = f"entbench.{kind}"
    listed = PYPROJECT["project"]["entry-points"][group]
    installed = {p.name: p.value for p in entry_points(group=group) if p.value in listed.values()}
    assert installed == listed, "reinstall with pip install -e ."


def test_every_suite_file_is_registered() -> None:
    files = {path.stem for path in (ROOT / "suites").glob("*.toml")}
    assert files == set(PYPROJECT["project"]["entry-points"]["entbench.suites"])


def test_help_imports_nothing_slow() -> None:
    script = (
        "import sys\n"
        "from entbench.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "slow = {'numpy', 'scipy', 'numba', 'torch', 'pandas', 'sklearn', 'matplotlib', 'rich'}\n"
        "print(sorted(slow & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"


def test_nothing_but_networks_imports_torch() -> None:
    script = (
        "import sys, entbench.estimators, entbench.runner, entbench.report, entbench.sources\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
