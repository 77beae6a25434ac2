"""An entry as rows of the tables `entry` and `part`, and back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gemma4_mlx.events import MediaReceipt
from tui.attachments.attachment import Attachment
from tui.chat.entry import Entry
from tui.store.media_folder import Kept, MediaFolder
from tui.store.plain_values import from_plain, to_plain

_COLUMNS = ("id", "parent", "role", "text", "thought", "state", "created")
_PARTS = ("attachments", "receipts")

SELECT_ENTRIES = (
    f"SELECT {', '.join(_COLUMNS)}, details FROM entry WHERE session = ? ORDER BY number"
)
SELECT_PARTS = (
    "SELECT entry, sha256, details, receipts FROM part WHERE session = ? ORDER BY entry, position"
)

_UPSERT = f"""
    INSERT INTO entry (session, {", ".join(_COLUMNS)}, details) VALUES (?{", ?" * 8})
    ON CONFLICT (session, id) DO UPDATE SET
        text = excluded.text, thought = excluded.thought,
        state = excluded.state, details = excluded.details
"""


def write_entry(
    connection: sqlite3.Connection, session: str, entry: Entry, kept: Sequence[Kept]
) -> None:
    """Write an entry, or what has changed of it, with its attachments where they are kept."""
    plain = to_plain(entry)
    columns = [storable(plain.pop(name)) for name in _COLUMNS]
    for name in _PARTS:
        del plain[name]
    connection.execute(_UPSERT, (session, *columns, json.dumps(plain)))
    connection.execute("DELETE FROM part WHERE session = ? AND entry = ?", (session, entry.id))
    for place, each in enumerate(kept):
        attachment = to_plain(each.attachment)
        if each.sha256:
            attachment["path"] = each.attachment.name
        receipts = to_plain(entry.receipts_of(place))
        connection.execute(
            "INSERT INTO part VALUES (?, ?, ?, ?, ?, ?)",
            (session, entry.id, place, each.sha256, json.dumps(attachment), json.dumps(receipts)),
        )


def read_entries(
    connection: sqlite3.Connection, session: str, media: MediaFolder
) -> tuple[Entry, ...]:
    """All entries of a chat, parents before children.

    One that is still being written is so by somebody else, or was when its program ended: here it
    is as stopped.
    """
    parts: dict[str, list[tuple[Attachment, Any]]] = {}
    for entry_id, sha256, details, receipts in connection.execute(SELECT_PARTS, (session,)):
        attachment = _value(Attachment, json.loads(details))
        if sha256:
            attachment = replace(attachment, path=media.find(sha256, attachment.name))
        heard = _value(tuple[MediaReceipt, ...], json.loads(receipts))
        parts.setdefault(entry_id, []).append((attachment, heard))
    return tuple(
        _entry(row, parts.get(row[0], [])) for row in connection.execute(SELECT_ENTRIES, (session,))
    )


def storable(value: Any) -> Any:
    """Text without lone surrogates, which UTF-8 has no form for."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _entry(row: Sequence[Any], parts: Sequence[tuple[Attachment, Any]]) -> Entry:
    *columns, details = row
    plain = {**json.loads(details), **dict(zip(_COLUMNS, columns, strict=True))}
    entry = _value(Entry, plain)
    entry.attachments = tuple(attachment for attachment, _ in parts)
    entry.receipts = tuple(heard for _, heard in parts)
    if entry.state == "writing":
        entry.state = "stopped"
    return entry


def _value(kind: Any, plain: Any) -> Any:
    return from_plain(kind, plain, where="", strict=False)
