"""Messages, pictures and clips to `ModelInputs`: numpy only, no mlx.

processor       the whole way
settings        what processor_config.json says
image_size      what a picture costs
image_file      a file to upright RGB
image           RGB to patches and positions
audio_file      a file to mono samples
resample        any rate to 16 kHz
mel             samples to log-mel frames
audio           a clip, and what it costs
placeholders    room in the prompt for soft tokens
"""

from gemma4_mlx.processing.audio import ClipCost, audio_cost, audio_soft_tokens, clip_cost
from gemma4_mlx.processing.image_size import ImageCost, image_cost
from gemma4_mlx.processing.processor import Processor

__all__ = [
    "ClipCost",
    "ImageCost",
    "Processor",
    "audio_cost",
    "audio_soft_tokens",
    "clip_cost",
    "image_cost",
]
