"""The chat line by line: chats that are kept."""

from __future__ import annotations

import os

from gemma4_mlx.engine import FakeEngine
from gemma4_mlx.events import (
    TextDelta,
)
from gemma4_mlx.folders import data_folder
from tests.tui.plain.talk import ANSWER, FINISHED, said, talk
from tui.store import Store


def test_chats_are_kept_found_and_gone_on_with(tmp_path):
    talk("What is the total?", turns=[(TextDelta("€47.80"), FINISHED)])
    talk("Which trees are these?", turns=[(TextDelta("Oaks."), FINISHED)])
    chat = talk("/sessions", "/open 2", "And the tip?", "/open oaks", "/new", "/rename x",
                turns=[ANSWER])  # fmt: skip
    listed = [line for line in chat.lines if line.startswith(("1. ", "2. "))]
    assert [line.partition(",")[0] for line in listed] == [
        "1. Which trees are these?",
        "2. What is the total?",
    ]
    assert "You: What is the total?\nGemma: €47.80\n" in chat.text
    asked = [each["content"] for each in chat.engine.requests[0].messages]
    assert asked == [said("What is the total?"), "€47.80", said("And the tip?")]
    assert "Which trees are these?: 1 question." in chat.lines

    last = talk(continue_last=True)  # where something was said last, not what was looked at
    assert "You: And the tip?\nGemma: A red star and a blue circle.\n" in last.text


def test_a_chat_is_saved_and_read_again(tmp_path):
    file = tmp_path / "chat.json"
    chat = talk("Hi", f"/save {file}", f"/save {file}", "/new", f"/import {file}", turns=[ANSWER])
    assert f"Written to {file}." in chat.lines
    assert f"{file} exists." in chat.lines
    assert chat.lines[-3:-1] == ["You: Hi", "Gemma: A red star and a blue circle."]


def test_the_question_is_on_the_disk_before_the_answer():
    engine = FakeEngine()
    found = []

    def look(request) -> None:
        store = Store.open(data_folder())
        found.extend(row.title for row in store.sessions())
        store.close()
        engine._open_turns += 1
        engine.tell(FINISHED)

    engine.submit = look
    talk("Where are you?", engine=engine)
    assert found == ["Where are you?"]


def test_nothing_is_kept_if_that_was_asked_for():
    talk("Hi", turns=[ANSWER], keep_chats=False)
    assert not (data_folder() / "chats.db").exists()


def test_a_folder_that_cannot_be_written_is_said_once(home, monkeypatch):
    monkeypatch.setenv("GEMMA4_HOME", os.devnull)
    chat = talk("Hi", "Hi", turns=[ANSWER, ANSWER])
    assert chat.text.count("Chats are not kept as they should be") == 1
    assert chat.text.count("Gemma: A red star") == 2
