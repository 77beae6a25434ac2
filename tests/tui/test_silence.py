"""A model that does not answer is said to be silent, for as long as it is."""

from __future__ import annotations

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
