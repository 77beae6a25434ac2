"""What a published checkpoint consists of: asked before the first byte is fetched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatch
from typing import Any, NoReturn

from gemma4_mlx.errors import CheckpointError, ModelNotFoundError
from gemma4_mlx.hub.layout import MAIN, HubFile, ModelFolder
from gemma4_mlx.hub.pick import picks

_WANTED = ("*.json", "*.jinja", "model*.safetensors", "LICENSE*", "NOTICE*")
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SYSTEM_ERROR = re.compile(r"\[Errno -?\d+\] ")
_ASK_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class Download:
    """A checkpoint at one commit.

    Attributes:
        hub_id: of the checkpoint.
        revision: the branch, tag or commit that was asked for.
        commit: what it meant when it was asked; all files are of this commit.
        files: small ones first.
        total_bytes: of all files.
        missing_bytes: what was not on this disk.
    """

    hub_id: str
    revision: str
    commit: str
    files: tuple[HubFile, ...]
    total_bytes: int
    missing_bytes: int


def plan_download(hub_id: str, revision: str | None = None) -> Download:
    """Ask the hub what a checkpoint consists of.

    Args:
        hub_id: such as "google/gemma-4-E2B-it".
        revision: branch, tag or commit; None for the newest state.

    Raises:
        ModelNotFoundError: no such model or revision, no access to it, or no network.
        CheckpointError: it is there, but it is not a checkpoint in safetensors.
    """
    info = _ask(hub_id, revision)
    files = [_file(sibling, hub_id) for sibling in info.siblings or [] if _wanted(sibling)]
    names = {file.name for file in files}
    for kind, there in (
        ("config.json", "config.json" in names),
        ("model.safetensors", any(name.endswith(".safetensors") for name in names)),
    ):
        if not there:
            raise CheckpointError(
                f"{hub_id} has no {kind} on the hub",
                "give the id of a checkpoint in safetensors; GGUF files are of other programs",
            )
    files.sort(key=lambda file: (file.size_bytes, file.name))
    folder, total = ModelFolder(hub_id), sum(file.size_bytes for file in files)
    present = sum(folder.present_bytes(file, info.sha) for file in files)
    return Download(hub_id, revision or MAIN, info.sha, tuple(files), total, total - present)


def refuse(hub_id: str, revision: str | None, error: Exception) -> NoReturn:
    """Raise what the hub's library or its HTTP client said, in our words."""
    raise _refusal(hub_id, revision, error) from None


def _refusal(hub_id: str, revision: str | None, error: Exception) -> ModelNotFoundError:
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        OfflineModeIsEnabled,
        RevisionNotFoundError,
    )

    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, GatedRepoError) or status == 403:
        return ModelNotFoundError(
            f"{hub_id} is gated: the hub does not let you fetch it",
            f"accept its licence on https://huggingface.co/{hub_id}, then `hf auth login`",
        )
    if isinstance(error, RevisionNotFoundError):
        return ModelNotFoundError(f"{hub_id} has no revision {revision!r}", "its page lists them")
    if status in (401, 404):
        return ModelNotFoundError(
            f"there is no model {hub_id} on the hub, or it is private",
            f"{_spelling(hub_id)}; a private model needs `hf auth login` first",
        )
    if isinstance(error, HFValidationError):
        return ModelNotFoundError(
            f"{hub_id!r} is not a hub id", "an id looks like google/gemma-4-E2B"
        )
    if isinstance(error, OfflineModeIsEnabled):
        return ModelNotFoundError(
            f"{hub_id} could not be fetched: HF_HUB_OFFLINE forbids to ask the hub",
            "unset it; models on this disk need no network",
        )
    return ModelNotFoundError(
        f"{hub_id} could not be fetched: {_in_words(error)}",
        "check the network; models on this disk need none",
    )


def _in_words(error: Exception) -> str:
    """The first line of what an error says; the system's own numbers mean nothing to people."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if number := _SYSTEM_ERROR.match(lines[0]):
        return f"the hub cannot be reached ({lines[0][number.end() :]})"
    return lines[0]


def _spelling(hub_id: str) -> str:
    """Ids like one that the hub does not know, among those that are worth fetching."""
    known = {pick.hub_id.lower(): pick.hub_id for pick in picks()}
    close = get_close_matches(hub_id.lower(), known, n=3, cutoff=0.7)
    if not close:
        return "check the spelling"
    return f"did you mean {' or '.join(known[name] for name in close)}"


def _ask(hub_id: str, revision: str | None) -> Any:
    """The hub's record of a model, with sizes and hashes of its files."""
    from huggingface_hub import HfApi

    try:
        return HfApi().model_info(
            hub_id, revision=revision, files_metadata=True, timeout=_ASK_TIMEOUT_S
        )
    except Exception as error:
        # The library's errors, its HTTP client's, or those of an answer that is not the hub's.
        refuse(hub_id, revision, error)


def _wanted(sibling: Any) -> bool:
    name = sibling.rfilename
    return "/" not in name and any(fnmatch(name, pattern) for pattern in _WANTED)


def _file(sibling: Any, hub_id: str) -> HubFile:
    sha256 = sibling.lfs.sha256 if sibling.lfs else None
    file = HubFile(sibling.rfilename, sibling.size, sha256, sibling.blob_id)
    if type(file.size_bytes) is not int or not _HASH.fullmatch(file.etag or ""):
        raise CheckpointError(f"the hub names neither size nor hash of {file.name} in {hub_id}")
    return file
