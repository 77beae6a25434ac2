"""Ctrl+C where nothing has begun: while Python imports the program, or click reads the options.

There a `KeyboardInterrupt` would end in a traceback, and nothing needs to be put right. Nothing but
the handling of signals is imported here: meanwhile the traceback would still come.
"""

from __future__ import annotations

import os
import signal

INTERRUPTED = 130
"""Exit code, as shells count: 128 and the number of SIGINT."""


def quiet_interrupts() -> _Handler:
    """Within it, Ctrl+C ends the process at once, without a word."""
    return _Handler(usual=signal.default_int_handler, meanwhile=_leave)


def raised_interrupts() -> _Handler:
    """Inside `quiet_interrupts`: within it, Ctrl+C is a `KeyboardInterrupt` again."""
    return _Handler(usual=_leave, meanwhile=signal.default_int_handler)


class _Handler:
    """Another way to handle Ctrl+C for a while; one that somebody else has chosen stays."""

    def __init__(self, *, usual: object, meanwhile: object) -> None:
        self._usual = usual
        self._meanwhile = meanwhile

    def __enter__(self) -> None:
        self._swap(self._usual, self._meanwhile)

    def __exit__(self, *error: object) -> None:
        self._swap(self._meanwhile, self._usual)

    def _swap(self, old: object, new: object) -> None:
        if signal.getsignal(signal.SIGINT) is old:
            try:
                signal.signal(signal.SIGINT, new)  # pyright: ignore[reportArgumentType]
            except ValueError:
                return  # not on the main thread, which alone is interrupted


def _leave(number: int, frame: object) -> None:
    os._exit(INTERRUPTED)
