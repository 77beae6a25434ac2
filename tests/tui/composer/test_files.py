"""The screen of files."""

from __future__ import annotations

from tests.tui.composing import composing
from tests.tui.driver import picture
from tui.screens.files import FilesScreen


async def test_ctrl_f_finds_marks_and_attaches(here):
    for name in ("one.png", "two.png", "three.png"):
        picture(here, name)
    (here / "notes.txt").touch()
    async with composing() as chat:
        await chat.press("ctrl+f")
        assert isinstance(chat.app.screen, FilesScreen)
        assert "notes.txt" not in chat.text
        assert "266 tokens · sees 912×672" in chat.text
        await chat.type("tw")
        assert "one.png" not in chat.text
        await chat.press("space", "backspace", "backspace")
        await chat.type("thr")
        await chat.press("space", "enter")
        assert chat.names == ["two.png", "three.png"]
        assert chat.prompt.has_focus


async def test_the_files_lead_into_folders_and_out_again(here):
    (here / "sub").mkdir()
    picture(here / "sub", "deep.png")
    (here / "notes.txt").touch()
    async with composing((60, 20)) as chat:
        await chat.press("ctrl+f", "enter")
        assert "deep.png" in chat.text
        await chat.press("left")
        assert "sub/" in chat.text
        await chat.press("right")
        assert "deep.png" in chat.text
        await chat.press("backspace", "ctrl+a")
        assert "notes.txt" in chat.text
        await chat.press("x", "escape", "escape")
        assert chat.names == []
        assert not isinstance(chat.app.screen, FilesScreen)


async def test_damage_is_told_among_the_files(here):
    (here / "broken.png").write_text("no picture")
    async with composing() as chat:
        await chat.press("ctrl+f")
        assert "not a picture" in chat.text
        await chat.press("enter")
        assert chat.rows[0].error is not None
