"""A turn in words, as it comes."""

from __future__ import annotations

from collections.abc import Callable

from gemma4_mlx.events import (
    Event,
    Failed,
    Finished,
    MediaReceipt,
    PromptProgress,
    TextDelta,
    ThoughtDelta,
    ToolCall,
)
from tui import figures
from tui.chat import answer_figures
from tui.chat.entry import Entry
from tui.plain.console import Console, sentence
from tui.plain.pace import Pace

LABEL = "Gemma: "
LONGEST_WORD = 24
"""So many characters without a space are written all the same; not every script has spaces."""


class Narrator:
    """Says what becomes of one turn.

    Args:
        console: where.
        question, answer: the turn; both are kept up to date by somebody else, before `tell`.
        clock: seconds that only go forward.
    """

    def __init__(
        self, console: Console, question: Entry, answer: Entry, clock: Callable[[], float]
    ) -> None:
        self._console = console
        self._question = question
        self._answer = answer
        self._pace = Pace(clock)
        self._held = ""  # half a word: a screen reader would read each half
        self._is_labelled = False
        self._is_thinking = False
        self._receipts = self._known_receipts()  # that were said

    def tell(self, event: Event) -> None:
        """Say an event of the turn."""
        match event:
            case MediaReceipt():
                self._tell_receipts()
            case PromptProgress(done, total) if done < total:
                if self._pace.is_due():
                    self._console.say(sentence(figures.reading(event)))
            case ThoughtDelta():
                self._tell_thinking()
            case TextDelta(text):
                self._end_thinking()
                self._write(text)
            case ToolCall(name):
                self._end_text()
                self._console.say(f"Gemma asks for a tool, {name}; nobody runs it.")
            case Finished() | Failed():
                self._end_thinking()
                self._end_text()
                self._tell_end()

    def _known_receipts(self) -> int:
        """How many attachments, from the first on, have been read whole."""
        attachments = self._question.attachments
        for place, attachment in enumerate(attachments):
            if len(self._question.receipts_of(place)) < attachment.parts:
                return place
        return len(attachments)

    def _tell_receipts(self) -> None:
        known = self._known_receipts()
        for place in range(self._receipts, known):
            attachment = self._question.attachments[place]
            receipts = self._question.receipts_of(place)
            got = figures.receipt(receipts, expected=attachment.tokens())
            self._console.say(f"{attachment.name}: {got}")
        self._receipts = max(self._receipts, known)

    def _tell_thinking(self) -> None:
        if not self._is_thinking:
            self._is_thinking = True
            self._console.say("Gemma is thinking.")
        elif self._pace.is_due():
            self._console.say(sentence(answer_figures.thought(self._answer)))

    def _end_thinking(self) -> None:
        if self._is_thinking:
            self._is_thinking = False
            thought = answer_figures.thought(self._answer)
            self._console.say(sentence(f"{thought}; /thoughts shows them"))

    def _tell_end(self) -> None:
        is_empty = not (self._answer.text or self._answer.tool_calls)
        how = answer_figures.manner(self._answer)
        if how and not (is_empty and self._answer.state == "failed"):
            self._console.say(sentence(how))

    def _write(self, text: str) -> None:
        self._held += text
        if not self._is_labelled:
            self._held = self._held.lstrip()
        end = 1 + max(self._held.rfind(" "), self._held.rfind("\n"))
        self._flush(end if end or len(self._held) < LONGEST_WORD else len(self._held))

    def _flush(self, end: int) -> None:
        """Write the first `end` characters of what is held back."""
        if end and not self._is_labelled:
            self._is_labelled = True
            self._console.end_line()
            self._console.write(LABEL)
        self._console.write(self._held[:end])
        self._held = self._held[end:]

    def _end_text(self) -> None:
        self._held = self._held.rstrip()
        self._flush(len(self._held))
        self._console.end_line()
