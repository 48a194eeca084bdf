"""One file with all that a run came to, for a browser."""

from __future__ import annotations

import os
import re
from pathlib import Path

from entbench._records import ExperimentRun, SuiteRun

__all__ = ["check_target", "html_report", "report_name", "write_report"]

_MARK = b'<meta name="generator" content="entbench'
_HEAD_BYTES = 1024  # at most that far from the beginning of a report stands the mark
_LONGEST_NAME = 100


def html_report(run: SuiteRun | ExperimentRun) -> str:
    """Return the page of a run.

    It is one file: tables, figures, style and script are in it, and it asks for nothing from
    anywhere. All text from the run is escaped.
    """
    from entbench.report.html._experiment_page import experiment_page
    from entbench.report.html._page import page_text
    from entbench.report.html._suite_page import suite_page

    page = suite_page(run) if isinstance(run, SuiteRun) else experiment_page(run)
    return page_text(page)


def report_name(run: SuiteRun | ExperimentRun) -> str:
    """Return the file's name, whatever the suite is called: ``report-fig14-1a2b3c.html``."""
    suite = Path(run.suite).stem if "/" in run.suite else run.suite
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", suite).strip("-.")[:_LONGEST_NAME]
    return f"report-{plain or 'suite'}-{run.info.id}.html"


def check_target(path: Path) -> None:
    """See that a report can be written there; raise ValueError if not.

    A report takes the place of an older one, and of nothing else.
    """
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise ValueError(f"{path} is not a file; name one with -o.")
    if path.is_file() and not _is_report(path):
        raise ValueError(
            f"{path} exists and is no report of entbench: it is not written over. Remove it, or "
            "name another file with -o."
        )
    probe = _partial(path)
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(f"report {path} cannot be written: {error.strerror}.") from error


def write_report(run: SuiteRun | ExperimentRun, path: Path) -> Path:
    """Write the page of a run, whole or not at all; return its path."""
    check_target(path)
    text = html_report(run)
    partial = _partial(path)
    try:
        partial.write_text(text, encoding="utf-8")
        return partial.replace(path)
    except OSError as error:
        raise ValueError(f"report {path} cannot be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _is_report(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _MARK in file.read(_HEAD_BYTES)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error


def _partial(path: Path) -> Path:
    return path.with_name(f".entbench-{os.getpid()}.part")
