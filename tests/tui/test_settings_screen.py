"""The settings screen: choosing, typing, pressing keys, going back; and what the items say."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from tests.tui.test_app import with_settings
from tui.screens.settings import SettingsScreen
from tui.settings import toml_file
from tui.widgets.settings_list import SettingsList

TEXT = """\
# mine
[presets.brief]
system = "Be brief."
"""


class Page:
    """The settings screen of a chat."""

    def __init__(self, chat, folder):
        self.chat = chat
        self.folder = folder

    @property
    def list(self) -> SettingsList:
        return self.chat.app.screen.query_one(SettingsList)

    @property
    def kept(self):
        return toml_file.read(self.folder / "settings.toml")

    async def go(self, name: str) -> None:
        """Down to the line of that name."""
        items = self.list._items
        place = next(index for index, item in enumerate(items) if item.name == name)
        self.list.highlighted = self.list.get_option_index(str(place))
        await self.chat.settle()

    def line(self, name: str) -> str:
        return next(line for line in self.chat.lines if line.strip().startswith(name))


@pytest.fixture
def page(tmp_path):
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def page(text=TEXT, *, size=(100, 60), **given):
        async with with_settings(tmp_path, text, size=size, **given) as chat:
            await chat.press("f2")
            yield Page(chat, tmp_path)

    return page


async def test_it_shows_values_defaults_and_where_they_are_kept(page, tmp_path):
    async with page("[sampling]\ntemperature = 0.7\n", thinking=True) as at:
        assert "settings.toml" in at.chat.lines[0]
        assert "0.7" in at.line("temperature")
        assert "default: 0, the checkpoint's own" in at.line("temperature")
        assert "this chat: on" in at.line("thinking")
        assert "2048" in at.line("max_tokens")
        assert "the checkpoint's own" in at.line("top_k")
        assert "another every time" in at.line("seed")
        assert "ctrl+t" in at.line("chat.thinking")


async def test_right_left_and_enter_choose(page):
    async with page() as at:
        await at.go("theme")
        await at.chat.press("right", "right")
        assert at.chat.app.theme == "light"
        assert at.kept.values == {"look.theme": "light"}
        await at.chat.press("left", "enter")
        assert at.kept.values == {"look.theme": "light"}
        await at.go("thinking")
        await at.chat.press("space")
        assert at.kept.get("thinking") is True
        assert at.chat.app.chat.options.thinking is True
        assert "# mine" in (at.folder / "settings.toml").read_text()


async def test_delete_goes_back_to_the_default(page):
    async with page('image_tokens = 70\n[look]\ntheme = "light"\n') as at:
        for name in ("theme", "image_tokens"):
            await at.go(name)
            assert "del back to the default" in at.chat.text
            await at.chat.press("delete")
        assert at.kept.values == {}
        assert at.chat.app.theme == "dark"
        assert "280" in at.line("image_tokens")
        assert at.chat.app.chat.options.image_tokens is None


async def test_numbers_and_text_are_typed(page):
    async with page() as at:
        await at.go("temperature")
        await at.chat.press("enter", *"warm", "enter")
        assert "expected a number from 0 to 100, found 'warm'" in at.chat.text
        assert at.chat.app.screen.query_one(Input).has_focus
        await at.chat.press(*["backspace"] * 4, *"0.5", "enter")
        assert at.kept.get("sampling.temperature") == 0.5
        assert at.list.has_focus
        await at.go("system")
        await at.chat.press("enter", *"Be", "space", *"kind.", "enter")
        assert at.kept.get("system") == "Be kind."
        await at.go("temperature")
        await at.chat.press("enter", *["backspace"] * 3, "enter")  # nothing: the default
        assert at.kept.get("sampling.temperature") is None
        await at.chat.press("enter", "x", "escape")
        assert at.list.has_focus
        assert at.kept.get("sampling.temperature") is None
        await at.chat.press("escape")
        assert at.chat.app.screen is at.chat.app.chat


async def test_a_key_is_pressed(page):
    async with page() as at:
        await at.go("chat.thinking")
        await at.chat.press("enter")
        assert "press the new key" in at.chat.text
        await at.chat.press("f1")  # it is the key now, not the help
        assert isinstance(at.chat.app.screen, SettingsScreen)
        assert "f1 is already app.help" in at.chat.text
        await at.chat.press("enter", "left")  # nor a step
        assert "left is already" not in at.chat.text or at.kept.keys == {}
        await at.chat.press("enter", "f5")
        assert at.kept.keys["chat.thinking"] == "f5"
        await at.chat.press("enter", "escape")
        assert isinstance(at.chat.app.screen, SettingsScreen)
        await at.chat.press("escape", "f5")
        assert "thinking on" in at.chat.lines[0]
        await at.chat.press("f2")
        await at.go("chat.thinking")
        await at.chat.press("delete")
        assert at.kept.keys == {}


async def test_a_preset_is_taken_and_forgotten(page):
    async with page(TEXT + '[presets."[red]x\\u001b[2J"]\nsystem = "[bold]y"') as at:
        assert "[red]x␛[2J" in at.chat.text
        assert "[bold]y" in at.chat.text
        await at.go("brief")
        await at.chat.press("enter")
        assert at.chat.app.chat.options.system == "Be brief."
        await at.chat.press("delete")
        assert "brief" not in at.kept.presets
        assert not any(item.name == "brief" for item in at.list._items)


async def test_a_broken_file_is_left_alone_and_said(page):
    async with page("a = = 1") as at:
        await at.go("theme")
        await at.chat.press("right", "right")
        assert at.chat.app.theme == "light"
        assert "is left as it is" in " ".join(at.chat.text.split())  # wherever its lines break
    assert at.folder.joinpath("settings.toml").read_text() == "a = = 1"


async def test_a_long_text_goes_to_the_editor(page, monkeypatch):
    from contextlib import nullcontext

    async with page('system = "one\\ntwo"') as at:
        monkeypatch.setattr(type(at.chat.app), "suspend", lambda app: nullcontext())
        monkeypatch.setattr("tui.editor.edit", lambda text: text + "\nthree")
        await at.go("system")
        await at.chat.press("enter")
        assert at.kept.get("system") == "one\ntwo\nthree"
