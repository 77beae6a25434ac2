"""Whether an engine process that says nothing is there at all.

A model may be quiet for long: it reads a piece of a prompt, or looks at a picture. So a quiet
process is asked, and only one that does not answer that is told of: it was suspended, the system
has no memory left for it, or all of it hangs.
"""

from __future__ import annotations

from time import monotonic

from gemma4_mlx.engine.lines import PING, Hello, Ping
from gemma4_mlx.events import EngineSilent


class Silence:
    """What one process was asked and has not answered.

    Args:
        hello: what it said of itself; one that does not know pings is not asked.
    """

    def __init__(self, hello: Hello) -> None:
        self._can_answer = PING in hello.commands
        self._asked_s: float | None = None
        self._is_told = False

    def grow(self) -> Ping | EngineSilent | None:
        """Something is waited for, and nothing was said for a while.

        Returns:
            What to say about that: to the process, or to the face.
        """
        if self._asked_s is not None:
            self._is_told = True
            return EngineSilent(monotonic() - self._asked_s)
        if not self._can_answer:
            return None
        self._asked_s = monotonic()
        return Ping()

    def end(self) -> EngineSilent | None:
        """Something was said, or nothing is waited for any more; returns what to tell the face."""
        was_told, self._is_told, self._asked_s = self._is_told, False, None
        return EngineSilent(0.0) if was_told else None
