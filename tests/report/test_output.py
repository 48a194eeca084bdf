from __future__ import annotations

import csv
import io
import itertools
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from entbench import _registry, run_suite
from entbench._text import printable
from entbench.report import (
    FIGURE_NAMES,
    Printout,
    Screen,
    Table,
    check_folder,
    check_requests,
    render,
    suite_printout,
    summarise,
    write_files,
)
from entbench.report._format import number, with_error
from entbench.report._suite import Summary
from entbench.report.figures import EXPERIMENT_FIGURES, FIGURES
from entbench.runner import experiment_suite, load_suite, read_suite, steps_of


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    store = tmp_path_factory.mktemp("store") / "s.sqlite"
    run = run_suite(
        "truncated-mixture",
        {"d": 2, "n": [20, 50]},
        estimators=["sp[tolerance=0.01]", "kl", "kl[k=30]"],
        trials=3,
        jobs=1,
        store=store,
    )
    return summarise(run)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    store = tmp_path_factory.mktemp("store") / "s.sqlite"
    params = {"d": [1, 2], "n": [20, 50]}
    run = run_suite("truncated-mixture", params, estimators=["kl"], trials=3, jobs=1, store=store)
    return summarise(run)


def test_json_has_what_was_promised(summary: Summary) -> None:
    data = json.loads(render(suite_printout(summary), "json"))
    assert list(data) == ["suite", "params", "reference", "rows", "slopes", "checks", "run"]
    assert {"value", "error", "method"} <= set(data["reference"])
    assert data["params"]["d"] == 2
    row = data["rows"][0]
    for key in (
        "estimator",
        "n",
        "trials",
        "failed",
        "mean",
        "bias",
        "bias_ci",
        "mae",
        "mae_ci",
        "rmse_ci",
    ):
        assert key in row
    assert row["estimator"] == "sp[tolerance=0.01]"
    assert row["bias_ci"][0] < row["bias"] < row["bias_ci"][1]
    bounds = row["bounds"]
    assert bounds["bias_lower"] <= bounds["bias_upper"]
    assert bounds["vacuous"] == []
    assert set(data["slopes"]["kl"]) == {"slope", "ci", "line", "lack_of_fit", "theory"}
    checks = [check["name"] for check in data["checks"]]
    assert checks == ["plug-in-bias", "plug-in-risk", "pairwise-bounds", "coverage"]
    assert {"name", "status", "detail", "finds", "holds"} == set(data["checks"][0])
    assert {"id", "version", "seed", "python", "platform"} <= set(data["run"])
    failed = data["rows"][4]
    assert (failed["estimator"], failed["n"], failed["failed"]) == ("kl[k=30]", 20, 3)
    assert failed["mean"] is None
    assert failed["bounds"] == {}


def test_sweep_names_the_source_everywhere(sweep: Summary) -> None:
    data = json.loads(render(suite_printout(sweep), "json"))
    assert [reference["source"]["d"] for reference in data["reference"]] == [1, 2]
    assert [row["source"]["d"] for row in data["rows"]] == [1, 1, 2, 2]
    assert list(data["slopes"]) == ["kl @ d=1", "kl @ d=2"]


def test_csv_is_exact(summary: Summary) -> None:
    lines = list(csv.DictReader(io.StringIO(render(suite_printout(summary), "csv"))))
    assert len(lines) == len(summary.rows)
    for line, row in zip(lines, summary.rows, strict=True):
        assert line["d"] == "2"
        assert line["bias"] == ("" if row.bias is None else repr(row.bias))
        assert line["bias_ci_low"] == ("" if row.bias_ci is None else repr(row.bias_ci[0]))
    assert lines[0]["bias_upper"] != ""
    assert lines[2]["bias_upper"] == ""


def test_markdown_is_a_table(summary: Summary) -> None:
    text = render(suite_printout(summary), "markdown")
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert table[0].startswith("| estimator | n | bias | MAE |")
    assert "\\|bias\\| ≥" in table[0]
    assert {line.replace("\\|", "").count("|") for line in table[: 2 + len(summary.rows)]} == {11}


