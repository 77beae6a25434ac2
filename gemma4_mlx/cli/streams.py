"""The standard streams, as whoever started the program left them."""

from __future__ import annotations

import io
import os
import sys

_STREAMS = (("stdin", "r", os.O_RDONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_RDWR))
"""Name, and how to open what stands in for it: reading finds nothing, an answer cannot be written,
remarks go nowhere."""


def make_usable() -> None:
    """Open what is closed, and let every character be written.

    The number of a closed stream would go to the next file that is opened. A name that is no text
    and a letter that the locale lacks are written as escapes, instead of ending the program.
    """
    for name, mode, flags in _STREAMS:
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, flags)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
