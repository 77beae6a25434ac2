"""Pictures and clips by their content: a sent file stays what it was, whatever becomes of it.

Each has a folder named by its SHA-256, and in it the name it was attached by, so that the same
content is stored once and people who look in find names they know.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tui import figures
from tui.attachments.attachment import Attachment

MAX_COPIED_BYTES = 50_000_000


def media_path(database: Path) -> Path:
    """The folder of a database: each has its own, as what no message of it needs may go."""
    return database.with_name(database.stem.replace("chats", "media", 1))


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of an attachment.

    Attributes:
        attachment: with the path at which it will be found.
        sha256: of its content; None if it stays where it was.
        remark: why it stays there, for people; may be empty.
    """

    attachment: Attachment
    sha256: str | None = None
    remark: str = ""


class MediaFolder:
    """The folder of all kept files.

    Args:
        folder: made when the first file comes; None where there is none.
        copies: whether files are copied to it.
    """

    def __init__(self, folder: Path | None, *, copies: bool = True) -> None:
        self._folder = folder
        self._copies = copies

    def keep(self, attachment: Attachment) -> Kept:
        """Copy an attachment's file, unless it is large, or here already."""
        path = attachment.path
        if self._folder is None:
            return Kept(attachment)
        if path.parent.parent == self._folder:
            return Kept(attachment, path.parent.name)
        if not self._copies:
            return Kept(attachment)
        try:
            size_bytes = path.stat().st_size
            if size_bytes > MAX_COPIED_BYTES:
                return Kept(attachment, remark=_stays(path, f"{figures.size(size_bytes)} is much"))
            return self._copy(self._folder, attachment)
        except OSError as error:
            return Kept(attachment, remark=_stays(path, error.strerror or str(error)))

    def find(self, sha256: str, name: str) -> Path:
        """Where a kept file is."""
        return (self._folder or Path()) / sha256 / Path(name).name

    def sweep(self, used: Collection[str]) -> None:
        """Delete what no message refers to."""
        if self._folder is None or not self._folder.is_dir():
            return
        for folder in self._folder.iterdir():
            if folder.is_dir() and folder.name not in used:
                shutil.rmtree(folder, ignore_errors=True)

    def _copy(self, folder: Path, attachment: Attachment) -> Kept:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=folder)
        os.close(handle)
        copy = Path(name)
        try:
            shutil.copyfile(attachment.path, copy)
            with copy.open("rb") as content:
                sha256 = hashlib.file_digest(content, "sha256").hexdigest()
            target = self.find(sha256, attachment.name)
            target.parent.mkdir(exist_ok=True, mode=0o700)
            if not target.exists():
                self._place(copy, target)
        finally:
            with suppress(FileNotFoundError):
                copy.unlink()
        return Kept(replace(attachment, path=target), sha256)

    @staticmethod
    def _place(copy: Path, target: Path) -> None:
        """Under this name; one that is there by another name is not stored twice."""
        for twin in _files(target.parent):
            with suppress(OSError):  # not every disk has links
                os.link(twin, target)
                return
        copy.replace(target)


def _files(folder: Path) -> Iterable[Path]:
    # Who looks into it with the Finder leaves a .DS_Store behind, which is no picture.
    return [each for each in folder.iterdir() if each.is_file() and not each.name.startswith(".")]


def _stays(path: Path, why: str) -> str:
    return f"{path.name} is not copied ({why}): this chat will read it from {path.parent}"
