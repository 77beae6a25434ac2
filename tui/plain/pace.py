"""How often something that changes all the time is said."""

from __future__ import annotations

from collections.abc import Callable

EVERY_S = 4.0


class Pace:
    """Tells when it is time again.

    Args:
        clock: seconds that only go forward.
        every_s: how long to be silent, in seconds.
    """

    def __init__(self, clock: Callable[[], float], every_s: float = EVERY_S) -> None:
        self._clock = clock
        self._every_s = every_s
        self._next_s = clock() + every_s

    def is_due(self) -> bool:
        """Whether it is time; if so, the silence begins anew."""
        now_s = self._clock()
        if now_s < self._next_s:
            return False
        self._next_s = now_s + self._every_s
        return True
