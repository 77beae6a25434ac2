"""A model that does not answer is said to be silent, for as long as it is."""

from __future__ import annotations

from dataclasses import replace

from gemma4_mlx.engine import DEMO_READY, FakeEngine
from gemma4_mlx.events import EngineSilent, LoadProgress, TextDelta
from tests.tui.driver import FINISHED, chatting
from tests.tui.plain.talk import ANSWER, talk


async def test_the_title_says_how_long_a_model_has_not_answered():
    engine = FakeEngine([[TextDelta("Half an")]], loading=[LoadProgress(1, 2)])
    async with chatting(engine) as chat:
        await chat.tell(EngineSilent(5.01))
        assert "● not answering for 5 s" in chat.lines[0]
        await chat.tell(EngineSilent(0.0))
        assert "● loading" in chat.lines[0]
        await chat.tell(DEMO_READY)
        await chat.enter("Hi")
        await chat.tell(EngineSilent(65.0))
        assert "● not answering for 65 s" in chat.lines[0]
        assert "Half an" in chat.text
        await chat.tell(EngineSilent(0.0))
        assert "● ready" in chat.lines[0]
        await chat.tell(FINISHED)


def test_line_by_line_each_silence_is_said_once():
    silences = [EngineSilent(5.0), EngineSilent(10.0), EngineSilent(0.0), EngineSilent(5.0)]
    chat = talk("Hi", turns=[[*silences, *ANSWER]])
    assert chat.text.count("The model does not answer; Ctrl+C ends the waiting.") == 2
    assert "Gemma: A red star" in chat.text


async def test_where_the_title_is_narrow_how_the_model_is_goes_last():
    model = replace(DEMO_READY, name="mlx-community/gemma-4-26b-a4b-it-4bit", is_demo=True)
    async with chatting(FakeEngine([[TextDelta("So")]]), size=(100, 24)) as chat:
        await chat.tell(model)
        await chat.enter("A star and a circle?")
        await chat.tell(EngineSilent(65.0))
        for width, title in (
            (100, " · A star and a cir…  demo model · thinking off"),
            (76, " · A sta…  thinking off"),
            (60, ""),
        ):
            await chat.pilot.resize_terminal(width, 24)
            await chat.settle()
            assert chat.lines[0] == f"  gemma-4-26b-a4b-it-4bit  ● not answering for 65 s{title}"
        await chat.pilot.resize_terminal(50, 15)
        await chat.settle()
        assert chat.lines[0] == "  gemma-4-26…b-it-4bit  ● not answering for 65 s"
        assert "esc stop" in chat.lines[-1]
        await chat.tell(FINISHED)
