"""Text that was typed, pasted or dropped -> the files it names.

Terminals deliver a dropped file as text: quoted, with backslashes, as a file:// address, or
bare with spaces inside. macOS writes U+202F (a narrow space) into the names of screenshots,
which many programs turn into a plain space on the way, and takes accents apart (NFD).
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlparse

Kind = Literal["image", "audio", "video"]

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif"}
)
AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".m4a"})
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv"}
)

_SUFFIXES: dict[Kind, frozenset[str]] = {
    "image": IMAGE_SUFFIXES,
    "audio": AUDIO_SUFFIXES,
    "video": VIDEO_SUFFIXES,
}

LONGEST_NAMES = 50_000
"""Longer text is not looked through for files, in characters."""

_LINE_ENDS = re.compile(r"[\r\n]+")


def split_paths(text: str) -> list[Path]:
    """All files that `text` names, whether they exist or not; one per line, or shell words.

    A line that is as a whole the name of a file is that file, spaces and all.
    """
    return list(_named(text))


def media_paths(text: str) -> list[Path]:
    """The files that pasted text names, or none unless all of it is names of media files."""
    if len(text) > LONGEST_NAMES:
        return []
    paths = []
    for path in _named(text):
        if not is_media_file(path):
            return []  # prose, most likely: look no further
        paths.append(path)
    return paths


def is_media_file(path: Path) -> bool:
    """Whether there is such a file, and it is a picture, clip or video by its suffix."""
    return media_kind(path) is not None and exists(path) and path.is_file()


def media_kind(path: Path) -> Kind | None:
    """What a file is by its suffix; None if neither picture, clip nor video."""
    suffix = path.suffix.lower()
    return next((kind for kind, suffixes in _SUFFIXES.items() if suffix in suffixes), None)


def exists(path: Path) -> bool:
    """Whether there is such a file; no for what cannot be a name at all."""
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or with a null character: it is prose
        return False


def resolve(name: str) -> Path:
    """One file: `~` and file:// expanded, odd spaces and accents forgiven if just one fits."""
    if name.startswith("file://"):
        name = unquote(urlparse(name).path)
    path = Path(name)
    if name.startswith("~"):
        path = _expand_home(path)
    return path if exists(path) else _same_name(path) or path


def _named(text: str) -> Iterator[Path]:
    for line in filter(None, map(str.strip, _LINE_ENDS.split(text))):
        whole = resolve(line)
        if exists(whole):
            yield whole
        else:
            yield from map(resolve, _words(line))


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # a lone quote, as in: it's.png
        return [line]


def _expand_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # ~nobody
        return path


def _same_name(path: Path) -> Path | None:
    """The one file that differs from `path` in its way of writing spaces and accents only."""
    if media_kind(path) is None and not path.is_absolute():
        return None  # a word of prose: not worth listing a folder
    folder = path.parent
    if folder != path and not exists(folder):
        folder = _same_name(folder) or folder
    wanted = unicodedata.normalize("NFKC", path.name)
    try:
        fits = [
            each for each in folder.iterdir() if unicodedata.normalize("NFKC", each.name) == wanted
        ]
    except (OSError, ValueError):
        return None
    return fits[0] if len(fits) == 1 else None
