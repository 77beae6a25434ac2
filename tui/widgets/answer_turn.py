"""What the model says."""

from __future__ import annotations

import time

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Static

from gemma4_mlx.events import (
    Event,
    Failed,
    Finished,
    PromptProgress,
    TextDelta,
    ThoughtDelta,
    ToolCall,
)
from tui import figures
from tui.chat import answer_figures
from tui.chat.entry import Entry
from tui.widgets.key_hints import Wanted
from tui.widgets.thoughts import Thoughts
from tui.widgets.tool_call import ToolCallLine
from tui.widgets.turn import Turn

PATIENCE_S = 3.0
"""After that long without a word it is told how long it has been."""


class AnswerTurn(Turn):
    """An answer while it is being written and after: thoughts, text, one line of figures.

    Args:
        entry: the answer; what it has already is shown.
        version: which of its versions it is, and how many there are.
        phase: what is going on until the first word comes.
    """

    BINDINGS = [Binding("t", "thoughts", "Thoughts", id="turn.thoughts")]
    SPEAKER = "Gemma"

    def __init__(self, entry: Entry, version: tuple[int, int] = (1, 1), *, phase: str = "") -> None:
        # Not at the top: the parser takes long to load, and no answer is in the first frame.
        from tui.widgets.streamed_markdown import StreamedMarkdown

        super().__init__(entry, version)
        self.thoughts = Thoughts(entry)
        self._markdown = StreamedMarkdown(entry.text)
        self._tools = Vertical(*map(ToolCallLine, entry.tool_calls), classes="tool-calls")
        self._footer = Static(markup=False, classes="answer-footer")
        self._phase = phase
        self._asked_s = time.monotonic()

    @property
    def wanted(self) -> Wanted:
        """Bindings that do something here, and what, in a word."""
        thoughts = (("turn.thoughts", "thoughts"),) if self.entry.thought else ()
        return (*super().wanted, *thoughts)

    def compose(self) -> ComposeResult:
        """Thoughts and tools take no room while there are none."""
        yield self.speaker()
        yield self.thoughts
        yield self._markdown
        yield self._tools
        yield self._footer

    async def on_mount(self) -> None:
        """Show what there is."""
        self._ticking = self.set_interval(1, self._tell_phase, pause=True)
        if self.entry.state == "writing":
            self._ticking.resume()
            self.show_phase(self._phase or ("writing" if self.entry.text else ""))
        else:
            await self._end()

    def show_phase(self, phase: str) -> None:
        """Say what is going on; while there is no word to read, also for how long."""
        self._phase = phase
        self._tell_phase()

    def _tell_phase(self) -> None:
        waited_s = time.monotonic() - self._asked_s
        is_slow = not (self.entry.text or self.entry.thought) and waited_s >= PATIENCE_S
        waited = f" · {figures.waited(waited_s)}" if is_slow else ""
        self._footer.update(f"{self._phase}{waited}")

    def action_thoughts(self) -> None:
        """Show or hide them."""
        if self.entry.thought:
            self.thoughts.fold()

    async def hear(self, event: Event) -> None:
        """Show an event that the entry has taken."""
        match event:
            case PromptProgress():
                self.show_phase(figures.reading(event))
            case ThoughtDelta():
                self._ticking.pause()
                self.thoughts.grow()
                self.show_phase("thinking")
            case TextDelta(text):
                if not self._markdown.source:
                    self._ticking.pause()
                    self.thoughts.flush()
                    self.show_phase("writing")
                self._markdown.write(text)
            case ToolCall():
                await self._tools.mount(ToolCallLine(event))
            case Finished() | Failed():
                await self._end()

    async def _end(self) -> None:
        self._ticking.stop()
        self.thoughts.flush()
        await self._markdown.flush(last=True)
        self._footer.update(answer_figures.ending(self.entry))
