"""config.json as frozen values; every fact about a layer is resolved here, once.

model           the whole file
text            the decoder, layer by layer
towers          the vision and the audio tower
quantization    which modules are packed, and how
shapes          names and shapes of all parameters
fields          typed fields of a JSON object, named in every error
"""

from gemma4_mlx.config.model import ModelConfig, TokenType
from gemma4_mlx.config.quantization import PackedFormat, Quantization
from gemma4_mlx.config.shapes import PER_LAYER_TABLE, parameter_shapes
from gemma4_mlx.config.text import ExpertSpec, LayerSpec, RopeSpec, TextConfig
from gemma4_mlx.config.towers import AudioConfig, VisionConfig

__all__ = [
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
