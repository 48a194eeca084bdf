"""The files of a run: table, JSON and figures in a folder."""

from __future__ import annotations

import os
from pathlib import Path

from entbench.report._render import render, to_csv
from entbench.report._suite import Summary, suite_printout


def check_folder(folder: Path) -> None:
    """Make the folder and see that files can be written into it; raise ValueError if not."""
    probe = folder / f".entbench-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise ValueError(f"output folder {folder} cannot be written: {error.strerror}.") from error


def write_files(summary: Summary, folder: Path) -> list[Path]:
    """Write ``results.csv``, ``results.json``, the other tables as CSV, and the figures.

    Figures come as PNG and SVG. Returns the paths.
    """
    from entbench.report.figures import FIGURES  # matplotlib is slow to import

    printout = suite_printout(summary)
    written = []
    for name, text in (
        ("results.csv", render(printout, "csv")),
        ("results.json", render(printout, "json")),
        *((f"{_stem(s.name)}.csv", to_csv(s.records)) for s in summary.sections),
    ):
        partial = folder / f".{name}.part"
        partial.write_text(text, encoding="utf-8")
        written.append(partial.replace(folder / name))
    for name in summary.run.figures:
        figure = FIGURES[name](summary)
        for kind in ("png", "svg"):
            path = folder / f"{_stem(name)}.{kind}"
            partial = folder / f".{path.name}.part"
            figure.savefig(partial, format=kind, dpi=160, metadata={"Title": f"entbench {name}"})
            written.append(partial.replace(path))
    return written


def _stem(name: str) -> str:
    return name.replace("-", "_")
