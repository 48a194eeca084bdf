"""The page of a suite's run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from entbench._records import Record, Spec, SuiteRun
from entbench._text import bound_text, difference_text, value_text
from entbench.report._format import FEW_LEGEND, INTERVALS
from entbench.report._render import Table
from entbench.report._suite import (
    Summary,
    _case_title,
    _cells,
    _setting,
    _slope_table,
    covered,
    summarise,
)
from entbench.report.html._about import (
    count,
    cut_short,
    listed,
    origin_blocks,
    outcome_facts,
    trouble_block,
)
from entbench.report.html._best import best_sentences
from entbench.report.html._page import Block, Fact, Grid, Page, Words
from entbench.report.html._pictures import suite_pictures

_MARKS = {
    "holds": "✓ holds",
    "violated": "✗ VIOLATED",
    "cannot tell": "? cannot tell",
    "vacuous": "○ vacuous",
}
_ERRORS = ("estimator", "n", "bias", "MAE", "RMSE", "seconds")


def suite_page(run: SuiteRun) -> Page:
    """Return the page of a suite's run."""
    summary = summarise(run)
    names = source_names(run)
    errors = _errors(summary, names)
    sections = {
        section.name: [
            grid_of(table, f"{section.name}-{i}") for i, table in enumerate(section.tables)
        ]
        for section in summary.sections
    }
    more = [grid_of(_slope_table(summary), "slopes")] if summary.slopes else []
    firsts = {name: grids[0] for name, grids in sections.items() if grids}
    total = len(run.records)
    said = ((r.status, r.message, _where(r, names)) for r in run.records if r.message)
    return Page(
        title=run.suite,
        lead=_lead(summary),
        facts=_facts(summary),
        blocks=[
            Block("summary", "Summary", [*_best(summary, names), _asked(run)]),
            Block("checks", "Checks", [_checks(summary)]),
            Block("errors", "Errors", [errors, *more]),
            *_coverage(summary),
            *(
                Block(f"section-{name}", name.replace("-", " ").capitalize(), grids)
                for name, grids in sections.items()
            ),
            Block("figures", "Figures", suite_pictures(summary, errors, firsts)),
            Block("truth", "Truth", [_truth(run, names)]),
            trouble_block(said, run.notes, "cell"),
            *origin_blocks(run.info, run.computed, total, "cell", not run.missing),
        ],
        alerts=[*cut_short(run.missing, "cell"), *_violated(summary)],
    )


def source_names(run: SuiteRun) -> dict[Spec, str]:
    """Return what to call each source: by what tells it from the others, if that is anything."""
    labels = {case.source: case.source.label for case in run.cases}
    if len({case.source.name for case in run.cases}) > 1 or len(labels) < 2:
        return labels
    return {source: _setting(source, run).removeprefix(" @ ") or source.label for source in labels}


def grid_of(table: Table, name: str) -> Grid:
    """Return a table of a printout as one of a page."""
    return Grid(name, table.title or name, table.headers, table.rows, table.left)


def _where(record: Record, names: dict[Spec, str]) -> str:
    cell = record.cell
    source = f"{names[cell.source]}, " if len(names) > 1 else ""
    return f"{source}{cell.estimator.label}, n={cell.n}, trial {cell.trial}"


def _lead(summary: Summary) -> str:
    run = summary.run
    estimators = len({row.estimator for row in summary.rows})
    sizes = len({row.n for row in summary.rows})
    trials = int(run.params["trials"])
    parts = [
        count(len(run.cases), "source"),
        count(estimators, "estimator"),
        count(sizes, "sample size"),
        count(trials, "trial"),
    ]
    return f"entbench {run.info.version}, {run.info.started}: {', '.join(parts)}"


def _facts(summary: Summary) -> list[Fact]:
    run = summary.run
    found = Counter(check.status for check in summary.checks)
    violated = found["violated"]
    facts = outcome_facts([record.status for record in run.records], run.missing, "cell")
    if summary.checks:
        facts.append(Fact("checks hold", f"{found['holds']} of {len(summary.checks)}"))
        facts.append(Fact("violated", str(violated), "bad" if violated else "good"))
    return facts


