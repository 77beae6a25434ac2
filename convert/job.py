"""A conversion that may be cut off at any moment: its folder, its journal and its lock.

It works in DEST.partial, beside DEST so that both are on one file system, where giving a folder
its final name is one step: DEST does not exist, or is complete. The journal has a line for every
tensor that is written, with its checksums; a run that finds one written by the same command goes
on from there, once what lies there was checked.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from convert.quality import TensorQuality
from gemma4_mlx.errors import ConversionError, UsageError

_JOURNAL, _LOCK = "journal.jsonl", "lock"


@dataclass(frozen=True)
class Finished:
    """A tensor that is written.

    Attributes:
        checksums: of its parts, by name.
        quality: of a packed one.
    """

    checksums: Mapping[str, int]
    quality: TensorQuality | None


class Job:
    """The right to write one DEST.

    Attributes:
        dest: what it will be in the end.
        folder: where the checkpoint is put together.
        finished: tensors that an earlier run wrote, or this one, by name.
    """

    def __init__(self, dest: Path) -> None:
        """Take the lock.

        Raises:
            UsageError: DEST exists.
            ConversionError: another run is at it, or nothing can be written there.
        """
        _refuse_existing(dest)
        self.dest = dest
        self._partial = dest.with_name(dest.name + ".partial")
        self.folder = self._partial / dest.name
        self.finished: dict[str, Finished] = {}
        self._journal: int | None = None
        try:
            self._lock = self._locked()
        except OSError as error:
            raise ConversionError(
                f"{error.filename or self._partial} cannot be written: {error.strerror}",
                "choose another DEST",
            ) from None

    def start(self, identity: Mapping[str, Any], *, force: bool = False) -> None:
        """Go on where the last run stopped, or begin.

        Args:
            identity: what this run is, plain JSON: source, recipe, versions.
            force: whether what another command left here may be thrown away.

        Raises:
            ConversionError: another command left something here.
        """
        identity = json.loads(json.dumps(identity))
        path = self._partial / _JOURNAL
        lines = _lines(path)
        if lines[1:] and lines[0] != identity and not force:
            changed = ", ".join(key for key in identity if lines[0].get(key) != identity[key])
            raise ConversionError(
                f"{self._partial} holds the beginning of another conversion: other {changed}",
                "run that command again to finish it, or give --force to throw it away",
            )
        if not lines[1:] or lines[0] != identity:
            shutil.rmtree(self.folder, ignore_errors=True)
            lines = [identity]
        self.folder.mkdir(exist_ok=True)
        for line in lines[1:]:
            self.finished[line["tensor"]] = _finished(line)
        # Written anew, because the last line may be half of one.
        whole = path.with_suffix(".new")
        whole.write_text("".join(json.dumps(line) + "\n" for line in lines))
        whole.replace(path)
        self._journal = os.open(path, os.O_WRONLY | os.O_APPEND)

    @property
    def occupied_bytes(self) -> int:
        """Of the disk, by what an earlier run wrote."""
        files = self.folder.iterdir() if self.folder.is_dir() else ()
        return sum(512 * path.stat().st_blocks for path in files)

    def record(self, tensor: str, finished: Finished) -> None:
        """Note that all parts of a tensor are written."""
        assert self._journal is not None
        self.finished[tensor] = finished
        line = {"tensor": tensor, **asdict(finished)}
        os.write(self._journal, (json.dumps(line) + "\n").encode())

    def publish(self) -> None:
        """Give the checkpoint its name."""
        for path in self.folder.iterdir():
            _sync(path)
        _sync(self.folder)
        _refuse_existing(self.dest)
        self.folder.replace(self.dest)
        _sync(self.dest.parent)
        shutil.rmtree(self._partial, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let the next one in; what is worth nothing is removed."""
        if self._journal is not None:
            os.close(self._journal)
        if not _lines(self._partial / _JOURNAL)[1:] and self._partial.exists():
            shutil.rmtree(self._partial, ignore_errors=True)
        os.close(self._lock)

    def _locked(self) -> int:
        """Open and lock the file.

        Raises:
            UsageError: its last owner has made DEST meanwhile.
            ConversionError: another process has it.
            OSError: the folder cannot be written to.
        """
        self._partial.mkdir(parents=True, exist_ok=True)
        path = self._partial / _LOCK
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 100, 0).decode() or "another process"
            os.close(lock)
            raise ConversionError(
                f"{holder} is writing {self.dest}", "let it finish, or choose another DEST"
            ) from None
        # Between the opening and the locking its last owner may have come to its end.
        if not _is_at(path, lock):
            os.close(lock)
            return self._locked()
        if self.dest.exists():
            shutil.rmtree(self._partial, ignore_errors=True)
            os.close(lock)
            _refuse_existing(self.dest)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"process {os.getpid()}".encode(), 0)
        return lock


def _is_at(path: Path, file: int) -> bool:
    """Whether an open file has not been removed."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _refuse_existing(dest: Path) -> None:
    if dest.exists() or dest.is_symlink():
        raise UsageError(f"{dest} exists", "choose another DEST, or remove it first")


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal."""
    lines: list[dict[str, Any]] = []
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            lines.append(json.loads(line))
        except ValueError:  # cut off while it was written
            break
    return lines


def _finished(line: Mapping[str, Any]) -> Finished:
    quality = line["quality"]
    return Finished(line["checksums"], TensorQuality(**quality) if quality else None)


def _sync(path: Path) -> None:
    """Bring a file's or a folder's content to the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    except OSError as error:
        # Disks that Macs share with others, and disks in a network, may not know that of a folder.
        if not path.is_dir() or error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(file)
