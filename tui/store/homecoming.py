"""Chats that were kept beside `chats.db`, while it could not be used, come home to it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path

from gemma4_mlx.errors import StoreError
from tui.store.database import beside, open_file
from tui.store.media_folder import media_path


def come_home(connection: sqlite3.Connection, path: Path, *, wait_s: float) -> None:
    """Take in what the files beside hold, and delete these.

    One that another window still writes to, or that cannot be used, stays for another time.

    Args:
        connection: to `path`, with our tables.
        path: the file of all chats.
        wait_s: how long to wait for another program.
    """
    for other in beside(path):
        if other.is_file():
            with suppress(sqlite3.Error, StoreError, OSError):
                open_file(other, wait_s=wait_s).close()  # ours, and of this version from now on
                _take_in(connection, path, other)


def _take_in(connection: sqlite3.Connection, path: Path, other: Path) -> None:
    connection.execute("ATTACH ? AS beside", (str(other),))
    try:
        # Refused while anybody else has the file open.
        connection.execute("PRAGMA beside.journal_mode = DELETE")
        connection.execute("BEGIN IMMEDIATE")
        try:
            for table in ("session", "entry", "part"):
                columns = ", ".join(_columns(connection, table))
                connection.execute(
                    f"INSERT OR IGNORE INTO main.{table} ({columns}) "
                    f"SELECT {columns} FROM beside.{table}"
                )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    finally:
        connection.execute("DETACH beside")
    _move(media_path(other), media_path(path))
    other.unlink()


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """All but the number, which every file counts for itself."""
    rows = connection.execute(f"SELECT name FROM pragma_table_info('{table}')").fetchall()
    return [name for (name,) in rows if name != "number"]


def _move(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir(exist_ok=True, mode=0o700)
        for folder in source.iterdir():
            if not (target / folder.name).exists():
                folder.rename(target / folder.name)
        shutil.rmtree(source)