def _violated(summary: Summary) -> Iterator[str]:
    for check in summary.checks:
        if check.status == "violated":
            yield f"Check {check.name} is violated: {check.detail}"


def _best(summary: Summary, names: dict[Spec, str]) -> list[Grid | Words]:
    found = list(best_sentences(summary))
    if not found:
        return [Words(["No estimator is called the best: that takes two of them, and two trials."])]
    how = (
        "Compared as in the leaderboard: an estimator is told from the best where the 95 % "
        "interval of its rank begins above 1."
    )
    if len(summary.run.cases) == 1:
        sentence = found[0][1]
        return [Words([f"{sentence[:1].upper()}{sentence[1:]} {how}"])]
    rows = [(names[source], sentence) for source, sentence in found]
    return [Grid("best", "the least error at each source", ("source", "what"), rows, 2, how)]


def _coverage(summary: Summary) -> Iterator[Block]:
    """Yield how often intervals held the truth, where there are any."""
    found = [coverage for coverage in summary.coverages if coverage is not None]
    if found:
        yield Block("coverage", "Intervals", [grid_of(covered(summary, found), "coverage-rows")])


def _asked(run: SuiteRun) -> Grid:
    rows = [(key, listed(value)) for key, value in run.params.items()]
    return Grid("asked", "what was run", ("parameter", "value"), rows, left=2, plain=True)


def _checks(summary: Summary) -> Grid | Words:
    if not summary.checks:
        none = summary.run.checks is None
        return Words(["No check applies." if none else "The suite asks for none."])
    rows = [
        (check.name, _MARKS.get(check.status, f"- {check.status}"), check.detail)
        for check in summary.checks
    ]
    title = "whether the data obey the theorems"
    return Grid("checks-list", title, ("check", "status", "detail"), rows, left=3, plain=True)


def _errors(summary: Summary, names: dict[Spec, str]) -> Grid:
    """Return all rows as one table, so that it can be sorted and filtered over the sources."""
    known = {name for bounds in summary.bounds for name in bounds.values}
    theorems = [theorem for theorem in summary.theorems if theorem.name in known]
    cases = summary.run.cases
    several = len(cases) > 1
    rows = []
    for row, bounds in zip(summary.rows, summary.bounds, strict=True):
        cells = _cells(row, bounds, theorems)
        rows.append((names[row.source], *cells) if several else cells)
    headers = (*_ERRORS, *(theorem.header for theorem in theorems))
    legends = "; ".join(f"“{theorem.header}” is {theorem.label}" for theorem in theorems)
    few = FEW_LEGEND if any(row.few_trials for row in summary.rows) else ""
    remark = f"{INTERVALS}{few}." + (f" Theory: {legends}." if legends else "")
    if not several:
        return Grid("errors-table", _case_title(cases[0]), headers, rows, 1, remark)
    same = {case.source.name for case in cases}
    title = f"errors in nats, source {_common(summary.run)}" if len(same) == 1 else "errors in nats"
    return Grid("errors-table", title, ("source", *headers), rows, 2, remark)


def _common(run: SuiteRun) -> str:
    """Return the name of the run's source with the parameters that it never changes."""
    first = run.cases[0].source
    every = [dict(case.source.params) for case in run.cases]
    same = [
        f"{key}={value}" for key, value in first.params if all(p.get(key) == value for p in every)
    ]
    return f"{first.name}[{','.join(same)}]" if same else first.name


def _truth(run: SuiteRun, names: dict[Spec, str]) -> Grid:
    rows = []
    for case in run.cases:
        reference = case.reference
        again = "; ".join(
            f"{c.method}: differs by "
            f"{difference_text(c.difference, reference.error, reference.confidence)}"
            for c in reference.checks
        )
        sure = "certain" if reference.confidence >= 1.0 else ""
        rows.append(
            (
                names[case.source],
                reference.quantity,
                reference.method,
                again or reference.note,
                value_text(reference.value, reference.error, reference.confidence),
                bound_text(reference.error),
                sure or f"{reference.confidence:.4g}",
            )
        )
    headers = ("source", "quantity", "method", "second evaluations")
    numbers = ("value (nats)", "error ≤", "confidence")
    return Grid("truth-table", "true values, and how they are known", (*headers, *numbers), rows, 4)
