"""A file on the hub, and where the hub's cache keeps it.

All programs that use the hub share that layout.

Reference: the hub's documentation, "Understand caching": bytes lie in blobs/ under their hash,
snapshots/COMMIT/ holds links to them, refs/NAME holds the commit that a branch or tag meant.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

MAIN = "main"
"""The revision that is meant where none is named."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a checkpoint.

    Attributes:
        name: in the checkpoint's folder.
        size_bytes: of the whole file.
        sha256: of its content; None for a small file, which git keeps.
        blob_id: git's id: of the content of a small file, of the pointer to a large one.
    """

    name: str
    size_bytes: int
    sha256: str | None
    blob_id: str

    @property
    def etag(self) -> str:
        """What the cache calls the content."""
        return self.sha256 or self.blob_id


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model's folder in the cache."""

    hub_id: str

    @property
    def path(self) -> Path:
        """The folder itself."""
        return cache_folder() / self._name

    @property
    def _name(self) -> str:
        return f"models--{self.hub_id.replace('/', '--')}"

    def blob(self, file: HubFile) -> Path:
        """The bytes of a file."""
        return self.path / "blobs" / file.etag

    def partial(self, file: HubFile) -> Path:
        """The bytes that have come so far; named after the content, so none is ever mixed."""
        return self.path / "blobs" / f"{file.etag}.incomplete"

    def snapshot(self, commit: str) -> Path:
        """The folder with all files of a commit."""
        return self.path / "snapshots" / commit

    @property
    def locks(self) -> Path:
        """The folder of its locks."""
        return cache_folder() / ".locks" / self._name

    def lock(self, file: HubFile) -> Path:
        """Held by whoever fetches a file."""
        return self.locks / f"{file.etag}.lock"

    def ref(self, revision: str) -> Path:
        """Names the commit of a branch or tag."""
        return self.path / "refs" / revision

    def has(self, file: HubFile, commit: str) -> bool:
        """Whether the whole file is there."""
        places = (self.blob(file), self.snapshot(commit) / file.name)
        return any(path.is_file() and path.stat().st_size == file.size_bytes for path in places)

    def present_bytes(self, file: HubFile, commit: str) -> int:
        """How much of a file is there."""
        if self.has(file, commit):
            return file.size_bytes
        partial = self.partial(file)
        return min(partial.stat().st_size, file.size_bytes) if partial.is_file() else 0

    def link(self, file: HubFile, commit: str) -> None:
        """Give a blob its name in the snapshot."""
        blob, path = self.blob(file), self.snapshot(commit) / file.name
        if not blob.is_file():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        try:
            path.symlink_to(os.path.relpath(blob, path.parent))
        except OSError:  # some disks know no links
            blob.replace(path)

    def remember(self, revision: str, commit: str) -> None:
        """Note which commit a branch or tag means."""
        if revision != commit:
            self.ref(revision).parent.mkdir(parents=True, exist_ok=True)
            self.ref(revision).write_text(commit, encoding="utf-8")


def cache_folder() -> Path:
    """The hub's cache; HF_HOME or HF_HUB_CACHE in the environment says where it is."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)
