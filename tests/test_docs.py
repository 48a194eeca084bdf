"""What the pages of docs/ show is run as printed, page by page, in its order.

A block is run where its fence says so: ``sh run`` (or ``sh run 1``, the exit code to expect),
``python run``, ``python fill`` (the method `_estimate` of the plugin that was made last) and
``python role`` (its line of that name). ``text shown`` holds lines of the command before it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
FENCE = re.compile(
    r"^```(\w+) (run|fill|role|shown)(?: (\d))?\n(.*?)^```$", re.DOTALL | re.MULTILINE
)


def blocks(page: Path) -> list[tuple[str, str, str, str]]:
    return FENCE.findall(page.read_text(encoding="utf-8"))


class Reader:
    """Does what a page says, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = ""

    def follow(self, language: str, what: str, code: str, text: str) -> None:
        if what == "run":
            self._run(language, int(code or 0), text)
        elif what == "shown":
            self._compare(text)
        else:
            self._edit(what, text)

    def _run(self, language: str, code: int, text: str) -> None:
        script = f'set -e\nentbench() {{ "{sys.executable}" -m entbench "$@"; }}\n{text}'
        command = ["bash", "-c", script] if language == "sh" else [sys.executable, "-c", text]
        done = subprocess.run(
            command, cwd=self.folder, env=dict(os.environ), capture_output=True, text=True
        )
        assert done.returncode == code, f"{text}\n{done.stdout}\n{done.stderr}"
        self.output = done.stdout

    def _compare(self, text: str) -> None:
        """Marks and names as shown, and the causes word by word; numbers may differ."""
        said = " ".join(self.output.split())
        for cause in re.findall(r"^ +Likely cause: (.*?)(?: \.\.\.)?$", text, flags=re.MULTILINE):
            assert cause in said, f"{cause}\n{self.output}"
        shown, printed = (
            re.findall(r"^✗ +([a-z-]+) ", t, re.MULTILINE) for t in (text, self.output)
        )
        assert shown == printed, self.output

    def _edit(self, what: str, text: str) -> None:
        plugins = [file for file in self.folder.glob("*/*.py") if not file.name.startswith("test_")]
        file = max(plugins, key=lambda file: file.parent.stat().st_ctime_ns)
        pattern = r"^    def _estimate\((?s:.*)\Z" if what == "fill" else r"^    role = .*\n"
        edited, count = re.subn(pattern, lambda _: text, file.read_text(), flags=re.MULTILINE)
        assert count == 1
        file.write_text(edited)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for block in blocks(page):
        reader.follow(*block)


def test_the_way_in_is_run_and_not_only_shown() -> None:
    page = ROOT / "docs" / "benchmark_your_own_estimator.md"
    done = [(language, what) for language, what, _, _ in blocks(page)]
    assert done.count(("sh", "run")) >= 8
    assert done.count(("python", "fill")) == 3
    shown = re.findall(r"^```(?:sh|python)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    assert shown == ["pip install -e ./gauss-fit\n"]  # tests/cli/test_new.py installs a plugin


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
