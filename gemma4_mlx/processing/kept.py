"""What was made of files, so that none is read again when a conversation is prepared again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Results by what they follow from, those that were not needed for longest dropped first.

    Args:
        limit_bytes: the most that is kept.
        nbytes: of a result.
    """

    def __init__(self, limit_bytes: int, nbytes: Callable[[T], int]) -> None:
        self._limit_bytes = limit_bytes
        self._nbytes = nbytes
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._held_bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is kept under a key; made, and kept, if it is not there."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._held_bytes += self._nbytes(made)
            while self._held_bytes > self._limit_bytes:
                _, dropped = self._kept.popitem(last=False)
                self._held_bytes -= self._nbytes(dropped)
        return made
