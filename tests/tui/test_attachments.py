"""Rows of the composer: files good and bad, pasted and typed."""

from __future__ import annotations

import shlex
import threading
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from gemma4_mlx.engine import DEMO_READY, FakeEngine
from gemma4_mlx.events import LoadProgress
from tests.tui.driver import chatting, clip, picture
from tui.attachments.attachment import Attachment


async def test_a_pasted_path_is_attached(tmp_path):
    async with chatting() as chat:
        await chat.paste(str(picture(tmp_path)))
        await chat.paste(f"'{clip(tmp_path, 'a voice.wav')}'")
        assert [row.holds.name for row in chat.rows] == ["shapes.png", "a voice.wav"]
        assert chat.prompt.text == ""


async def test_other_pasted_text_is_inserted_once():
    async with chatting() as chat:
        await chat.paste("/help is a command\nhere it is text")
        assert chat.prompt.text == "/help is a command\nhere it is text"
        assert chat.rows == []


def broken_jpeg(folder):
    path = picture(folder, "broken.jpg", (800, 600))
    path.write_bytes(path.read_bytes()[:1500])
    return path


def text_file(folder):
    path = folder / "notes.png"
    path.write_text("not a picture")
    return path


def empty_file(folder):
    path = folder / "empty.wav"
    path.touch()
    return path


def long_recording(folder):
    path = folder / "talk.wav"
    soundfile.write(path, np.zeros(1000 * 60 * 91, np.int16), 1000)
    return path


BAD = {
    "a truncated picture": (broken_jpeg, "image", "broken.jpg is damaged"),
    "text": (text_file, "image", "notes.png is not a picture"),
    "an empty clip": (empty_file, "audio", "empty.wav is empty"),
    "a long recording": (long_recording, "audio", "talk.wav is 91.0 min long"),
    "a clip as a picture": (clip, "image", "voice.wav is not a picture"),
    "a folder": (lambda folder: folder, "image", "is a folder"),
}


@pytest.mark.parametrize(("make", "kind", "said"), BAD.values(), ids=BAD)
async def test_a_bad_file_is_told_on_its_row_and_not_sent(tmp_path, make, kind, said):
    async with chatting(size=(100, 24)) as chat:
        await chat.enter(f"/{kind} '{make(tmp_path)}'")
        assert said in chat.text
        assert chat.rows[0].error.hint in " ".join(chat.text.split())
        await chat.enter("What is it?")
        assert chat.engine.requests == []
        assert chat.prompt.text == "What is it?"
        assert "cannot be sent" in " ".join(chat.lines[-4:])
        await chat.press("up")
        assert "cannot be sent" not in " ".join(chat.lines[-4:])
        await chat.press("right", "delete", "enter")
        assert len(chat.engine.requests) == 1


async def test_of_several_bad_files_the_names_stay_and_hints_give_way(tmp_path):
    files = [make(tmp_path) for make in (text_file, broken_jpeg, empty_file)]
    names = [file.name for file in files]
    async with chatting(size=(80, 24)) as chat:
        await chat.paste("\n".join(map(str, files)))
        assert [row.holds.name for row in chat.rows if row.error] == names
        words = " ".join(chat.text.split())
        assert all(row.error.message in words for row in chat.rows)
        assert chat.rows[0].error.hint not in words

        many = [tmp_path / f"page {number}.png" for number in range(3)]
        for path in many:
            path.write_text("no picture")
        await chat.paste("\n".join(map(shlex.quote, map(str, many))))
        names += [path.name for path in many]
        assert all(f"{name} is " in chat.text for name in names)

        await chat.press(*["up"] * len(names))
        assert chat.rows[0].error.hint in " ".join(chat.text.split())
        await chat.press("escape")
        await chat.enter("What is it?")
        assert chat.engine.requests == []
        assert all(name in " ".join(chat.lines[-4:]) for name in names)


async def test_hints_come_back_where_there_is_room(tmp_path):
    async with chatting(size=(80, 15)) as chat:
        await chat.paste(str(text_file(tmp_path)))
        hint = chat.rows[0].error.hint
        assert hint in " ".join(chat.text.split())
        await chat.paste(str(empty_file(tmp_path)))
        assert hint not in " ".join(chat.text.split())
        assert "notes.png is " in chat.text
        await chat.pilot.resize_terminal(80, 24)
        await chat.settle()
        assert hint in " ".join(chat.text.split())


async def test_a_fault_of_a_decoder_is_told_on_the_row(tmp_path, monkeypatch):
    def explode(*_, **__):
        raise KeyError("plugin")

    monkeypatch.setattr("gemma4_mlx.processing.image_file.open_image", explode)
    async with chatting() as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        assert "KeyError: 'plugin'" in chat.text


