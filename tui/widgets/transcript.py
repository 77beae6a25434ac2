"""The conversation so far."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widget import AwaitMount, Widget


class Transcript(VerticalScroll):
    """A column of turns and notices that stays at its end until the reader scrolls up."""

    def __init__(self) -> None:
        super().__init__()
        # As high as the window at least: an anchored column sinks to the bottom otherwise.
        self._column = Vertical(id="column")

    def compose(self) -> ComposeResult:
        """Everything is in one column."""
        yield self._column

    def on_mount(self) -> None:
        """Follow the end."""
        self.anchor()

    def post(self, *widgets: Widget) -> AwaitMount:
        """Add to the end, and go there; awaitable until the widgets can be used."""
        self.anchor()
        return self._column.mount(*widgets)

    def head(self, widget: Widget) -> None:
        """Add before everything else."""
        self._column.mount(widget, before=0 if self._column.children else None)

    def clear(self) -> None:
        """Take out all."""
        self._column.remove_children()
