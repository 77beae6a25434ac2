"""What the hub's cache on this disk holds of Gemma 4; no network is asked."""

from __future__ import annotations

import fcntl
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from gemma4_mlx.errors import CheckpointError, ModelNotFoundError
from gemma4_mlx.hub.layout import MAIN, ModelFolder, cache_folder
from gemma4_mlx.json_file import read_json_object
from gemma4_mlx.weight_file import INDEX_NAME

_NUMBERED = re.compile(r"(model-)\d+(-of-)(\d+)(\.safetensors)")


@dataclass(frozen=True, slots=True)
class CachedModel:
    """A snapshot in the cache.

    Attributes:
        hub_id: of the checkpoint.
        commit: of the snapshot.
        folder: with its files.
        size_bytes: what it takes on the disk, the bytes of an unfinished download included.
        missing: names of files that are not there; empty for a whole checkpoint.
    """

    hub_id: str
    commit: str
    folder: Path
    size_bytes: int
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Holding:
    """All that the cache holds of a model, and what deleting it would free.

    Attributes:
        hub_id: of the checkpoint.
        folder: of the model in the cache.
        commits: of its snapshots; other programs may have asked for some of them.
        freed_bytes: what deleting all of it frees.
    """

    hub_id: str
    folder: Path
    commits: tuple[str, ...]
    freed_bytes: int


def cached_snapshot(hub_id: str, revision: str | None = None) -> Path | None:
    """The folder of a checkpoint in the cache, whole or not; None if there is none."""
    model = ModelFolder(hub_id)
    ref = model.ref(revision or MAIN)
    commit = ref.read_text(encoding="utf-8").strip() if ref.is_file() else revision
    if commit is not None:
        folder = model.snapshot(commit)
        return folder if folder.is_dir() else None
    # A branch gets its commit when everything is there; before, the newest folder is meant.
    begun = [path for path in model.snapshot("").glob("*") if path.is_dir()]
    return max(begun, key=lambda path: path.stat().st_mtime, default=None)


def missing_files(folder: Path) -> tuple[str, ...]:
    """Files without which a checkpoint is not whole: the index names its weights.

    An index that cannot be read counts as missing: what it would name is not known.
    """
    weights = _weight_files(folder)
    if weights is None:
        return (INDEX_NAME,)
    needed = {"config.json", "tokenizer.json", *weights}
    return tuple(sorted(name for name in needed if not (folder / name).is_file()))


def cached_models() -> list[CachedModel]:
    """All snapshots of Gemma 4 checkpoints, by hub id; those that are not whole, too."""
    folders = cache_folder().glob("models--*/snapshots/*")
    return [_described(folder) for folder in sorted(folders) if _is_gemma4(folder)]


def holding(hub_id: str) -> Holding | None:
    """What the cache holds of a model; None for nothing."""
    model = ModelFolder(hub_id)
    if not model.path.is_dir():
        return None
    # Links do not count: what they point to stays, or is counted where it lies.
    files = (path for path in model.path.rglob("*") if not path.is_symlink() and path.is_file())
    commits = sorted(path.name for path in model.snapshot("").glob("*") if path.is_dir())
    freed_bytes = sum(path.lstat().st_size for path in files)
    return Holding(hub_id, model.path, tuple(commits), freed_bytes)


def remove(hub_id: str) -> int:
    """Delete a model with all its snapshots, and what has come of a download.

    Returns:
        The freed bytes.

    Raises:
        ModelNotFoundError: the cache holds nothing of it, or a program is fetching it.
    """
    held = holding(hub_id)
    if held is None:
        raise ModelNotFoundError(
            f"{hub_id} is not in the hub's cache on this disk",
            "`gemma4 models list` names those that are",
        )
    if _is_being_fetched(hub_id):
        raise ModelNotFoundError(
            f"a program is fetching {hub_id}", "stop that download, then delete it"
        )
    shutil.rmtree(held.folder)
    return held.freed_bytes


def _is_being_fetched(hub_id: str) -> bool:
    """Whether somebody holds one of the hub's locks of its files."""
    for path in ModelFolder(hub_id).locks.glob("*.lock"):
        with path.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    return False


def _described(folder: Path) -> CachedModel:
    model = folder.parents[1]
    missing = missing_files(folder)
    files = [path for path in folder.iterdir() if path.is_file()]
    if missing:
        files += model.glob("blobs/*.incomplete")
    return CachedModel(
        hub_id=model.name.removeprefix("models--").replace("--", "/"),
        commit=folder.name,
        folder=folder,
        size_bytes=sum(path.stat().st_size for path in files),
        missing=missing,
    )


def _weight_files(folder: Path) -> set[str] | None:
    """Names of all weight files that there should be; None where the index cannot be read."""
    index = folder / INDEX_NAME
    if index.is_file():
        try:
            names = read_json_object(index)["weight_map"].values()
        except (CheckpointError, KeyError, AttributeError):
            return None
        return set(names) if all(isinstance(name, str) for name in names) else None
    there = {path.name for path in folder.glob("model*.safetensors")} or {"model.safetensors"}
    numbered = [match for match in map(_NUMBERED.fullmatch, there) if match]
    return there | {
        f"{match[1]}{number:05d}{match[2]}{match[3]}{match[4]}"
        for match in numbered
        for number in range(1, int(match[3]) + 1)
    }


def _is_gemma4(folder: Path) -> bool:
    path = folder / "config.json"
    try:
        return path.is_file() and read_json_object(path).get("model_type") == "gemma4"
    except CheckpointError:
        return False
