"""The app: its keys, commands, settings in force, editor, and windows of all sizes."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, contextmanager

import pytest

from gemma4_mlx.engine import FakeEngine
from gemma4_mlx.errors import UsageError
from gemma4_mlx.events import TextDelta
from tests.tui.driver import ANSWER, Chat, chatting, picture
from tui import editor
from tui.app import ChatApp
from tui.commands import COMMANDS
from tui.screens.help import HelpScreen
from tui.screens.settings import SettingsScreen
from tui.screens.too_small import TooSmall
from tui.settings import toml_file
from tui.settings.options import ChatOptions
from tui.settings.preferences import Preferences
from tui.theme import theme_for


@asynccontextmanager
async def with_settings(folder, text="", *, size=(80, 24), turns=(), **given):
    """A chat that was started with a settings file."""
    file = folder / "settings.toml"
    file.write_text(text)
    preferences = Preferences.of(file)
    options = ChatOptions.resolve({"keep_chats": False, **given}, preferences.settings)
    engine = FakeEngine(turns)
    async with ChatApp(engine, options, preferences).run_test(size=size) as pilot:
        chat = Chat(pilot, engine)
        await chat.settle()
        yield chat


# Commands


async def test_every_command_is_obeyed_by_somebody():
    async with chatting() as chat:
        for command in COMMANDS:
            host = chat.app if command.host == "app" else chat.app.chat._commands
            assert callable(getattr(host, command.handler, None)), command.name


async def test_set_system_and_preset_hold_from_the_next_answer_on(tmp_path):
    text = '[presets.brief]\nsystem = "Be brief."\ntemperature = 0.2\nthinking = true'
    async with with_settings(tmp_path, text, turns=[ANSWER] * 4) as chat:
        await chat.enter("/set temp 0.7")
        assert "temperature: 0.7, for this chat" in chat.text
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.enter("/set budget 70")
        assert [row.holds.image_tokens for row in chat.rows] == [70]
        await chat.enter("/set temp 0.7")
        await chat.enter("one")
        asked = chat.engine.requests[-1]
        assert (asked.temperature, asked.image_tokens, asked.max_tokens) == (0.7, 70, 2048)
        await chat.enter("/system You are a pirate.")
        await chat.enter("two")
        assert chat.messages[0] == {"role": "system", "content": "You are a pirate."}
        await chat.enter("/preset brief")
        assert "brief: Be brief. · temperature 0.2 · thinking on" in chat.text
        await chat.enter("three")
        asked = chat.engine.requests[-1]
        assert (asked.temperature, asked.thinking) == (0.2, True)
        assert chat.messages[0]["content"] == "Be brief."
        await chat.enter("/system off")
        await chat.enter("/set temp default")
        await chat.enter("four")
        assert chat.messages[0]["role"] == "user"
        assert chat.engine.requests[-1].temperature is None
    assert (tmp_path / "settings.toml").read_text() == text  # a chat's choices are its own


MISTAKES = [
    ("/set temp warm", "expected a number from 0 to 100, found 'warm'"),
    ("/set colour red", "no setting 'colour'; a chat has budget, think, system, max"),
    ("/set theme dark", "theme is for all chats: /settings changes it"),
    ("/preset nobody", "no preset 'nobody'; there are none"),
    ("/preset save", "/preset save needs a name"),
    ("/theme blue", "expected one of auto, dark, light, ansi"),
    ("/theme", "/theme takes one of auto, dark, light, ansi; it is dark"),
]
QUESTIONS = [
    ("/set temp", "temperature: the checkpoint's own; takes a number from 0 to 100"),
    ("/system", "no system prompt"),
    ("/preset", "no presets yet: /preset save NAME makes one"),
]


async def test_mistakes_are_said_and_the_line_stays_and_without_a_value_they_say_what_holds():
    async with chatting(size=(120, 24)) as chat:
        for typed, said in MISTAKES:
            await chat.enter(typed)
            assert said in chat.text
            assert chat.prompt.text == typed
        for typed, said in QUESTIONS:
            await chat.enter(typed)
            assert said in chat.text
            assert chat.prompt.text == ""


async def test_preset_save_keeps_what_holds(tmp_path):
    async with with_settings(tmp_path, temperature=0.4) as chat:
        await chat.enter("/system Translate.")
        await chat.enter("/preset save translator")
        await chat.enter("/preset")
        assert "presets: translator" in chat.text
    kept = toml_file.read(tmp_path / "settings.toml").presets["translator"]
    assert kept.choices == {"system": "Translate.", "temperature": 0.4}


# Keys


async def test_the_keys_of_the_app_open_and_close_its_screens():
    async with chatting() as chat:
        await chat.write("a draft")
        for key, screen in (("f1", HelpScreen), ("f2", SettingsScreen)):
            await chat.press(key)
            assert isinstance(chat.app.screen, screen)
            await chat.press("ctrl+n")  # out of reach
            await chat.press(key if screen is HelpScreen else "escape")
            assert chat.app.screen is chat.app.chat
        await chat.press("ctrl+s")
        assert type(chat.app.screen).__name__ == "SessionsScreen"
        await chat.press("escape", "f2", "f1")
        assert isinstance(chat.app.screen, HelpScreen)
        await chat.press("escape", "escape")
        assert chat.prompt.text == "a draft"
        assert chat.prompt.has_focus


async def test_ctrl_n_begins_a_new_chat_and_keeps_the_draft():
    async with chatting(FakeEngine([ANSWER, ANSWER])) as chat:
        await chat.enter("one")
        await chat.write("a draft")
        await chat.press("ctrl+n")
        assert "red star" not in chat.text
        assert chat.prompt.text == "a draft"
        await chat.press("enter")
        assert len(chat.messages) == 1


async def test_other_keys_from_the_settings(tmp_path):
    text = '[keys]\n"chat.thinking" = "f5"\n"app.help" = "ctrl+x"\n[look]\nenter_sends = false'
    async with with_settings(tmp_path, text, turns=[ANSWER]) as chat:
        await chat.press("a", "enter", "b", "ctrl+j")
        assert chat.messages[0]["content"] == [{"type": "text", "text": "a\nb"}]
        await chat.press("ctrl+t")
        assert "thinking off" in chat.lines[0]
        await chat.press("f5")
        assert "thinking on" in chat.lines[0]
        await chat.press("f1")
        assert chat.app.screen is chat.app.chat
        await chat.pilot.resize_terminal(100, 250)
        await chat.press("ctrl+x")
        assert isinstance(chat.app.screen, HelpScreen)
        for what, key in (("thinking on or off", "f5"), (" send", "ctrl+j"), (" help", "ctrl+x")):
            line = next(line for line in chat.lines if line.strip().endswith(what))
            assert line.split()[0] == key


async def test_what_is_wrong_with_the_settings_is_said_and_nothing_is_overwritten(tmp_path):
    text = 'model = 3\n[look]\ntheme = "light"\n[keys]\n"chat.thinking" = "ctrl+n"'
    async with with_settings(tmp_path, text, size=(120, 40)) as chat:
        assert "The settings are wrong in 2 places" in chat.text
        assert "settings.toml, line 1: model: expected a folder or a hub id" in chat.text
        assert "ctrl+n is already app.new" in chat.text
        assert "gemma4 config edit" in chat.text
        assert chat.app.theme == "light"
        assert "pocket" in chat.lines[0]
    assert (tmp_path / "settings.toml").read_text() == text


# The look


async def test_theme_is_changed_at_once_and_kept(tmp_path):
    async with with_settings(tmp_path) as chat:
        assert chat.app.theme == "dark"
        await chat.enter("/theme light")
        assert chat.app.theme == "light"
        await chat.enter("/theme auto")
        assert chat.app.theme == "dark"
    assert toml_file.read(tmp_path / "settings.toml").values == {"look.theme": "auto"}


async def test_a_theme_that_cannot_be_kept_holds_all_the_same(tmp_path):
    async with with_settings(tmp_path, "a = = 1") as chat:
        await chat.enter("/theme light")
        assert chat.app.theme == "light"
        assert "is left as it is" in chat.text
    assert (tmp_path / "settings.toml").read_text() == "a = = 1"


@pytest.mark.parametrize(
    ("choice", "environ", "theme"),
    [
        ("auto", {"COLORTERM": "truecolor"}, "dark"),
        ("auto", {"TERM": "xterm-256color"}, "dark"),
        ("auto", {"TERM": "xterm-256color", "COLORFGBG": "0;15"}, "light"),
        ("auto", {"TERM": "xterm-256color", "COLORFGBG": "15;default;0"}, "dark"),
        ("auto", {"TERM": "linux"}, "ansi"),
        ("auto", {}, "ansi"),
        ("light", {"TERM": "linux"}, "light"),
        ("light", {"TERM": "xterm-256color", "NO_COLOR": "1"}, "ansi"),
        ("light", {"TERM": "xterm-256color", "NO_COLOR": ""}, "light"),
    ],
)
def test_the_theme_follows_the_terminal(choice, environ, theme):
    assert theme_for(choice, environ) == theme


async def test_no_color_has_none_and_stays_in_the_environment(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    async with chatting(FakeEngine([ANSWER])) as chat:
        await chat.enter("one")
        segments = [
            segment
            for strip in chat.app.screen._compositor.render_strips()
            for segment in strip.apply_filter(
                chat.app._filters[-1], chat.app.screen.background_colors[1]
            )
        ]
        colours = {s.style.color for s in segments if s.style and s.style.color}
        assert all(colour.is_default for colour in colours)
    assert os.environ["NO_COLOR"] == "1"


# The editor


@pytest.fixture
def lend(monkeypatch):
    """A terminal that can be lent, and an editor that does what a test wants."""

    @contextmanager
    def suspend(app):
        yield

    def lend(edit):
        monkeypatch.setattr(ChatApp, "suspend", suspend)
        monkeypatch.setattr("tui.editor.edit", edit)

    return lend


async def test_ctrl_g_writes_the_draft_in_an_editor(lend):
    lend(lambda text: f"{text}, much longer")
    async with chatting() as chat:
        await chat.write("a draft")
        await chat.press("ctrl+g")
        assert chat.prompt.text == "a draft, much longer"
        assert chat.prompt.has_focus


async def test_an_editor_that_fails_or_cannot_have_the_terminal_leaves_the_draft(lend, monkeypatch):
    monkeypatch.setenv("VISUAL", "no-such-editor")
    edit = editor.edit
    async with chatting() as chat:
        await chat.write("a draft")
        await chat.press("ctrl+g")
        assert "cannot be lent" in chat.text
        lend(edit)
        await chat.press("ctrl+g")
        assert "no-such-editor" in chat.text
        assert chat.prompt.text == "a draft"


# Windows


async def test_a_window_too_small_says_so_and_the_draft_survives():
    async with chatting(FakeEngine([[TextDelta("Once")]])) as chat:
        await chat.enter("one")
        await chat.write("a draft\nof two lines")
        for size in ((29, 8), (30, 7), (10, 2), (1, 1)):
            await chat.pilot.resize_terminal(*size)
            await chat.settle()
            assert isinstance(chat.app.screen, TooSmall)
        await chat.pilot.resize_terminal(20, 5)
        await chat.settle()
        assert chat.lines[0] == "window too small"
        await chat.tell(TextDelta(" upon a time"))
        await chat.pilot.resize_terminal(30, 8)
        await chat.settle()
        assert chat.app.screen is chat.app.chat
        assert chat.prompt.text == "a draft\nof two lines"
        assert chat.prompt.has_focus
        await chat.pilot.resize_terminal(80, 24)
        await chat.settle()
        assert "Once upon a time" in chat.text


# Models


class NoCommands:
    async def list(self):
        raise UsageError("nothing to be listed in a test")


async def test_whoever_never_chose_a_model_is_asked(monkeypatch):
    monkeypatch.setattr("tui.models.model_commands.ChildCommands", NoCommands)
    async with chatting(is_first_run=True) as chat:
        assert type(chat.app.screen).__name__ == "ModelsScreen"
        await chat.press("t")
        assert chat.app.screen is chat.app.chat
        assert chat.app.preferences.settings.values == {"model": "pocket"}
        await chat.enter("/model google/gemma-4-E2B-it")
        assert chat.engine.restarts == ["google/gemma-4-E2B-it"]
