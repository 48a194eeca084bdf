"""What a run of an experiment comes to: results by step, and the paper's claims beside them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, NamedTuple

from entbench import _registry
from entbench._base import Claim, Experiment, ExperimentResult, ResultTable
from entbench._records import ExperimentRun, Measurement, Spec
from entbench._text import failure_line
from entbench.report._format import number
from entbench.report._render import Printout, Table

_MOST_LINES, _MOST_SETTINGS = 14, 4
_MARKS = {True: "✓ yes", False: "✗ no", None: "- not told"}


class Said(NamedTuple):
    """What an experiment makes of the results of a run.

    Attributes
    ----------
    claims : list of Claim
        What the paper says, beside what was measured.
    tables : list of ResultTable
        The paper's tables as they came out.
    remark : str
        How far the run went.
    figures : tuple
        See `Experiment.figures`.
    missing : tuple of str
        What is left out, and why: a line each.
    """

    claims: list[Claim]
    tables: list[ResultTable]
    remark: str
    figures: tuple[Any, ...]
    missing: tuple[str, ...]


def said_of(run: ExperimentRun) -> Said:
    """Return what the run's experiment makes of it; its results are in the record in any case.

    An experiment that is not known here says nothing, and a run cut short may lack what a claim
    takes for granted.
    """
    results = results_of(run)
    missing = []
    experiment: Any = Experiment  # which says nothing of its own
    try:
        experiment = _registry.experiments.load(run.experiment)
    except (ValueError, TypeError):
        missing.append(
            f"! claims, tables and figures are left out: experiment {run.experiment!r} is not "
            "known here; load its plugin (--plugin)"
        )
    found: dict[str, Any] = {"claims": [], "tables": [], "remark": ""}
    for name in found:
        try:
            found[name] = getattr(experiment, name)(results)
        except Exception as failure:
            missing.append(f"! {name} cannot be made from this run: {failure_line(failure)}")
    figures = experiment.figures if results else ()
    return Said(**found, figures=figures, missing=tuple(missing))


def results_of(run: ExperimentRun) -> list[ExperimentResult]:
    """Return the results of the steps that have one."""
    return [
        ExperimentResult(
            dict(found.cell.experiment.params), dict(found.cell.at), dict(found.result)
        )
        for found in run.records
        if found.ok
    ]


def experiment_printout(run: ExperimentRun) -> Printout:
    """Return the printout of a run: a table for each setting, the paper's, and the claims."""
    said = said_of(run)
    claims, tables, remark = said.claims, said.tables, said.remark
    data = {
        "suite": run.suite,
        "experiment": run.experiment,
        "preset": run.preset,
        "params": run.params,
        "claims": [claim._asdict() for claim in claims],
        "remark": remark,
        "tables": [table._asdict() for table in tables],
        "steps": [_step_data(found) for found in run.records],
        "run": {**asdict(run.info), "computed": run.computed, "steps": len(run.records)},
    }
    failed = [found for found in run.records if not found.ok]
    return Printout(
        data=data,
        records=[_flat(found) for found in run.records],
        tables=[
            *_setting_tables(run),
            *(Table(t.headers, t.rows, t.title, gaps=False) for t in tables),
            *_claim_tables(claims, remark),
        ],
        notes=[
            *(f"✗ failed: {f.message} [{f.cell.label}]" for f in failed[:5]),
            *said.missing,
        ],
        heading=f"{run.suite}, preset {run.preset}: {len(run.records)} steps; nats",
    )


def _step_data(found: Measurement) -> dict[str, Any]:
    return {
        "params": dict(found.cell.experiment.params),
        "step": dict(found.cell.at),
        "status": found.status,
        "message": found.message,
        "seconds": found.seconds,
        "result": found.result,
    }


def _flat(found: Measurement) -> dict[str, Any]:
    """Return parameters, step and those results that are single numbers, as a line of CSV."""
    single = {k: v for k, v in found.result.items() if not isinstance(v, list | dict)}
    return {
        **dict(found.cell.experiment.params),
        **dict(found.cell.at),
        "status": found.status,
        **single,
    }


def _setting_tables(run: ExperimentRun) -> list[Table]:
    """Return a table of single numbers against the steps, thinned where they are many.

    Where there are many settings, one table has the last step of each.
    """
    settings: dict[Spec, list[Measurement]] = {}
    for found in run.records:
        if found.ok and any(not isinstance(v, list | dict) for v in found.result.values()):
            settings.setdefault(found.cell.experiment, []).append(found)
    if len(settings) > _MOST_SETTINGS:
        return [_last_steps({spec: group[-1] for spec, group in settings.items()})]
    return [_setting_table(spec, group) for spec, group in settings.items()]


def _last_steps(settings: dict[Spec, Measurement]) -> Table:
    """Return a table of the last step of each setting, told apart by what differs."""
    every = [dict(spec.params) for spec in settings]
    differ = [name for name in every[0] if len({params[name] for params in every}) > 1]
    last = list(settings.values())
    steps = [k for k, v in last[-1].cell.at if not isinstance(v, str)]
    columns = [k for k, v in last[-1].result.items() if not isinstance(v, list | dict)]
    rows = [
        (
            *(_cell(params[name]) for name in differ),
            *(_cell(dict(found.cell.at).get(name)) for name in steps),
            *(_cell(found.result.get(name)) for name in columns),
        )
        for params, found in zip(every, last, strict=True)
    ]
    headers = (*differ, *steps, *columns)
    return Table(headers, rows, "the last step of each setting", len(differ), gaps=False)


def _setting_table(spec: Spec, group: list[Measurement]) -> Table:
    every = max(1, -(-len(group) // _MOST_LINES))
    shown = [found for i, found in enumerate(group) if i % every == 0 or i == len(group) - 1]
    columns = [k for k, v in shown[-1].result.items() if not isinstance(v, list | dict)]
    steps = [k for k, v in shown[-1].cell.at if not isinstance(v, str)]
    rows = [
        (
            *(str(dict(found.cell.at).get(name, "")) for name in steps),
            *(_cell(found.result.get(name)) for name in columns),
        )
        for found in shown
    ]
    thinned = f", one step of {every}" if every > 1 else ""
    return Table((*steps, *columns), rows, f"{spec.label}{thinned}", left=0, gaps=False)


def _cell(value: Any) -> str:
    return number(value) if isinstance(value, float) else str("" if value is None else value)


def _claim_tables(claims: list[Claim], remark: str) -> list[Table]:
    if not claims:
        return []
    rows = [(c.claim, c.where, c.measured, _MARKS[c.holds]) for c in claims]
    headers = ("claim of the paper", "where", "measured here", "holds?")
    title = f"what the paper says, and what came out{f' {remark}' if remark else ''}"
    return [Table(headers, rows, title, left=4, gaps=False)]
