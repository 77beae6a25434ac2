"""Files named on the command line: what kind they are, and how large."""

from __future__ import annotations

import re
from pathlib import Path

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.messages import AudioPart, ImagePart, MediaPart, VideoPart

_SOUND_TAGS = (b"fLaC", b"OggS", b"ID3", b"caff", b".snd")
_CHUNKED_SOUND = {(b"RIFF", b"WAVE"), (b"FORM", b"AIFF"), (b"FORM", b"AIFC")}


def attachment(path: Path, *, split: bool = True) -> MediaPart:
    """A file as a clip or video if it begins like one, else as a picture.

    Args:
        path: where it is.
        split: whether a recording may be heard in parts.

    Raises:
        AttachmentError: it cannot be read.
    """
    from gemma4_mlx.processing.attached_file import check_file, permission_hint

    check_file(path, str(path))
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except FileNotFoundError:
        # A path has one slash where an address has two.
        named = re.sub(r"^([a-z]+):/", r"\1://", str(path))
        raise AttachmentError(f"{named}: no such file", _why_missing(path)) from None
    except IsADirectoryError:
        hint = "attach the files in it one by one"
        raise AttachmentError(f"{path} is a folder", hint) from None
    except OSError as error:
        raise AttachmentError(
            f"{path} cannot be read: {error.strerror}", permission_hint()
        ) from None
    if is_sound(start):
        return AudioPart(path, name=path.name, split=split)
    from gemma4_mlx.processing.container import is_container

    if is_container(path):
        from gemma4_mlx.processing.video_file import has_pictures

        if has_pictures(path, name=path.name):
            return VideoPart(path, name=path.name)
        return AudioPart(path, name=path.name, split=split)
    return ImagePart(path, name=path.name)


def _why_missing(path: Path) -> str:
    if re.match(r"[a-z]+:/", str(path)):
        return "this is an address; download it, and attach the file"
    if path.parts[0].startswith("~") or "*" in path.name:
        return "check the path; a shell leaves ~ and * as they are in quotes, and ~ after ="
    return "check the path"


def check(part: MediaPart, *, split: bool = True) -> None:
    """See whether a file can be used, from its header.

    Args:
        part: as `attachment` gives it.
        split: whether the sound of a video may be heard in parts.

    Raises:
        AttachmentError: it cannot.
    """
    if isinstance(part, ImagePart):
        picture_size(part)
    elif isinstance(part, AudioPart):
        clip_length(part)
    else:
        from gemma4_mlx.processing import video_cost

        if video_cost(part).has_sound and not split:
            clip_length(AudioPart(part.source, name=part.name, split=False))


def is_sound(start: bytes) -> bool:
    """Whether a file's first 12 bytes are those of a sound file."""
    is_mpeg_frame = start[:1] == b"\xff" and start[1:2] >= b"\xe0"
    is_m4a = start[4:11] == b"ftypM4A"
    is_chunked = (start[:4], start[8:]) in _CHUNKED_SOUND
    return is_mpeg_frame or is_m4a or is_chunked or start.startswith(_SOUND_TAGS)


def picture_size(part: ImagePart) -> tuple[int, int]:
    """Width and height in pixels, from the header alone.

    Raises:
        AttachmentError: it is no picture that can be used.
    """
    from gemma4_mlx.processing.image_file import read_image_size

    return read_image_size(part.source, name=part.name)


def clip_length(part: AudioPart) -> tuple[int, int]:
    """Samples and sampling rate in Hz, from the header alone.

    Raises:
        AttachmentError: it is no clip that can be used.
    """
    from gemma4_mlx.processing.audio_file import read_audio_length

    return read_audio_length(part)


def in_frames(frames: int, seconds: float) -> str:
    """How a video is sampled, in words."""
    if frames == 1:
        return "1 frame"
    return f"{frames} frames, one every {seconds / frames:.{1 if seconds >= frames else 2}f} s"
