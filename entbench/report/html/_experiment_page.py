"""The page of an experiment's run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from entbench._records import ExperimentRun
from entbench.report._experiment import (
    Said,
    _flat,
    experiment_printout,
    results_of,
    said_of,
)
from entbench.report._format import number
from entbench.report.html._about import (
    count,
    cut_short,
    listed,
    origin_blocks,
    outcome_facts,
    trouble_block,
)
from entbench.report.html._page import Block, Fact, Grid, Page, Words
from entbench.report.html._pictures import experiment_pictures

_MOST_CELLS = 60_000


def experiment_page(run: ExperimentRun) -> Page:
    """Return the page of an experiment's run."""
    said = said_of(run)
    tables, words = _results(run, said)
    steps = _steps([_flat(found) for found in run.records])
    troubles = ((m.status, m.message, m.cell.label) for m in run.records if m.message)
    asked = [(key, listed(value)) for key, value in run.params.items()]
    total = len(run.records)
    return Page(
        title=run.suite,
        lead=f"entbench {run.info.version}, {run.info.started}: experiment {run.experiment}, "
        f"preset {run.preset}, {count(total, 'step')}",
        facts=_facts(run, said),
        blocks=[
            Block("summary", "Summary", [*words, _grid("asked", "what was run", asked)]),
            Block("results", "Results", tables or [Words(["None."])]),
            Block("figures", "Figures", experiment_pictures(said.figures, results_of(run), steps)),
            Block("steps", "Every step", [steps]),
            trouble_block(troubles, [], "step"),
            *origin_blocks(run.info, run.computed, total, "step", not run.missing),
        ],
        alerts=cut_short(run.missing, "step"),
    )


def _results(run: ExperimentRun, said: Said) -> tuple[list[Grid], list[Words]]:
    """Return the tables of the printout, and how far the run went."""
    grids = [
        Grid(f"table-{i}", table.title or f"table {i + 1}", table.headers, table.rows, table.left)
        for i, table in enumerate(experiment_printout(run).tables)
    ]
    remark = said.remark.strip()
    return grids, [Words([text]) for text in (remark, *said.missing) if text]


def _grid(name: str, caption: str, rows: list[tuple[str, str]]) -> Grid:
    return Grid(name, caption, ("parameter", "value"), rows, left=2, plain=True)


def _facts(run: ExperimentRun, said: Said) -> list[Fact]:
    facts = outcome_facts([m.status for m in run.records], run.missing, "step")
    held = Counter(claim.holds for claim in said.claims)
    if held:
        facts.append(Fact("claims hold", f"{held[True]} of {held.total()}"))
        facts.append(Fact("do not hold", str(held[False]), "bad" if held[False] else "good"))
    return facts


def _steps(records: Sequence[Mapping[str, Any]]) -> Grid:
    """Return every step with its single numbers, where they are not too many for a page.

    What is the same in all of them is said once, above.
    """
    every = tuple(dict.fromkeys(key for record in records for key in record))
    same = {k for k in every if len({repr(record.get(k)) for record in records}) == 1}
    headers = tuple(key for key in every if key not in same) or every
    shown = records[: max(1, _MOST_CELLS // max(1, len(headers)))]
    rows = [tuple(_cell(record, key) for key in headers) for record in shown]
    remark = f"the first {len(shown)} of {len(records)}" if len(shown) < len(records) else ""
    told = ", ".join(f"{key}={_cell(records[0], key)}" for key in every if key in same)
    caption = f"every step; in all of them {told}" if told else "every step"
    return Grid("steps-table", caption, headers, rows, left=1, remark=remark)


def _cell(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    if value is None:
        return ""
    return number(value) if isinstance(value, float) else str(value)
