"""Text that was typed, pasted or dropped -> the files it names.

Terminals deliver a dropped file as text: quoted, with backslashes, as a file:// address, or
bare with spaces inside. macOS writes U+202F (a narrow space) into the names of screenshots,
which many programs turn into a plain space on the way.
"""

from __future__ import annotations

import shlex
import unicodedata
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlparse

Kind = Literal["image", "audio"]

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif"}
)
AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".m4a"})


def split_paths(text: str) -> list[Path]:
    """All files that `text` names, whether they exist or not; one per line, or shell words.

    A line that is as a whole the name of a file is that file, spaces and all.
    """
    paths = []
    for line in filter(None, map(str.strip, text.splitlines())):
        whole = resolve(line)
        paths += [whole] if exists(whole) else [resolve(word) for word in _words(line)]
    return paths


def media_paths(text: str) -> list[Path]:
    """The files that pasted text names, or none unless all of it is names of media files."""
    paths = split_paths(text)
    are_media = (exists(path) and path.is_file() and media_kind(path) for path in paths)
    return paths if all(are_media) else []


def media_kind(path: Path) -> Kind | None:
    """What a file is by its suffix; None if neither picture nor clip."""
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return "image"
    return "audio" if suffix in AUDIO_SUFFIXES else None


def exists(path: Path) -> bool:
    """Whether there is such a file; no for what cannot be a name at all."""
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or with a null character: it is prose
        return False


def resolve(name: str) -> Path:
    """One file: `~` and file:// expanded, odd spaces forgiven when just one file fits."""
    if name.startswith("file://"):
        name = unquote(urlparse(name).path)
    path = Path(name)
    if name.startswith("~"):
        path = _expand_home(path)
    return path if exists(path) else _same_name(path) or path


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
    wanted = unicodedata.normalize("NFKC", path.name)
    try:
        fits = [
            each
            for each in path.parent.iterdir()
            if unicodedata.normalize("NFKC", each.name) == wanted
        ]
    except (OSError, ValueError):
        return None
    return fits[0] if len(fits) == 1 else None
