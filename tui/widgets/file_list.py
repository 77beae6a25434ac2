"""The files of a folder, one of them chosen, some of them marked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from tui import figures
from tui.attachments.folder_list import FolderEntry
from tui.attachments.paths import media_kind
from tui.text.shortened import shortened
from tui.theme import QUIET

_SIZE_WIDTH = 8


class FileList(Widget):
    """A list that is led from outside.

    Attributes:
        marked: marked files, in the order of marking.
        empty: what is said where there is nothing.
    """

    class Chosen(Message):
        """Another entry is chosen; None if there is none."""

        def __init__(self, entry: FolderEntry | None) -> None:
            super().__init__()
            self.entry = entry

    class Opened(Message):
        """The chosen entry was clicked again."""

    def __init__(self) -> None:
        super().__init__()
        self.marked: list[Path] = []
        self.empty = ""
        self._entries: Sequence[FolderEntry] = ()
        self._chosen = 0
        self._top = 0

    @property
    def chosen(self) -> FolderEntry | None:
        """The chosen entry; None if there is none."""
        return self._entries[self._chosen] if self._entries else None

    def show(self, entries: Sequence[FolderEntry]) -> None:
        """Show these, the first chosen."""
        self._entries, self._top = entries, 0
        self._choose(0)

    def choose(self, path: Path) -> None:
        """Choose the entry of a path, if it is there."""
        for index, entry in enumerate(self._entries):
            if entry.path == path:
                self._choose(index)

    def move(self, by: int) -> None:
        """Choose one further down, or up."""
        self._choose(self._chosen + by)

    def mark(self) -> None:
        """Mark the chosen file, or no longer, and go on to the next."""
        entry = self.chosen
        if entry is None or entry.is_folder:
            return
        if entry.path in self.marked:
            self.marked.remove(entry.path)
        else:
            self.marked.append(entry.path)
        self.move(1)

    def render(self) -> Content:
        """The lines."""
        if not self._entries:
            return Content.styled(self.empty, QUIET)
        height = max(1, self.size.height)
        self._top = min(max(self._top, self._chosen - height + 1), self._chosen)
        shown = range(self._top, min(self._top + height, len(self._entries)))
        return Content("\n").join(map(self._line, shown))

    def on_click(self, event: events.Click) -> None:
        """A click chooses, a second one opens."""
        event.stop()
        index = self._top + event.get_content_offset_capture(self).y
        if index >= len(self._entries):
            return
        if index == self._chosen and event.chain > 1:
            self.post_message(self.Opened())
        else:
            self._choose(index)

    def on_mouse_scroll_down(self) -> None:
        """The wheel moves the choice."""
        self.move(1)

    def on_mouse_scroll_up(self) -> None:
        """The wheel moves the choice."""
        self.move(-1)

    def _choose(self, index: int) -> None:
        self._chosen = min(max(0, index), max(0, len(self._entries) - 1))
        self.post_message(self.Chosen(self.chosen))
        self.refresh()

    def _line(self, index: int) -> Content:
        entry, width = self._entries[index], self.size.width
        is_chosen = index == self._chosen
        mark = "✓" if entry.path in self.marked else " "
        kind = media_kind(entry.path)
        sign = "▸" if entry.is_folder else figures.sign(kind) if kind else "·"
        size = "" if entry.is_folder else figures.size(entry.size)
        room = max(4, width - _SIZE_WIDTH - 5)
        name = Content(shortened(entry.name, room)).truncate(room, pad=True)
        line = Content.assemble(
            (mark, "$success"),
            (f"{sign} ", "$secondary" if kind else QUIET),
            name.stylize("bold $primary" if is_chosen else ""),
            (f" {size:>{_SIZE_WIDTH}} ", QUIET),
        )
        return line.stylize("on $panel") if is_chosen else line
