"""The page of a run: what it says, that it is whole, and that text from data stays text."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

from entbench import run_suite
from entbench._base import SourceFacts
from entbench._records import ExperimentRun, Measurement, Spec, Step, SuiteRun
from entbench.cli._report import report
from entbench.networks.experiments.single_neuron import SingleNeuron
from entbench.report import suite_printout, summarise
from entbench.report.figures import FIGURES
from entbench.report.html import _pictures, html_report, report_name, write_report
from entbench.report.html._best import best_sentences
from entbench.report.html._svg import drawing_of

RunOf = Callable[..., SuiteRun]

HOSTILE = (
    "</style></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;\x1b\x00\u202e"
)
HERE = Path(html_report.__code__.co_filename).parent
VOID = {"meta", "link", "img", "input", "br"}
# elements whose end a page may leave out, with what ends them
ENDED_BY = {
    "li": {"li"},
    "dt": {"dd"},
    "dd": {"dt"},
    "td": {"td", "th", "tr", "tbody"},
    "th": {"td", "th", "tr", "tbody"},
    "tr": {"tr", "tbody"},
    "tbody": {"tbody"},
}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    children: list[Any] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(c if isinstance(c, str) else c.text for c in self.children)

    def all(self, tag: str = "") -> Iterator[Element]:
        for child in self.children:
            if isinstance(child, Element):
                if tag in ("", child.tag):
                    yield child
                yield from child.all(tag)


class Reader(HTMLParser):
    """Builds a tree, and fails where an element is closed that is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Element("document", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        while tag in ENDED_BY.get(self.open[-1].tag, ()):
            self.open.pop()
        new = Element(tag, {key: value or "" for key, value in attrs})
        assert len(new.attributes) == len(attrs)
        self.open[-1].children.append(new)
        if tag not in VOID:
            self.open.append(new)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        while self.open[-1].tag != tag:
            assert self.open[-1].tag in ENDED_BY, (self.open[-1].tag, tag)
            self.open.pop()
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read(text: str) -> Element:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == [reader.root]
    return reader.root


def table_of(page: Element, name: str) -> list[list[str]]:
    (table,) = [each for each in page.all("table") if each.attributes["id"] == name]
    return [
        [c.text.strip() for c in row.children if isinstance(c, Element)] for row in table.all("tr")
    ]


def facts_of(page: Element) -> dict[str, str]:
    (facts,) = page.all("dl")
    terms, numbers = ([each.text.strip() for each in facts.all(tag)] for tag in ("dt", "dd"))
    return dict(zip(terms, numbers, strict=True))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "s.sqlite"


@pytest.fixture(scope="module")
def run(store: Path) -> SuiteRun:
    return run_suite(
        "truncated-mixture",
        {"d": [1, 2], "n": [20, 50]},
        estimators=["sp[tolerance=0.01]", "kl", "kl[k=30]"],
        trials=3,
        jobs=1,
        store=store,
    )


@pytest.fixture(scope="module")
def experiment(run: SuiteRun) -> ExperimentRun:
    """A made-up run of three epochs for each of two levels of noise; the last step failed."""
    found = []
    for sigma in (0.1, 0.5):
        params = {"sigma": sigma, "epochs": 20, "learning_rate": 0.01, "seed": 0}
        label = f"single-neuron[sigma={sigma}]"
        spec = Spec("single-neuron", "1", "entbench", tuple(params.items()), label)
        for epoch in (0, 5, 10, 20):
            centres = [0.01 * epoch * k for k in (-2.0, -1.0, 1.0, 2.0)]
            result: dict[str, Any] = {"weight": 0.1 * epoch, "bias": -0.2 * epoch, "loss": 0.5}
            result |= {"centres": centres, "information": sigma * epoch}
            step = Step(spec, (("epoch", epoch), ("what", "epoch")))
            found.append(Measurement(step, "ok", "", 0.1, result))
    found[-1] = replace(found[-1], status="failed", message="ValueError: no", result={})
    params = {"sigma": [0.1, 0.5], "epochs": 20}
    name = "single-neuron"
    return ExperimentRun(name, name, "quick", params, tuple(found), run.info, len(found))


@pytest.fixture(scope="module")
def page(run: SuiteRun) -> Element:
    return read(html_report(run))


@pytest.fixture(scope="module")
def experiment_page(experiment: ExperimentRun) -> Element:
    return read(html_report(experiment))


@pytest.mark.parametrize("which", ["page", "experiment_page"])
def test_page_is_well_formed_and_asks_for_nothing(
    which: str, request: pytest.FixtureRequest
) -> None:
    page = request.getfixturevalue(which)
    every = list(page.all())
    ids = [each.attributes["id"] for each in every if "id" in each.attributes]
    assert len(set(ids)) == len(ids)
    for each in every:
        for key, value in each.attributes.items():
            assert not key.startswith("on"), key
            assert key not in ("src", "style"), (each.tag, key)
            if key == "href" and each.tag != "link":
                assert value.removeprefix("#") in ids
            if key in ("aria-labelledby", "aria-describedby"):
                assert value in ids
            for name in re.findall(r"url\(#([^)]+)\)", value):
                assert name in ids
    assert [len(list(page.all(tag))) for tag in ("h1", "main", "header", "nav", "footer")] == [
        1
    ] * 5
    for table in page.all("table"):
        assert len(list(table.all("caption"))) == 1
        assert {each.attributes["scope"] for each in table.all("th")} == {"col", "row"}
    text = " ".join(c for each in every for c in each.children if isinstance(c, str))
    assert not re.search(r"https?://|@import|url\(", text)


def test_policy_allows_this_style_and_this_script_alone(page: Element) -> None:
    (policy,) = [
        each.attributes["content"]
        for each in page.all("meta")
        if each.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (found,) = page.all(tag)
        digest = base64.b64encode(hashlib.sha256(found.text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_table_of_errors_has_the_cells_of_the_printout(run: SuiteRun, page: Element) -> None:
    head, *rows = table_of(page, "errors-table")
    printed = suite_printout(summarise(run)).tables
    assert head[:2] == ["source", "estimator"]
    for name, table in zip(("d=1", "d=2"), printed, strict=False):
        of_source = [dict(zip(head, row, strict=True)) for row in rows if row[0] == name]
        assert len(of_source) == len(table.rows) == 6
        for cells, expected in zip(of_source, table.rows, strict=True):
            for header, text in zip(table.headers, expected, strict=True):
                assert cells[header] == text
            unknown = set(head[1:]) - set(table.headers)
            assert all(cells[header] == "" for header in unknown)


def test_page_says_what_was_run_and_what_came_of_it(run: SuiteRun, page: Element) -> None:
    assert facts_of(page) == {
        "cells": "36",
        "failed": "6",
        "missing": "0",
        "checks hold": "2 of 4",
        "violated": "0",
    }
    checks = {row[0]: row[1:] for row in table_of(page, "checks-list")[1:]}
    for check in summarise(run).checks:
        assert checks[check.name] == [f"✓ {check.status}", check.detail] or not check.holds
    (failed,) = table_of(page, "failures")[1:]
    assert failed[0] == "failed"
    assert "got k=30 with n_samples=20" in failed[1]
    assert failed[2:] == ["d=1, kl[k=30], n=20, trial 0", "6"]
    made = dict(map(tuple, table_of(page, "environment")[1:]))
    assert made["run"] == run.info.id
    assert made["numpy"] == np.__version__
    assert made["cells"] == "36 computed in this run, 0 already in the store"
    command, versions = (each.text for each in page.all("code"))
    assert command == run.info.command
    assert f"numpy=={np.__version__}" in versions.splitlines()
    truth = table_of(page, "truth-table")[1:]
    assert [row[0] for row in truth] == ["d=1", "d=2"]
    for row, case in zip(truth, run.cases, strict=True):
        assert float(row[4]) == pytest.approx(case.reference.value, abs=1e-12)
        assert case.reference.method == row[2]
        assert case.reference.checks[0].method in row[3]


def test_experiment_has_its_tables_claims_and_every_step(
    experiment: ExperimentRun, experiment_page: Element
) -> None:
    head, *rows = table_of(experiment_page, "steps-table")
    assert len(rows) == len(experiment.records)
    assert {"sigma", "epoch", "status", "information"} <= set(head)
    facts = facts_of(experiment_page)
    assert (facts["steps"], facts["failed"]) == ("8", "1")
    assert table_of(experiment_page, "failures")[1:] == [
        ["failed", "ValueError: no", "single-neuron[sigma=0.5], epoch=20, what=epoch", "1"]
    ]
    captions = [each.text for each in experiment_page.all("caption")]
    assert any(caption.startswith("what the paper says") for caption in captions)
    (svg,) = experiment_page.all("svg")
    assert svg.attributes["role"] == "img"
    said = [each.text for each in svg.all("title")]
    assert any(text.startswith("sigma=0.5: x = ") for text in said)


def test_run_cut_short_says_so(run_of: RunOf) -> None:
    whole = run_of({20: [0.1, 0.2, None], 50: [0.1, 0.1, 0.1]}, figures=["error-vs-n"])
    records = list(whole.records[:-1])
    records[0] = replace(records[0], status="timeout", result={}, message="killed after 1 s")
    records[1] = replace(records[1], message="warning: odd")
    page = read(html_report(replace(whole, records=tuple(records), missing=1)))
    (alert,) = [each.text for each in page.all("p") if each.attributes.get("class") == "alert"]
    assert "1 cell is missing" in alert
    facts = facts_of(page)
    assert facts["cells"] == "6"
    assert facts["failed"] == "2 (1 timeout, 1 failed)"
    assert facts["missing"] == "1"
    kinds = [row[0] for row in table_of(page, "failures")[1:]]
    assert kinds == ["timeout", "failed", "warning"]


def test_run_that_was_cut_short_at_once_still_has_a_page(
    run_of: RunOf, experiment: ExperimentRun
) -> None:
    empty = replace(run_of({50: [0.1, 0.2]}, figures=["error-vs-n"]), records=(), missing=2)
    page = read(html_report(empty))
    assert facts_of(page) == {"cells": "2", "failed": "0", "missing": "2"}
    assert len(table_of(page, "errors-table")) == 1
    cut = replace(experiment, records=(), missing=8)
    assert facts_of(read(html_report(cut)))["missing"] == "8"


def test_claims_that_fail_say_why(
    experiment: ExperimentRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> list[Any]:
        raise KeyError("epoch")

    monkeypatch.setattr(SingleNeuron, "claims", broken)
    page = read(html_report(experiment))
    (said,) = [each.text for each in page.all("p") if "cannot be made" in each.text]
    assert said == "! claims cannot be made from this run: KeyError: 'epoch'"
    assert len(table_of(page, "steps-table")) == 9


def test_violated_check_comes_first(run_of: RunOf) -> None:
    facts = SourceFacts(1, 0.5, in_unit_cube=True)
    wrong = run_of({5000: [1.0, 1.01] * 4}, "sp", facts=facts, checks=["plug-in-risk"])
    page = read(html_report(wrong))
    (alert,) = [each.text for each in page.all("p") if each.attributes.get("class") == "alert"]
    assert alert.startswith("Check plug-in-risk is violated: mean absolute error of the plug-in")
    assert facts_of(page)["violated"] == "1"
    assert table_of(page, "checks-list")[1][1] == "✗ VIOLATED"


@pytest.mark.parametrize("where", ["suite", "label", "message", "param", "info"])
def test_text_from_data_stays_text(run_of: RunOf, where: str) -> None:
    extra = {"estimator_params": {"note": HOSTILE}} if where == "label" else {}
    run = run_of({20: [0.1, 0.2], 50: [0.1, None]}, figures=["error-vs-n"], **extra)
    if where == "suite":
        run = replace(run, suite=HOSTILE)
    if where == "message":
        records = [replace(record, message=HOSTILE) for record in run.records]
        run = replace(run, records=tuple(records))
    if where == "param":
        run = replace(run, params={**run.params, HOSTILE: [HOSTILE]})
    if where == "info":
        info = replace(run.info, command=HOSTILE, platform=HOSTILE, versions={HOSTILE: HOSTILE})
        run = replace(run, info=info)
    text = html_report(run)
    page = read(text)
    assert [len(list(page.all(tag))) for tag in ("script", "style", "img")] == [1, 1, 0]
    assert not set(text) & {"\x00", "\x1b", "\u202e"}
    seen = HOSTILE.replace("\x1b", "␛").replace("\x00", "␀").replace("\u202e", "\ufffd")
    assert any(seen in each.text for each in page.all())


def test_nothing_in_a_label_is_read_as_a_formula(run_of: RunOf) -> None:
    label = {"note": "a$^$b $x_1$ \\frac"}
    run = run_of({20: [0.1, 0.2], 50: [0.1, 0.3]}, estimator_params=label, figures=["error-vs-n"])
    run = replace(run, cases=tuple(replace(c, source=_named(c.source)) for c in run.cases))
    records = [replace(r, cell=replace(r.cell, source=_named(r.cell.source))) for r in run.records]
    summary = summarise(replace(run, records=tuple(records)))
    drawing = drawing_of(FIGURES["error-vs-n"](summary), "f-", "t", "d")
    texts = [each.text for each in ElementTree.fromstring(drawing.svg).iter("text")]
    assert "kl[note=a$^$b $x_1$ \\frac]" in texts
    assert "source$^$\ufffd" in texts
    assert any(text is None for text in texts)  # numbers at logarithmic ticks still are formulas


def _named(source: Any) -> Any:
    return replace(source, label="source$^$\x1b")


def hits(svg: str) -> list[tuple[float, float, str]]:
    (group,) = [
        each for each in ElementTree.fromstring(svg).iter("g") if each.get("class") == "hits"
    ]
    return [
        (float(c.get("cx", "")), float(c.get("cy", "")), c.findtext("title", "")) for c in group
    ]


def test_points_say_their_values_where_they_are_drawn() -> None:
    figure = Figure(layout="constrained", dpi=160)
    left, right = figure.subplots(1, 2)
    x, y = np.array([1.0, 10.0, 100.0]), np.array([0.5, np.nan, 0.02])
    left.loglog(x, y, marker="o", label="a < b & c", color="#123456")
    left.plot([10.0], [0.1], color="#123456")  # named by its colour
    left.axhline(0.3, label="limit")
    right.scatter([0.0, 1.0], [2.0, 3.0], label="dots")
    right.stairs([5.0, 7.0], [0.0, 1.0, 2.0], label="steps")
    right.set_xlim(0.5, 1.9)
    drawing = drawing_of(figure, "f7-", "name", "what")
    found = hits(drawing.svg)
    assert [text for _, _, text in found] == [
        "a < b & c: x = 1, y = 0.5",
        "a < b & c: x = 100, y = 0.02",
        "a < b & c: x = 10, y = 0.1",
        "steps: x = 1.5, y = 7",
        "dots: x = 1, y = 3",
    ] or [text for _, _, text in found][3].startswith("limit: y = 0.3")
    root = ElementTree.fromstring(drawing.svg)
    markers = [(float(u.get("x", 0)), float(u.get("y", 0))) for u in root.iter("use")]
    for cx, cy, text in found:
        if text.startswith(("a < b & c: x = 1, ", "a < b & c: x = 100", "dots")):
            assert min(abs(cx - mx) + abs(cy - my) for mx, my in markers) < 0.11, text
    assert drawing.points == len(found)
    assert not drawing.thinned


def test_many_points_are_thinned_and_coinciding_ones_told_together() -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.plot(np.linspace(0.0, 1.0, 3000), np.zeros(3000), label="long")
    axes.plot([0.0, 1.0], [0.0, 0.0], label="short")
    drawing = drawing_of(figure, "f-", "t", "d")
    assert drawing.thinned
    assert drawing.points == 200
    assert hits(drawing.svg)[0][2] == "long: x = 0, y = 0\nshort: x = 0, y = 0"


def test_svg_is_the_page_s_own() -> None:
    figure = Figure()
    axes = figure.subplots(subplot_kw={"projection": "3d"})
    axes.scatter([0.0, 1.0], [0.0, 1.0], [0.0, 1.0])
    other = figure.add_axes((0.8, 0.1, 0.1, 0.8))
    other.imshow([[0.0, 1.0], [1.0, 0.0]])
    drawing = drawing_of(figure, "f3-", "a \x00 <b>", "d")
    root = ElementTree.fromstring(drawing.svg)
    tags = {each.tag for each in root.iter()}
    assert not tags & {"metadata", "style", "script"}
    assert all(i.startswith("f3-") for e in root.iter() if (i := e.get("id")) is not None)
    assert all(value.startswith(("#f3-", "data:")) for e in root.iter() if (value := e.get("href")))
    assert not any(e.get("style") for e in root.iter())
    assert root.findtext("title") == "a \x00 <b>".replace("\x00", "\ufffd")
    assert "<?xml" not in drawing.svg


def test_best_estimator_is_named_where_it_can_be_told(
    run_of: RunOf, together: Callable[..., SuiteRun]
) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0.0, 0.01, 20)
    noise -= noise.mean()
    good = run_of({10: [9.0] * 20, 50: list(0.1 + noise)}, "sp")
    alike = run_of({10: [0.1] * 20, 50: list(0.1 + noise[::-1])}, "kde")
    bad = run_of({10: [0.2] * 20, 50: list(0.3 + noise)}, "kl")
    bound = run_of({10: [0.0] * 20, 50: [0.0] * 20}, "kt-upper")
    ((source, sentence),) = best_sentences(summarise(together(good, alike, bad, bound)))
    assert source.name == "made-up"
    best, other = ("sp", "kde") if "50, sp has" in sentence else ("kde", "sp")
    start = f"at n = 50, {best} has the least mean absolute error, 0.1"
    assert sentence.startswith(start)
    assert sentence.endswith(f" nats; {other} cannot be told from it.")
    ((_, sentence),) = best_sentences(summarise(together(good, bad)))
    assert sentence.endswith("nats.")


def test_no_best_estimator_from_one_trial_or_one_estimator(
    run_of: RunOf, together: Callable[..., SuiteRun]
) -> None:
    once = together(run_of({50: [0.1]}, "sp"), run_of({50: [0.9]}, "kl"))
    assert not list(best_sentences(summarise(once)))
    assert not list(best_sentences(summarise(run_of({50: [0.1, 0.2, 0.3]}, "sp"))))
    failed = together(run_of({50: [0.1, 0.1]}, "sp"), run_of({50: [0.9, None]}, "kl"))
    assert not list(best_sentences(summarise(failed)))


def test_only_the_first_panels_of_many_are_drawn(
    run: SuiteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_pictures, "MOST_PANELS", 1)
    monkeypatch.setattr(_pictures, "FIRST_PANELS", 1)
    page = read(html_report(run))
    (caption,) = page.all("figcaption")
    assert "The first 1 of 2 sources; the table has all." in " ".join(caption.text.split())
    titles = [each.text for each in page.all("text")]
    assert "truncated-mixture[d=1,sigma=0.1,tau=0.02]" in titles
    assert "truncated-mixture[d=2,sigma=0.1,tau=0.02]" not in titles


def test_figure_that_fails_says_why(run_of: RunOf, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> Figure:
        """Draw nothing."""
        raise RuntimeError("no <b> points")

    monkeypatch.setitem(FIGURES, "error-vs-n", broken)
    page = read(html_report(run_of({50: [0.1, 0.2]}, figures=["error-vs-n"])))
    assert not list(page.all("svg"))
    (caption,) = page.all("figcaption")
    assert "Could not be drawn from this run: RuntimeError: no <b> points" in caption.text


def test_report_takes_the_place_of_a_report_alone(run_of: RunOf, tmp_path: Path) -> None:
    run, path = run_of({50: [0.1, 0.2]}), tmp_path / "page.html"
    assert write_report(run, path) == path
    first = path.read_bytes()
    write_report(replace(run, suite="other"), path)
    assert path.read_bytes() != first
    path.write_text("my own page")
    with pytest.raises(ValueError, match=r"exists and is no report of entbench: .* Remove it, or"):
        write_report(run, path)
    assert path.read_text() == "my own page"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("where", ["missing/page.html", "file/page.html"])
def test_place_that_cannot_be_written_is_told(run_of: RunOf, tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"report .*page.html cannot be written: "):
        write_report(run_of({50: [0.1]}), tmp_path / where)
    with pytest.raises(ValueError, match="is not a file; name one with -o"):
        write_report(run_of({50: [0.1]}), tmp_path)


def test_nothing_is_left_of_a_page_that_fails(
    run_of: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, *_: object, **__: object) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    path = tmp_path / "page.html"
    write_report(run_of({50: [0.1]}), path)
    before = path.read_bytes()
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ValueError, match="cannot be written: No space left on device"):
        write_report(run_of({50: [0.2]}), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("suite", "name"),
    [
        ("fig14", "report-fig14-id.html"),
        ("/tmp/my suites/a b.toml", "report-a-b-id.html"),
        ("../<x>/..", "report-suite-id.html"),
        ("x" * 300, f"report-{'x' * 100}-id.html"),
    ],
)
def test_name_of_the_file(run_of: RunOf, suite: str, name: str) -> None:
    assert report_name(replace(run_of({50: [0.1]}), suite=suite)) == name


def test_command_writes_a_stored_run(
    run: SuiteRun, page: Element, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(report, [f"{store}:{run.info.id}"], catch_exceptions=False)
    assert done.output.strip() == f"report-truncated-mixture-{run.info.id}.html"
    written = read((tmp_path / done.output.strip()).read_text(encoding="utf-8"))
    assert table_of(written, "errors-table") == table_of(page, "errors-table")
    assert facts_of(written) == facts_of(page)
    refused = CliRunner().invoke(report, ["--store", str(store), "nothing-of-the-kind"])
    assert isinstance(refused.exception, ValueError)


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255.0 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1])
def test_contrast_is_at_least_that_of_wcag_aa(scheme: int) -> None:
    css = (HERE / "style.css").read_text(encoding="utf-8")
    root = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[scheme]
    colors = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", root))
    for ground in ("ground", "raised"):
        for name in ("text", "soft", "link", "good", "bad"):
            light = sorted((luminance(colors[ground]), luminance(colors[name])))
            assert (light[1] + 0.05) / (light[0] + 0.05) >= 4.5, (ground, name)
