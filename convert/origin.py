"""Where a source comes from: a folder on this disk, or the hub, at one commit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from convert.progress import OnStep, Step
from convert.tuning import checkpoint_name
from gemma4_mlx.errors import UsageError
from gemma4_mlx.loading import find_checkpoint
from gemma4_mlx.model_name import is_hub_id


@dataclass(frozen=True, slots=True)
class Origin:
    """A source.

    Attributes:
        folder: where it lies.
        name: as people call it: a hub id, or the folder's own name.
        hub_id: empty where it is not from the hub.
        revision: the hub's commit.
    """

    folder: Path
    name: str
    hub_id: str = ""
    revision: str | None = None


def is_on_hub(source: str | Path) -> bool:
    """Whether a source is meant to be fetched, and so has revisions."""
    return is_hub_id(source) and not Path(source).exists()


def find_origin(source: str | Path, revision: str | None, on_step: OnStep) -> Origin:
    """Find a source, or fetch it: pinned to one commit, checked, and resumed where it was cut off.

    Args:
        source: a folder, a hub id, or "pocket".
        revision: of the hub's checkpoint.
        on_step: told how far the download is.

    Raises:
        UsageError: a revision of something that is not on the hub.
        ModelNotFoundError, CheckpointError: it is not there, or came damaged.
    """
    if not is_on_hub(source):
        if revision is not None:
            raise UsageError(f"{source} has no revision {revision!r}: it is not on the hub")
        folder = find_checkpoint(source)
        return _local(folder)
    from gemma4_mlx.hub import fetch, plan_download

    download = plan_download(str(source), revision)
    folder = fetch(download, lambda done, total: on_step(Step("fetch", done, total)))
    return Origin(folder, download.hub_id, download.hub_id, download.commit)


def _local(folder: Path) -> Origin:
    """A folder; one in the hub's cache tells its id and its commit."""
    name = checkpoint_name(folder)
    if name == folder.resolve().name:
        return Origin(folder, name)
    return Origin(folder, name, name, folder.resolve().name)
