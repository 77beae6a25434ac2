"""Chats are found by their words, with an index and without."""

from __future__ import annotations

import pytest

from gemma4_mlx.events import TextDelta
from tests.tui.store.chats import keep, rich_chat, say
from tui.chat.conversation import Conversation, Draft
from tui.store import Store, search_index
from tui.store.session_row import Snippet


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
