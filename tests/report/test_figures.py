"""Every figure and every table that a suite can ask for, on small runs of real sources."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from rich.cells import cell_len

from entbench import run_suite
from entbench.report import TABLES, Screen, render, suite_printout, summarise, write_files
from entbench.report._complexity import exponents, samples_needed
from entbench.report._integration import integration_errors
from entbench.report._suite import Summary
from entbench.report._worst_case import worst_cases
from entbench.report.figures import FIGURES
from entbench.report.figures._style import (
    STYLES,
    draw_with_band,
    dress_log_log,
    panels_for,
    style_of,
    wrapped,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from entbench._records import SuiteRun

SUITES = {
    "error-vs-n": """
        n = [10, 30, 200]
        estimators = ["sp", "kl"]
        checks = ["plug-in-bias", "theorem-6"]
        tables = ["leaderboard"]
        source = [{ name = "grid", d = [1, 2], k = 3, sigma = 0.3 }]
        """,
    "estimate-vs-parameter": """
        n = [20, 50]
        estimators = ["sp-mi", "ksg1"]
        checks = ["capacity"]
        tables = ["capacities"]
        source = [
            { name = "bpsk-awgn", d = 1, sigma = [0.25, 1.0, 3.0] },
            { name = "pam-awgn", d = 1, k = 4, sigma = [0.5, 1.0] },
        ]
        """,
    "integration-vs-n": """
        n = [10, 100]
        estimators = ["sp", "sp-monte-carlo[draws=1]", "sp-monte-carlo[draws=10]"]
        checks = ["theorem-7"]
        tables = ["integration"]
        source = [
            { name = "truncated-mixture", d = [1, 2], sigma = 0.5 },
            { name = "gaussian", d = 2, scale = 1, sigma = 0.5 },
        ]
        """,
    "samples-vs-dimension": """
        n = [10, 30, 200]
        error = 0.1
        estimators = ["sp", "kl"]
        checks = ["theorem-6"]
        tables = ["samples-for-error"]
        source = [
            { name = "bpsk", d = [2, 3, 5], sigma = [0.2, 0.3] },
            { name = "grid", d = [1, 2], k = 3, sigma = 0.2 },
        ]
        """,
    "error-vs-seconds": """
        n = [10, 100]
        estimators = ["sp", "kl", "kt-upper"]
        tables = ["leaderboard"]
        source = [{ name = "grid", d = [1, 2], k = 3, sigma = 0.3 }]
        """,
    "worst-error-vs-n": """
        n = [2, 10, 300]
        estimators = ["sp", "kl[k=1]"]
        checks = ["minimax"]
        tables = ["worst-case", "leaderboard"]
        source = [
            { name = "bpsk", d = [1, 6], sigma = 0.5 },
            { name = "uniform-cube", d = [1, 6], sigma = 0.5 },
            { name = "gaussian", d = 1, scale = 2, sigma = 0.5 },
        ]
        """,
}


@pytest.fixture(scope="module")
def summaries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Summary]:
    folder = tmp_path_factory.mktemp("suites")
    found = {}
    for figure, text in SUITES.items():
        lines = "\n".join(line.strip() for line in text.splitlines())
        path = folder / f"{figure}.toml"
        path.write_text(f'title = "Small"\ntrials = 3\nseed = 0\nfigures = ["{figure}"]\n{lines}')
        found[figure] = summarise(run_suite(str(path), jobs=1, store=folder / "store.sqlite"))
    return found


def drawn(summaries: dict[str, Summary], name: str) -> tuple[Summary, Figure, list[Axes]]:
    summary = summaries[name]
    figure = FIGURES[name](summary)
    return summary, figure, [axes for axes in figure.axes if axes.axison]


def line(axes: Axes, label: str) -> tuple[list[float], list[float]]:
    (found,) = [each for each in axes.lines if each.get_label() == label]
    return list(map(float, found.get_xdata())), list(map(float, found.get_ydata()))


def labels_of(axes: Axes) -> set[str]:
    return set(axes.get_legend_handles_labels()[1])


def legend_of(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_every_figure_and_table_is_tried() -> None:
    assert set(SUITES) == set(FIGURES)
    assert all(any(f'"{table}"' in text for text in SUITES.values()) for table in TABLES)


@pytest.mark.parametrize("name", SUITES)
def test_figures_are_complete(summaries: dict[str, Summary], name: str) -> None:
    """A title on each panel, labels outside, every line once in the legend, all of it on paper."""
    _, figure, panels = drawn(summaries, name)
    legend = legend_of(figure)
    assert len(set(legend)) == len(legend)
    assert set(legend) == set().union(*(labels_of(axes) for axes in panels))
    for axes in panels:
        assert axes.get_title(loc="left")
        assert all(math.isfinite(y) for each in axes.lines for y in each.get_ydata())
    assert panels[0].get_ylabel()
    assert panels[-1].get_xlabel()
    figure.draw_without_rendering()
    width, height = figure.bbox.width, figure.bbox.height
    (box,) = (each.get_window_extent() for each in figure.legends)
    assert box.x0 >= max(axes.get_window_extent().x1 for axes in panels)
    assert box.x1 <= width
    assert box.y0 >= 0.0
    assert box.y1 <= height
    for axes in panels:
        title = axes._left_title.get_window_extent()  # type: ignore[attr-defined]
        assert title.x1 <= box.x0


@pytest.mark.parametrize("name", ["error-vs-n", "integration-vs-n", "worst-error-vs-n"])
def test_axes_against_n_are_logarithmic(summaries: dict[str, Summary], name: str) -> None:
    for axes in drawn(summaries, name)[2]:
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_error_vs_n(summaries: dict[str, Summary]) -> None:
    summary, _, panels = drawn(summaries, "error-vs-n")
    assert len(panels) == 2
    for axes, case in zip(panels, summary.run.cases, strict=True):
        for estimator in ("sp", "kl"):
            rows = [
                row
                for row in summary.rows
                if (row.source, row.estimator.name) == (case.source, estimator)
            ]
            assert line(axes, estimator) == ([10, 30, 200], [row.mae for row in rows])
        assert len(axes.collections) == 2  # a band each
    # Theorem 6 for 9 values is above 0 at no n >= 10, and so not drawn
    labels = labels_of(panels[1])
    assert "|bias| of sp ≤ (this source)" in labels
    assert not any("Theorem 6" in label for label in labels)


def test_estimate_vs_parameter(summaries: dict[str, Summary]) -> None:
    summary, figure, panels = drawn(summaries, "estimate-vs-parameter")
    assert [axes.get_xlabel() for axes in panels] == ["sigma", "sigma"]
    assert [axes.get_ylabel() for axes in panels] == ["I(X;Y) (nats)"] * 2
    references = [case.reference.value for case in summary.run.cases]
    assert line(panels[0], "truth") == ([0.25, 1.0, 3.0], references[:3])
    assert line(panels[1], "truth") == ([0.5, 1.0], references[3:])
    rows = [row for row in summary.rows if row.n == 50 and row.estimator.name == "ksg1"]
    assert line(panels[0], "ksg1")[1] == [row.mean for row in rows[:3]]
    # 0.5 log(1 + 1/sigma^2) at power 1
    power = [0.5 * math.log1p(1.0 / sigma**2) for sigma in (0.25, 1.0, 3.0)]
    assert line(panels[0], "power-limited capacity")[1] == pytest.approx(power, rel=1e-12)
    assert panels[0].get_xscale() == "log"
    assert panels[1].get_xscale() == "linear"
    assert "n = 50" in figure.legends[0].get_title().get_text()


def test_integration_vs_n(summaries: dict[str, Summary]) -> None:
    summary, _, panels = drawn(summaries, "integration-vs-n")
    assert len(panels) == 3
    facts = {case.source: case.facts for case in summary.run.cases}
    found = list(integration_errors(summary.rows, facts, 0.95))
    first = [each for each in found if each.row.source == summary.run.cases[0].source]
    # the default of 10 draws is not part of the label
    for label, n in (("sp-monte-carlo[draws=1]", [10, 100]), ("sp-monte-carlo", [100, 1000])):
        mine = [each.mse for each in first if each.row.estimator.label == label]
        assert line(panels[0], label) == (n, mine)
    x, y = line(panels[1], "≤ d/(n n_MC)")
    assert np.array(x) * y == pytest.approx(2.0, rel=1e-12)  # d
    assert "≤ (20)" in labels_of(panels[0])
    assert "≤ (20)" not in labels_of(panels[2])  # a Gaussian is not in the cube
    assert "≤ (21)" in labels_of(panels[2])


def test_samples_vs_dimension(summaries: dict[str, Summary]) -> None:
    summary, _, panels = drawn(summaries, "samples-vs-dimension")
    titles = [axes.get_title(loc="left") for axes in panels]
    assert titles == ["bpsk[sigma=0.2]", "bpsk[sigma=0.3]", "grid, sigma=0.2"]
    facts = {case.source: case.facts for case in summary.run.cases}
    found = list(samples_needed(summary.rows, facts, 0.1))
    slopes = exponents(found)
    for axes, setting in zip(panels, dict.fromkeys(e.setting for e in found), strict=True):
        here = [e for e in found if e.setting == setting and e.row.estimator.name == "sp"]
        known = [e for e in here if not e.censored]
        assert line(axes, "sp") == ([e.dim for e in known], [e.n for e in known])
        texts = {text.get_text() for text in axes.texts}
        assert f"{slopes['sp', setting].slope:.2f} bits" in texts
        arrows = [each for each in axes.lines if str(each.get_marker()).startswith("$")]
        assert len(arrows) == sum(e.setting == setting and bool(e.censored) for e in found)
        x, y = line(axes, "sp needs more than (Theorem 6)")
        assert x == [e.dim for e in here]
        assert y == pytest.approx([math.exp(e.theorem_6 or 0.0) for e in here], rel=1e-12)
    assert any(e.censored for e in found)


def test_worst_error_vs_n(summaries: dict[str, Summary]) -> None:
    summary, _, panels = drawn(summaries, "worst-error-vs-n")
    titles = [axes.get_title(loc="left") for axes in panels]
    assert titles == [f"d={d}, sigma=0.5: worst of 2 sources" for d in (1, 6)]
    facts = {case.source: case.facts for case in summary.run.cases}
    for axes, dim in zip(panels, (1, 6), strict=True):
        for estimator in ("sp", "kl"):
            largest = [
                max(
                    row.mae or 0.0
                    for row in summary.rows
                    if (row.n, row.estimator.name) == (n, estimator)
                    and facts[row.source].dim == dim  # type: ignore[union-attr]
                    and facts[row.source].in_unit_cube  # type: ignore[union-attr]
                )
                for n in (2, 10, 300)
            ]
            label = {"kl": "kl[k=1]"}.get(estimator, estimator)
            assert line(axes, label) == ([2, 10, 300], largest)
    found = [w for w in worst_cases(summary.rows, facts, 0.95) if w.dim == 6]
    minimax = {w.row.n: w.minimax for w in found if w.minimax > 0.0}
    assert line(panels[1], "minimax ≥ (every estimator)") == (
        list(minimax),
        list(minimax.values()),
    )
    x, y = line(panels[0], "sp ≤ (bias + deviation)")
    assert y == [
        w.upper["bias + deviation"]
        for n in x
        for w in worst_cases(summary.rows, facts, 0.95)
        if (w.row.n, w.dim, w.row.estimator.name) == (n, 1, "sp")
    ]
    assert max(y) <= 0.5 * math.log1p(4.0)  # no longer than the range of h(S+Z)


def test_lines_can_be_told_apart() -> None:
    """Twice as many as there are colours: no two lines are alike."""
    styles = [style_of(position) for position in range(2 * len(STYLES))]
    assert len(set(styles)) == len(styles)
    assert styles[: len(STYLES)] == STYLES


def test_bands_are_drawn_as_they_are_and_cut_at_the_frame() -> None:
    """Ends at 0 and inf are beyond every frame; a point alone has a bar, none without intervals."""
    _, grid = panels_for(3)
    axes = grid.flat[0]
    draw_with_band(axes, [1, 2], [5.0, 7.0], [(0.0, 6.0), (3.0, math.inf)], "a", 0)
    dress_log_log(axes, "a")
    (band,) = axes.collections
    corners = {(float(x), float(y)) for x, y in band.get_paths()[0].vertices}
    assert corners == {(1, 1e-30), (1, 6), (2, 3), (2, 1e30)}
    low, high = axes.get_ylim()
    # half a decade from the lines, and a margin: more of a band is not shown
    assert low == pytest.approx(5.0 / math.sqrt(10.0) / 1.15)
    assert high == pytest.approx(7.0 * math.sqrt(10.0) * 1.15)
    axes = grid.flat[1]
    draw_with_band(axes, [1], [5.0], [(4.0, 6.0)], "a", 0)
    dress_log_log(axes, "a")
    (bar,) = axes.collections
    assert bar.get_paths()[0].vertices.tolist() == [[1.0, 4.0], [1.0, 6.0]]
    assert axes.get_ylim() == pytest.approx((4.0 / 1.15, 6.0 * 1.15))
    draw_with_band(grid.flat[2], [1, 2], [5.0, 7.0], [None, (3.0, 8.0)], "a", 0)
    assert not grid.flat[2].collections


@pytest.mark.parametrize("name", SUITES)
def test_legend_says_what_bands_are(summaries: dict[str, Summary], name: str) -> None:
    title = drawn(summaries, name)[1].legends[0].get_title().get_text().replace("\n", " ")
    assert "95 % intervals of the" in title
    assert "from 3 trials, fewer than 5: too few where errors are skewed; cut at" in title


def test_panels_that_are_not_needed_are_off() -> None:
    _, grid = panels_for(5)
    assert [axes.axison for axes in grid.flat] == [True] * 5 + [False]


@pytest.mark.parametrize("name", SUITES)
def test_json_has_no_nan_and_all_tables(summaries: dict[str, Summary], name: str) -> None:
    def refuse(constant: str) -> Any:
        raise AssertionError(constant)

    summary = summaries[name]
    data = json.loads(render(suite_printout(summary), "json"), parse_constant=refuse)
    assert list(data["tables"]) == list(summary.run.tables)
    for section in summary.sections:
        assert data["tables"][section.name] == [dict(record) for record in section.records]
        assert section.records


@pytest.mark.parametrize("name", SUITES)
@pytest.mark.parametrize("width", [60, 80, 100, 130])
def test_terminal_keeps_its_width(summaries: dict[str, Summary], name: str, width: int) -> None:
    printout = suite_printout(summaries[name])
    text = render(printout, "table", Screen(width))
    assert max(map(cell_len, text.splitlines())) <= width
    for table in printout.tables:
        assert " ".join(table.title.split()) in " ".join(text.split())
    if width == 130:  # nothing is broken over lines there
        for table in printout.tables:
            assert all(cell in text for row in table.rows for cell in row)


@pytest.mark.parametrize("name", SUITES)
def test_markdown_has_each_table_whole(summaries: dict[str, Summary], name: str) -> None:
    printout = suite_printout(summaries[name])
    text = render(printout, "markdown")
    lines = [each for each in text.splitlines() if each.startswith("| ")]
    assert len(lines) == sum(2 + len(table.rows) for table in printout.tables)
    for table in printout.tables:
        row = " | ".join(re.sub(r"[\\`*_<&|~$]", r"\\\g<0>", cell) for cell in table.rows[-1])
        assert f"| {row} |" in lines


@pytest.mark.parametrize("name", SUITES)
def test_files_hold_the_tables_and_the_figure(
    summaries: dict[str, Summary], name: str, tmp_path: Path
) -> None:
    summary = summaries[name]
    written = [path.name for path in write_files(summary, tmp_path)]
    tables = [f"{table.replace('-', '_')}.csv" for table in summary.run.tables]
    figure = name.replace("-", "_")
    assert written == ["results.csv", "results.json", *tables, f"{figure}.png", f"{figure}.svg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(written)
    for section, file in zip(summary.sections, tables, strict=True):
        with (tmp_path / file).open(newline="", encoding="utf-8") as lines:
            found = list(csv.DictReader(lines))
        assert len(found) == len(section.records)
        for read, record in zip(found, section.records, strict=True):
            # floats are exact, None is empty, and no field is a list
            assert {key: read[key] for key in record} == {
                key: "" if value is None else str(value) for key, value in record.items()
            }
            assert not any(isinstance(value, list) for value in record.values())
    assert (tmp_path / f"{figure}.png").read_bytes().startswith(b"\x89PNG")


def test_long_titles_are_broken_after_commas() -> None:
    title = "network-layer[network=szt,layer=5,epoch=100,sigma=0.005,activation=tanh,seed=0]\nh = 1"
    lines = wrapped(title).split("\n")
    assert lines[-1] == "h = 1"
    assert "".join(lines[:-1]) == title.partition("\n")[0]
    assert all(len(line) <= 54 for line in lines)
    assert len(lines) == 3
    assert wrapped("grid[d=5]") == "grid[d=5]"


def test_a_line_shows_where_the_truth_is_no_better(run_of: Callable[..., SuiteRun]) -> None:
    label = "error of the truth: below, nothing is known"
    for error, shown in ((0.5, True), (1e-9, False)):
        run = run_of({10: [0.1, 0.2, 0.3], 100: [0.1, -0.1, 0.0]}, error=error)
        (axes,) = FIGURES["error-vs-n"](summarise(run)).axes
        lines = {line.get_label(): line for line in axes.lines}
        assert (label in lines) == shown
        if shown:
            assert list(lines[label].get_ydata()) == [0.5, 0.5]
