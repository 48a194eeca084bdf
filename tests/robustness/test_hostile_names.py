"""Names and messages that are commands elsewhere: to a terminal, a shell, a browser, a sheet."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from entbench import _registry, run_suite
from entbench._text import csv_field, encodable, escaped_json, line_of, printable
from entbench.cli import main

if TYPE_CHECKING:
    from conftest import Outcome

    Call = Callable[..., Outcome]

NASTY = (
    *("\x1b[31mred\x1b]0;title\x07", "two\nlines\r\nthree", "\x9b31mcsi", "../../escaped"),
    *("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "$(touch ran)", "`touch ran`"),
    *("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "\t=1+1", "x" * 3000, "\u202egnp.exe"),
    *("nul\0byte", "a|b*c*_d_[e](f)", "\\input{/etc/passwd}", "%s%n{0}", "\u2028line"),
    "half\udcff",
)
# Numbers may begin with a minus, and headings, notes and commands of LaTeX stand at the beginning
# of lines; nothing of the rest is ever in any text for people.
UNSEEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
OURS = {"plugin.py", "__pycache__", "store.sqlite", "store.sqlite-wal", "store.sqlite-shm"}

PLUGIN = """
import math
from dataclasses import dataclass
from entbench import EntropyEstimator, Reference, Source, register_estimator, register_source

NASTY = {nasty!r}


@register_estimator("hostile")
class Hostile(EntropyEstimator):
    {doc!r}
    reads, version = "noisy", "1"

    def __init__(self, which=0, fails=False, text=""):
        self.which, self.fails, self.text = which, fails, text

    def fit(self, X, y=None):
        text = NASTY[self.which]
        if self.fails:
            raise RuntimeError(text)
        self.entropy_ = 1.0
        self.diagnostics_ = {{text: text, "number": -1.5}}
        return self


@register_source("hostile-source")
@dataclass(frozen=True)
class HostileSource(Source):
    {doc!r}
    text: str = ""
    sigma: float = 1.0
    version = "1"
    dim = 1

    def sample(self, n, rng):
        return rng.standard_normal((n, 1))

    def reference(self):
        value = 0.5 * math.log(2 * math.pi * math.e * (1 + self.sigma**2))
        return Reference(value, 1e-15, " ".join(NASTY))
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "plugin.py"
    path.write_text(PLUGIN.format(nasty=NASTY, doc="\n\n".join(NASTY[:-1])))
    return path


def suite_text(title: str, text: str) -> str:
    """Return a suite that has each nasty text in a label, in a failure and in a diagnostic."""
    every = [(i, fails) for i in range(len(NASTY)) for fails in ("true", "false")]
    each = [f"hostile[which={i},fails={fails}]" for i, fails in every]
    named = [f"hostile[text={t}]" for t in NASTY if t.isprintable() and not set(t) & set(",[]")]
    source = {"name": "hostile-source", "text": text}
    lines = (
        f"title = {json.dumps(title)}",
        f"estimators = {json.dumps([*each, *named])}",
        "n = [10, 20]\ntrials = 2\n[source]",
        *(f"{name} = {json.dumps(value)}" for name, value in source.items()),
    )
    return "\n".join(lines).replace("\x7f", "\\u007f")


def assert_shown_plainly(said: Outcome) -> None:
    assert said.code in (0, 1), said
    assert not UNSEEN.search(said.out)
    assert not UNSEEN.search(said.err)


def assert_no_formula(text: str) -> None:
    for row in csv.reader(io.StringIO(text)):
        for field in row:
            if field[:1] in ("=", "+", "-", "@", "\t", "\r") and len(field) > 1:
                float(field)  # a number


