"""Keys and values as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import mlx.core as mx

from gemma4_mlx.cache.packed import Packed, Packing
from gemma4_mlx.cache.visible import ATTENTION_SCALE
from gemma4_mlx.masks import Mask


class KeyValues(NamedTuple):
    """Keys and values that a layer attends to.

    Attributes:
        keys, values: [B, K, S, H].
        offset: position of the first new row.
    """

    keys: mx.array
    values: mx.array
    offset: int

    @property
    def length(self) -> int:
        """S, how many positions there are."""
        return self.keys.shape[2]

    def rows(self, start: int, stop: int) -> KeyValues:
        """The same with the rows `start` to `stop - 1` only."""
        return KeyValues(self.keys[:, :, start:stop], self.values[:, :, start:stop], self.offset)

    def attend(self, queries: mx.array, mask: Mask) -> mx.array:
        """Attention of queries [B, N, L, H] under a mask for [L, S]: [B, N, L, H]."""
        return mx.fast.scaled_dot_product_attention(
            queries, self.keys, self.values, scale=ATTENTION_SCALE, mask=mask
        )


class Plain:
    """A row is a key, and beside it a value."""

    packed = folded = False

    def encode(self, keys: mx.array, values: mx.array) -> tuple[mx.array, ...]:
        """What is kept of keys and values [B, K, L, H]: themselves."""
        return keys, values

    def view(self, kept: Sequence[mx.array], offset: int) -> KeyValues:
        """What `encode` made, to attend to."""
        return KeyValues(kept[0], kept[1], offset)

    def pack(
        self, kept: Sequence[mx.array], packing: Packing
    ) -> tuple[Packed, tuple[mx.array, ...]]:
        """The same in fewer bits: the layout, and what is kept in it."""
        layout = Packed(packing)
        return layout, layout.encode(*kept) if kept else ()
