"""Pictures of a video file: what its header says, and the frames on screen at given times.

Differs: the reference counts frames. Here they are looked up by their times, so that nothing
between two of them is decoded where there is a key frame to begin at. In a file of constant rate
it is the same frame; in one of variable rate it is the one that is on screen at the time which
the prompt says, where the reference's own times are wrong.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.processing.container import (
    FileState,
    check_codec,
    check_whole,
    duration_s,
    open_container,
)
from gemma4_mlx.processing.image_file import MAX_PIXELS

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

LONGEST_VIDEO_S = 90 * 60
"""Of a longer one, frames would be minutes apart."""

_UNKNOWN_RATE = Fraction(24)  # in Hz, as the reference takes it to be
_SLACK = Fraction(1, 4)  # of a frame's time: how inexact the times in a file may be
_REORDERED = 16  # frames that may be stored before one that is shown earlier
_LONG_GROUP = 32  # times as many from one key frame to the next is more than usual
_UNKNOWN_UNIT = Fraction(1, 1000)  # of times, in seconds
_COVER = 0x400  # FFmpeg's mark of a picture that does not move
_UPRIGHT = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True, slots=True)
class VideoHeader:
    """What a video is, before it is decoded.

    Attributes:
        frames: how many it has.
        frame_rate: their average rate, in Hz.
        width, height: upright, in pixels.
        has_sound: whether there is a track of sound.
    """

    frames: int
    frame_rate: float
    width: int
    height: int
    has_sound: bool = False

    @property
    def duration_s(self) -> float:
        """How long it is."""
        return self.frames / self.frame_rate


def has_pictures(path: Path, name: str) -> bool:
    """Whether a file with tracks is a video, and not a clip in disguise.

    Raises:
        AttachmentError: it cannot be read.
    """
    with open_container(path, name) as container:
        return bool(_picture_tracks(container)) or not container.streams.audio


@lru_cache(maxsize=64)  # a conversation is prepared again with each turn
def read_video_header(file: FileState, name: str) -> VideoHeader:
    """What a file is; its first frame alone is decoded.

    Raises:
        AttachmentError: it cannot be read, has no pictures, is cut off or too long.
    """
    with open_container(file.path, name) as container:
        stream = _picture_track(container, name)
        rate, seconds = _rate(stream), duration_s(container, stream)
        frames = round(seconds * rate) if seconds else stream.frames
        _check_length(float(frames / rate), name)
        check_whole(file.path, name)
        width, height = _size(next(container.decode(stream), None), name)
        return VideoHeader(max(1, frames), float(rate), width, height, _has_sound(container))


def read_frames(file: FileState, times_s: Sequence[float], name: str) -> Iterator[Image.Image]:
    """The upright RGB pictures that are on screen at some times, one after the other.

    One of them is in memory at a time, and what the decoder needs.

    Args:
        file: as `read_video_header` takes it.
        times_s: from the beginning of the video, in rising order.
        name: what errors call it.

    Raises:
        AttachmentError: it cannot be decoded.
    """
    with open_container(file.path, name) as container:
        reel = _Reel(container, _picture_track(container, name), times_s)
        for index in range(len(times_s)):
            frame = reel.frame(index)
            if frame is None:
                raise AttachmentError(
                    f"{name} has no frame at {times_s[index]:.1f} s", "attach another copy"
                )
            yield _upright(frame)


class _Place(NamedTuple):
    """Where a file is sought, and the stamp of the key frame that comes next."""

    sought: int
    key: int


class _Reel:
    """Winds a video forward to some times, over what need not be decoded."""

    def __init__(
        self, container: InputContainer, stream: VideoStream, times_s: Sequence[float]
    ) -> None:
        stream.thread_type = "AUTO"
        self._container = container
        self._stream = stream
        unit = stream.time_base or _UNKNOWN_UNIT
        frame = 1 / (_rate(stream) * unit)  # its time, in units
        self._begin = begin = stream.start_time or 0
        self._times = [
            begin + float(Fraction(time_s) / unit + _SLACK * frame) for time_s in times_s
        ]
        self._reordered = _REORDERED * frame
        self._places = [self._place_before(time) for time in self._times]
        self._frames: Iterator[VideoFrame] = iter(())
        self._shown: VideoFrame | None = None
        self._next: VideoFrame | None = None

    def frame(self, index: int) -> VideoFrame | None:
        """The last one that comes before a time; the first of all where none does."""
        if index == 0 or self._places[index].key > self._places[index - 1].key:
            self._wind(self._places[index].sought)
        while self._next is not None and (
            self._shown is None or _ticks(self._next) <= self._times[index]
        ):
            self._shown, self._next = self._next, next(self._frames, None)
        return self._shown

    def _wind(self, sought: int) -> None:
        self._container.seek(sought, stream=self._stream)
        decoded = self._container.decode(self._stream)
        self._frames = (frame for frame in decoded if frame.pts is not None)
        self._shown, self._next = None, next(self._frames, None)

    def _place_before(self, time: float) -> _Place:
        """Where decoding has to begin: looked up, and not decoded."""
        # Some files are sought by the order of storage, some without a look for key frames.
        for back in (0, self._reordered, _LONG_GROUP * self._reordered):
            sought = max(self._begin, int(time - back))
            self._container.seek(sought, stream=self._stream)
            packets = self._container.demux(self._stream)
            key = next((packet.pts for packet in packets if packet.is_keyframe), None)
            if key is not None and key <= time:
                return _Place(sought, key)
        return _Place(int(self._begin - _LONG_GROUP * self._reordered), self._begin)


def _picture_track(container: InputContainer, name: str) -> VideoStream:
    """The track of moving pictures; the cover of a piece of music is none."""
    tracks = _picture_tracks(container)
    if not tracks:
        raise AttachmentError(
            f"{name} has no pictures, only sound"
            if container.streams.audio
            else f"{name} has no track of pictures",
            "attach it as a clip" if container.streams.audio else "attach another file",
        )
    check_codec(tracks[0], name)
    return tracks[0]


def _picture_tracks(container: InputContainer) -> list[VideoStream]:
    return [track for track in container.streams.video if not track.disposition & _COVER]


def _size(frame: VideoFrame | None, name: str) -> tuple[int, int]:
    """Upright width and height of a frame."""
    if frame is None:
        raise AttachmentError(f"{name} has no frame that can be decoded", "attach another copy")
    width, height = frame.width, frame.height
    if width * height > MAX_PIXELS:
        raise AttachmentError(
            f"{name} is too large: {width} x {height} pixels", "scale it down first"
        )
    return (height, width) if _turn(frame) in (90, 270) else (width, height)


def _has_sound(container: InputContainer) -> bool:
    """Whether there is a track of sound, and something in it."""
    track = container.streams.best("audio")
    if track is None:
        return False
    container.seek(container.start_time or 0)
    return any(packet.size for packet in container.demux(track))


def _check_length(duration_s: float, name: str) -> None:
    if duration_s > LONGEST_VIDEO_S:
        raise AttachmentError(
            f"{name} is {duration_s / 60:.1f} min long, expected at most {LONGEST_VIDEO_S // 60}: "
            "the model would see one frame every few minutes",
            "cut out what matters: "
            f"ffmpeg -ss 0:10:00 -t 60 -i {shlex.quote(name)} -c copy part.mp4",
        )


def _rate(stream: VideoStream) -> Fraction:
    return stream.average_rate or stream.guessed_rate or _UNKNOWN_RATE


def _ticks(frame: VideoFrame) -> int:
    assert frame.pts is not None
    return frame.pts


def _turn(frame: VideoFrame) -> int:
    """By how much it has to be turned against the clock, in degrees: 0, 90, 180 or 270."""
    return round(frame.rotation / 90) * 90 % 360


def _upright(frame: VideoFrame) -> Image.Image:
    image = Image.fromarray(frame.to_ndarray(format="rgb24"))
    turn = _turn(frame)
    return image.transpose(_UPRIGHT[turn]) if turn else image
