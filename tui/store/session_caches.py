"""What the engine has read of each chat, on disk: it may be large, and is no loss.

A file is called as its chat's id. It goes with its chat, and the oldest go when all of them
together have become too large.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from gemma4_mlx.folders import cache_folder

MOST_BYTES = 4_000_000_000

LEFT_AFTER_S = 86_400.0
"""A file with a dot before its name is being written; so much later, its writer was killed."""


def caches_folder() -> Path:
    """Where these files are."""
    return cache_folder() / "conversations"


class SessionCaches:
    """The folder of these files.

    Args:
        folder: need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, session_id: str) -> Path:
        """The file of a chat."""
        return self._folder / session_id

    def forget(self, session_id: str) -> None:
        """The chat is gone."""
        with suppress(OSError):
            self.path(session_id).unlink(missing_ok=True)

    def tidy(self, session_ids: Collection[str]) -> None:
        """Delete what is of no chat, what was left behind, and the oldest of too many bytes."""
        total_bytes = 0
        for written_s, size_bytes, path in sorted(self._files(), reverse=True):
            if path.name.startswith("."):
                if written_s < time.time() - LEFT_AFTER_S:
                    self.forget(path.name)
                continue
            total_bytes += size_bytes
            if path.name not in session_ids or total_bytes > MOST_BYTES:
                self.forget(path.name)

    def _files(self) -> list[tuple[float, int, Path]]:
        found = []
        with suppress(OSError):
            for path in self._folder.iterdir():
                if path.is_file():
                    facts = path.stat()
                    found.append((facts.st_mtime, facts.st_size, path))
        return found
