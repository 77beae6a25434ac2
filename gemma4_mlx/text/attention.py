"""Attention of one decoder layer: sliding or full, with keys of its own or another layer's.

Reference: transformers `Gemma4TextAttention`.
Differs: shared keys and values are an argument and a result, never looked up in a cache, so that
a pass without a cache gives the same logits.
"""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn

from gemma4_mlx.cache import KeyValues, KVCache, Visible
from gemma4_mlx.cache.folded import Folded, Folding
from gemma4_mlx.cache.packed import Packed, Packing
from gemma4_mlx.cache.visible import attend, last_rows
from gemma4_mlx.config import LayerSpec, TextConfig
from gemma4_mlx.kv_format import KVFormat, group_size, row_lanes
from gemma4_mlx.layers import RMSNorm, rms_normalize
from gemma4_mlx.masks import MaskBook
from gemma4_mlx.rope import Rope


class Attention(nn.Module):
    """Self-attention with RMSNorm on queries, keys and (without a weight) values."""

    def __init__(self, config: TextConfig, spec: LayerSpec, rope: Rope) -> None:
        super().__init__()
        self._spec = spec
        self._rope = rope
        self._eps = config.rms_norm_eps
        query_dims = config.num_attention_heads * spec.head_dim
        self.q_proj = nn.Linear(config.hidden_size, query_dims, bias=False)
        self.q_norm = RMSNorm(spec.head_dim, self._eps)
        self.o_proj = nn.Linear(query_dims, config.hidden_size, bias=False)
        if spec.owns_kv:
            kv_dims = spec.num_key_value_heads * spec.head_dim
            self.k_proj = nn.Linear(config.hidden_size, kv_dims, bias=False)
            if not spec.k_eq_v:
                self.v_proj = nn.Linear(config.hidden_size, kv_dims, bias=False)
            self.k_norm = RMSNorm(spec.head_dim, self._eps)

    def __call__(self, x: mx.array, kv: Visible, offset: int, masks: MaskBook) -> mx.array:
        """Attend to `kv`.

        Args:
            x: [B, L, D], normed; the last L of the positions that `kv` holds.
            kv: from `key_values` of this layer or of the one it reads.
            offset: position of the first row of x.
            masks: of this forward pass.

        Returns:
            [B, L, D].
        """
        length, window = x.shape[1], self._spec.window
        if window is not None:
            kv = last_rows(kv, window - 1 + length)
        mask = masks(length, kv.length, window)
        queries = self._rope(self.q_norm(self._heads(self.q_proj(x))), offset)
        out = attend(queries, kv, mask)
        return self.o_proj(out.swapaxes(1, 2).reshape(*x.shape[:2], -1))

    def key_values(self, x: mx.array, offset: int, cache: KVCache | None) -> Visible:
        """Project keys and values of x [B, L, D] and append them to the cache, if there is one."""
        projected = self._heads(self.k_proj(x))
        keys = self._rope(self.k_norm(projected), offset)
        values = projected if self._spec.k_eq_v else self._heads(self.v_proj(x))
        values = rms_normalize(values, self._eps)
        return cache.update(keys, values) if cache is not None else KeyValues(keys, values, offset)

    def make_cache(self, kv: KVFormat) -> KVCache:
        """An empty cache for a layer with keys and values of its own."""
        spec, packing = self._spec, None
        if kv.packs(spec) and kv.bits is not None:
            packing = Packing(kv.bits, group_size(row_lanes(spec, kv)[0]))
        if kv.folds(spec):
            folding = Folding(spec.rope.rotated_lanes(spec.head_dim), self.k_norm.weight)
            return KVCache(spec.window, Folded(folding, packing))
        return KVCache(spec.window, None if packing is None else Packed(packing))

    def _heads(self, x: mx.array) -> mx.array:
        """[B, L, heads * H] -> [B, heads, L, H]."""
        return x.reshape(*x.shape[:2], -1, self._spec.head_dim).swapaxes(1, 2)
