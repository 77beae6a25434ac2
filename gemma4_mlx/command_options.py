"""Options of commands: the same words mean the same in every one, whoever brings it along.

The chat and the converter are applications of their own, so what all commands share stands
below them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gemma4_mlx.messages import IMAGE_TOKEN_BUDGETS, ImageTokens

Command = Callable[..., Any]


class WholeNumber(click.IntRange):
    """A whole number of a range, called so where something else is given."""

    name = "whole number"


class Number(click.FloatRange):
    """A number of a range, called so where something else is given."""

    name = "number"


def _budget(ctx: click.Context, option: click.Parameter, choice: str | None) -> ImageTokens | None:
    return int(choice) if choice and choice != "auto" else choice  # type: ignore[return-value]


model_option = click.option(
    "-m",
    "--model",
    metavar="NAME",
    default="pocket",
    envvar="GEMMA4_MODEL",
    show_default=True,
    show_envvar=True,
    help="Folder or hub id.",
)

image_tokens_option = click.option(
    "--image-tokens",
    type=click.Choice([*map(str, IMAGE_TOKEN_BUDGETS), "auto"]),
    callback=_budget,
    help="The most tokens that a picture may cost; the model's own number if not given.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")

_CONVERSATION = (
    model_option,
    click.option(
        "-a",
        "--attach",
        "attachments",
        multiple=True,
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Attach a picture, clip or video to the question; can be repeated.",
    ),
    image_tokens_option,
    click.option("--system", default="", metavar="TEXT", help="System prompt."),
    click.option(
        "--think/--no-think", "thinking", default=False, help="Let the model think first."
    ),
    click.option(
        "--max-tokens",
        type=WholeNumber(min=1),
        metavar="N",
        default=2048,
        show_default=True,
        help="The most tokens of an answer.",
    ),
    click.option(
        "--temperature",
        type=Number(0, 100),
        metavar="X",
        help="0 takes the likeliest token.",
    ),
    click.option(
        "--top-p",
        type=Number(0, 1),
        metavar="X",
        help="Sample from the likeliest tokens that have this share.",
    ),
    click.option(
        "--top-k",
        type=WholeNumber(min=0),
        metavar="N",
        help="Sample from the N likeliest tokens; 0 for all.",
    ),
    click.option("--seed", type=WholeNumber(min=0), metavar="N", help="Makes sampling repeatable."),
)


def conversation_options(command: Command) -> Command:
    """Give a command the options of whoever talks to a model."""
    for option in reversed(_CONVERSATION):
        command = option(command)
    return command
