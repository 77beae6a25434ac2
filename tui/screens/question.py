"""A question with yes and no, before something is done that cannot be undone."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.text.printable import printable


class Question(ModalScreen[bool]):
    """Ends with True only for a `y`: Enter is pressed too easily.

    Args:
        title: what is asked.
        text: what that means.
        yes: what `y` does, in a word or two.
    """

    CSS_PATH = "sheet.tcss"
    BINDINGS = [
        Binding("y", "dismiss(True)", "Yes", id="question.yes"),
        Binding("n,escape", "dismiss(False)", "No", id="question.no"),
    ]

    def __init__(self, title: str, text: str, yes: str) -> None:
        super().__init__()
        self._parts = title, text, f"y {yes} · esc leave it"

    def compose(self) -> ComposeResult:
        """The question, what it means, the keys."""
        title, text, keys = self._parts
        with VerticalScroll(classes="sheet"):
            yield Static(printable(title), markup=False, classes="sheet-title")
            yield Static(printable(text), markup=False)
            yield Static(keys, markup=False, classes="sheet-keys")
