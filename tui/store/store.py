"""All chats on this disk: written, read, searched, renamed, deleted.

Everything here waits for the disk and must be used on one thread; the screen has `AsyncStore`.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gemma4_mlx.errors import StoreError, UsageError
from tui.attachments import scratch
from tui.attachments.attachment import Attachment
from tui.chat.conversation import Changes, Conversation
from tui.store import search_index
from tui.store.database import Database, open_database, reason
from tui.store.entry_row import read_entries, storable, write_entry
from tui.store.homecoming import come_home
from tui.store.media_folder import Kept, MediaFolder, media_path
from tui.store.session_caches import SessionCaches
from tui.store.session_row import SessionRow

WAIT_S = 5.0
"""How long to wait for another program that writes, in seconds."""

EMPTY_FOR_S = 24 * 3600.0
"""When a chat whose only question was taken back is forgotten, in seconds."""

_HAS_ENTRIES = "EXISTS (SELECT 1 FROM entry WHERE session = session.id)"


@dataclass(frozen=True, slots=True)
class Written:
    """What became of changes.

    Attributes:
        attachments: by the id of their entry, where they are from now on.
        remarks: for people: what is not copied, and why.
        is_gone: whether the chat has been deleted meanwhile, so that nothing was written.
    """

    attachments: dict[str, tuple[Attachment, ...]]
    remarks: tuple[str, ...] = ()
    is_gone: bool = False


class Store:
    """The chats of a folder.

    Made by `open`.

    Attributes:
        path: the file; None if chats are in memory only.
        trouble: why they are not in `chats.db`, for people; empty if they are.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float],
        *,
        caches: SessionCaches | None,
        keep_media: bool,
    ) -> None:
        self._connection = database.connection
        self._clock = clock
        self._caches = caches
        self.path = database.path
        self.trouble = database.trouble
        self._media = MediaFolder(
            media_path(database.path) if database.path else None, copies=keep_media
        )
        self._has_index = search_index.prepare(self._connection)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        caches: Path | None = None,
        keep_media: bool = True,
        clock: Callable[[], float] = time.time,
        wait_s: float = WAIT_S,
    ) -> Store:
        """Open the chats of a folder; never fails, but may have `trouble`.

        Answers that were being written when their program ended are from now on stopped ones.

        Args:
            folder: such as `gemma4_mlx.folders.data_folder()`.
            keep_media: whether copies are kept of what was attached.
            caches: where the engine keeps what it has read of each chat, to be tidied up.
            clock: tells the time, in seconds since 1970.
            wait_s: how long to wait for another program.
        """
        kept = SessionCaches(caches) if caches else None
        database = open_database(folder, wait_s=wait_s)
        store = cls(database, clock, caches=kept, keep_media=keep_media)
        with suppress(StoreError):
            store._tidy_up(wait_s)
        return store

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    # One chat

    def write(self, changes: Changes) -> Written:
        """Write what has changed of a conversation, all or nothing of it.

        Raises:
            StoreError: it cannot be written.
        """
        kept = {
            entry.id: [self._media.keep(each) for each in entry.attachments]
            for entry in changes.entries
        }
        with self._writing():
            if not self._write_session(changes):
                return Written({}, is_gone=True)
            for entry in changes.entries:
                kept[entry.id] = [
                    self._still_there(old, new)
                    for old, new in zip(entry.attachments, kept[entry.id], strict=True)
                ]
                write_entry(self._connection, changes.session, entry, kept[entry.id])
        return Written(
            {entry: tuple(each.attachment for each in parts) for entry, parts in kept.items()},
            tuple(each.remark for parts in kept.values() for each in parts if each.remark),
        )

    def load(self, session_id: str) -> Conversation:
        """Read a chat.

        Raises:
            UsageError: there is no such chat.
            StoreError: it cannot be read.
        """
        with self._reading():
            row = self._connection.execute(
                "SELECT system, model, title, created, head FROM session WHERE id = ?",
                (session_id,),
            ).fetchone()
            if row is None:
                raise _unknown(session_id)
            system, model, title, created, head = row
            entries = read_entries(self._connection, session_id, self._media)
        conversation = Conversation(
            system, model=model, id=session_id, title=title, created=created
        )
        conversation.fill(entries, head)
        return conversation

    def rename(self, session_id: str, title: str) -> None:
        """Call a chat something else.

        Raises:
            UsageError: there is no such chat, or the title is empty.
            StoreError: it cannot be written.
        """
        if not title.strip():
            raise UsageError("a chat needs a title")
        with self._writing():
            done = self._connection.execute(
                "UPDATE session SET title = ? WHERE id = ?", (storable(title.strip()), session_id)
            )
            if not done.rowcount:
                raise _unknown(session_id)

    def delete(self, session_id: str) -> None:
        """Delete a chat, and the pictures and clips that only it had.

        Raises:
            UsageError: there is no such chat.
            StoreError: it cannot be written.
        """
        with self._writing():
            done = self._connection.execute("DELETE FROM session WHERE id = ?", (session_id,))
            if not done.rowcount:
                raise _unknown(session_id)
        if self._caches:
            self._caches.forget(session_id)
        self._sweep()

    # All of them

    def sessions(self, query: str = "", *, limit: int = 50, offset: int = 0) -> list[SessionRow]:
        """The newest chats first.

        Args:
            query: words that one of its messages, or its title, must have.
            limit: the most to list.
            offset: how many to pass over.

        Raises:
            StoreError: they cannot be read.
        """
        words = query.split()
        found, parameters = "SELECT NULL AS session, NULL AS number", []
        is_wanted = "1"
        if words:
            found, parameters = search_index.found_entries(query, has_index=self._has_index)
            in_title = " AND ".join(r"title LIKE ? ESCAPE '\'" for _ in words)
            is_wanted = f"found.number IS NOT NULL OR ({in_title})"
            parameters += [search_index.like(word) for word in words]
        statement = f"""
            WITH found AS ({found})
            SELECT session.id, title, model, session.created, updated,
                (SELECT count(*) FROM entry WHERE session = session.id AND role = 'user'), text
            FROM session LEFT JOIN found ON found.session = session.id
                LEFT JOIN entry ON entry.number = found.number
            WHERE {_HAS_ENTRIES} AND ({is_wanted})
            ORDER BY updated DESC, session.id LIMIT ? OFFSET ?
        """
        with self._reading():
            rows = self._connection.execute(statement, [*parameters, limit, offset]).fetchall()
        return [
            SessionRow(*row[:-1], snippet=search_index.snippet(row[-1], words) if row[-1] else None)
            for row in rows
        ]

    def resolve(self, beginning: str) -> str:
        """The id that begins so; "last" is the newest chat.

        Raises:
            UsageError: no id begins so, or several do.
            StoreError: they cannot be read.
        """
        with self._reading():
            rows = self._connection.execute(
                f"SELECT id FROM session WHERE ? = 'last' AND {_HAS_ENTRIES} "
                "OR substr(id, 1, length(?)) = ? ORDER BY updated DESC, id",
                (beginning, beginning, beginning),
            ).fetchall()
        ids = [each for (each,) in rows]
        if beginning in ids or (beginning == "last" and ids):
            return beginning if beginning in ids else ids[0]
        if len(ids) > 1 and beginning:
            raise UsageError(f"{len(ids)} chats begin with {beginning!r}", "give more letters")
        if not ids or not beginning:
            raise _unknown(beginning)
        return ids[0]

    def _tidy_up(self, wait_s: float) -> None:
        """What the last program could not finish, and what is of no more use."""
        if self.path and not self.trouble:
            come_home(self._connection, self.path, wait_s=wait_s)
        with self._writing():
            self._connection.execute("UPDATE entry SET state = 'stopped' WHERE state = 'writing'")
            self._connection.execute(
                f"DELETE FROM session WHERE updated < ? AND NOT ({_HAS_ENTRIES})",
                (self._clock() - EMPTY_FOR_S,),
            )
        if self._caches and not self.trouble:  # with trouble, other chats are elsewhere
            with self._reading():
                rows = self._connection.execute("SELECT id FROM session").fetchall()
                parts = self._connection.execute("SELECT details FROM part WHERE sha256 IS NULL")
                in_use = {json.loads(details)["path"] for (details,) in parts}
            self._caches.tidy({session_id for (session_id,) in rows})
            scratch.tidy(in_use, now_s=self._clock())

    def _write_session(self, changes: Changes) -> bool:
        """Whether the chat is there to be written."""
        now = self._clock()
        texts = [storable(text) for text in (changes.title, changes.system, changes.model)]
        if changes.is_new:
            self._connection.execute(
                "INSERT INTO session (id, title, system, model, created, head, updated) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (changes.session, *texts, changes.created, changes.head, now),
            )
            return True
        done = self._connection.execute(
            "UPDATE session SET title = coalesce(?, title), system = ?, model = ?, head = ?, "
            "updated = CASE WHEN ? THEN ? ELSE updated END WHERE id = ?",
            (*texts, changes.head, changes.is_said, now, changes.session),
        )
        self._connection.executemany(
            "DELETE FROM entry WHERE session = ? AND id = ?",
            [(changes.session, each) for each in changes.removed],
        )
        return bool(done.rowcount)

    def _still_there(self, attachment: Attachment, kept: Kept) -> Kept:
        """Somebody may have swept between the copy and now; nobody can any more."""
        is_there = kept.sha256 is None or kept.attachment.path.exists()
        return kept if is_there else self._media.keep(attachment)

    def _sweep(self) -> None:
        """Delete files that no message refers to, while nobody can write one that does."""
        with self._writing():
            rows = self._connection.execute("SELECT DISTINCT sha256 FROM part").fetchall()
            self._media.sweep({sha256 for (sha256,) in rows})

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._reading():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # some errors end it by themselves
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            where = self.path or "the memory for chats"
            raise StoreError(f"{where}: {reason(error)}", "the chat itself goes on") from error


def _unknown(session_id: str) -> UsageError:
    return UsageError(f"there is no chat {session_id!r}", "`gemma4 sessions list` names all")
