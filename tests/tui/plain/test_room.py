"""The chat line by line: room in a full context."""

from __future__ import annotations

from gemma4_mlx.events import (
    Finished,
    MediaReceipt,
    ModelReady,
    TextDelta,
    Timings,
    Usage,
)
from gemma4_mlx.folders import data_folder
from tests.tui.driver import picture
from tests.tui.plain.talk import ANSWER, OUT_OF_MEMORY, said, talk
from tui.store import Store

SMALL = ModelReady("small", True, True, 280, 400)
FULL = Finished("stop", Usage(300, 0, 40), Timings())
LONG = "word " * 60


def test_pain_15_a_full_context_is_said_and_nothing_is_sent_unless_room_is_made(tmp_path):
    chat = talk(
        f"/image {picture(tmp_path)}",
        "What is it?",
        LONG,
        "",
        "/context",
        turns=[(TextDelta("A star."), FULL)],
        loading=[SMALL],
    )
    assert (
        "This would not fit. The conversation takes 340 of 400 tokens, this about 75" in chat.text
    )
    assert "1. Show it the pictures at lower budgets, which saves 136 tokens." in chat.lines
    assert "2. Have it summarised, and go on in a new chat." in chat.lines
    assert f"It is: {LONG.strip()}" in chat.text
    assert len(chat.engine.requests) == 1


def test_lower_budgets_make_room(tmp_path):
    steps = (f"/image {picture(tmp_path)}", "What is it?", LONG, "1")
    chat = talk(*steps, turns=[(TextDelta("A star."), FULL), ANSWER], loading=[SMALL])
    pictures = chat.engine.requests[1].messages[0]["content"]
    assert pictures[0]["image_tokens"] == 140
    assert chat.asked[1] == said(LONG.strip())


def test_pictures_that_were_sent_get_another_budget(tmp_path):
    shown = MediaReceipt("image", "shapes.png", 266, 266, 640, 480, 912, 672, 280)
    steps = ("/budget 70 sent", f"/image {picture(tmp_path)}", "What?", "/budget 70 sent", "And?")
    chat = talk(*steps, turns=[(shown, *ANSWER), ANSWER])
    assert "No picture has been sent in this chat." in chat.text
    assert "Frees 203 tokens" in chat.text and "1 turn is read again" in chat.text
    assert chat.engine.requests[1].messages[0]["content"][0]["image_tokens"] == 70


def test_the_oldest_turns_make_room():
    half = Finished("stop", Usage(150, 0, 20), Timings())
    turns = [(TextDelta("One."), half), (TextDelta("Two."), FULL), ANSWER]
    chat = talk("First?", "Second?", LONG, "1", turns=turns, loading=[SMALL])
    assert "1. Leave out the oldest turn, which saves about 170 tokens." in chat.lines
    assert [each["content"] for each in chat.engine.requests[2].messages] == [
        said("Second?"), "Two.", said(LONG.strip()),
    ]  # fmt: skip


def test_a_summary_makes_room_in_a_new_chat():
    turns = [(TextDelta("One."), FULL), (TextDelta("A star was seen."), FULL), ANSWER]
    chat = talk("First?", LONG, "1", turns=turns, loading=[SMALL])
    told = chat.engine.requests[2].messages
    assert told[0]["role"] == "system"
    assert told[0]["content"].endswith("A star was seen.")
    assert told[1:] == ({"role": "user", "content": said(LONG.strip())},)
    store = Store.open(data_folder())
    assert [row.title for row in store.sessions()] == ["First? (continued)", "First?"]
    store.close()


def test_after_out_of_memory_room_can_be_made_too(tmp_path):
    steps = (f"/image {picture(tmp_path)}", "What is it?", "1")
    chat = talk(*steps, turns=[[OUT_OF_MEMORY], ANSWER])
    assert "There is not enough memory." in chat.lines
    assert [asked[0]["image_tokens"] for asked in chat.asked] == [280, 140]
    assert "Gemma: A red star and a blue circle." in chat.lines
