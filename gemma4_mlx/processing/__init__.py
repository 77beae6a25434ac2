"""Messages, pictures, clips and videos to `ModelInputs`: numpy only, no mlx.

processor       the whole way
senses          media, as a checkpoint wants them; loaded with the first one
settings        what processor_config.json says
image_size      what a picture costs
attached_file   which files may be opened
image_file      a file to upright RGB
image           RGB to patches and positions
audio_file      a file to mono samples
mpeg_audio      MP3 files, frame by frame
ogg_pages       Ogg files, page by page
promised_size   how long a file should be
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
kept            what was made of files

The values are loaded when they are first used: what works on media comes with the first one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gemma4_mlx.processing.audio import ClipCost, audio_cost, audio_soft_tokens, clip_cost
    from gemma4_mlx.processing.image_size import ImageCost, image_cost
    from gemma4_mlx.processing.processor import Processor
    from gemma4_mlx.processing.video import VideoCost, video_cost

_HOMES = {
    "audio": ("ClipCost", "audio_cost", "audio_soft_tokens", "clip_cost"),
    "image_size": ("ImageCost", "image_cost"),
    "processor": ("Processor",),
    "video": ("VideoCost", "video_cost"),
}

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


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"gemma4_mlx.processing.{home}"), name)
    raise AttributeError(f"module 'gemma4_mlx.processing' has no attribute {name!r}")
