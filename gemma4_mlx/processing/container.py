"""Files with tracks of pictures and sound: MP4, QuickTime, Matroska, WebM, AVI, MPEG, WMV.

Opened with PyAV, an extra that is imported when the first such file is.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.processing.attached_file import permission_hint
from gemma4_mlx.processing.promised_size import BOXES, MATROSKA, check_size

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream

SUPPORTED_VIDEOS = "MP4, MOV, MKV, WebM, AVI, FLV, MPEG, WMV"

_BEGINNING = 197  # bytes: two packets of an MPEG transport stream begin in them
_STILLS = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif"}
_STARTS = (
    MATROSKA,
    b"FLV\x01",
    b"\0\0\x01\xba",  # MPEG program stream
    b"0&\xb2u\x8ef\xcf\x11\xa6\xd9",  # Windows Media
)
_SEEK_UNITS_PER_S = 1_000_000  # of a whole container, as FFmpeg counts
_MISSING_S = 1.0  # A file that ends so much earlier than it says was cut off.


class FileState(NamedTuple):
    """A file and what changes when it does, so that results of reading it can be kept."""

    path: Path
    modified_ns: int
    size_bytes: int
    changed_ns: int  # which copying does not set back
    number: int

    @classmethod
    def of(cls, path: str | Path, name: str) -> FileState:
        """The file as it is now.

        Raises:
            AttachmentError: there is none.
        """
        try:
            now = Path(path).stat()
        except FileNotFoundError:
            raise AttachmentError(f"{name}: no such file", "check the path") from None
        except OSError as error:
            raise AttachmentError(
                f"{name} cannot be read: {error.strerror}", permission_hint()
            ) from None
        return cls(Path(path), now.st_mtime_ns, now.st_size, now.st_ctime_ns, now.st_ino)


def is_container(path: Path) -> bool:
    """Whether a file begins like one that can hold tracks; no for one that cannot be read."""
    if not path.is_file():
        return False  # opening a pipe may wait for ever
    try:
        with path.open("rb") as file:
            start = file.read(_BEGINNING)
    except OSError:
        return False
    if start[4:8] in BOXES:
        return start[8:12] not in _STILLS or start[4:8] != b"ftyp"
    is_avi = start[:4] == b"RIFF" and start[8:12] == b"AVI "
    # Cameras put four bytes of time before each packet.
    is_transport = start[:189:188] == b"GG" or start[4:197:192] == b"GG"
    return is_avi or is_transport or start.startswith(_STARTS)


@contextmanager
def open_container(path: Path, name: str) -> Iterator[InputContainer]:
    """Open a file, and tell whatever goes wrong with it as an `AttachmentError`."""
    if not is_container(path):
        raise _no_container(path, name)
    with path.open("rb") as file:
        check_size(file, name)
    try:
        import av
        from av.error import FFmpegError
    except ImportError:
        raise AttachmentError(
            f"{name} is a video, or sound in a file for videos; the reader for those is not "
            "installed",
            "pip install 'gemma4-mlx[video]'",
        ) from None
    try:
        # As an absolute path: FFmpeg takes others for addresses, if they look like some.
        with av.open(str(path.absolute()), metadata_errors="ignore") as container:
            yield container
    except FFmpegError as error:
        raise AttachmentError(
            f"{name} is damaged, or of no known type: {error.strerror or error}",
            "attach another copy, or convert it",
        ) from None


def check_whole(path: Path, name: str) -> None:
    """See that a file ends when its header says: only its end is read.

    Raises:
        AttachmentError: it was cut off, or goes on behind the end that its header says.
    """
    with open_container(path, name) as container:
        if not container.duration:
            return  # it does not say
        duration_s = container.duration / _SEEK_UNITS_PER_S
        end = (container.start_time or 0) + container.duration
        container.seek(end - 1)
        over_s = _last_s(container, container.streams.get()) - end / _SEEK_UNITS_PER_S
    if over_s < -_MISSING_S:
        raise AttachmentError(
            f"{name} is cut off: its header says {duration_s:.1f} s, and its end is not there",
            "attach another copy; this one was not copied or downloaded to its end",
        )
    if over_s > _MISSING_S + duration_s / 10:
        raise AttachmentError(
            f"{name} goes on for {duration_s + over_s:.1f} s, and its header says "
            f"{duration_s:.1f} s",
            f"have its header written anew: ffmpeg -i {shlex.quote(name)} -c copy whole.mkv",
        )


def check_codec(stream: Stream, name: str) -> None:
    """Refuse a track that no decoder is there for, as in files that are protected from copying.

    Raises:
        AttachmentError: it cannot be decoded.
    """
    if stream.codec_context is None:
        kind = "pictures" if stream.type == "video" else "sound"
        raise AttachmentError(
            f"{name} has {kind} in a format that is not known, or protected from copying",
            "convert it to H.264 and AAC where it can be played, and attach that",
        )


def duration_s(container: InputContainer, stream: Stream) -> float:
    """How long a track is; where the file does not say, as browsers write them, it is measured.

    The container is at its beginning after that. 0 where nothing is in the track.
    """
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    said_s = _seconds_of(stream.metadata.get("DURATION", ""))
    if said_s is None and container.duration:
        said_s = container.duration / _SEEK_UNITS_PER_S
    if said_s is not None:
        return said_s
    start_s = float((stream.start_time or 0) * (stream.time_base or 0))
    measured_s = _last_s(container, [stream]) - start_s
    container.seek(container.start_time or 0)
    return max(0.0, measured_s)


def _last_s(container: InputContainer, streams: Sequence[Stream]) -> float:
    """When the last of what follows ends, in seconds."""
    # How long the others last is no measure: where frames are reordered, it is their dts's.
    last_s, lasts_s = 0.0, 0.0
    for packet in container.demux(*streams):
        if packet.pts is not None and packet.time_base and packet.pts * packet.time_base >= last_s:
            last_s = float(packet.pts * packet.time_base)
            lasts_s = float((packet.duration or 0) * packet.time_base)
    return last_s + lasts_s


def _seconds_of(tag: str) -> float | None:
    """Matroska's `00:01:02.500000000` in seconds."""
    try:
        hours, minutes, seconds = tag.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(Fraction(seconds))
    except ValueError:
        return None


def _no_container(path: Path, name: str) -> AttachmentError:
    state = FileState.of(path, name)
    if path.is_dir():
        return AttachmentError(f"{name} is a folder", "attach the files in it one by one")
    if not os.access(path, os.R_OK):
        return AttachmentError(f"{name}: not allowed to read it", permission_hint())
    if not state.size_bytes:
        return AttachmentError(f"{name} is empty (0 bytes)", "attach another copy")
    return AttachmentError(
        f"{name} is not a video of a known type, or is damaged",
        f"supported: {SUPPORTED_VIDEOS}; attach another copy, or convert it",
    )
