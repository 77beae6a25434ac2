"""Where other options have the model read a long chat again, that is said before it does."""

from __future__ import annotations

from gemma4_mlx.engine import FakeEngine
from tests.tui.driver import chatting
from tests.tui.plain.talk import talk
from tests.tui.told import said

AGAIN = "the whole chat is read again, about"


async def test_thinking_in_a_long_chat_says_what_is_read_again():
    engine = FakeEngine([said("Yes.", 900), said("Well.", 2400), said("No.", 2800)])
    async with chatting(engine, size=(100, 24)) as chat:
        await chat.enter("One?")
        await chat.press("ctrl+t")
        assert "thinking on" in chat.lines[-1] and AGAIN not in chat.text  # it is short
        await chat.enter("Two?")
        await chat.press("ctrl+t")
        assert f"thinking off · {AGAIN} 2400 tokens" in chat.lines[-1]
        await chat.press("ctrl+t")
        assert "thinking on · as it was: nothing is read again" in chat.lines[-1]
        await chat.enter("/think off")
        await chat.enter("Three?")
        assert not engine.requests[-1].thinking
        await chat.enter("/think off")
        assert AGAIN not in chat.text
        await chat.enter("/think on")
        assert f"thinking on · {AGAIN} 2800 tokens" in chat.lines[-1]


async def test_so_do_another_system_prompt_and_another_model():
    async with chatting(FakeEngine([said("Yes.", 2000)]), size=(120, 24)) as chat:
        await chat.enter("One?")
        await chat.enter("/set temp 0.5")
        assert AGAIN not in chat.text
        await chat.enter("/system Be brief.")
        assert f"told so from the next answer on · {AGAIN} 2000 tokens" in chat.lines[-1]
        await chat.enter("/system off")
        assert "as it was: nothing is read again" in chat.lines[-1]
        await chat.enter("/model other")
        assert f"{AGAIN} 2000 tokens" in chat.lines[-1]


def test_line_by_line_as_well():
    chat = talk("One?", "/think on", "/think off", turns=[said("Yes.", 2000)])
    assert "Thinking is on.\nThe whole chat is read again, about 2000 tokens.\n" in chat.text
    assert "Thinking is off.\nAs it was: nothing is read again.\n" in chat.text
