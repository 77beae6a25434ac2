"""The kept chats, one of them chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tui.store.session_row import SessionRow, Snippet
from tui.text.printable import printable_line
from tui.theme import QUIET

WIDE = 70
"""Columns from which on there is room for figures."""

_TIME_WIDTH = 10

Clock = Callable[[], datetime]


class SessionList(OptionList):
    """When, and what it was about; after a search a second line shows where the words are.

    Args:
        current: the id of the chat that is open.
        clock: tells the time, and by its zone where we are.
    """

    BINDINGS = [
        Binding("up", "cursor_up", "The chat before, else search", id="sessions.up", show=False),
        Binding("slash", "leave", "Search", key_display="/", id="sessions.search"),
    ]

    class LeftUpwards(Message):
        """Up was pressed on the first chat, or the search is wanted."""

    def __init__(self, current: str, clock: Clock) -> None:
        super().__init__(markup=False, compact=True)
        self._current = current
        self._clock = clock
        self._rows: Sequence[SessionRow] = ()

    @property
    def chosen(self) -> SessionRow | None:
        """The chosen chat; None if there is none."""
        return self._rows[self.highlighted] if self.highlighted is not None else None

    def show(self, rows: Sequence[SessionRow]) -> None:
        """Show these; what was chosen stays so if it is among them, else its place."""
        chosen, place = self.chosen, self.highlighted or 0
        self._rows = rows
        self._draw()
        ids = [row.id for row in rows]
        if chosen is not None and chosen.id in ids:
            place = ids.index(chosen.id)
        self.highlighted = min(place, len(rows) - 1) if rows else None

    def on_resize(self, event: events.Resize) -> None:
        """Lines are as long as there is room."""
        place = self.highlighted
        self._draw()
        self.highlighted = place

    def action_cursor_up(self) -> None:
        """From the first chat out of the list."""
        if self.highlighted:
            super().action_cursor_up()
        else:
            self.action_leave()

    def action_leave(self) -> None:
        """To the search."""
        self.post_message(self.LeftUpwards())

    def _draw(self) -> None:
        now = self._clock()
        self.clear_options()
        self.add_options(Option(self._line(row, now)) for row in self._rows)

    def _line(self, row: SessionRow, now: datetime) -> Content:
        width = self.scrollable_content_region.width or WIDE
        title = (printable_line(row.title), "bold" if row.id == self._current else "")
        parts: list[tuple[str, str]] = [
            (f"{when(row.updated, now):<{_TIME_WIDTH}}", QUIET),
            title,
        ]
        if row.id == self._current:
            parts.append(("  open", "$success"))
        elif width >= WIDE:
            many = "" if row.questions == 1 else "s"
            parts.append((f"  {row.questions} question{many}", QUIET))
        line = Content.assemble(*parts).truncate(width, ellipsis=True)
        if row.snippet is None:
            return line
        return Content("\n").join([line, _found(row.snippet).truncate(width, ellipsis=True)])


def when(time_s: float, now: datetime) -> str:
    """The time of today, the day of this year, the month of an earlier one."""
    then = datetime.fromtimestamp(time_s, now.tzinfo)
    if then.date() == now.date():
        return f"{then:%H:%M}"
    if then.year == now.year:
        return f"{then.day} {then:%b}"
    return f"{then:%b %Y}"


def _found(snippet: Snippet) -> Content:
    before, match, after = map(_in_line, (snippet.before, snippet.match, snippet.after))
    return Content.assemble(
        " " * _TIME_WIDTH, (before, QUIET), (match, "$primary bold"), (after, QUIET)
    )


def _in_line(text: str) -> str:
    """Printable; the spaces at its ends part it from its neighbours."""
    inner = printable_line(text)
    front = " " if text[:1].isspace() and inner else ""
    return front + inner + (" " if text[-1:].isspace() else "")
