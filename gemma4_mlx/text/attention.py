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
from gemma4_mlx.rope import Rope
from gemma4_mlx.text.place import Place


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

    def __call__(self, x: mx.array, kv: Visible, at: Place) -> mx.array:
        """Attend to `kv`.

        Args:
            x: [B * L, D], normed; the last L of the positions that `kv` holds.
            kv: from `key_values` of this layer or of the one it reads.
            at: where the rows of x stand.

        Returns:
            [B * L, D].
        """
        spec = self._spec
        if spec.window is not None:
            kv = last_rows(kv, spec.window - 1 + at.length)
        mask = at.masks(at.length, kv.length, spec.window)
        queries = self["q_norm"](at.heads(self["q_proj"](x), spec.head_dim))
        out = attend(self._rope(queries, at.offset), kv, mask)
        return self["o_proj"](at.rows(out))

    def key_values(self, x: mx.array, at: Place, cache: KVCache | None) -> Visible:
        """Project keys and values of x [B * L, D] and append them to the cache, if there is one."""
        spec = self._spec
        projected = at.heads(self["k_proj"](x), spec.head_dim)
        keys = self._rope(self["k_norm"](projected), at.offset)
        values = projected if spec.k_eq_v else at.heads(self["v_proj"](x), spec.head_dim)
        values = rms_normalize(values, self._eps)
        return KeyValues(keys, values, at.offset) if cache is None else cache.update(keys, values)

    def make_cache(self, kv: KVFormat) -> KVCache:
        """An empty cache for a layer with keys and values of its own."""
        spec, packing = self._spec, None
        if kv.packs(spec) and kv.bits is not None:
            packing = Packing(kv.bits, group_size(row_lanes(spec, kv)[0]))
        if kv.folds(spec):
            folding = Folding(spec.rope.rotated_lanes(spec.head_dim), self.k_norm.weight)
            return KVCache(spec.window, Folded(folding, packing))
        return KVCache(spec.window, None if packing is None else Packed(packing))
