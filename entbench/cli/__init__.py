"""The command line: arguments in, one call out.

Nothing slow is imported before a command needs it, so that ``entbench --help`` is there at once.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

import click

from entbench import __version__
from entbench._text import line_of
from entbench.cli._bounds import bounds
from entbench.cli._check import check
from entbench.cli._common import ARGUMENTS
from entbench.cli._compare import compare
from entbench.cli._completion import completion
from entbench.cli._doctor import doctor
from entbench.cli._estimate import estimate
from entbench.cli._leaderboard import leaderboard
from entbench.cli._new import new
from entbench.cli._plan import plan
from entbench.cli._reference import reference
from entbench.cli._report import report
from entbench.cli._runs import export, runs, show_run
from entbench.cli._show import describe, list_names
from entbench.cli._suite import suite
from entbench.cli._upkeep import clean, merge

__all__ = ["main"]

_INTERRUPTED = 130


class _Group(click.Group):
    """Turns what a user can mend into one line and exit code 2."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)  # as added: in the order of use

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        given = arguments[1] if len(arguments) > 1 else extra["args"]
        said = list(given)  # which parsing empties
        with _usage():
            context = super().make_context(*arguments, **extra)
        context.meta[ARGUMENTS] = said
        return context

    def invoke(self, context: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a terminal without our signs gets "?"
        warnings.showwarning = _show_warning
        try:
            with _usage():
                return super().invoke(context)
        except BrokenPipeError:
            raise
        except MemoryError as error:
            _refuse(error, f"there is not enough memory for this. {error}")
        except (ValueError, TypeError, OSError, ImportError, OverflowError) as error:
            _refuse(error, str(error).strip() or type(error).__name__)
        except KeyboardInterrupt:
            click.echo(
                "entbench: interrupted; a suite keeps its finished cells: run it again to go on.",
                err=True,
            )
            sys.exit(_INTERRUPTED)


def _refuse(error: Exception, message: str) -> None:
    """Say in one line what is wrong, and end; with a traceback if that is asked for."""
    if os.environ.get("ENTBENCH_DEBUG"):
        raise error
    click.echo(f"entbench: error: {line_of(message)}", err=True)
    sys.exit(2)


class _UsageError(click.ClickException):
    """Wrong usage, in one line, as all that a user can mend."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        click.echo(f"entbench: error: {line_of(self.message)}", err=True)


@contextlib.contextmanager
def _usage() -> Iterator[None]:
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        where = f" (see `{error.ctx.command_path} --help`)" if error.ctx else ""
        raise _UsageError(f"{error.format_message()}{where}") from error


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning as one line; where in our code it came from is of no use to a user."""
    click.echo(f"entbench: warning: {line_of(message)}", err=True)


# click prints a paragraph that starts with a line of \b as it stands
_HELP = """Tell how good an estimator of differential entropy or mutual information is.

Runs estimators of h(S+Z), Z ~ N(0, sigma^2 I), or of I(X;Y) against sources whose truth is known,
and puts theory beside the data. Values are in nats.

\b
entbench suite d=5 sigma=0.1          error against n for every estimator
entbench suite d=5,10 n=1e2:1e4:log5  sweeps
entbench suite mutual-information     estimators of I(X;Y)
entbench runs                         what was run; then show, report, export
entbench leaderboard                  who is best, at equal n and in equal time
entbench compare v0.1.0 v0.2.0        what got worse, and is it more than chance
entbench bounds d=5 sigma=0.1         what theory says, before any sample
entbench list                         what there is
entbench reference bpsk d=5           what is true of a source
entbench estimate my.npy sigma=0.1    your own samples
entbench plan d=5 sigma=0.1 error=0.1 how many samples it takes
entbench new estimator mine           an estimator of your own
entbench check mine/mine.py:Mine      is it right, and if not, why
entbench doctor                       is this installation right, and fast

Set ENTBENCH_DEBUG=1 to see tracebacks, ENTBENCH_STORE to choose where results are kept.
"""


@click.group(
    cls=_Group,
    help=_HELP,
    # wider than click's 80 where the terminal is: what commands do fits on one line
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="entbench")
def main() -> None:
    """Run the command line."""


main.add_command(suite)
main.add_command(runs)
main.add_command(show_run)
main.add_command(report)
main.add_command(leaderboard)
main.add_command(compare)
main.add_command(export)
main.add_command(merge)
main.add_command(clean)
main.add_command(list_names)
main.add_command(describe)
main.add_command(reference)
main.add_command(bounds)
main.add_command(estimate)
main.add_command(plan)
main.add_command(new)
main.add_command(check)
main.add_command(doctor)
main.add_command(completion)
