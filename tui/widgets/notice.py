"""A remark of the program in the transcript."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tui.text.printable import printable


class Notice(Vertical):
    """Words of the program: plain, or an error with what to do about it.

    Args:
        title: one line.
        body: more lines.
        hint: what the reader can do.
        error: whether something went wrong.
    """

    def __init__(self, title: str, body: str = "", *, hint: str = "", error: bool = False) -> None:
        super().__init__(classes="-error" if error else "")
        self.title, self.body, self.hint = title, body, hint

    def compose(self) -> ComposeResult:
        """Title, body and hint, as far as they are there."""
        yield Static(printable(self.title), markup=False, classes="notice-title")
        if self.body:
            yield Static(printable(self.body), markup=False, classes="notice-body")
        if self.hint:
            yield Static(f"→ {printable(self.hint)}", markup=False, classes="notice-hint")
