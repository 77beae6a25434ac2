"""A chat as JSON: the whole tree, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gemma4_mlx.errors import StoreError
from tui.attachments.attachment import Attachment
from tui.chat.conversation import Conversation
from tui.chat.entry import Entry
from tui.export.media_files import MediaFiles
from tui.store.plain_values import from_plain, to_plain

VERSION = 1


@dataclass(frozen=True, slots=True)
class ChatFile:
    """What the file holds.

    Attributes:
        format, version: so that other files are told apart.
        title, system, model, created, head: of the conversation.
        entries: parents before children. Paths of attachments are seen from the file.
    """

    format: Literal["gemma4-chat"]
    version: int
    title: str
    system: str
    model: str
    created: float
    head: str | None
    entries: tuple[Entry, ...]


def to_json(conversation: Conversation, media: MediaFiles) -> str:
    """The text of the file."""
    head = conversation.head
    return json.dumps(
        to_plain(
            ChatFile(
                "gemma4-chat",
                VERSION,
                conversation.title,
                conversation.system,
                conversation.model,
                conversation.created,
                head.id if head else None,
                tuple(_with_links(entry, media) for entry in conversation.entries.values()),
            )
        ),
        indent=2,
    )


def import_chat(path: Path) -> Conversation:
    """Read a file that `to_json` made; the conversation is a new one.

    Raises:
        StoreError: it cannot be read, or is something else; the message names the field.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path} is not JSON: {error}") from error
    try:
        return _conversation(raw, path.parent)
    except StoreError as error:
        hint = "files that `gemma4 sessions export -o NAME.json` made can be imported"
        raise StoreError(f"{path}: {error.message}", hint) from error


def _conversation(raw: object, folder: Path) -> Conversation:
    version = raw.get("version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise StoreError(f"version {version} is newer than this program's, {VERSION}")
    read: ChatFile = from_plain(ChatFile, raw, where="", strict=True)
    _check_tree(read)
    conversation = Conversation(
        read.system, model=read.model, title=read.title, created=read.created
    )
    for index, entry in enumerate(read.entries):
        where = f"entries[{index}]"
        entry.attachments = tuple(
            _found(each, folder, f"{where}.attachments[{place}].path")
            for place, each in enumerate(entry.attachments)
        )
        if entry.state == "writing":
            entry.state = "stopped"
    conversation.adopt(read.entries, read.head)
    return conversation


def _check_tree(read: ChatFile) -> None:
    roles: dict[str | None, str] = {None: "assistant"}
    for index, entry in enumerate(read.entries):
        where = f"entries[{index}]"
        if not entry.id or entry.id in roles:
            raise StoreError(f"{where}.id: expected one that no other has, found {entry.id!r}")
        if entry.parent not in roles:
            raise StoreError(f"{where}.parent: no entry before it is {entry.parent!r}")
        if entry.role == "assistant" and roles[entry.parent] != "user":
            raise StoreError(f"{where}.parent: an answer needs a question before it")
        roles[entry.id] = entry.role
    if read.head not in roles:
        raise StoreError(f"head: no entry is {read.head!r}")


def _found(attachment: Attachment, folder: Path, where: str) -> Attachment:
    """An attachment whose file lies beside: a chat from elsewhere may not reach for others."""
    path = attachment.path
    if path.is_absolute() or ".." in path.parts or "\0" in str(path) or not path.name:
        raise StoreError(f"{where}: expected a file beside this one, found {str(path)!r}")
    return replace(attachment, path=folder / path)


def _with_links(entry: Entry, media: MediaFiles) -> Entry:
    def linked(attachments: Sequence[Attachment]) -> tuple[Attachment, ...]:
        return tuple(
            replace(each, path=Path(media.link(each) or each.name)) for each in attachments
        )

    return replace(entry, attachments=linked(entry.attachments))
