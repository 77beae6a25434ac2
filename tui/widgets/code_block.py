"""Code in an answer."""

from __future__ import annotations

from textual.binding import Binding
from textual.message import Message
from textual.widgets.markdown import MarkdownFence

from tui.widgets.key_hints import Wanted
from tui.widgets.keyed import Keyed

SCROLLED_CELLS = 8
"""Of a line that is too long, with one key."""


class CodeBlock(MarkdownFence, Keyed, can_focus=True):
    """Code as it was written: it scrolls instead of wrapping, and can be copied as source."""

    BINDINGS = [
        Binding("y", "copy", "Copy the code", id="code.copy"),
        Binding("left", "slide(-1)", "Scroll to the left", show=False, id="code.left"),
        Binding("right", "slide(1)", "Scroll to the right", show=False, id="code.right"),
    ]

    class Copied(Message):
        """The reader wants the source."""

        def __init__(self, source: str) -> None:
            super().__init__()
            self.source = source

    @property
    def wanted(self) -> Wanted:
        """Bindings that do something here, and what, in a word."""
        return ("code.copy", "copy"), ("code.left code.right", "scroll")

    @property
    def source_code(self) -> str:
        """What stands between the fences."""
        return self._token.content

    def action_copy(self) -> None:
        """Ask for the source to be copied."""
        self.post_message(self.Copied(self.source_code))

    def action_slide(self, by: int) -> None:
        """Show what is further on in long lines, or further back."""
        self.scroll_relative(x=by * SCROLLED_CELLS, animate=False)
