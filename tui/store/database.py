"""The file that chats are kept in: opened, or another beside it, or none.

A file that cannot be used is never touched: what it is, a newer version or the person it belongs
to may still read. The chat goes on in `chats-2.db`, or in memory where no file can be written,
and says so.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from gemma4_mlx.errors import StoreError
from tui.store.migrations import check_ours, migrate

_FILES = 3
"""How many there can be."""

_CHECKED_BYTES = 50_000_000
"""A larger file is not read through at each start."""

_REASONS = {
    sqlite3.SQLITE_BUSY: "another program holds it",
    sqlite3.SQLITE_LOCKED: "another program holds it",
    sqlite3.SQLITE_READONLY: "it cannot be written",
    sqlite3.SQLITE_PERM: "it cannot be written",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_NOTADB: "it is not a database",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk cannot be read or written",
}


@dataclass(frozen=True, slots=True)
class Database:
    """An open database.

    Attributes:
        connection: with our tables.
        path: the file; None in memory.
        trouble: why it is not `chats.db`, for people; empty if it is.
    """

    connection: sqlite3.Connection
    path: Path | None
    trouble: str = ""


def open_database(folder: Path, *, wait_s: float) -> Database:
    """Open the chats of a folder; never fails.

    Args:
        folder: made if missing.
        wait_s: how long to wait for another program.
    """
    trouble = ""
    main = folder / "chats.db"
    for path in (main, *beside(main)):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            connection = open_file(path, wait_s=wait_s)
        except (sqlite3.Error, OSError, StoreError) as error:
            trouble = trouble or f"{path} is left alone: {reason(error)}"
        else:
            kept = f"{trouble}. This chat is kept in {path.name} beside it." if trouble else ""
            return Database(connection, path, kept)
    memory = _connect(":memory:", wait_s=wait_s)
    migrate(memory)
    return Database(memory, None, f"{trouble}. This chat is kept in memory only.")


def beside(path: Path) -> list[Path]:
    """What is used where `path` cannot be, in this order."""
    return [path.with_stem(f"{path.stem}-{number}") for number in range(2, _FILES + 1)]


def reason(error: Exception) -> str:
    """What went wrong, for people."""
    if isinstance(error, StoreError):
        return error.message
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the details
        return _REASONS.get(code, str(error))
    return getattr(error, "strerror", None) or str(error)


def open_file(path: Path, *, wait_s: float) -> sqlite3.Connection:
    """Open a file, with our tables as they are today.

    Raises:
        StoreError, sqlite3.Error, OSError: it cannot be used; nothing has been changed.
    """
    if not path.exists():
        path.touch(mode=0o600)  # SQLite would let everybody read it
    elif not path.is_file():
        raise StoreError("it is not a file")
    connection = _connect(str(path), wait_s=wait_s)
    try:
        check_ours(connection)
        if path.stat().st_size < _CHECKED_BYTES:
            (verdict,) = connection.execute("PRAGMA quick_check (1)").fetchone()
            if verdict != "ok":
                raise StoreError("it is damaged")
        connection.execute("PRAGMA journal_mode = WAL")  # the first thing that is written
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(name: str, *, wait_s: float) -> sqlite3.Connection:
    # Transactions are begun and ended in words: `isolation_level=None` leaves them to us.
    connection = sqlite3.connect(name, timeout=wait_s, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection
