"""``entbench check``: an estimator of one's own, right or wrong, and why."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from entbench.cli._common import (
    _complete_estimators,
    format_option,
    load_plugins,
    plugin_option,
    show,
)

if TYPE_CHECKING:
    from entbench.report import Printout
    from entbench.testing import CheckResult

_FILE = re.compile(r"^(?P<path>.+\.py)(?::(?P<cls>[^\[\]]*))?(?P<inside>\[.*\])?$")
_FAILED = 1


@click.command()
@click.argument(
    "estimator", metavar="NAME|FILE.py[:CLASS][key=value,...]", shell_complete=_complete_estimators
)
@click.option("--only", metavar="NAME[,NAME...]", default="", help="Make these checks only.")
@plugin_option
@format_option
def check(estimator: str, only: str, plugins: Sequence[str], format_: str) -> None:
    """Tell whether an estimator is right, and if it is not, why.

    ESTIMATOR is a registered name, or a class of a Python file; FILE.py alone will do where it
    registers one estimator. Parameters go in brackets, as in kl[k=3]. The first line says whether
    the value is right. Exits with 1 if a check fails.
    """
    from entbench.testing import run_checks

    load_plugins(plugins)
    with contextlib.redirect_stdout(sys.stderr):  # standard output is for results
        cls, params = _target(estimator)
        names = [name.strip() for name in only.split(",") if name.strip()]
        results = run_checks(cls, params, checks=names or None)
    show(_printout(estimator, cls, params, results), format_)
    if any(result.failed for result in results):
        sys.exit(_FAILED)


def _target(text: str) -> tuple[Any, dict[str, Any]]:
    """Return the class that a text names, and its parameters."""
    from entbench import _registry
    from entbench.runner import parse_named

    match = _FILE.match(text)
    if match is None:
        name, params = parse_named(text)
        return _registry.estimators.load(name), params
    _, params = parse_named(f"estimator{match['inside'] or ''}")
    if match["cls"] is None:
        return _only_registered(match["path"]), params
    return _class_of(match["path"], match["cls"]), params


def _only_registered(path: str) -> Any:
    """Return the one estimator that a file registers."""
    from entbench import _registry

    load_plugins([path])
    names = _registry.estimators.names_in(Path(path))
    if len(names) != 1:
        listed = ", ".join(names) or "none"
        raise ValueError(f"{path} registers {len(names)} estimators ({listed}): say {path}:CLASS.")
    return _registry.estimators.load(names[0])


def _class_of(path: str, name: str) -> Any:
    """Return a class of a file, registered or not."""
    from entbench import _registry
    from entbench._base import Estimator
    from entbench._validation import unknown_name

    if not Path(path).is_file():
        raise ValueError(f"there is no file {path}.")
    try:
        module = _registry.import_file(Path(path).resolve())
    except Exception as error:
        raise ValueError(f"{path} failed: {type(error).__name__}: {error}") from error
    found = getattr(module, name, None)
    if found is None:
        own = [
            key
            for key, value in vars(module).items()
            if isinstance(value, type)
            and issubclass(value, Estimator)
            and value.__module__ == module.__name__
        ]
        raise ValueError(unknown_name(f"class of {path}", name, own))
    return found


def _printout(
    text: str, cls: Any, params: dict[str, Any], results: Sequence[CheckResult]
) -> Printout:
    from entbench.report import Printout, Table
    from entbench.testing import MARKS, describe_settings, describe_value

    rows: list[tuple[str, ...]] = []
    for result in results:
        rows.append((MARKS[result.status], result.name, result.finding))
        if result.explanation:
            rows.append(("", "", result.explanation))
    records = [
        {
            "check": r.name,
            "status": r.status,
            "finding": r.finding,
            "cause": r.cause,
            "root": r.root,
        }
        for r in results
    ]
    counts = {status: sum(r.status == status for r in results) for status in MARKS}
    value = describe_value(results)
    data = {
        "estimator": text,
        "class": cls.__name__,
        "value": value,
        "counts": counts,
        "checks": records,
    }
    return Printout(
        data=data,
        records=records,
        tables=[Table(("", "check", "what was found"), rows, left=3, gaps=False)],
        notes=[
            *_verdict(results),
            f"{text}: {cls.__name__}, {cls.role}, reads {getattr(cls, 'reads', '?')}.",
            describe_settings(cls, params),
        ],
        heading=value,
    )


def _verdict(results: Sequence[CheckResult]) -> list[str]:
    """Return the line that tells all: how many failed, and the first cause."""
    failed = [result for result in results if result.failed]
    made = sum(result.status != "not applicable" for result in results)
    if not failed:
        known = sum(result.status == "known failure" for result in results)
        but = f", but for {known} that the method is known to fail" if known else ""
        return [f"✓ all {made - known} checks that apply hold{but}."]
    lines = [f"✗ {len(failed)} of {made} checks failed: {', '.join(r.name for r in failed)}."]
    first = next((result for result in failed if result.cause and not result.root), None)
    if first is not None:
        lines.append(f"✗ Look first at `{first.name}`. {first.explanation}")
    return lines
