"""Where the rows of one forward pass stand.

Between embeddings and logits the decoder works on rows: the positions of all sequences of a
batch, one after the other, [B * L, D]. A linear layer takes them as they are, where it would
first take a third axis away and put it back behind; only attention asks which is which.
"""

from __future__ import annotations

from typing import NamedTuple

import mlx.core as mx

from gemma4_mlx.masks import MaskBook


class Place(NamedTuple):
    """Where rows stand.

    Attributes:
        batch: B, how many sequences there are.
        length: L, how many positions of each.
        offset: position of the first of them.
        masks: of this pass.
    """

    batch: int
    length: int
    offset: int
    masks: MaskBook

    def heads(self, x: mx.array, head_dim: int) -> mx.array:
        """[B * L, heads * H] -> [B, heads, L, H]."""
        if self.length == 1:  # the order in memory is the same, and a step of decoding is short
            return x.reshape(self.batch, -1, 1, head_dim)
        return x.reshape(self.batch, self.length, -1, head_dim).swapaxes(1, 2)

    def rows(self, heads: mx.array) -> mx.array:
        """[B, heads, L, H] -> [B * L, heads * H]."""
        if self.length > 1:
            heads = heads.swapaxes(1, 2)
        return heads.reshape(self.batch * self.length, -1)

    def last(self) -> Place:
        """Where the last row of each sequence stands."""
        return self._replace(length=1, offset=self.offset + self.length - 1)

    def last_rows(self, x: mx.array) -> mx.array:
        """[B * L, ...] -> [B, ...]."""
        return x if self.length == 1 else x[self.length - 1 :: self.length]
