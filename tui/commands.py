"""What can be typed after a slash: one table.

The chat obeys a command by `getattr(handlers, command.handler)(argument)`; those of the app
(`command.host == "app"`) go to `app.obey(command, argument)`. Both raise `UsageError` for an
argument that makes no sense, which is said at the prompt while the typed line stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Host = Literal["chat", "app"]


@dataclass(frozen=True, slots=True)
class Command:
    """One slash command.

    Attributes:
        name: the word after the slash.
        arguments: how to write what follows, for the help.
        summary: what it does, in a few words.
        aliases: other words for it.
        host: who obeys it: the chat's screen, or the app.
    """

    name: str
    arguments: str
    summary: str
    aliases: tuple[str, ...] = ()
    host: Host = "chat"

    @property
    def usage(self) -> str:
        """How to write it."""
        return f"/{self.name} {self.arguments}".rstrip()

    @property
    def handler(self) -> str:
        """The method that obeys it; takes the argument."""
        return f"_command_{self.name}"


COMMANDS: tuple[Command, ...] = (
    Command("image", "PATH…", "attach pictures"),
    Command("audio", "PATH…", "attach clips"),
    Command("record", "", "record your voice"),
    Command(
        "budget",
        "N|auto [ROW|sent]",
        "tokens a picture may cost: 70 140 280 560 1120",
        ("detail",),
    ),
    Command("drop", "[N|all]", "take an attachment out again"),
    Command("model", "[NAME]", "choose another model", ("models",), host="app"),
    Command("think", "on|off", "let the model think before it answers"),
    Command("system", "[TEXT|off]", "what the model is told before everything else", host="app"),
    Command("preset", "[[save] NAME]", "a system prompt and sampling under a name", host="app"),
    Command("set", "[NAME VALUE]", "a setting for this chat, as in /set temp 0.7", host="app"),
    Command("retry", "", "answer the last question again", ("regenerate",)),
    Command("edit", "", "change the last question and ask again"),
    Command("stop", "", "stop the answer"),
    Command("copy", "[code [N]|last|all]", "copy the answer, its code, or the whole chat"),
    Command("save", "FILE", "write the chat to a file: .md, .json or .html", ("export",)),
    Command("import", "FILE.json", "read a chat that was saved as JSON"),
    Command("new", "", "start a new conversation", ("clear",)),
    Command("open", "WORDS", "open the chat in which these words were said"),
    Command("rename", "TITLE", "give this chat another title"),
    Command("sessions", "", "all chats, to open, search and delete", ("chats",), host="app"),
    Command("stats", "", "what this chat cost, and how fast it was"),
    Command("context", "", "what fills the model's context"),
    Command("theme", "[NAME]", "dark, light or ansi colours", host="app"),
    Command("settings", "", "all settings, and where they are kept", host="app"),
    Command("help", "", "keys and commands", ("?",), host="app"),
    Command("quit", "", "leave", ("exit", "q"), host="app"),
)

_BY_WORD = {word: each for each in COMMANDS for word in (each.name, *each.aliases)}

_TYPED = re.compile(r"/(?P<name>[a-zA-Z?]+)(?:\s+(?P<argument>.*))?\s*", re.DOTALL)


def find_command(word: str) -> Command | None:
    """The command of that name or alias."""
    return _BY_WORD.get(word)


def matching_commands(start: str) -> list[Command]:
    """The commands whose name or alias begins so, in the order of the table."""
    return [
        each
        for each in COMMANDS
        if any(word.startswith(start.lower()) for word in (each.name, *each.aliases))
    ]


def parse_command(text: str) -> tuple[str, str] | None:
    """Split a typed line into a command's name and its argument.

    A path is not a command: "/etc/hosts is odd" gives None, and so does text with a space
    before the slash. The name need not be a known one.
    """
    match = _TYPED.fullmatch(text)
    if match is None:
        return None
    return match["name"].lower(), (match["argument"] or "").strip()
