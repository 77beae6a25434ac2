"""Where the user writes."""

from __future__ import annotations

from pathlib import Path

from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.widgets import TextArea

from tui.paths import media_paths


class Prompt(TextArea):
    """Text of some lines: Enter sends it, Ctrl+J and Shift+Enter break the line.

    A pasted or dropped text that is nothing but names of media files is not inserted:
    `FilesPasted` tells of them.
    """

    BINDINGS = [
        Binding("enter", "send", "Send", id="prompt.send"),
        Binding("ctrl+j,shift+enter", "newline", "New line", id="prompt.newline"),
        Binding("ctrl+d", "quit_or_delete", "Quit", id="prompt.quit", show=False),
        Binding("pageup", "scroll_transcript(-1)", "Scroll", show=False),
        Binding("pagedown", "scroll_transcript(1)", "Scroll", show=False),
    ]

    class Sent(Message):
        """Enter was pressed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class FilesPasted(Message):
        """Names of media files were pasted."""

        def __init__(self, paths: list[Path]) -> None:
            super().__init__()
            self.paths = paths

    class LeftUpwards(Message):
        """Up was pressed on the first line."""

    class Scrolled(Message):
        """A page key was pressed: the transcript should move by `pages`."""

        def __init__(self, pages: int) -> None:
            super().__init__()
            self.pages = pages

    def __init__(self, placeholder: str) -> None:
        super().__init__(
            placeholder=placeholder,
            compact=True,
            highlight_cursor_line=False,
            show_line_numbers=False,
            soft_wrap=True,
            tab_behavior="focus",
        )
        self._sent: list[str] = []
        self._leaf = 0

    def remember(self, text: str) -> None:
        """Keep a sent text for leafing."""
        if text and self._sent[-1:] != [text]:
            self._sent.append(text)
        self._leaf = len(self._sent)

    def put(self, text: str) -> None:
        """Replace what is written, and stand at its end; `TextArea.Changed` is for the user's."""
        with self.prevent(TextArea.Changed):
            self.text = text
        self.move_cursor(self.document.end)

    def action_send(self) -> None:
        """Send."""
        self.post_message(self.Sent(self.text))

    def action_newline(self) -> None:
        """Break the line."""
        self.insert("\n")

    def action_quit_or_delete(self) -> None:
        """Leave the program when nothing is written, as in a shell."""
        if self.text:
            self.action_delete_right()
        else:
            self.app.exit()

    def action_scroll_transcript(self, pages: int) -> None:
        """Ask for the transcript to move."""
        self.post_message(self.Scrolled(pages))

    def action_cursor_up(self, select: bool = False) -> None:
        """On the first line there is nowhere to go but out."""
        if select or not self.cursor_at_first_line:
            super().action_cursor_up(select)
        else:
            self.post_message(self.LeftUpwards())

    def action_cursor_down(self, select: bool = False) -> None:
        """While leafing: back towards the present."""
        leafing = self._is_leafing and self._leaf < len(self._sent)
        if leafing and not select and self.cursor_at_last_line:
            self._turn_to(self._leaf + 1)
        else:
            super().action_cursor_down(select)

    def leaf_back(self) -> None:
        """Show what was sent before; something newly written is left alone."""
        if self._is_leafing and self._leaf > 0:
            self._turn_to(self._leaf - 1)

    def on_key(self, event: events.Key) -> None:
        """Leave Enter to the bindings; TextArea would insert it."""
        if event.key == "enter":
            event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        """Take out names of files; all other text goes the usual way."""
        if paths := media_paths(event.text):
            event.prevent_default()
            event.stop()
            self.post_message(self.FilesPasted(paths))

    @property
    def _is_leafing(self) -> bool:
        """Whether what is written is nothing, or unchanged from the past."""
        return not self.text or self.text in self._sent[self._leaf : self._leaf + 1]

    def _turn_to(self, leaf: int) -> None:
        self._leaf = leaf
        self.put(self._sent[leaf] if leaf < len(self._sent) else "")
