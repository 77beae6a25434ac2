"""What can be typed after a slash."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One slash command.

    Attributes:
        name: the word after the slash.
        arguments: how to write what follows, for the help.
        summary: what it does, in a few words.
    """

    name: str
    arguments: str
    summary: str

    @property
    def usage(self) -> str:
        """How to write it."""
        return f"/{self.name} {self.arguments}".rstrip()


COMMANDS: tuple[Command, ...] = (
    Command("image", "PATH…", "attach pictures"),
    Command("audio", "PATH…", "attach clips"),
    Command("budget", "N|auto", "tokens a picture may cost: 70 140 280 560 1120"),
    Command("drop", "[N|all]", "take an attachment out again"),
    Command("think", "on|off", "let the model think before it answers"),
    Command("new", "", "start a new conversation"),
    Command("help", "", "this page"),
    Command("quit", "", "leave"),
)

_TYPED = re.compile(r"/(?P<name>[a-zA-Z?]+)(?:\s+(?P<argument>.*))?\s*", re.DOTALL)


def parse_command(text: str) -> tuple[str, str] | None:
    """Split a typed line into a command's name and its argument.

    A path is not a command: "/etc/hosts is odd" gives None, and so does text with a space
    before the slash. The name need not be a known one.
    """
    match = _TYPED.fullmatch(text)
    if match is None:
        return None
    return match["name"].lower(), (match["argument"] or "").strip()
