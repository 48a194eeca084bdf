"""What the pages of docs/ show is run as printed, page by page, in its order.

A block is run where its fence says so, Python and lines that call ``entbench`` alone in this very
process, all else by bash: ``sh run`` (or ``sh run 1``, the exit code to expect),
``python run``, ``python fill`` (the method `_estimate` of the plugin that was made last) and
``python role`` (its line of that name). ``text same`` is what the command before it prints, number
for number; a line ``...`` stands for any lines, and a line that ends so for any end.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from click.testing import CliRunner

from entbench.cli import main

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
RULE = set("─ ")
# what a shell would not change
PLAIN = re.compile(r"entbench [^$*?~|;&<>`\\{}()!\"']*")
SECONDS = re.compile(r"\babout [\d.e+-]+|\b[\d.]+ s\b")
FENCE = re.compile(
    r"^```(\w+) (run|fill|role|same)(?: (\d))?\n(.*?)^```$", re.DOTALL | re.MULTILINE
)


def blocks(page: Path) -> list[tuple[str, str, str, str]]:
    return FENCE.findall(page.read_text(encoding="utf-8"))


def lines_of(text: str) -> list[list[str]]:
    """Return the words of every line; seconds differ from run to run, and rules with them."""
    lines = [SECONDS.sub("seconds", line).split() for line in text.splitlines()]
    return [words for words in lines if words and not set("".join(words)) <= RULE]


def alike(shown: list[str], printed: list[str]) -> bool:
    """Tell whether a line is as shown; numbers may differ by rounding, at 1e-9 of themselves."""
    if shown[-1] == "...":
        shown, printed = shown[:-1], printed[: len(shown) - 1]
    return len(shown) == len(printed) and all(map(same_word, shown, printed))


def same_word(shown: str, printed: str) -> bool:
    try:
        return math.isclose(float(shown), float(printed), rel_tol=1e-9)
    except ValueError:
        return shown == printed


def prints(output: str, text: str) -> bool:
    """Tell whether `output` has the lines of `text`, one after the other."""
    printed, place, start = lines_of(output), 0, True
    for anywhere, group in itertools.groupby(lines_of(text), lambda words: words == ["..."]):
        if anywhere:
            start = True
            continue
        shown = list(group)
        last = len(printed) - len(shown)
        places = range(place, last + 1) if start else range(place, min(place, last) + 1)
        found = [i for i in places if all(map(alike, shown, printed[i : i + len(shown)]))]
        if not found:
            return False
        place, start = found[0] + len(shown), False
    return True


def _in_a_shell(text: str) -> tuple[int, str, str]:
    script = f'set -e\nentbench() {{ "{sys.executable}" -m entbench "$@"; }}\n{text}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def _in_python(text: str) -> tuple[int, str, str]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, "block", "exec"), {"__name__": "__main__"})
    return 0, printed.getvalue(), ""


def _by_entbench(text: str) -> tuple[int, str, str]:
    """Run calls of the command line, one after the other, up to the first that fails."""
    printed, said = "", ""
    for line in text.splitlines():
        # as in a process of its own, warnings are printed
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            done = CliRunner().invoke(main, shlex.split(line, comments=True)[1:])
        printed, said = printed + done.stdout, said + done.stderr
        if done.exit_code:
            return done.exit_code, printed, said + repr(done.exception)
    return 0, printed, said


class Reader:
    """Does what a page says, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = ""

    def follow(self, language: str, what: str, code: str, text: str) -> None:
        if what == "run":
            self._run(language, int(code or 0), text)
        elif what == "same":
            assert prints(self.output, text), f"{text}\n{self.output}"
        else:
            self._edit(what, text)

    def _run(self, language: str, code: int, text: str) -> None:
        run = _in_python if language == "python" else _in_a_shell
        if language == "sh" and all(PLAIN.fullmatch(line) for line in text.splitlines()):
            run = _by_entbench
        with contextlib.chdir(self.folder):
            found, self.output, said = run(text)
        assert found == code, f"{text}\n{self.output}\n{said}"

    def _edit(self, what: str, text: str) -> None:
        plugins = [file for file in self.folder.glob("*/*.py") if not file.name.startswith("test_")]
        file = max(plugins, key=lambda file: file.parent.stat().st_ctime_ns)
        pattern = r"^    def _estimate\((?s:.*)\Z" if what == "fill" else r"^    role = .*\n"
        edited, count = re.subn(pattern, lambda _: text, file.read_text(), flags=re.MULTILINE)
        assert count == 1
        file.write_text(edited)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_does_what_it_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # no digit depends on how many processes there are, and more of them take long to start
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    reader = Reader(tmp_path)
    for block in blocks(page):
        reader.follow(*block)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("n  risk\n1000 4.64", True),
        ("───\n1000 4.64\n\n2000   3.1  about 9", True),
        ("n risk\n...\n2000 3.1 ...", True),
        ("n risk\n2000 3.1 ...", False),
        ("1000 4.65", False),
        ("1000", False),
        ("2000 3.1 9", False),
        ("2000 3.1 about 70\n1000 4.64", False),
        ("vacuous", False),
    ],
)
def test_a_block_that_is_not_what_is_printed_is_found(text: str, same: bool) -> None:
    output = "  n   risk\n─────\n1000   4.640000000001\n\n2000   3.1   about 0.2\n"
    assert prints(output, text) == same


def test_every_block_of_output_is_compared() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert re.findall(r"^```text(?! same$)", text, re.MULTILINE) == [], page.name


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
