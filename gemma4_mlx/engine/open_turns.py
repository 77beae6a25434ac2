"""Turns that were submitted and have not ended, each with the number that its lines carry."""

from __future__ import annotations

from collections.abc import Iterator

from gemma4_mlx.engine.failures import failure
from gemma4_mlx.engine.lines import Ask, encode
from gemma4_mlx.engine.request import TurnRequest
from gemma4_mlx.errors import Gemma4Error
from gemma4_mlx.events import Failed


class OpenTurns:
    """In the order of their submission; numbers are never used twice."""

    def __init__(self) -> None:
        self._open: dict[int, bytes | Failed] = {}
        self._last = 0

    def __bool__(self) -> bool:
        return bool(self._open)

    def __contains__(self, turn: int) -> bool:
        return turn in self._open

    @property
    def last(self) -> int:
        """The number that was given last."""
        return self._last

    def add(self, request: TurnRequest) -> bytes | None:
        """Give a turn a number.

        Returns:
            Its line; None if it cannot be said, which it fails with when it is its turn.
        """
        self._last += 1
        try:
            line = encode(Ask.of(self._last, request))
        except Gemma4Error as error:
            self._open[self._last] = failure(error)
            return None
        self._open[self._last] = line
        return line

    def lines(self) -> list[bytes]:
        """All that can be said, for an engine that knows none of them."""
        return [line for line in self._open.values() if isinstance(line, bytes)]

    def end(self, turn: int) -> None:
        """It has ended."""
        del self._open[turn]

    def count_until(self, last: int) -> int:
        """How many up to this number are open."""
        return sum(turn <= last for turn in self._open)

    def end_until(self, last: int) -> int:
        """End all turns up to this number; say how many were open."""
        count = self.count_until(last)
        self._open = {turn: line for turn, line in self._open.items() if turn > last}
        return count

    def unsayable(self) -> Iterator[Failed]:
        """End the turns that no engine will hear of, as long as one of them is first."""
        while self._open:
            turn, failed = next(iter(self._open.items()))
            if isinstance(failed, bytes):
                return
            del self._open[turn]
            yield failed
