"""What is pasted: text, files, and what is on the clipboard."""

from __future__ import annotations

import pytest

from gemma4_mlx.errors import AttachmentError
from tests.tui.composing import composing
from tests.tui.devices import FakeClipboard
from tests.tui.driver import clip, picture
from tui.attachments.clipboard import Copied


async def test_dropped_files_are_attached_and_ctrl_z_makes_them_text_again(here):
    paths = [picture(here, "a b.png"), clip(here)]
    async with composing() as chat:
        await chat.drop(*paths)
        assert chat.names == ["a b.png", "voice.wav"]
        await chat.press("ctrl+z")
        assert chat.names == []
        assert chat.prompt.text == f"{paths[0]}\n{paths[1]}"
        await chat.press("ctrl+z")
        assert chat.prompt.text == ""


async def test_a_drop_is_taken_back_only_while_it_is_the_last_thing_done(here):
    async with composing() as chat:
        await chat.drop(picture(here))
        await chat.type("ab")
        await chat.press("ctrl+underscore")
        assert chat.names == ["shapes.png"]
        assert "shapes" not in chat.prompt.text


async def test_a_drop_on_a_row_or_after_slash_image_is_attached_as_well(here):
    async with composing() as chat:
        await chat.type("/image ")
        await chat.drop(picture(here, "a.png"))
        assert (chat.names, chat.prompt.text) == (["a.png"], "")
        await chat.press("up")
        await chat.drop(picture(here, "b.png"))
        assert chat.names == ["a.png", "b.png"]
        assert chat.prompt.has_focus


async def test_a_paste_is_never_a_command():
    async with composing() as chat:
        await chat.paste("/quit")
        assert not chat.prompt.is_suggesting
        await chat.press("enter")
        assert chat.submitted == [" /quit"]
        await chat.write("")
        await chat.type("/")
        await chat.paste("quit")
        await chat.press("enter")
        assert chat.submitted[-1] == "/quit"


async def test_a_pasted_slash_is_forgotten_with_the_text():
    async with composing() as chat:
        await chat.paste("/quit")
        await chat.press(*["backspace"] * 5)
        await chat.type("/stop")
        await chat.press("enter")
        assert chat.submitted == ["/stop"]


async def test_control_characters_of_a_paste_are_shown_and_do_nothing():
    async with composing() as chat:
        await chat.paste("a\x1b]0;title\x07b\r\nc")
        assert chat.prompt.text == "a␛]0;title␇b\nc"


async def test_a_long_paste_is_folded_and_sent_whole():
    long = "word " * 2000
    async with composing() as chat:
        await chat.type("sum up ")
        await chat.paste(long)
        assert chat.prompt.text == "sum up [pasted text 1: 10000 characters]"
        assert chat.composer.draft().text == f"sum up {long}".strip()
        assert chat.composer.draft_tokens().text == 2502
        await chat.paste("x\n" * 200)
        assert chat.prompt.text.endswith("[pasted text 2: 201 lines]")
        await chat.press("backspace")
        assert chat.prompt.text == "sum up [pasted text 1: 10000 characters]"
        await chat.press("ctrl+underscore")
        assert chat.composer.draft().text.endswith("x\nx")


async def test_ten_megabytes_are_refused_in_words():
    async with composing() as chat:
        await chat.paste("word " * 2_000_000)
        assert chat.prompt.text == ""
        assert "10.0 MB of text, more than a model can read" in " ".join(chat.text.split())


@pytest.mark.parametrize("paste", ["ctrl+v", ""])
async def test_pain_56_ctrl_v_and_an_empty_paste_attach_a_copied_picture(here, paste):
    async with composing() as chat:
        chat.composer.clipboard = FakeClipboard(Copied(paths=(picture(here),)))
        await (chat.press(paste) if paste else chat.paste(""))
        assert chat.names == ["shapes.png"]


async def test_copied_text_is_pasted():
    async with composing() as chat:
        chat.composer.clipboard = FakeClipboard(Copied(text="two\nlines"))
        await chat.press("ctrl+v")
        assert chat.prompt.text == "two\nlines"


@pytest.mark.parametrize(
    ("holds", "said"),
    [(Copied(), "nothing on the clipboard"), (AttachmentError("no program", "get one"), "get one")],
)
async def test_an_empty_clipboard_is_told_and_the_chats_own_is_used_first(holds, said):
    async with composing() as chat:
        chat.composer.clipboard = FakeClipboard(holds)
        await chat.press("ctrl+v")
        assert said in chat.lines[-1]
        await chat.write("copy me")
        chat.prompt.select_all()
        await chat.press("ctrl+x", "ctrl+v")
        assert chat.prompt.text == "copy me"
