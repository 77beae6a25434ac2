"""The top line: which model, how it is, what it will do."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from tui.theme import QUIET


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

    def _redraw(self) -> None:
        colour = {"waiting": "$warning", "ready": "$success", "failed": "$error"}[self.mood]
        title = (f" · {self.title}", QUIET) if self.title else ("", "")
        left = Content.assemble(
            (self.model, "bold"), "  ", ("●", colour), " ", (self.state, QUIET), title
        )
        thinking = "thinking on" if self.thinking else "thinking off"
        notes = filter(None, (self.fetching or self.note, thinking))
        self.query_one("#title-left", Static).update(left)
        self.query_one("#title-right", Static).update(Content.styled(" · ".join(notes), QUIET))
