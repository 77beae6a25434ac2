"""All commands and keys."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from tui.commands import COMMANDS
from tui.theme import QUIET

KEYS = (
    ("enter", "send"),
    ("ctrl+j, shift+enter", "new line"),
    ("esc", "stop the answer"),
    ("↑", "to the attachments, or to what you sent before"),
    ("← →, del", "on an attachment: budget, remove"),
    ("ctrl+t", "thinking on or off; tab and enter open thoughts"),
    ("page up, page down", "move through the conversation"),
    ("ctrl+c", "copy what is selected; else stop; twice, leave"),
)
COLUMN = 21


class HelpCard(Static):
    """The page that /help puts into the transcript; fits a window of 24 lines."""

    def __init__(self) -> None:
        commands = [(each.usage, each.summary) for each in COMMANDS]
        lines = [*map(_line, commands), Content(""), *map(_line, KEYS)]
        super().__init__(Content("\n").join(lines))


def _line(pair: tuple[str, str]) -> Content:
    name, summary = pair
    return Content.assemble((f"{name:<{COLUMN}}", "bold"), (summary, QUIET))
