"""Files of tensors written piece by piece, each byte counted into a checksum on its way.

One thread writes while others make the next bytes; another brings what was written to the disk,
so that the end does not have to wait for all of it.
"""

from __future__ import annotations

import errno
import os
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

from convert.packer import Chunk
from convert.plan import Item, Part, Plan
from gemma4_mlx.errors import CheckpointError, ConversionError

Checksums = Mapping[str, int]
"""CRC-32 of each part of an item, by its name."""

_WAITING_BYTES = 64 * 1024**2  # that may wait for the disk
_WORTHWHILE_BYTES = 256 * 1024  # less is written sooner than another thread is woken
_FLUSHED_BYTES = 128 * 1024**2
_READ_BYTES = 4 * 1024**2


class Writer:
    """Writes the files of a plan, all of which it makes at their full size.

    Args:
        folder: to write to; files that are there stay as they are.
        plan: of the files.
        on_written: called, from the thread that writes, with an item all of whose bytes are
            written, and their checksums.
    """

    def __init__(
        self, folder: Path, plan: Plan, on_written: Callable[[Item, Checksums], None]
    ) -> None:
        self._folder = folder
        self._on_written = on_written
        self._files = {name: _opened(folder / name, plan, name) for name in plan.headers}
        self._thread = ThreadPoolExecutor(1)
        self._flusher = ThreadPoolExecutor(1)
        self._waiting: deque[tuple[int, Future[None]]] = deque()
        self._flushing: Future[None] | None = None
        self._unflushed = 0
        self._ends: dict[str, int] = {}
        self._checksums: dict[str, int] = {}

    def put(self, chunk: Chunk) -> None:
        """Have a chunk written, after those that were put before.

        Raises:
            ConversionError: an earlier one could not be written.
        """
        while self._waiting and self._waiting[0][1].done():
            self._waiting.popleft()[1].result()
        nbytes = sum(data.nbytes for data in chunk.data)
        if nbytes < _WORTHWHILE_BYTES and not self._waiting:
            self._write(chunk)
            return
        self._waiting.append((nbytes, self._thread.submit(self._write, chunk)))
        while sum(nbytes for nbytes, _ in self._waiting) > _WAITING_BYTES:
            self._waiting.popleft()[1].result()

    def finish(self) -> None:
        """Wait until everything is on the disk.

        Raises:
            ConversionError: something could not be written.
        """
        for _, written in self._waiting:
            written.result()
        try:
            if self._flushing is not None:
                self._flushing.result()
            for file in self._files.values():
                os.fsync(file)
        except OSError as error:
            raise _refused(self._folder, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._flusher.shutdown(cancel_futures=True)
        for file in self._files.values():
            os.close(file)

    def _write(self, chunk: Chunk) -> None:
        parts = chunk.item.parts
        for part, data in zip(parts, chunk.data, strict=True):
            end = self._ends.get(part.name, 0)
            self._checksums[part.name] = zlib.crc32(data, self._checksums.get(part.name, 0))
            self._pwrite(part, data, part.start + end)
            self._ends[part.name] = end + data.nbytes
            self._unflushed += data.nbytes
        if all(self._ends[part.name] == part.nbytes for part in parts):
            self._on_written(chunk.item, {part.name: self._checksums[part.name] for part in parts})
        self._flush(self._files[parts[0].file])

    def _pwrite(self, part: Part, data: memoryview, offset: int) -> None:
        try:
            while data:
                written = os.pwrite(self._files[part.file], data, offset)
                data, offset = data[written:], offset + written
        except OSError as error:
            raise _refused(self._folder / part.file, error) from None

    def _flush(self, file: int) -> None:
        """Now and then have the system write what it holds, beside us."""
        if self._unflushed < _FLUSHED_BYTES:
            return
        if self._flushing is not None:
            if not self._flushing.done():
                return
            try:
                self._flushing.result()  # the system tells of a failure only once
            except OSError as error:
                raise _refused(self._folder, error) from None
        self._unflushed = 0
        self._flushing = self._flusher.submit(os.fsync, file)


def checksum(folder: Path, part: Part) -> int:
    """CRC-32 of a part as it stands in its file; of less bytes where the file is too short.

    Raises:
        CheckpointError: the file cannot be read.
    """
    path = folder / part.file
    found, offset, end = 0, part.start, part.start + part.nbytes
    try:
        file = os.open(path, os.O_RDONLY)
        try:
            if hasattr(os, "posix_fadvise"):  # or what was just written would come from memory
                os.posix_fadvise(file, part.start, part.nbytes, os.POSIX_FADV_DONTNEED)
            while offset < end:
                data = os.pread(file, min(_READ_BYTES, end - offset), offset)
                if not data:
                    break
                found, offset = zlib.crc32(data, found), offset + len(data)
        finally:
            os.close(file)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
    return found


def _opened(path: Path, plan: Plan, name: str) -> int:
    """A file of its full size, with its header."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        os.ftruncate(file, plan.file_bytes[name])
        os.pwrite(file, plan.headers[name], 0)
    except OSError as error:
        raise _refused(path, error) from None
    return file


def _refused(path: Path, error: OSError) -> ConversionError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return ConversionError(
            f"the disk is full: {path} cannot be written ({error.strerror})",
            "what is done stays: make room and run the same command again to go on",
        )
    return ConversionError(
        f"{path} cannot be written: {error.strerror}",
        "what is done stays: run the same command again to go on",
    )
