"""A file's name in as much room as there is: the middle is left out, not the ending."""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from tui.text.shortened import shortened


class FileName(Widget):
    """One line.

    Args:
        name: fit for the screen.
        classes: for the style sheet.
    """

    def __init__(self, name: str, *, classes: str = "") -> None:
        super().__init__(classes=classes)
        self._file_name = name

    def render(self) -> Content:
        """As much of it as fits."""
        return Content(shortened(self._file_name, self.content_size.width))

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """All of it."""
        return Content(self._file_name).cell_length
