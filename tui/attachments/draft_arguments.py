"""What is typed after /image, /audio, /budget and /drop."""

from __future__ import annotations

from pathlib import Path

from gemma4_mlx.errors import AttachmentError, UsageError
from gemma4_mlx.events import ModelReady
from gemma4_mlx.messages import IMAGE_TOKEN_BUDGETS, ImageTokens
from tui.attachments.attachment import Attachment
from tui.attachments.paths import Kind, exists, split_paths

_BUDGETS: dict[str, ImageTokens] = {str(each): each for each in IMAGE_TOKEN_BUDGETS}
_BUDGETS["auto"] = "auto"

SENT = "sent"
"""After a budget: it is for the pictures that were sent, not for those of the draft."""


def named_files(argument: str, kind: Kind) -> list[Path]:
    """The files to attach.

    Raises:
        UsageError: none is named, or one does not exist.
    """
    paths = split_paths(argument)
    if not paths:
        raise UsageError(f"/{kind} needs the path of a file")
    for path in paths:
        if not exists(path):
            raise UsageError(f"no such file: {path}")
    return paths


def named_budget(argument: str) -> tuple[ImageTokens, str]:
    """The budget, and which picture it is for: a number, `SENT`, or nothing for all.

    Raises:
        UsageError: there is no such budget.
    """
    budget, _, number = argument.partition(" ")
    if budget not in _BUDGETS:
        raise UsageError(f"/budget takes one of {', '.join(_BUDGETS)}")
    return _BUDGETS[budget], number.strip()


def named_place(number: str, count: int, command: str) -> int:
    """The place of an attachment of which people say the number; without one, the last.

    Args:
        number: counts from 1.
        count: how many there are.
        command: for the message.

    Raises:
        UsageError: there is none.
    """
    if not number and count:
        return count - 1
    if number.isdecimal() and 1 <= int(number) <= count:
        return int(number) - 1
    there = f"there are {count}" if count else "nothing is attached"
    raise UsageError(f"{command} {number}".rstrip() + f": {there}")


def refusal(attachment: Attachment, model: ModelReady) -> AttachmentError | None:
    """Why a model cannot be given an attachment; None if it can."""
    if model.hears if attachment.kind == "audio" else model.sees:
        return None
    sense = {"image": "see pictures", "audio": "hear clips", "video": "see videos"}[attachment.kind]
    return AttachmentError(
        f"{attachment.name}: {model.name} cannot {sense}",
        "choose another model with /model, or take it out",
    )
