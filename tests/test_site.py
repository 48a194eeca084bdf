"""The documentation site: every public name has its place, and it builds without a warning."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from entbench.cli import main

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
ROOMS = [
    "bounds",
    "estimators",
    "mixture",
    "neighbours",
    "networks",
    "planner",
    "report",
    "runner",
    "shift",
    "sources",
    "testing",
]


@pytest.mark.parametrize("module", ["entbench", *(f"entbench.{room}" for room in ROOMS)])
def test_reference_has_every_public_name_once(module: str) -> None:
    page = DOCS / "reference" / f"{module.removeprefix('entbench.')}.rst"
    text = page.read_text(encoding="utf-8")
    if f"automodule:: {module}\n   :members:" in text:
        return  # which are those of __all__
    listed = re.findall(r"^\.\. auto(?:function|class):: (\w+)$", text, re.MULTILINE)
    # of the catalogue of theorems, the page has every entry
    public = set(importlib.import_module(module).__all__) - {"__version__", "THEOREMS"}
    assert sorted(listed) == sorted(public)


def test_every_page_is_in_the_contents() -> None:
    lines = (DOCS / "index.md").read_text(encoding="utf-8").splitlines()
    listed = {re.sub(r"^.*<(\w+)>$", r"\1", line) for line in lines}
    pages = {
        str(page.relative_to(DOCS).with_suffix(""))
        for page in DOCS.rglob("*")
        if page.suffix in (".md", ".rst") and "_build" not in page.parts
    }
    assert pages - {"index"} - listed == set()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build as CI does."""
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    pytest.importorskip("furo")
    folder = tmp_path_factory.mktemp("site")
    call = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run([*call, str(DOCS), str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.torch
def test_site_builds_and_holds_what_it_should(site: Path) -> None:
    commands = (site / "reference" / "commands.html").read_text()
    for name in main.commands:
        assert f'id="entbench-{name}"' in commands
    bounds = (site / "reference" / "bounds.html").read_text()
    assert bounds.count('<div class="math') >= len(
        importlib.import_module("entbench.bounds").__all__
    )
    assert "mathjax" in bounds
    estimators = (site / "reference" / "estimators.html").read_text()
    # a registry's name leads to its class, and an attribute keeps the end of its name
    assert re.search(
        r'href="#entbench.estimators.MixedKSG"[^>]*><code[^>]*><span[^>]*>mixed-ksg', estimators
    )
    assert "<strong>entropy_</strong>" in estimators
    assert len(list((site / "_images").glob("*.png"))) > 20


@pytest.mark.slow
@pytest.mark.torch
def test_links_within_the_site_lead_somewhere(site: Path) -> None:
    pages = {page: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    names = {page: set(re.findall(r'\bid="([^"]+)"', text)) for page, text in pages.items()}
    for page, text in pages.items():
        for link in re.findall(r'<a [^>]*href="([^"]+)"', text):
            if re.match(r"[a-z]+:", link):
                continue
            target, _, place = link.partition("#")
            file = (page.parent / target).resolve() if target else page
            assert file.exists(), (page.name, link)
            assert not place or file.suffix != ".html" or place in names[file], (page.name, link)
