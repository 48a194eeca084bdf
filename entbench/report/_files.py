"""The files of a run: table, JSON and figures in a folder."""

from __future__ import annotations

import os
from pathlib import Path

from entbench.report._render import render
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
    """Write ``results.csv``, ``results.json`` and each figure as PNG and SVG; return the paths."""
    from entbench.report._figures import FIGURES  # matplotlib is slow to import

    printout = suite_printout(summary)
    written = []
    for name, text in (
        ("results.csv", render(printout, "csv")),
        ("results.json", render(printout, "json")),
    ):
        partial = folder / f".{name}.part"
        partial.write_text(text, encoding="utf-8")
        written.append(partial.replace(folder / name))
    for name in summary.run.figures:
        figure = FIGURES[name](summary)
        for kind in ("png", "svg"):
            path = folder / f"{name.replace('-', '_')}.{kind}"
            partial = folder / f".{path.name}.part"
            figure.savefig(partial, format=kind, dpi=160, metadata={"Title": f"entbench {name}"})
            written.append(partial.replace(path))
    return written
