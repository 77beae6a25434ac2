"""Chats that are written, read, searched and deleted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma4_mlx.errors import StoreError, UsageError
from gemma4_mlx.events import TextDelta
from tests.tui.store.chats import picture, rich_chat, say
from tui.chat.conversation import Conversation, Draft
from tui.store import Store, media_folder, search_index
from tui.store.session_row import Snippet


@pytest.fixture
def store(tmp_path):
    store = Store.open(tmp_path / "data", clock=lambda: 5.0)
    assert not store.trouble
    yield store
    store.close()


def keep(store: Store, conversation: Conversation) -> Conversation:
    written = store.write(conversation.take_changes())
    for entry_id, attachments in written.attachments.items():
        conversation.moved(entry_id, attachments)
    return conversation


def test_a_chat_comes_back_as_it_was(store, tmp_path):
    kept = keep(store, rich_chat(picture(tmp_path)))
    read = store.load(kept.id)
    assert list(read.entries.values()) == list(kept.entries.values())
    assert read.branch() == kept.branch()
    assert read.messages() == kept.messages()
    assert (read.id, read.title, read.system) == (kept.id, "What is it?", "Be brief.")
    assert (read.model, read.created) == ("pocket", kept.created)
    assert read.take_changes().entries == ()


def test_a_chat_goes_on_where_it_was(store):
    kept = keep(store, rich_chat())
    read = store.load(kept.id)
    read.switch(read.siblings(read.branch()[1])[0])
    say(read, "Other?", "No.")
    keep(store, read)
    again = store.load(kept.id)
    texts = [entry.text for entry in again.branch()]
    assert texts == ["What is it?", "It is a star.", "Other?", "No."]
    assert len(again.entries) == 7


def test_only_what_is_said_brings_a_chat_to_the_top(tmp_path):
    now = iter(range(1, 100))
    store = Store.open(tmp_path, clock=lambda: float(next(now)))
    old, new = keep(store, rich_chat()), keep(store, rich_chat())
    order = [new.id, old.id]
    opened = keep(store, store.load(old.id))  # and left again
    assert [row.id for row in store.sessions()] == order
    opened.switch(opened.siblings(opened.branch()[1])[0])
    opened.system, opened.model, opened.title = "Be loud.", "another", "Another"
    keep(store, opened)
    store.rename(old.id, "Yet another")
    assert [row.id for row in store.sessions()] == order
    assert store.load(old.id).head == opened.head
    say(opened, "And now?", "Now.")
    keep(store, opened)
    assert [row.id for row in store.sessions()] == order[::-1]
    store.close()


@given(st.text(st.characters(codec=None), max_size=30), st.text(max_size=30))
@settings(max_examples=40)
def test_any_text_can_be_kept(tmp_path_factory, question, answer):
    store = Store.open(tmp_path_factory.getbasetemp() / "any")
    conversation = Conversation()
    say(conversation, question, answer)
    keep(store, conversation)
    first, second = store.load(conversation.id).branch()
    assert first.text == question.encode("utf-8", "replace").decode()
    assert second.text == answer
    store.sessions(question)
    store.close()


def test_what_is_taken_back_is_gone_on_disk_too(store):
    chat = Conversation()
    chat.ask(Draft("first"))
    keep(store, chat)
    chat.hear(TextDelta(""))
    chat.take_back()
    keep(store, chat)
    assert store.load(chat.id).branch() == ()
    assert store.sessions() == []
    say(chat, "second", "answer")
    keep(store, chat)
    assert [row.title for row in store.sessions()] == ["second"]


def test_an_empty_chat_is_forgotten_a_day_later(tmp_path):
    chat = Conversation()
    chat.ask(Draft("first"))
    day_s = 24 * 3600.0
    for now, is_there in ((0.0, True), (day_s - 1, True), (day_s + 1, False)):
        store = Store.open(tmp_path, clock=lambda now=now: now)
        if chat.is_new:
            keep(store, chat)
            chat.take_back()
            keep(store, chat)
        if is_there:
            assert store.load(chat.id).head is None
        else:
            with pytest.raises(UsageError):
                store.load(chat.id)
        store.close()


def test_an_answer_that_was_being_written_is_a_stopped_one(tmp_path):
    chat = Conversation()
    chat.ask(Draft("go"))
    chat.hear(TextDelta("Once upon"))
    store = Store.open(tmp_path)
    keep(store, chat)
    store.close()
    again = Store.open(tmp_path)
    answer = again.load(chat.id).head
    assert (answer.state, answer.text) == ("stopped", "Once upon")
    again.close()


def test_rename_and_delete(store):
    chat = keep(store, rich_chat())
    store.rename(chat.id, " New [b]name ")
    say(chat, "more", "words")
    keep(store, chat)
    assert [row.title for row in store.sessions()] == ["New [b]name"]
    with pytest.raises(UsageError, match="needs a title"):
        store.rename(chat.id, "  ")
    store.delete(chat.id)
    assert store.sessions() == []
    for call in (store.load, store.delete, lambda id: store.rename(id, "x")):
        with pytest.raises(UsageError, match="there is no chat"):
            call(chat.id)


def test_a_chat_that_was_deleted_elsewhere_stays_deleted(store):
    chat = keep(store, rich_chat())
    store.delete(chat.id)
    say(chat, "still", "here")
    assert store.write(chat.take_changes()).is_gone
    assert store.sessions() == []


def test_ids_can_be_shortened(store):
    ids = {"aa11": "one", "aa22": "two", "bb33": "three"}
    for number, (id, title) in enumerate(ids.items()):
        store._clock = lambda number=number: float(number)
        chat = Conversation(title=title)
        chat.id = id
        say(chat, "x", "y")
        keep(store, chat)
    assert [store.resolve(each) for each in ("b", "aa2", "aa11", "last")] == [
        "bb33", "aa22", "aa11", "bb33",
    ]  # fmt: skip
    store._clock = lambda: 9.0
    keep(store, Conversation(title="nothing was said"))
    assert store.resolve("last") == "bb33"
    with pytest.raises(UsageError, match="2 chats begin with 'aa'"):
        store.resolve("aa")
    for nothing in ("zz", "", "%", "AA11"):
        with pytest.raises(UsageError, match="there is no chat"):
            store.resolve(nothing)


# Search


@pytest.fixture(params=["index", "letters"])
def searched(request, tmp_path, monkeypatch):
    """The same search with FTS5 and in a SQLite that has none."""
    if request.param == "letters":
        monkeypatch.setattr(search_index, "has_fts5", lambda connection: False)
    store = Store.open(tmp_path)
    for title, answer in (
        ("Lisbon", "The total is 47.80, tip not included."),
        ("Trees", "An oak; 100% sure_ly.\nTotal: 3 lime trees"),
        ("星", "明るい星が見えます"),
    ):
        chat = Conversation(title=title)
        say(chat, "What do you see?", answer)
        store.write(chat.take_changes())
    yield store
    store.close()


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", {"Lisbon", "Trees", "星"}),
        ("total", {"Lisbon", "Trees"}),
        ("TOTAL tip", {"Lisbon"}),
        ("incl tot", {"Lisbon"}),
        ("tree", {"Trees"}),
        ("lisb", {"Lisbon"}),
        ("るい星", {"星"}),
        ("nothing", set()),
        ("100%", {"Trees"}),
        ("sure_ly", {"Trees"}),
        ('"', set()),
        ("total OR AND NOT NEAR( *", set()),
        ("text:total", set()),
    ],
)
def test_search(searched, query, titles):
    assert {row.title for row in searched.sessions(query)} == titles


def test_the_hit_is_shown(searched):
    (row,) = searched.sessions("included")
    assert row.snippet == Snippet("…total is 47.80, tip not ", "included", ".")
    (row,) = searched.sessions("Lisbon")
    assert row.snippet is None


def test_pages_of_the_list(searched):
    everything = [row.id for row in searched.sessions()]
    assert [row.id for row in searched.sessions(limit=2, offset=1)] == everything[1:]


def test_accents_do_not_matter_to_the_index(store):
    chat = Conversation()
    say(chat, "Übersetze Café", "x")
    keep(store, chat)
    (row,) = store.sessions("ubersetze cafe")
    assert row.snippet == Snippet("", "Übersetze", " Café")


def test_changed_and_removed_text_is_no_longer_found(store):
    chat = Conversation()
    chat.ask(Draft("question"))
    keep(store, chat)
    for word in ("early", "late"):
        chat.hear(TextDelta(word))
        keep(store, chat)
    assert len(store.sessions("earlylate")) == 1
    assert store.sessions("late") == []
    chat.take_back()
    keep(store, chat)
    assert store.sessions("earlylate") == []


def test_an_index_is_made_anew_when_fts5_comes_back(tmp_path, monkeypatch):
    for has_fts5, word in ((True, "first"), (False, "second"), (True, "third")):
        with monkeypatch.context() as patch:
            if not has_fts5:
                patch.setattr(search_index, "has_fts5", lambda connection: False)
            store = Store.open(tmp_path)
            assert not store.trouble
            chat = Conversation()
            say(chat, word, "answer")
            keep(store, chat)
            assert len(store.sessions(word)) == 1
            store.close()
    store = Store.open(tmp_path)
    assert [len(store.sessions(word)) for word in ("first", "second", "third")] == [1, 1, 1]
    store.close()


@pytest.mark.parametrize(
    "damage",
    ["DELETE FROM entry_fts_data", "UPDATE entry_fts_data SET block = x'00ff00ff' WHERE id > 10"],
)
def test_a_damaged_index_is_made_anew_or_done_without(tmp_path, damage):
    store = Store.open(tmp_path)
    chat = keep(store, rich_chat())
    store._connection.execute(damage)
    store.close()
    store = Store.open(tmp_path)
    chat = store.load(chat.id)
    say(chat, "more", "words")
    keep(store, chat)
    assert [len(store.sessions(word)) for word in ("star", "words")] == [1, 1]
    store.close()


def test_a_snippet_is_one_line_cut_at_both_ends():
    text = "word " * 30 + "the\nhit" + " word" * 30
    found = search_index.snippet(text, ["hit"])
    assert found.match == "hit"
    assert found.before.startswith("…")
    assert found.before.endswith("the ")
    assert found.after.endswith("…")
    assert len(found.before + found.match + found.after) <= 110
    assert search_index.snippet("abc", ["zzz"]) == Snippet("", "", "abc")


# Pictures and clips


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


# Trouble while it is open


def test_a_full_disk_is_an_error_of_ours_and_loses_nothing_written(store):
    chat = keep(store, rich_chat())
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    say(chat, "long", "word " * 100_000)
    changes = chat.take_changes()
    with pytest.raises(StoreError, match="the disk is full"):
        store.write(changes)
    assert len(store.load(chat.id).branch()) == 4
    store._connection.execute("PRAGMA max_page_count = 100000")
    chat.put_back(changes)
    keep(store, chat)
    assert len(store.load(chat.id).branch()) == 6
