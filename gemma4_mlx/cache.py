"""Keys and values of what was read: one cache per layer that has its own.

`update` returns the visible keys and values together with the position of the new ones; masks
are built from exactly those (`masks.py`), so the three can never drift apart. Offsets are plain
Python numbers. The names follow mlx-lm's cache protocol (`offset`, `state`, `nbytes`,
`update_and_fetch`, `make_mask`).
"""

from __future__ import annotations

from typing import NamedTuple

import mlx.core as mx

from gemma4_mlx.errors import CacheError
from gemma4_mlx.masks import Mask, attention_mask


class KeyValues(NamedTuple):
    """What a layer attends to.

    Attributes:
        keys, values: [B, K, S, H]; the last rows are the new positions.
        offset: position of the first new row.
    """

    keys: mx.array
    values: mx.array
    offset: int

    def last(self, count: int) -> KeyValues:
        """The same with only the last `count` rows; all, if there are fewer."""
        first = self.keys.shape[2] - count
        if first <= 0:
            return self
        return KeyValues(self.keys[:, :, first:], self.values[:, :, first:], self.offset)


class KVCache:
    """Keeps keys and values of one layer: all of them, or those that a window can reach.

    Rows stand in the order of their positions, in a buffer with room to grow. When it is full,
    what is still visible moves to the front of a new one, so that a windowed cache costs one
    copy of its window for every `room` tokens.

    Attributes:
        offset: positions read so far.
        window: positions that a query sees, itself included; None for all before it.
        room: rows that a new buffer has to spare.
    """

    def __init__(self, window: int | None = None, room: int = 256) -> None:
        self.offset = 0
        self.window = window
        self.room = room
        self._keys: mx.array | None = None
        self._values: mx.array | None = None
        self._end = 0

    @property
    def state(self) -> list[mx.array]:
        """The arrays it holds, to be evaluated."""
        return [buffer for buffer in (self._keys, self._values) if buffer is not None]

    @property
    def nbytes(self) -> int:
        """Bytes that it holds."""
        return sum(buffer.nbytes for buffer in self.state)

    def update(self, keys: mx.array, values: mx.array) -> KeyValues:
        """Append the rows of the positions `offset` to `offset + L - 1`.

        Args:
            keys: [B, K, L, H].
            values: [B, K, L, H].

        Returns:
            Every row that any of the new positions can see.

        Raises:
            CacheError: keys and values do not fit together or to the rows before them.
        """
        self._check(keys, values)
        kept = self._visible_rows()
        first, end = self._end - kept, self._end + keys.shape[2]
        if self._keys is None or self._values is None or end > self._keys.shape[2]:
            self._keys = self._moved(self._keys, keys, kept)
            self._values = self._moved(self._values, values, kept)
            first, end = 0, kept + keys.shape[2]
        start = end - keys.shape[2]
        self._keys[:, :, start:end] = keys
        self._values[:, :, start:end] = values
        seen = KeyValues(self._keys[:, :, first:end], self._values[:, :, first:end], self.offset)
        self._end = end
        self.offset += keys.shape[2]
        return seen

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """`update` by mlx-lm's name: the visible keys and values."""
        seen = self.update(keys, values)
        return seen.keys, seen.values

    def make_mask(self, queries: int, **_: object) -> Mask:
        """By mlx-lm's name: the mask of the next `queries` positions; other options are its own."""
        return attention_mask(queries, self._visible_rows() + queries, self.window)

    def _visible_rows(self) -> int:
        """Rows that the next position can see before itself."""
        return self.offset if self.window is None else min(self.offset, self.window - 1)

    def _moved(self, buffer: mx.array | None, rows: mx.array, kept: int) -> mx.array:
        """A new buffer that begins with the last `kept` rows and has room for `rows` and more."""
        batch, heads, new, head_dim = rows.shape
        moved = mx.zeros((batch, heads, kept + new + self.room, head_dim), rows.dtype)
        if buffer is not None and kept:
            moved[:, :, :kept] = buffer[:, :, self._end - kept : self._end]
        return moved

    def _check(self, keys: mx.array, values: mx.array) -> None:
        if keys.shape[:3] != values.shape[:3]:
            raise CacheError(f"keys {keys.shape} and values {values.shape} do not fit together")
        if self._keys is None or self._values is None:
            return
        for name, rows, buffer in (("keys", keys, self._keys), ("values", values, self._values)):
            expected = (*buffer.shape[:2], buffer.shape[3])
            if (*rows.shape[:2], rows.shape[3]) != expected:
                raise CacheError(
                    f"{name} {rows.shape} do not continue a cache of {buffer.shape}",
                    "make a cache for each conversation with model.make_cache()",
                )
