"""The command `gemma4 chat`."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from gemma4_mlx.command_options import conversation_options

if TYPE_CHECKING:
    from gemma4_mlx.engine import EngineLike
    from tui.app import ChatApp
    from tui.settings.options import ChatOptions
    from tui.settings.preferences import Preferences

MORE = """
\b
Examples:
  gemma4                                  talk to the model of the settings
  gemma4 chat -m google/gemma-4-E2B-it    to another one
  gemma4 chat -a receipt.jpg --image-tokens 1120
  gemma4 chat -c                          go on with the last chat
  gemma4 chat --plain                     for screen readers and slow lines

\b
In the chat:
  F1 lists all keys, / all commands, F2 all settings. Dropped and pasted files
  are attached.

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
@conversation_options
@click.option("-c", "--continue", "continue_last", is_flag=True, help="Go on with the last chat.")
@click.option("--plain/--no-plain", help="Line by line, for screen readers and slow lines.")
@click.option("--no-save", "keep_chats", flag_value=False, default=True, help="Keep nothing.")
@click.pass_context
def chat(context: click.Context, **options: Any) -> None:
    """Talk to a model in the terminal, with pictures and sound.

    Chats are kept on this disk and nowhere else; nothing is sent anywhere.
    """
    # Not at the top: Textual takes a quarter of a second, too much for --help.
    from gemma4_mlx.engine import EngineClient
    from gemma4_mlx.folders import state_folder
    from tui.settings.options import ChatOptions
    from tui.settings.preferences import Preferences
    from tui.settings.toml_file import settings_path
    from tui.terminal import is_terminal

    preferences = Preferences.of(settings_path())
    given = {
        name: value
        for name, value in options.items()
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    given["is_first_run"] = "model" not in given and "model" not in preferences.settings.values
    chosen = ChatOptions.resolve(given, preferences.settings)
    is_plain = chosen.plain or (is_terminal() and os.environ.get("TERM") == "dumb")
    if not is_plain and not is_terminal():
        raise click.UsageError(
            "The chat needs a terminal; in a pipe use: gemma4 ask, or gemma4 chat --plain"
        )
    engine = EngineClient(chosen.model, log_folder=state_folder() / "logs")
    show = _show_plain if is_plain else _show
    context.exit(show(engine, chosen, preferences))


def _show(engine: EngineLike, options: ChatOptions, preferences: Preferences) -> int:
    # What is imported stays: the collector is not to look through it, neither now nor later.
    gc.disable()
    from tui.app import ChatApp

    gc.freeze()
    gc.enable()
    return run(ChatApp(engine, options, preferences), engine)


def _show_plain(engine: EngineLike, options: ChatOptions, preferences: Preferences) -> int:
    from tui.plain import run_plain

    try:
        return run_plain(engine, options, preferences)
    finally:
        engine.close()


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
        engine.close()
    return app.exit_code


if __name__ == "__main__":
    chat()