# whatever a name, a message or a parameter may hold
NASTY = [
    "a|b \\| c\\",
    "line\nbreak\r\x0b\u2028end",
    "`code` ``more",
    "<script>alert(1)</script> <!-- &amp; &lt;",
    "**bold** _it_ __so__ ~~out~~ *",
    "[link](http://x) ![i](y) [ref]: z [a][b]",
    "$x^2$ $$ a$^$b",
    "100 % of #3 & {x} ~ ^ _ \\ \\frac{1}{2}",
    "[0.1, 0.2] <= -3.5 -- --- '' `` ,, \"q\" ?` >>",
    "# no heading",
    "1. no list",
    "- no bullet",
    "> no quote",
    "*",
]


def nasty_printout() -> Printout:
    rows = [(text, text, "0.1 ± 0.2") for text in NASTY]
    table = Table(("name", NASTY[0], "MAE ≤"), rows, NASTY[3], left=2)
    return Printout({}, [], [table, Table(("", ""), [("✓", "✗")])], NASTY, NASTY[4])


def test_text_cannot_break_markdown() -> None:
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = reader.parse(render(nasty_printout(), "markdown"))
    assert {token.type for token in tokens} == {
        f"{name}_{end}"
        for name in (
            *("paragraph", "table", "thead", "tbody", "tr", "th", "td", "bullet_list", "list_item"),
        )
        for end in ("open", "close")
    } | {"inline"}
    said, marks = [], set()
    for token in tokens:
        if token.type == "inline":
            children = token.children or []
            said.append("".join(child.content for child in children))
            marks |= {child.type for child in children} - {"text", "text_special"}
    assert marks == {"strong_open", "strong_close", "em_open", "em_close"}
    expected = [printable(text).strip() for text in NASTY]
    cells = [cell for text in expected for cell in (text, text, "0.1 ± 0.2")]
    head = [expected[4], expected[3], "name", expected[0], "MAE ≤"]
    assert said == [*head, *cells, "", "", "✓", "✗", *expected]


# what LaTeX shows for all that may stand in a cell; anything else is an error there, or unescaped
SHOWN = {
    r"\textbackslash{}": "\\",
    r"\textasciicircum{}": "^",
    r"\textasciitilde{}": "~",
    r"\textasciigrave{}": "`",
    "$-$": "-",
    r"$\pm$": "±",
    r"$\ge$": "≥",
    r"$\le$": "≤",
    r"$\times$": "✗",
    r"$\checkmark$": "✓",
    r"$\circ$": "○",
    **{f"${sign}$": sign for sign in "<>|"},
    **{f"\\{sign}": sign for sign in "{}$&#%_"},
    **{f"{sign}{{}}": sign for sign in "-',"},
    "{''}": "''",
    "{}": "",
}
PIECE = re.compile("|".join([*map(re.escape, SHOWN), r"[^\\{}$&#%_^~\"<>|]"]))
FLOAT = re.compile(
    r"\\begin\{table\}\n\\centering\n(?:\\caption\{(.*)\}\n)?"
    r"(\\resizebox\{\\textwidth\}\{!\}\{%\n)?\\begin\{tabular\}\{([lr]+)\}\n\\toprule\n"
    r"((?:.*\n)*?)\\bottomrule\n\\end\{tabular\}\n(\}\n)?\\end\{table\}\n"
)


def shown(text: str) -> str:
    """Return what LaTeX shows for a cell or a caption."""
    pieces = PIECE.findall(text)
    assert "".join(pieces) == text, f"not escaped: {text}"
    return "".join(SHOWN.get(piece, piece) for piece in pieces).strip()


