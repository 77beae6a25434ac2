"""Files that the chat itself makes: recordings, and pictures from the clipboard."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from gemma4_mlx.folders import state_folder

FOLDERS = ("clipboard", "recordings")
KEPT_FOR_S = 7 * 24 * 3600.0
"""How long these files stay, in seconds: what was sent has been copied, unless it is in use."""


def scratch_folder(name: str) -> Path:
    """The folder of that name, one of `FOLDERS`; need not exist."""
    return state_folder() / name


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


def tidy(in_use: Collection[str], *, now_s: float) -> None:
    """Delete what is older than a week and not in use.

    Args:
        in_use: paths that some chat reads from.
        now_s: the time, in seconds since 1970.
    """
    for name in FOLDERS:
        with suppress(OSError):
            for path in scratch_folder(name).iterdir():
                is_old = path.is_file() and path.stat().st_mtime < now_s - KEPT_FOR_S
                if is_old and str(path) not in in_use:
                    path.unlink(missing_ok=True)
