"""Where rows stand: in buffers [B, K, capacity, lanes] that are written in step.

A buffer is written in place, unless somebody else still holds it: then MLX copies it first. So
holding the arrays is all that a snapshot takes, and what it holds never changes. An assignment to
an array rebinds the Python object; it is made on a fresh one, since a snapshot shares the object.

How many rows a buffer has follows from the position alone (`kv_format.rows_held`).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import mlx.core as mx

from gemma4_mlx.kv_format import rows_held

Arrays = tuple[mx.array, ...]


class GrowingRows:
    """Every row, at its position.

    Attributes:
        arrays: the buffers; none before the first row.
    """

    def __init__(self) -> None:
        self.arrays: Arrays = ()

    def append(self, new: Sequence[mx.array], offset: int) -> Arrays:
        """Write rows at the positions from `offset` on; return every row up to the last of them."""
        end = offset + new[0].shape[2]
        self._reserve(new, offset, rows_held(end, None))
        self._write(new, offset)
        return tuple(buffer[:, :, :end] for buffer in self.arrays)

    def release(self, capacity: int) -> None:
        """Let go of the room behind `capacity` rows."""
        if self.arrays and self.arrays[0].shape[2] > capacity:
            # A slice alone would hold on to all of its buffer.
            self.arrays = tuple(mx.contiguous(buffer[:, :, :capacity]) for buffer in self.arrays)

    def _reserve(self, new: Sequence[mx.array], used: int, capacity: int) -> None:
        """Make room for `capacity` rows, with the first `used` where they were."""
        if self.arrays and self.arrays[0].shape[2] >= capacity:
            return
        room = [capacity - used if self.arrays else capacity] * len(new)
        spare = [
            mx.zeros((*rows.shape[:2], count, rows.shape[3]), rows.dtype)
            for rows, count in zip(new, room, strict=True)
        ]
        if self.arrays:
            pairs = zip(self.arrays, spare, strict=True)
            spare = [mx.concatenate([old[:, :, :used], more], axis=2) for old, more in pairs]
        self.arrays = tuple(spare)

    def _write(self, new: Sequence[mx.array], start: int) -> None:
        pairs = zip(self.arrays, new, strict=True)
        self.arrays = tuple(_written(buffer, rows, start) for buffer, rows in pairs)


class RingRows(GrowingRows):
    """The last `window` rows; that of position p stands at p modulo `window`.

    A single new position sees exactly the ring, and attention does not ask for an order: nothing
    is moved, no mask is needed. More of them at once see the rows before them in order, a copy of
    one window.
    """

    def __init__(self, window: int) -> None:
        super().__init__()
        self._window = window

    def append(self, new: Sequence[mx.array], offset: int) -> Arrays:
        """Write rows at the positions from `offset` on; return what any of them can see."""
        window, length = self._window, new[0].shape[2]
        end = offset + length
        if end <= window:
            self._reserve(new, offset, rows_held(end, window))
            self._write(new, offset)
            return tuple(buffer[:, :, :end] for buffer in self.arrays)
        if length == 1:
            self._write(new, offset % window)
            return self.arrays
        pairs = zip(self._before(offset, len(new)), new, strict=True)
        seen = tuple(mx.concatenate([*before, rows], axis=2) for before, rows in pairs)
        self.arrays = tuple(self._ring(rows, end) for rows in seen)
        return seen

    def _before(self, offset: int, count: int) -> list[list[mx.array]]:
        """The rows that position `offset` sees before itself, in order, as pieces of each array."""
        if not self.arrays:
            return [[] for _ in range(count)]
        if offset < self._window:
            return [[buffer[:, :, :offset]] for buffer in self.arrays]
        first, behind = (offset + 1) % self._window, offset % self._window
        if first <= behind:
            return [[buffer[:, :, first:behind]] for buffer in self.arrays]
        return [[buffer[:, :, first:], buffer[:, :, :behind]] for buffer in self.arrays]

    def _ring(self, rows: mx.array, end: int) -> mx.array:
        """The last rows of those before position `end`, each at its place."""
        last = rows[:, :, -self._window :]
        cut = self._window - end % self._window
        return mx.concatenate([last[:, :, cut:], last[:, :, :cut]], axis=2)


def _written(buffer: mx.array, rows: mx.array, start: int) -> mx.array:
    fresh = copy(buffer)
    fresh[:, :, start : start + rows.shape[2]] = rows
    return fresh
