"""What the model thought before it answered."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.reactive import reactive
from textual.timer import Timer
from textual.widgets import Static

from tui.chat import answer_figures
from tui.chat.entry import Entry
from tui.text.printable import printable

PAUSE_S = 0.15


class Thoughts(Vertical):
    """One line that opens to the whole text; takes no room without thoughts.

    Args:
        entry: the answer that they belong to.

    Attributes:
        unfolded: whether the text is shown.
    """

    unfolded: reactive[bool] = reactive(False, toggle_class="-unfolded")

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self._entry = entry
        self._timer: Timer | None = None
        self._title = Static(markup=False, classes="thoughts-title")
        self._body = Static(markup=False, classes="thoughts-body")
        self.display = bool(entry.thought)

    def compose(self) -> ComposeResult:
        """The line, and the text under it."""
        yield self._title
        yield self._body

    def on_mount(self) -> None:
        """Show what is there."""
        self.flush()

    def grow(self) -> None:
        """The model thinks on; it is shown soon."""
        if self._timer is None:
            self._timer = self.set_timer(PAUSE_S, self.flush)

    def flush(self) -> None:
        """Show everything, now."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self.display = bool(self._entry.thought)
        if not self.display:
            return  # a hidden line, too, would have everything laid out anew
        sign = "▾" if self.unfolded else "▸"
        self._title.update(f"{sign} {answer_figures.thought(self._entry)}")
        self._body.update(printable(self._entry.thought).strip() if self.unfolded else "")

    def fold(self) -> None:
        """Show or hide the text."""
        self.unfolded = not self.unfolded

    def on_click(self, event: events.Click) -> None:
        """A click on the line opens and closes it."""
        if event.widget is self._title:
            event.stop()
            self.fold()

    def watch_unfolded(self) -> None:
        """The sign before the line follows, and the text is set only while it is seen."""
        self.flush()
