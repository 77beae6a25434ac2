"""Where the user writes."""

from __future__ import annotations

from pathlib import Path

from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import TextArea

from tui.attachments.paths import media_paths
from tui.store.prompt_history import PromptHistory
from tui.text.folded_text import FoldedText
from tui.text.printable import printable

LONGEST_PASTE = 1_000_000
"""In characters: no model of this family could read more at once."""


class Prompt(TextArea):
    """Text of some lines: Enter sends it, Ctrl+J and Shift+Enter break the line.

    A pasted or dropped text that is nothing but names of media files is not inserted:
    `FilesPasted` tells of them. Other pastes are inserted, long ones folded to a mark that
    stands for them; a paste is never a command.

    Args:
        placeholder: shown while nothing is written.
        history: what was sent before.

    Attributes:
        is_suggesting: whether there is a list of suggestions, which then gets some keys.
    """

    BINDINGS = [
        Binding("enter", "send", "Send", id="prompt.send"),
        Binding("ctrl+j,shift+enter", "newline", "New line", id="prompt.newline"),
        Binding("ctrl+v", "paste", "Paste a picture or text", id="prompt.paste", show=False),
        Binding("ctrl+underscore,super+z", "undo", "Undo", id="prompt.undo", show=False),
        Binding("ctrl+d", "quit_or_delete", "Quit", id="prompt.quit", show=False),
        Binding("pageup", "scroll_transcript(-1)", "Scroll", id="prompt.page_up", show=False),
        Binding("pagedown", "scroll_transcript(1)", "Scroll", id="prompt.page_down", show=False),
        Binding("up", "cursor_up", "Up, then earlier texts", id="prompt.up", show=False),
        Binding("down", "cursor_down", "Down, then later texts", id="prompt.down", show=False),
        # Before all others, but only while there is something to choose from.
        *(
            Binding(
                key,
                f"suggested('{what}')",
                words,
                id=f"suggestions.{what}",
                show=False,
                priority=True,
            )
            for key, what, words in (
                ("tab", "complete", "Complete"),
                ("enter", "take", "Take"),
                ("up", "up", "The one before"),
                ("down", "down", "The one after"),
                ("escape", "close", "Close"),
            )
        ),
    ]

    is_suggesting: reactive[bool] = reactive(False)

    class Sent(Message):
        """Enter was pressed.

        Attributes:
            text: what is written; a slash that was pasted has a space before it.
        """

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class FilesPasted(Message):
        """Names of media files were pasted."""

        def __init__(self, paths: list[Path]) -> None:
            super().__init__()
            self.paths = paths

    class PasteTakenBack(Message):
        """The files that were pasted last are text now."""

    class PasteRefused(Message):
        """A paste was too long."""

        def __init__(self, length: int) -> None:
            super().__init__()
            self.length = length

    class ClipboardWanted(Message):
        """What is on the machine's clipboard should be pasted."""

    class SuggestionKey(Message):
        """A key for the list of suggestions: complete, take, up, down or close."""

        def __init__(self, what: str) -> None:
            super().__init__()
            self.what = what

    class LeftUpwards(Message):
        """Up was pressed on the first line."""

    class Scrolled(Message):
        """A page key was pressed: the transcript should move by `pages`."""

        def __init__(self, pages: int) -> None:
            super().__init__()
            self.pages = pages

    def __init__(self, placeholder: str, history: PromptHistory | None = None) -> None:
        super().__init__(
            placeholder=placeholder,
            compact=True,
            highlight_cursor_line=False,
            show_line_numbers=False,
            soft_wrap=True,
            tab_behavior="focus",
        )
        self._history = history or PromptHistory()
        self._leaf: str | None = None
        self._folded = FoldedText()
        self._has_pasted_start = False
        self._pasted_files = ""
        self._held: list[events.Key] | None = None

    @property
    def written(self) -> str:
        """All that is written, folded pastes as well."""
        return self._folded.unfold(self.text)

    @property
    def is_command(self) -> bool:
        """Whether a slash was typed at the start."""
        return self.text.startswith("/") and not self._has_pasted_start

    @property
    def before_cursor(self) -> str:
        """The line of the cursor, up to it."""
        row, column = self.cursor_location
        return self.document.get_line(row)[:column]

    def remember(self, text: str) -> None:
        """Keep a sent text for leafing."""
        self._leaf = None
        if text:
            self._history.add(text)

    def put(self, text: str) -> None:
        """Replace what is written, and stand at its end; `TextArea.Changed` is for the user's."""
        with self.prevent(TextArea.Changed):
            self.text = self._folded.fold(text)
        self._has_pasted_start = self.is_suggesting = False
        self._pasted_files = ""
        self.move_cursor(self.document.end)
        self.go_on()

    def receive(self, text: str) -> None:
        """Take in a paste: as files if it is nothing else, or as text."""
        if not text:
            self.post_message(self.ClipboardWanted())
        elif paths := media_paths(text):
            self.post_message(self.FilesPasted(paths))
            if self.text.strip() in ("/image", "/audio"):
                self.put("")
            self._pasted_files = text
        elif len(text) > LONGEST_PASTE:
            self.post_message(self.PasteRefused(len(text)))
        else:
            self._insert_pasted(text)

    def _insert_pasted(self, text: str) -> None:
        start, end = sorted(self.selection)
        at_start = start == (0, 0)
        result = self._replace_via_keyboard(self._folded.fold(printable(text)), start, end)
        if result is not None:
            self.move_cursor(result.end_location)
        self._has_pasted_start |= at_start and self.text.startswith("/")
        self.focus()

    def action_paste(self) -> None:
        """Ask for the clipboard: terminals tell only of text."""
        self.post_message(self.ClipboardWanted())

    def action_undo(self) -> None:
        """Files that were just pasted become text; else as always."""
        if self._pasted_files:
            self.post_message(self.PasteTakenBack())
            self._insert_pasted(self._pasted_files)
            self._pasted_files = ""
        else:
            super().action_undo()

    def action_send(self) -> None:
        """Send; what is typed from now on waits until that has been taken or refused."""
        self._held = self._held or []
        self.post_message(self.Sent(f" {self.text}" if self._has_pasted_start else self.text))

    def action_newline(self) -> None:
        """Break the line."""
        self.insert("\n")

    def action_quit_or_delete(self) -> None:
        """Leave the program when nothing is written, as in a shell."""
        if self.text:
            self.action_delete_right()
        else:
            self.app.exit()

    def action_delete_left(self) -> None:
        """A folded paste goes as a whole."""
        mark = self._folded.mark_before(self.before_cursor) if self.selection.is_empty else ""
        if not mark:
            super().action_delete_left()
            return
        row, column = self.cursor_location
        self._delete_via_keyboard((row, column - len(mark)), (row, column))

    def action_scroll_transcript(self, pages: int) -> None:
        """Ask for the transcript to move."""
        self.post_message(self.Scrolled(pages))

    def action_suggested(self, what: str) -> None:
        """Pass it on to the list of suggestions."""
        self.post_message(self.SuggestionKey(what))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Some keys are the list's while there is one."""
        return self.is_suggesting if action == "suggested" else True

    def action_cursor_right(self, select: bool = False) -> None:
        """What is suggested is taken with tab; as it may be a mere hint, not with this key."""
        self.suggestion = ""
        super().action_cursor_right(select)

    def action_cursor_up(self, select: bool = False) -> None:
        """On the first line there is nowhere to go but out."""
        if select or not self.cursor_at_first_line:
            super().action_cursor_up(select)
        else:
            self.post_message(self.LeftUpwards())

    def action_cursor_down(self, select: bool = False) -> None:
        """While leafing: back towards the present."""
        if self._is_leafing and not select and self.cursor_at_last_line:
            self._leaf_to(self._history.next())
        else:
            super().action_cursor_down(select)

    def leaf_back(self) -> None:
        """Show what was sent before; something newly written is left alone."""
        if not self.text or self._is_leafing:
            self._leaf_to(self._history.previous(self.written))

    def on_prompt_suggestion_key(self, message: SuggestionKey) -> None:
        """What is typed after a choice waits for it."""
        if message.what == "take":
            self._held = self._held or []

    def go_on(self) -> None:
        """What was sent has been taken or refused: take in what has been typed since."""
        held, self._held = self._held or (), None
        for event in held:
            self.post_message(events.Key(event.key, event.character))

    async def on_key(self, event: events.Key) -> None:
        """Obey this widget's own bindings here and now; TextArea would insert an Enter.

        Keys rise to the bindings one level at a time: what is typed right after one would
        otherwise be written, or sent, before it is obeyed.
        """
        if self._held is not None:
            event.stop()
            event.prevent_default()
            self._held.append(event)
            return
        if event.key == "enter":
            event.prevent_default()
        action = self._own_action(event)
        if action and await self.app.run_action(action, self):
            event.stop()
            event.prevent_default()

    def _own_action(self, event: events.Key) -> str:
        """What a key does to what is written; nothing if it is a letter, or somebody else's."""
        active = None if event.is_printable else self.screen.active_bindings.get(event.key)
        if active is None or active.node is not self or not active.enabled:
            return ""
        return active.binding.action

    def on_paste(self, event: events.Paste) -> None:
        """Take it from TextArea, which would insert everything."""
        event.prevent_default()
        event.stop()
        self.receive(event.text)

    def on_text_area_changed(self) -> None:
        """Something was written, so a paste of files cannot be taken back any more."""
        self._pasted_files = ""
        self._has_pasted_start &= self.text.startswith("/")

    @property
    def _is_leafing(self) -> bool:
        """Whether what is written is from the past, and unchanged."""
        return self._leaf is not None and self._leaf == self.text

    def _leaf_to(self, text: str | None) -> None:
        if text is not None:
            self.put(text)
            self._leaf = self.text
