"""Per-layer embeddings (PLE): a small input of its own for every layer and token.

Reference: transformers `Gemma4TextModel.get_per_layer_inputs`, `project_per_layer_inputs`, and
the last block of `Gemma4TextDecoderLayer.forward`.
"""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn

from gemma4_mlx.layers import RMSNorm, gated_gelu


class PerLayerMixer(nn.Module):
    """Inside a layer: lets the token's own input for that layer into the residual stream.

    The three modules keep the names they have in the checkpoint, where they sit in the layer
    itself; `DecoderLayer` inherits them from here.
    """

    def __init__(self, hidden_size: int, per_layer_size: int, eps: float) -> None:
        super().__init__()
        if per_layer_size:
            self.per_layer_input_gate = nn.Linear(hidden_size, per_layer_size, bias=False)
            self.per_layer_projection = nn.Linear(per_layer_size, hidden_size, bias=False)
            self.post_per_layer_input_norm = RMSNorm(hidden_size, eps)

    def mix_per_layer_input(self, x: mx.array, per_layer_input: mx.array) -> mx.array:
        """x [B, L, D] plus its layer's input [B, L, per_layer_size], gated by x itself."""
        gated = gated_gelu(self.per_layer_input_gate(x), per_layer_input)
        return x + self.post_per_layer_input_norm(self.per_layer_projection(gated))


def combine_per_layer_inputs(context: mx.array, token: mx.array) -> mx.array:
    """The two halves of PLE, from the context and from the token id, averaged in power."""
    return (context + token) * 2.0**-0.5
