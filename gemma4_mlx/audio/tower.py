"""The audio tower, top-down: two strided convolutions, conformer layers, output projection.

Reference: transformers `Gemma4AudioModel` and its parts.
Differs: one clip at a time and valid frames only, so that clips of different length cannot mix.
"""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn

from gemma4_mlx.audio.attention import AudioAttention, ChunkLayout, relative_positions
from gemma4_mlx.config import AudioConfig
from gemma4_mlx.layers import ClippedLinear, RMSNorm, silu


class SubsampleLayer(nn.Module):
    """A convolution of stride 2 over time and frequency, normed over the channels."""

    def __init__(self, in_channels: int, out_channels: int, eps: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False)
        self.norm = nn.LayerNorm(out_channels, eps=eps, bias=False)

    def __call__(self, x: mx.array) -> mx.array:
        """[1, T, F, in] -> [1, ceil(T / 2), ceil(F / 2), out]."""
        return mx.maximum(self.norm(self.conv(x)), 0)


class SubsampleConvProjection(nn.Module):
    """Four frames to one row."""

    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        first, second = config.subsampling_conv_channels
        self.layer0 = SubsampleLayer(1, first, config.rms_norm_eps)
        self.layer1 = SubsampleLayer(first, second, config.rms_norm_eps)
        # As in the reference, where its channels stand for the mel bins: both are 128.
        self.input_proj_linear = nn.Linear(first // 4 * second, config.hidden_size, bias=False)

    def __call__(self, features: mx.array) -> mx.array:
        """[T, F] -> [rows, hidden]."""
        x = features.astype(self.input_proj_linear.weight.dtype)[None, :, :, None]
        x = self.layer1(self.layer0(x))[0]
        return self.input_proj_linear(x.reshape(x.shape[0], -1))


class AudioFeedForward(nn.Module):
    """Half of the conformer's pair of MLPs."""

    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        size, clipped = config.hidden_size, config.use_clipped_linears
        self.ffw_layer_1 = ClippedLinear(size, 4 * size, clipped)
        self.ffw_layer_2 = ClippedLinear(4 * size, size, clipped)
        self.pre_layer_norm = RMSNorm(size, config.rms_norm_eps)
        self.post_layer_norm = RMSNorm(size, config.rms_norm_eps)
        self._bound = config.gradient_clipping
        self._weight = config.residual_weight

    def __call__(self, x: mx.array) -> mx.array:
        """[T, hidden] -> [T, hidden], residual included."""
        y = self.pre_layer_norm(mx.clip(x, -self._bound, self._bound))
        y = self.ffw_layer_2(silu(self.ffw_layer_1(y)))
        y = self.post_layer_norm(mx.clip(y, -self._bound, self._bound))
        return x + y * self._weight


class LightConv1d(nn.Module):
    """A gated, depthwise, causal convolution over time."""

    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        size, clipped = config.hidden_size, config.use_clipped_linears
        self._kernel = config.conv_kernel_size
        self._bound = config.gradient_clipping
        self.linear_start = ClippedLinear(size, 2 * size, clipped)
        self.linear_end = ClippedLinear(size, size, clipped)
        self.depthwise_conv1d = nn.Conv1d(size, size, self._kernel, groups=size, bias=False)
        self.pre_layer_norm = RMSNorm(size, config.rms_norm_eps)
        self.conv_norm = RMSNorm(size, config.rms_norm_eps)

    def __call__(self, x: mx.array) -> mx.array:
        """[T, hidden] -> [T, hidden], residual included."""
        y = nn.glu(self.linear_start(self.pre_layer_norm(x)))
        y = self.depthwise_conv1d(mx.pad(y, [(self._kernel - 1, 0), (0, 0)])[None])[0]
        y = self.conv_norm(mx.clip(y, -self._bound, self._bound))
        return x + self.linear_end(silu(y))


class ConformerLayer(nn.Module):
    """MLP, attention, convolution, MLP."""

    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        self._bound = config.gradient_clipping
        self.feed_forward1 = AudioFeedForward(config)
        self.feed_forward2 = AudioFeedForward(config)
        self.self_attn = AudioAttention(config)
        self.lconv1d = LightConv1d(config)
        self.norm_pre_attn = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.norm_post_attn = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.norm_out = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def __call__(self, x: mx.array, layout: ChunkLayout, positions: mx.array) -> mx.array:
        """[T, hidden] -> [T, hidden]."""
        x = self.feed_forward1(x)
        y = self.norm_pre_attn(mx.clip(x, -self._bound, self._bound))
        y = mx.clip(self.self_attn(y, layout, positions), -self._bound, self._bound)
        x = self.lconv1d(x + self.norm_post_attn(y))
        x = self.feed_forward2(x)
        return self.norm_out(mx.clip(x, -self._bound, self._bound))


class AudioTower(nn.Module):
    """One clip's frames in, its soft tokens out."""

    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        self._config = config
        self.subsample_conv_projection = SubsampleConvProjection(config)
        self.layers = [ConformerLayer(config) for _ in range(config.num_hidden_layers)]
        self.output_proj = nn.Linear(config.hidden_size, config.output_proj_dims, bias=True)

    def __call__(self, features: mx.array) -> mx.array:
        """Encode one clip.

        Args:
            features: log-mel [T, F], real frames only.

        Returns:
            [rows, output_proj_dims]; rows = T halved twice, rounded up.
        """
        x = self.subsample_conv_projection(features)
        layout = ChunkLayout(self._config)
        positions = relative_positions(layout, self._config.hidden_size)
        for layer in self.layers:
            x = layer(x, layout, positions)
        return self.output_proj(x)
