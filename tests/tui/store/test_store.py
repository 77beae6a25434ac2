"""Chats that are written, read, searched and deleted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma4_mlx.errors import StoreError, UsageError
from gemma4_mlx.events import TextDelta
from tests.tui.store.chats import keep, picture, rich_chat, say
from tui.chat.conversation import Conversation, Draft
from tui.store import Store


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
