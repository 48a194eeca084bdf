"""The files of a run: tables, JSON and figures in a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from entbench._records import ExperimentRun
from entbench._text import failure_line
from entbench.report._experiment import experiment_printout, results_of, said_of
from entbench.report._render import Printout, render, to_csv
from entbench.report._suite import Summary, suite_printout

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OnFailure = Callable[[str], object]
Data = TypeVar("Data")


def check_folder(folder: Path) -> None:
    """Make the folder and see that files can be written into it; raise ValueError if not."""
    probe = folder / f".entbench-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_text("room for a line")  # an empty file fits on a full disk
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise ValueError(f"output folder {folder} cannot be written: {error.strerror}.") from error


def write_files(summary: Summary, folder: Path, on_failure: OnFailure | None = None) -> list[Path]:
    """Write ``results.csv``, ``results.json``, the other tables as CSV, and the figures.

    Figures come as PNG and SVG. Returns the paths.

    Parameters
    ----------
    summary : Summary
        Of the run.
    folder : Path
        Where the files go.
    on_failure : callable, optional
        Takes a line for each figure that cannot be drawn; the rest is written. By default the
        first such figure raises.
    """
    from entbench.report.figures import FIGURES  # matplotlib is slow to import

    tables = [(_stem(section.name), to_csv(section.records)) for section in summary.sections]
    written = _write_results(suite_printout(summary), tables, folder)
    figures = {name: FIGURES[name] for name in summary.run.figures}
    return written + _write_figures(figures, summary, folder, on_failure)


def write_experiment_files(
    run: ExperimentRun, folder: Path, on_failure: OnFailure | None = None
) -> list[Path]:
    """Write ``results.csv``, ``results.json`` and the experiment's figures; see `write_files`."""
    from entbench.report.figures import named_figures  # matplotlib is slow to import

    written = _write_results(experiment_printout(run), [], folder)
    figures = named_figures(said_of(run).figures)
    return written + _write_figures(figures, results_of(run), folder, on_failure)


def _write_figures(
    figures: Mapping[str, Callable[[Data], Figure]],
    data: Data,
    folder: Path,
    on_failure: OnFailure | None,
) -> list[Path]:
    written = []
    for name, draw in figures.items():
        try:
            figure = draw(data)
        except Exception as failure:
            if on_failure is None:
                raise
            on_failure(f"figure {name} cannot be drawn from this run: {failure_line(failure)}")
        else:
            written += _write_figure(figure, name, folder)
    return written


def _write_results(
    printout: Printout, tables: Iterable[tuple[str, str]], folder: Path
) -> list[Path]:
    texts = [
        ("results.csv", render(printout, "csv")),
        ("results.json", render(printout, "json")),
        *((f"{stem}.csv", text) for stem, text in tables),
    ]
    return [_write(folder / name, partial(_save_text, text)) for name, text in texts]


def _write(path: Path, save: Callable[[Path], object]) -> Path:
    """Make a file, which is there whole or not at all."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        save(unfinished)
        return unfinished.replace(path)
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _save_text(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def _write_figure(figure: Figure, name: str, folder: Path) -> list[Path]:
    metadata = {"Title": f"entbench {name}"}
    return [
        _write(
            folder / f"{_stem(name)}.{kind}",
            partial(figure.savefig, format=kind, dpi=160, metadata=metadata),
        )
        for kind in ("png", "svg")
    ]


def _stem(name: str) -> str:
    return name.replace("-", "_")
