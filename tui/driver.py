"""The chat's driver: Textual's own, with a quicker reader, and with pictures where there are some.

It is not known to the widgets: `picture_terminal` gives them what they need of it.

Textual draws on the standard error, where libraries in C also say what is wrong with a picture or a
clip. While the chat draws it has the terminal for itself, and the standard error is a log.
"""

from __future__ import annotations

import codecs
import os
import selectors
import sys
import threading
from typing import Any

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from gemma4_mlx.engine.log import limit_log
from gemma4_mlx.folders import state_folder
from tui.picture_terminal import PictureTerminal, terminal_for
from tui.terminal_input import TerminalInput

TICK_S = 0.1
"""How often a key that could be the beginning of another is looked at again."""
READ_BYTES = 1 << 16
LISTENER_TICKS = 20
"""After how many of them keys are read though nothing on the screen asked for them."""
STDERR = 2


class ChatDriver(LinuxDriver):
    """Reads and writes the terminal.

    Attributes:
        pictures: the terminal, if it may show some.
        is_heard: set when something on the screen takes keys. What is typed before waits in the
            terminal: Textual gives it to nobody.
    """

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        kind = terminal_for(os.environ)
        self.pictures: PictureTerminal | None = kind(self.write, app.call_later) if kind else None
        self.is_heard = threading.Event()
        own = {"encoding": sys.stderr.encoding, "errors": sys.stderr.errors}
        self._file = os.fdopen(os.dup(STDERR), "w", closefd=False, **own)

    def start_application_mode(self) -> None:
        """Draw; from here on the standard error is a log."""
        log = _open_log()
        os.dup2(log, STDERR)
        os.close(log)
        super().start_application_mode()

    def close(self) -> None:
        """Draw no more; the standard error is the terminal again, for an editor or the shell."""
        super().close()
        os.dup2(self._file.fileno(), STDERR)

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


def _open_log() -> int:
    """A descriptor of the chats' log; where there can be none, of what forgets everything."""
    folder = state_folder() / "logs"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        log = os.open(folder / "chat.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)
    limit_log(log)
    return log
