"""Pictures of settings, help, palette and themes: `--snapshot-update` after a look."""

from __future__ import annotations

import pytest

from gemma4_mlx.engine import FakeEngine
from gemma4_mlx.events import TextDelta
from tests.tui.driver import FINISHED, Chat, picture
from tui.app import ChatApp
from tui.settings.options import ChatOptions
from tui.settings.preferences import Preferences
from tui.settings.preset import Preset
from tui.settings.values import Settings
from tui.widgets.prompt import Prompt

ANSWER = [TextDelta("A **red** star and a `blue` circle.\n\n1. one\n2. two"), FINISHED]
PRESETS = {"translator": Preset("translator", {"system": "Translate.", "temperature": 0.2})}
KEYS = {"chat.thinking": "f5"}


@pytest.fixture
def draw(snap_compare, monkeypatch):
    """Compare the screen after some keys; nothing moves, nothing blinks."""
    monkeypatch.setattr("textual.constants.TEXTUAL_ANIMATIONS", "none")

    def compare(*pressed, values=None, size=(80, 24), folder=None):
        settings = Settings(values or {}, PRESETS, KEYS)
        options = ChatOptions.resolve({"keep_chats": False, "temperature": 0.7}, settings)
        engine = FakeEngine([ANSWER])

        async def act(pilot):
            chat = Chat(pilot, engine)
            await chat.settle()
            app.chat.query_one(Prompt).cursor_blink = False
            if folder is not None:
                await chat.enter(f"/image {picture(folder)}")
                await chat.enter("Which shapes do you see?")
                await chat.enter(f"/image {picture(folder, 'more.png')}")
            await chat.press(*pressed)

        app = ChatApp(engine, options, Preferences(settings))
        return snap_compare(app, terminal_size=size, run_before=act)

    return compare


def test_settings(draw):
    assert draw("f2", *["down"] * 5, values={"look.theme": "auto", "image_tokens": 560})


def test_settings_in_a_narrow_window(draw):
    assert draw("f2", *["down"] * 5, "enter", values={"image_tokens": 560}, size=(60, 20))


def test_help(draw):
    assert draw("f1")


def test_palette(draw):
    assert draw("ctrl+p", *"theme")


def test_a_light_chat(draw, tmp_path):
    assert draw(values={"look.theme": "light"}, folder=tmp_path)


def test_a_chat_in_sixteen_colours(draw, tmp_path):
    assert draw(values={"look.theme": "ansi"}, folder=tmp_path)


def test_a_chat_without_colour(draw, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert draw(folder=tmp_path)


def test_a_window_too_small(draw):
    assert draw(size=(28, 6))
