"""Text that comes faster than it can be drawn.

Each piece of an answer that is drawn costs the same layout, whether it is one token or fifty.
So text is gathered: it is drawn at most every `SHORTEST_PAUSE_S`, and after a drawing that took
long there is a rest of `REST_PER_WORK` times as long, in which keys and the model have the
processor.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, thread_time

SHORTEST_PAUSE_S = 0.1
REST_PER_WORK = 3.0
LONGEST_REST_S = 1.0
"""So that something moves also where drawing is very slow."""


class Gatherer:
    """What waits to be drawn, and until when it has to wait.

    Args:
        clock: seconds that only go forward.
        work_clock: seconds of work, on this thread; other programs do not count.
    """

    def __init__(
        self,
        clock: Callable[[], float] = monotonic,
        work_clock: Callable[[], float] = thread_time,
    ) -> None:
        self._clock = clock
        self._work_clock = work_clock
        self._waiting: list[str] = []
        self._began_s = self._work_began_s = 0.0
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
        self._began_s, self._work_began_s = self._clock(), self._work_clock()
        text = "".join(self._waiting)
        self._waiting.clear()
        return text

    def end(self) -> None:
        """The drawing is on the screen."""
        rest_s = min(LONGEST_REST_S, REST_PER_WORK * (self._work_clock() - self._work_began_s))
        self._next_s = max(self._began_s + SHORTEST_PAUSE_S, self._clock() + rest_s)
