"""``entbench new``: the files to start from."""

from __future__ import annotations

import keyword
import sys
from pathlib import Path

import click


@click.group()
def new() -> None:
    """Write a plugin to start from."""


@new.command()
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where to write.  [default: a folder NAME here]",
)
@click.option(
    "--reads",
    type=click.Choice(["noisy", "signal"]),
    default="noisy",
    show_default=True,
    help="Whether it is given samples of T = S + Z, or samples of S and sigma.",
)
@click.option(
    "--kind",
    type=click.Choice(["entropy", "mutual-information"]),
    default="entropy",
    show_default=True,
    help="What it estimates.",
)
def estimator(name: str, folder: Path | None, reads: str, kind: str) -> None:
    """Write an estimator with one method to fill in.

    NAME is its name in tables, like my-method: lower-case letters, digits and single hyphens. The
    folder gets the class, its test, a pyproject.toml with the entry point, and a README.
    Nothing that is there already is overwritten.
    """
    from entbench.cli._templates import class_name, module_name, plugin_files

    _check_name(name)
    place = Path(name) if folder is None else folder
    _write(place, plugin_files(name, kind, reads))
    file = place / f"{module_name(name)}.py"
    suite = "d=5 sigma=0.1" if kind == "entropy" else "mutual-information"
    click.echo(
        f"wrote the plugin {name} to {place}\n"
        "\n"
        "next:\n"
        f"  fill in the method `_estimate` in {file}\n"
        f"  entbench check {file}:{class_name(name)}\n"
        f"  entbench suite {suite} --plugin {file}\n"
        f"  pip install -e {_as_path(place)}     # then the name is known without --plugin"
    )


def _check_name(name: str) -> None:
    """Raise unless class, module and entry point can all bear the name."""
    from entbench import _registry
    from entbench.cli._templates import module_name

    if not _registry.is_kebab(name) or not name[0].isalpha():
        raise ValueError(
            "`NAME` must be lower-case letters, digits and single hyphens, a letter first; "
            f"got {name!r}."
        )
    if name in _registry.estimators.names():
        raise ValueError(f"there is an estimator {name!r} already: choose another name.")
    module = module_name(name)
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or _is_installed(module):
        raise ValueError(f"{module!r} is the name of a Python module already: choose another name.")


def _is_installed(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def _write(folder: Path, files: dict[str, str]) -> None:
    there = [folder / file for file in files if (folder / file).exists()]
    if there:
        raise ValueError(f"{there[0]} is there already: nothing was written.")
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        with (folder / file).open("x", encoding="utf-8") as target:
            target.write(text)


def _as_path(folder: Path) -> str:
    """Return the folder such that pip does not take it for a package's name."""
    return str(folder) if folder.is_absolute() else f"./{folder}"
