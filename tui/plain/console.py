"""Lines in, lines out."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from tui.text.printable import printable

_IN_WORDS = str.maketrans({"×": "x", "…": "...", "▣": "picture", "♪": "clip", "▤": "video"})

BELL = "\a"


class Console:
    """A terminal, or two pipes.

    What the program says stands on lines of its own; what a model writes is written as it comes.

    Args:
        read: writes a prompt and reads a line, as `input` does.
        out: where everything goes.
        is_terminal: whether somebody types, sees the line while they do, and hears a bell.
    """

    def __init__(
        self, read: Callable[[str], str], out: TextIO, *, is_terminal: bool = False
    ) -> None:
        self._read = read
        self._out = out
        self._is_at_start = True
        self._readline: Any = None
        self.is_terminal = is_terminal

    @classmethod
    def standard(cls) -> Console:
        """Standard input and output, with line editing where both are a terminal."""
        console = cls(_interruptible, sys.stdout)
        console.is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
        if console.is_terminal:
            console._readline = _readline()
        return console

    @property
    def can_prefill(self) -> bool:
        """Whether a line can be handed over to be changed."""
        # libedit, which stands behind the module on most Macs, empties the line when it begins.
        return self._readline is not None and not _is_libedit(self._readline)

    def remember(self, lines: Iterable[str]) -> None:
        """Lines that can be leafed to."""
        if self._readline is not None:
            for line in lines:
                self._readline.add_history(line)

    def ask(self, prompt: str, *, prefill: str = "") -> str:
        """Read a line.

        Args:
            prompt: what stands before it.
            prefill: what stands on it at first, where that can be done.

        Raises:
            EOFError: there are no more lines.
            KeyboardInterrupt: Ctrl+C.
        """
        self.end_line()
        try:
            line = self._read_prefilled(prompt, prefill)
        except UnicodeDecodeError:
            self._write("\n")
            self.say("That was no text in UTF-8.")
            return ""
        except BaseException:
            self._write("\n")
            raise
        if not self.is_terminal:
            self._write(f"{printable(line)}\n")  # nobody else shows what was given
        return line.encode("utf-8", "replace").decode("utf-8")

    def say(self, text: str) -> None:
        """Something that the program says, in characters that can be read aloud."""
        self.end_line()
        self._write(printable(text.replace(" · ", ", ").translate(_IN_WORDS)) + "\n")

    def say_error(self, message: str, hint: str) -> None:
        """Something that went wrong, and what can be done about it, if that is known."""
        self.say(sentence(message))
        if hint:
            self.say(sentence(hint))

    def write(self, text: str) -> None:
        """Something that somebody else says, on the same line."""
        if text:
            shown = printable(text)
            self._write(shown)
            self._is_at_start = shown.endswith("\n")

    def end_line(self) -> None:
        """What follows begins on a line of its own."""
        if not self._is_at_start:
            self._write("\n")
            self._is_at_start = True

    def ring(self) -> None:
        """The bell, where there is one."""
        if self.is_terminal:
            self._write(BELL)

    def _read_prefilled(self, prompt: str, prefill: str) -> str:
        if not prefill or not self.can_prefill:
            return self._read(prompt)
        self._readline.set_startup_hook(lambda: self._readline.insert_text(prefill))
        try:
            return self._read(prompt)
        finally:
            self._readline.set_startup_hook(None)

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def sentence(words: str) -> str:
    """With a full stop, and with a capital letter unless it begins with a name."""
    first = words.partition(" ")[0].rstrip(",:;")
    begun = words[:1].upper() + words[1:] if first.isalpha() else words
    return begun if begun.endswith((".", "!", "?", ":")) else f"{begun}."


def _interruptible(prompt: str) -> str:
    """Read a line; only here Ctrl+C is an exception."""
    with _default_interrupt():
        return input(prompt)


@contextmanager
def _default_interrupt() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _readline() -> Any:
    """Line editing for `input`; None where Python has none."""
    try:
        import readline
    except ImportError:
        return None
    return readline


def _is_libedit(module: Any) -> bool:
    """Whether that is what edits lines, in place of GNU readline."""
    backend = getattr(module, "backend", "")  # Python 3.13 and later tell
    return backend == "editline" or "libedit" in (module.__doc__ or "")
