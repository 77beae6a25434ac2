"""What may be opened: files, and no larger than what can be attached."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from gemma4_mlx.errors import AttachmentError

LARGEST_BYTES = {"image": 500_000_000, "audio": 2_000_000_000, "video": 50_000_000_000}
"""Larger files are not opened: pictures and clips would be read into memory whole."""


def to_wav(name: str) -> str:
    """What to type for a clip of whatever can be decoded of a file; names may hold spaces."""
    return f"ffmpeg -i {shlex.quote(name)} clip.wav"


def check_file(path: Path, name: str, kind: str = "video") -> None:
    """Refuse what is too large, and pipes and devices: they may keep one waiting, or never end.

    What is missing or a folder passes: whoever opens it has better words for that.

    Args:
        path: where it is.
        name: what errors call it.
        kind: "image", "audio" or "video"; of one that is not known yet, all is allowed.

    Raises:
        AttachmentError: it is not to be opened.
    """
    if path.is_dir() or not path.exists():
        return
    if not path.is_file():
        raise AttachmentError(
            f"{name} is a pipe or a device, not a file", "write it to a file, and attach that"
        )
    size_bytes, most_bytes = path.stat().st_size, LARGEST_BYTES[kind]
    if size_bytes > most_bytes:
        raise AttachmentError(
            f"{name} has {size_bytes / 1e9:.1f} GB; at most {most_bytes / 1e9:g} GB are opened",
            "attach a smaller copy",
        )


def permission_hint(platform: str = sys.platform) -> str:
    """What to do where the system does not let a file be read."""
    if platform != "darwin":
        return "check its permissions"
    return (
        "check its permissions, and which folders your terminal may read: System Settings > "
        "Privacy & Security > Files and Folders"
    )
