"""The top line: which model, how it is, what it will do.

Where it is narrow, a title and notes give way first, then the middle of the model's name; how the
model is stays.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from tui.text.shortened import shortened
from tui.theme import QUIET

BETWEEN = 2
"""Columns between the two halves, as in the style sheet."""

TITLE = 9
"""Columns without which nothing is shown of a title, its dot among them."""

_DOT = " · "


class TitleBar(Horizontal):
    """Model and state on the left, thinking on the right; what is being fetched goes before.

    Attributes:
        model: name of the model.
        state: what it is doing, in words.
        mood: "waiting", "ready" or "failed": the colour of the dot.
        note: what else should be known of the model, such as that it is a demo.
        title: of the conversation.
        fetching: how far models are that are being fetched; empty for none.
        thinking: whether the next answer may begin with thoughts.
    """

    model: reactive[str] = reactive("")
    state: reactive[str] = reactive("starting")
    mood: reactive[str] = reactive("waiting")
    note: reactive[str] = reactive("")
    title: reactive[str] = reactive("")
    fetching: reactive[str] = reactive("")
    thinking: reactive[bool] = reactive(False)

    def compose(self) -> ComposeResult:
        """The two halves."""
        yield Static(id="title-left")
        yield Static(id="title-right")

    def on_mount(self) -> None:
        """Redraw whenever one of the facts changes."""
        for name in ("model", "state", "mood", "note", "title", "fetching", "thinking"):
            self.watch(self, name, self._redraw)

    def on_resize(self) -> None:
        """There may be room for more, or for less."""
        self._redraw()

    def _redraw(self) -> None:
        colour = {"waiting": "$warning", "ready": "$success", "failed": "$error"}[self.mood]
        room = self.content_size.width - Content(f"  ● {self.state}").cell_length
        model = shortened(self.model, room)
        room -= Content(model).cell_length
        notes = self._notes(room - BETWEEN)
        room -= Content(notes).cell_length + BETWEEN
        title = (f" · {self.title}", QUIET) if self.title and room >= TITLE else ("", "")
        left = Content.assemble(
            (model, "bold"), "  ", ("●", colour), " ", (self.state, QUIET), title
        )
        self.query_one("#title-left", Static).update(left)
        right = self.query_one("#title-right", Static)
        right.update(Content.styled(notes, QUIET))
        right.display = bool(notes)

    def _notes(self, room: int) -> str:
        """What else there is to know, as far as there is room; thinking goes last."""
        thinking = "thinking on" if self.thinking else "thinking off"
        notes = [*filter(None, (self.fetching or self.note, thinking))]
        while Content(_DOT.join(notes)).cell_length > max(0, room):
            del notes[0]
        return _DOT.join(notes)
