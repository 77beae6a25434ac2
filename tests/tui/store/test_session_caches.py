"""What the engine has read of each chat goes with its chat, and when there is too much of it."""

from __future__ import annotations

import os

import platformdirs
from platformdirs.macos import MacOS

from gemma4_mlx.folders import data_folder
from tests.tui.store.chats import rich_chat
from tui.store import SessionCaches, Store, caches_folder, session_caches


def test_it_goes_with_its_chat(tmp_path):
    caches = SessionCaches(tmp_path / "caches")
    (tmp_path / "caches").mkdir()
    store = Store.open(tmp_path, caches=tmp_path / "caches")
    first, second = rich_chat(), rich_chat()
    for chat in (first, second):
        store.write(chat.take_changes())
        caches.path(chat.id).write_text("what was read")
    caches.path("long-gone").touch()
    being_written = tmp_path / "caches" / f".{first.id}.1.safetensors"
    being_written.touch()
    store.delete(first.id)
    store.close()
    Store.open(tmp_path, caches=tmp_path / "caches").close()
    assert set((tmp_path / "caches").iterdir()) == {caches.path(second.id), being_written}


def test_chats_that_are_elsewhere_keep_theirs(tmp_path):
    (tmp_path / "caches").mkdir()
    (tmp_path / "caches" / "elsewhere").touch()
    (tmp_path / "chats.db").mkdir()
    Store.open(tmp_path, caches=tmp_path / "caches").close()
    assert (tmp_path / "caches" / "elsewhere").exists()


def test_the_oldest_go_when_there_is_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(session_caches, "MOST_BYTES", 25)
    caches = SessionCaches(tmp_path)
    for age, name in enumerate("abcd"):
        caches.path(name).write_bytes(b"x" * 10)
        os.utime(caches.path(name), (1000 - age, 1000 - age))
    caches.tidy("abcd")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_what_killed_writers_left_goes_after_a_day(tmp_path):
    left, being_written = tmp_path / ".a.1.safetensors", tmp_path / ".a.2.safetensors"
    for file in (left, being_written):
        file.write_bytes(b"half")
    os.utime(left, (1000, 1000))
    SessionCaches(tmp_path).tidy("a")
    assert list(tmp_path.iterdir()) == [being_written]


def test_a_folder_that_is_not_there_is_empty(tmp_path):
    SessionCaches(tmp_path / "nowhere").tidy(())
    SessionCaches(tmp_path / "nowhere").forget("x")


def test_where_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("GEMMA4_HOME", str(tmp_path))
    assert caches_folder() == tmp_path / "cache" / "conversations"


def test_on_a_mac_they_are_where_no_backup_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(platformdirs, "PlatformDirs", MacOS)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("GEMMA4_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert caches_folder() == tmp_path / "Library" / "Caches" / "gemma4" / "conversations"
    assert data_folder() == tmp_path / "Library" / "Application Support" / "gemma4"
    assert data_folder().stat().st_mode & 0o777 == 0o700
