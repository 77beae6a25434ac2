"""Help and palette: live keys, all commands."""

from __future__ import annotations

from tests.tui.driver import chatting, picture
from tui import keys
from tui.commands import COMMANDS
from tui.screens.help import live_ids, sections

TALL = (100, 250)


async def test_the_help_lists_every_key_and_command():
    async with chatting(size=TALL) as chat:
        await chat.enter("/help")
        text = " ".join(chat.text.split())
        for command in COMMANDS:
            assert command.usage in text
            assert command.summary in text
            assert all(f"/{alias}" in text for alias in command.aliases)
        for key in keys.all_keys():
            assert key.description.lower() in text, key.id


async def test_what_has_the_focus_comes_first(tmp_path):
    async with chatting() as chat:
        await chat.press("f1")
        assert chat.lines[2].strip() == "Writing"
        await chat.press("escape")
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.press("up", "f1")
        assert chat.lines[2].strip() == "On an attachment"
        assert "fewer tokens" in chat.text


def test_a_key_that_does_nothing_here_is_further_down():
    found = [each.heading for each in sections(["prompt.send", "chat.stop", "app.help"], {})]
    assert found[:4] == ["Writing", "The chat", "Everywhere", "Commands"]
    assert "On an attachment" in found[4:]


async def test_it_scrolls_fits_narrow_windows_and_closes():
    async with chatting() as chat:
        assert "suggestions.take" not in live_ids(chat.app.screen)
        await chat.press("f1", "pagedown")
        assert "Writing" not in chat.text
        for size in ((60, 20), (30, 8)):
            await chat.pilot.resize_terminal(*size)
            await chat.settle()
            assert all(len(line) <= size[0] for line in chat.lines)
            assert "Help" in chat.lines[0]
        await chat.press("q")
        assert chat.app.screen is chat.app.chat


async def palette(chat, query: str) -> None:
    await chat.press("ctrl+p", *(("space" if each == " " else each) for each in query))
    for _ in range(50):
        if not chat.app.screen._show_busy:
            break
        await chat.pilot.pause(0.02)
    await chat.settle()


async def test_the_palette_does_what_is_chosen():
    async with chatting() as chat:
        await palette(chat, "theme: light")
        assert "/theme light" in chat.text
        await chat.press("enter")
        assert chat.app.theme == "light"
        await palette(chat, "thinking on or off")
        await chat.press("enter")
        assert "thinking on" in chat.lines[0]


async def test_the_palette_begins_a_command_that_needs_more_but_not_over_a_draft():
    async with chatting() as chat:
        await palette(chat, "attach clips")
        await chat.press("enter")
        assert chat.prompt.text == "/audio "
        assert chat.prompt.has_focus
        await chat.write("a draft")
        await palette(chat, "attach clips")
        await chat.press("enter")
        assert chat.prompt.text == "a draft"
        assert "/audio can be typed when" in chat.text
