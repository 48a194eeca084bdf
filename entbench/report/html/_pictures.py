"""The figures of a page, each beside the table that it is drawn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from entbench._text import failure_line
from entbench.report._suite import Summary
from entbench.report.html._page import Grid, Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from entbench._base import ExperimentResult

# a panel takes 0.2 s to draw: beyond the most, the first few
MOST_PANELS, FIRST_PANELS = 12, 4
# figures with a panel for each setting of the source; others need all sources for each value
_OF_EACH_SOURCE = ("error-vs-n", "error-vs-seconds", "integration-vs-n")
_TABLES = {
    "integration-vs-n": "integration",
    "samples-vs-dimension": "samples-for-error",
    "worst-error-vs-n": "worst-case",
}


def suite_pictures(summary: Summary, errors: Grid, others: Mapping[str, Grid]) -> list[Picture]:
    """Return the figures that a suite asks for; `others` are grids by the names of tables."""
    from entbench.report.figures import FIGURES  # matplotlib is slow to import

    found = []
    for number, name in enumerate(summary.run.figures):
        shown, remarks = _first_panels(summary, name)
        table = others.get(_TABLES.get(name, ""), errors)
        found.append(_picture(number, name, FIGURES[name], shown, table, remarks))
    return found


def experiment_pictures(
    figures: Sequence[Any], results: Sequence[ExperimentResult], table: Grid
) -> list[Picture]:
    """Return the figures of an experiment."""
    from entbench.report.figures import named_figures  # matplotlib is slow to import

    return [
        _picture(number, name, draw, results, table, [])
        for number, (name, draw) in enumerate(named_figures(figures).items())
    ]


def _first_panels(summary: Summary, name: str) -> tuple[Summary, list[str]]:
    cases = summary.run.cases
    if name not in _OF_EACH_SOURCE or len(cases) <= MOST_PANELS:
        return summary, []
    kept = {case.source for case in cases[:FIRST_PANELS]}
    chosen = [i for i, row in enumerate(summary.rows) if row.source in kept]
    shown = replace(
        summary,
        run=replace(summary.run, cases=cases[:FIRST_PANELS]),
        rows=tuple(summary.rows[i] for i in chosen),
        bounds=tuple(summary.bounds[i] for i in chosen),
    )
    remark = f"The first {FIRST_PANELS} of {len(cases)} sources; the table has all."
    return shown, [remark]


def _picture(
    number: int,
    name: str,
    draw: Callable[[Any], Figure],
    data: Any,
    table: Grid,
    remarks: Sequence[str],
) -> Picture:
    from entbench.report.html._svg import drawing_of

    prefix, title = f"f{number}-", name.replace("-", " ")
    caption = _caption(draw)
    said = [*remarks]
    svg = ""
    try:
        drawing = drawing_of(draw(data), prefix, title, f"{caption} The table has the values.")
    except Exception as failure:  # a run cut short may lack what a figure takes for granted
        said.append(f"Could not be drawn from this run: {failure_line(failure)}")
    else:
        svg = drawing.svg
        if drawing.thinned:
            said.append(f"Only {drawing.points} of its points say their values.")
    return Picture(f"figure-{name}", title[:1].upper() + title[1:], caption, table, svg, said)


def _caption(draw: Callable[[Any], Any]) -> str:
    """Return what a function says that it draws."""
    text = " ".join((draw.__doc__ or "").split()).removeprefix("Draw ")
    return text[:1].upper() + text[1:]
