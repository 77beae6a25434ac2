"""Commands and files that are suggested while somebody types."""

from __future__ import annotations

from tests.tui.composing import composing
from tests.tui.driver import picture


async def test_commands_are_suggested_and_taken_with_tab_or_enter():
    async with composing() as chat:
        await chat.type("/bu")
        assert "tokens a picture may cost" in chat.text
        assert "tab complete" in chat.lines[-1]
        await chat.press("tab")
        assert (chat.prompt.text, chat.prompt.suggestion) == ("/budget ", "N|auto [ROW|sent]")
        assert not chat.prompt.is_suggesting
        await chat.press("right")
        assert chat.prompt.text == "/budget "
        await chat.write("")
        await chat.type("/hel")
        await chat.press("enter")
        assert chat.submitted == ["/help"]


async def test_escape_closes_the_list_until_another_word_begins():
    async with composing() as chat:
        await chat.type("/th")
        await chat.press("escape")
        await chat.type("i")
        assert not chat.prompt.is_suggesting
        await chat.press("enter")
        assert chat.submitted == ["/thi"]
        await chat.press(*["backspace"] * 4)
        await chat.type("/")
        assert chat.prompt.is_suggesting


async def test_up_and_down_choose_round_the_ends():
    async with composing() as chat:
        await chat.type("/")
        await chat.press("down", "down", "up", "tab")
        assert chat.prompt.text == "/audio "
        await chat.write("")
        await chat.type("/")
        await chat.press("up", "tab")
        assert chat.prompt.text == "/quit"


async def test_pain_56_a_file_after_an_at_sign_becomes_an_attachment(here):
    picture(here, "receipt.png")
    (here / "my pics").mkdir()
    picture(here / "my pics", "lisbon.png")
    async with composing() as chat:
        await chat.type("what is @rec")
        assert "receipt.png" in chat.text
        await chat.press("enter")
        assert (chat.names, chat.prompt.text) == (["receipt.png"], "what is ")
        assert chat.submitted == []
        await chat.type("@my")
        await chat.press("tab")
        assert chat.prompt.text == 'what is @"my pics/'
        await chat.press("tab")
        assert (chat.names[-1], chat.prompt.text) == ("lisbon.png", "what is ")


async def test_an_at_sign_that_finds_nothing_is_text():
    async with composing() as chat:
        await chat.type("@someone hi")
        await chat.press("enter")
        assert chat.submitted == ["@someone hi"]


async def test_a_click_takes_a_suggestion():
    async with composing() as chat:
        await chat.type("/")
        await chat.pilot.click("Suggestions", offset=(4, 1))
        await chat.settle()
        assert chat.prompt.text == "/audio "


async def test_a_long_name_is_shown_whole_where_there_is_room(here):
    name = f"Screenshot {'of a window ' * 3}at 10.30.png"
    picture(here, name)
    async with composing() as chat:
        await chat.type("@")
        assert name in chat.text
    async with composing((40, 20)) as chat:
        await chat.type("@")
        assert name not in chat.text
        assert "Screenshot of a window" in chat.text
