"""The sound of a video, or of a file that only looks like one, such as M4A.

Differs: nothing of a track is dropped. What its header gives as its length is that of what is
heard: the little that a codec adds in front or behind is not part of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.processing.attached_file import to_wav
from gemma4_mlx.processing.container import (
    FileState,
    check_codec,
    check_whole,
    duration_s,
    open_container,
)
from gemma4_mlx.processing.mono import Mix

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

_CODEC_PADDING_S = 0.5  # What codecs add in front of a track or behind it is less.


def sound_length(file: FileState, name: str) -> tuple[int, int]:
    """Number of samples and sampling rate in Hz, from the header alone.

    Raises:
        AttachmentError: it cannot be read, or has no sound.
    """
    with open_container(file.path, name) as container:
        return _length(container, _sound_track(container, name), name)


def read_sound(file: FileState, name: str) -> tuple[np.ndarray, int]:
    """The whole track, its channels mixed down: float32 [samples], and its rate in Hz.

    Raises:
        AttachmentError: it cannot be read, has no sound, is damaged, or its channels cancel each
            other.
    """
    check_whole(file.path, name)
    from av.error import FFmpegError

    mix = Mix()
    with open_container(file.path, name) as container:
        stream = _sound_track(container, name)
        length, rate = _length(container, stream, name)
        samples, found = np.zeros(length, np.float32), 0
        with suppress(FFmpegError):  # how much can be decoded is told below
            for piece in map(mix.add, _pieces(container, stream)):
                room = samples[found : found + len(piece)]
                room[:] = piece[: len(room)]
                found += len(piece)
    if abs(found - length) > _CODEC_PADDING_S * rate:
        raise AttachmentError(
            f"{name} is damaged: its header says {length / rate:.1f} s of sound, and "
            f"{found / rate:.1f} s can be decoded",
            f"attach another copy. To hear what is there: {to_wav(name)}",
        )
    mix.check(name)
    return samples, rate


def _pieces(container: InputContainer, stream: AudioStream) -> Iterator[np.ndarray]:
    """Pieces of the track: float32 [samples, channels]."""
    from av.audio.resampler import AudioResampler

    even = AudioResampler(format="fltp", rate=stream.rate)  # a format for all codecs
    for frame in container.decode(stream):
        for piece in even.resample(frame):
            yield piece.to_ndarray().T
    for piece in even.resample(None):
        yield piece.to_ndarray().T


def _sound_track(container: InputContainer, name: str) -> AudioStream:
    track = container.streams.best("audio")
    if track is None:
        raise AttachmentError(f"{name} has no sound", "attach a clip with sound in it")
    check_codec(track, name)
    return track  # type: ignore[return-value]  # of that kind


def _length(container: InputContainer, stream: AudioStream, name: str) -> tuple[int, int]:
    seconds = duration_s(container, stream)
    if not seconds or not stream.rate:
        raise AttachmentError(
            f"{name} has a track of sound, and nothing in it", "attach another copy"
        )
    return round(seconds * stream.rate), stream.rate
