"""Files that the chat itself makes: recordings, and pictures from the clipboard."""

from __future__ import annotations

import time
from pathlib import Path


def new_path(folder: Path, kind: str, suffix: str) -> Path:
    """A name that is free, after the time of day; the folder is made.

    Raises:
        OSError: the folder cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = time.strftime(f"{kind} %Y-%m-%d %H.%M.%S")
    path, number = folder / f"{stem}{suffix}", 2
    while path.exists():
        path, number = folder / f"{stem} {number}{suffix}", number + 1
    return path
