"""`gemma4 chat --plain`: the chat on standard input and output, with signals."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from gemma4_mlx.engine import EngineLike
from tui.plain.chat import PlainChat
from tui.plain.console import Console
from tui.plain.loop import Loop
from tui.settings.options import ChatOptions
from tui.settings.preferences import Preferences

EXIT_SIGNAL = 128
"""The exit code of a program that a signal ended, less the signal's number."""


def run_plain(engine: EngineLike, options: ChatOptions, preferences: Preferences) -> int:
    """Talk until somebody leaves; returns the exit code.

    Args:
        engine: answers; is started here. Whoever made it closes it.
        options: what the chat was started with.
        preferences: settings, and where they are kept.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # no answer is lost to an old locale
    chat = PlainChat(engine, options, Console.standard(), preferences)
    with _signals(chat.link.interrupt):
        return Loop(chat).run()


@contextmanager
def _signals(interrupt: Callable[[], None]) -> Iterator[None]:
    """Ctrl+C interrupts what is waited for; other signals end the program in order."""

    def leave(number: int, frame: object) -> NoReturn:
        sys.exit(EXIT_SIGNAL + number)

    handlers = {
        signal.SIGINT: lambda number, frame: interrupt(),
        signal.SIGTERM: leave,
        signal.SIGHUP: leave,
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
