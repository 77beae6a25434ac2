"""config.json as frozen values; every fact about a layer is resolved here, once.

model           the whole file
text            the decoder, layer by layer
towers          the vision and the audio tower
quantization    which modules are packed, and how
shapes          names and shapes of all parameters
fields          typed fields of a JSON object, named in every error

The values are loaded when they are first used: most commands need the demo's name alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gemma4_mlx.config.model import ModelConfig, TokenType
    from gemma4_mlx.config.quantization import PackedFormat, Quantization
    from gemma4_mlx.config.shapes import PER_LAYER_TABLE, parameter_shapes
    from gemma4_mlx.config.text import ExpertSpec, LayerSpec, RopeSpec, TextConfig
    from gemma4_mlx.config.towers import AudioConfig, VisionConfig

DEMO_MODEL = "pocket"
"""Name of the bundled demonstration model."""

_HOMES = {
    "model": ("ModelConfig", "TokenType"),
    "quantization": ("PackedFormat", "Quantization"),
    "shapes": ("PER_LAYER_TABLE", "parameter_shapes"),
    "text": ("ExpertSpec", "LayerSpec", "RopeSpec", "TextConfig"),
    "towers": ("AudioConfig", "VisionConfig"),
}

__all__ = [
    "DEMO_MODEL",
    "PER_LAYER_TABLE",
    "AudioConfig",
    "ExpertSpec",
    "LayerSpec",
    "ModelConfig",
    "PackedFormat",
    "Quantization",
    "RopeSpec",
    "TextConfig",
    "TokenType",
    "VisionConfig",
    "parameter_shapes",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"gemma4_mlx.config.{home}"), name)
    raise AttributeError(f"module 'gemma4_mlx.config' has no attribute {name!r}")
