"""What a terminal sends: pastes are taken as a whole, not letter by letter.

Textual's parser looks at each character of a paste as if it could be a key, which takes seconds for
a megabyte. A paste has a mark at its start and one at its end; what is between them needs no look.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from textual import events
from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
from textual.keys import Keys
from textual.message import Message

MOST_KEPT = 64_000_000
"""Characters of a paste; more are read and thrown away. No prompt takes as many."""

ANSWER_START = "\x1b_G"
ANSWER_END = "\x1b\\"
LONGEST_ANSWER = 256
"""Characters of what a terminal says about its graphics."""

ITSELF = re.compile(r"\x1b\[(?:\?[\d;]*c|6;\d+;\d+t)")
"""What a terminal says about itself, and about the size of its characters."""
UNFINISHED = re.compile(r"\x1b\[\?[\d;]{20,}")
"""The beginning of the first, longer than Textual waits for the end."""

OPTION_ARROW = re.compile(r"\x1b(?:\x1b\[|\[1;9)([A-D])")
"""How terminals on a Mac tell of Alt and an arrow: Terminal.app as of Esc and an arrow, which would
stop an answer; iTerm2 by a number that others take for Cmd."""


class TerminalInput(XTermParser):
    """Keys, clicks and pastes out of what is read from the terminal.

    Args:
        debug: as Textual has it.
        on_answer: takes what the terminal answers to a question about graphics; None where none is
            asked.
    """

    def __init__(
        self, debug: bool = False, *, on_answer: Callable[[str], None] | None = None
    ) -> None:
        super().__init__(debug)
        self._on_answer = on_answer
        self._answer = ""  # on itself, while it is read
        self._keys = ""  # the last of what was not pasted, as long as a mark, less one
        self._paste: list[str] | None = None  # while one is read
        self._length = 0

    def feed(self, data: str) -> Iterable[Message]:
        """Messages in what was read next; nothing is the end of all."""
        if not data:
            yield from super().feed("")
        while data:
            if self._paste is None:
                data = yield from self._outside(data)
            else:
                data = yield from self._inside(self._paste, data)

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        """Keys, but for what is an answer; Textual asks with each letter that has come in."""
        answer = self._answer + sequence
        self._answer = ""
        if self._on_answer is None or not (answer.startswith("\x1b[") and len(answer) > 2):
            return super()._sequence_to_key_events(sequence, alt)
        if ITSELF.fullmatch(answer):
            self._on_answer(answer)
        elif UNFINISHED.fullmatch(answer) and len(answer) < LONGEST_ANSWER:
            self._answer = answer
        else:
            return super()._sequence_to_key_events(sequence, alt)
        return [events.Key(Keys.Ignore, sequence)]

    def _outside(self, data: str) -> Iterator[Message]:
        """Keys up to a paste; gives back what follows its mark."""
        if self._on_answer is not None:
            data = self._without_answer(data, self._on_answer)
        before = len(self._keys)
        start = (self._keys + data).find(BRACKETED_PASTE_START)
        if start < 0:
            self._keys = (self._keys + data)[-len(BRACKETED_PASTE_START) + 1 :]
            if data:
                yield from super().feed(OPTION_ARROW.sub("\x1b[1;3\\1", data))
            return ""
        end = start + len(BRACKETED_PASTE_START) - before
        if start >= before:
            if keys := data[: start - before]:
                yield from super().feed(keys)
        else:  # the parser has had the beginning of the mark: it gets a whole paste, of nothing
            for message in super().feed(data[:end] + BRACKETED_PASTE_END):
                if not isinstance(message, events.Paste):
                    yield message
        self._keys, self._paste, self._length = "", [], 0
        return data[end:]

    def _inside(self, paste: list[str], data: str) -> Iterator[Message]:
        """The paste, if it ends here; gives back what follows its mark."""
        last = paste.pop() if paste else ""
        data = last + data
        self._length -= len(last)
        end = data.find(BRACKETED_PASTE_END)
        if end < 0:
            # The mark may be cut in two: its first part stays in a piece of its own.
            cut = max(0, len(data) - len(BRACKETED_PASTE_END) + 1)
            pieces = [data[:cut], data[cut:]]
            if self._length > MOST_KEPT:
                pieces = pieces[1:]
            paste += pieces
            self._length += sum(map(len, pieces))
            return ""
        self._paste = None
        yield events.Paste("".join([*paste, data[:end]]).replace("\x00", ""))
        return data[end + len(BRACKETED_PASTE_END) :]

    def _without_answer(self, data: str, on_answer: Callable[[str], None]) -> str:
        """What is left when an answer has been taken out."""
        start = data.find(ANSWER_START)
        end = data.find(ANSWER_END, start) if start >= 0 else -1
        if not 0 < end - start <= LONGEST_ANSWER or 0 <= data.find(BRACKETED_PASTE_START) < start:
            return data
        on_answer(data[start + len(ANSWER_START) : end])
        return data[:start] + data[end + len(ANSWER_END) :]
