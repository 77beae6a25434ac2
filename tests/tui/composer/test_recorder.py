"""Clips that are recorded."""

from __future__ import annotations

import wave

from gemma4_mlx.errors import AttachmentError
from tests.tui.composing import composing
from tests.tui.devices import FakeMicrophone


async def test_pain_56_ctrl_r_records_pauses_and_attaches(here):
    async with composing() as chat:
        chat.composer.microphone = microphone = FakeMicrophone()
        await chat.press("ctrl+r")
        microphone.hear(7)
        chat.composer.recorder.take_in()
        await chat.settle()
        assert "● 0:07" in chat.text
        assert "175 tok" in chat.text and "of 0:30" in chat.text
        assert "enter attach" in chat.lines[-1]
        await chat.press("space")
        microphone.hear(5)
        chat.composer.recorder.take_in()
        await chat.settle()
        assert "❚❚ 0:07" in chat.text
        await chat.press("space", "enter")
        assert len(chat.rows) == 1
        assert chat.rows[0].holds.tokens() == 175
        with wave.open(str(chat.rows[0].holds.path)) as file:
            assert file.getnframes() == 7 * 16000
        assert chat.prompt.has_focus and not microphone.is_open


async def test_a_long_recording_goes_on_in_parts(here):
    async with composing() as chat:
        chat.composer.microphone = microphone = FakeMicrophone()
        await chat.press("ctrl+r")
        for seconds, said in ((27, "part 2 begins at 0:30"), (5, "part 2")):
            microphone.hear(seconds)
            chat.composer.recorder.take_in()
            await chat.settle()
            assert said in chat.text
        await chat.press("enter")
        assert chat.rows[0].holds.parts == 2


async def test_escape_throws_away_and_asks_first_if_much_would_be_lost(here):
    async with composing() as chat:
        chat.composer.microphone = microphone = FakeMicrophone()
        for seconds, escapes in ((2, 1), (4, 2)):
            await chat.press("ctrl+r")
            microphone.hear(seconds)
            chat.composer.recorder.take_in()
            for press in range(escapes):
                assert microphone.is_open
                await chat.press("escape")
                assert ("once more" in chat.text) == (press + 1 < escapes)
            assert not microphone.is_open
        assert chat.rows == []
        assert list((here.parent / "own/state/recordings").iterdir()) == []


async def test_a_microphone_without_permission_is_explained_and_nothing_is_attached(here):
    async with composing() as chat:
        chat.composer.microphone = microphone = FakeMicrophone()
        await chat.press("ctrl+r")
        microphone.hear(0.3, loudness=0)
        chat.composer.recorder.take_in()
        await chat.settle()
        assert "gives no sound at all" in chat.text
        await chat.press("enter")
        assert "nothing was recorded" in chat.text
        assert chat.rows == []


async def test_no_microphone_is_told_at_once(here):
    async with composing() as chat:
        chat.composer.microphone = FakeMicrophone(AttachmentError("no microphone", "plug one in"))
        await chat.press("ctrl+r")
        assert "no microphone: plug one in" in chat.lines[-1]
        assert chat.prompt.has_focus


async def test_a_question_waits_for_its_recording(here):
    async with composing() as chat:
        chat.composer.microphone = FakeMicrophone()
        await chat.press("ctrl+r")
        await chat.write("Who is it?")
        await chat.press("enter")
        assert chat.submitted == []
        assert chat.composer.recorder.has_focus
        assert "still recording" in chat.lines[-1]