def latex_tables(text: str) -> list[tuple[str | None, list[list[str]]]]:
    """Return caption and cells of each table, having checked that all is closed in its place."""
    body = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("%"))
    assert FLOAT.sub("", body) == ""
    found = []
    for caption, scaled, columns, inner, closed in FLOAT.findall(body):
        assert bool(scaled) == bool(closed)
        lines = [x for x in inner.splitlines() if x not in (r"\midrule", r"\addlinespace")]
        assert all(line.endswith(r" \\") for line in lines)
        rows = [re.split(r"(?<!\\)&", line.removesuffix(r" \\")) for line in lines]
        assert {len(row) for row in rows} == {len(columns)}
        cells = [[shown(cell) for cell in row] for row in rows]
        found.append((shown(caption) if caption else None, cells))
    return found


def test_text_cannot_break_latex() -> None:
    (caption, rows), (none, marks) = latex_tables(render(nasty_printout(), "latex"))

    def seen(text: str) -> str:
        text = printable(text).replace("<=", "≤").replace(">=", "≥")
        return text.replace('"', "''").strip()

    expected = [seen(text) for text in NASTY]
    assert caption == expected[3]
    assert rows == [["name", expected[0], "MAE ≤"], *([x, x, "0.1 ± 0.2"] for x in expected)]
    assert (none, marks) == (None, [["✓", "✗"]])


def test_latex_ligatures_and_optional_arguments_are_kept_from_text() -> None:
    text = render(nasty_printout(), "latex")
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert not re.search(r"--|''(?!\})|``|,,|<|>(?!\$)", body.replace("$<$", "").replace("$>$", ""))
    for line, after in itertools.pairwise(body.splitlines()):
        if line.endswith("\\\\") or line.startswith(("\\addlinespace", "\\midrule", "\\toprule")):
            assert not after.startswith(("[", "*"))
    comments = [line for line in text.splitlines() if line.startswith("%")]
    assert len(comments) == 2 + len(NASTY)


def test_latex_has_the_tables_of_a_run(summary: Summary) -> None:
    printout = suite_printout(summary)
    found = latex_tables(render(printout, "latex"))
    assert [caption for caption, _ in found] == [
        t.title.replace("<=", "≤") for t in printout.tables
    ]
    for (_, rows), table in zip(found, printout.tables, strict=True):
        assert rows == [list(cells) for cells in (table.headers, *table.rows)]


@pytest.mark.parametrize("width", [60, 80, 100, 130])
def test_terminal_table_keeps_its_width_and_its_numbers(summary: Summary, width: int) -> None:
    screen = Screen(width)
    text = render(suite_printout(summary), "table", screen)
    assert max(map(len, text.splitlines())) <= width
    for expected in ("sp[tolerance=0.01]", "bias", "plug-in-bias", "slope"):
        assert expected in text
    assert "\x1b" not in text
    assert ("theory beside the data" in text) == (width < 120)


def test_failures_are_told(summary: Summary) -> None:
    text = render(suite_printout(summary), "table")
    assert "kl[k=30] ✗ 3/3" in text
    assert "got k=30 with n_samples=20. [3 cells, first kl[k=30]," in " ".join(text.split())
    assert not summary.holds


def test_control_characters_do_not_reach_the_terminal() -> None:
    table = Table(("a", "b"), [("\x1b[31mred", "x\ny")])
    text = render(Printout({}, [], [table], ["\x1b]0;title\x07"]), "table", Screen(80))
    assert "\x1b" not in text
    assert "\x07" not in text


