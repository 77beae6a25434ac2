"""What a question and an answer have in common on the screen."""

from __future__ import annotations

from typing import Literal

from textual import events
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from tui.chat.entry import Entry
from tui.theme import QUIET
from tui.widgets.key_hints import Wanted
from tui.widgets.keyed import Keyed

Wish = Literal["copy", "edit", "retry", "older", "newer", "open", "less", "more"]

KEYS = (("turn.copy", "copy"), ("turn.edit", "edit"), ("turn.retry", "again"))


class Turn(Vertical, Keyed, can_focus=True):
    """One entry of the conversation; whoever walks to it can do something with it.

    Args:
        entry: what is shown.
        version: which of its versions it is, and how many there are.
    """

    BINDINGS = [
        Binding("y", "wish('copy')", "Copy", id="turn.copy"),
        Binding("e", "wish('edit')", "Edit and ask again", id="turn.edit"),
        Binding("r", "wish('retry')", "Answer again", id="turn.retry"),
        Binding("left_square_bracket", "wish('older')", "Older version", id="turn.older"),
        Binding("right_square_bracket", "wish('newer')", "Newer version", id="turn.newer"),
    ]
    SPEAKER = ""

    class Wished(Message):
        """The reader wants something done with a turn."""

        def __init__(self, turn: Turn, wish: Wish) -> None:
            super().__init__()
            self.turn = turn
            self.wish: Wish = wish

    def __init__(self, entry: Entry, version: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.entry = entry
        self.version = version

    @property
    def wanted(self) -> Wanted:
        """Bindings that do something here, and what, in a word."""
        versions = (("turn.older turn.newer", "versions"),) if self.version[1] > 1 else ()
        return (*KEYS, *versions)

    def speaker(self, *notes: str) -> Static:
        """The line that says who speaks."""
        number, count = self.version
        said = [f"{number}/{count}"] if count > 1 else []
        quiet = "".join(f"  {note}" for note in (*said, *notes) if note)
        return Static(Content.assemble(self.SPEAKER, (quiet, QUIET)), classes="speaker")

    def action_wish(self, wish: Wish) -> None:
        """Ask for it."""
        self.post_message(self.Wished(self, wish))

    def on_click(self, event: events.Click) -> None:
        """A click chooses the turn."""
        self.focus(scroll_visible=False)
