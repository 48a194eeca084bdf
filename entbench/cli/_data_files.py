"""Options that say where published data are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def _set_mnist_folder(
    context: click.Context, parameter: click.Parameter, folder: Path | None
) -> None:
    """Name the folder to this process and its workers."""
    if folder is not None:
        os.environ["ENTBENCH_MNIST_DIR"] = str(folder.resolve())


def _compare_szt_file(
    context: click.Context, parameter: click.Parameter, file: Path | None
) -> None:
    """Refuse a file that does not say what the rule says, which is what is used."""
    if file is not None:
        from entbench.networks.data import load_szt

        load_szt(file)


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options."""
    mnist = click.option(
        "--mnist-dir",
        type=click.Path(path_type=Path),
        callback=_set_mnist_folder,
        expose_value=False,
        help="Folder of MNIST's four IDX files.  [default: $ENTBENCH_MNIST_DIR]",
    )
    szt = click.option(
        "--szt-file",
        type=click.Path(path_type=Path),
        callback=_compare_szt_file,
        expose_value=False,
        help="Published MATLAB file of the SZT data, to be held against the rule that makes them.",
    )
    return mnist(szt(command))
