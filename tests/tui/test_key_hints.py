"""Hints for which there is no room are left out whole."""

from __future__ import annotations

import pytest

from tests.tui.driver import chatting
from tui.widgets.key_hints import fitting

HINTS = "enter send · ctrl+j line · @ file · /help"


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (41, HINTS),
        (40, "enter send · ctrl+j line · /help"),
        (31, "enter send · /help"),
        (17, "/help"),
        (2, "/help"),
    ],
)
def test_the_first_and_the_last_stay(width, shown):
    assert fitting(HINTS, width) == shown


async def test_they_follow_the_window_and_what_stands_beside_them():
    async with chatting(size=(80, 24)) as chat:
        assert "ctrl+j line · @ file · ctrl+r record · /help" in chat.lines[-1]
        await chat.press(*"Hello")
        assert "record" not in chat.lines[-1] and "@ file · /help  " in chat.lines[-1]
        await chat.pilot.resize_terminal(60, 20)
        await chat.settle()
        assert chat.lines[-1].strip().startswith("enter send · /help  ")
        await chat.pilot.resize_terminal(120, 34)
        await chat.settle()
        assert "ctrl+r record · /help" in chat.lines[-1]


async def test_the_way_out_of_the_settings_and_of_the_files_is_named_in_a_narrow_window():
    async with chatting(size=(60, 20)) as chat:
        await chat.press("f2")
        assert chat.lines[-1].strip() == "enter type, ctrl+g in your editor · esc back"
        await chat.press("escape", "ctrl+f")
        assert "enter attach · space mark · ← up · esc back" in chat.text
        await chat.press("escape", "ctrl+s")
        assert "enter open · ↓ rename, export, delete · esc back" in chat.text
