"""The vision and the audio section of config.json.

Reference: transformers `Gemma4VisionConfig`, `Gemma4AudioConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gemma4_mlx.config.fields import require, require_positive

_VISION_SIZES = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "head_dim", "patch_size", "pooling_kernel_size"),
    *("position_embedding_size", "rms_norm_eps"),
)
_AUDIO_SIZES = (
    *("hidden_size", "num_hidden_layers", "num_attention_heads", "conv_kernel_size"),
    *("attention_chunk_size", "attention_context_left", "attention_logit_cap"),
    *("gradient_clipping", "rms_norm_eps", "output_proj_dims"),
)


@dataclass(frozen=True)
class VisionConfig:
    """The vision tower. Field names are Hugging Face's."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    patch_size: int
    pooling_kernel_size: int
    position_embedding_size: int
    rms_norm_eps: float
    use_clipped_linears: bool
    rope_parameters: Mapping[str, Any]
    standardize: bool = False
    hidden_activation: str = "gelu_pytorch_tanh"

    def __post_init__(self) -> None:
        require_positive(self, "vision_config", _VISION_SIZES)
        require(
            self.hidden_activation == "gelu_pytorch_tanh",
            f"vision_config.hidden_activation is {self.hidden_activation!r}: "
            "expected 'gelu_pytorch_tanh'",
        )
        require(
            isinstance(self.rope_parameters.get("rope_theta"), int | float),
            "vision_config.rope_parameters.rope_theta is missing",
        )
        require(
            self.num_attention_heads % self.num_key_value_heads == 0,
            f"vision_config.num_attention_heads ({self.num_attention_heads}) is not a multiple of "
            f"vision_config.num_key_value_heads ({self.num_key_value_heads})",
        )

    @property
    def rope_theta(self) -> float:
        """Base of the two-dimensional rotary embedding."""
        return float(self.rope_parameters["rope_theta"])


@dataclass(frozen=True)
class AudioConfig:
    """The audio tower. Field names are Hugging Face's."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    subsampling_conv_channels: tuple[int, ...]
    conv_kernel_size: int
    residual_weight: float
    attention_chunk_size: int
    attention_context_left: int
    attention_context_right: int
    attention_logit_cap: float
    attention_invalid_logits_value: float
    gradient_clipping: float
    rms_norm_eps: float
    use_clipped_linears: bool
    output_proj_dims: int
    hidden_act: str = "silu"

    def __post_init__(self) -> None:
        require_positive(self, "audio_config", _AUDIO_SIZES)
        require(
            self.hidden_act == "silu",
            f"audio_config.hidden_act is {self.hidden_act!r}: expected 'silu'",
        )
        require(
            len(self.subsampling_conv_channels) == 2,
            f"audio_config.subsampling_conv_channels is {list(self.subsampling_conv_channels)}: "
            "expected two numbers",
        )
        require(
            self.hidden_size % self.num_attention_heads == 0,
            f"audio_config.hidden_size ({self.hidden_size}) is not a multiple of "
            f"audio_config.num_attention_heads ({self.num_attention_heads})",
        )
