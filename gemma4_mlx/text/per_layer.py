"""Per-layer embeddings (PLE): a small input of its own for every layer and token.

Reference: transformers `Gemma4TextModel.get_per_layer_inputs`, `project_per_layer_inputs`, and
the last block of `Gemma4TextDecoderLayer.forward`.
Differs: in the checkpoint these weights have no module of their own but sit in the decoder and
its layers. Here they are base classes of both, so that all of PLE but where its table lies is in
this file and every name stays what it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
import mlx.nn as nn

from gemma4_mlx.config import TextConfig
from gemma4_mlx.layers import RMSNorm, gated_gelu
from gemma4_mlx.text.mapped_table import MappedTable


class PerLayerEmbedding(nn.Module):
    """In the decoder: makes the small inputs of all layers at once."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self._layer_count = config.num_hidden_layers
        self._width = config.hidden_size_per_layer_input
        if self._width:
            packed = self._layer_count * self._width
            vocabulary = config.vocab_size_per_layer_input or config.vocab_size
            self.embed_tokens_per_layer: nn.Module | MappedTable
            self.embed_tokens_per_layer = nn.Embedding(vocabulary, packed)
            self.per_layer_model_projection = nn.Linear(config.hidden_size, packed, bias=False)
            self.per_layer_projection_norm = RMSNorm(self._width, config.rms_norm_eps)

    def per_layer_inputs(
        self, token_ids: mx.array, embeddings: mx.array
    ) -> Sequence[mx.array | None]:
        """What the token is, and what it stands for here, averaged in power.

        Args:
            token_ids: [B, L], with the pad id where a soft token stands.
            embeddings: [B, L, D], soft tokens spliced in.

        Returns:
            [B * L, width] for each layer, or None for each of a variant without PLE.
        """
        if not self._width:
            return [None] * self._layer_count
        shape = (-1, self._layer_count, self._width)
        rows = self.embed_tokens_per_layer(token_ids).astype(embeddings.dtype)
        token = rows.reshape(shape) * self._width**0.5
        projected = self.per_layer_model_projection(embeddings) * embeddings.shape[-1] ** -0.5
        context = self.per_layer_projection_norm(projected.reshape(shape))
        together = (context + token) * 2.0**-0.5
        packed = together.reshape(token.shape[0], -1)
        return list(mx.split(packed, self._layer_count, axis=-1))


class PerLayerGate(nn.Module):
    """In a layer: lets its small input into the residual stream, gated by the stream itself."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        size, width = config.hidden_size, config.hidden_size_per_layer_input
        if width:
            self.per_layer_input_gate = nn.Linear(size, width, bias=False)
            self.per_layer_projection = nn.Linear(width, size, bias=False)
            self.post_per_layer_input_norm = RMSNorm(size, config.rms_norm_eps)

    def gate_per_layer_input(self, x: mx.array, per_layer_input: mx.array) -> mx.array:
        """What comes to the residual x: [B * L, D] and [B * L, width] -> [B * L, D]."""
        gated = gated_gelu(self["per_layer_input_gate"](x), per_layer_input)
        return self["post_per_layer_input_norm"](self["per_layer_projection"](gated))
