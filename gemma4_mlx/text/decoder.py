"""The decoder, top-down: embeddings, layers, final norm, soft-capped logits.

Reference: transformers `Gemma4TextModel`, `Gemma4TextDecoderLayer`, `Gemma4ForCausalLM`.
Differs: layers that read another layer's keys and values may run on the last row only; they
write nothing that later rows need.
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
import mlx.nn as nn

from gemma4_mlx.cache import KeyValues, KVCache
from gemma4_mlx.config import LayerSpec, TextConfig
from gemma4_mlx.errors import CacheError
from gemma4_mlx.layers import RMSNorm, soft_cap
from gemma4_mlx.masks import MaskBook
from gemma4_mlx.rope import Rope
from gemma4_mlx.text.attention import Attention
from gemma4_mlx.text.feedforward import FeedForward
from gemma4_mlx.text.per_layer import PerLayerMixer, combine_per_layer_inputs


class DecoderLayer(PerLayerMixer):
    """Attention, MLP and per-layer input, each added to the residual between two norms."""

    def __init__(self, config: TextConfig, spec: LayerSpec, rope: Rope) -> None:
        size, eps = config.hidden_size, config.rms_norm_eps
        super().__init__(size, config.hidden_size_per_layer_input, eps)
        self._spec = spec
        self.self_attn = Attention(config, spec, rope)
        self.mlp = FeedForward(size, spec.intermediate_size)
        self.input_layernorm = RMSNorm(size, eps)
        self.post_attention_layernorm = RMSNorm(size, eps)
        self.pre_feedforward_layernorm = RMSNorm(size, eps)
        self.post_feedforward_layernorm = RMSNorm(size, eps)
        self.layer_scalar = mx.ones((1,))

    @property
    def spec(self) -> LayerSpec:
        """What kind of layer it is."""
        return self._spec

    def key_values(self, x: mx.array, offset: int, cache: KVCache | None) -> KeyValues:
        """Keys and values of x [B, L, D]; only for a layer that has its own."""
        return self.self_attn.key_values(self.input_layernorm(x), offset, cache)

    def __call__(
        self,
        x: mx.array,
        kv: KeyValues,
        *,
        offset: int,
        masks: MaskBook,
        per_layer_input: mx.array | None,
    ) -> mx.array:
        """[B, L, D] -> [B, L, D]; `offset` is the position of the first row of x."""
        attended = self.self_attn(self.input_layernorm(x), kv, offset, masks)
        x = x + self.post_attention_layernorm(attended)
        x = x + self.post_feedforward_layernorm(self.mlp(self.pre_feedforward_layernorm(x)))
        if per_layer_input is not None:
            x = self.mix_per_layer_input(x, per_layer_input)
        return x * self.layer_scalar


class Decoder(nn.Module):
    """Embeddings in, hidden states after the final norm out."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self._config = config
        size, eps = config.hidden_size, config.rms_norm_eps
        self.embed_tokens = nn.Embedding(config.vocab_size, size)
        ropes = {spec.kind: Rope(spec.head_dim, spec.rope) for spec in config.layers}
        self.layers = [DecoderLayer(config, spec, ropes[spec.kind]) for spec in config.layers]
        self.norm = RMSNorm(size, eps)
        if config.hidden_size_per_layer_input:
            packed = config.num_hidden_layers * config.hidden_size_per_layer_input
            vocabulary = config.vocab_size_per_layer_input or config.vocab_size
            self.embed_tokens_per_layer = nn.Embedding(vocabulary, packed)
            self.per_layer_model_projection = nn.Linear(size, packed, bias=False)
            self.per_layer_projection_norm = RMSNorm(config.hidden_size_per_layer_input, eps)

    def embed(self, token_ids: mx.array) -> mx.array:
        """[B, L] -> [B, L, D], scaled by sqrt(D)."""
        return self.embed_tokens(token_ids) * self._config.hidden_size**0.5

    def per_layer_inputs(self, token_ids: mx.array, embeddings: mx.array) -> mx.array | None:
        """The small inputs of every layer.

        Args:
            token_ids: [B, L], with the pad id where a soft token stands.
            embeddings: [B, L, D], soft tokens spliced in.

        Returns:
            [B, L, layers, per_layer_size], or None for a variant without them.
        """
        width = self._config.hidden_size_per_layer_input
        if not width:
            return None
        shape = (*token_ids.shape, self._config.num_hidden_layers, width)
        token = self.embed_tokens_per_layer(token_ids).reshape(shape) * width**0.5
        scale = self._config.hidden_size**-0.5
        context = (self.per_layer_model_projection(embeddings) * scale).reshape(shape)
        return combine_per_layer_inputs(self.per_layer_projection_norm(context), token)

    def __call__(
        self,
        x: mx.array,
        per_layer_inputs: mx.array | None,
        cache: Sequence[KVCache] | None = None,
        *,
        last_row_only: bool = False,
    ) -> mx.array:
        """Run the layers.

        Args:
            x: embeddings [B, L, D].
            per_layer_inputs: [B, L, layers, per_layer_size] or None.
            cache: from `make_cache`; None to read x alone.
            last_row_only: return the last row alone, and spare the others the layers that only
                read keys and values.

        Returns:
            [B, L, D], or [B, 1, D] with `last_row_only`.
        """
        caches = self._caches_by_layer(cache)
        offset = cache[0].offset if cache else 0
        masks, shared = MaskBook(), dict[int, KeyValues]()
        for layer in self.layers:
            spec = layer.spec
            if spec.owns_kv:
                shared[spec.index] = layer.key_values(x, offset, caches.get(spec.index))
            elif last_row_only and x.shape[1] > 1:
                offset += x.shape[1] - 1
                x = x[:, -1:]
                per_layer_inputs = None if per_layer_inputs is None else per_layer_inputs[:, -1:]
            own = None if per_layer_inputs is None else per_layer_inputs[:, :, spec.index]
            kv = shared[spec.kv_source]
            x = layer(x, kv, offset=offset, masks=masks, per_layer_input=own)
        return self.norm(x[:, -1:] if last_row_only else x)

    def make_cache(self) -> list[KVCache]:
        """One empty cache per layer that has keys and values of its own."""
        return [KVCache(layer.spec.window) for layer in self.layers if layer.spec.owns_kv]

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
