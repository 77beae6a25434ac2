"""What the model thought before it answered."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.reactive import reactive
from textual.widgets import Static


class Thoughts(Vertical, can_focus=True):
    """One line that opens to the whole text.

    Attributes:
        unfolded: whether the text is shown.
        done: whether the model has stopped thinking.
    """

    BINDINGS = [Binding("enter", "fold", "Show or hide", id="thoughts.fold")]

    unfolded: reactive[bool] = reactive(False, toggle_class="-unfolded")
    done: reactive[bool] = reactive(False)

    def __init__(self) -> None:
        super().__init__()
        self._title = Static(classes="thoughts-title")
        self._body = Static(markup=False, classes="thoughts-body")
        self.text = ""

    def compose(self) -> ComposeResult:
        """The line, and the text under it."""
        yield self._title
        yield self._body

    def add(self, text: str) -> None:
        """The model thinks on."""
        self.text += text
        self._refresh_text()

    def action_fold(self) -> None:
        """Show or hide the text."""
        self.unfolded = not self.unfolded

    def on_click(self, event: events.Click) -> None:
        """A click on the line opens and closes it."""
        if event.widget is self._title:
            self.action_fold()

    def watch_unfolded(self) -> None:
        """The sign before the line follows, and the text is set only while it is seen."""
        self._refresh_text()

    def watch_done(self) -> None:
        """The words of the line follow."""
        self._refresh_text()

    def _refresh_text(self) -> None:
        words = len(self.text.split())
        sign = "▾" if self.unfolded else "▸"
        verb = "thought" if self.done else "thinking…"
        self._title.update(f"{sign} {verb} · {words} word{'' if words == 1 else 's'}")
        self._body.update(self.text.strip() if self.unfolded else "")
