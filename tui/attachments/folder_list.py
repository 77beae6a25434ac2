"""What a folder holds, as far as it can be attached."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tui.attachments.paths import media_kind
from tui.text.printable import printable_line

MOST_ENTRIES = 5000
"""No more entries of a folder are looked at: it can be endless, or far away."""

MOST_WALKED = 20_000
LONGEST_WALK_S = 0.5
LOOK_AT_CLOCK = 64
"""Entries after which the time is looked at."""

FILLED = {"node_modules", "__pycache__", "site-packages", "venv", "target", "Library"}
"""Folders that programs fill, and nobody keeps pictures in."""

PACKAGES = {".app", ".bundle", ".framework", ".musiclibrary", ".photoslibrary", ".tvlibrary"}
"""Folders that macOS shows as files, by suffix. To look into a library it asks the user first."""


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


class FolderWalk:
    """Media files and folders in a folder and all below it, the nearest first.

    Hidden folders, those that programs fill, and links to folders are not entered. After
    `MOST_WALKED` entries or `LONGEST_WALK_S` it ends, wherever it is.

    Args:
        folder: where it begins.
        is_wanted: whether to go on.
        clock: seconds that only go forward.

    Attributes:
        looked_at: how many entries it has come by.
        is_cut: whether it ended before it had seen all.
    """

    def __init__(
        self,
        folder: Path,
        *,
        is_wanted: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.looked_at = 0
        self.is_cut = False
        self._waiting = deque([folder])
        self._is_wanted = is_wanted
        self._clock = clock
        self._until = clock() + LONGEST_WALK_S

    def __iter__(self) -> Iterator[FolderEntry]:
        """Walk."""
        while self._waiting:
            with suppress(OSError):  # what may not be read cannot be attached either
                for entry in _scan(self._waiting.popleft()):
                    if self._ends():
                        return
                    if _is_wanted(entry):
                        yield entry
                        self._enter_later(entry)

    def _ends(self) -> bool:
        self.looked_at += 1
        if self.looked_at > MOST_WALKED or not self.looked_at % LOOK_AT_CLOCK:
            is_late = self.looked_at > MOST_WALKED or self._clock() > self._until
            self.is_cut = is_late or not self._is_wanted()
        return self.is_cut

    def _enter_later(self, entry: FolderEntry) -> None:
        path = entry.path
        is_ours = path.name not in FILLED and path.suffix.lower() not in PACKAGES
        if entry.is_folder and is_ours and not path.is_symlink():
            self._waiting.append(path)


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
