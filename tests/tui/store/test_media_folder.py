"""Pictures and clips are kept beside the chats that they were sent in."""

from __future__ import annotations

from dataclasses import replace

from tests.tui.store.chats import keep, picture, rich_chat
from tui.store import Store, media_folder


def test_a_sent_file_stays_what_it_was(store, tmp_path):
    attachment = picture(tmp_path, "a b\u202fc.png", b"first")
    chat = keep(store, rich_chat(attachment))
    attachment.path.write_bytes(b"second")
    (kept,) = store.load(chat.id).branch()[0].attachments
    assert kept.path.read_bytes() == b"first"
    assert kept == replace(attachment, path=kept.path)
    assert kept.name == attachment.name


def test_the_same_content_is_stored_once_under_both_names(store, tmp_path):
    one, two = picture(tmp_path, "one.png", b"same"), picture(tmp_path, "two.png", b"same")
    chat = keep(store, rich_chat(one, two))
    first, second = (each.path for each in store.load(chat.id).branch()[0].attachments)
    assert (first.name, second.name) == ("one.png", "two.png")
    assert first.parent == second.parent
    assert first.samefile(second)


def test_files_go_with_the_last_message_that_refers_to_them(store, tmp_path):
    shared, own = picture(tmp_path, "shared.png", b"1"), picture(tmp_path, "own.png", b"2")
    first, second = keep(store, rich_chat(shared, own)), keep(store, rich_chat(shared))
    shared_kept, own_kept = (each.path for each in first.branch()[0].attachments)
    store.delete(first.id)
    assert (shared_kept.exists(), own_kept.exists()) == (True, False)
    store.delete(second.id)
    assert not shared_kept.exists()
    assert shared.path.exists()


def test_what_the_finder_leaves_behind_is_taken_for_no_picture(store, tmp_path):
    first, second = picture(tmp_path, "a.png"), picture(tmp_path, "b.png")
    chat = rich_chat(first)
    store.write(chat.take_changes())
    (folder,) = (store.path.parent / "media").iterdir()
    (folder / "a.png").unlink()
    (folder / ".DS_Store").write_bytes(b"where the icons are")
    other = rich_chat(second)
    store.write(other.take_changes())
    assert (folder / "b.png").read_bytes() == b"not a picture"


def test_a_file_that_is_swept_before_its_message_is_written_is_copied_again(store, tmp_path):
    chat = rich_chat(picture(tmp_path))
    keep_file = store._media.keep

    def keep_and_lose(attachment):
        kept = keep_file(attachment)
        if store._media.keep is not keep_file:
            store._media.keep = keep_file
            store._media.sweep(())
        return kept

    store._media.keep = keep_and_lose
    keep(store, chat)
    assert chat.branch()[0].attachments[0].path.exists()


def test_a_large_file_stays_where_it_is_and_that_is_said(store, tmp_path, monkeypatch):
    monkeypatch.setattr(media_folder, "MAX_COPIED_BYTES", 4)
    attachment = picture(tmp_path, "large.png", b"12345")
    chat = rich_chat(attachment)
    written = store.write(chat.take_changes())
    assert written.remarks == (
        f"large.png is not copied (5 bytes is much): this chat will read it from {tmp_path}",
    )
    assert store.load(chat.id).branch()[0].attachments == (attachment,)


def test_nothing_is_copied_if_that_is_not_wanted(tmp_path):
    attachment = picture(tmp_path)
    store = Store.open(tmp_path, keep_media=False)
    chat = rich_chat(attachment)
    assert store.write(chat.take_changes()).remarks == ()
    assert store.load(chat.id).branch()[0].attachments == (attachment,)
    assert not (tmp_path / "media").exists()
    store.close()


def test_a_missing_file_is_said_and_does_not_stop_the_chat(store, tmp_path):
    attachment = picture(tmp_path)
    attachment.path.unlink()
    chat = rich_chat(attachment)
    written = store.write(chat.take_changes())
    assert "photo.png is not copied (No such file or directory)" in written.remarks[0]
    assert store.load(chat.id).branch()[0].attachments == (attachment,)
