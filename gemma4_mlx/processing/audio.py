"""A clip as log-mel frames, ready for the audio tower.

Reference: transformers `models/gemma4/feature_extraction_gemma4.py`, and
`processing_gemma4.py` (`replace_audio_token`) for the number of soft tokens.
Differs: any sampling rate and channel count; soft tokens are counted from frames, in one place.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.messages import AudioPart
from gemma4_mlx.processing.audio_file import (
    LONGEST_RECORDING_S,
    MAX_DURATION_S,
    Excerpt,
    read_audio,
    read_audio_length,
)
from gemma4_mlx.processing.container import FileState
from gemma4_mlx.processing.kept import Kept
from gemma4_mlx.processing.long_audio import clips_of, part_count
from gemma4_mlx.processing.mel import log_mel, mel_frames
from gemma4_mlx.processing.resample import resample, resampled_length
from gemma4_mlx.processing.settings import AudioSettings

_STRIDED_CONVOLUTIONS = 2


@dataclass(frozen=True, slots=True)
class ClipCost:
    """What a clip takes.

    Attributes:
        tokens: soft tokens in the prompt, of all parts together.
        seconds: of the recording.
        parts: how many clips the model hears.
        is_about: whether tokens and parts are estimates, because the recording was not read.
    """

    tokens: int
    seconds: float
    parts: int = 1
    is_about: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class PreparedAudio:
    """One clip as the model gets it.

    Attributes:
        input_features: float32 [T, F], log-mel.
        mask: bool [T], true where a frame is real.
        tokens: soft tokens it takes in the prompt.
        duration_s: of the clip as attached.
        sha256: of the rate and the mono samples as attached.
    """

    input_features: np.ndarray
    mask: np.ndarray
    tokens: int
    duration_s: float
    sha256: str


# Enough for the longest recording: of one that does not fit in, each part would drive out the next.
_HEARD_BYTES = LONGEST_RECORDING_S * 60_000
_HEARD: Kept[PreparedAudio] = Kept(_HEARD_BYTES, nbytes=lambda clip: clip.input_features.nbytes)


def audio_soft_tokens(frames: int) -> int:
    """Soft tokens of a clip with `frames` real mel frames.

    The tower halves the frames twice, by convolutions of stride 2 that keep every second entry
    of the mask, the first included.
    """
    for _ in range(_STRIDED_CONVOLUTIONS):
        frames = (frames + 1) // 2
    return frames


def audio_cost(samples: int, rate: int, settings: AudioSettings | None = None) -> int:
    """Soft tokens of a clip of `samples` samples at `rate` Hz; 0 if it is too short to hear."""
    settings = settings or AudioSettings()
    length = resampled_length(samples, rate, settings.sampling_rate)
    return audio_soft_tokens(mel_frames(length, settings))


def clip_cost(
    part: AudioPart, settings: AudioSettings | None = None, *, read_s: float = math.inf
) -> ClipCost:
    """What a clip takes, from the file's header; a long recording is read to find its parts.

    Args:
        part: the clip.
        settings: of the checkpoint; None for those of the published ones.
        read_s: a recording that is longer is not read, and its cost told about.

    Raises:
        AttachmentError: it cannot be read, or is too long.
    """
    samples, rate = read_audio_length(part)
    if samples > max(read_s, MAX_DURATION_S) * rate:
        tokens = audio_cost(samples, rate, settings)
        return ClipCost(tokens, samples / rate, part_count(samples, rate), is_about=True)
    clips = clips_of(part)
    lengths = [read_audio_length(clip) for clip in clips]
    return ClipCost(
        tokens=sum(audio_cost(*length, settings) for length in lengths),
        seconds=sum(samples / rate for samples, rate in lengths),
        parts=len(clips),
    )


def prepare_audio(part: AudioPart, settings: AudioSettings) -> PreparedAudio:
    """Read a clip, mix it to mono, resample it and turn it into log-mel frames.

    A file is read once, for a conversation is prepared again with each turn.

    Raises:
        AttachmentError: it cannot be used, or is longer than the model can hear at once.
    """
    match part.source:
        case Excerpt(recording, start, stop):
            key = (recording.state, start, stop, settings)
        case str() | Path():
            key = (FileState.of(part.source, part.name), settings)
        case _:
            return _hear(part, settings)
    return _HEARD.get(key, lambda: _hear(part, settings))


def _hear(part: AudioPart, settings: AudioSettings) -> PreparedAudio:
    samples, rate = read_audio(replace(part, split=False))
    heard = resample(samples, rate, settings.sampling_rate)
    frames = mel_frames(len(heard), settings)
    if frames == 0:
        needed_s = (settings.frame_length // 2 + 1) / settings.sampling_rate
        raise AttachmentError(
            f"{part.name} is too short to hear: {len(samples) / rate:.4f} s",
            f"a clip needs at least {needed_s:.4f} s",
        )
    features, mask = log_mel(heard, settings)
    digest = hashlib.sha256(f"{rate}:".encode())
    digest.update(samples.tobytes())
    return PreparedAudio(
        features, mask, audio_soft_tokens(frames), len(samples) / rate, digest.hexdigest()
    )


def stack_audio(clips: Sequence[PreparedAudio]) -> tuple[np.ndarray, np.ndarray]:
    """All clips of a turn as `input_features` and `input_features_mask` of `ModelInputs`."""
    longest = max(len(clip.mask) for clip in clips)
    bins = clips[0].input_features.shape[1]
    features = np.zeros((len(clips), longest, bins), np.float32)
    mask = np.zeros((len(clips), longest), bool)
    for index, clip in enumerate(clips):
        features[index, : len(clip.mask)] = clip.input_features
        mask[index, : len(clip.mask)] = clip.mask
    return features, mask
