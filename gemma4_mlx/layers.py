"""The small pieces that every part of the network is made of.

Reference: transformers `models/gemma4/modeling_gemma4.py`, `Gemma4RMSNorm`,
`Gemma4ClippableLinear`, `Gemma4TextScaledWordEmbedding`, `Gemma4MultimodalEmbedder`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import mlx.core as mx
import mlx.nn as nn

RMSNorm = nn.RMSNorm

_GELU_SLOPE = 2 * math.sqrt(2 / math.pi)


def fused(function: Callable[..., mx.array]) -> Callable[..., mx.array]:
    """One kernel for an element-wise function, where the GPU runs it.

    The CPU backend would call a C++ compiler at run time for that, which users need not have.
    """
    return mx.compile(function, shapeless=True) if mx.default_device() == mx.gpu else function


def rms_normalize(x: mx.array, eps: float) -> mx.array:
    """RMSNorm without a weight, over the last axis. Shape kept."""
    return mx.fast.rms_norm(x, None, eps)


@fused
def gated_gelu(gate: mx.array, up: mx.array) -> mx.array:
    """gelu(gate) * up, gelu by tanh, rounded once. Shape and dtype kept."""
    # Written out, because what `mlx.nn` has is compiled on the CPU, too, and rounds each step.
    # The sigmoid of 2y is (1 + tanh(y)) / 2.
    x = gate.astype(mx.float32)
    gelu = x * mx.sigmoid(x * (_GELU_SLOPE + 0.044715 * _GELU_SLOPE * (x * x)))
    return (gelu * up).astype(gate.dtype)


@fused
def scaled_sum(x: mx.array, y: mx.array, scale: mx.array) -> mx.array:
    """(x + y) * scale. Shape kept."""
    return (x + y) * scale


@fused
def silu(x: mx.array) -> mx.array:
    """The sigmoid of x, times x. Shape kept."""
    return x * mx.sigmoid(x)


@fused
def soft_cap(x: mx.array, cap: mx.array) -> mx.array:
    """tanh(x / cap) * cap in float32: in bf16 it would round logits by up to 0.12."""
    return mx.tanh(x.astype(mx.float32) / cap) * cap


class ClippedLinear(nn.Module):
    """A linear layer that clamps what comes in and what goes out.

    The bounds are scalars of the checkpoint; they are infinite where it has none.
    """

    def __init__(self, input_dims: int, output_dims: int, clipped: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(input_dims, output_dims, bias=False)
        if clipped:
            self.input_min = mx.array(-float("inf"))
            self.input_max = mx.array(float("inf"))
            self.output_min = mx.array(-float("inf"))
            self.output_max = mx.array(float("inf"))
        self._clipped = clipped

    def __call__(self, x: mx.array) -> mx.array:
        """[..., input_dims] -> [..., output_dims]."""
        if not self._clipped:
            return self.linear(x)
        x = mx.clip(x, self.input_min, self.input_max)
        return mx.clip(self.linear(x), self.output_min, self.output_max)


class MultimodalEmbedder(nn.Module):
    """From a tower's soft tokens to the decoder's embeddings."""

    def __init__(self, soft_dims: int, hidden_size: int, eps: float) -> None:
        super().__init__()
        self.embedding_projection = nn.Linear(soft_dims, hidden_size, bias=False)
        self._eps = eps

    def __call__(self, soft_tokens: mx.array) -> mx.array:
        """[rows, soft_dims] -> [rows, D]."""
        return self.embedding_projection(rms_normalize(soft_tokens, self._eps))
