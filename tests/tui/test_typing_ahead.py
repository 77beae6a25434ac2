"""Keys that come faster than they are dealt with: each line is sent as it was typed."""

from __future__ import annotations

from textual import events

from gemma4_mlx.engine import FakeEngine
from tests.tui.driver import ANSWER, Chat, chatting, picture

NAMES = {"\r": "enter", "/": "slash", " ": "space"}


async def burst(chat: Chat, text: str) -> None:
    """All keys at once, as a slow line or a busy machine delivers them."""
    for letter in text:
        chat.app.post_message(events.Key(NAMES.get(letter, letter), letter))
    for _ in range(3):
        await chat.settle()


async def test_what_is_typed_after_enter_is_not_sent_with_it():
    async with chatting(FakeEngine([ANSWER, ANSWER])) as chat:
        await burst(chat, "one\rtwo\rthree")
        asked = [request.messages[-1]["content"] for request in chat.engine.requests]
        assert asked == [[{"type": "text", "text": "one"}], [{"type": "text", "text": "two"}]]
        assert chat.prompt.text == "three"


async def test_commands_are_obeyed_one_by_one_and_one_that_is_refused_stays():
    async with chatting() as chat:
        await burst(chat, "/set p 1\r/set k 2\r/nonsense\r!")
        assert (chat.app.chat.options.top_p, chat.app.chat.options.top_k) == (1.0, 2)
        assert chat.prompt.text == "/nonsense!"
        assert chat.engine.requests == []


async def test_enter_means_the_whole_line_where_nothing_is_left_to_choose_from():
    async with chatting() as chat:
        await chat.press("slash", "s", "e", "t")
        await burst(chat, " p 1\rHello")
        assert chat.app.chat.options.top_p == 1.0
        assert chat.prompt.text == "Hello"
        await chat.enter("/set p 1")
        assert "send ≈" not in chat.text  # a command that was obeyed costs nothing
        await chat.press("slash", "h", "e", "l")
        await burst(chat, "\r")
        assert chat.app.screen is not chat.app.chat


async def test_a_question_typed_on_an_attachment_is_no_order_to_it(tmp_path):
    async with chatting() as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.press("up")
        await burst(chat, "How many = all?")
        assert chat.prompt.text == "How many = all?"
        assert chat.app.screen is chat.app.chat
        await chat.press("up", "space")
        assert chat.app.screen is not chat.app.chat


async def test_enter_does_not_take_what_was_offered_for_less_than_is_typed():
    async with chatting(FakeEngine([ANSWER, ANSWER])) as chat:
        await chat.enter("one")
        await chat.press("slash")
        await burst(chat, "retry\r")
        assert chat.prompt.text == ""
        assert len(chat.engine.requests) == 2


async def test_keys_that_edit_keep_their_place_among_letters():
    async with chatting() as chat:
        await chat.press("o", "l", "d")
        for key in ("ctrl+u", "a", "c", "left", "b", "right", "x", "backspace", "d"):
            chat.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await chat.settle()
        assert chat.prompt.text == "abcd"
