"""``entbench completion``: what a shell needs to complete names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    r"""Print the shell's completion script.

    \b
    bash:  eval "$(entbench completion bash)"       in ~/.bashrc
    zsh:   eval "$(entbench completion zsh)"        in ~/.zshrc
    fish:  entbench completion fish > ~/.config/fish/completions/entbench.fish
    """
    found = get_completion_class(shell)
    if found is None:
        raise ValueError(f"no completion for {shell!r}.")
    click.echo(found(context.find_root().command, {}, "entbench", "_ENTBENCH_COMPLETE").source())
