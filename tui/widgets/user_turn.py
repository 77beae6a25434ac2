"""What the user said."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Static

from tui.chat.entry import Entry
from tui.chat.sent_budgets import has_pictures
from tui.text.printable import printable
from tui.widgets.key_hints import Wanted
from tui.widgets.sent_attachment import SentAttachment
from tui.widgets.turn import Turn

LONGEST_SHOWN, MOST_LINES = 4000, 60
"""Characters and lines of a question; more of it would only be scrolled over."""


class UserTurn(Turn):
    """A question with its attachments.

    Args:
        entry: what was asked.
        version: which of its versions it is, and how many there are.
        note: what else is to be said of it, such as that it waits.
    """

    BINDINGS = [
        Binding("o", "wish('open')", "Open attachments", id="turn.open"),
        Binding("left", "wish('less')", "Fewer tokens for its pictures", id="turn.less"),
        Binding("right", "wish('more')", "More tokens for its pictures", id="turn.more"),
    ]
    SPEAKER = "You"

    def __init__(self, entry: Entry, version: tuple[int, int] = (1, 1), *, note: str = "") -> None:
        super().__init__(entry, version)
        self._note = note
        self._sent = [
            SentAttachment(each, entry.receipts_of(place), is_changed=entry.is_changed(place))
            for place, each in enumerate(entry.attachments)
        ]

    @property
    def wanted(self) -> Wanted:
        """Bindings that do something here, and what, in a word."""
        opens = (("turn.open", "open"),) if self._sent else ()
        pictures = (("turn.less turn.more", "budget"),) if has_pictures(self.entry) else ()
        return (*super().wanted, *opens, *pictures)

    def compose(self) -> ComposeResult:
        """Attachments first, as the model reads them."""
        self.set_class(self.entry.left_out, "-left-out")
        yield self.speaker(self._note, "left out" if self.entry.left_out else "")
        yield from self._sent
        if text := self.entry.text:
            shown = "".join(text[:LONGEST_SHOWN].splitlines(keepends=True)[:MOST_LINES])
            yield Static(printable(shown.rstrip("\n")), markup=False, classes="said")
            if more := len(text) - len(shown):
                yield Static(f"… and {more} characters more", classes="more")

    def show_receipts(self) -> None:
        """The model has got more of what was attached, or will get it in another way."""
        entry = self.entry
        for place, (sent, held) in enumerate(zip(self._sent, entry.attachments, strict=True)):
            sent.show(held, entry.receipts_of(place), is_changed=entry.is_changed(place))
