"""A tool that the model asked for."""

from __future__ import annotations

import json

from textual.content import Content
from textual.widgets import Static

from gemma4_mlx.events import ToolCall
from tui.text.printable import printable, printable_line
from tui.theme import QUIET

LONGEST_LINE = 60


class ToolCallLine(Static):
    """Name and arguments as they were understood, or why they were not; nothing was run.

    Args:
        call: what the model asked for.
    """

    def __init__(self, call: ToolCall) -> None:
        super().__init__(markup=False)
        self.set_class(bool(call.error), "-error")
        name = (f"⚙ {printable_line(call.name) or 'a tool'}", "bold")
        arguments = (f"  {_written(call)}", QUIET)
        if call.error:
            outcome = (f"\n  could not be read: {printable(call.error)}", "$error")
        else:
            outcome = ("\n  was not run: this chat offers no tools", QUIET)
        self.update(Content.assemble(name, arguments, outcome))


def _written(call: ToolCall) -> str:
    """The arguments, in one line if it is short."""
    given = dict(call.arguments)
    if not given:
        return ""
    line = ", ".join(
        f"{key}: {json.dumps(each, ensure_ascii=False)}" for key, each in given.items()
    )
    if len(line) > LONGEST_LINE:
        line = "\n" + json.dumps(given, ensure_ascii=False, indent=2)
    return printable(line)
