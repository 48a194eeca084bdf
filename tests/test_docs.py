"""What the pages of docs/ show is run as printed, page by page, in its order.

A block says by its fence what is done with it, and one that says nothing is a mistake:

- ``sh run`` (or ``sh run 1``, the exit code to expect) and ``python run``: it is run. Python, and
  lines that call ``entbench`` alone, in this very process, all else by bash.
- ``sh dry-run``: its calls of ``entbench suite`` are run with ``--dry-run``.
- ``python fill`` (the method `_estimate` of the plugin that was made last) and ``python role`` (its
  line of that name) are put into a file.
- ``text same`` is what the command before it prints, number for number; a line ``...`` stands for
  any lines, and a line that ends so for any end.
- ``sh no-run: WHY`` is left alone.

The README has no such words, as it is the first page that people see: tests/test_readme.py runs it.
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
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from entbench import _registry as registry
from entbench.cli import main
from entbench.runner import read_suite

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
RULE = set("─ ")
# what a shell would not change
PLAIN = re.compile(r"entbench [^$*?~|;&<>`\\{}()!\"']*")
SECONDS = re.compile(r"\babout [\d.e+-]+|\b[\d.]+ s\b")
FENCE = re.compile(
    r"^```(\w+)(?: ([\w-]+)(?: (\d))?(?:: ([^\n]+))?)?\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
MARKS = {
    "sh": {"run", "dry-run", "no-run"},
    "python": {"run", "fill", "role", "no-run"},
    "text": {"same"},
    "toml": {""},
    **{name: set() for name in ("bash", "console", "shell", "py")},  # sh and python are the words
}


class Block(NamedTuple):
    """A fenced block: its language, what is done with it, the exit code, why not, and the text."""

    language: str
    mark: str
    code: str
    why: str
    text: str


def blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in FENCE.findall(page.read_text(encoding="utf-8"))]


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
    with contextlib.redirect_stdout(printed), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of too few samples, which is what is shown
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

    def follow(self, block: Block) -> None:
        if block.mark == "run":
            self._run(block.language, int(block.code or 0), block.text)
        elif block.mark == "dry-run":
            self._run("sh", 0, block.text.replace("entbench suite", "entbench suite --dry-run"))
        elif block.mark == "same":
            assert prints(self.output, block.text), f"{block.text}\n{self.output}"
        elif block.mark in ("fill", "role"):
            self._edit(block.mark, block.text)

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
    for block in dict.fromkeys(blocks(page)):
        reader.follow(block)


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


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.stem)
def test_every_block_says_what_is_done_with_it(page: Path) -> None:
    wrong = [block for block in blocks(page) if block.mark not in MARKS.get(block.language, {""})]
    assert wrong == []
    fences = re.findall(r"^```\w", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(blocks(page)) == len(fences)
    for block in blocks(page):
        assert bool(block.why) == (block.mark == "no-run"), block
        if block.language == "toml":
            tomllib.loads(block.text)


def test_every_block_of_the_readme_is_run_by_its_own_tests() -> None:
    for block in blocks(ROOT / "README.md"):
        assert block.language in ("sh", "python", "text")
        if block.language == "sh":  # the second is what CI itself runs
            starts = ("entbench ", "python3 -m venv")
            assert [each for each in block.text.splitlines() if not each.startswith(starts)] == []


def test_the_way_in_is_run_and_not_only_shown() -> None:
    page = ROOT / "docs" / "benchmark_your_own_estimator.md"
    done = [(block.language, block.mark) for block in blocks(page)]
    assert done.count(("sh", "run")) >= 8
    assert done.count(("python", "fill")) == 3
    shown = [block.text for block in blocks(page) if block.mark == "no-run"]
    assert shown == ["pip install -e ./gauss-fit\n"]  # tests/cli/test_new.py installs a plugin


def sections(page: Path) -> Iterator[tuple[str, str]]:
    """Yield heading and text of every section."""
    _, *found = re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for section in found:
        heading, _, text = section.partition("\n")
        yield heading, text


def test_every_estimator_is_explained_and_its_failure_is_measured() -> None:
    explained: set[str] = set()
    for heading, text in sections(ROOT / "docs" / "what_each_estimator_does.md"):
        names = re.findall(r"`([\w-]+)`", heading)
        explained |= set(names)
        for name in names:
            run = "".join(block.text for block in map(Block._make, FENCE.findall(text)))
            assert f'"{name}"' in run or f"{name!r}" in run, name
        assert not names or "```text same" in text, heading
    built_in = [
        name
        for name in registry.estimators.names()
        if registry.estimators.entry(name).provider == registry.BUILT_IN
    ]
    assert explained == set(built_in)


def drawn_by(text: str) -> tuple[str, ...]:
    """Return the figures that a call of ``entbench suite`` draws."""
    first = shlex.split(text.splitlines()[-1])[2]
    if first.endswith(".toml"):  # written above it
        return tuple(tomllib.loads(text.split("END'\n")[1].split("END\n")[0])["figures"])
    # a name, or a parameter of the suite that needs no name
    file = read_suite("truncated-mixture" if "=" in first else first)
    if file.is_experiment:
        return tuple(registry.experiments.load(file.table["experiment"]).figures)
    return tuple(file.table["figures"])


def test_the_gallery_has_every_figure() -> None:
    from entbench.report.figures import EXPERIMENT_FIGURES, FIGURES

    page = ROOT / "docs" / "gallery.md"
    shown = dict(sections(page))
    assert set(shown) == {*FIGURES, *EXPERIMENT_FIGURES}
    for name, text in shown.items():
        (block,) = map(Block._make, FENCE.findall(text))
        assert name in drawn_by(block.text), name
        picture = page.parent / "gallery" / f"{name}.png"
        assert f"![{name}](gallery/{name}.png)" in text
        assert 2_000 < picture.stat().st_size <= 60_000
        sentence = re.sub(r"^```.*?^```$|!\[.*", "", text, flags=re.DOTALL | re.MULTILINE)
        assert len(sentence.split()) >= 8, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
