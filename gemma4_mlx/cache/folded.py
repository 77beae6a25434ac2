"""Keys and values in one row, where values are keys (full layers of 26B-A4B and 31B).

Reference: transformers `Gemma4TextAttention` with `attention_k_eq_v`.
Differs: what keys and values have in common is kept once.

There K = rope(k_norm.weight * V), and rope turns R of the H lanes only (128 of 512). In the other
lanes K is V times the weight, and the weight may as well stand on the query. So a row is::

    | R turned lanes of K | H - R other lanes of V | R lanes of V that turn in K |
    |<----------------- keys: H lanes ---------->|
                          |<----------------- values: H lanes ------------------>|

with keys and values as two overlapping views of 640 lanes where the plain rows take 1024.

MLX's GPU kernels read such views where they stand: the fused one of single queries (head_dim 512
since MLX 0.32.4) and matrix products ask for lanes side by side, not for rows without gaps. Where
a view would be copied, on the CPU and packed, attention goes over whole rows instead: a query has
zeros for the last R lanes, an output drops the first R. That reads a quarter more than plain rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import mlx.core as mx
import numpy as np

from gemma4_mlx.cache.packed import PackedKeyValues, Packing
from gemma4_mlx.cache.plain import KeyValues
from gemma4_mlx.masks import Mask


class Lanes(NamedTuple):
    """How queries and outputs meet folded rows.

    Attributes:
        query: int [lanes of a key], which lane of a query stands there.
        weight: [lanes of a key], what it is multiplied by.
        output: int [H], where the lanes of an output stand among those of a value.
    """

    query: mx.array
    weight: mx.array
    output: mx.array


class Folding:
    """The lanes of a folded row.

    Args:
        rotated: R, how many of the lanes rope turns: the first R / 2 of each half.
        key_weight: of k_norm, [H].
    """

    def __init__(self, rotated: int, key_weight: mx.array) -> None:
        head_dim = key_weight.shape[0]
        by_half = np.arange(head_dim).reshape(2, -1)
        turned = by_half[:, : rotated // 2].ravel()
        still = by_half[:, rotated // 2 :].ravel()
        self.head_dim = head_dim
        self.rotated = rotated
        self._row = mx.array(np.concatenate([turned, head_dim + still, head_dim + turned]))
        one, none = mx.ones(rotated, key_weight.dtype), mx.zeros(rotated, key_weight.dtype)
        weight = mx.concatenate([one, key_weight[mx.array(still)]])
        query = mx.array(np.concatenate([turned, still]))
        output = mx.array(np.argsort(np.concatenate([still, turned])))
        self.views = Lanes(query, weight, output)
        # Over whole rows: keys of H + R lanes, of which the last see zeros.
        self.whole = Lanes(
            mx.concatenate([query, query[:rotated]]),
            mx.concatenate([weight, none]),
            output + rotated,
        )
        mx.eval(self._row, self.views, self.whole)

    def fold(self, keys: mx.array, values: mx.array) -> mx.array:
        """Keys and values [B, K, L, H] -> rows [B, K, L, H + R]."""
        return mx.take(mx.concatenate([keys, values], axis=-1), self._row, axis=-1)


class FoldedKeyValues(NamedTuple):
    """Folded rows that a layer attends to.

    Attributes:
        kv: the keys and values in them.
        lanes: how queries and outputs meet those.
    """

    kv: KeyValues | PackedKeyValues
    lanes: Lanes

    @property
    def offset(self) -> int:
        """Position of the first new row."""
        return self.kv.offset

    @property
    def length(self) -> int:
        """S, how many positions there are."""
        return self.kv.length

    def rows(self, start: int, stop: int) -> FoldedKeyValues:
        """The same with the rows `start` to `stop - 1` only."""
        return FoldedKeyValues(self.kv.rows(start, stop), self.lanes)

    def attend(self, queries: mx.array, mask: Mask) -> mx.array:
        """Attention of queries [B, N, L, H] under a mask for [L, S]: [B, N, L, H]."""
        lanes = self.lanes
        queries = mx.take(queries, lanes.query, axis=-1) * lanes.weight
        return mx.take(self.kv.attend(queries, mask), lanes.output, axis=-1)


class Folded:
    """A row is a key and a value in one, packed or not.

    Args:
        folding: its lanes.
        packing: how they are packed, if they are.
        by_views: attend to views of keys and values, not to whole rows; None to choose.
    """

    folded = True

    def __init__(
        self, folding: Folding, packing: Packing | None = None, *, by_views: bool | None = None
    ) -> None:
        self._folding = folding
        self._packing = packing
        self._by_views = mx.default_device() == mx.gpu if by_views is None else by_views
        self.packed = packing is not None

    def encode(self, keys: mx.array, values: mx.array) -> tuple[mx.array, ...]:
        """What is kept of keys and values [B, K, L, H]: rows of H + R lanes."""
        rows = self._folding.fold(keys, values)
        return (rows,) if self._packing is None else self._packing.pack(rows)

    def view(self, kept: Sequence[mx.array], offset: int) -> FoldedKeyValues:
        """What `encode` made, to attend to."""
        folding = self._folding
        if self._packing is not None:
            rows = (kept[0], kept[1], kept[2])
            packed = PackedKeyValues(rows, rows, offset, self._packing)
            return FoldedKeyValues(packed, folding.whole)
        if not self._by_views:
            return FoldedKeyValues(KeyValues(kept[0], kept[0], offset), folding.whole)
        keys, values = kept[0][..., : folding.head_dim], kept[0][..., folding.rotated :]
        return FoldedKeyValues(KeyValues(keys, values, offset), folding.views)

    def pack(
        self, kept: Sequence[mx.array], packing: Packing
    ) -> tuple[Folded, tuple[mx.array, ...]]:
        """The same in fewer bits: the layout, and what is kept in it."""
        return Folded(self._folding, packing), packing.pack(kept[0]) if kept else ()
