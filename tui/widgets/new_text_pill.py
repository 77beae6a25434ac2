"""The sign that there is more below."""

from __future__ import annotations

from textual.message import Message
from textual.widgets import Static


class NewTextPill(Static):
    """Stands over the transcript while the reader is elsewhere and something new has come."""

    class Chosen(Message):
        """The reader wants to see it."""

    def __init__(self) -> None:
        super().__init__("↓ new text · end", markup=False)
        self.display = False

    def on_click(self) -> None:
        """Go there."""
        self.post_message(self.Chosen())
