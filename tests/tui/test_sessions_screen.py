"""The screen of kept chats: search, open, rename, export, delete, by keys and by mouse."""

from __future__ import annotations

import json

import pytest

from gemma4_mlx.errors import StoreError
from tests.tui.sessions_host import CHATS, Host, Sessions, sessions
from tui.screens.sessions import SessionsScreen, file_name

LISBON, TREES, OVERSET, LONG = (title for title, *_ in CHATS)


async def closed_with(driver: Sessions) -> str | None:
    """The title of what the screen closed with."""
    assert not isinstance(driver.app.screen, SessionsScreen)
    (chosen,) = driver.app.closed_with
    return chosen and (await driver.app.store.load(chosen)).title


async def test_the_newest_is_one_key_away(tmp_path):
    async with sessions(tmp_path) as driver:
        await driver.press("enter")
        assert await closed_with(driver) == LISBON


async def test_search_shows_the_hit_and_opens_it(tmp_path):
    async with sessions(tmp_path) as driver:
        await driver.write("oak")
        assert "An oak and two limes." in driver.text
        assert LISBON not in driver.text
        await driver.write("no such words")
        assert "No chat has these words." in driver.text
        await driver.press("down", "enter")
        await driver.write("guten")
        await driver.press("down", "enter")
        assert await closed_with(driver) == OVERSET


async def test_times_and_titles_are_shown_as_they_are(tmp_path):
    async with sessions(tmp_path) as driver:
        lines = driver.text.splitlines()
        for start, title in (
            ("15:08", LISBON), ("13 Mar", TREES), ("2 Feb", OVERSET), ("Feb 2025", "A very long"),
        ):  # fmt: skip
            assert any(start in line and title in line for line in lines)


async def test_up_from_the_list_and_slash_are_back_in_the_search(tmp_path):
    async with sessions(tmp_path) as driver:
        for keys in (("down", "down", "up", "up", "up"), ("down", "slash")):
            await driver.press(*keys)
            assert driver.app.screen.focused.id == "sessions-search"
        await driver.press("escape")
        assert await closed_with(driver) is None


@pytest.mark.parametrize("keys", [("f2",), ("down", "up", "r")])
async def test_rename(tmp_path, keys):
    async with sessions(tmp_path) as driver:
        await driver.press(*keys)
        assert driver.app.screen.focused.value == LISBON
        await driver.write(" ")
        await driver.press("enter")
        assert "a chat needs a title" in driver.text
        await driver.write("[b]Porto")
        await driver.press("enter")
        assert (await driver.titles())[0] == "[b]Porto"
        assert "[b]Porto" in driver.text
        assert [title for _, title in driver.app.renamed] == ["[b]Porto"]
        await driver.press("f2", "x", "escape")
        assert (await driver.titles())[0] == "[b]Porto"
        assert isinstance(driver.app.screen, SessionsScreen)


async def test_delete_asks_and_stays_in_its_place(tmp_path):
    async with sessions(tmp_path) as driver:
        await driver.press("down", "d")
        assert f"Delete “{TREES}”?" in driver.text
        await driver.press("n")
        assert len(await driver.titles()) == 4
        await driver.press("d", "enter")
        assert len(await driver.titles()) == 4
        await driver.press("y")
        assert await driver.titles() == [LISBON, OVERSET, LONG]
        assert "deleted “[red]Trees" in driver.text
        await driver.press("enter")
        assert await closed_with(driver) == OVERSET


async def test_the_open_chat_is_marked_and_cannot_be_deleted(tmp_path):
    async with sessions(tmp_path) as driver:
        current = (await driver.app.store.sessions())[1].id
    async with sessions(tmp_path / "again", current=current) as driver:
        assert any(TREES in line and "open" in line for line in driver.text.splitlines())
        await driver.press("down", "d")
        assert "this chat is open" in driver.text
        assert len(await driver.titles()) == 4


async def test_export(tmp_path):
    async with sessions(tmp_path) as driver:
        await driver.press("down", "up", "x")
        assert driver.app.screen.focused.value == "receipt-in-lisbon.md"
        await driver.press("enter")
        assert (tmp_path / "receipt-in-lisbon.md").read_text().startswith("# Receipt in Lisbon")
        assert "written to" in driver.text
        await driver.press("x", "enter")
        assert "exists" in driver.text
        await driver.write("chat.json")
        await driver.press("enter")
        assert json.loads((tmp_path / "chat.json").read_text())["title"] == LISBON


async def test_the_mouse_chooses_and_works_the_keys(tmp_path):
    async with sessions(tmp_path) as driver:
        await driver.press("down")
        line = driver.text.splitlines()
        row = next(y for y, text in enumerate(line) if "r rename" in text)
        await driver.pilot.click(offset=(line[row].index("r rename"), row))
        await driver.settle()
        assert driver.app.screen.focused.id == "sessions-answer"
        await driver.press("escape")
        row = next(y for y, text in enumerate(line) if OVERSET in text)
        await driver.pilot.click(offset=(20, row))
        await driver.settle()
        assert await closed_with(driver) == OVERSET


async def test_nothing_is_kept_yet_and_trouble_is_said(tmp_path):
    class Broken:
        trouble = "chats.db is left alone: [/it] is damaged"

        async def sessions(self, query="", **_):
            if query:
                raise StoreError("the disk [b]cannot be read")
            return []

    async with sessions(tmp_path) as driver:
        await driver.press("escape")
        driver.app.push_screen(SessionsScreen(Broken()))
        await driver.settle()
        assert "No chats are kept yet." in driver.text
        assert "[/it] is damaged" in driver.text
        await driver.press("enter", "f2", "down")
        await driver.write("x")
        assert "the disk [b]cannot be read" in driver.text


async def test_a_window_that_shrinks_and_grows_again(tmp_path):
    async with sessions(tmp_path) as driver:
        await driver.press("down")
        for size in ((30, 8), (80, 24)):
            await driver.pilot.resize_terminal(*size)
            await driver.settle()
        assert "1 question" in driver.text
        await driver.press("enter")
        assert await closed_with(driver) == TREES


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Receipt in Lisbon", "receipt-in-lisbon"),
        ("../../etc/passwd", "etc-passwd"),
        ("Übersetzung: “x”", "übersetzung-x"),
        ("???", "chat"),
        ("word " * 30, "word-word-word-word-word-word-word-word"),
    ],
)
def test_a_title_as_the_name_of_a_file(title, name):
    assert file_name(title) == name


# Pictures of the screen


@pytest.fixture
def draw(snap_compare, monkeypatch, tmp_path):
    """Compare the screen after these keys; nothing moves, nothing blinks."""
    monkeypatch.setattr("textual.constants.TEXTUAL_ANIMATIONS", "none")

    def compare(*keys: str, search: str = "", size=(80, 24)):
        async def act(pilot):
            driver = Sessions(pilot)
            await driver.settle()
            for line in driver.app.screen.query("Input"):
                line.cursor_blink = False
            await driver.write(search)
            await driver.press(*keys)

        return snap_compare(Host(tmp_path), terminal_size=size, run_before=act)

    return compare


def test_a_search(draw):
    assert draw(search="to")


def test_a_new_title_in_a_narrow_window(draw):
    assert draw("down", "down", "r", size=(60, 20))


def test_a_chat_to_be_deleted(draw):
    assert draw("down", "d")
