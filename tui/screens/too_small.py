"""What a window says that has no room for a prompt."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static


class TooSmall(Screen[None]):
    """One line, over everything else until the window grows again."""

    DEFAULT_CSS = """
    TooSmall { background: $background; }
    TooSmall Static { width: auto; height: 1; color: $warning; }
    """

    def compose(self) -> ComposeResult:
        """The line."""
        yield Static("window too small", markup=False)
