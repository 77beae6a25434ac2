"""The terminal is left as it was found, however the chat ends.

Textual puts it right when the app ends in order, after an error of its own, too. What is left are
signals, which Textual does not catch, and an end so sudden that Textual never came to it.
"""

from __future__ import annotations

import os
import signal
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
EXIT_SIGNAL = 128
"""The exit code of a program that a signal ended, less the signal's number."""

PATIENCE_S = 5.0
"""How long the app may take to end after a signal."""

RESET = (
    "\x1b[?2004l"  # bracketed paste
    "\x1b[?7h"  # lines wrap again
    "\x1b[?2048l"  # news of another size
    "\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"  # the mouse
    "\x1b[<u"  # kitty's keyboard
    "\x1b[0m\x1b[?1049l"  # the other screen
    "\x1b[?25h"  # the cursor
    "\x1b[?1004l"  # news of the focus
)

Leave = Callable[[int], None]
"""Ends the app with an exit code; called in a signal handler."""


@contextmanager
def guarded(leave: Leave) -> Iterator[None]:
    """Run an app in it: signals end the app in order, and the terminal is put right after it.

    Args:
        leave: ends the app. If that takes longer than `PATIENCE_S`, or at a second signal, the
            process ends on the spot.
    """
    before = _modes()
    errors = os.dup(_stderr())
    watches: list[threading.Timer] = []

    def end(number: int, frame: object) -> None:
        if watches:
            _end_at_once(before, errors, number)
        watches.append(threading.Timer(PATIENCE_S, _end_at_once, (before, errors, number)))
        watches[0].daemon = True
        watches[0].start()
        leave(EXIT_SIGNAL + number)

    handlers = {number: signal.signal(number, end) for number in SIGNALS}
    try:
        yield
    finally:
        restore(before, errors)
        for watch in watches:
            watch.cancel()
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(errors)


def restore(before: list[Any] | None, errors: int) -> None:
    """Put the terminal back, unless that has been done.

    Args:
        before: its modes when it was found; None if there was none.
        errors: what the standard error was then; while the app draws it is another.
    """
    os.dup2(errors, _stderr())
    if before is None or _modes() == before:
        return  # leaving the other screen twice would move the cursor
    with suppress(OSError):
        os.write(_stderr(), RESET.encode())
    with suppress(OSError, termios.error):
        termios.tcsetattr(_stdin(), termios.TCSANOW, before)


def is_terminal() -> bool:
    """Whether all three streams are one: Textual reads the first and draws on the third."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return all(stream is not None and stream.isatty() for stream in streams)


def _modes() -> list[Any] | None:
    try:
        modes = termios.tcgetattr(_stdin())
    except (OSError, ValueError, AttributeError, termios.error):
        return None
    modes[3] &= ~termios.PENDIN  # no mode: a Mac notes there that lines are read again
    return modes


def _end_at_once(before: list[Any] | None, errors: int, number: int) -> None:
    restore(before, errors)
    os._exit(EXIT_SIGNAL + number)


def _stdin() -> int:
    return sys.__stdin__.fileno()  # type: ignore[union-attr]


def _stderr() -> int:
    return sys.__stderr__.fileno()  # type: ignore[union-attr]
