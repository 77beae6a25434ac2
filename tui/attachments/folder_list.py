"""What a folder holds, as far as it can be attached."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tui.attachments.paths import media_kind
from tui.text.printable import printable_line

MOST_ENTRIES = 5000
"""No more entries are looked at, in all: a folder can be endless, or far away."""


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """A file or folder.

    Attributes:
        path: where it is.
        is_folder: whether it can be entered.
        size: in bytes; 0 for a folder.
        changed: when, in seconds since 1970.
    """

    path: Path
    is_folder: bool
    size: int = 0
    changed: float = 0.0

    @property
    def name(self) -> str:
        """Its name, fit for the screen; that of a folder ends with a slash."""
        return printable_line(self.path.name) + ("/" if self.is_folder else "")

    @property
    def is_media(self) -> bool:
        """Whether it is a picture or clip by its suffix."""
        return not self.is_folder and media_kind(self.path) is not None


def list_folder(folder: Path, *, everything: bool = False) -> list[FolderEntry]:
    """Folders by name, then pictures and clips, the newest first; hidden ones left out.

    Args:
        folder: where.
        everything: other files, and hidden ones, too.

    Raises:
        OSError: it is no folder, or may not be read.
    """
    entries = [entry for entry in _scan(folder) if everything or _is_wanted(entry)]
    return sorted(
        entries,
        key=lambda entry: (
            not entry.is_folder,
            -entry.changed * entry.is_media,
            entry.name.lower(),
        ),
    )


def walk_folder(folder: Path, *, depth: int) -> Iterator[FolderEntry]:
    """Media files and folders in a folder and those below it, the nearest first."""
    left = MOST_ENTRIES
    waiting = deque([(folder, depth)])
    while waiting and left > 0:
        place, levels = waiting.popleft()
        try:
            for entry in _scan(place):
                left -= 1
                if not _is_wanted(entry):
                    continue
                yield entry
                if entry.is_folder and levels > 1:
                    waiting.append((entry.path, levels - 1))
        except OSError:
            continue  # what may not be read cannot be attached either


def _is_wanted(entry: FolderEntry) -> bool:
    return not entry.path.name.startswith(".") and (entry.is_folder or entry.is_media)


def _scan(folder: Path) -> Iterator[FolderEntry]:
    with os.scandir(folder) as found:
        for _, each in zip(range(MOST_ENTRIES), found, strict=False):
            try:
                status = each.stat()
            except OSError:  # a link to nowhere
                continue
            if stat.S_ISDIR(status.st_mode):
                yield FolderEntry(Path(each.path), True)
            elif stat.S_ISREG(status.st_mode):
                yield FolderEntry(Path(each.path), False, status.st_size, status.st_mtime)