async def test_a_model_without_ears_refuses_clips_before_and_after_it_is_loaded(tmp_path):
    async with chatting(FakeEngine(loading=[LoadProgress(1, 2)])) as chat:
        await chat.enter(f"/audio {clip(tmp_path)}")
        assert chat.rows[0].error is None
        await chat.tell(replace(DEMO_READY, hears=False))
        await chat.enter(f"/audio {clip(tmp_path)}")
        await chat.enter(f"/image {picture(tmp_path)}")
        errors = [row.error and row.error.message for row in chat.rows]
        assert errors == ["voice.wav: pocket cannot hear clips"] * 2 + [None]


async def test_the_cost_waits_for_the_checkpoints_own_budget(tmp_path):
    async with chatting(FakeEngine(loading=[LoadProgress(1, 2)])) as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        assert chat.rows[0].holds.image_tokens is None
        assert "and more" in chat.lines[-1]
        await chat.tell(replace(DEMO_READY, image_tokens=70))
        assert "63 tok" in chat.text
        assert "[70]" in chat.text


async def test_a_budget_chosen_before_the_model_is_there_stays(tmp_path):
    async with chatting(FakeEngine(loading=[LoadProgress(1, 2)])) as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.press("up", "right", "right")
        assert chat.rows[0].holds.image_tokens == 560
        await chat.tell(DEMO_READY)
        assert chat.rows[0].holds.image_tokens == 560


async def test_names_are_shown_as_they_are(tmp_path):
    async with chatting(size=(100, 24)) as chat:
        await chat.enter(f"/image '{picture(tmp_path, '[red]x[b].png')}'")
        assert "[red]x[b].png" in chat.text


async def test_many_attachments_leave_room_for_the_conversation(tmp_path):
    async with chatting(size=(60, 20)) as chat:
        for number in range(12):
            await chat.enter(f"/image {picture(tmp_path, f'{number}.png', (64, 64))}")
        assert "11.png" in chat.text
        assert chat.prompt.region.height == 3
        assert chat.app.screen.query_one("Transcript").region.height >= 8


async def test_the_row_of_a_narrow_window_keeps_budget_and_cost(tmp_path):
    async with chatting(size=(60, 20)) as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        row = next(line for line in chat.lines if "shapes.png" in line)
        assert "[280]" in row and "266 tok" in row and "✕" in row


# --- A question that waits until its files are read ---


@pytest.fixture
def slow(monkeypatch):
    """Files are decoded when this is set, not before."""
    gate, check = threading.Event(), Attachment.check

    def wait(attachment):
        gate.wait(10)
        return check(attachment)

    monkeypatch.setattr(Attachment, "check", wait)
    yield gate
    gate.set()


async def send_at_once(chat, path, text="what is it?") -> None:
    """Attach and press Enter; the file is not read meanwhile."""
    chat.app.chat.composer.attach([path])
    chat.prompt.put(text)
    await chat.pilot.pause()
    await chat.pilot.press("enter")
    await chat.pilot.pause()


async def test_a_question_waits_until_its_files_are_read(tmp_path, slow):
    async with chatting() as chat:
        await send_at_once(chat, picture(tmp_path))
        assert chat.engine.requests == []
        assert "esc cancels · sends when shapes.png is read" in chat.lines[-1]
        slow.set()
        await chat.settle()
        assert len(chat.engine.requests) == 1
        assert chat.rows == []
        assert "sends when" not in chat.text


@pytest.mark.parametrize("how", ["escape", "x", "drop", "ctrl+n"])
async def test_a_question_that_waits_can_be_held_back(tmp_path, slow, how):
    async with chatting() as chat:
        await send_at_once(chat, picture(tmp_path))
        if how == "drop":
            chat.app.chat.composer.attached.drop("")
        else:
            await chat.pilot.press(how)
        await chat.pilot.pause()
        assert "not sent" in chat.lines[-1]
        slow.set()
        await chat.settle()
        assert chat.engine.requests == []
        assert chat.prompt.text.startswith("what is it?")


async def test_a_question_that_waits_for_a_broken_file_is_kept(tmp_path, slow):
    async with chatting() as chat:
        await send_at_once(chat, broken_jpeg(tmp_path))
        slow.set()
        await chat.settle()
        assert chat.engine.requests == []
        assert "broken.jpg cannot be sent" in " ".join(chat.lines[-4:])
        assert chat.prompt.text == "what is it?"


async def test_a_command_waits_for_no_file(tmp_path, slow):
    async with chatting() as chat:
        await send_at_once(chat, picture(tmp_path), "/budget 70")
        assert chat.rows[0].holds.image_tokens == 70
        assert chat.prompt.text == ""
        slow.set()
