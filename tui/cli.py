"""The command `gemma4 chat`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from gemma4_mlx.messages import IMAGE_TOKEN_BUDGETS

if TYPE_CHECKING:
    from gemma4_mlx.engine import EngineLike
    from tui.app import ChatApp
    from tui.options import ChatOptions
    from tui.settings.preferences import Preferences

MORE = """
\b
Examples:
  gemma4                                  talk to the model of the settings
  gemma4 chat -m google/gemma-4-E2B-it    to another one
  gemma4 chat -a receipt.jpg --image-tokens 1120
  gemma4 chat -c                          go on with the last chat
  gemma4 chat --plain                     line by line

\b
In the chat:
  F1 lists all keys, / all commands, F2 all settings. Drop or paste files to attach them.

\b
Files:
  settings.toml   `gemma4 config path` says where; an option wins over it
  chats.db        all chats, in GEMMA4_HOME or where the system keeps such files

\b
Environment:
  GEMMA4_MODEL    the model, as with -m
  GEMMA4_HOME     a folder for settings, chats and logs
  VISUAL, EDITOR  the editor for long prompts (ctrl+g)
  NO_COLOR        no colours

\b
Exit codes:
  0 ok, 1 the engine or the chat broke, 2 usage, 3 model missing or unreadable,
  4 not enough memory, 128 and the number of a signal that ended it
"""


@click.command(short_help="Talk to a model in the terminal.", epilog=MORE)
@click.option(
    "-m",
    "--model",
    default="pocket",
    envvar="GEMMA4_MODEL",
    show_default=True,
    show_envvar=True,
    help="Folder or hub id.",
)
@click.option(
    "-a",
    "--attach",
    "attachments",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Attach a picture or clip to the first question; can be repeated.",
)
@click.option(
    "--image-tokens",
    type=click.Choice([*map(str, IMAGE_TOKEN_BUDGETS), "auto"]),
    callback=lambda ctx, option, value: int(value) if value and value != "auto" else value,
    help="The most tokens that a picture may cost.",
)
@click.option("--system", default="", metavar="TEXT", help="System prompt.")
@click.option("--think/--no-think", "thinking", default=False, help="Let the model think first.")
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    default=2048,
    show_default=True,
    help="The most tokens of an answer.",
)
@click.option("--temperature", type=click.FloatRange(0, 100), help="0 takes the likeliest token.")
@click.option("--top-p", type=click.FloatRange(0, 1), help="Nucleus sampling.")
@click.option("--top-k", type=click.IntRange(min=0), help="Sample from the k likeliest tokens.")
@click.option("--seed", type=click.IntRange(min=0), help="Makes sampling repeatable.")
@click.option("-c", "--continue", "continue_last", is_flag=True, help="Go on with the last chat.")
@click.option("--plain", is_flag=True, help="Line by line, for screen readers and slow lines.")
@click.option("--no-save", "keep_chats", flag_value=False, default=True, help="Keep nothing.")
@click.pass_context
def chat(context: click.Context, **options: Any) -> None:
    """Talk to a model in the terminal, with pictures and sound.

    Chats are kept on this disk and nowhere else; nothing is sent anywhere.
    """
    from tui.terminal import is_terminal

    given = {
        name: value
        for name, value in options.items()
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    chosen, preferences = _chosen(given)
    if chosen.plain or (is_terminal() and os.environ.get("TERM") == "dumb"):
        context.exit(_run_plain(chosen, preferences))
    if not is_terminal():
        raise click.UsageError("The chat needs a terminal; in a pipe use: gemma4 ask")
    # Not at the top: Textual takes a quarter of a second, too much for --help.
    from tui.app import ChatApp

    engine = _engine(chosen)
    context.exit(run(ChatApp(engine, chosen, preferences), engine))


def run(app: ChatApp, engine: EngineLike) -> int:
    """Run the chat; the terminal and the engine are let go of, whatever happens.

    Returns:
        The exit code.
    """
    from tui.terminal import guarded

    try:
        with guarded(app.leave):
            app.run()
    finally:
        ended = engine.close()
    if not ended:  # a download goes on in threads that Python would wait for
        sys.stdout.flush()
        os._exit(app.exit_code)
    return app.exit_code


def _run_plain(options: ChatOptions, preferences: Preferences) -> int:
    from tui.plain import run_plain

    engine, code = _engine(options), 1
    try:
        code = run_plain(engine, options, preferences)
    finally:
        ended = engine.close()
    if not ended:
        sys.stdout.flush()
        os._exit(code)
    return code


def _chosen(given: Mapping[str, Any]) -> tuple[ChatOptions, Preferences]:
    """What the command line says over what the settings say."""
    from tui.options import ChatOptions
    from tui.settings.preferences import Preferences
    from tui.settings.toml_file import settings_path

    preferences = Preferences.of(settings_path())
    is_first_run = "model" not in given and "model" not in preferences.settings.values
    options = ChatOptions.resolve({**given, "is_first_run": is_first_run}, preferences.settings)
    return options, preferences


def _engine(options: ChatOptions) -> EngineLike:
    from gemma4_mlx.engine import EngineClient
    from tui.folders import state_folder

    return EngineClient(options.model, log_folder=state_folder() / "logs")


if __name__ == "__main__":
    chat()
