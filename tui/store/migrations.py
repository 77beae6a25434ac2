"""The tables, and how those of an older version become today's.

`PRAGMA user_version` counts the steps that a file has behind it. A step is never changed once it
has been published; what is new is a new step at the end.
"""

from __future__ import annotations

import sqlite3

from gemma4_mlx.errors import StoreError

_FIRST = (
    """
    CREATE TABLE session (
        id TEXT PRIMARY KEY,
        title TEXT NOT NULL,
        system TEXT NOT NULL,
        model TEXT NOT NULL,
        head TEXT,
        created REAL NOT NULL,
        updated REAL NOT NULL
    )
    """,
    "CREATE INDEX session_by_time ON session (updated)",
    """
    CREATE TABLE entry (
        number INTEGER PRIMARY KEY,
        session TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
        id TEXT NOT NULL,
        parent TEXT,
        role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
        text TEXT NOT NULL,
        thought TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('writing', 'done', 'stopped', 'failed')),
        details TEXT NOT NULL,
        created REAL NOT NULL,
        UNIQUE (session, id),
        FOREIGN KEY (session, parent) REFERENCES entry (session, id)
            ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
    )
    """,
    "CREATE INDEX entry_by_parent ON entry (session, parent)",
    "CREATE INDEX entry_open ON entry (state) WHERE state = 'writing'",
    """
    CREATE TABLE part (
        session TEXT NOT NULL,
        entry TEXT NOT NULL,
        position INTEGER NOT NULL,
        sha256 TEXT,
        details TEXT NOT NULL,
        receipts TEXT NOT NULL,
        PRIMARY KEY (session, entry, position),
        FOREIGN KEY (session, entry) REFERENCES entry (session, id) ON DELETE CASCADE
    ) WITHOUT ROWID
    """,
    "CREATE INDEX part_by_content ON part (sha256)",
)

STEPS: tuple[tuple[str, ...], ...] = (_FIRST,)


def check_ours(connection: sqlite3.Connection) -> None:
    """Look whether a file is ours, without a change to it.

    Raises:
        StoreError: a newer version of this program made the file, or another program.
        sqlite3.Error: it cannot be read.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(STEPS):
        raise StoreError("a newer version of gemma4 made it")
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not version and tables:
        raise StoreError("another program made it")


def migrate(connection: sqlite3.Connection) -> None:
    """Take all steps that are missing, all or none.

    Raises:
        sqlite3.Error: it cannot be written.
    """
    connection.execute("BEGIN IMMEDIATE")  # another process may be about to do the same
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for step in STEPS[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {max(version, len(STEPS))}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
