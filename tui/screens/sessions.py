"""The kept chats: search in all messages, open, rename, export and delete."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static

from gemma4_mlx.errors import Gemma4Error
from tui.chat.conversation import Conversation
from tui.export import export_chat
from tui.screens.question import Question
from tui.store.session_row import SessionRow
from tui.text.printable import printable_line
from tui.widgets.session_list import SessionList

MOST = 200
"""How many chats are listed; older ones are found by searching."""

SEARCH_KEYS = (
    "[@click=screen.open]enter open[/] · ↓ rename, export, delete"
    " · [@click=screen.leave]esc back[/]"
)
LIST_KEYS = (
    "[@click=screen.open]enter open[/] · [@click=screen.rename]r rename[/]"
    " · [@click=screen.export]x export[/] · [@click=screen.delete]d delete[/]"
    " · [@click=screen.leave]esc back[/]"
)
RENAME_KEYS = "enter keep this title · esc leave it"
EXPORT_KEYS = "enter write .md, .html or .json · esc leave it"

Renamed = Callable[[str, str], None]


class Sessions(Protocol):
    """What is asked of the store; `AsyncStore` has it."""

    trouble: str

    async def sessions(
        self, query: str = "", *, limit: int = 50, offset: int = 0
    ) -> list[SessionRow]:
        """The newest chats first, or those that have these words."""
        ...

    async def load(self, session_id: str) -> Conversation:
        """Read a chat."""
        ...

    async def rename(self, session_id: str, title: str) -> None:
        """Call a chat something else."""
        ...

    async def delete(self, session_id: str) -> None:
        """Delete a chat."""
        ...


class SessionsScreen(ModalScreen[str | None]):
    """Closes with the id of the chat to be opened; None if it was left.

    Args:
        store: keeps them.
        current: the id of the chat that is open, which cannot be deleted here.
        on_renamed: is told the id and the new title of a chat.
        folder: where chats are exported to.
        clock: tells the time, and by its zone where we are.
    """

    DEFAULT_CSS = """
    SessionsScreen { align: center middle; background: $background 70%; }
    SessionsScreen > Vertical {
        width: 96%; max-width: 100; height: 92%;
        padding: 0 1; background: $surface; border: round $panel; border-title-color: $foreground;
    }
    SessionsScreen Input {
        height: 1; padding: 0 1; border: none; background: $panel; margin: 0 0 1 0;
    }
    SessionsScreen Input:focus { border: none; }
    SessionsScreen SessionList {
        height: 1fr; padding: 0; border: none; background: $surface;
        scrollbar-size-vertical: 1; scrollbar-color: $panel; scrollbar-background: $surface;
    }
    SessionsScreen SessionList:focus { border: none; background-tint: transparent; }
    SessionsScreen SessionList > .option-list--option-highlighted,
    SessionsScreen SessionList:focus > .option-list--option-highlighted {
        background: $primary 25%; color: $foreground; text-style: none;
    }
    #sessions-empty { height: 1fr; color: $text-muted; padding: 0 1; }
    #sessions-trouble { height: auto; color: $warning; margin: 0 0 1 0; }
    #sessions-said { height: auto; max-height: 3; }
    #sessions-said.-error { color: $error; }
    #sessions-answer { display: none; margin: 1 0 0 0; }
    #sessions-keys {
        height: 1; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis;
        link-color: $text-muted; link-style: none; link-background: $surface;
    }
    """
    BINDINGS = [
        Binding("down", "into_list", "To the list", id="sessions.down", show=False),
        Binding("r,f2", "rename", "Rename", id="sessions.rename"),
        Binding("x", "export", "Export", id="sessions.export"),
        Binding("d,delete", "delete", "Delete", id="sessions.delete"),
        Binding("escape,ctrl+s", "leave", "Back to the chat", id="sessions.leave"),
    ]

    def __init__(
        self,
        store: Sessions,
        *,
        current: str = "",
        on_renamed: Renamed | None = None,
        folder: Path | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        super().__init__()
        self._store = store
        self._current = current
        self._on_renamed = on_renamed
        self._folder = folder or Path.cwd()
        self._list = SessionList(current, clock)
        self._search = Input(placeholder="search in all messages", id="sessions-search")
        self._answer = Input(id="sessions-answer")
        self._empty = Static(id="sessions-empty", markup=False)
        self._said = Static(id="sessions-said", markup=False)
        self._keys = Static(SEARCH_KEYS, id="sessions-keys")
        self._asks: Callable[[SessionRow, str], object] | None = None  # what `_answer` is for
        self._about: SessionRow | None = None

    def compose(self) -> ComposeResult:
        """Search, list, what was done, keys."""
        with Vertical() as card:
            card.border_title = "Chats"
            if self._store.trouble:
                yield Static(
                    printable_line(self._store.trouble), markup=False, id="sessions-trouble"
                )
            yield self._search
            yield self._list
            yield self._empty
            yield self._answer
            yield self._said
            yield self._keys

    def on_mount(self) -> None:
        """Typing searches from the first frame on."""
        self._empty.display = False
        self._search.focus()
        self._look()

    # What the user does

    def on_input_changed(self, message: Input.Changed) -> None:
        """Search while it is typed."""
        if message.input is self._search:
            self._look()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Open what was found; or do what the other line is for."""
        if message.input is self._search:
            self.action_open()
        elif self._asks is not None and self._about is not None:
            self._asks(self._about, message.value)

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        """Open what was chosen."""
        message.stop()
        self.action_open()

    def on_session_list_left_upwards(self, message: SessionList.LeftUpwards) -> None:
        """Back to the search."""
        message.stop()
        self._search.focus()

    def action_into_list(self) -> None:
        """From the search to the list, and to its next chat."""
        if self.focused is self._search and self._list.option_count:
            self._list.focus()
            self._list.action_cursor_down()

    def on_descendant_focus(self) -> None:
        """The keys that work now."""
        if self._asks is None:
            self._keys.update(SEARCH_KEYS if self.focused is self._search else LIST_KEYS)

    def action_open(self) -> None:
        """Close with the chosen chat."""
        chosen = self._list.chosen
        if chosen is not None:
            self.dismiss(chosen.id)

    def action_leave(self) -> None:
        """Leave the line that is being asked for; else the screen."""
        if self._asks is not None:
            self._end_asking()
        else:
            self.dismiss(None)

    def action_rename(self) -> None:
        """Ask for a title."""
        if (chosen := self._list.chosen) is not None:
            self._ask(chosen, self._rename, printable_line(chosen.title), RENAME_KEYS)

    def action_export(self) -> None:
        """Ask for a file's name."""
        if (chosen := self._list.chosen) is not None:
            self._ask(chosen, self._export, f"{file_name(chosen.title)}.md", EXPORT_KEYS)

    def action_delete(self) -> None:
        """Ask whether it is meant."""
        chosen = self._list.chosen
        if chosen is None or self._asks is not None:
            return
        if chosen.id == self._current:
            self._say("this chat is open: begin a new one first, with ctrl+n", error=True)
            return

        def decide(is_meant: bool | None) -> None:
            if is_meant:
                self._delete(chosen)

        title = f"Delete “{printable_line(chosen.title)}”?"
        text = "The chat, and the pictures and clips that only it has, cannot be brought back."
        self.app.push_screen(Question(title, text, "delete it"), decide)

    # What is done

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        query = self._search.value
        try:
            rows = await self._store.sessions(query, limit=MOST)
        except Gemma4Error as error:
            self._say(error.message, error=True)
            return
        self._list.show(rows)
        self._list.display = bool(rows)
        self._empty.display = not rows
        self._empty.update(
            "No chat has these words." if query.strip() else "No chats are kept yet."
        )

    @work(exclusive=True, group="change")
    async def _rename(self, row: SessionRow, title: str) -> None:
        try:
            await self._store.rename(row.id, title)
        except Gemma4Error as error:
            self._say(error.message, error=True)
            return
        self._end_asking()
        self._look()
        if self._on_renamed:
            self._on_renamed(row.id, title.strip())

    @work(exclusive=True, group="change")
    async def _export(self, row: SessionRow, name: str) -> None:
        path = self._folder / Path(name.strip()).expanduser()
        try:
            conversation = await self._store.load(row.id)
            missing = await asyncio.to_thread(export_chat, conversation, path)
        except Gemma4Error as error:
            self._say(error.message, error=True)
            return
        self._end_asking()
        left_out = f"; left out, as they are gone: {', '.join(missing)}" if missing else ""
        self._say(f"written to {path}{left_out}")

    @work(exclusive=True, group="change")
    async def _delete(self, row: SessionRow) -> None:
        try:
            await self._store.delete(row.id)
        except Gemma4Error as error:
            self._say(error.message, error=True)
            return
        self._say(f"deleted “{row.title}”")
        self._look()

    def _ask(
        self, row: SessionRow, then: Callable[[SessionRow, str], object], value: str, keys: str
    ) -> None:
        self._about, self._asks = row, then
        self._say("")
        self._answer.value = value
        self._answer.display = True
        self._keys.update(keys)
        self._answer.focus()

    def _end_asking(self) -> None:
        self._asks = self._about = None
        self._answer.display = False
        self._list.focus()

    def _say(self, text: str, *, error: bool = False) -> None:
        self._said.set_class(error, "-error")
        self._said.update(printable_line(text))


def file_name(title: str) -> str:
    """A title as the name of a file: its first words, as everybody's disk takes them."""
    plain = unicodedata.normalize("NFKC", title).lower()
    words = re.findall(r"\w+", plain)
    return "-".join(words)[:40].rstrip("-") or "chat"
