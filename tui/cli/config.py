"""The command `gemma4 config`."""

from __future__ import annotations

import os

import click

from gemma4_mlx.errors import UsageError
from tui.editor import edit_file
from tui.settings import toml_file
from tui.terminal import is_terminal


@click.group(short_help="The chat's settings.")
def config() -> None:
    """The chat's settings: one commented file, settings.toml."""


@config.command()
def path() -> None:
    """Print where the file is, or would be."""
    click.echo(toml_file.settings_path())


@config.command()
@click.pass_context
def edit(context: click.Context) -> None:
    """Open the file in VISUAL or EDITOR.

    A new one explains every setting.
    """
    if not is_terminal() and not any(map(os.environ.get, ("VISUAL", "EDITOR"))):
        raise UsageError(
            "there is no terminal for an editor, and neither VISUAL nor EDITOR names one",
            f"edit {toml_file.settings_path()}",
        )
    file = toml_file.settings_path()
    if not file.exists():
        toml_file.begin(file)
    edit_file(file)
    problems = toml_file.read(file).problems
    for problem in problems:
        click.echo(f"error: {problem}", err=True)
    if problems:
        click.echo("hint: the chat starts all the same, with the defaults of these", err=True)
        context.exit(2)
