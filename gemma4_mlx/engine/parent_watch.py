"""The watch for the process that this one works for: once that is gone, so is this one.

It is the first thing that the engine process begins: nothing that takes long, not even an import,
outlives whoever wanted it. A pipe that has lost its other end would say so, too, but somebody else
may hold that open, and nobody reads it before all is imported.
"""

from __future__ import annotations

import os
import threading
import time

WATCH_S = 0.25
"""How often it is looked whether the parent is there."""


def watch_parent(parent: int | None = None) -> None:
    """Begin to watch, on a thread of its own.

    Args:
        parent: number of the process that must be there; None for the present parent.
    """
    expected = os.getppid() if parent is None else parent
    threading.Thread(target=_watch, args=(expected,), name="gemma4-watch", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    os._exit(0)
