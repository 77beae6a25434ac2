"""The cache of one layer: where it stands, what it keeps, and mlx-lm's names for both.

The names of mlx-lm's protocol are `offset`, `state`, `nbytes`, `update_and_fetch`, `make_mask`,
`size`, `empty`, `is_trimmable`, `trim` and `to_quantized`, so that its tools run on our model.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import NamedTuple, Protocol, Self

import mlx.core as mx

from gemma4_mlx.cache.packed import Packing
from gemma4_mlx.cache.plain import KeyValues, Plain
from gemma4_mlx.cache.rows import GrowingRows, RingRows
from gemma4_mlx.cache.visible import Visible
from gemma4_mlx.errors import CacheError
from gemma4_mlx.kv_format import rows_held
from gemma4_mlx.masks import Mask, attention_mask, drawn_mask

NEW_CACHE = "make a cache for each conversation with model.make_cache()"


class Layout(Protocol):
    """What a row holds: `Plain`, `Packed` or `Folded`."""

    @property
    def packed(self) -> bool: ...  # noqa: D102 - in 8 or 4 bits
    @property
    def folded(self) -> bool: ...  # noqa: D102 - keys and values in one

    def encode(self, keys: mx.array, values: mx.array) -> tuple[mx.array, ...]: ...  # noqa: D102
    def view(self, kept: Sequence[mx.array], offset: int) -> Visible: ...  # noqa: D102
    def pack(  # noqa: D102
        self, kept: Sequence[mx.array], packing: Packing
    ) -> tuple[Layout, tuple[mx.array, ...]]: ...


class KVCache:
    """Keeps keys and values of one layer: all of them, or those that a window can reach.

    `update` returns all that the new positions see together with where they stand; masks are
    built from exactly that (`masks.py`), so the three cannot drift apart. Its bytes follow from
    its position alone (`kv_format.cache_bytes`).

    Attributes:
        offset: positions read so far, a plain number.
        window: positions that a query sees, itself included; None for all before it.
        layout: what a row holds.
    """

    def __init__(self, window: int | None = None, layout: Layout | None = None) -> None:
        self.offset = 0
        self.window = window
        self.layout = layout or Plain()
        self._rows = GrowingRows() if window is None else RingRows(window)
        self._shapes: _Shapes | None = None

    def update(self, keys: mx.array, values: mx.array) -> Visible:
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
        seen = self._rows.append(self.layout.encode(keys, values), self.offset)
        view = self.layout.view(seen, self.offset)
        self.offset += keys.shape[2]
        return view

    def copy(self) -> Self:
        """A snapshot: another cache of the same rows, which what either reads later never reaches.

        It holds the arrays, no copies; whoever is written to first copies its own.
        """
        other = copy(self)
        other._rows = copy(self._rows)
        return other

    def kept_rows(self) -> list[mx.array]:
        """The arrays it holds without room to spare: what `resume` takes."""
        count = self._kept()
        return [buffer[:, :, :count] for buffer in self._rows.arrays]

    def resume(self, arrays: Sequence[mx.array], offset: int) -> None:
        """Go on from what another cache of the same layer and layout had kept.

        Args:
            arrays: its `kept_rows`.
            offset: its position.

        Raises:
            CacheError: they are not as many rows as it would have kept there.
        """
        self.offset = offset
        if any(rows.ndim != 4 or rows.shape[2] != self._kept() for rows in arrays):
            shapes = [rows.shape for rows in arrays]
            raise CacheError(f"a cache at {offset} keeps {self._kept()} rows, found {shapes}")
        self._rows.arrays = tuple(arrays)
        self._shapes = None

    def _kept(self) -> int:
        return self.offset if self.window is None else min(self.offset, self.window)

    @property
    def nbytes(self) -> int:
        """Bytes that it holds."""
        return sum(buffer.nbytes for buffer in self.state)

    @property
    def plain_nbytes(self) -> int:
        """Bytes that it would hold with keys and values as they are."""
        if self._shapes is None or not self.state:
            return 0
        return self._shapes.row_bytes * self.state[0].shape[2]

    @property
    def state(self) -> list[mx.array]:
        """The arrays it holds, to be evaluated."""
        return list(self._rows.arrays)

    def size(self) -> int:
        """By mlx-lm's name: `offset`."""
        return self.offset

    def empty(self) -> bool:
        """By mlx-lm's name: whether nothing was read yet."""
        return self.offset == 0

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """`update` by mlx-lm's name: the visible keys and values.

        Raises:
            CacheError: as `update` does, or because they are packed or folded.
        """
        if not isinstance(self.layout, Plain):
            raise CacheError("packed or folded rows cannot be handed out as keys and values")
        seen = self.update(keys, values)
        assert isinstance(seen, KeyValues)
        return seen.keys, seen.values

    def make_mask(
        self, queries: int, return_array: bool = False, window_size: int | None = None
    ) -> Mask:
        """By mlx-lm's name: the mask of the next `queries` positions over what they will see.

        Raises:
            CacheError: the caller takes the layer for one with another window.
        """
        if window_size not in (None, self.window):
            raise CacheError(f"a mask for a window of {window_size}: the cache has {self.window}")
        before = self.offset if self.window is None else min(self.offset, self.window - 1)
        mask = attention_mask(queries, before + queries, self.window)
        return drawn_mask(mask, queries, before + queries) if return_array else mask

    def is_trimmable(self) -> bool:
        """By mlx-lm's name: whether rows can be taken back; not from a ring that has wrapped."""
        return self.window is None or self.offset <= self.window

    def trim(self, count: int) -> int:
        """By mlx-lm's name: take back the last `count` rows, or as many as there are.

        Returns:
            How many were taken back.

        Raises:
            CacheError: the rows that would be visible again are gone.
        """
        if not self.is_trimmable():
            raise CacheError(
                f"a window of {self.window} positions has wrapped and cannot be rewound",
                "keep a copy() of the cache from the place to go back to",
            )
        count = min(count, self.offset)
        self.offset -= count
        self._rows.release(rows_held(self.offset, self.window))
        return count

    def to_quantized(self, group_size: int = 64, bits: int = 4) -> KVCache:
        """By mlx-lm's name: the same rows, packed; a windowed or packed cache stays as it is."""
        if self.window is not None or self.layout.packed:
            return self
        other = self.copy()
        packing = Packing(bits, group_size)
        other.layout, other._rows.arrays = self.layout.pack(self._rows.arrays, packing)
        return other

    def _check(self, keys: mx.array, values: mx.array) -> None:
        if keys.shape[:3] != values.shape[:3]:
            raise CacheError(f"keys {keys.shape} and values {values.shape} do not fit together")
        shapes = _Shapes.of(keys, values)
        if self._shapes is None:
            self._shapes = shapes
        if shapes != self._shapes:
            raise CacheError(
                f"keys {keys.shape} and values {values.shape} of {keys.dtype} do not continue a "
                f"cache of {self._shapes}",
                NEW_CACHE,
            )


class _Shapes(NamedTuple):
    """What keys and values have in common with those before them."""

    batch: int
    heads: int
    key_lanes: int
    value_lanes: int
    dtype: mx.Dtype

    @classmethod
    def of(cls, keys: mx.array, values: mx.array) -> Self:
        batch, heads, _, lanes = keys.shape
        return cls(batch, heads, lanes, values.shape[3], keys.dtype)

    @property
    def row_bytes(self) -> int:
        lanes = self.key_lanes + self.value_lanes
        return self.batch * self.heads * lanes * self.dtype.size
