"""Writing a chat to a file, in the form that its name tells."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from gemma4_mlx.errors import StoreError, UsageError
from tui.chat.conversation import Conversation
from tui.export.chat_file import to_json
from tui.export.html import to_html
from tui.export.markdown import to_markdown
from tui.export.media_files import MediaFiles

Renderer = Callable[[Conversation, MediaFiles], str]

FORMATS: dict[str, Renderer] = {"md": to_markdown, "html": to_html, "json": to_json}
"""By the suffix of the file."""


def render_chat(conversation: Conversation, form: str) -> str:
    """The text alone, for a pipe; pictures and clips are where they are.

    Args:
        conversation: the chat.
        form: one of `FORMATS`.
    """
    return FORMATS[form](conversation, MediaFiles(None))


def export_chat(conversation: Conversation, path: Path) -> tuple[str, ...]:
    """Write a chat to a new file, with its pictures and clips in a folder beside.

    Args:
        conversation: the chat.
        path: ends in .md, .html or .json.

    Returns:
        Names of attachments that are gone.

    Raises:
        UsageError: another suffix, or the file exists.
        StoreError: it cannot be written.
    """
    form = {"markdown": "md", "htm": "html"}.get(suffix := path.suffix[1:].lower(), suffix)
    if form not in FORMATS:
        raise UsageError(f"{path}: a chat is exported to a name in .md, .html or .json")
    if path.exists():
        raise UsageError(f"{path} exists", "give another name, or delete it first")
    media = MediaFiles(path)
    try:
        media.add(conversation.entries.values() if form == "json" else conversation.branch())
        text = FORMATS[form](conversation, media)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text.encode("utf-8", "replace"))
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
    return tuple(media.missing)
