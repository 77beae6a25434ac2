"""Keys and values in 8 or 4 bits, attended to without unpacking them.

Reference: none; transformers keeps them in the activations' dtype.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import mlx.core as mx

from gemma4_mlx.errors import CacheError
from gemma4_mlx.masks import Mask, drawn_mask

PackedRows = tuple[mx.array, mx.array, mx.array]
"""Numbers uint32 [B, K, S, lanes * bits / 32], scales and biases [B, K, S, lanes / group_size]."""


class Packing(NamedTuple):
    """How numbers are packed: groups of `group_size` along a row share a scale and a bias."""

    bits: int
    group_size: int

    def pack(self, x: mx.array) -> PackedRows:
        """[B, K, S, lanes] -> packed rows.

        Raises:
            CacheError: no whole number of groups makes a row.
        """
        if x.shape[-1] % self.group_size:
            raise CacheError(
                f"rows of {x.shape[-1]} lanes cannot be packed in groups of {self.group_size}",
                "choose a group size that divides them, 32 or 64",
            )
        return mx.quantize(x, group_size=self.group_size, bits=self.bits)

    def matmul(self, x: mx.array, rows: PackedRows, *, transpose: bool) -> mx.array:
        """X [B, K, rows, lanes] times rows^T (`transpose`), or [B, K, rows, S] times rows."""
        return mx.quantized_matmul(
            x, *rows, transpose=transpose, group_size=self.group_size, bits=self.bits
        )


class PackedKeyValues(NamedTuple):
    """Packed keys and values that a layer attends to.

    Attributes:
        keys, values: packed rows of S positions.
        offset: position of the first new row.
        packing: how they are packed.
    """

    keys: PackedRows
    values: PackedRows
    offset: int
    packing: Packing

    @property
    def length(self) -> int:
        """S, how many positions there are."""
        return self.keys[0].shape[2]

    def rows(self, start: int, stop: int) -> PackedKeyValues:
        """The same with the rows `start` to `stop - 1` only."""
        keys, values = (_rows(packed, start, stop) for packed in (self.keys, self.values))
        return self._replace(keys=keys, values=values)

    def attend(self, queries: mx.array, mask: Mask) -> mx.array:
        """Attention of queries [B, N, L, lanes] under a mask for [L, S]: [B, N, L, lanes].

        The queries of all heads that read one key-value head are the rows of one product, so that
        packed rows are read once for all of them.
        """
        batch, heads, length, lanes = queries.shape
        kv_heads = self.keys[0].shape[1]
        grouped = queries.reshape(batch, kv_heads, -1, lanes)
        scores = self.packing.matmul(grouped, self.keys, transpose=True)
        mask = drawn_mask(mask, length, self.length)
        if mask is not None:
            by_head = scores.reshape(batch, heads, length, self.length)
            by_head = mx.where(mask, by_head, mx.finfo(scores.dtype).min)
            scores = by_head.reshape(scores.shape)
        weights = mx.softmax(scores, axis=-1, precise=True)
        out = self.packing.matmul(weights, self.values, transpose=False)
        return out.reshape(batch, heads, length, -1)


class Packed:
    """A row is a packed key, and beside it a packed value."""

    packed, folded = True, False

    def __init__(self, packing: Packing) -> None:
        self._packing = packing

    def encode(self, keys: mx.array, values: mx.array) -> tuple[mx.array, ...]:
        """What is kept of keys and values [B, K, L, H]: six arrays of as many rows."""
        return (*self._packing.pack(keys), *self._packing.pack(values))

    def view(self, kept: Sequence[mx.array], offset: int) -> PackedKeyValues:
        """What `encode` made, to attend to."""
        keys, values = (kept[0], kept[1], kept[2]), (kept[3], kept[4], kept[5])
        return PackedKeyValues(keys, values, offset, self._packing)

    def pack(
        self, kept: Sequence[mx.array], packing: Packing
    ) -> tuple[Packed, tuple[mx.array, ...]]:
        """It is packed."""
        return self, tuple(kept)


def _rows(packed: PackedRows, start: int, stop: int) -> PackedRows:
    numbers, scales, biases = (array[:, :, start:stop] for array in packed)
    return numbers, scales, biases
