"""The vision tower, top-down: patch embedder, encoder, pooler.

Reference: transformers `Gemma4VisionModel` and its parts.
Differs: one picture at a time and no padding, so that pictures of different size cannot mix and
attention needs no mask.
"""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn

from gemma4_mlx.cache import KeyValues
from gemma4_mlx.cache.visible import attend
from gemma4_mlx.config import VisionConfig
from gemma4_mlx.layers import ClippedLinear, RMSNorm, gated_gelu, rms_normalize
from gemma4_mlx.rope import axial_angles, turn_by_axis


class PatchEmbedder(nn.Module):
    """Pixels of a patch, projected, plus a learned vector for its column and one for its row."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.input_proj = nn.Linear(3 * config.patch_size**2, config.hidden_size, bias=False)
        self.position_embedding_table = mx.ones(
            (2, config.position_embedding_size, config.hidden_size)
        )

    def __call__(self, pixel_values: mx.array, positions: mx.array) -> mx.array:
        """[1, P, patch_size**2 * 3] in 0..1 and int [P, 2] -> [1, P, hidden]."""
        pixels = (2 * (pixel_values - 0.5)).astype(self.position_embedding_table.dtype)
        columns, rows = self.position_embedding_table
        return self.input_proj(pixels) + columns[positions[:, 0]] + rows[positions[:, 1]]


class VisionAttention(nn.Module):
    """Every patch sees every patch."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        size, head_dim, clipped = config.hidden_size, config.head_dim, config.use_clipped_linears
        query_dims = config.num_attention_heads * head_dim
        kv_dims = config.num_key_value_heads * head_dim
        self.q_proj = ClippedLinear(size, query_dims, clipped)
        self.k_proj = ClippedLinear(size, kv_dims, clipped)
        self.v_proj = ClippedLinear(size, kv_dims, clipped)
        self.o_proj = ClippedLinear(query_dims, size, clipped)
        self.q_norm = RMSNorm(head_dim, config.rms_norm_eps)
        self.k_norm = RMSNorm(head_dim, config.rms_norm_eps)
        self._head_dim = head_dim
        self._eps = config.rms_norm_eps

    def __call__(self, x: mx.array, angles: tuple[mx.array, mx.array]) -> mx.array:
        """[1, P, hidden] -> [1, P, hidden]."""
        queries = turn_by_axis(self.q_norm(self._heads(self.q_proj(x))), angles)
        keys = turn_by_axis(self.k_norm(self._heads(self.k_proj(x))), angles)
        values = rms_normalize(self._heads(self.v_proj(x)), self._eps)
        # In blocks: all scores of a picture of 1120 soft tokens at once would be gigabytes.
        out = attend(queries, KeyValues(keys, values, offset=0), mask=None)
        return self.o_proj(out.swapaxes(1, 2).reshape(*x.shape[:2], -1))

    def _heads(self, x: mx.array) -> mx.array:
        """[1, P, heads * H] -> [1, heads, P, H]."""
        return x.reshape(*x.shape[:2], -1, self._head_dim).swapaxes(1, 2)


class VisionMLP(nn.Module):
    """down(gelu(gate(x)) * up(x)) with clipped linears."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        size, width = config.hidden_size, config.intermediate_size
        self.gate_proj = ClippedLinear(size, width, config.use_clipped_linears)
        self.up_proj = ClippedLinear(size, width, config.use_clipped_linears)
        self.down_proj = ClippedLinear(width, size, config.use_clipped_linears)

    def __call__(self, x: mx.array) -> mx.array:
        """[1, P, hidden] -> [1, P, hidden]."""
        return self.down_proj(gated_gelu(self.gate_proj(x), self.up_proj(x)))


class VisionLayer(nn.Module):
    """Attention and MLP, each between two norms."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        size, eps = config.hidden_size, config.rms_norm_eps
        self.self_attn = VisionAttention(config)
        self.mlp = VisionMLP(config)
        self.input_layernorm = RMSNorm(size, eps)
        self.post_attention_layernorm = RMSNorm(size, eps)
        self.pre_feedforward_layernorm = RMSNorm(size, eps)
        self.post_feedforward_layernorm = RMSNorm(size, eps)

    def __call__(self, x: mx.array, angles: tuple[mx.array, mx.array]) -> mx.array:
        """[1, P, hidden] -> [1, P, hidden]."""
        x = x + self.post_attention_layernorm(self.self_attn(self.input_layernorm(x), angles))
        return x + self.post_feedforward_layernorm(self.mlp(self.pre_feedforward_layernorm(x)))


class VisionEncoder(nn.Module):
    """The stack of layers."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.layers = [VisionLayer(config) for _ in range(config.num_hidden_layers)]
        self._head_dim = config.head_dim
        self._theta = config.rope_theta

    def __call__(
        self, x: mx.array, positions: mx.array, hidden_states: list[mx.array] | None
    ) -> mx.array:
        """[1, P, hidden] and int [P, 2] -> [1, P, hidden]."""
        angles = axial_angles(positions, self._head_dim, self._theta)
        for layer in self.layers:
            x = layer(x, angles)
            if hidden_states is not None:
                hidden_states.append(x)
        return x


class VisionTower(nn.Module):
    """One picture's patches in, its soft tokens out."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.patch_embedder = PatchEmbedder(config)
        self.encoder = VisionEncoder(config)
        self._kernel = config.pooling_kernel_size
        self._standardize = config.standardize
        if config.standardize:
            self.std_bias = mx.zeros((config.hidden_size,))
            self.std_scale = mx.ones((config.hidden_size,))

    def __call__(
        self,
        pixel_values: mx.array,
        positions: mx.array,
        hidden_states: list[mx.array] | None = None,
    ) -> mx.array:
        """Encode one picture.

        Args:
            pixel_values: [P, patch_size**2 * 3] in 0..1, real patches only.
            positions: int [P, 2], (column, row) of each.
            hidden_states: gets what each layer gives, [1, P, hidden].

        Returns:
            [P / kernel**2, hidden], row by row.
        """
        x = self.patch_embedder(pixel_values[None], positions)
        patches = self.encoder(x, positions, hidden_states)[0]
        pooled = pool_by_position(patches, positions, self._kernel)
        if self._standardize:
            # Before the cast: the subtraction cancels large values.
            pooled = (pooled - self.std_bias) * self.std_scale
        return pooled.astype(x.dtype)


def pool_by_position(x: mx.array, positions: mx.array, kernel: int) -> mx.array:
    """Mean of each `kernel` x `kernel` square of patches, times sqrt(hidden), in float32.

    Patches are sorted into their squares by position, so that any order of x gives the same.

    Args:
        x: [P, hidden].
        positions: int [P, 2], (column, row).
        kernel: side of a square, in patches.

    Returns:
        float32 [P / kernel**2, hidden].
    """
    cells = positions // kernel
    columns = (positions[:, 0].max() + 1) // kernel
    order = mx.argsort(cells[:, 0] + columns * cells[:, 1])
    squares = x.astype(mx.float32)[order].reshape(-1, kernel**2, x.shape[-1])
    return squares.mean(axis=1) * x.shape[-1] ** 0.5
