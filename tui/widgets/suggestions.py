"""A list above the prompt of what could be meant."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.widget import Widget

from tui.attachments.completion import Suggestion
from tui.theme import QUIET

MOST_LINES = 8


class Suggestions(Widget):
    """A few lines over the transcript, one of them chosen; there only while there is a choice.

    The prompt keeps the focus: it passes on the keys.
    """

    DEFAULT_CSS = """
    Suggestions {
        overlay: screen;
        constrain: inside inside;
        display: none;
        width: 100%;
        max-width: 84;
        height: auto;
        margin: 0 1;
        padding: 0 1;
        background: $surface;
        border-left: outer $primary 60%;
    }
    """

    class Taken(Message):
        """A line was clicked."""

        def __init__(self, suggestion: Suggestion) -> None:
            super().__init__()
            self.suggestion = suggestion

    def __init__(self) -> None:
        super().__init__()
        self._items: Sequence[Suggestion] = ()
        self._remark = ""
        self._chosen = 0
        self._top = 0

    @property
    def chosen(self) -> Suggestion | None:
        """What is chosen; None if there is nothing to choose from."""
        return self._items[self._chosen] if self._items else None

    def offer(self, items: Sequence[Suggestion], remark: str = "") -> None:
        """Show these, the first chosen, and a remark below; nothing if there is neither."""
        if list(items) != list(self._items):
            self._items, self._chosen, self._top = tuple(items), 0, 0
        self._remark = remark
        self.display = bool(items or remark)
        # It stands before the prompt: up by its own height, it covers what is above instead.
        self.styles.offset = (0, -self._height - bool(remark))
        self.refresh(layout=True)

    def move(self, by: int) -> None:
        """Choose another, round the ends."""
        if not self._items:
            return
        self._chosen = (self._chosen + by) % len(self._items)
        self._top = min(max(self._top, self._chosen - self._height + 1), self._chosen)
        self.refresh()

    def render(self) -> Content:
        """The lines."""
        lines = list(map(self._line, range(self._top, self._top + self._height)))
        if self._remark:
            width = self.content_size.width
            lines.append(Content.styled(self._remark, QUIET).truncate(width, ellipsis=True))
        return Content("\n").join(lines)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """A line each."""
        return self._height + bool(self._remark)

    def on_click(self, event: events.Click) -> None:
        """A click takes."""
        event.stop()
        line = self._top + event.get_content_offset_capture(self).y
        if line < len(self._items):
            self.post_message(self.Taken(self._items[line]))

    @property
    def _height(self) -> int:
        return min(MOST_LINES, len(self._items), max(2, self.app.size.height // 3))

    def _name_width(self, width: int) -> int:
        """As wide as the longest name, if the details beside it, or most of them, have room."""
        longest = max(Content(item.label).cell_length for item in self._items)
        details = max(Content(item.detail).cell_length for item in self._items)
        return max(8, min(longest, max(width - 1 - details, min(34, width * 2 // 3))))

    def _line(self, index: int) -> Content:
        item, width = self._items[index], self.content_size.width
        name = Content(item.label).truncate(self._name_width(width), ellipsis=True, pad=True)
        name = name.stylize("bold $primary" if index == self._chosen else "")
        line = Content.assemble(name, " ", (item.detail, QUIET)).truncate(
            width, ellipsis=True, pad=True
        )
        return line.stylize("on $panel") if index == self._chosen else line
