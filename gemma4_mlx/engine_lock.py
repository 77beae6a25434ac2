"""One large model at a time: whoever loads one says so, and the next one is told.

Two of them at once are the usual way into swapping, and wired memory under two busy processes is
a reported cause of macOS kernel panics. The lock is the kernel's, on a file: it ends with the
process that holds it, however that ends, so neither a dead process nor a reused number can hold
it. What stands in the file only tells who to ask.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from gemma4_mlx.errors import EngineError

_LOG = logging.getLogger(__name__)

LARGE_BYTES = 1_000_000_000
"""Weights from which a model is large. The smallest Mac has 8 GB: several smaller models fit
side by side, and tests and demos need not wait for each other."""

OVERRULE = "GEMMA4_SECOND_ENGINE"
"""Environment variable: set to 1, a large model is loaded although another process has one."""

_ATTEMPTS, _PAUSE_S = 5, 0.02  # somebody who only looks holds the lock for a moment


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a large model.

    Attributes:
        pid: of the process.
        model: as it was asked for.
        since: when it was loaded.
    """

    pid: int
    model: str
    since: datetime

    def __str__(self) -> str:
        since = self.since.astimezone()
        return f"process {self.pid} ({self.model}, since {since:%Y-%m-%d %H:%M})"


class EngineLock:
    """Held while a large model is in memory.

    Args:
        path: of the file; None for the one that all programs of this user share.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or lock_path()
        self._file: int | None = None

    def take(self, model: str, folder: Path) -> None:
        """Say that a model is about to be loaded; a small one needs no lock.

        Where the system keeps no locks (a read-only home, some network disks) there is none;
        `gemma4 doctor` tells.

        Args:
            model: its name, for whoever comes next.
            folder: of its checkpoint.

        Raises:
            EngineError: another engine has a large model, and nobody said to go on anyway.
        """
        weights_bytes = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        if weights_bytes < LARGE_BYTES or self._file is not None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _locked(self._path)
        except BlockingIOError:
            self._refuse()
        except OSError as error:
            _LOG.warning("no lock between engines: %s", error)
        else:
            _write(self._file, Holder(os.getpid(), model, datetime.now(UTC)))

    def release(self) -> None:
        """Let the next one in."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _refuse(self) -> None:
        holder = _read(self._path) or "another process"
        if os.environ.get(OVERRULE, "0") not in ("", "0"):
            _LOG.warning("a second large model beside that of %s", holder)
            return
        raise EngineError(
            f"{holder} has a large model in memory, expected one at a time",
            f"leave that one first; {OVERRULE}=1 loads a second one all the same, which is safe "
            "only where both fit",
        )


def lock_path() -> Path:
    """The file that is locked: in the user's cache folder, the same for every program."""
    home = Path(os.path.expanduser("~"))
    if sys.platform == "darwin":
        caches = home / "Library" / "Caches"
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return caches / "gemma4-mlx" / "engine.lock"


def current_holder(path: Path | None = None) -> Holder | None:
    """Who has a large model now; None if nobody has.

    Raises:
        OSError: the system keeps no locks there.
    """
    path = path or lock_path()
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    finally:
        os.close(file)
    return None


def _locked(path: Path) -> int:
    """Open and lock the file.

    Raises:
        BlockingIOError: somebody else keeps it locked.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        for _ in range(_ATTEMPTS - 1):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return file
            except BlockingIOError:
                time.sleep(_PAUSE_S)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(file)
        raise
    return file


def _write(file: int, holder: Holder) -> None:
    said = {"pid": holder.pid, "model": holder.model, "since": holder.since.isoformat()}
    os.ftruncate(file, 0)
    os.pwrite(file, json.dumps(said).encode(), 0)


def _read(path: Path) -> Holder | None:
    """What the holder wrote; None where it has not come to that yet."""
    try:
        said = json.loads(path.read_bytes())
        return Holder(int(said["pid"]), str(said["model"]), datetime.fromisoformat(said["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
