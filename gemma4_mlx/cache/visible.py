"""What a layer attends to, and attention over it in bounded scratch.

Reference: transformers `eager_attention_forward`.
Differs: queries are taken in blocks where the scores of all of them would be large; there is no
fused kernel for the long prompts of these head sizes everywhere, and none that it can count on.
"""

from __future__ import annotations

from typing import Protocol

import mlx.core as mx

from gemma4_mlx.limits import FUSED_HEAD_DIMS, block_rows
from gemma4_mlx.masks import Mask

ATTENTION_SCALE = 1.0
"""Queries and keys are normalised, and the weights of their norms hold the scale."""


class Visible(Protocol):
    """The keys and values of S positions, of which the last L are the new ones.

    After a single new position a ring hands out its rows in any order; after more they stand in
    order.
    """

    @property
    def offset(self) -> int:
        """Position of the first new row."""
        ...

    @property
    def length(self) -> int:
        """S, how many positions there are."""
        ...

    def rows(self, start: int, stop: int) -> Visible:
        """The same with the rows `start` to `stop - 1` only."""
        ...

    def attend(self, queries: mx.array, mask: Mask) -> mx.array:
        """Attention of queries [B, N, L, H] under a mask for [L, S]: [B, N, L, H]."""
        ...


def last_rows(kv: Visible, count: int) -> Visible:
    """The same with only the last `count` rows; all, if there are fewer."""
    return kv if kv.length <= count else kv.rows(kv.length - count, kv.length)


def attend(queries: mx.array, kv: Visible, mask: Mask) -> mx.array:
    """Attention in blocks of queries, whose scores stay within `limits.SCORE_BYTES`.

    Args:
        queries: [B, N, L, H], the last L of the positions in `kv`.
        kv: what they attend to.
        mask: from `masks.py`; under "causal" no block looks at keys behind its last query.

    Returns:
        [B, N, L, H].
    """
    batch, heads, length, head_dim = queries.shape
    size = block_rows(heads, kv.length, batch)
    if length <= size or _is_fused(head_dim):
        return kv.attend(queries, mask)
    outputs: list[mx.array] = []
    for start in range(0, length, size):
        stop = min(start + size, length)
        block = queries[:, :, start:stop]
        if outputs:
            # One after the other: blocks without a bond would hold all their scores at once.
            block = mx.depends(block, outputs[-1])
        outputs.append(_block(block, kv, mask, (start, stop, length)))
    return mx.concatenate(outputs, axis=2)


def _is_fused(head_dim: int) -> bool:
    return head_dim in FUSED_HEAD_DIMS and mx.default_device() == mx.gpu


def _block(queries: mx.array, kv: Visible, mask: Mask, span: tuple[int, int, int]) -> mx.array:
    """Attention of the queries `start` to `stop - 1` of `length`."""
    start, stop, length = span
    if isinstance(mask, str):
        return kv.rows(0, kv.length - length + stop).attend(queries, mask)
    return kv.attend(queries, None if mask is None else mask[..., start:stop, :])
