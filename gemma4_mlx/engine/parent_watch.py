"""The watch for the process that this one works for: once that is gone, so is this one.

It is the first thing that the engine process begins: nothing that takes long, not even an import,
outlives whoever wanted it. A pipe that has lost its other end would say so, too, but somebody else
may hold that open, and nobody reads it before all is imported. A thread ends this process in
order, a guard whatever it is doing.
"""

from __future__ import annotations

import os
import threading
import time

from gemma4_mlx.engine.guard import Guard

WATCH_S = 0.25
"""How often it is looked whether the parent is there."""


def watch_parent(parent: int | None = None) -> Guard:
    """Begin to watch, before this process has threads.

    Args:
        parent: number of the process that must be there; None for the present parent.

    Returns:
        The guard, to be dismissed by whoever ends this process in order.
    """
    expected = os.getppid() if parent is None else parent
    if os.getppid() != expected:
        os._exit(0)
    guard = Guard(expected)
    threading.Thread(target=_watch, args=(expected,), name="gemma4-watch", daemon=True).start()
    return guard


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    os._exit(0)
