"""The chat's driver: Textual's own, with a quicker reader, and with pictures where there are some.

It is not known to the widgets: `picture_terminal` gives them what they need of it.
"""

from __future__ import annotations

import codecs
import os
import selectors
import threading
from collections.abc import Callable, Mapping
from typing import Any

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from tui.terminal_input import TerminalInput

TICK_S = 0.1
"""How often a key that could be the beginning of another is looked at again."""
READ_BYTES = 1 << 16
LISTENER_TICKS = 20
"""After how many of them keys are read though nothing on the screen asked for them."""

QUERY = "\x1b_Gi=1,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
"""Would one black pixel be shown? Nothing is drawn."""
AFFIRMATIVE = "i=1;OK"

TERMS = ("xterm-kitty", "xterm-ghostty")
"""Terminals that show pictures in the place of characters, by what they call themselves."""
INSIDE = ("TMUX", "STY", "ZELLIJ")
"""What is set where another program draws in between."""


def may_show_pictures(environ: Mapping[str, str]) -> bool:
    """Whether the terminal can be asked if it shows pictures.

    Another one might write the question on the screen. The number of a picture is told by a colour,
    so that all of them must be there.
    """
    return (
        environ.get("TERM") in TERMS
        and environ.get("COLORTERM") in ("truecolor", "24bit")
        and not environ.get("NO_COLOR")
        and not any(map(environ.get, INSIDE))
    )


class PictureTerminal:
    """A terminal that may show pictures: it is asked once, when there is one.

    Args:
        write: sends it something.
        call: has something done on the screen's thread.

    Attributes:
        shows: whether it has said that it does.
    """

    def __init__(
        self, write: Callable[[str], None], call: Callable[[Callable[[], None]], Any]
    ) -> None:
        self.write = write
        self.shows = False
        self._call = call
        self._waiting: list[Callable[[], None]] | None = None

    def ask(self, then: Callable[[], None]) -> None:
        """Have something done when it says that it does; where it has, it is for the caller."""
        if self._waiting is None:
            self._waiting = []
            self.write(QUERY)
        if not self.shows:
            self._waiting.append(then)

    def hear(self, answer: str) -> None:
        """Take its answer; on the thread that reads from it."""
        if answer == AFFIRMATIVE and self._waiting and not self.shows:
            self.shows = True
            waiting, self._waiting = self._waiting, []
            for then in waiting:
                self._call(then)


class ChatDriver(LinuxDriver):
    """Reads and writes the terminal.

    Attributes:
        pictures: the terminal, if it may show some.
        is_heard: set when something on the screen takes keys. What is typed before waits in the
            terminal: Textual gives it to nobody.
    """

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        may = may_show_pictures(os.environ)
        self.pictures = PictureTerminal(self.write, app.call_later) if may else None
        self.is_heard = threading.Event()

    def run_input_thread(self) -> None:
        """Read until the app ends, or the terminal does."""
        for _ in range(LISTENER_TICKS):
            if self.is_heard.wait(TICK_S) or self.exit_event.is_set():
                break
        parser = TerminalInput(self._debug, on_answer=self.pictures.hear if self.pictures else None)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        # Not the default one: on a Mac that is kqueue, which does not know all terminals.
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(TICK_S):
                    if not (read := os.read(self.fileno, READ_BYTES)):
                        break
                    for message in parser.feed(decoder.decode(read)):
                        self.process_message(message)
                for message in parser.tick():
                    self.process_message(message)


def take_keys(app: App[Any]) -> None:
    """Say that something on the screen takes keys."""
    if isinstance(driver := app._driver, ChatDriver):
        driver.is_heard.set()


def picture_terminal(app: App[Any]) -> PictureTerminal | None:
    """The terminal that an app draws on, if it may show pictures."""
    return getattr(app._driver, "pictures", None)
