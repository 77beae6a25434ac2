"""Text that comes faster than it can be drawn.

Each piece of an answer that is drawn costs the same layout, whether it is one token or fifty.
So text is gathered: it is drawn at most every `SHORTEST_PAUSE_S`, and after a drawing that took
long there is a rest of `REST_PER_WORK` times as long, in which keys and the model have the
processor.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

SHORTEST_PAUSE_S = 0.1
REST_PER_WORK = 3.0


class Gatherer:
    """What waits to be drawn, and until when it has to wait.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._waiting: list[str] = []
        self._began_s = 0.0
        self._next_s = clock() + SHORTEST_PAUSE_S

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, text: str) -> None:
        """More text."""
        if text:
            self._waiting.append(text)

    def wait_s(self) -> float:
        """How long to wait before the next drawing; 0 if it is time."""
        return max(0.0, self._next_s - self._clock())

    def begin(self) -> str:
        """Everything that waits, to be drawn now."""
        self._began_s = self._clock()
        text = "".join(self._waiting)
        self._waiting.clear()
        return text

    def end(self) -> None:
        """The drawing is on the screen."""
        now_s = self._clock()
        rest_s = REST_PER_WORK * (now_s - self._began_s)
        self._next_s = max(self._began_s + SHORTEST_PAUSE_S, now_s + rest_s)
