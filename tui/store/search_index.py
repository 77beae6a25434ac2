"""Full text search over all messages, and how a hit is shown.

Words are found by their beginnings, whatever their case and accents. A SQLite without FTS5, and
scripts that write no spaces between words, are searched letter by letter instead.
"""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Sequence
from contextlib import suppress

from tui.store.session_row import Snippet

_BEFORE, _AFTER = 24, 80
"""Characters that are shown around a hit."""

_FIRST_SPACELESS = 0x0E00
"""From Thai on, most scripts write words without spaces between them."""

_TRIGGERS = {
    "entry_added": """
        AFTER INSERT ON entry BEGIN
            INSERT INTO entry_fts (rowid, text) VALUES (new.number, new.text);
        END""",
    "entry_changed": """
        AFTER UPDATE OF text ON entry BEGIN
            INSERT INTO entry_fts (entry_fts, rowid, text) VALUES ('delete', old.number, old.text);
            INSERT INTO entry_fts (rowid, text) VALUES (new.number, new.text);
        END""",
    "entry_removed": """
        AFTER DELETE ON entry BEGIN
            INSERT INTO entry_fts (entry_fts, rowid, text) VALUES ('delete', old.number, old.text);
        END""",
}


def has_fts5(connection: sqlite3.Connection) -> bool:
    """Whether this SQLite can search full text."""
    try:
        connection.execute("CREATE VIRTUAL TABLE temp.probe USING fts5 (text)")
    except sqlite3.OperationalError:
        return False
    connection.execute("DROP TABLE temp.probe")
    return True


def prepare(connection: sqlite3.Connection) -> bool:
    """Make the index, or stop it where this SQLite cannot keep it up.

    Returns:
        Whether there is an index.
    """
    try:
        return _prepare(connection)
    except sqlite3.Error:  # damaged beyond repair, or another program holds the file
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        with suppress(sqlite3.Error):
            _stop(connection)
        return False


def _prepare(connection: sqlite3.Connection) -> bool:
    (kept_up,) = connection.execute(
        "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'entry'"
    ).fetchone()
    if not has_fts5(connection):
        _stop(connection)
        return False
    if kept_up < len(_TRIGGERS) or not _is_whole(connection):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "CREATE VIRTUAL TABLE IF NOT EXISTS entry_fts USING fts5 "
            "(text, content = 'entry', content_rowid = 'number', "
            "tokenize = 'unicode61 remove_diacritics 2')"
        )
        for name, body in _TRIGGERS.items():
            connection.execute(f"CREATE TRIGGER IF NOT EXISTS {name} {body}")
        connection.execute("INSERT INTO entry_fts (entry_fts) VALUES ('rebuild')")
        connection.execute("COMMIT")
    return True


def _stop(connection: sqlite3.Connection) -> None:
    """Messages can be written again, whatever is the matter with the index."""
    for name in _TRIGGERS:
        connection.execute(f"DROP TRIGGER IF EXISTS {name}")


def _is_whole(connection: sqlite3.Connection) -> bool:
    """Whether the index can be used; a damaged one would let no message be written."""
    try:
        connection.execute("INSERT INTO entry_fts (entry_fts) VALUES ('integrity-check')")
    except sqlite3.OperationalError:  # somebody writes: no time to look
        return True
    except sqlite3.DatabaseError:
        return False
    return True


def found_entries(query: str, *, has_index: bool) -> tuple[str, list[str]]:
    """A SELECT of `session, number`: the newest message of each chat that has all the words.

    Returns:
        The statement and its parameters.
    """
    words = query.split()
    if has_index and all(ord(letter) < _FIRST_SPACELESS for letter in query):
        quoted = ('"' + word.replace('"', '""') + '"*' for word in words)
        return (
            "SELECT session, max(number) AS number FROM entry_fts "
            "JOIN entry ON number = entry_fts.rowid WHERE entry_fts MATCH ? GROUP BY session",
            [" ".join(quoted)],
        )
    likes = " AND ".join(r"text LIKE ? ESCAPE '\'" for _ in words)
    return (
        f"SELECT session, max(number) AS number FROM entry WHERE {likes} GROUP BY session",
        [like(word) for word in words],
    )


def like(word: str) -> str:
    """The pattern of LIKE that finds a word anywhere; a backslash is its ESCAPE."""
    for sign in ("\\", "%", "_"):
        word = word.replace(sign, f"\\{sign}")
    return f"%{word}%"


def snippet(text: str, words: Sequence[str]) -> Snippet:
    """The first place in a message that has one of the words, in one line."""
    folded = _folded(text)
    places = [(at, len(word)) for word in map(_folded, words) if (at := folded.find(word)) >= 0]
    start, length = min(places, default=(0, 0))
    end = start + length
    first, last = max(0, start - _BEFORE), end + _AFTER
    before, match, after = text[first:start], text[start:end], text[end:last]
    return Snippet(
        ("…" if first else "") + _in_a_line(before).lstrip(),
        _in_a_line(match),
        _in_a_line(after).rstrip() + ("…" if last < len(text) else ""),
    )


def _folded(text: str) -> str:
    """Without case and accents, each letter in its place."""
    return "".join(unicodedata.normalize("NFD", letter)[0].lower()[0] for letter in text)


def _in_a_line(text: str) -> str:
    return "".join(" " if letter in "\r\n\t" else letter for letter in text)
