"""The gated MLP of a decoder layer.

Reference: transformers `Gemma4TextMLP`.
"""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn

from gemma4_mlx.layers import gated_gelu


class FeedForward(nn.Module):
    """down(gelu(gate(x)) * up(x))."""

    def __init__(self, hidden_size: int, intermediate_size: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.up_proj = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.down_proj = nn.Linear(intermediate_size, hidden_size, bias=False)

    def __call__(self, x: mx.array) -> mx.array:
        """[..., D] -> [..., D]."""
        return self["down_proj"](gated_gelu(self["gate_proj"](x), self["up_proj"](x)))
