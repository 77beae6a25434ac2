"""Where an engine process writes what is not meant for its face: its stdout and stderr."""

from __future__ import annotations

import os
import re
import stat
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from gemma4_mlx.limits import MIB

LOG_BYTES = 4 * MIB
"""A log that grows beyond is begun again."""

LOOK_S = 1.0
"""How often it is looked how long a log is."""

KEPT_LOGS = 8

_TAIL_BYTES = 16 * 1024
_QUOTED_CHARACTERS = 200
_PYTHON_DUMP = re.compile(rb"^Fatal Python error:", re.MULTILINE)
_NEWS = re.compile(r"^[\d\-]+ [\d:,.]+ INFO ")  # ours, about what goes well
_STAMP = re.compile(r"^[\d\-]+ [\d:,.]+ [A-Z]+ ")


class EngineLog:
    """The log of all engine processes of one face, one after the other.

    Args:
        folder: of logs; the oldest ones in it are removed.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.path = (folder or _temporary_folder()) / f"engine-{os.getpid()}.log"
        self._begun_at = 0

    def open(self) -> int:
        """A descriptor for the next process to write to; it is the caller's.

        Where its folder cannot be written, as in a read-only home, it is one among temporary files.

        Raises:
            OSError: there is no place for it.
        """
        try:
            return self._open()
        except OSError:
            self.path = _temporary_folder() / self.path.name
            return self._open()

    def _open(self) -> int:
        folder = self.path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _drop_oldest(folder, self.path)
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        limit_log(file)
        self._begun_at = os.fstat(file).st_size
        return file

    def tail(self) -> str:
        """The end of what the last process wrote, without Python's dump of its threads."""
        try:
            with self.path.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                begun_at = self._begun_at if self._begun_at <= end else 0
                file.seek(max(begun_at, end - _TAIL_BYTES))
                data = file.read(_TAIL_BYTES)
        except OSError:
            return ""
        return _PYTHON_DUMP.split(data, maxsplit=1)[0].decode("utf-8", "replace")


def _temporary_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"gemma4-{os.getuid()}"


def last_words(tail: str) -> str:
    """The last line of a log that says something, fit to be quoted."""
    lines = [_STAMP.sub("", line).strip() for line in tail.splitlines() if not _NEWS.match(line)]
    said = next((line for line in reversed(lines) if line), "")
    return "".join(each for each in said if each.isprintable())[:_QUOTED_CHARACTERS]


def keep_short(file: int) -> None:
    """Limit a log from now on, on a thread of its own."""

    def look() -> None:
        while True:
            limit_log(file)
            time.sleep(LOOK_S)

    threading.Thread(target=look, name="gemma4-log", daemon=True).start()


def limit_log(file: int) -> None:
    """Begin a log again that has become too long; whoever appends to it goes on at its start."""
    with suppress(OSError):
        found = os.fstat(file)
        if stat.S_ISREG(found.st_mode) and found.st_size > LOG_BYTES:
            os.ftruncate(file, 0)


def _drop_oldest(folder: Path, ours: Path) -> None:
    """Keep the newest logs; somebody else may be doing the same."""
    with suppress(OSError):
        others = [file for file in folder.glob("engine-*.log") if file != ours]
        others.sort(key=lambda file: file.stat().st_mtime, reverse=True)
        for file in others[KEPT_LOGS - 1 :]:
            file.unlink(missing_ok=True)
