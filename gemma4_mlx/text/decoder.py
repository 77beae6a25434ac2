"""The decoder, top-down: embeddings, layers, final norm, soft-capped logits.

Reference: transformers `Gemma4TextModel`, `Gemma4TextDecoderLayer`, `Gemma4ForCausalLM`.
Differs: layers that read another layer's keys and values may run on the last row only; they
write nothing that later rows need.
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from gemma4_mlx.cache import KVCache, Visible
from gemma4_mlx.config import LayerSpec, TextConfig
from gemma4_mlx.errors import CacheError
from gemma4_mlx.kv_format import KVFormat
from gemma4_mlx.layers import RMSNorm, scaled_sum, soft_cap
from gemma4_mlx.masks import MaskBook
from gemma4_mlx.rope import Rope
from gemma4_mlx.text.attention import Attention
from gemma4_mlx.text.experts import Experts, Router
from gemma4_mlx.text.feedforward import FeedForward
from gemma4_mlx.text.per_layer import PerLayerEmbedding, PerLayerGate
from gemma4_mlx.text.place import Place


class DecoderLayer(PerLayerGate):
    """Attention, MLP and per-layer input, each added to the residual between two norms."""

    def __init__(self, config: TextConfig, spec: LayerSpec, rope: Rope) -> None:
        super().__init__(config)
        size, eps = config.hidden_size, config.rms_norm_eps
        self._spec = spec
        self.self_attn = Attention(config, spec, rope)
        self.mlp = FeedForward(size, spec.intermediate_size)
        self.input_layernorm = RMSNorm(size, eps)
        self.post_attention_layernorm = RMSNorm(size, eps)
        self.pre_feedforward_layernorm = RMSNorm(size, eps)
        self.post_feedforward_layernorm = RMSNorm(size, eps)
        self.layer_scalar = mx.ones((1,))
        if config.experts is not None:
            self.router = Router(config, config.experts)
            self.experts = Experts(size, config.experts)
            self.post_feedforward_layernorm_1 = RMSNorm(size, eps)
            self.pre_feedforward_layernorm_2 = RMSNorm(size, eps)
            self.post_feedforward_layernorm_2 = RMSNorm(size, eps)
        self._has_experts = config.experts is not None

    @property
    def spec(self) -> LayerSpec:
        """What kind of layer it is."""
        return self._spec

    def __call__(
        self,
        x: mx.array,
        per_layer_input: mx.array | None,
        at: Place,
        source: Visible | KVCache | None,
    ) -> tuple[mx.array, Visible]:
        """Run the layer.

        Args:
            x: [B * L, D].
            per_layer_input: [B * L, width] or None.
            at: where the rows of x stand.
            source: what a KV-shared layer reads; the cache of one with its own keys and values,
                or None to have it read x alone.

        Returns:
            [B * L, D], and the keys and values it attended to.
        """
        normed = self["input_layernorm"](x)
        if source is None or isinstance(source, KVCache):
            kv = self["self_attn"].key_values(normed, at, source)
        else:
            kv = source
        attended = self["self_attn"](normed, kv, at)
        x = x + self["post_attention_layernorm"](attended)
        added = self["post_feedforward_layernorm"](self._feed_forward(x))
        if per_layer_input is not None:
            x = x + added
            added = self.gate_per_layer_input(x, per_layer_input)
        return scaled_sum(x, added, self["layer_scalar"]), kv

    def _feed_forward(self, x: mx.array) -> mx.array:
        """The MLP that always runs and, where there are any, the experts beside it."""
        dense = self["mlp"](self["pre_feedforward_layernorm"](x))
        if not self._has_experts:
            return dense
        read = self["experts"](self["pre_feedforward_layernorm_2"](x), *self["router"](x))
        dense = self["post_feedforward_layernorm_1"](dense)
        return dense + self["post_feedforward_layernorm_2"](read)


class Decoder(PerLayerEmbedding):
    """Embeddings in, hidden states after the final norm out."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__(config)
        self._scale = config.hidden_size**0.5
        self._pictures_see_themselves = config.pictures_see_themselves
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        ropes = {spec.kind: Rope(spec.head_dim, spec.rope) for spec in config.layers}
        self.layers = [DecoderLayer(config, spec, ropes[spec.kind]) for spec in config.layers]
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def embed(self, token_ids: mx.array) -> mx.array:
        """[B, L] -> [B, L, D], scaled by sqrt(D)."""
        # The rows of a packed table come in bf16 where its format has no floating-point scales.
        rows = self.embed_tokens(token_ids).astype(self.norm.weight.dtype)
        return rows * self._scale

    def __call__(
        self,
        x: mx.array,
        per_layer_inputs: Sequence[mx.array | None],
        cache: Sequence[KVCache] | None = None,
        *,
        pictures: np.ndarray | None = None,
        last_row_only: bool = False,
    ) -> mx.array:
        """Run the layers.

        Args:
            x: embeddings [B, L, D].
            per_layer_inputs: from `per_layer_inputs`.
            cache: from `make_cache`; None to read x alone.
            pictures: int [B, L] from `picture_runs`; whole pictures only. Read by the variants
                whose pictures see themselves.
            last_row_only: return the last row alone, and spare the others the layers that only
                read keys and values.

        Returns:
            [B, L, D], or [B, 1, D] with `last_row_only`.
        """
        caches = self._caches_by_layer(cache)
        masks = MaskBook(pictures if self._pictures_see_themselves else None)
        batch, length, size = x.shape
        at = Place(batch, length, cache[0].offset if cache else 0, masks)
        x = x.reshape(-1, size)
        seen: dict[int, Visible] = {}
        for layer in self.layers:
            spec = layer.spec
            if last_row_only and not spec.owns_kv and at.length > 1:
                x = at.last_rows(x)
                per_layer_inputs = [
                    None if small is None else at.last_rows(small) for small in per_layer_inputs
                ]
                at = at.last()
            source = caches.get(spec.index) if spec.owns_kv else seen[spec.kv_source]
            x, seen[spec.index] = layer(x, per_layer_inputs[spec.index], at, source)
        if last_row_only:
            x = at.last_rows(x)
        return self.norm(x).reshape(batch, -1, size)

    def make_cache(self, kv: KVFormat | None = None) -> list[KVCache]:
        """One empty cache per layer that has keys and values of its own, kept as `kv` says."""
        kv = kv or KVFormat()
        return [layer.self_attn.make_cache(kv) for layer in self.layers if layer.spec.owns_kv]

    def _caches_by_layer(self, cache: Sequence[KVCache] | None) -> dict[int, KVCache]:
        if cache is None:
            return {}
        owners = [layer.spec.index for layer in self.layers if layer.spec.owns_kv]
        if len(cache) != len(owners):
            raise CacheError(
                f"{len(cache)} caches for {len(owners)} layers with keys and values of their own",
                "use model.make_cache()",
            )
        if len({one.offset for one in cache}) > 1:
            raise CacheError(f"caches stand at different positions: {[c.offset for c in cache]}")
        return dict(zip(owners, cache, strict=True))


class LanguageModel(nn.Module):
    """The decoder and its head, which is the embedding table again."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self._cap = config.final_logit_softcapping
        self.model = Decoder(config)

    def logits(self, hidden: mx.array) -> mx.array:
        """[B, L, D] after the final norm -> soft-capped float32 [B, L, V]."""
        return soft_cap(self.model.embed_tokens.as_linear(hidden), mx.array(self._cap))
