"""Chunked local attention with relative positions.

Reference: transformers `Gemma4AudioAttention`, `Gemma4AudioRelPositionalEncoding`,
`sliding_window_mask_function`.
Differs: the mask is drawn per chunk from the distances, not gathered from a square one.
"""

from __future__ import annotations

import math

import mlx.core as mx
import mlx.nn as nn

from gemma4_mlx.config import AudioConfig
from gemma4_mlx.layers import ClippedLinear, soft_cap

MAX_TIMESCALE = 10000.0


class ChunkLayout:
    """How T rows are cut into chunks of queries, and which keys each chunk can see.

    Attributes:
        chunk: queries per chunk.
        context: keys per chunk: those before it, its own, those after it.
        past: keys before the first query of a chunk.
    """

    def __init__(self, config: AudioConfig) -> None:
        self.chunk = config.attention_chunk_size
        self.past = config.attention_context_left - 1
        self._future = config.attention_context_right
        self.context = self.chunk + self.past + self._future

    def queries(self, x: mx.array) -> mx.array:
        """[T, N, H] -> [chunks, chunk, N, H], zeros behind the end."""
        chunks = self._chunks(x.shape[0])
        padded = mx.pad(x, [(0, chunks * self.chunk - x.shape[0]), (0, 0), (0, 0)])
        return padded.reshape(chunks, self.chunk, *x.shape[1:])

    def keys(self, x: mx.array) -> mx.array:
        """[T, N, H] -> [chunks, context, N, H], zeros before the beginning and behind the end."""
        chunks = self._chunks(x.shape[0])
        behind = (chunks - 1) * self.chunk + self.context - self.past - x.shape[0]
        padded = mx.pad(x, [(self.past, max(0, behind)), (0, 0), (0, 0)])
        return padded[self._key_rows(chunks)]

    def hidden(self, length: int) -> mx.array:
        """Which keys a query must not see: boolean [chunks, chunk, context]."""
        chunks = self._chunks(length)
        key = (self._key_rows(chunks) - self.past)[:, None]
        query = (mx.arange(chunks) * self.chunk)[:, None, None] + mx.arange(self.chunk)[:, None]
        behind = query - key
        near = ((behind >= 0) & (behind < self.past)) | ((behind < 0) & (-behind < self._future))
        return ~(near & (key >= 0) & (key < length))

    def _chunks(self, length: int) -> int:
        return -(-length // self.chunk)

    def _key_rows(self, chunks: int) -> mx.array:
        return (mx.arange(chunks) * self.chunk)[:, None] + mx.arange(self.context)


def relative_positions(layout: ChunkLayout, hidden_size: int) -> mx.array:
    """Sines and cosines of the distances that a query can look back: [distances, hidden_size].

    The first row is the farthest, the last the query itself.
    """
    distances = mx.arange(layout.context // 2, -1, -1)[:, None]
    scales = hidden_size // 2
    step = math.log(MAX_TIMESCALE) / max(scales - 1, 1)
    angles = distances * mx.exp(mx.arange(scales) * -step)
    return mx.concatenate([mx.sin(angles), mx.cos(angles)], axis=-1)


class AudioAttention(nn.Module):
    """Every row sees those just before it; what it sees depends on the distance too."""

    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        size, clipped = config.hidden_size, config.use_clipped_linears
        self._heads = config.num_attention_heads
        self._head_dim = size // config.num_attention_heads
        self._cap = config.attention_logit_cap
        self._hidden_logit = config.attention_invalid_logits_value
        self.q_proj = ClippedLinear(size, size, clipped)
        self.k_proj = ClippedLinear(size, size, clipped)
        self.v_proj = ClippedLinear(size, size, clipped)
        self.post = ClippedLinear(size, size, clipped)
        self.relative_k_proj = nn.Linear(size, size, bias=False)
        self.per_dim_scale = mx.zeros((self._head_dim,))

    def __call__(self, x: mx.array, layout: ChunkLayout, positions: mx.array) -> mx.array:
        """Attend within chunks, in float32.

        Args:
            x: [T, hidden].
            layout: of the chunks.
            positions: from `relative_positions`.

        Returns:
            [T, hidden].
        """
        length = x.shape[0]
        query_scale = self._head_dim**-0.5 / math.log(2) * nn.softplus(self.per_dim_scale)
        key_scale = math.log(1 + math.e) / math.log(2)
        queries = layout.queries(self._split(self.q_proj(x)) * query_scale.astype(mx.float32))
        keys = layout.keys(self._split(self.k_proj(x)) * key_scale)
        values = layout.keys(self._split(self.v_proj(x)))
        relative = self._split(self.relative_k_proj(positions.astype(x.dtype)))
        logits = self._logits(queries, keys, relative)
        logits = mx.where(layout.hidden(length)[:, None], self._hidden_logit, logits)
        weights = mx.softmax(logits, axis=-1)
        out = (weights @ values.swapaxes(1, 2)).swapaxes(1, 2)
        return self.post(out.reshape(-1, x.shape[-1])[:length].astype(x.dtype))

    def _logits(self, queries: mx.array, keys: mx.array, relative: mx.array) -> mx.array:
        """Soft-capped [chunks, N, chunk, context]."""
        queries = queries.swapaxes(1, 2)
        content = queries @ keys.transpose(0, 2, 3, 1)
        by_distance = queries @ relative.transpose(1, 2, 0)
        return soft_cap(content + _shift(by_distance, keys.shape[1]), mx.array(self._cap))

    def _split(self, x: mx.array) -> mx.array:
        """[T, hidden] -> float32 [T, N, H]."""
        return x.astype(mx.float32).reshape(-1, self._heads, self._head_dim)


def _shift(by_distance: mx.array, context: int) -> mx.array:
    """Move each query's row right by the query's place in its chunk.

    Row i holds logits by distance; among the chunk's keys the farthest that query i can see is
    key i. One column more than keys, read as if there were none more, shifts every row by one.
    See appendix B of Transformer-XL (arXiv 1901.02860).

    Args:
        by_distance: [..., chunk, distances].
        context: keys per chunk.

    Returns:
        [..., chunk, context].
    """
    *rest, chunk, distances = by_distance.shape
    widths = [(0, 0)] * (by_distance.ndim - 1) + [(0, context + 1 - distances)]
    flat = mx.pad(by_distance, widths).reshape(*rest, chunk * (context + 1))
    return flat[..., : chunk * context].reshape(*rest, chunk, context)
