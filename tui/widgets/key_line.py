"""Keys in one line: those for which there is no room are left out whole."""

from __future__ import annotations

from textual.widgets import Static

from tui.widgets.key_hints import fitting


class KeyLine(Static):
    """Keys that work now, parted by dots; or a message in their place.

    Args:
        hints: the keys.
        id: for the style sheet.
        classes: for the style sheet.
    """

    def __init__(self, hints: str = "", *, id: str | None = None, classes: str = "") -> None:
        super().__init__(hints, markup=False, id=id, classes=classes)
        self._hints = hints

    def offer(self, hints: str) -> None:
        """Show keys."""
        self._hints = hints
        self.update(fitting(hints, self.size.width) if self.size.width else hints)

    def tell(self, message: str) -> None:
        """Show a message, in as many lines as it takes."""
        self._hints = ""
        self.update(message)

    def on_resize(self) -> None:
        """There may be room for more, or for less."""
        if self._hints:
            self.offer(self._hints)
