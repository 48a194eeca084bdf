"""Options and output that commands share."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from entbench._text import encodable, printable

if TYPE_CHECKING:
    from entbench.report import Printout, Screen

ARGUMENTS = "entbench.arguments"  # of this call of the command line, in the context's `meta`

_PIPE_WIDTH = 140
_PLAIN_N = 10**9
_FORMATS = ("table", "json", "csv", "markdown", "latex")

format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(_FORMATS),
    default="table",
    show_default=True,
    help="How to print results.",
)


def _complete_estimators(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from entbench import _registry

    return [CompletionItem(n) for n in _registry.estimators.names() if n.startswith(incomplete)]


def estimator_option(help_text: str) -> Callable[[Any], Any]:
    """Return the repeatable option ``-e NAME[key=value,...]``."""
    return click.option(
        "-e",
        "--estimator",
        "estimators",
        multiple=True,
        metavar="NAME[key=value,...]",
        shell_complete=_complete_estimators,
        help=help_text,
    )


plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="FILE.py|MODULE",
    help="Load a file or module that registers estimators, sources, theorems or experiments. "
    "Repeatable.",
)


store_option = click.option(
    "--store",
    type=click.Path(path_type=Path),
    help="SQLite file of finished cells.  [default: in the user's data directory]",
)


def _complete_runs(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from entbench.runner import Store, StoreError, default_path

    try:
        with Store(context.params.get("store") or default_path(), create=False) as store:
            runs = store.runs()
    except StoreError:
        return []
    ids = [CompletionItem(run.info.id, help=run.suite) for run in reversed(runs)]
    return [item for item in ids if item.value.startswith(incomplete)]


def run_argument(name: str = "run", required: bool = False) -> Any:
    """Return the argument RUN, the latest by default."""
    # to click, a default of None is a value that stands in for a missing one
    known: dict[str, Any] = {"required": True} if required else {"default": "latest"}
    metavar = name.upper() if required else f"[{name.upper()}]"
    return click.argument(name, metavar=metavar, shell_complete=_complete_runs, **known)


def load_plugins(plugins: Sequence[str]) -> list[str]:
    """Load plugins; return the names of the estimators they registered."""
    from entbench import _registry

    before = set(_registry.estimators.names())
    with contextlib.redirect_stdout(sys.stderr):  # standard output is for results
        for plugin in plugins:
            _registry.load_plugin(plugin)
    return [name for name in _registry.estimators.names() if name not in before]


def _screen() -> Screen:
    """Return what standard output can show."""
    from entbench.report import Screen

    if not sys.stdout.isatty():
        return Screen(_PIPE_WIDTH, color=False)
    return Screen(shutil.get_terminal_size().columns, color=True)


def show(printout: Printout, format_: str) -> None:
    """Print to standard output in the format asked for."""
    from entbench.report import render

    click.echo(render(printout, format_, _screen()), nl=False)  # type: ignore[arg-type]


def command_line() -> str:
    """Return this call of the command line, as a line for a shell."""
    context = click.get_current_context(silent=True)
    arguments = context.meta.get(ARGUMENTS, ()) if context is not None else ()
    line = shlex.join(["entbench", *arguments]) if arguments else ""
    return encodable(line)  # a file's name may be no text


def sample_size(n: float) -> str:
    """Return a number of samples as digits up to 1e9, beyond as 4e9 or 6.90e9.

    Rounded up, so that as many as are shown do where `n` is how many are needed.
    """
    whole = int(n)
    if whole <= _PLAIN_N:
        return str(whole)
    exponent = len(str(whole)) - 1
    lead = -(-whole // 10 ** (exponent - 2))
    if lead == 1000:
        exponent, lead = exponent + 1, 100
    exact = lead % 100 == 0 and whole == lead * 10 ** (exponent - 2)
    return f"{lead // 100}e{exponent}" if exact else f"{lead / 100:.2f}e{exponent}"


def assignments(tokens: Sequence[str]) -> dict[str, str]:
    """Return ``key=value`` tokens as a dictionary of texts."""
    from entbench.runner import parse_assignment

    found: dict[str, str] = {}
    for token in tokens:
        key, value = parse_assignment(token)
        if key in found:
            raise ValueError(f"`{key}` is given twice.")
        found[key] = value
    return found


def say(quiet: bool, text: str) -> None:
    """Say something on standard error, unless asked to be quiet."""
    if not quiet:
        click.echo(printable(text), err=True)
