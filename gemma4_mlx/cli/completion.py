"""`gemma4 completion`: what a shell needs to complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROGRAM = "gemma4"
VARIABLE = "_GEMMA4_COMPLETE"
"""With this one set, the program answers the shell instead of running."""

MORE = """
\b
Examples:
  eval "$(gemma4 completion bash)"      in ~/.bashrc
  eval "$(gemma4 completion zsh)"       in ~/.zshrc
  gemma4 completion fish > ~/.config/fish/completions/gemma4.fish
"""


@click.command(short_help="Complete commands in the shell.", epilog=MORE)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script with which SHELL completes commands, options and files."""
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(made(context.find_root().command, {}, PROGRAM, VARIABLE).source())
