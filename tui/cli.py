"""The command `gemma4 chat`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from gemma4_mlx.messages import IMAGE_TOKEN_BUDGETS


@click.command(short_help="Talk to a model in the terminal.")
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
@click.option("--think", "thinking", is_flag=True, help="Let the model think first.")
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
@click.pass_context
def chat(context: click.Context, **options: Any) -> None:
    """Talk to a model in the terminal, with pictures and sound.

    In the chat, /help lists keys and commands.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("The chat needs a terminal; in a pipe use: gemma4 ask")
    # Not at the top: Textual takes a quarter of a second, too much for --help.
    from gemma4_mlx.engine import EngineClient
    from tui.app import ChatApp
    from tui.folders import state_folder
    from tui.options import ChatOptions

    engine = EngineClient(options["model"], log_folder=state_folder() / "logs")
    app = ChatApp(engine, ChatOptions(**options))
    try:
        app.run()
    finally:
        ended = engine.close()
    if not ended:  # a download goes on in threads that Python would wait for
        sys.stdout.flush()
        os._exit(app.exit_code)
    context.exit(app.exit_code)


if __name__ == "__main__":
    chat()
