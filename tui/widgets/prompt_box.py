"""The prompt, and over it what could be meant by what is typed."""

from __future__ import annotations

from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import TextArea
from textual.worker import get_current_worker

from tui.attachments.completion import (
    Suggestion,
    file_query,
    ghost_arguments,
    suggest_commands,
    suggest_files,
)
from tui.store.prompt_history import PromptHistory
from tui.widgets.prompt import Prompt
from tui.widgets.suggestions import Suggestions


class PromptBox(Vertical):
    """Completes commands after `/` and files after `@`.

    Args:
        placeholder: shown while nothing is written.
        history: what was sent before.

    Attributes:
        prompt: where is written.
    """

    DEFAULT_CSS = "PromptBox { height: auto; }"

    class FileChosen(Message):
        """A file was taken from the list."""

        def __init__(self, path: Path) -> None:
            super().__init__()
            self.path = path

    def __init__(self, placeholder: str, history: PromptHistory | None = None) -> None:
        super().__init__()
        self.prompt = Prompt(placeholder, history)
        self._suggestions = Suggestions()
        self._closed_at: int | None = None
        self._offered_for = ""  # what was written up to the cursor when the list was made

    def compose(self) -> ComposeResult:
        """The list hangs over what is above."""
        yield self._suggestions
        yield self.prompt

    def on_mount(self) -> None:
        """The list goes with what it was for."""
        self.watch(self.prompt, "is_suggesting", self._close)

    def on_text_area_changed(self, message: TextArea.Changed) -> None:
        """Suggest something else."""
        self._suggest()

    def on_text_area_selection_changed(self, message: TextArea.SelectionChanged) -> None:
        """The cursor may have left what was being completed."""
        message.stop()
        if self.prompt.is_suggesting:
            self._suggest()

    def on_prompt_suggestion_key(self, message: Prompt.SuggestionKey) -> None:
        """The list is led from the prompt."""
        message.stop()
        match message.what:
            case "up":
                self._suggestions.move(-1)
            case "down":
                self._suggestions.move(1)
            case "close":
                self._closed_at = self._start
                self._offer([])
            case what:
                self._take_chosen(send=what == "take")

    def on_suggestions_taken(self, message: Suggestions.Taken) -> None:
        """As if chosen with the keys."""
        message.stop()
        self.prompt.focus()
        self._take(message.suggestion, send=False)

    @property
    def _start(self) -> int | None:
        """Where in its line that begins which could be completed; None if nothing does."""
        prompt = self.prompt
        at_end = prompt.cursor_location == prompt.document.end
        if prompt.is_command and at_end and suggest_commands(prompt.text):
            return 0
        query = file_query(prompt.before_cursor)
        return query[0] if query else None

    def _suggest(self) -> None:
        prompt = self.prompt
        prompt.suggestion = ghost_arguments(prompt.text) if prompt.is_command else ""
        start = self._start
        if start is None:
            self._closed_at = None
            self._offer([])
        elif start == self._closed_at:
            self._offer([])
        elif query := file_query(prompt.before_cursor):
            self._find_files(*query)
        else:
            self._offer(suggest_commands(prompt.text))

    @work(thread=True, exclusive=True, group="suggestions")
    def _find_files(self, start: int, letters: str) -> None:
        worker = get_current_worker()
        found = suggest_files(letters, Path.cwd(), lambda: not worker.is_cancelled)
        if not worker.is_cancelled:
            self.app.call_from_thread(self._offer_files, (start, letters), *found)

    def _offer_files(self, query: tuple[int, str], found: list[Suggestion], remark: str) -> None:
        if file_query(self.prompt.before_cursor) == query:  # still what is asked for
            self._offer(found, remark)

    def _offer(self, items: list[Suggestion], remark: str = "") -> None:
        self._offered_for = self.prompt.before_cursor
        self.prompt.is_suggesting = bool(items)
        self._suggestions.offer(items, remark)

    def _close(self, is_suggesting: bool) -> None:
        if not is_suggesting:
            self._suggestions.offer([])

    def _take_chosen(self, *, send: bool) -> None:
        """Take what is chosen of a list for what is written: keys may come faster than lists."""
        if self._offered_for != self.prompt.before_cursor:
            self._suggest()
        if self._offered_for == self.prompt.before_cursor:
            self._take(self._suggestions.chosen, send=send)
        else:  # files are still looked for
            self.prompt.go_on()

    def _take(self, suggestion: Suggestion | None, *, send: bool) -> None:
        start = self._start
        if suggestion is not None and start is not None:
            row, column = self.prompt.cursor_location
            self.prompt.replace(suggestion.text, (row, start), (row, column))
            if suggestion.path is not None:
                self.post_message(self.FileChosen(suggestion.path))
            send = send and suggestion.is_whole and suggestion.path is None
        # What was typed quickly may leave nothing to choose from: then Enter means the whole.
        if send:
            # Later, as a message of the prompt: one made here would not rise above this widget.
            self.prompt.call_next(self.prompt.action_send)
        else:
            self.prompt.go_on()
