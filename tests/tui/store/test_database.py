"""A file that cannot be used is left alone, and the chat goes on beside it."""

from __future__ import annotations

import os
import sqlite3
import stat

import pytest

from tests.tui.store.chats import picture, rich_chat, say
from tui.chat.conversation import Conversation
from tui.store import Store, database
from tui.store.migrations import STEPS


@pytest.fixture
def opened():
    """Open stores that are closed at the end."""
    stores = []

    def open_store(folder):
        stores.append(Store.open(folder, wait_s=0.05))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


def keep_something(store: Store) -> str:
    chat = Conversation()
    say(chat, "question", "answer")
    store.write(chat.take_changes())
    assert [row.id for row in store.sessions()] == [chat.id]
    return chat.id


def test_a_new_database_is_for_its_owner_alone(tmp_path, opened):
    store = opened(tmp_path / "new" / "folder")
    keep_something(store)
    assert (store.path, store.trouble) == (tmp_path / "new" / "folder" / "chats.db", "")
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    for file in store.path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_how_it_is_opened(tmp_path, opened):
    connection = opened(tmp_path)._connection
    for pragma, value in (("journal_mode", "wal"), ("foreign_keys", 1), ("user_version", 1)):
        assert connection.execute(f"PRAGMA {pragma}").fetchone() == (value,)


def newer(path):
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    connection.close()


def foreign(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE session (something TEXT)")
    connection.close()


def damaged(path):
    store = Store.open(path.parent)
    keep_something(store)
    store.close()
    content = bytearray(path.read_bytes())
    content[4096:12288] = b"\xff" * 8192
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (newer, "a newer version of gemma4 made it"),
        (foreign, "another program made it"),
        (damaged, "it is damaged"),
        (lambda path: path.write_text("these are no chats " * 100), "it is not a database"),
        (lambda path: path.mkdir(), "it is not a file"),
        (lambda path: os.mkfifo(path), "it is not a file"),
    ],
    ids=["newer", "foreign", "damaged", "text", "folder", "pipe"],
)
def test_what_cannot_be_used_is_left_alone(tmp_path, opened, spoil, reason):
    path = tmp_path / "chats.db"
    spoil(path)
    before = path.read_bytes() if path.is_file() else None
    store = opened(tmp_path)
    assert store.path == tmp_path / "chats-2.db"
    assert store.trouble.startswith(f"{path} is left alone: {reason}")
    assert store.trouble.endswith("This chat is kept in chats-2.db beside it.")
    keep_something(store)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_beside_it_goes_on_with_what_is_there(tmp_path, opened):
    newer(tmp_path / "chats.db")
    first = opened(tmp_path)
    kept = keep_something(first)
    first.close()
    assert [row.id for row in opened(tmp_path).sessions()] == [kept]


def test_what_was_kept_beside_comes_home(tmp_path, opened):
    (tmp_path / "chats.db").mkdir()
    other = opened(tmp_path)
    chat = rich_chat(picture(tmp_path / "photos"))
    other.write(chat.take_changes())
    updated = other.sessions()[0].updated
    (tmp_path / "chats.db").rmdir()

    still_used = opened(tmp_path)
    assert (still_used.trouble, still_used.sessions()) == ("", [])
    assert (tmp_path / "chats-2.db").exists()
    own = keep_something(still_used)
    for store in (still_used, other):
        store.close()

    for _ in range(2):
        store = opened(tmp_path)
        assert {row.id for row in store.sessions()} == {chat.id, own}
        (row,) = store.sessions("red star")
        assert (row.id, row.updated) == (chat.id, updated)
        read = store.load(chat.id)
        assert [entry.text for entry in read.branch()] == [entry.text for entry in chat.branch()]
        (attachment,) = read.branch()[0].attachments
        assert attachment.path.read_bytes() == b"not a picture"
        store.close()
    names = {path.name for path in tmp_path.iterdir()}
    assert {name for name in names if "-2" in name} == set()


def test_a_damaged_file_beside_is_left_alone(tmp_path, opened):
    (tmp_path / "chats-2.db").write_text("nothing " * 100)
    assert not opened(tmp_path).trouble
    assert (tmp_path / "chats-2.db").read_text() == "nothing " * 100


def test_a_locked_database(tmp_path, opened):
    mine = opened(tmp_path)
    kept = keep_something(mine)
    mine.close()
    other = sqlite3.connect(tmp_path / "chats.db")
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    store = opened(tmp_path)
    assert "another program holds it" in store.trouble
    assert store.path == tmp_path / "chats-2.db"
    other.rollback()
    other.close()
    again = opened(tmp_path)
    assert not again.trouble
    assert [row.id for row in again.sessions()] == [kept]


def only_in_memory(store: Store, reason: str) -> None:
    assert store.path is None
    assert reason in store.trouble
    assert store.trouble.endswith("This chat is kept in memory only.")
    keep_something(store)


def test_a_read_only_database(tmp_path, opened, monkeypatch):
    """Opened by a way that refuses to write, as tests may run as one who may write anywhere."""
    opened(tmp_path).close()
    connect = sqlite3.connect

    def read_only(name, **options):
        is_file = name != ":memory:"
        return connect(f"file:{name}?mode=ro" if is_file else name, uri=is_file, **options)

    monkeypatch.setattr(database.sqlite3, "connect", read_only)
    only_in_memory(opened(tmp_path), "it cannot be written")


def test_a_full_disk(tmp_path, opened, monkeypatch):
    class Full(sqlite3.Connection):
        def execute(self, statement, *parameters):
            if "CREATE TABLE" in statement and self.is_file:
                super().execute("PRAGMA max_page_count = 1")
            return super().execute(statement, *parameters)

    connect = sqlite3.connect

    def full(name, **options):
        connection = connect(name, factory=Full, **options)
        connection.is_file = name != ":memory:"
        return connection

    monkeypatch.setattr(database.sqlite3, "connect", full)
    only_in_memory(opened(tmp_path), "the disk is full")


def test_no_folder_can_be_made(tmp_path, opened):
    (tmp_path / "file").touch()
    only_in_memory(opened(tmp_path / "file" / "data"), "Not a directory")


def test_steps_that_fail_leave_nothing_behind(tmp_path, opened, monkeypatch):
    monkeypatch.setattr("tui.store.migrations.STEPS", (*STEPS, ("CREATE TABLE x (y)", "nonsense")))
    with pytest.raises(sqlite3.OperationalError):  # in memory, too, as the step is wrong
        opened(tmp_path)
    monkeypatch.undo()
    store = opened(tmp_path)
    assert not store.trouble
    names = store._connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert ("x",) not in names


def test_an_older_database_takes_the_missing_steps(tmp_path, opened, monkeypatch):
    first = opened(tmp_path)
    kept = keep_something(first)
    first.close()
    monkeypatch.setattr(
        "tui.store.migrations.STEPS", (*STEPS, ("ALTER TABLE session ADD COLUMN x TEXT",))
    )
    store = opened(tmp_path)
    assert not store.trouble
    assert store._connection.execute("PRAGMA user_version").fetchone() == (len(STEPS) + 1,)
    assert store._connection.execute("SELECT x FROM session").fetchall() == [(None,)]
    assert [row.id for row in store.sessions()] == [kept]