class Tags(HTMLParser):
    """Counts a page's elements and the names of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag] += 1
        self.found.update(name for name, _ in attrs if name.startswith("on"))


def scripts_of(page: Path) -> tuple[int, int, int]:
    found = Tags(page.read_text(encoding="utf-8")).found
    return found["script"], found["img"], sum(found[name] for name in found if name[:2] == "on")


@pytest.fixture
def ran(call: Call, plugin: Path, tmp_path: Path) -> Outcome:
    (tmp_path / "nasty.toml").write_text(suite_text("\n".join(NASTY[:-1]), "<script>=1"))
    run = ("suite", "./nasty.toml", "--plugin", plugin, "-j", "1")
    return call(*run, "--out", "out")


def test_every_format_of_a_run(call: Call, ran: Outcome, tmp_path: Path) -> None:
    assert ran.code == 1  # cells failed
    assert_shown_plainly(ran)
    for form in ("table", "markdown", "latex", "json", "csv"):
        said = call("show", "--format", form)
        assert_shown_plainly(said)
        if form == "json":
            labels = {row["estimator"] for row in json.loads(said.out)["rows"]}
            assert f"hostile[text={NASTY[4]}]" in labels
        if form == "csv":
            assert_no_formula(said.out)
        if form == "markdown":
            assert not re.search(r"(?<!\\)<(script|img)", said.out)
        if form == "latex":
            # a comment cannot be left, and in a table nothing is a command
            assert "\\input{" not in re.sub("(?m)^%.*$", "", said.out)
    for form in ("csv", "json"):
        said = call("export", "--format", form)
        assert_shown_plainly(said)
        if form == "csv":
            assert_no_formula(said.out)
            continue
        rows = json.loads(said.out)
        diagnostics = [json.loads(row["diagnostics"]) for row in rows if row["status"] == "ok"]
        # JSON loses nothing
        assert {text: text, "number": -1.5} in diagnostics if (text := NASTY[0]) else None
    assert {path.name for path in tmp_path.iterdir()} <= {*OURS, "nasty.toml", "out"}


def test_files_of_a_run_stay_in_their_folder(ran: Outcome, tmp_path: Path) -> None:
    assert ran.code == 1
    assert {path.name for path in tmp_path.iterdir()} <= {*OURS, "nasty.toml", "out"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"results.csv", "results.json"}
    text = (tmp_path / "out" / "results.csv").read_text(encoding="utf-8")
    assert_no_formula(text)
    assert not UNSEEN.search(text)


def test_page_of_a_run_runs_nothing(call: Call, ran: Outcome, plugin: Path, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    if "report" not in main.commands:
        pytest.skip("there is no verb report")
    assert ran.code == 1
    assert call("report", "-o", "nasty.html").code == 0
    (tmp_path / "tame.toml").write_text(suite_text("tame", "tame"))
    plugin.write_text(re.sub("NASTY = .*", f"NASTY = {['tame'] * len(NASTY)}", plugin.read_text()))
    assert call("suite", "./tame.toml", "--plugin", plugin, "-j", "1", "-q").code == 1
    assert call("report", "-o", "tame.html").code == 0
    assert scripts_of(tmp_path / "nasty.html") == scripts_of(tmp_path / "tame.html")


NAMES = sorted({re.sub("[\0/]", "_", text)[:200] for text in NASTY} - {""})


@pytest.mark.parametrize("name", NAMES)
def test_suite_file_of_any_name(call: Call, plugin: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    file = folder / f"{name}.toml"
    text = 'estimators = ["hostile"]\nn = 10\ntrials = 2\nsource = { name = "hostile-source" }\n'
    file.write_text(text)
    run_suite(str(file), plugins=[str(plugin)], jobs=1)
    assert_shown_plainly(call("show", "--out", tmp_path / "out"))
    for verb in ("show", "runs", "export"):
        for form in ("json", "csv"):
            shown = call(verb, "--format", form)
            assert_shown_plainly(shown)
            if form == "csv":
                assert_no_formula(shown.out)
    if "report" in main.commands:
        pages = tmp_path / "pages"
        pages.mkdir()
        assert call("report", "-o", pages).code == 0
        (page,) = pages.iterdir()
        assert re.fullmatch(r"[\w.-]+", page.name, re.ASCII)
        assert len(page.name) < 256
    assert {path.name for path in folder.iterdir()} == {file.name}


@pytest.mark.parametrize("text", NASTY)
def test_messages_are_one_plain_line(call: Call, tmp_path: Path, plugin: Path, text: str) -> None:
    given = text.replace("\0", "")  # which no argument can hold
    np.savez(tmp_path / "data.npz", a=np.zeros((3, 1)), b=np.zeros((3, 1)))
    calls = (
        ("suite", given),
        ("suite", f"{given}=1"),
        ("suite", f"d={given}"),
        ("suite", "-e", given),
        ("suite", "-e", f"hostile[{given}]", "--plugin", plugin),
        ("suite", "--rerun", given),
        ("suite", "--plugin", given),
        ("suite", "--plugin", f"{given}.py"),
        ("show", given),
        ("export", given, "--format", "csv"),
        ("describe", given),
        ("reference", given),
        ("estimate", given),
        ("estimate", f"{given}.npy"),
        ("estimate", "data.npz", "--key", given),
        ("bounds", f"d={given}"),
        ("plan", f"d={given}"),
        ("check", f"{plugin}:{given}"),
        ("new", "estimator", f"{given}!", "--folder", tmp_path / "new"),
        (given,),
        (f"--{given}",),
    )
    for arguments in calls:
        said = call(*arguments)
        assert said.refused, (arguments, said)
        assert not UNSEEN.search(said.err), (arguments, said)
        assert len(said.err) < 5000
    assert {path.name for path in tmp_path.iterdir()} <= {*OURS, "data.npz"}


def test_what_there_is_is_listed_plainly(call: Call, plugin: Path) -> None:
    for verb in (("list",), ("describe", "hostile"), ("describe", "hostile-source")):
        for form in ("table", "json", "csv", "markdown", "latex"):
            assert_shown_plainly(call(*verb, "--plugin", plugin, "--format", form))
    assert_shown_plainly(call("reference", "hostile-source", "--plugin", plugin))


@pytest.mark.parametrize("name", [text for text in NASTY if text[0] != "x"])
def test_no_such_name_can_be_registered(name: str) -> None:
    with pytest.raises(ValueError, match="must be lower-case letters, digits and single hyphens"):
        _registry.estimators.register(name, object)


@pytest.mark.parametrize(
    ("value", "field"),
    [
        *(("=1+1", "'=1+1"), ("@x", "'@x"), ("+x", "'+x"), ("-x", "'-x"), ("\t=1", "?=1")),
        *(
            ("-1.5", "-1.5"),
            ("+2e3", "+2e3"),
            ("-", "-"),
            ("a=b", "a=b"),
            ("", ""),
            ("-inf", "-inf"),
        ),
        *((-1.5, -1.5), (None, None), (True, True), ("a\nb", "a b"), ("\x1bc", "?c")),
    ],
)
def test_fields_of_a_csv(value: Any, field: Any) -> None:
    assert csv_field(value) == field


@pytest.mark.parametrize("text", NASTY)
def test_text_made_safe(text: str) -> None:
    for said in (printable(text), line_of(text)):
        assert not UNSEEN.search(said)
        assert "\n" not in said
    data = json.dumps({"text": text}, indent=1, ensure_ascii=False)
    assert json.loads(escaped_json(data)) == {"text": text}
    assert not UNSEEN.search(escaped_json(data))
    encodable(text).encode()
    assert len(line_of(text * 5000)) < 4100
