"""Pictures and clips of an exported chat, in a folder beside the file."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tui.attachments.attachment import Attachment
from tui.chat.entry import Entry


class MediaFiles:
    """Copies files beside an export, each under a name of its own.

    Args:
        target: the exported file; None where it is a stream, so that nothing is copied.
    """

    def __init__(self, target: Path | None) -> None:
        self._folder = target.with_name(f"{target.stem}_files") if target else None
        self._names: dict[Path, str] = {}
        self.missing: list[str] = []

    def add(self, entries: Iterable[Entry]) -> None:
        """Copy all attachments; one that is gone, or cannot be copied, is `missing`."""
        for attachment in (each for entry in entries for each in entry.attachments):
            if self._folder is None or attachment.path in self._names:
                continue
            name = self._free_name(attachment)
            try:
                self._folder.mkdir(exist_ok=True)
                shutil.copyfile(attachment.path, self._folder / name)
            except OSError:
                self.missing.append(attachment.name)
            else:
                self._names[attachment.path] = name
        if self._folder is not None and not self._names:
            with suppress(OSError):
                self._folder.rmdir()

    def link(self, attachment: Attachment) -> str | None:
        """Where its copy is, as seen from the file; None if there is none."""
        name = self._names.get(attachment.path)
        return f"{self._folder.name}/{name}" if self._folder and name else None

    def _free_name(self, attachment: Attachment) -> str:
        taken, number = {_on_any_disk(name) for name in self._names.values()}, 2
        name = attachment.name
        while _on_any_disk(name) in taken:
            name = f"{Path(attachment.name).stem}-{number}{Path(attachment.name).suffix}"
            number += 1
        return name


def _on_any_disk(name: str) -> str:
    """One text for names that a disk may take for one: Macs ignore case, and how é is written."""
    return unicodedata.normalize("NFC", name).casefold()
