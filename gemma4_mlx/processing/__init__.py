"""Messages, pictures, clips and videos to `ModelInputs`: numpy only, no mlx.

processor       the whole way
settings        what processor_config.json says
image_size      what a picture costs
image_file      a file to upright RGB
image           RGB to patches and positions
audio_file      a file to mono samples
resample        any rate to 16 kHz
mel             samples to log-mel frames
audio           a clip, and what it costs
long_audio      recordings of any length as clips
container       files with tracks
sound_track     such a file's sound
video_file      such a file's pictures
video           frames with times, and what they cost
placeholders    room in the prompt for soft tokens
receipts        what is told of each attachment
"""

from gemma4_mlx.processing.audio import ClipCost, audio_cost, audio_soft_tokens, clip_cost
from gemma4_mlx.processing.image_size import ImageCost, image_cost
from gemma4_mlx.processing.processor import Processor
from gemma4_mlx.processing.video import VideoCost, video_cost

__all__ = [
    "ClipCost",
    "ImageCost",
    "Processor",
    "VideoCost",
    "audio_cost",
    "audio_soft_tokens",
    "clip_cost",
    "image_cost",
    "video_cost",
]