@pytest.mark.parametrize(
    ("value", "interval", "text"),
    [
        (None, None, "-"),
        (0.12345, None, "0.123"),
        (-0.17825, (-0.1954, -0.1611), "-0.178 ± 0.017"),
        (5.6, (5.33, 5.87), "5.60 ± 0.27"),
        (1e-9, (0.9e-9, 1.1e-9), "1e-09 ± 1.0e-10"),
        (-696.4612345, (-696.4612345 - 1e-11, -696.4612345 + 1e-11), "-696.461 ± 1.0e-11"),
        (2.2e-16, (2.2e-16 - 4.1e-14, 2.2e-16 + 4.1e-14), "0 ± 4.1e-14"),
        (5.0321e-9, (4.0321e-9, 6.0321e-9), "5e-09 ± 1.0e-09"),
        (0.05, (0.0, 0.15), "0.05 ± 0.10"),
        (123.0, (100.0, 146.0), "123 ± 23"),
        (2.0, (2.0, 2.0), "2.00"),
    ],
)
def test_numbers_with_errors(
    value: float | None, interval: tuple[float, float] | None, text: str
) -> None:
    assert with_error(value, interval) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (4.0, "4.00"),
        (696.46, "696"),
        (1234.5, "1234"),
        (1e-5, "1.0e-05"),
        (2.5e7, "2.5e+07"),
    ],
)
def test_plain_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_files_are_written_whole(summary: Summary, tmp_path: Path) -> None:
    written = write_files(summary, tmp_path)
    assert [path.name for path in written] == [
        "results.csv",
        "results.json",
        "error_vs_n.png",
        "error_vs_n.svg",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(p.name for p in written)
    assert json.loads((tmp_path / "results.json").read_text())["suite"] == "truncated-mixture"
    assert (tmp_path / "error_vs_n.png").read_bytes().startswith(b"\x89PNG")
    assert ET.parse(tmp_path / "error_vs_n.svg").getroot().tag.endswith("svg")


@pytest.mark.parametrize("kind", ["summary", "sweep"])
def test_figure_has_a_line_with_band_for_each_estimator(
    kind: str, request: pytest.FixtureRequest
) -> None:
    summary = request.getfixturevalue(kind)
    figure = FIGURES["error-vs-n"](summary)
    panels = [axes for axes in figure.axes if axes.axison]
    assert len(panels) == len(summary.run.cases)
    labels = {row.estimator.label for row in summary.rows}
    for axes in panels:
        assert labels <= set(axes.get_legend_handles_labels()[1])
        assert len(axes.collections) >= len(labels) - 1
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    dashed = [line for line in panels[0].lines if line.get_linestyle() == "--"]
    assert bool(dashed) == (kind == "summary")
    styles = [(line.get_color(), line.get_marker()) for line in panels[0].lines[: len(labels)]]
    assert len({color for color, _ in styles}) == len({m for _, m in styles}) == len(labels)


def test_folder_is_tried_before_the_run(tmp_path: Path) -> None:
    check_folder(tmp_path / "new" / "folder")
    assert (tmp_path / "new" / "folder").is_dir()
    assert not list((tmp_path / "new" / "folder").iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="output folder .* cannot be written"):
        check_folder(tmp_path / "file")


def test_suites_ask_for_what_there_is() -> None:
    assert tuple(FIGURES) == FIGURE_NAMES
    names = [n for n in _registry.suites.names() if not read_suite(n).is_experiment]
    assert "fig14" in names
    for name in names:
        suite = load_suite(name)
        assert suite.checks
        assert suite.figures
        check_requests(suite.checks, suite.figures, suite.tables, suite.error)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((["plug-in"], [], [], None), "check 'plug-in'"),
        (([], ["error"], [], None), "figure 'error'"),
        (([], [], ["leader"], None), "table 'leader'"),
        (([], [], ["samples-for-error"], None), "table 'samples-for-error' needs `error`"),
        (([], ["samples-vs-dimension"], [], None), "figure .* needs `error`, in nats"),
    ],
)
def test_requests_are_refused_before_the_run(asked: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_requests(*asked)


def at_hand(suite: str) -> dict[str, str]:
    """Return what is here of data that would be looked for in the network."""
    if not suite.endswith("-mnist") and suite != "mnist-cnn":
        return {}
    return {"data": "digits-138" if suite.startswith("information") else "digits"}


def test_experiments_ask_for_what_there_is() -> None:
    names = [n for n in _registry.suites.names() if read_suite(n).is_experiment]
    assert "single-neuron" in names
    for name in names:
        file = read_suite(name)
        assert {"quick", "default", "paper"} == set(file.table["presets"])
        for preset in file.table["presets"]:
            suite = experiment_suite(file, {"preset": preset, **at_hand(name)})
            assert steps_of(suite)
        figures = _registry.experiments.load(suite.experiment).figures
        assert figures
        assert set(figures) <= set(EXPERIMENT_FIGURES)
