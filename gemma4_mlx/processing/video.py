"""A video as frames with time stamps, each a picture for the vision tower.

Reference: transformers `models/gemma4/video_processing_gemma4.py` (`Gemma4VideoProcessor`),
`video_utils.py` (`default_sample_indices_fn`, `VideoMetadata.timestamps`) and
`processing_gemma4.py` (`replace_video_token`).
Differs: a video of fewer frames than are asked for gives all it has, where the reference raises;
frames are looked up by their times (see `video_file`); they are resized as pictures are (see
`image`). Phones' rotation is applied.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.limits import MIB
from gemma4_mlx.messages import AudioPart, Message, Part, VideoPart
from gemma4_mlx.processing.audio import clip_cost
from gemma4_mlx.processing.container import FileState
from gemma4_mlx.processing.image import PADDING, patches_of, positions_of
from gemma4_mlx.processing.image_size import ImageCost, image_cost
from gemma4_mlx.processing.kept import Kept
from gemma4_mlx.processing.settings import AudioSettings, VideoSettings
from gemma4_mlx.processing.video_file import VideoHeader, read_frames, read_video_header


@dataclass(frozen=True, slots=True)
class VideoCost:
    """What a video takes, without its sound.

    Attributes:
        tokens: soft tokens in the prompt, of all frames together.
        frames: how many the model sees.
        seconds: of the video.
        width, height: upright, in pixels.
        seen_width, seen_height: what the model sees of each frame, in pixels.
        has_sound: whether there is sound beside it.
    """

    tokens: int
    frames: int
    seconds: float
    width: int
    height: int
    seen_width: int
    seen_height: int
    has_sound: bool


@dataclass(frozen=True, slots=True, eq=False)
class PreparedVideo:
    """One video as the model gets it.

    Attributes:
        pixels: uint8 [frames, rows, columns, 3], as seen.
        cost: what it takes.
        image_tokens: the budget of each frame.
        sha256: of the frames as seen.
    """

    pixels: np.ndarray
    cost: VideoCost
    image_tokens: int
    sha256: str


_SEEN: Kept[np.ndarray] = Kept(256 * MIB, nbytes=lambda pixels: pixels.nbytes)
"""What was decoded: a conversation is prepared again with each turn."""


def sample_frames(total: int, most: int) -> list[int]:
    """Indices of the frames that the model sees: at most so many, evenly spread."""
    count = min(total, most)
    return [index * total // count for index in range(count)]


def frame_times(header: VideoHeader, settings: VideoSettings) -> tuple[float, ...]:
    """When those frames are shown, in seconds from the beginning."""
    indices = sample_frames(header.frames, settings.num_frames)
    return tuple(index / header.frame_rate for index in indices)


def video_header(part: VideoPart) -> VideoHeader:
    """What a video is, from its header and its first frame.

    Raises:
        AttachmentError: it cannot be used.
    """
    if isinstance(part.source, str | Path):
        return read_video_header(FileState.of(part.source, part.name), part.name)
    frames = _checked_frames(part.source, part.name)
    return VideoHeader(len(frames), part.frame_rate or 0.0, frames.shape[2], frames.shape[1])


def video_cost(part: VideoPart, settings: VideoSettings | None = None) -> VideoCost:
    """What a video takes, from its header and its first frame.

    Raises:
        AttachmentError: it cannot be used.
    """
    settings = settings or VideoSettings()
    header = video_header(part)
    frame = _frame_cost(header, settings)
    count = min(header.frames, settings.num_frames)
    return VideoCost(
        tokens=count * frame.tokens,
        frames=count,
        seconds=header.duration_s,
        width=header.width,
        height=header.height,
        seen_width=frame.seen_width,
        seen_height=frame.seen_height,
        has_sound=header.has_sound,
    )


def with_times_and_sound(
    messages: Sequence[Message], settings: VideoSettings, audio: AudioSettings | None
) -> list[Message]:
    """The conversation with frame times in every video, and a clip with its sound behind it.

    That is where the reference has it, if told to hear it.

    Args:
        messages: parsed; those without a video stay what they are.
        settings: how videos are sampled.
        audio: how the model hears; None if it does not.

    Raises:
        AttachmentError: a video cannot be used.
    """
    return [
        replace(message, parts=tuple(_spelled_out(message.parts, settings, audio)))
        if any(isinstance(part, VideoPart) for part in message.parts)
        else message
        for message in messages
    ]


def _spelled_out(
    parts: Sequence[Part], settings: VideoSettings, audio: AudioSettings | None
) -> Iterator[Part]:
    for part in parts:
        if not isinstance(part, VideoPart):
            yield part
            continue
        header = video_header(part)
        yield replace(part, times_s=frame_times(header, settings))
        clip = AudioPart(part.source, name=part.name)
        if part.sound and header.has_sound and audio and clip_cost(clip, audio).tokens:
            yield clip


def prepare_video(part: VideoPart, settings: VideoSettings) -> PreparedVideo:
    """Decode the frames that the model sees, and resize them.

    Raises:
        AttachmentError: it cannot be used.
    """
    if isinstance(part.source, str | Path):
        file = FileState.of(part.source, part.name)
        pixels = _SEEN.get((file, settings), lambda: _pixels_of(file, part.name, settings))
    else:
        frames = _checked_frames(part.source, part.name)
        indices = sample_frames(len(frames), settings.num_frames)
        pictures = (Image.fromarray(np.ascontiguousarray(frames[index])) for index in indices)
        pixels = _seen(pictures, _frame_cost(video_header(part), settings))
    digest = hashlib.sha256(f"{pixels.shape}:".encode())
    digest.update(pixels.tobytes())
    cost = video_cost(part, settings)
    return PreparedVideo(pixels, cost, settings.max_soft_tokens, digest.hexdigest())


def stack_videos(
    videos: Sequence[PreparedVideo], settings: VideoSettings
) -> tuple[np.ndarray, np.ndarray]:
    """All videos of a turn as `pixel_values_videos` and `video_position_ids` of `ModelInputs`."""
    size = settings.patch_size
    frames = [frame for video in videos for frame in video.pixels]
    longest = max(frame.shape[0] * frame.shape[1] // size**2 for frame in frames)
    pixel_values = np.zeros((len(frames), longest, size**2 * 3), np.float32)
    position_ids = np.full((len(frames), longest, 2), PADDING, np.int32)
    for index, frame in enumerate(frames):
        patches = patches_of(frame, size)
        pixel_values[index, : len(patches)] = patches
        position_ids[index, : len(patches)] = positions_of(frame, size)
    return pixel_values, position_ids


def _pixels_of(file: FileState, name: str, settings: VideoSettings) -> np.ndarray:
    header = read_video_header(file, name)
    frames = read_frames(file, frame_times(header, settings), name)
    return _seen(frames, _frame_cost(header, settings))


def _seen(frames: Iterable[Image.Image], cost: ImageCost) -> np.ndarray:
    """Frames at the size at which the model sees them: uint8 [frames, rows, columns, 3]."""
    size = (cost.seen_width, cost.seen_height)
    return np.stack([np.asarray(resized) for resized in _resized(frames, size)])


def _resized(frames: Iterable[Image.Image], size: tuple[int, int]) -> Iterator[Image.Image]:
    for frame in frames:
        yield frame if frame.size == size else frame.resize(size, Image.Resampling.BICUBIC)


def _frame_cost(header: VideoHeader, settings: VideoSettings) -> ImageCost:
    return image_cost(header.width, header.height, settings.max_soft_tokens, settings)


def _checked_frames(source: Any, name: str) -> np.ndarray:
    frames = np.asarray(source)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or not frames.size:
        raise AttachmentError(
            f"{name} is an array of {frames.dtype} {frames.shape}, expected uint8 "
            "[frames, rows, columns, 3]",
            "give RGB frames of 8 bits, the channels last",
        )
    return frames
